/* Fairness: keys take turns within one priority of one queue. */
#include "tests/broker/fixture.h"

#include "broker/core/lane.h"
#include "broker/core/limits.h"
#include "broker/core/turn.h"

#include <stdio.h>

static uint64_t submit_for(struct world *world, const char *fairness_key)
{
    struct task_spec spec = spec_of("claude");

    spec.fairness_key = fairness_key;
    return submit_spec(world, spec);
}

/* Claims one and says whose it was; it is completed at once. */
static const char *claim_whose(struct world *world, const char *agent_type)
{
    static char whose[FAIRNESS_KEY_MAX + 1];
    struct run_name run = claim_started(world, "build7", agent_type);

    (void)snprintf(whose, sizeof whose, "%s", get(world, run.task_id)->spec.fairness_key);
    complete(world, run);
    return whose;
}

static void expect(struct world *world, const char *const *whose, size_t count)
{
    for (size_t i = 0; i < count; i++)
        cr_assert_str_eq(claim_whose(world, "claude"), whose[i], "claim %zu", i);
}

Test(turns, of_two_keys_with_a_thousand_and_ten_tasks_alternate)
{
    struct world *world = world_new();

    for (int i = 0; i < 1000; i++)
        (void)submit_for(world, "alice");
    for (int i = 0; i < 10; i++)
        (void)submit_for(world, "bob");
    for (int i = 0; i < 10; i++)
        expect(world, (const char *const[]){"alice", "bob"}, 2);
    expect(world, (const char *const[]){"alice", "alice", "alice"}, 3);
    world_close(world);
}

Test(turns, of_a_key_that_comes_late_begin_at_the_present_and_bring_no_burst)
{
    struct world *world = world_new();

    for (int i = 0; i < 40; i++)
        (void)submit_for(world, "alice");
    for (int i = 0; i < 20; i++)
        expect(world, (const char *const[]){"alice"}, 1);
    for (int i = 0; i < 5; i++)
        (void)submit_for(world, "bob");
    expect(world, (const char *const[]){"alice", "bob", "alice", "bob", "alice", "bob"}, 6);
    world_close(world);
}

Test(turns, of_a_key_that_was_away_begin_at_the_present_again)
{
    struct world *world = world_new();

    (void)submit_for(world, "bob");
    expect(world, (const char *const[]){"bob"}, 1);
    for (int i = 0; i < 30; i++)
        (void)submit_for(world, "alice");
    for (int i = 0; i < 15; i++)
        expect(world, (const char *const[]){"alice"}, 1);
    for (int i = 0; i < 3; i++)
        (void)submit_for(world, "bob");
    expect(world, (const char *const[]){"alice", "bob", "alice", "bob"}, 4);
    world_close(world);
}

Test(turns, stay_below_priorities)
{
    struct world *world = world_new();
    struct task_spec urgent = spec_of("claude");

    for (int i = 0; i < 3; i++)
        (void)submit_for(world, "bob");
    urgent.fairness_key = "alice";
    urgent.priority = 1;
    for (int i = 0; i < 3; i++)
        (void)submit_spec(world, urgent);
    expect(world, (const char *const[]){"alice", "alice", "alice", "bob", "bob", "bob"}, 6);
    world_close(world);
}

Test(turns, of_tasks_without_a_key_are_those_of_one_key)
{
    struct world *world = world_new();

    for (int i = 0; i < 5; i++)
        (void)submit_for(world, "");
    (void)submit_for(world, "alice");
    (void)submit_for(world, "alice");
    expect(world, (const char *const[]){"", "alice", "", "alice", "", ""}, 6);
    world_close(world);
}

Test(turns, without_keys_are_the_order_of_submitting_also_for_what_was_delayed)
{
    struct world *world = world_new();
    struct task_spec delayed = spec_of("claude");

    delayed.delay_ms = 1000;
    uint64_t first = submit_spec(world, delayed);
    uint64_t second = submit(world, "claude");
    world_pass(world, 1000);
    cr_assert_eq(claim(world, "build7", "claude").task_id, first);
    cr_assert_eq(claim(world, "build7", "claude").task_id, second);
    world_close(world);
}

Test(turns, are_shared_by_the_lanes_of_all_agent_types_and_limits)
{
    struct world *world = world_new();
    static const char *const limits[] = {"anthropic"};
    struct task_spec other = spec_of("any");

    other.limits = limits;
    other.limit_count = 1;
    other.fairness_key = "bob";
    for (int i = 0; i < 4; i++)
        (void)submit_for(world, "alice");
    expect(world, (const char *const[]){"alice", "alice"}, 2);
    (void)submit_spec(world, other);
    (void)submit_spec(world, other);
    expect(world, (const char *const[]){"alice", "bob", "alice", "bob"}, 4);
    world_close(world);
}

Test(turns, are_kept_when_a_task_is_tried_again)
{
    struct world *world = world_new();

    uint64_t first = submit_for(world, "alice");
    (void)submit_for(world, "alice");
    struct run_name run = claim_started(world, "build7", "claude");
    cr_assert_eq(fail(world, run), TASK_SCHEDULED);
    world_pass(world, 60000);
    cr_assert_eq(claim(world, "build7", "claude").task_id, first);
    world_close(world);
}

Test(turns, outlive_a_restart)
{
    struct world *world = world_new();

    for (int i = 0; i < 10; i++)
        (void)submit_for(world, "alice");
    expect(world, (const char *const[]){"alice", "alice", "alice"}, 3);
    world_restart(world);
    for (int i = 0; i < 3; i++)
        (void)submit_for(world, "bob");
    (void)submit_for(world, "alice");
    expect(world, (const char *const[]){"alice", "bob", "alice", "bob"}, 4);
    world_close(world);
}

static size_t rows(struct world *world, enum broker_table table)
{
    struct store_txn *txn = NULL;
    struct bytes key;
    struct bytes value;
    size_t count = 0;

    cr_assert_eq(store_begin(world->store, STORE_READ, &txn), STATUS_OK);
    enum status status = store_seek(txn, table, (struct bytes){0}, &key, &value);
    for (; status == STATUS_OK; status = store_next(txn, table, &key, &value))
        count++;
    store_abort(&txn);
    return count;
}

Test(turns, of_keys_with_nothing_to_remember_are_forgotten)
{
    struct world *world = world_new();
    char key[32];

    for (int i = 0; i < 100; i++) {
        (void)snprintf(key, sizeof key, "user-%d", i);
        (void)submit_for(world, key);
    }
    cr_assert_eq(rows(world, TABLE_TURN), 100);
    for (int i = 0; i < 100; i++)
        (void)claim_whose(world, "claude");
    for (int i = 0; i < 20; i++)
        (void)submit_for(world, "");
    cr_assert_leq(rows(world, TABLE_TURN), 2);
    world_close(world);
}

Test(turns, of_a_queue_without_tasks_are_forgotten)
{
    struct world *world = world_new();

    (void)submit_for(world, "alice");
    (void)claim_whose(world, "claude");
    world_pass(world, 8 * DAY_MS);
    cr_assert_eq(rows(world, TABLE_TURN), 0);
    world_close(world);
}

Test(turns, have_keys_of_63_bytes_at_most)
{
    struct world *world = world_new();
    char key[FAIRNESS_KEY_MAX + 2] = "";
    struct task_spec spec = spec_of("claude");

    memset(key, 'k', FAIRNESS_KEY_MAX);
    (void)submit_for(world, key);
    cr_assert_str_eq(claim_whose(world, "claude"), key);
    key[FAIRNESS_KEY_MAX] = 'k';
    spec.fairness_key = key;
    struct command command = command_submit(&spec);
    cr_assert_str_eq(world_do(world, &command)->submit.outcomes[0].refusal->reason, "BAD_FIELD");
    world_close(world);
}

Test(turns, are_shared_by_those_who_come_when_too_many_keys_wait)
{
    struct lanes lanes = {0};
    struct queue *queue = lanes_type(&lanes, "default", "default", "any")->queue;
    char key[32];

    for (int i = 0; i < TURN_KEYS_MAX; i++) {
        (void)snprintf(key, sizeof key, "user-%d", i);
        cr_assert_eq(turn_give(&lanes.turns, queue, 5, key), 1);
    }
    cr_assert_eq(turn_give(&lanes.turns, queue, 5, "one more"), 1);
    cr_assert_eq(turn_give(&lanes.turns, queue, 5, "and another"), 2);
    cr_assert_eq(turn_give(&lanes.turns, queue, 5, ""), 3);
    cr_assert_eq(turn_give(&lanes.turns, queue, 5, "user-0"), 2);
    turns_drop_queue(&lanes.turns, queue, NULL);
    lanes_trim(&lanes, queue_find_type(queue, "any"));
}

Test(turns, do_not_count_between_queues_where_the_older_task_goes_first)
{
    struct world *world = world_new();
    static const char *const both[] = {"default", "night"};
    struct task_spec night = spec_of("claude");
    uint64_t ids[3];

    for (int i = 0; i < 10; i++)
        (void)submit_for(world, "");
    for (int i = 0; i < 9; i++)
        (void)claim_whose(world, "claude");
    night.queue = "night";
    for (int i = 0; i < 2; i++)
        ids[i] = submit_spec(world, night);
    ids[2] = submit(world, "claude");
    struct command command = command_claim(world, "build7", "claude");
    command.claim.queues = both;
    command.claim.queue_count = 2;
    command.claim.max = 4;
    const struct answer *answer = world_do(world, &command);
    cr_assert_eq(answer->claim.count, 4);
    for (size_t i = 0; i < 3; i++)
        cr_assert_eq(answer->claim.tasks[i + 1]->id, ids[i], "%zu", i);
    world_close(world);
}
