/* Whoever talks to the broker: a process with a clock of its own, a connection that loses, doubles and delays, and
 * calls that are sent again until they are answered.
 *
 * What an actor does is its kind's: submitter, agent (also as a supervisor with many slots), operator. */
#pragma once

#include "tests/sim/host.h"
#include "tests/sim/message.h"
#include "tests/sim/world.h"

#define CALLS_MAX 12

struct open_call {
    uint64_t id; /* 0 = free */
    struct request *request;
    uint64_t sent_us; /* first */
    uint32_t rounds;
    bool once; /* not to be sent again */
    uint64_t purpose;
};

struct actor_kind {
    const char *name;
    /* The answer to one of its calls, which is closed already; reply is NULL when a call that is sent once got none. */
    void (*on_reply)(struct actor *actor, const struct open_call *call, const struct reply *reply);
    void (*on_push)(struct actor *actor, struct run_name run, enum verdict verdict);
    /* Its process has started anew: it has forgotten everything but its name. NULL: it never does. */
    void (*on_restart)(struct actor *actor);
    void (*free)(struct actor *actor);
};

struct actor {
    const struct actor_kind *kind;
    struct world *world;
    char id[16];
    int64_t drift_ppm;
    bool deaf;     /* replies do not reach it */
    bool mute;     /* requests do not leave it */
    uint64_t life; /* generation of its process */
    struct open_call calls[CALLS_MAX];
};

/* The world keeps it, and frees it with kind->free. */
void actor_join(struct actor *actor, struct world *world, const struct actor_kind *kind, const char *id);
struct actor *actor_of_id(const struct world *world, const char *id);
const char *actor_id(const struct actor *actor);
void actor_done(struct actor *actor);

/* By the actor's own clock. The event is left out when its process has started anew since: value is its life. */
void actor_plan(struct actor *actor, uint64_t after_ms, event_fn *happen);
bool actor_is_open(const struct actor *actor, enum command_kind kind, uint64_t purpose);
bool actor_has_room(const struct actor *actor);
/* Takes the request. */
void actor_ask(struct actor *actor, struct request *request, uint64_t purpose);
/* The same, and does not ask again. */
void actor_ask_once(struct actor *actor, struct request *request, uint64_t purpose);
void actor_restart(struct actor *actor);

/* From the host's side of the network. */
void actor_send_reply(struct actor *actor, uint64_t call, struct reply *reply);
void actor_push(struct actor *actor, struct run_name run, enum verdict verdict);

struct actor *submitter_new(struct world *world, uint32_t number);
struct actor *agent_new(struct world *world, uint32_t number);
struct actor *supervisor_new(struct world *world, uint32_t number);
struct actor *operator_new(struct world *world, uint32_t number);
