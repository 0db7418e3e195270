/* One simulated world: virtual time, what is to happen in it, and what was found wrong.
 *
 * Everything that happens is an event at a point of time; events of one point happen in the order in which they were
 * planned. Nothing but the seed decides anything, so the same seed gives the same world, to the last answer: the hash
 * over its trace proves it. */
#pragma once

#include "common/base/status.h"
#include "tests/sim/swarm.h"
#include "tests/support/random.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WALL_START_MS 1700000000000
#define ACTORS_MAX 16

struct world;
struct actor;
struct host;
struct model;
struct history;

/* value is whatever the planner gave: often a generation that tells whether the event still means anything. */
typedef void event_fn(struct world *world, void *subject, uint64_t value);

typedef void forget_fn(void *subject);

struct planned {
    uint64_t due_us;
    uint64_t order;
    event_fn *happen;
    void *subject;
    uint64_t value;
    forget_fn *forget; /* frees the subject when the world ends before the event; NULL: it is not the event's */
};

struct world {
    uint64_t seed;
    struct swarm swarm;
    struct random random;
    uint64_t now_us;
    int64_t wall_offset_ms;   /* how far the wall clock was set */
    int64_t wall_offset_most; /* ever */
    bool healed;              /* the faults have stopped, and so has whoever made new work */
    struct planned *planned;
    size_t planned_count;
    size_t planned_capacity;
    uint64_t planned_total;
    uint64_t events; /* that have happened */
    uint64_t last_call;
    uint64_t hash;
    bool traced; /* printed as well */
    bool failed;
    char violation[512];
    struct process *processes; /* process.h */
    struct host *host;
    struct model *model;
    struct history *history; /* what the clients saw */
    struct actor *actors[ACTORS_MAX];
    size_t actor_count;
};

void world_plan(struct world *world, uint64_t after_us, event_fn *happen, void *subject, uint64_t value);
/* The same for a subject that the event frees, or forget when the world ends before it. */
void world_plan_owned(struct world *world, uint64_t after_us, const struct planned *what);
void world_forget_planned(struct world *world);
/* The next event, or false when nothing is planned. */
bool world_turn(struct world *world);

static inline uint64_t world_boot_ms(const struct world *world)
{
    return world->now_us / 1000;
}
uint64_t world_wall_ms(const struct world *world);

uint64_t world_draw(struct world *world, uint64_t bound);
/* True in so many of a thousand cases; never once the world is healed. */
bool world_fault(struct world *world, uint32_t permille);
/* The same, also in a healed world. */
bool world_chance(struct world *world, uint32_t permille);

/* One line of the trace: what, who, and two numbers. */
void world_trace(struct world *world, const char *what, const char *who, uint64_t a, uint64_t b);
/* Only the first violation is kept: what follows is often its consequence. */
PRINTF_LIKE(2, 3) void world_violated(struct world *world, const char *format, ...);
