#include "broker/core/budget.h"
#include "tests/broker/fixture.h"

Test(budget, settles_what_is_new_in_each_heartbeat)
{
    struct world *world = world_new();
    uint64_t id = submit_spec(world, spec_with_budget(10 * DOLLAR, 1000, BREACH_SUSPEND));
    struct run_name run = claim_started(world, "a", "t");

    cr_assert_eq(beat_used(world, run, DOLLAR, 100), VERDICT_GO_ON);
    cr_assert_eq(beat_used(world, run, 3 * DOLLAR, 250), VERDICT_GO_ON);
    cr_assert_eq(used_by_tree(world, id).micro_dollars, 3 * DOLLAR);
    cr_assert_eq(used_by_tree(world, id).tokens, 250);
    cr_assert_eq(get(world, id)->used.tokens, 250);
    world_close(world);
}

Test(budget, is_not_charged_twice_for_a_repeat_and_never_less)
{
    struct world *world = world_new();
    uint64_t id = submit_spec(world, spec_with_budget(10 * DOLLAR, 0, BREACH_SUSPEND));
    struct run_name run = claim_started(world, "a", "t");

    (void)beat_used(world, run, 2 * DOLLAR, 0);
    uint64_t revision = broker_revision(world->broker);
    (void)beat_used(world, run, 2 * DOLLAR, 0);
    (void)beat_used(world, run, DOLLAR, 0);
    (void)beat_used(world, run, 0, 0);
    cr_assert_eq(used_by_tree(world, id).micro_dollars, 2 * DOLLAR);
    cr_assert_eq(broker_revision(world->broker), revision);
    world_close(world);
}

Test(budget, knows_after_a_restart_what_was_settled)
{
    struct world *world = world_new();
    uint64_t id = submit_spec(world, spec_with_budget(10 * DOLLAR, 0, BREACH_SUSPEND));
    struct run_name run = claim_started(world, "a", "t");

    (void)beat_used(world, run, 2 * DOLLAR, 0);
    world_restart(world);
    (void)beat_used(world, run, 3 * DOLLAR, 0);
    cr_assert_eq(used_by_tree(world, id).micro_dollars, 3 * DOLLAR);
    world_close(world);
}

Test(budget, is_charged_for_each_run_from_its_beginning)
{
    struct world *world = world_new();
    uint64_t id = submit_spec(world, spec_with_budget(10 * DOLLAR, 0, BREACH_SUSPEND));
    struct run_name run = claim_started(world, "a", "t");

    (void)beat_used(world, run, 2 * DOLLAR, 0);
    (void)release(world, run, 0);
    run = claim_started(world, "a", "t");
    (void)beat_used(world, run, DOLLAR, 0);
    cr_assert_eq(used_by_tree(world, id).micro_dollars, 3 * DOLLAR);
    world_close(world);
}

Test(budget, is_charged_with_every_way_in_which_a_run_ends)
{
    static const enum exit_kind exits[] = {EXIT_COMPLETED, EXIT_FAILED,   EXIT_CRASHED, EXIT_TIMED_OUT,
                                           EXIT_RELEASED,  EXIT_CANCELED, EXIT_LOST};
    static const enum command_kind words[] = {COMMAND_COMPLETE, COMMAND_FAIL, COMMAND_RELEASE, COMMAND_SUSPEND};
    const struct usage usage = {.micro_dollars = DOLLAR, .tokens = 7};
    struct world *world = world_new();
    uint64_t root = submit_spec(world, spec_with_budget(100 * DOLLAR, 0, BREACH_SUSPEND));
    uint64_t ends = 0;

    (void)claim_started(world, "other", "t");
    for (size_t i = 0; i < sizeof exits / sizeof exits[0]; i++) {
        (void)submit_child(world, root);
        struct command command = command_of_exit(claim_started(world, "a", "t"), exits[i]);
        command.report_exit.outcome.usage = usage;
        command.report_exit.final = true;
        command.report_exit.delay_ms = 100000000;
        (void)world_do(world, &command);
        (void)world_do(world, &command);
        cr_assert_eq(used_by_tree(world, root).micro_dollars, ++ends * DOLLAR, "exit %d", exits[i]);
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        (void)submit_child(world, root);
        struct command command = command_of_run(words[i], claim_started(world, "a", "t"));
        if (words[i] == COMMAND_COMPLETE)
            command.complete.outcome.usage = usage;
        if (words[i] == COMMAND_FAIL)
            command.fail.outcome.usage = usage;
        if (words[i] == COMMAND_RELEASE)
            command.release = (struct command_release){
                .run = command.release.run, .reason = "", .delay_ms = 100000000, .usage = usage};
        if (words[i] == COMMAND_SUSPEND)
            command.suspend.usage = usage;
        (void)world_do(world, &command);
        (void)world_do(world, &command);
        cr_assert_eq(used_by_tree(world, root).micro_dollars, ++ends * DOLLAR, "word %zu", i);
    }
    world_close(world);
}

Test(budget, is_not_charged_for_a_stale_run)
{
    struct world *world = world_new();
    uint64_t id = submit_spec(world, spec_with_budget(10 * DOLLAR, 0, BREACH_SUSPEND));
    struct run_name run = claim_started(world, "a", "t");

    (void)release(world, run, 0);
    (void)claim_started(world, "b", "t");
    cr_assert_eq(beat_used(world, run, 2 * DOLLAR, 0), VERDICT_STALE);
    struct command command = command_of_run(COMMAND_COMPLETE, run);
    command.complete.outcome.usage.micro_dollars = DOLLAR;
    world_refused(world, &command, STATUS_ABORTED, "STALE_FENCE");
    cr_assert_eq(used_by_tree(world, id).micro_dollars, 0);
    world_close(world);
}

Test(budget, lets_runs_go_on_below_its_bound_and_not_at_it)
{
    static const struct {
        struct usage used;
        enum verdict verdict;
    } cases[] = {
        {{2 * DOLLAR - 1, 99}, VERDICT_GO_ON},
        {{2 * DOLLAR, 0}, VERDICT_SUSPEND},
        {{2 * DOLLAR + 1, 0}, VERDICT_SUSPEND},
        {{0, 100}, VERDICT_SUSPEND},
        {{0, 101}, VERDICT_SUSPEND},
        {{UINT64_MAX, UINT64_MAX}, VERDICT_SUSPEND},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct world *world = world_new();
        (void)submit_spec(world, spec_with_budget(2 * DOLLAR, 100, BREACH_SUSPEND));
        struct run_name run = claim_started(world, "a", "t");
        cr_assert_eq(beat_used(world, run, cases[i].used.micro_dollars, cases[i].used.tokens), cases[i].verdict,
                     "case %zu", i);
        world_close(world);
    }
}

Test(budget, without_a_bound_for_tokens_counts_them_all_the_same)
{
    struct world *world = world_new();
    uint64_t id = submit_spec(world, spec_with_budget(DOLLAR, 0, BREACH_SUSPEND));
    struct run_name run = claim_started(world, "a", "t");

    cr_assert_eq(beat_used(world, run, 0, 1000000), VERDICT_GO_ON);
    cr_assert_eq(beat_used(world, run, 0, UINT64_MAX), VERDICT_GO_ON);
    cr_assert_eq(used_by_tree(world, id).tokens, UINT64_MAX);
    world_close(world);
}

Test(budget, of_a_child_draws_on_its_parents)
{
    struct world *world = world_new();
    uint64_t root = submit_spec(world, spec_with_budget(3 * DOLLAR, 0, BREACH_SUSPEND));
    struct run_name run = claim_started(world, "b", "t");
    struct task_spec spec = spec_with_budget(DOLLAR, 0, BREACH_SUSPEND);

    spec.parent_id = root;
    uint64_t child = submit_spec(world, spec);
    struct run_name inner = claim_started(world, "a", "t");
    uint64_t grandchild = submit_child(world, child);
    cr_assert_eq(beat_used(world, inner, DOLLAR, 0), VERDICT_SUSPEND);
    cr_assert_eq(used_by_tree(world, child).micro_dollars, DOLLAR);
    cr_assert_eq(used_by_tree(world, root).micro_dollars, DOLLAR);
    cr_assert_eq(get(world, grandchild)->budget.id, child);
    cr_assert_eq(beat(world, "b", run), VERDICT_GO_ON, "the outer one has room");
    claim_nothing(world, "a", "t");
    cr_assert_eq(get(world, grandchild)->withheld_by, child);
    world_close(world);
}

Test(budget, of_a_parent_stops_those_below_that_have_room_of_their_own)
{
    struct world *world = world_new();
    uint64_t root = submit_spec(world, spec_with_budget(DOLLAR, 0, BREACH_CANCEL));
    struct run_name run = claim_started(world, "a", "t");
    struct task_spec spec = spec_with_budget(100 * DOLLAR, 0, BREACH_SUSPEND);

    spec.parent_id = root;
    (void)submit_spec(world, spec);
    struct run_name inner = claim_started(world, "a", "t");
    cr_assert_eq(beat_used(world, run, DOLLAR, 0), VERDICT_STOP);
    cr_assert_eq(beat_used(world, inner, 0, 0), VERDICT_STOP, "the outer one's policy");
    world_close(world);
}

Test(budget, is_nested_sixteen_deep_and_not_deeper)
{
    struct world *world = world_new();
    struct task_spec spec = spec_with_budget(DOLLAR, 0, BREACH_SUSPEND);

    for (int i = 0; i < BUDGETS_DEEP_MAX; i++)
        spec.parent_id = submit_spec(world, spec);
    struct command command = command_submit(&spec);
    const struct answer *answer = world_do(world, &command);
    cr_assert_eq(answer->submit.outcomes[0].refusal->status, STATUS_FAILED_PRECONDITION);
    cr_assert_str_eq(answer->submit.outcomes[0].refusal->reason, "BUDGETS_TOO_DEEP");
    spec.budget = (struct budget){0};
    uint64_t deepest = submit_spec(world, spec);
    cr_assert_eq(get(world, deepest)->budget.id, spec.parent_id);
    world_close(world);
}

Test(budget, needs_a_bound_and_a_policy_that_there_is)
{
    struct world *world = world_new();
    struct task_spec specs[] = {spec_with_budget(0, 0, BREACH_SUSPEND),
                                spec_with_budget(1, 0, (enum breach_policy)(BREACH_CANCEL + 1))};

    for (size_t i = 0; i < 2; i++) {
        struct command command = command_submit(&specs[i]);
        const struct answer *answer = world_do(world, &command);
        cr_assert_str_eq(answer->submit.outcomes[0].refusal->reason, "BAD_FIELD");
    }
    world_close(world);
}

Test(budget, that_is_gone_with_its_task_bounds_nothing)
{
    struct world *world = world_new();
    struct task_spec spec = spec_with_budget(DOLLAR, 0, BREACH_SUSPEND);

    spec.retention_ms = 1000;
    uint64_t root = submit_spec(world, spec);
    struct run_name run = claim_started(world, "a", "t");
    uint64_t child = submit_child(world, root);
    struct command command = command_of_run(COMMAND_COMPLETE, run);
    command.complete.outcome.usage.micro_dollars = DOLLAR;
    (void)world_do(world, &command);
    claim_nothing(world, "a", "t");
    world_pass(world, 1000);
    resume(world, child, "");
    run = claim_started(world, "a", "t");
    cr_assert_eq(run.task_id, child);
    cr_assert_eq(beat_used(world, run, 9 * DOLLAR, 0), VERDICT_GO_ON);
    cr_assert_eq(get(world, child)->used.micro_dollars, 9 * DOLLAR);
    world_close(world);
}
