#include "broker/core/ending.h"
#include "tests/broker/fixture.h"

/* The diagram of the design, once more and by other means: every arrow that there is. */
static const struct {
    enum task_move move;
    enum task_state from;
    enum task_state to;
} arrows[] = {
    {MOVE_SUBMIT, TASK_NONE, TASK_BLOCKED},
    {MOVE_SUBMIT, TASK_NONE, TASK_SCHEDULED},
    {MOVE_SUBMIT, TASK_NONE, TASK_READY},
    {MOVE_UNBLOCK, TASK_BLOCKED, TASK_SCHEDULED},
    {MOVE_UNBLOCK, TASK_BLOCKED, TASK_READY},
    {MOVE_FAIL_BLOCKED, TASK_BLOCKED, TASK_FAILED},
    {MOVE_FAIL_BLOCKED, TASK_BLOCKED, TASK_CANCELED},
    {MOVE_DUE, TASK_SCHEDULED, TASK_READY},
    {MOVE_EXPIRE, TASK_BLOCKED, TASK_EXPIRED},
    {MOVE_EXPIRE, TASK_SCHEDULED, TASK_EXPIRED},
    {MOVE_EXPIRE, TASK_READY, TASK_EXPIRED},
    {MOVE_CLAIM, TASK_READY, TASK_ASSIGNED},
    {MOVE_START, TASK_ASSIGNED, TASK_RUNNING},
    {MOVE_COMPLETE, TASK_RUNNING, TASK_COMPLETED},
    {MOVE_FAIL, TASK_RUNNING, TASK_SCHEDULED},
    {MOVE_FAIL, TASK_RUNNING, TASK_FAILED},
    {MOVE_RELEASE, TASK_ASSIGNED, TASK_READY},
    {MOVE_RELEASE, TASK_ASSIGNED, TASK_SCHEDULED},
    {MOVE_RELEASE, TASK_ASSIGNED, TASK_FAILED},
    {MOVE_RELEASE, TASK_RUNNING, TASK_READY},
    {MOVE_RELEASE, TASK_RUNNING, TASK_SCHEDULED},
    {MOVE_RELEASE, TASK_RUNNING, TASK_FAILED},
    {MOVE_LOSE, TASK_ASSIGNED, TASK_READY},
    {MOVE_LOSE, TASK_ASSIGNED, TASK_FAILED},
    {MOVE_LOSE, TASK_RUNNING, TASK_SCHEDULED},
    {MOVE_LOSE, TASK_RUNNING, TASK_SUSPENDED},
    {MOVE_LOSE, TASK_RUNNING, TASK_FAILED},
    {MOVE_SUSPEND, TASK_RUNNING, TASK_SUSPENDED},
    {MOVE_RESUME, TASK_SUSPENDED, TASK_READY},
    {MOVE_CANCEL, TASK_BLOCKED, TASK_CANCELED},
    {MOVE_CANCEL, TASK_SCHEDULED, TASK_CANCELED},
    {MOVE_CANCEL, TASK_READY, TASK_CANCELED},
    {MOVE_CANCEL, TASK_ASSIGNED, TASK_CANCELED},
    {MOVE_CANCEL, TASK_RUNNING, TASK_CANCELED},
    {MOVE_CANCEL, TASK_SUSPENDED, TASK_CANCELED},
    {MOVE_RETRY, TASK_COMPLETED, TASK_READY},
    {MOVE_RETRY, TASK_FAILED, TASK_READY},
    {MOVE_RETRY, TASK_CANCELED, TASK_READY},
    {MOVE_RETRY, TASK_EXPIRED, TASK_READY},
    {MOVE_ADOPT, TASK_SCHEDULED, TASK_COMPLETED},
    {MOVE_ADOPT, TASK_READY, TASK_COMPLETED},
    {MOVE_ADOPT, TASK_SUSPENDED, TASK_COMPLETED},
    {MOVE_ADOPT, TASK_FAILED, TASK_COMPLETED},
    {MOVE_ADOPT, TASK_CANCELED, TASK_COMPLETED},
    {MOVE_ADOPT, TASK_EXPIRED, TASK_COMPLETED},
    {MOVE_PUT_OFF, TASK_READY, TASK_SCHEDULED},
    {MOVE_WITHHOLD, TASK_READY, TASK_SUSPENDED},
    {MOVE_REMOVE, TASK_COMPLETED, TASK_NONE},
    {MOVE_REMOVE, TASK_FAILED, TASK_NONE},
    {MOVE_REMOVE, TASK_CANCELED, TASK_NONE},
    {MOVE_REMOVE, TASK_EXPIRED, TASK_NONE},
};

static bool is_an_arrow(int move, int from, int to)
{
    for (size_t i = 0; i < sizeof arrows / sizeof arrows[0]; i++)
        if ((int)arrows[i].move == move && (int)arrows[i].from == from && (int)arrows[i].to == to)
            return true;
    return false;
}

Test(moves, are_those_of_the_diagram_and_no_others)
{
    for (int move = 0; move < TASK_MOVES + 2; move++)
        for (int from = 0; from < TASK_STATES + 2; from++)
            for (int to = 0; to < TASK_STATES + 2; to++)
                cr_assert_eq(task_move_is_allowed((enum task_move)move, (enum task_state)from, (enum task_state)to),
                             is_an_arrow(move, from, to), "move %d from %d to %d", move, from, to);
}

/* A task in each state, and the fence of its last run (0 where it had none). */
static struct run_name task_in(struct world *world, enum task_state state)
{
    struct task_spec spec = spec_of("t");
    struct run_name run = {0};

    uint64_t dependency = 0;

    if (state == TASK_SCHEDULED)
        spec.delay_ms = 1000000;
    if (state == TASK_BLOCKED) {
        dependency = submit(world, "another");
        spec.depends_on = &dependency;
        spec.depends_on_count = 1;
    }
    if (state == TASK_EXPIRED)
        spec.expires_at_ms = world->now.wall_ms + 1000;
    run.task_id = submit_spec(world, spec);
    if (state == TASK_EXPIRED) {
        world_pass(world, 1000);
        return run;
    }
    if (state == TASK_BLOCKED || state == TASK_SCHEDULED || state == TASK_READY)
        return run;
    if (state == TASK_CANCELED) {
        cancel(world, run.task_id);
        return run;
    }
    run = claim(world, "a", "t");
    if (state != TASK_ASSIGNED)
        start(world, run);
    if (state == TASK_SUSPENDED)
        (void)suspend(world, run, "");
    if (state == TASK_COMPLETED)
        complete(world, run);
    if (state == TASK_FAILED) {
        struct command command = command_of_run(COMMAND_FAIL, run);
        command.fail.final = true;
        (void)world_do(world, &command);
    }
    cr_assert_eq(state_of(world, run.task_id), state);
    return run;
}

static const enum task_state all_states[] = {TASK_BLOCKED,   TASK_SCHEDULED, TASK_READY,  TASK_ASSIGNED, TASK_RUNNING,
                                             TASK_SUSPENDED, TASK_COMPLETED, TASK_FAILED, TASK_CANCELED, TASK_EXPIRED};

/* Asks in every state; where the word is not in good, it is refused and nothing has changed. */
static void expect_only_from(enum command_kind kind, uint32_t good)
{
    for (size_t i = 0; i < sizeof all_states / sizeof all_states[0]; i++) {
        struct world *world = world_new();
        struct run_name run = task_in(world, all_states[i]);
        uint64_t revision = broker_revision(world->broker);
        struct command command = command_of_run(kind, run);
        struct task_spec spec = spec_of("");

        if (kind == COMMAND_CANCEL)
            command = (struct command){.kind = kind, .cancel = {.task_id = run.task_id, .reason = ""}};
        if (kind == COMMAND_RETRY)
            command = (struct command){.kind = kind, .retry = {.task_id = run.task_id}};
        if (kind == COMMAND_ASK_SUSPEND)
            command = (struct command){.kind = kind, .ask_suspend = {.task_id = run.task_id, .reason = ""}};
        if (kind == COMMAND_UPDATE)
            command = command_update(run.task_id, "priority", &spec);
        if (kind == COMMAND_RESUME)
            command = (struct command){.kind = kind, .resume = {.task_id = run.task_id}};
        const struct answer *answer = world_ask(world, &command);
        bool is_good = (good >> all_states[i] & 1) != 0;
        cr_assert_eq(answer->refusal == NULL, is_good, "command %d at %s", kind, task_state_name(all_states[i]));
        if (!is_good) {
            cr_assert(answer->refusal->status == STATUS_FAILED_PRECONDITION ||
                      answer->refusal->status == STATUS_ABORTED);
            cr_assert_eq(broker_revision(world->broker), revision);
            cr_assert_eq(state_of(world, run.task_id), all_states[i]);
        }
        world_close(world);
    }
}

#define IN(state) (1U << TASK_##state)

Test(moves, start_is_for_held_tasks)
{
    expect_only_from(COMMAND_START, IN(ASSIGNED) | IN(RUNNING));
}

Test(moves, complete_is_for_running_tasks_and_repeats)
{
    expect_only_from(COMMAND_COMPLETE, IN(RUNNING) | IN(COMPLETED));
}

Test(moves, fail_is_for_running_tasks_and_repeats)
{
    expect_only_from(COMMAND_FAIL, IN(RUNNING) | IN(FAILED));
}

Test(moves, release_is_for_held_tasks)
{
    expect_only_from(COMMAND_RELEASE, IN(ASSIGNED) | IN(RUNNING));
}

Test(moves, cancel_is_for_tasks_that_live)
{
    expect_only_from(COMMAND_CANCEL,
                     IN(BLOCKED) | IN(SCHEDULED) | IN(READY) | IN(ASSIGNED) | IN(RUNNING) | IN(SUSPENDED));
}

Test(moves, retry_is_for_tasks_that_ended_badly)
{
    expect_only_from(COMMAND_RETRY, IN(FAILED) | IN(CANCELED) | IN(EXPIRED));
}

Test(moves, suspend_is_for_running_tasks_and_repeats)
{
    expect_only_from(COMMAND_SUSPEND, IN(RUNNING) | IN(SUSPENDED));
}

Test(moves, to_be_suspended_can_be_asked_of_held_tasks)
{
    expect_only_from(COMMAND_ASK_SUSPEND, IN(ASSIGNED) | IN(RUNNING));
}

Test(moves, update_is_for_tasks_that_nobody_holds)
{
    expect_only_from(COMMAND_UPDATE, IN(BLOCKED) | IN(SCHEDULED) | IN(READY) | IN(SUSPENDED));
}

Test(moves, resume_is_for_suspended_tasks)
{
    expect_only_from(COMMAND_RESUME, IN(SUSPENDED));
}

Test(moves, a_completed_task_is_done_again_only_by_force)
{
    struct world *world = world_new();
    struct run_name run = task_in(world, TASK_COMPLETED);
    struct command command = {.kind = COMMAND_RETRY, .retry = {.task_id = run.task_id}};

    world_refused(world, &command, STATUS_FAILED_PRECONDITION, "TASK_COMPLETED");
    retry(world, run.task_id, true);
    const struct task_view *task = get(world, run.task_id);
    cr_assert_eq(task->state, TASK_READY);
    cr_assert_eq(task->attempts, 0);
    cr_assert_eq(task->deliveries, 0);
    struct run_name again = claim(world, "b", "t");
    cr_assert_gt(again.fence, run.fence);
    world_close(world);
}

Test(moves, what_does_not_exist_is_not_found)
{
    struct world *world = world_new();
    struct run_name run = {.task_id = 77, .fence = 1};
    struct command commands[] = {
        command_of_run(COMMAND_START, run),
        command_of_run(COMMAND_COMPLETE, run),
        command_of_run(COMMAND_FAIL, run),
        command_of_run(COMMAND_RELEASE, run),
        command_of_run(COMMAND_SUSPEND, run),
        {.kind = COMMAND_GET, .get = {.task_id = 77}},
        {.kind = COMMAND_ASK_SUSPEND, .ask_suspend = {.task_id = 77, .reason = ""}},
        {.kind = COMMAND_RESUME, .resume = {.task_id = 77}},
        {.kind = COMMAND_CANCEL, .cancel = {.task_id = 77, .reason = ""}},
        {.kind = COMMAND_RETRY, .retry = {.task_id = 77}},
    };

    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        world_refused(world, &commands[i], STATUS_NOT_FOUND, "NO_SUCH_TASK");
    world_close(world);
}
