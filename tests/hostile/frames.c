#include "tests/hostile/frames.h"

#include "common/rpc/envelope.h"

#include <ganger/v1/envelope.pb-c.h>
#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 6
#define FAR_ID 0x7000000000003f00u /* no broker of a test gets there, nor to the beginnings of its varint */
#define NESTING ((size_t)5000)
#define REPETITIONS ((size_t)20000)

static const char *const mutation_names[MUTATIONS] = {
    [MUTATION_NONE] = "well formed",
    [MUTATION_TRUNCATED] = "truncated",
    [MUTATION_BIT_FLIPS] = "bits flipped",
    [MUTATION_BYTES_CUT_OUT] = "bytes cut out",
    [MUTATION_BYTES_PUT_IN] = "bytes put in",
    [MUTATION_PART_TWICE] = "a part twice",
    [MUTATION_RANDOM_BYTES] = "random bytes",
    [MUTATION_WRONG_KIND] = "wrong kind",
    [MUTATION_UNKNOWN_METHOD] = "unknown method",
    [MUTATION_BROKEN_BODY] = "broken body",
    [MUTATION_NESTED_DEEPLY] = "nested deeply",
    [MUTATION_REPEATED_FIELD] = "message repeated",
    [MUTATION_LONG_LENGTH] = "length too long",
    [MUTATION_LARGE] = "large",
    [MUTATION_EMPTY] = "empty",
};

const char *mutation_name(enum mutation mutation)
{
    return mutation_names[mutation];
}

/* Values that get past the first checks, by the names of fields. */
struct texts {
    const char *field;
    const char *values[4];
};

static const struct texts known_texts[] = {
    {"namespace", {"default", "a", "", "b-1"}},
    {"queue", {"default", "fast", "", "q.1"}},
    {"queues", {"default", "fast", "slow", "q.1"}},
    {"agent_type", {"any", "x", "", "review"}},
    {"agent_id", {"hostile/1", "hostile/2", "h", "h/1:2@3"}},
    {"key", {"global/a", "docs/a.md", "tasks/77/x", "agents/h/y"}},
    {"prefix", {"", "global/", "docs", "tasks/7"}},
    {"name", {"stdout", "stderr", "x.y", "0"}},
    {"content_type", {"text/plain", "", "application/json", "x"}},
    {"", {"", "some text", "gr\xc3\xbc\xc3\x9f", "x"}},
};

static char *wild_text(struct random *random, struct arena *arena)
{
    static const size_t lengths[] = {64, 128, 256, 1024, 70000};
    size_t length = lengths[random_below(random, sizeof(lengths) / sizeof(lengths[0]))];
    char *text = arena_allocate(arena, length + 1);

    memset(text, (int)(1 + random_below(random, 255)), length);
    text[length] = '\0';
    return text;
}

static char *make_text(struct random *random, struct arena *arena, const char *field)
{
    size_t i = 0;

    if (random_permille(random, 50))
        return wild_text(random, arena);
    while (known_texts[i].field[0] != '\0' && strcmp(known_texts[i].field, field) != 0)
        i++;
    return arena_text(arena, bytes_of_text(known_texts[i].values[random_below(random, 4)]));
}

static ProtobufCBinaryData make_bytes(struct random *random, struct arena *arena, const char *field)
{
    size_t length = (size_t)random_below(random, 600);
    ProtobufCBinaryData data = {0};

    if (strcmp(field, "session") == 0)
        length = random_permille(random, 800) ? 16 : (size_t)random_below(random, 20);
    else if (random_permille(random, 10))
        length = 60000 + (size_t)random_below(random, 10000);
    data.len = length;
    data.data = arena_allocate(arena, length + 1);
    memset(data.data, (int)random_below(random, 256), length);
    return data;
}

static uint64_t make_number(struct random *random, const char *field)
{
    if (strstr(field, "id") != NULL || strstr(field, "fence") != NULL || strstr(field, "token") != NULL)
        return random_permille(random, 100) ? 0 : FAR_ID + random_below(random, 64);
    if (random_permille(random, 50))
        return random_next(random);
    return random_below(random, random_permille(random, 500) ? 4 : 2000);
}

static int make_enum(struct random *random, const ProtobufCEnumDescriptor *descriptor)
{
    if (random_permille(random, 50))
        return (int)random_below(random, 1000) - 100;
    return descriptor->values[random_below(random, descriptor->n_values)].value;
}

static ProtobufCMessage *make_message(struct random *random, struct arena *arena,
                                      const ProtobufCMessageDescriptor *descriptor, unsigned depth);

/* Writes one value of the field's type to where it belongs. */
static void make_value(struct random *random, struct arena *arena, const ProtobufCFieldDescriptor *field, void *at,
                       unsigned depth)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        *(char **)at = make_text(random, arena, field->name);
        return;
    case PROTOBUF_C_TYPE_BYTES:
        *(ProtobufCBinaryData *)at = make_bytes(random, arena, field->name);
        return;
    case PROTOBUF_C_TYPE_MESSAGE:
        *(ProtobufCMessage **)at = make_message(random, arena, field->descriptor, depth + 1);
        return;
    case PROTOBUF_C_TYPE_ENUM:
        *(int *)at = make_enum(random, field->descriptor);
        return;
    case PROTOBUF_C_TYPE_BOOL:
        *(protobuf_c_boolean *)at = random_permille(random, 500);
        return;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_INT64:
        *(uint64_t *)at = make_number(random, field->name);
        return;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_INT32:
        *(uint32_t *)at = (uint32_t)make_number(random, field->name);
        return;
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
        return; // the protocol has none
    }
}

static size_t size_of_value(const ProtobufCFieldDescriptor *field)
{
    if (field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE)
        return sizeof(void *);
    if (field->type == PROTOBUF_C_TYPE_BYTES)
        return sizeof(ProtobufCBinaryData);
    return field->type == PROTOBUF_C_TYPE_UINT64 ? sizeof(uint64_t) : sizeof(uint32_t);
}

static void make_values(struct random *random, struct arena *arena, const ProtobufCFieldDescriptor *field,
                        char *message, unsigned depth)
{
    size_t count = random_permille(random, 5) ? 1200 : (size_t)random_below(random, 4);
    size_t stride = size_of_value(field);
    char *values = arena_zero(arena, count + 1, stride);

    for (size_t i = 0; i < count; i++)
        make_value(random, arena, field, values + i * stride, depth);
    *(size_t *)(void *)(message + field->quantifier_offset) = count;
    *(void **)(void *)(message + field->offset) = values;
}

static ProtobufCMessage *make_message(struct random *random, struct arena *arena,
                                      const ProtobufCMessageDescriptor *descriptor, unsigned depth)
{
    char *message = arena_zero(arena, 1, descriptor->sizeof_message);

    descriptor->message_init((ProtobufCMessage *)(void *)message);
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];

        if (depth >= DEPTH_MAX || random_permille(random, 200))
            continue;
        if (field->label == PROTOBUF_C_LABEL_REPEATED)
            make_values(random, arena, field, message, depth);
        else
            make_value(random, arena, field, message + field->offset, depth);
    }
    return (ProtobufCMessage *)(void *)message;
}

static struct bytes pack_message(const ProtobufCMessage *message, struct arena *arena)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *packed = arena_allocate(arena, size + 1);

    (void)protobuf_c_message_pack(message, packed);
    return (struct bytes){.data = packed, .size = size};
}

/* An editable copy with room for more. */
static uint8_t *copy_of(struct bytes bytes, struct arena *arena, size_t room)
{
    uint8_t *copy = arena_allocate(arena, bytes.size + room + 1);

    if (bytes.size > 0)
        memcpy(copy, bytes.data, bytes.size);
    return copy;
}

static struct bytes flip_bits(struct random *random, struct arena *arena, struct bytes bytes)
{
    uint8_t *copy = copy_of(bytes, arena, 0);
    uint64_t flips = 1 + random_below(random, 8);

    for (uint64_t i = 0; i < flips && bytes.size > 0; i++)
        copy[random_below(random, bytes.size)] ^= (uint8_t)(1u << random_below(random, 8));
    return (struct bytes){.data = copy, .size = bytes.size};
}

static struct bytes cut_out(struct random *random, struct arena *arena, struct bytes bytes)
{
    uint8_t *copy = copy_of(bytes, arena, 0);
    size_t at = (size_t)random_below(random, bytes.size + 1);
    size_t size = (size_t)random_below(random, bytes.size - at + 1);

    memmove(copy + at, copy + at + size, bytes.size - at - size);
    return (struct bytes){.data = copy, .size = bytes.size - size};
}

static struct bytes put_in(struct random *random, struct arena *arena, struct bytes bytes)
{
    size_t size = 1 + (size_t)random_below(random, 16);
    size_t at = (size_t)random_below(random, bytes.size + 1);
    uint8_t *copy = copy_of(bytes, arena, size);

    memmove(copy + at + size, copy + at, bytes.size - at);
    for (size_t i = 0; i < size; i++)
        copy[at + i] = (uint8_t)random_next(random);
    return (struct bytes){.data = copy, .size = bytes.size + size};
}

static struct bytes part_twice(struct random *random, struct arena *arena, struct bytes bytes)
{
    size_t at = (size_t)random_below(random, bytes.size + 1);
    size_t size = (size_t)random_below(random, bytes.size - at + 1);
    uint8_t *copy = copy_of(bytes, arena, size);

    memmove(copy + at + size, copy + at, bytes.size - at);
    return (struct bytes){.data = copy, .size = bytes.size + size};
}

static struct bytes random_bytes(struct random *random, struct arena *arena, size_t size)
{
    uint8_t *bytes = arena_allocate(arena, size + 1);

    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)random_next(random);
    return (struct bytes){.data = bytes, .size = size};
}

static size_t varint(uint8_t *at, uint64_t value)
{
    size_t size = 0;

    while (value >= 0x80) {
        at[size++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    at[size++] = (uint8_t)value;
    return size;
}

/* Field 1, which is a message in many requests, holding field 1, holding field 1... Built from the inside. */
static struct bytes nest_deeply(struct arena *arena)
{
    size_t room = NESTING * 5;
    uint8_t *end = (uint8_t *)arena_allocate(arena, room) + room;
    uint8_t *at = end;

    for (size_t i = 0; i < NESTING; i++) {
        uint8_t head[11] = {0x0a};
        size_t size = 1 + varint(head + 1, (uint64_t)(end - at));

        at -= size;
        memcpy(at, head, size);
    }
    return (struct bytes){.data = at, .size = (size_t)(end - at)};
}

/* One field of a message, singular in the protocol, again and again: protobuf-c merges in quadratic time. */
static struct bytes repeat_field(struct random *random, struct arena *arena)
{
    uint8_t tag = (uint8_t)((1 + random_below(random, 8)) << 3 | 2);
    uint8_t *bytes = arena_allocate(arena, REPETITIONS * 4);

    for (size_t i = 0; i < REPETITIONS; i++)
        memcpy(bytes + i * 4, (uint8_t[]){tag, 2, 0x0a, 0}, 4);
    return (struct bytes){.data = bytes, .size = REPETITIONS * 4};
}

static struct bytes claim_too_long(struct random *random, struct arena *arena, struct bytes bytes)
{
    uint8_t *copy = copy_of(bytes, arena, 12);
    size_t size = bytes.size;

    copy[size++] = (uint8_t)((1 + random_below(random, 15)) << 3 | 2);
    size += varint(copy + size, random_permille(random, 500) ? UINT64_MAX : random_next(random) >> 20);
    return (struct bytes){.data = copy, .size = size};
}

static enum mutation choose_mutation(struct random *random)
{
    if (random_permille(random, 350))
        return MUTATION_NONE;
    /* Costly ones seldom: the test has a time to end. */
    if (random_permille(random, 950))
        return (enum mutation)random_below(random, MUTATION_NESTED_DEEPLY);
    return (enum mutation)(MUTATION_NESTED_DEEPLY + random_below(random, MUTATIONS - MUTATION_NESTED_DEEPLY));
}

static struct bytes mutate(struct random *random, struct arena *arena, struct bytes bytes, enum mutation mutation)
{
    switch ((int)mutation) {
    case MUTATION_TRUNCATED:
        return bytes_slice(bytes, 0, (size_t)random_below(random, bytes.size + 1));
    case MUTATION_BIT_FLIPS:
        return flip_bits(random, arena, bytes);
    case MUTATION_BYTES_CUT_OUT:
        return cut_out(random, arena, bytes);
    case MUTATION_BYTES_PUT_IN:
        return put_in(random, arena, bytes);
    case MUTATION_PART_TWICE:
        return part_twice(random, arena, bytes);
    case MUTATION_RANDOM_BYTES:
        return random_bytes(random, arena, (size_t)random_below(random, 2000));
    case MUTATION_LONG_LENGTH:
        return claim_too_long(random, arena, bytes);
    case MUTATION_EMPTY:
        return (struct bytes){.data = bytes.data, .size = 0};
    default:
        return bytes;
    }
}

/* Mutations that leave the envelope whole and change what is in it. */
static struct bytes make_body(struct random *random, struct arena *arena, const ProtobufCMethodDescriptor *method,
                              enum mutation mutation)
{
    struct bytes body = pack_message(make_message(random, arena, method->input, 0), arena);

    if (mutation == MUTATION_BROKEN_BODY)
        return mutate(random, arena, body, (enum mutation)(1 + random_below(random, MUTATION_RANDOM_BYTES)));
    if (mutation == MUTATION_NESTED_DEEPLY)
        return nest_deeply(arena);
    if (mutation == MUTATION_REPEATED_FIELD)
        return repeat_field(random, arena);
    if (mutation == MUTATION_LARGE)
        return random_bytes(random, arena, BODY_MAX - 65536 + (size_t)random_below(random, 131072));
    return body;
}

/* Any but the one that does what it says to the tasks of all: whoever may ask for that needs no hostile frame. */
static const ProtobufCMethodDescriptor *choose_method(struct random *random, const ProtobufCServiceDescriptor *service)
{
    for (;;) {
        const ProtobufCMethodDescriptor *method = &service->methods[random_below(random, service->n_methods)];
        if (strcmp(method->name, "StartJob") != 0)
            return method;
    }
}

struct bytes frame_make(struct frame_maker *maker, struct arena *arena, enum mutation *ret_mutation)
{
    struct random *random = &maker->random;
    const ProtobufCServiceDescriptor *service = maker->services[random_below(random, maker->service_count)];
    const ProtobufCMethodDescriptor *method = choose_method(random, service);
    enum mutation mutation = choose_mutation(random);
    Ganger__V1__Envelope envelope = GANGER__V1__ENVELOPE__INIT;
    struct bytes body = make_body(random, arena, method, mutation);
    char path[300];

    (void)snprintf(path, sizeof(path), "/%s/%s%s", service->name, method->name,
                   mutation == MUTATION_UNKNOWN_METHOD ? "More" : "");
    envelope.kind = GANGER__V1__KIND__REQUEST;
    if (mutation == MUTATION_WRONG_KIND)
        envelope.kind =
            (Ganger__V1__Kind)(random_permille(random, 700) ? random_below(random, 6) : random_next(random));
    envelope.call_id = random_permille(random, 950) ? ++maker->next_call_id : random_below(random, 3);
    envelope.method = path;
    envelope.timeout_ms = (uint32_t)random_below(random, 3000);
    envelope.credit_bytes = random_permille(random, 500) ? 0 : (uint32_t)random_next(random);
    envelope.body = (ProtobufCBinaryData){.data = copy_of(body, arena, 0), .len = body.size};
    *ret_mutation = mutation;
    return mutate(random, arena, pack_message(&envelope.base, arena), mutation);
}
