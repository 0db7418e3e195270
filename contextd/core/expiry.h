/* What ends by itself, in the order of its time: rows of (due, kind, key of what ends), on the store's time. */
#pragma once

#include "contextd/core/core.h"

enum expiry_kind {
    EXPIRY_MESSAGE = 1,
    EXPIRY_REQUEST = 2, /* of a message that was sent */
    EXPIRY_CURSOR = 3,  /* of a reader */
};

void expiry_set(struct contextd *core, struct store_txn *txn, uint64_t due_ms, enum expiry_kind kind, struct bytes key);
void expiry_unset(struct contextd *core, struct store_txn *txn, uint64_t due_ms, enum expiry_kind kind,
                  struct bytes key);
/* Ends what is due, at most so much of it. */
enum status expiry_tick(struct contextd *core, struct store_txn *txn, const struct contextd_now *now) NODISCARD;
/* Looks up when the first one is due. */
enum status expiry_open(struct contextd *core, struct store_txn *txn) NODISCARD;
