#include "contextd/core/counters.h"

#include "contextd/core/tables.h"

static struct bytes counters_key(void)
{
    return bytes_of_text("counters");
}

enum status context_counters_load(struct store_txn *txn, struct counters *ret_counters, struct error *error)
{
    struct counters counters = {0};
    struct bytes record;
    struct reader reader;
    enum status status = store_get(txn, TABLE_COUNTERS, counters_key(), &record);

    if (status == STATUS_NOT_FOUND) {
        *ret_counters = counters;
        return STATUS_OK;
    }
    if (status != STATUS_OK)
        return error_set(error, status, "STORE_FAILED", "the counters cannot be read");
    TRY(context_record_open(counters_key(), record, "record", &reader, error));
    counters.revision = reader_u64(&reader);
    counters.last_stream = reader_u64(&reader);
    for (int kind = 0; kind < ENTRY_KINDS; kind++)
        counters.entries[kind] = reader_u64(&reader);
    counters.entry_bytes = reader_u64(&reader);
    counters.deleted = reader_u64(&reader);
    counters.streams = reader_u64(&reader);
    counters.open_streams = reader_u64(&reader);
    counters.stream_bytes = reader_u64(&reader);
    counters.chunks = reader_u64(&reader);
    counters.tasks = reader_u64(&reader);
    counters.tasks_with_streams = reader_u64(&reader);
    counters.locks = reader_u64(&reader);
    counters.messages = reader_u64(&reader);
    counters.message_bytes = reader_u64(&reader);
    counters.cursors = reader_u64(&reader);
    counters.requests = reader_u64(&reader);
    counters.expiries = reader_u64(&reader);
    counters.store_ms = reader_u64(&reader);
    if (reader.failed)
        return context_record_is_damaged("record", counters_key(), error);
    *ret_counters = counters;
    return STATUS_OK;
}

void context_counters_save(struct store_txn *txn, const struct counters *counters, struct buffer *buffer)
{
    context_record_begin(buffer);
    buffer_add_u64(buffer, counters->revision);
    buffer_add_u64(buffer, counters->last_stream);
    for (int kind = 0; kind < ENTRY_KINDS; kind++)
        buffer_add_u64(buffer, counters->entries[kind]);
    buffer_add_u64(buffer, counters->entry_bytes);
    buffer_add_u64(buffer, counters->deleted);
    buffer_add_u64(buffer, counters->streams);
    buffer_add_u64(buffer, counters->open_streams);
    buffer_add_u64(buffer, counters->stream_bytes);
    buffer_add_u64(buffer, counters->chunks);
    buffer_add_u64(buffer, counters->tasks);
    buffer_add_u64(buffer, counters->tasks_with_streams);
    buffer_add_u64(buffer, counters->locks);
    buffer_add_u64(buffer, counters->messages);
    buffer_add_u64(buffer, counters->message_bytes);
    buffer_add_u64(buffer, counters->cursors);
    buffer_add_u64(buffer, counters->requests);
    buffer_add_u64(buffer, counters->expiries);
    buffer_add_u64(buffer, counters->store_ms);
    context_record_end(counters_key(), buffer);
    store_put(txn, TABLE_COUNTERS, counters_key(), buffer_view(buffer));
}
