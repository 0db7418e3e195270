#include "tests/broker/fixture.h"

Test(life, of_a_task_that_goes_well_ends_completed)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "claude");

    cr_assert_eq(state_of(world, id), TASK_READY);
    struct run_name run = claim(world, "a", "claude");
    cr_assert_eq(run.task_id, id);
    cr_assert_eq(state_of(world, id), TASK_ASSIGNED);
    start(world, run);
    cr_assert_eq(state_of(world, id), TASK_RUNNING);
    complete(world, run);
    const struct task_view *task = get(world, id);
    cr_assert_eq(task->state, TASK_COMPLETED);
    cr_assert_eq(task->attempts, 1);
    cr_assert_eq(task->deliveries, 1);
    cr_assert_str_eq(task->agent_id, "a");
    world_close(world);
}
