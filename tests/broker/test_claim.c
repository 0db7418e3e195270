#include "broker/core/claim.h"
#include "broker/core/lane.h"
#include "broker/core/limits.h"
#include "broker/core/parked.h"
#include "tests/broker/fixture.h"

#include <stdio.h>

static uint64_t submit_in(struct world *world, const char *queue, const char *type, uint32_t priority)
{
    struct task_spec spec = spec_of(type);

    spec.queue = queue;
    spec.priority = priority;
    return submit_spec(world, spec);
}

static struct run_name run_of(const struct answer *answer, size_t index)
{
    return (struct run_name){.task_id = answer->claim.tasks[index]->id, .fence = answer->claim.tasks[index]->fence};
}

Test(claim, takes_the_lowest_priority_number_first_and_then_the_oldest)
{
    struct world *world = world_new();
    uint64_t last = submit_in(world, "", "t", 9);
    uint64_t third = submit_in(world, "", "t", 0);
    uint64_t fourth = submit_in(world, "", "t", 5);
    uint64_t first = submit_in(world, "", "t", 1);
    uint64_t second = submit_in(world, "", "t", 1);
    uint64_t order[] = {first, second, third, fourth, last};

    for (size_t i = 0; i < 5; i++)
        cr_assert_eq(claim(world, "a", "t").task_id, order[i], "at %zu", i);
    claim_nothing(world, "a", "t");
    world_close(world);
}

Test(claim, orders_across_queues_and_types_alike)
{
    struct world *world = world_new();
    static const char *const named[] = {"night", "default", "night"};
    uint64_t ids[] = {submit_in(world, "night", "any", 4), submit_in(world, "", "t", 3),
                      submit_in(world, "night", "t", 3), submit_in(world, "", "any", 4)};
    uint64_t order[] = {ids[1], ids[2], ids[0], ids[3]};
    struct command command = command_claim(world, "a", "t");

    command.claim.queues = named;
    command.claim.queue_count = 3;
    command.claim.max = 10;
    const struct answer *answer = world_do(world, &command);
    cr_assert_eq(answer->claim.count, 4);
    for (size_t i = 0; i < 4; i++)
        cr_assert_eq(answer->claim.tasks[i]->id, order[i], "at %zu", i);
    world_close(world);
}

Test(claim, gets_its_own_type_and_any_and_an_empty_one_gets_all)
{
    struct world *world = world_new();
    uint64_t other = submit(world, "codex");
    uint64_t any = submit(world, "any");
    uint64_t own = submit(world, "claude");

    cr_assert_eq(claim(world, "a", "claude").task_id, any);
    cr_assert_eq(claim(world, "a", "claude").task_id, own);
    claim_nothing(world, "a", "claude");
    claim_nothing(world, "a", "any");
    cr_assert_eq(claim(world, "a", "").task_id, other);
    world_close(world);
}

Test(claim, stays_in_its_namespace)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");

    spec.namespace = "acme";
    (void)submit_spec(world, spec);
    claim_nothing(world, "a", "t");
    struct command command = command_claim(world, "a", "t");
    command.claim.namespace = "acme";
    cr_assert_eq(world_do(world, &command)->claim.count, 1);
    world_close(world);
}

Test(claim, takes_at_most_max_and_gives_each_a_greater_fence)
{
    struct world *world = world_new();
    uint64_t fence = 0;

    for (size_t i = 0; i < 10; i++)
        (void)submit(world, "t");
    struct command command = command_claim(world, "a", "t");
    command.claim.max = 7;
    const struct answer *answer = world_do(world, &command);
    cr_assert_eq(answer->claim.count, 7);
    for (size_t i = 0; i < 7; i++) {
        cr_assert_gt(answer->claim.tasks[i]->fence, fence);
        fence = answer->claim.tasks[i]->fence;
        cr_assert_eq(answer->claim.tasks[i]->state, TASK_ASSIGNED);
    }
    cr_assert_gt(claim(world, "b", "t").fence, fence);
    world_close(world);
}

Test(claim, with_start_is_running_at_once)
{
    struct world *world = world_new();
    (void)submit(world, "t");
    struct run_name run = claim_started(world, "a", "t");
    const struct task_view *task = get(world, run.task_id);

    cr_assert_eq(task->state, TASK_RUNNING);
    cr_assert_eq(task->attempts, 1);
    cr_assert_gt(task->started_ms, 0);
    complete(world, run);
    world_close(world);
}

Test(claim, carries_the_payload)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");
    struct label label = {.key = "pull", .value = "42"};

    spec.payload = bytes_of_text("do this");
    spec.title = "a title";
    spec.labels = &label;
    spec.label_count = 1;
    (void)submit_spec(world, spec);
    struct command command = command_claim(world, "a", "t");
    const struct task_view *task = world_do(world, &command)->claim.tasks[0];
    cr_assert(bytes_equal(task->spec.payload, bytes_of_text("do this")));
    cr_assert_str_eq(task->spec.title, "a title");
    cr_assert_str_eq(task->spec.labels[0].value, "42");
    cr_assert_str_eq(task->spec.content_type, "text/plain; charset=utf-8");
    cr_assert_str_eq(task->spec.namespace, "default");
    world_close(world);
}

Test(claim, stops_before_its_answer_grows_past_a_frame)
{
    struct world *world = world_new();
    static uint8_t payload[PAYLOAD_MAX];
    struct task_spec spec = spec_of("t");
    size_t total = 0;

    spec.payload = (struct bytes){.data = payload, .size = sizeof payload};
    for (size_t i = 0; i < 20; i++)
        (void)submit_spec(world, spec);
    while (total < 20) {
        struct command command = command_claim(world, "a", "t");
        command.claim.max = 20;
        const struct answer *answer = world_do(world, &command);
        cr_assert_gt(answer->claim.count, 0);
        cr_assert_leq(answer->claim.count * sizeof payload, CLAIM_BYTES_MAX);
        total += answer->claim.count;
    }
    cr_assert_eq(total, 20);
    world_close(world);
}

Test(claim, that_is_repeated_gets_the_same_runs_as_far_as_they_live)
{
    struct world *world = world_new();

    for (size_t i = 0; i < 4; i++)
        (void)submit(world, "t");
    struct command command = command_claim(world, "a", "t");
    command.claim.max = 3;
    command.claim.start = true;
    const struct answer *answer = world_do(world, &command);
    struct run_name runs[3] = {run_of(answer, 0), run_of(answer, 1), run_of(answer, 2)};
    complete(world, runs[1]);

    world_restart(world);
    command.token = 0;
    answer = world_do(world, &command);
    cr_assert_eq(answer->claim.count, 2);
    cr_assert_eq(answer->claim.tasks[0]->fence, runs[0].fence);
    cr_assert_eq(answer->claim.tasks[1]->fence, runs[2].fence);
    cr_assert_eq(broker_totals(world->broker).claimed, 0, "nothing was handed out anew");
    world_close(world);
}

Test(claim, with_a_smaller_sequence_or_incarnation_is_stale)
{
    struct world *world = world_new();

    (void)submit(world, "t");
    (void)submit(world, "t");
    struct command command = command_claim(world, "a", "t");
    command.claim.incarnation = 5;
    command.claim.claim_seq = 10;
    (void)world_do(world, &command);
    command.token = 0;
    command.claim.claim_seq = 9;
    world_refused(world, &command, STATUS_ABORTED, "STALE_CLAIM");
    command.token = 0;
    command.claim.claim_seq = 11;
    command.claim.incarnation = 4;
    world_refused(world, &command, STATUS_ABORTED, "STALE_INCARNATION");
    command.token = 0;
    command.claim.incarnation = 6;
    command.claim.claim_seq = 1;
    cr_assert_eq(world_do(world, &command)->claim.count, 1);
    world_close(world);
}

/* Parks a claim and returns its token. */
static uint64_t park(struct world *world, const char *agent_id, const char *type)
{
    struct command command = command_claim(world, agent_id, type);

    command.claim.waits = true;
    cr_assert_null(world_ask(world, &command), "%s had to wait", agent_id);
    return command.token;
}

Test(parked_claim, is_answered_in_the_batch_in_which_a_task_becomes_ready)
{
    struct world *world = world_new();
    uint64_t token = park(world, "a", "t");

    cr_assert_eq(broker_parked(world->broker), 1);
    (void)submit(world, "other");
    cr_assert_null(world_answer_to(world, token));
    uint64_t id = submit(world, "t");
    const struct answer *answer = world_answer_to(world, token);
    cr_assert_not_null(answer);
    cr_assert_eq(answer->kind, COMMAND_CLAIM);
    cr_assert_eq(answer->claim.tasks[0]->id, id);
    cr_assert_eq(broker_parked(world->broker), 0);
    world_close(world);
}

Test(parked_claim, gets_a_task_that_becomes_due_or_is_given_back)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");

    spec.delay_ms = 5000;
    (void)submit_spec(world, spec);
    uint64_t token = park(world, "a", "t");
    world_pass(world, 4999);
    cr_assert_null(world_answer_to(world, token));
    world_pass(world, 1);
    const struct answer *answer = world_answer_to(world, token);
    cr_assert_not_null(answer);
    struct run_name run = run_of(answer, 0);

    token = park(world, "b", "t");
    cr_assert_eq(release(world, run, 0), TASK_ASSIGNED - 1, "READY");
    cr_assert_not_null(world_answer_to(world, token));
    world_close(world);
}

Test(parked_claim, is_served_by_arrival)
{
    struct world *world = world_new();
    uint64_t tokens[] = {park(world, "a", "t"), park(world, "b", ""), park(world, "c", "t"), park(world, "d", "any")};

    for (size_t i = 0; i < 3; i++) {
        (void)submit(world, i == 1 ? "any" : "t");
        for (size_t other = 0; other < 4; other++)
            cr_assert_eq(world_answer_to(world, tokens[other]) != NULL, other == i, "%zu at %zu", other, i);
    }
    (void)submit(world, "t");
    cr_assert_null(world_answer_to(world, tokens[3]), "it may have tasks of type any only");
    (void)submit(world, "any");
    cr_assert_not_null(world_answer_to(world, tokens[3]));
    world_close(world);
}

Test(parked_claim, is_replaced_by_a_newer_one_of_its_agent)
{
    struct world *world = world_new();
    uint64_t older = park(world, "a", "t");
    uint64_t newer = park(world, "a", "t");
    const struct answer *answer = world_answer_to(world, older);

    cr_assert_not_null(answer);
    cr_assert_eq(answer->refusal->status, STATUS_ABORTED);
    cr_assert_str_eq(answer->refusal->reason, "REPLACED");
    (void)submit(world, "t");
    cr_assert_null(world_answer_to(world, older));
    cr_assert_not_null(world_answer_to(world, newer));
    world_close(world);
}

Test(parked_claim, that_has_waited_enough_is_answered_with_nothing)
{
    struct world *world = world_new();
    uint64_t token = park(world, "a", "t");
    struct command command = {.kind = COMMAND_UNPARK, .token = token};

    cr_assert_eq(world_do(world, &command)->claim.count, 0);
    cr_assert_null(world_ask(world, &command), "only once");
    (void)submit(world, "t");
    cr_assert_null(world_answer_to(world, token));
    world_close(world);
}

Test(parked_claim, whose_claimer_is_gone_takes_nothing)
{
    struct world *world = world_new();
    uint64_t token = park(world, "a", "t");
    struct command command = {.kind = COMMAND_FORGET, .token = token};

    cr_assert_null(world_ask(world, &command));
    uint64_t id = submit(world, "t");
    cr_assert_null(world_answer_to(world, token));
    cr_assert_eq(state_of(world, id), TASK_READY);
    world_close(world);
}

Test(parked_claim, one_too_many_is_refused)
{
    struct world *world = world_new();
    static const char *queues[QUEUES_MAX];
    static char names[QUEUES_MAX][16];
    char agent_id[32];

    for (size_t i = 0; i < QUEUES_MAX; i++) {
        (void)snprintf(names[i], sizeof names[i], "q%zu", i);
        queues[i] = names[i];
    }
    for (size_t i = 0; i <= WAITS_MAX / QUEUES_MAX; i++) {
        (void)snprintf(agent_id, sizeof agent_id, "a%zu", i);
        struct command command = command_claim(world, agent_id, "t");
        command.claim.queues = queues;
        command.claim.queue_count = QUEUES_MAX;
        command.claim.waits = true;
        if (i < WAITS_MAX / QUEUES_MAX)
            cr_assert_null(world_ask(world, &command));
        else
            world_refused(world, &command, STATUS_RESOURCE_EXHAUSTED, "TOO_MANY_WAITING");
    }
    world_close(world);
}

Test(lanes, are_bounded_per_queue_and_gone_with_their_last_task)
{
    struct world *world = world_new();
    char type[32];

    for (size_t i = 0; i < LANES_PER_QUEUE_MAX; i++) {
        struct task_spec spec = spec_of(type);
        (void)snprintf(type, sizeof type, "type%zu", i);
        spec.retention_ms = 1000;
        (void)submit_spec(world, spec);
    }
    struct task_spec spec = spec_of("one-more");
    struct command command = command_submit(&spec);
    const struct answer *answer = world_do(world, &command);
    cr_assert_eq(answer->submit.outcomes[0].task_id, 0);
    cr_assert_str_eq(answer->submit.outcomes[0].refusal->reason, "TOO_MANY_LANES");
    spec.queue = "elsewhere";
    (void)submit_spec(world, spec);

    cancel(world, 1);
    world_pass(world, 2000);
    (void)submit(world, "one-more");
    world_close(world);
}
