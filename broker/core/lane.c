#include "broker/core/lane.h"

#include "broker/core/core.h"
#include "broker/core/record.h"
#include "common/base/check.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define LANE_VERSION 2

static void make_queue_key(const char *namespace, const char *queue, char *key, size_t *ret_size)
{
    size_t namespace_size = strlen(namespace);
    size_t queue_size = strlen(queue);

    CHECK(namespace_size + queue_size + 2 <= QUEUE_KEY_MAX);
    memcpy(key, namespace, namespace_size + 1);
    memcpy(key + namespace_size + 1, queue, queue_size + 1);
    *ret_size = namespace_size + queue_size + 2;
}

struct queue *lanes_queue(const struct lanes *lanes, const char *namespace, const char *queue)
{
    char key[QUEUE_KEY_MAX];
    size_t size = 0;

    make_queue_key(namespace, queue, key, &size);
    return index_find(&lanes->queues, key, size);
}

struct queue_type *queue_find_type(const struct queue *queue, const char *agent_type)
{
    return index_find(&queue->types, agent_type, strlen(agent_type));
}

struct lane *lanes_by_number(const struct lanes *lanes, uint32_t number)
{
    return index_find(&lanes->by_number, &number, sizeof number);
}

struct queue *lanes_obtain_queue(struct lanes *lanes, const char *namespace, const char *name)
{
    struct queue *queue = lanes_queue(lanes, namespace, name);

    if (queue != NULL)
        return queue;
    queue = allocate_zero(1, sizeof *queue);
    queue->namespace = duplicate_text(namespace);
    queue->name = duplicate_text(name);
    queue->key = allocate(QUEUE_KEY_MAX);
    make_queue_key(namespace, name, queue->key, &queue->key_size);
    index_add(&lanes->queues, &queue->node, queue->key, queue->key_size, queue);
    return queue;
}

struct queue_type *lanes_type(struct lanes *lanes, const char *namespace, const char *queue, const char *agent_type)
{
    struct queue *of = lanes_obtain_queue(lanes, namespace, queue);
    struct queue_type *type = queue_find_type(of, agent_type);

    if (type != NULL)
        return type;
    type = allocate_zero(1, sizeof *type);
    type->queue = of;
    type->agent_type = duplicate_text(agent_type);
    index_add(&of->types, &type->node, type->agent_type, strlen(type->agent_type), type);
    return type;
}

static void queue_free(struct lanes *lanes, struct queue *queue)
{
    index_remove(&lanes->queues, &queue->node);
    queue_settings_done(&queue->settings);
    free(queue->namespace);
    free(queue->name);
    free(queue->key);
    free(queue);
}

void lanes_trim_queue(struct lanes *lanes, struct queue *queue)
{
    if (index_count(&queue->types) == 0 && !queue->is_set && !queue->is_dirty)
        queue_free(lanes, queue);
}

void lanes_trim(struct lanes *lanes, struct queue_type *type)
{
    struct queue *queue = type->queue;

    if (type->lanes != NULL || type->waits != NULL)
        return;
    index_remove(&queue->types, &type->node);
    free(type->agent_type);
    free(type);
    lanes_trim_queue(lanes, queue);
}

static void lane_free(struct lanes *lanes, struct lane *lane)
{
    struct queue_type *type = lane->type;

    index_remove(&lanes->by_number, &lane->node);
    if (lane->woken && lanes->put_off != NULL)
        LL_DELETE2(lanes->put_off, lane, next_woken);
    LL_DELETE2(type->lanes, lane, next_of_type);
    if (lane->limits != NULL)
        index_remove(&type->limited, &lane->type_node);
    else
        type->plain = NULL;
    for (size_t i = 0; i < lane->limit_count; i++)
        limit_remove_lane(&lanes->limits, &lane->limits[i]);
    type->queue->lane_count--;
    if (type->queue->lane_count == 0)
        turns_drop_queue(&lanes->turns, type->queue, NULL);
    lanes->count--;
    free(lane->limits);
    free(lane->limits_key);
    free(lane);
    lanes_trim(lanes, type);
}

/* What was said of them is read again, or is not wanted any more. */
static void queues_forget(struct lanes *lanes)
{
    struct queue *next;

    for (struct queue *queue = index_first(&lanes->queues); queue != NULL; queue = next) {
        next = index_next(&queue->node);
        queue_settings_done(&queue->settings);
        queue->waiting = 0;
        queue->is_set = false;
        queue->is_dirty = false;
        queue->is_stored = false;
        lanes_trim_queue(lanes, queue);
    }
}

void lanes_done(struct lanes *lanes)
{
    struct lane *next;

    for (struct lane *lane = index_first(&lanes->by_number); lane != NULL; lane = next) {
        next = index_next(&lane->node);
        lane_free(lanes, lane);
    }
    limits_done(&lanes->limits);
    queues_forget(lanes);
    *lanes = (struct lanes){.queues = lanes->queues};
}

static void mark_dirty(struct lanes *lanes, struct lane *lane)
{
    if (lane->dirty)
        return;
    lane->dirty = true;
    LL_PREPEND2(lanes->dirty, lane, next_dirty);
}

/* The names of limits that a lane has, one behind the other. */
static struct buffer limits_key(const char *const *names, size_t count)
{
    struct buffer key = {0};

    for (size_t i = 0; i < count; i++)
        buffer_add(&key, names[i], strlen(names[i]) + 1);
    return key;
}

static void join_limits(struct lanes *lanes, struct lane *lane, const char *const *names, size_t count)
{
    struct buffer key = limits_key(names, count);

    lane->limits = allocate_zero(count, sizeof lane->limits[0]);
    lane->limit_count = count;
    lane->limits_key = (char *)key.data;
    lane->limits_key_size = key.size;
    for (size_t i = 0; i < count; i++) {
        lane->limits[i].lane = lane;
        limit_add_lane(limits_obtain(&lanes->limits, names[i]), &lane->limits[i]);
    }
    index_add(&lane->type->limited, &lane->type_node, lane->limits_key, lane->limits_key_size, lane);
}

/* The limits are in order, each once. */
static struct lane *lane_new(struct lanes *lanes, const struct lane_name *name, uint32_t number)
{
    struct lane *lane = allocate_zero(1, sizeof *lane);
    struct queue_type *type = lanes_type(lanes, name->namespace, name->queue, name->agent_type);

    lane->number = number;
    lane->type = type;
    index_add(&lanes->by_number, &lane->node, &lane->number, sizeof lane->number, lane);
    LL_PREPEND2(type->lanes, lane, next_of_type);
    if (name->limit_count > 0)
        join_limits(lanes, lane, name->limits, name->limit_count);
    else
        type->plain = lane;
    type->queue->lane_count++;
    lanes->count++;
    return lane;
}

/* Puts the names in order, each once, and returns how many they are. */
static size_t sort_limits(const struct lane_name *name, const char *sorted[static LIMITS_PER_TASK_MAX])
{
    size_t count = 0;

    CHECK(name->limit_count <= LIMITS_PER_TASK_MAX);
    for (size_t i = 0; i < name->limit_count; i++) {
        size_t at = 0;
        while (at < count && strcmp(sorted[at], name->limits[i]) < 0)
            at++;
        if (at < count && strcmp(sorted[at], name->limits[i]) == 0)
            continue;
        memmove(&sorted[at + 1], &sorted[at], (count - at) * sizeof(const char *));
        sorted[at] = name->limits[i];
        count++;
    }
    return count;
}

static struct lane *find_lane(const struct queue_type *type, const struct lane_name *name)
{
    if (name->limit_count == 0)
        return type->plain;
    CLEANUP(buffer_done)
    struct buffer key = limits_key(name->limits, name->limit_count);
    return index_find(&type->limited, key.data, key.size);
}

enum status lanes_obtain(struct broker *broker, const struct lane_name *name, struct lane **ret_lane,
                         struct error *error)
{
    struct lanes *lanes = &broker->lanes;
    struct queue *of = lanes_queue(lanes, name->namespace, name->queue);
    struct queue_type *type = of != NULL ? queue_find_type(of, name->agent_type) : NULL;
    const char *limits[LIMITS_PER_TASK_MAX];
    struct lane_name sorted = *name;

    sorted.limits = limits;
    sorted.limit_count = sort_limits(name, limits);
    struct lane *lane = type != NULL ? find_lane(type, &sorted) : NULL;
    if (lane != NULL) {
        *ret_lane = lane;
        return STATUS_OK;
    }
    if (of != NULL && of->lane_count >= LANES_PER_QUEUE_MAX)
        return error_set(error, STATUS_RESOURCE_EXHAUSTED, "TOO_MANY_LANES",
                         "agent_type: queue %s has tasks of %d agent types and sets of limits already; use another "
                         "queue",
                         name->queue, LANES_PER_QUEUE_MAX);
    if (lanes->count >= LANES_MAX)
        return error_set(error, STATUS_RESOURCE_EXHAUSTED, "TOO_MANY_LANES",
                         "queue: all queues together have %d lanes already; use fewer queues, agent types or sets of "
                         "limits",
                         LANES_MAX);
    /* Not saved for its own sake: a number that no task came to use may be given again. */
    broker->counters.lane++;
    lane = lane_new(lanes, &sorted, broker->counters.lane);
    lane->head_is_known = true;
    mark_dirty(lanes, lane);
    *ret_lane = lane;
    return STATUS_OK;
}

struct lane_name lane_name(const struct lane *lane, const char **limits)
{
    for (size_t i = 0; i < lane->limit_count; i++)
        limits[i] = lane->limits[i].limit->name;
    return (struct lane_name){
        .namespace = lane->type->queue->namespace,
        .queue = lane->type->queue->name,
        .agent_type = lane->type->agent_type,
        .limits = limits,
        .limit_count = lane->limit_count,
    };
}

static void count_held(struct lanes *lanes, struct lane *lane, int change)
{
    for (size_t i = 0; i < lane->limit_count; i++)
        limit_count(&lanes->limits, lane->limits[i].limit, change);
}

void lane_count(struct lanes *lanes, struct lane *lane, enum task_state from, enum task_state to)
{
    if (from == to)
        return;
    lane->type->queue->waiting += (uint64_t)task_is_waiting(to) - (uint64_t)task_is_waiting(from);
    if (from != TASK_NONE) {
        CHECK(lane->counts[from] > 0);
        lane->counts[from]--;
        lanes->counts[from]--;
    }
    if (to != TASK_NONE) {
        lane->counts[to]++;
        lanes->counts[to]++;
    }
    if (lane->limits != NULL && task_is_held(from) != task_is_held(to))
        count_held(lanes, lane, task_is_held(to) ? 1 : -1);
    mark_dirty(lanes, lane);
}

void lane_count_finishing(struct lanes *lanes, struct lane *lane, int change)
{
    CHECK(change >= 0 || lane->finishing >= (uint64_t)-change);
    lane->finishing += (uint64_t)change;
    lanes->finishing += (uint64_t)change;
    count_held(lanes, lane, -change);
    mark_dirty(lanes, lane);
}

uint64_t lane_held(const struct lane *lane)
{
    return lane->counts[TASK_ASSIGNED] + lane->counts[TASK_RUNNING] - lane->finishing;
}

bool rank_is_before(const struct rank *a, const struct rank *b)
{
    if (a->priority != b->priority)
        return a->priority < b->priority;
    if (a->turn != b->turn)
        return a->turn < b->turn;
    return a->id < b->id;
}

void lane_wake(struct lanes *lanes, struct lane *lane)
{
    if (lane->woken)
        return;
    lane->woken = true;
    LL_PREPEND2(lanes->woken, lane, next_woken);
}

void lane_put_off(struct lanes *lanes, struct lane *lane)
{
    if (lane->woken)
        return;
    lane->woken = true;
    LL_PREPEND2(lanes->put_off, lane, next_woken);
}

void lanes_go_on(struct lanes *lanes)
{
    while (lanes->put_off != NULL) {
        struct lane *lane = lanes->put_off;
        lanes->put_off = lane->next_woken;
        lane->woken = false;
        lane_wake(lanes, lane);
    }
}

void lanes_wake_all(struct lanes *lanes)
{
    for (struct lane *lane = index_first(&lanes->by_number); lane != NULL; lane = index_next(&lane->node))
        if (lane->counts[TASK_READY] > 0)
            lane_wake(lanes, lane);
}

void queue_wake(struct lanes *lanes, const struct queue *queue)
{
    for (const struct queue_type *type = index_first(&queue->types); type != NULL; type = index_next(&type->node))
        for (struct lane *lane = type->lanes; lane != NULL; lane = lane->next_of_type)
            if (lane->counts[TASK_READY] > 0)
                lane_wake(lanes, lane);
}

void lane_ready_added(struct lanes *lanes, struct lane *lane, const struct rank *rank)
{
    lane_wake(lanes, lane);
    if (lane->head_is_known && (lane->head.priority == 0 || rank_is_before(rank, &lane->head)))
        lane->head = *rank;
}

void lane_ready_removed(struct lane *lane, uint64_t id)
{
    if (lane->head_is_known && lane->head.id == id)
        lane->head_is_known = false;
}

enum status lane_find_head(struct store_txn *txn, struct lane *lane)
{
    struct key first = key_ready(lane->number, &(struct rank){0});
    struct bytes key;
    struct bytes value;

    if (lane->head_is_known)
        return STATUS_OK;
    enum status status = lane->counts[TASK_READY] == 0 ? STATUS_NOT_FOUND
                                                       : store_seek(txn, TABLE_READY, key_bytes(&first), &key, &value);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        return status;
    lane->head_is_known = true;
    lane->head = (struct rank){0};
    if (status == STATUS_OK && bytes_have_prefix(key, bytes_slice(key_bytes(&first), 0, 4)))
        lane->head = key_read_rank(key);
    return STATUS_OK;
}

static enum status lane_load(struct lanes *lanes, struct bytes key, struct bytes value)
{
    struct reader reader;

    if (key.size != 4 || !record_open(value, LANE_VERSION, load_u32(key.data), &reader))
        return STATUS_DATA_LOSS;
    const char *limits[LIMITS_PER_TASK_MAX];
    struct lane_name name = {
        .namespace = record_text(&reader),
        .queue = record_text(&reader),
        .agent_type = record_text(&reader),
        .limits = limits,
        .limit_count = reader_u8(&reader),
    };
    if (reader.failed || name.limit_count > LIMITS_PER_TASK_MAX)
        return STATUS_DATA_LOSS;
    for (size_t i = 0; i < name.limit_count; i++)
        limits[i] = record_text(&reader);
    if (reader.failed)
        return STATUS_DATA_LOSS;
    struct lane *lane = lane_new(lanes, &name, load_u32(key.data));
    lane->is_stored = true;
    for (size_t state = 0; state < TASK_STATES; state++) {
        lane->counts[state] = reader_u64(&reader);
        lanes->counts[state] += lane->counts[state];
        if (task_is_waiting((enum task_state)state))
            lane->type->queue->waiting += lane->counts[state];
    }
    lane->finishing = reader_u64(&reader);
    lanes->finishing += lane->finishing;
    count_held(lanes, lane, (int)lane_held(lane));
    return reader.failed ? STATUS_DATA_LOSS : STATUS_OK;
}

enum status lanes_load(struct lanes *lanes, struct store_txn *txn)
{
    struct key first = key_lane(0);
    struct bytes key;
    struct bytes value;
    enum status status = store_seek(txn, TABLE_LANE, key_bytes(&first), &key, &value);

    for (; status == STATUS_OK; status = store_next(txn, TABLE_LANE, &key, &value))
        TRY(lane_load(lanes, key, value));
    if (status != STATUS_NOT_FOUND)
        return status;
    TRY(limits_load(&lanes->limits, txn));
    TRY(queues_load(lanes, txn));
    return turns_load(lanes, txn);
}

static void lane_save(struct store_txn *txn, struct lane *lane, struct buffer *buffer)
{
    struct key key = key_lane(lane->number);

    record_begin(buffer, LANE_VERSION);
    record_add_text(buffer, lane->type->queue->namespace);
    record_add_text(buffer, lane->type->queue->name);
    record_add_text(buffer, lane->type->agent_type);
    buffer_add_u8(buffer, (uint8_t)lane->limit_count);
    for (size_t i = 0; i < lane->limit_count; i++)
        record_add_text(buffer, lane->limits[i].limit->name);
    for (size_t state = 0; state < TASK_STATES; state++)
        buffer_add_u64(buffer, lane->counts[state]);
    buffer_add_u64(buffer, lane->finishing);
    store_put(txn, TABLE_LANE, key_bytes(&key), record_seal(buffer, lane->number));
    lane->is_stored = true;
}

static void lane_erase(struct lanes *lanes, struct store_txn *txn, const struct lane *lane)
{
    struct key key = key_lane(lane->number);

    if (lane->type->queue->lane_count == 1)
        turns_drop_queue(&lanes->turns, lane->type->queue, txn);
    if (lane->is_stored)
        store_delete(txn, TABLE_LANE, key_bytes(&key));
}

static bool lane_is_empty(const struct lane *lane)
{
    for (size_t state = 0; state < TASK_STATES; state++)
        if (lane->counts[state] > 0)
            return false;
    return true;
}

void lanes_settle(struct lanes *lanes, struct store_txn *txn)
{
    CLEANUP(buffer_done)
    struct buffer buffer = {0};
    struct lane *lane = lanes->dirty;

    lanes->dirty = NULL;
    while (lane != NULL) {
        struct lane *next = lane->next_dirty;

        lane->dirty = false;
        lane->next_dirty = NULL;
        if (lane_is_empty(lane)) {
            lane_erase(lanes, txn, lane);
            lane_free(lanes, lane);
        } else {
            lane_save(txn, lane, &buffer);
        }
        lane = next;
    }
    limits_settle(&lanes->limits, txn);
    queues_settle(lanes, txn);
    turns_settle(&lanes->turns, txn);
}
