/* Submits tasks in numbered submits of its session, several open at once, and asks again until each is answered. */
#include "tests/sim/actor.h"
#include "tests/sim/model.h"

#include "common/base/check.h"

#include <stdlib.h>
#include <string.h>

#define OPEN_MAX 4
#define AHEAD_MAX 16 /* of the oldest one that is open */

struct submitter {
    struct actor actor;
    uint8_t session[16];
    uint64_t sequence;
    uint64_t open[OPEN_MAX]; /* sequences without an answer, 0 = none */
};

static event_fn act;

static const char *const queues[] = {"default", "night", "a-queue"};
static const char *const types[] = {"any", "claude", "codex"};

static void plan_act(struct submitter *submitter)
{
    struct world *world = submitter->actor.world;

    actor_plan(&submitter->actor, 1 + world_draw(world, world->swarm.pause_ms), act);
}

static void time_task(struct world *world, struct task_spec *spec)
{
    if (!world_chance(world, world->swarm.delay))
        return;
    if (world_draw(world, 2) == 0)
        spec->delay_ms = 1 + world_draw(world, 60000);
    else
        spec->not_before_ms = world_wall_ms(world) + world_draw(world, 60000);
}

static void specify(struct world *world, struct task_spec *spec)
{
    *spec = (struct task_spec){.namespace = "",
                               .queue = queues[world_draw(world, world->swarm.queues)],
                               .agent_type = types[world_draw(world, world->swarm.types)],
                               .title = "",
                               .content_type = "",
                               .idempotency_key = "",
                               .fairness_key = "",
                               .priority = (uint32_t)world_draw(world, 10),
                               .max_attempts = (uint32_t)world_draw(world, 5),
                               .backoff_ms = (uint32_t)(1 + world_draw(world, 5000)),
                               .backoff_max_ms = 20000,
                               .retention_ms = 1 + world_draw(world, 2 * world->swarm.retention_ms)};
    time_task(world, spec);
    if (world_chance(world, world->swarm.few_tries))
        spec->max_attempts = 1;
    if (world_chance(world, world->swarm.bad))
        spec->queue = "not a queue";
}

static uint64_t acked_below(const struct submitter *submitter)
{
    uint64_t least = submitter->sequence;

    for (size_t i = 0; i < OPEN_MAX; i++)
        if (submitter->open[i] != 0 && submitter->open[i] < least)
            least = submitter->open[i];
    return least;
}

static void submit(struct submitter *submitter, size_t slot)
{
    struct world *world = submitter->actor.world;
    struct request *request = request_new(COMMAND_SUBMIT);
    struct command_submit *command = &request->command.submit;

    submitter->open[slot] = ++submitter->sequence;
    memcpy(request->session, submitter->session, sizeof request->session);
    command->session = (struct bytes){.data = request->session, .size = sizeof request->session};
    command->sequence = submitter->sequence;
    command->acked_below = acked_below(submitter);
    command->atomic = world_draw(world, 2) == 0;
    command->spec_count = 1 + world_draw(world, SPECS_IN_REQUEST);
    for (size_t i = 0; i < command->spec_count; i++)
        specify(world, &request->specs[i]);
    actor_ask(&submitter->actor, request, slot);
}

static void act(struct world *world, void *subject, uint64_t life)
{
    struct submitter *submitter = subject;
    size_t slot = world_draw(world, OPEN_MAX);

    (void)life;
    if (world->healed)
        return;
    if (submitter->open[slot] == 0 && submitter->sequence < acked_below(submitter) + AHEAD_MAX &&
        model_live_count(world->model) < world->swarm.live_max)
        submit(submitter, slot);
    plan_act(submitter);
}

static void on_reply(struct actor *actor, const struct open_call *call, const struct reply *reply)
{
    struct submitter *submitter = (struct submitter *)actor;

    (void)reply;
    submitter->open[call->purpose] = 0;
}

static void free_submitter(struct actor *actor)
{
    actor_done(actor);
    free(actor);
}

static const struct actor_kind kind = {.name = "submitter", .on_reply = on_reply, .free = free_submitter};

struct actor *submitter_new(struct world *world, uint32_t number)
{
    struct submitter *submitter = allocate_zero(1, sizeof *submitter);
    char id[] = {'s', (char)('0' + number), '\0'};

    actor_join(&submitter->actor, world, &kind, id);
    memset(submitter->session, (int)number + 1, sizeof submitter->session);
    plan_act(submitter);
    return &submitter->actor;
}
