/* Backups: what a snapshot holds goes into a file and comes back, or the file is refused. */
#include "common/base/check.h"
#include "tests/contract/faults.h"
#include "tests/contract/stores.h"

#include "common/store/backup.h"
#include "common/store/store_lmdb.h"
#include "common/store/store_mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROWS 2000 /* of 1,000 bytes: several blocks, the last one not full */
#define BIG_SIZE ((size_t)600 * 1024)

static char path[160];

static const char *backup_path(void)
{
    (void)snprintf(path, sizeof path, "%s/backup", test_directory());
    return path;
}

static struct bytes row_key(uint32_t i)
{
    static uint8_t key[sizeof(uint32_t)];

    store_u32(key, i);
    return (struct bytes){.data = key, .size = sizeof key};
}

static void fill(struct store *store)
{
    static uint8_t body[1000];
    static const uint8_t big[BIG_SIZE] = {1, 2, 3};
    struct store_txn *txn = must_begin(store, STORE_WRITE);

    for (uint32_t i = 0; i < ROWS; i++) {
        body[7] = (uint8_t)i;
        store_put(txn, TABLE_TWO, row_key(i), (struct bytes){.data = body, .size = sizeof body});
    }
    store_put(txn, TABLE_ONE, bytes_of_text("big"), (struct bytes){.data = big, .size = sizeof big});
    put_text(txn, TABLE_ONE, "empty", "");
    put_text(txn, TABLE_ONE, "kept", "1");
    must_commit(&txn);
}

static struct backup_figures must_backup(struct store *store)
{
    struct store_txn *txn = must_begin(store, STORE_READ);
    struct backup_figures figures = {0};
    struct error error = {0};

    cr_assert_eq(backup_write(txn, &test_schema, backup_path(), NULL, &figures, &error), STATUS_OK, "%s",
                 error.message);
    store_abort(&txn);
    return figures;
}

static struct error restore_into(struct store *store, const struct store_schema *schema)
{
    struct backup_figures figures = {0};
    struct error error = {0};

    (void)!backup_read(backup_path(), schema, store, NULL, &figures, &error);
    store_close(store);
    return error;
}

static struct error restore_refused(void)
{
    struct error error = restore_into(store_mem_new(&test_schema, 0), &test_schema);

    cr_assert_neq(error.status, STATUS_OK);
    return error;
}

/* Table by table, pair by pair. */
static void assert_equal_stores(struct store *one, struct store *other)
{
    struct store_txn *left = must_begin(one, STORE_READ);
    struct store_txn *right = must_begin(other, STORE_READ);

    for (uint32_t table = 0; table < TABLE_COUNT; table++) {
        struct bytes keys[2] = {0};
        struct bytes values[2] = {0};
        enum status status = store_seek(left, table, (struct bytes){0}, &keys[0], &values[0]);
        cr_assert_eq(store_seek(right, table, (struct bytes){0}, &keys[1], &values[1]), status);
        while (status == STATUS_OK) {
            cr_assert(bytes_equal(keys[0], keys[1]) && bytes_equal(values[0], values[1]));
            status = store_next(left, table, &keys[0], &values[0]);
            cr_assert_eq(store_next(right, table, &keys[1], &values[1]), status);
        }
        cr_assert_eq(status, STATUS_NOT_FOUND);
    }
    store_abort(&left);
    store_abort(&right);
}

ContractTest(backup, holds_every_row_and_is_read_into_either_store)
{
    struct store *store = store_of(kind, 0);
    struct store *copy = store_mem_new(&test_schema, 0);
    struct backup_figures read = {0};
    struct error error = {0};
    char directory[160];
    struct stat file;

    fill(store);
    struct backup_figures written = must_backup(store);
    cr_assert_eq(written.rows, ROWS + 3);
    cr_assert_eq(stat(backup_path(), &file), 0);
    cr_assert_eq((uint64_t)file.st_size, written.bytes);
    cr_assert_eq(file.st_mode & 0777, 0600);
    cr_assert_eq(backup_read(backup_path(), &test_schema, copy, NULL, &read, &error), STATUS_OK, "%s", error.message);
    cr_assert_eq(memcmp(&read, &written, sizeof read), 0);
    assert_equal_stores(store, copy);
    store_close(copy);

    (void)snprintf(directory, sizeof directory, "%s/restored", test_directory());
    copy = disk_open(directory);
    cr_assert_eq(backup_read(backup_path(), &test_schema, copy, NULL, &read, &error), STATUS_OK, "%s", error.message);
    assert_equal_stores(store, copy);
    store_close(copy);
    store_close(store);
}

static bool write_meanwhile(const struct backup_figures *figures, void *data)
{
    struct store *store = data;
    struct store_txn *txn = must_begin(store, STORE_WRITE);

    (void)figures;
    put_text(txn, TABLE_ONE, "kept", "2");
    put_text(txn, TABLE_TWO, "later", "2");
    store_delete(txn, TABLE_TWO, row_key(ROWS - 1));
    must_commit(&txn);
    return true;
}

ContractTest(backup, is_of_one_moment_however_much_is_written_meanwhile)
{
    struct store *store = store_of(kind, 0);
    struct store *copy = store_mem_new(&test_schema, 0);
    const struct backup_watch watch = {.on_progress = write_meanwhile, .data = store};
    struct backup_figures figures = {0};
    struct error error = {0};

    fill(store);
    struct store_txn *txn = must_begin(store, STORE_READ);
    cr_assert_eq(backup_write(txn, &test_schema, backup_path(), &watch, &figures, &error), STATUS_OK);
    store_abort(&txn);
    cr_assert_eq(figures.rows, ROWS + 3);
    cr_assert_eq(backup_read(backup_path(), &test_schema, copy, NULL, &figures, &error), STATUS_OK);
    cr_assert_str_eq(stored_text(copy, TABLE_ONE, "kept"), "1");
    cr_assert_str_eq(stored_text(copy, TABLE_TWO, "later"), "-");
    cr_assert_str_eq(stored_text(store, TABLE_ONE, "kept"), "2");
    store_close(copy);
    store_close(store);
}

static bool stop_at_the_third(const struct backup_figures *figures, void *data)
{
    (void)figures;
    return ++*(int *)data < 3;
}

Test(backup, that_is_stopped_leaves_no_file)
{
    struct store *store = store_of(KIND_MEM, 0);
    int calls = 0;
    const struct backup_watch watch = {.on_progress = stop_at_the_third, .data = &calls};
    struct backup_figures figures = {0};
    struct error error = {0};
    char partial[192];

    fill(store);
    struct store_txn *txn = must_begin(store, STORE_READ);
    cr_assert_eq(backup_write(txn, &test_schema, backup_path(), &watch, &figures, &error), STATUS_CANCELED);
    cr_assert_str_eq(error.reason, "STOPPED");
    cr_assert_eq(calls, 3);
    (void)snprintf(partial, sizeof partial, "%s.partial", backup_path());
    cr_assert_neq(access(backup_path(), F_OK), 0);
    cr_assert_neq(access(partial, F_OK), 0);
    store_abort(&txn);
    store_close(store);
}

Test(backup, never_takes_the_place_of_a_file_but_of_its_own_unfinished_one)
{
    struct store *store = store_of(KIND_MEM, 0);
    struct store_txn *txn = must_begin(store, STORE_READ);
    struct backup_figures figures = {0};
    struct error error = {0};
    CLEANUP(free)
    char *partial = format_text("%s.partial", backup_path());

    fd_close(open(partial, O_WRONLY | O_CREAT, 0600));
    cr_assert_eq(backup_write(txn, &test_schema, backup_path(), NULL, &figures, &error), STATUS_OK, "%s",
                 error.message);
    cr_assert_neq(access(partial, F_OK), 0);
    cr_assert_eq(backup_write(txn, &test_schema, backup_path(), NULL, &figures, &error), STATUS_ALREADY_EXISTS);
    cr_assert_str_eq(error.reason, "BACKUP_EXISTS");
    cr_assert_eq(restore_into(store_mem_new(&test_schema, 0), &test_schema).status, STATUS_OK,
                 "the first is still there");
    store_abort(&txn);
    store_close(store);
}

static struct error backup_refused(const char *where)
{
    struct store *store = store_of(KIND_MEM, 0);
    struct backup_figures figures = {0};
    struct error error = {0};

    fill(store);
    struct store_txn *txn = must_begin(store, STORE_READ);
    cr_assert_neq(backup_write(txn, &test_schema, where, NULL, &figures, &error), STATUS_OK);
    cr_assert_neq(access(where, F_OK), 0);
    store_abort(&txn);
    store_close(store);
    return error;
}

Test(backup, that_cannot_be_written_says_why_and_leaves_nothing)
{
    struct error error = backup_refused("/nowhere/at/all");

    cr_assert_eq(error.status, STATUS_FAILED_PRECONDITION);
    cr_assert_str_eq(error.reason, "BACKUP_FAILED");
    fault_set(FAULT_SYNC_FILE, EIO, 0);
    error = backup_refused(backup_path());
    cr_assert_str_eq(error.reason, "BACKUP_FAILED");
    fault_set(FAULT_SYNC_FILE, 0, 0);
}

static off_t backup_size(void)
{
    struct stat file;

    cr_assert_eq(stat(backup_path(), &file), 0);
    return file.st_size;
}

static void flip_bit(off_t at)
{
    CLEANUP(fd_close)
    int fd = open(backup_path(), O_RDWR);
    uint8_t byte = 0;

    cr_assert_eq(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10;
    cr_assert_eq(pwrite(fd, &byte, 1, at), 1);
}

Test(backup, that_was_cut_off_or_changed_is_refused)
{
    struct store *store = store_of(KIND_MEM, 0);

    fill(store);
    (void)must_backup(store);
    off_t size = backup_size();
    for (off_t at = 0; at < size; at += size / 50) {
        flip_bit(at);
        cr_assert_eq(restore_refused().status, STATUS_DATA_LOSS, "byte %ld", (long)at);
        flip_bit(at);
    }
    flip_bit(size - 1);
    cr_assert_str_eq(restore_refused().reason, "BAD_BACKUP");
    flip_bit(size - 1);
    cr_assert_eq(restore_into(store_mem_new(&test_schema, 0), &test_schema).status, STATUS_OK);
    for (off_t at = size - 1; at > 0; at -= size / 20) {
        cr_assert_eq(truncate(backup_path(), at), 0);
        cr_assert_eq(restore_refused().status, STATUS_DATA_LOSS, "cut at %ld", (long)at);
    }
    cr_assert_eq(truncate(backup_path(), 0), 0);
    cr_assert_eq(restore_refused().status, STATUS_DATA_LOSS);
    cr_assert_eq(unlink(backup_path()), 0);
    cr_assert_str_eq(restore_refused().reason, "NO_BACKUP");
    store_close(store);
}

Test(backup, of_another_schema_is_refused)
{
    static const char *const other_names[] = {"one", "three"};
    const struct store_schema newer = {.names = test_schema.names, .count = TABLE_COUNT, .version = 8};
    const struct store_schema other = {.names = other_names, .count = TABLE_COUNT, .version = 7};
    struct store *store = store_of(KIND_MEM, 0);

    (void)must_backup(store);
    cr_assert_str_eq(restore_into(store_mem_new(&newer, 0), &newer).reason, "BACKUP_VERSION");
    cr_assert_str_eq(restore_into(store_mem_new(&other, 0), &other).reason, "BACKUP_VERSION");
    store_close(store);
}

Test(backup, that_does_not_fit_into_the_store_is_refused)
{
    struct store *store = store_of(KIND_MEM, 0);

    fill(store);
    (void)must_backup(store);
    cr_assert_str_eq(restore_into(store_mem_new(&test_schema, 100000), &test_schema).reason, "STORE_FULL");
    store_close(store);
}

static struct store *restoring_open(struct error *error)
{
    const struct store_lmdb_options options = {.directory = test_directory(), .restores = true};
    struct store *store = NULL;

    (void)!store_lmdb_open(&test_schema, &options, &store, error);
    return store;
}

Test(restoring, makes_a_store_that_is_opened_only_once_it_is_whole)
{
    struct error error = {0};
    struct store *store = restoring_open(&error);

    cr_assert_not_null(store, "%s", error.message);
    struct store_txn *txn = must_begin(store, STORE_WRITE);
    put_text(txn, TABLE_ONE, "half", "1");
    must_commit(&txn);
    store_close(store);
    cr_assert_str_eq(disk_refused(test_directory(), &test_schema).reason, "RESTORE_UNFINISHED");

    store = restoring_open(&error);
    cr_assert_not_null(store, "%s", error.message);
    cr_assert_str_eq(stored_text(store, TABLE_ONE, "half"), "-", "it begins anew");
    txn = must_begin(store, STORE_WRITE);
    put_text(txn, TABLE_ONE, "whole", "1");
    must_commit(&txn);
    cr_assert_eq(store_lmdb_restored(store, &error), STATUS_OK);
    store_close(store);
    store = disk_open(test_directory());
    cr_assert_str_eq(stored_text(store, TABLE_ONE, "whole"), "1");
    store_close(store);
}

Test(restoring, does_not_take_the_place_of_a_store)
{
    struct error error = {0};
    struct store *store = disk_open(test_directory());

    cr_assert_null(restoring_open(&error));
    cr_assert_str_eq(error.reason, "STORE_IN_USE");
    store_close(store);
    cr_assert_null(restoring_open(&error));
    cr_assert_str_eq(error.reason, "STORE_EXISTS");

    CLEANUP(free)
    char *lock = format_text("%s/lock", test_directory());
    cr_assert_eq(unlink(lock), 0);
    cr_assert_null(restoring_open(&error));
    cr_assert_str_eq(error.reason, "STORE_EXISTS", "nor of one whose lock was removed");
}
