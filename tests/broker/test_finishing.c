/* Reports of exits, and tasks whose outcome is there before their output. */
#include "broker/core/limits.h"
#include "tests/broker/fixture.h"

#define SEAL_MS 3600000

static struct run_name running(struct world *world)
{
    struct task_spec spec = spec_of("t");

    spec.max_attempts = 2;
    (void)submit_spec(world, spec);
    return claim_supervised(world, "build7/c", "t");
}

static struct run_name finishing(struct world *world)
{
    struct run_name run = running(world);
    struct command command = command_of_exit(run, EXIT_COMPLETED);

    command.report_exit.streams_pending = true;
    command.report_exit.outcome.message = "done";
    const struct answer *answer = world_do(world, &command);
    cr_assert(answer->exit.finishing);
    cr_assert_eq(answer->exit.state, TASK_COMPLETED);
    return run;
}

static struct command command_finish(struct run_name run, bool output_incomplete)
{
    return (struct command){.kind = COMMAND_FINISH, .finish = {.run = run, .output_incomplete = output_incomplete}};
}

Test(exit_report, ends_a_run_in_every_way)
{
    static const struct {
        enum exit_kind how;
        enum task_state state;
        uint32_t attempts, crashes, interruptions;
    } cases[] = {
        {EXIT_COMPLETED, TASK_COMPLETED, 1, 0, 0}, {EXIT_FAILED, TASK_SCHEDULED, 1, 0, 0},
        {EXIT_CRASHED, TASK_SCHEDULED, 1, 1, 0},   {EXIT_TIMED_OUT, TASK_SCHEDULED, 1, 0, 0},
        {EXIT_RELEASED, TASK_READY, 0, 0, 1},      {EXIT_CANCELED, TASK_READY, 0, 0, 1},
        {EXIT_LOST, TASK_SCHEDULED, 1, 1, 0},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct world *world = world_new();
        struct run_name run = running(world);
        cr_assert_eq(report_exit(world, run, cases[i].how), cases[i].state, "how %d", cases[i].how);
        const struct task_view *task = get(world, run.task_id);
        cr_assert_eq(task->state, cases[i].state);
        cr_assert_eq(task->attempts, cases[i].attempts, "how %d", cases[i].how);
        cr_assert_eq(task->crashes, cases[i].crashes, "how %d", cases[i].how);
        cr_assert_eq(task->interruptions, cases[i].interruptions, "how %d", cases[i].how);
        cr_assert_eq(report_exit(world, run, cases[i].how), cases[i].state, "repeatable");
        cr_assert_eq(get(world, run.task_id)->crashes, cases[i].crashes, "charged once");
        world_close(world);
    }
}

Test(exit_report, ends_a_task_that_is_canceled_with_what_its_run_left)
{
    struct world *world = world_new();
    struct run_name run = running(world);
    struct command command = command_of_exit(run, EXIT_CANCELED);

    cancel(world, run.task_id);
    command.report_exit.outcome.message = "stopped";
    command.report_exit.outcome.signal = 15;
    cr_assert_eq(world_do(world, &command)->exit.state, TASK_CANCELED);
    cr_assert_eq(get(world, run.task_id)->outcome.signal, 15);
    world_close(world);
}

Test(exit_report, needs_a_way_that_it_ended_in)
{
    struct world *world = world_new();
    struct run_name run = running(world);

    for (int how = 0; how <= EXIT_KINDS; how += EXIT_KINDS) {
        struct command command = command_of_exit(run, (enum exit_kind)how);
        world_refused(world, &command, STATUS_INVALID_ARGUMENT, "BAD_FIELD");
    }
    world_close(world);
}

Test(finishing, task_has_its_outcome_and_is_held_by_nobody)
{
    struct world *world = world_new();
    struct run_name run = finishing(world);

    const struct task_view *task = get(world, run.task_id);
    cr_assert_eq(task->state, TASK_RUNNING);
    cr_assert(task->finishing);
    cr_assert_str_eq(task->outcome.message, "done");
    cr_assert_eq(broker_totals(world->broker).completed, 1);
    world_pass(world, 10ULL * LEASE_MS);
    cr_assert(get(world, run.task_id)->finishing, "it has no lease");
    cr_assert_eq(beat(world, "build7", run), VERDICT_GO_ON, "a heartbeat that was on its way");
    claim_nothing(world, "b", "t");
    world_close(world);
}

Test(finishing, task_ends_when_its_output_is_there)
{
    struct world *world = world_new();
    struct run_name run = finishing(world);
    struct command command = command_finish(run, false);

    cr_assert_eq(world_do(world, &command)->state, TASK_COMPLETED);
    command.token = 0;
    cr_assert_eq(world_do(world, &command)->state, TASK_COMPLETED, "repeatable");
    const struct task_view *task = get(world, run.task_id);
    cr_assert_not(task->finishing);
    cr_assert_not(task->output_incomplete);
    cr_assert_gt(task->ended_ms, 0);
    world_close(world);
}

Test(finishing, task_says_when_its_output_is_incomplete)
{
    struct world *world = world_new();
    struct run_name run = finishing(world);
    struct command command = command_finish(run, true);

    (void)world_do(world, &command);
    cr_assert(get(world, run.task_id)->output_incomplete);
    retry(world, run.task_id, true);
    run = claim_supervised(world, "build7/c", "t");
    cr_assert_not(get(world, run.task_id)->output_incomplete, "a new run has all of its own");
    world_close(world);
}

Test(finishing, task_ends_without_its_output_after_the_seal_timeout)
{
    struct world *world = world_new();
    struct run_name run = finishing(world);
    struct command command = command_finish(run, false);

    world_pass(world, SEAL_MS - 1);
    cr_assert(get(world, run.task_id)->finishing);
    world_restart(world);
    world_pass(world, 1);
    const struct task_view *task = get(world, run.task_id);
    cr_assert_eq(task->state, TASK_COMPLETED);
    cr_assert(task->output_incomplete);
    cr_assert_str_eq(task->outcome.message, "done");
    cr_assert_eq(world_do(world, &command)->state, TASK_COMPLETED, "whoever comes too late need not know");
    world_close(world);
}

Test(finishing, is_for_ends_only)
{
    struct world *world = world_new();
    struct run_name run = running(world);
    struct command command = command_of_exit(run, EXIT_FAILED);

    command.report_exit.streams_pending = true;
    const struct answer *answer = world_do(world, &command);
    cr_assert_not(answer->exit.finishing, "the next attempt need not wait for the output of this one");
    cr_assert_eq(answer->exit.state, TASK_SCHEDULED);
    struct command finish = command_finish(run, false);
    world_refused(world, &finish, STATUS_ABORTED, "STALE_FENCE");

    world_pass(world, 300000);
    run = claim_supervised(world, "build7/c", "t");
    command = command_of_exit(run, EXIT_FAILED);
    command.report_exit.streams_pending = true;
    cr_assert(world_do(world, &command)->exit.finishing);
    finish = command_finish(run, false);
    cr_assert_eq(world_do(world, &finish)->state, TASK_FAILED);
    world_close(world);
}

Test(finishing, task_has_ended_for_everybody_who_wants_to_change_it)
{
    struct world *world = world_new();
    struct run_name run = finishing(world);
    struct command cancel_it = {.kind = COMMAND_CANCEL, .cancel = {.task_id = run.task_id, .reason = ""}};
    struct command retry_it = {.kind = COMMAND_RETRY, .retry = {.task_id = run.task_id, .force = true}};
    struct command start_it = command_of_run(COMMAND_START, run);
    struct command fail_it = command_of_run(COMMAND_FAIL, run);

    world_refused(world, &cancel_it, STATUS_FAILED_PRECONDITION, "TASK_ENDED");
    world_refused(world, &retry_it, STATUS_FAILED_PRECONDITION, "WRONG_STATE");
    world_refused(world, &start_it, STATUS_ABORTED, "STALE_FENCE");
    world_refused(world, &fail_it, STATUS_ABORTED, "STALE_FENCE");
    complete(world, run); /* the word that ended it, once more */
    world_close(world);
}

Test(finishing, of_another_run_is_refused)
{
    struct world *world = world_new();
    struct run_name run = finishing(world);
    struct command commands[] = {
        command_finish((struct run_name){.task_id = run.task_id, .fence = run.fence + 1}, false),
        command_finish((struct run_name){.task_id = run.task_id}, false),
        command_finish(running(world), false),
    };

    for (size_t i = 0; i < 3; i++)
        world_refused(world, &commands[i], STATUS_ABORTED, "STALE_FENCE");
    world_close(world);
}

Test(finishing, is_told_by_events_as_what_it_is)
{
    struct world *world = world_new();
    struct run_name run = finishing(world);
    struct command finish = command_finish(run, false);
    struct command history = {.kind = COMMAND_HISTORY, .history = {.task_id = run.task_id}};

    (void)world_do(world, &finish);
    const struct answer *answer = world_do(world, &history);
    cr_assert_eq(answer->history.events[0].kind, (enum event_kind)MOVE_COMPLETE);
    cr_assert_eq(answer->history.events[1].kind, EVENT_FINISHING);
    cr_assert_eq(answer->history.events[1].to, TASK_RUNNING);
    world_close(world);
}
