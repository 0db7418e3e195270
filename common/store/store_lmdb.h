/* The store on disk: LMDB, every commit synced. One process opens it, which never forks while it is open.
 *
 * Its directory has LMDB's data.mdb and lock.mdb, and a file named lock that keeps other processes out and remembers
 * that there is a store: a data file that has vanished is not replaced by an empty one. Blocks of the disk are set
 * aside ahead (64 MiB, less for a small map), so that a full disk refuses new work before it stops what is under way.
 */
#pragma once

#include "common/store/store.h"

struct store_lmdb_options {
    const char *directory; /* made if missing, mode 0700 */
    uint64_t map_bytes;    /* bound of the file; sparse, so large costs nothing; 0 = 64 GiB */
    bool must_exist;       /* makes none: NOT_FOUND/NO_STORE */
    bool restores;         /* makes a new one, which is not opened otherwise before store_lmdb_restored */
};

/* Opens or makes it; what was committed is synced before it returns.
 * FAILED_PRECONDITION/STORE_IN_USE: another process has it. FAILED_PRECONDITION/STORE_VERSION: written by another
 * version. FAILED_PRECONDITION/RESTORE_UNFINISHED: a store was being restored here when its process ended; restore
 * again. FAILED_PRECONDITION/STORE_EXISTS: to be restored, and there is one. DATA_LOSS/STORE_TRUNCATED: the file is
 * shorter than its own header says, or gone. UNAVAILABLE/STORE_FAILED: the system refused; the message says what. */
enum status store_lmdb_open(const struct store_schema *schema, const struct store_lmdb_options *options,
                            struct store **ret_store, struct error *error) NODISCARD;
/* Everything is in it: from now on it is a store like any other. */
enum status store_lmdb_restored(struct store *store, struct error *error) NODISCARD;
