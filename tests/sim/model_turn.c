/* Turns: one more than the last of the key, or than what was claimed last where that is later. */
#include "tests/sim/model.h"

#include "common/base/check.h"

#include <string.h>

static struct model_line *line_of(struct model *model, const char *queue, uint32_t priority)
{
    for (size_t i = 0; i < model->line_count; i++)
        if (model->lines[i].priority == priority && strcmp(model->lines[i].queue, queue) == 0)
            return &model->lines[i];
    CHECK(model->line_count < MODEL_LINES_MAX);
    struct model_line *line = &model->lines[model->line_count++];
    *line = (struct model_line){.queue = queue, .priority = priority};
    return line;
}

static uint64_t *last_of(struct model_line *line, const char *key)
{
    for (size_t i = 0; i < line->key_count; i++)
        if (strcmp(line->keys[i], key) == 0)
            return &line->last[i];
    CHECK(line->key_count < MODEL_KEYS_MAX);
    line->keys[line->key_count] = key;
    line->last[line->key_count] = 0;
    return &line->last[line->key_count++];
}

uint64_t model_turn_give(struct model *model, const char *queue, uint32_t priority, const char *key)
{
    struct model_line *line = line_of(model, queue, priority);
    uint64_t *last = last_of(line, key);

    model_keep(model, line, sizeof *line);
    *last = (*last > line->claimed ? *last : line->claimed) + 1;
    return *last;
}

void model_turn_claimed(struct model *model, const struct model_task *task)
{
    struct model_line *line = line_of(model, task->queue, task->priority);

    if (task->turn <= line->claimed)
        return;
    model_keep(model, line, sizeof *line);
    line->claimed = task->turn;
}

static bool has_tasks(const struct model *model, const char *queue)
{
    for (size_t i = model->first; i < model->task_count; i++)
        if (model->tasks[i]->state != TASK_NONE && strcmp(model->tasks[i]->queue, queue) == 0)
            return true;
    return false;
}

/* A queue without tasks remembers no turns. */
void model_turns_settle(struct model *model)
{
    for (size_t i = 0; i < model->line_count; i++) {
        struct model_line *line = &model->lines[i];
        if (has_tasks(model, line->queue) || (line->claimed == 0 && line->key_count == 0))
            continue;
        model_keep(model, line, sizeof *line);
        line->claimed = 0;
        line->key_count = 0;
    }
}
