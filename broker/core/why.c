#include "broker/core/why.h"

#include "broker/core/budget.h"
#include "broker/core/gate.h"
#include "broker/core/record.h"
#include "common/base/id.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DEPENDENCIES_NAMED_MAX 16
#define BEFORE_COUNTED_MAX 10000

struct wait_reason *why_add(struct why *why, enum wait_kind kind, const char *subject)
{
    if (why->count < WAIT_REASONS_MAX)
        why->count++;
    struct wait_reason *reason = &why->reasons[why->count - 1];
    *reason = (struct wait_reason){
        .kind = kind, .text = "", .subject = arena_text(&why->step->effects->arena, bytes_of_text(subject))};
    return reason;
}

const char *why_text(struct why *why, const char *format, ...)
{
    char text[512];
    va_list list;

    va_start(list, format);
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized)
    (void)vsnprintf(text, sizeof text, format, list);
    va_end(list);
    return arena_text(&why->step->effects->arena, bytes_of_text(text));
}

/* "", or what stands behind a word about who and why: " by alice: the disk is moved". */
static const char *by_whom(struct why *why, const char *by, const char *reason)
{
    const char *who = by != NULL ? by : "";
    const char *what = reason != NULL ? reason : "";

    return why_text(why, "%s%s%s%s", who[0] != '\0' ? " by " : "", who, what[0] != '\0' ? ": " : "", what);
}

static enum status add_dependency(struct why *why, uint64_t id)
{
    struct step *step = why->step;
    struct key row = key_waits(id, why->task->id);
    struct bytes value;
    struct task other;
    char text[ID_TEXT_SIZE];
    enum status status = store_get(step->txn, TABLE_WAITS, key_bytes(&row), &value);

    if (status == STATUS_NOT_FOUND)
        return STATUS_OK;
    TRY(status);
    status = task_load(step, id, &other);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND && status != STATUS_DATA_LOSS)
        return status;
    struct wait_reason *reason = why_add(why, WAIT_DEPENDENCY, "");
    reason->task_id = id;
    reason->text = why_text(why, "it depends on task %s, which is %s", id_format(id, text),
                            status == STATUS_OK ? task_state_name(other.now.state) : "not readable");
    return STATUS_OK;
}

static enum status add_dependencies(struct why *why)
{
    struct step *step = why->step;
    struct key key = key_of_id(why->task->id);
    struct task_spec spec;
    struct bytes value;

    TRY(store_get(step->txn, TABLE_TASK, key_bytes(&key), &value));
    value = arena_bytes(&step->effects->arena, value);
    if (!record_read_body(value, why->task->id, &step->effects->arena, &spec))
        return STATUS_NOT_FOUND;
    for (size_t i = 0; i < spec.depends_on_count && why->count < DEPENDENCIES_NAMED_MAX; i++)
        TRY(add_dependency(why, spec.depends_on[i]));
    return STATUS_OK;
}

static void add_time(struct why *why)
{
    const struct task *task = why->task;
    const struct broker_time *now = &why->step->now;
    bool is_retry = task->run_end != RUN_IS_OPEN;
    struct wait_reason *reason = why_add(why, is_retry ? WAIT_BACKOFF : WAIT_TIME, "");

    reason->until_ms =
        task->now.time_base == WALL_TIME ? task->now.due_ms : now->wall_ms + (task->now.due_ms - now->store_ms);
    if (!is_retry)
        reason->text = "its time has not come";
    else
        reason->text =
            why_text(why, "it is to be tried again after %u of %u attempts", task->attempts, task->max_attempts);
}

static void add_limit(struct why *why, const struct limit *limit)
{
    const struct broker_time *now = &why->step->now;
    struct wait_reason *reason;

    if (limit_is_paused(limit, now->wall_ms)) {
        reason = why_add(why, WAIT_LIMIT_PAUSED, limit->name);
        reason->until_ms = limit->paused_until_ms;
        reason->text =
            why_text(why, "limit %s is paused%s", limit->name, by_whom(why, limit->paused_by, limit->pause_reason));
    }
    if (limit_is_full(limit)) {
        reason = why_add(why, WAIT_LIMIT_FULL, limit->name);
        reason->count = limit->running;
        reason->text =
            why_text(why, "limit %s is full: %" PRIu64 " of %u run", limit->name, limit->running, limit->max_running);
    }
    uint64_t refill_ms = limit_refill_ms(limit, now->store_ms);
    if (refill_ms > 0) {
        reason = why_add(why, WAIT_LIMIT_RATE, limit->name);
        reason->until_ms = now->wall_ms + refill_ms;
        reason->text =
            why_text(why, "limit %s lets %u begin per %u ms", limit->name, limit->rate_count, limit->rate_interval_ms);
    }
}

static void add_gates(struct why *why)
{
    const struct queue *queue = why->lane->type->queue;

    if (queue->settings.paused_out)
        why_add(why, WAIT_QUEUE_PAUSED, queue->name)->text =
            why_text(why, "queue %s is paused%s", queue->name,
                     by_whom(why, queue->settings.paused_by, queue->settings.pause_reason));
    for (size_t i = 0; i < why->lane->limit_count; i++)
        add_limit(why, why->lane->limits[i].limit);
}

/* How many READY tasks of its lane go out before it, counted up to a bound. */
static enum status add_before(struct why *why)
{
    const struct task *task = why->task;
    struct key first = key_ready(why->lane->number, &(struct rank){0});
    struct bytes key;
    struct bytes value;
    uint64_t count = 0;
    enum status status = store_seek(why->step->txn, TABLE_READY, key_bytes(&first), &key, &value);

    while (status == STATUS_OK && key_read_id(key) != task->id && count < BEFORE_COUNTED_MAX) {
        count++;
        status = store_next(why->step->txn, TABLE_READY, &key, &value);
    }
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        return status;
    if (count == 0)
        return STATUS_OK;
    struct wait_reason *reason = why_add(why, WAIT_BEHIND, "");
    reason->count = count;
    reason->text =
        why_text(why, "%s%" PRIu64 " task%s of its queue and type come%s before it",
                 count == BEFORE_COUNTED_MAX ? "at least " : "", count, count == 1 ? "" : "s", count == 1 ? "s" : "");
    return STATUS_OK;
}

static enum status add_ready(struct why *why)
{
    add_gates(why);
    why_agents(why);
    return add_before(why);
}

static void add_held(struct why *why)
{
    const struct task *task = why->task;
    struct wait_reason *reason = why_add(why, WAIT_HELD, task->now.agent_id);

    reason->text = why_text(why, "%s has it%s", task->now.agent_id,
                            task->canceling                    ? ", and is to end it"
                            : task->suspending                 ? ", and is to give it back"
                            : task->reaping                    ? ", or had: that it is gone is not confirmed"
                            : task->now.state == TASK_ASSIGNED ? " and has not started it yet"
                                                               : " and is at work");
}

static enum status add_budget(struct why *why)
{
    struct budget_row breached;

    TRY(budget_find_breach(why->step, why->task->budget_id, &breached));
    if (breached.id == 0)
        return STATUS_OK;
    struct wait_reason *reason = why_add(why, WAIT_BUDGET, "");
    reason->task_id = breached.id;
    reason->text = budget_in_figures(why->step, &breached);
    return STATUS_OK;
}

/* By the budget that keeps it back, as long as that has no room; then it is being resumed, if the budget is not gone.
 */
static enum status add_suspended(struct why *why)
{
    struct task_view *view = NULL;

    if (why->task->now.withheld_by > 0)
        TRY(add_budget(why));
    if (why->count > 0)
        return STATUS_OK;
    TRY(task_view(why->step, why->task, false, &view));
    const char *said = why->task->run_end == RUN_SUSPENDED && view->has_outcome ? view->outcome.message : "";
    why_add(why, WAIT_SUSPENDED, why->task->now.agent_id)->text =
        why_text(why, "it is suspended until somebody resumes it%s%s", said[0] != '\0' ? ": " : "", said);
    return STATUS_OK;
}

static enum status add_all(struct why *why)
{
    if (task_is_waiting(why->task->now.state))
        TRY(add_budget(why));
    switch (why->task->now.state) {
    case TASK_BLOCKED:
        return add_dependencies(why);
    case TASK_SCHEDULED:
        add_time(why);
        return STATUS_OK;
    case TASK_READY:
        return add_ready(why);
    case TASK_ASSIGNED:
    case TASK_RUNNING:
        add_held(why);
        return STATUS_OK;
    case TASK_SUSPENDED:
        return add_suspended(why);
    case TASK_NONE:
    case TASK_COMPLETED:
    case TASK_FAILED:
    case TASK_CANCELED:
    case TASK_EXPIRED:
        why_add(why, WAIT_ENDED, "")->text =
            why_text(why, "it does not wait: it is %s", task_state_name(why->task->now.state));
        return STATUS_OK;
    }
    return STATUS_OK;
}

enum status step_why(struct step *step, const struct command *command)
{
    struct task task;

    TRY(task_load(step, command->why.task_id, &task));
    struct why why = {
        .step = step,
        .task = &task,
        .lane = lanes_by_number(&step->broker->lanes, task.now.lane),
        .reasons = arena_zero(&step->effects->arena, WAIT_REASONS_MAX, sizeof(struct wait_reason)),
    };
    enum status status = add_all(&why);
    if (status == STATUS_NOT_FOUND)
        return error_set(&step->error, STATUS_DATA_LOSS, "DAMAGED_RECORD",
                         "what was stored with the task is damaged; restore it from a backup");
    TRY(status);
    struct answer *answer = effects_answer(step->effects, command->token, command->kind);
    answer->why.state = task.now.state;
    answer->why.submitted_ms = task.submitted_ms;
    answer->why.reasons = why.reasons;
    answer->why.count = why.count;
    return STATUS_OK;
}
