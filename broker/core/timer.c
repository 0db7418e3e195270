#include "broker/core/timer.h"

#include "broker/core/claim.h"
#include "broker/core/core.h"
#include "broker/core/ending.h"
#include "broker/core/orphan.h"
#include "broker/core/release.h"
#include "broker/core/session.h"

#define REMOVE_AGAIN_MS 1000

void timer_set(struct step *step, uint64_t due_ms, enum timer_kind kind, struct bytes tail)
{
    struct key key = key_timer(STORE_TIME, due_ms, kind, tail);

    store_put(step->txn, TABLE_TIMER, key_bytes(&key), (struct bytes){0});
    step->broker->is_dirty = true;
}

void timer_unset(struct step *step, uint64_t due_ms, enum timer_kind kind, struct bytes tail)
{
    struct key key = key_timer(STORE_TIME, due_ms, kind, tail);

    store_delete(step->txn, TABLE_TIMER, key_bytes(&key));
}

/* A timer that its task does not imply must not stop those behind it. */
static void drop_timer(struct step *step, const struct timer *timer, uint64_t task_id)
{
    struct key key = key_task_timer(timer->time_base, timer->due_ms, timer->kind, task_id);

    store_delete(step->txn, TABLE_TIMER, key_bytes(&key));
    step->effects->damaged_id = task_id;
}

/* Later, while others have still to hear of its end. */
static enum status remove_task(struct step *step, struct task *task)
{
    bool are_open = false;

    TRY(releases_are_open(step, task, &are_open));
    if (are_open) {
        task->now.due_ms = step->now.store_ms + REMOVE_AGAIN_MS;
        task_write_quietly(step, task);
        return STATUS_OK;
    }
    TRY(orphans_drop(step, task->id));
    task_move(task, MOVE_REMOVE, TASK_NONE);
    task_erase(step, task);
    return STATUS_OK;
}

static enum status task_due(struct step *step, const struct timer *timer)
{
    uint64_t id = key_read_id(timer->tail);
    struct task task;
    enum status status = task_load(step, id, &task);

    if (status == STATUS_DATA_LOSS || status == STATUS_NOT_FOUND) {
        drop_timer(step, timer, id);
        return STATUS_OK;
    }
    TRY(status);
    if (timer->kind == TIMER_READY && task_move_begins_at(MOVE_DUE, task.now.state)) {
        task_move(&task, MOVE_DUE, TASK_READY);
        task_write(step, &task);
    } else if (timer->kind == TIMER_EXPIRE && task_move_begins_at(MOVE_EXPIRE, task.now.state)) {
        task_expired(step, &task);
    } else if (timer->kind == TIMER_SEAL && task.now.finishing) {
        run_finished(step, &task, true);
    } else if (timer->kind == TIMER_REMOVE && task_move_begins_at(MOVE_REMOVE, task.now.state)) {
        TRY(remove_task(step, &task));
    } else {
        drop_timer(step, timer, id);
    }
    return STATUS_OK;
}

static enum status fire(struct step *step, const struct timer *timer)
{
    switch (timer->kind) {
    case TIMER_READY:
    case TIMER_REMOVE:
    case TIMER_EXPIRE:
    case TIMER_SEAL:
        return task_due(step, timer);
    case TIMER_SESSION:
        return session_due(step, timer);
    case TIMER_CLAIM:
        return claim_due(step, timer);
    }
    return error_set(&step->error, STATUS_DATA_LOSS, "DAMAGED_RECORD", "a timer of an unknown kind is in the store");
}

/* The first timer of a clock; STATUS_NOT_FOUND when there is none. */
static enum status first_timer(struct step *step, enum time_base time_base, struct timer *ret_timer)
{
    uint8_t first[1] = {(uint8_t)time_base};
    struct bytes key;
    struct bytes value;

    TRY(store_seek(step->txn, TABLE_TIMER, (struct bytes){.data = first, .size = sizeof first}, &key, &value));
    struct timer timer = key_read_timer(key);
    if (timer.time_base != time_base)
        return STATUS_NOT_FOUND;
    *ret_timer = timer;
    return STATUS_OK;
}

static uint64_t time_of(const struct step *step, enum time_base time_base)
{
    return time_base == WALL_TIME ? step->now.wall_ms : step->now.store_ms;
}

static enum status tick_one(struct step *step, enum time_base time_base, uint32_t max)
{
    for (uint32_t i = 0; i < max; i++) {
        struct timer timer;
        enum status status = first_timer(step, time_base, &timer);
        if (status == STATUS_NOT_FOUND)
            return STATUS_OK;
        TRY(status);
        if (timer.due_ms > time_of(step, time_base))
            return STATUS_OK;
        TRY(fire(step, &timer));
    }
    return STATUS_OK;
}

enum status timers_tick(struct step *step, uint32_t max)
{
    TRY(tick_one(step, STORE_TIME, max));
    return tick_one(step, WALL_TIME, max);
}

enum status timers_next_ms(struct step *step, uint64_t *ret_ms)
{
    uint64_t least_ms = UINT64_MAX;

    for (int base = STORE_TIME; base <= WALL_TIME; base++) {
        struct timer timer;
        enum status status = first_timer(step, (enum time_base)base, &timer);
        if (status == STATUS_NOT_FOUND)
            continue;
        TRY(status);
        uint64_t now_ms = time_of(step, (enum time_base)base);
        uint64_t left_ms = timer.due_ms > now_ms ? timer.due_ms - now_ms : 0;
        if (base == WALL_TIME && left_ms > WALL_LOOK_EVERY_MS)
            left_ms = WALL_LOOK_EVERY_MS;
        least_ms = left_ms < least_ms ? left_ms : least_ms;
    }
    *ret_ms = least_ms;
    return STATUS_OK;
}
