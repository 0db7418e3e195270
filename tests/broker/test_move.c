/* Tasks that go to another queue. */
#include "broker/core/limits.h"
#include "tests/broker/fixture.h"

static struct command move_of(const uint64_t *task_ids, size_t count, const char *queue)
{
    return (struct command){
        .kind = COMMAND_MOVE,
        .who = "alice",
        .move = {.task_ids = task_ids, .task_count = count, .queue = queue, .reason = "builds are slow"}};
}

static const struct error *move(struct world *world, uint64_t task_id, const char *queue)
{
    struct command command = move_of(&task_id, 1, queue);
    const struct submit_outcome *outcome = &world_do(world, &command)->submit.outcomes[0];

    cr_assert_eq(outcome->task_id, task_id);
    return outcome->refusal;
}

static struct command claim_from(struct world *world, const char *const *queue)
{
    struct command command = command_claim(world, "a", "t");

    command.claim.queues = queue;
    command.claim.queue_count = 1;
    return command;
}

static uint64_t claim_in(struct world *world, const char *queue)
{
    struct command command = claim_from(world, &queue);
    const struct answer *answer = world_do(world, &command);

    return answer->claim.count > 0 ? answer->claim.tasks[0]->id : 0;
}

Test(move, takes_a_ready_task_from_one_queue_to_the_other)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "t");

    cr_assert_null(move(world, id, "fast"));
    cr_assert_str_eq(get(world, id)->spec.queue, "fast");
    cr_assert_eq(claim_in(world, "default"), 0);
    cr_assert_eq(claim_in(world, "fast"), id);
    world_close(world);
}

Test(move, serves_who_waits_in_the_other_queue)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "t");
    const char *queue = "fast";
    struct command command = claim_from(world, &queue);

    command.claim.waits = true;
    cr_assert_null(world_ask(world, &command));
    uint64_t token = command.token;
    cr_assert_null(move(world, id, "fast"));
    cr_assert_not_null(world_answer_to(world, token));
    world_close(world);
}

Test(move, keeps_the_time_that_a_task_waits_for)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");

    spec.delay_ms = 5000;
    uint64_t id = submit_spec(world, spec);
    cr_assert_null(move(world, id, "fast"));
    cr_assert_eq(get(world, id)->state, TASK_SCHEDULED);
    cr_assert_eq(get(world, id)->due_in_ms, 5000);
    world_pass(world, 5000);
    cr_assert_eq(claim_in(world, "fast"), id);
    world_close(world);
}

Test(move, puts_a_task_behind_those_that_wait_there)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");

    uint64_t id = submit(world, "t");
    spec.queue = "fast";
    uint64_t first = submit_spec(world, spec);
    cr_assert_null(move(world, id, "fast"));
    cr_assert_eq(claim_in(world, "fast"), first);
    cr_assert_eq(claim_in(world, "fast"), id);
    world_close(world);
}

Test(move, within_its_own_queue_changes_nothing)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "t");
    uint64_t revision = get(world, id)->revision;

    cr_assert_null(move(world, id, "default"));
    cr_assert_eq(get(world, id)->revision, revision);
    world_close(world);
}

Test(move, is_refused_for_tasks_that_are_held_or_have_ended)
{
    struct world *world = world_new();

    (void)submit(world, "t");
    struct run_name run = claim(world, "a", "t");
    cr_assert_str_eq(move(world, run.task_id, "fast")->reason, "WRONG_STATE");
    start(world, run);
    cr_assert_str_eq(move(world, run.task_id, "fast")->reason, "WRONG_STATE");
    complete(world, run);
    cr_assert_str_eq(move(world, run.task_id, "fast")->reason, "WRONG_STATE");
    cr_assert_str_eq(move(world, 4711, "fast")->reason, "NO_SUCH_TASK");
    world_close(world);
}

Test(move, of_many_refuses_each_on_its_own)
{
    struct world *world = world_new();
    uint64_t ids[3];

    for (size_t i = 0; i < 3; i++)
        ids[i] = submit(world, "t");
    cancel(world, ids[1]);
    struct command command = move_of(ids, 3, "fast");
    const struct answer *answer = world_do(world, &command);
    cr_assert_null(answer->submit.outcomes[0].refusal);
    cr_assert_not_null(answer->submit.outcomes[1].refusal);
    cr_assert_null(answer->submit.outcomes[2].refusal);
    cr_assert_eq(claim_in(world, "fast"), ids[0]);
    cr_assert_eq(claim_in(world, "fast"), ids[2]);
    world_close(world);
}

Test(move, respects_the_bound_and_the_pause_of_the_other_queue)
{
    struct world *world = world_new();
    struct command set = {.kind = COMMAND_SET_QUEUE,
                          .set_queue = {.namespace = "", .queue = "fast", .has_length_max = true, .length_max = 1}};
    struct command pause = {.kind = COMMAND_PAUSE_QUEUE,
                            .pause_queue = {.namespace = "", .queue = "closed", .in = true, .reason = ""}};
    uint64_t first = submit(world, "t");
    uint64_t second = submit(world, "t");

    (void)world_do(world, &set);
    (void)world_do(world, &pause);
    cr_assert_null(move(world, first, "fast"));
    cr_assert_str_eq(move(world, second, "fast")->reason, "QUEUE_FULL");
    cr_assert_null(move(world, first, "fast"), "it is there already");
    cr_assert_str_eq(move(world, second, "closed")->reason, "QUEUE_PAUSED");
    world_close(world);
}

Test(move, keeps_the_namespace_type_and_limits_of_a_task)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");
    const char *limits[] = {"repo"};

    spec.namespace = "acme";
    spec.limits = limits;
    spec.limit_count = 1;
    uint64_t id = submit_spec(world, spec);
    cr_assert_null(move(world, id, "fast"));
    const struct task_view *task = get(world, id);
    cr_assert_str_eq(task->spec.namespace, "acme");
    cr_assert_str_eq(task->spec.agent_type, "t");
    cr_assert_eq(task->spec.limit_count, 1);
    world_close(world);
}

Test(move, takes_up_to_a_thousand_tasks)
{
    struct world *world = world_new();
    static uint64_t ids[MOVED_MAX + 1];

    for (size_t i = 0; i <= MOVED_MAX; i++)
        ids[i] = 4711 + i;
    struct command command = move_of(ids, MOVED_MAX, "fast");
    cr_assert_eq(world_do(world, &command)->submit.count, MOVED_MAX);
    command = move_of(ids, MOVED_MAX + 1, "fast");
    world_refused(world, &command, STATUS_INVALID_ARGUMENT, "BAD_FIELD");
    command = move_of(ids, 0, "fast");
    world_refused(world, &command, STATUS_INVALID_ARGUMENT, "BAD_FIELD");
    command = move_of(ids, 1, "");
    world_refused(world, &command, STATUS_INVALID_ARGUMENT, "BAD_FIELD");
    world_close(world);
}
