/* Queues, agent types and lanes: in what order READY tasks go out.
 *
 * A lane holds the tasks of one namespace, queue, agent type and set of limits in the order (priority, turn, id). Lanes
 * are rows of the store and live in memory as well, with the counts of their tasks by state (written once per batch)
 * and the first READY one, which is looked up when it is needed. A lane without tasks goes away at the end of the
 * batch.
 */
#pragma once

#include "broker/core/index.h"
#include "broker/core/keys.h"
#include "broker/core/limit.h"
#include "broker/core/queue.h"
#include "broker/core/state.h"
#include "broker/core/turn.h"
#include "common/base/status.h"

#include <stdbool.h>

#define LANES_PER_QUEUE_MAX 4096
#define LANES_MAX 65536
#define ANY_TYPE "any"

struct step;
struct broker;
struct wait;
struct queue_type;

/* What tells one lane from the others. */
struct lane_name {
    const char *namespace;
    const char *queue;
    const char *agent_type;
    const char *const *limits; /* in any order */
    size_t limit_count;
};

struct lane {
    uint32_t number;
    struct queue_type *type;
    struct lane_limit *limits; /* by name, each once; NULL = none */
    size_t limit_count;
    char *limits_key; /* their names, each with its NUL; NULL = none */
    size_t limits_key_size;
    uint64_t counts[TASK_STATES];
    uint64_t finishing; /* of its RUNNING tasks: they use no slot and no limit any more */
    bool dirty;         /* counts are not written yet, or it is to be removed */
    bool is_stored;
    bool woken;
    bool head_is_known;
    struct rank head; /* the first READY one */
    struct lane *next_of_type;
    struct lane *next_dirty;
    struct lane *next_woken;
    struct index_node node;      /* in lanes.by_number */
    struct index_node type_node; /* in queue_type.limited: only one that has limits */
};

/* What waits, and who waits, for one agent type in one queue. */
struct queue_type {
    struct queue *queue;
    char *agent_type; /* "" holds no lanes: claims of every type wait there */
    struct lane *lanes;
    struct lane *plain;     /* of them: the one without limits */
    struct index limited;   /* of them: those with limits, by limits_key */
    struct wait *waits;     /* parked claims, the longest waiting first */
    struct index_node node; /* in queue.types */
};

struct queue {
    char *namespace;
    char *name;
    char *key; /* both, with a NUL between them */
    size_t key_size;
    struct index types;
    size_t lane_count;
    uint64_t waiting; /* tasks: BLOCKED, SCHEDULED and READY */
    struct queue_settings settings;
    bool is_set;   /* the settings say something: it stays when no task is in it */
    bool is_dirty; /* that is not written yet */
    bool is_stored;
    struct queue *next_dirty;
    struct turn_line *lines[TURN_LINES]; /* by priority; NULL where no task was yet */
    struct index_node node;              /* in lanes.queues */
};

/* The zero value is empty. */
struct lanes {
    struct index queues;
    struct index by_number;
    struct limits limits;
    struct turns turns;
    size_t count;
    struct lane *dirty;
    struct lane *woken;
    struct lane *put_off; /* to be woken by the next batch */
    struct queue *dirty_queues;
    size_t queues_set;
    uint64_t counts[TASK_STATES]; /* of all lanes together, as the following */
    uint64_t finishing;
};

void lanes_done(struct lanes *lanes);
/* Reads all lanes, limits and turns. DATA_LOSS when a row is damaged. */
enum status lanes_load(struct lanes *lanes, struct store_txn *txn) NODISCARD;
/* Writes what has changed since the last time, and removes lanes without tasks and limits that nothing keeps. */
void lanes_settle(struct lanes *lanes, struct store_txn *txn);

/* NULL when there is none. */
struct queue *lanes_queue(const struct lanes *lanes, const char *namespace, const char *queue);
/* Finds or makes it. */
struct queue *lanes_obtain_queue(struct lanes *lanes, const char *namespace, const char *name);
/* Frees it when nothing is in it, nobody waits for it, and nothing was said of it. */
void lanes_trim_queue(struct lanes *lanes, struct queue *queue);
struct queue_type *queue_find_type(const struct queue *queue, const char *agent_type);
struct lane *lanes_by_number(const struct lanes *lanes, uint32_t number);
/* Finds or makes; they go away again when nothing uses them. */
struct queue_type *lanes_type(struct lanes *lanes, const char *namespace, const char *queue, const char *agent_type);
/* RESOURCE_EXHAUSTED/TOO_MANY_LANES. Makes it in memory only: what is not used is gone after the batch. */
enum status lanes_obtain(struct broker *broker, const struct lane_name *name, struct lane **ret_lane,
                         struct error *error) NODISCARD;
/* Its name, borrowed from it. limits has room for as many as the lane has; NULL will do for none. */
struct lane_name lane_name(const struct lane *lane, const char **limits);
/* Frees the type, and its queue, when nothing is in it any more. */
void lanes_trim(struct lanes *lanes, struct queue_type *type);

/* One task more in the state to and one less in the state from; TASK_NONE counts nowhere. */
void lane_count(struct lanes *lanes, struct lane *lane, enum task_state from, enum task_state to);
/* So many more, or fewer, of its RUNNING tasks are finishing. */
void lane_count_finishing(struct lanes *lanes, struct lane *lane, int change);
/* ASSIGNED and RUNNING without those that are finishing. */
uint64_t lane_held(const struct lane *lane);
bool rank_is_before(const struct rank *a, const struct rank *b);
/* Whoever waits is to look into it again. */
void lane_wake(struct lanes *lanes, struct lane *lane);
/* Wakes it in the next batch: this one has done enough. */
void lane_put_off(struct lanes *lanes, struct lane *lane);
void lanes_go_on(struct lanes *lanes);
/* The ready table has gained or lost this row. */
void lane_ready_added(struct lanes *lanes, struct lane *lane, const struct rank *rank);
void lane_ready_removed(struct lane *lane, uint64_t id);
/* Whoever waits is to look into all lanes with READY tasks again, or those of one queue. */
void lanes_wake_all(struct lanes *lanes);
void queue_wake(struct lanes *lanes, const struct queue *queue);
/* Makes the head known: its priority is 0 when nothing is READY in the lane. */
enum status lane_find_head(struct store_txn *txn, struct lane *lane) NODISCARD;
