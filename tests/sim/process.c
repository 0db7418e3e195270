#include "tests/sim/process.h"

#include "common/base/check.h"

#include <inttypes.h>

static bool is_alive(const struct world *world, const struct process *process)
{
    return process->task_id != 0 && process->until_us > world->now_us;
}

void process_begin(struct world *world, uint64_t task_id, const char *agent_id)
{
    struct process *place = NULL;

    for (size_t i = 0; i < PROCESSES_MAX; i++) {
        struct process *process = &world->processes[i];
        if (!is_alive(world, process))
            place = process;
        else if (process->task_id == task_id)
            world_violated(world, "task %" PRIu64 " has a process of %s and another one of %s", task_id,
                           process->agent_id, agent_id);
    }
    CHECK(place != NULL);
    *place = (struct process){.task_id = task_id, .agent_id = agent_id, .until_us = PROCESS_LIVES};
}

static void end(struct world *world, struct process *process, uint64_t within_ms)
{
    uint64_t until_us = world->now_us + 1000 * within_ms;

    if (until_us < process->until_us)
        process->until_us = until_us;
}

void process_kill(struct world *world, uint64_t task_id, const char *agent_id, uint64_t within_ms)
{
    for (size_t i = 0; i < PROCESSES_MAX; i++)
        if (world->processes[i].task_id == task_id && world->processes[i].agent_id == agent_id)
            end(world, &world->processes[i], within_ms);
}

uint64_t processes_kill(struct world *world, const char *agent_id, uint64_t within_ms)
{
    uint64_t last_us = world->now_us;

    for (size_t i = 0; i < PROCESSES_MAX; i++) {
        struct process *process = &world->processes[i];
        if (process->agent_id != agent_id || !is_alive(world, process))
            continue;
        end(world, process, within_ms);
        last_us = process->until_us > last_us ? process->until_us : last_us;
    }
    return (last_us - world->now_us) / 1000 + 1;
}
