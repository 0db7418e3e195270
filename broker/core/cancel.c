/* What submitters and operators do to a task that somebody else works on: cancel it, or give it a new life. */
#include "broker/core/checkpoint.h"
#include "broker/core/core.h"
#include "broker/core/ending.h"
#include "broker/core/limits.h"
#include "broker/core/release.h"
#include "broker/core/unique.h"
#include "common/base/id.h"

#include <string.h>

static enum status answer_task(struct step *step, const struct command *command, const struct task *task)
{
    struct task_view *view = NULL;

    TRY(task_view(step, task, false, &view));
    effects_answer(step->effects, command->token, command->kind)->task = view;
    return STATUS_OK;
}

static void flag_canceling(struct step *step, struct task *task, const char *reason)
{
    struct run_name run = {.task_id = task->id, .fence = task->fence};

    task->canceling = true;
    task->suspending = false;
    task_note(task, EVENT_CANCELING, reason);
    memcpy(task->cancel_reason, reason, strlen(reason) + 1);
    task_write(step, task);
    effects_push(step->effects, task->now.agent_id, run, VERDICT_STOP, reason);
}

enum status step_cancel(struct step *step, const struct command *command)
{
    const struct command_cancel *cancel = &command->cancel;
    struct task_view *view = NULL;
    struct task task;
    char text[ID_TEXT_SIZE];

    TRY(limits_check_cancel(cancel, &step->error));
    TRY(task_load(step, cancel->task_id, &task));
    if (task.now.finishing)
        return error_set(&step->error, STATUS_FAILED_PRECONDITION, "TASK_ENDED",
                         "task %s has its outcome already: only its output is still on its way",
                         id_format(task.id, text));
    if (task_has_ended(task.now.state))
        return error_set(&step->error, STATUS_FAILED_PRECONDITION, "TASK_ENDED", "task %s has ended already: it is %s",
                         id_format(task.id, text), task_state_name(task.now.state));
    TRY(task_check_move(step, &task, MOVE_CANCEL));
    /* Also shows, before anything is written, that the body can be read. */
    TRY(task_view(step, &task, false, &view));
    if (!task_is_held(task.now.state)) {
        memcpy(task.cancel_reason, cancel->reason, strlen(cancel->reason) + 1);
        task_end(step, &task, MOVE_CANCEL, TASK_CANCELED);
        task.why = cancel->reason;
        task_write(step, &task);
    } else if (!task.canceling) {
        flag_canceling(step, &task, cancel->reason);
    }
    return answer_task(step, command, &task);
}

enum status step_retry(struct step *step, const struct command *command)
{
    const struct command_retry *retry = &command->retry;
    struct task_view *view = NULL;
    struct task task;
    char text[ID_TEXT_SIZE];

    TRY(task_load(step, retry->task_id, &task));
    TRY(task_check_move(step, &task, MOVE_RETRY));
    if (task.now.state == TASK_COMPLETED && !retry->force)
        return error_set(&step->error, STATUS_FAILED_PRECONDITION, "TASK_COMPLETED",
                         "task %s is COMPLETED; to do it once more all the same, use force", id_format(task.id, text));
    TRY(releases_check(step, &task));
    TRY(task_view(step, &task, false, &view));
    TRY(unique_retake(step, &task, &view->spec));
    task_move(&task, MOVE_RETRY, TASK_READY);
    task.attempts = 0;
    task.crashes = 0;
    task.interruptions = 0;
    task.deliveries = 0;
    task.ended_ms = 0;
    task.run_end = RUN_IS_OPEN;
    task.cancel_reason[0] = '\0';
    if (task.fence == 0)
        outcome_drop(step, &task); /* no run's, but why it ended without one */
    checkpoint_drop(step, &task);
    if (task.now.expires_ms <= step->now.wall_ms)
        task.now.expires_ms = 0;
    task_write(step, &task);
    return answer_task(step, command, &task);
}
