#include "tests/contextd/daemon_fixture.h"

#include "contextd/core/validate.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define RACERS 6
#define INCREMENTS 40

Test(contextd, keeps_what_it_acknowledged_over_a_restart)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    struct ganger_error error = {0};

    daemon_fixture_init(&fixture, NULL);
    struct ganger *ganger = open_client(&fixture);
    assert_good(put_entry(ganger, "global/plan", bytes_of_text("first"), 0, &error), error);
    assert_good(append_stream(ganger, "stdout", 0, bytes_of_text("hello"), &error), error);
    ganger_close(ganger);
    cr_assert_eq(daemon_fixture_stop(&fixture), 0);

    daemon_fixture_start(&fixture, NULL);
    ganger = open_client(&fixture);
    assert_good(put_entry(ganger, "global/plan", bytes_of_text("second"), 1, &error), error);
    Ganger__V1__GetEntryResponse *response = get_entry(ganger, "global/plan");
    cr_assert_eq(response->entry->version, 2);
    cr_assert_eq(response->entry->value.len, 6);
    ganger_free(response);
    assert_good(append_stream(ganger, "stdout", 5, bytes_of_text("!"), &error), error);
    ganger_close(ganger);
}

Test(contextd, refuses_with_the_current_entry_as_detail)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    struct ganger_error error = {0};
    size_t size = 0;

    daemon_fixture_init(&fixture, NULL);
    CLEANUP(ganger_close)
    struct ganger *ganger = open_client(&fixture);
    assert_good(put_entry(ganger, "global/plan", bytes_of_text("mine"), 0, &error), error);
    cr_assert_eq(put_entry(ganger, "global/plan", bytes_of_text("yours"), 0, &error), GANGER_ABORTED);
    cr_assert_str_eq(error.reason, "VERSION_CONFLICT");
    const uint8_t *detail = ganger_last_detail(ganger, &size);
    Ganger__V1__Entry *entry = ganger__v1__entry__unpack(NULL, size, detail);
    cr_assert_not_null(entry);
    cr_assert_eq(entry->version, 1);
    cr_assert_eq(entry->value.len, 4);
    cr_assert_eq(memcmp(entry->value.data, "mine", 4), 0);
    ganger__v1__entry__free_unpacked(entry, NULL);

    cr_assert_eq(put_entry(ganger, "global/none", bytes_of_text("x"), 5, &error), GANGER_ABORTED);
    detail = ganger_last_detail(ganger, &size);
    entry = ganger__v1__entry__unpack(NULL, size, detail);
    cr_assert_str_eq(entry->key, "global/none");
    cr_assert_eq(entry->version, 0);
    ganger__v1__entry__free_unpacked(entry, NULL);
}

/* Adds one to the counter until it has won INCREMENTS races, each on what it has just read. */
static void *race(void *data)
{
    CLEANUP(ganger_close)
    struct ganger *ganger = open_client(data);

    for (int won = 0; won < INCREMENTS;) {
        struct ganger_error error = {0};
        Ganger__V1__GetEntryResponse *response = get_entry(ganger, "global/counter");
        uint64_t version = response != NULL ? response->entry->version : 0;
        char text[32] = "0";
        if (response != NULL)
            memcpy(text, response->entry->value.data, response->entry->value.len);
        ganger_free(response);
        (void)snprintf(text, sizeof text, "%" PRIu64, (uint64_t)strtoull(text, NULL, 10) + 1);
        enum ganger_status status = put_entry(ganger, "global/counter", bytes_of_text(text), (int64_t)version, &error);
        if (status != GANGER_ABORTED)
            assert_good(status, error);
        won += status == GANGER_OK;
    }
    return NULL;
}

Test(contextd, lets_one_of_several_racers_win_each_version)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    pthread_t racers[RACERS];
    char sum[32];

    daemon_fixture_init(&fixture, NULL);
    for (int i = 0; i < RACERS; i++)
        cr_assert_eq(pthread_create(&racers[i], NULL, race, &fixture), 0);
    for (int i = 0; i < RACERS; i++)
        cr_assert_eq(pthread_join(racers[i], NULL), 0);
    CLEANUP(ganger_close)
    struct ganger *ganger = open_client(&fixture);
    Ganger__V1__GetEntryResponse *response = get_entry(ganger, "global/counter");
    (void)snprintf(sum, sizeof sum, "%d", RACERS * INCREMENTS);
    cr_assert_eq(response->entry->value.len, strlen(sum));
    cr_assert_eq(memcmp(response->entry->value.data, sum, strlen(sum)), 0);
    cr_assert_eq(response->entry->version, (uint64_t)RACERS * INCREMENTS);
    ganger_free(response);
}

Test(contextd, takes_a_value_of_1_MiB_and_refuses_a_byte_more_by_the_name_of_the_field)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    CLEANUP(buffer_done)
    struct buffer bytes = test_bytes(VALUE_MAX + 1);
    struct ganger_error error = {0};

    daemon_fixture_init(&fixture, NULL);
    CLEANUP(ganger_close)
    struct ganger *ganger = open_client(&fixture);
    assert_good(put_entry(ganger, "global/a", bytes_slice(buffer_view(&bytes), 0, VALUE_MAX), -1, &error), error);
    Ganger__V1__GetEntryResponse *response = get_entry(ganger, "global/a");
    cr_assert_eq(response->entry->value.len, VALUE_MAX);
    cr_assert_eq(memcmp(response->entry->value.data, bytes.data, VALUE_MAX), 0);
    ganger_free(response);

    cr_assert_eq(put_entry(ganger, "global/a", buffer_view(&bytes), -1, &error), GANGER_INVALID_ARGUMENT);
    cr_assert_str_eq(error.reason, "BAD_FIELD");
    cr_assert_eq(strncmp(error.message, "value:", 6), 0);
    cr_assert_eq(append_stream(ganger, "stdout", 0, buffer_view(&bytes), &error), GANGER_INVALID_ARGUMENT);
    cr_assert_eq(strncmp(error.message, "data:", 5), 0);
    /* The largest conflict, too, fits into a reply. */
    cr_assert_eq(put_entry(ganger, "global/a", bytes_of_text("x"), 0, &error), GANGER_ABORTED);
    cr_assert_str_eq(error.reason, "VERSION_CONFLICT");
}

Test(contextd, lists_pages_that_fit_into_a_reply)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    CLEANUP(buffer_done)
    struct buffer bytes = test_bytes((size_t)200 * 1024);
    Ganger__V1__ListEntriesRequest request = GANGER__V1__LIST_ENTRIES_REQUEST__INIT;
    struct ganger_error error = {0};
    char token[300] = "";
    char key[64];
    size_t count = 0;

    daemon_fixture_init(&fixture, NULL);
    CLEANUP(ganger_close)
    struct ganger *ganger = open_client(&fixture);
    for (int i = 0; i < 7; i++) {
        (void)snprintf(key, sizeof key, "docs/%d.txt", i);
        assert_good(put_entry(ganger, key, buffer_view(&bytes), -1, &error), error);
    }
    request.with_values = true;
    request.page_token = token;
    do {
        Ganger__V1__ListEntriesResponse *response = NULL;
        assert_good(ganger_list_entries(ganger, &request, 0, &response, &error), error);
        for (size_t i = 0; i < response->n_entries; i++, count++) {
            (void)snprintf(key, sizeof key, "docs/%zu.txt", count);
            cr_assert_str_eq(response->entries[i]->key, key);
            cr_assert_eq(response->entries[i]->value.len, bytes.size);
        }
        cr_assert_leq(response->n_entries, 2);
        (void)snprintf(token, sizeof token, "%s", response->next_page_token);
        ganger_free(response);
    } while (token[0] != '\0');
    cr_assert_eq(count, 7);
}

Test(contextd, does_not_commit_what_only_reads_or_is_refused)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    struct ganger_error error = {0};

    daemon_fixture_init(&fixture, NULL);
    CLEANUP(ganger_close)
    struct ganger *ganger = open_client(&fixture);
    assert_good(put_entry(ganger, "global/a", bytes_of_text("x"), -1, &error), error);
    for (int i = 0; i < 10; i++) {
        ganger_free(get_entry(ganger, "global/a"));
        cr_assert_eq(put_entry(ganger, "global/a", bytes_of_text("x"), 7, &error), GANGER_ABORTED);
    }
    Ganger__V1__ContextStatsResponse *stats = get_stats(ganger);
    cr_assert_eq(stats->commits, 1);
    cr_assert_eq(stats->revision, 1);
    cr_assert_eq(stats->refusals, 10);
    cr_assert_eq(stats->requests, 22);
    ganger_free(stats);
}

Test(contextd, tells_what_it_holds)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    struct ganger_error error = {0};
    static const char *const keys[] = {"global/a", "global/b", "tasks/0000-01K3/a", "docs/a.md", "agents/a/b"};

    daemon_fixture_init(&fixture, "context.store_max=64M");
    CLEANUP(ganger_close)
    struct ganger *ganger = open_client(&fixture);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        assert_good(put_entry(ganger, keys[i], bytes_of_text("12345"), -1, &error), error);
    assert_good(append_stream(ganger, "stdout", 0, bytes_of_text("hello"), &error), error);
    assert_good(append_stream(ganger, "stderr", 0, bytes_of_text("hey"), &error), error);
    assert_good(seal_stream(ganger, "stderr", 3, &error), error);

    Ganger__V1__ContextStatsResponse *stats = get_stats(ganger);
    cr_assert_str_eq(stats->version, GANGER_VERSION);
    cr_assert_eq(stats->pid, (uint64_t)fixture.pid);
    cr_assert_eq(stats->global_entries, 2);
    cr_assert_eq(stats->task_entries, 1);
    cr_assert_eq(stats->documents, 1);
    cr_assert_eq(stats->agent_entries, 1);
    cr_assert_eq(stats->entry_bytes, 25);
    cr_assert_eq(stats->streams, 2);
    cr_assert_eq(stats->open_streams, 1);
    cr_assert_eq(stats->stream_bytes, 8);
    cr_assert_eq(stats->tasks_with_streams, 1);
    cr_assert_eq(stats->revision, 8);
    cr_assert_eq(stats->commits, 8);
    cr_assert_gt(stats->commit_p50_us, 0);
    cr_assert_geq(stats->commit_p99_us, stats->commit_p50_us);
    cr_assert_gt(stats->store_bytes, 0);
    cr_assert_leq(stats->store_limit_bytes, (uint64_t)64 * 1024 * 1024);
    cr_assert_eq(stats->connections, 1);
    ganger_free(stats);
}

/* Hazard: at MAP_FULL of LMDB deletes fail too, so what adds is refused before. */
Test(contextd, that_is_full_refuses_what_adds_and_goes_on_with_the_rest)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    CLEANUP(buffer_done)
    struct buffer bytes = test_bytes((size_t)512 * 1024);
    struct ganger_error error = {0};
    enum ganger_status status = GANGER_OK;
    uint64_t length = 0;
    char key[64];
    int entries = 0;

    daemon_fixture_init(&fixture, "context.store_max=16M");
    CLEANUP(ganger_close)
    struct ganger *ganger = open_client(&fixture);
    for (; entries < 200 && status == GANGER_OK; entries++) {
        (void)snprintf(key, sizeof key, "global/%d", entries);
        status = put_entry(ganger, key, buffer_view(&bytes), -1, &error);
        if (status == GANGER_OK && append_stream(ganger, "stdout", length, bytes_of_text("x"), &error) == GANGER_OK)
            length++;
    }
    cr_assert_eq(status, GANGER_RESOURCE_EXHAUSTED, "%s", error.message);
    cr_assert_str_eq(error.reason, "STORE_FULL");
    cr_assert_eq(append_stream(ganger, "stdout", length, bytes_of_text("x"), &error), GANGER_RESOURCE_EXHAUSTED);
    assert_good(seal_stream(ganger, "stdout", length, &error), error);
    ganger_free(get_entry(ganger, "global/0"));
    for (int i = 0; i < entries - 1; i++) {
        Ganger__V1__DeleteEntryRequest delete = GANGER__V1__DELETE_ENTRY_REQUEST__INIT;
        (void)snprintf(key, sizeof key, "global/%d", i);
        delete.key = key;
        assert_good(ganger_delete_entry(ganger, &delete, 0, NULL, &error), error);
    }
    /* The fill is looked at again within a moment. */
    for (int i = 0; i < 1000 && put_entry(ganger, "global/new", bytes_of_text("x"), -1, &error) != GANGER_OK; i++)
        ganger_wait(ganger, 10);
    Ganger__V1__GetEntryResponse *response = get_entry(ganger, "global/new");
    cr_assert_not_null(response);
    ganger_free(response);
}

Test(contextd, does_not_start_twice_on_one_store)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture other = {.killer = -1};

    daemon_fixture_init(&fixture, NULL);
    struct ganger *ganger = open_client(&fixture);
    ganger_free(get_stats(ganger));
    ganger_close(ganger);
    memcpy(other.directory, fixture.directory, sizeof other.directory);
    memcpy(other.endpoint, fixture.endpoint, sizeof other.endpoint);
    daemon_fixture_start(&other, "context.listen=ipc:///nonexistent/socket");
    cr_assert_eq(daemon_fixture_wait(&other), 1);
    cr_assert_eq(daemon_fixture_stop(&fixture), 0);
}
