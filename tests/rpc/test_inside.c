/* What no peer can be made to do at a certain moment: the server from inside. */
#include "common/base/clock.h"
#include "common/rpc/envelope.h"
#include "common/rpc/server_internal.h"
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

TestSuite(inside, .init = set_up, .fini = tear_down);

/* A frame from a peer that is gone already, which the server does not know yet. */
static void take_frame_of_nobody(const char *method, uint64_t call_id)
{
    Ganger__V1__Envelope envelope = GANGER__V1__ENVELOPE__INIT;
    struct buffer packed = {0};
    zmq_msg_t id;
    zmq_msg_t frame;

    envelope.kind = GANGER__V1__KIND__REQUEST;
    envelope.call_id = call_id;
    envelope.method = field_text(method);
    message_pack(&envelope.base, &packed);
    cr_assert_eq(zmq_msg_init_size(&id, 5), 0);
    memset(zmq_msg_data(&id), 1, 5);
    cr_assert_eq(zmq_msg_init(&frame), 0);
    struct rpc_peer *peer = peer_of_frame(fixture.server, &id, &frame);
    peer_hold(peer);
    server_handle_frame(fixture.server, peer, buffer_view(&packed), clock_boot_ms());
    peer_release(fixture.server, peer);
    (void)zmq_msg_close(&id);
    (void)zmq_msg_close(&frame);
    buffer_done(&packed);
}

Test(inside, a_send_to_nobody_is_noticed_and_ends_all_calls_of_that_peer)
{
    fixture.watch_loss = true;
    take_frame_of_nobody("/ganger.test.Echo/Park", 1);
    take_frame_of_nobody("/ganger.test.Echo/Say", 2);
    take_frame_of_nobody("/ganger.test.Echo/Say", 3);
    cr_expect_eq(fixture.parked_count, 1);
    rpc_server_flush(fixture.server, 0);
    cr_expect_eq(fixture.lost, 2);
    cr_expect_eq(fixture.ended, 1);
    cr_expect_eq(rpc_server_stats(fixture.server).open_calls, 0);
}

Test(inside, answers_made_while_a_flush_loses_others_wait_for_the_next_flush)
{
    struct result result = {0};

    fixture.answer_when_lost = true;
    say(fixture.client, "Park", "", 20000, &result);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, fixture.parked_count == 1));
    fixture.watch_loss = true;
    fixture.hold_replies = true;
    take_frame_of_nobody("/ganger.test.Echo/Say", 1);
    rpc_server_flush(fixture.server, 1);
    cr_expect_eq(fixture.lost, 1);
    cr_expect_eq(fixture.parked_count, 0, "it was answered instead");
    for (int i = 0; i < 20; i++)
        fixture_turn(&fixture, fixture.client);
    cr_expect_not(result.end);
    rpc_server_flush(fixture.server, 2);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, result.end));
    cr_expect_eq(result.revision, 2);
}

Test(inside, a_client_waits_on_when_its_call_was_sent_twice_over_one_connection)
{
    struct result result = {0};
    struct error error;

    say(fixture.client, "Park", "", 20000, &result);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, fixture.parked_count == 1));
    struct rpc_call *call = fixture.parked[0];
    (void)error_set(&error, STATUS_INVALID_ARGUMENT, "CALL_ID_IN_USE", "as to the second of two");
    outbox_refuse(fixture.server, call->peer, call->key.call_id, &error);
    answer(call, "the first");
    cr_assert(TURN_UNTIL(&fixture, fixture.client, result.end));
    cr_expect_eq(result.status, STATUS_OK);
    cr_expect_str_eq(result.text, "the first");
}

Test(inside, a_peer_without_a_known_connection_is_kept_only_while_a_call_needs_it)
{
    struct result result = {0};

    say(fixture.client, "Park", "", 20000, &result);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, fixture.parked_count == 1));
    take_frame_of_nobody("/ganger.test.Echo/Park", 1);
    cr_expect_eq(fixture.parked_count, 2);
    rpc_call_refuse(fixture.parked[1], &(struct error){.status = STATUS_ABORTED, .reason = "REPLACED"});
    rpc_server_flush(fixture.server, 0);
    cr_expect_eq(HASH_COUNT(fixture.server->peers), 1);
    cr_expect_eq(fixture.ended, 0);
    answer(fixture.parked[0], "");
    cr_assert(TURN_UNTIL(&fixture, fixture.client, result.end));
    cr_expect_eq(result.status, STATUS_OK);
    fixture.parked_count = 0;
}
