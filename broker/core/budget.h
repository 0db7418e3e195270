/* Budgets: what a task and everything below it may use up.
 *
 * A task that brings a budget has a row in the table of budgets; its descendants draw on it, up to the nearest one that
 * brings a budget of its own, which draws on this one in turn. What runs have used is settled from their heartbeats and
 * ends, along this chain. A budget is breached while a bound of it is reached: it asks the runs of its tree to give
 * back or to end, each at its next heartbeat, and no further one begins. Tasks that it keeps back are in the table of
 * withheld ones, so that they can be resumed when it is raised.
 *
 * The row goes with its task. A budget that is gone, or whose row is damaged, bounds nothing, nor do those that were
 * reached through it. */
#pragma once

#include "broker/core/effect.h"
#include "broker/core/task.h"

#define BUDGETS_DEEP_MAX 16 /* one within the other */

struct step;

/* False when it is damaged. */
bool budget_read(struct bytes value, uint64_t id, struct budget_row *ret_row);
/* NOT_FOUND when it is gone or damaged; then ret_row->id is 0. */
enum status budget_load(struct step *step, uint64_t id, struct budget_row *ret_row) NODISCARD;
bool budget_is_breached(const struct budget_row *row);

/* Whether a new task may bring this budget. FAILED_PRECONDITION/BUDGETS_TOO_DEEP. */
enum status budget_decide(struct step *step, const struct task_spec *spec, struct error *error) NODISCARD;
/* A new task, in hand, draws on its own budget, or on that of its parent. */
enum status budget_attach(struct step *step, struct task *task, const struct task_spec *spec) NODISCARD;

/* Takes what its run has used since it last said so from the budgets of the task, in hand. What is less than before
 * changes nothing. The task is to be written when something has changed. */
enum status budget_settle(struct step *step, struct task *task, const struct usage *said, bool *ret_changed) NODISCARD;

/* The breached one among this budget and those above it: one that cancels, else the nearest. Its id is 0 when there is
 * none. */
enum status budget_find_breach(struct step *step, uint64_t id, struct budget_row *ret_breached) NODISCARD;
/* FAILED_PRECONDITION/BUDGET_BREACHED when no run of the task may begin. */
enum status budget_check_room(struct step *step, const struct task *task) NODISCARD;
/* Asks the holder of a task, in hand, to give it back or to end it, and writes that. */
void budget_stop(struct step *step, struct task *task, const struct budget_row *breached);
/* The same for a READY task, whose turn has come: it is SUSPENDED or CANCELED. */
void budget_withhold(struct step *step, struct task *task, const struct budget_row *breached);
/* A task that was given back because of a budget that has been raised meanwhile is READY again. */
enum status budget_recheck(struct step *step, struct task *task) NODISCARD;
/* Resumes what a budget keeps back, until nothing is left, or it is breached again, or the work is used up, which is
 * taken off. */
enum status budget_resume(struct step *step, uint64_t id, uint32_t *work, uint64_t *done, bool *ret_is_over) NODISCARD;

/* "the budget of task 0000-01K3 is used up", in the arena of the effects. */
const char *budget_because(struct step *step, uint64_t id);
/* The same with figures. */
const char *budget_in_figures(struct step *step, const struct budget_row *breached);
