#include "common/store/store.h"

#include "common/base/check.h"
#include "common/store/backend.h"

#include <stdarg.h>
#include <stdio.h>

_Static_assert(STORE_TABLES_MAX <= 32, "the places of a transaction are bits of a uint32_t");

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    CHECK(store->open_count == 0);
    store->ops->close(store);
}

enum status store_begin(struct store *store, enum store_mode mode, struct store_txn **ret_txn)
{
    struct store_txn *txn = NULL;

    CHECK(mode == STORE_READ || !store->has_writer);
    TRY(store->ops->begin(store, mode, &txn));
    txn->store = store;
    txn->mode = mode;
    store->open_count++;
    if (mode == STORE_WRITE)
        store->has_writer = true;
    *ret_txn = txn;
    return STATUS_OK;
}

/* Takes the transaction out of its owner's hands and off the store's books. */
static struct store_txn *txn_take(struct store_txn **txn)
{
    struct store *store = (*txn)->store;

    store->open_count--;
    if ((*txn)->mode == STORE_WRITE)
        store->has_writer = false;
    return TAKE(*txn);
}

enum status store_commit(struct store_txn **txn)
{
    const struct store_ops *ops = (*txn)->store->ops;
    enum status error = (*txn)->error;
    bool dirty = (*txn)->dirty;
    struct store_txn *taken = txn_take(txn);

    if (error == STATUS_OK && dirty)
        return ops->commit(taken);
    ops->abort(taken);
    return error;
}

void store_abort(struct store_txn **txn)
{
    if (*txn == NULL)
        return;
    const struct store_ops *ops = (*txn)->store->ops;
    ops->abort(txn_take(txn));
}

/* The first failure counts: what comes after it may be its consequence. */
static enum status keep_error(struct store_txn *txn, enum status status)
{
    if (txn->error == STATUS_OK)
        txn->error = status;
    return txn->error;
}

static void check_key(const struct store_txn *txn, uint32_t table, struct bytes key)
{
    CHECK(table < txn->store->table_count);
    CHECK(key.size >= 1 && key.size <= STORE_KEY_MAX);
}

enum status store_get(struct store_txn *txn, uint32_t table, struct bytes key, struct bytes *ret_value)
{
    check_key(txn, table, key);
    TRY(txn->error);
    return txn->store->ops->get(txn, table, key, ret_value);
}

/* Whether a write may go on. Its table loses its place even when the write is left out: callers must not depend on
 * that. */
static bool write_begin(struct store_txn *txn, uint32_t table, struct bytes key)
{
    check_key(txn, table, key);
    CHECK(txn->mode == STORE_WRITE);
    txn->places &= ~(UINT32_C(1) << table);
    return txn->error == STATUS_OK;
}

static void put(struct store_txn *txn, uint32_t table, struct bytes key, struct bytes value, bool append)
{
    CHECK(value.size <= STORE_VALUE_MAX);
    if (!write_begin(txn, table, key))
        return;
    (void)keep_error(txn, txn->store->ops->put(txn, table, key, value, append));
    txn->dirty = true;
}

void store_put(struct store_txn *txn, uint32_t table, struct bytes key, struct bytes value)
{
    put(txn, table, key, value, false);
}

void store_put_append(struct store_txn *txn, uint32_t table, struct bytes key, struct bytes value)
{
    put(txn, table, key, value, true);
}

void store_delete(struct store_txn *txn, uint32_t table, struct bytes key)
{
    if (!write_begin(txn, table, key))
        return;
    enum status status = txn->store->ops->delete (txn, table, key);
    if (status == STATUS_NOT_FOUND)
        return;
    (void)keep_error(txn, status);
    txn->dirty = true;
}

bool store_is_dirty(const struct store_txn *txn)
{
    return txn->dirty;
}

/* Ends a seek or a step: the table has a place only behind a pair that was found. */
static enum status place(struct store_txn *txn, uint32_t table, enum status status)
{
    uint32_t bit = UINT32_C(1) << table;

    if (status == STATUS_OK)
        txn->places |= bit;
    else
        txn->places &= ~bit;
    return status;
}

static enum status seek(struct store_txn *txn, uint32_t table, struct bytes key, bool back, struct store_pair *ret_pair)
{
    CHECK(table < txn->store->table_count);
    CHECK(key.size <= STORE_KEY_MAX);
    TRY(txn->error);
    /* Nothing is at or before the empty key. */
    if (back && key.size == 0)
        return place(txn, table, STATUS_NOT_FOUND);
    return place(txn, table, txn->store->ops->seek(txn, table, key, back, ret_pair));
}

static enum status step(struct store_txn *txn, uint32_t table, bool back, struct store_pair *ret_pair)
{
    CHECK(table < txn->store->table_count);
    TRY(txn->error);
    CHECK((txn->places & UINT32_C(1) << table) != 0);
    return place(txn, table, txn->store->ops->step(txn, table, back, ret_pair));
}

static enum status hand_out(enum status status, const struct store_pair *pair, struct bytes *ret_key,
                            struct bytes *ret_value)
{
    TRY(status);
    *ret_key = pair->key;
    *ret_value = pair->value;
    return STATUS_OK;
}

enum status store_seek(struct store_txn *txn, uint32_t table, struct bytes key, struct bytes *ret_key,
                       struct bytes *ret_value)
{
    struct store_pair pair = {0};
    return hand_out(seek(txn, table, key, false, &pair), &pair, ret_key, ret_value);
}

enum status store_seek_back(struct store_txn *txn, uint32_t table, struct bytes key, struct bytes *ret_key,
                            struct bytes *ret_value)
{
    struct store_pair pair = {0};
    return hand_out(seek(txn, table, key, true, &pair), &pair, ret_key, ret_value);
}

enum status store_next(struct store_txn *txn, uint32_t table, struct bytes *ret_key, struct bytes *ret_value)
{
    struct store_pair pair = {0};
    return hand_out(step(txn, table, false, &pair), &pair, ret_key, ret_value);
}

enum status store_previous(struct store_txn *txn, uint32_t table, struct bytes *ret_key, struct bytes *ret_value)
{
    struct store_pair pair = {0};
    return hand_out(step(txn, table, true, &pair), &pair, ret_key, ret_value);
}

struct store_usage store_usage(struct store *store)
{
    struct store_usage usage = {0};

    store->ops->usage(store, &usage);
    usage.nearly_full = usage.limit_bytes > 0 && usage.used_bytes >= usage.limit_bytes / 5 * 4;
    return usage;
}

const char *store_failure(const struct store *store)
{
    return store->failure;
}

enum status store_fail(struct store *store, enum status status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(store->failure, sizeof store->failure, format, arguments);
    va_end(arguments);
    return status;
}
