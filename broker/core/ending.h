/* How runs end, and what becomes of their tasks. */
#pragma once

#include "broker/core/command.h"
#include "broker/core/task.h"

/* The run that the command speaks of. ABORTED/STALE_FENCE when it is not the task's present one; but when the last run
 * has ended by this very word, it is a repeat, and its first answer is in ret_task->run_end_state. */
enum status run_load(struct step *step, struct run_name run, enum run_end word, struct task *ret_task,
                     bool *ret_is_repeat) NODISCARD;

/* Keeps this as the outcome of the task, of one of its runs. */
void outcome_keep(struct step *step, struct task *task, uint64_t fence, const struct outcome *outcome);
/* The same for its present run. One that says nothing takes no row. */
void outcome_save(struct step *step, struct task *task, const struct outcome *outcome);

/* Forgets what the last run said. */
void outcome_drop(struct step *step, struct task *task);
/* A waiting task waits no more: its time is over. */
void task_expired(struct step *step, struct task *task);
/* A finishing task is over: its output is all there, or was waited for long enough. */
void run_finished(struct step *step, struct task *task, bool output_incomplete);
/* The lease of a held task has run out; a reaping one is known to be gone. */
enum status run_lost(struct step *step, struct task *task) NODISCARD;
/* A reaping task has waited out the reap grace: it is lost, or SUSPENDED where its submitter wants to look first. */
enum status run_given_up(struct step *step, struct task *task) NODISCARD;
/* Gives back a RUNNING task until it is resumed. */
void run_suspended(struct step *step, struct task *task, const char *reason);
/* Gives back a held task as interrupted. delay_ms 0 stands for the backoff of interruptions. */
enum status run_released(struct step *step, struct task *task, const char *reason, uint32_t delay_ms) NODISCARD;
