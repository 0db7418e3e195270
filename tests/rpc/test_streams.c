#include "common/base/clock.h"
#include "common/rpc/envelope.h"
#include "tests/rpc/fixture.h"

#include <criterion/criterion.h>
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

TestSuite(streams, .init = set_up, .fini = tear_down);

static size_t send_words(struct rpc_call *call, uint64_t number, size_t data_size)
{
    static uint8_t data[BODY_MAX];
    Ganger__Test__Words words = GANGER__TEST__WORDS__INIT;

    words.number = number;
    words.data = (ProtobufCBinaryData){.data = data, .len = data_size};
    rpc_call_send(call, &words.base);
    return ganger__test__words__get_packed_size(&words);
}

Test(streams, messages_come_in_order_and_then_the_end)
{
    struct result result = {0};

    count(fixture.client, 4096, &result);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, fixture.parked_count == 1));
    cr_expect_eq(rpc_server_stats(fixture.server).open_streams, 1);
    for (uint64_t i = 1; i <= 3; i++)
        send_words(fixture.parked[0], i, 10);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, result.replies == 3));
    cr_expect_eq(result.number, 3);
    cr_expect_not(result.end);
    rpc_call_finish(fixture.parked[0]);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, result.end));
    cr_expect_eq(result.status, STATUS_OK);
    cr_expect_eq(result.replies, 4);
    cr_expect_eq(rpc_server_stats(fixture.server).open_streams, 0);
}

Test(streams, credit_is_renewed_as_messages_are_handled_so_a_stream_never_stands_still)
{
    struct result result = {0};
    size_t sent = 0;

    count(fixture.client, 1000, &result);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, fixture.parked_count == 1));
    for (uint64_t i = 1; i <= 200; i++) {
        cr_assert(TURN_UNTIL(&fixture, fixture.client, rpc_call_has_credit(fixture.parked[0])));
        sent += send_words(fixture.parked[0], i, 300);
    }
    rpc_call_finish(fixture.parked[0]);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, result.end));
    cr_expect_eq(result.replies, 201);
    cr_expect_eq(result.bytes, sent);
    cr_expect_gt(fixture.credited, 0);
}

Test(streams, a_reader_that_is_slow_gets_no_more_than_its_credit_and_one_message)
{
    struct result result = {0};
    size_t sent = 0;

    count(fixture.client, 10000, &result);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, fixture.parked_count == 1));
    while (rpc_call_has_credit(fixture.parked[0]) && sent < 100000)
        sent += send_words(fixture.parked[0], 1, 900);
    for (int i = 0; i < 20; i++)
        fixture_turn(&fixture, NULL);
    cr_expect_not(rpc_call_has_credit(fixture.parked[0]));
    cr_expect_lt(sent, 10000 + 1000);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, rpc_call_has_credit(fixture.parked[0])));
    cr_expect_eq(fixture.credited, 1);
}

Test(streams, a_message_may_overdraw_the_credit_once)
{
    struct result result = {0};

    count(fixture.client, 10, &result);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, fixture.parked_count == 1));
    size_t sent = send_words(fixture.parked[0], 1, 100000);
    cr_expect_not(rpc_call_has_credit(fixture.parked[0]));
    cr_assert(TURN_UNTIL(&fixture, fixture.client, result.replies == 1));
    cr_expect_eq(result.bytes, sent);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, rpc_call_has_credit(fixture.parked[0])));
}

Test(streams, the_largest_message_passes)
{
    struct result result = {0};

    count(fixture.client, 4096, &result);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, fixture.parked_count == 1));
    send_words(fixture.parked[0], 1, BODY_MAX - 8);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, result.replies == 1));
    cr_expect_eq(result.data_size, BODY_MAX - 8);
}

Test(streams, a_cancel_ends_the_stream_and_nothing_comes_after_it)
{
    struct result result = {0};

    struct rpc_client_call *call = count(fixture.client, 4096, &result);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, fixture.parked_count == 1));
    send_words(fixture.parked[0], 1, 10);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, result.replies == 1));
    send_words(fixture.parked[0], 2, 10);
    rpc_server_flush(fixture.server, 0);
    rpc_client_cancel(fixture.client, call);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, fixture.ended == 1));
    cr_expect_eq(result.replies, 1);
    cr_expect_eq(rpc_server_stats(fixture.server).open_streams, 0);
}

static struct rpc_client_call *own_call;

static void cancel_itself(const struct rpc_reply *reply, void *data)
{
    result_take(reply, data);
    rpc_client_cancel(fixture.client, own_call);
}

Test(streams, a_stream_may_be_canceled_by_its_own_handler)
{
    struct result result = {0};
    Ganger__Test__Words words = GANGER__TEST__WORDS__INIT;
    struct rpc_request request = {
        .service = &ganger__test__echo__descriptor, .method = "Count", .message = &words.base, .credit_bytes = 4096};

    own_call = rpc_client_call(fixture.client, &request, cancel_itself, &result);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, fixture.parked_count == 1));
    send_words(fixture.parked[0], 1, 10);
    send_words(fixture.parked[0], 2, 10);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, fixture.ended == 1));
    cr_expect_eq(result.replies, 1);
}

Test(streams, a_discard_ends_the_streams_whose_messages_it_withdraws)
{
    struct result touched = {0};
    struct result untouched = {0};
    struct error error;

    count(fixture.client, 4096, &touched);
    count(fixture.client, 4096, &untouched);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, fixture.parked_count == 2));
    send_words(fixture.parked[0], 1, 10);
    send_words(fixture.parked[0], 2, 10);
    (void)error_set(&error, STATUS_UNAVAILABLE, "STORE_FULL", "the store is full");
    rpc_server_discard(fixture.server, &error);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, touched.end));
    cr_expect_eq(touched.replies, 1);
    cr_expect_str_eq(touched.reason, "STORE_FULL");
    cr_expect_eq(fixture.ended, 1);
    send_words(fixture.parked[0], 3, 10);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, untouched.replies == 1));
}

Test(streams, a_stream_that_finished_in_a_discarded_batch_ends_once)
{
    struct result result = {0};
    struct error error;

    count(fixture.client, 4096, &result);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, fixture.parked_count == 1));
    send_words(fixture.parked[0], 1, 10);
    rpc_call_finish(fixture.parked[0]);
    (void)error_set(&error, STATUS_UNAVAILABLE, "STORE_FULL", "the store is full");
    rpc_server_discard(fixture.server, &error);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, result.end));
    cr_expect_eq(result.replies, 1);
    cr_expect_str_eq(result.reason, "STORE_FULL");
}

Test(streams, a_timeout_of_a_stream_holds_for_the_whole_of_it)
{
    struct result result = {0};
    Ganger__Test__Words words = GANGER__TEST__WORDS__INIT;
    struct rpc_request request = {.service = &ganger__test__echo__descriptor,
                                  .method = "Count",
                                  .message = &words.base,
                                  .credit_bytes = 4096,
                                  .timeout_ms = 60000};

    (void)rpc_client_call(fixture.client, &request, result_take, &result);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, fixture.parked_count == 1));
    rpc_server_expire(fixture.server, rpc_server_deadline(fixture.server));
    cr_assert(TURN_UNTIL(&fixture, fixture.client, result.end));
    cr_expect_eq(result.status, STATUS_DEADLINE_EXCEEDED);
}

Test(streams, credit_that_a_full_connection_did_not_take_is_granted_later)
{
    static struct result others[4000];
    struct result result = {0};
    char text[2048];

    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    count(fixture.client, 1000, &result);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, fixture.parked_count == 1));
    for (size_t i = 0; i < 4000; i++)
        say(fixture.client, "Say", text, 20000, &others[i]);
    /* The server reads nothing until the requests have filled the connection. */
    uint64_t end_ms = clock_boot_ms() + 10000;
    for (int idle = 0; idle < 5 && clock_boot_ms() < end_ms; idle++) {
        if (rpc_client_waiting(fixture.client))
            idle = 0;
        rpc_client_process(fixture.client, clock_boot_ms());
        rpc_client_wait(fixture.client, clock_boot_ms() + 10);
    }
    send_words(fixture.parked[0], 1, 2000);
    rpc_server_flush(fixture.server, 0);
    while (result.replies == 0 && clock_boot_ms() < end_ms)
        rpc_client_process(fixture.client, clock_boot_ms());
    cr_assert_eq(result.replies, 1);
    cr_expect_not(rpc_call_has_credit(fixture.parked[0]));
    cr_assert(TURN_UNTIL(&fixture, fixture.client, rpc_call_has_credit(fixture.parked[0])));
}

Test(streams, a_stream_is_canceled_again_when_it_goes_on)
{
    struct result result = {0};

    struct rpc_client_call *call = count(fixture.client, 1000, &result);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, fixture.parked_count == 1));
    send_words(fixture.parked[0], 1, 10);
    fixture.hold_replies = true;
    cr_assert(TURN_UNTIL(&fixture, fixture.client, true));
    rpc_client_cancel(fixture.client, call);
    rpc_server_flush(fixture.server, 0);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, fixture.ended == 1));
    cr_expect_eq(result.replies, 0);
}
