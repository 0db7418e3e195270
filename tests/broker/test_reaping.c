/* Supervised runs: a lost one is not handed out again before its end is confirmed, or its reap grace has passed. */
#include "tests/broker/fixture.h"

#define GRACE_MS 600000

static struct run_name supervised(struct world *world, enum lost_policy on_lost)
{
    struct task_spec spec = spec_of("t");

    spec.on_lost = on_lost;
    (void)submit_spec(world, spec);
    return claim_supervised(world, "build7/c", "t");
}

/* A supervised run whose lease was lost this very moment. */
static struct run_name lost(struct world *world, enum lost_policy on_lost)
{
    struct run_name run = supervised(world, on_lost);

    world_pass(world, LEASE_MS);
    cr_assert(get(world, run.task_id)->reaping);
    return run;
}

static void register_anew(struct world *world, bool all_gone)
{
    struct command command = {
        .kind = COMMAND_REGISTER,
        .registration = {.agent_id = "build7", .incarnation = 2, .host = "", .version = "", .all_gone = all_gone}};

    (void)world_do(world, &command);
}

Test(reaping, begins_when_the_lease_of_a_supervised_run_is_lost)
{
    struct world *world = world_new();
    struct run_name run = supervised(world, 0);

    world_pass(world, LEASE_MS - 1);
    cr_assert_not(get(world, run.task_id)->reaping);
    world_pass(world, 1);
    const struct push *push = world->effects.pushes;
    cr_assert_not_null(push);
    cr_assert_eq(push->verdict, VERDICT_KILL);
    cr_assert_eq(push->run.fence, run.fence);
    cr_assert_str_eq(push->agent_id, "build7/c");
    const struct task_view *task = get(world, run.task_id);
    cr_assert(task->reaping);
    cr_assert_eq(task->state, TASK_RUNNING);
    cr_assert_eq(task->crashes, 0, "nobody knows yet what became of it");
    cr_assert_eq(beat(world, "build7", run), VERDICT_KILL, "the heartbeat says the same");
    claim_nothing(world, "b", "t");
    world_close(world);
}

Test(reaping, is_not_for_runs_that_have_not_started_nor_for_self_connected_agents)
{
    struct world *world = world_new();

    (void)submit(world, "t");
    struct command command = command_claim(world, "build7/c", "t");
    command.claim.supervised = true;
    uint64_t id = world_do(world, &command)->claim.tasks[0]->id;
    world_pass(world, LEASE_MS);
    cr_assert_eq(state_of(world, id), TASK_READY, "no process begins before the answer to its start");
    struct run_name run = claim_started(world, "solo", "t");
    world_pass(world, LEASE_MS);
    cr_assert_eq(state_of(world, run.task_id), TASK_SCHEDULED);
    world_close(world);
}

Test(reaping, ends_at_once_when_the_supervisor_confirms_and_counts_as_a_crash)
{
    struct world *world = world_new();
    struct run_name run = lost(world, 0);

    cr_assert_eq(report_exit(world, run, EXIT_LOST), TASK_SCHEDULED);
    cr_assert_eq(report_exit(world, run, EXIT_LOST), TASK_SCHEDULED, "repeatable");
    const struct task_view *task = get(world, run.task_id);
    cr_assert_not(task->reaping);
    cr_assert_eq(task->crashes, 1);
    cr_assert_eq(task->attempts, 1);
    cr_assert_eq(broker_totals(world->broker).expired_leases, 1);
    world_close(world);
}

Test(reaping, believes_what_the_run_came_to_before_it_was_killed)
{
    struct world *world = world_new();
    struct run_name run = lost(world, 0);

    complete(world, run);
    cr_assert_eq(get(world, run.task_id)->crashes, 0);
    cr_assert_eq(state_of(world, run.task_id), TASK_COMPLETED);

    run = lost(world, 0);
    cr_assert_eq(fail(world, run), TASK_SCHEDULED);
    cr_assert_eq(get(world, run.task_id)->crashes, 0);
    world_close(world);
}

Test(reaping, takes_a_run_that_is_given_back_for_lost)
{
    struct world *world = world_new();
    struct run_name run = lost(world, 0);

    cr_assert_eq(release(world, run, 1), TASK_SCHEDULED);
    cr_assert_eq(release(world, run, 1), TASK_SCHEDULED, "repeatable");
    cr_assert_eq(get(world, run.task_id)->crashes, 1);
    cr_assert_eq(get(world, run.task_id)->interruptions, 0);
    world_close(world);
}

Test(reaping, does_not_let_the_run_go_on)
{
    struct world *world = world_new();
    struct run_name run = lost(world, 0);

    for (int i = 0; i < 50; i++) {
        cr_assert_eq(beat(world, "build7", run), VERDICT_KILL);
        world_pass(world, GRACE_MS - 1);
        cr_assert(get(world, run.task_id)->reaping, "whoever is heard still has it");
    }
    world_close(world);
}

Test(reaping, waits_for_an_unreachable_supervisor_until_its_last_heartbeat_lease_and_grace)
{
    struct world *world = world_new();
    struct run_name run = supervised(world, 0);

    world_pass(world, 5000);
    cr_assert_eq(beat(world, "build7", run), VERDICT_GO_ON);
    world_pass(world, LEASE_MS + GRACE_MS - 1);
    cr_assert(get(world, run.task_id)->reaping);
    world_pass(world, 1);
    cr_assert_eq(state_of(world, run.task_id), TASK_SCHEDULED);
    cr_assert_eq(get(world, run.task_id)->crashes, 1);
    cr_assert_not_null(strstr(get(world, run.task_id)->outcome.message, "reap grace"));
    world_close(world);
}

Test(reaping, holds_the_task_for_an_operator_where_its_policy_says_so)
{
    struct world *world = world_new();
    struct run_name run = lost(world, LOST_HOLD);

    cr_assert_eq(get(world, run.task_id)->spec.on_lost, LOST_HOLD);
    world_pass(world, GRACE_MS);
    cr_assert_eq(state_of(world, run.task_id), TASK_SUSPENDED);
    cr_assert_eq(get(world, run.task_id)->crashes, 1);
    world_pass(world, 10ULL * GRACE_MS);
    cr_assert_eq(state_of(world, run.task_id), TASK_SUSPENDED);
    cancel(world, run.task_id);
    cr_assert_eq(state_of(world, run.task_id), TASK_CANCELED);

    run = lost(world, LOST_HOLD);
    cr_assert_eq(report_exit(world, run, EXIT_LOST), TASK_SCHEDULED, "what is confirmed needs no operator");
    world_close(world);
}

Test(reaping, that_is_confirmed_on_the_last_crash_fails_the_task)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");

    spec.max_attempts = 1;
    (void)submit_spec(world, spec);
    struct run_name run = claim_supervised(world, "build7/c", "t");
    world_pass(world, LEASE_MS);
    cr_assert_eq(report_exit(world, run, EXIT_LOST), TASK_FAILED);
    world_close(world);
}

Test(reaping, of_a_canceled_task_ends_it_when_confirmed_or_after_the_grace)
{
    struct world *world = world_new();
    struct run_name run = lost(world, 0);

    cancel(world, run.task_id);
    cr_assert_eq(state_of(world, run.task_id), TASK_RUNNING, "it may still live");
    cr_assert_eq(beat(world, "build7", run), VERDICT_KILL);
    cr_assert_eq(report_exit(world, run, EXIT_LOST), TASK_CANCELED);

    run = supervised(world, LOST_HOLD);
    cancel(world, run.task_id);
    world_pass(world, LEASE_MS);
    cr_assert(get(world, run.task_id)->canceling);
    world_pass(world, GRACE_MS - 1);
    cr_assert_eq(state_of(world, run.task_id), TASK_RUNNING);
    world_pass(world, 1);
    cr_assert_eq(state_of(world, run.task_id), TASK_CANCELED);
    world_close(world);
}

Test(reaping, ends_when_a_new_incarnation_says_that_all_is_gone)
{
    struct world *world = world_new();
    struct run_name reaped = lost(world, 0);
    struct run_name held = supervised(world, 0);

    register_anew(world, true);
    cr_assert_eq(state_of(world, reaped.task_id), TASK_SCHEDULED);
    cr_assert_eq(get(world, reaped.task_id)->crashes, 1, "it was lost before");
    cr_assert_eq(state_of(world, held.task_id), TASK_READY);
    cr_assert_eq(get(world, held.task_id)->interruptions, 1, "its lease was alive");
    world_close(world);
}

Test(reaping, goes_on_when_a_new_incarnation_does_not_say_that_all_is_gone)
{
    struct world *world = world_new();
    struct run_name reaped = lost(world, 0);
    struct run_name held = supervised(world, 0);

    register_anew(world, false);
    cr_assert(get(world, reaped.task_id)->reaping);
    cr_assert_eq(state_of(world, held.task_id), TASK_RUNNING);
    world_pass(world, LEASE_MS);
    cr_assert(get(world, held.task_id)->reaping);
    cr_assert_eq(report_exit(world, held, EXIT_LOST), TASK_SCHEDULED);
    world_close(world);
}

Test(reaping, is_known_after_a_restart)
{
    struct world *world = world_new();
    struct run_name run = lost(world, 0);

    world_restart(world);
    cr_assert(get(world, run.task_id)->reaping);
    cr_assert_eq(beat(world, "build7", run), VERDICT_KILL);
    world_pass(world, LEASE_MS + GRACE_MS - 1);
    cr_assert(get(world, run.task_id)->reaping);
    world_pass(world, 1);
    cr_assert_eq(state_of(world, run.task_id), TASK_SCHEDULED);
    world_close(world);
}

Test(reaping, of_a_run_past_its_timeout_counts_the_grace_from_the_last_heartbeat)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");

    spec.run_timeout_ms = 60000;
    (void)submit_spec(world, spec);
    struct run_name run = claim_supervised(world, "build7/c", "t");
    for (int i = 0; i < 60; i++) {
        world_pass(world, 1000);
        (void)beat(world, "build7", run);
    }
    world_pass(world, 9000);
    cr_assert_eq(beat(world, "build7", run), VERDICT_STOP);
    world_pass(world, 1000);
    cr_assert(get(world, run.task_id)->reaping, "the allowance for ending is over");
    world_pass(world, LEASE_MS + GRACE_MS - 1001);
    cr_assert(get(world, run.task_id)->reaping);
    world_pass(world, 1);
    cr_assert_eq(state_of(world, run.task_id), TASK_SCHEDULED);
    world_close(world);
}

Test(reaping, of_a_run_from_before_a_raised_epoch_waits_for_the_grace_and_charges_nobody)
{
    struct world *world = world_new();
    struct run_name run = supervised(world, 0);
    struct command command = {.kind = COMMAND_RAISE_EPOCH, .raise_epoch = {.store_id = broker_store_id(world->broker)}};

    (void)world_do(world, &command);
    world_pass(world, LEASE_MS);
    cr_assert_eq(beat(world, "build7", run), VERDICT_STALE);
    world_pass(world, GRACE_MS - 1);
    cr_assert_eq(state_of(world, run.task_id), TASK_RUNNING, "whoever was at it may still be");
    world_pass(world, 1);
    cr_assert_eq(state_of(world, run.task_id), TASK_READY);
    cr_assert_eq(get(world, run.task_id)->crashes, 0);
    world_close(world);
}

Test(reaping, grace_below_the_terminate_grace_and_ten_seconds_is_refused)
{
    struct broker_settings settings = {.terminate_ms = 5000, .reap_grace_ms = 15000};
    struct error error = {0};

    cr_assert_eq(broker_check_settings(&settings, &error), STATUS_OK);
    settings.reap_grace_ms--;
    cr_assert_eq(broker_check_settings(&settings, &error), STATUS_INVALID_ARGUMENT);
    cr_assert_not_null(strstr(error.message, "reap_grace"));
}
