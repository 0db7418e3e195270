/* Who stands in whose way: conflicts of locks, the line of those who wait, and waits that could never end. */
#pragma once

#include "contextd/core/core.h"

/* "repo" and "repo/src" conflict, "repo" and "repository" do not; two SHARED ones never do. */
bool lock_conflicts(const struct lock *a, const struct lock *b);

/* What keeps a request from being granted. */
struct lock_obstacle {
    bool exists;
    bool is_held;                     /* by lock; else by an earlier request */
    struct lock lock;                 /* borrowed from the store until the next write */
    const struct lock_waiter *waiter; /* the earlier request */
};
/* Of a request that stands before the waiter end (NULL: at the end of the line). Waiters without a call are no
 * obstacle. */
enum status lock_find_obstacle(const struct contextd *core, struct store_txn *txn, const struct lock *wanted,
                               const struct lock_waiter *end, struct lock_obstacle *ret_obstacle, struct error *error)
    NODISCARD;

/* FAILED_PRECONDITION/DEADLOCK, naming the cycle, when those who stand in the way of this request wait for its holder.
 */
enum status lock_check_deadlock(const struct contextd *core, struct store_txn *txn, const struct lock *wanted,
                                struct effects *effects) NODISCARD;

/* Gives it the lock; what is granted, with its fence, is in *granted. */
void lock_grant(struct contextd *core, struct store_txn *txn, const struct contextd_now *now, struct lock *granted);
/* A lock is not held any more, or a request has gone: whoever can have what it waits for gets it. */
enum status lock_advance(struct contextd *core, struct store_txn *txn, const struct contextd_now *now,
                         struct effects *effects) NODISCARD;
/* Ends a wait with an answer to whoever asked. error NULL: granted. */
void lock_answer_waiter(struct contextd *core, struct lock_waiter *waiter, const struct lock *granted,
                        const struct error *error, struct effects *effects);
/* Takes a held lock out of the store and of memory. */
void lock_drop(struct contextd *core, struct store_txn *txn, const struct contextd_now *now, struct held_lock *held);
