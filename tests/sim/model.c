#include "tests/sim/model.h"

#include "common/base/check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* How each command is judged; what is not here may change nothing. */
static model_fn *const judges[COMMAND_KINDS] = {
    [COMMAND_SUBMIT] = model_submit,
    [COMMAND_GET] = model_get,
    [COMMAND_LIST] = model_list,
    [COMMAND_CANCEL] = model_cancel,
    [COMMAND_RETRY] = model_retry,
    [COMMAND_REGISTER] = model_register,
    [COMMAND_CLAIM] = model_claim,
    [COMMAND_UNPARK] = model_unpark,
    [COMMAND_FORGET] = model_forget,
    [COMMAND_START] = model_start,
    [COMMAND_HEARTBEAT] = model_heartbeat,
    [COMMAND_COMPLETE] = model_complete,
    [COMMAND_FAIL] = model_fail,
    [COMMAND_RELEASE] = model_release_run,
    [COMMAND_QUEUE_STATS] = model_queue_stats,
    [COMMAND_HISTORY] = model_history,
    [COMMAND_WHY] = model_why,
    [COMMAND_SET_LIMIT] = model_set_limit,
    [COMMAND_LIST_LIMITS] = model_list_limits,
    [COMMAND_PAUSE_LIMIT] = model_pause_limit,
    [COMMAND_REPORT_EXIT] = model_report_exit,
    [COMMAND_FINISH] = model_finish,
    [COMMAND_SUSPEND] = model_suspend,
    [COMMAND_ASK_SUSPEND] = model_ask_suspend,
    [COMMAND_RESUME] = model_resume,
    [COMMAND_START_JOB] = model_start_job,
    [COMMAND_UPDATE] = model_update,
    [COMMAND_ADOPT] = model_adopt,
    [COMMAND_DRAIN] = model_drain,
    [COMMAND_MOVE] = model_move,
    [COMMAND_PAUSE_QUEUE] = model_pause_queue,
    [COMMAND_SET_QUEUE] = model_set_queue,
};

struct model *model_new(struct world *world, const struct broker_settings *settings)
{
    struct model *model = allocate_zero(1, sizeof *model);

    model->world = world;
    model->settings = *settings;
    return model;
}

struct model *model_free(struct model *model)
{
    if (model == NULL)
        return NULL;
    for (size_t i = 0; i < model->task_count; i++)
        free(model->tasks[i]);
    free(model->tasks);
    free(model->olds);
    buffer_done(&model->old_bytes);
    free(model);
    return NULL;
}

void model_keep(struct model *model, void *at, size_t size)
{
    if (model->old_count == model->old_capacity) {
        model->old_capacity = model->old_capacity > 0 ? 2 * model->old_capacity : 64;
        model->olds = reallocate(model->olds, model->old_capacity * sizeof model->olds[0]);
    }
    model->olds[model->old_count++] = (struct model_old){.at = at, .size = size, .offset = model->old_bytes.size};
    buffer_add(&model->old_bytes, at, size);
}

void model_settle(struct model *model)
{
    model_turns_settle(model);
}

void model_commit(struct model *model)
{
    model->old_count = 0;
    model->old_bytes.size = 0;
    while (model->first < model->task_count && model->tasks[model->first]->state == TASK_NONE)
        model->first++;
}

void model_abort(struct model *model)
{
    size_t task_count = model->task_count;

    while (model->old_count > 0) {
        const struct model_old *old = &model->olds[--model->old_count];
        memcpy(old->at, model->old_bytes.data + old->offset, old->size);
    }
    model->old_bytes.size = 0;
    for (size_t i = model->task_count; i < task_count; i++)
        free(model->tasks[i]);
}

/* Only what the broker keeps in memory is gone. */
void model_opened(struct model *model, uint64_t store_ms)
{
    CHECK(model->old_count == 0);
    model->opened_ms = store_ms;
    for (size_t i = 0; i < model->agent_count; i++) {
        model->agents[i].registered = false;
        model->agents[i].parked.token = 0;
    }
    for (size_t i = model->first; i < model->task_count; i++) {
        struct model_task *task = model->tasks[i];
        if (!model_is_held(task))
            continue;
        /* Renewals lived in memory; what is left is the lease that everybody gets at a start. */
        task->lease_from_ms = task->reaping ? task->reap_from_ms : store_ms;
        task->heard_until_ms = 0;
    }
}

static size_t find_place(const struct model *model, uint64_t id)
{
    size_t low = model->first;
    size_t high = model->task_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (model->tasks[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct model_task *model_find(const struct model *model, uint64_t id)
{
    size_t at = find_place(model, id);

    if (at == model->task_count || model->tasks[at]->id != id || model->tasks[at]->state == TASK_NONE)
        return NULL;
    return model->tasks[at];
}

bool model_ever_had(const struct model *model, uint64_t id)
{
    for (size_t i = 0; i < model->first; i++)
        if (model->tasks[i]->id == id)
            return true;
    return find_place(model, id) < model->task_count && model->tasks[find_place(model, id)]->id == id;
}

size_t model_live_count(const struct model *model)
{
    size_t count = 0;

    for (size_t i = model->first; i < model->task_count; i++)
        count += model->tasks[i]->state != TASK_NONE && !model_has_ended(model->tasks[i]);
    return count;
}

void model_touch(struct model *model, struct model_task *task)
{
    model_keep(model, task, sizeof *task);
    CHECK(model->touched_count < sizeof model->touched / sizeof model->touched[0]);
    model->touched[model->touched_count++] = task;
}

struct model_task *model_add(struct model *model, uint64_t id)
{
    if (id <= model->last_id)
        world_violated(model->world, "task %" PRIu64 " was given after task %" PRIu64, id, model->last_id);
    if (model->task_count == model->task_capacity) {
        model->task_capacity = model->task_capacity > 0 ? 2 * model->task_capacity : 256;
        model->tasks = reallocate(model->tasks, model->task_capacity * sizeof(struct model_task *));
    }
    struct model_task *task = allocate_zero(1, sizeof *task);
    task->id = id;
    model_touch(model, task);
    model_keep(model, &model->last_id, sizeof model->last_id);
    model_keep(model, &model->task_count, sizeof model->task_count);
    model->last_id = id;
    model->tasks[model->task_count++] = task;
    return task;
}

struct model_agent *model_agent(struct model *model, const char *id)
{
    for (size_t i = 0; i < model->agent_count; i++)
        if (strcmp(model->agents[i].id, id) == 0)
            return &model->agents[i];
    CHECK(model->agent_count < MODEL_AGENTS_MAX);
    model->agents[model->agent_count].id = id;
    return &model->agents[model->agent_count++];
}

bool model_is_waiting(const struct model_task *task)
{
    return task->state == TASK_BLOCKED || task->state == TASK_SCHEDULED || task->state == TASK_READY;
}

bool model_is_held(const struct model_task *task)
{
    return task->state == TASK_ASSIGNED || (task->state == TASK_RUNNING && !task->finishing);
}

bool model_has_ended(const struct model_task *task)
{
    return task->state == TASK_COMPLETED || task->state == TASK_FAILED || task->state == TASK_CANCELED ||
           task->state == TASK_EXPIRED;
}

bool model_expect(struct judgement *judgement, const char *reason)
{
    const struct answer *own = judgement->own;
    const char *got = own == NULL ? "no answer" : own->refusal != NULL ? own->refusal->reason : NULL;

    if (got == reason || (got != NULL && reason != NULL && strcmp(got, reason) == 0))
        return true;
    world_violated(judgement->model->world, "%s was answered with %s, expected was %s",
                   command_name(judgement->command->kind), got != NULL ? got : "OK", reason != NULL ? reason : "OK");
    return false;
}

void model_step(struct judgement *judgement)
{
    model_fn *judge = judges[judgement->command->kind];

    judgement->model->touched_count = 0;
    for (const struct answer *answer = judgement->effects->answers; answer != NULL; answer = answer->next)
        if (answer->token == judgement->command->token)
            judgement->own = answer;
    if (judge != NULL)
        judge(judgement);
    model_release_waiting(judgement);
    model_wake(judgement);
}
