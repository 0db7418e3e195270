/* The aggregates of the store, kept in the transactions that change what they count. */
#pragma once

#include "common/store/store.h"
#include "contextd/core/validate.h"

struct counters {
    uint64_t revision;    /* of the last write */
    uint64_t last_stream; /* the highest number given to a stream */
    uint64_t entries[ENTRY_KINDS];
    uint64_t entry_bytes; /* of values */
    uint64_t deleted;     /* keys that are remembered for their version */
    uint64_t streams;
    uint64_t open_streams;
    uint64_t stream_bytes;
    uint64_t chunks;
    uint64_t tasks; /* that are remembered for their fence */
    uint64_t tasks_with_streams;
    uint64_t locks;
    uint64_t messages;
    uint64_t message_bytes; /* of their bodies */
    uint64_t cursors;
    uint64_t requests; /* of messages, that are remembered */
    uint64_t expiries;
    uint64_t store_ms; /* the store's own time at the last commit */
};

/* All zero in a new store. */
enum status context_counters_load(struct store_txn *txn, struct counters *ret_counters, struct error *error) NODISCARD;
void context_counters_save(struct store_txn *txn, const struct counters *counters, struct buffer *buffer);
