/* What the store is and counts: its own id, ids, fences, revisions, lanes, and its own time. One row, written once per
 * batch.
 *
 * Ids, fences and revisions are an epoch (16 bits) above a counter (48 bits). They are never used twice: the row is
 * part of every commit that used one. */
#pragma once

#include "broker/core/keys.h"
#include "common/base/bytes.h"
#include "common/store/store.h"

struct counters {
    char store_id[STORE_ID_SIZE + 1]; /* "" in a new store */
    uint16_t epoch;
    uint64_t task_id;         /* the last one given */
    uint64_t fence;           /* likewise */
    uint64_t revision;        /* likewise */
    uint32_t lane;            /* likewise */
    uint64_t job_id;          /* likewise */
    uint64_t sessions;        /* open ones */
    uint64_t store_ms;        /* the store's own time at the last commit */
    uint64_t events;          /* rows of the event table */
    uint64_t trimmed;         /* the revision of the last event that was trimmed, 0 = none */
    uint64_t unique_oldest;   /* the first of the buckets of idempotency keys */
    uint64_t unique_began_ms; /* store time: when the newest of them began */
};

/* STATUS_DATA_LOSS when the row is damaged; zeros in a new store. */
enum status counters_load(struct store_txn *txn, struct counters *ret_counters) NODISCARD;
void counters_save(struct store_txn *txn, const struct counters *counters);

/* The epoch that a number was given in. */
uint16_t epoch_of(uint64_t number);
/* The next number after *last, in this epoch. */
uint64_t counters_next(const struct counters *counters, uint64_t *last);
