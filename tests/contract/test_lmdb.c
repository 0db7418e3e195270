/* What only the store on disk promises: what is committed stays, and what cannot be trusted is refused. */
#include "common/base/check.h"
#include "tests/contract/faults.h"
#include "tests/contract/stores.h"

#include "common/store/store_lmdb.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* Some wait for a process of their own. */
TestSuite(lmdb, .timeout = 60);

static char *path_of(const char *name)
{
    return format_text("%s/%s", test_directory(), name);
}

static off_t data_size(void)
{
    CLEANUP(free)
    char *path = path_of("data.mdb");
    struct stat file;

    cr_assert_eq(stat(path, &file), 0);
    return file.st_size;
}

static void cut_data(off_t size)
{
    CLEANUP(free)
    char *path = path_of("data.mdb");
    cr_assert_eq(truncate(path, size), 0);
}

static void write_file(const char *name, const void *data, size_t size)
{
    CLEANUP(free)
    char *path = path_of(name);
    FILE *file = fopen(path, "w");

    cr_assert_not_null(file);
    cr_assert_eq(fwrite(data, 1, size, file), size);
    cr_assert_eq(fclose(file), 0);
}

static void commit_text(struct store *store, const char *key, const char *value)
{
    struct store_txn *txn = must_begin(store, STORE_WRITE);

    put_text(txn, TABLE_ONE, key, value);
    must_commit(&txn);
}

/* A store with a few hundred pages and the pair kept=1. */
static void make_store(void)
{
    static const uint8_t body[1000];
    struct store *store = disk_open(test_directory());
    struct store_txn *txn = must_begin(store, STORE_WRITE);
    uint8_t key[sizeof(uint32_t)];

    for (uint32_t i = 0; i < 1000; i++) {
        store_u32(key, i);
        store_put_append(txn, TABLE_TWO, (struct bytes){.data = key, .size = sizeof key},
                         (struct bytes){.data = body, .size = sizeof body});
    }
    put_text(txn, TABLE_ONE, "kept", "1");
    must_commit(&txn);
    store_close(store);
}

/* Runs body in a process of its own, which body ends, and returns its wait status. */
static int in_child(void (*body)(const char *directory))
{
    const char *directory = test_directory();
    int wait_status = 0;

    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        body(directory);
        _exit(0);
    }
    cr_assert_eq(waitpid(child, &wait_status, 0), child);
    return wait_status;
}

Test(lmdb, keeps_what_is_committed_when_it_is_opened_again)
{
    make_store();
    struct store *store = disk_open(test_directory());
    cr_assert_str_eq(stored_text(store, TABLE_ONE, "kept"), "1");
    commit_text(store, "more", "2");
    store_close(store);
    store = disk_open(test_directory());
    cr_assert_str_eq(stored_text(store, TABLE_ONE, "kept"), "1");
    cr_assert_str_eq(stored_text(store, TABLE_ONE, "more"), "2");
    store_close(store);
}

static void commit_and_die(const char *directory)
{
    struct store *store = disk_open(directory);

    commit_text(store, "committed", "1");
    struct store_txn *txn = must_begin(store, STORE_WRITE);
    put_text(txn, TABLE_ONE, "begun", "1");
    (void)raise(SIGKILL);
}

Test(lmdb, keeps_what_a_killed_process_committed_and_no_more)
{
    int wait_status = in_child(commit_and_die);

    cr_assert(WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == SIGKILL);
    struct store *store = disk_open(test_directory());
    cr_assert_str_eq(stored_text(store, TABLE_ONE, "committed"), "1");
    cr_assert_str_eq(stored_text(store, TABLE_ONE, "begun"), "-");
    commit_text(store, "begun", "2");
    cr_assert_str_eq(stored_text(store, TABLE_ONE, "begun"), "2", "the dead writer's lock is free");
    store_close(store);
}

static void read_and_die(const char *directory)
{
    struct store *store = disk_open(directory);

    for (int i = 0; i < 100; i++)
        (void)must_begin(store, STORE_READ);
    (void)raise(SIGKILL);
}

Test(lmdb, forgets_the_readers_of_a_killed_process)
{
    make_store();
    /* Together more than LMDB has places for readers. */
    (void)in_child(read_and_die);
    (void)in_child(read_and_die);
    struct store *store = disk_open(test_directory());
    struct store_txn *txn = must_begin(store, STORE_READ);
    store_abort(&txn);
    store_close(store);
}

Test(lmdb, syncs_a_commit_that_wrote_and_no_other)
{
    struct store *store = disk_open(test_directory());
    uint64_t before = fault_count(FAULT_SYNC_DATA);
    struct store_txn *txn = must_begin(store, STORE_WRITE);

    store_delete(txn, TABLE_ONE, bytes_of_text("absent"));
    must_commit(&txn);
    txn = must_begin(store, STORE_READ);
    must_commit(&txn);
    cr_assert_eq(fault_count(FAULT_SYNC_DATA), before);
    commit_text(store, "a", "1");
    cr_assert_eq(fault_count(FAULT_SYNC_DATA), before + 1);
    store_close(store);
}

Test(lmdb, syncs_what_was_committed_before_it_is_opened)
{
    make_store();
    uint64_t before = fault_count(FAULT_SYNC_DATA);
    struct store *store = disk_open(test_directory());
    cr_assert_gt(fault_count(FAULT_SYNC_DATA), before);
    store_close(store);
}

Test(lmdb, syncs_the_directories_when_it_is_made)
{
    CLEANUP(free)
    char *below = path_of("below");
    uint64_t before = fault_count(FAULT_SYNC_FILE);

    store_close(disk_open(below));
    cr_assert_geq(fault_count(FAULT_SYNC_FILE), before + 5, "the one above, and mark and own twice each");
    struct stat directory;
    cr_assert_eq(stat(below, &directory), 0);
    cr_assert_eq(directory.st_mode & 07777, 0700);
}

Test(lmdb, leaves_no_descriptor_open_across_exec)
{
    struct store *store = disk_open(test_directory());
    DIR *directory = opendir("/proc/self/fd");
    const struct dirent *entry;
    int found = 0;

    while ((entry = readdir(directory)) != NULL) {
        char target[256] = "";
        int fd = (int)strtol(entry->d_name, NULL, 10);
        if (readlinkat(dirfd(directory), entry->d_name, target, sizeof target - 1) < 0 ||
            strncmp(target, test_directory(), strlen(test_directory())) != 0)
            continue;
        found++;
        cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC, "%s", target);
    }
    (void)closedir(directory);
    cr_assert_geq(found, 3, "data, readers and lock");
    store_close(store);
}

Test(lmdb, closes_every_descriptor)
{
    int before = dup(0);
    close(before);
    make_store();
    (void)disk_refused(test_directory(), &(struct store_schema){.names = test_schema.names, .count = 2, .version = 8});
    int after = dup(0);
    close(after);
    cr_assert_eq(before, after);
}

static void assert_refused(const char *directory, const struct store_schema *schema, enum status status,
                           const char *reason)
{
    struct error error = disk_refused(directory, schema);

    cr_assert_eq(error.status, status, "%s", error.message);
    cr_assert_str_eq(error.reason, reason, "%s", error.message);
    cr_assert(strstr(error.message, directory) != NULL, "%s", error.message);
}

Test(lmdb, refuses_another_version_and_changes_nothing)
{
    static const char *const names[] = {"one", "two", "three"};
    const struct store_schema newer = {.names = names, .count = 3, .version = 8};
    const struct store_schema older = {.names = names, .count = 3, .version = 6};

    make_store();
    assert_refused(test_directory(), &newer, STATUS_FAILED_PRECONDITION, "STORE_VERSION");
    assert_refused(test_directory(), &older, STATUS_FAILED_PRECONDITION, "STORE_VERSION");
    struct store *store = disk_open(test_directory());
    cr_assert_str_eq(stored_text(store, TABLE_ONE, "kept"), "1");
    store_close(store);
}

Test(lmdb, takes_new_tables_of_the_same_version)
{
    static const char *const names[] = {"one", "two", "three"};
    const struct store_schema wider = {.names = names, .count = 3, .version = 7};
    const struct store_lmdb_options options = {.directory = test_directory()};
    struct store *store = NULL;

    make_store();
    cr_assert_eq(store_lmdb_open(&wider, &options, &store, NULL), STATUS_OK);
    struct store_txn *txn = must_begin(store, STORE_WRITE);
    put_text(txn, 2, "a", "3");
    must_commit(&txn);
    cr_assert_str_eq(stored_text(store, 2, "a"), "3");
    cr_assert_str_eq(stored_text(store, TABLE_ONE, "kept"), "1");
    store_close(store);
}

Test(lmdb, refuses_a_file_of_another_program)
{
    MDB_env *env = NULL;
    MDB_txn *txn = NULL;
    MDB_dbi table;

    cr_assert_eq(mdb_env_create(&env), 0);
    cr_assert_eq(mdb_env_set_maxdbs(env, 4), 0);
    cr_assert_eq(mdb_env_open(env, test_directory(), 0, 0600), 0);
    cr_assert_eq(mdb_txn_begin(env, NULL, 0, &txn), 0);
    cr_assert_eq(mdb_dbi_open(txn, "theirs", MDB_CREATE, &table), 0);
    cr_assert_eq(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
    assert_refused(test_directory(), &test_schema, STATUS_FAILED_PRECONDITION, "STORE_VERSION");
}

Test(lmdb, is_opened_once)
{
    struct store *store = disk_open(test_directory());

    assert_refused(test_directory(), &test_schema, STATUS_FAILED_PRECONDITION, "STORE_IN_USE");
    commit_text(store, "a", "1");
    store_close(store);
    store = disk_open(test_directory());
    cr_assert_str_eq(stored_text(store, TABLE_ONE, "a"), "1");
    store_close(store);
}

Test(lmdb, is_opened_by_one_process)
{
    const char *directory = test_directory();
    int ready[2];
    int go[2];
    char byte = 0;

    cr_assert(pipe(ready) == 0 && pipe(go) == 0);
    pid_t child = fork();
    if (child == 0) {
        /* Its own end of what it waits for: when the test fails, so does the wait. */
        (void)close(go[1]);
        struct store *store = disk_open(directory);
        _exit(store != NULL && write(ready[1], "r", 1) == 1 && read(go[0], &byte, 1) == 1 ? 0 : 1);
    }
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    assert_refused(directory, &test_schema, STATUS_FAILED_PRECONDITION, "STORE_IN_USE");
    cr_assert_eq(kill(child, SIGKILL), 0);
    cr_assert_eq(waitpid(child, NULL, 0), child);
    store_close(disk_open(directory));
}

Test(lmdb, refuses_a_file_that_was_cut_off)
{
    make_store();
    off_t whole = data_size();
    const off_t cuts[] = {whole - 4096, whole - 1, whole / 2, 12293, 8192, 4096, 100, 0};
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        cut_data(cuts[i]);
        assert_refused(test_directory(), &test_schema, STATUS_DATA_LOSS, "STORE_TRUNCATED");
        cr_assert_eq(data_size(), cuts[i], "what is left is left alone");
    }
}

Test(lmdb, refuses_to_begin_anew_where_the_file_has_vanished)
{
    CLEANUP(free)
    char *path = path_of("data.mdb");

    make_store();
    cr_assert_eq(unlink(path), 0);
    assert_refused(test_directory(), &test_schema, STATUS_DATA_LOSS, "STORE_TRUNCATED");
}

/* As LMDB itself sees it. */
static off_t size_by_header(void)
{
    MDB_env *env = NULL;
    MDB_envinfo info;

    cr_assert_eq(mdb_env_create(&env), 0);
    cr_assert_eq(mdb_env_open(env, test_directory(), MDB_RDONLY | MDB_NOLOCK, 0600), 0);
    cr_assert_eq(mdb_env_info(env, &info), 0);
    mdb_env_close(env);
    return ((off_t)info.me_last_pgno + 1) * 4096;
}

Test(lmdb, takes_a_short_file_whose_missing_pages_are_free)
{
    static const uint8_t large[1000000];
    struct store *store = disk_open(test_directory());

    /* Small pages come from those that these leave behind, so that the large value is all that lies at the end. */
    for (int i = 0; i < 20; i++)
        commit_text(store, "kept", "0");
    struct store_txn *txn = must_begin(store, STORE_WRITE);
    store_put(txn, TABLE_TWO, bytes_of_text("large"), (struct bytes){.data = large, .size = sizeof large});
    store_delete(txn, TABLE_TWO, bytes_of_text("large"));
    put_text(txn, TABLE_ONE, "kept", "1");
    must_commit(&txn);
    store_close(store);
    cr_assert_lt(data_size(), size_by_header(), "this is about a file that is short and well");
    store = disk_open(test_directory());
    cr_assert_geq(data_size(), size_by_header());
    cr_assert_str_eq(stored_text(store, TABLE_ONE, "kept"), "1");
    txn = must_begin(store, STORE_WRITE);
    store_put(txn, TABLE_TWO, bytes_of_text("large"), (struct bytes){.data = large, .size = sizeof large});
    must_commit(&txn);
    txn = must_begin(store, STORE_READ);
    struct bytes value;
    cr_assert_eq(store_get(txn, TABLE_TWO, bytes_of_text("large"), &value), STATUS_OK);
    cr_assert(bytes_equal(value, (struct bytes){.data = large, .size = sizeof large}));
    store_abort(&txn);
    store_close(store);
}

Test(lmdb, undoes_a_check_that_was_cut_short)
{
    char mark[40];

    make_store();
    off_t whole = data_size();
    int length = snprintf(mark, sizeof mark, "checking %lld\n", (long long)whole / 2);
    write_file("lock", mark, (size_t)length);
    assert_refused(test_directory(), &test_schema, STATUS_DATA_LOSS, "STORE_TRUNCATED");
    cr_assert_eq(data_size(), whole / 2);
}

Test(lmdb, begins_anew_when_it_was_never_finished)
{
    write_file("lock", "making\n", 7);
    write_file("data.mdb", "torn", 4);
    store_close(disk_open(test_directory()));
}

Test(lmdb, takes_a_backup_without_a_lock_file)
{
    CLEANUP(free)
    char *path = path_of("lock");

    make_store();
    cr_assert_eq(unlink(path), 0);
    struct store *store = disk_open(test_directory());
    cr_assert_str_eq(stored_text(store, TABLE_ONE, "kept"), "1");
    store_close(store);
}

Test(lmdb, refuses_what_is_no_store)
{
    static const uint8_t zeros[3 * 4096];
    CLEANUP(free)
    char *missing = path_of("missing/store");
    CLEANUP(free)
    char *file = path_of("data.mdb");

    write_file("data.mdb", zeros, sizeof zeros);
    assert_refused(test_directory(), &test_schema, STATUS_UNAVAILABLE, "STORE_FAILED");
    assert_refused(file, &test_schema, STATUS_UNAVAILABLE, "STORE_FAILED");
    assert_refused(missing, &test_schema, STATUS_UNAVAILABLE, "STORE_FAILED");
}

Test(lmdb, has_a_large_and_sparse_map_by_default)
{
    struct store *store = disk_open(test_directory());

    fault_disk_left((uint64_t)1 << 40);
    cr_assert_eq(store_usage(store).limit_bytes, (uint64_t)64 << 30);
    cr_assert_lt(data_size(), 1 << 20);
    store_close(store);
}
