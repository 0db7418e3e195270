/* The history of a task, read from the broker page by page. */
#pragma once

#include "cli/command.h"

/* The newest event first; events are borrowed from the pages. The zero value is empty. */
struct history {
    const Ganger__V1__Event **events;
    size_t count;
    bool trimmed; /* older ones are not kept any more */
    Ganger__V1__GetHistoryResponse **pages;
    size_t page_count;
};

/* At least so many of the newest events, if there are. A refusal is the caller's to report. */
enum ganger_status history_load(struct cli *cli, struct ganger *broker, uint64_t task_id, size_t most,
                                struct history *ret_history, struct ganger_error *error);
void history_done(struct history *history);
DEFINE_CLEANUP_EMBEDDED(struct history, history_done)

/* How a run began and ended. */
struct history_run {
    uint64_t fence;
    const char *agent_id;         /* that had it; "" = its beginning is not kept any more */
    const Ganger__V1__Event *end; /* what ended it */
};
/* The next older run that has ended, from the event *at on, which is moved behind it; false when there is none. */
bool history_next_run(const struct history *history, size_t *at, struct history_run *ret_run);
