/* Queues under an operator's hand: paused, bounded, with defaults of their own. */
#include "broker/core/queue.h"
#include "tests/broker/fixture.h"

#include <stdio.h>

static struct command pause_of(bool in, bool out, bool resumes)
{
    return (struct command){.kind = COMMAND_PAUSE_QUEUE,
                            .who = "alice",
                            .pause_queue = {.namespace = "",
                                            .queue = "",
                                            .in = in,
                                            .out = out,
                                            .resumes = resumes,
                                            .reason = resumes ? "" : "the disk is moved"}};
}

static const struct queue_view *pause_queue(struct world *world, bool in, bool out)
{
    struct command command = pause_of(in, out, false);

    return &world_do(world, &command)->queue_stats.queues[0];
}

static const struct queue_view *resume_queue(struct world *world, bool in, bool out)
{
    struct command command = pause_of(in, out, true);

    return &world_do(world, &command)->queue_stats.queues[0];
}

static struct command bound_of(uint64_t length_max)
{
    return (struct command){
        .kind = COMMAND_SET_QUEUE,
        .set_queue = {.namespace = "", .queue = "", .has_length_max = true, .length_max = length_max}};
}

static void bound(struct world *world, uint64_t length_max)
{
    struct command command = bound_of(length_max);

    (void)world_do(world, &command);
}

/* Submits one and returns the refusal, NULL when it is taken. */
static const struct submit_outcome *try_submit(struct world *world, const char *queue)
{
    static struct task_spec spec;

    spec = spec_of("t");
    spec.queue = queue;
    struct command command = command_submit(&spec);
    return &world_do(world, &command)->submit.outcomes[0];
}

static const struct queue_view *stats_of_only_queue(struct world *world)
{
    struct command command = {.kind = COMMAND_QUEUE_STATS, .queue_stats = {.namespace = ""}};
    const struct answer *answer = world_do(world, &command);

    cr_assert_eq(answer->queue_stats.count, 1);
    return &answer->queue_stats.queues[0];
}

static size_t count_queues(struct world *world)
{
    struct command command = {.kind = COMMAND_QUEUE_STATS, .queue_stats = {.namespace = ""}};

    return world_do(world, &command)->queue_stats.count;
}

Test(queue, that_is_paused_in_refuses_submits_and_still_hands_out)
{
    struct world *world = world_new();

    (void)submit(world, "t");
    (void)pause_queue(world, true, false);
    const struct submit_outcome *outcome = try_submit(world, "");
    cr_assert_eq(outcome->refusal->status, STATUS_FAILED_PRECONDITION);
    cr_assert_str_eq(outcome->refusal->reason, "QUEUE_PAUSED");
    cr_assert_null(try_submit(world, "other")->refusal);
    (void)claim(world, "a", "t");
    (void)resume_queue(world, true, false);
    cr_assert_null(try_submit(world, "")->refusal);
    world_close(world);
}

Test(queue, that_is_paused_out_takes_tasks_and_hands_out_none)
{
    struct world *world = world_new();

    (void)pause_queue(world, false, true);
    (void)submit(world, "t");
    claim_nothing(world, "a", "t");
    cr_assert_eq(stats_of_only_queue(world)->counts[TASK_READY], 1, "nothing has moved");
    (void)resume_queue(world, false, true);
    (void)claim(world, "a", "t");
    world_close(world);
}

Test(queue, that_is_paused_out_leaves_its_runs_alone)
{
    struct world *world = world_new();

    (void)submit(world, "t");
    struct run_name run = claim_started(world, "a", "t");
    (void)pause_queue(world, false, false);
    cr_assert_eq(beat(world, "a", run), VERDICT_GO_ON);
    complete(world, run);
    world_close(world);
}

Test(queue, that_is_resumed_serves_who_waits)
{
    struct world *world = world_new();
    struct command waiting = command_claim(world, "a", "t");

    (void)pause_queue(world, false, true);
    waiting.claim.waits = true;
    cr_assert_null(world_ask(world, &waiting));
    uint64_t token = waiting.token;
    (void)submit(world, "t");
    cr_assert_null(world_answer_to(world, token));
    (void)resume_queue(world, false, true);
    const struct answer *answer = world_answer_to(world, token);
    cr_assert_not_null(answer);
    cr_assert_eq(answer->claim.count, 1);
    world_close(world);
}

Test(queue, pauses_both_ways_when_neither_is_said_and_says_who_and_why)
{
    struct world *world = world_new();
    const struct queue_view *view = pause_queue(world, false, false);

    cr_assert(view->paused_in && view->paused_out);
    cr_assert_str_eq(view->paused_by, "alice");
    cr_assert_str_eq(view->pause_reason, "the disk is moved");
    view = resume_queue(world, true, false);
    cr_assert(!view->paused_in && view->paused_out);
    cr_assert_str_eq(view->pause_reason, "the disk is moved");
    view = resume_queue(world, false, false);
    cr_assert(!view->paused_in && !view->paused_out);
    cr_assert_str_eq(view->pause_reason, "");
    world_close(world);
}

Test(queue, that_something_is_said_of_is_known_without_tasks_and_after_a_restart)
{
    struct world *world = world_new();

    (void)pause_queue(world, false, true);
    world_restart(world);
    const struct queue_view *view = stats_of_only_queue(world);
    cr_assert_str_eq(view->queue, "default");
    cr_assert(view->paused_out);
    cr_assert_str_eq(view->paused_by, "alice");
    (void)submit(world, "t");
    claim_nothing(world, "a", "t");
    world_check(world);
    (void)resume_queue(world, false, true);
    struct run_name run = claim(world, "a", "t");
    cancel(world, run.task_id);
    world_close(world);
}

Test(queue, that_nothing_is_said_of_any_more_is_forgotten)
{
    struct world *world = world_new();

    (void)resume_queue(world, true, true);
    cr_assert_eq(count_queues(world), 0);
    (void)pause_queue(world, true, true);
    bound(world, 5);
    (void)resume_queue(world, true, true);
    cr_assert_eq(count_queues(world), 1);
    bound(world, 0);
    cr_assert_eq(count_queues(world), 0);
    world_restart(world);
    cr_assert_eq(count_queues(world), 0);
    world_close(world);
}

Test(queue, takes_as_many_waiting_tasks_as_its_bound_and_not_one_more)
{
    struct world *world = world_new();

    bound(world, 3);
    for (int i = 0; i < 3; i++)
        cr_assert_null(try_submit(world, "")->refusal);
    const struct submit_outcome *outcome = try_submit(world, "");
    cr_assert_eq(outcome->refusal->status, STATUS_RESOURCE_EXHAUSTED);
    cr_assert_str_eq(outcome->refusal->reason, "QUEUE_FULL");
    cr_assert_eq(outcome->retry_after_ms, QUEUE_RETRY_AFTER_MS);
    (void)claim(world, "a", "t");
    cr_assert_null(try_submit(world, "")->refusal, "a task that is held waits no more");
    cr_assert_not_null(try_submit(world, "")->refusal);
    world_restart(world);
    cr_assert_not_null(try_submit(world, "")->refusal, "what waits is counted again at the start");
    world_close(world);
}

Test(queue, counts_scheduled_tasks_against_its_bound)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");

    bound(world, 1);
    spec.delay_ms = 1000;
    (void)submit_spec(world, spec);
    cr_assert_not_null(try_submit(world, "")->refusal);
    world_close(world);
}

Test(queue, bounds_one_submit_of_many_too)
{
    struct world *world = world_new();
    struct task_spec specs[4];
    struct command command = {.kind = COMMAND_SUBMIT, .submit = {.specs = specs, .spec_count = 4}};

    for (size_t i = 0; i < 4; i++)
        specs[i] = spec_of("t");
    specs[1].queue = "other";
    bound(world, 2);
    const struct answer *answer = world_do(world, &command);
    cr_assert_null(answer->submit.outcomes[0].refusal);
    cr_assert_null(answer->submit.outcomes[1].refusal);
    cr_assert_null(answer->submit.outcomes[2].refusal);
    cr_assert_str_eq(answer->submit.outcomes[3].refusal->reason, "QUEUE_FULL");
    command.submit.atomic = true;
    world_refused(world, &command, STATUS_RESOURCE_EXHAUSTED, "QUEUE_FULL");
    world_close(world);
}

Test(queue, gives_its_tasks_what_their_submitters_do_not_say)
{
    struct world *world = world_new();
    struct command command = {.kind = COMMAND_SET_QUEUE,
                              .set_queue = {.namespace = "",
                                            .queue = "",
                                            .has_defaults = true,
                                            .defaults = {.priority = 2,
                                                         .max_attempts = 7,
                                                         .run_timeout_ms = 60000,
                                                         .retention_ms = 5000,
                                                         .backoff_ms = 10,
                                                         .backoff_max_ms = 20}}};
    struct task_spec spec = spec_of("t");

    (void)world_do(world, &command);
    const struct task_view *task = get(world, submit(world, "t"));
    cr_assert_eq(task->spec.priority, 2);
    cr_assert_eq(task->spec.max_attempts, 7);
    cr_assert_eq(task->spec.run_timeout_ms, 60000);
    cr_assert_eq(task->spec.retention_ms, 5000);
    cr_assert_eq(task->spec.backoff_ms, 10);
    cr_assert_eq(task->spec.backoff_max_ms, 20);
    spec.priority = 9;
    spec.max_attempts = 1;
    task = get(world, submit_spec(world, spec));
    cr_assert_eq(task->spec.priority, 9);
    cr_assert_eq(task->spec.max_attempts, 1);
    cr_assert_eq(task->spec.run_timeout_ms, 60000);
    world_restart(world);
    cr_assert_eq(get(world, submit(world, "t"))->spec.max_attempts, 7);
    world_close(world);
}

Test(queue, keeps_what_is_not_said_when_something_else_is_set)
{
    struct world *world = world_new();
    struct command command = {
        .kind = COMMAND_SET_QUEUE,
        .set_queue = {.namespace = "", .queue = "", .has_defaults = true, .defaults = {.priority = 2}}};

    bound(world, 5);
    (void)world_do(world, &command);
    cr_assert_eq(stats_of_only_queue(world)->length_max, 5);
    bound(world, 6);
    cr_assert_eq(stats_of_only_queue(world)->defaults.priority, 2);
    world_close(world);
}

Test(queue, refuses_settings_out_of_bounds)
{
    struct world *world = world_new();
    struct command command = {.kind = COMMAND_SET_QUEUE, .set_queue = {.namespace = "", .queue = ""}};

    world_refused(world, &command, STATUS_INVALID_ARGUMENT, "BAD_FIELD");
    command.set_queue.has_defaults = true;
    command.set_queue.defaults.priority = 10;
    world_refused(world, &command, STATUS_INVALID_ARGUMENT, "BAD_FIELD");
    command.set_queue.defaults.priority = 9;
    (void)world_do(world, &command);
    command.set_queue.queue = "not a name";
    world_refused(world, &command, STATUS_INVALID_ARGUMENT, "BAD_FIELD");
    world_close(world);
}

Test(queue, of_which_something_is_said_are_bounded)
{
    struct world *world = world_new();
    char name[32];
    struct command command = bound_of(1);

    for (int i = 0; i < QUEUES_SET_MAX; i++) {
        (void)snprintf(name, sizeof name, "q%d", i);
        command.set_queue.queue = name;
        (void)world_do(world, &command);
    }
    command.set_queue.queue = "q1";
    (void)world_do(world, &command);
    command.set_queue.queue = "one-more";
    world_refused(world, &command, STATUS_RESOURCE_EXHAUSTED, "TOO_MANY_QUEUES");
    command.set_queue.queue = "q1";
    command.set_queue.length_max = 0;
    (void)world_do(world, &command);
    command.set_queue = bound_of(1).set_queue;
    command.set_queue.queue = "one-more";
    (void)world_do(world, &command);
    world_close(world);
}
