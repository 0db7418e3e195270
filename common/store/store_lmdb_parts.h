/* What the two halves of the store on disk share: opening it (store_lmdb_open.c) and working with it (store_lmdb.c). */
#pragma once

#include "common/base/bytes.h"
#include "common/store/backend.h"

#include <lmdb.h>

struct lmdb_store {
    struct store store;
    int lock_fd; /* holds the store's lock while it is open */
    MDB_env *env;
    MDB_dbi tables[STORE_TABLES_MAX];
    MDB_dbi meta; /* what the store says about itself */
    uint64_t map_bytes;
    size_t page_bytes;
    uint64_t reserved_bytes;   /* of the file: blocks that the disk has set aside for it */
    bool disk_cannot_reserve;  /* the file system does not know how */
    struct buffer write_bytes; /* scratch: a copy of what is written while reads are lent out */
};

extern const struct store_ops lmdb_ops;

/* Sets blocks aside on the disk for the next transaction and beyond, see store_lmdb_reserve.c. */
void lmdb_reserve(struct lmdb_store *lmdb);

/* Whether the file has every page that its header counts; an error of the system or of LMDB otherwise, see
 * store_lmdb_check.c. */
int lmdb_check_file(struct lmdb_store *lmdb, bool *ret_whole) NODISCARD;
