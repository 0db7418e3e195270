#include "broker/core/core.h"
#include "broker/core/dependency.h"
#include "broker/core/limits.h"
#include "broker/core/record.h"
#include "broker/core/release.h"
#include "broker/core/session.h"

#include <string.h>

#define DEFAULT_NAME "default"
#define DEFAULT_PRIORITY 5
#define DEFAULT_RUN_TIMEOUT_MS (24U * 60 * 60 * 1000)
#define DEFAULT_START_TIMEOUT_MS 30000
#define DEFAULT_ATTEMPTS 3
#define DEFAULT_BACKOFF_MS 10000
#define DEFAULT_BACKOFF_MAX_MS 300000

static const char *text_or(const char *text, const char *fallback)
{
    return text[0] != '\0' ? text : fallback;
}

/* A time that has passed, or comes before the task may be claimed at all, would be a task that nobody can do. */
static enum status check_expiry(const struct step *step, const struct task_spec *spec, struct error *error)
{
    if (spec->expires_at_ms == 0 || spec->expires_at_ms > step->now.wall_ms + spec->delay_ms)
        return STATUS_OK;
    return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_FIELD", "expires_at_ms: it must be later than now%s",
                     spec->delay_ms > 0 ? " and the delay" : "");
}

/* How many of the tasks before this one are taken into the queue. */
static uint64_t count_in_queue(struct lane *const *lanes, size_t count, const struct queue *queue)
{
    uint64_t taken = 0;

    if (queue->settings.length_max == 0)
        return 0;
    for (size_t i = 0; i < count; i++)
        taken += lanes[i] != NULL && lanes[i]->type->queue == queue;
    return taken;
}

/* Whether this task is taken, and into which lane. */
static enum status decide(struct step *step, const struct command_submit *submit, size_t i, struct lane **lanes,
                          struct error *error)
{
    const struct task_spec *spec = &submit->specs[i];

    TRY(limits_check_spec(spec, error));
    TRY(check_expiry(step, spec, error));
    TRY(dependencies_decide(step, submit, i, error));
    if (submit->store_is_nearly_full)
        return error_set(error, STATUS_RESOURCE_EXHAUSTED, "STORE_FULL",
                         "the store is nearly full: what is left is kept for running tasks; remove something or make "
                         "it larger");
    struct lane_name name = {
        .namespace = text_or(spec->namespace, DEFAULT_NAME),
        .queue = text_or(spec->queue, DEFAULT_NAME),
        .agent_type = text_or(spec->agent_type, ANY_TYPE),
        .limits = spec->limits,
        .limit_count = spec->limit_count,
    };
    const struct queue *queue = lanes_queue(&step->broker->lanes, name.namespace, name.queue);
    TRY(queue_admits(queue, queue != NULL ? count_in_queue(lanes, i, queue) : 0, error));
    return lanes_obtain(step->broker, &name, &lanes[i], error);
}

/* Its time, which counts from now on also for a task that is BLOCKED meanwhile. */
static void set_time(const struct step *step, const struct task_spec *spec, struct task *task)
{
    if (spec->not_before_ms > step->now.wall_ms) {
        task->now.time_base = WALL_TIME;
        task->now.due_ms = spec->not_before_ms;
    } else if (spec->delay_ms > 0) {
        task->now.time_base = STORE_TIME;
        task->now.due_ms = step->now.store_ms + spec->delay_ms;
    }
}

static void place_new(struct task *task, const struct attachment *attachment)
{
    if (attachment->open > 0 || attachment->failed_id > 0)
        task_move(task, MOVE_SUBMIT, TASK_BLOCKED);
    else
        task_move(task, MOVE_SUBMIT, task->now.due_ms > 0 ? TASK_SCHEDULED : TASK_READY);
    task->open_dependencies = attachment->open;
}

static struct task task_of_spec(const struct step *step, uint64_t id, const struct task_spec *spec,
                                const struct lane *lane)
{
    return (struct task){
        .id = id,
        .now.priority = (uint8_t)(spec->priority > 0 ? spec->priority : DEFAULT_PRIORITY),
        .now.lane = lane->number,
        .now.parent_id = spec->parent_id,
        .now.expires_ms = spec->expires_at_ms,
        .max_attempts = (uint8_t)(spec->max_attempts > 0 ? spec->max_attempts : DEFAULT_ATTEMPTS),
        .max_crashes = (uint8_t)(spec->max_crashes > 0 ? spec->max_crashes : CRASHES_DEFAULT),
        .max_deliveries = (uint16_t)(spec->max_deliveries > 0 ? spec->max_deliveries : DELIVERIES_DEFAULT),
        .lost_policy = spec->on_lost > 0 ? spec->on_lost : LOST_REASSIGN,
        .dependency_policy = spec->on_dependency_failure > 0 ? spec->on_dependency_failure : DEPENDENCY_FAIL,
        .submitted_ms = step->now.wall_ms,
        .retention_ms = spec->retention_ms > 0 ? spec->retention_ms : step->broker->settings.retention_ms,
        .start_timeout_ms = spec->start_timeout_ms > 0 ? spec->start_timeout_ms : DEFAULT_START_TIMEOUT_MS,
        .run_timeout_ms = spec->run_timeout_ms > 0 ? (uint32_t)spec->run_timeout_ms : DEFAULT_RUN_TIMEOUT_MS,
        .backoff_ms = spec->backoff_ms > 0 ? spec->backoff_ms : DEFAULT_BACKOFF_MS,
        .backoff_max_ms = spec->backoff_max_ms > 0 ? spec->backoff_max_ms : DEFAULT_BACKOFF_MAX_MS,
    };
}

/* ids: of all tasks of the submit. */
static enum status add_task(struct step *step, const struct command_submit *submit, size_t i, const struct lane *lane,
                            const uint64_t *ids)
{
    struct task_spec spec = submit->specs[i];
    queue_complete_spec(lane->type->queue, &spec);
    struct task task = task_of_spec(step, ids[i], &spec, lane);
    struct key key = key_of_id(task.id);
    struct attachment attachment = {0};

    task.now.turn = turn_give(&step->broker->lanes.turns, lane->type->queue, task.now.priority, spec.fairness_key);
    set_time(step, &spec, &task);
    spec.depends_on = dependencies_resolve(step, &spec, ids, &spec.depends_on_count);
    if (spec.depends_on_count > 0)
        TRY(dependencies_attach(step, &task, &spec, &attachment));
    if (submit->atomic)
        TRY(dependencies_wait_for(step, task.id, &task.has_waits));
    place_new(&task, &attachment);
    store_put_append(step->txn, TABLE_TASK, key_bytes(&key), record_of_body(&step->broker->scratch, task.id, &spec));
    task_write(step, &task);
    if (attachment.failed_id > 0)
        dependency_failed(step, &task, attachment.failed_id, attachment.state);
    return STATUS_OK;
}

/* Each task on its own, or, when they are submitted as one, the first refusal refuses all. */
static enum status decide_all(struct step *step, const struct command_submit *submit, const uint64_t *known_ids,
                              struct lane **lanes, struct submit_outcome *outcomes)
{
    for (size_t i = 0; i < submit->spec_count; i++) {
        struct error error = {0};

        outcomes[i].task_id = known_ids != NULL ? known_ids[i] : 0;
        if (outcomes[i].task_id != 0)
            continue;
        enum status status = decide(step, submit, i, lanes, &error);
        if (status == STATUS_OK)
            continue;
        if (error.status != status)
            return status;
        if (submit->atomic && status != STATUS_RESOURCE_EXHAUSTED)
            return error_set(&step->error, status, error.reason, "tasks[%zu].%s", i, error.message);
        if (submit->atomic)
            return error_set(&step->error, status, error.reason, "%s", error.message);
        struct error *refusal = arena_zero(&step->effects->arena, 1, sizeof *refusal);
        *refusal = error;
        outcomes[i].refusal = refusal;
        outcomes[i].retry_after_ms = strcmp(error.reason, "QUEUE_FULL") == 0 ? QUEUE_RETRY_AFTER_MS : 0;
    }
    return submit->atomic ? dependencies_check_cycles(step, submit) : STATUS_OK;
}

/* The ids come first: a task may wait for one behind it. */
static enum status add_all(struct step *step, const struct command_submit *submit, struct lane *const *lanes,
                           struct submit_outcome *outcomes, uint64_t *ids, size_t *ret_added)
{
    struct counters *counters = &step->broker->counters;

    *ret_added = 0;
    for (size_t i = 0; i < submit->spec_count; i++) {
        bool is_new = outcomes[i].task_id == 0 && outcomes[i].refusal == NULL;
        ids[i] = is_new ? counters_next(counters, &counters->task_id) : outcomes[i].task_id;
    }
    for (size_t i = 0; i < submit->spec_count; i++) {
        if (outcomes[i].task_id != 0 || outcomes[i].refusal != NULL)
            continue;
        TRY(add_task(step, submit, i, lanes[i], ids));
        outcomes[i].task_id = ids[i];
        ++*ret_added;
    }
    return STATUS_OK;
}

enum status step_submit(struct step *step, const struct command *command)
{
    const struct command_submit *submit = &command->submit;
    struct arena *arena = &step->effects->arena;
    struct session session = {0};
    uint64_t *known_ids = NULL;
    size_t added = 0;

    TRY(limits_check_submit(submit, &step->error));
    if (submit->session.size > 0)
        TRY(session_find(step, submit, &session, &known_ids));
    struct submit_outcome *outcomes = arena_zero(arena, submit->spec_count, sizeof *outcomes);
    struct lane **lanes = arena_zero(arena, submit->spec_count, sizeof(struct lane *));
    uint64_t *ids = arena_zero(arena, submit->spec_count, sizeof *ids);
    TRY(decide_all(step, submit, known_ids, lanes, outcomes));

    TRY(add_all(step, submit, lanes, outcomes, ids, &added));
    if (added > 0 && submit->session.size > 0)
        TRY(session_remember(step, submit, &session, ids, known_ids != NULL));
    struct answer *answer = effects_answer(step->effects, command->token, command->kind);
    answer->submit.outcomes = outcomes;
    answer->submit.count = submit->spec_count;
    return STATUS_OK;
}
