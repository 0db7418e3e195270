/* Named limits: how many of the tasks that name one may run at once, how fast they may begin, and until when none may.
 *
 * A limit is known while a lane names it, or an operator has set it, or it is paused; for the last two it has a row.
 * What runs is the sum over its lanes, kept as their counts change. Whether a lane may be claimed from says gate.h. */
#pragma once

#include "broker/core/index.h"
#include "common/base/bytes.h"
#include "common/store/store.h"

#include <stdbool.h>
#include <stdint.h>

#define LIMIT_NAME_MAX 127 /* bytes */
#define LIMITS_PER_TASK_MAX 4
#define LIMITS_KEPT_MAX 16384 /* that are set or paused */

struct lane;
struct limit;

/* A lane's place among those of one of its limits. */
struct lane_limit {
    struct lane *lane;
    struct limit *limit;
    struct lane_limit *next;
    struct lane_limit *prev;
};

struct limit {
    char *name;
    bool is_set;          /* by an operator: it stays when no task names it */
    uint32_t max_running; /* 0 = no bound */
    uint32_t rate_count;  /* so many runs may begin per interval; 0 = no bound */
    uint32_t rate_interval_ms;
    uint64_t level;           /* of the bucket that the rate fills: a run takes rate_interval_ms of it */
    uint64_t level_ms;        /* store time of that level */
    uint64_t paused_until_ms; /* Unix time; 0 = it is not paused */
    char *paused_by;
    char *pause_reason;
    uint64_t running;
    struct lane_limit *lanes; /* the one that was served longest ago first */
    size_t lane_count;
    bool dirty; /* its row is not written yet, or it is to be forgotten */
    bool is_stored;
    bool is_timed;
    bool is_loosened;
    struct limit *next_dirty;
    struct limit *next_timed;
    struct limit *prev_timed;
    struct limit *next_loosened;
    struct index_node node; /* in limits.by_name */
};

/* The zero value is empty. */
struct limits {
    struct index by_name;
    size_t kept; /* that are set or paused */
    struct limit *dirty;
    struct limit *timed;    /* that time alone may open */
    struct limit *loosened; /* that may be open now and were not: who waits for their lanes is to be woken */
};

/* No lane may name any of them any more. */
void limits_done(struct limits *limits);
/* Adds the rows. DATA_LOSS when one is damaged. */
enum status limits_load(struct limits *limits, struct store_txn *txn) NODISCARD;
/* Writes what has changed since the last time, and forgets what nothing keeps. */
void limits_settle(struct limits *limits, struct store_txn *txn);

/* NULL when it is not known. */
struct limit *limits_find(const struct limits *limits, const char *name);
struct limit *limits_obtain(struct limits *limits, const char *name);
/* Whether it would need a row that there is no room for. */
bool limits_are_full(const struct limits *limits, const struct limit *limit);

void limit_add_lane(struct limit *limit, struct lane_limit *place);
void limit_remove_lane(struct limits *limits, struct lane_limit *place);
/* So many more, or fewer, of its tasks are held. */
void limit_count(struct limits *limits, struct limit *limit, int change);
/* One of its tasks was claimed from this lane. */
void limit_spend(struct limits *limits, struct lane_limit *place, uint64_t store_ms);

/* What an operator sets: is_set begins or ends with it. Each of them wakes who may go on. */
void limit_keep(struct limits *limits, struct limit *limit, bool is_set);
void limit_set_max(struct limits *limits, struct limit *limit, uint32_t max_running);
/* The bucket begins full. */
void limit_set_rate(struct limits *limits, struct limit *limit, uint32_t count, uint32_t interval_ms,
                    uint64_t store_ms);
/* until_ms 0 ends the pause. */
void limit_pause(struct limits *limits, struct limit *limit, uint64_t until_ms, const char *by, const char *reason);

bool limit_is_full(const struct limit *limit);
bool limit_is_paused(const struct limit *limit, uint64_t wall_ms);
/* How long until the rate lets one more begin; 0 = now. */
uint64_t limit_refill_ms(const struct limit *limit, uint64_t store_ms);
/* Looks at those that time may have opened. */
void limits_tick(struct limits *limits, uint64_t store_ms, uint64_t wall_ms);
/* The next loosened one, which is none any more then; NULL when there is none. */
struct limit *limits_next_loosened(struct limits *limits);
