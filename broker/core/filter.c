#include "broker/core/filter.h"

#include "broker/core/core.h"
#include "broker/core/record.h"

#include <string.h>

struct walk walk_over(const struct task_filter *filter, bool backwards, uint64_t after)
{
    uint64_t most = filter->max_task_id > 0 ? filter->max_task_id : UINT64_MAX;
    struct walk walk = {.filter = filter, .backwards = backwards};

    if (backwards) {
        walk.from = after > 0 && after - 1 < most ? after - 1 : most;
        walk.is_over = walk.from < filter->min_task_id;
    } else {
        walk.from = after > 0 && after + 1 > filter->min_task_id ? after + 1 : filter->min_task_id;
        walk.is_over = after == UINT64_MAX || walk.from > most;
    }
    return walk;
}

static enum status find_next(struct step *step, const struct walk *walk, struct bytes *ret_key)
{
    uint64_t parent_id = walk->filter->parent_id;
    enum broker_table table = parent_id > 0 ? TABLE_PARENT : TABLE_STATE;
    struct key from = parent_id > 0 ? key_parent(parent_id, walk->from) : key_of_id(walk->from);
    struct bytes value;

    if (walk->is_placed)
        return walk->backwards ? store_previous(step->txn, table, ret_key, &value)
                               : store_next(step->txn, table, ret_key, &value);
    return walk->backwards ? store_seek_back(step->txn, table, key_bytes(&from), ret_key, &value)
                           : store_seek(step->txn, table, key_bytes(&from), ret_key, &value);
}

enum status walk_next(struct step *step, struct walk *walk, uint64_t *ret_id)
{
    const struct task_filter *filter = walk->filter;
    struct bytes key;

    if (walk->is_over)
        return STATUS_NOT_FOUND;
    TRY(find_next(step, walk, &key));
    uint64_t id = key_read_id(key);
    if ((filter->parent_id > 0 && key_read_owner(key) != filter->parent_id) || id < filter->min_task_id ||
        (filter->max_task_id > 0 && id > filter->max_task_id))
        return STATUS_NOT_FOUND;
    walk->is_placed = true;
    walk->is_over = id == (walk->backwards ? 0 : UINT64_MAX);
    walk->from = walk->backwards ? id - 1 : id + 1;
    *ret_id = id;
    return STATUS_OK;
}

static bool label_is_in(const struct label *label, const struct task_spec *spec)
{
    for (size_t i = 0; i < spec->label_count; i++)
        if (strcmp(spec->labels[i].key, label->key) == 0 && strcmp(spec->labels[i].value, label->value) == 0)
            return true;
    return false;
}

static bool is_or_all(const char *wanted, const char *is)
{
    return wanted[0] == '\0' || strcmp(wanted, is) == 0;
}

/* What can be told without the body. */
static bool may_match(struct step *step, const struct task_filter *filter, const struct task *task)
{
    const struct queue_type *type = lanes_by_number(&step->broker->lanes, task->now.lane)->type;

    return (filter->states == 0 || (filter->states >> task->now.state & 1U) != 0) &&
           (filter->ended_before_ms == 0 || (task->ended_ms > 0 && task->ended_ms < filter->ended_before_ms)) &&
           is_or_all(filter->namespace, type->queue->namespace) && is_or_all(filter->queue, type->queue->name) &&
           is_or_all(filter->agent_type, type->agent_type);
}

static enum status labels_match(struct step *step, const struct task_filter *filter, uint64_t id, bool *ret_match)
{
    struct key key = key_of_id(id);
    struct task_spec spec = {0};
    struct bytes value;

    *ret_match = false;
    enum status status = store_get(step->txn, TABLE_TASK, key_bytes(&key), &value);
    if (status != STATUS_OK)
        return status == STATUS_NOT_FOUND ? STATUS_OK : status;
    if (!record_read_body(value, id, &step->effects->arena, &spec))
        return STATUS_OK;
    for (size_t i = 0; i < filter->label_count; i++)
        if (!label_is_in(&filter->labels[i], &spec))
            return STATUS_OK;
    *ret_match = true;
    return STATUS_OK;
}

enum status filter_matches(struct step *step, const struct task_filter *filter, uint64_t id, struct task *ret_task,
                           bool *ret_matches)
{
    enum status status = task_load(step, id, ret_task);

    *ret_matches = false;
    if (status == STATUS_DATA_LOSS || status == STATUS_NOT_FOUND)
        return STATUS_OK;
    TRY(status);
    if (!may_match(step, filter, ret_task))
        return STATUS_OK;
    *ret_matches = true;
    return filter->label_count > 0 ? labels_match(step, filter, id, ret_matches) : STATUS_OK;
}
