#include "common/rpc/envelope.h"

#include "common/base/check.h"

static void *take(void *arena, size_t size)
{
    return arena_allocate(arena, size);
}

/* The arena gives everything back at once. */
static void give_back(void *arena, void *memory)
{
    (void)arena;
    (void)memory;
}

enum status message_unpack(const ProtobufCMessageDescriptor *descriptor, struct bytes packed, struct arena *arena,
                           ProtobufCMessage **ret_message, struct error *error)
{
    ProtobufCAllocator allocator = {.alloc = take, .free = give_back, .allocator_data = arena};
    size_t cap = packed.size * UNPACK_FACTOR > UNPACK_FLOOR ? packed.size * UNPACK_FACTOR : UNPACK_FLOOR;
    size_t outer_limit = arena->limit;

    TRY(message_scan(descriptor, packed, error));
    /* protobuf-c can take 56 times the size of what it unpacks. */
    if (outer_limit == 0 || arena->used + cap < outer_limit)
        arena->limit = arena->used + cap;
    ProtobufCMessage *message = protobuf_c_message_unpack(descriptor, &allocator, packed.size, packed.data);
    arena->limit = outer_limit;
    if (message == NULL)
        return error_set(error, STATUS_RESOURCE_EXHAUSTED, "MESSAGE_TOO_LARGE",
                         "%s of %zu bytes needs more than the %zu bytes of memory it may take: send it in parts",
                         descriptor->short_name, packed.size, cap);
    *ret_message = message;
    return STATUS_OK;
}

void message_pack(const ProtobufCMessage *message, struct buffer *buffer)
{
    uint8_t *at = buffer_reserve(buffer, protobuf_c_message_get_packed_size(message));

    buffer->size += protobuf_c_message_pack(message, at);
}

static void *without_const(const void *data)
{
    union {
        const void *from;
        void *to;
    } pointer = {.from = data};

    return pointer.to;
}

char *field_text(const char *text)
{
    return without_const(text);
}

ProtobufCBinaryData field_bytes(struct bytes bytes)
{
    return (ProtobufCBinaryData){.data = without_const(bytes.data), .len = bytes.size};
}
