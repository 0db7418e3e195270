/* What is done to many tasks: here always at once, since so few are more than no batch can bear. */
#include "tests/sim/model.h"

#include <inttypes.h>
#include <string.h>

static bool is_meant(const struct task_filter *filter, const struct model_task *task)
{
    return task->state != TASK_NONE && (filter->states >> task->state & 1U) != 0 &&
           (filter->queue[0] == '\0' || strcmp(filter->queue, task->queue) == 0);
}

void model_start_job(struct judgement *judgement)
{
    const struct job_order *order = &judgement->command->start_job.order;
    struct model *model = judgement->model;

    if (!model_expect(judgement, NULL))
        return;
    for (size_t i = model->first; i < model->task_count; i++) {
        struct model_task *task = model->tasks[i];
        if (!is_meant(&order->filter, task))
            continue;
        if (order->kind == JOB_CANCEL) {
            (void)model_cancel_one(judgement, task);
        } else if (order->kind == JOB_RETRY) {
            if (model_may_have_key_again(judgement, task))
                model_retry_one(judgement, task);
        } else {
            model_touch(model, task);
            task->state = TASK_NONE;
        }
    }
}

void model_update(struct judgement *judgement)
{
    const struct command_update *update = &judgement->command->update;
    struct model *model = judgement->model;
    struct model_task *task = model_find(model, update->task_id);

    if (task == NULL || model_has_ended(task)) {
        (void)model_expect(judgement, task == NULL ? "NO_SUCH_TASK" : "TASK_ENDED");
        return;
    }
    if (model_is_held(task) || task->finishing || (task->state == TASK_SUSPENDED && update->spec.delay_ms > 0)) {
        (void)model_expect(judgement, "WRONG_STATE");
        return;
    }
    if (!model_expect(judgement, NULL))
        return;
    model_touch(model, task);
    if (update->spec.priority > 0 && update->spec.priority != task->priority) {
        task->priority = update->spec.priority;
        task->turn = model_turn_give(model, task->queue, task->priority, task->fairness_key);
    }
    if (update->spec.max_attempts > 0)
        task->max_attempts = update->spec.max_attempts;
    if (update->spec.delay_ms == 0)
        return;
    task->due_is_wall = false;
    task->due_from_ms = judgement->now.store_ms + update->spec.delay_ms;
    task->due_to_ms = task->due_from_ms;
    if (task->state == TASK_READY)
        task->state = TASK_SCHEDULED;
}
