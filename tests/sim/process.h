/* The process trees of supervised runs, as they are on their hosts whatever the broker believes.
 *
 * Two of them never live for one task: that is what reaping is for. */
#pragma once

#include "tests/sim/world.h"

#define PROCESSES_MAX 64
#define PROCESS_LIVES UINT64_MAX

struct process {
    uint64_t task_id; /* 0 = free */
    const char *agent_id;
    uint64_t until_us; /* dead from then on; PROCESS_LIVES = nobody has killed it */
};

/* Reports when another one of the task lives. */
void process_begin(struct world *world, uint64_t task_id, const char *agent_id);
/* It is told to end, and will within so many milliseconds. */
void process_kill(struct world *world, uint64_t task_id, const char *agent_id, uint64_t within_ms);
/* All of them that the agent has; returns when the last one is dead, in milliseconds from now. */
uint64_t processes_kill(struct world *world, const char *agent_id, uint64_t within_ms);
