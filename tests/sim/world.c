#include "tests/sim/world.h"

#include "common/base/check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static bool comes_before(const struct planned *a, const struct planned *b)
{
    return a->due_us != b->due_us ? a->due_us < b->due_us : a->order < b->order;
}

void world_plan_owned(struct world *world, uint64_t after_us, const struct planned *what)
{
    struct planned planned = *what;
    size_t at = world->planned_count++;

    planned.due_us = world->now_us + after_us;
    planned.order = world->planned_total++;
    if (world->planned_count > world->planned_capacity) {
        world->planned_capacity = world->planned_capacity > 0 ? 2 * world->planned_capacity : 256;
        world->planned = reallocate(world->planned, world->planned_capacity * sizeof planned);
    }
    for (; at > 0 && comes_before(&planned, &world->planned[(at - 1) / 2]); at = (at - 1) / 2)
        world->planned[at] = world->planned[(at - 1) / 2];
    world->planned[at] = planned;
}

void world_plan(struct world *world, uint64_t after_us, event_fn *happen, void *subject, uint64_t value)
{
    world_plan_owned(world, after_us, &(struct planned){.happen = happen, .subject = subject, .value = value});
}

void world_forget_planned(struct world *world)
{
    for (size_t i = 0; i < world->planned_count; i++)
        if (world->planned[i].forget != NULL)
            world->planned[i].forget(world->planned[i].subject);
    free(world->planned);
}

static struct planned take_first(struct world *world)
{
    struct planned first = world->planned[0];
    struct planned last = world->planned[--world->planned_count];
    size_t at = 0;

    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= world->planned_count)
            break;
        if (child + 1 < world->planned_count && comes_before(&world->planned[child + 1], &world->planned[child]))
            child++;
        if (!comes_before(&world->planned[child], &last))
            break;
        world->planned[at] = world->planned[child];
        at = child;
    }
    if (world->planned_count > 0)
        world->planned[at] = last;
    return first;
}

bool world_turn(struct world *world)
{
    if (world->planned_count == 0)
        return false;
    struct planned planned = take_first(world);
    world->now_us = planned.due_us;
    world->events++;
    planned.happen(world, planned.subject, planned.value);
    return true;
}

uint64_t world_wall_ms(const struct world *world)
{
    return (uint64_t)((int64_t)(WALL_START_MS + world_boot_ms(world)) + world->wall_offset_ms);
}

uint64_t world_draw(struct world *world, uint64_t bound)
{
    return random_below(&world->random, bound);
}

bool world_chance(struct world *world, uint32_t permille)
{
    return permille > 0 && random_permille(&world->random, permille);
}

bool world_fault(struct world *world, uint32_t permille)
{
    return !world->healed && world_chance(world, permille);
}

static uint64_t mixed(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0xBF58476D1CE4E5B9;
    return hash ^ hash >> 29;
}

void world_trace(struct world *world, const char *what, const char *who, uint64_t a, uint64_t b)
{
    world->hash = mixed(mixed(mixed(world->hash, world->now_us), a), b);
    for (const char *at = what; *at != '\0'; at++)
        world->hash = mixed(world->hash, (uint64_t)*at);
    if (world->traced)
        printf("%8" PRIu64 " %12.3f  %-10s %-16s %" PRIu64 " %" PRIu64 "\n", world->events,
               (double)world->now_us / 1000, who, what, a, b);
}

void world_violated(struct world *world, const char *format, ...)
{
    va_list arguments;

    if (world->failed)
        return;
    world->failed = true;
    va_start(arguments, format);
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is begun in the line above
    (void)vsnprintf(world->violation, sizeof world->violation, format, arguments);
    va_end(arguments);
    if (world->traced)
        printf("%8" PRIu64 " %12.3f  VIOLATED: %s\n", world->events, (double)world->now_us / 1000, world->violation);
}
