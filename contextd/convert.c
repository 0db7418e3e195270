#include "contextd/convert.h"

struct bytes bytes_from_message(ProtobufCBinaryData data)
{
    return (struct bytes){.data = data.data, .size = data.len};
}

ProtobufCBinaryData bytes_to_message(struct bytes bytes)
{
    /* protobuf-c's messages have no const; packing only reads. */
    union {
        const uint8_t *read;
        uint8_t *written;
    } data = {.read = bytes.data};
    return (ProtobufCBinaryData){.data = data.written, .len = bytes.size};
}

struct writer writer_from_message(const Ganger__V1__Writer *message)
{
    if (message == NULL)
        return (struct writer){0};
    return (struct writer){
        .agent_id = bytes_of_text(message->agent_id), .task_id = message->task_id, .fence = message->fence};
}

struct expected_version expected_from_message(const Ganger__V1__ExpectedVersion *message)
{
    return (struct expected_version){.present = message != NULL, .version = message != NULL ? message->version : 0};
}

struct stream_name stream_name_from_message(const Ganger__V1__StreamName *message)
{
    if (message == NULL)
        return (struct stream_name){0};
    return (struct stream_name){.namespace = bytes_of_text(message->namespace_),
                                .task_id = message->task_id,
                                .fence = message->fence,
                                .name = bytes_of_text(message->name)};
}

Ganger__V1__Entry *entry_to_message(struct arena *arena, const struct entry *entry)
{
    Ganger__V1__Entry *message = arena_zero(arena, 1, sizeof *message);
    Ganger__V1__Writer *writer = arena_zero(arena, 1, sizeof *writer);

    ganger__v1__writer__init(writer);
    writer->agent_id = arena_text(arena, entry->writer.agent_id);
    writer->task_id = entry->writer.task_id;
    writer->fence = entry->writer.fence;

    ganger__v1__entry__init(message);
    message->namespace_ = arena_text(arena, entry->namespace);
    message->key = arena_text(arena, entry->key);
    message->version = entry->version;
    message->revision = entry->revision;
    message->value = bytes_to_message(entry->value);
    message->content_type = arena_text(arena, entry->content_type);
    message->writer = writer;
    message->modified_ms = entry->modified_ms;
    message->size_bytes = entry->size_bytes;
    return message;
}

Ganger__V1__StreamInfo *stream_info_to_message(struct arena *arena, const struct stream_info *info)
{
    Ganger__V1__StreamInfo *message = arena_zero(arena, 1, sizeof *message);
    Ganger__V1__StreamName *name = arena_zero(arena, 1, sizeof *name);

    ganger__v1__stream_name__init(name);
    name->namespace_ = arena_text(arena, info->name.namespace);
    name->task_id = info->name.task_id;
    name->fence = info->name.fence;
    name->name = arena_text(arena, info->name.name);

    ganger__v1__stream_info__init(message);
    message->stream = name;
    message->length = info->stream.length;
    message->sealed = info->stream.sealed;
    message->crc32c = info->stream.crc32c;
    message->created_ms = info->stream.created_ms;
    message->modified_ms = info->stream.modified_ms;
    return message;
}
