/* The events as they lie in the store: rows of many, those of one batch together.
 *
 * A row is filed under the revision of its first event, the others follow it without a hole. So a busy broker writes,
 * and trims, one row for two dozen events. What a batch has not written yet is in memory until trail_settle. */
#pragma once

#include "broker/core/event.h"
#include "common/base/bytes.h"
#include "common/store/store.h"

struct broker;
struct step;

/* The row that is being filled. The zero value is empty. */
struct trail {
    struct buffer row;
    uint64_t first; /* its revision */
    uint16_t count;
    uint64_t trim_due_ms;   /* store time: the oldest event is not too old before */
    uint64_t trim_revision; /* of the store when it was trimmed last */
};

void trail_open(struct broker *broker);
void trail_done(struct trail *trail);
/* Appends it. Its revision is the one that the store's counters have just given. */
void trail_add(struct broker *broker, struct store_txn *txn, const struct event *event);
/* Writes what is only in memory: at the end of a batch, and before its own events are read. */
void trail_settle(struct broker *broker, struct store_txn *txn);

/* Reading a row, event by event. */
struct trail_row {
    uint64_t next; /* the revision of the next event */
    uint16_t left;
    struct reader reader;
};
/* False when it is damaged. */
bool trail_row_open(struct bytes value, uint64_t first, struct trail_row *ret_row);
/* False behind the last. Texts are borrowed from the row. */
bool trail_row_next(struct trail_row *row, struct event *ret_event);

/* The row that has this revision (or might: a damaged one), or else the first one behind it. */
enum status trail_seek(struct store_txn *txn, uint64_t revision, struct bytes *ret_key, struct bytes *ret_value)
    NODISCARD;
/* NOT_FOUND when there is none (any more), or its row is damaged. Texts are borrowed from the store. */
enum status trail_find(struct store_txn *txn, uint64_t revision, struct event *ret_event) NODISCARD;
/* The first one that can be read at or behind this revision; NOT_FOUND. */
enum status trail_find_from(struct store_txn *txn, uint64_t revision, struct event *ret_event) NODISCARD;

/* Removes the oldest beyond settings.events_max, and those older than settings.events_age_ms: about settings.tick_max,
 * and twice as many as have come since the last time. */
enum status trail_trim(struct step *step) NODISCARD;
/* How long until there is something to trim; UINT64_MAX = never. */
uint64_t trail_next_ms(const struct broker *broker, uint64_t store_ms);
