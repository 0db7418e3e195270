#include "broker/core/limit.h"

#include "broker/core/keys.h"
#include "broker/core/record.h"
#include "common/base/check.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define LIMIT_VERSION 1

static bool is_kept(const struct limit *limit)
{
    return limit->is_set || limit->paused_until_ms > 0;
}

static void mark_dirty(struct limits *limits, struct limit *limit)
{
    if (limit->dirty)
        return;
    limit->dirty = true;
    LL_PREPEND2(limits->dirty, limit, next_dirty);
}

static void loosen(struct limits *limits, struct limit *limit)
{
    if (limit->is_loosened)
        return;
    limit->is_loosened = true;
    LL_PREPEND2(limits->loosened, limit, next_loosened);
}

static void set_timed(struct limits *limits, struct limit *limit, bool is_timed)
{
    if (limit->is_timed == is_timed)
        return;
    limit->is_timed = is_timed;
    if (is_timed)
        DL_APPEND2(limits->timed, limit, prev_timed, next_timed);
    else
        DL_DELETE2(limits->timed, limit, prev_timed, next_timed);
}

struct limit *limits_find(const struct limits *limits, const char *name)
{
    return index_find(&limits->by_name, name, strlen(name));
}

struct limit *limits_obtain(struct limits *limits, const char *name)
{
    struct limit *limit = limits_find(limits, name);

    if (limit != NULL)
        return limit;
    limit = allocate_zero(1, sizeof *limit);
    limit->name = duplicate_text(name);
    limit->paused_by = duplicate_text("");
    limit->pause_reason = duplicate_text("");
    index_add(&limits->by_name, &limit->node, limit->name, strlen(limit->name), limit);
    return limit;
}

bool limits_are_full(const struct limits *limits, const struct limit *limit)
{
    return limits->kept >= LIMITS_KEPT_MAX && (limit == NULL || !is_kept(limit));
}

static void limit_free(struct limits *limits, struct limit *limit)
{
    CHECK(limit->lanes == NULL);
    set_timed(limits, limit, false);
    if (limit->is_loosened)
        LL_DELETE2(limits->loosened, limit, next_loosened);
    index_remove(&limits->by_name, &limit->node);
    free(limit->name);
    free(limit->paused_by);
    free(limit->pause_reason);
    free(limit);
}

void limits_done(struct limits *limits)
{
    struct limit *next;

    for (struct limit *limit = index_first(&limits->by_name); limit != NULL; limit = next) {
        next = index_next(&limit->node);
        limit_free(limits, limit);
    }
    *limits = (struct limits){0};
}

void limit_add_lane(struct limit *limit, struct lane_limit *place)
{
    place->limit = limit;
    DL_APPEND(limit->lanes, place);
    limit->lane_count++;
}

void limit_remove_lane(struct limits *limits, struct lane_limit *place)
{
    struct limit *limit = place->limit;

    DL_DELETE(limit->lanes, place);
    limit->lane_count--;
    if (limit->lanes == NULL && !is_kept(limit))
        mark_dirty(limits, limit);
}

bool limit_is_full(const struct limit *limit)
{
    return limit->max_running > 0 && limit->running >= limit->max_running;
}

bool limit_is_paused(const struct limit *limit, uint64_t wall_ms)
{
    return limit->paused_until_ms > wall_ms;
}

void limit_count(struct limits *limits, struct limit *limit, int change)
{
    bool was_full = limit_is_full(limit);

    CHECK(change >= 0 || limit->running >= (uint64_t)-change);
    limit->running += (uint64_t)change;
    if (was_full && !limit_is_full(limit))
        loosen(limits, limit);
}

static uint64_t level_at(const struct limit *limit, uint64_t store_ms)
{
    uint64_t most = (uint64_t)limit->rate_count * limit->rate_interval_ms;
    uint64_t passed_ms = store_ms > limit->level_ms ? store_ms - limit->level_ms : 0;

    if (passed_ms >= limit->rate_interval_ms)
        return most;
    uint64_t level = limit->level + passed_ms * limit->rate_count;
    return level < most ? level : most;
}

uint64_t limit_refill_ms(const struct limit *limit, uint64_t store_ms)
{
    if (limit->rate_count == 0)
        return 0;
    uint64_t level = level_at(limit, store_ms);
    if (level >= limit->rate_interval_ms)
        return 0;
    return (limit->rate_interval_ms - level + limit->rate_count - 1) / limit->rate_count;
}

void limit_spend(struct limits *limits, struct lane_limit *place, uint64_t store_ms)
{
    struct limit *limit = place->limit;

    /* Whoever was served goes to the end, so that the lanes of a full limit take turns. */
    DL_DELETE(limit->lanes, place);
    DL_APPEND(limit->lanes, place);
    if (limit->rate_count == 0)
        return;
    uint64_t level = level_at(limit, store_ms);
    limit->level = level > limit->rate_interval_ms ? level - limit->rate_interval_ms : 0;
    limit->level_ms = store_ms;
    mark_dirty(limits, limit);
    if (limit->level < limit->rate_interval_ms)
        set_timed(limits, limit, true);
}

static void count_kept(struct limits *limits, const struct limit *limit, bool was_kept)
{
    if (is_kept(limit) && !was_kept)
        limits->kept++;
    else if (!is_kept(limit) && was_kept)
        limits->kept--;
}

void limit_keep(struct limits *limits, struct limit *limit, bool is_set)
{
    bool was_kept = is_kept(limit);

    limit->is_set = is_set;
    count_kept(limits, limit, was_kept);
    mark_dirty(limits, limit);
}

void limit_set_max(struct limits *limits, struct limit *limit, uint32_t max_running)
{
    limit->max_running = max_running;
    mark_dirty(limits, limit);
    loosen(limits, limit);
}

void limit_set_rate(struct limits *limits, struct limit *limit, uint32_t count, uint32_t interval_ms, uint64_t store_ms)
{
    limit->rate_count = count;
    limit->rate_interval_ms = interval_ms;
    limit->level = (uint64_t)count * interval_ms;
    limit->level_ms = store_ms;
    mark_dirty(limits, limit);
    loosen(limits, limit);
}

static void keep_text(char **kept, const char *text)
{
    char *copy = duplicate_text(text);

    free(*kept);
    *kept = copy;
}

void limit_pause(struct limits *limits, struct limit *limit, uint64_t until_ms, const char *by, const char *reason)
{
    bool was_kept = is_kept(limit);

    limit->paused_until_ms = until_ms;
    keep_text(&limit->paused_by, by);
    keep_text(&limit->pause_reason, reason);
    count_kept(limits, limit, was_kept);
    mark_dirty(limits, limit);
    set_timed(limits, limit, true);
    loosen(limits, limit);
}

void limits_tick(struct limits *limits, uint64_t store_ms, uint64_t wall_ms)
{
    struct limit *next;

    for (struct limit *limit = limits->timed; limit != NULL; limit = next) {
        next = limit->next_timed;
        if (limit->paused_until_ms > 0 && !limit_is_paused(limit, wall_ms))
            limit_pause(limits, limit, 0, "", "");
        if (limit->paused_until_ms > 0 || limit_refill_ms(limit, store_ms) > 0)
            continue;
        set_timed(limits, limit, false);
        loosen(limits, limit);
    }
}

struct limit *limits_next_loosened(struct limits *limits)
{
    struct limit *limit = limits->loosened;

    if (limit == NULL)
        return NULL;
    limits->loosened = limit->next_loosened;
    limit->next_loosened = NULL;
    limit->is_loosened = false;
    return limit;
}

static enum status limit_load(struct limits *limits, struct bytes value)
{
    struct reader reader;

    if (!record_open(value, LIMIT_VERSION, 0, &reader))
        return STATUS_DATA_LOSS;
    const char *name = record_text(&reader);
    bool is_set = reader_u8(&reader) != 0;
    if (reader.failed)
        return STATUS_DATA_LOSS;
    struct limit *limit = limits_obtain(limits, name);
    limit->is_set = is_set;
    limit->is_stored = true;
    limit->max_running = reader_u32(&reader);
    limit->rate_count = reader_u32(&reader);
    limit->rate_interval_ms = reader_u32(&reader);
    limit->level = reader_u64(&reader);
    limit->level_ms = reader_u64(&reader);
    limit->paused_until_ms = reader_u64(&reader);
    keep_text(&limit->paused_by, record_text(&reader));
    keep_text(&limit->pause_reason, record_text(&reader));
    limits->kept += is_kept(limit);
    set_timed(limits, limit, limit->paused_until_ms > 0 || limit->rate_count > 0);
    return reader.failed ? STATUS_DATA_LOSS : STATUS_OK;
}

enum status limits_load(struct limits *limits, struct store_txn *txn)
{
    struct bytes key;
    struct bytes value;
    enum status status = store_seek(txn, TABLE_LIMIT, (struct bytes){0}, &key, &value);

    for (; status == STATUS_OK; status = store_next(txn, TABLE_LIMIT, &key, &value))
        TRY(limit_load(limits, value));
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static void limit_save(struct store_txn *txn, struct limit *limit, struct buffer *buffer)
{
    record_begin(buffer, LIMIT_VERSION);
    record_add_text(buffer, limit->name);
    buffer_add_u8(buffer, limit->is_set);
    buffer_add_u32(buffer, limit->max_running);
    buffer_add_u32(buffer, limit->rate_count);
    buffer_add_u32(buffer, limit->rate_interval_ms);
    buffer_add_u64(buffer, limit->level);
    buffer_add_u64(buffer, limit->level_ms);
    buffer_add_u64(buffer, limit->paused_until_ms);
    record_add_text(buffer, limit->paused_by);
    record_add_text(buffer, limit->pause_reason);
    store_put(txn, TABLE_LIMIT, bytes_of_text(limit->name), record_seal(buffer, 0));
    limit->is_stored = true;
}

void limits_settle(struct limits *limits, struct store_txn *txn)
{
    CLEANUP(buffer_done)
    struct buffer buffer = {0};
    struct limit *limit = limits->dirty;

    limits->dirty = NULL;
    while (limit != NULL) {
        struct limit *next = limit->next_dirty;

        limit->dirty = false;
        limit->next_dirty = NULL;
        if (is_kept(limit)) {
            limit_save(txn, limit, &buffer);
        } else if (limit->is_stored) {
            store_delete(txn, TABLE_LIMIT, bytes_of_text(limit->name));
            limit->is_stored = false;
        }
        if (!is_kept(limit) && limit->lanes == NULL)
            limit_free(limits, limit);
        limit = next;
    }
}
