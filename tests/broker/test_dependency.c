#include "broker/core/job.h"
#include "broker/core/limits.h"
#include "tests/broker/fixture.h"

#include <stdlib.h>

#define AT_ONCE (WORK_AT_ONCE / WORK_OF_CHANGE)

static uint64_t submit_after(struct world *world, const uint64_t *ids, size_t count, enum dependency_policy policy)
{
    struct task_spec spec = spec_of("t");

    spec.depends_on = ids;
    spec.depends_on_count = count;
    spec.on_dependency_failure = policy;
    return submit_spec(world, spec);
}

static uint64_t submit_after_one(struct world *world, uint64_t id, enum dependency_policy policy)
{
    return submit_after(world, &id, 1, policy);
}

/* Claims whatever is first, which must be that task, and completes it. */
static void do_work(struct world *world, uint64_t task_id)
{
    struct run_name run = claim_started(world, "a", "t");

    cr_assert_eq(run.task_id, task_id);
    complete(world, run);
}

static void fail_work(struct world *world, uint64_t task_id)
{
    struct run_name run = claim_started(world, "a", "t");
    struct command command = command_of_run(COMMAND_FAIL, run);

    cr_assert_eq(run.task_id, task_id);
    command.fail.final = true;
    (void)world_do(world, &command);
}

Test(dependency, blocks_a_task_until_the_last_one_has_completed)
{
    struct world *world = world_new();
    uint64_t ids[] = {submit(world, "t"), submit(world, "t")};
    uint64_t waiting = submit_after(world, ids, 2, 0);

    cr_assert_eq(state_of(world, waiting), TASK_BLOCKED);
    cr_assert_eq(get(world, waiting)->open_dependencies, 2);
    do_work(world, ids[0]);
    cr_assert_eq(state_of(world, waiting), TASK_BLOCKED);
    cr_assert_eq(get(world, waiting)->open_dependencies, 1);
    world_check(world);
    do_work(world, ids[1]);
    cr_assert_eq(state_of(world, waiting), TASK_READY);
    cr_assert_eq(get(world, waiting)->spec.depends_on_count, 2);
    do_work(world, waiting);
    world_close(world);
}

Test(dependency, that_is_named_twice_counts_once)
{
    struct world *world = world_new();
    uint64_t first = submit(world, "t");
    uint64_t waiting = submit_after(world, (uint64_t[]){first, first, first}, 3, 0);

    cr_assert_eq(get(world, waiting)->open_dependencies, 1);
    do_work(world, first);
    cr_assert_eq(state_of(world, waiting), TASK_READY);
    world_close(world);
}

Test(dependency, that_has_completed_already_is_done)
{
    struct world *world = world_new();
    uint64_t first = submit(world, "t");

    do_work(world, first);
    cr_assert_eq(state_of(world, submit_after_one(world, first, 0)), TASK_READY);
    world_close(world);
}

static const struct {
    enum dependency_policy policy;
    enum task_state becomes;
} policies[] = {
    {0, TASK_FAILED},
    {DEPENDENCY_FAIL, TASK_FAILED},
    {DEPENDENCY_CANCEL, TASK_CANCELED},
    {DEPENDENCY_RUN, TASK_READY},
};

static void expect_by_policy(struct world *world, uint64_t waiting, size_t i)
{
    const struct task_view *task = get(world, waiting);

    cr_assert_eq(task->state, policies[i].becomes, "policy %d: %s", policies[i].policy, task_state_name(task->state));
    if (task->state == TASK_READY)
        return;
    cr_assert_str_eq(task->outcome.message, "it depends on task 0000-0001, which is FAILED");
    cr_assert_eq(task->ended_ms, world->now.wall_ms);
    cr_assert_eq(task->open_dependencies, 0);
}

Test(dependency, that_fails_does_to_a_task_what_its_policy_says)
{
    for (size_t i = 0; i < sizeof policies / sizeof policies[0]; i++) {
        struct world *world = world_new();
        uint64_t first = submit(world, "t");
        uint64_t waiting = submit_after_one(world, first, policies[i].policy);
        fail_work(world, first);
        expect_by_policy(world, waiting, i);
        world_close(world);
    }
}

Test(dependency, that_has_failed_already_does_the_same_at_the_submit)
{
    for (size_t i = 0; i < sizeof policies / sizeof policies[0]; i++) {
        struct world *world = world_new();
        uint64_t first = submit(world, "t");
        fail_work(world, first);
        expect_by_policy(world, submit_after_one(world, first, policies[i].policy), i);
        world_close(world);
    }
}

Test(dependency, that_is_canceled_counts_as_failed)
{
    struct world *world = world_new();
    uint64_t first = submit(world, "t");
    uint64_t waiting = submit_after_one(world, first, DEPENDENCY_CANCEL);

    cancel(world, first);
    cr_assert_eq(state_of(world, waiting), TASK_CANCELED);
    cr_assert_str_eq(get(world, waiting)->cancel_reason, "it depends on task 0000-0001, which is CANCELED");
    world_close(world);
}

Test(dependency, that_fails_ends_a_task_that_waits_for_others_too)
{
    struct world *world = world_new();
    uint64_t ids[] = {submit(world, "t"), submit(world, "t")};
    uint64_t waiting = submit_after(world, ids, 2, DEPENDENCY_FAIL);

    fail_work(world, ids[0]);
    cr_assert_eq(state_of(world, waiting), TASK_FAILED);
    world_check(world);
    do_work(world, ids[1]);
    cr_assert_eq(state_of(world, waiting), TASK_FAILED);
    world_close(world);
}

Test(dependency, fails_along_a_chain_of_any_length)
{
    struct world *world = world_new();
    uint64_t first = submit(world, "t");
    uint64_t last = first;

    for (int i = 0; i < 200; i++)
        last = submit_after_one(world, last, DEPENDENCY_FAIL);
    cancel(world, first);
    cr_assert_eq(state_of(world, last), TASK_FAILED);
    world_close(world);
}

Test(dependency, that_is_retried_does_not_block_again)
{
    struct world *world = world_new();
    uint64_t first = submit(world, "t");
    uint64_t waiting = submit_after_one(world, first, DEPENDENCY_RUN);

    fail_work(world, first);
    retry(world, first, false);
    cr_assert_eq(state_of(world, waiting), TASK_READY);
    world_close(world);
}

Test(dependency, of_a_canceled_task_is_forgotten)
{
    struct world *world = world_new();
    uint64_t first = submit(world, "t");
    uint64_t waiting = submit_after_one(world, first, DEPENDENCY_FAIL);

    cancel(world, waiting);
    cr_assert_eq(state_of(world, waiting), TASK_CANCELED);
    world_check(world);
    do_work(world, first);
    retry(world, waiting, false);
    cr_assert_eq(state_of(world, waiting), TASK_READY);
    world_close(world);
}

Test(dependency, that_is_over_leaves_a_task_to_its_own_time)
{
    struct world *world = world_new();
    uint64_t first = submit(world, "t");
    struct task_spec spec = spec_of("t");

    spec.depends_on = &first;
    spec.depends_on_count = 1;
    spec.delay_ms = 10000;
    uint64_t delayed = submit_spec(world, spec);
    spec.delay_ms = 1000;
    uint64_t due_soon = submit_spec(world, spec);
    spec.delay_ms = 0;
    spec.not_before_ms = world->now.wall_ms + 10000;
    uint64_t later = submit_spec(world, spec);
    world_pass(world, 4000);
    do_work(world, first);
    cr_assert_eq(state_of(world, due_soon), TASK_READY);
    cr_assert_eq(state_of(world, delayed), TASK_SCHEDULED);
    cr_assert_eq(get(world, delayed)->due_in_ms, 6000, "its delay counts from the submit");
    cr_assert_eq(get(world, later)->due_in_ms, 6000);
    world_pass(world, 6000);
    cr_assert_eq(state_of(world, delayed), TASK_READY);
    cr_assert_eq(state_of(world, later), TASK_READY);
    world_close(world);
}

static struct command command_of_specs(struct task_spec *specs, size_t count)
{
    return (struct command){.kind = COMMAND_SUBMIT, .submit = {.specs = specs, .spec_count = count, .atomic = true}};
}

Test(dependency, by_index_may_point_at_a_task_behind)
{
    struct world *world = world_new();
    struct task_spec specs[] = {spec_of("t"), spec_of("t"), spec_of("t")};
    uint32_t both[] = {1, 2};
    uint32_t last[] = {2};

    specs[0].depends_on_index = both;
    specs[0].depends_on_index_count = 2;
    specs[1].depends_on_index = last;
    specs[1].depends_on_index_count = 1;
    struct command command = command_of_specs(specs, 3);
    (void)world_do(world, &command);
    world_check(world);
    do_work(world, 3);
    cr_assert_eq(get(world, 1)->open_dependencies, 1);
    do_work(world, 2);
    cr_assert_eq(get(world, 1)->spec.depends_on[1], 3);
    do_work(world, 1);
    world_close(world);
}

Test(dependency, by_index_and_by_id_fails_through_a_whole_submit)
{
    struct world *world = world_new();
    struct task_spec specs[] = {spec_of("t"), spec_of("t"), spec_of("t")};
    uint64_t canceled = submit(world, "t");
    uint32_t middle[] = {1};

    cancel(world, canceled);
    specs[0].depends_on_index = middle;
    specs[0].depends_on_index_count = 1;
    specs[1].depends_on = &canceled;
    specs[1].depends_on_count = 1;
    specs[2].depends_on_index = middle;
    specs[2].depends_on_index_count = 1;
    specs[2].on_dependency_failure = DEPENDENCY_RUN;
    struct command command = command_of_specs(specs, 3);
    (void)world_do(world, &command);
    cr_assert_eq(state_of(world, 2), TASK_FAILED);
    cr_assert_eq(state_of(world, 3), TASK_FAILED);
    cr_assert_eq(state_of(world, 4), TASK_READY);
    world_close(world);
}

static void expect_refusal(struct world *world, struct command *command, const char *reason, const char *message)
{
    uint64_t revision = broker_revision(world->broker);

    command->token = 0;
    const struct answer *answer = world_ask(world, command);
    const struct error *refusal =
        answer->refusal != NULL ? answer->refusal : answer->submit.outcomes[command->submit.spec_count - 1].refusal;
    cr_assert_not_null(refusal, "%s was expected", reason);
    cr_assert_str_eq(refusal->reason, reason, "%s", refusal->message);
    cr_assert_str_eq(refusal->message, message);
    cr_assert_eq(broker_revision(world->broker), revision);
    world_check(world);
}

Test(dependency, in_a_circle_is_refused_with_the_indexes)
{
    struct world *world = world_new();
    struct task_spec specs[] = {spec_of("t"), spec_of("t"), spec_of("t"), spec_of("t")};
    uint32_t next[] = {1, 2, 3, 1};
    struct command command = command_of_specs(specs, 4);

    for (size_t i = 0; i < 4; i++) {
        specs[i].depends_on_index = &next[i];
        specs[i].depends_on_index_count = 1;
    }
    expect_refusal(world, &command, "DEPENDENCY_CYCLE",
                   "depends_on_index: tasks wait for each other in a circle, 3 <- 2 <- 1 <- 3");
    next[3] = 3;
    expect_refusal(world, &command, "DEPENDENCY_CYCLE",
                   "depends_on_index: tasks wait for each other in a circle, 3 <- 3");
    specs[3].depends_on_index_count = 0;
    (void)world_do(world, &command);
    world_close(world);
}

/* The longest chain that one submit can hold, closed to a circle: no stack, and the message fits. */
Test(dependency, in_the_largest_circle_is_refused_too)
{
    struct world *world = world_new();
    struct task_spec *specs = calloc(SPECS_MAX, sizeof *specs);
    uint32_t next[SPECS_MAX];
    struct command command = command_of_specs(specs, SPECS_MAX);

    for (size_t i = 0; i < SPECS_MAX; i++) {
        specs[i] = spec_of("t");
        next[i] = (uint32_t)(i + 1) % SPECS_MAX;
        specs[i].depends_on_index = &next[i];
        specs[i].depends_on_index_count = 1;
    }
    world_refused(world, &command, STATUS_INVALID_ARGUMENT, "DEPENDENCY_CYCLE");
    free(specs);
    world_close(world);
}

Test(dependency, that_cannot_be_is_refused_by_name)
{
    struct world *world = world_new();
    struct task_spec specs[] = {spec_of("t"), spec_of("t")};
    uint64_t ids[] = {submit(world, "t"), 77};
    uint32_t index = 2;
    struct command command = command_of_specs(specs, 2);

    specs[1].depends_on = ids;
    specs[1].depends_on_count = 2;
    expect_refusal(world, &command, "NO_SUCH_DEPENDENCY", "tasks[1].depends_on[1]: there is no task 0000-002D");
    specs[1].depends_on_count = 0;
    specs[1].depends_on_index = &index;
    specs[1].depends_on_index_count = 1;
    expect_refusal(world, &command, "BAD_FIELD", "tasks[1].depends_on_index[0]: there is no task 2 among these 2");
    command = command_submit(&specs[1]);
    expect_refusal(world, &command, "BAD_FIELD",
                   "depends_on_index: it needs an atomic submit, so that all its tasks come to be");
    world_close(world);
}

/* The key of a task holds longer than the task here: a submit that finds it must not begin to write. */
Test(dependency, by_index_on_a_task_that_is_known_by_its_key_and_gone_is_refused)
{
    struct world *world = world_new();
    struct task_spec specs[] = {spec_of("t"), spec_of("t")};
    uint32_t first[] = {0};
    uint64_t other = submit(world, "t");
    struct command command = command_of_specs(specs, 2);

    specs[0].idempotency_key = "build 7";
    specs[0].retention_ms = 1;
    uint64_t known = submit_spec(world, specs[0]);
    specs[1].depends_on = &other;
    specs[1].depends_on_count = 1;
    specs[1].depends_on_index = first;
    specs[1].depends_on_index_count = 1;
    (void)world_do(world, &command);
    cr_assert_eq(get(world, known + 1)->open_dependencies, 2);
    cancel(world, known);
    world_pass(world, 1);
    expect_refusal(world, &command, "NO_SUCH_DEPENDENCY", "tasks[1].depends_on_index[0]: there is no task 0000-0002");
    world_close(world);
}

Test(dependency, has_a_bound)
{
    struct world *world = world_new();
    uint64_t ids[DEPENDENCIES_MAX];
    uint32_t index = 0;
    struct task_spec specs[] = {spec_of("t"), spec_of("t")};
    struct command command = command_of_specs(specs, 2);

    for (size_t i = 0; i < DEPENDENCIES_MAX; i++)
        ids[i] = submit(world, "t");
    specs[1].depends_on = ids;
    specs[1].depends_on_count = DEPENDENCIES_MAX;
    specs[1].depends_on_index = &index;
    specs[1].depends_on_index_count = 1;
    expect_refusal(world, &command, "BAD_FIELD", "tasks[1].depends_on: at most 64 are allowed, these are 65");
    specs[1].depends_on_count = DEPENDENCIES_MAX - 1;
    (void)world_do(world, &command);
    cr_assert_eq(get(world, DEPENDENCIES_MAX + 2)->open_dependencies, DEPENDENCIES_MAX);
    cancel(world, DEPENDENCIES_MAX + 2);
    world_close(world);
}

/* One end that many wait for: at once up to the bound, the others in later batches, also of another life. */
Test(release, of_more_than_its_bound_goes_on_in_later_batches)
{
    struct world *world = world_new();
    uint64_t first = submit(world, "t");
    uint64_t next_ms = 0;
    enum { WAITING = 3 * AT_ONCE / 2 };

    for (int i = 0; i < WAITING; i++)
        (void)submit_after_one(world, first, 0);
    uint64_t counts[TASK_STATES];
    do_work(world, first);
    broker_counts(world->broker, counts);
    cr_assert_eq(counts[TASK_READY], AT_ONCE);
    world_check(world);

    struct command command = {.kind = COMMAND_RETRY, .retry = {.task_id = first, .force = true}};
    struct store_txn *txn = NULL;
    world_restart(world);
    cr_assert_eq(store_begin(world->store, STORE_READ, &txn), STATUS_OK);
    cr_assert_eq(broker_next_ms(world->broker, txn, world->now, &next_ms), STATUS_OK);
    store_abort(&txn);
    cr_assert_eq(next_ms, 0, "there is something to do at once");
    for (int i = 0; i < WAITING - AT_ONCE; i += WORK_OF_SLICE / WORK_OF_CHANGE)
        world_pass(world, 0);
    broker_counts(world->broker, counts);
    cr_assert_eq(counts[TASK_READY], WAITING);
    (void)world_do(world, &command);
    world_close(world);
}

static void submit_many_after(struct world *world, uint64_t id, int count)
{
    for (int i = 0; i < count; i++)
        (void)submit_after_one(world, id, 0);
}

Test(release, keeps_the_ended_task_from_being_retried_and_removed_meanwhile)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");
    struct command command = {.kind = COMMAND_RETRY, .retry = {.force = true}};

    spec.retention_ms = 1;
    uint64_t first = submit_spec(world, spec);
    uint64_t second = submit_spec(world, spec);
    submit_many_after(world, first, 2 * AT_ONCE);
    submit_many_after(world, second, 2 * AT_ONCE);
    cancel(world, first);
    cancel(world, second);
    command.retry.task_id = second;
    world_refused(world, &command, STATUS_FAILED_PRECONDITION, "DEPENDENTS_OPEN");
    world_pass(world, 1); /* its retention is over */
    cr_assert_eq(state_of(world, second), TASK_CANCELED);
    for (int i = 0; i < 24; i++)
        world_pass(world, 1000);
    command = (struct command){.kind = COMMAND_GET, .get = {.task_id = second}};
    world_refused(world, &command, STATUS_NOT_FOUND, "NO_SUCH_TASK");
    world_close(world);
}

Test(parent, must_be_there_and_alive)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");
    struct command command = command_submit(&spec);

    spec.parent_id = 77;
    expect_refusal(world, &command, "NO_SUCH_PARENT", "parent_id: there is no task 0000-002D");
    uint64_t parent = submit(world, "t");
    spec.parent_id = parent;
    uint64_t child = submit_spec(world, spec);
    cr_assert_eq(get(world, child)->spec.parent_id, parent);
    struct run_name run = claim_started(world, "a", "t");
    (void)submit_spec(world, spec);
    cancel(world, parent);
    expect_refusal(world, &command, "PARENT_ENDED",
                   "parent_id: task 0000-0001 is being canceled, it gets no more children");
    (void)fail(world, run);
    expect_refusal(world, &command, "PARENT_ENDED", "parent_id: task 0000-0001 is CANCELED, it gets no more children");
    world_close(world);
}
