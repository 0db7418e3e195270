#include "tests/contract/stores.h"

#include "common/base/check.h"
#include "common/store/store_lmdb.h"
#include "common/store/store_mem.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

static const char *const table_names[TABLE_COUNT] = {"one", "two"};
const struct store_schema test_schema = {.names = table_names, .count = TABLE_COUNT, .version = 7};

static char directory_path[64];
static pid_t directory_owner;

/* One level of directories below, as stores make them. */
static void remove_tree(const char *path)
{
    DIR *directory = opendir(path);
    const struct dirent *entry;

    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        CLEANUP(free)
        char *below = format_text("%s/%s", path, entry->d_name);
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (remove(below) != 0)
            remove_tree(below);
    }
    if (directory != NULL)
        (void)closedir(directory);
    (void)remove(path);
}

void test_directory_remove(void)
{
    if (getpid() == directory_owner)
        remove_tree(directory_path);
}

const char *test_directory(void)
{
    if (directory_owner != getpid()) {
        (void)snprintf(directory_path, sizeof directory_path, "/tmp/ganger-contract-XXXXXX");
        CHECK(mkdtemp(directory_path) != NULL);
        directory_owner = getpid();
        CHECK(atexit(test_directory_remove) == 0);
    }
    return directory_path;
}

static struct store *disk_open_with(const char *directory, uint64_t map_bytes)
{
    const struct store_lmdb_options options = {.directory = directory, .map_bytes = map_bytes};
    struct store *store = NULL;
    struct error error = {0};

    enum status status = store_lmdb_open(&test_schema, &options, &store, &error);
    cr_assert_eq(status, STATUS_OK, "%s", error.message);
    return store;
}

struct store *disk_open(const char *directory)
{
    return disk_open_with(directory, 0);
}

struct error disk_refused(const char *directory, const struct store_schema *schema)
{
    const struct store_lmdb_options options = {.directory = directory};
    struct store *store = NULL;
    struct error error = {0};

    enum status status = store_lmdb_open(schema, &options, &store, &error);
    cr_assert_neq(status, STATUS_OK);
    cr_assert_eq(status, error.status);
    cr_assert_null(store);
    return error;
}

struct store *store_of(enum kind kind, uint64_t limit_bytes)
{
    if (kind == KIND_MEM)
        return store_mem_new(&test_schema, limit_bytes);
    return disk_open_with(test_directory(), limit_bytes);
}

struct store_txn *must_begin(struct store *store, enum store_mode mode)
{
    struct store_txn *txn = NULL;

    cr_assert_eq(store_begin(store, mode, &txn), STATUS_OK);
    return txn;
}

void must_commit(struct store_txn **txn)
{
    cr_assert_eq(store_commit(txn), STATUS_OK);
    cr_assert_null(*txn);
}

void put_text(struct store_txn *txn, uint32_t table, const char *key, const char *value)
{
    store_put(txn, table, bytes_of_text(key), bytes_of_text(value));
}

static const char *text_of(enum status status, struct bytes key, struct bytes value)
{
    static char text[256];

    if (status == STATUS_NOT_FOUND)
        return "-";
    cr_assert_eq(status, STATUS_OK);
    (void)snprintf(text, sizeof text, "%.*s%s%.*s", (int)key.size, (const char *)key.data, key.size > 0 ? "=" : "",
                   (int)value.size, (const char *)value.data);
    return text;
}

const char *get_text(struct store_txn *txn, uint32_t table, const char *key)
{
    struct bytes value = {0};
    enum status status = store_get(txn, table, bytes_of_text(key), &value);
    return text_of(status, (struct bytes){0}, value);
}

const char *seek_text(struct store_txn *txn, uint32_t table, const char *key)
{
    struct bytes found = {0};
    struct bytes value = {0};
    enum status status = store_seek(txn, table, bytes_of_text(key), &found, &value);
    return text_of(status, found, value);
}

const char *seek_back_text(struct store_txn *txn, uint32_t table, const char *key)
{
    struct bytes found = {0};
    struct bytes value = {0};
    enum status status = store_seek_back(txn, table, bytes_of_text(key), &found, &value);
    return text_of(status, found, value);
}

const char *next_text(struct store_txn *txn, uint32_t table)
{
    struct bytes found = {0};
    struct bytes value = {0};
    enum status status = store_next(txn, table, &found, &value);
    return text_of(status, found, value);
}

const char *previous_text(struct store_txn *txn, uint32_t table)
{
    struct bytes found = {0};
    struct bytes value = {0};
    enum status status = store_previous(txn, table, &found, &value);
    return text_of(status, found, value);
}

const char *stored_text(struct store *store, uint32_t table, const char *key)
{
    struct store_txn *txn = must_begin(store, STORE_READ);
    const char *text = get_text(txn, table, key);
    store_abort(&txn);
    return text;
}
