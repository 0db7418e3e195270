#include "tests/broker/fixture.h"

static const enum command_kind words[] = {COMMAND_START, COMMAND_COMPLETE, COMMAND_FAIL, COMMAND_RELEASE};

Test(fence, that_is_not_the_present_one_is_refused_and_changes_nothing)
{
    struct world *world = world_new();
    (void)submit(world, "t");
    struct run_name run = claim_started(world, "a", "t");
    uint64_t revision = broker_revision(world->broker);

    for (size_t i = 0; i < 4; i++)
        for (int64_t off = -1; off <= 1; off += 2) {
            struct run_name other = {.task_id = run.task_id, .fence = run.fence + (uint64_t)off};
            struct command command = command_of_run(words[i], other);
            world_refused(world, &command, STATUS_ABORTED, "STALE_FENCE");
        }
    cr_assert_eq(broker_revision(world->broker), revision);
    cr_assert_eq(beat(world, "a", (struct run_name){.task_id = run.task_id, .fence = run.fence + 1}), VERDICT_STALE);
    cr_assert_eq(beat(world, "a", (struct run_name){.task_id = 99, .fence = 1}), VERDICT_STALE);
    world_close(world);
}

Test(fence, zero_is_nobodys)
{
    struct world *world = world_new();
    struct run_name none = {.task_id = submit(world, "t")};

    for (size_t i = 0; i < 4; i++) {
        struct command command = command_of_run(words[i], none);
        world_refused(world, &command, STATUS_ABORTED, "STALE_FENCE");
    }
    world_close(world);
}

/* The word that ended the run may be said again, every other one is stale. */
static void expect_only_repeatable(struct world *world, struct run_name run, enum command_kind ended_by,
                                   enum task_state state)
{
    for (size_t i = 1; i < 4; i++) {
        struct command command = command_of_run(words[i], run);
        if (words[i] == ended_by)
            cr_assert_eq(world_do(world, &command)->state, state);
        else
            world_refused(world, &command, STATUS_ABORTED, "STALE_FENCE");
    }
}

Test(fence, the_word_that_ended_a_run_may_be_repeated)
{
    struct world *world = world_new();

    (void)submit(world, "t");
    struct run_name run = claim_started(world, "a", "t");
    complete(world, run);
    expect_only_repeatable(world, run, COMMAND_COMPLETE, TASK_COMPLETED);

    (void)submit(world, "t");
    run = claim_started(world, "a", "t");
    (void)release(world, run, 5000);
    expect_only_repeatable(world, run, COMMAND_RELEASE, TASK_SCHEDULED);
    world_pass(world, 5000);
    cr_assert_eq(state_of(world, run.task_id), TASK_READY);
    expect_only_repeatable(world, run, COMMAND_RELEASE, TASK_SCHEDULED);

    run = claim_started(world, "a", "t");
    (void)fail(world, run);
    world_restart(world);
    expect_only_repeatable(world, run, COMMAND_FAIL, TASK_SCHEDULED);
    cr_assert_eq(get(world, run.task_id)->attempts, 1, "it is charged once");
    world_close(world);
}

Test(fence, start_may_be_repeated)
{
    struct world *world = world_new();
    (void)submit(world, "t");
    struct command command = command_of_run(COMMAND_START, claim(world, "build7", "t"));

    command.start.agent_id = "build7/claude2";
    cr_assert_eq(world_do(world, &command)->attempt, 1);
    cr_assert_eq(world_do(world, &command)->attempt, 1);
    cr_assert_str_eq(get(world, command.start.run.task_id)->agent_id, "build7/claude2");
    cr_assert_eq(get(world, command.start.run.task_id)->attempts, 1);
    world_close(world);
}

Test(fence, ids_and_fences_are_never_used_twice_across_restarts)
{
    struct world *world = world_new();
    uint64_t last_id = 0;
    uint64_t last_fence = 0;

    for (int i = 0; i < 20; i++) {
        uint64_t id = submit(world, "t");
        cr_assert_gt(id, last_id);
        last_id = id;
        struct run_name run = claim_started(world, "a", "t");
        cr_assert_gt(run.fence, last_fence);
        last_fence = run.fence;
        complete(world, run);
        world_restart(world);
    }
    world_close(world);
}
