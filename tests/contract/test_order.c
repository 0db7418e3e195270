#include "tests/contract/stores.h"

#include <signal.h>

static struct store_txn *begin_with_pairs(struct store *store)
{
    struct store_txn *txn = must_begin(store, STORE_WRITE);

    put_text(txn, TABLE_ONE, "d", "4");
    put_text(txn, TABLE_ONE, "b", "2");
    put_text(txn, TABLE_ONE, "bb", "22");
    put_text(txn, TABLE_ONE, "\xC3\xA4", "228");
    put_text(txn, TABLE_TWO, "x", "9");
    return txn;
}

ContractTest(order, is_byte_by_byte_and_shorter_first)
{
    struct store *store = store_of(kind, 0);
    struct store_txn *txn = begin_with_pairs(store);

    cr_assert_str_eq(seek_text(txn, TABLE_ONE, ""), "b=2");
    cr_assert_str_eq(next_text(txn, TABLE_ONE), "bb=22");
    cr_assert_str_eq(next_text(txn, TABLE_ONE), "d=4");
    cr_assert_str_eq(next_text(txn, TABLE_ONE), "\xC3\xA4=228");
    cr_assert_str_eq(next_text(txn, TABLE_ONE), "-");
    store_abort(&txn);
    store_close(store);
}

ContractTest(order, seek_finds_the_first_at_or_behind)
{
    struct store *store = store_of(kind, 0);
    struct store_txn *txn = begin_with_pairs(store);

    cr_assert_str_eq(seek_text(txn, TABLE_ONE, "b"), "b=2");
    cr_assert_str_eq(seek_text(txn, TABLE_ONE, "c"), "d=4");
    cr_assert_str_eq(seek_text(txn, TABLE_ONE, "a"), "b=2");
    cr_assert_str_eq(seek_text(txn, TABLE_ONE, "\xFF"), "-");
    store_abort(&txn);
    store_close(store);
}

ContractTest(order, seek_back_finds_the_last_at_or_before)
{
    struct store *store = store_of(kind, 0);
    struct store_txn *txn = begin_with_pairs(store);

    cr_assert_str_eq(seek_back_text(txn, TABLE_ONE, "b"), "b=2");
    cr_assert_str_eq(seek_back_text(txn, TABLE_ONE, "c"), "bb=22");
    cr_assert_str_eq(seek_back_text(txn, TABLE_ONE, "\xFF"), "\xC3\xA4=228");
    cr_assert_str_eq(seek_back_text(txn, TABLE_ONE, "a"), "-");
    cr_assert_str_eq(seek_back_text(txn, TABLE_ONE, ""), "-");
    store_abort(&txn);
    store_close(store);
}

ContractTest(order, next_and_previous_go_both_ways)
{
    struct store *store = store_of(kind, 0);
    struct store_txn *txn = begin_with_pairs(store);

    cr_assert_str_eq(seek_text(txn, TABLE_ONE, "bb"), "bb=22");
    cr_assert_str_eq(previous_text(txn, TABLE_ONE), "b=2");
    cr_assert_str_eq(next_text(txn, TABLE_ONE), "bb=22");
    cr_assert_str_eq(next_text(txn, TABLE_ONE), "d=4");
    cr_assert_str_eq(previous_text(txn, TABLE_ONE), "bb=22");
    cr_assert_str_eq(previous_text(txn, TABLE_ONE), "b=2");
    cr_assert_str_eq(previous_text(txn, TABLE_ONE), "-");
    cr_assert_str_eq(seek_back_text(txn, TABLE_ONE, "c"), "bb=22");
    cr_assert_str_eq(next_text(txn, TABLE_ONE), "d=4");
    store_abort(&txn);
    store_close(store);
}

ContractTest(order, an_empty_table_has_nothing_to_find)
{
    struct store *store = store_of(kind, 0);
    struct store_txn *txn = must_begin(store, STORE_READ);

    cr_assert_str_eq(seek_text(txn, TABLE_ONE, ""), "-");
    cr_assert_str_eq(seek_text(txn, TABLE_ONE, "a"), "-");
    cr_assert_str_eq(seek_back_text(txn, TABLE_ONE, "a"), "-");
    cr_assert_str_eq(get_text(txn, TABLE_ONE, "a"), "-");
    store_abort(&txn);
    store_close(store);
}

ContractTest(order, each_table_has_its_own_place)
{
    struct store *store = store_of(kind, 0);
    struct store_txn *txn = begin_with_pairs(store);

    cr_assert_str_eq(seek_text(txn, TABLE_ONE, "b"), "b=2");
    cr_assert_str_eq(seek_text(txn, TABLE_TWO, ""), "x=9");
    cr_assert_str_eq(get_text(txn, TABLE_ONE, "d"), "4");
    cr_assert_str_eq(next_text(txn, TABLE_ONE), "bb=22", "a get leaves the place alone");
    put_text(txn, TABLE_TWO, "y", "10");
    cr_assert_str_eq(next_text(txn, TABLE_ONE), "d=4", "a write to another table too");
    store_abort(&txn);
    store_close(store);
}

ContractTest(order, a_place_is_of_its_snapshot)
{
    struct store *store = store_of(kind, 0);
    struct store_txn *txn = begin_with_pairs(store);

    must_commit(&txn);
    struct store_txn *reader = must_begin(store, STORE_READ);
    cr_assert_str_eq(seek_text(reader, TABLE_ONE, "b"), "b=2");
    txn = must_begin(store, STORE_WRITE);
    put_text(txn, TABLE_ONE, "ba", "21");
    store_delete(txn, TABLE_ONE, bytes_of_text("bb"));
    must_commit(&txn);
    cr_assert_str_eq(next_text(reader, TABLE_ONE), "bb=22");
    store_abort(&reader);
    store_close(store);
}

/* What must not be done: each of these ends the process. */
#define MisuseTest(suite, name)                                                                                        \
    static void suite##_##name(struct store *store, struct store_txn *txn);                                            \
    Test(suite, name##_on_disk, .signal = SIGABRT)                                                                     \
    {                                                                                                                  \
        struct store *store = store_of(KIND_LMDB, 0);                                                                  \
        test_directory_remove();                                                                                       \
        suite##_##name(store, begin_with_pairs(store));                                                                \
    }                                                                                                                  \
    Test(suite, name##_in_memory, .signal = SIGABRT)                                                                   \
    {                                                                                                                  \
        struct store *store = store_of(KIND_MEM, 0);                                                                   \
        suite##_##name(store, begin_with_pairs(store));                                                                \
    }                                                                                                                  \
    static void suite##_##name(__attribute__((unused)) struct store *store,                                            \
                               __attribute__((unused)) struct store_txn *txn)

MisuseTest(misuse, to_go_on_after_a_write_to_the_table)
{
    (void)seek_text(txn, TABLE_ONE, "b");
    put_text(txn, TABLE_ONE, "z", "1");
    (void)next_text(txn, TABLE_ONE);
}

MisuseTest(misuse, to_go_on_after_a_delete_of_nothing)
{
    (void)seek_text(txn, TABLE_ONE, "b");
    store_delete(txn, TABLE_ONE, bytes_of_text("absent"));
    (void)previous_text(txn, TABLE_ONE);
}

MisuseTest(misuse, to_go_on_from_nowhere)
{
    (void)next_text(txn, TABLE_ONE);
}

MisuseTest(misuse, to_go_on_behind_the_end)
{
    (void)seek_text(txn, TABLE_ONE, "\xFF");
    (void)previous_text(txn, TABLE_ONE);
}

MisuseTest(misuse, to_write_in_a_reading_transaction)
{
    struct store_txn *reader = must_begin(store, STORE_READ);
    put_text(reader, TABLE_ONE, "a", "1");
}

MisuseTest(misuse, to_write_in_two_transactions)
{
    (void)must_begin(store, STORE_WRITE);
}

MisuseTest(misuse, to_close_with_a_transaction_open)
{
    store_close(store);
}

MisuseTest(misuse, to_name_a_table_that_is_not_there)
{
    put_text(txn, TABLE_COUNT, "a", "1");
}

MisuseTest(misuse, to_write_an_empty_key)
{
    put_text(txn, TABLE_ONE, "", "1");
}

MisuseTest(misuse, to_read_an_empty_key)
{
    (void)get_text(txn, TABLE_ONE, "");
}

MisuseTest(misuse, to_write_a_key_that_is_too_long)
{
    static const uint8_t key[STORE_KEY_MAX + 1];
    store_put(txn, TABLE_ONE, (struct bytes){.data = key, .size = sizeof key}, (struct bytes){0});
}

MisuseTest(misuse, to_write_a_value_that_is_too_long)
{
    static const uint8_t value[STORE_VALUE_MAX + 1];
    store_put(txn, TABLE_ONE, bytes_of_text("a"), (struct bytes){.data = value, .size = sizeof value});
}
