/* What operators say about queues. */
#include "tests/sim/model.h"

#include "common/base/check.h"

#include <inttypes.h>
#include <string.h>

struct model_queue *model_queue(struct model *model, const char *name)
{
    for (size_t i = 0; i < model->queue_count; i++)
        if (strcmp(model->queues[i].name, name) == 0)
            return &model->queues[i];
    CHECK(model->queue_count < MODEL_QUEUES_MAX);
    model->queues[model->queue_count].name = name;
    return &model->queues[model->queue_count++];
}

const char *model_queue_refusal(struct model *model, const char *name, uint64_t adding)
{
    const struct model_queue *queue = model_queue(model, name);
    uint64_t length = adding;

    if (queue->paused_in)
        return "QUEUE_PAUSED";
    for (size_t i = model->first; i < model->task_count; i++)
        length += model_is_waiting(model->tasks[i]) && strcmp(model->tasks[i]->queue, name) == 0;
    return queue->length_max > 0 && length >= queue->length_max ? "QUEUE_FULL" : NULL;
}

static void compare_queue(struct judgement *judgement, const struct queue_view *view, const char *name)
{
    struct model *model = judgement->model;
    const struct model_queue *queue = model_queue(model, name);
    uint64_t counts[TASK_STATES] = {0};

    for (size_t at = model->first; at < model->task_count; at++)
        if (model->tasks[at]->state != TASK_NONE && strcmp(model->tasks[at]->queue, name) == 0)
            counts[model->tasks[at]->state]++;
    if (memcmp(counts, view->counts, sizeof counts) != 0)
        world_violated(model->world, "%s counts queue %s otherwise than its tasks",
                       command_name(judgement->command->kind), name);
    if (view->paused_in != queue->paused_in || view->paused_out != queue->paused_out ||
        view->length_max != queue->length_max)
        world_violated(model->world,
                       "queue %s: paused in %d, out %d, length_max %" PRIu64 ", should be %d, %d, %" PRIu64, name,
                       view->paused_in, view->paused_out, view->length_max, queue->paused_in, queue->paused_out,
                       queue->length_max);
}

void model_queue_stats(struct judgement *judgement)
{
    if (!model_expect(judgement, NULL))
        return;
    for (size_t i = 0; i < judgement->own->queue_stats.count; i++) {
        const struct queue_view *view = &judgement->own->queue_stats.queues[i];
        for (size_t at = 0; at < judgement->model->queue_count; at++)
            if (strcmp(judgement->model->queues[at].name, view->queue) == 0)
                compare_queue(judgement, view, judgement->model->queues[at].name);
    }
}

void model_pause_queue(struct judgement *judgement)
{
    const struct command_pause_queue *pause = &judgement->command->pause_queue;
    struct model_queue *queue = model_queue(judgement->model, pause->queue);
    bool both = !pause->in && !pause->out;

    if (!model_expect(judgement, NULL))
        return;
    model_keep(judgement->model, queue, sizeof *queue);
    if (pause->in || both)
        queue->paused_in = !pause->resumes;
    if (pause->out || both)
        queue->paused_out = !pause->resumes;
    compare_queue(judgement, &judgement->own->queue_stats.queues[0], queue->name);
}

void model_set_queue(struct judgement *judgement)
{
    const struct command_set_queue *set = &judgement->command->set_queue;
    struct model_queue *queue = model_queue(judgement->model, set->queue);

    if (!model_expect(judgement, NULL))
        return;
    model_keep(judgement->model, queue, sizeof *queue);
    if (set->has_length_max)
        queue->length_max = set->length_max;
    if (set->has_defaults)
        queue->defaults = set->defaults;
    compare_queue(judgement, &judgement->own->queue_stats.queues[0], queue->name);
}
