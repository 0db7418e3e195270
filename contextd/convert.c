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

Ganger__V1__Writer *writer_to_message(struct arena *arena, const struct writer *writer)
{
    Ganger__V1__Writer *message = arena_zero(arena, 1, sizeof *message);

    ganger__v1__writer__init(message);
    message->agent_id = arena_text(arena, writer->agent_id);
    message->task_id = writer->task_id;
    message->fence = writer->fence;
    return message;
}

Ganger__V1__HeldLock *held_lock_to_message(struct arena *arena, const struct lock_view *view)
{
    Ganger__V1__HeldLock *message = arena_zero(arena, 1, sizeof *message);

    ganger__v1__held_lock__init(message);
    message->namespace_ = arena_text(arena, view->lock.namespace);
    message->name = arena_text(arena, view->lock.name);
    message->fence = view->lock.fence;
    message->mode = (Ganger__V1__LockMode)view->lock.mode;
    message->holder = writer_to_message(arena, &view->lock.holder);
    message->acquired_ms = view->lock.acquired_ms;
    message->ttl_ms = view->lock.ttl_ms;
    message->left_ms = (uint32_t)view->left_ms;
    message->waiters = view->waiters;
    return message;
}

static Ganger__V1__DurationHistogram *histogram_to_message(struct arena *arena, const struct lock_histogram *histogram)
{
    Ganger__V1__DurationHistogram *message = arena_zero(arena, 1, sizeof *message);

    ganger__v1__duration_histogram__init(message);
    message->n_counts = LOCK_BUCKETS;
    message->counts = arena_zero(arena, LOCK_BUCKETS, sizeof message->counts[0]);
    for (size_t i = 0; i < LOCK_BUCKETS; i++)
        message->counts[i] = histogram->counts[i];
    message->total_ms = histogram->total_ms;
    message->longest_ms = histogram->longest_ms;
    return message;
}

Ganger__V1__LockContention *contention_to_message(struct arena *arena, const struct lock_contention *contention)
{
    Ganger__V1__LockContention *message = arena_zero(arena, 1, sizeof *message);

    ganger__v1__lock_contention__init(message);
    message->namespace_ = arena_text(arena, contention->namespace);
    message->name = arena_text(arena, contention->name);
    message->acquisitions = contention->usage->acquisitions;
    message->contended = contention->usage->contended;
    message->refused = contention->usage->refused;
    message->expired = contention->usage->expired;
    message->wait = histogram_to_message(arena, &contention->usage->wait);
    message->hold = histogram_to_message(arena, &contention->usage->hold);
    message->holders = contention->holders;
    message->waiters = contention->waiters;
    return message;
}

Ganger__V1__Entry *entry_to_message(struct arena *arena, const struct entry *entry)
{
    Ganger__V1__Entry *message = arena_zero(arena, 1, sizeof *message);

    ganger__v1__entry__init(message);
    message->namespace_ = arena_text(arena, entry->namespace);
    message->key = arena_text(arena, entry->key);
    message->version = entry->version;
    message->revision = entry->revision;
    message->value = bytes_to_message(entry->value);
    message->content_type = arena_text(arena, entry->content_type);
    message->writer = writer_to_message(arena, &entry->writer);
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

Ganger__V1__Message *message_to_message(struct arena *arena, const struct message *message)
{
    Ganger__V1__Message *to = arena_zero(arena, 1, sizeof *to);

    ganger__v1__message__init(to);
    to->number = message->id;
    to->mailbox = arena_text(arena, message->mailbox);
    to->sender = writer_to_message(arena, &message->sender);
    to->sent_ms = message->sent_ms;
    to->expires_in_ms = message->expires_in_ms;
    to->reply_to = message->reply_to;
    to->content_type = arena_text(arena, message->content_type);
    to->body = bytes_to_message(message->body);
    return to;
}

Ganger__V1__Mailbox *mailbox_to_message(struct arena *arena, const struct mailbox *mailbox)
{
    Ganger__V1__Mailbox *to = arena_zero(arena, 1, sizeof *to);

    ganger__v1__mailbox__init(to);
    to->namespace_ = arena_text(arena, mailbox->namespace);
    to->mailbox = arena_text(arena, mailbox->name);
    to->messages = mailbox->messages;
    to->bytes = mailbox->bytes;
    to->last_number = mailbox->last_id;
    return to;
}
