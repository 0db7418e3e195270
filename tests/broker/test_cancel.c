#include "tests/broker/fixture.h"

Test(cancel, of_a_waiting_task_ends_it_at_once)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");
    uint64_t ready = submit(world, "t");

    spec.delay_ms = 1000;
    uint64_t scheduled = submit_spec(world, spec);
    cancel(world, ready);
    cancel(world, scheduled);
    cr_assert_eq(state_of(world, ready), TASK_CANCELED);
    cr_assert_eq(state_of(world, scheduled), TASK_CANCELED);
    cr_assert_str_eq(get(world, ready)->cancel_reason, "enough");
    claim_nothing(world, "a", "t");
    world_close(world);
}

static struct run_name canceling(struct world *world, bool starts)
{
    (void)submit(world, "t");
    struct run_name run = starts ? claim_started(world, "build7/claude1", "t") : claim(world, "build7/claude1", "t");

    cancel(world, run.task_id);
    cr_assert_not_null(world->effects.pushes, "its holder is told at once");
    cr_assert_str_eq(world->effects.pushes->agent_id, "build7/claude1");
    cr_assert_eq(world->effects.pushes->run.fence, run.fence);
    cr_assert_str_eq(world->effects.pushes->reason, "enough");
    return run;
}

Test(cancel, of_a_held_task_tells_the_holder_and_waits_for_its_word)
{
    struct world *world = world_new();
    struct run_name run = canceling(world, true);

    cr_assert_eq(state_of(world, run.task_id), TASK_RUNNING);
    cr_assert(get(world, run.task_id)->canceling);
    cr_assert_eq(beat(world, "build7", run), VERDICT_STOP);
    cr_assert_eq(fail(world, run), TASK_CANCELED);
    cr_assert(!get(world, run.task_id)->canceling);
    world_close(world);
}

Test(cancel, ends_with_a_release_too)
{
    struct world *world = world_new();

    cr_assert_eq(release(world, canceling(world, true), 0), TASK_CANCELED);
    cr_assert_eq(release(world, canceling(world, false), 0), TASK_CANCELED);
    world_close(world);
}

Test(cancel, that_comes_too_late_lets_the_task_complete)
{
    struct world *world = world_new();
    struct run_name run = canceling(world, true);

    complete(world, run);
    cr_assert_eq(state_of(world, run.task_id), TASK_COMPLETED);
    world_close(world);
}

Test(cancel, of_a_task_whose_holder_is_gone_ends_with_the_lease)
{
    struct world *world = world_new();
    struct run_name assigned = canceling(world, false);
    struct run_name running = canceling(world, true);

    world_pass(world, LEASE_MS);
    cr_assert_eq(state_of(world, assigned.task_id), TASK_CANCELED);
    cr_assert_eq(state_of(world, running.task_id), TASK_CANCELED);
    world_close(world);
}

Test(cancel, twice_is_as_once)
{
    struct world *world = world_new();
    struct run_name run = canceling(world, true);
    uint64_t revision = broker_revision(world->broker);

    cancel(world, run.task_id);
    cr_assert_eq(broker_revision(world->broker), revision);
    cr_assert_null(world->effects.pushes);
    (void)fail(world, run);
    struct command command = {.kind = COMMAND_CANCEL, .cancel = {.task_id = run.task_id, .reason = ""}};
    world_refused(world, &command, STATUS_FAILED_PRECONDITION, "TASK_ENDED");
    world_close(world);
}

Test(cancel, survives_a_restart)
{
    struct world *world = world_new();
    struct run_name run = canceling(world, true);

    world_restart(world);
    cr_assert_eq(beat(world, "build7", run), VERDICT_STOP);
    world_close(world);
}
