#include "common/base/clock.h"
#include "tests/rpc/fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct fixture fixture;

static void set_up(void)
{
    fixture_init(&fixture, NULL);
}

static void tear_down(void)
{
    fixture_done(&fixture);
}

TestSuite(reconnect, .init = set_up, .fini = tear_down);

Test(reconnect, open_calls_are_sent_again_in_order_when_the_server_is_back)
{
    struct result results[20] = {0};
    char text[8];

    for (size_t i = 0; i < 20; i++) {
        (void)snprintf(text, sizeof text, "%zu", i);
        say(fixture.client, "Park", text, 20000, &results[i]);
    }
    cr_assert(TURN_UNTIL(&fixture, fixture.client, fixture.parked_count == 20));
    fixture_stop_server(&fixture);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, !rpc_client_connected(fixture.client)));
    cr_expect_eq(fixture.ended, 20);
    fixture_start_server(&fixture, NULL);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, fixture.parked_count == 20));
    for (size_t i = 0; i < 20; i++) {
        (void)snprintf(text, sizeof text, "%zu", i);
        answer(fixture.parked[0], text);
    }
    for (size_t i = 0; i < 20; i++) {
        (void)snprintf(text, sizeof text, "%zu", i);
        cr_assert(TURN_UNTIL(&fixture, fixture.client, results[i].end));
        cr_expect_str_eq(results[i].text, text);
        cr_expect_eq(results[i].replies, 1);
    }
}

Test(reconnect, what_was_answered_is_not_sent_again)
{
    struct result answered = {0};
    struct result kept = {0};

    say(fixture.client, "Say", "", 20000, &answered);
    say(fixture.client, "Park", "", 20000, &kept);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, answered.end && fixture.parked_count == 1));
    fixture_stop_server(&fixture);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, !rpc_client_connected(fixture.client)));
    fixture_start_server(&fixture, NULL);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, fixture.parked_count == 1));
    cr_expect_eq(fixture.delivered, 3);
}

Test(reconnect, a_stream_ends_with_connection_lost)
{
    struct result result = {0};

    count(fixture.client, 4096, &result);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, fixture.parked_count == 1));
    fixture_stop_server(&fixture);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, result.end));
    cr_expect_eq(result.status, STATUS_UNAVAILABLE);
    cr_expect_str_eq(result.reason, "CONNECTION_LOST");
}

static struct result second;

static void open_again(const struct rpc_reply *reply, void *data)
{
    result_take(reply, data);
    if (reply->end)
        count(fixture.client, 4096, &second);
}

Test(reconnect, a_stream_that_its_owner_opens_again_in_the_handler_goes_on)
{
    struct result result = {0};
    Ganger__Test__Words words = GANGER__TEST__WORDS__INIT;
    struct rpc_request request = {
        .service = &ganger__test__echo__descriptor, .method = "Count", .message = &words.base, .credit_bytes = 4096};

    second = (struct result){0};
    (void)rpc_client_call(fixture.client, &request, open_again, &result);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, fixture.parked_count == 1));
    fixture_stop_server(&fixture);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, result.end));
    fixture_start_server(&fixture, NULL);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, fixture.parked_count == 1));
    rpc_call_finish(fixture.parked[0]);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, second.end));
    cr_expect_eq(second.status, STATUS_OK);
}

Test(reconnect, calls_made_while_there_is_no_server_wait_for_it)
{
    struct result unary = {0};
    struct result stream = {0};

    cr_assert(TURN_UNTIL(&fixture, fixture.client, rpc_client_connected(fixture.client)));
    fixture_stop_server(&fixture);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, !rpc_client_connected(fixture.client)));
    say(fixture.client, "Say", "patient", 20000, &unary);
    count(fixture.client, 4096, &stream);
    for (int i = 0; i < 10; i++)
        fixture_turn(&fixture, fixture.client);
    cr_expect_not(rpc_client_connected(fixture.client));
    fixture_start_server(&fixture, NULL);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, unary.end && fixture.parked_count == 1));
    cr_expect_str_eq(unary.text, "patient");
    cr_expect_eq(stream.replies, 0);
}

Test(reconnect, without_a_server_the_deadline_names_the_endpoint_and_the_cause)
{
    struct result result = {0};

    fixture_stop_server(&fixture);
    struct rpc_client *client = fixture_connect(&fixture);
    say(client, "Say", "", 20000, &result);
    fixture_turn(&fixture, client);
    cr_expect_not(result.end);
    rpc_client_process(client, rpc_client_deadline(client));
    cr_expect_eq(result.status, STATUS_UNAVAILABLE);
    cr_expect_str_eq(result.reason, "NO_DAEMON");
    cr_expect_not_null(strstr(result.message, fixture.endpoint));
    cr_expect_not_null(strstr(result.message, "the socket does not exist"));
    (void)rpc_client_free(client);
}

Test(reconnect, a_call_that_was_sent_and_then_lost_its_server_says_that_its_outcome_is_not_known)
{
    struct result result = {0};

    say(fixture.client, "Park", "", 20000, &result);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, fixture.parked_count == 1));
    fixture_stop_server(&fixture);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, !rpc_client_connected(fixture.client)));
    rpc_client_process(fixture.client, rpc_client_deadline(fixture.client));
    cr_expect_eq(result.status, STATUS_DEADLINE_EXCEEDED);
}
