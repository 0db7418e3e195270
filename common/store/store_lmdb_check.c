/* Whether the data file has every page that its header counts.
 *
 * A page that is not in the file is SIGBUS when it is read, so this is looked at before anything is. A healthy file may
 * be short, though: pages that a transaction took and gave back are counted and never written. They are in LMDB's list
 * of free pages then, and will be written before they are read. */
#include "common/store/store_lmdb_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

struct missing {
    size_t first_page;
    size_t page_count;
    uint8_t *address; /* of the part of LMDB's map that has nothing behind it */
    size_t size;
    off_t offset;
};

/* The list of free pages is a table whose values are a count and as many page numbers. */
static int count_free(MDB_txn *txn, size_t first_page, size_t *ret_count)
{
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val value;
    size_t count = 0;

    int code = mdb_cursor_open(txn, 0, &cursor);
    if (code != 0)
        return code;
    while ((code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        struct bytes pages = {.data = value.mv_data, .size = value.mv_size};
        for (size_t at = sizeof(size_t); at + sizeof(size_t) <= pages.size; at += sizeof(size_t)) {
            size_t page;
            memcpy(&page, pages.data + at, sizeof page);
            count += page >= first_page;
        }
    }
    mdb_cursor_close(cursor);
    *ret_count = count;
    return code == MDB_NOTFOUND ? 0 : code;
}

static bool all_free(MDB_env *env, const struct missing *missing)
{
    MDB_txn *txn = NULL;
    size_t count = 0;

    if (mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) != 0)
        return false;
    int code = count_free(txn, missing->first_page, &count);
    mdb_txn_abort(txn);
    return code == 0 && count == missing->page_count;
}

/* Reads the list of free pages with zeros laid over what is missing, so that a list that is itself cut off is found to
 * be corrupt. If all is well, the file is made as long as it should be and comes back into the map. */
static int fill_up(MDB_env *env, int fd, const struct missing *missing, bool *ret_whole)
{
    if (mmap(missing->address, missing->size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
        return errno;
    *ret_whole = all_free(env, missing);
    if (!*ret_whole)
        return 0;
    if (ftruncate(fd, missing->offset + (off_t)missing->size) != 0 ||
        mmap(missing->address, missing->size, PROT_READ, MAP_SHARED | MAP_FIXED, fd, missing->offset) == MAP_FAILED)
        return errno;
    return 0;
}

int lmdb_check_file(struct lmdb_store *lmdb, bool *ret_whole)
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
    size_t pages = (size_t)file.st_size / lmdb->page_bytes;
    *ret_whole = pages > info.me_last_pgno;
    if (*ret_whole)
        return 0;
    struct missing missing = {.first_page = pages, .page_count = info.me_last_pgno + 1 - pages};
    missing.offset = (off_t)(pages * lmdb->page_bytes);
    missing.size = missing.page_count * lmdb->page_bytes;
    missing.address = (uint8_t *)info.me_mapaddr + missing.offset;
    return fill_up(lmdb->env, fd, &missing, ret_whole);
}
