#include "broker/core/backoff.h"
#include "tests/broker/fixture.h"

Test(backoff, doubles_from_its_base_up_to_its_bound)
{
    cr_assert_eq(backoff_of_attempt_ms(1, 10000, 300000), 10000);
    cr_assert_eq(backoff_of_attempt_ms(2, 10000, 300000), 20000);
    cr_assert_eq(backoff_of_attempt_ms(5, 10000, 300000), 160000);
    cr_assert_eq(backoff_of_attempt_ms(6, 10000, 300000), 300000);
    cr_assert_eq(backoff_of_attempt_ms(100, 10000, 300000), 300000);
    cr_assert_eq(backoff_of_attempt_ms(100, UINT32_MAX, UINT32_MAX), UINT32_MAX);
    cr_assert_eq(backoff_of_attempt_ms(1, 10, 5), 5);
}

Test(backoff, of_interruptions_is_nothing_at_first_and_a_minute_at_most)
{
    cr_assert_eq(backoff_of_interruption_ms(1), 0);
    cr_assert_eq(backoff_of_interruption_ms(2), 500);
    cr_assert_eq(backoff_of_interruption_ms(3), 1000);
    cr_assert_eq(backoff_of_interruption_ms(50), 60000);
}

Test(retry, a_failed_attempt_waits_at_most_its_backoff_and_the_last_one_fails)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");

    spec.backoff_ms = 1000;
    uint64_t id = submit_spec(world, spec);
    for (uint32_t attempt = 1; attempt <= 2; attempt++) {
        cr_assert_eq(fail(world, claim_started(world, "a", "t")), TASK_SCHEDULED);
        cr_assert_eq(get(world, id)->attempts, attempt);
        cr_assert_gt(get(world, id)->due_in_ms, 0);
        cr_assert_leq(get(world, id)->due_in_ms, 1000U << (attempt - 1));
        world_pass(world, 1000U << (attempt - 1));
        cr_assert_eq(state_of(world, id), TASK_READY);
    }
    cr_assert_eq(fail(world, claim_started(world, "a", "t")), TASK_FAILED);
    cr_assert_eq(get(world, id)->attempts, 3);
    world_close(world);
}

Test(retry, waits_spread_by_jitter)
{
    struct world *world = world_new();
    uint64_t least = UINT64_MAX;
    uint64_t most = 0;

    for (int i = 0; i < 50; i++) {
        (void)submit(world, "t");
        struct run_name run = claim_started(world, "a", "t");
        (void)fail(world, run);
        uint64_t due = get(world, run.task_id)->due_in_ms;
        least = due < least ? due : least;
        most = due > most ? due : most;
    }
    cr_assert_lt(least, 2500);
    cr_assert_gt(most, 7500);
    cr_assert_leq(most, 10000);
    world_close(world);
}

Test(retry, a_longer_wait_that_the_agent_names_counts)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "t");
    struct command command = command_of_run(COMMAND_FAIL, claim_started(world, "a", "t"));

    command.fail.retry_after_ms = 600000;
    (void)world_do(world, &command);
    cr_assert_eq(get(world, id)->due_in_ms, 600000);
    world_close(world);
}

/* Nothing is committed while the task waits, so the store's time moves only as far as it is saved for its own sake. */
Test(retry, a_backoff_ends_however_often_the_broker_is_killed_meanwhile)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "t");
    struct command command = command_of_run(COMMAND_FAIL, claim_started(world, "a", "t"));
    int lives = 0;

    command.fail.retry_after_ms = 10000;
    (void)world_do(world, &command);
    for (; lives < 60 && state_of(world, id) != TASK_READY; lives++) {
        world_restart(world);
        for (int i = 0; i < 5; i++)
            world_pass(world, 100);
    }
    cr_assert_eq(state_of(world, id), TASK_READY);
    cr_assert_geq(lives, 20, "10 s in lives of half a second");
    world_close(world);
}

Test(retry, a_final_failure_is_the_end)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "t");
    struct command command = command_of_run(COMMAND_FAIL, claim_started(world, "a", "t"));

    command.fail.final = true;
    command.fail.outcome.message = "no such file";
    command.fail.outcome.exit_status = 2;
    cr_assert_eq(world_do(world, &command)->state, TASK_FAILED);
    const struct task_view *task = get(world, id);
    cr_assert_eq(task->attempts, 1);
    cr_assert_str_eq(task->outcome.message, "no such file");
    cr_assert_eq(task->outcome.exit_status, 2);
    world_close(world);
}

Test(retry, a_kind_of_failure_that_the_submitter_has_ruled_out_is_the_end)
{
    static const char *const types[] = {"exit-3", "bad-input"};
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");

    spec.non_retryable = types;
    spec.non_retryable_count = 2;
    uint64_t id = submit_spec(world, spec);
    struct command command = command_of_run(COMMAND_FAIL, claim_started(world, "a", "t"));
    command.fail.outcome.error_type = "exit-33";
    cr_assert_eq(world_do(world, &command)->state, TASK_SCHEDULED, "only the whole word counts");
    world_pass(world, 10000);
    command = command_of_run(COMMAND_FAIL, claim_started(world, "a", "t"));
    command.fail.outcome.error_type = "bad-input";
    cr_assert_eq(world_do(world, &command)->state, TASK_FAILED);
    const struct task_view *task = get(world, id);
    cr_assert_eq(task->attempts, 2);
    cr_assert_str_eq(task->outcome.error_type, "bad-input");
    cr_assert_eq(task->spec.non_retryable_count, 2);
    cr_assert_str_eq(task->spec.non_retryable[0], "exit-3");
    world_close(world);
}

Test(retry, a_lost_run_is_of_a_kind_that_can_be_ruled_out_too)
{
    static const char *const types[] = {"lost"};
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");

    spec.non_retryable = types;
    spec.non_retryable_count = 1;
    uint64_t id = submit_spec(world, spec);
    (void)claim_started(world, "a", "t");
    world_pass(world, LEASE_MS);
    cr_assert_eq(state_of(world, id), TASK_FAILED);
    cr_assert_str_eq(get(world, id)->outcome.error_type, "lost");
    world_close(world);
}

Test(retry, as_many_crashes_as_the_submitter_allows_fail_the_task)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");

    spec.max_attempts = 10;
    spec.max_crashes = 2;
    uint64_t id = submit_spec(world, spec);
    for (uint32_t i = 1; i <= 2; i++) {
        struct command command = command_of_run(COMMAND_FAIL, claim_started(world, "a", "t"));
        command.fail.failure = FAILURE_BY_CRASH;
        cr_assert_eq(world_do(world, &command)->state, i < 2 ? TASK_SCHEDULED : TASK_FAILED);
        world_pass(world, 300000);
    }
    cr_assert_eq(get(world, id)->crashes, 2);
    cr_assert_eq(get(world, id)->spec.max_crashes, 2);
    world_close(world);
}

Test(retry, a_shorter_wait_than_the_backoff_does_not_count)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");

    spec.backoff_ms = 300000;
    for (int i = 0; i < 20; i++) {
        uint64_t id = submit_spec(world, spec);
        struct command command = command_of_run(COMMAND_FAIL, claim_started(world, "a", "t"));
        command.fail.retry_after_ms = 1;
        (void)world_do(world, &command);
        if (get(world, id)->due_in_ms > 1000)
            break;
        cr_assert_lt(i, 19, "twenty draws of up to 5 min, all below a second");
    }
    world_close(world);
}

Test(retry, reported_crashes_count_like_silent_ones)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");

    spec.max_attempts = 10;
    uint64_t id = submit_spec(world, spec);
    for (int i = 0; i < 3; i++) {
        struct command command = command_of_run(COMMAND_FAIL, claim_started(world, "a", "t"));
        command.fail.failure = FAILURE_BY_CRASH;
        (void)world_do(world, &command);
        world_pass(world, 300000);
    }
    cr_assert_eq(state_of(world, id), TASK_FAILED);
    world_close(world);
}

Test(release, charges_no_attempt_and_backs_off_more_each_time)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "t");

    cr_assert_eq(release(world, claim_started(world, "a", "t"), 0), TASK_READY);
    cr_assert_eq(release(world, claim_started(world, "a", "t"), 0), TASK_SCHEDULED);
    const struct task_view *task = get(world, id);
    cr_assert_eq(task->due_in_ms, 500);
    cr_assert_eq(task->attempts, 0);
    cr_assert_eq(task->interruptions, 2);
    cr_assert_eq(task->deliveries, 2);
    world_close(world);
}

Test(release, with_a_delay_waits_as_long)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "t");

    cr_assert_eq(release(world, claim(world, "a", "t"), 90000), TASK_SCHEDULED);
    cr_assert_eq(get(world, id)->due_in_ms, 90000);
    world_close(world);
}

Test(release, too_often_fails_the_task)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "t");

    for (int i = 0; i < 19; i++) {
        cr_assert_neq(release(world, claim(world, "a", "t"), 0), TASK_FAILED, "release %d", i);
        world_pass(world, 60000);
    }
    cr_assert_eq(release(world, claim(world, "a", "t"), 0), TASK_FAILED);
    cr_assert_not_null(strstr(get(world, id)->outcome.message, "UNDELIVERABLE"));
    world_close(world);
}

Test(release, as_often_as_the_submitter_allows_fails_the_task)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");

    spec.max_deliveries = 2;
    uint64_t id = submit_spec(world, spec);
    cr_assert_eq(release(world, claim(world, "a", "t"), 0), TASK_READY);
    cr_assert_eq(release(world, claim(world, "a", "t"), 0), TASK_FAILED);
    cr_assert_str_eq(get(world, id)->outcome.error_type, "undeliverable");
    cr_assert_eq(get(world, id)->spec.max_deliveries, 2);
    world_close(world);
}

Test(schedule, a_delay_runs_on_store_time)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");

    spec.delay_ms = 10000;
    uint64_t id = submit_spec(world, spec);
    world->now.wall_ms += 100000000;
    world_pass(world, 9999);
    cr_assert_eq(state_of(world, id), TASK_SCHEDULED);
    world_pass(world, 1);
    cr_assert_eq(state_of(world, id), TASK_READY);
    world_close(world);
}

Test(schedule, not_before_is_wall_time)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");

    spec.not_before_ms = world->now.wall_ms + 3600000;
    uint64_t id = submit_spec(world, spec);
    spec.not_before_ms = world->now.wall_ms;
    cr_assert_eq(state_of(world, submit_spec(world, spec)), TASK_READY, "now is not later");
    world_pass(world, 1000);
    cr_assert_eq(state_of(world, id), TASK_SCHEDULED);
    world->now.wall_ms += 3600000 - 1000;
    world_pass(world, 0);
    cr_assert_eq(state_of(world, id), TASK_READY);
    world_close(world);
}

Test(retention, removes_a_task_when_its_time_has_passed)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");

    spec.retention_ms = 60000;
    (void)submit_spec(world, spec);
    struct run_name run = claim_started(world, "a", "t");
    complete(world, run);
    world_pass(world, 59999);
    cr_assert_eq(state_of(world, run.task_id), TASK_COMPLETED);
    world_pass(world, 1);
    struct command command = {.kind = COMMAND_GET, .get = {.task_id = run.task_id}};
    world_refused(world, &command, STATUS_NOT_FOUND, "NO_SUCH_TASK");
    world_close(world);
}

Test(retention, removes_a_bounded_number_in_one_batch)
{
    struct world *world = world_new_with(
        &(struct broker_settings){.lease_ms = LEASE_SAID_MS, .retention_ms = 1000, .tick_max = 10, .random_seed = 1},
        0);
    uint64_t counts[TASK_STATES];

    for (int i = 0; i < 25; i++)
        cancel(world, submit(world, "t"));
    for (int left = 15; left > 0; left -= 10) {
        world_pass(world, 1000);
        broker_counts(world->broker, counts);
        cr_assert_eq(counts[TASK_CANCELED], left);
    }
    world_pass(world, 0);
    broker_counts(world->broker, counts);
    cr_assert_eq(counts[TASK_CANCELED], 0);
    world_close(world);
}
