#include "broker/core/limits.h"
#include "tests/broker/fixture.h"

static const struct task_view *update(struct world *world, uint64_t id, const char *field, struct task_spec spec)
{
    struct command command = command_update(id, field, &spec);

    return world_do(world, &command)->task;
}

static void update_refused(struct world *world, struct command command, enum status status, const char *reason)
{
    world_refused(world, &command, status, reason);
}

Test(update, changes_what_is_named_and_nothing_else)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");

    spec.title = "old";
    spec.payload = bytes_of_text("work");
    spec.max_attempts = 7;
    uint64_t id = submit_spec(world, spec);
    struct task_spec said = spec_of("another");
    said.title = "new";
    said.max_attempts = 2;
    const struct task_view *task = update(world, id, "title", said);
    cr_assert_str_eq(task->spec.title, "new");
    task = get(world, id);
    cr_assert_str_eq(task->spec.title, "new");
    cr_assert_str_eq(task->spec.agent_type, "t");
    cr_assert_eq(task->spec.max_attempts, 7);
    cr_assert(bytes_equal(task->spec.payload, bytes_of_text("work")));
    world_close(world);
}

Test(update, reaches_every_field_that_it_names)
{
    static const char *const names[] = {"priority",      "expires_at_ms",  "title",          "labels",
                                        "payload",       "content_type",   "backoff_ms",     "start_timeout_ms",
                                        "max_attempts",  "max_crashes",    "max_deliveries", "run_timeout_ms",
                                        "non_retryable", "backoff_max_ms", "retention_ms",   "delay_ms"};
    static const char *const types[] = {"exit-2"};
    static const struct label label = {.key = "k", .value = "v"};
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");
    uint64_t id = submit(world, "t");

    spec.priority = 2;
    spec.expires_at_ms = world->now.wall_ms + 1000000;
    spec.title = "title";
    spec.labels = &label;
    spec.label_count = 1;
    spec.payload = bytes_of_text("payload");
    spec.content_type = "text/markdown";
    spec.backoff_ms = 11;
    spec.backoff_max_ms = 12;
    spec.start_timeout_ms = 13000;
    spec.run_timeout_ms = 14;
    spec.max_attempts = 15;
    spec.max_crashes = 16;
    spec.max_deliveries = 17;
    spec.non_retryable = types;
    spec.non_retryable_count = 1;
    spec.retention_ms = 18;
    spec.delay_ms = 19;
    struct command command = {
        .kind = COMMAND_UPDATE,
        .update = {.task_id = id, .fields = names, .field_count = sizeof names / sizeof names[0], .spec = spec},
    };
    (void)world_do(world, &command);
    const struct task_view *task = get(world, id);
    cr_assert_eq(task->state, TASK_SCHEDULED);
    cr_assert_eq(task->due_in_ms, 19);
    cr_assert_eq(task->spec.priority, 2);
    cr_assert_eq(task->spec.expires_at_ms, spec.expires_at_ms);
    cr_assert_str_eq(task->spec.title, "title");
    cr_assert_eq(task->spec.label_count, 1);
    cr_assert_str_eq(task->spec.labels[0].value, "v");
    cr_assert(bytes_equal(task->spec.payload, bytes_of_text("payload")));
    cr_assert_str_eq(task->spec.content_type, "text/markdown");
    cr_assert_eq(task->spec.backoff_ms, 11);
    cr_assert_eq(task->spec.backoff_max_ms, 12);
    cr_assert_eq(task->spec.start_timeout_ms, 13000);
    cr_assert_eq(task->spec.run_timeout_ms, 14);
    cr_assert_eq(task->spec.max_attempts, 15);
    cr_assert_eq(task->spec.max_crashes, 16);
    cr_assert_eq(task->spec.max_deliveries, 17);
    cr_assert_str_eq(task->spec.non_retryable[0], "exit-2");
    cr_assert_eq(task->spec.retention_ms, 18);
    world_close(world);
}

Test(update, of_a_priority_changes_who_goes_first)
{
    struct world *world = world_new();
    uint64_t first = submit(world, "t");
    uint64_t second = submit(world, "t");
    struct task_spec spec = spec_of("");

    spec.priority = 1;
    (void)update(world, second, "priority", spec);
    cr_assert_eq(claim(world, "a", "t").task_id, second);
    cr_assert_eq(claim(world, "a", "t").task_id, first);
    world_close(world);
}

Test(update, with_an_empty_value_means_the_default)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");

    spec.priority = 1;
    uint64_t id = submit_spec(world, spec);
    cr_assert_eq(update(world, id, "priority", spec_of(""))->spec.priority, 5);
    world_close(world);
}

Test(update, puts_off_a_ready_task_and_brings_a_scheduled_one_forward)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "t");
    struct task_spec spec = spec_of("");

    spec.not_before_ms = world->now.wall_ms + 5000;
    cr_assert_eq(update(world, id, "not_before_ms", spec)->state, TASK_SCHEDULED);
    claim_nothing(world, "a", "t");
    spec.delay_ms = 9000;
    cr_assert_eq(update(world, id, "delay_ms", spec)->due_in_ms, 9000);
    cr_assert_eq(update(world, id, "delay_ms", spec_of(""))->state, TASK_READY);
    (void)claim(world, "a", "t");
    world_close(world);
}

Test(update, of_a_time_takes_the_place_of_a_backoff)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "t");
    struct command command = command_of_run(COMMAND_FAIL, claim_started(world, "a", "t"));

    command.fail.retry_after_ms = 1000000;
    (void)world_do(world, &command);
    cr_assert_eq(update(world, id, "delay_ms", spec_of(""))->state, TASK_READY);
    world_close(world);
}

Test(update, of_a_time_waits_until_a_blocked_task_is_free)
{
    struct world *world = world_new();
    uint64_t dependency = submit(world, "first");
    struct task_spec spec = spec_of("t");

    spec.depends_on = &dependency;
    spec.depends_on_count = 1;
    uint64_t id = submit_spec(world, spec);
    struct task_spec said = spec_of("");
    said.delay_ms = 60000;
    cr_assert_eq(update(world, id, "delay_ms", said)->state, TASK_BLOCKED);
    complete(world, claim_started(world, "a", "first"));
    cr_assert_eq(state_of(world, id), TASK_SCHEDULED);
    cr_assert_eq(get(world, id)->spec.depends_on_count, 1, "what it depends on is kept");
    world_pass(world, 60000);
    cr_assert_eq(state_of(world, id), TASK_READY);
    world_close(world);
}

Test(update, of_a_suspended_task_gives_it_no_time)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "t");
    struct task_spec spec = spec_of("");

    (void)suspend(world, claim_started(world, "a", "t"), "");
    spec.title = "new";
    cr_assert_str_eq(update(world, id, "title", spec)->spec.title, "new");
    spec.delay_ms = 1000;
    update_refused(world, command_update(id, "delay_ms", &spec), STATUS_FAILED_PRECONDITION, "WRONG_STATE");
    world_close(world);
}

Test(update, can_be_bound_to_the_revision_that_was_looked_at)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "t");
    uint64_t revision = get(world, id)->revision;
    struct task_spec spec = spec_of("");
    struct command command = command_update(id, "title", &spec);

    command.update.expected_revision = revision;
    uint64_t next = world_do(world, &command)->task->revision;
    cr_assert_gt(next, revision);
    command.token = 0;
    update_refused(world, command, STATUS_ABORTED, "REVISION_CONFLICT");
    cr_assert_eq(get(world, id)->revision, next);
    world_close(world);
}

Test(update, is_refused_for_what_may_not_be_and_changes_nothing)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "t");
    uint64_t revision = broker_revision(world->broker);
    struct task_spec spec = spec_of("");
    struct command none = command_update(id, "title", &spec);

    update_refused(world, command_update(id, "queue", &spec), STATUS_INVALID_ARGUMENT, "BAD_FIELD");
    none.update.field_count = 0;
    update_refused(world, none, STATUS_INVALID_ARGUMENT, "BAD_FIELD");
    spec.priority = PRIORITY_LAST + 1;
    update_refused(world, command_update(id, "priority", &spec), STATUS_INVALID_ARGUMENT, "BAD_FIELD");
    spec.expires_at_ms = world->now.wall_ms;
    update_refused(world, command_update(id, "expires_at_ms", &spec), STATUS_INVALID_ARGUMENT, "BAD_FIELD");
    cr_assert_eq(broker_revision(world->broker), revision);
    cancel(world, id);
    spec = spec_of("");
    update_refused(world, command_update(id, "title", &spec), STATUS_FAILED_PRECONDITION, "TASK_ENDED");
    update_refused(world, command_update(77, "title", &spec), STATUS_NOT_FOUND, "NO_SUCH_TASK");
    world_close(world);
}
