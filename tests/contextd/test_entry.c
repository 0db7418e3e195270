#include "tests/contextd/core_fixture.h"

#include "common/base/check.h"
#include "contextd/core/validate.h"

#include <criterion/criterion.h>
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

TestSuite(entry, .init = setup, .fini = teardown);

static void assert_value(const char *key, const char *value, uint64_t version)
{
    assert_done(core_get(&fixture, key), fixture);
    cr_assert(bytes_equal(fixture.effects.entry.value, bytes_of_text(value)));
    cr_assert_eq(fixture.effects.entry.version, version);
}

Test(entry, that_was_put_is_read_with_all_that_is_known_of_it)
{
    fixture.now.unix_ms = 1700000000123;
    assert_done(core_put_as(&fixture, "global/plan", 7, 3), fixture);
    cr_assert_eq(fixture.effects.entry.version, 1);
    uint64_t revision = fixture.effects.entry.revision;

    assert_value("global/plan", "as", 1);
    const struct entry *entry = &fixture.effects.entry;
    cr_assert_eq(entry->revision, revision);
    cr_assert_eq(entry->modified_ms, 1700000000123);
    cr_assert_eq(entry->size_bytes, 2);
    cr_assert_eq(entry->writer.task_id, 7);
    cr_assert_eq(entry->writer.fence, 3);
    cr_assert(bytes_equal(entry->writer.agent_id, bytes_of_text("build7/claude")));
    cr_assert(bytes_equal(entry->namespace, bytes_of_text("default")));
    cr_assert(bytes_equal(entry->key, bytes_of_text("global/plan")));
}

Test(entry, that_is_not_there_is_not_found)
{
    assert_refused(core_get(&fixture, "global/plan"), STATUS_NOT_FOUND, "NO_ENTRY", fixture);
    assert_refused(core_delete(&fixture, "global/plan", -1), STATUS_NOT_FOUND, "NO_ENTRY", fixture);
}

Test(entry, gets_the_next_version_and_a_greater_revision_with_each_write)
{
    uint64_t last_revision = 0;

    for (uint64_t version = 1; version <= 5; version++) {
        assert_done(core_put(&fixture, "global/plan", "a", -1), fixture);
        cr_assert_eq(fixture.effects.entry.version, version);
        assert_done(core_put(&fixture, "global/other", "b", -1), fixture);
        cr_assert_gt(fixture.effects.entry.revision, last_revision);
        last_revision = fixture.effects.entry.revision;
    }
}

Test(entry, is_written_when_it_has_the_expected_version)
{
    assert_done(core_put(&fixture, "global/plan", "a", 0), fixture);
    assert_done(core_put(&fixture, "global/plan", "b", 1), fixture);
    assert_value("global/plan", "b", 2);
}

Test(entry, with_another_version_is_a_conflict_that_shows_what_is_there)
{
    assert_done(core_put(&fixture, "global/plan", "a", -1), fixture);
    assert_done(core_put(&fixture, "global/plan", "b", -1), fixture);

    assert_refused(core_put(&fixture, "global/plan", "c", 1), STATUS_ABORTED, "VERSION_CONFLICT", fixture);
    cr_assert_eq(fixture.effects.entry.version, 2);
    cr_assert(bytes_equal(fixture.effects.entry.value, bytes_of_text("b")));
    cr_assert(bytes_equal(fixture.effects.entry.content_type, bytes_of_text("text/plain")));
    assert_refused(core_put(&fixture, "global/plan", "c", 0), STATUS_ABORTED, "VERSION_CONFLICT", fixture);
    assert_refused(core_put(&fixture, "global/plan", "c", 3), STATUS_ABORTED, "VERSION_CONFLICT", fixture);
    assert_refused(core_delete(&fixture, "global/plan", 1), STATUS_ABORTED, "VERSION_CONFLICT", fixture);
    cr_assert_eq(fixture.effects.entry.version, 2);
    assert_value("global/plan", "b", 2);
}

Test(entry, conflict_over_a_key_that_is_not_there_shows_the_key_and_version_0)
{
    assert_refused(core_put(&fixture, "global/plan", "c", 4), STATUS_ABORTED, "VERSION_CONFLICT", fixture);
    cr_assert_eq(fixture.effects.entry.version, 0);
    cr_assert(bytes_equal(fixture.effects.entry.key, bytes_of_text("global/plan")));
    cr_assert(bytes_equal(fixture.effects.entry.namespace, bytes_of_text("default")));
    assert_refused(core_delete(&fixture, "global/plan", 4), STATUS_ABORTED, "VERSION_CONFLICT", fixture);
}

Test(entry, that_is_written_again_after_a_deletion_goes_on_with_the_next_version)
{
    assert_done(core_put(&fixture, "global/plan", "a", -1), fixture);
    assert_done(core_put(&fixture, "global/plan", "b", -1), fixture);
    assert_done(core_delete(&fixture, "global/plan", 2), fixture);
    cr_assert_eq(fixture.effects.entry.revision, 3);
    assert_refused(core_get(&fixture, "global/plan"), STATUS_NOT_FOUND, "NO_ENTRY", fixture);

    assert_done(core_put(&fixture, "global/plan", "c", 0), fixture);
    assert_value("global/plan", "c", 3);
    assert_done(core_delete(&fixture, "global/plan", -1), fixture);
    assert_done(core_put(&fixture, "global/plan", "d", -1), fixture);
    assert_value("global/plan", "d", 4);
}

Test(entry, of_one_namespace_is_not_seen_in_another)
{
    struct command command = {.kind = COMMAND_PUT_ENTRY,
                              .put_entry = {.namespace = bytes_of_text("a"),
                                            .key = bytes_of_text("global/plan"),
                                            .value = bytes_of_text("x")}};
    assert_done(core_run(&fixture, &command), fixture);
    command.put_entry.namespace = bytes_of_text("ab");
    assert_done(core_run(&fixture, &command), fixture);

    assert_refused(core_get(&fixture, "global/plan"), STATUS_NOT_FOUND, "NO_ENTRY", fixture);
    struct command list = {.kind = COMMAND_LIST_ENTRIES, .list_entries = {.namespace = bytes_of_text("a")}};
    assert_done(core_run(&fixture, &list), fixture);
    cr_assert_eq(fixture.effects.count, 1);
    cr_assert(bytes_equal(fixture.effects.entries[0].namespace, bytes_of_text("a")));
}

Test(entry, in_no_namespace_is_in_the_default_one)
{
    assert_done(core_put(&fixture, "global/plan", "x", -1), fixture);
    struct command command = {
        .kind = COMMAND_GET_ENTRY,
        .get_entry = {.namespace = bytes_of_text("default"), .key = bytes_of_text("global/plan")}};
    assert_done(core_run(&fixture, &command), fixture);
}

Test(entry, list_is_in_the_order_of_keys_and_of_the_prefix_only)
{
    static const char *const keys[] = {"global/b", "docs/a.md",      "global/a/z",
                                       "global/a", "agents/x/state", "global/aa"};
    static const char *const wanted[] = {"global/a", "global/a/z", "global/aa"};

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        assert_done(core_put(&fixture, keys[i], keys[i], -1), fixture);
    assert_done(core_list(&fixture, "global/a", 0, ""), fixture);
    cr_assert_eq(fixture.effects.count, 3);
    for (size_t i = 0; i < 3; i++) {
        cr_assert(bytes_equal(fixture.effects.entries[i].key, bytes_of_text(wanted[i])));
        cr_assert(bytes_equal(fixture.effects.entries[i].value, bytes_of_text(wanted[i])));
    }
    cr_assert_str_eq(fixture.effects.next_page_token, "");
    assert_done(core_list(&fixture, "", 0, ""), fixture);
    cr_assert_eq(fixture.effects.count, 6);
    assert_done(core_delete(&fixture, "global/a/z", -1), fixture);
    assert_done(core_list(&fixture, "global/a/", 0, ""), fixture);
    cr_assert_eq(fixture.effects.count, 0);
}

Test(entry, list_goes_on_page_by_page_without_a_gap_or_a_repeat)
{
    char key[64];
    char token[PAGE_TOKEN_SIZE] = "";
    int next = 0;

    fixture.unchecked = true;
    for (int i = 0; i < 25; i++) {
        (void)snprintf(key, sizeof key, "global/%03d", i);
        assert_done(core_put(&fixture, key, "x", -1), fixture);
    }
    for (int page = 0; page < 5; page++) {
        assert_done(core_list(&fixture, "global/", 5, token), fixture);
        cr_assert_eq(fixture.effects.count, 5);
        for (size_t i = 0; i < 5; i++, next++) {
            (void)snprintf(key, sizeof key, "global/%03d", next);
            cr_assert(bytes_equal(fixture.effects.entries[i].key, bytes_of_text(key)));
        }
        memcpy(token, fixture.effects.next_page_token, sizeof token);
        cr_assert_eq(token[0] == '\0', page == 4, "only the last page has no token");
    }
}

Test(entry, page_has_100_by_default_and_1000_at_most)
{
    char key[64];

    fixture.unchecked = true;
    for (int i = 0; i < 1001; i++) {
        (void)snprintf(key, sizeof key, "global/%04d", i);
        assert_done(core_put(&fixture, key, "", -1), fixture);
    }
    assert_done(core_list(&fixture, "", 0, ""), fixture);
    cr_assert_eq(fixture.effects.count, 100);
    assert_done(core_list(&fixture, "", 1000, ""), fixture);
    cr_assert_eq(fixture.effects.count, 1000);
    assert_bad_field(core_list(&fixture, "", 1001, ""), "page_size", fixture);
}

static void put_large(const char *key, size_t size)
{
    uint8_t *value = allocate_zero(size, 1);
    struct command command = {.kind = COMMAND_PUT_ENTRY,
                              .put_entry = {.key = bytes_of_text(key), .value = {.data = value, .size = size}}};
    assert_done(core_run(&fixture, &command), fixture);
    free(value);
}

Test(entry, page_ends_at_512_KiB_of_values_but_has_one_at_least)
{
    put_large("global/a", (size_t)256 * 1024);
    put_large("global/b", (size_t)256 * 1024);
    put_large("global/c", (size_t)1024 * 1024);
    put_large("global/d", 1);

    assert_done(core_list(&fixture, "", 0, ""), fixture);
    cr_assert_eq(fixture.effects.count, 2);
    cr_assert_str_eq(fixture.effects.next_page_token, "global/b");
    assert_done(core_list(&fixture, "", 0, "global/b"), fixture);
    cr_assert_eq(fixture.effects.count, 1);
    cr_assert_eq(fixture.effects.entries[0].value.size, (size_t)1024 * 1024);
    assert_done(core_list(&fixture, "", 0, "global/c"), fixture);
    cr_assert_eq(fixture.effects.count, 1);
    cr_assert_str_eq(fixture.effects.next_page_token, "");
}

Test(entry, list_without_values_still_tells_their_sizes)
{
    put_large("global/a", (size_t)1024 * 1024);
    put_large("global/b", (size_t)1024 * 1024);
    struct command list = {.kind = COMMAND_LIST_ENTRIES};

    assert_done(core_run(&fixture, &list), fixture);
    cr_assert_eq(fixture.effects.count, 2);
    cr_assert_eq(fixture.effects.entries[1].value.size, 0);
    cr_assert_eq(fixture.effects.entries[1].size_bytes, (size_t)1024 * 1024);
}

Test(entry, token_of_another_list_is_refused)
{
    assert_bad_field(core_list(&fixture, "global/", 0, "docs/a.md"), "page_token", fixture);
}

Test(entry, value_may_have_1_MiB_and_not_a_byte_more)
{
    uint8_t *value = allocate_zero(VALUE_MAX + 1, 1);
    struct command command = {
        .kind = COMMAND_PUT_ENTRY,
        .put_entry = {.key = bytes_of_text("global/a"), .value = {.data = value, .size = VALUE_MAX}}};

    assert_done(core_run(&fixture, &command), fixture);
    assert_done(core_get(&fixture, "global/a"), fixture);
    cr_assert_eq(fixture.effects.entry.value.size, VALUE_MAX);
    command.put_entry.value.size++;
    assert_bad_field(core_run(&fixture, &command), "value", fixture);
    free(value);
}

Test(entry, text_limits_hold_at_their_edges)
{
    char text[300];
    struct command command = {.kind = COMMAND_PUT_ENTRY, .put_entry = {.key = bytes_of_text("global/a")}};

    memset(text, 'x', sizeof text);
    struct bytes whole = {.data = (const uint8_t *)text, .size = sizeof text};
    command.put_entry.namespace = bytes_slice(whole, 0, 63);
    command.put_entry.content_type = bytes_slice(whole, 0, 127);
    command.put_entry.writer.agent_id = bytes_slice(whole, 0, 127);
    assert_done(core_run(&fixture, &command), fixture);
    command.put_entry.namespace.size = 64;
    assert_bad_field(core_run(&fixture, &command), "namespace", fixture);
    command.put_entry.namespace.size = 63;
    command.put_entry.content_type.size = 128;
    assert_bad_field(core_run(&fixture, &command), "content_type", fixture);
    command.put_entry.content_type.size = 127;
    command.put_entry.writer.agent_id.size = 128;
    assert_bad_field(core_run(&fixture, &command), "writer.agent_id", fixture);

    for (size_t i = 0; i < 7; i++)
        text[i] = "global/"[i];
    command.put_entry.writer.agent_id.size = 0;
    command.put_entry.namespace.size = 0;
    command.put_entry.key = bytes_slice(whole, 0, 255);
    assert_done(core_run(&fixture, &command), fixture);
    command.put_entry.key.size = 256;
    assert_bad_field(core_run(&fixture, &command), "key", fixture);
}

Test(entry, key_begins_with_one_of_four_words)
{
    static const char *const good[] = {
        "global/a",     "global/a/b c/\xC3\xBC", "tasks/0000-01K3/context", "tasks/0100G-0000-0001/x",
        "docs/plan.md", "docs/a/b.c.json",       "agents/build7/state",     "agents/build7/claude/state"};
    static const char *const bad[] = {"",
                                      "plan",
                                      "global",
                                      "global/",
                                      "Global/a",
                                      "global//a",
                                      "global/a/",
                                      "/global/a",
                                      "tasks/",
                                      "tasks/0000-01K3",
                                      "tasks/0000-01K3/",
                                      "tasks/1K3/context",
                                      "tasks/0000-01k3/x",
                                      "tasks/000001K3/x",
                                      "tasks/0000/x",
                                      "tasks/UUUU-UUUU/x",
                                      "tasks//x",
                                      "docs/plan",
                                      "docs/.md",
                                      "docs/a/.md",
                                      "docs/plan.",
                                      "docs/",
                                      "agents/",
                                      "agents/build7",
                                      "agents/bu ld/x",
                                      "global/a\nb",
                                      "global/\x7F",
                                      "global/\xC3"};

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_done(core_put(&fixture, good[i], "x", -1), fixture);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_bad_field(core_put(&fixture, bad[i], "x", -1), "key", fixture);
        assert_bad_field(core_get(&fixture, bad[i]), "key", fixture);
        assert_bad_field(core_delete(&fixture, bad[i], -1), "key", fixture);
    }
}

Test(entry, namespace_has_letters_digits_and_three_signs)
{
    struct command command = {.kind = COMMAND_GET_ENTRY, .get_entry = {.key = bytes_of_text("global/a")}};
    static const char *const bad[] = {"a b", "a/b", "\xC3\xBC", "a:"};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        command.get_entry.namespace = bytes_of_text(bad[i]);
        assert_bad_field(core_run(&fixture, &command), "namespace", fixture);
    }
}

Test(entry, writer_with_a_lower_fence_than_the_highest_seen_is_refused)
{
    assert_done(core_put_as(&fixture, "global/a", 7, 3), fixture);
    assert_done(core_put_as(&fixture, "global/a", 7, 3), fixture);
    assert_done(core_put_as(&fixture, "global/b", 7, 5), fixture);
    assert_refused(core_put_as(&fixture, "global/a", 7, 4), STATUS_ABORTED, "STALE_FENCE", fixture);
    assert_refused(core_put_as(&fixture, "global/a", 7, 0), STATUS_ABORTED, "STALE_FENCE", fixture);
    assert_done(core_put_as(&fixture, "global/a", 8, 1), fixture);
    assert_done(core_put(&fixture, "global/a", "without a task", -1), fixture);

    struct command command = {.kind = COMMAND_DELETE_ENTRY,
                              .delete_entry = {.key = bytes_of_text("global/a"), .writer = {.task_id = 7, .fence = 4}}};
    assert_refused(core_run(&fixture, &command), STATUS_ABORTED, "STALE_FENCE", fixture);
    command.delete_entry.writer.fence = 6;
    assert_done(core_run(&fixture, &command), fixture);
    assert_refused(core_put_as(&fixture, "global/a", 7, 5), STATUS_ABORTED, "STALE_FENCE", fixture);
}

Test(entry, refused_write_does_not_raise_the_fence)
{
    struct command command = {.kind = COMMAND_PUT_ENTRY,
                              .put_entry = {.key = bytes_of_text("global/a"),
                                            .expected = {.present = true, .version = 9},
                                            .writer = {.task_id = 7, .fence = 9}}};
    assert_refused(core_run(&fixture, &command), STATUS_ABORTED, "VERSION_CONFLICT", fixture);
    assert_done(core_put_as(&fixture, "global/a", 7, 1), fixture);
}

Test(entry, fence_without_a_task_is_refused)
{
    assert_bad_field(core_put_as(&fixture, "global/a", 0, 1), "writer.task_id", fixture);
}

Test(entry, put_is_refused_when_the_store_is_nearly_full_and_deletion_is_not)
{
    assert_done(core_put(&fixture, "global/a", "x", -1), fixture);
    fixture.now.store_nearly_full = true;
    assert_refused(core_put(&fixture, "global/a", "y", -1), STATUS_RESOURCE_EXHAUSTED, "STORE_FULL", fixture);
    assert_value("global/a", "x", 1);
    assert_done(core_delete(&fixture, "global/a", 1), fixture);
    fixture.now.store_nearly_full = false;
    assert_done(core_put(&fixture, "global/a", "y", -1), fixture);
}

Test(entry, counters_tell_the_kinds_apart_and_follow_every_write)
{
    assert_done(core_put(&fixture, "global/a", "12345", -1), fixture);
    assert_done(core_put(&fixture, "global/b", "1", -1), fixture);
    assert_done(core_put(&fixture, "tasks/0000-01K3/a", "1", -1), fixture);
    assert_done(core_put(&fixture, "docs/a.md", "1", -1), fixture);
    assert_done(core_put(&fixture, "agents/a/b", "1", -1), fixture);
    assert_done(core_put(&fixture, "global/a", "123", -1), fixture);
    assert_done(core_delete(&fixture, "global/b", -1), fixture);

    struct counters counters = core_counters(&fixture);
    cr_assert_eq(counters.entries[ENTRY_GLOBAL], 1);
    cr_assert_eq(counters.entries[ENTRY_TASK], 1);
    cr_assert_eq(counters.entries[ENTRY_DOCUMENT], 1);
    cr_assert_eq(counters.entries[ENTRY_AGENT], 1);
    cr_assert_eq(counters.entry_bytes, 6);
    cr_assert_eq(counters.deleted, 1);
    cr_assert_eq(counters.revision, 7);
}
