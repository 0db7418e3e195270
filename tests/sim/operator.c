/* Cancels and retries tasks, and looks at lists and counts. Once the world is healed it lets
 * everything be. */
#include "tests/sim/actor.h"
#include "tests/sim/model.h"

#include "common/base/check.h"

#include <stdlib.h>

#define ACT_MS 300

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

    request->command.cancel = (struct command_cancel){.task_id = some_task(world), .reason = "no more"};
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

    request->command.list.states = (uint32_t)(1 + world_draw(world, (1U << TASK_STATES) - 1));
    request->command.list.page_size = ITEMS_MAX;
    return request;
}

static struct request *count_queues(struct world *world)
{
    (void)world;
    return request_new(COMMAND_QUEUE_STATS);
}

/* What operators do; an act is as likely as it is often here. */
static struct request *(*const acts[])(struct world *) = {
    cancel_some, cancel_some, cancel_some, retry_some, retry_some, get_some, list_some, count_queues,
};

static void act(struct world *world, void *subject, uint64_t life)
{
    struct actor *actor = subject;

    (void)life;
    if (world_fault(world, world->swarm.operate) && actor_has_room(actor))
        actor_ask(actor, acts[world_draw(world, sizeof acts / sizeof acts[0])](world), 0);
    if (!world->healed)
        actor_plan(actor, ACT_MS, act);
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
