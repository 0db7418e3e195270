#include "common/base/cleanup.h"
#include "common/base/clock.h"
#include "common/rpc/envelope.h"
#include "tests/rpc/fixture.h"
#include "tests/rpc/raw.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SEED 20261123
#define FRAMES 2000

static struct fixture fixture;
static struct raw raw;

static void set_up(void)
{
    fixture_init(&fixture, NULL);
    raw_init(&raw, fixture.endpoint);
}

static void tear_down(void)
{
    raw_done(&raw);
    fixture_done(&fixture);
}

TestSuite(hostile, .init = set_up, .fini = tear_down);

/* The next envelope that the raw peer gets. */
static Ganger__V1__Envelope *next_envelope(void)
{
    Ganger__V1__Envelope *envelope = NULL;

    (void)TURN_UNTIL(&fixture, NULL, (envelope = envelope != NULL ? envelope : raw_receive(&raw)) != NULL);
    cr_assert_not_null(envelope);
    return envelope;
}

static void expect_refusal(uint64_t call_id, enum status status, const char *reason, const char *words)
{
    Ganger__V1__Envelope *envelope = next_envelope();

    cr_expect_eq(envelope->kind, GANGER__V1__KIND__END);
    cr_expect_eq(envelope->call_id, call_id);
    cr_expect_eq(envelope->status, (uint32_t)status);
    cr_expect_str_eq(envelope->reason, reason);
    cr_expect_not_null(strstr(envelope->message, words), "%s", envelope->message);
    ganger__v1__envelope__free_unpacked(envelope, NULL);
}

static void expect_honest_service(void)
{
    struct result result = {0};

    say(fixture.client, "Say", "honest", 10000, &result);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, result.end));
    cr_expect_eq(result.status, STATUS_OK);
    cr_expect_str_eq(result.text, "honest");
}

Test(hostile, a_method_that_does_not_exist_is_refused_with_what_there_is)
{
    raw_request(&raw, 1, "/ganger.test.Echo/Shout", (struct bytes){0});
    expect_refusal(1, STATUS_UNIMPLEMENTED, "NO_METHOD", "Say, Park, Count, Small");
    raw_request(&raw, 2, "/ganger.v1.Tasks/GetTask", (struct bytes){0});
    expect_refusal(2, STATUS_UNIMPLEMENTED, "NO_METHOD", "ganger.test.Echo");
    raw_request(&raw, 3, "", (struct bytes){0});
    expect_refusal(3, STATUS_UNIMPLEMENTED, "NO_METHOD", "ganger.test.Echo");
}

Test(hostile, a_body_that_cannot_be_read_is_refused_with_the_field)
{
    raw_request(&raw, 1, "/ganger.test.Echo/Say", bytes_of_text("\x0A\x02\xC3("));
    expect_refusal(1, STATUS_INVALID_ARGUMENT, "MALFORMED", "Words: text");
    cr_expect_eq(fixture.delivered, 0);
}

Test(hostile, a_call_id_that_is_in_use_is_refused_and_the_first_call_goes_on)
{
    raw_request(&raw, 9, "/ganger.test.Echo/Park", (struct bytes){0});
    cr_assert(TURN_UNTIL(&fixture, NULL, fixture.parked_count == 1));
    raw_request(&raw, 9, "/ganger.test.Echo/Say", (struct bytes){0});
    expect_refusal(9, STATUS_INVALID_ARGUMENT, "CALL_ID_IN_USE", "call_id");
    answer(fixture.parked[0], "");
    Ganger__V1__Envelope *envelope = next_envelope();
    cr_expect_eq(envelope->status, 0);
    ganger__v1__envelope__free_unpacked(envelope, NULL);
}

Test(hostile, the_same_call_id_of_another_connection_is_another_call)
{
    struct raw other;

    raw_init(&other, fixture.endpoint);
    raw_request(&raw, 9, "/ganger.test.Echo/Park", (struct bytes){0});
    raw_request(&other, 9, "/ganger.test.Echo/Park", (struct bytes){0});
    cr_assert(TURN_UNTIL(&fixture, NULL, fixture.parked_count == 2));
    raw_done(&other);
}

Test(hostile, kinds_that_no_client_sends_and_a_call_id_of_zero_are_malformed)
{
    Ganger__V1__Envelope envelope = GANGER__V1__ENVELOPE__INIT;

    envelope.kind = GANGER__V1__KIND__END;
    envelope.call_id = 4;
    raw_send_envelope(&raw, &envelope);
    expect_refusal(4, STATUS_INVALID_ARGUMENT, "MALFORMED", "REQUEST, CANCEL and CREDIT");
    raw_request(&raw, 0, "/ganger.test.Echo/Say", (struct bytes){0});
    cr_assert(TURN_UNTIL(&fixture, NULL, rpc_server_stats(fixture.server).malformed == 2));
    cr_expect_eq(fixture.delivered, 0);
}

Test(hostile, a_frame_that_is_broken_behind_its_call_id_is_answered)
{
    static const uint8_t frame[] = {0x08, 1, 0x10, 55, 0x1A, 2, 0xC3, '('};

    raw_send(&raw, frame, sizeof frame);
    expect_refusal(55, STATUS_INVALID_ARGUMENT, "MALFORMED", "Envelope: method");
}

Test(hostile, garbage_empty_frames_and_messages_of_many_frames_are_dropped)
{
    raw_send(&raw, "\xFF\xFF\xFF\xFF", 4);
    raw_send(&raw, "", 0);
    raw_send_parts(&raw, 2);
    raw_send_parts(&raw, 50);
    cr_assert(TURN_UNTIL(&fixture, NULL, rpc_server_stats(fixture.server).malformed == 4));
    expect_honest_service();
}

Test(hostile, cancels_and_credits_for_calls_that_do_not_exist_are_ignored)
{
    Ganger__V1__Envelope envelope = GANGER__V1__ENVELOPE__INIT;

    envelope.kind = GANGER__V1__KIND__CANCEL;
    envelope.call_id = 1234;
    raw_send_envelope(&raw, &envelope);
    envelope.kind = GANGER__V1__KIND__CREDIT;
    envelope.credit_bytes = UINT32_MAX;
    raw_send_envelope(&raw, &envelope);
    raw_request(&raw, 1, "/ganger.test.Echo/Say", (struct bytes){0});
    Ganger__V1__Envelope *answer_envelope = next_envelope();
    cr_expect_eq(answer_envelope->call_id, 1);
    ganger__v1__envelope__free_unpacked(answer_envelope, NULL);
}

Test(hostile, credit_does_not_add_up_beyond_a_bound)
{
    Ganger__V1__Envelope envelope = GANGER__V1__ENVELOPE__INIT;
    static uint8_t data[1024 * 1024];
    Ganger__Test__Words words = GANGER__TEST__WORDS__INIT;
    size_t sent = 0;

    raw_request(&raw, 1, "/ganger.test.Echo/Count", (struct bytes){0});
    cr_assert(TURN_UNTIL(&fixture, NULL, fixture.parked_count == 1));
    cr_expect_not(rpc_call_has_credit(fixture.parked[0]));
    envelope.kind = GANGER__V1__KIND__CREDIT;
    envelope.call_id = 1;
    envelope.credit_bytes = UINT32_MAX;
    for (int i = 0; i < 100; i++)
        raw_send_envelope(&raw, &envelope);
    raw_request(&raw, 2, "/ganger.test.Echo/Say", (struct bytes){0});
    cr_assert(TURN_UNTIL(&fixture, NULL, fixture.delivered == 2));
    words.data = (ProtobufCBinaryData){.data = data, .len = sizeof data};
    for (; rpc_call_has_credit(fixture.parked[0]) && sent < 100; sent++)
        rpc_call_send(fixture.parked[0], &words.base);
    cr_expect_eq(sent, 8);
}

Test(hostile, peers_that_never_finish_their_handshake_hold_nobody_up)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fds[20];

    (void)strncpy(address.sun_path, fixture.endpoint + 6, sizeof address.sun_path - 1);
    for (size_t i = 0; i < 20; i++) {
        fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        cr_assert_eq(connect(fds[i], (const struct sockaddr *)&address, sizeof address), 0);
        if (i % 2 == 1)
            cr_assert_eq(write(fds[i], "\xFF\0\0\0\0\0\0\0\x01\x7F", i % 10), (ssize_t)(i % 10));
    }
    expect_honest_service();
    /* The handshake interval closes them: no test of ours does. */
    cr_assert(TURN_UNTIL(&fixture, NULL, rpc_server_stats(fixture.server).connections <= 2));
    for (size_t i = 0; i < 20; i++)
        fd_close(fds[i]);
    expect_honest_service();
}

Test(hostile, a_peer_that_speaks_no_zmtp_is_closed)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char text[] = "GET / HTTP/1.1\r\nHost: ganger\r\n\r\n";

    (void)strncpy(address.sun_path, fixture.endpoint + 6, sizeof address.sun_path - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    cr_assert_gt(write(fd, text, sizeof text), 0);
    expect_honest_service();
    fd_close(fd);
}

/* libzmq 4.3.4 draws the first routing id of a ROUTER from rand() and does not seed it. */
Test(hostile, routing_ids_do_not_come_from_a_seed_that_everybody_knows)
{
    int known[1000];
    int number = 0;

    srand(1);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        known[i] = rand();
    srand(1);
    fixture_stop_server(&fixture);
    fixture_start_server(&fixture, NULL);
    number = rand();
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        cr_assert_neq(number, known[i]);
}

/* A good request of any method, or a good frame of another kind. */
static size_t make_frame(unsigned *seed, uint8_t *frame)
{
    static const char *const methods[] = {"/ganger.test.Echo/Say", "/ganger.test.Echo/Park", "/ganger.test.Echo/Count",
                                          "/ganger.test.Echo/Small", "/ganger.test.Echo/None"};
    Ganger__V1__Envelope envelope = GANGER__V1__ENVELOPE__INIT;
    Ganger__V1__Metadata metadata = GANGER__V1__METADATA__INIT;
    Ganger__V1__Metadata *list[] = {&metadata};
    uint8_t body[64];
    size_t body_size = (size_t)rand_r(seed) % sizeof body;

    for (size_t i = 0; i < body_size; i++)
        body[i] = (uint8_t)rand_r(seed);
    envelope.kind = (Ganger__V1__Kind)(rand_r(seed) % 6);
    envelope.call_id = (uint64_t)rand_r(seed) % 100;
    envelope.method = field_text(methods[rand_r(seed) % 5]);
    envelope.timeout_ms = (uint32_t)rand_r(seed) % 2 * 10;
    envelope.credit_bytes = (uint32_t)rand_r(seed);
    metadata.key = "traceparent";
    metadata.value = "00";
    envelope.metadata = list;
    envelope.n_metadata = 1;
    envelope.body = (ProtobufCBinaryData){.data = body, .len = body_size};
    return ganger__v1__envelope__pack(&envelope, frame);
}

static void mutate(unsigned *seed, uint8_t *frame, size_t *size)
{
    size_t changes = 1 + (size_t)rand_r(seed) % 4;

    for (size_t i = 0; i<changes && * size> 0; i++) {
        size_t at = (size_t)rand_r(seed) % *size;
        switch (rand_r(seed) % 4) {
        case 0:
            frame[at] = (uint8_t)rand_r(seed);
            break;
        case 1:
            frame[at] ^= (uint8_t)(1U << (rand_r(seed) % 8));
            break;
        case 2:
            *size = at;
            break;
        default:
            memmove(frame + at, frame, *size - at);
            break;
        }
    }
}

Test(hostile, random_and_mutated_frames_crash_nothing_and_harm_nobody)
{
    unsigned seed = SEED;
    uint8_t frame[512];
    size_t sent = 0;

    for (size_t i = 0; i < FRAMES; i++, sent++) {
        size_t size = make_frame(&seed, frame);
        if (i % 4 == 0) {
            for (size_t at = 0; at < size; at++)
                frame[at] = (uint8_t)rand_r(&seed);
        } else if (i % 4 != 1) {
            mutate(&seed, frame, &size);
        }
        raw_send(&raw, frame, size);
        if (i % 200 == 0)
            expect_honest_service();
        fixture_turn(&fixture, NULL);
        Ganger__V1__Envelope *envelope = raw_receive(&raw);
        if (envelope != NULL)
            ganger__v1__envelope__free_unpacked(envelope, NULL);
    }
    expect_honest_service();
    cr_expect_eq(sent, FRAMES, "seed %d", SEED);
    cr_expect_gt(rpc_server_stats(fixture.server).malformed, 0, "seed %d", SEED);
    cr_expect_gt(fixture.delivered, 0, "seed %d", SEED);
}
