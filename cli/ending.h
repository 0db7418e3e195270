/* The tasks that were waited for, shown as they end: a table at last, or JSON at once. */
#pragma once

#include "cli/command.h"
#include "cli/table.h"

struct ending {
    struct cli *cli;
    struct table *table;
    bool only_bad; /* shows those that did not complete */
};

void ending_init(struct ending *ending, struct cli *cli, bool only_bad);
void ending_done(struct ending *ending);
DEFINE_CLEANUP_EMBEDDED(struct ending, ending_done)

/* A watch_end_fn. */
void ending_add(uint64_t task_id, const Ganger__V1__Task *task, void *data);
void ending_print(struct ending *ending);
