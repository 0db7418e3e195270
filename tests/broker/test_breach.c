#include "tests/broker/fixture.h"

static bool has_event(struct world *world, enum event_kind kind, uint64_t task_id, const char *who)
{
    struct command command = {.kind = COMMAND_HISTORY, .history = {.task_id = task_id}};
    const struct answer *answer = world_do(world, &command);

    for (size_t i = 0; i < answer->history.count; i++)
        if (answer->history.events[i].kind == kind && bytes_equal(answer->history.events[i].who, bytes_of_text(who)))
            return true;
    return false;
}

static const struct wait_reason *why(struct world *world, uint64_t task_id)
{
    struct command command = {.kind = COMMAND_WHY, .why = {.task_id = task_id}};
    const struct answer *answer = world_do(world, &command);

    return answer->why.count > 0 ? &answer->why.reasons[0] : NULL;
}

Test(breach, suspends_the_run_that_caused_it_in_its_reply_and_the_others_of_the_tree_at_their_next)
{
    struct world *world = world_new();
    uint64_t root = submit_spec(world, spec_with_budget(DOLLAR, 0, BREACH_SUSPEND));
    struct run_name first = claim_started(world, "a", "t");
    (void)submit_child(world, root);
    struct run_name second = claim_started(world, "a", "t");
    (void)submit(world, "t");
    struct run_name stranger = claim_started(world, "a", "t");

    cr_assert_eq(beat_used(world, first, DOLLAR / 2, 0), VERDICT_GO_ON);
    cr_assert_eq(beat_used(world, second, DOLLAR / 2, 0), VERDICT_SUSPEND);
    cr_assert_eq(beat_used(world, first, DOLLAR / 2, 0), VERDICT_SUSPEND);
    cr_assert_eq(beat_used(world, stranger, 5 * DOLLAR, 0), VERDICT_GO_ON);
    cr_assert(get(world, root)->suspending);
    cr_assert_eq(suspend(world, first, ""), TASK_SUSPENDED);
    cr_assert_eq(get(world, root)->withheld_by, root);
    cr_assert(strstr(get(world, root)->suspend_reason, "is used up") != NULL);
    world_close(world);
}

Test(breach, keeps_further_runs_of_the_tree_from_beginning_and_nobody_elses)
{
    struct world *world = world_new();
    uint64_t root = submit_breached(world, BREACH_SUSPEND);
    struct task_spec late = spec_of("t");
    uint64_t child = submit_child(world, root);
    uint64_t other = submit(world, "t");

    cr_assert_eq(claim(world, "a", "t").task_id, other, "it stands behind the child");
    cr_assert_eq(state_of(world, child), TASK_SUSPENDED);
    cr_assert_eq(get(world, child)->withheld_by, root);
    late.parent_id = root;
    late.delay_ms = 1000;
    uint64_t later = submit_spec(world, late);
    world_pass(world, 1000);
    cr_assert_eq(state_of(world, later), TASK_READY);
    claim_nothing(world, "a", "t");
    cr_assert_eq(state_of(world, later), TASK_SUSPENDED);
    world_close(world);
}

Test(breach, of_many_tasks_moves_a_bounded_number_aside_per_batch_and_goes_on)
{
    struct world *world = world_new();
    uint64_t root = submit_breached(world, BREACH_SUSPEND);
    struct task_spec specs[1000];

    for (size_t i = 0; i < 1000; i++) {
        specs[i] = spec_of("t");
        specs[i].parent_id = root;
    }
    for (int i = 0; i < 3; i++) {
        struct command command = command_submit(specs);
        command.submit.spec_count = 1000;
        (void)world_do(world, &command);
    }
    uint64_t other = submit(world, "t");
    struct command command = command_claim(world, "a", "t");
    command.claim.waits = true;
    cr_assert_null(world_ask(world, &command));
    uint64_t counts[TASK_STATES];
    broker_counts(world->broker, counts);
    cr_assert_eq(counts[TASK_READY], 2001);
    for (int i = 0; i < 3 && world_answer_to(world, command.token) == NULL; i++)
        world_pass(world, 0);
    const struct answer *answer = world_answer_to(world, command.token);
    cr_assert_not_null(answer, "the batches went on with it by themselves");
    cr_assert_eq(answer->claim.tasks[0]->id, other);
    world_close(world);
}

/* All in one batch: its settling frees the lane. */
Test(breach, of_many_tasks_that_are_moved_before_the_next_batch_is_over_with_them)
{
    struct world *world = world_new();
    uint64_t root = submit_breached(world, BREACH_SUSPEND);
    struct task_spec specs[1000];
    uint64_t ids[1002] = {root};
    struct store_txn *txn = NULL;

    for (size_t i = 0; i < 1000; i++) {
        specs[i] = spec_of("t");
        specs[i].parent_id = root;
    }
    struct command submits = command_submit(specs);
    submits.submit.spec_count = 1000;
    const struct answer *answer = world_do(world, &submits);
    for (size_t i = 0; i < 1000; i++)
        ids[i + 1] = answer->submit.outcomes[i].task_id;
    ids[1001] = submit_child(world, root);
    const struct command commands[] = {
        command_claim(world, "a", "t"),
        {.kind = COMMAND_MOVE, .move = {.task_ids = ids, .task_count = 1000, .queue = "other", .reason = ""}},
        {.kind = COMMAND_MOVE, .move = {.task_ids = ids + 1000, .task_count = 2, .queue = "other", .reason = ""}},
    };
    effects_reset(&world->effects);
    cr_assert_eq(store_begin(world->store, STORE_WRITE, &txn), STATUS_OK);
    cr_assert_eq(broker_tick(world->broker, txn, world->now, &world->effects), STATUS_OK);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        cr_assert_eq(broker_step(world->broker, txn, world->now, &commands[i], &world->effects), STATUS_OK);
    cr_assert_eq(broker_settle(world->broker, txn, world->now), STATUS_OK);
    cr_assert_eq(store_commit(&txn), STATUS_OK);
    world_pass(world, 0);
    cr_assert_eq(state_of(world, ids[1001]), TASK_READY, "it waits in the other queue");
    world_close(world);
}

Test(breach, that_cancels_stops_runs_and_cancels_what_would_begin)
{
    struct world *world = world_new();
    uint64_t root = submit_breached(world, BREACH_CANCEL);

    cr_assert_eq(state_of(world, root), TASK_CANCELED);
    struct task_spec spec = spec_with_budget(DOLLAR, 0, BREACH_CANCEL);
    uint64_t second = submit_spec(world, spec);
    struct run_name run = claim_started(world, "a", "t");
    uint64_t child = submit_child(world, second);
    cr_assert_eq(beat_used(world, run, DOLLAR, 0), VERDICT_STOP);
    claim_nothing(world, "a", "t");
    cr_assert_eq(state_of(world, child), TASK_CANCELED);
    cr_assert(strstr(get(world, child)->cancel_reason, "is used up") != NULL);
    world_close(world);
}

Test(breach, that_comes_with_the_end_of_a_run_keeps_the_next_one_from_beginning)
{
    struct world *world = world_new();
    uint64_t id = submit_spec(world, spec_with_budget(0, 10, BREACH_SUSPEND));
    struct command command = command_of_run(COMMAND_FAIL, claim_started(world, "a", "t"));

    command.fail.outcome.usage.tokens = 10;
    cr_assert_eq(world_do(world, &command)->state, TASK_SCHEDULED);
    world_pass(world, 100000);
    claim_nothing(world, "a", "t");
    cr_assert_eq(state_of(world, id), TASK_SUSPENDED);
    world_close(world);
}

Test(breach, of_a_run_that_an_operator_suspends_is_not_what_suspended_it)
{
    struct world *world = world_new();
    uint64_t id = submit_spec(world, spec_with_budget(DOLLAR, 0, BREACH_SUSPEND));
    struct run_name run = claim_started(world, "a", "t");

    ask_suspend(world, id);
    cr_assert_eq(beat_used(world, run, DOLLAR, 0), VERDICT_SUSPEND);
    (void)suspend(world, run, "as asked");
    cr_assert_eq(get(world, id)->withheld_by, 0);
    (void)set_budget(world, id, 2 * DOLLAR);
    cr_assert_eq(state_of(world, id), TASK_SUSPENDED);
    world_close(world);
}

Test(breach, is_one_event_by_the_run_that_caused_it)
{
    struct world *world = world_new();
    uint64_t id = submit_spec(world, spec_with_budget(DOLLAR, 0, BREACH_SUSPEND));
    struct run_name run = claim_started(world, "a", "t");
    uint64_t revision = broker_revision(world->broker);

    (void)beat_used(world, run, DOLLAR, 0);
    cr_assert_eq(broker_revision(world->broker), revision + 2, "BUDGET_BREACHED and SUSPENDING");
    (void)beat_used(world, run, 2 * DOLLAR, 0);
    cr_assert_eq(broker_revision(world->broker), revision + 2);
    cr_assert(has_event(world, EVENT_SUSPENDING, id, ""), "the broker itself asks for it");
    world_close(world);
}

Test(raise, resumes_what_the_budget_has_suspended_and_nothing_else)
{
    struct world *world = world_new();
    uint64_t root = submit_breached(world, BREACH_SUSPEND);
    uint64_t child = submit_child(world, root);
    claim_nothing(world, "a", "t");
    uint64_t asking = submit(world, "u");
    (void)suspend(world, claim_started(world, "a", "u"), "which branch?");

    world_restart(world);
    const struct answer *answer = set_budget(world, root, 2 * DOLLAR);
    cr_assert_gt(answer->job_id, 0);
    cr_assert_eq(answer->budget.budget.micro_dollars, 2 * DOLLAR);
    cr_assert_eq(answer->budget.budget.on_breach, BREACH_SUSPEND, "what is not said stays");
    cr_assert_eq(state_of(world, root), TASK_READY);
    cr_assert_eq(state_of(world, child), TASK_READY);
    cr_assert_eq(state_of(world, asking), TASK_SUSPENDED);
    cr_assert_eq(get(world, root)->spec.budget.micro_dollars, 2 * DOLLAR);
    cr_assert(has_event(world, (enum event_kind)MOVE_RESUME, child, "alice"));
    world_close(world);
}

Test(raise, to_what_is_used_already_resumes_nothing_and_one_more_all)
{
    struct world *world = world_new();
    uint64_t root = submit_breached(world, BREACH_SUSPEND);

    cr_assert_eq(set_budget(world, root, DOLLAR)->job_id, 0);
    cr_assert_eq(state_of(world, root), TASK_SUSPENDED);
    (void)set_budget(world, root, DOLLAR + 1);
    cr_assert_eq(state_of(world, root), TASK_READY);
    world_close(world);
}

Test(raise, before_the_run_has_given_back_lets_it_begin_again_at_once)
{
    struct world *world = world_new();
    uint64_t id = submit_spec(world, spec_with_budget(DOLLAR, 0, BREACH_SUSPEND));
    struct run_name run = claim_started(world, "a", "t");

    (void)beat_used(world, run, DOLLAR, 0);
    (void)set_budget(world, id, 2 * DOLLAR);
    cr_assert_eq(suspend(world, run, "as asked"), TASK_SUSPENDED);
    cr_assert_eq(state_of(world, id), TASK_READY);
    world_close(world);
}

Test(raise, of_one_budget_leaves_what_another_one_keeps_back_to_that)
{
    struct world *world = world_new();
    uint64_t root = submit_spec(world, spec_with_budget(DOLLAR, 0, BREACH_SUSPEND));
    struct task_spec spec = spec_with_budget(DOLLAR, 0, BREACH_SUSPEND);

    (void)claim(world, "b", "t");
    spec.parent_id = root;
    uint64_t child = submit_spec(world, spec);
    struct run_name run = claim_started(world, "a", "t");
    cr_assert_eq(beat_used(world, run, DOLLAR, 0), VERDICT_SUSPEND);
    (void)suspend(world, run, "");
    (void)set_budget(world, child, 5 * DOLLAR);
    cr_assert_eq(state_of(world, child), TASK_SUSPENDED);
    cr_assert_eq(get(world, child)->withheld_by, root);
    (void)set_budget(world, root, 5 * DOLLAR);
    cr_assert_eq(state_of(world, child), TASK_READY);
    world_close(world);
}

Test(raise, leaves_a_lost_run_that_an_operator_is_to_look_at_to_that_operator)
{
    struct world *world = world_new();
    struct task_spec spec = spec_with_budget(DOLLAR, 0, BREACH_SUSPEND);

    spec.on_lost = LOST_HOLD;
    uint64_t id = submit_spec(world, spec);
    struct run_name run = claim_supervised(world, "a", "t");
    cr_assert_eq(beat_used(world, run, DOLLAR, 0), VERDICT_SUSPEND);
    for (int i = 0; i < 100 && state_of(world, id) != TASK_SUSPENDED; i++)
        world_pass(world, LEASE_MS);
    cr_assert_eq(state_of(world, id), TASK_SUSPENDED);
    (void)set_budget(world, id, 2 * DOLLAR);
    cr_assert_eq(state_of(world, id), TASK_SUSPENDED);
    world_close(world);
}

Test(raise, of_more_than_a_thousand_goes_on_by_slices)
{
    struct world *world = world_new();
    uint64_t root = submit_breached(world, BREACH_SUSPEND);
    struct task_spec specs[1000];
    uint64_t counts[TASK_STATES];

    for (size_t i = 0; i < 1000; i++) {
        specs[i] = spec_of("t");
        specs[i].parent_id = root;
    }
    for (int i = 0; i < 2; i++) {
        struct command command = command_submit(specs);
        command.submit.spec_count = 1000;
        (void)world_do(world, &command);
        claim_nothing(world, "a", "t");
    }
    (void)set_budget(world, root, 2 * DOLLAR);
    broker_counts(world->broker, counts);
    cr_assert_eq(counts[TASK_READY], 1000);
    for (int i = 0; i < 10; i++)
        world_pass(world, 0);
    broker_counts(world->broker, counts);
    cr_assert_eq(counts[TASK_READY], 2001);
    world_close(world);
}

Test(set_budget, is_for_tasks_that_brought_one_and_leaves_a_bound)
{
    struct world *world = world_new();
    uint64_t id = submit_spec(world, spec_with_budget(DOLLAR, 0, BREACH_SUSPEND));
    struct command command = command_set_budget(submit_child(world, id), DOLLAR);

    world_refused(world, &command, STATUS_FAILED_PRECONDITION, "NO_BUDGET");
    command = command_set_budget(77, DOLLAR);
    world_refused(world, &command, STATUS_NOT_FOUND, "NO_SUCH_TASK");
    command = command_set_budget(id, 0);
    world_refused(world, &command, STATUS_INVALID_ARGUMENT, "BAD_FIELD");
    command.set_budget.has_micro_dollars = false;
    world_refused(world, &command, STATUS_INVALID_ARGUMENT, "BAD_FIELD");
    command.set_budget.on_breach = (enum breach_policy)3;
    world_refused(world, &command, STATUS_INVALID_ARGUMENT, "BAD_FIELD");
    command.set_budget.on_breach = BREACH_CANCEL;
    cr_assert_eq(world_do(world, &command)->budget.budget.on_breach, BREACH_CANCEL);
    world_close(world);
}

Test(set_budget, below_what_is_used_stops_the_tree)
{
    struct world *world = world_new();
    uint64_t id = submit_spec(world, spec_with_budget(10 * DOLLAR, 0, BREACH_SUSPEND));
    struct run_name run = claim_started(world, "a", "t");

    cr_assert_eq(beat_used(world, run, 5 * DOLLAR, 0), VERDICT_GO_ON);
    (void)set_budget(world, id, 4 * DOLLAR);
    cr_assert_eq(beat_used(world, run, 5 * DOLLAR, 0), VERDICT_SUSPEND);
    world_close(world);
}

Test(breach, of_two_budgets_cancels_when_either_does)
{
    struct world *world = world_new();
    uint64_t root = submit_spec(world, spec_with_budget(DOLLAR, 0, BREACH_CANCEL));
    struct task_spec spec = spec_with_budget(DOLLAR, 0, BREACH_SUSPEND);

    (void)claim(world, "b", "t");
    spec.parent_id = root;
    uint64_t child = submit_spec(world, spec);
    struct run_name run = claim_started(world, "a", "t");
    cr_assert_eq(beat_used(world, run, DOLLAR, 0), VERDICT_STOP);
    cr_assert(get(world, child)->canceling);
    world_close(world);
}

Test(breach, refuses_a_resume_and_a_retry_until_the_budget_is_raised)
{
    struct world *world = world_new();
    uint64_t id = submit_breached(world, BREACH_SUSPEND);
    struct command command = {.kind = COMMAND_RESUME, .resume = {.task_id = id}};

    world_refused(world, &command, STATUS_FAILED_PRECONDITION, "BUDGET_BREACHED");
    cancel(world, id);
    command = (struct command){.kind = COMMAND_RETRY, .retry = {.task_id = id}};
    world_refused(world, &command, STATUS_FAILED_PRECONDITION, "BUDGET_BREACHED");
    cr_assert_eq(set_budget(world, id, 2 * DOLLAR)->job_id, 0, "it ended: it is kept back no more");
    retry(world, id, false);
    cr_assert_eq(state_of(world, id), TASK_READY);
    world_close(world);
}

Test(why, names_the_budget_and_its_figures)
{
    struct world *world = world_new();
    uint64_t root = submit_breached(world, BREACH_SUSPEND);
    uint64_t child = submit_child(world, root);
    const struct wait_reason *reason = why(world, child);

    cr_assert_eq(reason->kind, WAIT_BUDGET, "before its turn has come");
    cr_assert_eq(reason->task_id, root);
    cr_assert(strstr(reason->text, "is used up: 1.00 of 1.00 dollars") != NULL, "%s", reason->text);
    claim_nothing(world, "a", "t");
    cr_assert_eq(why(world, child)->kind, WAIT_BUDGET);
    (void)set_budget(world, root, 2 * DOLLAR);
    cr_assert_neq(why(world, child)->kind, WAIT_BUDGET);
    world_close(world);
}
