/* A small ordered key-value store with transactions.
 *
 * One writer at a time, any number of snapshots. Keys are compared byte by byte. Write errors are sticky: puts and
 * deletes return nothing, the first failure is kept in the transaction and surfaces at store_commit, which then has
 * written nothing. Values and keys that a read returns are borrowed: they hold until the next write to the same
 * transaction, which may itself be handed them, or its end.
 *
 * A store belongs to one thread. What that begins with STORE_READ another one may read, alone, until the first takes it
 * back and ends it: so a long look at everything holds nobody up. (It keeps pages from being used again meanwhile.)
 *
 * After a write has failed, further writes are left out and reads return what store_commit will, so that a batch ends
 * early and in one place. Tables, keys and values beyond the limits below are broken assumptions (CHECK), except that a
 * seek may begin with an empty key.
 *
 * Two implementations, one contract (tests/contract): store_lmdb.h keeps everything on disk, store_mem.h in memory.
 *
 *     struct store_txn *txn = NULL;
 *     TRY(store_begin(store, STORE_WRITE, &txn));
 *     store_put(txn, TABLE_TASK, key, value);
 *     TRY(store_commit(&txn)); // durable from here on */
#pragma once

#include "common/base/bytes.h"
#include "common/base/cleanup.h"
#include "common/base/status.h"

#include <stdbool.h>
#include <stdint.h>

#define STORE_TABLES_MAX 32
#define STORE_KEY_MAX 511 /* bytes; a key has at least one */
#define STORE_VALUE_MAX ((size_t)64 * 1024 * 1024)

enum store_mode { STORE_READ, STORE_WRITE };

/* Which tables there are; a table is named by its index. name is for people and files. */
struct store_schema {
    const char *const *names;
    uint32_t count;
    uint32_t version; /* kept in the store; another one is refused at the opening */
};

struct store;
struct store_txn;

/* Closes it; no transaction may be open. Accepts NULL. */
void store_close(struct store *store);
DEFINE_CLEANUP(struct store *, store_close)

/* One writing transaction at a time (checked). STATUS_UNAVAILABLE when the store cannot be read: fatal for a daemon. */
enum status store_begin(struct store *store, enum store_mode mode, struct store_txn **ret_txn) NODISCARD;

/* Ends the transaction in any case and sets *txn to NULL. STATUS_OK: every write of it is on disk and synced.
 * STATUS_RESOURCE_EXHAUSTED: the store is full, nothing was written, it can be used further. Anything else: the outcome
 * is unknown and the process must end. */
enum status store_commit(struct store_txn **txn) NODISCARD;

/* Ends it without writing; also for reading ones. *txn may be NULL, and is NULL afterwards. */
void store_abort(struct store_txn **txn);
/* For CLEANUP(store_end): aborts what was not committed. */
static inline void store_end_at(struct store_txn **txn)
{
    store_abort(txn);
}

/* STATUS_NOT_FOUND, or STATUS_UNAVAILABLE when the read failed. */
enum status store_get(struct store_txn *txn, uint32_t table, struct bytes key, struct bytes *ret_value) NODISCARD;
void store_put(struct store_txn *txn, uint32_t table, struct bytes key, struct bytes value);
/* For a key behind all others of the table: cheaper. It is an error (sticky) when it is not. */
void store_put_append(struct store_txn *txn, uint32_t table, struct bytes key, struct bytes value);
/* Deleting what is not there is no error. */
void store_delete(struct store_txn *txn, uint32_t table, struct bytes key);
/* Whether anything was written in it so far. A commit of one that is not dirty costs no sync. */
bool store_is_dirty(const struct store_txn *txn);

/* The first pair at or after key (or the last one at or before it, for _back). STATUS_NOT_FOUND at the end; then there
 * is no place to go on from. */
enum status store_seek(struct store_txn *txn, uint32_t table, struct bytes key, struct bytes *ret_key,
                       struct bytes *ret_value) NODISCARD;
enum status store_seek_back(struct store_txn *txn, uint32_t table, struct bytes key, struct bytes *ret_key,
                            struct bytes *ret_value) NODISCARD;
/* The neighbour of the pair that the last seek, next or previous of this table returned. After a write to the table the
 * place is lost: seek again (checked). */
enum status store_next(struct store_txn *txn, uint32_t table, struct bytes *ret_key, struct bytes *ret_value) NODISCARD;
enum status store_previous(struct store_txn *txn, uint32_t table, struct bytes *ret_key, struct bytes *ret_value)
    NODISCARD;

struct store_usage {
    uint64_t used_bytes;
    uint64_t limit_bytes;
    bool nearly_full; /* at four fifths of the limit: refuse what only adds */
};
/* used_bytes counts what is in use, not the pages that wait for reuse; limit_bytes is the bound of the store, or what
 * the disk has left for it where that is less. */
struct store_usage store_usage(struct store *store);
/* What failed last, with its cause, for the log; "" when nothing did. Reads of a STORE_READ transaction leave nothing.
 */
const char *store_failure(const struct store *store);
