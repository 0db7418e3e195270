/* A peer that keeps to no rule: a DEALER on which a test sends any bytes, and the envelopes that come back. */
#pragma once

#include "common/base/bytes.h"

#include <ganger/v1/envelope.pb-c.h>

struct raw {
    void *context;
    void *socket;
};

/* Waits until frames can be sent. */
void raw_init(struct raw *raw, const char *endpoint);
void raw_done(struct raw *raw);
/* Whether a frame can be sent without waiting. */
bool raw_can_send(struct raw *raw);
void raw_send(struct raw *raw, const void *data, size_t size);
/* As one message of several frames. */
void raw_send_parts(struct raw *raw, size_t count);
void raw_send_envelope(struct raw *raw, const Ganger__V1__Envelope *envelope);
/* A request with this body. */
void raw_request(struct raw *raw, uint64_t call_id, const char *method, struct bytes body);
/* NULL when nothing has come. Freed with ganger__v1__envelope__free_unpacked. */
Ganger__V1__Envelope *raw_receive(struct raw *raw);
