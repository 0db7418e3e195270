#include "tests/sim/run.h"

#include "common/base/check.h"
#include "tests/history/history.h"
#include "tests/sim/actor.h"
#include "tests/sim/model.h"
#include "tests/sim/process.h"
#include "tests/sim/witness.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_US 200000
#define YEAR_MS (365LL * 24 * 3600 * 1000)
#define REST_WITHIN_MS (2ULL * 3600 * 1000) /* of the healed world's time */
#define REST_EVENTS_MAX 2000000

static event_fn look_around;

/* Now and then: what goes wrong without anybody's doing. */
static void look_around(struct world *world, void *subject, uint64_t value)
{
    const struct swarm *swarm = &world->swarm;
    struct actor *actor = world->actors[world_draw(world, world->actor_count)];

    (void)subject;
    (void)value;
    if (world->healed)
        return;
    if (world_fault(world, swarm->jump)) {
        int64_t most_ms = world_draw(world, 3) == 0 ? YEAR_MS : 60000;
        world->wall_offset_ms = (int64_t)world_draw(world, (uint64_t)(2 * most_ms)) - most_ms;
        if (world->wall_offset_ms > world->wall_offset_most)
            world->wall_offset_most = world->wall_offset_ms;
        world_trace(world, "wall clock", "", (uint64_t)world->wall_offset_ms, 0);
    }
    if (world_fault(world, swarm->cut)) {
        actor->mute = world_draw(world, 3) > 0;
        actor->deaf = !actor->mute || world_draw(world, 2) == 0;
        world_trace(world, "cut off", actor->id, actor->mute, actor->deaf);
    } else if (world_draw(world, 1 + 1000ULL * swarm->cut_ms / LOOK_US) == 0) {
        actor->mute = false;
        actor->deaf = false;
    }
    if (world_fault(world, swarm->restart) && actor->kind->on_restart != NULL)
        actor_restart(actor);
    world_plan(world, LOOK_US, look_around, NULL, 0);
}

static void populate(struct world *world)
{
    (void)host_new(world);
    for (uint32_t i = 0; i < world->swarm.submitters; i++)
        (void)submitter_new(world, i);
    for (uint32_t i = 0; i < world->swarm.agents; i++)
        (void)agent_new(world, i);
    for (uint32_t i = 0; i < world->swarm.supervisors; i++)
        (void)supervisor_new(world, i);
    for (uint32_t i = 0; i < world->swarm.operators; i++)
        (void)operator_new(world, i);
    world_plan(world, LOOK_US, look_around, NULL, 0);
}

static void heal(struct world *world)
{
    world_trace(world, "healed", "", 0, 0);
    world->healed = true;
    /* Never behind what somebody may have seen: a task may wait for a time that came from a clock set far ahead. */
    world->wall_offset_ms = world->wall_offset_most;
    for (size_t i = 0; i < world->actor_count; i++) {
        world->actors[i]->mute = false;
        world->actors[i]->deaf = false;
    }
}

static void tell_restless(struct world *world)
{
    const struct model *model = world->model;

    for (size_t i = model->first; i < model->task_count; i++)
        if (model->tasks[i]->state != TASK_NONE && !model_has_ended(model->tasks[i]))
            world_violated(world, "task %" PRIu64 " stays %s although nothing goes wrong any more", model->tasks[i]->id,
                           task_state_name(model->tasks[i]->state));
    world_violated(world, "the broker does not start although nothing goes wrong any more");
}

static void come_to_rest(struct world *world)
{
    uint64_t begin_ms = world_boot_ms(world);
    uint64_t first = world->events;

    while (!world->failed && (model_live_count(world->model) > 0 || world->host->broker == NULL)) {
        if (!world_turn(world) || world_boot_ms(world) - begin_ms > REST_WITHIN_MS ||
            world->events - first > REST_EVENTS_MAX)
            tell_restless(world);
    }
    if (!world->failed)
        compare_all(world->host);
    if (!world->failed)
        witness_judge(world);
}

static void world_done(struct world *world)
{
    world_forget_planned(world);
    for (size_t i = 0; i < world->actor_count; i++)
        world->actors[i]->kind->free(world->actors[i]);
    host_free(world->host);
    model_free(world->model);
    history_free(world->history);
    free(world->processes);
    free(world);
}

volatile uint64_t run_seed;
static volatile uint64_t event_now;

const volatile uint64_t *run_event(void)
{
    return &event_now;
}

struct run_result run_seed_through(const struct run_options *options)
{
    struct world *world = allocate_zero(1, sizeof *world);

    run_seed = options->seed;
    world->seed = options->seed;
    world->traced = options->traced;
    world->swarm = swarm_draw(options->seed);
    world->random = random_for(options->seed, 2);
    world->processes = allocate_zero(PROCESSES_MAX, sizeof *world->processes);
    world->history = allocate_zero(1, sizeof *world->history);
    populate(world);
    while (!world->failed && world->events < options->events && world_turn(world))
        event_now = world->events;
    heal(world);
    come_to_rest(world);
    struct run_result result = {.events = world->events,
                                .hash = world->hash,
                                .tasks = world->model->task_count,
                                .crashes = world->host->crashes,
                                .failed = world->failed,
                                .failed_at = world->events};
    memcpy(result.violation, world->violation, sizeof result.violation);
    world_done(world);
    return result;
}
