/* What a command costs does not depend on how many tasks wait: operations on the store are counted, with one task
 * waiting and with many. */
#include "tests/broker/fixture.h"

#include "common/store/store.h"

#define BACKLOG 50000
#define SUBMIT_MAX 1000

static uint64_t operations;

/* The linker puts these in the place of the store's own (--wrap). */
enum status __real_store_get(struct store_txn *txn, uint32_t table, struct bytes key, struct bytes *ret_value);
enum status __wrap_store_get(struct store_txn *txn, uint32_t table, struct bytes key, struct bytes *ret_value);
void __real_store_put(struct store_txn *txn, uint32_t table, struct bytes key, struct bytes value);
void __wrap_store_put(struct store_txn *txn, uint32_t table, struct bytes key, struct bytes value);
void __real_store_put_append(struct store_txn *txn, uint32_t table, struct bytes key, struct bytes value);
void __wrap_store_put_append(struct store_txn *txn, uint32_t table, struct bytes key, struct bytes value);
void __real_store_delete(struct store_txn *txn, uint32_t table, struct bytes key);
void __wrap_store_delete(struct store_txn *txn, uint32_t table, struct bytes key);
enum status __real_store_seek(struct store_txn *txn, uint32_t table, struct bytes key, struct bytes *ret_key,
                              struct bytes *ret_value);
enum status __wrap_store_seek(struct store_txn *txn, uint32_t table, struct bytes key, struct bytes *ret_key,
                              struct bytes *ret_value);
enum status __real_store_next(struct store_txn *txn, uint32_t table, struct bytes *ret_key, struct bytes *ret_value);
enum status __wrap_store_next(struct store_txn *txn, uint32_t table, struct bytes *ret_key, struct bytes *ret_value);

enum status __wrap_store_get(struct store_txn *txn, uint32_t table, struct bytes key, struct bytes *ret_value)
{
    operations++;
    return __real_store_get(txn, table, key, ret_value);
}

void __wrap_store_put(struct store_txn *txn, uint32_t table, struct bytes key, struct bytes value)
{
    operations++;
    __real_store_put(txn, table, key, value);
}

void __wrap_store_put_append(struct store_txn *txn, uint32_t table, struct bytes key, struct bytes value)
{
    operations++;
    __real_store_put_append(txn, table, key, value);
}

void __wrap_store_delete(struct store_txn *txn, uint32_t table, struct bytes key)
{
    operations++;
    __real_store_delete(txn, table, key);
}

enum status __wrap_store_seek(struct store_txn *txn, uint32_t table, struct bytes key, struct bytes *ret_key,
                              struct bytes *ret_value)
{
    operations++;
    return __real_store_seek(txn, table, key, ret_key, ret_value);
}

enum status __wrap_store_next(struct store_txn *txn, uint32_t table, struct bytes *ret_key, struct bytes *ret_value)
{
    operations++;
    return __real_store_next(txn, table, ret_key, ret_value);
}

static const char *const full[] = {"full"};

static struct task_spec limited_spec(void)
{
    struct task_spec spec = spec_of("claude");

    spec.limits = full;
    spec.limit_count = 1;
    return spec;
}

static void submit_many(struct world *world, struct task_spec spec, size_t count)
{
    static struct task_spec specs[SUBMIT_MAX];

    for (size_t i = 0; i < SUBMIT_MAX; i++)
        specs[i] = spec;
    for (size_t left = count; left > 0;) {
        struct command command = command_submit(&spec);
        command.submit.specs = specs;
        command.submit.spec_count = left < SUBMIT_MAX ? left : SUBMIT_MAX;
        left -= command.submit.spec_count;
        (void)world_do(world, &command);
    }
}

typedef void act_fn(struct world *world);

static uint64_t cost_of(struct world *world, act_fn *act)
{
    operations = 0;
    act(world);
    return operations;
}

/* Once with one task waiting and once with many. Each act comes a first time before it is counted: what it does only
 * then (an agent that is new, the head of a lane that is not known yet) is no matter of the backlog. */
static void assert_costs_the_same(struct task_spec spec, act_fn *prepare, act_fn *act)
{
    static const size_t counts[2] = {2, BACKLOG};
    uint64_t costs[2];

    for (size_t i = 0; i < 2; i++) {
        struct world *world = world_new();
        submit_many(world, spec, counts[i]);
        if (prepare != NULL)
            prepare(world);
        act(world);
        costs[i] = cost_of(world, act);
        world_close(world);
    }
    cr_assert_gt(costs[0], 0);
    cr_expect_eq(costs[1], costs[0], "%llu operations with %zu tasks, %llu with %zu", (unsigned long long)costs[0],
                 counts[0], (unsigned long long)costs[1], counts[1]);
}

static void live(struct world *world)
{
    (void)submit(world, "claude");
    complete(world, claim_started(world, "a", "claude"));
}

Test(backlog, of_50000_tasks_makes_a_life_no_operation_longer)
{
    assert_costs_the_same(spec_of("claude"), NULL, live);
}

static void ask_for_queues(struct world *world)
{
    struct command command = {.kind = COMMAND_QUEUE_STATS, .queue_stats = {.namespace = ""}};

    cr_assert_eq(world_do(world, &command)->queue_stats.count, 1);
}

Test(backlog, of_50000_tasks_makes_the_answer_about_queues_no_operation_longer)
{
    assert_costs_the_same(spec_of("claude"), NULL, ask_for_queues);
}

Test(backlog, of_50000_tasks_makes_a_start_no_operation_longer)
{
    assert_costs_the_same(spec_of("claude"), NULL, world_restart);
}

static void set_limit(struct world *world, bool sets_max, uint32_t max_running, bool sets_pause, uint64_t pause_ms)
{
    struct command command = {.kind = COMMAND_SET_LIMIT,
                              .who = "uid 0",
                              .set_limit = {.name = full[0],
                                            .reason = "",
                                            .has_max_running = sets_max,
                                            .max_running = max_running,
                                            .has_pause = sets_pause,
                                            .pause_for_ms = pause_ms}};

    (void)world_do(world, &command);
}

static void fill_limit(struct world *world)
{
    set_limit(world, true, 1, false, 0);
    (void)claim_started(world, "holder", "claude");
}

Test(backlog, behind_a_full_limit_makes_the_life_of_a_free_task_no_operation_longer)
{
    assert_costs_the_same(limited_spec(), fill_limit, live);
}

static void pause_and_resume(struct world *world)
{
    set_limit(world, false, 0, true, 1000);
    set_limit(world, false, 0, true, 0);
}

Test(backlog, behind_a_limit_makes_its_pause_and_its_end_no_operation_longer)
{
    assert_costs_the_same(limited_spec(), NULL, pause_and_resume);
}
