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
    if (word == END_COMPLETED && !task->has_late_result) {
        model_keep(judgement->model, task, sizeof *task);
        task->has_late_result = true;
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
        model_renew(judgement, task, 0);
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

static void end_completed(struct judgement *judgement, struct model_task *task)
{
    task->was_running = task->state == TASK_RUNNING;
    model_touch(judgement->model, task);
    model_end_task(judgement, task, TASK_COMPLETED);
    model_close_run(judgement, task, END_COMPLETED);
}

static void end_failed(struct judgement *judgement, struct model_task *task, const struct command_fail *fail)
{
    task->was_running = task->state == TASK_RUNNING;
    model_touch(judgement->model, task);
    task->crashes += fail->failure == FAILURE_BY_CRASH;
    if (task->canceling)
        model_end_task(judgement, task, TASK_CANCELED);
    else
        model_retry_or_fail(judgement, task, fail->final || model_is_final(task, fail->outcome.error_type),
                            fail->retry_after_ms);
    model_close_run(judgement, task, END_FAILED);
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
        end_completed(judgement, task);
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
        end_failed(judgement, task, fail);
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
        model_give_back(judgement, task, release->delay_ms);
    expect_state(judgement, task);
}

static enum verdict expected_verdict(const struct judgement *judgement, const struct model_task *task,
                                     const struct run_name *run)
{
    if (task == NULL || task->fence != run->fence || !(model_is_held(task) || task->finishing))
        return VERDICT_STALE;
    if (task->finishing)
        return VERDICT_GO_ON;
    if (task->reaping)
        return VERDICT_KILL;
    if (task->canceling || (task->state == TASK_RUNNING && judgement->now.store_ms >= task->run_deadline_ms))
        return VERDICT_STOP;
    if (model_is_killed(judgement->model, task->agent_id))
        return VERDICT_GIVE_BACK;
    return task->suspending && task->state == TASK_RUNNING ? VERDICT_SUSPEND : VERDICT_GO_ON;
}

void model_renew(struct judgement *judgement, struct model_task *task, uint32_t told_ms)
{
    const struct broker_settings *settings = &judgement->model->settings;
    uint64_t now_ms = judgement->now.store_ms;
    /* The broker may count with more than it told: a shorter lease binds from the reply that names it. */
    uint64_t to_ms = now_ms + settings->lease_max_ms + 1;
    uint64_t from_ms = now_ms + told_ms;
    uint64_t most_ms = task->run_deadline_ms;

    model_keep(judgement->model, task, sizeof *task);
    if (from_ms > task->heard_until_ms)
        task->heard_until_ms = from_ms;
    /* Beyond its run timeout a run that still beats is let live for a bounded time only. */
    if (task->state == TASK_RUNNING)
        most_ms += settings->terminate_ms;
    if (task->reaping) {
        from_ms += settings->reap_grace_ms;
        to_ms += settings->reap_grace_ms;
    } else if (to_ms > most_ms + 1) {
        to_ms = most_ms + 1;
        from_ms = from_ms < most_ms ? from_ms : most_ms;
    }
    task->lease_from_ms = from_ms > task->lease_from_ms ? from_ms : task->lease_from_ms;
    task->lease_to_ms = to_ms > task->lease_to_ms ? to_ms : task->lease_to_ms;
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
        else if (expected != VERDICT_STALE && !task->finishing)
            model_renew(judgement, task, reply->lease_ms);
    }
    if (judgement->own->heartbeat.registered != (agent->registered && agent->incarnation == heartbeat->incarnation))
        world_violated(model->world, "HEARTBEAT of %s says registered=%d", heartbeat->agent_id,
                       judgement->own->heartbeat.registered);
}

static enum model_end word_of(enum exit_kind how)
{
    switch (how) {
    case EXIT_COMPLETED:
        return END_COMPLETED;
    case EXIT_RELEASED:
    case EXIT_CANCELED:
        return END_RELEASED;
    case EXIT_LOST:
        return END_LOST;
    case EXIT_FAILED:
    case EXIT_CRASHED:
    case EXIT_TIMED_OUT:
    case EXIT_KINDS:
        break;
    }
    return END_FAILED;
}

static void end_canceled(struct judgement *judgement, struct model_task *task)
{
    task->was_running = task->state == TASK_RUNNING;
    model_touch(judgement->model, task);
    model_end_task(judgement, task, TASK_CANCELED);
    model_close_run(judgement, task, END_RELEASED);
}

static void end_as_reported(struct judgement *judgement, struct model_task *task)
{
    const struct command_report_exit *report = &judgement->command->report_exit;
    struct command_fail fail = {
        .failure = report->how == EXIT_CRASHED ? FAILURE_BY_CRASH : FAILURE_OF_ATTEMPT,
        .final = report->final,
        .retry_after_ms = report->delay_ms,
        .outcome = report->outcome,
    };

    if (word_of(report->how) == END_COMPLETED)
        end_completed(judgement, task);
    else if (report->how == EXIT_CANCELED && task->canceling)
        end_canceled(judgement, task);
    else if (word_of(report->how) == END_RELEASED)
        model_give_back(judgement, task, report->delay_ms);
    else if (report->how == EXIT_LOST)
        model_end_lost(judgement, task, END_LOST);
    else
        end_failed(judgement, task, &fail);
}

/* In which states it can end so. */
static bool may_end(const struct model_task *task, enum exit_kind how)
{
    enum model_end word = word_of(how);

    if (task->state == TASK_RUNNING || word == END_RELEASED || word == END_LOST)
        return true;
    return word == END_FAILED && task->canceling;
}

void model_report_exit(struct judgement *judgement)
{
    const struct command_report_exit *report = &judgement->command->report_exit;
    bool is_repeat = false;
    struct model_task *task = model_run(judgement, report->run, word_of(report->how), &is_repeat);

    if (task == NULL)
        return;
    if (!is_repeat && !may_end(task, report->how)) {
        (void)model_expect(judgement, "WRONG_STATE");
        return;
    }
    if (!model_expect(judgement, NULL))
        return;
    if (!is_repeat)
        end_as_reported(judgement, task);
    if (judgement->own->exit.state != task->end_state || judgement->own->exit.finishing != task->finishing)
        world_violated(judgement->model->world, "REPORT_EXIT of task %" PRIu64 " says %s%s, it led to %s%s", task->id,
                       task_state_name(judgement->own->exit.state), judgement->own->exit.finishing ? " finishing" : "",
                       task_state_name(task->end_state), task->finishing ? " finishing" : "");
}

void model_finish(struct judgement *judgement)
{
    const struct command_finish *finish = &judgement->command->finish;
    struct model_task *task = model_find(judgement->model, finish->run.task_id);

    if (task == NULL) {
        (void)model_expect(judgement, "NO_SUCH_TASK");
        return;
    }
    if (task->fence != finish->run.fence || task->end == END_NONE || !(task->finishing || model_has_ended(task))) {
        (void)model_expect(judgement, "STALE_FENCE");
        return;
    }
    if (!model_expect(judgement, NULL))
        return;
    if (task->finishing) {
        model_touch(judgement->model, task);
        task->finishing = false;
        model_end_task(judgement, task, task->end_state);
    }
    if (judgement->own->state != task->state)
        world_violated(judgement->model->world, "FINISH of task %" PRIu64 " says %s, it is %s", task->id,
                       task_state_name(judgement->own->state), task_state_name(task->state));
}

void model_suspend(struct judgement *judgement)
{
    bool is_repeat = false;
    struct model_task *task = model_run(judgement, judgement->command->suspend.run, END_SUSPENDED, &is_repeat);

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
        task->attempts -= task->state == TASK_RUNNING;
        task->deliveries--;
        if (task->canceling)
            model_end_task(judgement, task, TASK_CANCELED);
        else
            task->state = TASK_SUSPENDED;
        model_close_run(judgement, task, END_SUSPENDED);
    }
    expect_state(judgement, task);
}
