#include "broker/core/trail.h"

#include "tests/broker/fixture.h"

#include <stdlib.h>

/* One event with texts of its own, which hold until the test ends. */
struct seen {
    struct event event;
    char who[EVENT_TEXT_MAX + 1];
    char subject[EVENT_TEXT_MAX + 1];
    char why[EVENT_TEXT_MAX + 1];
};

static void keep_text(char *text, struct bytes bytes)
{
    memcpy(text, bytes.data, bytes.size);
    text[bytes.size] = '\0';
}

/* False when there is none of this revision. */
static bool look(struct world *world, uint64_t revision, struct seen *ret_seen)
{
    struct store_txn *txn = NULL;

    cr_assert_eq(store_begin(world->store, STORE_READ, &txn), STATUS_OK);
    bool found = trail_find(txn, revision, &ret_seen->event) == STATUS_OK;
    if (found) {
        keep_text(ret_seen->who, ret_seen->event.who);
        keep_text(ret_seen->subject, ret_seen->event.subject);
        keep_text(ret_seen->why, ret_seen->event.why);
    }
    store_abort(&txn);
    return found;
}

static struct seen last_event(struct world *world)
{
    struct seen seen = {0};

    cr_assert(look(world, broker_revision(world->broker), &seen));
    return seen;
}

static void expect_last(struct world *world, int kind, enum task_state from, enum task_state to)
{
    struct seen seen = last_event(world);

    cr_assert_eq((int)seen.event.kind, kind, "it is %s", event_name(seen.event.kind));
    cr_assert_eq(seen.event.from, from, "from %s", task_state_name(seen.event.from));
    cr_assert_eq(seen.event.to, to, "to %s", task_state_name(seen.event.to));
}

Test(event, is_appended_by_every_move_of_a_life)
{
    struct world *world = world_new();

    (void)submit(world, "t");
    expect_last(world, MOVE_SUBMIT, TASK_NONE, TASK_READY);
    struct run_name run = claim(world, "a", "t");
    expect_last(world, MOVE_CLAIM, TASK_READY, TASK_ASSIGNED);
    start(world, run);
    expect_last(world, MOVE_START, TASK_ASSIGNED, TASK_RUNNING);
    (void)fail(world, run);
    expect_last(world, MOVE_FAIL, TASK_RUNNING, TASK_SCHEDULED);
    world_pass(world, 300000);
    expect_last(world, MOVE_DUE, TASK_SCHEDULED, TASK_READY);
    complete(world, claim_started(world, "a", "t"));
    expect_last(world, MOVE_COMPLETE, TASK_RUNNING, TASK_COMPLETED);
    world_pass(world, 7ULL * 24 * 60 * 60 * 1000);
    expect_last(world, MOVE_REMOVE, TASK_COMPLETED, TASK_NONE);
    world_close(world);
}

Test(event, of_a_claim_that_starts_its_run_is_one_claim)
{
    struct world *world = world_new();

    (void)submit(world, "t");
    (void)claim_started(world, "a", "t");
    expect_last(world, MOVE_CLAIM, TASK_READY, TASK_RUNNING);
    cr_assert_eq(broker_revision(world->broker), 2);
    world_close(world);
}

Test(event, names_the_one_before_it_of_the_same_task)
{
    struct world *world = world_new();
    uint64_t first = submit(world, "t");

    (void)submit(world, "other");
    struct run_name run = claim(world, "a", "t");
    (void)submit(world, "other");
    start(world, run);
    struct seen seen = last_event(world);
    cr_assert_eq(seen.event.revision, 5);
    cr_assert_eq(seen.event.previous, 3);
    cr_assert(look(world, 3, &seen));
    cr_assert_eq(seen.event.previous, 1);
    cr_assert_eq(seen.event.task_id, first);
    cr_assert(look(world, 1, &seen));
    cr_assert_eq(seen.event.previous, 0);
    cr_assert_eq(get(world, first)->revision, 5);
    world_close(world);
}

Test(event, has_the_fence_the_time_and_the_queue)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");

    spec.namespace = "acme";
    spec.queue = "night";
    (void)submit_spec(world, spec);
    world_pass(world, 1234);
    struct command command = command_claim(world, "a", "t");
    command.claim.namespace = "acme";
    const char *queues[] = {"night"};
    command.claim.queues = queues;
    command.claim.queue_count = 1;
    (void)world_do(world, &command);
    struct seen seen = last_event(world);
    cr_assert_eq(seen.event.fence, 1);
    cr_assert_eq(seen.event.wall_ms, WALL_START_MS + 1234);
    cr_assert_eq(seen.event.store_ms, 1234);
    cr_assert_str_eq(seen.subject, "acme/night");
    world_close(world);
}

Test(event, says_who_asked)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");
    struct command command = command_submit(&spec);

    command.who = "alice";
    (void)world_do(world, &command);
    cr_assert_str_eq(last_event(world).who, "alice");
    world_close(world);
}

Test(event, of_a_run_is_by_its_holder)
{
    struct world *world = world_new();

    (void)submit(world, "t");
    struct run_name run = claim(world, "build7/claude1", "t");
    cr_assert_str_eq(last_event(world).who, "build7/claude1");
    struct command command = command_of_run(COMMAND_START, run);
    command.who = "uid 1000";
    (void)world_do(world, &command);
    cr_assert_str_eq(last_event(world).who, "build7/claude1");
    command = command_of_run(COMMAND_COMPLETE, run);
    command.who = "uid 1000";
    (void)world_do(world, &command);
    cr_assert_str_eq(last_event(world).who, "build7/claude1");
    world_close(world);
}

Test(event, of_a_run_that_the_broker_gives_back_itself_is_not_by_the_holder)
{
    struct world *world = world_new();

    (void)submit(world, "t");
    (void)release(world, claim(world, "a", "t"), 0);
    expect_last(world, MOVE_RELEASE, TASK_ASSIGNED, TASK_READY);
    cr_assert_str_eq(last_event(world).who, "");
    world_close(world);
}

Test(event, of_a_parked_claim_is_by_the_claimer_and_not_by_the_submitter)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");
    struct command waits = command_claim(world, "patient", "t");
    struct command submits = command_submit(&spec);
    struct seen seen = {0};

    waits.claim.waits = true;
    cr_assert_null(world_ask(world, &waits));
    submits.who = "alice";
    (void)world_do(world, &submits);
    cr_assert(look(world, 1, &seen));
    cr_assert_str_eq(seen.who, "alice");
    cr_assert(look(world, 2, &seen));
    cr_assert_str_eq(seen.who, "patient");
    world_close(world);
}

Test(event, that_the_broker_makes_itself_is_by_nobody)
{
    struct world *world = world_new();

    (void)submit(world, "t");
    (void)claim_started(world, "a", "t");
    world_pass(world, LEASE_MS);
    expect_last(world, MOVE_LOSE, TASK_RUNNING, TASK_SCHEDULED);
    cr_assert_str_eq(last_event(world).who, "");
    cr_assert_neq(strstr(last_event(world).why, "lease"), NULL);
    world_close(world);
}

Test(event, of_an_agent_that_starts_anew_is_by_that_agent)
{
    struct world *world = world_new();
    struct command command = {.kind = COMMAND_REGISTER,
                              .registration = {.agent_id = "a", .incarnation = 2, .host = "", .version = ""}};

    (void)submit(world, "t");
    (void)claim(world, "a", "t");
    (void)world_do(world, &command);
    expect_last(world, MOVE_RELEASE, TASK_ASSIGNED, TASK_READY);
    cr_assert_str_eq(last_event(world).who, "a");
    world_close(world);
}

Test(event, of_a_cancel_says_why)
{
    struct world *world = world_new();

    cancel(world, submit(world, "t"));
    expect_last(world, MOVE_CANCEL, TASK_READY, TASK_CANCELED);
    cr_assert_str_eq(last_event(world).why, "enough");
    (void)submit(world, "t");
    struct run_name run = claim_started(world, "a", "t");
    cancel(world, run.task_id);
    expect_last(world, EVENT_CANCELING, TASK_RUNNING, TASK_RUNNING);
    cr_assert_str_eq(last_event(world).why, "enough");
    (void)fail(world, run);
    expect_last(world, MOVE_CANCEL, TASK_RUNNING, TASK_CANCELED);
    cr_assert_str_eq(last_event(world).why, "enough");
    world_close(world);
}

Test(event, of_a_failure_has_its_message_cut_at_255_bytes_and_no_character_in_two)
{
    struct world *world = world_new();
    char message[400] = "";

    for (size_t i = 0; i < 254; i++)
        message[i] = 'm';
    strcpy(message + 254, "\xC3\xA9 and more");
    (void)submit(world, "t");
    struct command command = command_of_run(COMMAND_FAIL, claim_started(world, "a", "t"));
    command.fail.outcome.message = message;
    (void)world_do(world, &command);
    cr_assert_eq(strlen(last_event(world).why), 254);
    message[254] = 'm';
    message[255] = '\0';
    (void)submit(world, "t");
    command = command_of_run(COMMAND_FAIL, claim_started(world, "a", "t"));
    command.fail.outcome.message = message;
    (void)world_do(world, &command);
    cr_assert_eq(strlen(last_event(world).why), 255);
    world_close(world);
}

Test(event, is_not_made_by_what_nobody_sees_and_by_what_is_refused)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "t");
    struct run_name run = claim_started(world, "a", "t");
    struct command command = {.kind = COMMAND_RETRY, .retry = {.task_id = id}};
    uint64_t revision = broker_revision(world->broker);

    (void)beat(world, "a", run);
    world_refused(world, &command, STATUS_FAILED_PRECONDITION, "WRONG_STATE");
    world_pass(world, LEASE_MS - 1);
    (void)beat(world, "a", run);
    world_pass(world, 1);
    cr_assert_eq(broker_revision(world->broker), revision);
    world_close(world);
}

Test(event, with_a_flipped_bit_is_not_read)
{
    uint8_t bytes[128];
    struct world *world = world_new();
    struct store_txn *txn = NULL;
    struct key key = key_of_id(1);
    struct bytes value;
    struct trail_row row;

    (void)submit(world, "t");
    cr_assert_eq(store_begin(world->store, STORE_READ, &txn), STATUS_OK);
    cr_assert_eq(store_get(txn, TABLE_EVENT, key_bytes(&key), &value), STATUS_OK);
    cr_assert_leq(value.size, sizeof bytes);
    memcpy(bytes, value.data, value.size);
    value.data = bytes;
    store_abort(&txn);
    for (size_t bit = 0; bit < value.size * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
        cr_assert_not(trail_row_open(value, 1, &row));
        bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    cr_assert_not(trail_row_open(value, 2, &row));
    cr_assert(trail_row_open(value, 1, &row));
    world_close(world);
}

Test(event, of_every_move_has_a_name)
{
    for (int move = MOVE_SUBMIT; move < TASK_MOVES; move++) {
        cr_assert_not_null(event_name((enum event_kind)move));
        cr_assert(event_is_of_queue((enum event_kind)move));
    }
    cr_assert_null(event_name(EVENT_NONE));
    cr_assert_null(event_name(EVENT_KINDS));
    cr_assert_not(event_is_of_queue(EVENT_LIMIT_SET));
}

static void note(struct world *world, enum event_kind kind, const char *subject, const char *why)
{
    struct command command = {
        .kind = COMMAND_NOTE, .who = "alice", .note = {.kind = kind, .subject = subject, .why = why}};

    cr_assert_null(world_ask(world, &command));
}

Test(event, of_an_operators_act_has_no_task_and_says_who_on_what_and_why)
{
    struct world *world = world_new();

    (void)submit(world, "t");
    note(world, EVENT_QUEUE_PAUSED, "acme/night", "provider is down");
    (void)submit(world, "t");
    struct seen seen = {0};
    cr_assert(look(world, 2, &seen));
    cr_assert_eq(seen.event.kind, EVENT_QUEUE_PAUSED);
    cr_assert_eq(seen.event.task_id, 0);
    cr_assert_str_eq(seen.who, "alice");
    cr_assert_str_eq(seen.subject, "acme/night");
    cr_assert_str_eq(seen.why, "provider is down");
    world_close(world);
}

static void expect_damage(struct world *world, uint64_t revision)
{
    struct store_txn *txn = NULL;
    struct check_report report;
    struct key key = key_of_id(revision);

    world_check(world);
    cr_assert_eq(store_begin(world->store, STORE_WRITE, &txn), STATUS_OK);
    store_delete(txn, TABLE_EVENT, key_bytes(&key));
    cr_assert_eq(broker_check(txn, NULL, &report), STATUS_OK);
    cr_assert_gt(report.problems, 0, "that event %llu is missing was not found", (unsigned long long)revision);
    store_abort(&txn);
}

Test(check, finds_a_missing_event_wherever_it_is)
{
    struct world *world = world_new();

    (void)submit(world, "t");
    complete(world, claim_started(world, "a", "t"));
    for (uint64_t revision = 1; revision <= 3; revision++)
        expect_damage(world, revision);
    world_close(world);
}

Test(event, of_a_task_that_need_not_wait_any_more_says_for_whom_it_waited)
{
    struct world *world = world_new();
    uint64_t first = submit(world, "t");
    struct task_spec spec = spec_of("t");

    spec.depends_on = &first;
    spec.depends_on_count = 1;
    uint64_t second = submit_spec(world, spec);
    complete(world, claim_started(world, "a", "t"));
    struct seen seen = last_event(world);
    cr_assert_eq((int)seen.event.kind, MOVE_UNBLOCK);
    cr_assert_eq(seen.event.task_id, second);
    cr_assert_str_eq(seen.why, "task 0000-0001, the last that it waited for, has ended");
    world_close(world);
}
