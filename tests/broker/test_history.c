#include "broker/core/history.h"

#include "common/base/check.h"
#include "tests/broker/fixture.h"

#include <stdlib.h>

#define EVENTS_MAX 10
#define AGE_MS 1000000

static struct world *world_of_few_events(void)
{
    return world_new_with(&(struct broker_settings){.lease_ms = LEASE_SAID_MS,
                                                    .random_seed = 1,
                                                    .store_id = {1},
                                                    .events_max = EVENTS_MAX,
                                                    .events_age_ms = AGE_MS},
                          0);
}

static const struct answer *history(struct world *world, uint64_t task_id, uint32_t page_size, uint64_t page_token)
{
    struct command command = {
        .kind = COMMAND_HISTORY,
        .history = {.task_id = task_id, .page_size = page_size, .page_token = page_token},
    };

    return world_do(world, &command);
}

/* One share, read from a transaction of its own; it holds until the next. */
static struct event_page share_of(struct world *world, struct event_filter filter, uint64_t from)
{
    struct store_txn *txn = NULL;
    struct event_page page;

    if (filter.namespace == NULL)
        filter.namespace = "";
    if (filter.queue == NULL)
        filter.queue = "";
    arena_reset(&world->effects.arena);
    cr_assert_eq(store_begin(world->store, STORE_READ, &txn), STATUS_OK);
    cr_assert_eq(broker_events(world->broker, txn, &filter, from, &world->effects.arena, &page), STATUS_OK);
    store_abort(&txn);
    return page;
}

static struct event_page share(struct world *world, uint64_t from)
{
    return share_of(world, (struct event_filter){0}, from);
}

static uint64_t submit_in(struct world *world, const char *namespace, const char *queue)
{
    struct task_spec spec = spec_of("t");

    spec.namespace = namespace;
    spec.queue = queue;
    return submit_spec(world, spec);
}

Test(history, of_a_task_is_its_events_with_the_newest_first)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "t");

    (void)submit(world, "other");
    complete(world, claim_started(world, "a", "t"));
    (void)submit(world, "other");
    const struct answer *answer = history(world, id, 0, 0);
    cr_assert_eq(answer->history.count, 3);
    cr_assert_eq((int)answer->history.events[0].kind, MOVE_COMPLETE);
    cr_assert_eq((int)answer->history.events[1].kind, MOVE_CLAIM);
    cr_assert_eq((int)answer->history.events[2].kind, MOVE_SUBMIT);
    cr_assert_not(answer->history.is_trimmed);
    cr_assert_eq(answer->history.next_page_token, 0);
    world_close(world);
}

Test(history, comes_in_pages)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "t");

    (void)release(world, claim(world, "a", "t"), 0);
    (void)release(world, claim_started(world, "a", "t"), 0);
    const struct answer *answer = history(world, id, 2, 0);
    cr_assert_eq(answer->history.count, 2);
    uint64_t token = answer->history.next_page_token;
    cr_assert_eq(token, 3);
    answer = history(world, id, 2, token);
    cr_assert_eq(answer->history.events[0].revision, 3);
    token = answer->history.next_page_token;
    answer = history(world, id, 2, token);
    cr_assert_eq(answer->history.count, 1);
    cr_assert_eq(answer->history.next_page_token, 0);
    world_close(world);
}

Test(history, refuses_a_page_too_large_and_a_token_of_another_task)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "t");
    struct command command = {.kind = COMMAND_HISTORY, .history = {.task_id = id, .page_size = EVENTS_PAGE_MAX}};

    (void)submit(world, "t");
    (void)world_do(world, &command);
    command.history.page_size++;
    world_refused(world, &command, STATUS_INVALID_ARGUMENT, "BAD_FIELD");
    command.history = (struct command_history){.task_id = id, .page_token = 2};
    world_refused(world, &command, STATUS_INVALID_ARGUMENT, "BAD_FIELD");
    command.history = (struct command_history){.task_id = 2, .page_token = 1};
    world_refused(world, &command, STATUS_INVALID_ARGUMENT, "BAD_FIELD");
    command.history = (struct command_history){.task_id = 3};
    world_refused(world, &command, STATUS_NOT_FOUND, "NO_SUCH_TASK");
    world_close(world);
}

Test(history, whose_beginning_was_trimmed_says_so)
{
    struct world *world = world_of_few_events();
    uint64_t id = submit(world, "t");

    start(world, claim(world, "a", "t"));
    for (int i = 0; i < EVENTS_MAX - 1; i++)
        (void)submit(world, "other");
    world_pass(world, 1);
    const struct answer *answer = history(world, id, 0, 0);
    cr_assert_eq(answer->history.count, 1);
    cr_assert(answer->history.is_trimmed);
    cr_assert_eq(answer->history.next_page_token, 0);
    cr_assert_not(history(world, id + 1, 0, 0)->history.is_trimmed);
    (void)submit(world, "other");
    world_pass(world, 1);
    answer = history(world, id, 0, 0);
    cr_assert_eq(answer->history.count, 0);
    cr_assert(answer->history.is_trimmed);
    world_close(world);
}

Test(trimming, keeps_as_many_events_as_it_may_and_not_one_more)
{
    struct world *world = world_of_few_events();

    for (int i = 0; i < EVENTS_MAX; i++)
        (void)submit(world, "t");
    world_pass(world, 1);
    cr_assert_eq(share(world, 1).gap, 0);
    cr_assert_eq(share(world, 1).count, EVENTS_MAX);
    (void)submit(world, "t");
    world_pass(world, 1);
    cr_assert_eq(share(world, 1).gap, 2);
    cr_assert_eq(share(world, 1).count, EVENTS_MAX);
    world_close(world);
}

Test(trimming, removes_what_is_too_old)
{
    struct world *world = world_of_few_events();

    (void)submit(world, "t");
    world_pass(world, AGE_MS - 1);
    (void)submit(world, "t");
    cr_assert_eq(share(world, 1).gap, 0);
    world_pass(world, 1);
    cr_assert_eq(share(world, 1).gap, 2);
    cr_assert_eq(share(world, 1).count, 1);
    world_close(world);
}

Test(trimming, is_due_by_itself)
{
    struct world *world = world_of_few_events();
    struct store_txn *txn = NULL;
    uint64_t next_ms = 0;

    (void)submit(world, "t");
    world_pass(world, AGE_MS - 10);
    cr_assert_eq(store_begin(world->store, STORE_WRITE, &txn), STATUS_OK);
    cr_assert_eq(broker_next_ms(world->broker, txn, world->now, &next_ms), STATUS_OK);
    store_abort(&txn);
    cr_assert_leq(next_ms, 10);
    world_close(world);
}

Test(trimming, goes_on_where_it_was_after_a_restart)
{
    struct world *world = world_of_few_events();

    for (int i = 0; i < EVENTS_MAX + 5; i++)
        (void)submit(world, "t");
    world_restart(world);
    world_pass(world, 1);
    cr_assert_eq(share(world, 1).gap, 6);
    uint64_t id = submit(world, "t");
    cr_assert_eq(history(world, id, 0, 0)->history.events[0].revision, EVENTS_MAX + 6);
    world_close(world);
}

Test(trimming, does_at_most_twice_as_much_as_has_come_and_a_bit)
{
    struct world *world = world_new();

    for (int i = 0; i < 100; i++)
        (void)submit(world, "t");
    world->settings.events_max = 1;
    world->settings.tick_max = 10;
    world_restart(world);
    world_pass(world, 1);
    cr_assert_eq(share(world, 1).gap, 11);
    (void)submit(world, "t");
    cr_assert_eq(share(world, 1).gap, 21);
    world_pass(world, 1);
    cr_assert_eq(share(world, 1).gap, 33);
    world_close(world);
}

Test(events, are_read_in_one_order_without_holes)
{
    struct world *world = world_new();

    for (int i = 0; i < EVENTS_SHARE_MAX + 1; i++)
        (void)submit(world, "t");
    struct event_page page = share(world, 1);
    cr_assert_eq(page.count, EVENTS_SHARE_MAX);
    cr_assert(page.has_more);
    for (size_t i = 0; i < page.count; i++)
        cr_assert_eq(page.events[i].revision, i + 1);
    page = share(world, page.next);
    cr_assert_eq(page.count, 1);
    cr_assert_eq(page.events[0].revision, EVENTS_SHARE_MAX + 1);
    cr_assert_not(page.has_more);
    cr_assert_eq(share(world, page.next).count, 0);
    world_close(world);
}

Test(events, of_one_task_or_queue_can_be_asked_for)
{
    struct world *world = world_new();
    uint64_t first = submit_in(world, "acme", "night");

    (void)submit_in(world, "acme", "day");
    (void)submit_in(world, "other", "night");
    cancel(world, first);
    cr_assert_eq(share_of(world, (struct event_filter){.task_id = first}, 1).count, 2);
    cr_assert_eq(share_of(world, (struct event_filter){.namespace = "acme"}, 1).count, 3);
    cr_assert_eq(share_of(world, (struct event_filter){.queue = "night"}, 1).count, 3);
    struct event_page page = share_of(world, (struct event_filter){.namespace = "acme", .queue = "day"}, 1);
    cr_assert_eq(page.count, 1);
    cr_assert_eq(page.next, 5);
    cr_assert_eq(share_of(world, (struct event_filter){.namespace = "acm"}, 1).count, 0);
    world_close(world);
}

Test(events, that_a_filter_leaves_out_cost_a_bounded_look)
{
    struct world *world = world_new();

    for (int i = 0; i < EVENTS_LOOK_MAX + 1; i++)
        (void)submit(world, "t");
    struct event_page page = share_of(world, (struct event_filter){.task_id = EVENTS_LOOK_MAX + 1}, 1);
    cr_assert_eq(page.count, 0);
    cr_assert(page.has_more);
    cr_assert_eq(page.next, EVENTS_LOOK_MAX + 1);
    page = share_of(world, (struct event_filter){.task_id = EVENTS_LOOK_MAX + 1}, page.next);
    cr_assert_eq(page.count, 1);
    world_close(world);
}

static void damage(struct world *world, uint64_t revision)
{
    struct store_txn *txn = NULL;
    struct key key = key_of_id(revision);

    cr_assert_eq(store_begin(world->store, STORE_WRITE, &txn), STATUS_OK);
    store_put(txn, TABLE_EVENT, key_bytes(&key), bytes_of_text("no event"));
    cr_assert_eq(store_commit(&txn), STATUS_OK);
}

static void mend(struct world *world, uint64_t revision, struct bytes value)
{
    struct store_txn *txn = NULL;
    struct key key = key_of_id(revision);

    cr_assert_eq(store_begin(world->store, STORE_WRITE, &txn), STATUS_OK);
    store_put(txn, TABLE_EVENT, key_bytes(&key), value);
    cr_assert_eq(store_commit(&txn), STATUS_OK);
}

Test(events, behind_a_damaged_one_are_still_read_and_the_gap_is_told)
{
    struct world *world = world_new();
    struct store_txn *txn = NULL;
    struct key key = key_of_id(2);
    struct bytes value;
    uint8_t copy[256];
    uint64_t id = submit(world, "t");

    cancel(world, id);
    (void)submit(world, "t");
    cr_assert_eq(store_begin(world->store, STORE_READ, &txn), STATUS_OK);
    cr_assert_eq(store_get(txn, TABLE_EVENT, key_bytes(&key), &value), STATUS_OK);
    memcpy(copy, value.data, value.size);
    value.data = copy;
    store_abort(&txn);

    damage(world, 2);
    struct event_page page = share(world, 1);
    cr_assert_eq(page.count, 1);
    cr_assert_eq(page.next, 2);
    cr_assert(page.has_more);
    page = share(world, page.next);
    cr_assert_eq(page.gap, 3);
    cr_assert_eq(page.count, 1);
    cr_assert_eq(page.events[0].revision, 3);
    struct command command = {.kind = COMMAND_HISTORY, .history = {.task_id = id}};
    world_refused(world, &command, STATUS_DATA_LOSS, "DAMAGED_RECORD");
    mend(world, 2, value);
    world_close(world);
}

static uint64_t since(struct world *world, uint64_t store_ms)
{
    struct store_txn *txn = NULL;
    uint64_t revision = 0;

    cr_assert_eq(store_begin(world->store, STORE_READ, &txn), STATUS_OK);
    cr_assert_eq(broker_events_since(world->broker, txn, store_ms, &revision), STATUS_OK);
    store_abort(&txn);
    return revision;
}

Test(events, can_be_begun_at_a_time)
{
    struct world *world = world_new();

    cr_assert_eq(since(world, 0), 1);
    for (int i = 0; i < 20; i++) {
        (void)submit(world, "t");
        world_pass(world, 10);
    }
    cr_assert_eq(since(world, 0), 1);
    cr_assert_eq(since(world, 100), 11);
    cr_assert_eq(since(world, 101), 12);
    cr_assert_eq(since(world, 190), 20);
    cr_assert_eq(since(world, 191), 21);
    world_close(world);
}

Test(events, of_a_time_of_which_some_may_be_gone_begin_with_the_gap)
{
    struct world *world = world_of_few_events();

    for (int i = 0; i < EVENTS_MAX + 5; i++) {
        (void)submit(world, "t");
        world_pass(world, 10);
    }
    cr_assert_eq(since(world, 0), 5);
    cr_assert_eq(share(world, since(world, 0)).gap, 6);
    cr_assert_eq(since(world, 60), 7);
    cr_assert_eq(share(world, since(world, 60)).gap, 0);
    world_close(world);
}

/* As many tasks in one batch. */
static void submit_at_once(struct world *world, size_t count)
{
    struct task_spec *specs = allocate_zero(count, sizeof *specs);

    for (size_t i = 0; i < count; i++)
        specs[i] = spec_of("t");
    struct command command = {.kind = COMMAND_SUBMIT, .submit = {.specs = specs, .spec_count = count}};
    (void)world_do(world, &command);
    free(specs);
}

static size_t rows(struct world *world)
{
    struct store_txn *txn = NULL;
    struct bytes key;
    struct bytes value;
    size_t count = 0;

    cr_assert_eq(store_begin(world->store, STORE_READ, &txn), STATUS_OK);
    enum status status = store_seek(txn, TABLE_EVENT, (struct bytes){0}, &key, &value);
    for (; status == STATUS_OK; status = store_next(txn, TABLE_EVENT, &key, &value)) {
        cr_assert_leq(value.size, 2000);
        count++;
    }
    store_abort(&txn);
    return count;
}

Test(events, of_one_batch_share_rows_and_are_found_in_them)
{
    struct world *world = world_new();

    submit_at_once(world, 1000);
    cr_assert_lt(rows(world), 1000 / 20);
    for (uint64_t from = 1; from <= 1000; from += 7) {
        struct event_page page = share(world, from);
        cr_assert_eq(page.gap, 0);
        cr_assert_eq(page.events[0].revision, from);
        cr_assert_eq(page.events[0].task_id, from);
    }
    cr_assert_eq(history(world, 500, 0, 0)->history.events[0].revision, 500);
    world_close(world);
}

Test(trimming, takes_the_events_of_a_row_together)
{
    struct world *world = world_of_few_events();

    submit_at_once(world, 1000);
    world_pass(world, 1);
    struct event_page page = share(world, 1);
    cr_assert_leq(page.count, EVENTS_MAX);
    cr_assert_eq(page.gap + page.count, 1001);
    world_close(world);
}

Test(history, has_what_has_just_happened_in_the_same_batch)
{
    struct world *world = world_new();
    struct store_txn *txn = NULL;
    struct command cancels = {.kind = COMMAND_CANCEL, .token = 1, .cancel = {.task_id = 1, .reason = "enough"}};
    struct command reads = {.kind = COMMAND_HISTORY, .token = 2, .history = {.task_id = 1}};

    (void)submit(world, "t");
    effects_reset(&world->effects);
    cr_assert_eq(store_begin(world->store, STORE_WRITE, &txn), STATUS_OK);
    cr_assert_eq(broker_step(world->broker, txn, world->now, &cancels, &world->effects), STATUS_OK);
    cr_assert_eq(broker_step(world->broker, txn, world->now, &reads, &world->effects), STATUS_OK);
    cr_assert_eq(broker_settle(world->broker, txn, world->now), STATUS_OK);
    cr_assert_eq(store_commit(&txn), STATUS_OK);
    cr_assert_eq(world_answer_to(world, 2)->history.count, 2);
    world_close(world);
}

Test(events, in_the_middle_of_a_damaged_row_are_told_as_a_gap)
{
    struct world *world = world_new();
    struct store_txn *txn = NULL;
    struct key key = key_of_id(1);
    struct bytes value;
    uint8_t copy[2048];

    submit_at_once(world, 10);
    (void)submit(world, "t");
    cr_assert_eq(store_begin(world->store, STORE_READ, &txn), STATUS_OK);
    cr_assert_eq(store_get(txn, TABLE_EVENT, key_bytes(&key), &value), STATUS_OK);
    memcpy(copy, value.data, value.size);
    value.data = copy;
    store_abort(&txn);
    damage(world, 1);
    cr_assert_eq(share(world, 5).gap, 11);
    cr_assert_eq(share(world, 5).count, 1);
    cr_assert_eq(share(world, 11).gap, 0);
    mend(world, 1, value);
    cr_assert_eq(share(world, 5).count, 7);
    world_close(world);
}
