/* Ten thousand hostile frames at a real context store, with an honest client beside them. */
#include "client/ganger.h"
#include "common/base/clock.h"
#include "tests/hostile/siege.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TIMEOUT_MS 30000
#define BURST 200
#define TASK 4711 /* of the honest client's stream */

struct honest {
    struct ganger *ganger;
    uint64_t written;
    uint64_t offset;
};

static void open_honest(struct honest *honest, const struct siege *siege)
{
    cr_assert(ganger_open(siege->endpoint, GANGER_CONTEXT, &honest->ganger, NULL) == GANGER_OK);
}

static void name_entry(char *key, char *value, uint64_t number)
{
    (void)snprintf(key, 64, "global/honest-%" PRIu64, number);
    (void)snprintf(value, 64, "value %" PRIu64, number);
}

static void expect_entry(struct honest *honest, uint64_t number)
{
    struct ganger_error error = {0};
    Ganger__V1__GetEntryRequest request = GANGER__V1__GET_ENTRY_REQUEST__INIT;
    Ganger__V1__GetEntryResponse *response = NULL;
    char key[64];
    char value[64];

    name_entry(key, value, number);
    request.key = key;
    cr_assert(ganger_get_entry(honest->ganger, &request, TIMEOUT_MS, &response, &error) == GANGER_OK, "%s",
              error.message);
    cr_expect(response->entry->version == 1);
    cr_expect(response->entry->value.len == strlen(value) &&
              memcmp(response->entry->value.data, value, strlen(value)) == 0);
    ganger_free(response);
}

/* A new entry, and a line to the stream. */
static void write_once(struct honest *honest)
{
    struct ganger_error error = {0};
    Ganger__V1__PutEntryRequest put = GANGER__V1__PUT_ENTRY_REQUEST__INIT;
    Ganger__V1__ExpectedVersion none = GANGER__V1__EXPECTED_VERSION__INIT;
    Ganger__V1__AppendStreamRequest append = GANGER__V1__APPEND_STREAM_REQUEST__INIT;
    Ganger__V1__StreamName stream = GANGER__V1__STREAM_NAME__INIT;
    Ganger__V1__AppendStreamResponse *appended = NULL;
    char key[64];
    char value[64];

    name_entry(key, value, honest->written);
    put.key = key;
    put.value = (ProtobufCBinaryData){.data = (uint8_t *)value, .len = strlen(value)};
    put.expected = &none;
    cr_assert(ganger_put_entry(honest->ganger, &put, TIMEOUT_MS, NULL, &error) == GANGER_OK, "%s", error.message);
    expect_entry(honest, honest->written);

    stream.task_id = TASK;
    stream.fence = 1;
    stream.name = (char[]){"honest"};
    append.stream = &stream;
    append.offset = honest->offset;
    append.data = put.value;
    cr_assert(ganger_append_stream(honest->ganger, &append, TIMEOUT_MS, &appended, &error) == GANGER_OK, "%s",
              error.message);
    honest->offset += strlen(value);
    cr_expect(appended->length == honest->offset);
    ganger_free(appended);
    honest->written++;
}

/* Every entry, and every byte of the stream. */
static void expect_all(struct honest *honest)
{
    Ganger__V1__ReadStreamRequest request = GANGER__V1__READ_STREAM_REQUEST__INIT;
    Ganger__V1__StreamName stream = GANGER__V1__STREAM_NAME__INIT;
    Ganger__V1__ReadStreamResponse *response = NULL;
    size_t at = 0;

    stream.task_id = TASK;
    stream.fence = 1;
    stream.name = (char[]){"honest"};
    request.stream = &stream;
    cr_assert(ganger_read_stream(honest->ganger, &request, TIMEOUT_MS, &response, NULL) == GANGER_OK);
    cr_assert(response->data.len == honest->offset);
    for (uint64_t i = 0; i < honest->written; i++) {
        char key[64];
        char value[64];

        expect_entry(honest, i);
        name_entry(key, value, i);
        cr_expect(memcmp(response->data.data + at, value, strlen(value)) == 0);
        at += strlen(value);
    }
    ganger_free(response);
}

static Ganger__V1__ContextStatsResponse *stats(struct honest *honest)
{
    Ganger__V1__ContextStatsRequest request = GANGER__V1__CONTEXT_STATS_REQUEST__INIT;
    Ganger__V1__ContextStatsResponse *response = NULL;

    cr_assert(ganger_context_stats(honest->ganger, &request, TIMEOUT_MS, &response, NULL) == GANGER_OK);
    return response;
}

/* See siege_lift. */
static void wait_until_quiet(struct honest *honest)
{
    uint64_t limit_ms = clock_boot_ms() + TIMEOUT_MS;
    uint64_t requests = 0;
    bool quiet = false;

    while (!quiet) {
        Ganger__V1__ContextStatsResponse *now = stats(honest);
        quiet = now->connections == 1 && now->requests == requests + 1;
        requests = now->requests;
        ganger_free(now);
        cr_assert(quiet || clock_boot_ms() < limit_ms, "somebody still sends");
    }
}

static void expect_same_stats(const Ganger__V1__ContextStatsResponse *a, const Ganger__V1__ContextStatsResponse *b)
{
    cr_expect(a->global_entries == b->global_entries);
    cr_expect(a->task_entries == b->task_entries);
    cr_expect(a->documents == b->documents);
    cr_expect(a->agent_entries == b->agent_entries);
    cr_expect(a->entry_bytes == b->entry_bytes);
    cr_expect(a->streams == b->streams);
    cr_expect(a->open_streams == b->open_streams);
    cr_expect(a->stream_bytes == b->stream_bytes);
    cr_expect(a->revision == b->revision);
}

Test(hostile, frames_do_no_harm_to_the_context_store_and_its_honest_clients)
{
    static const ProtobufCServiceDescriptor *const services[] = {
        &ganger__v1__context__descriptor, &ganger__v1__streams__descriptor, &ganger__v1__locks__descriptor,
        &ganger__v1__messages__descriptor};
    struct siege siege;
    struct honest honest = {0};
    uint64_t memory_bytes = 0;
    Ganger__V1__ContextStatsResponse *before = NULL;
    Ganger__V1__ContextStatsResponse *after = NULL;

    siege_begin(&siege, CONTEXTD_PROGRAM, "context", services, sizeof(services) / sizeof(services[0]));
    open_honest(&honest, &siege);
    for (size_t sent = 0; sent < SIEGE_FRAMES; sent += BURST) {
        siege_attack(&siege, BURST);
        write_once(&honest);
        if (sent + BURST == SIEGE_FRAMES / 5)
            memory_bytes = siege_memory_bytes(&siege);
    }
    printf("  memory after a fifth of the frames %" PRIu64 " KiB, at the end %" PRIu64 " KiB\n", memory_bytes / 1024,
           siege_memory_bytes(&siege) / 1024);
    cr_expect(siege_memory_bytes(&siege) < 2 * memory_bytes);
    siege_lift(&siege);
    wait_until_quiet(&honest);
    expect_all(&honest);
    before = stats(&honest);

    ganger_close(honest.ganger);
    siege_restart_daemon(&siege);
    open_honest(&honest, &siege);
    expect_all(&honest);
    after = stats(&honest);
    expect_same_stats(before, after);
    write_once(&honest);
    ganger_free(before);
    ganger_free(after);
    ganger_close(honest.ganger);
    siege_end(&siege);
}
