/* What the broker remembers of the runs that are held, in memory: until when they were renewed, and their progress.
 *
 * A lease row in the store moves only when it comes due, so a heartbeat writes nothing. All this may be forgotten:
 * after a restart every held task has a fresh lease. Beyond RUNS_MAX a renewal moves the row at once. */
#pragma once

#include "broker/core/index.h"

#include <stdbool.h>
#include <stdint.h>

#define RUNS_MAX 65536
#define PROGRESS_TEXT_MAX 255

struct run {
    uint64_t task_id;
    uint64_t fence;
    uint64_t renewed_until_ms; /* store time */
    uint64_t heard_until_ms;   /* the same, also where its run timeout ends the lease earlier */
    uint32_t progress_percent;
    char *progress_text;    /* NULL = none */
    struct index_node node; /* in runs.by_task */
};

/* The zero value is empty. */
struct runs {
    struct index by_task;
};

void runs_done(struct runs *runs);
/* NULL when nothing is known of this run. */
struct run *runs_find(const struct runs *runs, uint64_t task_id, uint64_t fence);
/* Finds or makes; NULL when there are RUNS_MAX others. Forgets an older run of the task. */
struct run *runs_obtain(struct runs *runs, uint64_t task_id, uint64_t fence);
void runs_forget(struct runs *runs, uint64_t task_id);
/* True when it changed. An empty text leaves the old one. */
bool run_set_progress(struct run *run, uint32_t percent, const char *text);
