/* Who follows the events: WatchEvents, a stream from a revision on.
 *
 * A watch is a place in the order of revisions, and holds nothing else: no event, no transaction. In each turn, after
 * the commit, every watch that has credit and is behind gets a share, read from what is committed and synced. One that
 * does not read stays where it is; what is trimmed meanwhile it is told as a gap. */
#pragma once

#include "broker/core/history.h"
#include "common/rpc/server.h"

#include <ganger/v1/tasks.pb-c.h>

#define EVENT_WATCHES_MAX 256
#define EVENT_TURN_ROWS_MAX 8192 /* rows that all watches together may look at in one turn, but for the last share */

struct shell;
struct event_watch;

/* The zero value is empty. */
struct event_watches {
    struct event_watch *all; /* whoever was served longest ago first */
    size_t count;
};

/* Keeps the call. INVALID_ARGUMENT/BAD_FIELD, OUT_OF_RANGE/AHEAD_OF_STORE, RESOURCE_EXHAUSTED/TOO_MANY_WATCHES. */
enum status event_watch_add(struct shell *shell, struct rpc_call *call, const Ganger__V1__WatchEventsRequest *request,
                            struct error *error) NODISCARD;
/* Outside of every batch. True: there is more to send, do not sleep. */
bool event_watches_serve(struct shell *shell);
