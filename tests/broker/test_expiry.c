#include "tests/broker/fixture.h"

#define HOUR_MS 3600000U

static struct task_spec spec_that_expires(const struct world *world, uint64_t in_ms)
{
    struct task_spec spec = spec_of("t");

    spec.expires_at_ms = world->now.wall_ms + in_ms;
    return spec;
}

Test(expiry, ends_a_ready_task_at_its_time_and_not_before)
{
    struct world *world = world_new();
    uint64_t id = submit_spec(world, spec_that_expires(world, HOUR_MS));

    world_pass(world, HOUR_MS - 1);
    cr_assert_eq(state_of(world, id), TASK_READY);
    world_pass(world, 1);
    const struct task_view *task = get(world, id);
    cr_assert_eq(task->state, TASK_EXPIRED);
    cr_assert_eq(task->ended_ms, world->now.wall_ms);
    cr_assert(task->has_outcome);
    cr_assert_not_null(strstr(task->outcome.message, "its time was over"), "%s", task->outcome.message);
    cr_assert_eq(task->outcome.fence, 0, "no run said so");
    claim_nothing(world, "a", "t");
    world_close(world);
}

Test(expiry, ends_a_scheduled_task_too)
{
    struct world *world = world_new();
    struct task_spec spec = spec_that_expires(world, HOUR_MS);

    spec.delay_ms = HOUR_MS - 1;
    uint64_t id = submit_spec(world, spec);
    /* A day of wall time in a minute of the store's: the delay is not over, the task's time is. */
    world->now.wall_ms += 24 * HOUR_MS;
    world_pass(world, 60000);
    cr_assert_eq(state_of(world, id), TASK_EXPIRED);
    world_close(world);
}

Test(expiry, is_wall_time_so_a_clock_that_is_set_ahead_brings_it_about)
{
    struct world *world = world_new();
    uint64_t id = submit_spec(world, spec_that_expires(world, HOUR_MS));
    uint64_t without = submit(world, "t");

    world->now.store_ms += 10 * HOUR_MS;
    world_pass(world, 0);
    cr_assert_eq(state_of(world, id), TASK_READY, "store time does not count");
    world->now.wall_ms += HOUR_MS;
    world_pass(world, 0);
    cr_assert_eq(state_of(world, id), TASK_EXPIRED);
    cr_assert_eq(state_of(world, without), TASK_READY, "and a task without a time never expires");
    world_close(world);
}

Test(expiry, lets_a_held_task_go_on_and_ends_it_when_it_would_wait_again)
{
    struct world *world = world_new();
    uint64_t completes = submit_spec(world, spec_that_expires(world, 1000));
    struct run_name first = claim_started(world, "a", "t");
    uint64_t fails = submit_spec(world, spec_that_expires(world, 1000));
    struct run_name second = claim_started(world, "a", "t");

    world_pass(world, 2000);
    complete(world, first);
    cr_assert_eq(state_of(world, completes), TASK_COMPLETED);
    struct command command = command_of_run(COMMAND_FAIL, second);
    command.fail.outcome.message = "try again";
    cr_assert_eq(world_do(world, &command)->state, TASK_SCHEDULED);
    world_pass(world, 0);
    const struct task_view *task = get(world, fails);
    cr_assert_eq(task->state, TASK_EXPIRED);
    cr_assert_str_eq(task->outcome.message, "try again", "what the last run said is kept");
    world_close(world);
}

static void expect_submit_refused(struct world *world, struct task_spec spec)
{
    struct command command = command_submit(&spec);
    const struct error *refusal = world_do(world, &command)->submit.outcomes[0].refusal;

    cr_assert_not_null(refusal);
    cr_assert_eq(refusal->status, STATUS_INVALID_ARGUMENT);
    cr_assert_eq(strncmp(refusal->message, "expires_at_ms:", 14), 0, "%s", refusal->message);
}

Test(expiry, is_to_come_and_after_the_task_may_begin)
{
    struct world *world = world_new();

    expect_submit_refused(world, spec_that_expires(world, 0));
    (void)submit_spec(world, spec_that_expires(world, 1));
    struct task_spec spec = spec_that_expires(world, HOUR_MS);
    spec.delay_ms = HOUR_MS;
    expect_submit_refused(world, spec);
    spec.delay_ms--;
    (void)submit_spec(world, spec);
    spec = spec_that_expires(world, HOUR_MS);
    spec.not_before_ms = spec.expires_at_ms;
    expect_submit_refused(world, spec);
    spec.not_before_ms--;
    uint64_t id = submit_spec(world, spec);
    cr_assert_eq(get(world, id)->spec.expires_at_ms, spec.expires_at_ms);
    world_close(world);
}

Test(expiry, that_has_passed_is_dropped_by_a_retry)
{
    struct world *world = world_new();
    uint64_t id = submit_spec(world, spec_that_expires(world, HOUR_MS));

    world_pass(world, HOUR_MS);
    cr_assert_eq(state_of(world, id), TASK_EXPIRED);
    retry(world, id, false);
    world_pass(world, HOUR_MS);
    const struct task_view *task = get(world, id);
    cr_assert_eq(task->state, TASK_READY);
    cr_assert_eq(task->spec.expires_at_ms, 0);
    cr_assert(!task->has_outcome);
    world_close(world);
}

Test(expiry, that_is_still_to_come_holds_after_a_retry)
{
    struct world *world = world_new();
    uint64_t id = submit_spec(world, spec_that_expires(world, HOUR_MS));

    cancel(world, id);
    retry(world, id, false);
    cr_assert_eq(state_of(world, id), TASK_READY);
    world_pass(world, HOUR_MS);
    cr_assert_eq(state_of(world, id), TASK_EXPIRED);
    world_close(world);
}

Test(expiry, of_many_is_done_by_a_bounded_number_in_one_batch)
{
    struct world *world = world_new_with(
        &(struct broker_settings){.lease_ms = LEASE_SAID_MS, .tick_max = 10, .random_seed = 1, .store_id = {1}}, 0);
    uint64_t counts[TASK_STATES];

    for (int i = 0; i < 15; i++)
        (void)submit_spec(world, spec_that_expires(world, 1000));
    world_pass(world, 1000);
    broker_counts(world->broker, counts);
    cr_assert_eq(counts[TASK_EXPIRED], 10);
    world_pass(world, 0);
    broker_counts(world->broker, counts);
    cr_assert_eq(counts[TASK_EXPIRED], 15);
    world_close(world);
}

Test(expiry, begins_the_retention)
{
    struct world *world = world_new();
    struct task_spec spec = spec_that_expires(world, 1000);

    spec.retention_ms = 60000;
    uint64_t id = submit_spec(world, spec);
    world_pass(world, 1000);
    world_pass(world, 59999);
    cr_assert_eq(state_of(world, id), TASK_EXPIRED);
    world_pass(world, 1);
    struct command command = {.kind = COMMAND_GET, .get = {.task_id = id}};
    world_refused(world, &command, STATUS_NOT_FOUND, "NO_SUCH_TASK");
    world_close(world);
}

Test(start_timeout, takes_back_a_run_that_is_not_started_in_time_however_often_its_holder_beats)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");

    spec.start_timeout_ms = 5000;
    uint64_t id = submit_spec(world, spec);
    world_pass(world, LEASE_MS); /* past the first lease after an opening, before which nothing is lost */
    struct run_name run = claim(world, "a", "t");
    for (int i = 0; i < 5; i++) {
        world_pass(world, 1000);
        cr_assert_eq(beat(world, "a", run), VERDICT_GO_ON);
    }
    cr_assert_eq(state_of(world, id), TASK_ASSIGNED);
    world_pass(world, 1);
    const struct task_view *task = get(world, id);
    cr_assert_eq(task->state, TASK_READY);
    cr_assert_eq(task->attempts, 0);
    cr_assert_eq(task->crashes, 0);
    cr_assert_eq(task->deliveries, 1);
    cr_assert_str_eq(task->outcome.error_type, "not-started");
    cr_assert_eq(task->spec.start_timeout_ms, 5000);
    cr_assert_eq(beat(world, "a", run), VERDICT_STALE);
    world_close(world);
}

Test(start_timeout, does_not_touch_a_run_that_was_started)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");

    spec.start_timeout_ms = 1000;
    world_pass(world, LEASE_MS);
    (void)submit_spec(world, spec);
    struct run_name run = claim(world, "a", "t");
    world_pass(world, 1000);
    start(world, run);
    world_pass(world, LEASE_MS - 1);
    cr_assert_eq(state_of(world, run.task_id), TASK_RUNNING);
    (void)submit_spec(world, spec);
    run = claim_started(world, "a", "t");
    world_pass(world, LEASE_MS - 1);
    cr_assert_eq(state_of(world, run.task_id), TASK_RUNNING, "nor one that was claimed with start");
    world_close(world);
}

Test(start_timeout, longer_than_the_lease_lasts_as_long_as_the_holder_beats)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");

    spec.start_timeout_ms = 4 * LEASE_SAID_MS;
    (void)submit_spec(world, spec);
    struct run_name run = claim(world, "a", "t");
    for (int i = 0; i < 7; i++) {
        world_pass(world, LEASE_SAID_MS / 2);
        cr_assert_eq(beat(world, "a", run), VERDICT_GO_ON, "beat %d", i);
    }
    world_pass(world, LEASE_MS);
    cr_assert_eq(state_of(world, run.task_id), TASK_READY);
    world_close(world);
}

Test(start_timeout, that_passes_too_often_fails_the_task)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");

    spec.start_timeout_ms = 1000;
    spec.max_deliveries = 3;
    world_pass(world, LEASE_MS);
    uint64_t id = submit_spec(world, spec);
    for (int i = 0; i < 3; i++) {
        (void)claim(world, "a", "t");
        world_pass(world, 1001);
    }
    cr_assert_eq(state_of(world, id), TASK_FAILED);
    cr_assert_str_eq(get(world, id)->outcome.error_type, "undeliverable");
    world_close(world);
}
