/* What holds for all of the engine: its defaults, its time, and that nothing happens without a trace. */
#include "broker/core/settings.h"
#include "broker/core/trail.h"
#include "tests/broker/fixture.h"

#define HOUR_MS (60ULL * 60 * 1000)
#define YEAR_MS (366 * 24 * HOUR_MS)

Test(defaults, of_the_broker_are_those_of_the_design)
{
    struct broker_settings settings = settings_complete(&(struct broker_settings){0});

    cr_assert_eq(settings.heartbeat_ms, 3000);
    cr_assert_eq(settings.lease_ms, 30000);
    cr_assert_eq(settings.terminate_ms, 10000);
    cr_assert_eq(settings.reap_grace_ms, 10 * 60 * 1000);
    cr_assert_eq(settings.seal_ms, HOUR_MS);
    cr_assert_eq(settings.retention_ms, 7 * 24 * HOUR_MS);
    cr_assert_eq(settings.idempotency_window_ms, 24 * HOUR_MS);
    cr_assert_eq(settings.events_age_ms, 7 * 24 * HOUR_MS);
    cr_assert_eq(settings.events_max, 1000000);
}

Test(defaults, of_a_task_are_those_of_the_design)
{
    struct world *world = world_new();
    const struct task_view *task = get(world, submit(world, ""));

    cr_assert_str_eq(task->spec.namespace, "default");
    cr_assert_str_eq(task->spec.queue, "default");
    cr_assert_str_eq(task->spec.agent_type, "any");
    cr_assert_eq(task->spec.priority, 5);
    cr_assert_eq(task->spec.max_attempts, 3);
    cr_assert_eq(task->spec.max_crashes, 3);
    cr_assert_eq(task->spec.max_deliveries, 20);
    cr_assert_eq(task->spec.backoff_ms, 10000);
    cr_assert_eq(task->spec.backoff_max_ms, 5 * 60 * 1000);
    cr_assert_eq(task->spec.start_timeout_ms, 30000);
    cr_assert_eq(task->spec.run_timeout_ms, 24 * HOUR_MS);
    cr_assert_eq(task->spec.retention_ms, 7 * 24 * HOUR_MS);
    world_close(world);
}

Test(retention, does_not_mind_a_wall_clock_that_jumps_a_year)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "t");

    complete(world, claim_started(world, "a", "t"));
    world->now.wall_ms += YEAR_MS;
    world_pass(world, 1000);
    cr_assert_eq(state_of(world, id), TASK_COMPLETED);
    world->now.wall_ms -= 2 * YEAR_MS;
    world_pass(world, 7 * 24 * HOUR_MS - 1001);
    cr_assert_eq(state_of(world, id), TASK_COMPLETED);
    world_pass(world, 1);
    struct command command = {.kind = COMMAND_GET, .get = {.task_id = id}};
    world_refused(world, &command, STATUS_NOT_FOUND, "NO_SUCH_TASK");
    world_close(world);
}

Test(retention, does_not_count_the_time_without_a_broker)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "t");

    complete(world, claim_started(world, "a", "t"));
    world->now.wall_ms += 30 * 24 * HOUR_MS;
    world_restart(world);
    world_pass(world, 7 * 24 * HOUR_MS - 1);
    cr_assert_eq(state_of(world, id), TASK_COMPLETED);
    world_close(world);
}

/* Does it as olga, and asserts that the next event tells so: nothing changes without a trace. */
static void expect_event(struct world *world, struct command command, int kind, const char *subject, const char *why)
{
    struct store_txn *txn = NULL;
    struct event event;
    uint64_t before = broker_revision(world->broker);

    command.token = 0;
    command.who = "olga";
    (void)world_do(world, &command);
    cr_assert_gt(broker_revision(world->broker), before, "there is no event of it");
    cr_assert_eq(store_begin(world->store, STORE_READ, &txn), STATUS_OK);
    cr_assert_eq(trail_find_from(txn, before + 1, &event), STATUS_OK);
    cr_assert_eq((int)event.kind, kind, "it is %s", event_name(event.kind));
    cr_assert(bytes_equal(event.who, bytes_of_text("olga")));
    if (subject != NULL)
        cr_assert(bytes_equal(event.subject, bytes_of_text(subject)));
    if (why != NULL)
        cr_assert(bytes_equal(event.why, bytes_of_text(why)));
    cr_assert_eq(event.wall_ms, world->now.wall_ms);
    store_abort(&txn);
}

static void expect_trace(struct world *world, struct command command, int kind, const char *why)
{
    expect_event(world, command, kind, "default/default", why);
}

static void expect_act(struct world *world, struct command command, int kind, const char *subject)
{
    expect_event(world, command, kind, subject, NULL);
}

static struct command cancel_of(uint64_t task_id)
{
    return (struct command){.kind = COMMAND_CANCEL, .cancel = {.task_id = task_id, .reason = "a mistake"}};
}

Test(way_out, of_every_waiting_state_is_a_cancel_that_says_who_and_why)
{
    struct world *world = world_new();
    uint64_t ready = submit(world, "t");
    struct task_spec blocked = spec_of("t");
    struct task_spec scheduled = spec_of("t");

    blocked.depends_on = &ready;
    blocked.depends_on_count = 1;
    scheduled.delay_ms = HOUR_MS;
    uint64_t blocked_id = submit_spec(world, blocked);
    cr_assert_eq(state_of(world, blocked_id), TASK_BLOCKED);
    expect_trace(world, cancel_of(blocked_id), MOVE_CANCEL, "a mistake");
    expect_trace(world, cancel_of(submit_spec(world, scheduled)), MOVE_CANCEL, "a mistake");
    expect_trace(world, cancel_of(ready), MOVE_CANCEL, "a mistake");
    world_close(world);
}

Test(way_out, of_a_held_task_is_that_its_end_is_asked_for_and_the_trace_says_when_who_and_why)
{
    struct world *world = world_new();

    (void)submit(world, "t");
    expect_trace(world, cancel_of(claim(world, "a", "t").task_id), EVENT_CANCELING, "a mistake");
    (void)submit(world, "t");
    expect_trace(world, cancel_of(claim_started(world, "b", "t").task_id), EVENT_CANCELING, "a mistake");
    world_close(world);
}

Test(way_out, of_a_suspended_task_is_a_resume_or_a_cancel)
{
    struct world *world = world_new();
    struct command resumes = {.kind = COMMAND_RESUME};

    (void)submit(world, "t");
    struct run_name run = claim_started(world, "a", "t");
    (void)suspend(world, run, "which one?");
    resumes.resume.task_id = run.task_id;
    expect_trace(world, resumes, MOVE_RESUME, "");
    run = claim_started(world, "a", "t");
    (void)suspend(world, run, "which one?");
    expect_trace(world, cancel_of(run.task_id), MOVE_CANCEL, "a mistake");
    world_close(world);
}

Test(way_out, of_every_end_is_a_retry_that_says_who)
{
    struct world *world = world_new();
    struct command retries = {.kind = COMMAND_RETRY, .retry = {.task_id = submit(world, "t"), .force = true}};
    struct command fails = command_of_run(COMMAND_FAIL, claim_started(world, "a", "t"));

    fails.fail.final = true;
    (void)world_do(world, &fails);
    expect_trace(world, retries, MOVE_RETRY, "");
    complete(world, claim_started(world, "a", "t"));
    expect_trace(world, retries, MOVE_RETRY, "");
    cancel(world, retries.retry.task_id);
    expect_trace(world, retries, MOVE_RETRY, "");
    world_close(world);
}

Test(operators_act, on_limits_is_an_event_with_who_did_it)
{
    struct world *world = world_new();
    struct command sets = {.kind = COMMAND_SET_LIMIT,
                           .set_limit = {.name = "gpu", .has_max_running = true, .max_running = 2, .reason = ""}};
    struct command pauses = {.kind = COMMAND_SET_LIMIT,
                             .set_limit = {.name = "gpu", .has_pause = true, .pause_for_ms = HOUR_MS, .reason = "hot"}};
    struct command resumes = {.kind = COMMAND_SET_LIMIT, .set_limit = {.name = "gpu", .has_pause = true, .reason = ""}};
    struct command removes = {.kind = COMMAND_SET_LIMIT, .set_limit = {.name = "gpu", .remove = true, .reason = ""}};

    expect_act(world, sets, EVENT_LIMIT_SET, "gpu");
    expect_act(world, pauses, EVENT_LIMIT_PAUSED, "gpu");
    expect_act(world, resumes, EVENT_LIMIT_RESUMED, "gpu");
    expect_act(world, removes, EVENT_LIMIT_REMOVED, "gpu");
    world_close(world);
}

Test(operators_act, on_queues_is_an_event_with_who_did_it)
{
    struct world *world = world_new();
    struct command pauses = {.kind = COMMAND_PAUSE_QUEUE,
                             .pause_queue = {.namespace = "acme", .queue = "night", .reason = "provider is down"}};
    struct command sets = {
        .kind = COMMAND_SET_QUEUE,
        .set_queue = {.namespace = "acme", .queue = "night", .has_length_max = true, .length_max = 5}};

    expect_act(world, pauses, EVENT_QUEUE_PAUSED, "acme/night");
    pauses.pause_queue.resumes = true;
    expect_act(world, pauses, EVENT_QUEUE_RESUMED, "acme/night");
    expect_act(world, sets, EVENT_QUEUE_SET, "acme/night");
    world_close(world);
}

Test(operators_act, on_agents_and_the_store_is_an_event_with_who_did_it)
{
    struct world *world = world_new();
    struct command drains = {.kind = COMMAND_DRAIN, .drain = {.agent_id = "build7", .reason = "a new disk"}};
    struct command raises = {.kind = COMMAND_RAISE_EPOCH,
                             .raise_epoch = {.store_id = broker_store_id(world->broker), .epoch = 0}};

    expect_act(world, drains, EVENT_AGENT_DRAINED, "build7");
    drains.drain.ends = true;
    expect_act(world, drains, EVENT_AGENT_RESUMED, "build7");
    expect_act(world, raises, EVENT_RESTORED, broker_store_id(world->broker));
    world_close(world);
}

Test(operators_act, on_tasks_is_an_event_of_the_task_with_who_did_it)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "t");
    struct command moves = {.kind = COMMAND_MOVE,
                            .move = {.task_ids = &id, .task_count = 1, .queue = "night", .reason = "it can wait"}};
    struct command asks = {.kind = COMMAND_ASK_SUSPEND, .ask_suspend = {.task_id = id, .reason = "look at it"}};

    expect_act(world, moves, EVENT_MOVED, "default/night");
    moves.move.queue = "default";
    expect_act(world, moves, EVENT_MOVED, "default/default");
    (void)claim_started(world, "a", "t");
    expect_act(world, asks, EVENT_SUSPENDING, "default/default");
    world_close(world);
}

Test(operators_act, on_very_many_tasks_is_told_with_who_did_it_also_of_those_that_come_later)
{
    enum { MANY = 5500, AT_A_TIME = 500 };
    struct world *world = world_new();
    struct store_txn *txn = NULL;
    struct event event;
    struct task_spec specs[AT_A_TIME];
    struct command submits = {.kind = COMMAND_SUBMIT, .submit = {.specs = specs, .spec_count = AT_A_TIME}};
    struct command begins = {.kind = COMMAND_START_JOB,
                             .start_job.order = {.kind = JOB_CANCEL,
                                                 .filter = {.namespace = "", .queue = "", .agent_type = ""},
                                                 .reason = "a mistake"}};

    for (size_t i = 0; i < AT_A_TIME; i++)
        specs[i] = spec_of("t");
    for (size_t i = 0; i < MANY / AT_A_TIME; i++, submits.token = 0)
        (void)world_do(world, &submits);
    expect_event(world, begins, EVENT_JOB_STARTED, NULL, "a mistake");
    uint64_t last = 0;
    while (last != broker_revision(world->broker)) {
        last = broker_revision(world->broker);
        world_pass(world, 1);
    }
    cr_assert_eq(store_begin(world->store, STORE_READ, &txn), STATUS_OK);
    cr_assert_eq(trail_find(txn, last, &event), STATUS_OK);
    cr_assert_eq(event.kind, EVENT_JOB_ENDED);
    cr_assert_eq(trail_find(txn, last - 1, &event), STATUS_OK);
    cr_assert_eq((int)event.kind, MOVE_CANCEL);
    cr_assert(bytes_equal(event.who, bytes_of_text("olga")));
    cr_assert(bytes_equal(event.why, bytes_of_text("a mistake")));
    store_abort(&txn);
    world_close(world);
}
