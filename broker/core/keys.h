/* The tables of the broker's store and their keys.
 *
 * Numbers are big-endian, so that the order of keys is the order of numbers. No key is random or hashed: what is
 * written together lies together, and a commit dirties few pages.
 *
 *   meta     'm'                                -> counters, store time
 *   task     id                                 -> body: what the submitter said; appended, never changed
 *   state    id                                 -> the state record
 *   ready    lane, priority, turn, id           -> empty
 *   timer    time base, due, kind, tail             -> empty; the tail names what is due: an id, a session, an agent
 *   lease    due, id                            -> empty
 *   holder   agent, NUL, id                     -> empty
 *   orphan   task, fence                        -> what a run that was given up has reported
 *   result   id                                 -> the outcome of the last run that said something
 *   session  session                            -> its bounds
 *   submit   session, sequence                  -> the ids that this submit was given
 *   claim    agent                              -> its last claim: incarnation, sequence, runs
 *   lane     lane                               -> namespace, queue, agent type, limits, counts of tasks by state
 *   parent   parent, id                         -> empty
 *   event    revision of the first              -> what happened, many in a row; appended, the oldest are trimmed
 *   limit    name                               -> what is set about it, its rate's level, its pause
 *   waits    dependency, id                     -> empty; only while the task is BLOCKED
 *   job      job                                -> a command that affects many tasks, and how far it is
 *   walk     job, id                            -> empty; a task whose neighbours the job has not visited all. Job 0 is
 *                                                  the release of those that wait for an ended task
 *   queue    namespace, NUL, queue, NUL         -> what operators say about it
 *   turn     number                             -> where a fairness key stands in a queue and priority
 *   agent    agent                              -> that an operator drains it
 *   budget   id                                 -> the budget that this task brought, and what is used of it
 *   withheld budget, id                         -> empty; a task that is SUSPENDED because that budget is used up
 *   checkpoint id                              -> what a run left for the next one, and an answer for that one
 *   unique   bucket, namespace, NUL, key        -> the task that has this idempotency key */
#pragma once

#include "common/base/bytes.h"
#include "common/store/store.h"

enum broker_table {
    TABLE_META,
    TABLE_TASK,
    TABLE_STATE,
    TABLE_READY,
    TABLE_TIMER,
    TABLE_LEASE,
    TABLE_HOLDER,
    TABLE_RESULT,
    TABLE_SESSION,
    TABLE_SUBMIT,
    TABLE_CLAIM,
    TABLE_LANE,
    TABLE_PARENT,
    TABLE_EVENT,
    TABLE_LIMIT,
    TABLE_WAITS,
    TABLE_JOB,
    TABLE_WALK,
    TABLE_QUEUE,
    TABLE_TURN,
    TABLE_CHECKPOINT,
    TABLE_AGENT,
    TABLE_UNIQUE,
    TABLE_BUDGET,
    TABLE_WITHHELD,
    TABLE_ORPHAN,
    BROKER_TABLES,
};

extern const struct store_schema broker_schema;

#define SESSION_SIZE 16
#define STORE_ID_SIZE 32 /* hexadecimal digits */
#define AGENT_ID_MAX 127 /* bytes */
#define KEY_MAX 200

/* A key with its own memory. */
struct key {
    uint8_t data[KEY_MAX];
    size_t size;
};

static inline struct bytes key_bytes(const struct key *key)
{
    return (struct bytes){.data = key->data, .size = key->size};
}

/* Durations run on store time; what people mean as wall time waits in an order of its own, so that a clock that jumps
 * moves only that. */
enum time_base { STORE_TIME = 0, WALL_TIME = 1 };

enum timer_kind {
    TIMER_READY = 1,   /* a SCHEDULED task becomes READY */
    TIMER_REMOVE = 2,  /* an ended task is removed */
    TIMER_SESSION = 3, /* an idle session is dropped */
    TIMER_CLAIM = 4,   /* the memory of an idle agent's last claim is dropped */
    TIMER_EXPIRE = 5,  /* a waiting task becomes EXPIRED */
    TIMER_SEAL = 6,    /* a finishing task has waited enough for its output */
};

struct timer {
    enum time_base time_base;
    uint64_t due_ms;
    enum timer_kind kind;
    struct bytes tail; /* borrowed */
};

/* Where a READY task stands in its lane. */
struct rank {
    uint8_t priority; /* 0 = there is no such task */
    uint64_t turn;
    uint64_t id;
};

struct key key_meta(void);
struct key key_of_id(uint64_t id); /* task, state, result, event, job, budget */
struct key key_ready(uint32_t lane, const struct rank *rank);
struct key key_timer(enum time_base time_base, uint64_t due_ms, enum timer_kind kind, struct bytes tail);
struct key key_task_timer(enum time_base time_base, uint64_t due_ms, enum timer_kind kind, uint64_t id);
struct key key_lease(uint64_t due_ms, uint64_t id);
struct key key_holder(const char *agent_id, uint64_t id);
struct key key_orphan(uint64_t task_id, uint64_t fence);
struct key key_parent(uint64_t parent_id, uint64_t id);
struct key key_waits(uint64_t dependency_id, uint64_t id);
struct key key_withheld(uint64_t budget_id, uint64_t id);
struct key key_walk(uint64_t job, uint64_t id);
struct key key_unique(uint64_t bucket, const char *namespace, const char *key);
struct key key_submit(struct bytes session, uint64_t sequence);
struct key key_claim(const char *agent_id);
struct key key_lane(uint32_t lane);

uint64_t key_read_id(struct bytes key);    /* the last eight bytes */
uint64_t key_read_owner(struct bytes key); /* the first eight bytes: of parent, waits, withheld, walk */
struct timer key_read_timer(struct bytes key);
struct rank key_read_rank(struct bytes key); /* of the ready table */

/* The first row of a table of pairs at or after that key, if it has the same owner; else NOT_FOUND. */
enum status pair_first(struct store_txn *txn, enum broker_table table, struct key from, uint64_t *ret_id) NODISCARD;
