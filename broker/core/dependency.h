/* What a new task waits for, and whose child it is.
 *
 * A BLOCKED task has one row in the table of waits for each of its dependencies whose end it has not heard of. The
 * dependency is marked (has_waits), so that the end of a task that nobody waits for looks for nobody. */
#pragma once

#include "broker/core/command.h"
#include "broker/core/effect.h"
#include "broker/core/task.h"
#include "common/base/status.h"

struct step;

/* What task i of the submit says about its dependencies and its parent. Refusals name the field:
 * INVALID_ARGUMENT/BAD_FIELD, NOT_FOUND/NO_SUCH_DEPENDENCY, NOT_FOUND/NO_SUCH_PARENT,
 * FAILED_PRECONDITION/PARENT_ENDED. */
enum status dependencies_decide(struct step *step, const struct command_submit *submit, size_t i, struct error *error)
    NODISCARD;
/* The same for those of an atomic submit that task i depends on and that are there already: by their idempotency keys.
 * Once all are decided. */
enum status dependencies_decide_known(struct step *step, const struct command_submit *submit, size_t i,
                                      const struct submit_outcome *outcomes, struct error *error) NODISCARD;
/* INVALID_ARGUMENT/DEPENDENCY_CYCLE, with the indexes, where tasks of the submit wait for each other. */
enum status dependencies_check_cycles(struct step *step, const struct command_submit *submit) NODISCARD;

/* All dependencies by id, each once, in the arena of the effects; ids are those of the submit's tasks. */
const uint64_t *dependencies_resolve(struct step *step, const struct task_spec *spec, const uint64_t *ids,
                                     size_t *ret_count);
/* Whether a dependency that ended so ends those who wait for it with this policy. */
bool dependency_fails(enum task_state state, enum dependency_policy policy);

/* What a new task has to wait for. */
struct attachment {
    uint32_t open;         /* dependencies that have not ended; the rows are written */
    uint64_t failed_id;    /* a dependency that ended so that the task ends as well; 0 = none */
    enum task_state state; /* of that one */
};
/* The dependencies are those of the resolved spec. Tasks of the same submit that come after this one are not in the
 * store yet: they have not ended. */
enum status dependencies_attach(struct step *step, const struct task *task, const struct task_spec *spec,
                                struct attachment *ret_attachment) NODISCARD;
/* Whether anybody waits for this task already: somebody of the same submit. */
enum status dependencies_wait_for(struct step *step, uint64_t id, bool *ret_waited_for) NODISCARD;
