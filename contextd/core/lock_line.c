#include "contextd/core/lock_line.h"

#include "contextd/core/fence.h"

#include <stdio.h>
#include <string.h>
#include <utlist.h>

#define CYCLE_SHOWN_MAX 4

static bool lies_in(struct bytes inner, struct bytes outer)
{
    return bytes_have_prefix(inner, outer) && (inner.size == outer.size || inner.data[outer.size] == '/');
}

bool lock_conflicts(const struct lock *a, const struct lock *b)
{
    return (a->mode == LOCK_EXCLUSIVE || b->mode == LOCK_EXCLUSIVE) && bytes_equal(a->namespace, b->namespace) &&
           (lies_in(a->name, b->name) || lies_in(b->name, a->name));
}

/* A walk over the held locks that conflict with a request; on_conflict ends it by saying true. */
struct walk {
    struct store_txn *txn;
    const struct lock *wanted;
    bool (*on_conflict)(void *data, const struct lock *lock);
    void *data;
    bool done;
    struct error *error;
};

static enum status walk_rows(struct walk *walk, const struct key *prefix)
{
    struct bytes key;
    struct bytes record;
    enum status status = store_seek(walk->txn, TABLE_LOCK, key_view(prefix), &key, &record);

    while (!walk->done && status == STATUS_OK && bytes_have_prefix(key, key_view(prefix))) {
        struct lock lock;
        TRY(lock_unpack(key, record, &lock, walk->error));
        walk->done = lock_conflicts(&lock, walk->wanted) && walk->on_conflict(walk->data, &lock);
        if (!walk->done)
            status = store_next(walk->txn, TABLE_LOCK, &key, &record);
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* Those of the same name, of every name that it lies in, and of all that lie in it. */
static enum status walk_held(struct walk *walk)
{
    struct bytes name = walk->wanted->name;
    struct key prefix;

    for (size_t size = 1; size <= name.size && !walk->done; size++) {
        if (size < name.size && name.data[size] != '/')
            continue;
        name_key(walk->wanted->namespace, bytes_slice(name, 0, size), &prefix);
        TRY(walk_rows(walk, &prefix));
    }
    if (walk->done)
        return STATUS_OK;
    lock_below_key(walk->wanted->namespace, name, &prefix);
    return walk_rows(walk, &prefix);
}

static bool take_lock(void *data, const struct lock *lock)
{
    *(struct lock *)data = *lock;
    return true;
}

enum status lock_find_obstacle(const struct contextd *core, struct store_txn *txn, const struct lock *wanted,
                               const struct lock_waiter *end, struct lock_obstacle *ret_obstacle, struct error *error)
{
    struct lock_obstacle obstacle = {0};
    struct walk walk = {.txn = txn, .wanted = wanted, .on_conflict = take_lock, .data = &obstacle.lock, .error = error};

    TRY(walk_held(&walk));
    obstacle.is_held = walk.done;
    obstacle.exists = walk.done;
    for (const struct lock_waiter *waiter = core->locks.waiters; !obstacle.exists && waiter != end;
         waiter = waiter->next) {
        obstacle.exists = waiter->token != 0 && lock_conflicts(&waiter->wanted, wanted);
        obstacle.waiter = waiter;
    }
    *ret_obstacle = obstacle;
    return STATUS_OK;
}

static bool is_same_holder(const struct writer *a, const struct writer *b)
{
    return a->task_id == b->task_id && a->fence == b->fence && bytes_equal(a->agent_id, b->agent_id);
}

/* One request on the way from the first one: whoever stands in the way of its parent waits for it. */
struct node {
    const struct lock *wanted;
    const struct lock_waiter *waiter; /* NULL for the first one */
    size_t parent;
};

struct search {
    const struct contextd *core;
    const struct lock *origin;
    struct node *nodes; /* one more than there are waiters */
    size_t count;
    size_t at;
    bool found;
};

static bool is_in(const struct search *search, const struct lock_waiter *waiter)
{
    for (size_t i = 0; i < search->count; i++)
        if (search->nodes[i].waiter == waiter)
            return true;
    return false;
}

/* This holder stands in the way of the request that is looked at. */
static bool add_holder(struct search *search, const struct writer *holder)
{
    const struct lock_waiter *waiter = NULL;

    search->found = is_same_holder(holder, &search->origin->holder);
    if (search->found)
        return true;
    DL_FOREACH(search->core->locks.waiters, waiter)
    {
        if (waiter->token != 0 && is_same_holder(&waiter->wanted.holder, holder) && !is_in(search, waiter))
            search->nodes[search->count++] =
                (struct node){.wanted = &waiter->wanted, .waiter = waiter, .parent = search->at};
    }
    return false;
}

static bool add_held(void *data, const struct lock *lock)
{
    return add_holder(data, &lock->holder);
}

static enum status look_at_node(struct search *search, struct store_txn *txn, struct error *error)
{
    const struct node node = search->nodes[search->at];
    struct walk walk = {.txn = txn, .wanted = node.wanted, .on_conflict = add_held, .data = search, .error = error};

    TRY(walk_held(&walk));
    for (const struct lock_waiter *waiter = search->core->locks.waiters;
         !search->found && waiter != NULL && waiter != node.waiter; waiter = waiter->next)
        if (waiter->token != 0 && lock_conflicts(&waiter->wanted, node.wanted))
            (void)add_holder(search, &waiter->wanted.holder);
    return STATUS_OK;
}

/* "build7/a waits for "x", build7/b waits for "y"": from the one that closes the cycle back to the first. */
static enum status name_cycle(const struct search *search, struct error *error)
{
    char text[192];
    size_t used = 0;
    size_t shown = 0;
    size_t at = search->at;

    text[0] = '\0';
    for (;; at = search->nodes[at].parent) {
        const struct lock *wanted = search->nodes[at].wanted;
        int size = snprintf(text + used, sizeof text - used, "%s%.*s waits for \"%.*s\"", used > 0 ? ", " : "",
                            (int)wanted->holder.agent_id.size, (const char *)wanted->holder.agent_id.data,
                            (int)wanted->name.size, (const char *)wanted->name.data);
        if (size < 0 || (size_t)size >= sizeof text - used || ++shown == CYCLE_SHOWN_MAX) {
            text[sizeof text - 1] = '\0';
            break;
        }
        used += (size_t)size;
        if (at == 0)
            break;
    }
    return error_set(error, STATUS_FAILED_PRECONDITION, "DEADLOCK",
                     "this wait could never end: %s; release what you hold, then try again", text);
}

/* Whether anybody could wait for this holder. */
static bool holds_or_waits(const struct contextd *core, const struct writer *holder)
{
    const struct lock_waiter *waiter = NULL;

    if (locks_holder_has(&core->locks, holder))
        return true;
    DL_FOREACH(core->locks.waiters, waiter)
    {
        if (waiter->token != 0 && is_same_holder(&waiter->wanted.holder, holder))
            return true;
    }
    return false;
}

enum status lock_check_deadlock(const struct contextd *core, struct store_txn *txn, const struct lock *wanted,
                                struct effects *effects)
{
    struct search search = {.core = core, .origin = wanted};

    if (!holds_or_waits(core, &wanted->holder))
        return STATUS_OK;
    search.nodes = arena_zero(&effects->arena, core->locks.waiter_count + 1, sizeof *search.nodes);
    search.nodes[search.count++] = (struct node){.wanted = wanted};
    for (; search.at < search.count; search.at++) {
        TRY(look_at_node(&search, txn, &effects->error));
        if (search.found)
            return name_cycle(&search, &effects->error);
    }
    return STATUS_OK;
}

void lock_grant(struct contextd *core, struct store_txn *txn, const struct contextd_now *now, struct lock *granted)
{
    CLEANUP(buffer_done)
    struct buffer record = {0};
    struct lock_usage *usage = locks_usage(&core->locks, granted->namespace, granted->name);
    struct key key;

    granted->fence = ++core->counters.revision;
    granted->acquired_ms = now->unix_ms;
    numbered_key(granted->namespace, granted->name, granted->fence, &key);
    lock_pack(key_view(&key), granted, &record);
    store_put(txn, TABLE_LOCK, key_view(&key), buffer_view(&record));
    locks_hold(&core->locks, &key, granted, now->boot_ms);
    core->counters.locks++;
    core->changed = true;
    usage->acquisitions++;
    lock_histogram_add(&usage->wait, granted->waited_ms);
}

void lock_drop(struct contextd *core, struct store_txn *txn, const struct contextd_now *now, struct held_lock *held)
{
    struct bytes namespace;
    struct bytes name;
    uint64_t fence = 0;

    if (numbered_key_read(key_view(&held->key), &namespace, &name, &fence))
        lock_histogram_add(&locks_usage(&core->locks, namespace, name)->hold, now->boot_ms - held->since_ms);
    store_delete(txn, TABLE_LOCK, key_view(&held->key));
    locks_drop(&core->locks, held);
    core->counters.locks--;
    core->counters.revision++;
    core->changed = true;
}

void lock_answer_waiter(struct contextd *core, struct lock_waiter *waiter, const struct lock *granted,
                        const struct error *error, struct effects *effects)
{
    struct lock_answer *answer = arena_zero(&effects->arena, 1, sizeof *answer);

    answer->token = waiter->token;
    if (granted != NULL) {
        answer->fence = granted->fence;
        answer->waited_ms = granted->waited_ms;
        answer->ttl_ms = granted->ttl_ms;
    }
    if (error != NULL)
        answer->error = *error;
    LL_APPEND(effects->lock_answers, answer);
    locks_unwait(&core->locks, waiter);
}

/* Its run may be over by now: then it gets nothing. */
static enum status serve_waiter(struct contextd *core, struct store_txn *txn, const struct contextd_now *now,
                                struct lock_waiter *waiter, struct effects *effects)
{
    struct lock_obstacle obstacle = {0};
    struct error error = {0};
    struct task task;

    enum status status = lock_find_obstacle(core, txn, &waiter->wanted, waiter, &obstacle, &error);
    /* A lock that cannot be read is in the way of what it may conflict with. */
    if (status == STATUS_DATA_LOSS || obstacle.exists)
        return STATUS_OK;
    TRY(status);
    status = fence_check(txn, &waiter->wanted.holder, &task, &error);
    if (error.status != STATUS_OK) {
        lock_answer_waiter(core, waiter, NULL, &error, effects);
        return STATUS_OK;
    }
    TRY(status);
    waiter->wanted.waited_ms = now->boot_ms - waiter->since_ms;
    locks_usage(&core->locks, waiter->wanted.namespace, waiter->wanted.name)->contended++;
    fence_remember(core, txn, &waiter->wanted.holder, &task);
    lock_grant(core, txn, now, &waiter->wanted);
    lock_answer_waiter(core, waiter, &waiter->wanted, NULL, effects);
    return STATUS_OK;
}

enum status lock_advance(struct contextd *core, struct store_txn *txn, const struct contextd_now *now,
                         struct effects *effects)
{
    struct lock_waiter *next;

    for (struct lock_waiter *waiter = core->locks.waiters; waiter != NULL; waiter = next) {
        next = waiter->next;
        if (waiter->token != 0)
            TRY(serve_waiter(core, txn, now, waiter, effects));
    }
    return STATUS_OK;
}
