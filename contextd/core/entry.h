/* Versioned values under hierarchical keys. Each fills effects; a status without effects->error is the store's. */
#pragma once

#include "contextd/core/core.h"

enum status entry_put(struct contextd *core, struct store_txn *txn, const struct contextd_now *now,
                      struct put_entry *put, struct effects *effects) NODISCARD;
enum status entry_get(struct store_txn *txn, struct get_entry *get, struct effects *effects) NODISCARD;
enum status entry_list(struct store_txn *txn, struct list_entries *list, struct effects *effects) NODISCARD;
enum status entry_delete(struct contextd *core, struct store_txn *txn, struct delete_entry *delete,
                         struct effects *effects) NODISCARD;
