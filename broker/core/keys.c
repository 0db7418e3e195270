#include "broker/core/keys.h"

#include "common/base/check.h"

#include <string.h>

static const char *const table_names[BROKER_TABLES] = {
    [TABLE_ORPHAN] = "orphan",
    [TABLE_BUDGET] = "budget",
    [TABLE_WITHHELD] = "withheld",
    [TABLE_META] = "meta",
    [TABLE_TASK] = "task",
    [TABLE_STATE] = "state",
    [TABLE_READY] = "ready",
    [TABLE_TIMER] = "timer",
    [TABLE_LEASE] = "lease",
    [TABLE_HOLDER] = "holder",
    [TABLE_RESULT] = "result",
    [TABLE_SESSION] = "session",
    [TABLE_SUBMIT] = "submit",
    [TABLE_CLAIM] = "claim",
    [TABLE_LANE] = "lane",
    [TABLE_PARENT] = "parent",
    [TABLE_EVENT] = "event",
    [TABLE_LIMIT] = "limit",
    [TABLE_WAITS] = "waits",
    [TABLE_JOB] = "job",
    [TABLE_WALK] = "walk",
    [TABLE_QUEUE] = "queue",
    [TABLE_TURN] = "turn",
    [TABLE_AGENT] = "agent",
    [TABLE_CHECKPOINT] = "checkpoint",
    [TABLE_UNIQUE] = "unique",
};

const struct store_schema broker_schema = {.names = table_names, .count = BROKER_TABLES, .version = 2};

#define TIMER_HEAD_SIZE 10 /* time base, due, kind */
#define READY_SIZE 21      /* lane, priority, turn, id */

struct key key_meta(void)
{
    return (struct key){.data = {'m'}, .size = 1};
}

struct key key_of_id(uint64_t id)
{
    struct key key;

    store_u64(key.data, id);
    key.size = 8;
    return key;
}

struct key key_ready(uint32_t lane, const struct rank *rank)
{
    struct key key;

    store_u32(key.data, lane);
    key.data[4] = rank->priority;
    store_u64(key.data + 5, rank->turn);
    store_u64(key.data + 13, rank->id);
    key.size = READY_SIZE;
    return key;
}

struct key key_timer(enum time_base time_base, uint64_t due_ms, enum timer_kind kind, struct bytes tail)
{
    struct key key;

    CHECK(tail.size <= KEY_MAX - TIMER_HEAD_SIZE);
    key.data[0] = (uint8_t)time_base;
    store_u64(key.data + 1, due_ms);
    key.data[9] = (uint8_t)kind;
    if (tail.size > 0)
        memcpy(key.data + TIMER_HEAD_SIZE, tail.data, tail.size);
    key.size = TIMER_HEAD_SIZE + tail.size;
    return key;
}

struct key key_task_timer(enum time_base time_base, uint64_t due_ms, enum timer_kind kind, uint64_t id)
{
    struct key tail = key_of_id(id);

    return key_timer(time_base, due_ms, kind, key_bytes(&tail));
}

static struct key key_of_pair(uint64_t first, uint64_t id)
{
    struct key key;

    store_u64(key.data, first);
    store_u64(key.data + 8, id);
    key.size = 16;
    return key;
}

struct key key_lease(uint64_t due_ms, uint64_t id)
{
    return key_of_pair(due_ms, id);
}

struct key key_holder(const char *agent_id, uint64_t id)
{
    struct key key;
    size_t size = strlen(agent_id);

    CHECK(size <= AGENT_ID_MAX);
    memcpy(key.data, agent_id, size + 1);
    store_u64(key.data + size + 1, id);
    key.size = size + 9;
    return key;
}

struct key key_orphan(uint64_t task_id, uint64_t fence)
{
    return key_of_pair(task_id, fence);
}

struct key key_parent(uint64_t parent_id, uint64_t id)
{
    return key_of_pair(parent_id, id);
}

struct key key_waits(uint64_t dependency_id, uint64_t id)
{
    return key_of_pair(dependency_id, id);
}

struct key key_withheld(uint64_t budget_id, uint64_t id)
{
    return key_of_pair(budget_id, id);
}

struct key key_walk(uint64_t job, uint64_t id)
{
    return key_of_pair(job, id);
}

struct key key_unique(uint64_t bucket, const char *namespace, const char *key)
{
    struct key row;
    size_t namespace_size = strlen(namespace) + 1;
    size_t key_size = strlen(key);

    CHECK(8 + namespace_size + key_size <= KEY_MAX);
    store_u64(row.data, bucket);
    memcpy(row.data + 8, namespace, namespace_size);
    memcpy(row.data + 8 + namespace_size, key, key_size);
    row.size = 8 + namespace_size + key_size;
    return row;
}

struct key key_submit(struct bytes session, uint64_t sequence)
{
    struct key key;

    CHECK(session.size == SESSION_SIZE);
    memcpy(key.data, session.data, SESSION_SIZE);
    store_u64(key.data + SESSION_SIZE, sequence);
    key.size = SESSION_SIZE + 8;
    return key;
}

struct key key_claim(const char *agent_id)
{
    struct key key;

    key.size = strlen(agent_id);
    CHECK(key.size > 0 && key.size <= AGENT_ID_MAX);
    memcpy(key.data, agent_id, key.size);
    return key;
}

struct key key_lane(uint32_t lane)
{
    struct key key;

    store_u32(key.data, lane);
    key.size = 4;
    return key;
}

uint64_t key_read_id(struct bytes key)
{
    CHECK(key.size >= 8);
    return load_u64(key.data + key.size - 8);
}

uint64_t key_read_owner(struct bytes key)
{
    CHECK(key.size >= 8);
    return load_u64(key.data);
}

struct rank key_read_rank(struct bytes key)
{
    CHECK(key.size == READY_SIZE);
    return (struct rank){
        .priority = key.data[4],
        .turn = load_u64(key.data + 5),
        .id = load_u64(key.data + 13),
    };
}

struct timer key_read_timer(struct bytes key)
{
    CHECK(key.size >= TIMER_HEAD_SIZE);
    return (struct timer){
        .time_base = (enum time_base)key.data[0],
        .due_ms = load_u64(key.data + 1),
        .kind = (enum timer_kind)key.data[9],
        .tail = bytes_slice(key, TIMER_HEAD_SIZE, key.size),
    };
}

enum status pair_first(struct store_txn *txn, enum broker_table table, struct key from, uint64_t *ret_id)
{
    struct bytes key;
    struct bytes value;

    TRY(store_seek(txn, table, key_bytes(&from), &key, &value));
    if (key_read_owner(key) != key_read_owner(key_bytes(&from)))
        return STATUS_NOT_FOUND;
    *ret_id = key_read_id(key);
    return STATUS_OK;
}
