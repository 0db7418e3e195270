/* Whether the data file has every page that its header counts.
 *
 * A page that is not in the file is SIGBUS when it is read, so this is looked at before anything is. A healthy file may
 * be short, though: pages that a transaction took and gave back are counted and never written. They are in LMDB's list
 * of free pages then, and will be written before they are read. */
#include "common/store/store_lmdb_parts.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

int lmdb_missing_pages(struct lmdb_store *lmdb, struct lmdb_missing *ret_missing)
{
    mdb_filehandle_t fd = -1;
    struct stat file;
    MDB_envinfo info;

    int code = mdb_env_get_fd(lmdb->env, &fd);
    if (code == 0)
        code = mdb_env_info(lmdb->env, &info);
    if (code == 0 && fstat(fd, &file) != 0)
        code = errno;
    if (code != 0)
        return code;
    size_t first_page = (size_t)file.st_size / lmdb->page_bytes;
    size_t page_count = info.me_last_pgno >= first_page ? info.me_last_pgno + 1 - first_page : 0;
    *ret_missing = (struct lmdb_missing){.first_page = first_page, .page_count = page_count, .file_size = file.st_size};
    return 0;
}

/* The list of free pages is a table whose values are a count and as many page numbers. */
static int count_free(MDB_cursor *cursor, size_t first_page, size_t *ret_count)
{
    MDB_val key;
    MDB_val value;
    size_t count = 0;
    int code;

    while ((code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        const uint8_t *pages = value.mv_data;
        for (size_t at = sizeof(size_t); at + sizeof(size_t) <= value.mv_size; at += sizeof(size_t)) {
            size_t page;
            memcpy(&page, pages + at, sizeof page);
            count += page >= first_page;
        }
    }
    *ret_count = count;
    return code == MDB_NOTFOUND ? 0 : code;
}

bool lmdb_pages_are_free(struct lmdb_store *lmdb, const struct lmdb_missing *missing)
{
    MDB_txn *txn = NULL;
    MDB_cursor *cursor = NULL;
    size_t count = 0;

    if (mdb_txn_begin(lmdb->env, NULL, MDB_RDONLY, &txn) != 0)
        return false;
    int code = mdb_cursor_open(txn, 0, &cursor);
    if (code == 0) {
        code = count_free(cursor, missing->first_page, &count);
        mdb_cursor_close(cursor);
    }
    mdb_txn_abort(txn);
    return code == 0 && count == missing->page_count;
}
