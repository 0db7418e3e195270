#include "tests/contextd/core_fixture.h"

#include <criterion/criterion.h>
#include <string.h>

static struct core_fixture fixture;

static void setup(void)
{
    static const uint8_t bytes[100000] = {1, 2, 3};

    core_fixture_init(&fixture);
    assert_done(core_put(&fixture, "global/kept", "value", -1), fixture);
    assert_done(core_put(&fixture, "global/gone", "value", -1), fixture);
    assert_done(core_delete(&fixture, "global/gone", -1), fixture);
    assert_done(core_append(&fixture, "stdout", 0, (struct bytes){.data = bytes, .size = sizeof bytes}), fixture);
    core_put_lock(&fixture, "repo");
    core_put_message(&fixture, "agents/a", 1);
    core_put_message(&fixture, "everyone", 2);
    core_ack(&fixture, "everyone", "a", fixture.effects.message_id);
    fixture.unchecked = true;
}

static void teardown(void)
{
    core_fixture_done(&fixture);
}

TestSuite(damage, .init = setup, .fini = teardown);

/* The first row of a table, copied. */
static void read_row(enum contextd_table table, struct key *ret_key, struct buffer *ret_record)
{
    CLEANUP(store_end)
    struct store_txn *txn = NULL;
    struct bytes key;
    struct bytes record;

    store_abort(&fixture.txn);
    cr_assert_eq(store_begin(fixture.store, STORE_READ, &txn), STATUS_OK);
    cr_assert_eq(store_seek(txn, table, (struct bytes){0}, &key, &record), STATUS_OK);
    memcpy(ret_key->data, key.data, key.size);
    ret_key->size = key.size;
    ret_record->size = 0;
    buffer_add(ret_record, record.data, record.size);
}

static void write_row(enum contextd_table table, const struct key *key, struct bytes record)
{
    CLEANUP(store_end)
    struct store_txn *txn = NULL;

    store_abort(&fixture.txn);
    cr_assert_eq(store_begin(fixture.store, STORE_WRITE, &txn), STATUS_OK);
    store_put(txn, table, key_view(key), record);
    cr_assert_eq(store_commit(&txn), STATUS_OK);
}

static void delete_row(enum contextd_table table, const struct key *key)
{
    CLEANUP(store_end)
    struct store_txn *txn = NULL;

    store_abort(&fixture.txn);
    cr_assert_eq(store_begin(fixture.store, STORE_WRITE, &txn), STATUS_OK);
    store_delete(txn, table, key_view(key));
    cr_assert_eq(store_commit(&txn), STATUS_OK);
}

/* Every single flipped bit of the table's first row is found by the rescan. */
static void assert_every_bit_counts(enum contextd_table table)
{
    CLEANUP(buffer_done)
    struct buffer record = {0};
    struct key key;

    read_row(table, &key, &record);
    for (size_t bit = 0; bit<record.size * 8; bit += record.size> 500 ? 1009 : 1) {
        record.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        write_row(table, &key, buffer_view(&record));
        cr_assert_eq(core_check(&fixture, NULL), STATUS_DATA_LOSS, "table %d, bit %zu", (int)table, bit);
        record.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t size = 1; size<record.size; size += record.size> 500 ? 1009 : 1) {
        write_row(table, &key, bytes_slice(buffer_view(&record), 0, size));
        cr_assert_eq(core_check(&fixture, NULL), STATUS_DATA_LOSS, "table %d, %zu bytes", (int)table, size);
    }
    write_row(table, &key, buffer_view(&record));
    cr_assert_eq(core_check(&fixture, NULL), STATUS_OK);
}

Test(damage, flipped_bit_in_any_record_is_found_by_the_check)
{
    for (int table = 0; table < CONTEXTD_TABLES; table++)
        assert_every_bit_counts((enum contextd_table)table);
}

Test(damage, missing_row_is_found_by_the_check)
{
    for (int table = 0; table < CONTEXTD_TABLES; table++) {
        CLEANUP(buffer_done)
        struct buffer record = {0};
        struct key key;
        read_row((enum contextd_table)table, &key, &record);
        delete_row((enum contextd_table)table, &key);
        cr_assert_eq(core_check(&fixture, NULL), STATUS_DATA_LOSS, "table %d", table);
        write_row((enum contextd_table)table, &key, buffer_view(&record));
    }
    cr_assert_eq(core_check(&fixture, NULL), STATUS_OK);
}

/* A checksum over the bytes alone would let a row pass that stands in another's place. */
Test(damage, row_in_the_place_of_another_is_found)
{
    for (int table = 1; table < CONTEXTD_TABLES; table++) {
        CLEANUP(buffer_done)
        struct buffer record = {0};
        struct key key;
        read_row((enum contextd_table)table, &key, &record);
        delete_row((enum contextd_table)table, &key);
        key.data[key.size - 1] ^= 1;
        write_row((enum contextd_table)table, &key, buffer_view(&record));
        cr_assert_eq(core_check(&fixture, NULL), STATUS_DATA_LOSS, "table %d", table);
        delete_row((enum contextd_table)table, &key);
        key.data[key.size - 1] ^= 1;
        write_row((enum contextd_table)table, &key, buffer_view(&record));
    }
}

/* Flips the last bit before the record's end, or the last of the value. */
static void flip_last(enum contextd_table table)
{
    CLEANUP(buffer_done)
    struct buffer record = {0};
    struct key key;

    read_row(table, &key, &record);
    record.data[record.size - 1] ^= 1;
    write_row(table, &key, buffer_view(&record));
}

Test(damage, of_a_value_is_told_to_who_reads_it_and_nobody_else)
{
    flip_last(TABLE_ENTRY);
    assert_refused(core_get(&fixture, "global/kept"), STATUS_DATA_LOSS, "CHECKSUM", fixture);
    cr_assert_not_null(strstr(fixture.effects.error.message, "global/kept"));
    assert_refused(core_list(&fixture, "", 0, ""), STATUS_DATA_LOSS, "CHECKSUM", fixture);
    struct command keys = {.kind = COMMAND_LIST_ENTRIES};
    assert_done(core_run(&fixture, &keys), fixture);
    assert_done(core_put(&fixture, "global/other", "x", -1), fixture);
    assert_done(core_put(&fixture, "global/kept", "healed", 1), fixture);
    assert_done(core_get(&fixture, "global/kept"), fixture);
}

Test(damage, of_a_chunk_is_told_to_who_reads_it_or_repeats_an_append)
{
    flip_last(TABLE_CHUNK);
    assert_refused(core_read(&fixture, "stdout", 0, 1), STATUS_DATA_LOSS, "CHECKSUM", fixture);
    assert_refused(core_append_text(&fixture, "stdout", 0, "\x01"), STATUS_DATA_LOSS, "CHECKSUM", fixture);
    assert_done(core_read(&fixture, "stdout", 99999, 1), fixture);
}

Test(damage, of_a_deleted_key_or_a_task_stops_only_what_needs_it)
{
    flip_last(TABLE_DELETED);
    flip_last(TABLE_TASK);
    assert_refused(core_put(&fixture, "global/gone", "x", -1), STATUS_DATA_LOSS, "CHECKSUM", fixture);
    assert_refused(core_put_as(&fixture, "global/new", 7, 9), STATUS_DATA_LOSS, "CHECKSUM", fixture);
    assert_done(core_put(&fixture, "global/new", "x", -1), fixture);
}

Test(damage, of_the_counters_is_told_at_the_beginning)
{
    CLEANUP(store_end)
    struct store_txn *txn = NULL;
    struct contextd core;
    struct error error = {0};

    flip_last(TABLE_COUNTERS);
    cr_assert_eq(store_begin(fixture.store, STORE_READ, &txn), STATUS_OK);
    cr_assert_eq(contextd_begin(&core, txn, &error), STATUS_DATA_LOSS);
    cr_assert_str_eq(error.reason, "CHECKSUM");
}

Test(damage, record_of_a_newer_format_is_refused_by_name)
{
    CLEANUP(buffer_done)
    struct buffer record = {0};
    struct key key;

    read_row(TABLE_STREAM, &key, &record);
    record.data[0] = RECORD_VERSION + 1;
    record.size -= sizeof(uint32_t);
    context_record_end(key_view(&key), &record);
    write_row(TABLE_STREAM, &key, buffer_view(&record));
    assert_refused(core_read(&fixture, "stdout", 0, 0), STATUS_DATA_LOSS, "RECORD_VERSION", fixture);
}

static void copy_row(enum contextd_table table, const struct key *from, const struct key *to)
{
    CLEANUP(buffer_done)
    struct buffer record = {0};
    CLEANUP(store_end)
    struct store_txn *txn = NULL;
    struct bytes found;

    store_abort(&fixture.txn);
    cr_assert_eq(store_begin(fixture.store, STORE_READ, &txn), STATUS_OK);
    cr_assert_eq(store_get(txn, table, key_view(from), &found), STATUS_OK);
    buffer_add(&record, found.data, found.size);
    store_abort(&txn);
    write_row(table, to, buffer_view(&record));
}

Test(damage, row_that_another_was_written_over_is_told_to_who_reads_it)
{
    struct key from;
    struct key to;

    assert_done(core_append_text(&fixture, "a", 0, "aaaa"), fixture);
    assert_done(core_append_text(&fixture, "b", 0, "bbbb"), fixture);
    chunk_key(2, 0, &from);
    chunk_key(3, 0, &to);
    copy_row(TABLE_CHUNK, &from, &to);
    assert_refused(core_read(&fixture, "b", 0, 0), STATUS_DATA_LOSS, "CHECKSUM", fixture);

    assert_done(core_put(&fixture, "global/a", "aaaa", -1), fixture);
    assert_done(core_put(&fixture, "global/b", "bbbb", -1), fixture);
    entry_key(bytes_of_text("default"), bytes_of_text("global/a"), &from);
    entry_key(bytes_of_text("default"), bytes_of_text("global/b"), &to);
    copy_row(TABLE_ENTRY, &from, &to);
    assert_refused(core_get(&fixture, "global/b"), STATUS_DATA_LOSS, "CHECKSUM", fixture);
}
