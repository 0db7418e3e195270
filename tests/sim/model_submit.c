/* What submitters and operators ask. */
#include "tests/sim/model.h"

#include <inttypes.h>
#include <string.h>

static struct model_session *session_of(struct model *model, const uint8_t *name)
{
    for (size_t i = 0; i < model->session_count; i++)
        if (memcmp(model->sessions[i].name, name, sizeof model->sessions[i].name) == 0)
            return &model->sessions[i];
    if (model->session_count == MODEL_SESSIONS_MAX)
        return NULL;
    memcpy(model->sessions[model->session_count].name, name, sizeof model->sessions[0].name);
    return &model->sessions[model->session_count++];
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

static void add(struct judgement *judgement, const struct task_spec *spec, uint64_t id)
{
    struct model_task *task = model_add(judgement->model, id);

    task->state = TASK_READY;
    task->queue = text_or(spec->queue, "default");
    task->agent_type = text_or(spec->agent_type, "any");
    task->priority = (uint32_t)number_or(spec->priority, 5);
    task->max_attempts = (uint32_t)number_or(spec->max_attempts, 3);
    task->backoff_ms = (uint32_t)number_or(spec->backoff_ms, 10000);
    task->backoff_max_ms = (uint32_t)number_or(spec->backoff_max_ms, 300000);
    task->run_timeout_ms = number_or(spec->run_timeout_ms, 24ULL * 3600 * 1000);
    task->retention_ms = number_or(spec->retention_ms, judgement->model->settings.retention_ms);
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
}

static const char *refusal_of(const struct command_submit *submit, size_t index)
{
    if (is_bad(&submit->specs[index]))
        return "BAD_FIELD";
    return submit->store_is_nearly_full ? "STORE_FULL" : NULL;
}

/* Of those that are new; NULL when there is none. */
static const char *first_refusal(const struct command_submit *submit, const struct model_submit *known)
{
    for (size_t i = 0; i < submit->spec_count; i++)
        if ((known == NULL || known->ids[i] == 0) && refusal_of(submit, i) != NULL)
            return refusal_of(submit, i);
    return NULL;
}

/* One task of a submit: the first answer again, a refusal, or a new task. */
static void judge_one(struct judgement *judgement, size_t index, const struct model_submit *known, uint64_t *ret_id)
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
    const char *reason = refusal_of(submit, index);
    const char *got = outcome->refusal != NULL ? outcome->refusal->reason : NULL;
    if ((reason == NULL) != (outcome->task_id != 0) || (reason == NULL) != (got == NULL) ||
        (reason != NULL && strcmp(reason, got) != 0))
        world_violated(world, "a submit got task %" PRIu64 " and refusal %s, expected was %s", outcome->task_id,
                       got != NULL ? got : "none", reason != NULL ? reason : "none");
    else if (reason == NULL)
        add(judgement, &submit->specs[index], outcome->task_id);
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

    if (submit->sequence < session->acked_below) {
        (void)model_expect(judgement, "SEQUENCE_ACKED");
        return;
    }
    const struct model_submit *known = find_submit(session, submit->sequence);
    if (submit->atomic && first_refusal(submit, known) != NULL) {
        (void)model_expect(judgement, first_refusal(submit, known));
        return;
    }
    if (!model_expect(judgement, NULL))
        return;
    for (size_t i = 0; i < submit->spec_count; i++) {
        judge_one(judgement, i, known, &fresh.ids[i]);
        added = added || (fresh.ids[i] != 0 && (known == NULL || known->ids[i] == 0));
    }
    if (added)
        remember(judgement, session, &fresh);
}

void model_cancel(struct judgement *judgement)
{
    struct model *model = judgement->model;
    struct model_task *task = model_find(model, judgement->command->cancel.task_id);
    const struct push *push = judgement->effects->pushes;

    if (task == NULL || model_has_ended(task)) {
        (void)model_expect(judgement, task == NULL ? "NO_SUCH_TASK" : "TASK_ENDED");
        return;
    }
    if (!model_expect(judgement, NULL))
        return;
    if (task->canceling)
        return;
    model_touch(model, task);
    if (!model_is_held(task)) {
        model_end_task(judgement, task, TASK_CANCELED);
        return;
    }
    task->canceling = true;
    if (push == NULL || push->next != NULL || push->run.task_id != task->id || push->run.fence != task->fence ||
        strcmp(push->agent_id, task->agent_id) != 0)
        world_violated(model->world, "the holder of task %" PRIu64 " was not told of its cancel", task->id);
}

void model_retry(struct judgement *judgement)
{
    const struct command_retry *retry = &judgement->command->retry;
    struct model_task *task = model_find(judgement->model, retry->task_id);

    if (task == NULL || !model_has_ended(task)) {
        (void)model_expect(judgement, task == NULL ? "NO_SUCH_TASK" : "WRONG_STATE");
        return;
    }
    if (task->state == TASK_COMPLETED && !retry->force) {
        (void)model_expect(judgement, "TASK_COMPLETED");
        return;
    }
    if (!model_expect(judgement, NULL))
        return;
    model_touch(judgement->model, task);
    task->state = TASK_READY;
    task->attempts = 0;
    task->crashes = 0;
    task->interruptions = 0;
    task->deliveries = 0;
    task->end = END_NONE;
}

void model_get(struct judgement *judgement)
{
    const struct model_task *task = model_find(judgement->model, judgement->command->get.task_id);

    (void)model_expect(judgement, task == NULL ? "NO_SUCH_TASK" : NULL);
}

/* All of one state, in the order of ids. */
void model_list(struct judgement *judgement)
{
    const struct command_list *list = &judgement->command->list;
    struct model *model = judgement->model;
    size_t at = 0;

    if (!model_expect(judgement, NULL))
        return;
    for (size_t i = model->first; i < model->task_count && at < list->page_size; i++) {
        const struct model_task *task = model->tasks[i];
        if (task->state == TASK_NONE || (list->states >> task->state & 1U) == 0)
            continue;
        if (at >= judgement->own->list.count || judgement->own->list.tasks[at]->id != task->id) {
            world_violated(model->world, "LIST misses task %" PRIu64 ", which is %s", task->id,
                           task_state_name(task->state));
            return;
        }
        at++;
    }
    if (at != judgement->own->list.count)
        world_violated(model->world, "LIST has %zu tasks, expected were %zu", judgement->own->list.count, at);
}

void model_queue_stats(struct judgement *judgement)
{
    struct model *model = judgement->model;

    if (!model_expect(judgement, NULL))
        return;
    for (size_t i = 0; i < judgement->own->queue_stats.count; i++) {
        const struct queue_view *queue = &judgement->own->queue_stats.queues[i];
        uint64_t counts[TASK_STATES] = {0};

        for (size_t at = model->first; at < model->task_count; at++)
            if (model->tasks[at]->state != TASK_NONE && strcmp(model->tasks[at]->queue, queue->queue) == 0)
                counts[model->tasks[at]->state]++;
        if (memcmp(counts, queue->counts, sizeof counts) != 0)
            world_violated(model->world, "QUEUE_STATS counts queue %s otherwise than its tasks", queue->queue);
    }
}
