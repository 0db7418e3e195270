/* Slots: how many agents run at once, in all and per type, counted before anything is started.
 *
 * A slot of a type has a number from 1, the least that is free: "build7/claude2". A maximum that becomes smaller ends
 * nothing: there is just no free slot until enough have ended. */
#pragma once

#include <stdint.h>

#define SLOTS_MAX 1024

/* Of the supervisor. */
struct slots {
    uint32_t total; /* at most SLOTS_MAX */
    uint32_t taken;
};

/* Of one type. */
struct type_slots {
    uint32_t max; /* 0 = no bound of its own */
    uint32_t taken;
    uint64_t used[SLOTS_MAX / 64]; /* one bit per number */
};

/* How many more agents of the type may start now. */
uint32_t slots_free(const struct slots *slots, const struct type_slots *type);
/* The number of the slot, 0 when none is free. */
uint32_t slots_take(struct slots *slots, struct type_slots *type);
void slots_give(struct slots *slots, struct type_slots *type, uint32_t number);
