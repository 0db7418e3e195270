/* Submits tasks in numbered submits of its session, several open at once, and asks again until each is answered. */
#include "tests/sim/actor.h"
#include "tests/sim/model.h"

#include "common/base/check.h"

#include <stdlib.h>
#include <string.h>

#define OPEN_MAX 4
#define KNOWN_MAX 16
#define AHEAD_MAX 16 /* of the oldest one that is open */

struct submitter {
    struct actor actor;
    uint8_t session[16];
    uint64_t sequence;
    uint64_t open[OPEN_MAX];   /* sequences without an answer, 0 = none */
    uint64_t known[KNOWN_MAX]; /* tasks that were acknowledged, the newest over the oldest */
    size_t known_count;
};

static event_fn act;

static const char *const queues[] = {"default", "night", "a-queue"};
static const char *const limits[] = {"anthropic", "repo:acme/web", "gpu"};
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

static void expire(struct world *world, struct task_spec *spec)
{
    uint64_t from_ms = spec->not_before_ms > 0 ? spec->not_before_ms : world_wall_ms(world) + spec->delay_ms;

    if (world_chance(world, world->swarm.expire))
        spec->expires_at_ms = from_ms + world_draw(world, 30000);
}

static void specify(struct world *world, struct task_spec *spec)
{
    static const char *const final[] = {"bug", "lost"};

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
                               .retention_ms = 1 + world_draw(world, 2ULL * world->swarm.retention_ms)};
    time_task(world, spec);
    expire(world, spec);
    spec->non_retryable = &final[world_draw(world, 2)];
    spec->non_retryable_count = world_draw(world, 4) == 0;
    spec->max_crashes = (uint32_t)world_draw(world, 4);
    spec->max_deliveries = (uint32_t)world_draw(world, 6);
    spec->start_timeout_ms = world_draw(world, 3) == 0 ? 1000 + (uint32_t)world_draw(world, 5000) : 0;
    spec->run_timeout_ms = world_draw(world, 5) == 0 ? 1 + world_draw(world, 20000) : 0;
    if (world_chance(world, world->swarm.few_tries))
        spec->max_attempts = 1;
    if (world_chance(world, world->swarm.bad))
        spec->queue = "not a queue";
}

static uint64_t known_task(struct submitter *submitter)
{
    size_t count = submitter->known_count < KNOWN_MAX ? submitter->known_count : KNOWN_MAX;

    return submitter->known[world_draw(submitter->actor.world, count)];
}

/* Tasks that were submitted before, and others of the same submit: now and then in a circle, or itself. */
static void depend(struct submitter *submitter, struct request *request, size_t i)
{
    struct world *world = submitter->actor.world;
    struct task_spec *spec = &request->specs[i];

    if (!world_chance(world, world->swarm.depend))
        return;
    spec->on_dependency_failure = (enum dependency_policy)world_draw(world, 4);
    spec->depends_on = request->depends_on[i];
    spec->depends_on_index = request->depends_on_index[i];
    if (submitter->known_count > 0)
        spec->depends_on_count = world_draw(world, DEPENDENCIES_IN_SPEC + 1);
    for (size_t k = 0; k < spec->depends_on_count; k++)
        request->depends_on[i][k] = known_task(submitter);
    if (request->command.submit.atomic && i > 0)
        spec->depends_on_index_count = world_draw(world, 3);
    for (size_t k = 0; k < spec->depends_on_index_count; k++)
        request->depends_on_index[i][k] = (uint32_t)world_draw(world, world_draw(world, 10) == 0 ? i + 1 : i);
    if (submitter->known_count > 0 && world_draw(world, 4) == 0)
        spec->parent_id = known_task(submitter);
}

static void limit(struct world *world, struct request *request, size_t i)
{
    if (!world_chance(world, world->swarm.limit))
        return;
    size_t first = world_draw(world, 3);
    request->specs[i].limits = request->limits[i];
    request->specs[i].limit_count = 1 + world_draw(world, LIMITS_IN_SPEC);
    for (size_t k = 0; k < request->specs[i].limit_count; k++)
        request->limits[i][k] = limits[(first + k) % 3];
}

static void be_fair(struct world *world, struct task_spec *spec)
{
    static const char *const keys[] = {"alice", "bob", "carol"};

    if (world_chance(world, world->swarm.key))
        spec->fairness_key = keys[world_draw(world, 3)];
    if (world_chance(world, world->swarm.hold))
        spec->on_lost = LOST_HOLD;
}

/* Names of works, few enough to meet again. Not where tasks of one submit wait for each other. */
static void name_work(struct world *world, struct request *request, size_t i)
{
    static const char *const works[] = {"build-7", "build-8", "review-1", "review-2", "deploy", "clean"};

    if (request->command.submit.atomic || !world_chance(world, world->swarm.name))
        return;
    request->specs[i].idempotency_key = works[world_draw(world, 6)];
    request->specs[i].on_conflict = (enum conflict_policy)world_draw(world, 4);
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
    for (size_t i = 0; i < command->spec_count; i++) {
        depend(submitter, request, i);
        limit(world, request, i);
        be_fair(world, &request->specs[i]);
        name_work(world, request, i);
    }
    actor_ask(&submitter->actor, request, slot);
}

static void act(struct world *world, void *subject, uint64_t life)
{
    struct submitter *submitter = subject;
    size_t slot = world_draw(world, OPEN_MAX);

    (void)life;
    if (world->healed)
        return;
    if (submitter->open[slot] == 0 && actor_has_room(&submitter->actor) &&
        submitter->sequence < acked_below(submitter) + AHEAD_MAX &&
        model_live_count(world->model) < world->swarm.live_max)
        submit(submitter, slot);
    plan_act(submitter);
}

static void on_reply(struct actor *actor, const struct open_call *call, const struct reply *reply)
{
    struct submitter *submitter = (struct submitter *)actor;

    /* Nothing was taken in it: all that was asked in vain is asked no more. */
    if (memcmp(call->request->session, submitter->session, sizeof submitter->session) != 0)
        return; /* what is left of the session before */
    if (reply->reason != NULL && strcmp(reply->reason, "SESSION_EXPIRED") == 0) {
        submitter->session[1]++;
        submitter->sequence = 0;
        memset(submitter->open, 0, sizeof submitter->open);
        return;
    }
    for (size_t i = 0; i < reply->item_count; i++)
        if (reply->items[i].run.task_id != 0)
            submitter->known[submitter->known_count++ % KNOWN_MAX] = reply->items[i].run.task_id;
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
