/* Who gets which task: of all READY ones that a claim may take, always the first in order. */
#include "tests/sim/model.h"

#include <inttypes.h>
#include <string.h>

static bool names(const struct model_parked *claim, const char *queue)
{
    for (size_t i = 0; i < claim->queue_count; i++)
        if (strcmp(claim->queues[i], queue) == 0)
            return true;
    return false;
}

static bool may_take(const struct judgement *judgement, const struct model_parked *claim, const struct model_task *task)
{
    if (task->state != TASK_READY || !names(claim, task->queue))
        return false;
    if (claim->agent_type[0] != '\0' && strcmp(claim->agent_type, task->agent_type) != 0 &&
        strcmp(task->agent_type, "any") != 0)
        return false;
    return model_gate_is_open(judgement, task);
}

static bool is_before(const struct model_task *a, const struct model_task *b)
{
    if (a->priority != b->priority)
        return a->priority < b->priority;
    return a->turn != b->turn ? a->turn < b->turn : a->id < b->id;
}

static struct model_task *first_of_queue(const struct judgement *judgement, const struct model_parked *claim,
                                         const char *queue)
{
    const struct model *model = judgement->model;
    struct model_task *first = NULL;

    for (size_t i = model->first; i < model->task_count; i++) {
        struct model_task *task = model->tasks[i];
        if (task->state == TASK_READY && strcmp(task->queue, queue) == 0 && (first == NULL || is_before(task, first)) &&
            may_take(judgement, claim, task))
            first = task;
    }
    return first;
}

/* Between queues there are no turns: the older one of the firsts goes out. */
static struct model_task *first_for(const struct judgement *judgement, const struct model_parked *claim)
{
    struct model_task *first = NULL;

    for (size_t i = 0; i < claim->queue_count; i++) {
        struct model_task *task = first_of_queue(judgement, claim, claim->queues[i]);
        if (task == NULL || task == first)
            continue;
        if (first == NULL || task->priority < first->priority ||
            (task->priority == first->priority && task->id < first->id))
            first = task;
    }
    return first;
}

static void assign(struct judgement *judgement, const struct model_parked *claim, struct model_task *task,
                   const struct task_view *view, uint32_t told_ms)
{
    struct model *model = judgement->model;
    uint64_t now_ms = judgement->now.store_ms;

    if (view->fence <= model->last_fence)
        world_violated(model->world, "fence %" PRIu64 " was given after fence %" PRIu64, view->fence,
                       model->last_fence);
    model_keep(model, &model->last_fence, sizeof model->last_fence);
    model->last_fence = view->fence;
    model_touch(model, task);
    task->state = claim->start ? TASK_RUNNING : TASK_ASSIGNED;
    task->fence = view->fence;
    task->agent_id = claim->agent_id;
    task->deliveries++;
    task->end = END_NONE;
    model_gate_pass(judgement, task);
    model_turn_claimed(model, task);
    task->supervised = claim->supervised;
    task->heard_until_ms = 0;
    task->run_deadline_ms = now_ms + (claim->start ? task->run_timeout_ms : task->start_timeout_ms);
    task->attempts += claim->start;
    task->lease_from_ms = 0;
    task->lease_to_ms = 0;
    model_renew(judgement, task, told_ms);
}

/* An answer that hands out tasks. */
static void serve(struct judgement *judgement, struct model_agent *agent, const struct model_parked *claim,
                  const struct answer *answer)
{
    struct model *model = judgement->model;

    model_keep(model, agent, sizeof *agent);
    agent->remembered = true;
    agent->claim_incarnation = claim->incarnation;
    agent->claim_seq = claim->claim_seq;
    agent->run_count = 0;
    for (size_t i = 0; i < answer->claim.count; i++) {
        const struct task_view *view = answer->claim.tasks[i];
        struct model_task *task = first_for(judgement, claim);

        if (task == NULL || task->id != view->id) {
            world_violated(model->world, "a claim of %s got task %" PRIu64 ", the first for it is %" PRIu64, agent->id,
                           view->id, task != NULL ? task->id : 0);
            return;
        }
        assign(judgement, claim, task, view, answer->claim.lease_ms);
        agent->runs[agent->run_count++] = (struct run_name){.task_id = view->id, .fence = view->fence};
    }
    if (answer->claim.count < claim->max && first_for(judgement, claim) != NULL)
        world_violated(model->world, "a claim of %s left task %" PRIu64 " lying", agent->id,
                       first_for(judgement, claim)->id);
}

/* The same runs, as far as they live. */
static void repeat(struct judgement *judgement, const struct model_agent *agent)
{
    struct model *model = judgement->model;
    const struct answer *answer = judgement->own;
    size_t count = 0;

    for (size_t i = 0; i < agent->run_count; i++) {
        const struct model_task *task = model_find(model, agent->runs[i].task_id);

        if (task == NULL || task->fence != agent->runs[i].fence || !model_is_held(task))
            continue;
        if (count >= answer->claim.count || answer->claim.tasks[count]->id != task->id ||
            answer->claim.tasks[count]->fence != task->fence) {
            world_violated(model->world, "a repeated claim of %s misses task %" PRIu64, agent->id, task->id);
            return;
        }
        count++;
    }
    if (count != answer->claim.count || !answer->claim.is_repeat)
        world_violated(model->world, "a repeated claim of %s got %zu runs, expected were %zu", agent->id,
                       answer->claim.count, count);
}

static struct model_parked what_is_claimed(const struct judgement *judgement)
{
    const struct command_claim *claim = &judgement->command->claim;
    struct model_parked parked = {.token = judgement->command->token,
                                  .agent_id = model_agent(judgement->model, claim->agent_id)->id,
                                  .claim_seq = claim->claim_seq,
                                  .incarnation = claim->incarnation,
                                  .agent_type = claim->agent_type,
                                  .queue_count = claim->queue_count,
                                  .max = claim->max > 0 ? claim->max : 1,
                                  .start = claim->start,
                                  .supervised = claim->supervised};

    for (size_t i = 0; i < claim->queue_count; i++)
        parked.queues[i] = claim->queues[i];
    return parked;
}

static const struct answer *answer_to(const struct judgement *judgement, uint64_t token)
{
    for (const struct answer *answer = judgement->effects->answers; answer != NULL; answer = answer->next)
        if (answer->token == token)
            return answer;
    return NULL;
}

/* The older claim of the agent is told that it was replaced. */
static void replace(struct judgement *judgement, struct model_agent *agent)
{
    const struct answer *answer = answer_to(judgement, agent->parked.token);

    if (agent->parked.token == 0)
        return;
    if (answer == NULL || answer->refusal == NULL || strcmp(answer->refusal->reason, "REPLACED") != 0)
        world_violated(judgement->model->world, "the waiting claim of %s was replaced and not told", agent->id);
    model_keep(judgement->model, agent, sizeof *agent);
    agent->parked.token = 0;
}

void model_claim(struct judgement *judgement)
{
    const struct command_claim *claim = &judgement->command->claim;
    struct model *model = judgement->model;
    struct model_agent *agent = model_agent(model, claim->agent_id);
    struct model_parked claimed = what_is_claimed(judgement);

    if ((agent->registered && claim->incarnation < agent->incarnation) ||
        (agent->remembered && claim->incarnation < agent->claim_incarnation)) {
        (void)model_expect(judgement, "STALE_INCARNATION");
        return;
    }
    bool is_same = agent->remembered && claim->incarnation == agent->claim_incarnation;
    if (is_same && claim->claim_seq < agent->claim_seq) {
        (void)model_expect(judgement, "STALE_CLAIM");
        return;
    }
    replace(judgement, agent);
    if (model_is_drained(model, claim->agent_id))
        claimed.queue_count = 0;
    if (is_same && claim->claim_seq == agent->claim_seq) {
        if (model_expect(judgement, NULL))
            repeat(judgement, agent);
    } else if (first_for(judgement, &claimed) != NULL) {
        if (model_expect(judgement, NULL))
            serve(judgement, agent, &claimed, judgement->own);
    } else if (claim->waits) {
        if (judgement->own != NULL)
            world_violated(model->world, "a claim of %s was answered although nothing is there", agent->id);
        model_keep(model, agent, sizeof *agent);
        agent->parked = claimed;
        agent->parked.arrival = ++model->arrivals;
    } else if (model_expect(judgement, NULL) && judgement->own->claim.count > 0) {
        world_violated(model->world, "a claim of %s got task %" PRIu64 " out of nothing", agent->id,
                       judgement->own->claim.tasks[0]->id);
    }
}

static struct model_agent *agent_that_waits(struct model *model, uint64_t token)
{
    for (size_t i = 0; i < model->agent_count; i++)
        if (model->agents[i].parked.token == token)
            return &model->agents[i];
    return NULL;
}

void model_unpark(struct judgement *judgement)
{
    struct model_agent *agent = agent_that_waits(judgement->model, judgement->command->token);

    if (agent == NULL)
        return;
    if (model_expect(judgement, NULL) && judgement->own->claim.count > 0)
        world_violated(judgement->model->world, "a claim of %s that had waited enough got a task", agent->id);
    model_keep(judgement->model, agent, sizeof *agent);
    agent->parked.token = 0;
}

void model_forget(struct judgement *judgement)
{
    struct model_agent *agent = agent_that_waits(judgement->model, judgement->command->token);

    if (agent == NULL)
        return;
    model_keep(judgement->model, agent, sizeof *agent);
    agent->parked.token = 0;
}

static bool are_alike(const struct model_parked *a, const struct model_parked *b)
{
    if (strcmp(a->agent_type, b->agent_type) != 0 || a->queue_count != b->queue_count)
        return false;
    for (size_t i = 0; i < a->queue_count; i++)
        if (strcmp(a->queues[i], b->queues[i]) != 0)
            return false;
    return true;
}

/* Nobody who waits for the same is passed by. */
static void check_turn(struct judgement *judgement, const struct model_agent *served)
{
    for (size_t i = 0; i < judgement->model->agent_count; i++) {
        const struct model_agent *other = &judgement->model->agents[i];
        if (other->parked.token != 0 && other->parked.arrival < served->parked.arrival &&
            are_alike(&other->parked, &served->parked))
            world_violated(judgement->model->world, "%s waited longer than %s for the same and was passed by",
                           other->id, served->id);
    }
}

void model_wake(struct judgement *judgement)
{
    struct model *model = judgement->model;

    for (const struct answer *answer = judgement->effects->answers; answer != NULL; answer = answer->next) {
        struct model_agent *agent = answer == judgement->own ? NULL : agent_that_waits(model, answer->token);
        if (agent == NULL || answer->refusal != NULL)
            continue;
        struct model_parked claim = agent->parked;
        check_turn(judgement, agent);
        model_keep(model, agent, sizeof *agent);
        agent->parked.token = 0;
        serve(judgement, agent, &claim, answer);
    }
    for (size_t i = 0; i < model->agent_count; i++)
        if (model->agents[i].parked.token != 0 && first_for(judgement, &model->agents[i].parked) != NULL)
            world_violated(model->world, "%s waits although task %" PRIu64 " is READY", model->agents[i].id,
                           first_for(judgement, &model->agents[i].parked)->id);
}

static bool is_below(const char *agent_id, const char *supervisor)
{
    size_t size = strlen(supervisor);

    return strncmp(agent_id, supervisor, size) == 0 && (agent_id[size] == '\0' || agent_id[size] == '/');
}

static bool is_named(const struct command_register *registration, const struct model_task *task)
{
    for (size_t i = 0; i < registration->held_count; i++)
        if (registration->held[i].task_id == task->id && registration->held[i].fence == task->fence)
            return true;
    return false;
}

/* A new life of an agent gives back what the old one held and it does not name. */
void model_register(struct judgement *judgement)
{
    const struct command_register *registration = &judgement->command->registration;
    struct model *model = judgement->model;
    struct model_agent *agent = model_agent(model, registration->agent_id);
    uint64_t previous = agent->remembered ? agent->claim_incarnation : 0;
    size_t released = 0;

    if (agent->registered && agent->incarnation > previous)
        previous = agent->incarnation;
    if (registration->incarnation < previous) {
        (void)model_expect(judgement, "STALE_INCARNATION");
        return;
    }
    if (!model_expect(judgement, NULL))
        return;
    bool is_same = registration->incarnation == previous && (agent->registered || agent->remembered);
    model_keep(model, agent, sizeof *agent);
    agent->registered = true;
    agent->incarnation = registration->incarnation;
    if (is_same)
        return;
    replace(judgement, agent);
    for (size_t i = model->first; i < model->task_count; i++) {
        struct model_task *task = model->tasks[i];
        if (!model_is_held(task) || !is_below(task->agent_id, registration->agent_id) || is_named(registration, task))
            continue;
        if (task->supervised && task->state == TASK_RUNNING && !registration->all_gone)
            continue;
        if (task->reaping)
            model_end_lost(judgement, task, END_LOST);
        else
            model_release(judgement, task, 0);
        released++;
    }
    if (released != judgement->own->registration.released_count)
        world_violated(model->world, "REGISTER of %s released %zu runs, expected were %zu", registration->agent_id,
                       judgement->own->registration.released_count, released);
}
