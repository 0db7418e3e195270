/* Which tasks are meant: by a list, or by a job that affects many.
 *
 * A walk goes through the ids that a filter's bounds leave, or through the children of its parent, and looks at as many
 * of them as it is asked to: whoever has more to do goes on from where it was. */
#pragma once

#include "broker/core/command.h"
#include "broker/core/task.h"
#include "common/base/status.h"

struct step;

struct walk {
    const struct task_filter *filter;
    bool backwards;
    bool is_placed; /* the store is at the task that came last; unset it after a write */
    bool is_over;
    uint64_t from; /* the next one is here or beyond */
};

/* after: what was looked at last; 0 = nothing yet. */
struct walk walk_over(const struct task_filter *filter, bool backwards, uint64_t after);
/* NOT_FOUND behind the last one. */
enum status walk_next(struct step *step, struct walk *walk, uint64_t *ret_id) NODISCARD;

/* Whether the task is meant; it is loaded then. One that cannot be read is not. */
enum status filter_matches(struct step *step, const struct task_filter *filter, uint64_t id, struct task *ret_task,
                           bool *ret_matches) NODISCARD;
