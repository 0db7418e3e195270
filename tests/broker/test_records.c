#include "broker/core/record.h"
#include "tests/broker/fixture.h"

/* Flips one bit of a stored value. */
static void flip(struct world *world, enum broker_table table, struct key key, size_t bit)
{
    struct store_txn *txn = NULL;
    struct bytes value;
    uint8_t copy[4096];

    cr_assert_eq(store_begin(world->store, STORE_WRITE, &txn), STATUS_OK);
    cr_assert_eq(store_get(txn, table, key_bytes(&key), &value), STATUS_OK);
    memcpy(copy, value.data, value.size);
    size_t size = value.size;
    copy[bit / 8 % size] ^= (uint8_t)(1U << bit % 8);
    store_put(txn, table, key_bytes(&key), (struct bytes){.data = copy, .size = size});
    cr_assert_eq(store_commit(&txn), STATUS_OK);
}

static struct world *world_with_a_task(void)
{
    struct world *world = world_new();
    (void)submit(world, "t");
    struct command command = command_of_run(COMMAND_FAIL, claim_started(world, "a", "t"));
    command.fail.outcome.message = "it says something, so it has a row of its own";
    (void)world_do(world, &command);
    return world;
}

static void world_drop(struct world *world)
{
    broker_free(world->broker);
    store_close(world->store);
    effects_done(&world->effects);
    free(world);
}

static void expect_data_loss(enum broker_table table)
{
    struct world *world = world_with_a_task();
    struct command command = {.kind = COMMAND_GET, .get = {.task_id = 1, .with_payload = true}};

    for (size_t bit = 0; bit < (size_t)8 * 160; bit += 5) {
        flip(world, table, key_of_id(1), bit);
        command.token = 0;
        world_refused(world, &command, STATUS_DATA_LOSS, "DAMAGED_RECORD");
        cr_assert_eq(world->effects.damaged_id, 1);
        flip(world, table, key_of_id(1), bit);
    }
    (void)world_do(world, &command);
    world_close(world);
}

Test(record, with_a_flipped_bit_is_refused_as_data_loss)
{
    expect_data_loss(TABLE_STATE);
    expect_data_loss(TABLE_TASK);
    expect_data_loss(TABLE_RESULT);
}

Test(record, filed_under_another_id_is_refused)
{
    struct world *world = world_new();
    struct key first = key_of_id(submit(world, "t"));
    struct key second = key_of_id(submit(world, "t"));
    struct store_txn *txn = NULL;
    struct bytes value;
    uint8_t copy[256];
    struct command command = {.kind = COMMAND_GET, .get = {.task_id = 2}};

    cr_assert_eq(store_begin(world->store, STORE_WRITE, &txn), STATUS_OK);
    cr_assert_eq(store_get(txn, TABLE_STATE, key_bytes(&first), &value), STATUS_OK);
    memcpy(copy, value.data, value.size);
    store_put(txn, TABLE_STATE, key_bytes(&second), (struct bytes){.data = copy, .size = value.size});
    cr_assert_eq(store_commit(&txn), STATUS_OK);
    world_refused(world, &command, STATUS_DATA_LOSS, "DAMAGED_RECORD");
    world_drop(world);
}

Test(damage, at_the_head_of_a_lane_does_not_stop_those_behind_it)
{
    struct world *world = world_new();

    (void)submit(world, "t");
    (void)submit(world, "t");
    uint64_t third = submit(world, "t");
    flip(world, TABLE_STATE, key_of_id(1), 100);
    flip(world, TABLE_TASK, key_of_id(2), 40);
    cr_assert_eq(claim(world, "a", "t").task_id, third);
    claim_nothing(world, "a", "t");
    world_drop(world);
}

Test(damage, of_a_held_task_does_not_stop_other_leases_from_running_out)
{
    struct world *world = world_new();

    (void)submit(world, "t");
    (void)submit(world, "t");
    (void)claim(world, "a", "t");
    struct run_name run = claim(world, "b", "t");
    flip(world, TABLE_STATE, key_of_id(1), 100);
    cr_assert_eq(beat(world, "a", (struct run_name){.task_id = 1, .fence = 1}), VERDICT_STALE);
    world_pass(world, LEASE_MS);
    cr_assert_eq(state_of(world, run.task_id), TASK_READY);
    world_drop(world);
}

Test(damage, of_a_scheduled_task_does_not_stop_other_timers)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");

    spec.delay_ms = 1000;
    (void)submit_spec(world, spec);
    uint64_t second = submit_spec(world, spec);
    flip(world, TABLE_STATE, key_of_id(1), 100);
    world_pass(world, 1000);
    cr_assert_eq(state_of(world, second), TASK_READY);
    world_drop(world);
}

Test(damage, of_a_budget_lets_its_tasks_go_on_without_a_bound_and_is_found_by_the_check)
{
    struct world *world = world_new();
    uint64_t id = submit_breached(world, BREACH_SUSPEND);
    uint64_t child = submit_child(world, id);
    struct store_txn *txn = NULL;
    struct check_report report;

    flip(world, TABLE_BUDGET, key_of_id(id), 100);
    struct run_name run = claim_started(world, "a", "t");
    cr_assert_eq(run.task_id, child);
    cr_assert_eq(beat_used(world, run, 5 * DOLLAR, 0), VERDICT_GO_ON);
    struct command command = command_set_budget(id, 9 * DOLLAR);
    world_refused(world, &command, STATUS_DATA_LOSS, "DAMAGED_RECORD");
    resume(world, id, "");
    cr_assert_eq(state_of(world, id), TASK_READY);
    cr_assert_eq(store_begin(world->store, STORE_READ, &txn), STATUS_OK);
    cr_assert_eq(broker_check(txn, NULL, &report), STATUS_OK);
    cr_assert_gt(report.problems, 0);
    store_abort(&txn);
    world_drop(world);
}

Test(damage, of_the_counters_keeps_the_broker_from_opening)
{
    struct world *world = world_with_a_task();
    struct store_txn *txn = NULL;
    struct error error = {0};

    flip(world, TABLE_META, key_meta(), 30);
    cr_assert_eq(store_begin(world->store, STORE_READ, &txn), STATUS_OK);
    cr_assert_eq(broker_open(world->broker, txn, &world->effects, &error), STATUS_DATA_LOSS);
    cr_assert_str_eq(error.reason, "DAMAGED_STORE");
    store_abort(&txn);
    world_drop(world);
}

static struct key key_of_text(const char *text, size_t size)
{
    struct key key = {.size = size};

    memcpy(key.data, text, size);
    return key;
}

static void expect_damage(struct world *world, enum broker_table table, struct key key)
{
    struct store_txn *txn = NULL;
    struct error error = {0};
    struct check_report report;

    for (size_t bit = 0; bit < 100; bit += 7) {
        flip(world, table, key, bit);
        cr_assert_eq(store_begin(world->store, STORE_READ, &txn), STATUS_OK);
        cr_assert_eq(broker_open(world->broker, txn, &world->effects, &error), STATUS_DATA_LOSS, "bit %zu", bit);
        cr_assert_eq(broker_check(txn, NULL, &report), STATUS_OK);
        cr_assert_gt(report.problems, 0);
        store_abort(&txn);
        flip(world, table, key, bit);
    }
}

Test(damage, of_what_operators_said_keeps_the_broker_from_opening_and_is_found_by_the_check)
{
    static const char queue[] = "default\0builds";
    struct world *world = world_with_a_task();
    struct command pause = {.kind = COMMAND_PAUSE_QUEUE,
                            .pause_queue = {.namespace = "", .queue = "builds", .reason = "the disk is moved"}};
    struct command drain = {.kind = COMMAND_DRAIN, .drain = {.agent_id = "build7", .reason = "a new kernel"}};

    (void)world_do(world, &pause);
    (void)world_do(world, &drain);
    expect_damage(world, TABLE_QUEUE, key_of_text(queue, sizeof queue));
    expect_damage(world, TABLE_AGENT, key_of_text("build7", strlen("build7")));
    world_drop(world);
}

/* The check itself must be able to fail. */
static void expect_problem(struct world *world, enum broker_table table, struct key key)
{
    struct store_txn *txn = NULL;
    struct check_report report;

    world_check(world);
    cr_assert_eq(store_begin(world->store, STORE_WRITE, &txn), STATUS_OK);
    store_delete(txn, table, key_bytes(&key));
    cr_assert_eq(broker_check(txn, NULL, &report), STATUS_OK);
    cr_assert_gt(report.problems, 0, "a row missing in %s was not found", broker_schema.names[table]);
    store_abort(&txn);
}

static void expect_problem_with(struct world *world, enum broker_table table, struct key key)
{
    struct store_txn *txn = NULL;
    struct check_report report;

    world_check(world);
    cr_assert_eq(store_begin(world->store, STORE_WRITE, &txn), STATUS_OK);
    store_put(txn, table, key_bytes(&key), (struct bytes){0});
    cr_assert_eq(broker_check(txn, NULL, &report), STATUS_OK);
    cr_assert_gt(report.problems, 0, "a row too many in %s was not found", broker_schema.names[table]);
    store_abort(&txn);
}

Test(check, finds_every_missing_row)
{
    struct world *world = world_with_a_task();
    struct run_name run;

    expect_problem(world, TABLE_STATE, key_of_id(1));
    expect_problem(world, TABLE_TASK, key_of_id(1));
    expect_problem(world, TABLE_RESULT, key_of_id(1));
    expect_problem(world, TABLE_LANE, key_lane(1));
    (void)submit(world, "t");
    expect_problem(world, TABLE_READY, key_ready(1, &(struct rank){.priority = 5, .turn = 2, .id = 2}));
    run = claim(world, "a", "t");
    expect_problem(world, TABLE_LEASE, key_lease(world->now.store_ms + LEASE_MS, run.task_id));
    expect_problem(world, TABLE_HOLDER, key_holder("a", run.task_id));
    expect_problem(world, TABLE_CLAIM, key_claim("a"));
    struct task_spec spec = spec_of("t");
    spec.depends_on = &run.task_id;
    spec.depends_on_count = 1;
    spec.parent_id = run.task_id;
    uint64_t waiting_id = submit_spec(world, spec);
    expect_problem(world, TABLE_WAITS, key_waits(run.task_id, waiting_id));
    expect_problem(world, TABLE_PARENT, key_parent(run.task_id, waiting_id));
    world_close(world);
}

Test(check, finds_every_missing_row_of_budgets)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");

    spec.budget = (struct budget){.tokens = 1, .on_breach = BREACH_SUSPEND};
    uint64_t id = submit_spec(world, spec);
    struct command command = command_of_run(COMMAND_FAIL, claim_started(world, "a", "t"));
    command.fail.outcome.usage.tokens = 1;
    (void)world_do(world, &command);
    world_pass(world, 100000);
    claim_nothing(world, "a", "t");
    expect_problem(world, TABLE_BUDGET, key_of_id(id));
    expect_problem(world, TABLE_WITHHELD, key_withheld(id, id));
    expect_problem_with(world, TABLE_WITHHELD, key_withheld(id, id + 1));
    expect_problem_with(world, TABLE_BUDGET, key_of_id(id + 1));
    world_close(world);
}

/* A cascade that has not visited all children, and a release that has not reached all who wait. */
static struct world *world_with_open_jobs(void)
{
    struct world *world = world_new();
    uint64_t root = submit(world, "t");
    struct task_spec specs[1000];

    for (size_t i = 0; i < 1000; i++) {
        specs[i] = spec_of("t");
        specs[i].parent_id = root;
        specs[i].depends_on = &root;
        specs[i].depends_on_count = 1;
    }
    for (int i = 0; i < 4; i++) {
        struct command command = command_submit(specs);
        command.submit.spec_count = 1000;
        (void)world_do(world, &command);
    }
    struct command command = {.kind = COMMAND_CANCEL, .cancel = {.task_id = root, .reason = "", .cascade = true}};
    (void)world_do(world, &command);
    return world;
}

Test(check, finds_every_missing_row_of_jobs_and_those_that_belong_to_none)
{
    struct world *world = world_with_open_jobs();

    expect_problem(world, TABLE_JOB, key_of_id(1));
    expect_problem(world, TABLE_WALK, key_walk(0, 1));
    expect_problem_with(world, TABLE_WALK, key_walk(77, 1));
    expect_problem_with(world, TABLE_WALK, key_walk(0, 4001));
    expect_problem_with(world, TABLE_WAITS, key_waits(1, 2));
    expect_problem_with(world, TABLE_JOB, key_of_id(77));
    world_close(world);
}

static bool stop_at_once(const struct check_report *report, void *data)
{
    cr_assert_eq(report->tasks % 1024, 0);
    ++*(int *)data;
    return false;
}

Test(check, can_be_stopped_on_its_way)
{
    struct world *world = world_new();
    struct store_txn *txn = NULL;
    struct check_report report;
    int calls = 0;
    const struct check_watch watch = {.on_progress = stop_at_once, .data = &calls};

    for (int i = 0; i < 1024; i++)
        (void)submit(world, "t");
    cr_assert_eq(store_begin(world->store, STORE_READ, &txn), STATUS_OK);
    cr_assert_eq(broker_check(txn, &watch, &report), STATUS_CANCELED);
    cr_assert_eq(calls, 1);
    store_abort(&txn);
    world_close(world);
}

Test(check, names_the_first_problems_and_counts_the_rest)
{
    struct world *world = world_new();
    struct store_txn *txn = NULL;
    struct check_report report;

    for (uint64_t id = 1; id <= CHECK_NAMED_MAX + 3; id++)
        (void)submit(world, "t");
    cr_assert_eq(store_begin(world->store, STORE_WRITE, &txn), STATUS_OK);
    for (uint64_t id = 1; id <= CHECK_NAMED_MAX + 3; id++) {
        struct key key = key_of_id(id);
        store_delete(txn, TABLE_TASK, key_bytes(&key));
    }
    cr_assert_eq(broker_check(txn, NULL, &report), STATUS_OK);
    cr_assert_geq(report.problems, CHECK_NAMED_MAX + 3);
    for (size_t i = 0; i < CHECK_NAMED_MAX; i++)
        cr_assert_str_neq(report.named[i], "");
    store_abort(&txn);
    world_close(world);
}

static struct store_identity identify(struct world *world)
{
    struct store_txn *txn = NULL;
    struct store_identity identity;

    cr_assert_eq(store_begin(world->store, STORE_READ, &txn), STATUS_OK);
    cr_assert_eq(broker_identify(txn, &identity), STATUS_OK);
    store_abort(&txn);
    return identity;
}

Test(identity, is_given_to_a_new_store_and_stays)
{
    struct world *world = world_new();

    (void)submit(world, "t");
    cr_assert_str_eq(identify(world).store_id, "0123456789abcdef0123456789abcdef");
    cr_assert_eq(identify(world).revision, broker_revision(world->broker));
    world->settings.store_id[0] = 'f';
    world_restart(world);
    (void)submit(world, "t");
    cr_assert_str_eq(identify(world).store_id, "0123456789abcdef0123456789abcdef");
    cr_assert_str_eq(broker_store_id(world->broker), identify(world).store_id);
    world_close(world);
}
