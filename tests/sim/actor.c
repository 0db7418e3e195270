#include "tests/sim/actor.h"

#include "common/base/check.h"
#include "tests/sim/witness.h"

#include <stdlib.h>
#include <string.h>

#define ASK_AGAIN_MS 3000
#define SHORT_US 500 /* what a message takes at most when nothing delays it */

/* A message on its way. */
struct envelope {
    struct actor *actor;
    uint64_t call; /* 0: a push */
    struct request *request;
    struct reply *reply;
    struct run_name run;
    enum verdict verdict;
    uint64_t host_life; /* a connection ends with the broker, and with it what is on its way */
};

void actor_join(struct actor *actor, struct world *world, const struct actor_kind *kind, const char *id)
{
    uint32_t drift = world->swarm.drift;

    CHECK(world->actor_count < ACTORS_MAX && strlen(id) < sizeof actor->id);
    actor->kind = kind;
    actor->world = world;
    memcpy(actor->id, id, strlen(id) + 1);
    if (drift > 0)
        actor->drift_ppm = (int64_t)world_draw(world, 2000ULL * drift + 1) - 1000LL * drift;
    world->actors[world->actor_count++] = actor;
}

const char *actor_id(const struct actor *actor)
{
    return actor->id;
}

struct actor *actor_of_id(const struct world *world, const char *id)
{
    for (size_t i = 0; i < world->actor_count; i++) {
        size_t size = strlen(world->actors[i]->id);
        if (strncmp(world->actors[i]->id, id, size) == 0 && (id[size] == '\0' || id[size] == '/'))
            return world->actors[i];
    }
    return NULL;
}

static void close_call(struct open_call *call)
{
    request_free(call->request);
    *call = (struct open_call){0};
}

void actor_done(struct actor *actor)
{
    for (size_t i = 0; i < CALLS_MAX; i++)
        close_call(&actor->calls[i]);
}

struct alarm {
    struct actor *actor;
    event_fn *happen;
};

static void ring(struct world *world, void *subject, uint64_t life)
{
    struct alarm alarm = *(struct alarm *)subject;

    free(subject);
    if (life == alarm.actor->life)
        alarm.happen(world, alarm.actor, life);
}

void actor_plan(struct actor *actor, uint64_t after_ms, event_fn *happen)
{
    int64_t after_us = (int64_t)after_ms * (1000000 + actor->drift_ppm) / 1000;
    struct alarm *alarm = allocate(sizeof *alarm);

    *alarm = (struct alarm){.actor = actor, .happen = happen};
    world_plan_owned(actor->world, (uint64_t)after_us,
                     &(struct planned){.happen = ring, .subject = alarm, .value = actor->life, .forget = free});
}

static struct open_call *find_call(struct actor *actor, uint64_t id)
{
    for (size_t i = 0; i < CALLS_MAX; i++)
        if (actor->calls[i].id == id)
            return &actor->calls[i];
    return NULL;
}

bool actor_is_open(const struct actor *actor, enum command_kind kind, uint64_t purpose)
{
    for (size_t i = 0; i < CALLS_MAX; i++)
        if (actor->calls[i].id != 0 && actor->calls[i].request->command.kind == kind &&
            actor->calls[i].purpose == purpose)
            return true;
    return false;
}

bool actor_has_room(const struct actor *actor)
{
    for (size_t i = 0; i < CALLS_MAX; i++)
        if (actor->calls[i].id == 0)
            return true;
    return false;
}

/* How long the message takes. */
static uint64_t travel_us(struct world *world)
{
    uint64_t most_us = world_fault(world, world->swarm.slow) ? 1000ULL * world->swarm.slow_ms : SHORT_US;

    return 1 + world_draw(world, most_us);
}

static void envelope_free(void *subject)
{
    struct envelope *envelope = subject;

    request_free(envelope->request);
    reply_free(envelope->reply);
    free(envelope);
}

static void send(struct envelope content, event_fn *arrive)
{
    struct world *world = content.actor->world;
    size_t copies = world_fault(world, world->swarm.lose) ? 0 : world_fault(world, world->swarm.duplicate) ? 2 : 1;

    for (size_t i = 0; i < copies; i++) {
        struct envelope *envelope = allocate(sizeof *envelope);
        *envelope = content;
        envelope->host_life = world->host->crashes;
        if (content.request != NULL)
            request_share(content.request);
        if (content.reply != NULL)
            reply_share(content.reply);
        world_plan_owned(world, travel_us(world),
                         &(struct planned){.happen = arrive, .subject = envelope, .forget = envelope_free});
    }
}

/* Not a word about one's whole life that was answered before: nobody sends it again, and what a connection carries
 * comes before what is sent once there was an answer. */
static bool is_outlived(const struct envelope *envelope)
{
    return envelope->request->command.kind == COMMAND_REGISTER && find_call(envelope->actor, envelope->call) == NULL;
}

static void arrive_at_host(struct world *world, void *subject, uint64_t value)
{
    struct envelope *envelope = subject;

    (void)value;
    if (!envelope->actor->mute && !is_outlived(envelope) && envelope->host_life == world->host->crashes)
        host_receive(world->host, envelope->actor, envelope->call, envelope->request);
    envelope_free(envelope);
}

static event_fn time_out;

static void send_request(struct actor *actor, struct open_call *call)
{
    call->rounds++;
    send((struct envelope){.actor = actor, .call = call->id, .request = call->request}, arrive_at_host);
    world_plan(actor->world, 1000ULL * ASK_AGAIN_MS * (call->request->command.kind == COMMAND_CLAIM ? 8 : 1), time_out,
               actor, call->id);
}

static void time_out(struct world *world, void *subject, uint64_t id)
{
    struct actor *actor = subject;
    struct open_call *call = find_call(actor, id);

    (void)world;
    if (call == NULL)
        return;
    if (!call->once) {
        send_request(actor, call);
        return;
    }
    struct open_call closed = *call;
    *call = (struct open_call){0};
    actor->kind->on_reply(actor, &closed, NULL);
    request_free(closed.request);
}

static void open_call(struct actor *actor, struct request *request, uint64_t purpose, bool once)
{
    struct open_call *call = find_call(actor, 0);

    CHECK(call != NULL);
    *call = (struct open_call){.id = ++actor->world->last_call,
                               .request = request,
                               .sent_us = actor->world->now_us,
                               .once = once,
                               .purpose = purpose};
    witness_ask(actor, call);
    send_request(actor, call);
}

void actor_ask(struct actor *actor, struct request *request, uint64_t purpose)
{
    open_call(actor, request, purpose, false);
}

void actor_ask_once(struct actor *actor, struct request *request, uint64_t purpose)
{
    open_call(actor, request, purpose, true);
}

static void take_reply(struct actor *actor, struct open_call *call, const struct reply *reply)
{
    struct open_call closed = *call;

    *call = (struct open_call){0};
    witness_reply(actor, &closed, reply);
    if (world_fault(actor->world, actor->world->swarm.repeat))
        send((struct envelope){.actor = actor, .call = closed.id, .request = closed.request}, arrive_at_host);
    actor->kind->on_reply(actor, &closed, reply);
    request_free(closed.request);
}

static void arrive_at_actor(struct world *world, void *subject, uint64_t life)
{
    struct envelope *envelope = subject;
    struct actor *actor = envelope->actor;

    (void)world;
    (void)life;
    if (!actor->deaf) {
        struct open_call *call = envelope->call != 0 ? find_call(actor, envelope->call) : NULL;
        if (call != NULL)
            take_reply(actor, call, envelope->reply);
        if (envelope->call == 0 && actor->kind->on_push != NULL)
            actor->kind->on_push(actor, envelope->run, envelope->verdict);
    }
    envelope_free(envelope);
}

void actor_send_reply(struct actor *actor, uint64_t call, struct reply *reply)
{
    send((struct envelope){.actor = actor, .call = call, .reply = reply}, arrive_at_actor);
}

void actor_push(struct actor *actor, struct run_name run, enum verdict verdict)
{
    send((struct envelope){.actor = actor, .run = run, .verdict = verdict}, arrive_at_actor);
}

void actor_restart(struct actor *actor)
{
    world_trace(actor->world, "restart", actor->id, actor->life, 0);
    actor->life++;
    for (size_t i = 0; i < CALLS_MAX; i++)
        close_call(&actor->calls[i]);
    if (world_draw(actor->world, 2) == 0)
        host_disconnected(actor->world->host, actor);
    actor->kind->on_restart(actor);
}
