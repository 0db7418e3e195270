/* The check of the idempotency keys. */
#include "broker/core/unique.h"
#include "broker/core/verify.h"
#include "common/base/id.h"

#include <string.h>

enum status check_key_of_task(struct scan *scan, const struct task *task, const char *key,
                              const struct counters *counters)
{
    const struct lane *lane = lanes_by_number(&scan->lanes, task->now.lane);
    struct key_owner owner = {0};
    char text[ID_TEXT_SIZE];

    if (task->has_key != (key[0] != '\0'))
        problem(scan, "task %s has an idempotency key, or not: its two records differ", id_format(task->id, text));
    if (key[0] == '\0' || lane == NULL || task_has_ended(task->now.state))
        return STATUS_OK;
    enum status status = unique_find(scan->txn, counters, lane->type->queue->namespace, key, &owner);
    if (status != STATUS_OK && status != STATUS_DATA_LOSS)
        return status;
    if (owner.task_id != task->id)
        problem(scan, "task %s lives, but its idempotency key is not its own", id_format(task->id, text));
    return STATUS_OK;
}

/* One row per key, whichever bucket it is in. */
static enum status check_row(struct scan *scan, struct bytes key, struct bytes value, const struct counters *counters)
{
    uint64_t bucket = load_u64(key.data);
    uint64_t task_id = 0;
    struct key other;
    struct bytes unused;

    if (!unique_read(value, &task_id) || task_id > counters->task_id)
        problem(scan, "an idempotency key is damaged");
    if (bucket < counters->unique_oldest || bucket >= counters->unique_oldest + UNIQUE_BUCKETS)
        problem(scan, "an idempotency key is in bucket %llu, which is not one of the eight",
                (unsigned long long)bucket);
    memcpy(other.data, key.data, key.size);
    other.size = key.size;
    for (uint64_t later = bucket + 1; later < counters->unique_oldest + UNIQUE_BUCKETS; later++) {
        store_u64(other.data, later);
        enum status status = store_get(scan->txn, TABLE_UNIQUE, key_bytes(&other), &unused);
        if (status == STATUS_OK)
            problem(scan, "an idempotency key is in two buckets");
        else if (status != STATUS_NOT_FOUND)
            return status;
    }
    return STATUS_OK;
}

enum status check_keys(struct scan *scan, const struct counters *counters)
{
    struct bytes key;
    struct bytes value;
    enum status status = store_seek(scan->txn, TABLE_UNIQUE, (struct bytes){0}, &key, &value);

    while (status == STATUS_OK) {
        /* Other rows of the table are read meanwhile: the place is found again by its key. */
        struct key row = {.size = key.size};
        memcpy(row.data, key.data, key.size);
        TRY(check_row(scan, key, value, counters));
        row.data[row.size++] = 0;
        status = store_seek(scan->txn, TABLE_UNIQUE, key_bytes(&row), &key, &value);
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}
