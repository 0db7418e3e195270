/* What runs that were given up came to all the same, and how an operator takes it. */
#include "broker/core/orphan.h"
#include "tests/broker/fixture.h"

/* A run whose lease was lost, and which then says that it has completed. */
static struct run_name orphan(struct world *world, const char *result)
{
    struct run_name run = claim_started(world, "solo", "t");
    struct command late = command_of_run(COMMAND_COMPLETE, run);

    world_pass(world, LEASE_MS);
    late.complete.outcome.result = bytes_of_text(result);
    world_refused(world, &late, STATUS_ABORTED, "STALE_FENCE");
    return run;
}

static const struct answer *list(struct world *world, uint64_t task_id)
{
    struct command command = {.kind = COMMAND_LIST_ORPHANS, .list_orphans = {.task_id = task_id}};

    return world_do(world, &command);
}

static struct command command_adopt(uint64_t task_id, uint64_t fence)
{
    return (struct command){.kind = COMMAND_ADOPT, .adopt = {.task_id = task_id, .fence = fence}};
}

Test(orphan, is_what_a_lost_run_reports_too_late)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "t");
    struct run_name run = orphan(world, "late");

    const struct answer *answer = list(world, id);
    cr_assert_eq(answer->orphans.count, 1);
    const struct orphan_view *view = &answer->orphans.orphans[0];
    cr_assert_eq(view->fence, run.fence);
    cr_assert_eq(view->how, EXIT_COMPLETED);
    cr_assert_str_eq(view->agent_id, "solo");
    cr_assert_eq(view->wall_ms, world->now.wall_ms);
    cr_assert_eq(view->outcome.result.size, strlen("late"));
    cr_assert_eq(list(world, 0)->orphans.count, 1);
    cr_assert_eq(list(world, 0)->orphans.orphans[0].outcome.result.size, 0, "results are for those who ask for one");
    world_close(world);
}

Test(orphan, is_nothing_that_its_holder_said_otherwise_before_nor_a_stranger)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "t");
    struct run_name run = claim_started(world, "solo", "t");
    (void)fail(world, run);
    struct command other = command_of_run(COMMAND_COMPLETE, run);
    world_refused(world, &other, STATUS_ABORTED, "STALE_FENCE");
    for (int off = -1; off <= 1; off += 2) {
        struct run_name stranger = {.task_id = id, .fence = run.fence + (uint64_t)off};
        struct command command = command_of_run(COMMAND_COMPLETE, stranger);
        world_refused(world, &command, STATUS_ABORTED, "STALE_FENCE");
    }
    cr_assert_eq(list(world, id)->orphans.count, 0);
    world_close(world);
}

Test(orphan, that_is_adopted_completes_its_task)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "t");
    struct run_name run = orphan(world, "late");
    struct command adopt = command_adopt(id, 0);

    const struct task_view *task = world_do(world, &adopt)->task;
    cr_assert_eq(task->state, TASK_COMPLETED);
    cr_assert_eq(task->outcome.fence, run.fence);
    cr_assert_eq(task->outcome.result.size, strlen("late"));
    cr_assert_eq(list(world, id)->orphans.count, 0);
    complete(world, run); /* its word is the one that counts now */
    struct command again = command_adopt(id, 0);
    world_refused(world, &again, STATUS_FAILED_PRECONDITION, "WRONG_STATE");
    world_close(world);
}

Test(orphan, is_not_adopted_while_somebody_is_at_the_task)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "t");
    struct run_name old = orphan(world, "late");

    world_pass(world, 300000);
    struct run_name run = claim_started(world, "b", "t");
    struct command adopt = command_adopt(id, old.fence);
    world_refused(world, &adopt, STATUS_FAILED_PRECONDITION, "WRONG_STATE");
    cancel(world, id);
    (void)release(world, run, 0);
    cr_assert_eq(state_of(world, id), TASK_CANCELED);
    adopt = command_adopt(id, old.fence);
    const struct task_view *task = world_do(world, &adopt)->task;
    cr_assert_eq(task->state, TASK_COMPLETED);
    cr_assert_eq(task->outcome.fence, old.fence, "although a later run has been");
    world_close(world);
}

Test(orphan, that_failed_is_adopted_only_by_its_name)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "t");
    struct run_name run = claim_started(world, "solo", "t");
    struct command late = command_of_run(COMMAND_FAIL, run);

    world_pass(world, LEASE_MS);
    world_refused(world, &late, STATUS_ABORTED, "STALE_FENCE");
    struct command adopt = command_adopt(id, 0);
    world_refused(world, &adopt, STATUS_NOT_FOUND, "NO_SUCH_ORPHAN");
    adopt = command_adopt(id, run.fence + 1);
    world_refused(world, &adopt, STATUS_NOT_FOUND, "NO_SUCH_ORPHAN");
    adopt = command_adopt(id, run.fence);
    cr_assert_eq(world_do(world, &adopt)->task->state, TASK_COMPLETED);
    world_close(world);
}

Test(orphan, is_kept_for_at_most_eight_runs_of_a_task_and_goes_with_it)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");

    spec.max_attempts = 100;
    spec.max_crashes = 100;
    spec.retention_ms = 1000;
    uint64_t id = submit_spec(world, spec);
    uint64_t last = 0;
    for (int i = 0; i <= ORPHANS_MAX; i++) {
        cr_assert_eq(list(world, id)->orphans.count, (size_t)i);
        last = orphan(world, "late").fence;
        world_pass(world, 300000);
    }
    const struct answer *answer = list(world, id);
    cr_assert_eq(answer->orphans.count, ORPHANS_MAX);
    cr_assert_lt(answer->orphans.orphans[ORPHANS_MAX - 1].fence, last, "the newcomer is not kept");
    cancel(world, id);
    world_pass(world, 1000);
    cr_assert_eq(list(world, 0)->orphans.count, 0);
    world_close(world);
}

Test(orphan, is_listed_page_by_page_with_those_of_its_task)
{
    struct world *world = world_new();

    for (int i = 0; i < 3; i++) {
        (void)submit(world, "t");
        (void)orphan(world, "late");
        world_pass(world, 20000);
        cancel(world, (uint64_t)i + 1);
    }
    struct command command = {.kind = COMMAND_LIST_ORPHANS, .list_orphans = {.page_size = 2}};
    const struct answer *answer = world_do(world, &command);
    cr_assert_eq(answer->orphans.count, 2);
    cr_assert_eq(answer->orphans.next_page_token, 2);
    command = (struct command){.kind = COMMAND_LIST_ORPHANS, .list_orphans = {.page_size = 2, .page_token = 2}};
    answer = world_do(world, &command);
    cr_assert_eq(answer->orphans.count, 1);
    cr_assert_eq(answer->orphans.next_page_token, 0);
    command = (struct command){.kind = COMMAND_LIST_ORPHANS, .list_orphans = {.page_size = 1001}};
    world_refused(world, &command, STATUS_INVALID_ARGUMENT, "BAD_FIELD");
    world_close(world);
}
