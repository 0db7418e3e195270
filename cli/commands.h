/* Every command, each defined in the file of its name. */
#pragma once

#include "cli/command.h"

extern const struct command command_adopt;
extern const struct command command_agent;
extern const struct command command_agent_drain;
extern const struct command command_agent_kill;
extern const struct command command_agents;
extern const struct command command_cancel;
extern const struct command command_context;
extern const struct command command_context_delete;
extern const struct command command_context_get;
extern const struct command command_context_list;
extern const struct command command_context_put;
extern const struct command command_context_stats;
extern const struct command command_events;
extern const struct command command_help;
extern const struct command command_history;
extern const struct command command_jobs;
extern const struct command command_budget;
extern const struct command command_budget_set;
extern const struct command command_budget_show;
extern const struct command command_limit;
extern const struct command command_limit_delete;
extern const struct command command_limit_list;
extern const struct command command_limit_set;
extern const struct command command_list;
extern const struct command command_lock;
extern const struct command command_lock_acquire;
extern const struct command command_lock_list;
extern const struct command command_lock_release;
extern const struct command command_lock_renew;
extern const struct command command_lock_run;
extern const struct command command_lock_stats;
extern const struct command command_logs;
extern const struct command command_message;
extern const struct command command_message_ack;
extern const struct command command_message_list;
extern const struct command command_message_receive;
extern const struct command command_message_send;
extern const struct command command_move;
extern const struct command command_orphans;
extern const struct command command_purge;
extern const struct command command_queue;
extern const struct command command_queue_pause;
extern const struct command command_queue_resume;
extern const struct command command_queue_set;
extern const struct command command_queues;
extern const struct command command_resume;
extern const struct command command_retry;
extern const struct command command_show;
extern const struct command command_status;
extern const struct command command_store;
extern const struct command command_store_backup;
extern const struct command command_store_check;
extern const struct command command_store_raise_epoch;
extern const struct command command_submit;
extern const struct command command_suspend;
extern const struct command command_update;
extern const struct command command_version;
extern const struct command command_wait;
extern const struct command command_why;

extern const struct command *const commands[]; /* ends with NULL */
