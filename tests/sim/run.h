/* One seed: a world is made, lives through its faults, is healed, and must then come to rest. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct run_options {
    uint64_t seed;
    uint64_t events; /* with faults; what the healed world needs comes on top */
    bool traced;
};

struct run_result {
    uint64_t events;
    uint64_t hash; /* of the trace: the same for the same seed and number of events */
    uint64_t tasks;
    uint64_t crashes;
    bool failed;
    uint64_t failed_at; /* the event */
    char violation[512];
};

/* The seed and the event that are being simulated, for whoever reports the death of this process. */
extern volatile uint64_t run_seed;
const volatile uint64_t *run_event(void);

struct run_result run_seed_through(const struct run_options *options);
