/* Locks: leases on names that are paths, held in the store, with their deadlines and those who wait in memory.
 *
 * A held lock is a row; what it promises holds across a restart, where every lock gets a full ttl anew, so that a
 * renewal writes nothing. Requests wait in one line, first come, first served: each is granted when neither a held lock
 * nor an earlier request conflicts with it. All that is in memory can be read again from the store or may be forgotten:
 * who waited is told to ask again. */
#pragma once

#include "contextd/core/core.h"

#define LOCKS_MAX 65536
#define LOCK_WAITERS_MAX 4096

/* Reads the held ones; those who wait are told to ask again. */
enum status lock_open(struct contextd *core, struct store_txn *txn, const struct contextd_now *now,
                      struct effects *effects) NODISCARD;
/* Locks that have run out, and places in the line that nobody asked for again. */
enum status lock_tick(struct contextd *core, struct store_txn *txn, const struct contextd_now *now,
                      struct effects *effects) NODISCARD;
/* BOOTTIME; UINT64_MAX = never. */
uint64_t lock_next_ms(const struct contextd *core);

enum status lock_acquire(struct contextd *core, struct store_txn *txn, const struct contextd_now *now,
                         struct command *command, struct effects *effects) NODISCARD;
/* The call with this token is gone: its place is kept a while. */
void lock_forget(struct contextd *core, const struct contextd_now *now, uint64_t token);
/* The call with this token has waited enough: it is answered LOCK_HELD, its place is kept a while. */
enum status lock_unwait(struct contextd *core, struct store_txn *txn, const struct contextd_now *now, uint64_t token,
                        struct effects *effects) NODISCARD;
enum status lock_renew(struct contextd *core, struct store_txn *txn, const struct contextd_now *now,
                       struct name_lock *renew, struct effects *effects) NODISCARD;
enum status lock_release(struct contextd *core, struct store_txn *txn, const struct contextd_now *now,
                         struct name_lock *release, struct effects *effects) NODISCARD;
enum status lock_list(struct contextd *core, struct store_txn *txn, const struct contextd_now *now,
                      struct list_locks *list, struct effects *effects) NODISCARD;
enum status lock_stats(struct contextd *core, struct lock_stats_query *query, struct effects *effects) NODISCARD;
