#include "tests/contextd/core_fixture.h"

#include "contextd/core/chunk.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static struct core_fixture fixture;

static void setup(void)
{
    core_fixture_init(&fixture);
}

static void teardown(void)
{
    core_fixture_done(&fixture);
}

TestSuite(stream, .init = setup, .fini = teardown);

/* Bytes that tell where they are. */
static struct buffer pattern(size_t size)
{
    struct buffer buffer = {0};

    uint8_t *at = buffer_reserve(&buffer, size);
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)(i * 2654435761U >> 13);
    buffer.size = size;
    return buffer;
}

static void assert_bytes(const char *name, uint64_t offset, uint32_t max_bytes, struct bytes wanted)
{
    assert_done(core_read(&fixture, name, offset, max_bytes), fixture);
    cr_assert_eq(fixture.effects.data.size, wanted.size);
    cr_assert(bytes_equal(fixture.effects.data, wanted));
}

Test(stream, is_made_by_an_append_at_offset_0_and_grows)
{
    fixture.now.unix_ms = 5000;
    assert_done(core_append_text(&fixture, "stdout", 0, "hello "), fixture);
    cr_assert_eq(fixture.effects.stream.stream.length, 6);
    cr_assert(fixture.effects.stream_changed);
    fixture.now.unix_ms = 6000;
    assert_done(core_append_text(&fixture, "stdout", 6, "world"), fixture);
    cr_assert_eq(fixture.effects.stream.stream.length, 11);

    assert_bytes("stdout", 0, 0, bytes_of_text("hello world"));
    const struct stream *stream = &fixture.effects.stream.stream;
    cr_assert_eq(stream->created_ms, 5000);
    cr_assert_eq(stream->modified_ms, 6000);
    cr_assert_eq(stream->crc32c, crc32c(0, "hello world", 11));
    cr_assert_not(stream->sealed);
    cr_assert_eq(fixture.effects.stream.name.fence, 3);
    cr_assert(bytes_equal(fixture.effects.stream.name.name, bytes_of_text("stdout")));
}

Test(stream, may_be_made_empty)
{
    assert_done(core_append_text(&fixture, "stdout", 0, ""), fixture);
    assert_bytes("stdout", 0, 0, bytes_of_text(""));
    cr_assert_eq(core_counters(&fixture).streams, 1);
}

Test(stream, recognises_bytes_that_it_has_already)
{
    assert_done(core_append_text(&fixture, "stdout", 0, "hello world"), fixture);
    uint64_t revision = core_counters(&fixture).revision;

    assert_done(core_append_text(&fixture, "stdout", 0, "hello world"), fixture);
    assert_done(core_append_text(&fixture, "stdout", 4, "o wo"), fixture);
    assert_done(core_append_text(&fixture, "stdout", 11, ""), fixture);
    cr_assert_eq(fixture.effects.stream.stream.length, 11);
    cr_assert_not(fixture.effects.stream_changed);
    cr_assert_eq(core_counters(&fixture).revision, revision);
}

Test(stream, takes_only_the_rest_of_an_append_that_overlaps)
{
    assert_done(core_append_text(&fixture, "stdout", 0, "hello wo"), fixture);
    assert_done(core_append_text(&fixture, "stdout", 6, "world"), fixture);
    cr_assert_eq(fixture.effects.stream.stream.length, 11);
    assert_bytes("stdout", 0, 0, bytes_of_text("hello world"));
}

Test(stream, refuses_other_bytes_at_the_same_offset)
{
    assert_done(core_append_text(&fixture, "stdout", 0, "hello"), fixture);
    assert_refused(core_append_text(&fixture, "stdout", 0, "hallo"), STATUS_ABORTED, "DIFFERENT_BYTES", fixture);
    assert_refused(core_append_text(&fixture, "stdout", 4, "a and more"), STATUS_ABORTED, "DIFFERENT_BYTES", fixture);
    assert_bytes("stdout", 0, 0, bytes_of_text("hello"));
}

Test(stream, refuses_a_hole)
{
    assert_refused(core_append_text(&fixture, "stdout", 1, "x"), STATUS_FAILED_PRECONDITION, "HOLE", fixture);
    assert_done(core_append_text(&fixture, "stdout", 0, "hello"), fixture);
    assert_refused(core_append_text(&fixture, "stdout", 6, "x"), STATUS_FAILED_PRECONDITION, "HOLE", fixture);
    assert_refused(core_append_text(&fixture, "stdout", 6, ""), STATUS_FAILED_PRECONDITION, "HOLE", fixture);
    assert_bad_field(core_append_text(&fixture, "stdout", UINT64_MAX, "x"), "offset", fixture);
}

Test(stream, that_is_sealed_takes_no_new_byte_but_recognises_repeats)
{
    assert_done(core_append_text(&fixture, "stdout", 0, "hello"), fixture);
    assert_done(core_seal(&fixture, "stdout", 5), fixture);
    cr_assert(fixture.effects.stream_changed);
    cr_assert(fixture.effects.stream.stream.sealed);
    cr_assert_eq(fixture.effects.stream.stream.crc32c, crc32c(0, "hello", 5));

    assert_refused(core_append_text(&fixture, "stdout", 5, "!"), STATUS_FAILED_PRECONDITION, "SEALED", fixture);
    assert_refused(core_append_text(&fixture, "stdout", 3, "lo!"), STATUS_FAILED_PRECONDITION, "SEALED", fixture);
    assert_refused(core_append_text(&fixture, "stdout", 9, "!"), STATUS_FAILED_PRECONDITION, "SEALED", fixture);
    assert_done(core_append_text(&fixture, "stdout", 0, "hello"), fixture);
    assert_done(core_append_text(&fixture, "stdout", 5, ""), fixture);
    assert_refused(core_append_text(&fixture, "stdout", 0, "hallo"), STATUS_ABORTED, "DIFFERENT_BYTES", fixture);
}

Test(stream, is_sealed_again_with_the_same_length_only)
{
    assert_done(core_append_text(&fixture, "stdout", 0, "hello"), fixture);
    assert_refused(core_seal(&fixture, "stdout", 4), STATUS_FAILED_PRECONDITION, "LENGTH_DIFFERS", fixture);
    assert_refused(core_seal(&fixture, "stdout", 6), STATUS_FAILED_PRECONDITION, "LENGTH_DIFFERS", fixture);
    assert_done(core_seal(&fixture, "stdout", 5), fixture);
    assert_done(core_seal(&fixture, "stdout", 5), fixture);
    cr_assert(fixture.effects.stream.stream.sealed);
    cr_assert_not(fixture.effects.stream_changed);
    assert_refused(core_seal(&fixture, "stdout", 4), STATUS_FAILED_PRECONDITION, "LENGTH_DIFFERS", fixture);
    cr_assert_eq(core_counters(&fixture).open_streams, 0);
}

Test(stream, that_never_had_a_byte_may_be_sealed)
{
    assert_done(core_seal(&fixture, "stderr", 0), fixture);
    assert_bytes("stderr", 0, 0, bytes_of_text(""));
    cr_assert(fixture.effects.stream.stream.sealed);
    assert_refused(core_seal(&fixture, "stdout", 5), STATUS_NOT_FOUND, "NO_STREAM", fixture);
}

Test(stream, that_is_not_there_is_not_found)
{
    assert_refused(core_read(&fixture, "stdout", 0, 0), STATUS_NOT_FOUND, "NO_STREAM", fixture);
}

Test(stream, read_at_or_behind_the_end_is_empty)
{
    assert_done(core_append_text(&fixture, "stdout", 0, "hello"), fixture);
    assert_bytes("stdout", 5, 0, bytes_of_text(""));
    assert_bytes("stdout", 500, 0, bytes_of_text(""));
    assert_bytes("stdout", UINT64_MAX, 0, bytes_of_text(""));
}

Test(stream, read_gives_256_KiB_by_default_and_1_MiB_at_most)
{
    CLEANUP(buffer_done)
    struct buffer bytes = pattern(APPEND_MAX);

    assert_done(core_append(&fixture, "stdout", 0, buffer_view(&bytes)), fixture);
    assert_done(core_append_text(&fixture, "stdout", APPEND_MAX, "x"), fixture);
    assert_bytes("stdout", 0, 0, bytes_slice(buffer_view(&bytes), 0, READ_DEFAULT));
    assert_bytes("stdout", 0, READ_MAX, buffer_view(&bytes));
    assert_bytes("stdout", 77777, 1, bytes_slice(buffer_view(&bytes), 77777, 1));
    assert_bad_field(core_read(&fixture, "stdout", 0, READ_MAX + 1), "max_bytes", fixture);
}

Test(stream, append_may_have_1_MiB_and_not_a_byte_more)
{
    CLEANUP(buffer_done)
    struct buffer bytes = pattern(APPEND_MAX + 1);
    struct bytes all = buffer_view(&bytes);

    assert_done(core_append(&fixture, "stdout", 0, bytes_slice(all, 0, APPEND_MAX)), fixture);
    assert_bad_field(core_append(&fixture, "stdout", 0, all), "data", fixture);
}

Test(stream, is_the_same_for_every_size_of_append)
{
    static const size_t sizes[] = {1,    7,    100,   CHUNK_TAIL_BYTES - 1, CHUNK_TAIL_BYTES,   CHUNK_TAIL_BYTES + 1,
                                   8191, 8192, 65536, CHUNK_MAX_BYTES,      CHUNK_MAX_BYTES + 1};
    CLEANUP(buffer_done)
    struct buffer bytes = pattern(300000);
    struct bytes all = buffer_view(&bytes);

    fixture.unchecked = true;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "s%zu", i);
        size_t total = sizes[i] < 100 ? 20000 : all.size;
        for (size_t offset = 0; offset < total; offset += sizes[i])
            assert_done(core_append(&fixture, name, offset, bytes_slice(bytes_slice(all, 0, total), offset, sizes[i])),
                        fixture);
        assert_bytes(name, 0, READ_MAX, bytes_slice(all, 0, total));
        assert_done(core_append(&fixture, name, 0, bytes_slice(all, 0, total)), fixture);
        cr_assert_eq(fixture.effects.stream.stream.crc32c, crc32c(0, all.data, total));
    }
    struct error error = {0};
    cr_assert_eq(core_check(&fixture, &error), STATUS_OK, "%s", error.message);
}

/* LMDB keeps a value of n*4096-16 bytes in n pages, with its own header; one byte more takes another page. */
Test(stream, large_appends_are_stored_in_pieces_that_fill_whole_pages)
{
    CLEANUP(buffer_done)
    struct buffer bytes = pattern(APPEND_MAX);
    uint64_t length = 0;

    fixture.unchecked = true;
    for (int i = 0; i < 4; i++, length += APPEND_MAX - 5)
        assert_done(core_append(&fixture, "stdout", length, bytes_slice(buffer_view(&bytes), 0, APPEND_MAX - 5)),
                    fixture);
    struct key key;
    struct bytes found;
    struct bytes value;
    uint64_t waste = 0;
    chunk_key(1, 0, &key);
    CLEANUP(store_end)
    struct store_txn *txn = NULL;
    cr_assert_eq(store_begin(fixture.store, STORE_READ, &txn), STATUS_OK);
    enum status status = store_seek(txn, TABLE_CHUNK, key_view(&key), &found, &value);
    while (status == STATUS_OK) {
        waste += (4096 - (value.size + 16) % 4096) % 4096;
        status = store_next(txn, TABLE_CHUNK, &found, &value);
    }
    cr_assert_lt(waste, 4096, "only the tail may waste something, not %" PRIu64 " bytes", waste);
}

Test(stream, many_small_appends_share_pieces_of_a_page)
{
    CLEANUP(buffer_done)
    struct buffer bytes = pattern(20000);

    fixture.unchecked = true;
    for (size_t offset = 0; offset < 20000; offset += 100)
        assert_done(core_append(&fixture, "stdout", offset, bytes_slice(buffer_view(&bytes), offset, 100)), fixture);
    cr_assert_eq(core_counters(&fixture).chunks, (20000 + CHUNK_TAIL_BYTES - 1) / CHUNK_TAIL_BYTES);
}

Test(stream, belongs_to_its_run_and_task_and_namespace)
{
    struct command command = {.kind = COMMAND_APPEND_STREAM,
                              .append_stream = {.stream = core_stream("stdout"), .data = bytes_of_text("x")}};
    for (uint64_t fence = 0; fence < 3; fence++) {
        command.append_stream.stream.fence = fence;
        assert_done(core_run(&fixture, &command), fixture);
    }
    command.append_stream.stream.task_id = 0;
    assert_done(core_run(&fixture, &command), fixture);
    command.append_stream.stream.namespace = bytes_of_text("other");
    assert_done(core_run(&fixture, &command), fixture);

    assert_refused(core_read(&fixture, "stdout", 0, 0), STATUS_NOT_FOUND, "NO_STREAM", fixture);
    cr_assert_eq(core_counters(&fixture).streams, 5);
    cr_assert_eq(core_counters(&fixture).tasks_with_streams, 1, "task 0 is none");
}

Test(stream, name_has_1_to_63_letters_digits_and_three_signs)
{
    char name[65];

    memset(name, 'x', sizeof name);
    name[63] = '\0';
    assert_done(core_append_text(&fixture, name, 0, "x"), fixture);
    name[63] = 'x';
    name[64] = '\0';
    assert_bad_field(core_append_text(&fixture, name, 0, "x"), "stream.name", fixture);
    assert_bad_field(core_append_text(&fixture, "", 0, "x"), "stream.name", fixture);
    assert_bad_field(core_append_text(&fixture, "a b", 0, "x"), "stream.name", fixture);
    assert_bad_field(core_seal(&fixture, "a/b", 0), "stream.name", fixture);
    assert_bad_field(core_read(&fixture, "\xC3\xBC", 0, 0), "stream.name", fixture);
    assert_done(core_append_text(&fixture, "A.b_C-9", 0, "x"), fixture);
}

Test(stream, list_is_in_the_order_of_fence_and_name)
{
    static const struct stream_name names[] = {{.task_id = 7, .fence = 300}, {.task_id = 7, .fence = 2},
                                               {.task_id = 8, .fence = 1},   {.task_id = 6, .fence = 9},
                                               {.task_id = 7, .fence = 2},   {.task_id = 7, .fence = 10}};
    static const char *const texts[] = {"stdout", "stdout", "stdout", "stdout", "stderr", "events"};
    static const char *const wanted[] = {"stderr", "stdout", "events", "stdout"};

    for (size_t i = 0; i < 6; i++) {
        struct command command = {.kind = COMMAND_APPEND_STREAM, .append_stream = {.stream = names[i]}};
        command.append_stream.stream.name = bytes_of_text(texts[i]);
        assert_done(core_run(&fixture, &command), fixture);
    }
    struct command list = {.kind = COMMAND_LIST_STREAMS, .list_streams = {.task_id = 7}};
    assert_done(core_run(&fixture, &list), fixture);
    cr_assert_eq(fixture.effects.count, 4);
    for (size_t i = 0; i < 4; i++)
        cr_assert(bytes_equal(fixture.effects.streams[i].name.name, bytes_of_text(wanted[i])));
    cr_assert_str_eq(fixture.effects.next_page_token, "");

    char token[PAGE_TOKEN_SIZE] = "";
    list.list_streams.page_size = 1;
    for (size_t i = 0; i < 4; i++) {
        list.list_streams.page_token = bytes_of_text(token);
        assert_done(core_run(&fixture, &list), fixture);
        cr_assert_eq(fixture.effects.count, 1);
        cr_assert(bytes_equal(fixture.effects.streams[0].name.name, bytes_of_text(wanted[i])));
        memcpy(token, fixture.effects.next_page_token, sizeof token);
        cr_assert_eq(token[0] == '\0', i == 3);
    }
}

Test(stream, list_refuses_large_pages_and_foreign_tokens)
{
    static const char *const tokens[] = {"x", "0000000000000003", "0000000000000003:", "000000000000000g:a",
                                         "0000000000000003:a b"};
    struct command list = {.kind = COMMAND_LIST_STREAMS, .list_streams = {.task_id = 7, .page_size = 1000}};

    assert_done(core_run(&fixture, &list), fixture);
    for (size_t i = 0; i < sizeof tokens / sizeof tokens[0]; i++) {
        list.list_streams.page_token = bytes_of_text(tokens[i]);
        assert_bad_field(core_run(&fixture, &list), "page_token", fixture);
    }
    list.list_streams.page_token.size = 0;
    list.list_streams.page_size = 1001;
    assert_bad_field(core_run(&fixture, &list), "page_size", fixture);
}

Test(stream, that_was_begun_by_a_run_makes_earlier_runs_stale)
{
    assert_done(core_append_text(&fixture, "stdout", 0, "x"), fixture);
    assert_refused(core_put_as(&fixture, "global/a", 7, 2), STATUS_ABORTED, "STALE_FENCE", fixture);
    assert_done(core_put_as(&fixture, "global/a", 7, 3), fixture);
}

Test(stream, of_an_earlier_run_still_takes_its_output)
{
    struct command command = {.kind = COMMAND_APPEND_STREAM,
                              .append_stream = {.stream = core_stream("stdout"), .data = bytes_of_text("late")}};

    assert_done(core_append_text(&fixture, "stdout", 0, "x"), fixture);
    command.append_stream.stream.fence = 2;
    assert_done(core_run(&fixture, &command), fixture);
}

Test(stream, new_bytes_are_refused_when_the_store_is_nearly_full_and_seals_are_not)
{
    assert_done(core_append_text(&fixture, "stdout", 0, "hello"), fixture);
    fixture.now.store_nearly_full = true;
    assert_refused(core_append_text(&fixture, "stdout", 5, "!"), STATUS_RESOURCE_EXHAUSTED, "STORE_FULL", fixture);
    assert_refused(core_append_text(&fixture, "stderr", 0, ""), STATUS_RESOURCE_EXHAUSTED, "STORE_FULL", fixture);
    assert_done(core_append_text(&fixture, "stdout", 0, "hello"), fixture);
    assert_done(core_seal(&fixture, "stdout", 5), fixture);
    assert_done(core_seal(&fixture, "stderr", 0), fixture);
}
