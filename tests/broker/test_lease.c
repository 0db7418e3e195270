#include "broker/core/ending.h"
#include "broker/core/limits.h"
#include "broker/core/run.h"
#include "tests/broker/fixture.h"

Test(lease, that_runs_out_gives_an_assigned_task_back_without_an_attempt)
{
    struct world *world = world_new();
    (void)submit(world, "t");
    struct run_name run = claim(world, "a", "t");

    world_pass(world, LEASE_MS - 1);
    cr_assert_eq(state_of(world, run.task_id), TASK_ASSIGNED);
    world_pass(world, 1);
    const struct task_view *task = get(world, run.task_id);
    cr_assert_eq(task->state, TASK_READY);
    cr_assert_eq(task->attempts, 0);
    cr_assert_eq(task->crashes, 0);
    cr_assert_eq(task->deliveries, 1);
    cr_assert_eq(broker_totals(world->broker).expired_leases, 1);
    world_close(world);
}

Test(lease, that_runs_out_counts_a_running_task_as_crashed)
{
    struct world *world = world_new();
    (void)submit(world, "t");
    struct run_name run = claim_started(world, "a", "t");

    world_pass(world, LEASE_MS);
    const struct task_view *task = get(world, run.task_id);
    cr_assert_eq(task->state, TASK_SCHEDULED);
    cr_assert_eq(task->crashes, 1);
    cr_assert_eq(task->attempts, 1);
    cr_assert(task->has_outcome);
    cr_assert_eq(task->outcome.exit_status, -1);
    cr_assert_eq(task->outcome.fence, run.fence);
    world_close(world);
}

Test(lease, lasts_a_millisecond_longer_than_its_holder_is_told)
{
    struct world *world = world_new();
    (void)submit(world, "t");
    struct run_name run = claim_started(world, "a", "t");

    world_pass(world, LEASE_SAID_MS);
    cr_assert_eq(beat(world, "a", run), VERDICT_GO_ON);
    world_pass(world, LEASE_SAID_MS);
    cr_assert_eq(state_of(world, run.task_id), TASK_RUNNING);
    world_pass(world, 1);
    cr_assert_eq(beat(world, "a", run), VERDICT_STALE);
    world_close(world);
}

Test(lease, lasts_as_long_as_its_holder_is_heard)
{
    struct world *world = world_new();
    (void)submit(world, "t");
    struct run_name run = claim_started(world, "a", "t");

    for (int i = 0; i < 20; i++) {
        world_pass(world, LEASE_MS - 1);
        cr_assert_eq(beat(world, "a", run), VERDICT_GO_ON);
    }
    world_pass(world, LEASE_MS - 1);
    cr_assert_eq(state_of(world, run.task_id), TASK_RUNNING);
    world_pass(world, 1);
    cr_assert_eq(state_of(world, run.task_id), TASK_SCHEDULED);
    world_close(world);
}

/* A broker that has just started saves its time more often than one that has run for a while. */
static struct world *world_that_has_run(void)
{
    struct world *world = world_new();

    world_pass(world, 60000);
    return world;
}

Test(lease, renewals_write_nothing)
{
    struct world *world = world_that_has_run();

    (void)submit(world, "t");
    struct run_name run = claim_started(world, "a", "t");
    struct beat beat = {.run = run, .progress_text = "at work", .progress_percent = 10};
    struct command command = {.kind = COMMAND_HEARTBEAT,
                              .heartbeat = {.agent_id = "a", .incarnation = 1, .beats = &beat, .beat_count = 1}};
    struct store_txn *txn = NULL;

    world->now.store_ms += 3000;
    effects_reset(&world->effects);
    cr_assert_eq(store_begin(world->store, STORE_WRITE, &txn), STATUS_OK);
    cr_assert_eq(broker_step(world->broker, txn, world->now, &command, &world->effects), STATUS_OK);
    cr_assert_eq(broker_settle(world->broker, txn, world->now), STATUS_OK);
    cr_assert(!store_is_dirty(txn));
    store_abort(&txn);
    const struct task_view *task = get(world, run.task_id);
    cr_assert_eq(task->progress_percent, 10);
    cr_assert_str_eq(task->progress_text, "at work");
    world_close(world);
}

Test(lease, is_fresh_after_a_restart_however_long_it_took)
{
    struct world *world = world_new();
    (void)submit(world, "t");
    struct run_name run = claim_started(world, "a", "t");

    world_pass(world, LEASE_MS - 1000);
    cr_assert_eq(beat(world, "a", run), VERDICT_GO_ON);
    (void)submit(world, "other"); /* a commit, so that the store's time is that of its end */
    world_restart(world);
    world->now.wall_ms += 3600000;
    world_pass(world, LEASE_MS - 1);
    cr_assert_eq(state_of(world, run.task_id), TASK_RUNNING);
    cr_assert_eq(beat(world, "a", run), VERDICT_GO_ON);
    world_pass(world, LEASE_MS);
    cr_assert_eq(state_of(world, run.task_id), TASK_SCHEDULED);
    world_close(world);
}

Test(lease, does_not_mind_a_wall_clock_that_jumps)
{
    struct world *world = world_new();
    (void)submit(world, "t");
    struct run_name run = claim_started(world, "a", "t");

    world->now.wall_ms += 366ULL * 24 * 3600 * 1000;
    world_pass(world, 1000);
    cr_assert_eq(state_of(world, run.task_id), TASK_RUNNING);
    world->now.wall_ms = 5;
    world_pass(world, 1000);
    cr_assert_eq(state_of(world, run.task_id), TASK_RUNNING);
    complete(world, run);
    world_close(world);
}

Test(lease, a_late_holder_gets_stale_fence_and_the_next_one_a_greater_fence)
{
    struct world *world = world_new();
    (void)submit(world, "t");
    struct run_name old = claim(world, "a", "t");
    struct command late = command_of_run(COMMAND_COMPLETE, old);

    world_pass(world, LEASE_MS);
    world_refused(world, &late, STATUS_ABORTED, "STALE_FENCE");
    struct run_name run = claim_started(world, "b", "t");
    cr_assert_eq(run.task_id, old.task_id);
    cr_assert_gt(run.fence, old.fence);
    late.token = 0;
    world_refused(world, &late, STATUS_ABORTED, "STALE_FENCE");
    cr_assert_eq(beat(world, "a", old), VERDICT_STALE);
    cr_assert_eq(beat(world, "b", run), VERDICT_GO_ON);
    complete(world, run);
    world_close(world);
}

Test(lease, three_crashes_fail_the_task)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");

    spec.max_attempts = 50;
    uint64_t id = submit_spec(world, spec);
    for (int i = 0; i < CRASHES_DEFAULT; i++) {
        cr_assert_eq(state_of(world, id), TASK_READY);
        (void)claim_started(world, "a", "t");
        world_pass(world, LEASE_MS);
        world_pass(world, 300000);
    }
    cr_assert_eq(state_of(world, id), TASK_FAILED);
    cr_assert_eq(get(world, id)->crashes, CRASHES_DEFAULT);
    world_close(world);
}

Test(lease, twenty_deliveries_without_a_start_fail_the_task)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "t");

    for (int i = 0; i < DELIVERIES_DEFAULT; i++) {
        cr_assert_eq(state_of(world, id), TASK_READY, "delivery %d", i);
        (void)claim(world, "a", "t");
        world_pass(world, LEASE_MS);
    }
    const struct task_view *task = get(world, id);
    cr_assert_eq(task->state, TASK_FAILED);
    cr_assert_eq(task->deliveries, DELIVERIES_DEFAULT);
    cr_assert_not_null(strstr(task->outcome.message, "UNDELIVERABLE"));
    world_close(world);
}

Test(lease, a_run_past_its_timeout_is_told_to_stop_and_lives_no_longer_than_the_allowance)
{
    struct world *world =
        world_new_with(&(struct broker_settings){.lease_ms = LEASE_SAID_MS, .terminate_ms = 5000, .random_seed = 1}, 0);
    struct task_spec spec = spec_of("t");

    spec.run_timeout_ms = 60000;
    uint64_t id = submit_spec(world, spec);
    struct run_name run = claim_started(world, "a", "t");
    for (int i = 0; i < 59; i++) {
        world_pass(world, 1000);
        cr_assert_eq(beat(world, "a", run), VERDICT_GO_ON);
    }
    for (int i = 0; i < 5; i++) {
        world_pass(world, 1000);
        cr_assert_eq(beat(world, "a", run), VERDICT_STOP);
    }
    world_pass(world, 1000);
    cr_assert_eq(state_of(world, id), TASK_SCHEDULED);
    cr_assert_eq(beat(world, "a", run), VERDICT_STALE);
    world_close(world);
}

Test(lease, the_broker_says_when_it_is_next_needed)
{
    struct world *world = world_new();
    struct store_txn *txn = NULL;
    uint64_t next_ms = 0;

    cr_assert_eq(store_begin(world->store, STORE_READ, &txn), STATUS_OK);
    cr_assert_eq(broker_next_ms(world->broker, txn, world->now, &next_ms), STATUS_OK);
    cr_assert_eq(next_ms, UINT64_MAX, "nothing is due in an empty store");
    store_abort(&txn);

    world_pass(world, 60000);
    struct task_spec spec = spec_of("t");
    spec.delay_ms = 7000;
    (void)submit_spec(world, spec);
    world_pass(world, 2000);
    cr_assert_eq(store_begin(world->store, STORE_READ, &txn), STATUS_OK);
    cr_assert_eq(broker_next_ms(world->broker, txn, world->now, &next_ms), STATUS_OK);
    cr_assert_eq(next_ms, 5000);
    store_abort(&txn);
    world_close(world);
}

Test(lease, more_holders_than_memory_has_room_for_move_their_rows_instead)
{
    struct world *world = world_new();
    struct task_spec specs[1000];

    for (size_t i = 0; i < 1000; i++)
        specs[i] = spec_of("t");
    for (size_t batch = 0; batch <= RUNS_MAX / 1000; batch++) {
        struct command command = {.kind = COMMAND_SUBMIT, .submit = {.specs = specs, .spec_count = 1000}};
        (void)world_do(world, &command);
    }
    struct run_name last = {0};
    struct beat beats[256];
    for (size_t count = 0; count < RUNS_MAX + 256; count += 256) {
        struct command command = command_claim(world, "a", "t");
        command.claim.max = 256;
        command.claim.start = true;
        const struct answer *answer = world_do(world, &command);
        for (size_t i = 0; i < answer->claim.count; i++) {
            last = (struct run_name){.task_id = answer->claim.tasks[i]->id, .fence = answer->claim.tasks[i]->fence};
            beats[i] = (struct beat){.run = last, .progress_text = ""};
        }
        struct command heartbeat = {
            .kind = COMMAND_HEARTBEAT,
            .heartbeat = {.agent_id = "a", .incarnation = 1, .beats = beats, .beat_count = 256}};
        (void)world_do(world, &heartbeat);
    }
    world_pass(world, LEASE_MS - 1);
    cr_assert_eq(beat(world, "a", last), VERDICT_GO_ON);
    world_pass(world, LEASE_MS - 1);
    cr_assert_eq(state_of(world, last.task_id), TASK_RUNNING);
    world_close(world);
}

/* Fault 25. */
Test(lease, gets_a_full_term_when_the_broker_was_held_up)
{
    struct world *world = world_new();
    (void)submit(world, "t");
    struct run_name run = claim_started(world, "a", "t");

    cr_assert_not(broker_held_up(world->broker, world->now, LEASE_SAID_MS / 9 - 1));
    world->now.store_ms += 10 * LEASE_MS;
    cr_assert(broker_held_up(world->broker, world->now, LEASE_SAID_MS / 9));
    world_pass(world, LEASE_MS - 1);
    cr_assert_eq(state_of(world, run.task_id), TASK_RUNNING);
    world_pass(world, 1);
    cr_assert_eq(state_of(world, run.task_id), TASK_SCHEDULED);
    world_close(world);
}
