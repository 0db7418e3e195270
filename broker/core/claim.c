#include "broker/core/claim.h"

#include "broker/core/budget.h"
#include "broker/core/core.h"
#include "broker/core/epoch.h"
#include "broker/core/gate.h"
#include "broker/core/lease.h"
#include "broker/core/limits.h"
#include "broker/core/pick.h"
#include "broker/core/record.h"
#include "broker/core/timer.h"

#include <string.h>

#define CLAIM_VERSION 1
#define DEFAULT_NAME "default"

/* What a claim was given so far. */
struct catch
{
    const struct task_view **tasks;
    size_t count;
    size_t size; /* bytes, about */
};

enum status claim_recall(struct step *step, const char *agent_id, struct claim_memory *ret_memory)
{
    struct key key = key_claim(agent_id);
    struct bytes value;
    struct reader reader;
    enum status status = store_get(step->txn, TABLE_CLAIM, key_bytes(&key), &value);

    *ret_memory = (struct claim_memory){.exists = status == STATUS_OK};
    if (status == STATUS_NOT_FOUND)
        return STATUS_OK;
    TRY(status);
    if (!record_open(value, CLAIM_VERSION, 0, &reader))
        return error_set(&step->error, STATUS_DATA_LOSS, "DAMAGED_RECORD",
                         "what %s claimed last is damaged in the store; claim with a new agent_id", agent_id);
    ret_memory->incarnation = reader_u64(&reader);
    ret_memory->claim_seq = reader_u64(&reader);
    ret_memory->used_ms = reader_u64(&reader);
    ret_memory->run_count = reader_u16(&reader);
    ret_memory->runs = arena_zero(&step->effects->arena, ret_memory->run_count, sizeof(struct run_name));
    for (size_t i = 0; i < ret_memory->run_count; i++) {
        ret_memory->runs[i].task_id = reader_u64(&reader);
        ret_memory->runs[i].fence = reader_u64(&reader);
    }
    return STATUS_OK;
}

static void claim_remember(struct step *step, const struct command_claim *claim, const struct catch *caught)
{
    struct key key = key_claim(claim->agent_id);
    struct buffer *buffer = &step->broker->scratch;

    record_begin(buffer, CLAIM_VERSION);
    buffer_add_u64(buffer, claim->incarnation);
    buffer_add_u64(buffer, claim->claim_seq);
    buffer_add_u64(buffer, step->now.store_ms);
    buffer_add_u16(buffer, (uint16_t)caught->count);
    for (size_t i = 0; i < caught->count; i++) {
        buffer_add_u64(buffer, caught->tasks[i]->id);
        buffer_add_u64(buffer, caught->tasks[i]->fence);
    }
    store_put(step->txn, TABLE_CLAIM, key_bytes(&key), record_seal(buffer, 0));
}

enum status claim_due(struct step *step, const struct timer *timer)
{
    char agent_id[AGENT_ID_MAX + 1] = "";
    struct bytes tail = timer->tail;
    struct claim_memory memory;

    memcpy(agent_id, tail.data, tail.size <= AGENT_ID_MAX ? tail.size : AGENT_ID_MAX);
    tail = bytes_of_text(agent_id);
    enum status status = claim_recall(step, agent_id, &memory);
    if (status != STATUS_OK && status != STATUS_DATA_LOSS)
        return status;
    timer_unset(step, timer->due_ms, TIMER_CLAIM, tail);
    if (status == STATUS_OK && memory.used_ms + CLAIM_IDLE_MAX_MS > step->now.store_ms)
        timer_set(step, memory.used_ms + CLAIM_IDLE_MAX_MS, TIMER_CLAIM, tail);
    else
        store_delete(step->txn, TABLE_CLAIM, tail);
    return STATUS_OK;
}

/* A READY task that cannot be read must not keep those behind it from going out. */
static void set_aside(struct step *step, struct lane *lane)
{
    struct key key = key_ready(lane->number, &lane->head);

    step->effects->damaged_id = lane->head.id;
    store_delete(step->txn, TABLE_READY, key_bytes(&key));
    lane_ready_removed(lane, lane->head.id);
}

static void assign(struct step *step, const struct command_claim *claim, struct task *task)
{
    struct broker *broker = step->broker;

    task->fence = counters_next(&broker->counters, &broker->counters.fence);
    task->run_end = RUN_IS_OPEN;
    task->used_by_run = (struct usage){0};
    task->deliveries++;
    task->claimed_ms = step->now.wall_ms;
    task->supervised = claim->supervised;
    task->output_incomplete = false;
    task->lease_ms = lease_at_claim_ms(broker, claim->agent_id);
    memcpy(task->now.agent_id, claim->agent_id, strlen(claim->agent_id) + 1);
    run_assign(step, task, claim->start);
}

/* No further run begins that its budget has no room for. When this batch has moved enough aside, the next one goes on.
 */
static bool keep_back(struct step *step, struct lane *lane, struct task *task, const struct budget_row *breached)
{
    uint32_t *work = &step->broker->work_left;
    const char *who = step->who;

    if (*work == 0) {
        lane_put_off(&step->broker->lanes, lane);
        return false;
    }
    *work -= WORK_OF_CHANGE < *work ? WORK_OF_CHANGE : *work;
    step->who = "";
    budget_withhold(step, task, breached);
    step->who = who;
    return true;
}

/* Takes the head of the lane, or sets it aside. The view is made before anything is written, because it can fail.
 * ret_fits is false when the answer has no room for it, or the batch has done enough. */
static enum status take_head(struct step *step, const struct command_claim *claim, struct lane *lane,
                             struct catch *caught, bool *ret_fits)
{
    struct task task;
    struct task_view *view = NULL;
    struct budget_row breached = {0};
    enum status status = task_load(step, lane->head.id, &task);

    *ret_fits = true;
    if (status == STATUS_OK && task.now.state != TASK_READY)
        status = STATUS_DATA_LOSS;
    if (status == STATUS_OK)
        status = budget_find_breach(step, task.budget_id, &breached);
    if (status == STATUS_OK && breached.id > 0) {
        *ret_fits = keep_back(step, lane, &task, &breached);
        return STATUS_OK;
    }
    if (status == STATUS_OK) {
        assign(step, claim, &task);
        status = task_view(step, &task, true, &view);
    }
    if (status == STATUS_DATA_LOSS || status == STATUS_NOT_FOUND) {
        set_aside(step, lane);
        return STATUS_OK;
    }
    TRY(status);
    if (caught->count > 0 && caught->size + view->size > CLAIM_BYTES_MAX) {
        *ret_fits = false;
        return STATUS_OK;
    }
    task_write(step, &task);
    gate_passed(step, lane);
    turn_claimed(&step->broker->lanes.turns, lane->type->queue, task.now.priority, task.now.turn);
    view->revision = task.revision;
    caught->tasks[caught->count++] = view;
    caught->size += view->size;
    return STATUS_OK;
}

static enum status take_all(struct step *step, const struct command_claim *claim, struct catch *caught)
{
    struct pick pick;
    size_t max = claim->max > 0 ? claim->max : 1;
    bool fits = true;

    TRY(pick_begin(step, claim, &pick));
    if (pick.count == 0)
        return STATUS_OK;
    caught->tasks = arena_zero(&step->effects->arena, max, sizeof(struct task_view *));
    while (caught->count < max && fits) {
        struct lane *lane = pick_first(step, &pick);
        if (lane == NULL)
            return STATUS_OK;
        TRY(take_head(step, claim, lane, caught, &fits));
        TRY(pick_again(step, &pick));
    }
    return STATUS_OK;
}

static struct answer *answer_claim(struct step *step, uint64_t token, const struct catch *caught)
{
    struct answer *answer = effects_answer(step->effects, token, COMMAND_CLAIM);

    answer->claim.tasks = caught->tasks;
    answer->claim.count = caught->count;
    answer->claim.lease_ms = step->broker->settings.lease_ms;
    answer->claim.terms = broker_terms(step->broker);
    return answer;
}

void claim_answer_nothing(struct step *step, uint64_t token)
{
    (void)answer_claim(step, token, &(struct catch){0});
}

/* Takes what there is and answers; ret_got is false when there was nothing, and nothing was answered. */
static enum status claim_now(struct step *step, uint64_t token, const struct command_claim *claim, bool is_known,
                             bool *ret_got)
{
    struct catch caught = {0};

    *ret_got = false;
    if (epoch_is_doubted(step->broker))
        return STATUS_OK;
    TRY(take_all(step, claim, &caught));
    *ret_got = caught.count > 0;
    if (!*ret_got)
        return STATUS_OK;
    step->broker->totals.claimed += caught.count;
    claim_remember(step, claim, &caught);
    if (!is_known)
        timer_set(step, step->now.store_ms + CLAIM_IDLE_MAX_MS, TIMER_CLAIM, bytes_of_text(claim->agent_id));
    (void)answer_claim(step, token, &caught);
    return STATUS_OK;
}

/* The same runs again, as far as they still live. */
static enum status claim_repeat(struct step *step, uint64_t token, const struct claim_memory *memory)
{
    struct catch caught = {.tasks = arena_zero(&step->effects->arena, memory->run_count, sizeof(struct task_view *))};

    for (size_t i = 0; i < memory->run_count; i++) {
        struct task task;
        struct task_view *view = NULL;
        enum status status = task_load(step, memory->runs[i].task_id, &task);
        if (status == STATUS_OK && (task.fence != memory->runs[i].fence || !task_is_at_work(&task) ||
                                    !epoch_is_present(step->broker, task.fence)))
            continue;
        if (status == STATUS_OK)
            status = task_view(step, &task, true, &view);
        if (status == STATUS_NOT_FOUND || status == STATUS_DATA_LOSS)
            continue;
        TRY(status);
        caught.tasks[caught.count++] = view;
    }
    answer_claim(step, token, &caught)->claim.is_repeat = true;
    return STATUS_OK;
}

static enum status check_incarnation(struct step *step, const struct command_claim *claim,
                                     const struct claim_memory *memory)
{
    const struct agent *agent = agents_find(&step->broker->agents, claim->agent_id);

    if ((agent != NULL && claim->incarnation < agent->incarnation) ||
        (memory->exists && claim->incarnation < memory->incarnation))
        return error_set(&step->error, STATUS_ABORTED, "STALE_INCARNATION",
                         "a newer incarnation of %s has taken its place; end this one", claim->agent_id);
    if (memory->exists && claim->incarnation == memory->incarnation && claim->claim_seq < memory->claim_seq)
        return error_set(&step->error, STATUS_ABORTED, "STALE_CLAIM",
                         "claim_seq: %s has claimed with a greater one since", claim->agent_id);
    return STATUS_OK;
}

static void replace_parked(struct step *step, const char *agent_id)
{
    struct parked *older = parked_of_agent(&step->broker->parking, agent_id);
    struct error error = {0};

    if (older == NULL)
        return;
    (void)error_set(&error, STATUS_ABORTED, "REPLACED", "a newer claim of %s has taken the place of this one",
                    agent_id);
    effects_refuse(step->effects, older->token, COMMAND_CLAIM, &error);
    parked_remove(step->broker, older);
}

enum status step_claim(struct step *step, const struct command *command)
{
    static const char *const default_queues[] = {DEFAULT_NAME};
    struct command_claim claim = command->claim;
    struct claim_memory memory;
    bool got = false;

    TRY(limits_check_claim(&claim, &step->error));
    TRY(epoch_check(step, &claim.seen));
    if (claim.namespace[0] == '\0')
        claim.namespace = DEFAULT_NAME;
    if (claim.queue_count == 0) {
        claim.queues = default_queues;
        claim.queue_count = 1;
    }
    TRY(claim_recall(step, claim.agent_id, &memory));
    TRY(check_incarnation(step, &claim, &memory));
    struct agent *agent = agents_find(&step->broker->agents, claim.agent_id);
    if (agent != NULL)
        agents_heard(&step->broker->agents, agent, step->now.store_ms);

    step->who = claim.agent_id;
    replace_parked(step, claim.agent_id);
    if (memory.exists && claim.incarnation == memory.incarnation && claim.claim_seq == memory.claim_seq)
        return claim_repeat(step, command->token, &memory);
    /* It waits like others, and stands in no line. */
    if (drains_find(&step->broker->drains, claim.agent_id) != NULL)
        claim.queue_count = 0;
    TRY(claim_now(step, command->token, &claim, memory.exists, &got));
    if (got)
        return STATUS_OK;
    if (claim.waits)
        return parked_add(step, command->token, &claim);
    claim_answer_nothing(step, command->token);
    return STATUS_OK;
}

/* Serves whoever waits for this lane until it is empty or nobody does. */
static enum status wake_lane(struct step *step, struct lane *lane)
{
    for (;;) {
        struct claim_memory memory;
        bool got = false;
        struct parked *parked = parked_first(lane);

        if (parked == NULL)
            return STATUS_OK;
        if (!gate_is_open(lane, &step->now))
            return STATUS_OK;
        TRY(lane_find_head(step->txn, lane));
        if (lane->head.priority == 0)
            return STATUS_OK;
        enum status status = claim_recall(step, parked->agent_id, &memory);
        if (status != STATUS_OK && status != STATUS_DATA_LOSS)
            return status;
        /* Whoever's word has made the task ready: this is the claimer's act. */
        const char *who = step->who;
        step->who = parked->agent_id;
        TRY(claim_now(step, parked->token, &parked->claim, status == STATUS_OK && memory.exists, &got));
        step->who = who;
        if (!got)
            return STATUS_OK;
        parked_remove(step->broker, parked);
    }
}

enum status claims_wake(struct step *step)
{
    struct lanes *lanes = &step->broker->lanes;

    gates_wake(step->broker);
    while (lanes->woken != NULL) {
        struct lane *lane = lanes->woken;
        lanes->woken = lane->next_woken;
        lane->next_woken = NULL;
        lane->woken = false;
        TRY(wake_lane(step, lane));
    }
    return STATUS_OK;
}

enum status step_unpark(struct step *step, const struct command *command)
{
    struct parked *parked = parked_of_token(&step->broker->parking, command->token);

    if (parked == NULL)
        return STATUS_OK;
    parked_remove(step->broker, parked);
    claim_answer_nothing(step, command->token);
    return STATUS_OK;
}

enum status step_forget(struct step *step, const struct command *command)
{
    struct parked *parked = parked_of_token(&step->broker->parking, command->token);

    if (parked != NULL)
        parked_remove(step->broker, parked);
    return STATUS_OK;
}
