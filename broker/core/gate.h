/* Which lanes are open: those that a claim may take from now.
 *
 * A lane is closed while its queue is paused, or one of its limits is full, out of its rate, or paused. Nothing moves
 * for that: its tasks stay where they are, and claims pass by. When it may be open again, claims that wait for it are
 * woken. */
#pragma once

#include "broker/core/broker.h"
#include "broker/core/lane.h"

struct step;

static inline bool gate_is_open(const struct lane *lane, const struct broker_time *now)
{
    if (lane->type->queue->settings.paused_out)
        return false;
    for (size_t i = 0; i < lane->limit_count; i++) {
        const struct limit *limit = lane->limits[i].limit;
        if (limit_is_full(limit) || limit_is_paused(limit, now->wall_ms) || limit_refill_ms(limit, now->store_ms) > 0)
            return false;
    }
    return true;
}

/* A task of the lane was claimed. */
void gate_passed(struct step *step, struct lane *lane);
/* Opens what time opens. */
void gates_tick(struct step *step);
/* Wakes the lanes that may be open now and were not. */
void gates_wake(struct broker *broker);
/* How long until time opens a lane that somebody waits for; UINT64_MAX = never. */
uint64_t gates_next_ms(const struct broker *broker, const struct broker_time *now);
