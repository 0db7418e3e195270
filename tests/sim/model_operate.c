/* What operators ask about tasks. */
#include "tests/sim/model.h"

#include <inttypes.h>
#include <string.h>

/* False when there is nothing to cancel. */
bool model_cancel_one(struct judgement *judgement, struct model_task *task)
{
    if (model_has_ended(task) || task->finishing || task->canceling)
        return false;
    model_touch(judgement->model, task);
    if (!model_is_held(task)) {
        task->wait_count = 0;
        model_end_task(judgement, task, TASK_CANCELED);
        return true;
    }
    task->canceling = true;
    task->suspending = false;
    return true;
}

static void check_told(struct judgement *judgement, const struct model_task *task)
{
    for (const struct push *push = judgement->effects->pushes; push != NULL; push = push->next)
        if (push->verdict == VERDICT_STOP && push->run.task_id == task->id && push->run.fence == task->fence &&
            strcmp(push->agent_id, task->agent_id) == 0)
            return;
    world_violated(judgement->model->world, "the holder of task %" PRIu64 " was not told of its cancel", task->id);
}

/* Children have greater ids than their parents. */
static void cancel_descendants(struct judgement *judgement, uint64_t root_id)
{
    struct model *model = judgement->model;

    for (size_t i = model->first; i < model->task_count; i++) {
        struct model_task *task = model->tasks[i];
        if (task->state == TASK_NONE || task->parent_id != root_id)
            continue;
        if (model_cancel_one(judgement, task) && model_is_held(task))
            check_told(judgement, task);
        cancel_descendants(judgement, task->id);
    }
}

void model_cancel(struct judgement *judgement)
{
    const struct command_cancel *cancel = &judgement->command->cancel;
    struct model_task *task = model_find(judgement->model, cancel->task_id);

    if (task == NULL || (!cancel->cascade && (model_has_ended(task) || task->finishing))) {
        (void)model_expect(judgement, task == NULL ? "NO_SUCH_TASK" : "TASK_ENDED");
        return;
    }
    if (!model_expect(judgement, NULL))
        return;
    if (model_cancel_one(judgement, task) && model_is_held(task))
        check_told(judgement, task);
    if (cancel->cascade)
        cancel_descendants(judgement, task->id);
}

/* Its key may be another task's by now; where that may be forgotten, the answer tells. */
bool model_may_have_key_again(struct judgement *judgement, const struct model_task *task)
{
    const struct error *refusal = judgement->own != NULL ? judgement->own->refusal : NULL;

    if (task->idempotency_key[0] == '\0')
        return true;
    const struct model_key *key = model_unique(judgement->model, task->idempotency_key);
    if (key->task_id == task->id)
        return true;
    int holds = model_unique_holds(judgement, key);
    bool is_refused = judgement->command->kind == COMMAND_START_JOB
                          ? !model_says_changed(judgement->effects, task->id)
                          : refusal != NULL && strcmp(refusal->reason, "KEY_TAKEN") == 0;
    if (holds == KEY_IS_TAKEN || (holds == KEY_IS_ANY && is_refused))
        return false;
    model_unique_take(judgement, task->idempotency_key, task->id);
    return true;
}

void model_retry_one(struct judgement *judgement, struct model_task *task)
{
    model_touch(judgement->model, task);
    task->state = TASK_READY;
    task->attempts = 0;
    task->crashes = 0;
    task->interruptions = 0;
    task->deliveries = 0;
    task->end = END_NONE;
    if (task->expires_ms <= judgement->now.wall_ms)
        task->expires_ms = 0;
}

void model_retry(struct judgement *judgement)
{
    const struct command_retry *retry = &judgement->command->retry;
    struct model_task *task = model_find(judgement->model, retry->task_id);

    if (task == NULL || !model_has_ended(task)) {
        (void)model_expect(judgement, task == NULL ? "NO_SUCH_TASK" : "WRONG_STATE");
        return;
    }
    if (task->state == TASK_COMPLETED && !retry->force) {
        (void)model_expect(judgement, "TASK_COMPLETED");
        return;
    }
    if (!model_may_have_key_again(judgement, task)) {
        (void)model_expect(judgement, "KEY_TAKEN");
        return;
    }
    if (!model_expect(judgement, NULL))
        return;
    model_retry_one(judgement, task);
}

void model_get(struct judgement *judgement)
{
    const struct model_task *task = model_find(judgement->model, judgement->command->get.task_id);

    (void)model_expect(judgement, task == NULL ? "NO_SUCH_TASK" : NULL);
}

/* All of one state, in the order of ids. */
void model_list(struct judgement *judgement)
{
    const struct command_list *list = &judgement->command->list;
    struct model *model = judgement->model;
    size_t at = 0;

    if (!model_expect(judgement, NULL))
        return;
    for (size_t i = model->first; i < model->task_count && at < list->page_size; i++) {
        const struct model_task *task = model->tasks[i];
        if (task->state == TASK_NONE || (list->filter.states >> task->state & 1U) == 0)
            continue;
        if (at >= judgement->own->list.count || judgement->own->list.tasks[at]->id != task->id) {
            world_violated(model->world, "LIST misses task %" PRIu64 ", which is %s", task->id,
                           task_state_name(task->state));
            return;
        }
        at++;
    }
    if (at != judgement->own->list.count)
        world_violated(model->world, "LIST has %zu tasks, expected were %zu", judgement->own->list.count, at);
}

/* The newest event of a task tells of where it is. */
void model_history(struct judgement *judgement)
{
    struct model *model = judgement->model;
    const struct model_task *task = model_find(model, judgement->command->history.task_id);
    const struct answer *own = judgement->own;

    if (!model_expect(judgement, task == NULL ? "NO_SUCH_TASK" : NULL) || task == NULL)
        return;
    if (own->history.count > 0 && own->history.events[0].to != task->state)
        world_violated(model->world, "the history of task %" PRIu64 " ends in %s, it is %s", task->id,
                       task_state_name(own->history.events[0].to), task_state_name(task->state));
    for (size_t i = 1; i < own->history.count; i++) {
        const struct event *newer = &own->history.events[i - 1];
        const struct event *older = &own->history.events[i];
        if (newer->from != older->to || newer->previous != older->revision || newer->fence < older->fence)
            world_violated(model->world,
                           "the history of task %" PRIu64 " has no way from revision %" PRIu64 " to %" PRIu64, task->id,
                           older->revision, newer->revision);
    }
}

void model_ask_suspend(struct judgement *judgement)
{
    struct model_task *task = model_find(judgement->model, judgement->command->ask_suspend.task_id);

    if (task == NULL || !model_is_held(task) || task->reaping || task->canceling) {
        (void)model_expect(judgement, task == NULL ? "NO_SUCH_TASK" : "WRONG_STATE");
        return;
    }
    if (!model_expect(judgement, NULL) || task->suspending)
        return;
    model_touch(judgement->model, task);
    task->suspending = true;
}

void model_resume(struct judgement *judgement)
{
    struct model_task *task = model_find(judgement->model, judgement->command->resume.task_id);

    if (task == NULL || task->state != TASK_SUSPENDED) {
        (void)model_expect(judgement, task == NULL ? "NO_SUCH_TASK" : "WRONG_STATE");
        return;
    }
    if (!model_expect(judgement, NULL))
        return;
    model_touch(judgement->model, task);
    task->state = TASK_READY;
    if (task->expires_ms <= judgement->now.wall_ms)
        task->expires_ms = 0;
}

static bool is_of(const char *agent_id, const char *above)
{
    size_t size = strlen(above);

    return strncmp(agent_id, above, size) == 0 && (agent_id[size] == '\0' || agent_id[size] == '/');
}

bool model_is_drained(const struct model *model, const char *agent_id)
{
    for (size_t i = 0; i < MODEL_DRAINS_MAX; i++)
        if (model->drains[i] != NULL && is_of(agent_id, model->drains[i]))
            return true;
    return false;
}

bool model_is_killed(const struct model *model, const char *agent_id)
{
    size_t longest = 0;
    bool kills = false;

    for (size_t i = 0; i < MODEL_DRAINS_MAX; i++) {
        if (model->drains[i] == NULL || !is_of(agent_id, model->drains[i]) || strlen(model->drains[i]) < longest)
            continue;
        longest = strlen(model->drains[i]);
        kills = model->kills[i];
    }
    return kills;
}

/* A supervisor has processes to end first: it is told, by the push and by its heartbeats. */
static void end_runs(struct judgement *judgement, const char *agent_id)
{
    struct model *model = judgement->model;
    uint32_t released = 0;

    for (size_t i = model->first; i < model->task_count; i++) {
        struct model_task *task = model->tasks[i];
        if (!model_is_held(task) || !is_of(task->agent_id, agent_id) ||
            (task->supervised && task->state == TASK_RUNNING))
            continue;
        model_release(judgement, task, 0);
        released++;
    }
    if (released != judgement->own->ended.released)
        world_violated(model->world, "the kill of %s released %u runs, expected were %u", agent_id,
                       judgement->own->ended.released, released);
}

/* Who waits for work and gets none any more is answered with nothing. */
static void answer_drained(struct judgement *judgement, const char *agent_id)
{
    struct model *model = judgement->model;

    for (size_t i = 0; i < model->agent_count; i++) {
        struct model_agent *agent = &model->agents[i];
        if (agent->parked.token == 0 || !is_of(agent->id, agent_id))
            continue;
        model_keep(model, agent, sizeof *agent);
        agent->parked.token = 0;
    }
}

void model_drain(struct judgement *judgement)
{
    const struct command_drain *drain = &judgement->command->drain;
    struct model *model = judgement->model;
    const char **at = NULL;

    for (size_t i = 0; i < MODEL_DRAINS_MAX && at == NULL; i++)
        if (model->drains[i] != NULL && strcmp(model->drains[i], drain->agent_id) == 0)
            at = &model->drains[i];
    if (drain->ends && at == NULL) {
        (void)model_expect(judgement, "NOT_DRAINING");
        return;
    }
    for (size_t i = 0; i < MODEL_DRAINS_MAX && at == NULL; i++)
        if (model->drains[i] == NULL)
            at = &model->drains[i];
    if (at == NULL || !model_expect(judgement, NULL))
        return;
    bool *kills = &model->kills[at - model->drains];
    model_keep(model, at, sizeof *at);
    model_keep(model, kills, sizeof *kills);
    *at = drain->ends ? NULL : drain->agent_id;
    *kills = drain->kills;
    answer_drained(judgement, drain->agent_id);
    if (drain->kills && !drain->ends)
        end_runs(judgement, drain->agent_id);
}

static const char *refusal_of_move(struct judgement *judgement, const struct model_task *task)
{
    const struct command_move *move = &judgement->command->move;

    if (task == NULL)
        return "NO_SUCH_TASK";
    if (!model_is_waiting(task) && task->state != TASK_SUSPENDED)
        return "WRONG_STATE";
    if (strcmp(task->queue, move->queue) == 0)
        return NULL;
    return model_queue_refusal(judgement->model, move->queue, 0);
}

void model_move(struct judgement *judgement)
{
    const struct command_move *move = &judgement->command->move;
    struct model *model = judgement->model;

    if (!model_expect(judgement, NULL))
        return;
    for (size_t i = 0; i < move->task_count; i++) {
        struct model_task *task = model_find(model, move->task_ids[i]);
        const struct error *refusal = judgement->own->submit.outcomes[i].refusal;
        const char *got = refusal != NULL ? refusal->reason : "OK";
        const char *reason = refusal_of_move(judgement, task);

        if (strcmp(got, reason != NULL ? reason : "OK") != 0)
            world_violated(model->world, "the move of task %" PRIu64 " was answered with %s, expected was %s",
                           move->task_ids[i], got, reason != NULL ? reason : "OK");
        if (reason != NULL || refusal != NULL || strcmp(task->queue, move->queue) == 0)
            continue;
        model_touch(model, task);
        task->queue = move->queue;
        task->turn = model_turn_give(model, task->queue, task->priority, task->fairness_key);
    }
}

static bool has_reason(const struct answer *answer, enum wait_kind from, enum wait_kind to)
{
    for (size_t i = 0; i < answer->why.count; i++)
        if (answer->why.reasons[i].kind >= from && answer->why.reasons[i].kind <= to)
            return true;
    return false;
}

static bool is_right(const struct judgement *judgement, const struct model_task *task)
{
    const struct answer *own = judgement->own;

    if (model_has_ended(task))
        return has_reason(own, WAIT_ENDED, WAIT_ENDED);
    if (task->state == TASK_BLOCKED)
        return own->why.count == task->wait_count && has_reason(own, WAIT_DEPENDENCY, WAIT_DEPENDENCY);
    if (task->state == TASK_SCHEDULED)
        return has_reason(own, WAIT_TIME, WAIT_BACKOFF);
    if (task->state == TASK_READY)
        return has_reason(own, WAIT_QUEUE_PAUSED, WAIT_LIMIT_PAUSED) != model_gate_is_open(judgement, task);
    if (task->state == TASK_SUSPENDED)
        return has_reason(own, WAIT_SUSPENDED, WAIT_SUSPENDED);
    return has_reason(own, WAIT_HELD, WAIT_HELD);
}

void model_why(struct judgement *judgement)
{
    struct model *model = judgement->model;
    const struct model_task *task = model_find(model, judgement->command->why.task_id);

    if (!model_expect(judgement, task == NULL ? "NO_SUCH_TASK" : NULL) || task == NULL)
        return;
    if (judgement->own->why.state != task->state || !is_right(judgement, task))
        world_violated(model->world, "WHY of task %" PRIu64 ", which is %s, gives %zu reasons, the first is %d",
                       task->id, task_state_name(task->state), judgement->own->why.count,
                       judgement->own->why.count > 0 ? judgement->own->why.reasons[0].kind : 0);
}

/* Whether a late result was kept is for the broker to say: it keeps those of a task's own runs, and not too many. */
void model_adopt(struct judgement *judgement)
{
    struct model *model = judgement->model;
    const struct answer *own = judgement->own;
    struct model_task *task = model_find(model, judgement->command->adopt.task_id);
    bool may_be =
        task != NULL && (task->state == TASK_SCHEDULED || task->state == TASK_READY || task->state == TASK_SUSPENDED ||
                         (model_has_ended(task) && task->state != TASK_COMPLETED));

    if (!may_be) {
        (void)model_expect(judgement, task == NULL ? "NO_SUCH_TASK" : "WRONG_STATE");
        return;
    }
    if (!task->has_late_result || (own != NULL && own->refusal != NULL)) {
        (void)model_expect(judgement, "NO_SUCH_ORPHAN");
        return;
    }
    if (!model_expect(judgement, NULL) || own == NULL)
        return;
    model_touch(model, task);
    model_end_task(judgement, task, TASK_COMPLETED);
    if (own->task->outcome.fence == task->fence) {
        task->end = END_COMPLETED;
        task->end_state = TASK_COMPLETED;
    }
}
