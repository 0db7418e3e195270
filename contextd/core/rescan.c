/* The whole store read again, row by row, against what the rows and the counters claim. */
#include "contextd/core/chunk.h"
#include "contextd/core/core.h"
#include "contextd/core/expiry.h"
#include "contextd/core/fence.h"

#include <inttypes.h>

/* The counted counters of one rescan. */
struct rescan {
    struct store_txn *txn;
    struct counters found;
    uint64_t streams_of_tasks; /* found */
    uint64_t streams_known;    /* by their tasks */
    uint64_t messages_known;   /* by their mailboxes, as the following */
    uint64_t message_bytes_known;
    struct error *error;
};

#define INCONSISTENT(rescan, ...) error_set((rescan)->error, STATUS_DATA_LOSS, "INCONSISTENT", __VA_ARGS__)

typedef enum status row_check(struct rescan *rescan, struct bytes key, struct bytes record);

static enum status each_row(struct rescan *rescan, enum contextd_table table, row_check *check)
{
    static const uint8_t first[1] = {0};
    struct bytes key = {.data = first, .size = sizeof first};
    struct bytes record;
    enum status status = store_seek(rescan->txn, table, key, &key, &record);

    while (status == STATUS_OK) {
        TRY(check(rescan, key, record));
        status = store_next(rescan->txn, table, &key, &record);
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static enum status check_entry(struct rescan *rescan, struct bytes key, struct bytes record)
{
    struct entry entry = {.key = entry_key_name(key)};
    enum entry_kind kind;

    TRY(entry_unpack(key, record, true, &entry, rescan->error));
    TRY(entry_key_validate(entry.key, &kind, rescan->error));
    if (entry.version == 0 || entry.revision == 0)
        return INCONSISTENT(rescan, "an entry has no version or no revision");
    if (entry.revision > rescan->found.revision)
        rescan->found.revision = entry.revision;
    rescan->found.entries[kind]++;
    rescan->found.entry_bytes += entry.size_bytes;
    return STATUS_OK;
}

static enum status check_deleted(struct rescan *rescan, struct bytes key, struct bytes record)
{
    uint64_t version;
    struct bytes entry;

    TRY(number_unpack(key, record, "deleted entry", &version, rescan->error));
    if (store_get(rescan->txn, TABLE_ENTRY, key, &entry) == STATUS_OK)
        return INCONSISTENT(rescan, "a key is there and deleted at once");
    rescan->found.deleted++;
    return STATUS_OK;
}

static enum status check_bytes(struct rescan *rescan, const struct stream *stream)
{
    uint32_t checksum = 0;
    uint64_t offset = 0;
    uint64_t last_offset = 0;

    while (offset < stream->length) {
        struct bytes data;
        TRY(chunk_read(rescan->txn, stream, offset, &data, rescan->error));
        checksum = crc32c(checksum, data.data, data.size);
        last_offset = offset;
        offset += data.size;
        rescan->found.chunks++;
    }
    if (checksum != stream->crc32c)
        return INCONSISTENT(rescan, "the bytes of stream %" PRIu64 " have another checksum than it", stream->number);
    if (stream->tail_offset != last_offset)
        return INCONSISTENT(rescan, "stream %" PRIu64 " has its tail elsewhere", stream->number);
    return STATUS_OK;
}

static enum status check_stream(struct rescan *rescan, struct bytes key, struct bytes record)
{
    struct counters *found = &rescan->found;
    struct stream_name name = stream_key_name(key);
    struct stream stream;
    struct task task = {0};

    TRY(stream_unpack(key, record, &stream, rescan->error));
    TRY(stream_name_validate(&name, rescan->error));
    TRY(check_bytes(rescan, &stream));
    if (name.task_id != 0)
        TRY(context_task_find(rescan->txn, name.task_id, &task, rescan->error));
    if (name.task_id != 0 && (task.streams == 0 || task.fence < name.fence))
        return INCONSISTENT(rescan, "the task of stream %" PRIu64 " does not know it", stream.number);
    if (stream.number == 0 || stream.number > found->last_stream)
        found->last_stream = stream.number;
    if (stream.revision > found->revision)
        found->revision = stream.revision;
    rescan->streams_of_tasks += name.task_id != 0;
    found->streams++;
    found->open_streams += !stream.sealed;
    found->stream_bytes += stream.length;
    return STATUS_OK;
}

static enum status check_task(struct rescan *rescan, struct bytes key, struct bytes record)
{
    struct task task;

    TRY(context_task_unpack(key, record, &task, rescan->error));
    rescan->streams_known += task.streams;
    rescan->found.tasks++;
    rescan->found.tasks_with_streams += task.streams > 0;
    return STATUS_OK;
}

static enum status check_lock(struct rescan *rescan, struct bytes key, struct bytes record)
{
    struct lock lock;

    TRY(lock_unpack(key, record, &lock, rescan->error));
    if (lock.fence > rescan->found.revision)
        rescan->found.revision = lock.fence;
    rescan->found.locks++;
    return STATUS_OK;
}

static enum status check_message(struct rescan *rescan, struct bytes key, struct bytes record)
{
    struct message message;
    struct bytes value;
    struct key row;

    TRY(context_message_unpack(key, record, &message, rescan->error));
    expiry_key(message.expires_ms, EXPIRY_MESSAGE, key, &row);
    if (store_get(rescan->txn, TABLE_EXPIRY, key_view(&row), &value) != STATUS_OK)
        return INCONSISTENT(rescan, "message %" PRIu64 " never expires", message.id);
    if (message.id > rescan->found.revision)
        rescan->found.revision = message.id;
    rescan->found.messages++;
    rescan->found.message_bytes += message.body.size;
    return STATUS_OK;
}

static enum status check_mailbox(struct rescan *rescan, struct bytes key, struct bytes record)
{
    struct mailbox mailbox;

    TRY(mailbox_unpack(key, record, &mailbox, rescan->error));
    if (mailbox.messages == 0)
        return INCONSISTENT(rescan, "a mailbox is kept although it has no message");
    rescan->messages_known += mailbox.messages;
    rescan->message_bytes_known += mailbox.bytes;
    return STATUS_OK;
}

static enum status check_cursor(struct rescan *rescan, struct bytes key, struct bytes record)
{
    struct cursor cursor;

    TRY(cursor_unpack(key, record, &cursor, rescan->error));
    rescan->found.cursors++;
    return STATUS_OK;
}

static enum status check_request(struct rescan *rescan, struct bytes key, struct bytes record)
{
    uint64_t id = 0;

    TRY(number_unpack(key, record, "request", &id, rescan->error));
    rescan->found.requests++;
    return STATUS_OK;
}

static enum status check_expiry(struct rescan *rescan, struct bytes key, struct bytes record)
{
    static const enum contextd_table tables[] = {
        [EXPIRY_MESSAGE] = TABLE_MESSAGE, [EXPIRY_REQUEST] = TABLE_REQUEST, [EXPIRY_CURSOR] = TABLE_CURSOR};
    uint8_t kind = expiry_key_kind(key);
    struct bytes rest = expiry_key_rest(key);

    (void)record;
    if (kind < EXPIRY_MESSAGE || kind > EXPIRY_CURSOR || rest.size == 0 ||
        store_get(rescan->txn, tables[kind], rest, &record) != STATUS_OK)
        return INCONSISTENT(rescan, "what is not there is to expire");
    rescan->found.expiries++;
    return STATUS_OK;
}

static enum status compare(struct rescan *rescan, const char *what, uint64_t counted, uint64_t kept)
{
    if (counted != kept)
        return INCONSISTENT(rescan, "%s: %" PRIu64 " were counted, the store says %" PRIu64, what, counted, kept);
    return STATUS_OK;
}

/* Every message, cursor and remembered request ends once. */
static enum status check_mail(struct rescan *rescan)
{
    struct counters *found = &rescan->found;

    TRY(each_row(rescan, TABLE_MESSAGE, check_message));
    TRY(each_row(rescan, TABLE_MAILBOX, check_mailbox));
    TRY(each_row(rescan, TABLE_CURSOR, check_cursor));
    TRY(each_row(rescan, TABLE_REQUEST, check_request));
    TRY(each_row(rescan, TABLE_EXPIRY, check_expiry));
    TRY(compare(rescan, "messages of mailboxes", found->messages, rescan->messages_known));
    TRY(compare(rescan, "bytes of mailboxes", found->message_bytes, rescan->message_bytes_known));
    return compare(rescan, "expiries", found->expiries, found->messages + found->cursors + found->requests);
}

static enum status count_row(struct rescan *rescan, struct bytes key, struct bytes record)
{
    (void)key, (void)record;
    rescan->found.chunks++;
    return STATUS_OK;
}

static enum status compare_counters(struct rescan *rescan, const struct counters *kept)
{
    const struct counters *found = &rescan->found;

    for (int kind = 0; kind < ENTRY_KINDS; kind++)
        TRY(compare(rescan, "entries", found->entries[kind], kept->entries[kind]));
    TRY(compare(rescan, "bytes of entries", found->entry_bytes, kept->entry_bytes));
    TRY(compare(rescan, "deleted keys", found->deleted, kept->deleted));
    TRY(compare(rescan, "streams", found->streams, kept->streams));
    TRY(compare(rescan, "open streams", found->open_streams, kept->open_streams));
    TRY(compare(rescan, "bytes of streams", found->stream_bytes, kept->stream_bytes));
    TRY(compare(rescan, "chunks", found->chunks, kept->chunks));
    TRY(compare(rescan, "tasks", found->tasks, kept->tasks));
    TRY(compare(rescan, "locks", found->locks, kept->locks));
    TRY(compare(rescan, "messages", found->messages, kept->messages));
    TRY(compare(rescan, "bytes of messages", found->message_bytes, kept->message_bytes));
    TRY(compare(rescan, "cursors", found->cursors, kept->cursors));
    TRY(compare(rescan, "requests", found->requests, kept->requests));
    TRY(compare(rescan, "expiries", found->expiries, kept->expiries));
    TRY(compare(rescan, "tasks with streams", found->tasks_with_streams, kept->tasks_with_streams));
    /* A deletion has a revision that no row shows. */
    if (found->revision > kept->revision || found->last_stream > kept->last_stream)
        return INCONSISTENT(rescan, "a row is newer than the store says that it is");
    return STATUS_OK;
}

enum status contextd_check(const struct contextd *core, struct store_txn *txn, struct error *error)
{
    struct rescan rescan = {.txn = txn, .error = error};

    TRY(each_row(&rescan, TABLE_ENTRY, check_entry));
    TRY(each_row(&rescan, TABLE_DELETED, check_deleted));
    TRY(each_row(&rescan, TABLE_TASK, check_task));
    TRY(each_row(&rescan, TABLE_STREAM, check_stream));
    TRY(each_row(&rescan, TABLE_LOCK, check_lock));
    TRY(check_mail(&rescan));
    /* Every chunk that a stream reaches was counted; the rows themselves must not be more. */
    uint64_t reached = rescan.found.chunks;
    rescan.found.chunks = 0;
    TRY(each_row(&rescan, TABLE_CHUNK, count_row));
    TRY(compare(&rescan, "chunks of streams", reached, rescan.found.chunks));
    TRY(compare(&rescan, "streams of tasks", rescan.streams_of_tasks, rescan.streams_known));
    return compare_counters(&rescan, &core->counters);
}
