#include "tests/contextd/daemon_fixture.h"

#include "common/base/clock.h"
#include "contextd/core/validate.h"
#include "tests/support/process.h"
#include "tests/support/random.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define KILL_INTERVAL_MS 120
#define RUN_MS 3000

static void assert_stream_is(struct ganger *ganger, struct bytes wanted)
{
    Ganger__V1__StreamName stream = GANGER__V1__STREAM_NAME__INIT;
    Ganger__V1__ReadStreamRequest request = GANGER__V1__READ_STREAM_REQUEST__INIT;
    char name[] = "stdout";

    stream.task_id = 7;
    stream.fence = 3;
    stream.name = name;
    request.stream = &stream;
    request.max_bytes = READ_MAX;
    while (request.offset < wanted.size) {
        Ganger__V1__ReadStreamResponse *response = NULL;
        struct ganger_error error = {0};
        assert_good(ganger_read_stream(ganger, &request, 0, &response, &error), error);
        cr_assert_gt(response->data.len, 0);
        cr_assert_eq(response->info->length, wanted.size);
        cr_assert_eq(memcmp(response->data.data, wanted.data + request.offset, response->data.len), 0);
        request.offset += response->data.len;
        ganger_free(response);
    }
}

/* The client sends an append again that has no answer when the daemon comes back; its offset makes it one append. */
Test(killed, daemon_has_every_acknowledged_byte_once_and_in_order)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    CLEANUP(buffer_done)
    struct buffer bytes = test_bytes((size_t)64 * 1024 * 1024);
    struct ganger_error error = {0};
    uint64_t seed = seed_from_environment();
    struct random random = random_for(seed, 0);
    size_t length = 0;

    (void)fprintf(stderr, "GANGER_SEED=%" PRIu64 "\n", seed);
    daemon_fixture_init_killed(&fixture, KILL_INTERVAL_MS);
    CLEANUP(ganger_close)
    struct ganger *ganger = open_client(&fixture);
    uint64_t end_ms = clock_boot_ms() + RUN_MS;
    while (clock_boot_ms() < end_ms && length < bytes.size) {
        struct bytes piece = bytes_slice(buffer_view(&bytes), length, 1 + random_below(&random, 30000));
        assert_good(append_stream(ganger, "stdout", length, piece, &error), error);
        length += piece.size;
    }
    daemon_fixture_spare(&fixture);
    assert_good(seal_stream(ganger, "stdout", length, &error), error);
    assert_stream_is(ganger, bytes_slice(buffer_view(&bytes), 0, length));
    (void)fprintf(stderr, "%zu bytes\n", length);
}

/* A put without an expected version may be done twice; with one, the repeat meets its own write as a conflict. */
Test(killed, daemon_keeps_every_acknowledged_version)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    struct ganger_error error = {0};
    uint64_t version = 0;

    daemon_fixture_init_killed(&fixture, KILL_INTERVAL_MS);
    CLEANUP(ganger_close)
    struct ganger *ganger = open_client(&fixture);
    uint64_t end_ms = clock_boot_ms() + RUN_MS;
    while (clock_boot_ms() < end_ms) {
        uint8_t value[8];
        store_u64(value, version + 1);
        enum ganger_status status = put_entry(ganger, "global/a", (struct bytes){.data = value, .size = sizeof value},
                                              (int64_t)version, &error);
        if (status != GANGER_ABORTED)
            assert_good(status, error);
        Ganger__V1__GetEntryResponse *response = get_entry(ganger, "global/a");
        cr_assert_eq(response->entry->version, version + 1);
        cr_assert_eq(load_u64(response->entry->value.data), version + 1);
        ganger_free(response);
        version++;
    }
    daemon_fixture_spare(&fixture);
    (void)fprintf(stderr, "%" PRIu64 " versions\n", version);
}
