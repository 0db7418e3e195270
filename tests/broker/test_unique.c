#include "broker/core/unique.h"
#include "tests/broker/fixture.h"

#include <stdio.h>

#define WINDOW_MS 7000000U /* a bucket lasts 1,000 s */
#define BUCKET_MS (WINDOW_MS / (UNIQUE_BUCKETS - 1))

static struct world *world_with_window(uint32_t tick_max)
{
    return world_new_with(&(struct broker_settings){.lease_ms = LEASE_SAID_MS,
                                                    .idempotency_window_ms = WINDOW_MS,
                                                    .tick_max = tick_max,
                                                    .random_seed = 1,
                                                    .store_id = {1}},
                          0);
}

static struct task_spec spec_with(const char *key)
{
    struct task_spec spec = spec_of("t");

    spec.idempotency_key = key;
    return spec;
}

static struct submit_outcome outcome_of(struct world *world, struct task_spec spec)
{
    struct command command = command_submit(&spec);

    return world_do(world, &command)->submit.outcomes[0];
}

static struct submit_outcome submit_key(struct world *world, const char *key, enum conflict_policy policy)
{
    struct task_spec spec = spec_with(key);

    spec.on_conflict = policy;
    return outcome_of(world, spec);
}

static uint64_t take_key(struct world *world, const char *key)
{
    struct submit_outcome outcome = submit_key(world, key, CONFLICT_RETURN);

    cr_assert_null(outcome.refusal);
    cr_assert(!outcome.existing);
    return outcome.task_id;
}

static void expect_existing(struct world *world, const char *key, uint64_t id)
{
    struct submit_outcome outcome = submit_key(world, key, 0);

    cr_assert(outcome.existing);
    cr_assert_eq(outcome.task_id, id);
}

static void expect_taken(struct world *world, const char *key, enum conflict_policy policy, const char *words)
{
    struct submit_outcome outcome = submit_key(world, key, policy);

    cr_assert_not_null(outcome.refusal);
    cr_assert_eq(outcome.refusal->status, STATUS_ALREADY_EXISTS);
    cr_assert_str_eq(outcome.refusal->reason, "KEY_TAKEN");
    cr_assert_not_null(strstr(outcome.refusal->message, words), "%s", outcome.refusal->message);
}

Test(idempotency_key, answers_with_the_task_that_has_it)
{
    struct world *world = world_new();
    uint64_t id = take_key(world, "nightly-17");

    expect_existing(world, "nightly-17", id);
    world_restart(world);
    expect_existing(world, "nightly-17", id);
    cr_assert_neq(take_key(world, "nightly-18"), id);
    cr_assert_str_eq(get(world, id)->spec.idempotency_key, "nightly-17");
    world_close(world);
}

Test(idempotency_key, is_the_namespaces_own)
{
    struct world *world = world_new();
    struct task_spec spec = spec_with("k");
    uint64_t id = take_key(world, "k");

    spec.namespace = "acme";
    cr_assert(!outcome_of(world, spec).existing);
    spec.namespace = "default";
    spec.queue = "another";
    cr_assert_eq(outcome_of(world, spec).task_id, id);
    world_close(world);
}

Test(idempotency_key, answers_however_the_task_stands_and_whatever_else_the_submit_says)
{
    struct world *world = world_new();
    struct task_spec spec = spec_with("k");

    spec.expires_at_ms = world->now.wall_ms + 1000;
    uint64_t id = outcome_of(world, spec).task_id;
    complete(world, claim_started(world, "a", "t"));
    world_pass(world, 2000);
    struct submit_outcome outcome = outcome_of(world, spec);
    cr_assert(outcome.existing, "although its time has passed now");
    cr_assert_eq(outcome.task_id, id);
    world_close(world);
}

Test(idempotency_key, that_is_taken_is_refused_where_the_submitter_wants_that)
{
    struct world *world = world_new();

    (void)take_key(world, "k");
    expect_taken(world, "k", CONFLICT_REJECT, "task 0000-0001 has it, which is READY");
    (void)claim(world, "a", "t");
    expect_taken(world, "k", CONFLICT_REJECT, "ASSIGNED");
    world_close(world);
}

Test(idempotency_key, refuses_a_whole_atomic_submit_and_names_the_task_in_it)
{
    struct world *world = world_new();
    struct task_spec specs[] = {spec_of("t"), spec_with("k")};
    struct command command = {.kind = COMMAND_SUBMIT, .submit = {.specs = specs, .spec_count = 2, .atomic = true}};
    uint64_t counts[TASK_STATES];

    (void)take_key(world, "k");
    specs[1].on_conflict = CONFLICT_REJECT;
    world_refused(world, &command, STATUS_ALREADY_EXISTS, "KEY_TAKEN");
    broker_counts(world->broker, counts);
    cr_assert_eq(counts[TASK_READY], 1);
    specs[1].on_conflict = CONFLICT_RETURN;
    command.token = 0;
    const struct answer *answer = world_do(world, &command);
    cr_assert(!answer->submit.outcomes[0].existing);
    cr_assert(answer->submit.outcomes[1].existing);
    world_close(world);
}

Test(idempotency_key, is_passed_on_to_a_task_that_replaces_one_that_waits)
{
    struct world *world = world_new();
    uint64_t old = take_key(world, "k");
    struct submit_outcome outcome = submit_key(world, "k", CONFLICT_REPLACE);

    cr_assert_null(outcome.refusal);
    cr_assert(!outcome.existing);
    const struct task_view *task = get(world, old);
    cr_assert_eq(task->state, TASK_CANCELED);
    cr_assert_str_eq(task->cancel_reason, "replaced by task 0000-0002");
    cr_assert_eq(state_of(world, outcome.task_id), TASK_READY);
    expect_existing(world, "k", outcome.task_id);
    world_close(world);
}

Test(idempotency_key, is_not_taken_from_a_task_that_is_held_or_done)
{
    struct world *world = world_new();

    (void)take_key(world, "k");
    struct run_name run = claim(world, "a", "t");
    expect_taken(world, "k", CONFLICT_REPLACE, "ASSIGNED");
    start(world, run);
    expect_taken(world, "k", CONFLICT_REPLACE, "RUNNING");
    (void)suspend(world, run, "");
    expect_taken(world, "k", CONFLICT_REPLACE, "SUSPENDED");
    resume(world, run.task_id, "");
    complete(world, claim_started(world, "a", "t"));
    expect_taken(world, "k", CONFLICT_REPLACE, "COMPLETED");
    world_close(world);
}

Test(idempotency_key, is_taken_from_a_task_that_was_canceled)
{
    struct world *world = world_new();
    uint64_t old = take_key(world, "k");

    cancel(world, old);
    expect_existing(world, "k", old);
    struct submit_outcome outcome = submit_key(world, "k", CONFLICT_REPLACE);
    cr_assert_null(outcome.refusal);
    cr_assert_str_eq(get(world, old)->cancel_reason, "enough", "it is not canceled again");
    expect_existing(world, "k", outcome.task_id);
    world_close(world);
}

Test(idempotency_key, stands_once_in_a_submit)
{
    struct world *world = world_new();
    struct task_spec specs[] = {spec_with("k"), spec_with("k"), spec_with("other")};
    struct command command = {.kind = COMMAND_SUBMIT, .submit = {.specs = specs, .spec_count = 3}};
    const struct answer *answer = world_do(world, &command);

    cr_assert_null(answer->submit.outcomes[0].refusal);
    cr_assert_eq(answer->submit.outcomes[1].refusal->status, STATUS_INVALID_ARGUMENT);
    cr_assert_eq(strncmp(answer->submit.outcomes[1].refusal->message, "idempotency_key:", 16), 0);
    cr_assert_null(answer->submit.outcomes[2].refusal);
    world_close(world);
}

Test(idempotency_key, of_a_repeated_submit_gets_the_first_answer)
{
    static const uint8_t session_id[SESSION_SIZE] = "keys";
    struct world *world = world_new();
    struct task_spec specs[] = {spec_with("old"), spec_with("new")};
    struct command command = {
        .kind = COMMAND_SUBMIT,
        .submit = {.specs = specs,
                   .spec_count = 2,
                   .session = {.data = session_id, .size = SESSION_SIZE},
                   .sequence = 1},
    };
    uint64_t old = take_key(world, "old");

    for (int i = 0; i < 2; i++) {
        command.token = 0;
        const struct answer *answer = world_do(world, &command);
        cr_assert_eq(answer->submit.outcomes[0].task_id, old);
        cr_assert(answer->submit.outcomes[0].existing);
        cr_assert_eq(answer->submit.outcomes[1].task_id, old + 1);
        cr_assert(!answer->submit.outcomes[1].existing);
        world_restart(world);
    }
    world_close(world);
}

Test(idempotency_key, holds_for_the_window_after_its_task_is_removed_and_is_free_then)
{
    struct world *world = world_with_window(256);
    struct task_spec spec = spec_with("k");

    spec.retention_ms = 1000;
    uint64_t id = outcome_of(world, spec).task_id;
    complete(world, claim_started(world, "a", "t"));
    world_pass(world, 1000);
    struct command command = {.kind = COMMAND_GET, .get = {.task_id = id}};
    world_refused(world, &command, STATUS_NOT_FOUND, "NO_SUCH_TASK");
    expect_existing(world, "k", id);
    expect_taken(world, "k", CONFLICT_REJECT, "removed already");
    expect_taken(world, "k", CONFLICT_REPLACE, "removed already");
    for (uint64_t passed_ms = 1000; passed_ms < WINDOW_MS - 1000; passed_ms += 1000)
        world_pass(world, 1000);
    expect_existing(world, "k", id);
    for (int i = 0; i < UNIQUE_BUCKETS + 1; i++)
        world_pass(world, BUCKET_MS);
    cr_assert_gt(take_key(world, "k"), id);
    world_close(world);
}

/* Found by ./dev sim 1521: eighths that were cut to milliseconds made up less than the window. */
Test(idempotency_key, holds_for_a_window_that_no_bucket_divides_to_its_last_millisecond)
{
    const uint64_t window_ms = 674;
    struct world *world = world_new_with(
        &(struct broker_settings){
            .lease_ms = LEASE_SAID_MS, .idempotency_window_ms = window_ms, .random_seed = 1, .store_id = {1}},
        0);

    /* At the end of a bucket's time, where the least is left of it. */
    (void)take_key(world, "another");
    world_pass(world, window_ms / (UNIQUE_BUCKETS - 1) - 1);
    uint64_t id = take_key(world, "build-7");
    cancel(world, id);
    for (uint64_t passed_ms = 1; passed_ms < window_ms; passed_ms++) {
        world_pass(world, 1);
        expect_existing(world, "build-7", id);
    }
    world_close(world);
}

Test(idempotency_key, holds_while_its_task_lives)
{
    struct world *world = world_with_window(256);
    uint64_t id = take_key(world, "k");

    for (int i = 0; i < 5 * UNIQUE_BUCKETS; i++) {
        world_pass(world, BUCKET_MS);
        expect_existing(world, "k", id);
        if (i % 7 == 0)
            world_check(world);
        if (i % 9 == 0)
            world_restart(world);
    }
    world_close(world);
}

Test(idempotency_key, holds_for_the_window_also_after_nothing_was_submitted_for_long)
{
    struct world *world = world_with_window(256);
    struct task_spec spec = spec_with("k");

    world_pass(world, 100ULL * WINDOW_MS);
    spec.retention_ms = 1000;
    uint64_t id = outcome_of(world, spec).task_id;
    complete(world, claim_started(world, "a", "t"));
    for (uint64_t passed_ms = 0; passed_ms + BUCKET_MS / 2 < WINDOW_MS; passed_ms += BUCKET_MS / 2) {
        world_pass(world, BUCKET_MS / 2);
        expect_existing(world, "k", id);
    }
    world_close(world);
}

Test(idempotency_key, rows_are_carried_on_a_bounded_number_at_a_time_and_none_is_lost)
{
    struct world *world = world_with_window(3);
    char key[16];
    uint64_t ids[20];

    for (size_t i = 0; i < 20; i++) {
        (void)snprintf(key, sizeof key, "key-%zu", i);
        ids[i] = take_key(world, key);
    }
    for (int i = 0; i < 3 * UNIQUE_BUCKETS; i++) {
        world_pass(world, BUCKET_MS);
        (void)snprintf(key, sizeof key, "key-%d", i % 20);
        expect_existing(world, key, ids[i % 20]);
        world_check(world);
    }
    for (size_t i = 0; i < 20; i++) {
        (void)snprintf(key, sizeof key, "key-%zu", i);
        expect_existing(world, key, ids[i]);
    }
    world_close(world);
}

Test(idempotency_key, is_the_tasks_again_when_it_is_retried)
{
    struct world *world = world_with_window(256);
    uint64_t id = take_key(world, "k");

    cancel(world, id);
    for (int i = 0; i < 2 * UNIQUE_BUCKETS; i++)
        world_pass(world, BUCKET_MS);
    retry(world, id, false);
    expect_existing(world, "k", id);
    world_close(world);
}

Test(idempotency_key, that_another_task_has_by_now_keeps_a_task_from_being_retried)
{
    struct world *world = world_new();
    uint64_t old = take_key(world, "k");
    struct command command = {.kind = COMMAND_RETRY, .retry = {.task_id = old}};

    cancel(world, old);
    (void)submit_key(world, "k", CONFLICT_REPLACE);
    world_refused(world, &command, STATUS_ALREADY_EXISTS, "KEY_TAKEN");
    cr_assert_eq(state_of(world, old), TASK_CANCELED);
    world_close(world);
}
