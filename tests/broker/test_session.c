#include "broker/core/session.h"
#include "tests/broker/fixture.h"

static const uint8_t session_id[SESSION_SIZE] = "a client's life";

static struct command in_session(const struct task_spec *specs, size_t count, uint64_t sequence, uint64_t acked_below)
{
    return (struct command){.kind = COMMAND_SUBMIT,
                            .submit = {.specs = specs,
                                       .spec_count = count,
                                       .session = {.data = session_id, .size = SESSION_SIZE},
                                       .sequence = sequence,
                                       .acked_below = acked_below}};
}

static uint64_t tasks_in(const struct world *world)
{
    uint64_t counts[TASK_STATES];
    uint64_t sum = 0;

    broker_counts(world->broker, counts);
    for (size_t i = 0; i < TASK_STATES; i++)
        sum += counts[i];
    return sum;
}

Test(session, a_repeated_submit_gets_the_first_answer)
{
    struct world *world = world_new();
    struct task_spec specs[] = {spec_of("t"), spec_of("t")};
    struct command command = in_session(specs, 2, 1, 0);
    const struct answer *answer = world_do(world, &command);
    uint64_t first = answer->submit.outcomes[0].task_id;

    world_restart(world);
    for (int i = 0; i < 3; i++) {
        command.token = 0;
        answer = world_do(world, &command);
        cr_assert_eq(answer->submit.outcomes[0].task_id, first);
        cr_assert_eq(answer->submit.outcomes[1].task_id, first + 1);
    }
    cr_assert_eq(tasks_in(world), 2);
    world_close(world);
}

Test(session, what_was_refused_is_judged_again_and_the_rest_keeps_its_ids)
{
    struct world *world = world_new();
    struct task_spec specs[] = {spec_of("t"), spec_of("not a type"), spec_of("t")};
    struct command command = in_session(specs, 3, 1, 0);
    const struct answer *answer = world_do(world, &command);
    uint64_t first = answer->submit.outcomes[0].task_id;
    uint64_t third = answer->submit.outcomes[2].task_id;

    cr_assert_str_eq(answer->submit.outcomes[1].refusal->reason, "BAD_FIELD");
    command.token = 0;
    answer = world_do(world, &command);
    cr_assert_eq(answer->submit.outcomes[0].task_id, first);
    cr_assert_not_null(answer->submit.outcomes[1].refusal);
    specs[1].agent_type = "t";
    command.token = 0;
    answer = world_do(world, &command);
    cr_assert_eq(answer->submit.outcomes[0].task_id, first);
    cr_assert_gt(answer->submit.outcomes[1].task_id, third);
    cr_assert_eq(answer->submit.outcomes[2].task_id, third);
    cr_assert_eq(tasks_in(world), 3);
    world_close(world);
}

Test(session, submits_without_one_are_new_each_time)
{
    struct world *world = world_new();

    cr_assert_neq(submit(world, "t"), submit(world, "t"));
    world_close(world);
}

Test(session, a_sequence_stands_for_one_submit)
{
    struct world *world = world_new();
    struct task_spec specs[] = {spec_of("t"), spec_of("t")};
    struct command command = in_session(specs, 2, 1, 0);

    (void)world_do(world, &command);
    command = in_session(specs, 1, 1, 0);
    world_refused(world, &command, STATUS_INVALID_ARGUMENT, "SEQUENCE_REUSED");
    world_close(world);
}

Test(session, what_was_acknowledged_cannot_be_repeated)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");

    for (uint64_t sequence = 1; sequence <= 5; sequence++) {
        struct command command = in_session(&spec, 1, sequence, sequence == 5 ? 4 : 0);
        (void)world_do(world, &command);
    }
    struct command command = in_session(&spec, 1, 3, 0);
    world_refused(world, &command, STATUS_FAILED_PRECONDITION, "SEQUENCE_ACKED");
    command = in_session(&spec, 1, 4, 0);
    cr_assert_eq(world_do(world, &command)->submit.outcomes[0].task_id, 4);
    world_close(world);
}

Test(session, one_open_submit_too_many_is_refused_until_some_are_acknowledged)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");

    for (uint64_t sequence = 1; sequence <= SUBMITS_OPEN_MAX; sequence++) {
        struct command command = in_session(&spec, 1, sequence, 0);
        (void)world_do(world, &command);
    }
    struct command command = in_session(&spec, 1, SUBMITS_OPEN_MAX + 1, 0);
    world_refused(world, &command, STATUS_RESOURCE_EXHAUSTED, "TOO_MANY_OPEN_SUBMITS");
    cr_assert_eq(tasks_in(world), SUBMITS_OPEN_MAX);
    command = in_session(&spec, 1, SUBMITS_OPEN_MAX, 0);
    (void)world_do(world, &command);
    cr_assert_eq(tasks_in(world), SUBMITS_OPEN_MAX, "a repeat is no new one");
    command = in_session(&spec, 1, SUBMITS_OPEN_MAX + 1, 2);
    (void)world_do(world, &command);
    world_close(world);
}

Test(session, that_is_not_known_any_more_is_not_taken_for_a_new_one)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");
    struct command command = in_session(&spec, 1, 1, 0);

    (void)world_do(world, &command);
    command = in_session(&spec, 1, 2, 2);
    (void)world_do(world, &command);
    world_pass(world, SESSION_IDLE_MAX_MS);
    command = in_session(&spec, 1, 2, 2);
    world_refused(world, &command, STATUS_FAILED_PRECONDITION, "SESSION_EXPIRED");
    command = in_session(&spec, 1, 3, 0);
    world_refused(world, &command, STATUS_FAILED_PRECONDITION, "SESSION_EXPIRED");
    cr_assert_eq(tasks_in(world), 2);
    world_close(world);
}

Test(session, begins_with_whichever_of_its_first_submits_comes_first)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");
    struct command command = in_session(&spec, 1, 3, 1);

    uint64_t third = world_do(world, &command)->submit.outcomes[0].task_id;
    command = in_session(&spec, 1, 1, 1);
    cr_assert_eq(world_do(world, &command)->submit.outcomes[0].task_id, third + 1);
    command = in_session(&spec, 1, 3, 1);
    cr_assert_eq(world_do(world, &command)->submit.outcomes[0].task_id, third);
    world_close(world);
}

Test(session, is_dropped_when_it_was_idle_for_a_day)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");
    struct command command = in_session(&spec, 1, 1, 0);

    spec.retention_ms = 366ULL * 24 * 3600 * 1000;
    uint64_t id = world_do(world, &command)->submit.outcomes[0].task_id;
    world_pass(world, SESSION_IDLE_MAX_MS - 1000);
    command = in_session(&spec, 1, 2, 0);
    (void)world_do(world, &command);
    world_pass(world, SESSION_IDLE_MAX_MS - 1);
    command = in_session(&spec, 1, 1, 0);
    cr_assert_eq(world_do(world, &command)->submit.outcomes[0].task_id, id);
    world_pass(world, SESSION_IDLE_MAX_MS);
    command = in_session(&spec, 1, 1, 0);
    cr_assert_gt(world_do(world, &command)->submit.outcomes[0].task_id, id + 1);
    world_close(world);
}

Test(submit, of_an_atomic_batch_takes_all_or_none)
{
    struct world *world = world_new();
    struct task_spec specs[] = {spec_of("t"), spec_of("t"), spec_of("t")};
    struct command command = {.kind = COMMAND_SUBMIT, .submit = {.specs = specs, .spec_count = 3, .atomic = true}};

    specs[2].priority = 10;
    const struct answer *answer = world_ask(world, &command);
    cr_assert_eq(answer->refusal->status, STATUS_INVALID_ARGUMENT);
    cr_assert_not_null(strstr(answer->refusal->message, "tasks[2].priority"), "%s", answer->refusal->message);
    cr_assert_eq(tasks_in(world), 0);
    specs[2].priority = 9;
    command.token = 0;
    cr_assert_eq(world_do(world, &command)->submit.count, 3);
    cr_assert_eq(tasks_in(world), 3);
    world_close(world);
}

Test(submit, into_a_store_that_is_nearly_full_is_refused_and_nothing_else_is)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");
    struct command command = command_submit(&spec);

    (void)submit(world, "t");
    command.submit.store_is_nearly_full = true;
    const struct answer *answer = world_do(world, &command);
    cr_assert_eq(answer->submit.outcomes[0].refusal->status, STATUS_RESOURCE_EXHAUSTED);
    cr_assert_str_eq(answer->submit.outcomes[0].refusal->reason, "STORE_FULL");
    command.submit.atomic = true;
    command.token = 0;
    world_refused(world, &command, STATUS_RESOURCE_EXHAUSTED, "STORE_FULL");
    complete(world, claim_started(world, "a", "t"));
    world_close(world);
}

Test(submit, into_a_full_store_fails_whole_and_the_core_goes_on_from_what_is_stored)
{
    struct world *world = world_new_with(&(struct broker_settings){.lease_ms = LEASE_SAID_MS}, 20000);
    struct store_txn *txn = NULL;
    struct error error = {0};
    struct command parked = command_claim(world, "waiting", "other");

    uint64_t id = submit(world, "t");
    parked.claim.waits = true;
    cr_assert_null(world_ask(world, &parked));

    cr_assert_eq(store_begin(world->store, STORE_WRITE, &txn), STATUS_OK);
    struct task_spec spec = spec_of("t");
    enum status status = STATUS_OK;
    for (int i = 0; i < 200 && status == STATUS_OK; i++) {
        struct command command = command_submit(&spec);
        effects_reset(&world->effects);
        status = broker_step(world->broker, txn, world->now, &command, &world->effects);
    }
    cr_assert(status == STATUS_OK || status == STATUS_RESOURCE_EXHAUSTED);
    cr_assert_eq(store_commit(&txn), STATUS_RESOURCE_EXHAUSTED);

    effects_reset(&world->effects);
    cr_assert_eq(store_begin(world->store, STORE_READ, &txn), STATUS_OK);
    cr_assert_eq(broker_open(world->broker, txn, &world->effects, &error), STATUS_OK);
    store_abort(&txn);
    const struct answer *answer = world_answer_to(world, parked.token);
    cr_assert_not_null(answer, "whoever waited is told");
    cr_assert_eq(answer->refusal->status, STATUS_UNAVAILABLE);
    cr_assert_eq(tasks_in(world), 1);
    cr_assert_eq(claim(world, "a", "t").task_id, id);
    world_close(world);
}
