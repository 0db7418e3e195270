#include "tests/contextd/daemon_fixture.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "contextd/core/validate.h"
#include "tests/support/process.h"
#include "tests/support/random.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define FOLLOWERS 50
#define CREDIT_BYTES 65536U

static void assert_same(const struct following *following, struct bytes wanted)
{
    cr_assert(following->ended);
    cr_assert_eq(following->error.status, GANGER_OK, "%s", following->error.message);
    cr_assert_not(following->out_of_order);
    cr_assert_eq(following->bytes.size, wanted.size);
    cr_assert(bytes_equal(buffer_view(&following->bytes), wanted));
}

struct writer_job {
    const struct daemon_fixture *fixture;
    struct bytes bytes;
    struct random random;
    size_t append_max;
};

/* Appends all of it in pieces of random size, then seals. */
static void *write_all(void *data)
{
    struct writer_job *job = data;
    CLEANUP(ganger_close)
    struct ganger *ganger = open_client(job->fixture);
    struct ganger_error error = {0};

    for (size_t offset = 0; offset < job->bytes.size;) {
        struct bytes piece = bytes_slice(job->bytes, offset, 1 + random_below(&job->random, job->append_max));
        assert_good(append_stream(ganger, "stdout", offset, piece, &error), error);
        offset += piece.size;
    }
    assert_good(seal_stream(ganger, "stdout", job->bytes.size, &error), error);
    return NULL;
}

Test(follow, fifty_followers_get_every_byte_in_order_while_it_is_written)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    CLEANUP(buffer_done)
    struct buffer bytes = test_bytes((size_t)2 * 1024 * 1024);
    struct following following[FOLLOWERS] = {0};
    uint64_t seed = seed_from_environment();
    pthread_t thread;

    (void)fprintf(stderr, "GANGER_SEED=%" PRIu64 "\n", seed);
    daemon_fixture_init(&fixture, NULL);
    struct writer_job job = {
        .fixture = &fixture, .bytes = buffer_view(&bytes), .random = random_for(seed, 0), .append_max = 60000};
    CLEANUP(ganger_close)
    struct ganger *ganger = open_client(&fixture);
    for (int i = 0; i < FOLLOWERS; i++)
        (void)follow_stream(ganger, "stdout", 0, true, CREDIT_BYTES, &following[i]);
    cr_assert_eq(pthread_create(&thread, NULL, write_all, &job), 0);
    wait_for_ends(ganger, following, FOLLOWERS);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    for (int i = 0; i < FOLLOWERS; i++) {
        assert_same(&following[i], buffer_view(&bytes));
        buffer_done(&following[i].bytes);
    }
    Ganger__V1__ContextStatsResponse *stats = get_stats(ganger);
    cr_assert_eq(stats->followers, 0);
    ganger_free(stats);
}

Test(follow, begins_at_the_offset_that_was_asked_for)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    CLEANUP(buffer_done)
    struct buffer bytes = test_bytes(300000);
    struct following following = {0};
    struct ganger_error error = {0};

    daemon_fixture_init(&fixture, NULL);
    CLEANUP(ganger_close)
    struct ganger *ganger = open_client(&fixture);
    assert_good(append_stream(ganger, "stdout", 0, buffer_view(&bytes), &error), error);
    assert_good(seal_stream(ganger, "stdout", bytes.size, &error), error);
    (void)follow_stream(ganger, "stdout", 123456, false, CREDIT_BYTES, &following);
    wait_for_ends(ganger, &following, 1);
    cr_assert(bytes_equal(buffer_view(&following.bytes), bytes_slice(buffer_view(&bytes), 123456, bytes.size)));
    buffer_done(&following.bytes);
}

Test(follow, of_a_sealed_stream_ends_also_at_and_behind_its_end)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    struct following following[2] = {0};
    struct ganger_error error = {0};

    daemon_fixture_init(&fixture, NULL);
    CLEANUP(ganger_close)
    struct ganger *ganger = open_client(&fixture);
    assert_good(append_stream(ganger, "stdout", 0, bytes_of_text("hello"), &error), error);
    assert_good(seal_stream(ganger, "stdout", 5, &error), error);
    (void)follow_stream(ganger, "stdout", 5, false, CREDIT_BYTES, &following[0]);
    (void)follow_stream(ganger, "stdout", 500, false, CREDIT_BYTES, &following[1]);
    wait_for_ends(ganger, following, 2);
    assert_same(&following[0], bytes_of_text(""));
    assert_same(&following[1], bytes_of_text(""));
}

Test(follow, of_a_stream_that_is_not_there_waits_only_if_asked_to)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    struct following following[2] = {0};
    struct ganger_error error = {0};

    daemon_fixture_init(&fixture, NULL);
    CLEANUP(ganger_close)
    struct ganger *ganger = open_client(&fixture);
    (void)follow_stream(ganger, "stdout", 0, true, CREDIT_BYTES, &following[0]);
    (void)follow_stream(ganger, "stdout", 0, false, CREDIT_BYTES, &following[1]);
    wait_for_ends(ganger, &following[1], 1);
    cr_assert_eq(following[1].error.status, GANGER_NOT_FOUND);
    cr_assert_str_eq(following[1].error.reason, "NO_STREAM");
    cr_assert_not(following[0].ended);

    assert_good(append_stream(ganger, "stdout", 0, bytes_of_text("hello"), &error), error);
    assert_good(seal_stream(ganger, "stdout", 5, &error), error);
    wait_for_ends(ganger, following, 1);
    assert_same(&following[0], bytes_of_text("hello"));
    buffer_done(&following[0].bytes);
}

Test(follow, that_is_canceled_is_forgotten)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    struct following following[3] = {0};
    struct ganger_error error = {0};
    uint32_t left = UINT32_MAX;

    daemon_fixture_init(&fixture, NULL);
    CLEANUP(ganger_close)
    struct ganger *ganger = open_client(&fixture);
    assert_good(append_stream(ganger, "stdout", 0, bytes_of_text("hello"), &error), error);
    struct ganger_call *canceled = follow_stream(ganger, "stdout", 0, false, CREDIT_BYTES, &following[0]);
    (void)follow_stream(ganger, "stdout", 0, false, CREDIT_BYTES, &following[1]);
    struct ganger_call *waiting = follow_stream(ganger, "stderr", 0, true, CREDIT_BYTES, &following[2]);
    ganger_cancel(ganger, canceled);
    for (int i = 0; i < 1000 && left != 2; i++) {
        Ganger__V1__ContextStatsResponse *stats = get_stats(ganger);
        left = stats->followers;
        ganger_free(stats);
    }
    cr_assert_eq(left, 2);
    assert_good(seal_stream(ganger, "stdout", 5, &error), error);
    wait_for_ends(ganger, &following[1], 1);
    assert_same(&following[1], bytes_of_text("hello"));
    ganger_cancel(ganger, waiting);
    buffer_done(&following[0].bytes);
    buffer_done(&following[1].bytes);
}

static uint64_t append_and_measure(const struct daemon_fixture *fixture, struct ganger *ganger, const char *name,
                                   struct bytes bytes)
{
    struct ganger_error error = {0};

    for (uint64_t i = 0; i < 32; i++)
        assert_good(append_stream(ganger, name, i * bytes.size, bytes, &error), error);
    return daemon_fixture_memory_bytes(fixture);
}

/* Credit is all that a follower can make the daemon hold for it. */
Test(follow, by_those_who_do_not_read_does_not_grow_the_daemon)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    CLEANUP(buffer_done)
    struct buffer bytes = test_bytes(APPEND_MAX);
    struct following following[FOLLOWERS] = {0};
    struct ganger_call *calls[FOLLOWERS];
    struct ganger_error error = {0};

    /* Freed memory is not kept back, or the sanitizer would count for the daemon. */
    cr_assert_eq(setenv("ASAN_OPTIONS", "quarantine_size_mb=0:allocator_release_to_os_interval_ms=0", 1), 0);
    daemon_fixture_init(&fixture, NULL);
    CLEANUP(ganger_close)
    struct ganger *ganger = open_client(&fixture);
    CLEANUP(ganger_close)
    struct ganger *sleeper = open_client(&fixture);
    uint64_t before = append_and_measure(&fixture, ganger, "alone", buffer_view(&bytes));

    assert_good(append_stream(ganger, "stdout", 0, bytes_of_text(""), &error), error);
    for (int i = 0; i < FOLLOWERS; i++)
        calls[i] = follow_stream(sleeper, "stdout", 0, true, CREDIT_BYTES, &following[i]);
    /* One turn, so that the requests leave; from then on it sleeps. */
    ganger_free(get_stats(sleeper));
    uint64_t after = append_and_measure(&fixture, ganger, "stdout", buffer_view(&bytes));
    uint64_t allowed = (uint64_t)FOLLOWERS * 2 * CREDIT_BYTES + (uint64_t)8 * 1024 * 1024;
    cr_assert_lt(after, before + allowed, "%" PRIu64 " bytes, %" PRIu64 " without followers", after, before);

    /* It wakes up, and has missed nothing. */
    assert_good(seal_stream(ganger, "stdout", 32 * bytes.size, &error), error);
    for (int i = 1; i < FOLLOWERS; i++)
        ganger_cancel(sleeper, calls[i]);
    wait_for_ends(sleeper, following, 1);
    cr_assert_eq(following[0].bytes.size, 32 * bytes.size);
    for (size_t i = 0; i < following[0].bytes.size; i++)
        cr_assert_eq(following[0].bytes.data[i], bytes.data[i % bytes.size]);
    for (int i = 0; i < FOLLOWERS; i++)
        buffer_done(&following[i].bytes);
}
