/* Blocks of the disk that are set aside before they are needed.
 *
 * When the disk is full, reads and completions must go on: what ends a task frees more than it takes, but needs fresh
 * pages first. And a write that the disk accepts in part only is reported by LMDB as an I/O error, which would end the
 * daemon. So the file owns blocks beyond its end, and its growth never meets the full disk first. */
#include "common/store/store_lmdb_parts.h"

#include <errno.h>
#include <fcntl.h>

#define RESERVE_BYTES_MAX ((uint64_t)64 << 20)

void lmdb_reserve(struct lmdb_store *lmdb)
{
    uint64_t reserve_bytes = lmdb->map_bytes / 8 < RESERVE_BYTES_MAX ? lmdb->map_bytes / 8 : RESERVE_BYTES_MAX;
    mdb_filehandle_t fd = -1;
    MDB_envinfo info;

    if (lmdb->disk_cannot_reserve || mdb_env_info(lmdb->env, &info) != 0 || mdb_env_get_fd(lmdb->env, &fd) != 0)
        return;
    uint64_t end_bytes = ((uint64_t)info.me_last_pgno + 1) * lmdb->page_bytes;
    if (lmdb->reserved_bytes >= end_bytes + reserve_bytes / 2)
        return;
    /* KEEP_SIZE: the file's size stays what LMDB wrote, so that a truncated one can be told. */
    if (fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)end_bytes, (off_t)reserve_bytes) == 0)
        lmdb->reserved_bytes = end_bytes + reserve_bytes;
    else if (errno != ENOSPC && errno != EINTR)
        lmdb->disk_cannot_reserve = true;
}
