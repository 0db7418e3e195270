/* Orphans: what runs that were given up came to all the same.
 *
 * A run whose fence is stale is refused, but what it wanted to report is kept beside its task: at most ORPHANS_MAX, the
 * first ones. An operator can adopt one: its result becomes the task's, if nobody holds it. They go with their task. */
#pragma once

#include "broker/core/command.h"
#include "broker/core/task.h"

#define ORPHANS_MAX 8

struct orphan_view {
    uint64_t task_id;
    uint64_t fence;
    enum exit_kind how; /* EXIT_COMPLETED to EXIT_TIMED_OUT */
    uint64_t wall_ms;   /* when it was reported */
    const char *agent_id;
    struct outcome outcome;
};

/* Keeps what this stale run of the task has reported, if it was one of its runs and has not ended by its own word. */
enum status orphan_keep(struct step *step, const struct task *task, uint64_t fence, enum exit_kind how,
                        const struct outcome *outcome) NODISCARD;
/* The task is removed. */
enum status orphans_drop(struct step *step, uint64_t task_id) NODISCARD;
