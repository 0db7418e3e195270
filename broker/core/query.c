#include "broker/core/core.h"
#include "broker/core/filter.h"
#include "broker/core/limits.h"

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
    const struct task_view **tasks;
    size_t count;
    size_t max;
    size_t size;   /* bytes, about */
    uint64_t last; /* the last task that was looked at */
    bool has_more;
};

static enum status look_at(struct step *step, const struct task_filter *filter, uint64_t id, struct page *page)
{
    struct task task;
    struct task_view *view = NULL;
    bool matches = false;

    TRY(filter_matches(step, filter, id, &task, &matches));
    if (!matches)
        return STATUS_OK;
    enum status status = task_view(step, &task, false, &view);
    if (status == STATUS_DATA_LOSS)
        return STATUS_OK;
    TRY(status);
    if (page->count == page->max || (page->count > 0 && page->size + view->size > PAGE_BYTES_MAX)) {
        page->has_more = true;
        return STATUS_OK;
    }
    page->tasks[page->count++] = view;
    page->size += view->size;
    return STATUS_OK;
}

static enum status fill(struct step *step, const struct command_list *list, struct page *page)
{
    struct walk walk = walk_over(&list->filter, list->newest_first, list->page_token);

    for (size_t looked_at = 0; !page->has_more; looked_at++) {
        uint64_t id = 0;
        enum status status = walk_next(step, &walk, &id);
        if (status == STATUS_NOT_FOUND)
            return STATUS_OK;
        TRY(status);
        page->has_more = looked_at == LOOKED_AT_MAX;
        if (!page->has_more)
            TRY(look_at(step, &list->filter, id, page));
        if (!page->has_more)
            page->last = id;
    }
    return STATUS_OK;
}

enum status step_list(struct step *step, const struct command *command)
{
    const struct command_list *list = &command->list;
    struct page page = {.max = list->page_size > 0 ? list->page_size : PAGE_DEFAULT};

    TRY(limits_check_list(list, &step->error));
    page.tasks = arena_zero(&step->effects->arena, page.max, sizeof(struct task_view *));
    TRY(fill(step, list, &page));
    struct answer *answer = effects_answer(step->effects, command->token, command->kind);
    answer->list.tasks = page.tasks;
    answer->list.count = page.count;
    answer->list.next_page_token = page.has_more ? page.last : 0;
    return STATUS_OK;
}
