#include "contextd/core/records.h"

#include "contextd/core/locks.h"

#include <string.h>

#define CHECKSUM_SIZE sizeof(uint32_t)

enum status context_record_is_damaged(const char *what, struct bytes key, struct error *error)
{
    char text[128];
    size_t size = key.size < sizeof text - 1 ? key.size : sizeof text - 1;

    memcpy(text, key.data, size);
    for (size_t i = 0; i < size; i++)
        if (key.data[i] <= ' ' || key.data[i] >= 0x7F)
            text[i] = '.';
    text[size] = '\0';
    return error_set(error, STATUS_DATA_LOSS, "CHECKSUM",
                     "the stored %s \"%s\" is damaged: check the disk, restore it from a backup", what, text);
}

void context_record_begin(struct buffer *buffer)
{
    buffer->size = 0;
    buffer_add_u8(buffer, RECORD_VERSION);
}

void context_record_end(struct bytes key, struct buffer *buffer)
{
    buffer_add_u32(buffer, crc32c(crc32c(0, key.data, key.size), buffer->data, buffer->size));
}

enum status context_record_open(struct bytes key, struct bytes record, const char *what, struct reader *ret_reader,
                                struct error *error)
{
    if (record.size <= CHECKSUM_SIZE)
        return context_record_is_damaged(what, key, error);
    size_t size = record.size - CHECKSUM_SIZE;
    if (load_u32(record.data + size) != crc32c(crc32c(0, key.data, key.size), record.data, size))
        return context_record_is_damaged(what, key, error);
    *ret_reader = reader_over(bytes_slice(record, 0, size));
    uint8_t version = reader_u8(ret_reader);
    if (version != RECORD_VERSION)
        return error_set(error, STATUS_DATA_LOSS, "RECORD_VERSION",
                         "a stored %s has format %u, this program knows %u: run the version that wrote it", what,
                         version, RECORD_VERSION);
    return STATUS_OK;
}

/* The head of an entry is a record of its own, length first; the value follows it as it is. */
void entry_pack(struct bytes key, const struct entry *entry, struct buffer *buffer)
{
    buffer->size = 0;
    (void)buffer_reserve(buffer, entry->value.size + 512);
    buffer_add_u16(buffer, 0);
    buffer_add_u8(buffer, RECORD_VERSION);
    buffer_add_u64(buffer, entry->version);
    buffer_add_u64(buffer, entry->revision);
    buffer_add_u64(buffer, entry->modified_ms);
    buffer_add_u64(buffer, entry->writer.task_id);
    buffer_add_u64(buffer, entry->writer.fence);
    buffer_add_sized(buffer, entry->writer.agent_id);
    buffer_add_sized(buffer, entry->content_type);
    buffer_add_u64(buffer, entry->value.size);
    buffer_add_u32(buffer, crc32c(0, entry->value.data, entry->value.size));

    size_t head_size = buffer->size - sizeof(uint16_t);
    store_u16(buffer->data, (uint16_t)(head_size + CHECKSUM_SIZE));
    buffer_add_u32(buffer, crc32c(crc32c(0, key.data, key.size), buffer->data + sizeof(uint16_t), head_size));
    buffer_add(buffer, entry->value.data, entry->value.size);
}

enum status entry_unpack(struct bytes key, struct bytes record, bool with_value, struct entry *ret_entry,
                         struct error *error)
{
    struct reader outer = reader_over(record);
    struct bytes head = reader_take(&outer, reader_u16(&outer));
    struct reader reader;

    TRY(context_record_open(key, head, "entry", &reader, error));
    struct entry entry = {.namespace = ret_entry->namespace, .key = ret_entry->key};
    entry.version = reader_u64(&reader);
    entry.revision = reader_u64(&reader);
    entry.modified_ms = reader_u64(&reader);
    entry.writer.task_id = reader_u64(&reader);
    entry.writer.fence = reader_u64(&reader);
    entry.writer.agent_id = reader_sized(&reader);
    entry.content_type = reader_sized(&reader);
    entry.size_bytes = reader_u64(&reader);
    uint32_t checksum = reader_u32(&reader);
    if (reader.failed || entry.size_bytes != outer.rest.size)
        return context_record_is_damaged("entry", key, error);
    if (with_value) {
        if (crc32c(0, outer.rest.data, outer.rest.size) != checksum)
            return context_record_is_damaged("entry", key, error);
        entry.value = outer.rest;
    }
    *ret_entry = entry;
    return STATUS_OK;
}

void stream_pack(struct bytes key, const struct stream *stream, struct buffer *buffer)
{
    context_record_begin(buffer);
    buffer_add_u64(buffer, stream->number);
    buffer_add_u64(buffer, stream->length);
    buffer_add_u64(buffer, stream->tail_offset);
    buffer_add_u32(buffer, stream->crc32c);
    buffer_add_u8(buffer, stream->sealed);
    buffer_add_u64(buffer, stream->created_ms);
    buffer_add_u64(buffer, stream->modified_ms);
    buffer_add_u64(buffer, stream->revision);
    context_record_end(key, buffer);
}

enum status stream_unpack(struct bytes key, struct bytes record, struct stream *ret_stream, struct error *error)
{
    struct reader reader;

    TRY(context_record_open(key, record, "stream", &reader, error));
    struct stream stream = {.number = reader_u64(&reader)};
    stream.length = reader_u64(&reader);
    stream.tail_offset = reader_u64(&reader);
    stream.crc32c = reader_u32(&reader);
    stream.sealed = reader_u8(&reader) != 0;
    stream.created_ms = reader_u64(&reader);
    stream.modified_ms = reader_u64(&reader);
    stream.revision = reader_u64(&reader);
    if (reader.failed || stream.tail_offset > stream.length)
        return context_record_is_damaged("stream", key, error);
    *ret_stream = stream;
    return STATUS_OK;
}

void context_task_pack(struct bytes key, const struct task *task, struct buffer *buffer)
{
    context_record_begin(buffer);
    buffer_add_u64(buffer, task->fence);
    buffer_add_u64(buffer, task->streams);
    context_record_end(key, buffer);
}

enum status context_task_unpack(struct bytes key, struct bytes record, struct task *ret_task, struct error *error)
{
    struct reader reader;

    TRY(context_record_open(key, record, "task", &reader, error));
    struct task task = {.fence = reader_u64(&reader)};
    task.streams = reader_u64(&reader);
    if (reader.failed)
        return context_record_is_damaged("task", key, error);
    *ret_task = task;
    return STATUS_OK;
}

void number_pack(struct bytes key, uint64_t number, struct buffer *buffer)
{
    context_record_begin(buffer);
    buffer_add_u64(buffer, number);
    context_record_end(key, buffer);
}

enum status number_unpack(struct bytes key, struct bytes record, const char *what, uint64_t *ret_number,
                          struct error *error)
{
    struct reader reader;

    TRY(context_record_open(key, record, what, &reader, error));
    uint64_t number = reader_u64(&reader);
    if (reader.failed)
        return context_record_is_damaged(what, key, error);
    *ret_number = number;
    return STATUS_OK;
}

void context_message_pack(struct bytes key, const struct message *message, struct buffer *buffer)
{
    context_record_begin(buffer);
    buffer_add_u64(buffer, message->sender.task_id);
    buffer_add_u64(buffer, message->sender.fence);
    buffer_add_sized(buffer, message->sender.agent_id);
    buffer_add_u64(buffer, message->sent_ms);
    buffer_add_u64(buffer, message->expires_ms);
    buffer_add_u64(buffer, message->reply_to);
    buffer_add_sized(buffer, message->content_type);
    buffer_add_sized(buffer, message->body);
    context_record_end(key, buffer);
}

enum status context_message_unpack(struct bytes key, struct bytes record, struct message *ret_message,
                                   struct error *error)
{
    struct reader reader;
    struct message message = {0};

    TRY(context_record_open(key, record, "message", &reader, error));
    message.sender.task_id = reader_u64(&reader);
    message.sender.fence = reader_u64(&reader);
    message.sender.agent_id = reader_sized(&reader);
    message.sent_ms = reader_u64(&reader);
    message.expires_ms = reader_u64(&reader);
    message.reply_to = reader_u64(&reader);
    message.content_type = reader_sized(&reader);
    message.body = reader_sized(&reader);
    if (reader.failed || !numbered_key_read(key, &message.namespace, &message.mailbox, &message.id))
        return context_record_is_damaged("message", key, error);
    *ret_message = message;
    return STATUS_OK;
}

void mailbox_pack(struct bytes key, const struct mailbox *mailbox, struct buffer *buffer)
{
    context_record_begin(buffer);
    buffer_add_u64(buffer, mailbox->messages);
    buffer_add_u64(buffer, mailbox->bytes);
    buffer_add_u64(buffer, mailbox->last_id);
    context_record_end(key, buffer);
}

enum status mailbox_unpack(struct bytes key, struct bytes record, struct mailbox *ret_mailbox, struct error *error)
{
    struct reader reader;

    TRY(context_record_open(key, record, "mailbox", &reader, error));
    struct mailbox mailbox = {.messages = reader_u64(&reader)};
    mailbox.bytes = reader_u64(&reader);
    mailbox.last_id = reader_u64(&reader);
    if (reader.failed)
        return context_record_is_damaged("mailbox", key, error);
    *ret_mailbox = mailbox;
    return STATUS_OK;
}

void cursor_pack(struct bytes key, const struct cursor *cursor, struct buffer *buffer)
{
    context_record_begin(buffer);
    buffer_add_u64(buffer, cursor->acked);
    buffer_add_u64(buffer, cursor->used_ms);
    context_record_end(key, buffer);
}

enum status cursor_unpack(struct bytes key, struct bytes record, struct cursor *ret_cursor, struct error *error)
{
    struct reader reader;

    TRY(context_record_open(key, record, "cursor", &reader, error));
    struct cursor cursor = {.acked = reader_u64(&reader)};
    cursor.used_ms = reader_u64(&reader);
    if (reader.failed)
        return context_record_is_damaged("cursor", key, error);
    *ret_cursor = cursor;
    return STATUS_OK;
}

void lock_pack(struct bytes key, const struct lock *lock, struct buffer *buffer)
{
    context_record_begin(buffer);
    buffer_add_u8(buffer, (uint8_t)lock->mode);
    buffer_add_u32(buffer, lock->ttl_ms);
    buffer_add_u64(buffer, lock->acquired_ms);
    buffer_add_u64(buffer, lock->waited_ms);
    buffer_add_u64(buffer, lock->holder.task_id);
    buffer_add_u64(buffer, lock->holder.fence);
    buffer_add_sized(buffer, lock->holder.agent_id);
    buffer_add_sized(buffer, lock->request);
    context_record_end(key, buffer);
}

enum status lock_unpack(struct bytes key, struct bytes record, struct lock *ret_lock, struct error *error)
{
    struct reader reader;
    struct lock lock;

    TRY(context_record_open(key, record, "lock", &reader, error));
    lock.mode = (enum lock_mode)reader_u8(&reader);
    lock.ttl_ms = reader_u32(&reader);
    lock.acquired_ms = reader_u64(&reader);
    lock.waited_ms = reader_u64(&reader);
    lock.holder.task_id = reader_u64(&reader);
    lock.holder.fence = reader_u64(&reader);
    lock.holder.agent_id = reader_sized(&reader);
    lock.request = reader_sized(&reader);
    if (reader.failed || !numbered_key_read(key, &lock.namespace, &lock.name, &lock.fence) ||
        (lock.mode != LOCK_EXCLUSIVE && lock.mode != LOCK_SHARED))
        return context_record_is_damaged("lock", key, error);
    *ret_lock = lock;
    return STATUS_OK;
}
