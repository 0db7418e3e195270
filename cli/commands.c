#include "cli/commands.h"

/* In the order in which help shows them, one a line: one's own tasks first, then the fleet. */
const struct command *const commands[] = {
    /* clang-format off */
    &command_submit,
    &command_list,
    &command_show,
    &command_why,
    &command_history,
    &command_wait,
    &command_logs,
    &command_cancel,
    &command_retry,
    &command_update,
    &command_suspend,
    &command_resume,
    &command_orphans,
    &command_adopt,
    &command_move,
    &command_purge,
    &command_jobs,
    &command_queues,
    &command_queue,
    &command_limit,
    &command_budget,
    &command_agents,
    &command_agent,
    &command_status,
    &command_events,
    &command_store,
    &command_context,
    &command_lock,
    &command_message,
    &command_help,
    &command_version,
    NULL,
    /* clang-format on */
};
