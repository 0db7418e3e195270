#include "broker/core/unique.h"

#include "broker/core/core.h"
#include "broker/core/ending.h"
#include "broker/core/record.h"
#include "common/base/id.h"

#include <stdio.h>
#include <string.h>

#define UNIQUE_VERSION 1

bool unique_read(struct bytes value, uint64_t *ret_task_id)
{
    struct reader reader;

    if (!record_open(value, UNIQUE_VERSION, 0, &reader))
        return false;
    *ret_task_id = reader_u64(&reader);
    return !reader.failed;
}

static void put_row(struct step *step, const struct key *key, uint64_t task_id)
{
    struct buffer *buffer = &step->broker->scratch;

    record_begin(buffer, UNIQUE_VERSION);
    buffer_add_u64(buffer, task_id);
    store_put(step->txn, TABLE_UNIQUE, key_bytes(key), record_seal(buffer, 0));
}

static uint64_t newest_bucket(const struct counters *counters)
{
    return counters->unique_oldest + UNIQUE_BUCKETS - 1;
}

/* The newest first: most repeats come soon. */
enum status unique_find(struct store_txn *txn, const struct counters *counters, const char *namespace, const char *key,
                        struct key_owner *ret_owner)
{
    struct bytes value;

    *ret_owner = (struct key_owner){0};
    for (uint64_t bucket = newest_bucket(counters) + 1; bucket-- > counters->unique_oldest;) {
        struct key row = key_unique(bucket, namespace, key);
        enum status status = store_get(txn, TABLE_UNIQUE, key_bytes(&row), &value);
        if (status == STATUS_NOT_FOUND)
            continue;
        TRY(status);
        ret_owner->bucket = bucket;
        return unique_read(value, &ret_owner->task_id) ? STATUS_OK : STATUS_DATA_LOSS;
    }
    return STATUS_OK;
}

/* It waits, and so can be canceled at once, or ended without being done. */
static bool gives_way(const struct task *task)
{
    return task_is_waiting(task->now.state) || task->now.state == TASK_CANCELED || task->now.state == TASK_EXPIRED;
}

enum status unique_decide(struct step *step, const struct task_spec *spec, const char *namespace,
                          uint64_t *ret_existing, uint64_t *ret_replaced, struct error *error)
{
    struct key_owner owner;
    struct task task = {0};
    char text[ID_TEXT_SIZE];

    *ret_existing = 0;
    *ret_replaced = 0;
    enum status status = unique_find(step->txn, &step->broker->counters, namespace, spec->idempotency_key, &owner);
    if (status == STATUS_DATA_LOSS)
        return error_set(error, status, "DAMAGED_RECORD",
                         "idempotency_key: which task has it is damaged in the store; use another one");
    TRY(status);
    if (owner.task_id == 0)
        return STATUS_OK;
    if (spec->on_conflict == 0 || spec->on_conflict == CONFLICT_RETURN) {
        *ret_existing = owner.task_id;
        return STATUS_OK;
    }
    status = task_load(step, owner.task_id, &task);
    if (status == STATUS_DATA_LOSS)
        *error = step->error;
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        return status;
    if (spec->on_conflict == CONFLICT_REPLACE && status == STATUS_OK && gives_way(&task)) {
        *ret_replaced = owner.task_id;
        return STATUS_OK;
    }
    return error_set(error, STATUS_ALREADY_EXISTS, "KEY_TAKEN", "idempotency_key: task %s has it, which is %s",
                     id_format(owner.task_id, text),
                     status == STATUS_OK ? task_state_name(task.now.state) : "removed already");
}

static enum status cancel_replaced(struct step *step, uint64_t replaced_id, uint64_t by_id)
{
    struct task task;
    char text[ID_TEXT_SIZE];

    TRY(task_load(step, replaced_id, &task));
    if (!task_is_waiting(task.now.state))
        return STATUS_OK;
    (void)snprintf(task.cancel_reason, sizeof task.cancel_reason, "replaced by task %s", id_format(by_id, text));
    task_end(step, &task, MOVE_CANCEL, TASK_CANCELED);
    task.why = task.cancel_reason;
    task_write(step, &task);
    return STATUS_OK;
}

enum status unique_take(struct step *step, const struct task *task, const char *namespace, const char *key,
                        uint64_t replaced_id)
{
    struct key_owner owner;

    if (replaced_id != 0) {
        TRY(unique_find(step->txn, &step->broker->counters, namespace, key, &owner));
        struct key old = key_unique(owner.bucket, namespace, key);
        store_delete(step->txn, TABLE_UNIQUE, key_bytes(&old));
        TRY(cancel_replaced(step, replaced_id, task->id));
    }
    struct key row = key_unique(newest_bucket(&step->broker->counters), namespace, key);
    put_row(step, &row, task->id);
    return STATUS_OK;
}

enum status unique_retake(struct step *step, const struct task *task, const struct task_spec *spec)
{
    struct key_owner owner;
    char text[ID_TEXT_SIZE];

    if (!task->has_key)
        return STATUS_OK;
    enum status status =
        unique_find(step->txn, &step->broker->counters, spec->namespace, spec->idempotency_key, &owner);
    if (status == STATUS_DATA_LOSS)
        return error_set(&step->error, status, "DAMAGED_RECORD",
                         "which task has its idempotency key is damaged in the store; submit it as a new one");
    TRY(status);
    if (owner.task_id == task->id)
        return STATUS_OK;
    if (owner.task_id != 0)
        return error_set(&step->error, STATUS_ALREADY_EXISTS, "KEY_TAKEN",
                         "its idempotency key is that of task %s by now: retry that one",
                         id_format(owner.task_id, text));
    return unique_take(step, task, spec->namespace, spec->idempotency_key, 0);
}

/* How long a bucket lasts: rounded up, or all of them together would last less than the window. */
static uint64_t bucket_ms(const struct broker *broker)
{
    return (broker->settings.idempotency_window_ms + UNIQUE_BUCKETS - 2) / (UNIQUE_BUCKETS - 1);
}

/* Until the oldest bucket is to be empty. */
static uint64_t left_ms(const struct step *step)
{
    uint64_t due_ms = step->broker->counters.unique_began_ms + bucket_ms(step->broker);

    return due_ms > step->now.store_ms ? due_ms - step->now.store_ms : 0;
}

/* NOT_FOUND when the table is empty. */
static enum status first_row(struct step *step, struct key *ret_key, struct bytes *ret_value)
{
    struct bytes key;

    TRY(store_seek(step->txn, TABLE_UNIQUE, (struct bytes){0}, &key, ret_value));
    CHECK(key.size <= sizeof ret_key->data);
    memcpy(ret_key->data, key.data, key.size);
    ret_key->size = key.size;
    return STATUS_OK;
}

/* The row of a task that lives is the newest bucket's from now on; one that cannot be read may live. */
static enum status carry(struct step *step, struct key *row, struct bytes value)
{
    uint64_t task_id = 0;
    struct task task;

    bool is_good = unique_read(value, &task_id);
    store_delete(step->txn, TABLE_UNIQUE, key_bytes(row));
    if (!is_good)
        return STATUS_OK;
    enum status status = task_load(step, task_id, &task);
    if (status == STATUS_NOT_FOUND || (status == STATUS_OK && task_has_ended(task.now.state)))
        return STATUS_OK;
    if (status != STATUS_OK && status != STATUS_DATA_LOSS)
        return status;
    store_u64(row->data, newest_bucket(&step->broker->counters));
    put_row(step, row, task_id);
    return STATUS_OK;
}

enum status uniques_tick(struct step *step, uint32_t max)
{
    struct counters *counters = &step->broker->counters;

    for (uint32_t i = 0; i < max && left_ms(step) == 0; i++) {
        struct key row;
        struct bytes value;
        enum status status = first_row(step, &row, &value);
        if (status == STATUS_NOT_FOUND)
            return STATUS_OK;
        TRY(status);
        step->broker->is_dirty = true;
        if (load_u64(row.data) <= counters->unique_oldest) {
            TRY(carry(step, &row, value));
            continue;
        }
        /* What is new now stays for as many eighths as there are older buckets, each as long as it is due. */
        counters->unique_oldest++;
        counters->unique_began_ms = step->now.store_ms;
    }
    return STATUS_OK;
}

enum status uniques_next_ms(struct step *step, uint64_t *ret_ms)
{
    struct key row;
    struct bytes value;
    enum status status = first_row(step, &row, &value);

    *ret_ms = UINT64_MAX;
    if (status == STATUS_NOT_FOUND)
        return STATUS_OK;
    TRY(status);
    *ret_ms = left_ms(step);
    return STATUS_OK;
}
