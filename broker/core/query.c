#include "broker/core/core.h"
#include "broker/core/limits.h"
#include "broker/core/record.h"

#include <string.h>

#define LOOKED_AT_MAX 5000                  /* tasks, per call */
#define PAGE_BYTES_MAX ((size_t)768 * 1024) /* so that a page fits one frame */
#define PAGE_DEFAULT 100

enum status step_get(struct step *step, const struct command *command)
{
    struct task_view *view = NULL;
    struct task task;

    TRY(task_load(step, command->get.task_id, &task));
    TRY(task_view(step, &task, command->get.with_payload, &view));
    effects_answer(step->effects, command->token, command->kind)->task = view;
    return STATUS_OK;
}

/* A page on its way. */
struct page {
    const struct command_list *list;
    const struct task_view **tasks;
    size_t count;
    size_t max;
    size_t size;   /* bytes, about */
    uint64_t last; /* the last task that was looked at */
    bool has_more;
};

static bool label_is_in(const struct label *label, const struct task_spec *spec)
{
    for (size_t i = 0; i < spec->label_count; i++)
        if (strcmp(spec->labels[i].key, label->key) == 0 && strcmp(spec->labels[i].value, label->value) == 0)
            return true;
    return false;
}

static bool has_labels(const struct command_list *list, const struct task_spec *spec)
{
    for (size_t i = 0; i < list->label_count; i++)
        if (!label_is_in(&list->labels[i], spec))
            return false;
    return true;
}

static bool is_or_all(const char *wanted, const char *is)
{
    return wanted[0] == '\0' || strcmp(wanted, is) == 0;
}

/* What can be told without the body. */
static bool may_match(struct step *step, const struct command_list *list, const struct task *task)
{
    const struct queue_type *type = lanes_by_number(&step->broker->lanes, task->now.lane)->type;

    return (list->states == 0 || (list->states >> task->now.state & 1U) != 0) &&
           is_or_all(list->namespace, type->queue->namespace) && is_or_all(list->queue, type->queue->name) &&
           is_or_all(list->agent_type, type->agent_type);
}

static enum status look_at(struct step *step, uint64_t id, struct page *page)
{
    struct task task;
    struct task_view *view = NULL;
    enum status status = task_load(step, id, &task);

    if (status == STATUS_OK && may_match(step, page->list, &task))
        status = task_view(step, &task, false, &view);
    if (status == STATUS_DATA_LOSS || view == NULL)
        return status == STATUS_DATA_LOSS ? STATUS_OK : status;
    TRY(status);
    if (!has_labels(page->list, &view->spec))
        return STATUS_OK;
    if (page->count == page->max || (page->count > 0 && page->size + view->size > PAGE_BYTES_MAX)) {
        page->has_more = true;
        return STATUS_OK;
    }
    page->tasks[page->count++] = view;
    page->size += view->size;
    return STATUS_OK;
}

/* The id to begin at; false when the bounds leave nothing. */
static bool first_id(const struct command_list *list, uint64_t *ret_id)
{
    uint64_t most = list->max_task_id > 0 ? list->max_task_id : UINT64_MAX;

    if (list->newest_first) {
        *ret_id = list->page_token > 0 && list->page_token - 1 < most ? list->page_token - 1 : most;
        return *ret_id >= list->min_task_id;
    }
    if (list->page_token == UINT64_MAX)
        return false;
    *ret_id =
        list->page_token > 0 && list->page_token + 1 > list->min_task_id ? list->page_token + 1 : list->min_task_id;
    return *ret_id <= most;
}

static bool is_in_bounds(const struct command_list *list, uint64_t id)
{
    return id >= list->min_task_id && (list->max_task_id == 0 || id <= list->max_task_id);
}

static enum status walk(struct step *step, uint64_t from, struct page *page)
{
    const struct command_list *list = page->list;
    struct key first = key_of_id(from);
    struct bytes key;
    struct bytes value;
    enum status status = list->newest_first ? store_seek_back(step->txn, TABLE_STATE, key_bytes(&first), &key, &value)
                                            : store_seek(step->txn, TABLE_STATE, key_bytes(&first), &key, &value);

    for (size_t looked_at = 0; status == STATUS_OK; looked_at++) {
        uint64_t id = key_read_id(key);
        if (!is_in_bounds(list, id))
            return STATUS_OK;
        page->has_more = looked_at == LOOKED_AT_MAX;
        if (!page->has_more)
            TRY(look_at(step, id, page));
        if (page->has_more)
            return STATUS_OK;
        page->last = id;
        status = list->newest_first ? store_previous(step->txn, TABLE_STATE, &key, &value)
                                    : store_next(step->txn, TABLE_STATE, &key, &value);
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

enum status step_list(struct step *step, const struct command *command)
{
    const struct command_list *list = &command->list;
    struct page page = {.list = list, .max = list->page_size > 0 ? list->page_size : PAGE_DEFAULT};
    uint64_t from = 0;

    TRY(limits_check_list(list, &step->error));
    page.tasks = arena_zero(&step->effects->arena, page.max, sizeof(struct task_view *));
    if (first_id(list, &from))
        TRY(walk(step, from, &page));
    struct answer *answer = effects_answer(step->effects, command->token, command->kind);
    answer->list.tasks = page.tasks;
    answer->list.count = page.count;
    answer->list.next_page_token = page.has_more ? page.last : 0;
    return STATUS_OK;
}
