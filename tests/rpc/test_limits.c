#include "common/base/cleanup.h"
#include "common/base/clock.h"
#include "common/rpc/envelope.h"
#include "tests/rpc/fixture.h"
#include "tests/rpc/raw.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct fixture fixture;
static uint8_t bytes[FRAME_MAX + 4096];

static void set_up(void)
{
    const struct rpc_server_options options = {.calls_max = 8, .calls_per_peer_max = 5, .connections_max = 4};

    fixture_init(&fixture, &options);
}

static void tear_down(void)
{
    fixture_done(&fixture);
}

TestSuite(limits, .init = set_up, .fini = tear_down);

static void say_data(struct rpc_client *client, const char *method, size_t packed_size, struct result *result)
{
    Ganger__Test__Words words = GANGER__TEST__WORDS__INIT;
    struct rpc_request request = {
        .service = &ganger__test__echo__descriptor, .method = method, .message = &words.base, .timeout_ms = 10000};

    words.data = (ProtobufCBinaryData){.data = bytes, .len = packed_size};
    while (ganger__test__words__get_packed_size(&words) > packed_size)
        words.data.len--;
    cr_assert_eq(ganger__test__words__get_packed_size(&words), packed_size);
    (void)rpc_client_call(client, &request, result_take, result);
}

Test(limits, the_largest_body_passes_both_ways_and_one_byte_more_is_refused_before_it_is_sent)
{
    struct result fits = {0};
    struct result does_not = {0};

    say_data(fixture.client, "Say", BODY_MAX, &fits);
    say_data(fixture.client, "Say", BODY_MAX + 1, &does_not);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, fits.end && does_not.end));
    cr_expect_eq(fits.status, STATUS_OK);
    cr_expect_eq(fits.bytes, BODY_MAX);
    cr_expect_eq(does_not.status, STATUS_RESOURCE_EXHAUSTED);
    cr_expect_str_eq(does_not.reason, "REQUEST_TOO_LARGE");
    cr_expect_eq(fixture.delivered, 1);
}

Test(limits, a_request_has_at_most_what_its_method_takes)
{
    struct result fits = {0};
    struct result does_not = {0};

    say_data(fixture.client, "Small", 64, &fits);
    say_data(fixture.client, "Small", 65, &does_not);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, fits.end && does_not.end));
    cr_expect_eq(fits.status, STATUS_OK);
    cr_expect_eq(does_not.status, STATUS_RESOURCE_EXHAUSTED);
    cr_expect_str_eq(does_not.reason, "REQUEST_TOO_LARGE");
}

Test(limits, a_connection_keeps_at_most_so_many_calls_and_is_served_on)
{
    struct result parked[6] = {0};
    struct result passing = {0};

    for (size_t i = 0; i < 6; i++)
        say(fixture.client, "Park", "", 10000, &parked[i]);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, parked[5].end));
    cr_expect_str_eq(parked[5].reason, "TOO_MANY_CALLS");
    cr_expect_eq(parked[5].status, STATUS_RESOURCE_EXHAUSTED);
    cr_expect_eq(fixture.ended, 1, "the handler is told");
    cr_expect_eq(rpc_server_stats(fixture.server).open_calls, 5);
    say(fixture.client, "Say", "", 10000, &passing);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, passing.end));
    cr_expect_eq(passing.status, STATUS_OK);
    answer(fixture.parked[0], "");
    cr_assert(TURN_UNTIL(&fixture, fixture.client, parked[0].end));
    say(fixture.client, "Park", "", 10000, &parked[5]);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, fixture.parked_count == 5));
}

Test(limits, all_connections_together_keep_at_most_so_many_calls)
{
    struct rpc_client *other = fixture_connect(&fixture);
    struct result mine[5] = {0};
    struct result theirs[4] = {0};

    for (size_t i = 0; i < 5; i++)
        say(fixture.client, "Park", "", 10000, &mine[i]);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, fixture.parked_count == 5));
    for (size_t i = 0; i < 4; i++)
        say(other, "Park", "", 10000, &theirs[i]);
    cr_assert(TURN_UNTIL(&fixture, other, theirs[3].end));
    cr_expect_str_eq(theirs[3].reason, "TOO_MANY_CALLS");
    cr_expect_eq(rpc_server_stats(fixture.server).open_calls, 8);
    (void)rpc_client_free(other);
}

Test(limits, a_connection_too_many_is_refused_by_name_until_another_goes)
{
    struct rpc_client *clients[4];
    struct result results[4] = {0};
    struct result first = {0};
    struct result again = {0};

    say(fixture.client, "Say", "", 10000, &first);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, first.end));
    for (size_t i = 0; i < 4; i++) {
        clients[i] = fixture_connect(&fixture);
        say(clients[i], "Say", "", 10000, &results[i]);
        cr_assert(TURN_UNTIL(&fixture, clients[i], results[i].end));
        cr_expect_eq(results[i].status, i < 3 ? STATUS_OK : STATUS_RESOURCE_EXHAUSTED);
    }
    cr_expect_str_eq(results[3].reason, "CONNECTION_LIMIT");
    cr_expect_eq(rpc_server_stats(fixture.server).connections, 5);
    clients[0] = rpc_client_free(clients[0]);
    cr_assert(TURN_UNTIL(&fixture, NULL, rpc_server_stats(fixture.server).connections == 4));
    say(clients[3], "Say", "", 10000, &again);
    cr_assert(TURN_UNTIL(&fixture, clients[3], again.end));
    cr_expect_eq(again.status, STATUS_OK);
    for (size_t i = 1; i < 4; i++)
        clients[i] = rpc_client_free(clients[i]);
}

/* How many of these the other side has closed; those are closed here and become -1. */
static size_t count_closed(int *fds, size_t count)
{
    uint8_t byte = 0;
    size_t closed = 0;

    for (size_t i = 0; i < count; i++) {
        ssize_t size = 1;
        while (fds[i] >= 0 && size > 0) /* the greeting, then the end */
            size = recv(fds[i], &byte, sizeof byte, MSG_DONTWAIT);
        if (fds[i] >= 0 && size == 0) {
            fd_close(fds[i]);
            fds[i] = -1;
        }
        closed += fds[i] < 0;
    }
    return closed;
}

Test(limits, connections_far_beyond_the_limit_are_closed_before_they_use_up_the_descriptors)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    static int fds[300];

    cr_assert(TURN_UNTIL(&fixture, fixture.client, rpc_client_connected(fixture.client)));
    (void)strncpy(address.sun_path, fixture.endpoint + 6, sizeof address.sun_path - 1);
    for (size_t i = 0; i < 300; i++) {
        fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        cr_assert_eq(connect(fds[i], (const struct sockaddr *)&address, sizeof address), 0);
        fixture_turn(&fixture, NULL);
    }
    /* Four are served, one of them the fixture's, 256 are refused by name. */
    cr_expect(TURN_UNTIL(&fixture, NULL, count_closed(fds, 300) >= 300 - 3 - 256));
    cr_expect(TURN_UNTIL(&fixture, NULL, rpc_server_stats(fixture.server).connections <= 4 + 256));
    for (size_t i = 0; i < 300; i++)
        fd_close(fds[i]);
}

Test(limits, a_frame_over_the_limit_costs_its_sender_the_connection_and_nobody_else)
{
    struct raw raw;
    struct result result = {0};
    uint64_t before = 0;

    raw_init(&raw, fixture.endpoint);
    raw_send(&raw, bytes, FRAME_MAX);
    cr_assert(TURN_UNTIL(&fixture, NULL, rpc_server_stats(fixture.server).malformed == 1));
    before = rpc_server_stats(fixture.server).malformed;
    raw_send(&raw, bytes, FRAME_MAX + 1);
    cr_assert(TURN_UNTIL(&fixture, NULL, rpc_server_stats(fixture.server).connections == 1));
    say(fixture.client, "Say", "", 10000, &result);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, result.end));
    cr_expect_eq(result.status, STATUS_OK);
    cr_expect_eq(rpc_server_stats(fixture.server).malformed, before);
    raw_done(&raw);
}

/* Asks for an echo of size bytes again and again, so many in a burst, and never reads one; turns until condition holds.
 */
#define FLOOD_UNTIL(raw, size, burst, most, condition)                                                                 \
    do {                                                                                                               \
        Ganger__Test__Words words_ = GANGER__TEST__WORDS__INIT;                                                        \
        struct buffer body_ = {0};                                                                                     \
        words_.data = (ProtobufCBinaryData){.data = bytes, .len = (size)};                                             \
        message_pack(&words_.base, &body_);                                                                            \
        for (uint64_t i_ = 1; i_ <= (most) && !(condition); i_++) {                                                    \
            /* The server turns in this thread: a send that waits for it would wait for ever. */                       \
            if (!TURN_UNTIL(&fixture, NULL, (condition) || raw_can_send(&(raw))) || (condition))                       \
                break;                                                                                                 \
            raw_request(&(raw), i_, "/ganger.test.Echo/Say", buffer_view(&body_));                                     \
            if (i_ % (burst) == 0)                                                                                     \
                fixture_turn(&fixture, NULL);                                                                          \
        }                                                                                                              \
        buffer_done(&body_);                                                                                           \
    } while (0)

Test(limits, a_peer_that_does_not_read_large_answers_gets_short_refusals_instead)
{
    struct raw raw;
    struct result result = {0};

    raw_init(&raw, fixture.endpoint);
    fixture.watch_loss = true;
    FLOOD_UNTIL(raw, (size_t)1024 * 1024, 1, 200, fixture.lost > 0);
    cr_expect_gt(fixture.lost, 0);
    cr_expect_geq(fixture.delivered, 64, "64 MiB are no reason to refuse anything");
    cr_expect_eq(rpc_server_stats(fixture.server).refusals, fixture.lost);
    say(fixture.client, "Say", "", 10000, &result);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, result.end));
    cr_expect_eq(result.status, STATUS_OK);
    raw_done(&raw);
}

Test(limits, a_peer_that_does_not_read_at_all_is_cut_off)
{
    struct raw raw;
    struct result result = {0};

    raw_init(&raw, fixture.endpoint);
    say(fixture.client, "Say", "", 10000, &result);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, result.end));
    fixture.watch_loss = true;
    FLOOD_UNTIL(raw, 4096, 64, 20000, fixture.lost > 0);
    cr_expect_gt(fixture.lost, 0);
    cr_assert(TURN_UNTIL(&fixture, NULL, rpc_server_stats(fixture.server).connections == 1));
    result = (struct result){0};
    say(fixture.client, "Say", "", 10000, &result);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, result.end));
    cr_expect_eq(result.status, STATUS_OK);
    raw_done(&raw);
}
