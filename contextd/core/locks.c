#include "contextd/core/locks.h"

#include "common/base/check.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define USAGE_MAX 4096

/* NOLINTBEGIN(readability-function-size): the macros of uthash nest deeply */

struct held_lock *locks_find(const struct locks *locks, const struct key *key)
{
    struct held_lock *held = NULL;

    HASH_FIND(hh, locks->held, key->data, key->size, held);
    return held;
}

static struct lock_holder *find_holder(const struct locks *locks, const struct key *key)
{
    struct lock_holder *holder = NULL;

    HASH_FIND(hh, locks->holders, key->data, key->size, holder);
    return holder;
}

bool locks_holder_has(const struct locks *locks, const struct writer *holder)
{
    struct key key;

    lock_holder_key(holder->agent_id, holder->task_id, holder->fence, &key);
    return find_holder(locks, &key) != NULL;
}

static struct lock_holder *obtain_holder(struct locks *locks, const struct writer *writer)
{
    struct key key;

    lock_holder_key(writer->agent_id, writer->task_id, writer->fence, &key);
    struct lock_holder *holder = find_holder(locks, &key);
    if (holder == NULL) {
        holder = allocate_zero(1, sizeof *holder);
        holder->key = key;
        HASH_ADD(hh, locks->holders, key.data, holder->key.size, holder);
    }
    holder->count++;
    return holder;
}

static void release_holder(struct locks *locks, struct lock_holder *holder)
{
    if (--holder->count > 0)
        return;
    HASH_DELETE(hh, locks->holders, holder);
    free(holder);
}

void locks_hold(struct locks *locks, const struct key *key, const struct lock *lock, uint64_t now_ms)
{
    struct held_lock *held = allocate_zero(1, sizeof *held);

    held->key = *key;
    held->since_ms = now_ms;
    held->holder = obtain_holder(locks, &lock->holder);
    deadlines_add(&locks->expiries, &held->deadline, now_ms + lock->ttl_ms);
    HASH_ADD(hh, locks->held, key.data, held->key.size, held);
}

void locks_extend(struct locks *locks, struct held_lock *held, uint64_t until_ms)
{
    deadlines_remove(&locks->expiries, &held->deadline);
    deadlines_add(&locks->expiries, &held->deadline, until_ms);
}

void locks_drop(struct locks *locks, struct held_lock *held)
{
    deadlines_remove(&locks->expiries, &held->deadline);
    release_holder(locks, held->holder);
    HASH_DELETE(hh, locks->held, held);
    free(held);
}

/* Its texts move into one piece of memory, which is reserved whole, so that it does not move again. */
static void own_texts(struct lock_waiter *waiter, const struct lock *wanted)
{
    const struct bytes texts[] = {wanted->namespace, wanted->name, wanted->holder.agent_id, wanted->request};
    struct bytes *owned[] = {&waiter->wanted.namespace, &waiter->wanted.name, &waiter->wanted.holder.agent_id,
                             &waiter->wanted.request};
    size_t size = 0;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        size += texts[i].size;
    (void)buffer_reserve(&waiter->texts, size + 1);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        *owned[i] = (struct bytes){.data = waiter->texts.data + waiter->texts.size, .size = texts[i].size};
        buffer_add(&waiter->texts, texts[i].data, texts[i].size);
    }
}

struct lock_waiter *locks_wait(struct locks *locks, const struct lock *wanted, uint64_t token, uint64_t now_ms)
{
    struct lock_waiter *waiter = allocate_zero(1, sizeof *waiter);

    waiter->token = token;
    waiter->since_ms = now_ms;
    waiter->wanted = *wanted;
    own_texts(waiter, wanted);
    DL_APPEND(locks->waiters, waiter);
    locks->waiter_count++;
    return waiter;
}

void locks_unwait(struct locks *locks, struct lock_waiter *waiter)
{
    deadlines_remove(&locks->abandoned, &waiter->deadline);
    DL_DELETE(locks->waiters, waiter);
    locks->waiter_count--;
    buffer_done(&waiter->texts);
    free(waiter);
}

struct lock_waiter *locks_waiter_of_token(const struct locks *locks, uint64_t token)
{
    struct lock_waiter *waiter = NULL;

    DL_FOREACH(locks->waiters, waiter)
    {
        if (waiter->token == token)
            return waiter;
    }
    return NULL;
}

struct lock_waiter *locks_waiter_of_request(const struct locks *locks, const struct lock *wanted)
{
    struct lock_waiter *waiter = NULL;

    DL_FOREACH(locks->waiters, waiter)
    {
        const struct lock *other = &waiter->wanted;
        if (bytes_equal(other->request, wanted->request) && bytes_equal(other->name, wanted->name) &&
            bytes_equal(other->namespace, wanted->namespace))
            return waiter;
    }
    return NULL;
}

void locks_abandon(struct locks *locks, struct lock_waiter *waiter, uint64_t until_ms)
{
    waiter->token = 0;
    deadlines_remove(&locks->abandoned, &waiter->deadline);
    deadlines_add(&locks->abandoned, &waiter->deadline, until_ms);
}

void locks_revive(struct locks *locks, struct lock_waiter *waiter, uint64_t token)
{
    waiter->token = token;
    deadlines_remove(&locks->abandoned, &waiter->deadline);
}

static void usage_free(struct locks *locks, struct lock_usage *usage)
{
    HASH_DELETE(hh, locks->usage, usage);
    free(usage);
}

struct lock_usage *locks_usage(struct locks *locks, struct bytes namespace, struct bytes name)
{
    struct lock_usage *usage = NULL;
    struct key key;

    name_key(namespace, name, &key);
    HASH_FIND(hh, locks->usage, key.data, key.size, usage);
    if (usage != NULL) {
        /* To the end: the first is the one that was used least lately. */
        HASH_DELETE(hh, locks->usage, usage);
    } else {
        if (HASH_COUNT(locks->usage) >= USAGE_MAX)
            usage_free(locks, locks->usage);
        usage = allocate_zero(1, sizeof *usage);
        usage->key = key;
    }
    HASH_ADD(hh, locks->usage, key.data, usage->key.size, usage);
    return usage;
}

/* NOLINTEND(readability-function-size) */

void lock_histogram_add(struct lock_histogram *histogram, uint64_t ms)
{
    size_t bucket = 0;

    while (bucket < LOCK_BUCKETS - 1 && ms >> bucket > 0)
        bucket++;
    histogram->counts[bucket]++;
    histogram->total_ms += ms;
    if (ms > histogram->longest_ms)
        histogram->longest_ms = ms;
}

void locks_done(struct locks *locks)
{
    while (locks->held != NULL)
        locks_drop(locks, locks->held);
    while (locks->waiters != NULL)
        locks_unwait(locks, locks->waiters);
    while (locks->usage != NULL)
        usage_free(locks, locks->usage); // NOLINT(clang-analyzer-unix.Malloc): the head of the hash has moved on
    deadlines_done(&locks->expiries);
    deadlines_done(&locks->abandoned);
}
