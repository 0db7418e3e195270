#include "broker/core/lease.h"

#include "broker/core/core.h"
#include "broker/core/ending.h"
#include "broker/core/epoch.h"

#define REAPED_BECAUSE "its lease was lost: end it, and say so"

static uint64_t later(uint64_t a_ms, uint64_t b_ms)
{
    return a_ms > b_ms ? a_ms : b_ms;
}

void run_begin(struct step *step, struct task *task)
{
    task_move(task, MOVE_START, TASK_RUNNING);
    task->attempts++;
    task->started_ms = step->now.wall_ms;
    task->run_deadline_ms = step->now.store_ms + task->run_timeout_ms;
}

static bool deadline_has_passed(const struct step *step, const struct task *task)
{
    return task->run_deadline_ms > 0 && step->now.store_ms >= task->run_deadline_ms;
}

bool run_timeout_has_passed(const struct step *step, const struct task *task)
{
    return task->now.state == TASK_RUNNING && deadline_has_passed(step, task);
}

bool start_timeout_has_passed(const struct step *step, const struct task *task)
{
    return task->now.state == TASK_ASSIGNED && deadline_has_passed(step, task);
}

uint64_t lease_end_ms(uint64_t begin_ms, uint32_t lease_ms)
{
    return begin_ms + lease_ms + 1;
}

/* What its heartbeats so far call for; 0 while they are not known. */
static uint32_t adapted_ms(const struct broker *broker, const struct agent *agent)
{
    const struct broker_settings *settings = &broker->settings;
    uint64_t lease_ms = agent != NULL ? rhythm_lease_ms(&agent->rhythm) : 0;

    if (lease_ms == 0)
        return 0;
    if (lease_ms < settings->lease_min_ms)
        return settings->lease_min_ms;
    return lease_ms < settings->lease_max_ms ? (uint32_t)lease_ms : settings->lease_max_ms;
}

uint32_t lease_of_agent_ms(const struct broker *broker, const struct agent *agent)
{
    uint32_t lease_ms = adapted_ms(broker, agent);

    return lease_ms > 0 ? lease_ms : broker->settings.lease_ms;
}

uint32_t lease_at_claim_ms(const struct broker *broker, const char *agent_id)
{
    return (uint32_t)later(broker->settings.lease_ms, adapted_ms(broker, agents_nearest(&broker->agents, agent_id)));
}

uint32_t lease_promise(struct step *step, const struct agent *agent, struct task *task)
{
    uint32_t lease_ms = adapted_ms(step->broker, agent);

    if (lease_ms == 0)
        lease_ms = (uint32_t)later(step->broker->settings.lease_ms, task->lease_ms);
    if (lease_ms > task->lease_ms) {
        task->lease_ms = lease_ms;
        task_write_quietly(step, task);
    }
    return lease_ms;
}

/* The end of a lease that begins now. */
static uint64_t lease_until_ms(const struct step *step, const struct task *task, uint32_t lease_ms)
{
    const struct broker_settings *settings = &step->broker->settings;
    uint64_t until_ms = lease_end_ms(step->now.store_ms, lease_ms);
    uint64_t most_ms = task->run_deadline_ms;

    if (task->reaping)
        return until_ms + settings->reap_grace_ms;
    if (task->now.state == TASK_RUNNING)
        most_ms += settings->terminate_ms;
    return task->run_deadline_ms > 0 && until_ms > most_ms ? most_ms : until_ms;
}

void run_assign(struct step *step, struct task *task, bool starts)
{
    task_move(task, MOVE_CLAIM, TASK_ASSIGNED);
    task->started_ms = 0;
    task->run_deadline_ms = step->now.store_ms + task->start_timeout_ms + 1; /* as leases do */
    if (starts)
        run_begin(step, task);
    task->now.time_base = STORE_TIME;
    task->now.due_ms = lease_until_ms(step, task, task->lease_ms);
}

void lease_renew(struct step *step, struct task *task, uint32_t lease_ms)
{
    /* A shorter lease binds from the reply that names it, and that may not arrive. */
    uint64_t heard_until_ms = lease_end_ms(step->now.store_ms, (uint32_t)later(lease_ms, task->lease_ms));
    uint64_t until_ms = lease_until_ms(step, task, lease_ms);

    struct run *run = runs_obtain(&step->broker->runs, task->id, task->fence);
    if (run != NULL) {
        run->renewed_until_ms = later(run->renewed_until_ms, until_ms);
        run->heard_until_ms = later(run->heard_until_ms, heard_until_ms);
        return;
    }
    if (until_ms <= task->now.due_ms)
        return;
    task->now.due_ms = until_ms;
    task_write_quietly(step, task);
}

/* Nothing is lost before this, so that a broker that was away gives everybody time to be heard again. */
static uint64_t first_loss_ms(const struct broker *broker, uint32_t lease_ms)
{
    return lease_end_ms(broker->leases_from_ms, lease_ms);
}

static void reap(struct step *step, struct task *task, uint64_t lost_ms)
{
    const struct run *run = runs_find(&step->broker->runs, task->id, task->fence);
    struct run_name name = {.task_id = task->id, .fence = task->fence};

    /* Its run timeout ends a lease while its holder is still heard: the grace counts from the last word. */
    if (run != NULL)
        lost_ms = later(lost_ms, run->heard_until_ms);
    else if (run_timeout_has_passed(step, task))
        lost_ms = lease_end_ms(lost_ms, task->lease_ms);
    task->reaping = true;
    task->now.due_ms = lost_ms + step->broker->settings.reap_grace_ms;
    task_note(task, EVENT_REAPING, REAPED_BECAUSE);
    task_write(step, task);
    step->broker->totals.expired_leases++;
    effects_push(step->effects, task->now.agent_id, name, VERDICT_KILL, REAPED_BECAUSE);
}

/* It was not heard of in time. */
static enum status take_back(struct step *step, struct task *task, uint64_t lost_ms)
{
    if (task->supervised && task->now.state == TASK_RUNNING && !task->reaping) {
        reap(step, task, lost_ms);
        return STATUS_OK;
    }
    if (!epoch_is_present(step->broker, task->fence))
        return run_released(step, task, "it was claimed before the store's epoch was raised", 0);
    return task->reaping ? run_given_up(step, task) : run_lost(step, task);
}

static enum status look_at_run(struct step *step, uint64_t id)
{
    const struct run *run;
    struct task task;

    TRY(task_load(step, id, &task));
    if (!task_is_at_work(&task))
        return STATUS_DATA_LOSS;
    run = runs_find(&step->broker->runs, id, task.fence);
    uint64_t due_ms = later(task.now.due_ms, first_loss_ms(step->broker, task.lease_ms));
    if (run != NULL)
        due_ms = later(due_ms, run->renewed_until_ms);
    if (due_ms <= step->now.store_ms)
        return take_back(step, &task, due_ms);
    task.now.due_ms = due_ms;
    task_write_quietly(step, &task);
    return STATUS_OK;
}

/* The first row; STATUS_NOT_FOUND when there is none. */
static enum status first_row(struct step *step, struct key *ret_key)
{
    struct key first = key_lease(0, 0);
    struct bytes key;
    struct bytes value;

    TRY(store_seek(step->txn, TABLE_LEASE, key_bytes(&first), &key, &value));
    *ret_key = key_lease(load_u64(key.data), key_read_id(key));
    return STATUS_OK;
}

enum status leases_tick(struct step *step, uint32_t max)
{
    if (step->now.store_ms < first_loss_ms(step->broker, step->broker->settings.lease_ms))
        return STATUS_OK;
    for (uint32_t i = 0; i < max; i++) {
        struct key row;
        enum status status = first_row(step, &row);
        if (status == STATUS_NOT_FOUND)
            return STATUS_OK;
        TRY(status);
        if (load_u64(row.data) > step->now.store_ms)
            return STATUS_OK;
        uint64_t id = key_read_id(key_bytes(&row));
        status = look_at_run(step, id);
        if (status == STATUS_DATA_LOSS || status == STATUS_NOT_FOUND) {
            /* What cannot be read must not keep the leases behind it from running out. */
            step->effects->damaged_id = id;
            store_delete(step->txn, TABLE_LEASE, key_bytes(&row));
            continue;
        }
        TRY(status);
    }
    return STATUS_OK;
}

enum status leases_next_ms(struct step *step, uint64_t *ret_ms)
{
    struct key row;
    enum status status = first_row(step, &row);

    *ret_ms = UINT64_MAX;
    if (status == STATUS_NOT_FOUND)
        return STATUS_OK;
    TRY(status);
    uint64_t due_ms = later(load_u64(row.data), first_loss_ms(step->broker, step->broker->settings.lease_ms));
    *ret_ms = due_ms > step->now.store_ms ? due_ms - step->now.store_ms : 0;
    return STATUS_OK;
}
