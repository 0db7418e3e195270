/* Cancels and retries tasks, sets limits and queues, and looks at lists and counts. Once the
 * world is healed it resumes whatever is paused, and lets everything else be. */
#include "tests/sim/actor.h"
#include "tests/sim/model.h"

#include "common/base/check.h"

#include <stdlib.h>

#define ACT_MS 300
#define RESUME_MS 10000

static event_fn act;

/* Any task that there is, was, or never was. */
static uint64_t some_task(struct world *world)
{
    const struct model *model = world->model;
    size_t count = model->task_count - model->first;

    return count == 0 ? 1 : model->tasks[model->first + world_draw(world, count)]->id + world_draw(world, 20) / 19;
}

static struct request *cancel_some(struct world *world)
{
    struct request *request = request_new(COMMAND_CANCEL);

    request->command.cancel =
        (struct command_cancel){.task_id = some_task(world), .reason = "no more", .cascade = world_draw(world, 2) == 0};
    return request;
}

static struct request *retry_some(struct world *world)
{
    struct request *request = request_new(COMMAND_RETRY);

    request->command.retry = (struct command_retry){.task_id = some_task(world), .force = world_draw(world, 4) == 0};
    return request;
}

static struct request *get_some(struct world *world)
{
    struct request *request = request_new(COMMAND_GET);

    request->command.get.task_id = some_task(world);
    return request;
}

static struct request *list_some(struct world *world)
{
    struct request *request = request_new(COMMAND_LIST);

    request->command.list.filter.states = (uint32_t)(1 + world_draw(world, (1U << TASK_STATES) - 1));
    request->command.list.page_size = ITEMS_MAX;
    return request;
}

static struct request *read_history(struct world *world)
{
    struct request *request = request_new(COMMAND_HISTORY);

    request->command.history = (struct command_history){.task_id = some_task(world), .page_size = ITEMS_MAX};
    return request;
}

static struct request *set_some_limit(struct world *world)
{
    static const char *const names[] = {"anthropic", "repo:acme/web", "gpu"};
    struct request *request = request_new(COMMAND_SET_LIMIT);
    struct command_set_limit *set = &request->command.set_limit;

    set->name = names[world_draw(world, 3)];
    set->remove = world_draw(world, 8) == 0;
    if (set->remove)
        return request;
    set->has_max_running = world_draw(world, 2) == 0;
    set->max_running = (uint32_t)world_draw(world, 4);
    set->has_rate = world_draw(world, 3) == 0;
    set->rate_count = (uint32_t)world_draw(world, 4);
    set->rate_interval_ms = set->rate_count > 0 ? (uint32_t)(1 + world_draw(world, 5000)) : 0;
    set->has_pause = world_draw(world, 3) == 0;
    set->pause_for_ms = world_draw(world, 2) * world_draw(world, 20000);
    return request;
}

static const char *const queues[] = {"default", "night", "a-queue"};

static struct request *pause_some_queue(struct world *world)
{
    struct request *request = request_new(COMMAND_PAUSE_QUEUE);
    struct command_pause_queue *pause = &request->command.pause_queue;

    pause->queue = queues[world_draw(world, world->swarm.queues)];
    pause->in = world_draw(world, 2) == 0;
    pause->out = world_draw(world, 2) == 0;
    pause->resumes = world_draw(world, 3) > 0;
    return request;
}

static struct request *set_some_queue(struct world *world)
{
    struct request *request = request_new(COMMAND_SET_QUEUE);
    struct command_set_queue *set = &request->command.set_queue;

    set->queue = queues[world_draw(world, world->swarm.queues)];
    set->has_length_max = world_draw(world, 2) == 0;
    set->length_max = world_draw(world, 3) * world_draw(world, 20);
    set->has_defaults = !set->has_length_max || world_draw(world, 2) == 0;
    set->defaults = (struct queue_defaults){.priority = (uint32_t)world_draw(world, 10),
                                            .max_attempts = (uint32_t)world_draw(world, 3),
                                            .retention_ms = world_draw(world, 20000)};
    return request;
}

static struct request *ask_why(struct world *world)
{
    struct request *request = request_new(COMMAND_WHY);

    request->command.why.task_id = some_task(world);
    return request;
}

/* One that there may be a late result of, if there is any. */
static struct request *adopt_some(struct world *world)
{
    struct request *request = request_new(COMMAND_ADOPT);
    const struct model *model = world->model;

    request->command.adopt.task_id = some_task(world);
    for (size_t i = model->first; i < model->task_count; i++)
        if (model->tasks[i]->has_late_result && world_draw(world, 3) == 0)
            request->command.adopt.task_id = model->tasks[i]->id;
    return request;
}

static struct request *ask_suspend(struct world *world)
{
    struct request *request = request_new(COMMAND_ASK_SUSPEND);

    request->command.ask_suspend.task_id = some_task(world);
    return request;
}

static struct request *resume_some(struct world *world)
{
    struct request *request = request_new(COMMAND_RESUME);

    request->command.resume.task_id = some_task(world);
    return request;
}

static const char *const agents[] = {"a0", "a1", "b0", "b1/c"};

static struct request *drain_some(struct world *world)
{
    struct request *request = request_new(COMMAND_DRAIN);

    request->command.drain.agent_id = agents[world_draw(world, 4)];
    request->command.drain.ends = world_draw(world, 3) > 0;
    request->command.drain.kills = !request->command.drain.ends && world_draw(world, 2) == 0;
    return request;
}

static struct request *move_some(struct world *world)
{
    struct request *request = request_new(COMMAND_MOVE);

    request->command.move.queue = queues[world_draw(world, world->swarm.queues)];
    request->command.move.task_count = 1 + world_draw(world, DEPENDENCIES_IN_SPEC);
    for (size_t i = 0; i < request->command.move.task_count; i++)
        request->depends_on[0][i] = some_task(world);
    return request;
}

/* Now and then everything of some states, in one queue or in all. */
static struct request *start_job(struct world *world)
{
    static const uint32_t ended = 1U << TASK_FAILED | 1U << TASK_CANCELED | 1U << TASK_EXPIRED;
    static const uint32_t live = 1U << TASK_BLOCKED | 1U << TASK_SCHEDULED | 1U << TASK_READY | 1U << TASK_ASSIGNED;
    struct request *request = request_new(COMMAND_START_JOB);
    struct job_order *order = &request->command.start_job.order;
    uint32_t drawn = (uint32_t)world_draw(world, 1U << TASK_STATES);

    order->kind = (enum job_kind)(JOB_CANCEL + world_draw(world, 3));
    order->filter.states = (order->kind == JOB_CANCEL ? live : ended) & drawn;
    if (order->filter.states == 0)
        order->filter.states = order->kind == JOB_CANCEL ? 1U << TASK_SCHEDULED : 1U << TASK_FAILED;
    if (world_draw(world, 2) == 0)
        order->filter.queue = queues[world_draw(world, world->swarm.queues)];
    return request;
}

static struct request *update_some(struct world *world)
{
    struct request *request = request_new(COMMAND_UPDATE);
    struct command_update *update = &request->command.update;

    update->task_id = some_task(world);
    update->spec.priority = (uint32_t)(1 + world_draw(world, 9));
    request->queues[update->field_count++] = "priority";
    if (world_draw(world, 2) == 0) {
        update->spec.max_attempts = (uint32_t)(1 + world_draw(world, 5));
        request->queues[update->field_count++] = "max_attempts";
    }
    if (world_draw(world, 3) == 0) {
        update->spec.delay_ms = 1 + world_draw(world, 20000);
        request->queues[update->field_count++] = "delay_ms";
    }
    return request;
}

static struct request *list_limits(struct world *world)
{
    (void)world;
    return request_new(COMMAND_LIST_LIMITS);
}

static struct request *count_queues(struct world *world)
{
    (void)world;
    return request_new(COMMAND_QUEUE_STATS);
}

/* What operators do; an act is as likely as it is often here. */
static struct request *(*const acts[])(struct world *) = {
    cancel_some,  cancel_some,  cancel_some,    retry_some,     retry_some,  get_some,         list_some,
    count_queues, read_history, set_some_limit, set_some_limit, list_limits, pause_some_queue, set_some_queue,
    ask_suspend,  resume_some,  resume_some,    drain_some,     move_some,   start_job,        adopt_some,
    adopt_some,   ask_why,      update_some,    update_some,
};

/* So that everything can end. More than once: the word that paused it may still be on its way. */
static void resume_all(struct actor *actor)
{
    const struct model *model = actor->world->model;

    for (size_t i = 0; i < sizeof queues / sizeof queues[0] && actor_has_room(actor); i++) {
        struct request *request = request_new(COMMAND_PAUSE_QUEUE);
        request->command.pause_queue.queue = queues[i];
        request->command.pause_queue.resumes = true;
        actor_ask(actor, request, 0);
    }
    for (size_t i = 0; i < sizeof agents / sizeof agents[0] && actor_has_room(actor); i++) {
        struct request *request = request_new(COMMAND_DRAIN);
        request->command.drain.agent_id = agents[i];
        request->command.drain.ends = true;
        actor_ask(actor, request, 0);
    }
    for (size_t i = model->first; i < model->task_count && actor_has_room(actor); i++) {
        if (model->tasks[i]->state != TASK_SUSPENDED)
            continue;
        struct request *request = request_new(COMMAND_RESUME);
        request->command.resume.task_id = model->tasks[i]->id;
        actor_ask(actor, request, 0);
    }
}

static void act(struct world *world, void *subject, uint64_t life)
{
    struct actor *actor = subject;

    (void)life;
    if (world->healed)
        resume_all(actor);
    if (world_fault(world, world->swarm.operate) && actor_has_room(actor))
        actor_ask(actor, acts[world_draw(world, sizeof acts / sizeof acts[0])](world), 0);
    actor_plan(actor, world->healed ? RESUME_MS : ACT_MS, act);
}

static void on_reply(struct actor *actor, const struct open_call *call, const struct reply *reply)
{
    (void)actor;
    (void)call;
    (void)reply;
}

static void free_operator(struct actor *actor)
{
    actor_done(actor);
    free(actor);
}

static const struct actor_kind kind = {.name = "operator", .on_reply = on_reply, .free = free_operator};

struct actor *operator_new(struct world *world, uint32_t number)
{
    struct actor *actor = allocate_zero(1, sizeof *actor);
    char id[] = {'o', (char)('0' + number), '\0'};

    actor_join(actor, world, &kind, id);
    actor_plan(actor, ACT_MS, act);
    return actor;
}
