#include "tests/fuzz/fuzz.h"

#include "common/base/cleanup.h"

#include <stdlib.h>
#include <string.h>

#define SMALL_MESSAGE 2000

static void add_varint(struct buffer *buffer, uint64_t value)
{
    while (value >= 0x80) {
        buffer_add_u8(buffer, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    buffer_add_u8(buffer, (uint8_t)value);
}

static uint64_t random_number(unsigned *seed)
{
    uint64_t number = (uint64_t)rand_r(seed) << 33 ^ (uint64_t)rand_r(seed) << 16 ^ (uint64_t)rand_r(seed);

    return number >> (rand_r(seed) % 64);
}

static void add_sized(struct buffer *packed, uint32_t tag, struct bytes bytes)
{
    add_varint(packed, (uint64_t)tag << 3 | PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED);
    add_varint(packed, bytes.size);
    buffer_add(packed, bytes.data, bytes.size);
}

static void add_text(unsigned *seed, struct buffer *packed, uint32_t tag)
{
    static const char *const texts[] = {
        "", "default", "review", "gr\xC3\xBC\xC3\x9F", "tasks/1/log", "stdout", "build7/1", "/ganger.test.Echo/Park"};

    add_sized(packed, tag, bytes_of_text(texts[(size_t)rand_r(seed) % (sizeof texts / sizeof texts[0])]));
}

static void add_number(unsigned *seed, const ProtobufCFieldDescriptor *field, struct buffer *packed)
{
    const ProtobufCEnumDescriptor *type = field->descriptor;
    uint64_t number = random_number(seed);

    if (field->type == PROTOBUF_C_TYPE_ENUM)
        number = (uint64_t)(int64_t)type->values[number % type->n_values].value;
    add_varint(packed, (uint64_t)field->id << 3 | PROTOBUF_C_WIRE_TYPE_VARINT);
    add_varint(packed, number);
}

static void add_fixed(unsigned *seed, uint32_t tag, unsigned wire_type, struct buffer *packed)
{
    uint64_t number = random_number(seed);

    add_varint(packed, (uint64_t)tag << 3 | wire_type);
    buffer_add(packed, &number, wire_type == PROTOBUF_C_WIRE_TYPE_64BIT ? 8 : 4);
}

static void add_field(unsigned *seed, const ProtobufCFieldDescriptor *field, struct buffer *packed)
{
    CLEANUP(buffer_done)
    struct buffer inner = {0};

    switch ((int)field->type) {
    case PROTOBUF_C_TYPE_STRING:
        add_text(seed, packed, field->id);
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        if (packed->size < SMALL_MESSAGE)
            random_message(seed, field->descriptor, &inner);
        add_sized(packed, field->id, buffer_view(&inner));
        break;
    case PROTOBUF_C_TYPE_BYTES:
        buffer_add_u64(&inner, random_number(seed));
        inner.size = (size_t)rand_r(seed) % 9;
        add_sized(packed, field->id, buffer_view(&inner));
        break;
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        add_fixed(seed, field->id, PROTOBUF_C_WIRE_TYPE_64BIT, packed);
        break;
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        add_fixed(seed, field->id, PROTOBUF_C_WIRE_TYPE_32BIT, packed);
        break;
    default:
        add_number(seed, field, packed);
        break;
    }
}

void random_message(unsigned *seed, const ProtobufCMessageDescriptor *descriptor, struct buffer *packed)
{
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        int times = rand_r(seed) % 2;
        if (field->label == PROTOBUF_C_LABEL_REPEATED)
            times *= rand_r(seed) % 4;
        for (int j = 0; j < times; j++)
            add_field(seed, field, packed);
    }
}
