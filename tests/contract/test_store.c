#include "tests/contract/stores.h"

#include <signal.h>
#include <string.h>

ContractTest(store, keeps_what_is_committed)
{
    struct store *store = store_of(kind, 0);
    struct store_txn *txn = must_begin(store, STORE_WRITE);

    put_text(txn, TABLE_ONE, "a", "1");
    must_commit(&txn);
    cr_assert_str_eq(stored_text(store, TABLE_ONE, "a"), "1");
    cr_assert_str_eq(stored_text(store, TABLE_TWO, "a"), "-", "tables are apart");
    store_close(store);
}

ContractTest(store, forgets_what_is_aborted)
{
    struct store *store = store_of(kind, 0);
    struct store_txn *txn = must_begin(store, STORE_WRITE);

    put_text(txn, TABLE_ONE, "kept", "1");
    put_text(txn, TABLE_ONE, "changed", "1");
    must_commit(&txn);
    txn = must_begin(store, STORE_WRITE);
    put_text(txn, TABLE_ONE, "new", "2");
    put_text(txn, TABLE_ONE, "changed", "2");
    store_delete(txn, TABLE_ONE, bytes_of_text("kept"));
    store_abort(&txn);
    cr_assert_null(txn);
    cr_assert_str_eq(stored_text(store, TABLE_ONE, "kept"), "1");
    cr_assert_str_eq(stored_text(store, TABLE_ONE, "changed"), "1");
    cr_assert_str_eq(stored_text(store, TABLE_ONE, "new"), "-");
    store_close(store);
}

ContractTest(store, shows_a_transaction_its_own_writes)
{
    struct store *store = store_of(kind, 0);
    struct store_txn *txn = must_begin(store, STORE_WRITE);

    put_text(txn, TABLE_ONE, "a", "1");
    cr_assert_str_eq(get_text(txn, TABLE_ONE, "a"), "1");
    put_text(txn, TABLE_ONE, "a", "2 and longer");
    cr_assert_str_eq(get_text(txn, TABLE_ONE, "a"), "2 and longer");
    store_delete(txn, TABLE_ONE, bytes_of_text("a"));
    cr_assert_str_eq(get_text(txn, TABLE_ONE, "a"), "-");
    store_abort(&txn);
    store_close(store);
}

ContractTest(store, aborting_nothing_is_fine)
{
    struct store_txn *txn = NULL;

    (void)kind;
    store_abort(&txn);
    store_close(NULL);
}

ContractTest(store, a_snapshot_does_not_see_later_commits)
{
    struct store *store = store_of(kind, 0);
    struct store_txn *txn = must_begin(store, STORE_WRITE);

    put_text(txn, TABLE_ONE, "a", "1");
    must_commit(&txn);
    struct store_txn *before = must_begin(store, STORE_READ);
    txn = must_begin(store, STORE_WRITE);
    put_text(txn, TABLE_ONE, "a", "2");
    put_text(txn, TABLE_ONE, "b", "2");
    cr_assert_str_eq(get_text(before, TABLE_ONE, "a"), "1", "not while it is written");
    must_commit(&txn);
    struct store_txn *after = must_begin(store, STORE_READ);
    cr_assert_str_eq(get_text(before, TABLE_ONE, "a"), "1", "and not afterwards");
    cr_assert_str_eq(get_text(before, TABLE_ONE, "b"), "-");
    cr_assert_str_eq(get_text(after, TABLE_ONE, "a"), "2");
    store_abort(&before);
    store_abort(&after);
    store_close(store);
}

ContractTest(store, knows_whether_anything_was_written)
{
    struct store *store = store_of(kind, 0);
    struct store_txn *txn = must_begin(store, STORE_WRITE);

    cr_assert_not(store_is_dirty(txn));
    store_delete(txn, TABLE_ONE, bytes_of_text("absent"));
    cr_assert_not(store_is_dirty(txn), "deleting nothing writes nothing");
    put_text(txn, TABLE_ONE, "a", "1");
    cr_assert(store_is_dirty(txn));
    must_commit(&txn);
    txn = must_begin(store, STORE_WRITE);
    cr_assert_not(store_is_dirty(txn));
    store_delete(txn, TABLE_ONE, bytes_of_text("a"));
    cr_assert(store_is_dirty(txn));
    must_commit(&txn);
    store_close(store);
}

ContractTest(store, a_commit_without_writes_is_fine)
{
    struct store *store = store_of(kind, 0);
    struct store_txn *txn = must_begin(store, STORE_WRITE);

    must_commit(&txn);
    txn = must_begin(store, STORE_READ);
    must_commit(&txn);
    store_close(store);
}

ContractTest(store, takes_keys_and_values_up_to_their_limits)
{
    static uint8_t key[STORE_KEY_MAX];
    static uint8_t value[STORE_VALUE_MAX];
    struct store *store = store_of(kind, 0);
    struct store_txn *txn = must_begin(store, STORE_WRITE);
    struct bytes found = {0};

    memset(key, 0xFF, sizeof key);
    memset(value, 'v', sizeof value);
    store_put(txn, TABLE_ONE, (struct bytes){.data = key, .size = sizeof key}, (struct bytes){0});
    store_put(txn, TABLE_ONE, (struct bytes){.data = key, .size = 1},
              (struct bytes){.data = value, .size = sizeof value});
    must_commit(&txn);
    txn = must_begin(store, STORE_READ);
    cr_assert_eq(store_get(txn, TABLE_ONE, (struct bytes){.data = key, .size = sizeof key}, &found), STATUS_OK);
    cr_assert_eq(found.size, 0);
    cr_assert_eq(store_get(txn, TABLE_ONE, (struct bytes){.data = key, .size = 1}, &found), STATUS_OK);
    cr_assert(bytes_equal(found, (struct bytes){.data = value, .size = sizeof value}));
    store_abort(&txn);
    store_close(store);
}

ContractTest(store, a_write_may_be_handed_what_a_read_lent)
{
    struct store *store = store_of(kind, 0);
    struct store_txn *txn = must_begin(store, STORE_WRITE);
    struct bytes key;
    struct bytes value;

    put_text(txn, TABLE_ONE, "b", "the value");
    put_text(txn, TABLE_ONE, "c", "another");
    cr_assert_eq(store_get(txn, TABLE_ONE, bytes_of_text("b"), &value), STATUS_OK);
    store_put(txn, TABLE_ONE, bytes_of_text("a"), value);
    cr_assert_str_eq(get_text(txn, TABLE_ONE, "a"), "the value");
    /* A value of another size moves what lies behind it in its page, as what was lent here does. */
    put_text(txn, TABLE_ONE, "d", "a value from behind");
    cr_assert_eq(store_get(txn, TABLE_ONE, bytes_of_text("d"), &value), STATUS_OK);
    store_put(txn, TABLE_ONE, bytes_of_text("b"), value);
    cr_assert_str_eq(get_text(txn, TABLE_ONE, "b"), "a value from behind");
    cr_assert_eq(store_seek(txn, TABLE_ONE, bytes_of_text("c"), &key, &value), STATUS_OK);
    store_put(txn, TABLE_TWO, key, value);
    cr_assert_eq(store_seek(txn, TABLE_ONE, bytes_of_text("c"), &key, &value), STATUS_OK);
    store_delete(txn, TABLE_ONE, key);
    cr_assert_str_eq(get_text(txn, TABLE_ONE, "c"), "-");
    cr_assert_str_eq(get_text(txn, TABLE_TWO, "c"), "another");
    store_abort(&txn);
    store_close(store);
}

ContractTest(store, an_append_behind_all_others_is_a_put)
{
    struct store *store = store_of(kind, 0);
    struct store_txn *txn = must_begin(store, STORE_WRITE);

    store_put_append(txn, TABLE_ONE, bytes_of_text("a"), bytes_of_text("1"));
    store_put_append(txn, TABLE_ONE, bytes_of_text("b"), bytes_of_text("2"));
    must_commit(&txn);
    cr_assert_str_eq(stored_text(store, TABLE_ONE, "a"), "1");
    cr_assert_str_eq(stored_text(store, TABLE_ONE, "b"), "2");
    store_close(store);
}

static void refuse_append(struct store *store, const char *key)
{
    struct store_txn *txn = must_begin(store, STORE_WRITE);

    put_text(txn, TABLE_TWO, "other", "1");
    store_put_append(txn, TABLE_ONE, bytes_of_text(key), bytes_of_text("2"));
    cr_assert_eq(store_commit(&txn), STATUS_INTERNAL);
    cr_assert_null(txn);
    cr_assert_str_neq(store_failure(store), "");
    cr_assert_str_eq(stored_text(store, TABLE_TWO, "other"), "-", "nothing of it was written");
}

ContractTest(store, an_append_that_is_not_behind_all_others_is_an_error)
{
    struct store *store = store_of(kind, 0);
    struct store_txn *txn = must_begin(store, STORE_WRITE);

    cr_assert_str_eq(store_failure(store), "");
    put_text(txn, TABLE_ONE, "m", "1");
    must_commit(&txn);
    refuse_append(store, "m");
    refuse_append(store, "a");
    cr_assert_str_eq(stored_text(store, TABLE_ONE, "m"), "1");
    cr_assert_str_eq(stored_text(store, TABLE_ONE, "a"), "-");
    store_close(store);
}

ContractTest(store, after_a_failed_write_the_rest_of_the_transaction_is_left_out)
{
    struct store *store = store_of(kind, 0);
    struct store_txn *txn = must_begin(store, STORE_WRITE);
    struct bytes key;
    struct bytes value;

    put_text(txn, TABLE_ONE, "m", "1");
    cr_assert_str_eq(seek_text(txn, TABLE_TWO, "m"), "-");
    store_put_append(txn, TABLE_ONE, bytes_of_text("a"), bytes_of_text("2"));
    put_text(txn, TABLE_ONE, "z", "3");
    store_delete(txn, TABLE_ONE, bytes_of_text("m"));
    cr_assert_eq(store_get(txn, TABLE_ONE, bytes_of_text("m"), &value), STATUS_INTERNAL);
    cr_assert_eq(store_seek(txn, TABLE_ONE, bytes_of_text("m"), &key, &value), STATUS_INTERNAL);
    cr_assert_eq(store_seek_back(txn, TABLE_ONE, bytes_of_text("m"), &key, &value), STATUS_INTERNAL);
    cr_assert_eq(store_next(txn, TABLE_ONE, &key, &value), STATUS_INTERNAL);
    cr_assert_eq(store_previous(txn, TABLE_ONE, &key, &value), STATUS_INTERNAL);
    cr_assert_eq(store_commit(&txn), STATUS_INTERNAL);
    cr_assert_str_eq(stored_text(store, TABLE_ONE, "z"), "-");
    store_close(store);
}

#define FULL_BYTES ((uint64_t)1 << 20)

/* Puts until the transaction fails or count is reached, then ends it. */
static enum status fill(struct store *store, uint32_t first, uint32_t count)
{
    static const uint8_t body[1000];
    struct store_txn *txn = must_begin(store, STORE_WRITE);
    uint8_t key[sizeof(uint32_t)];

    for (uint32_t i = 0; i < count; i++) {
        store_u32(key, first + i);
        store_put(txn, TABLE_TWO, (struct bytes){.data = key, .size = sizeof key},
                  (struct bytes){.data = body, .size = sizeof body});
    }
    return store_commit(&txn);
}

ContractTest(store, that_is_full_refuses_the_transaction_and_goes_on)
{
    struct store *store = store_of(kind, FULL_BYTES);
    struct store_txn *txn = must_begin(store, STORE_WRITE);
    struct bytes value;
    uint8_t key[sizeof(uint32_t)];
    uint32_t filled = 0;

    put_text(txn, TABLE_ONE, "a", "1");
    must_commit(&txn);
    cr_assert_eq(fill(store, 0, 2000), STATUS_RESOURCE_EXHAUSTED);
    cr_assert_str_neq(store_failure(store), "");
    txn = must_begin(store, STORE_READ);
    store_u32(key, 0);
    cr_assert_eq(store_get(txn, TABLE_TWO, (struct bytes){.data = key, .size = sizeof key}, &value), STATUS_NOT_FOUND,
                 "nothing of it was written");
    cr_assert_str_eq(get_text(txn, TABLE_ONE, "a"), "1", "reads go on");
    store_abort(&txn);
    while (!store_usage(store).nearly_full) {
        cr_assert_eq(fill(store, filled, 50), STATUS_OK, "there is room until it is nearly full");
        filled += 50;
    }
    txn = must_begin(store, STORE_WRITE);
    for (uint32_t i = 0; i < filled; i++) {
        store_u32(key, i);
        store_delete(txn, TABLE_TWO, (struct bytes){.data = key, .size = sizeof key});
    }
    must_commit(&txn);
    cr_assert_not(store_usage(store).nearly_full, "what was deleted is free again");
    store_close(store);
}

ContractTest(store, says_how_full_it_is)
{
    struct store *store = store_of(kind, FULL_BYTES);
    struct store_usage before = store_usage(store);

    cr_assert_eq(before.limit_bytes, FULL_BYTES);
    cr_assert_not(before.nearly_full);
    cr_assert_eq(fill(store, 0, 100), STATUS_OK);
    struct store_usage after = store_usage(store);
    cr_assert_geq(after.used_bytes, before.used_bytes + 100000);
    cr_assert_leq(after.used_bytes, before.used_bytes + 300000);
    store_close(store);
}

Test(store, in_memory_is_full_at_its_limit_and_not_before)
{
    struct store *store = store_of(KIND_MEM, 10);
    struct store_txn *txn = must_begin(store, STORE_WRITE);

    put_text(txn, TABLE_ONE, "abcd", "123456");
    must_commit(&txn);
    cr_assert(store_usage(store).nearly_full);
    txn = must_begin(store, STORE_WRITE);
    put_text(txn, TABLE_ONE, "abcd", "1234567");
    cr_assert_eq(store_commit(&txn), STATUS_RESOURCE_EXHAUSTED);
    txn = must_begin(store, STORE_WRITE);
    put_text(txn, TABLE_ONE, "abcd", "123");
    must_commit(&txn);
    cr_assert_eq(store_usage(store).used_bytes, 7);
    cr_assert_not(store_usage(store).nearly_full);
    store_close(store);
}
