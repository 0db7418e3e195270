#include "broker/core/checkpoint.h"

#include "broker/core/core.h"
#include "broker/core/record.h"

#define CHECKPOINT_VERSION 1

bool checkpoint_read(struct bytes value, uint64_t id, struct checkpoint *ret_checkpoint)
{
    struct reader reader;

    if (!record_open(value, CHECKPOINT_VERSION, id, &reader))
        return false;
    ret_checkpoint->content = reader_sized(&reader);
    ret_checkpoint->answer = reader_sized(&reader);
    return !reader.failed;
}

enum status checkpoint_load(struct step *step, const struct task *task, struct checkpoint *ret_checkpoint)
{
    struct key key = key_of_id(task->id);
    struct bytes value;

    *ret_checkpoint = (struct checkpoint){0};
    if (!task->has_checkpoint)
        return STATUS_OK;
    enum status status = store_get(step->txn, TABLE_CHECKPOINT, key_bytes(&key), &value);
    if (status == STATUS_NOT_FOUND)
        return STATUS_DATA_LOSS;
    TRY(status);
    return checkpoint_read(value, task->id, ret_checkpoint) ? STATUS_OK : STATUS_DATA_LOSS;
}

static enum status load_or_begin_anew(struct step *step, const struct task *task, struct checkpoint *ret_checkpoint)
{
    enum status status = checkpoint_load(step, task, ret_checkpoint);

    if (status != STATUS_DATA_LOSS)
        return status;
    *ret_checkpoint = (struct checkpoint){0};
    return STATUS_OK;
}

static void save(struct step *step, struct task *task, const struct checkpoint *checkpoint)
{
    struct key key = key_of_id(task->id);
    struct buffer *buffer = &step->broker->scratch;

    record_begin(buffer, CHECKPOINT_VERSION);
    buffer_add_sized(buffer, checkpoint->content);
    buffer_add_sized(buffer, checkpoint->answer);
    store_put(step->txn, TABLE_CHECKPOINT, key_bytes(&key), record_seal(buffer, task->id));
    task->has_checkpoint = true;
}

enum status checkpoint_keep(struct step *step, struct task *task, struct bytes content, bool *ret_changed)
{
    struct checkpoint checkpoint;

    *ret_changed = false;
    if (content.size == 0)
        return STATUS_OK;
    TRY(load_or_begin_anew(step, task, &checkpoint));
    if (bytes_equal(checkpoint.content, content))
        return STATUS_OK;
    checkpoint.content = content;
    save(step, task, &checkpoint);
    *ret_changed = true;
    return STATUS_OK;
}

enum status checkpoint_answer(struct step *step, struct task *task, struct bytes answer)
{
    struct checkpoint checkpoint;

    TRY(load_or_begin_anew(step, task, &checkpoint));
    if (bytes_equal(checkpoint.answer, answer))
        return STATUS_OK;
    checkpoint.answer = answer;
    save(step, task, &checkpoint);
    return STATUS_OK;
}

void checkpoint_drop(struct step *step, struct task *task)
{
    struct key key = key_of_id(task->id);

    if (task->has_checkpoint)
        store_delete(step->txn, TABLE_CHECKPOINT, key_bytes(&key));
    task->has_checkpoint = false;
}
