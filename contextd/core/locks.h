/* What the core has in memory of locks: when those that are held run out, who waits, and how much each name is fought
 * for. Everything here is read again from the store, or may be forgotten. */
#pragma once

#include "common/base/deadlines.h"
#include "contextd/core/keys.h"
#include "contextd/core/records.h"

#include <stdbool.h>
#include <uthash.h>

#define LOCK_REQUEST_SIZE 16
#define LOCK_BUCKETS 24

enum lock_mode { LOCK_EXCLUSIVE = 1, LOCK_SHARED = 2 };

/* A lock, as its row says it; namespace and name are in the key. */
struct lock {
    struct bytes namespace;
    struct bytes name;
    uint64_t fence;
    enum lock_mode mode;
    uint32_t ttl_ms;
    uint64_t acquired_ms; /* Unix time */
    uint64_t waited_ms;
    struct writer holder;
    struct bytes request; /* LOCK_REQUEST_SIZE */
};

/* Somebody who holds locks. */
struct lock_holder {
    uint32_t count;
    UT_hash_handle hh; /* by the key */
    struct key key;    /* agent 0 task, fence */
};

struct held_lock {
    struct deadline deadline; /* BOOTTIME: lost then. The first member */
    uint64_t since_ms;        /* BOOTTIME */
    struct lock_holder *holder;
    UT_hash_handle hh; /* by the key of its row */
    struct key key;
};

/* A request that waits. Its bytes are its own. */
struct lock_waiter {
    struct deadline deadline; /* BOOTTIME: its place is given up then, unless it asks again. The first member */
    uint64_t token;           /* of the call that waits; 0 = none at the moment */
    uint64_t since_ms;        /* BOOTTIME */
    struct lock wanted;
    struct lock_waiter *next;
    struct lock_waiter *prev;
    struct buffer texts;
};

struct lock_histogram {
    uint64_t counts[LOCK_BUCKETS];
    uint64_t total_ms;
    uint64_t longest_ms;
};

/* How much a name is fought for. */
struct lock_usage {
    uint64_t acquisitions;
    uint64_t contended;
    uint64_t refused;
    uint64_t expired;
    struct lock_histogram wait;
    struct lock_histogram hold;
    UT_hash_handle hh; /* by the key of the name; the order is that of the last use */
    struct key key;
};

/* The zero value is empty. */
struct locks {
    struct held_lock *held;
    struct lock_holder *holders;
    struct deadlines expiries;
    struct lock_waiter *waiters; /* the longest waiting first */
    size_t waiter_count;
    struct deadlines abandoned; /* waiters without a call */
    bool advance_is_due;        /* since the last tick somebody has gone who may have held others up */
    struct lock_usage *usage;
};

void locks_done(struct locks *locks);

/* Held ones, by the key of their row. */
struct held_lock *locks_find(const struct locks *locks, const struct key *key);
void locks_hold(struct locks *locks, const struct key *key, const struct lock *lock, uint64_t now_ms);
/* Whether this holder has any lock. */
bool locks_holder_has(const struct locks *locks, const struct writer *holder);
void locks_extend(struct locks *locks, struct held_lock *held, uint64_t until_ms);
void locks_drop(struct locks *locks, struct held_lock *held);

/* At the end of the line. */
struct lock_waiter *locks_wait(struct locks *locks, const struct lock *wanted, uint64_t token, uint64_t now_ms);
void locks_unwait(struct locks *locks, struct lock_waiter *waiter);
struct lock_waiter *locks_waiter_of_token(const struct locks *locks, uint64_t token);
/* The same request by the same holder. */
struct lock_waiter *locks_waiter_of_request(const struct locks *locks, const struct lock *wanted);
/* Nobody asks for it any more: its place is kept until then. */
void locks_abandon(struct locks *locks, struct lock_waiter *waiter, uint64_t until_ms);
/* It is asked for again, by this call. */
void locks_revive(struct locks *locks, struct lock_waiter *waiter, uint64_t token);

/* Of the name of a lock; makes it, and forgets the one that was used least lately where there are too many. */
struct lock_usage *locks_usage(struct locks *locks, struct bytes namespace, struct bytes name);
void lock_histogram_add(struct lock_histogram *histogram, uint64_t ms);
