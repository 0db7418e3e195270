/* What time does: what is due happens, and nothing before it is. */
#include "tests/sim/model.h"

#include <inttypes.h>
#include <string.h>

#define TICK_ENOUGH 256
#define TICK_LATE_MS 20000

void model_end_task(struct judgement *judgement, struct model_task *task, enum task_state state)
{
    task->state = state;
    task->canceling = false;
    task->run_deadline_ms = 0;
    task->due_is_wall = false;
    task->due_from_ms = judgement->now.store_ms + task->retention_ms;
    task->due_to_ms = task->due_from_ms;
}

static uint64_t doubled(uint64_t base_ms, uint32_t times, uint64_t most_ms)
{
    uint64_t wait_ms = base_ms;

    for (uint32_t i = 0; i < times && wait_ms < most_ms; i++)
        wait_ms *= 2;
    return wait_ms < most_ms ? wait_ms : most_ms;
}

static void wait_between(struct judgement *judgement, struct model_task *task, uint64_t from_ms, uint64_t to_ms)
{
    task->state = TASK_SCHEDULED;
    task->due_is_wall = false;
    task->due_from_ms = judgement->now.store_ms + from_ms;
    task->due_to_ms = judgement->now.store_ms + to_ms;
}

static uint64_t later(uint64_t a_ms, uint64_t b_ms)
{
    return a_ms > b_ms ? a_ms : b_ms;
}

/* A broker that was away gives everybody a whole lease to be heard again. */
static uint64_t first_loss_ms(const struct judgement *judgement)
{
    return judgement->model->opened_ms + judgement->model->settings.lease_ms;
}

/* The same for a holder whose lease is the longest that there is. */
static uint64_t last_first_loss_ms(const struct judgement *judgement)
{
    return judgement->model->opened_ms + judgement->model->settings.lease_max_ms + 1;
}

/* One that would end while its output is on its way does not end yet. */
void model_close_run(struct judgement *judgement, struct model_task *task, enum model_end end)
{
    const struct command *command = judgement->command;
    bool is_pending = command != NULL && command->kind == COMMAND_REPORT_EXIT && command->report_exit.streams_pending;

    task->end = end;
    task->end_state = task->state;
    task->canceling = false;
    task->suspending = false;
    task->reaping = false;
    task->run_deadline_ms = 0;
    if (!is_pending || !model_has_ended(task) || !task->was_running)
        return;
    task->state = TASK_RUNNING;
    task->finishing = true;
    task->due_from_ms = judgement->now.store_ms + judgement->model->settings.seal_ms;
    task->due_to_ms = task->due_from_ms;
}

/* After a charged attempt. */
void model_retry_or_fail(struct judgement *judgement, struct model_task *task, bool final, uint64_t least_ms)
{
    if (final || task->attempts >= task->max_attempts || task->crashes >= task->max_crashes) {
        model_end_task(judgement, task, TASK_FAILED);
        return;
    }
    uint64_t most_ms = doubled(task->backoff_ms, task->attempts > 0 ? task->attempts - 1 : 0, task->backoff_max_ms);
    wait_between(judgement, task, least_ms > 1 ? least_ms : 1, most_ms > least_ms ? most_ms : least_ms);
}

static bool is_undeliverable(const struct model_task *task)
{
    return task->deliveries - task->attempts >= task->max_deliveries;
}

bool model_is_final(const struct model_task *task, const char *error_type)
{
    for (size_t i = 0; i < task->non_retryable_count; i++)
        if (strcmp(task->non_retryable[i], error_type) == 0)
            return true;
    return false;
}

static void end_as_lost(struct judgement *judgement, struct model_task *task)
{
    if (task->canceling) {
        model_end_task(judgement, task, TASK_CANCELED);
    } else if (task->state == TASK_RUNNING) {
        task->crashes++;
        model_retry_or_fail(judgement, task, model_is_final(task, "lost"), 0);
    } else if (is_undeliverable(task)) {
        model_end_task(judgement, task, TASK_FAILED);
    } else {
        task->state = TASK_READY;
    }
}

void model_end_lost(struct judgement *judgement, struct model_task *task, enum model_end word)
{
    task->was_running = task->state == TASK_RUNNING;
    model_touch(judgement->model, task);
    end_as_lost(judgement, task);
    model_close_run(judgement, task, word);
}

/* Its lease has run out. A supervisor is asked to kill and to confirm; only when it was not heard of for the reap grace
 * is the run given up. */
void model_lose(struct judgement *judgement, struct model_task *task)
{
    struct model *model = judgement->model;

    model_touch(model, task);
    if (task->supervised && task->state == TASK_RUNNING && !task->reaping) {
        uint64_t from_ms = later(task->lease_from_ms, task->heard_until_ms);
        task->reaping = true;
        task->lease_from_ms = later(from_ms, first_loss_ms(judgement)) + model->settings.reap_grace_ms;
        task->reap_from_ms = task->lease_from_ms;
        task->lease_to_ms = judgement->now.store_ms + model->settings.lease_max_ms + 1 + model->settings.reap_grace_ms;
        return;
    }
    if (task->reaping && !task->canceling && task->on_lost == LOST_HOLD) {
        task->crashes++;
        task->state = TASK_SUSPENDED;
        model_close_run(judgement, task, END_LOST);
        return;
    }
    model_end_lost(judgement, task, END_LOST);
}

void model_release(struct judgement *judgement, struct model_task *task, uint64_t delay_ms)
{
    task->was_running = task->state == TASK_RUNNING;
    model_touch(judgement->model, task);
    task->interruptions++;
    if (task->state == TASK_RUNNING)
        task->attempts--;
    if (delay_ms == 0 && task->interruptions > 1)
        delay_ms = doubled(500, task->interruptions - 2, 60000);
    if (task->canceling)
        model_end_task(judgement, task, TASK_CANCELED);
    else if (is_undeliverable(task))
        model_end_task(judgement, task, TASK_FAILED);
    else if (delay_ms > 0)
        wait_between(judgement, task, delay_ms, delay_ms);
    else
        task->state = TASK_READY;
    model_close_run(judgement, task, END_RELEASED);
}

void model_give_back(struct judgement *judgement, struct model_task *task, uint64_t delay_ms)
{
    if (task->reaping)
        model_end_lost(judgement, task, END_RELEASED);
    else
        model_release(judgement, task, delay_ms);
}

static uint64_t time_of(const struct judgement *judgement, const struct model_task *task)
{
    return task->due_is_wall && !model_is_held(task) && !task->finishing ? judgement->now.wall_ms
                                                                         : judgement->now.store_ms;
}

static bool has_expired(const struct judgement *judgement, const struct model_task *task)
{
    return model_is_waiting(task) && task->expires_ms > 0 && task->expires_ms <= judgement->now.wall_ms;
}

static bool waits_for_time(const struct model_task *task)
{
    return task->state == TASK_SCHEDULED || task->finishing || model_has_ended(task);
}

static bool may_be_due(const struct judgement *judgement, const struct model_task *task)
{
    if (has_expired(judgement, task))
        return true;
    if (model_is_held(task))
        return later(task->lease_from_ms, first_loss_ms(judgement)) <= judgement->now.store_ms;
    return waits_for_time(task) && task->due_from_ms <= time_of(judgement, task);
}

/* When it must have happened; UINT64_MAX = never. */
static uint64_t due_by(const struct judgement *judgement, const struct model_task *task)
{
    /* One tick does so much, leases that were renewed and are looked at for nothing included; then the next one is
     * near, unless the store is full. */
    uint64_t late_ms = judgement->model->settings.tick_max < TICK_ENOUGH ? TICK_LATE_MS : 0;

    if (has_expired(judgement, task))
        return 0;
    /* A wall clock that was set may have made much due at once. */
    if (late_ms > 0 && task->state == TASK_SCHEDULED && task->due_is_wall)
        return UINT64_MAX;
    if (model_is_held(task))
        return later(task->lease_to_ms, last_first_loss_ms(judgement)) + late_ms;
    return waits_for_time(task) ? task->due_to_ms + late_ms : UINT64_MAX;
}

static void happen(struct judgement *judgement, struct model_task *task)
{
    struct model *model = judgement->model;

    if (model_is_held(task)) {
        model_lose(judgement, task);
        return;
    }
    model_touch(model, task);
    if (has_expired(judgement, task)) {
        task->wait_count = 0;
        model_end_task(judgement, task, TASK_EXPIRED);
        return;
    }
    if (task->finishing) {
        task->finishing = false;
        model_end_task(judgement, task, task->end_state);
        return;
    }
    task->state = task->state == TASK_SCHEDULED ? TASK_READY : TASK_NONE;
}

bool model_says_changed(const struct effects *effects, uint64_t id)
{
    for (size_t i = 0; i < effects->changed_count; i++)
        if (effects->changed[i] == id)
            return true;
    return false;
}

/* What changed must have been due, and nothing that is due is left. A claim that waited may have taken what became
 * READY: its answer is judged afterwards. */
void model_tick(struct judgement *judgement)
{
    struct model *model = judgement->model;

    model->touched_count = 0;
    for (size_t i = model->first; i < model->task_count; i++) {
        struct model_task *task = model->tasks[i];
        bool changed = task->state != TASK_NONE && model_says_changed(judgement->effects, task->id);

        if (changed && may_be_due(judgement, task))
            happen(judgement, task);
        else if (changed && task->state != TASK_READY && task->state != TASK_BLOCKED)
            world_violated(model->world, "task %" PRIu64 " left %s before its time", task->id,
                           task_state_name(task->state));
        else if (!changed && due_by(judgement, task) <= time_of(judgement, task))
            world_violated(model->world, "task %" PRIu64 " stays %s at %" PRIu64 ", its time was %" PRIu64, task->id,
                           task_state_name(task->state), time_of(judgement, task), due_by(judgement, task));
    }
    model_release_waiting(judgement);
    model_limits_tick(judgement);
    model_wake(judgement);
}
