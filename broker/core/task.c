#include "broker/core/task.h"

#include "broker/core/budget.h"
#include "broker/core/checkpoint.h"
#include "broker/core/core.h"
#include "broker/core/record.h"
#include "broker/core/release.h"
#include "common/base/check.h"
#include "common/base/id.h"

#include <string.h>

#define DEFAULT_CONTENT_TYPE "text/plain; charset=utf-8"

static struct index_row timer_row(uint64_t id, const struct task_place *place, enum timer_kind kind)
{
    return (struct index_row){TABLE_TIMER, key_task_timer(place->time_base, place->due_ms, kind, id)};
}

static struct rank place_rank(uint64_t id, const struct task_place *place)
{
    return (struct rank){.priority = place->priority, .turn = place->turn, .id = id};
}

/* The rows that the state alone implies. */
static size_t state_rows(uint64_t id, const struct task_place *place, struct index_row *rows)
{
    struct rank rank = place_rank(id, place);

    switch (place->state) {
    case TASK_NONE:
    case TASK_BLOCKED:
        return 0;
    case TASK_SUSPENDED:
        if (place->withheld_by == 0)
            return 0;
        rows[0] = (struct index_row){TABLE_WITHHELD, key_withheld(place->withheld_by, id)};
        return 1;
    case TASK_SCHEDULED:
        rows[0] = timer_row(id, place, TIMER_READY);
        return 1;
    case TASK_READY:
        rows[0] = (struct index_row){TABLE_READY, key_ready(place->lane, &rank)};
        return 1;
    case TASK_ASSIGNED:
    case TASK_RUNNING:
        if (place->finishing) {
            rows[0] = timer_row(id, place, TIMER_SEAL);
            return 1;
        }
        rows[0] = (struct index_row){TABLE_LEASE, key_lease(place->due_ms, id)};
        rows[1] = (struct index_row){TABLE_HOLDER, key_holder(place->agent_id, id)};
        return 2;
    case TASK_COMPLETED:
    case TASK_FAILED:
    case TASK_CANCELED:
    case TASK_EXPIRED:
        rows[0] = timer_row(id, place, TIMER_REMOVE);
        return 1;
    }
    return 0;
}

size_t task_rows(uint64_t id, const struct task_place *place, struct index_row rows[static INDEX_ROWS_MAX])
{
    size_t count = state_rows(id, place, rows);

    if (task_is_waiting(place->state) && place->expires_ms > 0)
        rows[count++] = (struct index_row){TABLE_TIMER, key_task_timer(WALL_TIME, place->expires_ms, TIMER_EXPIRE, id)};
    if (place->state != TASK_NONE && place->parent_id > 0)
        rows[count++] = (struct index_row){TABLE_PARENT, key_parent(place->parent_id, id)};
    return count;
}

static bool row_is_in(const struct index_row *row, const struct index_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (rows[i].table == row->table && bytes_equal(key_bytes(&rows[i].key), key_bytes(&row->key)))
            return true;
    return false;
}

static void row_delete(struct step *step, const struct task_place *was, const struct index_row *row)
{
    struct lanes *lanes = &step->broker->lanes;

    store_delete(step->txn, row->table, key_bytes(&row->key));
    if (row->table == TABLE_READY)
        lane_ready_removed(lanes_by_number(lanes, was->lane), key_read_id(key_bytes(&row->key)));
}

static void row_put(struct step *step, const struct task_place *now, const struct index_row *row)
{
    struct lanes *lanes = &step->broker->lanes;

    store_put(step->txn, row->table, key_bytes(&row->key), (struct bytes){0});
    if (row->table != TABLE_READY)
        return;
    struct rank rank = key_read_rank(key_bytes(&row->key));
    lane_ready_added(lanes, lanes_by_number(lanes, now->lane), &rank);
}

static void update_counts(struct step *step, const struct task *task)
{
    struct lanes *lanes = &step->broker->lanes;
    bool same_lane = task->was.state != TASK_NONE && task->was.lane == task->now.lane;

    if (task->was.finishing && (!task->now.finishing || !same_lane))
        lane_count_finishing(lanes, lanes_by_number(lanes, task->was.lane), -1);
    if (task->now.finishing && (!task->was.finishing || !same_lane))
        lane_count_finishing(lanes, lanes_by_number(lanes, task->now.lane), 1);
    if (task->was.state != TASK_NONE && !same_lane) {
        lane_count(lanes, lanes_by_number(lanes, task->was.lane), task->was.state, TASK_NONE);
        lane_count(lanes, lanes_by_number(lanes, task->now.lane), TASK_NONE, task->now.state);
        return;
    }
    lane_count(lanes, lanes_by_number(lanes, task->now.lane), task->was.state, task->now.state);
}

static void update_indexes(struct step *step, const struct task *task)
{
    struct index_row before[INDEX_ROWS_MAX];
    struct index_row after[INDEX_ROWS_MAX];
    size_t before_count = task_rows(task->id, &task->was, before);
    size_t after_count = task_rows(task->id, &task->now, after);

    for (size_t i = 0; i < before_count; i++)
        if (!row_is_in(&before[i], after, after_count))
            row_delete(step, &task->was, &before[i]);
    for (size_t i = 0; i < after_count; i++)
        if (!row_is_in(&after[i], before, before_count))
            row_put(step, &task->now, &after[i]);
    update_counts(step, task);
}

enum status task_load(struct step *step, uint64_t id, struct task *ret_task)
{
    struct key key = key_of_id(id);
    struct bytes value;
    char text[ID_TEXT_SIZE];
    enum status status = store_get(step->txn, TABLE_STATE, key_bytes(&key), &value);

    if (status == STATUS_NOT_FOUND)
        return error_set(&step->error, STATUS_NOT_FOUND, "NO_SUCH_TASK",
                         "there is no task %s: it never was, or its retention has passed", id_format(id, text));
    TRY(status);
    if (record_read_task(value, id, ret_task) && lanes_by_number(&step->broker->lanes, ret_task->now.lane) != NULL)
        return STATUS_OK;
    step->effects->damaged_id = id;
    return error_set(&step->error, STATUS_DATA_LOSS, "DAMAGED_RECORD",
                     "the record of task %s is damaged in the store; restore it from a backup", id_format(id, text));
}

enum status task_check_move(struct step *step, const struct task *task, enum task_move move)
{
    char text[ID_TEXT_SIZE];

    if (task_move_begins_at(move, task->now.state))
        return STATUS_OK;
    return error_set(&step->error, STATUS_FAILED_PRECONDITION, "WRONG_STATE",
                     "task %s is %s, which does not allow this", id_format(task->id, text),
                     task_state_name(task->now.state));
}

void task_move(struct task *task, enum task_move move, enum task_state to)
{
    CHECK(task_move_is_allowed(move, task->now.state, to));
    task->now.state = to;
    if (!task_is_held(to) && to != TASK_SUSPENDED)
        task->now.withheld_by = 0;
    /* Of two moves in one write the first one tells what happened: a claim that starts its run is a claim. */
    if (task->event == EVENT_NONE || task->event >= EVENT_MOVES_END)
        task->event = (enum event_kind)move;
}

void task_note(struct task *task, enum event_kind kind, const char *why)
{
    CHECK(kind >= EVENT_MOVES_END && kind < EVENT_TASKS_END);
    if (task->event == EVENT_NONE)
        task->event = kind;
    task->why = why;
}

static void write_record(struct step *step, struct task *task)
{
    struct key key = key_of_id(task->id);

    if (task->now.state != TASK_BLOCKED && task->open_dependencies > 0)
        dependencies_detach(step, task);
    struct bytes value = record_of_task(&step->broker->scratch, task);
    if (task->was.state == TASK_NONE)
        store_put_append(step->txn, TABLE_STATE, key_bytes(&key), value);
    else
        store_put(step->txn, TABLE_STATE, key_bytes(&key), value);
    update_indexes(step, task);
    if (task->has_waits && task_has_ended(task->now.state) && !task_has_ended(task->was.state))
        releases_note(step, task->id);
    task->was = task->now;
    step->broker->is_dirty = true;
}

void task_write(struct step *step, struct task *task)
{
    event_of_task(step, task);
    effects_change(step->effects, task->id);
    write_record(step, task);
}

void task_write_quietly(struct step *step, struct task *task)
{
    CHECK(task->event == EVENT_NONE);
    write_record(step, task);
}

void task_erase(struct step *step, struct task *task)
{
    struct key key = key_of_id(task->id);

    CHECK(task->now.state == TASK_NONE);
    event_of_task(step, task);
    store_delete(step->txn, TABLE_STATE, key_bytes(&key));
    store_delete(step->txn, TABLE_TASK, key_bytes(&key));
    if (task->has_outcome)
        store_delete(step->txn, TABLE_RESULT, key_bytes(&key));
    if (task->has_checkpoint)
        store_delete(step->txn, TABLE_CHECKPOINT, key_bytes(&key));
    if (task->budget_id == task->id)
        store_delete(step->txn, TABLE_BUDGET, key_bytes(&key));
    update_indexes(step, task);
    task->was = task->now;
    effects_change(step->effects, task->id);
}

void task_end(struct step *step, struct task *task, enum task_move move, enum task_state to)
{
    task_move(task, move, to);
    task->canceling = false;
    task->suspending = false;
    task->reaping = false;
    task->now.finishing = false;
    task->run_deadline_ms = 0;
    task->ended_ms = step->now.wall_ms;
    task->now.time_base = STORE_TIME;
    task->now.due_ms = step->now.store_ms + task->retention_ms;
}

static enum status view_damaged(struct step *step, uint64_t id)
{
    char text[ID_TEXT_SIZE];

    step->effects->damaged_id = id;
    return error_set(&step->error, STATUS_DATA_LOSS, "DAMAGED_RECORD",
                     "what was stored with task %s is damaged; restore it from a backup", id_format(id, text));
}

static enum status view_body(struct step *step, const struct task *task, bool with_payload, struct task_view *view)
{
    struct arena *arena = &step->effects->arena;
    struct key key = key_of_id(task->id);
    struct bytes value;
    enum status status = store_get(step->txn, TABLE_TASK, key_bytes(&key), &value);

    if (status == STATUS_NOT_FOUND)
        return view_damaged(step, task->id);
    TRY(status);
    /* One copy of the whole body: its texts are used where they lie in it. */
    value = arena_bytes(arena, value);
    if (!record_read_body(value, task->id, arena, &view->spec))
        return view_damaged(step, task->id);
    if (view->spec.content_type[0] == '\0')
        view->spec.content_type = DEFAULT_CONTENT_TYPE;
    size_t payload_size = view->spec.payload.size;
    if (!with_payload)
        view->spec.payload = (struct bytes){0};
    view->size += with_payload ? value.size : value.size - payload_size;
    return STATUS_OK;
}

static enum status view_outcome(struct step *step, const struct task *task, struct task_view *view)
{
    struct key key = key_of_id(task->id);
    struct bytes value;

    view->has_outcome = task->has_outcome || task->run_end != RUN_IS_OPEN;
    view->outcome =
        (struct outcome){.content_type = "", .message = "", .error_type = "", .exit_status = -1, .fence = task->fence};
    if (!task->has_outcome)
        return STATUS_OK;
    enum status status = store_get(step->txn, TABLE_RESULT, key_bytes(&key), &value);
    if (status == STATUS_NOT_FOUND)
        return view_damaged(step, task->id);
    TRY(status);
    value = arena_bytes(&step->effects->arena, value);
    if (!record_read_outcome(value, task->id, &view->outcome))
        return view_damaged(step, task->id);
    view->size += value.size;
    return STATUS_OK;
}

static enum status view_checkpoint(struct step *step, const struct task *task, struct task_view *view)
{
    struct checkpoint checkpoint;
    enum status status = checkpoint_load(step, task, &checkpoint);

    if (status == STATUS_DATA_LOSS)
        return view_damaged(step, task->id);
    TRY(status);
    view->checkpoint = arena_bytes(&step->effects->arena, checkpoint.content);
    view->answer = arena_bytes(&step->effects->arena, checkpoint.answer);
    view->size += checkpoint.content.size + checkpoint.answer.size;
    return STATUS_OK;
}

static uint64_t view_due_in(const struct step *step, const struct task *task)
{
    uint64_t now_ms = task->now.time_base == WALL_TIME ? step->now.wall_ms : step->now.store_ms;

    if (task->now.state != TASK_SCHEDULED || task->now.due_ms <= now_ms)
        return 0;
    return task->now.due_ms - now_ms;
}

static void view_state(struct step *step, const struct task *task, struct task_view *view)
{
    const struct lane *lane = lanes_by_number(&step->broker->lanes, task->now.lane);
    struct arena *arena = &step->effects->arena;
    const char **limits = lane->limits != NULL ? arena_zero(arena, lane->limit_count, sizeof limits[0]) : NULL;
    const struct lane_name name = lane_name(lane, limits);
    const struct run *run = runs_find(&step->broker->runs, task->id, task->fence);
    const char *reason = arena_text(arena, bytes_of_text(task->cancel_reason));

    *view = (struct task_view){
        .id = task->id,
        .state = task->now.state,
        .canceling = task->canceling,
        .reaping = task->reaping,
        .finishing = task->now.finishing,
        .output_incomplete = task->output_incomplete,
        .suspending = task->suspending,
        .spec.namespace = name.namespace,
        .spec.queue = name.queue,
        .spec.agent_type = name.agent_type,
        .spec.limits = name.limits,
        .spec.limit_count = name.limit_count,
        .spec.priority = task->now.priority,
        .spec.start_timeout_ms = task->start_timeout_ms,
        .spec.run_timeout_ms = task->run_timeout_ms,
        .spec.expires_at_ms = task->now.expires_ms,
        .spec.max_attempts = task->max_attempts,
        .spec.max_crashes = task->max_crashes,
        .spec.max_deliveries = task->max_deliveries,
        .spec.backoff_ms = task->backoff_ms,
        .spec.backoff_max_ms = task->backoff_max_ms,
        .spec.retention_ms = task->retention_ms,
        .spec.parent_id = task->now.parent_id,
        .spec.on_dependency_failure = task->dependency_policy,
        .spec.on_lost = task->lost_policy,
        .open_dependencies = task->open_dependencies,
        .attempts = task->attempts,
        .crashes = task->crashes,
        .interruptions = task->interruptions,
        .deliveries = task->deliveries,
        .used = task->used,
        .withheld_by = task->now.withheld_by,
        .fence = task->fence,
        .agent_id = arena_text(arena, bytes_of_text(task->now.agent_id)),
        .submitted_ms = task->submitted_ms,
        .claimed_ms = task->claimed_ms,
        .started_ms = task->started_ms,
        .ended_ms = task->ended_ms,
        .due_in_ms = view_due_in(step, task),
        .revision = task->revision,
        .progress_percent = run != NULL ? run->progress_percent : 0,
        .progress_text =
            run != NULL && run->progress_text != NULL ? arena_text(arena, bytes_of_text(run->progress_text)) : "",
        .cancel_reason = task->suspending ? "" : reason,
        .suspend_reason = task->suspending ? reason : "",
        .size = 512 + lane->limits_key_size + strlen(task->now.agent_id) + strlen(task->cancel_reason),
    };
}

static enum status view_budget(struct step *step, const struct task *task, struct task_view *view)
{
    enum status status = budget_load(step, task->budget_id, &view->budget);

    if (status == STATUS_OK && task->budget_id == task->id)
        view->spec.budget = view->budget.budget;
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

enum status task_view(struct step *step, const struct task *task, bool with_payload, struct task_view **ret_view)
{
    struct task_view *view = arena_zero(&step->effects->arena, 1, sizeof *view);

    view_state(step, task, view);
    TRY(view_body(step, task, with_payload, view));
    TRY(view_outcome(step, task, view));
    if (task->now.state == TASK_SUSPENDED)
        view->suspend_reason =
            task->now.withheld_by > 0 ? budget_because(step, task->now.withheld_by) : view->outcome.message;
    if (task->budget_id > 0)
        TRY(view_budget(step, task, view));
    if (with_payload && task->has_checkpoint)
        TRY(view_checkpoint(step, task, view));
    *ret_view = view;
    return STATUS_OK;
}
