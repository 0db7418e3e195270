/* How much each name is fought for: what an operator looks at when agents wait for each other. */
#include "contextd/core/lock.h"

#include <stdlib.h>
#include <utlist.h>

/* The worst first: who waited longest in all, then who had to wait most often, then who was used most. */
static int compare(const void *a, const void *b)
{
    const struct lock_usage *left = ((const struct lock_contention *)a)->usage;
    const struct lock_usage *right = ((const struct lock_contention *)b)->usage;

    if (left->wait.total_ms != right->wait.total_ms)
        return left->wait.total_ms > right->wait.total_ms ? -1 : 1;
    if (left->contended != right->contended)
        return left->contended > right->contended ? -1 : 1;
    return left->acquisitions > right->acquisitions ? -1 : left->acquisitions < right->acquisitions;
}

static uint32_t count_held(const struct contextd *core, const struct lock_usage *usage)
{
    uint32_t count = 0;

    for (const struct held_lock *held = core->locks.held; held != NULL; held = held->hh.next)
        count += bytes_have_prefix(key_view(&held->key), key_view(&usage->key));
    return count;
}

static uint32_t count_waiting(const struct contextd *core, const struct lock_contention *contention)
{
    const struct lock_waiter *waiter = NULL;
    uint32_t count = 0;

    DL_FOREACH(core->locks.waiters, waiter)
    {
        count += waiter->token != 0 && bytes_equal(waiter->wanted.name, contention->name) &&
                 bytes_equal(waiter->wanted.namespace, contention->namespace);
    }
    return count;
}

enum status lock_stats(struct contextd *core, struct lock_stats_query *query, struct effects *effects)
{
    size_t count = 0;

    TRY(lock_stats_validate(query, &effects->error));
    struct lock_contention *all =
        arena_zero(&effects->arena, HASH_COUNT(core->locks.usage), sizeof *effects->contention);
    for (const struct lock_usage *usage = core->locks.usage; usage != NULL; usage = usage->hh.next) {
        struct lock_contention *contention = &all[count];
        name_key_read(key_view(&usage->key), &contention->namespace, &contention->name);
        contention->usage = usage;
        count += query->namespace.size == 0 || bytes_equal(query->namespace, contention->namespace);
    }
    if (count > 0)
        qsort(all, count, sizeof *all, compare);
    effects->contention = all;
    effects->count = count < query->most ? count : query->most;
    for (size_t i = 0; i < effects->count; i++) {
        all[i].holders = count_held(core, all[i].usage);
        all[i].waiters = count_waiting(core, &all[i]);
    }
    return STATUS_OK;
}
