#include "broker/core/verify.h"

#include "broker/core/checkpoint.h"
#include "broker/core/record.h"
#include "common/base/id.h"

#include <stdarg.h>
#include <string.h>

#define TASKS_PER_LOOK 1024

void problem(struct scan *scan, const char *format, ...)
{
    struct check_report *report = scan->report;
    va_list arguments;

    if (report->problems++ >= CHECK_NAMED_MAX)
        return;
    va_start(arguments, format);
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized)
    (void)vsnprintf(report->named[report->problems - 1], sizeof report->named[0], format, arguments);
    va_end(arguments);
}

static enum status check_rows(struct scan *scan, const struct task *task)
{
    struct index_row rows[INDEX_ROWS_MAX];
    size_t count = task_rows(task->id, &task->now, rows);
    char text[ID_TEXT_SIZE];

    for (size_t i = 0; i < count; i++) {
        struct bytes value;
        enum status status = store_get(scan->txn, rows[i].table, key_bytes(&rows[i].key), &value);
        if (status == STATUS_NOT_FOUND) {
            problem(scan, "task %s is %s but not in table %s", id_format(task->id, text),
                    task_state_name(task->now.state), broker_schema.names[rows[i].table]);
            continue;
        }
        TRY(status);
        scan->expected[rows[i].table]++;
    }
    return STATUS_OK;
}

/* No task may have a turn ahead of what its key was given, or that turn will be given once more. */
static void check_turn(struct scan *scan, const struct task *task, const char *fairness_key)
{
    const struct lane *lane = lanes_by_number(&scan->lanes, task->now.lane);
    char text[ID_TEXT_SIZE];

    if (lane != NULL && task->now.turn > turn_last(lane->type->queue, task->now.priority, fairness_key))
        problem(scan, "task %s has turn %llu, which was not given yet", id_format(task->id, text),
                (unsigned long long)task->now.turn);
}

static enum status check_body(struct scan *scan, const struct task *task, const struct counters *counters)
{
    struct key key = key_of_id(task->id);
    struct bytes value;
    struct task_spec spec;
    char text[ID_TEXT_SIZE];
    enum status status = store_get(scan->txn, TABLE_TASK, key_bytes(&key), &value);

    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        return status;
    arena_reset(&scan->arena);
    if (status == STATUS_NOT_FOUND || !record_read_body(value, task->id, &scan->arena, &spec)) {
        problem(scan, "the body of task %s is missing or damaged", id_format(task->id, text));
    } else {
        check_turn(scan, task, spec.fairness_key);
        TRY(check_waits(scan, task, &spec));
        TRY(check_key_of_task(scan, task, spec.idempotency_key, counters));
    }
    scan->expected[TABLE_TASK] += status == STATUS_OK;
    return STATUS_OK;
}

static enum status check_outcome(struct scan *scan, const struct task *task)
{
    struct key key = key_of_id(task->id);
    struct bytes value;
    struct outcome outcome;
    char text[ID_TEXT_SIZE];

    if (!task->has_outcome)
        return STATUS_OK;
    enum status status = store_get(scan->txn, TABLE_RESULT, key_bytes(&key), &value);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        return status;
    if (status == STATUS_NOT_FOUND || !record_read_outcome(value, task->id, &outcome))
        problem(scan, "the outcome of task %s is missing or damaged", id_format(task->id, text));
    scan->expected[TABLE_RESULT] += status == STATUS_OK;
    return STATUS_OK;
}

/* It is one of those that run by the limits of its lane. */
static void count_against_limits(struct scan *scan, const struct lane *lane, uint64_t id)
{
    char text[ID_TEXT_SIZE];

    for (size_t i = 0; i < lane->limit_count; i++) {
        struct limit *limit = lane->limits[i].limit;
        if (limit->running == 0)
            problem(scan, "limit %s counts too few running tasks (task %s)", limit->name, id_format(id, text));
        else
            limit->running--;
    }
}

static enum status check_checkpoint(struct scan *scan, const struct task *task)
{
    struct key key = key_of_id(task->id);
    struct checkpoint checkpoint;
    struct bytes value;
    char text[ID_TEXT_SIZE];

    if (!task->has_checkpoint)
        return STATUS_OK;
    enum status status = store_get(scan->txn, TABLE_CHECKPOINT, key_bytes(&key), &value);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        return status;
    if (status == STATUS_NOT_FOUND || !checkpoint_read(value, task->id, &checkpoint))
        problem(scan, "the checkpoint of task %s is missing or damaged", id_format(task->id, text));
    scan->expected[TABLE_CHECKPOINT] += status == STATUS_OK;
    return STATUS_OK;
}

static void count_task(struct scan *scan, const struct task *task)
{
    struct lane *lane = lanes_by_number(&scan->lanes, task->now.lane);
    char text[ID_TEXT_SIZE];

    scan->report->tasks++;
    if (lane == NULL || lane->counts[task->now.state] == 0)
        problem(scan, "lane %u counts too few tasks in state %s (task %s)", task->now.lane,
                task_state_name(task->now.state), id_format(task->id, text));
    else
        lane->counts[task->now.state]--;
    if (lane != NULL && task_is_held(task->now.state) && !task->now.finishing)
        count_against_limits(scan, lane, task->id);
    if (!task->now.finishing)
        return;
    if (lane == NULL || lane->finishing == 0)
        problem(scan, "lane %u counts too few finishing tasks (task %s)", task->now.lane, id_format(task->id, text));
    else
        lane->finishing--;
}

static void check_limits(struct scan *scan, const struct task *task, const struct counters *counters)
{
    char text[ID_TEXT_SIZE];

    if (task->id > counters->task_id || task->fence > counters->fence || task->revision > counters->revision)
        problem(scan, "task %s is ahead of the store's counters", id_format(task->id, text));
    if (task_is_held(task->now.state) && task->fence == 0)
        problem(scan, "task %s is held without a fence", id_format(task->id, text));
}

static bool goes_on(const struct scan *scan)
{
    const struct check_watch *watch = scan->watch;

    return watch == NULL || watch->on_progress == NULL || watch->on_progress(scan->report, watch->data);
}

static enum status scan_tasks(struct scan *scan, const struct counters *counters)
{
    struct key first = key_of_id(0);
    struct bytes key;
    struct bytes value;
    struct task task;
    char text[ID_TEXT_SIZE];
    enum status status = store_seek(scan->txn, TABLE_STATE, key_bytes(&first), &key, &value);

    for (; status == STATUS_OK; status = store_next(scan->txn, TABLE_STATE, &key, &value)) {
        uint64_t id = key_read_id(key);
        if (!record_read_task(value, id, &task)) {
            problem(scan, "the state of task %s is damaged", id_format(id, text));
            continue;
        }
        count_task(scan, &task);
        if (scan->report->tasks % TASKS_PER_LOOK == 0 && !goes_on(scan))
            return STATUS_CANCELED;
        check_limits(scan, &task, counters);
        TRY(check_rows(scan, &task));
        TRY(check_body(scan, &task, counters));
        TRY(check_outcome(scan, &task));
        TRY(check_checkpoint(scan, &task));
        TRY(check_budget_of_task(scan, &task));
        TRY(check_last_event(scan, &task, counters));
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static enum status count_rows(struct scan *scan, enum broker_table table, uint64_t *ret_count)
{
    struct bytes key;
    struct bytes value;
    enum status status = store_seek(scan->txn, table, (struct bytes){0}, &key, &value);

    *ret_count = 0;
    for (; status == STATUS_OK; status = store_next(scan->txn, table, &key, &value))
        ++*ret_count;
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* Every session and every remembered claim has one timer beside those of the tasks. */
static enum status check_counts(struct scan *scan, const struct counters *counters)
{
    static const enum broker_table tables[] = {TABLE_READY,      TABLE_LEASE,  TABLE_HOLDER,  TABLE_TASK,
                                               TABLE_RESULT,     TABLE_TIMER,  TABLE_PARENT,  TABLE_WAITS,
                                               TABLE_CHECKPOINT, TABLE_BUDGET, TABLE_WITHHELD};
    uint64_t sessions = 0;
    uint64_t claims = 0;

    TRY(count_rows(scan, TABLE_SESSION, &sessions));
    TRY(count_rows(scan, TABLE_CLAIM, &claims));
    if (sessions != counters->sessions)
        problem(scan, "there are %llu sessions, %llu are counted", (unsigned long long)sessions,
                (unsigned long long)counters->sessions);
    scan->expected[TABLE_TIMER] += sessions + claims;
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        uint64_t rows = 0;
        TRY(count_rows(scan, tables[i], &rows));
        if (rows != scan->expected[tables[i]])
            problem(scan, "table %s has %llu rows, %llu follow from the tasks", broker_schema.names[tables[i]],
                    (unsigned long long)rows, (unsigned long long)scan->expected[tables[i]]);
    }
    return STATUS_OK;
}

static void check_lanes(struct scan *scan)
{
    for (const struct lane *lane = index_first(&scan->lanes.by_number); lane != NULL; lane = index_next(&lane->node)) {
        if (lane->finishing != 0)
            problem(scan, "lane %u counts %llu finishing tasks too many", lane->number,
                    (unsigned long long)lane->finishing);
        for (size_t state = 0; state < TASK_STATES; state++)
            if (lane->counts[state] != 0)
                problem(scan, "lane %u counts %llu tasks too many in state %s", lane->number,
                        (unsigned long long)lane->counts[state], task_state_name((enum task_state)state));
    }
}

static void check_limits_of_lanes(struct scan *scan)
{
    const struct limits *limits = &scan->lanes.limits;

    for (const struct limit *limit = index_first(&limits->by_name); limit != NULL; limit = index_next(&limit->node))
        if (limit->running != 0)
            problem(scan, "limit %s counts %llu running tasks too many", limit->name,
                    (unsigned long long)limit->running);
}

static enum status check_drains(struct scan *scan)
{
    struct drains drains = {0};
    enum status status = drains_load(&drains, scan->txn);

    drains_done(&drains);
    if (status != STATUS_DATA_LOSS)
        return status;
    problem(scan, "the row of a draining agent is damaged");
    return STATUS_OK;
}

static enum status scan_all(struct scan *scan)
{
    struct counters counters;

    enum status status = counters_load(scan->txn, &counters);
    if (status == STATUS_OK)
        status = lanes_load(&scan->lanes, scan->txn);
    if (status == STATUS_DATA_LOSS) {
        problem(scan, "the counters, the lanes, the limits or the queues are damaged");
        return STATUS_OK;
    }
    TRY(status);
    TRY(scan_tasks(scan, &counters));
    check_lanes(scan);
    TRY(check_orphans(scan));
    check_limits_of_lanes(scan);
    TRY(check_drains(scan));
    TRY(check_events(scan, &counters));
    TRY(check_keys(scan, &counters));
    TRY(check_jobs(scan, &counters));
    return check_counts(scan, &counters);
}

enum status broker_check(struct store_txn *txn, const struct check_watch *watch, struct check_report *ret_report)
{
    struct scan scan = {.txn = txn, .watch = watch, .report = ret_report};

    *ret_report = (struct check_report){0};
    enum status status = scan_all(&scan);
    lanes_done(&scan.lanes);
    arena_done(&scan.arena);
    return status;
}

static void compare_lanes(struct scan *scan, const struct lanes *known)
{
    if (known->count != scan->lanes.count)
        problem(scan, "the store has %zu lanes, memory has %zu", scan->lanes.count, known->count);
    for (const struct lane *lane = index_first(&scan->lanes.by_number); lane != NULL; lane = index_next(&lane->node)) {
        const struct lane *other = lanes_by_number(known, lane->number);
        if (other == NULL || memcmp(other->counts, lane->counts, sizeof lane->counts) != 0 ||
            other->finishing != lane->finishing)
            problem(scan, "lane %u is counted otherwise in memory than in the store", lane->number);
    }
}

static void compare_queues(struct scan *scan, const struct lanes *known)
{
    for (const struct queue *queue = index_first(&scan->lanes.queues); queue != NULL;
         queue = index_next(&queue->node)) {
        const struct queue *other = lanes_queue(known, queue->namespace, queue->name);
        if (other == NULL || other->waiting != queue->waiting || other->is_set != queue->is_set)
            problem(scan, "queue %s/%s is otherwise in memory than in the store", queue->namespace, queue->name);
    }
    if (known->queues_set != scan->lanes.queues_set)
        problem(scan, "something is said of %zu queues in the store, of %zu in memory", scan->lanes.queues_set,
                known->queues_set);
}

static void compare_limits(struct scan *scan, const struct limits *known)
{
    const struct limits *stored = &scan->lanes.limits;

    if (index_count(&known->by_name) != index_count(&stored->by_name))
        problem(scan, "the store has %zu limits, memory has %zu", index_count(&stored->by_name),
                index_count(&known->by_name));
    for (const struct limit *limit = index_first(&stored->by_name); limit != NULL; limit = index_next(&limit->node)) {
        const struct limit *other = limits_find(known, limit->name);
        if (other == NULL || other->running != limit->running || other->lane_count != limit->lane_count ||
            other->is_set != limit->is_set || other->max_running != limit->max_running ||
            other->rate_count != limit->rate_count || other->rate_interval_ms != limit->rate_interval_ms ||
            (other->rate_count > 0 && other->level != limit->level) || other->paused_until_ms != limit->paused_until_ms)
            problem(scan, "limit %s is otherwise in memory than in the store", limit->name);
    }
}

static void compare_turns(struct scan *scan, const struct turns *known)
{
    const struct turns *stored = &scan->lanes.turns;
    const struct turn_key *other = known->keys;

    if (known->key_count != stored->key_count)
        problem(scan, "the store has %zu fairness keys, memory has %zu", stored->key_count, known->key_count);
    for (; other != NULL; other = other->next) {
        const struct turn_line *line = other->line;
        const struct queue *queue = lanes_queue(&scan->lanes, line->queue->namespace, line->queue->name);
        if (queue == NULL ||
            turn_last(queue, line->priority, other->text) != turn_last(line->queue, line->priority, other->text))
            problem(scan, "fairness key %s has another turn in memory than in the store", other->text);
    }
}

enum status broker_compare(const struct broker *broker, struct store_txn *txn, struct check_report *report)
{
    struct scan scan = {.txn = txn, .report = report};

    enum status status = lanes_load(&scan.lanes, txn);
    if (status == STATUS_OK) {
        compare_lanes(&scan, &broker->lanes);
        compare_limits(&scan, &broker->lanes.limits);
        compare_queues(&scan, &broker->lanes);
        compare_turns(&scan, &broker->lanes.turns);
    }
    lanes_done(&scan.lanes);
    return status == STATUS_DATA_LOSS ? STATUS_OK : status; /* which the check names */
}
