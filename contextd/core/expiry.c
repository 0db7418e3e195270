#include "contextd/core/expiry.h"

#include "contextd/core/message.h"

#define PER_TICK_MAX 256

static void key_of(uint64_t due_ms, enum expiry_kind kind, struct bytes key, struct key *ret_key)
{
    expiry_key(due_ms, (uint8_t)kind, key, ret_key);
}

void expiry_set(struct contextd *core, struct store_txn *txn, uint64_t due_ms, enum expiry_kind kind, struct bytes key)
{
    struct key row;

    key_of(due_ms, kind, key, &row);
    store_put(txn, TABLE_EXPIRY, key_view(&row), (struct bytes){0});
    core->counters.expiries++;
    core->changed = true;
    if (due_ms < core->expiry_due_ms)
        core->expiry_due_ms = due_ms;
}

void expiry_unset(struct contextd *core, struct store_txn *txn, uint64_t due_ms, enum expiry_kind kind,
                  struct bytes key)
{
    struct key row;

    key_of(due_ms, kind, key, &row);
    store_delete(txn, TABLE_EXPIRY, key_view(&row));
    core->counters.expiries--;
    core->changed = true;
}

/* The first row; its key in *ret_row, which a write does not move. STATUS_NOT_FOUND when there is none. */
static enum status first_row(struct store_txn *txn, struct key *ret_row)
{
    struct bytes key;
    struct bytes value;

    TRY(store_seek(txn, TABLE_EXPIRY, (struct bytes){0}, &key, &value));
    return key_copy(key, ret_row) ? STATUS_OK : STATUS_DATA_LOSS;
}

enum status expiry_open(struct contextd *core, struct store_txn *txn)
{
    struct key row;
    enum status status = first_row(txn, &row);

    core->expiry_due_ms = status == STATUS_OK ? expiry_key_due(key_view(&row)) : UINT64_MAX;
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static enum status end_one(struct contextd *core, struct store_txn *txn, const struct contextd_now *now,
                           const struct key *row)
{
    struct bytes key = expiry_key_rest(key_view(row));

    store_delete(txn, TABLE_EXPIRY, key_view(row));
    core->counters.expiries--;
    core->changed = true;
    switch ((enum expiry_kind)expiry_key_kind(key_view(row))) {
    case EXPIRY_MESSAGE:
        return message_expire(core, txn, key);
    case EXPIRY_REQUEST:
        return message_request_expire(core, txn, key);
    case EXPIRY_CURSOR:
        return message_cursor_expire(core, txn, now, key);
    }
    return STATUS_OK;
}

enum status expiry_tick(struct contextd *core, struct store_txn *txn, const struct contextd_now *now)
{
    if (core->expiry_due_ms > now->store_ms)
        return STATUS_OK;
    for (size_t i = 0; i < PER_TICK_MAX; i++) {
        struct key row;
        enum status status = first_row(txn, &row);
        if (status == STATUS_NOT_FOUND)
            break;
        TRY(status);
        if (expiry_key_due(key_view(&row)) > now->store_ms)
            break;
        TRY(end_one(core, txn, now, &row));
    }
    return expiry_open(core, txn);
}
