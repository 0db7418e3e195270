/* What happened, for those who look back or on: the history of one task, and the events of all in their order. */
#pragma once

#include "broker/core/event.h"
#include "common/base/arena.h"
#include "common/store/store.h"

#define EVENTS_PAGE_MAX 1000 /* of one page of a history */
/* Of all: one share is at most so many events, or so many bytes and one event, or so many rows that were looked at. */
#define EVENTS_SHARE_MAX 256
#define EVENTS_SHARE_BYTES ((size_t)48 * 1024)
#define EVENTS_LOOK_MAX 4096

struct broker;

/* Zero and empty mean all. */
struct event_filter {
    uint64_t task_id;
    const char *namespace;
    const char *queue;
};

struct event_page {
    struct event *events; /* in the arena; their texts are in the arena, too */
    size_t count;
    uint64_t next;    /* everything before it was looked at */
    uint64_t gap;     /* 0, or: events before this one are wanted but not kept any more; the page begins here */
    size_t looked_at; /* rows */
    bool has_more;
};

/* The next share of the events from this revision on, in whatever transaction sees what the broker knows. */
enum status broker_events(const struct broker *broker, struct store_txn *txn, const struct event_filter *filter,
                          uint64_t from, struct arena *arena, struct event_page *ret_page) NODISCARD;
/* The revision of the first event that is not older than this, by the store's time; where younger ones may have been
 * trimmed, that of the last of those, so that reading from there tells of the gap. */
enum status broker_events_since(const struct broker *broker, struct store_txn *txn, uint64_t store_ms,
                                uint64_t *ret_revision) NODISCARD;
