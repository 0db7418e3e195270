#include "common/store/store_lmdb.h"

#include "common/base/check.h"
#include "common/store/store_lmdb_parts.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

struct lmdb_txn {
    struct store_txn txn;
    MDB_txn *mdb;
    bool lent;                             /* a read handed out something since the last write */
    MDB_cursor *cursors[STORE_TABLES_MAX]; /* one per table (more have had bugs), opened when first needed */
};

static struct lmdb_store *lmdb_of(struct store *store)
{
    return (struct lmdb_store *)store;
}

static struct lmdb_txn *lmdb_txn_of(struct store_txn *txn)
{
    return (struct lmdb_txn *)txn;
}

static MDB_val val_of(struct bytes bytes)
{
    /* LMDB's type is for what it returns too; it does not write to what it is given. */
    union {
        const uint8_t *given;
        void *passed;
    } data = {.given = bytes.data};
    return (MDB_val){.mv_size = bytes.size, .mv_data = data.passed};
}

static struct bytes bytes_of(MDB_val val)
{
    return (struct bytes){.data = val.mv_data, .size = val.mv_size};
}

/* A full map or disk refuses this transaction only; whatever else fails may have left anything behind. */
static enum status fail(struct store *store, const char *what, int code)
{
    switch (code) {
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
    case ENOSPC:
    case EDQUOT:
        return store_fail(store, STATUS_RESOURCE_EXHAUSTED, "%s: %s", what, mdb_strerror(code));
    default:
        return store_fail(store, STATUS_UNAVAILABLE, "%s: %s", what, mdb_strerror(code));
    }
}

static enum status fail_read(struct store_txn *txn, const char *what, int code)
{
    if (code == MDB_NOTFOUND)
        return STATUS_NOT_FOUND;
    if (txn->mode == STORE_READ)
        return STATUS_UNAVAILABLE; /* perhaps in another thread: the store's own text is not its to write */
    return store_fail(txn->store, STATUS_UNAVAILABLE, "%s: %s", what, mdb_strerror(code));
}

static void lmdb_close(struct store *store)
{
    struct lmdb_store *lmdb = lmdb_of(store);

    mdb_env_close(lmdb->env);
    fd_close(lmdb->lock_fd);
    buffer_done(&lmdb->write_bytes);
    free(lmdb);
}

static enum status lmdb_begin(struct store *store, enum store_mode mode, struct store_txn **ret_txn)
{
    struct lmdb_store *lmdb = lmdb_of(store);
    MDB_txn *mdb = NULL;

    int code = mdb_txn_begin(lmdb->env, NULL, mode == STORE_READ ? MDB_RDONLY : 0, &mdb);
    if (code != 0)
        return store_fail(store, STATUS_UNAVAILABLE, "begin: %s", mdb_strerror(code));
    struct lmdb_txn *txn = allocate_zero(1, sizeof *txn);
    txn->mdb = mdb;
    *ret_txn = &txn->txn;
    return STATUS_OK;
}

static void close_cursors(struct lmdb_txn *txn)
{
    for (size_t i = 0; i < STORE_TABLES_MAX; i++)
        if (txn->cursors[i] != NULL)
            mdb_cursor_close(txn->cursors[i]);
}

static void lmdb_abort(struct store_txn *txn)
{
    struct lmdb_txn *lmdb = lmdb_txn_of(txn);

    close_cursors(lmdb);
    mdb_txn_abort(lmdb->mdb);
    free(lmdb);
}

/* After ENOSPC: LMDB writes its header last, so nothing was committed, unless it was the header that failed. Then the
 * environment is marked and refuses to begin. */
static bool header_is_whole(struct lmdb_store *lmdb)
{
    MDB_txn *probe = NULL;

    if (mdb_txn_begin(lmdb->env, NULL, MDB_RDONLY, &probe) != 0)
        return false;
    mdb_txn_abort(probe);
    return true;
}

static enum status lmdb_commit(struct store_txn *txn)
{
    struct lmdb_store *store = lmdb_of(txn->store);
    struct lmdb_txn *lmdb = lmdb_txn_of(txn);

    close_cursors(lmdb);
    int code = mdb_txn_commit(lmdb->mdb);
    free(lmdb);
    if (code == 0) {
        lmdb_reserve(store);
        return STATUS_OK;
    }
    enum status status = fail(&store->store, "commit", code);
    if (status == STATUS_RESOURCE_EXHAUSTED && !header_is_whole(store))
        return store_fail(&store->store, STATUS_UNAVAILABLE, "commit: header: %s", mdb_strerror(code));
    return status;
}

static int cursor_of(struct store_txn *txn, uint32_t table, MDB_cursor **ret_cursor)
{
    struct lmdb_txn *lmdb = lmdb_txn_of(txn);

    if (lmdb->cursors[table] == NULL) {
        int code = mdb_cursor_open(lmdb->mdb, lmdb_of(txn->store)->tables[table], &lmdb->cursors[table]);
        if (code != 0)
            return code;
    }
    *ret_cursor = lmdb->cursors[table];
    return 0;
}

static enum status lmdb_get(struct store_txn *txn, uint32_t table, struct bytes key, struct bytes *ret_value)
{
    struct lmdb_txn *lmdb = lmdb_txn_of(txn);
    MDB_val mdb_key = val_of(key);
    MDB_val mdb_value;

    /* Not by the table's cursor, which would lose its place. */
    int code = mdb_get(lmdb->mdb, lmdb_of(txn->store)->tables[table], &mdb_key, &mdb_value);
    if (code != 0)
        return fail_read(txn, "get", code);
    lmdb->lent = true;
    *ret_value = bytes_of(mdb_value);
    return STATUS_OK;
}

static enum status lmdb_put(struct store_txn *txn, uint32_t table, struct bytes key, struct bytes value, bool append)
{
    struct lmdb_txn *lmdb = lmdb_txn_of(txn);
    struct buffer *scratch = &lmdb_of(txn->store)->write_bytes;
    MDB_cursor *cursor = NULL;

    /* What was lent may be what is written now, and LMDB moves it about in its page before it copies it. */
    if (lmdb->lent) {
        scratch->size = 0;
        buffer_add(scratch, key.data, key.size);
        buffer_add(scratch, value.data, value.size);
        key = bytes_slice(buffer_view(scratch), 0, key.size);
        value = bytes_slice(buffer_view(scratch), key.size, value.size);
    }
    lmdb->lent = false;
    MDB_val mdb_key = val_of(key);
    MDB_val mdb_value = val_of(value);
    int code = cursor_of(txn, table, &cursor);
    if (code == 0)
        code = mdb_cursor_put(cursor, &mdb_key, &mdb_value, append ? MDB_APPEND : 0);
    if (code == MDB_KEYEXIST)
        return store_fail(txn->store, STATUS_INTERNAL, "table %u: appended key is not behind all others", table);
    return code == 0 ? STATUS_OK : fail(txn->store, "put", code);
}

static enum status lmdb_delete(struct store_txn *txn, uint32_t table, struct bytes key)
{
    MDB_cursor *cursor = NULL;
    MDB_val mdb_key = val_of(key);
    MDB_val mdb_value;

    lmdb_txn_of(txn)->lent = false;
    int code = cursor_of(txn, table, &cursor);
    if (code == 0)
        code = mdb_cursor_get(cursor, &mdb_key, &mdb_value, MDB_SET);
    if (code == MDB_NOTFOUND)
        return STATUS_NOT_FOUND;
    if (code == 0)
        code = mdb_cursor_del(cursor, 0);
    return code == 0 ? STATUS_OK : fail(txn->store, "delete", code);
}

static enum status hand_out(struct store_txn *txn, int code, MDB_val key, MDB_val value, struct store_pair *ret_pair)
{
    if (code != 0)
        return fail_read(txn, "seek", code);
    lmdb_txn_of(txn)->lent = true;
    *ret_pair = (struct store_pair){.key = bytes_of(key), .value = bytes_of(value)};
    return STATUS_OK;
}

static enum status lmdb_seek(struct store_txn *txn, uint32_t table, struct bytes key, bool back,
                             struct store_pair *ret_pair)
{
    MDB_cursor *cursor = NULL;
    MDB_val mdb_key = val_of(key);
    MDB_val mdb_value;

    int code = cursor_of(txn, table, &cursor);
    if (code == 0)
        code = mdb_cursor_get(cursor, &mdb_key, &mdb_value, key.size > 0 ? MDB_SET_RANGE : MDB_FIRST);
    if (back && code == MDB_NOTFOUND)
        code = mdb_cursor_get(cursor, &mdb_key, &mdb_value, MDB_LAST);
    else if (back && code == 0 && !bytes_equal(bytes_of(mdb_key), key))
        code = mdb_cursor_get(cursor, &mdb_key, &mdb_value, MDB_PREV);
    return hand_out(txn, code, mdb_key, mdb_value, ret_pair);
}

static enum status lmdb_step(struct store_txn *txn, uint32_t table, bool back, struct store_pair *ret_pair)
{
    MDB_cursor *cursor = lmdb_txn_of(txn)->cursors[table];
    MDB_val mdb_key = {0};
    MDB_val mdb_value = {0};

    int code = mdb_cursor_get(cursor, &mdb_key, &mdb_value, back ? MDB_PREV : MDB_NEXT);
    return hand_out(txn, code, mdb_key, mdb_value, ret_pair);
}

/* The pages of every table and of LMDB's own two. What waits for reuse is not in them. */
static uint64_t pages_in_use(struct lmdb_store *lmdb, MDB_txn *txn)
{
    const MDB_dbi own[] = {0, 1, lmdb->meta};
    uint64_t pages = 2; /* the headers */
    MDB_stat stat;

    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (mdb_stat(txn, own[i], &stat) == 0)
            pages += stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
    for (uint32_t table = 0; table < lmdb->store.table_count; table++)
        if (mdb_stat(txn, lmdb->tables[table], &stat) == 0)
            pages += stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
    return pages;
}

/* How large the file can get: what it has of the disk, and what the disk still has. */
static uint64_t disk_limit(const struct lmdb_store *lmdb)
{
    mdb_filehandle_t fd = -1;
    struct stat file;
    struct statvfs disk;

    if (mdb_env_get_fd(lmdb->env, &fd) != 0 || fstat(fd, &file) != 0 || fstatvfs(fd, &disk) != 0)
        return UINT64_MAX;
    return (uint64_t)file.st_blocks * 512 + (uint64_t)disk.f_bavail * disk.f_frsize;
}

static void lmdb_usage(struct store *store, struct store_usage *ret_usage)
{
    struct lmdb_store *lmdb = lmdb_of(store);
    uint64_t disk_bytes = disk_limit(lmdb);
    MDB_txn *txn = NULL;

    ret_usage->limit_bytes = disk_bytes < lmdb->map_bytes ? disk_bytes : lmdb->map_bytes;
    if (mdb_txn_begin(lmdb->env, NULL, MDB_RDONLY, &txn) != 0)
        return;
    ret_usage->used_bytes = pages_in_use(lmdb, txn) * lmdb->page_bytes;
    mdb_txn_abort(txn);
}

const struct store_ops lmdb_ops = {
    .close = lmdb_close,
    .begin = lmdb_begin,
    .commit = lmdb_commit,
    .abort = lmdb_abort,
    .get = lmdb_get,
    .put = lmdb_put,
    .delete = lmdb_delete,
    .seek = lmdb_seek,
    .step = lmdb_step,
    .usage = lmdb_usage,
};
