/* A server that takes frames from three peers without a socket in between, beside all that a daemon does with calls:
 * keeps, answers, refuses and streams them, flushes and discards, lets time pass.
 *
 * An input is a row of steps: a byte that says what, and for a frame its length and bytes. */
#include "common/base/check.h"
#include "common/rpc/envelope.h"
#include "common/rpc/server_internal.h"
#include "tests/fuzz/fuzz.h"

#include <echo.pb-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PEERS 3
#define KEPT_MAX 64

enum step { STEP_FRAME, STEP_FLUSH, STEP_DISCARD, STEP_EXPIRE, STEP_ANSWER, STEP_REFUSE, STEP_SEND, STEP_LOSE, STEPS };

static struct rpc_call *kept[KEPT_MAX];
static size_t kept_count;

static void forget(struct rpc_call *call, void *data)
{
    (void)data;
    for (size_t i = 0; i < kept_count; i++) {
        if (kept[i] == call) {
            kept[i] = kept[--kept_count];
            return;
        }
    }
    CHECK(false);
}

static void lost(void *data)
{
    CHECK(data == kept);
}

static void say(Ganger__Test__Echo_Service *service, const Ganger__Test__Words *request,
                Ganger__Test__Words_Closure closure, void *closure_data)
{
    (void)service;
    (void)closure;
    rpc_call_if_lost(closure_data, lost, kept);
    rpc_call_reply(closure_data, &request->base);
}

static void park(Ganger__Test__Echo_Service *service, const Ganger__Test__Words *request,
                 Ganger__Test__Words_Closure closure, void *closure_data)
{
    (void)service;
    (void)closure;
    if (kept_count == KEPT_MAX) {
        rpc_call_reply(closure_data, &request->base);
        return;
    }
    kept[kept_count++] = closure_data;
    rpc_call_keep(closure_data, forget, NULL);
}

static void count(Ganger__Test__Echo_Service *service, const Ganger__Test__Words *request,
                  Ganger__Test__Words_Closure closure, void *closure_data)
{
    if (kept_count == KEPT_MAX)
        rpc_call_finish(closure_data);
    else
        park(service, request, closure, closure_data);
}

static Ganger__Test__Echo_Service echo = {
    .base = {.descriptor = &ganger__test__echo__descriptor, .invoke = protobuf_c_service_invoke_internal},
    .say = say,
    .park = park,
    .count = count,
    .small = say};
static const struct rpc_method methods[] = {{.name = "Say", .request_max = BODY_MAX},
                                            {.name = "Park", .request_max = 4096},
                                            {.name = "Count", .streams = true, .request_max = 4096},
                                            {.name = "Small", .request_max = 16}};

static struct rpc_server *server_make(void)
{
    char directory[] = "/tmp/ganger-fuzz-XXXXXX";
    char endpoint[64];
    const char *endpoints[] = {endpoint, NULL};
    struct rpc_service service = {.service = &echo.base, .methods = methods};
    struct rpc_server_options options = {
        .endpoints = endpoints, .services = &service, .service_count = 1, .calls_max = 20, .calls_per_peer_max = 10};
    struct rpc_server *server = NULL;
    struct error error = {0};

    CHECK(mkdtemp(directory) != NULL);
    (void)snprintf(endpoint, sizeof endpoint, "ipc://%s/fuzz.sock", directory);
    CHECK(rpc_server_new(&options, &server, &error) == STATUS_OK);
    /* Nothing connects: the files need not outlive this line. */
    CHECK(unlink(endpoint + strlen("ipc://")) == 0 && rmdir(directory) == 0);
    return server;
}

static void take_frame(struct rpc_server *server, unsigned number, struct bytes frame, uint64_t now_ms)
{
    zmq_msg_t id;
    zmq_msg_t body;

    CHECK(zmq_msg_init_size(&id, 5) == 0 && zmq_msg_init(&body) == 0);
    memset(zmq_msg_data(&id), (int)number, 5);
    struct rpc_peer *peer = peer_of_frame(server, &id, &body);
    peer_hold(peer);
    server_handle_frame(server, peer, frame, now_ms);
    peer_release(server, peer);
    (void)zmq_msg_close(&id);
    (void)zmq_msg_close(&body);
}

static void own_call(enum step step, uint8_t which)
{
    Ganger__Test__Words words = GANGER__TEST__WORDS__INIT;
    struct error error;

    if (kept_count == 0)
        return;
    struct rpc_call *call = kept[which % kept_count];
    if (step == STEP_SEND) {
        if (call->method->row->streams && rpc_call_has_credit(call))
            rpc_call_send(call, &words.base);
        return;
    }
    forget(call, NULL);
    (void)error_set(&error, STATUS_ABORTED, "STALE_FENCE", "no");
    if (step == STEP_REFUSE)
        rpc_call_refuse(call, &error);
    else if (call->method->row->streams)
        rpc_call_finish(call);
    else
        rpc_call_reply(call, &words.base);
}

static void take_step(struct rpc_server *server, enum step step, struct reader *reader, uint64_t *now_ms)
{
    struct error error;
    uint8_t which = reader_u8(reader);

    switch (step) {
    case STEP_FRAME:
        take_frame(server, which % PEERS, reader_take(reader, reader_u8(reader)), *now_ms);
        break;
    case STEP_FLUSH:
    case STEP_LOSE: /* nobody is connected: a flush loses every peer that it wants to send to */
        rpc_server_flush(server, which);
        break;
    case STEP_DISCARD:
        (void)error_set(&error, STATUS_RESOURCE_EXHAUSTED, "STORE_FULL", "no");
        rpc_server_discard(server, &error);
        break;
    case STEP_EXPIRE:
        *now_ms += which;
        rpc_server_expire(server, *now_ms);
        break;
    case STEP_ANSWER:
    case STEP_REFUSE:
    case STEP_SEND:
        own_call(step, which);
        break;
    case STEPS:
    default:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct rpc_server *server;
    static uint64_t now_ms = 1;
    struct reader reader = reader_over((struct bytes){.data = data, .size = size});

    if (server == NULL)
        server = server_make();
    while (!reader.failed && reader.rest.size > 0)
        take_step(server, (enum step)(reader_u8(&reader) % STEPS), &reader, &now_ms);
    /* Each input begins with an empty server. */
    while (kept_count > 0)
        own_call(STEP_REFUSE, 0);
    rpc_server_flush(server, 0);
    CHECK(rpc_server_stats(server).open_calls == 0 && rpc_server_stats(server).open_streams == 0);
    CHECK(rpc_server_deadline(server) == UINT64_MAX);
    return 0;
}

static void good_frame(unsigned *seed, struct buffer *input)
{
    static const char *const paths[] = {"/ganger.test.Echo/Say", "/ganger.test.Echo/Park", "/ganger.test.Echo/Count",
                                        "/ganger.test.Echo/Small", "/ganger.test.Echo/None"};
    Ganger__V1__Envelope envelope = GANGER__V1__ENVELOPE__INIT;
    struct buffer body = {0};
    uint8_t packed[256];

    random_message(seed, &ganger__test__words__descriptor, &body);
    envelope.kind = (Ganger__V1__Kind)(1 + rand_r(seed) % 3);
    envelope.call_id = 1 + (uint64_t)rand_r(seed) % 8;
    envelope.method = field_text(paths[(size_t)rand_r(seed) % (sizeof paths / sizeof paths[0])]);
    envelope.timeout_ms = (uint32_t)(rand_r(seed) % 200);
    envelope.credit_bytes = (uint32_t)(rand_r(seed) % 50);
    envelope.body = (ProtobufCBinaryData){.data = body.data, .len = body.size};
    size_t size = ganger__v1__envelope__get_packed_size(&envelope);
    if (size < sizeof packed) {
        (void)ganger__v1__envelope__pack(&envelope, packed);
        buffer_add_u8(input, (uint8_t)size);
        buffer_add(input, packed, size);
    }
    buffer_done(&body);
}

void fuzz_good_input(unsigned *seed, struct buffer *input)
{
    int steps = rand_r(seed) % 40;

    for (int i = 0; i < steps; i++) {
        uint8_t step = (uint8_t)(rand_r(seed) % 3 > 0 ? STEP_FRAME : rand_r(seed) % STEPS);
        buffer_add_u8(input, step);
        buffer_add_u8(input, (uint8_t)rand_r(seed));
        if (step == STEP_FRAME)
            good_frame(seed, input);
    }
}
