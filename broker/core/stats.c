#include "broker/core/core.h"
#include "broker/core/limits.h"

#include <string.h>

#define TYPES_NAMED_MAX 64
#define QUEUES_NAMED_MAX 4096

/* When the oldest READY task of the lane was submitted: the first one of each priority is the oldest of it. */
static enum status lane_oldest(struct step *step, const struct lane *lane, uint64_t *submitted_ms)
{
    for (uint8_t priority = 0; priority <= PRIORITY_LAST; priority++) {
        struct key first = key_ready(lane->number, &(struct rank){.priority = priority});
        struct bytes key;
        struct bytes value;
        struct task task;
        enum status status = store_seek(step->txn, TABLE_READY, key_bytes(&first), &key, &value);
        if (status == STATUS_NOT_FOUND || (status == STATUS_OK && load_u32(key.data) != lane->number))
            return STATUS_OK;
        TRY(status);
        priority = key.data[4];
        status = task_load(step, key_read_id(key), &task);
        if (status == STATUS_DATA_LOSS || status == STATUS_NOT_FOUND)
            continue;
        TRY(status);
        if (task.submitted_ms < *submitted_ms)
            *submitted_ms = task.submitted_ms;
    }
    return STATUS_OK;
}

static enum status add_type(struct step *step, const struct queue_type *type, struct queue_view *view,
                            uint64_t *submitted_ms)
{
    bool has_ready = false;

    for (const struct lane *lane = type->lanes; lane != NULL; lane = lane->next_of_type) {
        for (size_t state = 0; state < TASK_STATES; state++)
            view->counts[state] += lane->counts[state];
        if (lane->counts[TASK_READY] == 0)
            continue;
        has_ready = true;
        TRY(lane_oldest(step, lane, submitted_ms));
    }
    if (has_ready && view->agent_type_count < TYPES_NAMED_MAX)
        view->agent_types[view->agent_type_count++] =
            arena_text(&step->effects->arena, bytes_of_text(type->agent_type));
    return STATUS_OK;
}

static const char *keep_text(struct step *step, const char *text)
{
    return text != NULL ? arena_text(&step->effects->arena, bytes_of_text(text)) : "";
}

static void view_settings(struct step *step, const struct queue_settings *settings, struct queue_view *view)
{
    view->paused_in = settings->paused_in;
    view->paused_out = settings->paused_out;
    view->paused_by = keep_text(step, settings->paused_by);
    view->pause_reason = keep_text(step, settings->pause_reason);
    view->length_max = settings->length_max;
    view->defaults = settings->defaults;
}

enum status queue_describe(struct step *step, const struct queue *queue, struct queue_view *view)
{
    struct arena *arena = &step->effects->arena;
    uint64_t submitted_ms = UINT64_MAX;

    view_settings(step, &queue->settings, view);
    view->namespace = arena_text(arena, bytes_of_text(queue->namespace));
    view->queue = arena_text(arena, bytes_of_text(queue->name));
    view->agent_types = arena_zero(arena, TYPES_NAMED_MAX, sizeof(char *));
    for (const struct queue_type *type = index_first(&queue->types); type != NULL; type = index_next(&type->node))
        TRY(add_type(step, type, view, &submitted_ms));
    if (submitted_ms != UINT64_MAX)
        view->oldest_ready_ms = step->now.wall_ms > submitted_ms ? step->now.wall_ms - submitted_ms : 1;
    return STATUS_OK;
}

enum status step_queue_stats(struct step *step, const struct command *command)
{
    const char *namespace = command->queue_stats.namespace;
    struct lanes *lanes = &step->broker->lanes;
    size_t count = index_count(&lanes->queues) < QUEUES_NAMED_MAX ? index_count(&lanes->queues) : QUEUES_NAMED_MAX;
    struct queue_view *views = arena_zero(&step->effects->arena, count, sizeof *views);
    size_t at = 0;

    TRY(limits_check_name("namespace", namespace, &step->error));
    for (const struct queue *queue = index_first(&lanes->queues); queue != NULL && at < count;
         queue = index_next(&queue->node)) {
        if ((queue->lane_count == 0 && !queue->is_set) ||
            (namespace[0] != '\0' && strcmp(namespace, queue->namespace) != 0))
            continue;
        TRY(queue_describe(step, queue, &views[at++]));
    }
    struct answer *answer = effects_answer(step->effects, command->token, command->kind);
    answer->queue_stats.queues = views;
    answer->queue_stats.count = at;
    return STATUS_OK;
}
