/* Append-only bytes, written by offset. Each fills effects; a status without effects->error is the store's. */
#pragma once

#include "contextd/core/core.h"

enum status stream_append(struct contextd *core, struct store_txn *txn, const struct contextd_now *now,
                          struct append_stream *append, struct effects *effects) NODISCARD;
enum status stream_read(struct store_txn *txn, struct read_stream *read, struct effects *effects) NODISCARD;
enum status stream_seal(struct contextd *core, struct store_txn *txn, const struct contextd_now *now,
                        struct seal_stream *seal, struct effects *effects) NODISCARD;
/* FollowStream begins with it. */
enum status stream_look_up(struct store_txn *txn, struct find_stream *find, struct effects *effects) NODISCARD;
enum status stream_list(struct store_txn *txn, struct list_streams *list, struct effects *effects) NODISCARD;
