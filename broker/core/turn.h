/* Turns: how the tasks of several parties in one queue and priority alternate.
 *
 * A task is given its turn with its submit: one more than the last of its fairness key, or than the turn last claimed
 * where that is later. So keys alternate however many tasks each has, a key that was away gets no burst for it, and
 * without keys the order is that of submitting. A task keeps its turn for all its runs. Lanes of other agent types and
 * limits share the turns of their queue. At most TURN_KEYS_MAX keys are told apart; who comes beyond shares the turns
 * of tasks without a key. */
#pragma once

#include "broker/core/index.h"
#include "common/base/status.h"
#include "common/store/store.h"

#include <stdbool.h>
#include <stdint.h>

#define FAIRNESS_KEY_MAX 63 /* bytes */
#define TURN_KEYS_MAX 65536
#define TURN_LINES 10 /* one for each priority, from 1 */

struct lanes;
struct queue;
struct turn_line;

/* Where one fairness key stands in one line. */
struct turn_key {
    uint64_t number; /* of its row */
    struct turn_line *line;
    char *text;
    uint64_t last; /* the turn that it was given last */
    bool dirty;
    bool is_stored;
    struct turn_key *next_dirty;
    struct turn_key *next; /* in turns.keys */
    struct turn_key *prev;
    struct index_node node; /* in line.keys */
};

/* One priority of one queue. */
struct turn_line {
    struct queue *queue;
    uint8_t priority;
    uint64_t claimed;       /* the turn last claimed; in the row of shared */
    struct turn_key shared; /* of the tasks without a key */
    struct index keys;
};

/* The zero value is empty. */
struct turns {
    uint64_t last_number;
    size_t key_count;
    struct turn_key *keys; /* that are not shared; the one that was looked at longest ago first */
    struct turn_key *dirty;
};

/* Reads all, once the lanes are known. DATA_LOSS when a row is damaged. */
enum status turns_load(struct lanes *lanes, struct store_txn *txn) NODISCARD;
/* Writes what has changed since the last time, and forgets some of those keys that have nothing to remember. */
void turns_settle(struct turns *turns, struct store_txn *txn);
/* The queue has no task any more. txn NULL: in memory only. */
void turns_drop_queue(struct turns *turns, struct queue *queue, struct store_txn *txn);

/* The turn of a task that comes now. */
uint64_t turn_give(struct turns *turns, struct queue *queue, uint8_t priority, const char *fairness_key);
void turn_claimed(struct turns *turns, struct queue *queue, uint8_t priority, uint64_t turn);
/* No task with this key has a later turn than this. */
uint64_t turn_last(const struct queue *queue, uint8_t priority, const char *fairness_key);
