/* What the holder of a run says about it, and when it is too late for that. */
#include "tests/sim/model.h"

#include <inttypes.h>

struct model_task *model_run(struct judgement *judgement, struct run_name run, enum model_end word, bool *ret_is_repeat)
{
    struct model_task *task = model_find(judgement->model, run.task_id);

    *ret_is_repeat = false;
    if (task == NULL) {
        (void)model_expect(judgement, "NO_SUCH_TASK");
        return NULL;
    }
    if (task->fence == run.fence && model_is_held(task))
        return task;
    if (task->fence == run.fence && word != END_NONE && task->end == word) {
        *ret_is_repeat = true;
        return task;
    }
    (void)model_expect(judgement, "STALE_FENCE");
    return NULL;
}

void model_start(struct judgement *judgement)
{
    const struct command_start *start = &judgement->command->start;
    struct model *model = judgement->model;
    bool is_repeat = false;
    struct model_task *task = model_run(judgement, start->run, END_NONE, &is_repeat);

    if (task == NULL || !model_expect(judgement, NULL))
        return;
    if (task->state == TASK_ASSIGNED) {
        model_touch(model, task);
        task->state = TASK_RUNNING;
        task->attempts++;
        if (start->agent_id[0] != '\0')
            task->agent_id = start->agent_id;
        task->run_deadline_ms = judgement->now.store_ms + task->run_timeout_ms;
        model_renew(judgement, task, model->settings.lease_ms);
    }
    if (judgement->own->attempt != task->attempts)
        world_violated(model->world, "START of task %" PRIu64 " says attempt %u, it is %u", task->id,
                       judgement->own->attempt, task->attempts);
}

static void expect_state(struct judgement *judgement, const struct model_task *task)
{
    if (judgement->own->state != task->end_state)
        world_violated(judgement->model->world, "%s of task %" PRIu64 " says %s, it led to %s",
                       command_name(judgement->command->kind), task->id, task_state_name(judgement->own->state),
                       task_state_name(task->end_state));
}

void model_complete(struct judgement *judgement)
{
    bool is_repeat = false;
    struct model_task *task = model_run(judgement, judgement->command->complete.run, END_COMPLETED, &is_repeat);

    if (task == NULL)
        return;
    if (!is_repeat && task->state != TASK_RUNNING) {
        (void)model_expect(judgement, "WRONG_STATE");
        return;
    }
    if (!model_expect(judgement, NULL))
        return;
    if (!is_repeat) {
        model_touch(judgement->model, task);
        model_end_task(judgement, task, TASK_COMPLETED);
        model_close_run(task, END_COMPLETED);
    }
    expect_state(judgement, task);
}

void model_fail(struct judgement *judgement)
{
    const struct command_fail *fail = &judgement->command->fail;
    bool is_repeat = false;
    struct model_task *task = model_run(judgement, fail->run, END_FAILED, &is_repeat);

    if (task == NULL)
        return;
    if (!is_repeat && !task->canceling && task->state != TASK_RUNNING) {
        (void)model_expect(judgement, "WRONG_STATE");
        return;
    }
    if (!model_expect(judgement, NULL))
        return;
    if (!is_repeat) {
        model_touch(judgement->model, task);
        task->crashes += fail->failure == FAILURE_BY_CRASH;
        if (task->canceling)
            model_end_task(judgement, task, TASK_CANCELED);
        else
            model_retry_or_fail(judgement, task, fail->final || model_is_final(task, fail->outcome.error_type),
                                fail->retry_after_ms);
        model_close_run(task, END_FAILED);
    }
    expect_state(judgement, task);
}

void model_release_run(struct judgement *judgement)
{
    const struct command_release *release = &judgement->command->release;
    bool is_repeat = false;
    struct model_task *task = model_run(judgement, release->run, END_RELEASED, &is_repeat);

    if (task == NULL || !model_expect(judgement, NULL))
        return;
    if (!is_repeat)
        model_release(judgement, task, release->delay_ms);
    expect_state(judgement, task);
}

static enum verdict expected_verdict(const struct judgement *judgement, const struct model_task *task,
                                     const struct run_name *run)
{
    if (task == NULL || task->fence != run->fence || !model_is_held(task))
        return VERDICT_STALE;
    if (task->canceling || (task->state == TASK_RUNNING && judgement->now.store_ms >= task->run_deadline_ms))
        return VERDICT_STOP;
    return VERDICT_GO_ON;
}

void model_renew(struct judgement *judgement, struct model_task *task, uint32_t told_ms)
{
    struct model *model = judgement->model;
    uint64_t from_ms = judgement->now.store_ms + told_ms;
    uint64_t most_ms = task->run_deadline_ms;

    /* Beyond its run timeout a run that still beats is let live for a bounded time only. */
    if (task->state == TASK_RUNNING)
        most_ms += model->settings.terminate_ms;
    if (from_ms > most_ms)
        from_ms = most_ms;
    model_keep(model, task, sizeof *task);
    task->lease_from_ms = from_ms > task->lease_from_ms ? from_ms : task->lease_from_ms;
    task->lease_to_ms = from_ms + 1 > task->lease_to_ms ? from_ms + 1 : task->lease_to_ms;
}

void model_heartbeat(struct judgement *judgement)
{
    const struct command_heartbeat *heartbeat = &judgement->command->heartbeat;
    struct model *model = judgement->model;
    const struct model_agent *agent = model_agent(model, heartbeat->agent_id);

    if (agent->registered && heartbeat->incarnation < agent->incarnation) {
        (void)model_expect(judgement, "STALE_INCARNATION");
        return;
    }
    if (!model_expect(judgement, NULL))
        return;
    for (size_t i = 0; i < heartbeat->beat_count; i++) {
        const struct beat_reply *reply = &judgement->own->heartbeat.replies[i];
        struct model_task *task = model_find(model, heartbeat->beats[i].run.task_id);
        enum verdict expected = expected_verdict(judgement, task, &heartbeat->beats[i].run);

        if (reply->verdict != expected)
            world_violated(model->world, "HEARTBEAT of task %" PRIu64 " fence %" PRIu64 " got verdict %d, expected %d",
                           heartbeat->beats[i].run.task_id, heartbeat->beats[i].run.fence, reply->verdict, expected);
        else if (expected != VERDICT_STALE)
            model_renew(judgement, task, reply->lease_ms);
    }
    if (judgement->own->heartbeat.registered != (agent->registered && agent->incarnation == heartbeat->incarnation))
        world_violated(model->world, "HEARTBEAT of %s says registered=%d", heartbeat->agent_id,
                       judgement->own->heartbeat.registered);
}
