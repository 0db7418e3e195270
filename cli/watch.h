/* Waiting for tasks to end, with progress. */
#pragma once

#include "cli/command.h"

/* Called once for each task that has ended, in the order of their ends; task is NULL for one that does not exist (any
 * more). */
typedef void watch_end_fn(uint64_t task_id, const Ganger__V1__Task *task, void *data);

struct watch_request {
    const uint64_t *task_ids; /* may name one twice */
    size_t count;
    const char *label; /* of the progress line */
    const char *again; /* the command that looks at them again, for who detaches with Ctrl-C */
    watch_end_fn *on_end;
    void *data;
};

/* EXIT_DONE when all have completed; EXIT_WORK_FAILED when one failed or was canceled, EXIT_NOT_FOUND when one does not
 * exist, EXIT_TIMED_OUT after --timeout, EXIT_INTERRUPTED after Ctrl-C. Lost connections are waited out. */
enum exit_status watch_until_ended(struct cli *cli, const struct watch_request *request);
