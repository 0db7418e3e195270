#include "broker/core/gate.h"

#include "broker/core/core.h"
#include "broker/core/timer.h"

void gate_passed(struct step *step, struct lane *lane)
{
    for (size_t i = 0; i < lane->limit_count; i++)
        limit_spend(&step->broker->lanes.limits, &lane->limits[i], step->now.store_ms);
}

void gates_tick(struct step *step)
{
    limits_tick(&step->broker->lanes.limits, step->now.store_ms, step->now.wall_ms);
}

/* The last one woken is the first that is served. */
static void wake_lanes(struct lanes *lanes, const struct limit *limit)
{
    struct lane_limit *place = limit->lanes != NULL ? limit->lanes->prev : NULL;

    for (size_t i = 0; place != NULL && i < limit->lane_count; i++, place = place->prev)
        if (place->lane->counts[TASK_READY] > 0)
            lane_wake(lanes, place->lane);
}

void gates_wake(struct broker *broker)
{
    struct limit *limit;

    while ((limit = limits_next_loosened(&broker->lanes.limits)) != NULL)
        if (broker_parked(broker) > 0)
            wake_lanes(&broker->lanes, limit);
}

static uint64_t opens_in_ms(const struct limit *limit, const struct broker_time *now)
{
    uint64_t refill_ms = limit_refill_ms(limit, now->store_ms);

    if (!limit_is_paused(limit, now->wall_ms))
        return refill_ms;
    uint64_t pause_ms = limit->paused_until_ms - now->wall_ms;
    if (pause_ms > WALL_LOOK_EVERY_MS)
        pause_ms = WALL_LOOK_EVERY_MS;
    return pause_ms > refill_ms ? pause_ms : refill_ms;
}

uint64_t gates_next_ms(const struct broker *broker, const struct broker_time *now)
{
    uint64_t least_ms = UINT64_MAX;

    if (broker_parked(broker) == 0)
        return UINT64_MAX;
    for (const struct limit *limit = broker->lanes.limits.timed; limit != NULL; limit = limit->next_timed) {
        uint64_t left_ms = limit->lanes != NULL ? opens_in_ms(limit, now) : UINT64_MAX;
        least_ms = left_ms < least_ms ? left_ms : least_ms;
    }
    return least_ms;
}
