/* What submitters and operators ask. */
#include "tests/sim/model.h"

#include "common/base/check.h"

#include <inttypes.h>
#include <string.h>

/* One in which nothing was taken is none: its place is used again. */
static struct model_session *session_of(struct model *model, const uint8_t *name)
{
    struct model_session *place = NULL;

    for (size_t i = 0; i < MODEL_SESSIONS_MAX; i++) {
        struct model_session *session = &model->sessions[i];
        if (session->submit_count == 0)
            place = session;
        else if (memcmp(session->name, name, sizeof session->name) == 0)
            return session;
    }
    CHECK(place != NULL);
    place->acked_below = 0;
    memcpy(place->name, name, sizeof place->name);
    return place;
}

static const struct model_submit *find_submit(const struct model_session *session, uint64_t sequence)
{
    for (size_t i = 0; i < session->submit_count; i++)
        if (session->submits[i].sequence == sequence)
            return &session->submits[i];
    return NULL;
}

/* The one kind of refusal that the simulation's submitters bring about on purpose. */
static bool is_bad(const struct task_spec *spec)
{
    return strchr(spec->queue, ' ') != NULL;
}

static const char *text_or(const char *text, const char *fallback)
{
    return text[0] != '\0' ? text : fallback;
}

static uint64_t number_or(uint64_t number, uint64_t fallback)
{
    return number > 0 ? number : fallback;
}

static void wait_for(struct model_task *task, uint64_t id)
{
    for (size_t i = 0; i < task->wait_count; i++)
        if (task->waits_for[i] == id)
            return;
    task->waits_for[task->wait_count++] = id;
}

/* Also what has ended already: it is heard of at once. */
static void set_waits(const struct judgement *judgement, const struct task_spec *spec, struct model_task *task)
{
    const struct submit_outcome *outcomes = judgement->own->submit.outcomes;

    for (size_t i = 0; i < spec->depends_on_count; i++)
        wait_for(task, spec->depends_on[i]);
    for (size_t i = 0; i < spec->depends_on_index_count; i++)
        wait_for(task, outcomes[spec->depends_on_index[i]].task_id);
    task->on_dependency_failure = spec->on_dependency_failure > 0 ? spec->on_dependency_failure : DEPENDENCY_FAIL;
    if (task->wait_count > 0)
        task->state = TASK_BLOCKED;
}

static void add(struct judgement *judgement, const struct task_spec *spec, uint64_t id)
{
    struct model_task *task = model_add(judgement->model, id);
    const char *queue = text_or(spec->queue, "default");
    const struct queue_defaults *defaults = &model_queue(judgement->model, queue)->defaults;

    task->state = TASK_READY;
    task->queue = queue;
    task->agent_type = text_or(spec->agent_type, "any");
    task->priority = (uint32_t)number_or(spec->priority, number_or(defaults->priority, 5));
    task->max_attempts = (uint32_t)number_or(spec->max_attempts, number_or(defaults->max_attempts, 3));
    task->backoff_ms = (uint32_t)number_or(spec->backoff_ms, 10000);
    task->backoff_max_ms = (uint32_t)number_or(spec->backoff_max_ms, 300000);
    task->run_timeout_ms = number_or(spec->run_timeout_ms, number_or(defaults->run_timeout_ms, 24ULL * 3600 * 1000));
    task->start_timeout_ms = number_or(spec->start_timeout_ms, 30000);
    task->max_crashes = (uint32_t)number_or(spec->max_crashes, 3);
    task->max_deliveries = (uint32_t)number_or(spec->max_deliveries, 20);
    task->non_retryable = spec->non_retryable;
    task->non_retryable_count = spec->non_retryable_count;
    task->expires_ms = spec->expires_at_ms;
    task->retention_ms =
        number_or(spec->retention_ms, number_or(defaults->retention_ms, judgement->model->settings.retention_ms));
    task->agent_id = "";
    if (spec->not_before_ms > judgement->now.wall_ms) {
        task->state = TASK_SCHEDULED;
        task->due_is_wall = true;
        task->due_from_ms = spec->not_before_ms;
    } else if (spec->delay_ms > 0) {
        task->state = TASK_SCHEDULED;
        task->due_from_ms = judgement->now.store_ms + spec->delay_ms;
    }
    task->due_to_ms = task->due_from_ms;
    task->fairness_key = spec->fairness_key;
    task->turn = model_turn_give(judgement->model, task->queue, task->priority, task->fairness_key);
    task->on_lost = spec->on_lost;
    task->parent_id = spec->parent_id;
    task->limit_count = spec->limit_count;
    for (size_t i = 0; i < spec->limit_count; i++)
        task->limits[i] = spec->limits[i];
    set_waits(judgement, spec, task);
    task->idempotency_key = spec->idempotency_key;
}

/* What is decided about the tasks of a submit. */
struct admission {
    const struct command_submit *submit;
    const char *reasons[SPECS_IN_REQUEST]; /* NULL: taken, or known already */
    bool taken[SPECS_IN_REQUEST];
    uint64_t existing[SPECS_IN_REQUEST]; /* the task that has its key */
    uint64_t replaced[SPECS_IN_REQUEST]; /* the task that loses its key to it */
    const char *first;                   /* the first reason */
};

static const char *refusal_of_dependencies(const struct model *model, const struct command_submit *submit,
                                           const struct task_spec *spec)
{
    for (size_t i = 0; i < spec->depends_on_count; i++)
        if (model_find(model, spec->depends_on[i]) == NULL)
            return "NO_SUCH_DEPENDENCY";
    for (size_t i = 0; i < spec->depends_on_index_count; i++)
        if (!submit->atomic || spec->depends_on_index[i] >= submit->spec_count)
            return "BAD_FIELD";
    return NULL;
}

static const char *refusal_of_parent(const struct model *model, uint64_t parent_id)
{
    const struct model_task *parent = model_find(model, parent_id);

    if (parent_id == 0)
        return NULL;
    if (parent == NULL)
        return "NO_SUCH_PARENT";
    return model_has_ended(parent) || parent->canceling ? "PARENT_ENDED" : NULL;
}

static const char *refusal_of_queue(struct model *model, const struct admission *admission, size_t index)
{
    const char *queue = admission->submit->specs[index].queue;
    uint64_t adding = 0;

    for (size_t i = 0; i < index; i++)
        adding += admission->taken[i] && strcmp(admission->submit->specs[i].queue, queue) == 0;
    return model_queue_refusal(model, queue, adding);
}

static bool breaks_a_bound(const struct task_spec *spec)
{
    return is_bad(spec) || (spec->expires_at_ms > 0 && spec->expires_at_ms <= spec->not_before_ms);
}

static bool has_key_of_another(const struct command_submit *submit, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (!breaks_a_bound(&submit->specs[i]) &&
            strcmp(submit->specs[i].idempotency_key, submit->specs[index].idempotency_key) == 0)
            return true;
    return false;
}

/* Where the broker may have forgotten the key or not, the answer tells. */
static bool is_held(const struct judgement *judgement, const struct model_key *key, size_t index)
{
    const struct answer *own = judgement->own;
    int holds = model_unique_holds(judgement, key);

    if (holds != KEY_IS_ANY || own == NULL || own->refusal != NULL)
        return holds == KEY_IS_TAKEN;
    const struct submit_outcome *outcome = &own->submit.outcomes[index];
    return outcome->existing || (outcome->refusal != NULL && strcmp(outcome->refusal->reason, "KEY_TAKEN") == 0);
}

/* Also finds out which task has the key. */
static const char *refusal_of_key(struct judgement *judgement, struct admission *admission, size_t index)
{
    const struct task_spec *spec = &admission->submit->specs[index];

    if (spec->idempotency_key[0] == '\0')
        return NULL;
    if (has_key_of_another(admission->submit, index))
        return "BAD_FIELD";
    const struct model_key *key = model_unique(judgement->model, spec->idempotency_key);
    if (!is_held(judgement, key, index))
        return NULL;
    if (spec->on_conflict != CONFLICT_REJECT && spec->on_conflict != CONFLICT_REPLACE) {
        admission->existing[index] = key->task_id;
        return NULL;
    }
    const struct model_task *task = model_find(judgement->model, key->task_id);
    if (spec->on_conflict == CONFLICT_REJECT || task == NULL ||
        !(model_is_waiting(task) || task->state == TASK_CANCELED || task->state == TASK_EXPIRED))
        return "KEY_TAKEN";
    admission->replaced[index] = task->id;
    return NULL;
}

static const char *refusal_of(struct judgement *judgement, struct admission *admission, size_t index)
{
    const struct command_submit *submit = admission->submit;
    const struct task_spec *spec = &submit->specs[index];
    struct model *model = judgement->model;

    if (breaks_a_bound(spec))
        return "BAD_FIELD";
    const char *key_reason = refusal_of_key(judgement, admission, index);
    if (key_reason != NULL || admission->existing[index] != 0)
        return key_reason;
    if (spec->expires_at_ms > 0 && spec->expires_at_ms <= judgement->now.wall_ms + spec->delay_ms)
        return "BAD_FIELD";
    const char *reason = refusal_of_dependencies(model, submit, spec);
    if (reason == NULL)
        reason = refusal_of_parent(model, spec->parent_id);
    if (reason == NULL && submit->store_is_nearly_full)
        reason = "STORE_FULL";
    return reason != NULL ? reason : refusal_of_queue(model, admission, index);
}

/* Decides all of them before anything is added. */
static void admit(struct judgement *judgement, struct admission *admission, const struct model_submit *known)
{
    for (size_t i = 0; i < admission->submit->spec_count; i++) {
        if (known != NULL && known->ids[i] != 0)
            continue;
        admission->reasons[i] = refusal_of(judgement, admission, i);
        admission->taken[i] = admission->reasons[i] == NULL && admission->existing[i] == 0;
        if (admission->first == NULL)
            admission->first = admission->reasons[i];
    }
}

/* Of a submit of at most a handful: whether one can reach another by going along depends_on_index. */
static bool reaches(const struct command_submit *submit, uint32_t from, uint32_t to, uint32_t steps)
{
    const struct task_spec *spec = &submit->specs[from];

    for (size_t i = 0; steps > 0 && i < spec->depends_on_index_count; i++)
        if (spec->depends_on_index[i] == to || reaches(submit, spec->depends_on_index[i], to, steps - 1))
            return true;
    return false;
}

/* Why an atomic submit is refused as a whole; NULL when it is not. */
static const char *refusal_of_all(const struct admission *admission)
{
    const struct command_submit *submit = admission->submit;

    if (admission->first != NULL)
        return admission->first;
    for (uint32_t i = 0; i < submit->spec_count; i++)
        if (reaches(submit, i, i, (uint32_t)submit->spec_count))
            return "DEPENDENCY_CYCLE";
    return NULL;
}

static void judge_existing(struct world *world, const struct submit_outcome *outcome, uint64_t id)
{
    if (outcome->task_id != id || !outcome->existing)
        world_violated(world, "a submit got task %" PRIu64 ", its key is that of task %" PRIu64, outcome->task_id, id);
}

static void cancel_replaced(struct judgement *judgement, uint64_t id)
{
    struct model_task *task = model_find(judgement->model, id);

    if (task == NULL || !model_is_waiting(task))
        return;
    model_touch(judgement->model, task);
    task->wait_count = 0;
    model_end_task(judgement, task, TASK_CANCELED);
}

/* One task of a submit: the first answer again, a refusal, or a new task. */
static void judge_one(struct judgement *judgement, const struct admission *admission, size_t index,
                      const struct model_submit *known, uint64_t *ret_id)
{
    const struct command_submit *submit = &judgement->command->submit;
    const struct submit_outcome *outcome = &judgement->own->submit.outcomes[index];
    struct world *world = judgement->model->world;

    *ret_id = outcome->task_id;
    if (known != NULL && known->ids[index] != 0) {
        if (outcome->task_id != known->ids[index])
            world_violated(world, "a repeated submit got task %" PRIu64 ", the first answer was %" PRIu64,
                           outcome->task_id, known->ids[index]);
        return;
    }
    const char *reason = admission->reasons[index];
    const char *got = outcome->refusal != NULL ? outcome->refusal->reason : NULL;
    if ((reason == NULL) != (outcome->task_id != 0) || (reason == NULL) != (got == NULL) ||
        (reason != NULL && strcmp(reason, got) != 0))
        world_violated(world, "a submit got task %" PRIu64 " and refusal %s, expected was %s", outcome->task_id,
                       got != NULL ? got : "none", reason != NULL ? reason : "none");
    else if (reason == NULL && admission->existing[index] != 0)
        judge_existing(world, outcome, admission->existing[index]);
    else if (reason == NULL)
        add(judgement, &submit->specs[index], outcome->task_id);
    if (reason != NULL || admission->existing[index] != 0 || submit->specs[index].idempotency_key[0] == '\0')
        return;
    cancel_replaced(judgement, admission->replaced[index]);
    model_unique_take(judgement, submit->specs[index].idempotency_key, outcome->task_id);
}

static void remember(struct judgement *judgement, struct model_session *session, const struct model_submit *submit)
{
    uint64_t acked_below = judgement->command->submit.acked_below;
    size_t kept = 0;

    model_keep(judgement->model, session, sizeof *session);
    if (acked_below > session->acked_below)
        session->acked_below = acked_below;
    for (size_t i = 0; i < session->submit_count; i++)
        if (session->submits[i].sequence >= session->acked_below && session->submits[i].sequence != submit->sequence)
            session->submits[kept++] = session->submits[i];
    session->submits[kept++] = *submit;
    session->submit_count = kept;
}

void model_submit(struct judgement *judgement)
{
    const struct command_submit *submit = &judgement->command->submit;
    struct model_session *session = session_of(judgement->model, submit->session.data);
    struct model_submit fresh = {.sequence = submit->sequence, .count = submit->spec_count};
    bool added = false;

    if (session->submit_count == 0 && submit->sequence > 1 && submit->acked_below != 1) {
        (void)model_expect(judgement, "SESSION_EXPIRED");
        return;
    }
    if (submit->sequence < session->acked_below) {
        (void)model_expect(judgement, "SEQUENCE_ACKED");
        return;
    }
    const struct model_submit *known = find_submit(session, submit->sequence);
    struct admission admission = {.submit = submit};
    admit(judgement, &admission, known);
    if (submit->atomic && refusal_of_all(&admission) != NULL) {
        (void)model_expect(judgement, refusal_of_all(&admission));
        return;
    }
    if (!model_expect(judgement, NULL))
        return;
    for (size_t i = 0; i < submit->spec_count; i++) {
        judge_one(judgement, &admission, i, known, &fresh.ids[i]);
        added = added || (fresh.ids[i] != 0 && (known == NULL || known->ids[i] == 0));
    }
    if (added)
        remember(judgement, session, &fresh);
}

static void hear_of(struct judgement *judgement, struct model_task *task, size_t index)
{
    const struct model_task *ended = model_find(judgement->model, task->waits_for[index]);

    model_touch(judgement->model, task);
    task->waits_for[index] = task->waits_for[--task->wait_count];
    if (ended->state != TASK_COMPLETED && task->on_dependency_failure != DEPENDENCY_RUN) {
        task->wait_count = 0;
        model_end_task(judgement, task, task->on_dependency_failure == DEPENDENCY_CANCEL ? TASK_CANCELED : TASK_FAILED);
    } else if (task->wait_count == 0) {
        uint64_t now_ms = task->due_is_wall ? judgement->now.wall_ms : judgement->now.store_ms;
        task->state = task->due_from_ms > now_ms ? TASK_SCHEDULED : TASK_READY;
    }
}

void model_release_waiting(struct judgement *judgement)
{
    struct model *model = judgement->model;
    bool changed = true;

    while (changed) {
        changed = false;
        for (size_t i = model->first; i < model->task_count; i++) {
            struct model_task *task = model->tasks[i];
            for (size_t at = 0; task->state == TASK_BLOCKED && at < task->wait_count && !changed; at++) {
                const struct model_task *other = model_find(model, task->waits_for[at]);
                changed = other == NULL || model_has_ended(other);
                if (other == NULL)
                    world_violated(model->world, "task %" PRIu64 " waits for task %" PRIu64 ", which is no more",
                                   task->id, task->waits_for[at]);
                else if (changed)
                    hear_of(judgement, task, at);
            }
        }
        changed = changed && !model->world->failed;
    }
}
