#include "contextd/core/fence.h"

#include "common/base/id.h"

#include <inttypes.h>

enum status context_task_find(struct store_txn *txn, uint64_t task_id, struct task *ret_task, struct error *error)
{
    struct key key;
    struct bytes record;

    context_task_key(task_id, &key);
    enum status status = store_get(txn, TABLE_TASK, key_view(&key), &record);
    if (status == STATUS_NOT_FOUND) {
        *ret_task = (struct task){0};
        return STATUS_OK;
    }
    TRY(status);
    return context_task_unpack(key_view(&key), record, ret_task, error);
}

static void context_task_save(struct store_txn *txn, uint64_t task_id, const struct task *task)
{
    CLEANUP(buffer_done)
    struct buffer record = {0};
    struct key key;

    context_task_key(task_id, &key);
    context_task_pack(key_view(&key), task, &record);
    store_put(txn, TABLE_TASK, key_view(&key), buffer_view(&record));
}

enum status fence_check(struct store_txn *txn, const struct writer *writer, struct task *ret_task, struct error *error)
{
    char text[ID_TEXT_SIZE];

    *ret_task = (struct task){0};
    if (writer->task_id == 0)
        return STATUS_OK;
    TRY(context_task_find(txn, writer->task_id, ret_task, error));
    if (writer->fence < ret_task->fence)
        return error_set(error, STATUS_ABORTED, "STALE_FENCE",
                         "writer.fence: %" PRIu64 " is over, task %s is held with fence %" PRIu64 ": end this run",
                         writer->fence, id_format(writer->task_id, text), ret_task->fence);
    return STATUS_OK;
}

/* A task is known from its first fence or stream on. */
static bool is_known(const struct task *task)
{
    return task->fence > 0 || task->streams > 0;
}

void fence_remember(struct contextd *core, struct store_txn *txn, const struct writer *writer, const struct task *task)
{
    if (writer->task_id == 0 || writer->fence <= task->fence)
        return;
    struct task newer = {.fence = writer->fence, .streams = task->streams};

    core->counters.tasks += !is_known(task);
    context_task_save(txn, writer->task_id, &newer);
}

enum status context_task_count_stream(struct contextd *core, struct store_txn *txn, const struct stream_name *name,
                                      struct error *error)
{
    struct task task;

    if (name->task_id == 0)
        return STATUS_OK;
    TRY(context_task_find(txn, name->task_id, &task, error));
    core->counters.tasks += !is_known(&task);
    core->counters.tasks_with_streams += task.streams == 0;
    task.streams++;
    if (name->fence > task.fence)
        task.fence = name->fence;
    context_task_save(txn, name->task_id, &task);
    return STATUS_OK;
}
