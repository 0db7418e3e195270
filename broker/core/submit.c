#include "broker/core/budget.h"
#include "broker/core/core.h"
#include "broker/core/dependency.h"
#include "broker/core/limits.h"
#include "broker/core/record.h"
#include "broker/core/release.h"
#include "broker/core/session.h"
#include "broker/core/specify.h"
#include "broker/core/unique.h"

#include <string.h>

#define DEFAULT_NAME "default"

static const char *text_or(const char *text, const char *fallback)
{
    return text[0] != '\0' ? text : fallback;
}

/* A submit on its way: what is decided about each of its tasks. */
struct submission {
    const struct command_submit *submit;
    struct submit_outcome *outcomes;
    struct lane **lanes;
    uint64_t *ids;
    uint64_t *replaced; /* whose key it takes; 0 = nobody's */
    struct index keys;
    struct index_node *key_nodes;
};

static void submission_init(struct submission *submission, struct arena *arena, const struct command_submit *submit)
{
    size_t count = submit->spec_count;

    *submission = (struct submission){
        .submit = submit,
        .outcomes = arena_zero(arena, count, sizeof(struct submit_outcome)),
        .lanes = arena_zero(arena, count, sizeof(struct lane *)),
        .ids = arena_zero(arena, count, sizeof(uint64_t)),
        .replaced = arena_zero(arena, count, sizeof(uint64_t)),
        .key_nodes = arena_zero(arena, count, sizeof(struct index_node)),
    };
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

/* Two tasks of one submit with the same key would be one task or none, by the order in which they stand. */
static enum status check_key_twice(struct step *step, struct submission *submission, size_t i, struct error *error)
{
    const struct task_spec *spec = &submission->submit->specs[i];
    struct key *key = arena_zero(&step->effects->arena, 1, sizeof *key);

    if (spec->idempotency_key[0] == '\0')
        return STATUS_OK;
    *key = key_unique(0, text_or(spec->namespace, DEFAULT_NAME), spec->idempotency_key);
    if (index_find(&submission->keys, key->data, key->size) != NULL)
        return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_FIELD",
                         "idempotency_key: another task of this submit has the same");
    index_add(&submission->keys, &submission->key_nodes[i], key->data, key->size, key);
    return STATUS_OK;
}

/* Whether this task is taken, and into which lane; or which task has its key already. */
static enum status decide(struct step *step, struct submission *submission, size_t i, struct error *error)
{
    const struct command_submit *submit = submission->submit;
    const struct task_spec *spec = &submit->specs[i];
    struct submit_outcome *outcome = &submission->outcomes[i];
    const char *namespace = text_or(spec->namespace, DEFAULT_NAME);

    TRY(limits_check_spec(spec, error));
    TRY(check_key_twice(step, submission, i, error));
    if (outcome->task_id != 0)
        return STATUS_OK;
    if (spec->idempotency_key[0] != '\0')
        TRY(unique_decide(step, spec, namespace, &outcome->task_id, &submission->replaced[i], error));
    outcome->existing = outcome->task_id != 0;
    if (outcome->existing)
        return STATUS_OK;
    TRY(specify_check_expiry(step, spec, error));
    TRY(dependencies_decide(step, submit, i, error));
    TRY(budget_decide(step, spec, error));
    if (submit->store_is_nearly_full)
        return error_set(error, STATUS_RESOURCE_EXHAUSTED, "STORE_FULL",
                         "the store is nearly full: what is left is kept for running tasks; remove something or make "
                         "it larger");
    struct lane_name name = {
        .namespace = namespace,
        .queue = text_or(spec->queue, DEFAULT_NAME),
        .agent_type = text_or(spec->agent_type, ANY_TYPE),
        .limits = spec->limits,
        .limit_count = spec->limit_count,
    };
    const struct queue *queue = lanes_queue(&step->broker->lanes, name.namespace, name.queue);
    TRY(queue_admits(queue, queue != NULL ? count_in_queue(submission->lanes, i, queue) : 0, error));
    return lanes_obtain(step->broker, &name, &submission->lanes[i], error);
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
    struct task task = {
        .id = id,
        .now.lane = lane->number,
        .now.parent_id = spec->parent_id,
        .has_key = spec->idempotency_key[0] != '\0',
        .lost_policy = spec->on_lost > 0 ? spec->on_lost : LOST_REASSIGN,
        .dependency_policy = spec->on_dependency_failure > 0 ? spec->on_dependency_failure : DEPENDENCY_FAIL,
        .submitted_ms = step->now.wall_ms,
    };

    specify_task(step, spec, &task);
    /* It counts from now on also for a task that is BLOCKED meanwhile. */
    specify_time(step, spec, &task);
    return task;
}

/* ids: of all tasks of the submit. */
static enum status add_task(struct step *step, const struct submission *submission, size_t i)
{
    const struct command_submit *submit = submission->submit;
    const struct lane *lane = submission->lanes[i];
    const uint64_t *ids = submission->ids;
    struct task_spec spec = submit->specs[i];
    queue_complete_spec(lane->type->queue, &spec);
    struct task task = task_of_spec(step, ids[i], &spec, lane);
    struct key key = key_of_id(task.id);
    struct attachment attachment = {0};

    task.now.turn = turn_give(&step->broker->lanes.turns, lane->type->queue, task.now.priority, spec.fairness_key);
    spec.depends_on = dependencies_resolve(step, &spec, ids, &spec.depends_on_count);
    if (spec.depends_on_count > 0)
        TRY(dependencies_attach(step, &task, &spec, &attachment));
    if (submit->atomic)
        TRY(dependencies_wait_for(step, task.id, &task.has_waits));
    if (task.has_key)
        TRY(unique_take(step, &task, lane->type->queue->namespace, spec.idempotency_key, submission->replaced[i]));
    TRY(budget_attach(step, &task, &spec));
    place_new(&task, &attachment);
    store_put_append(step->txn, TABLE_TASK, key_bytes(&key), record_of_body(&step->broker->scratch, task.id, &spec));
    task_write(step, &task);
    if (attachment.failed_id > 0)
        dependency_failed(step, &task, attachment.failed_id, attachment.state);
    return STATUS_OK;
}

/* What can be told of an atomic submit when all its tasks are decided. */
static enum status decide_together(struct step *step, const struct submission *submission)
{
    const struct command_submit *submit = submission->submit;
    const struct submit_outcome *outcomes = submission->outcomes;

    for (size_t i = 0; i < submit->spec_count; i++) {
        struct error error = {0};
        enum status status =
            outcomes[i].task_id != 0 ? STATUS_OK : dependencies_decide_known(step, submit, i, outcomes, &error);
        if (status != STATUS_OK && error.status == status)
            return error_set(&step->error, status, error.reason, "tasks[%zu].%s", i, error.message);
        TRY(status);
    }
    return dependencies_check_cycles(step, submit);
}

/* Each task on its own, or, when they are submitted as one, the first refusal refuses all. */
static enum status decide_all(struct step *step, struct submission *submission, const struct submit_outcome *known)
{
    const struct command_submit *submit = submission->submit;
    struct submit_outcome *outcomes = submission->outcomes;

    for (size_t i = 0; i < submit->spec_count; i++) {
        struct error error = {0};

        if (known != NULL)
            outcomes[i] = known[i];
        enum status status = decide(step, submission, i, &error);
        if (status == STATUS_OK || outcomes[i].task_id != 0)
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
    return submit->atomic ? decide_together(step, submission) : STATUS_OK;
}

/* The ids come first: a task may wait for one behind it. */
static enum status add_all(struct step *step, struct submission *submission)
{
    const struct command_submit *submit = submission->submit;
    struct submit_outcome *outcomes = submission->outcomes;
    struct counters *counters = &step->broker->counters;
    uint64_t *ids = submission->ids;

    for (size_t i = 0; i < submit->spec_count; i++) {
        bool is_new = outcomes[i].task_id == 0 && outcomes[i].refusal == NULL;
        ids[i] = is_new ? counters_next(counters, &counters->task_id) : outcomes[i].task_id;
    }
    for (size_t i = 0; i < submit->spec_count; i++) {
        if (outcomes[i].task_id != 0 || outcomes[i].refusal != NULL)
            continue;
        TRY(add_task(step, submission, i));
        outcomes[i].task_id = ids[i];
    }
    return STATUS_OK;
}

/* Whether anything has an answer now that had none before. */
static bool tells_more(const struct submission *submission, const struct submit_outcome *known)
{
    for (size_t i = 0; i < submission->submit->spec_count; i++)
        if (submission->outcomes[i].task_id != 0 && (known == NULL || known[i].task_id == 0))
            return true;
    return false;
}

static void forget_keys(struct submission *submission)
{
    for (size_t i = 0; i < submission->submit->spec_count; i++)
        if (submission->key_nodes[i].item != NULL)
            index_remove(&submission->keys, &submission->key_nodes[i]);
}

enum status step_submit(struct step *step, const struct command *command)
{
    const struct command_submit *submit = &command->submit;
    struct session session = {0};
    struct submission submission;
    struct submit_outcome *known = NULL;

    TRY(limits_check_submit(submit, &step->error));
    if (submit->session.size > 0)
        TRY(session_find(step, submit, &session, &known));
    submission_init(&submission, &step->effects->arena, submit);
    enum status status = decide_all(step, &submission, known);
    forget_keys(&submission);
    TRY(status);

    TRY(add_all(step, &submission));
    if (submit->session.size > 0 && tells_more(&submission, known))
        TRY(session_remember(step, submit, &session, submission.outcomes, known != NULL));
    struct answer *answer = effects_answer(step->effects, command->token, command->kind);
    answer->submit.outcomes = submission.outcomes;
    answer->submit.count = submit->spec_count;
    return STATUS_OK;
}
