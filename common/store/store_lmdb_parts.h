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

/* What the header counts and the file does not have, see store_lmdb_check.c. */
struct lmdb_missing {
    size_t first_page;
    size_t page_count;
    int64_t file_size;
};
/* 0, or an error of the system or of LMDB. */
int lmdb_missing_pages(struct lmdb_store *lmdb, struct lmdb_missing *ret_missing) NODISCARD;
/* Whether all of them are free. Reads the file, which must have been made long enough; where zeros took the place of
 * the list itself it is found to be corrupt. */
bool lmdb_pages_are_free(struct lmdb_store *lmdb, const struct lmdb_missing *missing) NODISCARD;
