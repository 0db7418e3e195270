/* What the end of a task means to those that wait for it.
 *
 * A task that ends and may be waited for is put on the walk of job 0, and those that wait for it are released from
 * there: at once as far as the batch's bound allows, the others by a job. One that fails by that
 * is put on the walk in its turn, so chains of any length need no stack. Until all are released, the ended task can
 * neither be retried nor removed: they hear of this end and of no other. */
#pragma once

#include "broker/core/task.h"
#include "common/base/status.h"

#define RELEASES_JOB 0 /* its rows in the table of walks */

struct step;
struct broker;

/* At the opening. */
enum status releases_load(struct broker *broker, struct store_txn *txn) NODISCARD;

/* A task that may be waited for has ended. */
void releases_note(struct step *step, uint64_t id);
/* Whether tasks that wait for this one have not heard of its end. */
enum status releases_are_open(struct step *step, const struct task *task, bool *ret_open) NODISCARD;
/* The same, as a refusal: FAILED_PRECONDITION/DEPENDENTS_OPEN. */
enum status releases_check(struct step *step, const struct task *task) NODISCARD;
/* Goes on until all are released or the work is used up, which is taken off; adds to done how many. */
enum status releases_go_on(struct step *step, uint32_t *work, uint64_t *done) NODISCARD;

/* A BLOCKED task ends because that dependency has ended so. */
void dependency_failed(struct step *step, struct task *task, uint64_t dependency_id, enum task_state state);
/* A task stops being BLOCKED before all its dependencies have ended: its rows of waits go. */
void dependencies_detach(struct step *step, struct task *task);
