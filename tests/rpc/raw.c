#include "tests/rpc/raw.h"

#include "common/base/check.h"
#include "common/rpc/envelope.h"

#include <zmq.h>

void raw_init(struct raw *raw, const char *endpoint)
{
    int none = 0;
    int one = 1;
    int timeout_ms = 5000;

    raw->context = zmq_ctx_new();
    raw->socket = zmq_socket(raw->context, ZMQ_DEALER);
    CHECK(zmq_setsockopt(raw->socket, ZMQ_LINGER, &none, sizeof none) == 0);
    CHECK(zmq_setsockopt(raw->socket, ZMQ_IMMEDIATE, &one, sizeof one) == 0);
    CHECK(zmq_setsockopt(raw->socket, ZMQ_SNDTIMEO, &timeout_ms, sizeof timeout_ms) == 0);
    /* What the test does not read stays with the server. */
    CHECK(zmq_setsockopt(raw->socket, ZMQ_RCVHWM, &one, sizeof one) == 0);
    CHECK(zmq_connect(raw->socket, endpoint) == 0);
}

void raw_done(struct raw *raw)
{
    (void)zmq_close(raw->socket);
    (void)zmq_ctx_term(raw->context);
}

bool raw_can_send(struct raw *raw)
{
    int events = 0;
    size_t size = sizeof events;

    CHECK(zmq_getsockopt(raw->socket, ZMQ_EVENTS, &events, &size) == 0);
    return (events & ZMQ_POLLOUT) != 0;
}

void raw_send(struct raw *raw, const void *data, size_t size)
{
    CHECK(zmq_send(raw->socket, data, size, 0) == (int)size);
}

void raw_send_parts(struct raw *raw, size_t count)
{
    for (size_t i = 0; i < count; i++)
        CHECK(zmq_send(raw->socket, "part", 4, i + 1 < count ? ZMQ_SNDMORE : 0) == 4);
}

void raw_send_envelope(struct raw *raw, const Ganger__V1__Envelope *envelope)
{
    size_t size = ganger__v1__envelope__get_packed_size(envelope);
    uint8_t *packed = allocate(size > 0 ? size : 1);

    (void)ganger__v1__envelope__pack(envelope, packed);
    raw_send(raw, packed, size);
    free(packed);
}

void raw_request(struct raw *raw, uint64_t call_id, const char *method, struct bytes body)
{
    Ganger__V1__Envelope envelope = GANGER__V1__ENVELOPE__INIT;

    envelope.kind = GANGER__V1__KIND__REQUEST;
    envelope.call_id = call_id;
    envelope.method = field_text(method);
    envelope.body = field_bytes(body);
    raw_send_envelope(raw, &envelope);
}

Ganger__V1__Envelope *raw_receive(struct raw *raw)
{
    zmq_msg_t frame;
    Ganger__V1__Envelope *envelope = NULL;

    (void)zmq_msg_init(&frame);
    if (zmq_msg_recv(&frame, raw->socket, ZMQ_DONTWAIT) >= 0) {
        envelope = ganger__v1__envelope__unpack(NULL, zmq_msg_size(&frame), zmq_msg_data(&frame));
        CHECK(envelope != NULL);
    }
    (void)zmq_msg_close(&frame);
    return envelope;
}
