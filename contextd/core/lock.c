#include "contextd/core/lock.h"

#include "common/base/check.h"
#include "contextd/core/fence.h"
#include "contextd/core/lock_line.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define PLACE_KEPT_MS 5000
#define TOKEN_FENCE_DIGITS 16

static uint32_t count_waiters(const struct contextd *core, const struct lock *lock)
{
    const struct lock_waiter *waiter = NULL;
    uint32_t count = 0;

    DL_FOREACH(core->locks.waiters, waiter)
    {
        count += waiter->token != 0 && lock_conflicts(&waiter->wanted, lock);
    }
    return count;
}

static struct lock_view view_of(const struct contextd *core, const struct contextd_now *now, const struct lock *lock)
{
    struct lock_view view = {.lock = *lock, .waiters = count_waiters(core, lock)};
    struct key key;

    numbered_key(lock->namespace, lock->name, lock->fence, &key);
    const struct held_lock *held = locks_find(&core->locks, &key);
    if (held != NULL && held->deadline.at_ms > now->boot_ms)
        view.left_ms = held->deadline.at_ms - now->boot_ms;
    return view;
}

/* For what is written to the store meanwhile. */
static struct lock_view view_copy(struct arena *arena, struct lock_view view)
{
    view.lock.namespace = arena_bytes(arena, view.lock.namespace);
    view.lock.name = arena_bytes(arena, view.lock.name);
    view.lock.holder.agent_id = arena_bytes(arena, view.lock.holder.agent_id);
    view.lock.request = arena_bytes(arena, view.lock.request);
    return view;
}

/* ABORTED/LOCK_HELD, with what is in the way. */
static enum status refuse_held(struct contextd *core, const struct lock *wanted, const struct lock_obstacle *obstacle,
                               struct error *error)
{
    const struct lock *other = obstacle->is_held ? &obstacle->lock : &obstacle->waiter->wanted;

    locks_usage(&core->locks, wanted->namespace, wanted->name)->refused++;
    return error_set(error, STATUS_ABORTED, "LOCK_HELD", "name: %.*s %s \"%.*s\": ask again, with a longer wait",
                     (int)other->holder.agent_id.size, (const char *)other->holder.agent_id.data,
                     obstacle->is_held ? "holds" : "has waited longer for", (int)other->name.size,
                     (const char *)other->name.data);
}

/* The lock that this very request was given, if it still has it. */
static enum status find_granted(struct store_txn *txn, const struct lock *wanted, struct lock *ret_lock,
                                bool *ret_found, struct error *error)
{
    struct key prefix;
    struct bytes key;
    struct bytes record;

    *ret_found = false;
    name_key(wanted->namespace, wanted->name, &prefix);
    enum status status = store_seek(txn, TABLE_LOCK, key_view(&prefix), &key, &record);
    while (status == STATUS_OK && bytes_have_prefix(key, key_view(&prefix))) {
        TRY(lock_unpack(key, record, ret_lock, error));
        *ret_found = bytes_equal(ret_lock->request, wanted->request);
        if (*ret_found)
            return STATUS_OK;
        status = store_next(txn, TABLE_LOCK, &key, &record);
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* NOLINTBEGIN(readability-function-size): the macros of uthash nest deeply */
/* The same request on another call: the older one is told, the place in the line stays. */
static void take_over(struct contextd *core, struct lock_waiter *waiter, uint64_t token, struct effects *effects)
{
    if (waiter->token != 0) {
        struct lock_answer *answer = arena_zero(&effects->arena, 1, sizeof *answer);
        answer->token = waiter->token;
        (void)error_set(&answer->error, STATUS_ABORTED, "REPLACED", "the same request was made on another call since");
        LL_APPEND(effects->lock_answers, answer);
    }
    locks_revive(&core->locks, waiter, token);
}

/* NOLINTEND(readability-function-size) */

static enum status check_room(const struct contextd *core, const struct contextd_now *now, struct error *error)
{
    if (now->store_nearly_full)
        return error_set(error, STATUS_RESOURCE_EXHAUSTED, "STORE_FULL",
                         "the store is nearly full: delete entries or make it larger, then try again");
    if (core->counters.locks >= LOCKS_MAX)
        return error_set(error, STATUS_RESOURCE_EXHAUSTED, "TOO_MANY_LOCKS",
                         "%d locks are held already: release some, then try again", LOCKS_MAX);
    if (core->locks.waiter_count >= LOCK_WAITERS_MAX)
        return error_set(error, STATUS_RESOURCE_EXHAUSTED, "TOO_MANY_WAITING",
                         "%d requests wait for locks already: try again later", LOCK_WAITERS_MAX);
    return STATUS_OK;
}

/* A request that is new, or has kept its place as waiter. */
static enum status grant_or_wait(struct contextd *core, struct store_txn *txn, const struct contextd_now *now,
                                 const struct command *command, struct lock *wanted, struct effects *effects)
{
    struct lock_waiter *waiter = locks_waiter_of_request(&core->locks, wanted);
    struct lock_obstacle obstacle;
    struct task task;

    TRY(fence_check(txn, &wanted->holder, &task, &effects->error));
    TRY(lock_find_obstacle(core, txn, wanted, waiter, &obstacle, &effects->error));
    if (waiter == NULL || !obstacle.exists)
        TRY(check_room(core, now, &effects->error));
    if (obstacle.exists && !command->acquire_lock.waits) {
        effects->shows_holder = obstacle.is_held;
        if (obstacle.is_held)
            effects->holder = view_of(core, now, &obstacle.lock);
        return refuse_held(core, wanted, &obstacle, &effects->error);
    }
    if (obstacle.exists && waiter == NULL)
        TRY(lock_check_deadlock(core, txn, wanted, effects));
    if (waiter != NULL)
        take_over(core, waiter, command->token, effects);
    effects->waits = obstacle.exists;
    if (obstacle.exists && waiter == NULL)
        (void)locks_wait(&core->locks, wanted, command->token, now->boot_ms);
    if (obstacle.exists)
        return STATUS_OK;
    if (waiter != NULL) {
        wanted->waited_ms = now->boot_ms - waiter->since_ms;
        locks_usage(&core->locks, wanted->namespace, wanted->name)->contended++;
        locks_unwait(&core->locks, waiter);
    }
    fence_remember(core, txn, &wanted->holder, &task);
    lock_grant(core, txn, now, wanted);
    effects->lock = *wanted;
    return STATUS_OK;
}

enum status lock_acquire(struct contextd *core, struct store_txn *txn, const struct contextd_now *now,
                         struct command *command, struct effects *effects)
{
    struct acquire_lock *acquire = &command->acquire_lock;
    bool found = false;

    TRY(acquire_lock_validate(acquire, &effects->error));
    struct lock wanted = {
        .namespace = acquire->namespace,
        .name = acquire->name,
        .mode = acquire->mode,
        .ttl_ms = acquire->ttl_ms,
        .holder = acquire->holder,
        .request = acquire->request,
    };
    TRY(find_granted(txn, &wanted, &effects->lock, &found, &effects->error));
    return found ? STATUS_OK : grant_or_wait(core, txn, now, command, &wanted, effects);
}

enum status lock_unwait(struct contextd *core, struct store_txn *txn, const struct contextd_now *now, uint64_t token,
                        struct effects *effects)
{
    struct lock_waiter *waiter = locks_waiter_of_token(&core->locks, token);
    struct lock_obstacle obstacle;

    if (waiter == NULL)
        return STATUS_OK;
    struct lock_answer *answer = arena_zero(&effects->arena, 1, sizeof *answer);
    answer->token = token;
    TRY(lock_find_obstacle(core, txn, &waiter->wanted, waiter, &obstacle, &effects->error));
    CHECK(obstacle.exists); /* or it would have been granted */
    (void)refuse_held(core, &waiter->wanted, &obstacle, &answer->error);
    answer->shows_holder = obstacle.is_held;
    if (obstacle.is_held)
        answer->holder = view_copy(&effects->arena, view_of(core, now, &obstacle.lock));
    LL_APPEND(effects->lock_answers, answer);
    /* Others may pass it now, until it asks again. */
    locks_abandon(&core->locks, waiter, now->boot_ms + PLACE_KEPT_MS);
    return lock_advance(core, txn, now, effects);
}

void lock_forget(struct contextd *core, const struct contextd_now *now, uint64_t token)
{
    struct lock_waiter *waiter = locks_waiter_of_token(&core->locks, token);

    if (waiter == NULL)
        return;
    locks_abandon(&core->locks, waiter, now->boot_ms + PLACE_KEPT_MS);
    core->locks.advance_is_due = true;
}

static struct held_lock *find_held(const struct contextd *core, const struct name_lock *named)
{
    struct key key;

    numbered_key(named->namespace, named->name, named->fence, &key);
    return locks_find(&core->locks, &key);
}

enum status lock_renew(struct contextd *core, struct store_txn *txn, const struct contextd_now *now,
                       struct name_lock *renew, struct effects *effects)
{
    struct bytes record;

    TRY(name_lock_validate(renew, &effects->error));
    struct held_lock *held = find_held(core, renew);
    if (held == NULL)
        return error_set(&effects->error, STATUS_ABORTED, "LOCK_LOST",
                         "the lock is not held any more: stop touching what it protected");
    TRY(store_get(txn, TABLE_LOCK, key_view(&held->key), &record));
    TRY(lock_unpack(key_view(&held->key), record, &effects->lock, &effects->error));
    locks_extend(&core->locks, held, now->boot_ms + effects->lock.ttl_ms);
    return STATUS_OK;
}

enum status lock_release(struct contextd *core, struct store_txn *txn, const struct contextd_now *now,
                         struct name_lock *release, struct effects *effects)
{
    TRY(name_lock_validate(release, &effects->error));
    struct held_lock *held = find_held(core, release);
    effects->was_held = held != NULL;
    if (held == NULL)
        return STATUS_OK;
    lock_drop(core, txn, now, held);
    return lock_advance(core, txn, now, effects);
}

enum status lock_tick(struct contextd *core, struct store_txn *txn, const struct contextd_now *now,
                      struct effects *effects)
{
    struct locks *locks = &core->locks;
    bool advance = locks->advance_is_due;

    while (deadlines_first_ms(&locks->abandoned) <= now->boot_ms)
        locks_unwait(locks, (struct lock_waiter *)deadlines_first(&locks->abandoned));
    while (deadlines_first_ms(&locks->expiries) <= now->boot_ms) {
        struct held_lock *held = (struct held_lock *)deadlines_first(&locks->expiries);
        struct bytes namespace;
        struct bytes name;
        uint64_t fence = 0;
        if (numbered_key_read(key_view(&held->key), &namespace, &name, &fence))
            locks_usage(locks, namespace, name)->expired++;
        lock_drop(core, txn, now, held);
        advance = true;
    }
    locks->advance_is_due = false;
    return advance ? lock_advance(core, txn, now, effects) : STATUS_OK;
}

uint64_t lock_next_ms(const struct contextd *core)
{
    uint64_t expiry_ms = deadlines_first_ms(&core->locks.expiries);
    uint64_t abandoned_ms = deadlines_first_ms(&core->locks.abandoned);

    if (core->locks.advance_is_due)
        return 0;
    return expiry_ms < abandoned_ms ? expiry_ms : abandoned_ms;
}

enum status lock_open(struct contextd *core, struct store_txn *txn, const struct contextd_now *now,
                      struct effects *effects)
{
    static const uint8_t first[1] = {0};
    struct bytes from = {.data = first, .size = sizeof first};
    struct bytes key;
    struct bytes record;
    struct error error = {0};

    (void)error_set(&error, STATUS_UNAVAILABLE, "STORE_FULL", "the store is full and was read anew: ask again");
    while (core->locks.waiters != NULL)
        lock_answer_waiter(core, core->locks.waiters, NULL, &error, effects);
    while (core->locks.held != NULL)
        locks_drop(&core->locks, core->locks.held);
    enum status status = store_seek(txn, TABLE_LOCK, from, &key, &record);
    for (; status == STATUS_OK; status = store_next(txn, TABLE_LOCK, &key, &record)) {
        struct lock lock;
        struct key own;
        TRY(lock_unpack(key, record, &lock, &effects->error));
        numbered_key(lock.namespace, lock.name, lock.fence, &own);
        locks_hold(&core->locks, &own, &lock, now->boot_ms);
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* A token is the fence and the name of the last lock of its page. */
static enum status read_token(const struct list_locks *list, struct key *ret_start, struct error *error)
{
    char digits[TOKEN_FENCE_DIGITS + 1] = "";
    char *end = digits;

    if (list->page_token.size > TOKEN_FENCE_DIGITS + 1 && list->page_token.data[TOKEN_FENCE_DIGITS] == '.') {
        memcpy(digits, list->page_token.data, TOKEN_FENCE_DIGITS);
        uint64_t fence = strtoull(digits, &end, 16);
        struct bytes name = bytes_slice(list->page_token, TOKEN_FENCE_DIGITS + 1, list->page_token.size);
        if (*end == '\0' && name.size <= LOCK_NAME_MAX && bytes_have_prefix(name, list->prefix)) {
            numbered_key(list->namespace, name, fence, ret_start);
            key_step_behind(ret_start);
            return STATUS_OK;
        }
    }
    return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_FIELD", "page_token: it is not from a page with this prefix");
}

static void write_token(const struct lock *last, struct effects *effects)
{
    (void)snprintf(effects->next_page_token, sizeof effects->next_page_token, "%016" PRIx64 ".%.*s", last->fence,
                   (int)last->name.size, (const char *)last->name.data);
}

enum status lock_list(struct contextd *core, struct store_txn *txn, const struct contextd_now *now,
                      struct list_locks *list, struct effects *effects)
{
    struct key prefix;
    struct key start;
    struct bytes key;
    struct bytes record;

    TRY(list_locks_validate(list, &effects->error));
    name_prefix_key(list->namespace, list->prefix, &prefix);
    start = prefix;
    if (list->page_token.size > 0)
        TRY(read_token(list, &start, &effects->error));
    effects->lock_views = arena_zero(&effects->arena, list->page_size, sizeof *effects->lock_views);
    enum status status = store_seek(txn, TABLE_LOCK, key_view(&start), &key, &record);
    while (status == STATUS_OK && bytes_have_prefix(key, key_view(&prefix))) {
        struct lock lock;
        if (effects->count == list->page_size) {
            write_token(&effects->lock_views[effects->count - 1].lock, effects);
            return STATUS_OK;
        }
        TRY(lock_unpack(key, record, &lock, &effects->error));
        effects->lock_views[effects->count++] = view_of(core, now, &lock);
        status = store_next(txn, TABLE_LOCK, &key, &record);
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}
