/* The stores under test: the same test runs over each kind. */
#pragma once

#include "common/store/store.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>

enum kind { KIND_LMDB, KIND_MEM };
enum { TABLE_ONE, TABLE_TWO, TABLE_COUNT };

extern const struct store_schema test_schema;

/* A test over both: ContractTest(suite, name) { struct store *store = ...; } has `kind` as its parameter. */
#define ContractTest(suite, name)                                                                                      \
    static void suite##_##name(enum kind kind);                                                                        \
    Test(suite, name##_on_disk)                                                                                        \
    {                                                                                                                  \
        suite##_##name(KIND_LMDB);                                                                                     \
    }                                                                                                                  \
    Test(suite, name##_in_memory)                                                                                      \
    {                                                                                                                  \
        suite##_##name(KIND_MEM);                                                                                      \
    }                                                                                                                  \
    static void suite##_##name(enum kind kind)

/* An empty store; limit_bytes 0 = the kind's default. */
struct store *store_of(enum kind kind, uint64_t limit_bytes);

/* A fresh directory of this test, removed when its process ends. */
const char *test_directory(void);
/* Now, for a test that ends with an abort; an open store works on. */
void test_directory_remove(void);
/* Opens the store on disk there and expects that it works. */
struct store *disk_open(const char *directory);
struct error disk_refused(const char *directory, const struct store_schema *schema);

struct store_txn *must_begin(struct store *store, enum store_mode mode);
void must_commit(struct store_txn **txn);

void put_text(struct store_txn *txn, uint32_t table, const char *key, const char *value);
/* What is there, "-" when nothing is; valid until the next call. */
const char *get_text(struct store_txn *txn, uint32_t table, const char *key);
/* "key=value" of what a seek or step found, "-" when it found nothing; valid until the next call. */
const char *seek_text(struct store_txn *txn, uint32_t table, const char *key);
const char *seek_back_text(struct store_txn *txn, uint32_t table, const char *key);
const char *next_text(struct store_txn *txn, uint32_t table);
const char *previous_text(struct store_txn *txn, uint32_t table);
/* The value that a new reading transaction sees. */
const char *stored_text(struct store *store, uint32_t table, const char *key);
