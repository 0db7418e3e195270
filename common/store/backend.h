/* What a store is made of, for the implementations only.
 *
 * store.c checks what the contract asks of callers, keeps the sticky error and the places, and calls these. An
 * implementation embeds struct store and struct store_txn as its first members. */
#pragma once

#include "common/store/store.h"

struct store_pair {
    struct bytes key;
    struct bytes value;
};

struct store_ops {
    void (*close)(struct store *store);
    enum status (*begin)(struct store *store, enum store_mode mode, struct store_txn **ret_txn);
    /* Both end the transaction and free it. */
    enum status (*commit)(struct store_txn *txn);
    void (*abort)(struct store_txn *txn);

    enum status (*get)(struct store_txn *txn, uint32_t table, struct bytes key, struct bytes *ret_value);
    enum status (*put)(struct store_txn *txn, uint32_t table, struct bytes key, struct bytes value, bool append);
    /* STATUS_NOT_FOUND when there was nothing to delete. */
    enum status (*delete)(struct store_txn *txn, uint32_t table, struct bytes key);
    enum status (*seek)(struct store_txn *txn, uint32_t table, struct bytes key, bool back,
                        struct store_pair *ret_pair);
    enum status (*step)(struct store_txn *txn, uint32_t table, bool back, struct store_pair *ret_pair);

    void (*usage)(struct store *store, struct store_usage *ret_usage);
};

struct store {
    const struct store_ops *ops;
    uint32_t table_count;
    uint32_t open_count; /* transactions */
    bool has_writer;
    char failure[160];
};

struct store_txn {
    struct store *store;
    enum store_mode mode;
    enum status error; /* of the first write that failed */
    bool dirty;
    uint32_t places; /* bit i: table i has a place to go on from */
};

/* Keeps what failed for store_failure and returns status. */
enum status store_fail(struct store *store, enum status status, const char *format, ...) PRINTF_LIKE(3, 4);
