/* The output of a task in the context store: which streams of which runs there are. */
#pragma once

#include "cli/command.h"

struct streams {
    Ganger__V1__StreamInfo **items; /* in the order of fence and name; borrowed from the pages */
    size_t count;
    Ganger__V1__ListStreamsResponse **pages;
    size_t page_count;
};

/* All of a task's, at most 100,000. A refusal is the caller's to report. */
enum ganger_status streams_list(struct cli *cli, const Ganger__V1__Task *task, struct streams *ret_streams,
                                struct ganger_error *error);
void streams_done(struct streams *streams);
DEFINE_CLEANUP_EMBEDDED(struct streams, streams_done)

/* That of a run by name; NULL when there is none. */
const Ganger__V1__StreamInfo *streams_find(const struct streams *streams, uint64_t fence, const char *name);
/* The run after this one that has output; 0 when there is none. */
uint64_t streams_next_fence(const struct streams *streams, uint64_t fence);
