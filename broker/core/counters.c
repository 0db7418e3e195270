#include "broker/core/counters.h"

#include "broker/core/keys.h"
#include "broker/core/record.h"
#include "common/base/check.h"

#include <string.h>

#define COUNTERS_VERSION 2
#define COUNTER_BITS 48

enum status counters_load(struct store_txn *txn, struct counters *ret_counters)
{
    struct key key = key_meta();
    struct bytes value;
    enum status status = store_get(txn, TABLE_META, key_bytes(&key), &value);

    if (status == STATUS_NOT_FOUND) {
        *ret_counters = (struct counters){0};
        return STATUS_OK;
    }
    TRY(status);
    struct reader reader;
    if (!record_open(value, COUNTERS_VERSION, 0, &reader))
        return STATUS_DATA_LOSS;
    struct bytes store_id = reader_take(&reader, STORE_ID_SIZE);
    struct counters counters = {
        .epoch = reader_u16(&reader),
        .task_id = reader_u64(&reader),
        .fence = reader_u64(&reader),
        .revision = reader_u64(&reader),
        .lane = reader_u32(&reader),
        .job_id = reader_u64(&reader),
        .sessions = reader_u64(&reader),
        .store_ms = reader_u64(&reader),
        .events = reader_u64(&reader),
        .trimmed = reader_u64(&reader),
        .unique_oldest = reader_u64(&reader),
        .unique_began_ms = reader_u64(&reader),
    };
    if (reader.failed)
        return STATUS_DATA_LOSS;
    memcpy(counters.store_id, store_id.data, STORE_ID_SIZE);
    *ret_counters = counters;
    return STATUS_OK;
}

void counters_save(struct store_txn *txn, const struct counters *counters)
{
    CLEANUP(buffer_done)
    struct buffer buffer = {0};
    struct key key = key_meta();

    record_begin(&buffer, COUNTERS_VERSION);
    buffer_add(&buffer, counters->store_id, STORE_ID_SIZE);
    buffer_add_u16(&buffer, counters->epoch);
    buffer_add_u64(&buffer, counters->task_id);
    buffer_add_u64(&buffer, counters->fence);
    buffer_add_u64(&buffer, counters->revision);
    buffer_add_u32(&buffer, counters->lane);
    buffer_add_u64(&buffer, counters->job_id);
    buffer_add_u64(&buffer, counters->sessions);
    buffer_add_u64(&buffer, counters->store_ms);
    buffer_add_u64(&buffer, counters->events);
    buffer_add_u64(&buffer, counters->trimmed);
    buffer_add_u64(&buffer, counters->unique_oldest);
    buffer_add_u64(&buffer, counters->unique_began_ms);
    store_put(txn, TABLE_META, key_bytes(&key), record_seal(&buffer, 0));
}

uint16_t epoch_of(uint64_t number)
{
    return (uint16_t)(number >> COUNTER_BITS);
}

uint64_t counters_next(const struct counters *counters, uint64_t *last)
{
    uint64_t first = (uint64_t)counters->epoch << COUNTER_BITS;
    uint64_t next = *last < first ? first + 1 : *last + 1;

    CHECK(epoch_of(next) == counters->epoch);
    *last = next;
    return next;
}
