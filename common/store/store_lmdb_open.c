#include "common/base/check.h"
#include "common/store/store_lmdb.h"
#include "common/store/store_lmdb_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define MAP_BYTES_DEFAULT ((uint64_t)64 << 30)
#define META_TABLE "store"
#define META_VERSION "version"
#define HEADER_BYTES_MIN ((off_t)2 * 4096)

/* What the lock file says about the data file beside it. Without the mark, a data file that has vanished or is empty
 * would be taken for a new store, and everything in it lost in silence. */
#define MARK_MAKING "making\n"
#define MARK_READY "ready\n"
/* It is being filled from a backup. */
#define MARK_RESTORING "restoring\n"
/* Followed by the size that the file has to get back: it was made longer only to look at it. */
#define MARK_CHECKING "checking "
#define MARK_SIZE 40

struct opening {
    const struct store_schema *schema;
    const char *directory;
    int directory_fd;
    const struct store_lmdb_options *options;
    struct lmdb_store *lmdb;
    struct error *error;
};

static enum status refuse(const struct opening *opening, const char *what, int code)
{
    return error_set(opening->error, STATUS_UNAVAILABLE, "STORE_FAILED", "store %s: %s: %s", opening->directory, what,
                     mdb_strerror(code));
}

static enum status refuse_truncated(const struct opening *opening, const char *what)
{
    return error_set(opening->error, STATUS_DATA_LOSS, "STORE_TRUNCATED",
                     "store %s: data.mdb %s; restore a backup, or remove the whole directory to begin anew",
                     opening->directory, what);
}

/* A new entry of a directory is on disk once the directory is synced. */
static enum status sync_parent(const struct opening *opening)
{
    CLEANUP(fd_close)
    int parent = openat(opening->directory_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (parent < 0 || fsync(parent) != 0)
        return refuse(opening, "sync of the directory above", errno);
    return STATUS_OK;
}

static enum status open_directory(struct opening *opening)
{
    bool made = !opening->options->must_exist && mkdir(opening->directory, 0700) == 0;

    if (!made && !opening->options->must_exist && errno != EEXIST)
        return refuse(opening, "mkdir", errno);
    opening->directory_fd = open(opening->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (opening->directory_fd < 0)
        return refuse(opening, "open", errno);
    return made ? sync_parent(opening) : STATUS_OK;
}

/* LMDB itself lets any number of processes in; two daemons on one store would each trust their own memory of it. */
static enum status take_lock(struct opening *opening)
{
    int fd = openat(opening->directory_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0)
        return refuse(opening, "lock", errno);
    opening->lmdb->lock_fd = fd;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return STATUS_OK;
    if (errno != EWOULDBLOCK)
        return refuse(opening, "lock", errno);
    return error_set(opening->error, STATUS_FAILED_PRECONDITION, "STORE_IN_USE",
                     "store %s: another process has it open; stop that one first", opening->directory);
}

static void read_mark(const struct opening *opening, char text[static MARK_SIZE])
{
    ssize_t size = pread(opening->lmdb->lock_fd, text, MARK_SIZE - 1, 0);
    text[size > 0 ? size : 0] = '\0';
}

static bool mark_is(const struct opening *opening, const char *mark)
{
    char text[MARK_SIZE];

    read_mark(opening, text);
    return strcmp(text, mark) == 0;
}

static bool write_mark(int lock_fd, const char *mark)
{
    ssize_t size = (ssize_t)strlen(mark);

    return ftruncate(lock_fd, 0) == 0 && pwrite(lock_fd, mark, (size_t)size, 0) == size && fsync(lock_fd) == 0;
}

static enum status set_mark(const struct opening *opening, const char *mark)
{
    if (!write_mark(opening->lmdb->lock_fd, mark) || fsync(opening->directory_fd) != 0)
        return refuse(opening, "mark", errno);
    return STATUS_OK;
}

/* A check that was cut short has left the file longer than it was. */
static enum status undo_check(const struct opening *opening)
{
    char text[MARK_SIZE];

    read_mark(opening, text);
    if (strncmp(text, MARK_CHECKING, strlen(MARK_CHECKING)) != 0)
        return STATUS_OK;
    CLEANUP(fd_close)
    int fd = openat(opening->directory_fd, "data.mdb", O_WRONLY | O_CLOEXEC);
    off_t size = (off_t)strtoll(text + strlen(MARK_CHECKING), NULL, 10);
    if (fd < 0 || ftruncate(fd, size) != 0 || fsync(fd) != 0)
        return refuse(opening, "undo a check", errno);
    return set_mark(opening, MARK_READY);
}

/* A store to restore into takes the place of none but one that was begun so. */
static enum status look_before_restore(const struct opening *opening)
{
    struct stat file = {0};
    bool was_begun = mark_is(opening, MARK_MAKING) || mark_is(opening, MARK_RESTORING);

    if (mark_is(opening, MARK_READY) ||
        (!was_begun && fstatat(opening->directory_fd, "data.mdb", &file, AT_SYMLINK_NOFOLLOW) == 0))
        return error_set(opening->error, STATUS_FAILED_PRECONDITION, "STORE_EXISTS",
                         "store %s: there is one already; move it away first", opening->directory);
    if (unlinkat(opening->directory_fd, "data.mdb", 0) != 0 && errno != ENOENT)
        return refuse(opening, "remove what was begun", errno);
    return set_mark(opening, MARK_RESTORING);
}

/* Before LMDB maps the file: whether there is one, and whether it has its headers. */
static enum status look_at_file(const struct opening *opening)
{
    bool making = mark_is(opening, MARK_MAKING);
    struct stat file = {0};

    if (opening->options->restores)
        return look_before_restore(opening);
    if (mark_is(opening, MARK_RESTORING))
        return error_set(opening->error, STATUS_FAILED_PRECONDITION, "RESTORE_UNFINISHED",
                         "store %s: a backup was being restored here and is not whole; restore it again",
                         opening->directory);
    if (making && unlinkat(opening->directory_fd, "data.mdb", 0) != 0 && errno != ENOENT)
        return refuse(opening, "remove what was begun", errno);
    bool exists = fstatat(opening->directory_fd, "data.mdb", &file, 0) == 0;
    if (!exists && errno != ENOENT)
        return refuse(opening, "data.mdb", errno);
    if (mark_is(opening, MARK_READY) && file.st_size == 0)
        return refuse_truncated(opening, exists ? "is empty" : "is missing");
    if (file.st_size == 0 && opening->options->must_exist)
        return error_set(opening->error, STATUS_NOT_FOUND, "NO_STORE", "store %s: there is none", opening->directory);
    if (file.st_size == 0)
        return making ? STATUS_OK : set_mark(opening, MARK_MAKING);
    if (file.st_size < HEADER_BYTES_MIN)
        return refuse_truncated(opening, "is shorter than its header");
    return STATUS_OK;
}

static enum status open_environment(struct opening *opening, uint64_t map_bytes)
{
    struct lmdb_store *lmdb = opening->lmdb;

    lmdb->map_bytes = map_bytes > 0 ? map_bytes : MAP_BYTES_DEFAULT;
    int code = mdb_env_create(&lmdb->env);
    if (code == 0)
        code = mdb_env_set_mapsize(lmdb->env, lmdb->map_bytes);
    if (code == 0)
        code = mdb_env_set_maxdbs(lmdb->env, STORE_TABLES_MAX + 1);
    /* NOTLS: a reader belongs to its transaction, not to its thread. NORDAHEAD: keys are read at random. Never
     * WRITEMAP or NOSYNC: what is acknowledged must be on disk. */
    if (code == 0)
        code = mdb_env_open(lmdb->env, opening->directory, MDB_NOTLS | MDB_NORDAHEAD, 0600);
    return code == 0 ? STATUS_OK : refuse(opening, "open", code);
}

/* A short file is made as long as its header says, looked at, and cut back if it was not well. */
static enum status check_short_file(const struct opening *opening, int fd, const struct lmdb_missing *missing)
{
    CLEANUP(free)
    char *mark = format_text(MARK_CHECKING "%" PRId64 "\n", missing->file_size);
    off_t whole_size = (off_t)((missing->first_page + missing->page_count) * opening->lmdb->page_bytes);

    TRY(set_mark(opening, mark));
    if (ftruncate(fd, whole_size) != 0)
        return refuse(opening, "check", errno);
    bool well = lmdb_pages_are_free(opening->lmdb, missing);
    if (!well && ftruncate(fd, (off_t)missing->file_size) != 0)
        return refuse(opening, "check", errno);
    if (fsync(fd) != 0)
        return refuse(opening, "check", errno);
    TRY(set_mark(opening, MARK_READY));
    return well ? STATUS_OK : refuse_truncated(opening, "is shorter than its header says");
}

static enum status check_file(struct opening *opening)
{
    struct lmdb_missing missing = {0};
    mdb_filehandle_t fd = -1;
    MDB_stat stat;

    int code = mdb_env_get_fd(opening->lmdb->env, &fd);
    if (code == 0)
        code = mdb_env_stat(opening->lmdb->env, &stat);
    if (code != 0)
        return refuse(opening, "open", code);
    /* LMDB 0.9.24 leaves the data file open across exec. */
    int flags = fcntl(fd, F_GETFD);
    if (flags < 0 || fcntl(fd, F_SETFD, flags | FD_CLOEXEC) != 0)
        return refuse(opening, "data.mdb", errno);
    opening->lmdb->page_bytes = stat.ms_psize;
    code = lmdb_missing_pages(opening->lmdb, &missing);
    if (code != 0)
        return refuse(opening, "check", code);
    return missing.page_count == 0 ? STATUS_OK : check_short_file(opening, fd, &missing);
}

/* What a process that was killed had committed may be visible and not yet on disk: it is, before anybody is told. */
static enum status settle(struct opening *opening)
{
    int dead = 0;

    int code = mdb_env_sync(opening->lmdb->env, 1);
    if (code == 0)
        code = mdb_reader_check(opening->lmdb->env, &dead);
    return code == 0 ? STATUS_OK : refuse(opening, "sync", code);
}

static enum status check_version(struct opening *opening, MDB_txn *txn)
{
    uint8_t version[sizeof(uint32_t)];
    MDB_val key = {.mv_size = strlen(META_VERSION), .mv_data = (char[]){META_VERSION}};
    MDB_val value;

    int code = mdb_get(txn, opening->lmdb->meta, &key, &value);
    if (code == MDB_NOTFOUND) {
        store_u32(version, opening->schema->version);
        value = (MDB_val){.mv_size = sizeof version, .mv_data = version};
        code = mdb_put(txn, opening->lmdb->meta, &key, &value, 0);
        return code == 0 ? STATUS_OK : refuse(opening, "version", code);
    }
    if (code != 0)
        return refuse(opening, "version", code);
    uint32_t found = value.mv_size == sizeof version ? load_u32(value.mv_data) : 0;
    if (found == opening->schema->version)
        return STATUS_OK;
    return error_set(opening->error, STATUS_FAILED_PRECONDITION, "STORE_VERSION",
                     "store %s: written as version %" PRIu32 ", this program knows version %" PRIu32,
                     opening->directory, found, opening->schema->version);
}

/* A file that has anything in it and no table of ours was written by some other program. */
static enum status open_meta(struct opening *opening, MDB_txn *txn)
{
    MDB_stat stat;

    int code = mdb_dbi_open(txn, META_TABLE, 0, &opening->lmdb->meta);
    if (code == 0)
        return STATUS_OK;
    if (code == MDB_NOTFOUND && mdb_stat(txn, 1, &stat) == 0 && stat.ms_entries > 0)
        return error_set(opening->error, STATUS_FAILED_PRECONDITION, "STORE_VERSION",
                         "store %s: not written by this program", opening->directory);
    if (code == MDB_NOTFOUND)
        code = mdb_dbi_open(txn, META_TABLE, MDB_CREATE, &opening->lmdb->meta);
    return code == 0 ? STATUS_OK : refuse(opening, "meta table", code);
}

static enum status open_tables(struct opening *opening, MDB_txn *txn)
{
    TRY(open_meta(opening, txn));
    TRY(check_version(opening, txn));
    for (uint32_t table = 0; table < opening->schema->count; table++) {
        const char *name = opening->schema->names[table];
        CHECK(strcmp(name, META_TABLE) != 0);
        int code = mdb_dbi_open(txn, name, MDB_CREATE, &opening->lmdb->tables[table]);
        if (code != 0)
            return refuse(opening, name, code);
    }
    return STATUS_OK;
}

static enum status open_schema(struct opening *opening)
{
    MDB_txn *txn = NULL;

    int code = mdb_txn_begin(opening->lmdb->env, NULL, 0, &txn);
    if (code != 0)
        return refuse(opening, "begin", code);
    enum status status = open_tables(opening, txn);
    if (status != STATUS_OK) {
        mdb_txn_abort(txn);
        return status;
    }
    code = mdb_txn_commit(txn);
    return code == 0 ? STATUS_OK : refuse(opening, "make tables", code);
}

static enum status open_all(struct opening *opening, uint64_t map_bytes)
{
    TRY(open_directory(opening));
    TRY(take_lock(opening));
    TRY(undo_check(opening));
    TRY(look_at_file(opening));
    TRY(open_environment(opening, map_bytes));
    TRY(check_file(opening));
    TRY(settle(opening));
    TRY(open_schema(opening));
    if (!opening->options->restores && !mark_is(opening, MARK_READY))
        TRY(set_mark(opening, MARK_READY));
    lmdb_reserve(opening->lmdb);
    return STATUS_OK;
}

enum status store_lmdb_open(const struct store_schema *schema, const struct store_lmdb_options *options,
                            struct store **ret_store, struct error *error)
{
    CLEANUP(store_close)
    struct store *store = NULL;
    struct lmdb_store *lmdb = allocate_zero(1, sizeof *lmdb);

    CHECK(schema->count <= STORE_TABLES_MAX);
    lmdb->lock_fd = -1;
    lmdb->store = (struct store){.ops = &lmdb_ops, .table_count = schema->count};
    store = &lmdb->store;
    struct opening opening = {.schema = schema,
                              .directory = options->directory,
                              .directory_fd = -1,
                              .options = options,
                              .lmdb = lmdb,
                              .error = error};
    enum status status = open_all(&opening, options->map_bytes);
    fd_close(opening.directory_fd);
    TRY(status);
    *ret_store = TAKE(store);
    return STATUS_OK;
}

enum status store_lmdb_restored(struct store *store, struct error *error)
{
    if (write_mark(((struct lmdb_store *)store)->lock_fd, MARK_READY))
        return STATUS_OK;
    return error_set(error, STATUS_UNAVAILABLE, "STORE_FAILED", "the restored store cannot be marked as whole: %s",
                     strerror(errno));
}
