#include "common/base/clock.h"
#include "common/rpc/envelope.h"
#include "tests/rpc/fixture.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

static struct fixture fixture;

static void set_up(void)
{
    fixture_init(&fixture, NULL);
}

static void tear_down(void)
{
    fixture_done(&fixture);
}

TestSuite(calls, .init = set_up, .fini = tear_down);

Test(calls, a_unary_call_gets_its_answer)
{
    struct result result = {0};

    fixture.revision = 42;
    say(fixture.client, "Say", "hello", 5000, &result);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, result.end));
    cr_expect_eq(result.status, STATUS_OK);
    cr_expect_str_eq(result.text, "hello");
    cr_expect_eq(result.revision, 42);
    cr_expect_eq(result.replies, 1);
}

Test(calls, a_refusal_carries_status_reason_message_and_detail)
{
    struct result result = {0};

    say(fixture.client, "Say", "refuse", 5000, &result);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, result.end));
    cr_expect_eq(result.status, STATUS_ABORTED);
    cr_expect_str_eq(result.reason, "STALE_FENCE");
    cr_expect_str_eq(result.message, "the fence is stale");
    cr_expect_eq(result.detail_size, strlen("detail"));
}

Test(calls, a_kept_call_is_answered_later)
{
    struct result result = {0};

    say(fixture.client, "Park", "later", 5000, &result);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, fixture.parked_count == 1));
    cr_expect_eq(rpc_server_stats(fixture.server).open_calls, 1);
    cr_expect_not(result.end);
    answer(fixture.parked[0], "now");
    cr_assert(TURN_UNTIL(&fixture, fixture.client, result.end));
    cr_expect_str_eq(result.text, "now");
    cr_expect_eq(rpc_server_stats(fixture.server).open_calls, 0);
    cr_expect_eq(fixture.ended, 0);
}

Test(calls, many_calls_are_open_at_once_and_each_gets_its_own_answer)
{
    static struct result results[3000];
    char text[16];
    size_t ended = 0;

    for (size_t i = 0; i < 3000; i++) {
        (void)snprintf(text, sizeof text, "%zu", i);
        say(fixture.client, "Say", text, 10000, &results[i]);
    }
    for (size_t i = 0; i < 3000; i++) {
        cr_assert(TURN_UNTIL(&fixture, fixture.client, results[i].end));
        (void)snprintf(text, sizeof text, "%zu", i);
        ended += strcmp(results[i].text, text) == 0;
    }
    cr_expect_eq(ended, 3000);
}

Test(calls, a_reply_is_held_back_until_the_flush)
{
    struct result result = {0};

    fixture.hold_replies = true;
    say(fixture.client, "Say", "hello", 10000, &result);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, fixture.delivered == 1));
    for (int i = 0; i < 20; i++)
        fixture_turn(&fixture, fixture.client);
    cr_expect_not(result.end);
    rpc_server_flush(fixture.server, 7);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, result.end));
    cr_expect_eq(result.revision, 7);
}

/* Parked calls of two clients in turns, answered in one flush. */
Test(calls, answers_of_one_flush_come_to_each_client_in_their_order)
{
    struct rpc_client *clients[2] = {fixture.client, fixture_connect(&fixture)};
    struct result results[8] = {0};
    char text[2] = "0";

    for (size_t i = 0; i < 8; i++) {
        say(clients[i % 2], "Park", "", 10000, &results[i]);
        cr_assert(TURN_UNTIL(&fixture, clients[i % 2], fixture.parked_count == i + 1));
    }
    fixture.hold_replies = true;
    for (size_t i = 0; i < 8; i++) {
        text[0] = (char)('0' + i);
        answer(fixture.parked[0], text);
    }
    fixture.hold_replies = false;
    for (size_t i = 0; i < 8; i++) {
        cr_assert(TURN_UNTIL(&fixture, clients[i % 2], results[i].end));
        text[0] = (char)('0' + i);
        cr_expect_str_eq(results[i].text, text);
        cr_expect(i < 2 || results[i].place > results[i - 2].place);
    }
    rpc_client_free(clients[1]);
}

Test(calls, a_discard_replaces_what_the_batch_wanted_to_answer_and_leaves_kept_calls_open)
{
    struct result good = {0};
    struct result kept = {0};
    struct error error;

    fixture.hold_replies = true;
    say(fixture.client, "Say", "hello", 10000, &good);
    say(fixture.client, "Park", "later", 10000, &kept);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, fixture.delivered == 2));
    (void)error_set(&error, STATUS_RESOURCE_EXHAUSTED, "STORE_FULL", "the store is full");
    rpc_server_discard(fixture.server, &error);
    fixture.hold_replies = false;
    cr_assert(TURN_UNTIL(&fixture, fixture.client, good.end));
    cr_expect_str_eq(good.reason, "STORE_FULL");
    cr_expect_str_empty(good.text);
    cr_expect_eq(fixture.ended, 0);
    answer(fixture.parked[0], "now");
    cr_assert(TURN_UNTIL(&fixture, fixture.client, kept.end));
    cr_expect_eq(kept.status, STATUS_OK);
}

Test(calls, a_discard_leaves_refusals_that_do_not_speak_of_the_batch)
{
    struct result result = {0};
    struct error error;

    fixture.hold_replies = true;
    say(fixture.client, "Small", "this text is longer than the sixty-four bytes that the method takes at most", 10000,
        &result);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, rpc_server_stats(fixture.server).refusals == 1));
    (void)error_set(&error, STATUS_RESOURCE_EXHAUSTED, "STORE_FULL", "the store is full");
    rpc_server_discard(fixture.server, &error);
    fixture.hold_replies = false;
    cr_assert(TURN_UNTIL(&fixture, fixture.client, result.end));
    cr_expect_str_eq(result.reason, "REQUEST_TOO_LARGE");
}

Test(calls, the_deadline_of_a_kept_call_ends_it_at_the_server)
{
    struct result result = {0};

    say(fixture.client, "Park", "", 5000, &result);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, fixture.parked_count == 1));
    uint64_t deadline_ms = rpc_server_deadline(fixture.server);
    cr_expect_leq(deadline_ms, clock_boot_ms() + 5000);
    rpc_server_expire(fixture.server, deadline_ms - 1);
    cr_expect_eq(fixture.ended, 0);
    rpc_server_expire(fixture.server, deadline_ms);
    cr_expect_eq(fixture.ended, 1);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, result.end));
    cr_expect_eq(result.status, STATUS_DEADLINE_EXCEEDED);
    cr_expect_eq(rpc_server_deadline(fixture.server), UINT64_MAX);
}

Test(calls, the_deadline_of_a_call_ends_it_at_the_client_when_the_server_says_nothing)
{
    struct result result = {0};

    say(fixture.client, "Park", "", 5000, &result);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, fixture.parked_count == 1));
    rpc_client_process(fixture.client, rpc_client_deadline(fixture.client));
    cr_expect(result.end);
    cr_expect_eq(result.status, STATUS_DEADLINE_EXCEEDED);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, fixture.ended == 1), "the server is told");
}

Test(calls, a_canceled_call_ends_at_the_server_without_an_answer)
{
    struct result result = {0};
    struct result next = {0};

    struct rpc_client_call *call = say(fixture.client, "Park", "", 10000, &result);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, fixture.parked_count == 1));
    rpc_client_cancel(fixture.client, call);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, fixture.ended == 1));
    say(fixture.client, "Say", "next", 10000, &next);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, next.end));
    cr_expect_eq(result.replies, 0);
    cr_expect_eq(rpc_server_stats(fixture.server).open_calls, 0);
}

Test(calls, a_call_canceled_before_it_was_sent_never_leaves)
{
    struct result result = {0};
    struct result next = {0};

    rpc_client_cancel(fixture.client, say(fixture.client, "Say", "", 10000, &result));
    say(fixture.client, "Say", "next", 10000, &next);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, next.end));
    cr_expect_eq(fixture.delivered, 1);
    cr_expect_eq(result.replies, 0);
}

Test(calls, a_client_that_vanishes_ends_its_kept_calls)
{
    struct result result = {0};
    struct rpc_client *other = fixture_connect(&fixture);

    say(other, "Park", "", 60000, &result); /* its deadline does not end it while the test waits */
    cr_assert(TURN_UNTIL(&fixture, other, fixture.parked_count == 1));
    (void)rpc_client_free(other);
    cr_assert(TURN_UNTIL(&fixture, NULL, fixture.ended == 1));
    cr_expect_eq(rpc_server_stats(fixture.server).open_calls, 0);
    cr_expect_eq(fixture.parked_count, 0);
}

Test(calls, an_answer_to_a_client_that_vanished_is_known_to_be_lost)
{
    struct result result = {0};
    struct rpc_client *other = fixture_connect(&fixture);

    fixture.hold_replies = true;
    fixture.watch_loss = true;
    say(other, "Say", "", 10000, &result);
    cr_assert(TURN_UNTIL(&fixture, other, fixture.delivered == 1));
    (void)rpc_client_free(other);
    cr_assert(TURN_UNTIL(&fixture, NULL, rpc_server_stats(fixture.server).connections <= 1));
    rpc_server_flush(fixture.server, 1);
    cr_expect_eq(fixture.lost, 1);
}

Test(calls, an_answer_that_arrives_is_not_called_lost)
{
    struct result result = {0};

    fixture.watch_loss = true;
    say(fixture.client, "Say", "", 10000, &result);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, result.end));
    cr_expect_eq(fixture.lost, 0);
}

static void say_again(const struct rpc_reply *reply, void *data)
{
    struct result *results = data;

    result_take(reply, &results[0]);
    rpc_client_cancel(fixture.client, say(fixture.client, "Say", "canceled", 10000, &results[2]));
    say(fixture.client, "Say", "second", 10000, &results[1]);
}

Test(calls, a_reply_may_make_and_cancel_calls)
{
    struct result results[3] = {0};
    Ganger__Test__Words words = GANGER__TEST__WORDS__INIT;
    struct rpc_request request = {
        .service = &ganger__test__echo__descriptor, .method = "Say", .message = &words.base, .timeout_ms = 10000};

    (void)rpc_client_call(fixture.client, &request, say_again, results);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, results[1].end));
    cr_expect_eq(results[0].replies, 1);
    cr_expect_str_eq(results[1].text, "second");
    cr_expect_eq(results[2].replies, 0);
}

Test(calls, a_server_that_is_freed_ends_its_kept_calls)
{
    struct result result = {0};

    say(fixture.client, "Park", "", 10000, &result);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, fixture.parked_count == 1));
    fixture_stop_server(&fixture);
    cr_expect_eq(fixture.ended, 1);
}

Test(calls, the_wait_of_a_client_ends_when_something_has_come)
{
    struct result result = {0};

    say(fixture.client, "Park", "", 10000, &result);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, fixture.parked_count == 1));
    answer(fixture.parked[0], "now");
    rpc_server_flush(fixture.server, 0);
    uint64_t begin_ms = clock_boot_ms();
    while (!result.end) {
        rpc_client_wait(fixture.client, begin_ms + 5000);
        cr_assert_lt(clock_boot_ms(), begin_ms + 5000);
        rpc_client_process(fixture.client, clock_boot_ms());
    }
}

Test(calls, of_a_local_connection_tell_the_user_and_process_that_the_kernel_knows)
{
    struct result result = {0};

    say(fixture.client, "Park", "who am I", 5000, &result);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, fixture.parked_count == 1));
    const struct rpc_caller *caller = rpc_call_caller(fixture.parked[0]);
    cr_expect(caller->is_local, "%s", caller->address);
    cr_expect_eq(caller->uid, getuid());
    cr_expect_eq(caller->pid, (uint32_t)getpid());
}
