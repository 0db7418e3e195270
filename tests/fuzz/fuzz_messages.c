/* Every request and response of the protocol: what passes the scan unpacks, and packs into something that passes. */
#include "common/base/arena.h"
#include "common/base/check.h"
#include "common/rpc/envelope.h"
#include "tests/fuzz/fuzz.h"

#include <ganger/v1/admin.pb-c.h>
#include <ganger/v1/agents.pb-c.h>
#include <ganger/v1/context.pb-c.h>
#include <ganger/v1/envelope.pb-c.h>
#include <ganger/v1/locks.pb-c.h>
#include <ganger/v1/messages.pb-c.h>
#include <ganger/v1/tasks.pb-c.h>
#include <stdlib.h>
#include <string.h>

/* The type that the first byte of an input names. */
static const ProtobufCMessageDescriptor *type_of(uint8_t number)
{
    static const ProtobufCServiceDescriptor *const services[] = {
        &ganger__v1__tasks__descriptor,   &ganger__v1__agents__descriptor,  &ganger__v1__admin__descriptor,
        &ganger__v1__context__descriptor, &ganger__v1__streams__descriptor, &ganger__v1__locks__descriptor,
        &ganger__v1__messages__descriptor};

    for (size_t i = 0; i < sizeof services / sizeof services[0]; i++) {
        if (number < 2 * services[i]->n_methods) {
            const ProtobufCMethodDescriptor *method = &services[i]->methods[number / 2];
            return number % 2 == 0 ? method->input : method->output;
        }
        number = (uint8_t)(number - 2 * services[i]->n_methods);
    }
    return &ganger__v1__envelope__descriptor;
}

void fuzz_good_input(unsigned *seed, struct buffer *input)
{
    uint8_t number = (uint8_t)(rand_r(seed) % 256);

    buffer_add_u8(input, number);
    random_message(seed, type_of(number), input);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct buffer packed = {0};
    struct error error = {0};
    ProtobufCMessage *message = NULL;

    if (size == 0)
        return 0;
    const ProtobufCMessageDescriptor *type = type_of(data[0]);
    struct bytes body = {.data = data + 1, .size = size - 1};
    enum status scanned = message_scan(type, body, &error);
    enum status unpacked = message_unpack(type, body, &arena, &message, &error);
    CHECK(unpacked == scanned || (scanned == STATUS_OK && unpacked == STATUS_RESOURCE_EXHAUSTED));
    if (unpacked != STATUS_OK)
        CHECK(error.message[0] != '\0' && error.reason != NULL);
    if (unpacked == STATUS_OK) {
        CHECK(protobuf_c_message_check(message));
        message_pack(message, &packed);
        CHECK(message_scan(type, buffer_view(&packed), &error) == STATUS_OK);
    }
    buffer_done(&packed);
    arena_done(&arena);
    return 0;
}
