/* What jobs do, slice by slice. */
#include "broker/core/budget.h"
#include "broker/core/cancel.h"
#include "broker/core/core.h"
#include "broker/core/filter.h"
#include "broker/core/job.h"
#include "broker/core/limits.h"
#include "broker/core/orphan.h"
#include "broker/core/release.h"
#include "broker/core/unique.h"

#define IN(state) (1U << TASK_##state)
#define LIVE (IN(BLOCKED) | IN(SCHEDULED) | IN(READY) | IN(ASSIGNED) | IN(RUNNING) | IN(SUSPENDED))
#define ENDED_BADLY (IN(FAILED) | IN(CANCELED) | IN(EXPIRED))
#define ENDED (IN(COMPLETED) | ENDED_BADLY)

enum act { ACT_NOTHING, ACT_DONE, ACT_LATER };

typedef enum status act_fn(struct step *step, const struct job_order *order, struct task *task, enum act *ret_act);

static enum status act_cancel(struct step *step, const struct job_order *order, struct task *task, enum act *ret_act)
{
    *ret_act = task_cancel(step, task, order->reason) ? ACT_DONE : ACT_NOTHING;
    return STATUS_OK;
}

/* A task whose idempotency key is another one's by now stays as it is. */
static enum status take_key_back(struct step *step, struct task *task, bool *ret_has_it)
{
    struct task_view *view = NULL;
    enum status status = STATUS_OK;

    if (task->has_key)
        status = task_view(step, task, false, &view);
    if (view != NULL && status == STATUS_OK)
        status = unique_retake(step, task, &view->spec);
    *ret_has_it = status == STATUS_OK;
    return status == STATUS_DATA_LOSS || status == STATUS_ALREADY_EXISTS ? STATUS_OK : status;
}

static enum status act_retry(struct step *step, const struct job_order *order, struct task *task, enum act *ret_act)
{
    bool are_open = false;
    bool has_its_key = false;

    TRY(releases_are_open(step, task, &are_open));
    *ret_act = are_open ? ACT_LATER : ACT_NOTHING;
    if (are_open)
        return STATUS_OK;
    TRY(take_key_back(step, task, &has_its_key));
    if (!has_its_key)
        return STATUS_OK;
    task_retry(step, task, order->reason);
    *ret_act = ACT_DONE;
    return STATUS_OK;
}

static enum status act_purge(struct step *step, const struct job_order *order, struct task *task, enum act *ret_act)
{
    bool are_open = false;

    TRY(releases_are_open(step, task, &are_open));
    *ret_act = are_open ? ACT_LATER : ACT_DONE;
    if (are_open)
        return STATUS_OK;
    TRY(orphans_drop(step, task->id));
    task_move(task, MOVE_REMOVE, TASK_NONE);
    task->why = order->reason;
    task_erase(step, task);
    return STATUS_OK;
}

static const struct {
    act_fn *act;
    uint32_t states;   /* that it is for, when nothing else is said */
    uint32_t possible; /* that may be said */
} rules[JOB_KINDS] = {
    [JOB_CASCADE] = {.act = act_cancel},
    [JOB_CANCEL] = {.act = act_cancel, .states = LIVE, .possible = LIVE},
    [JOB_RETRY] = {.act = act_retry, .states = ENDED_BADLY, .possible = ENDED},
    [JOB_PURGE] = {.act = act_purge, .possible = ENDED},
};

enum status job_complete_order(struct step *step, struct job_order *order)
{
    TRY(limits_check_order(order, &step->error));
    if (order->kind < JOB_CANCEL || order->kind > JOB_PURGE)
        return error_set(&step->error, STATUS_INVALID_ARGUMENT, "BAD_FIELD",
                         "order.kind: CANCEL_TASKS, RETRY_TASKS and PURGE_TASKS can be begun");
    if (order->filter.states == 0)
        order->filter.states = rules[order->kind].states;
    if (order->filter.states == 0)
        return error_set(&step->error, STATUS_INVALID_ARGUMENT, "BAD_FIELD",
                         "order.filter.states: which of the ended states are to be removed has to be said");
    if ((order->filter.states & ~rules[order->kind].possible) != 0)
        return error_set(&step->error, STATUS_INVALID_ARGUMENT, "BAD_FIELD",
                         "order.filter.states: tasks can be canceled until they have ended, and retried and purged "
                         "afterwards");
    if (order->kind == JOB_RETRY && (order->filter.states & IN(COMPLETED)) != 0 && !order->force)
        return error_set(&step->error, STATUS_INVALID_ARGUMENT, "BAD_FIELD",
                         "order.filter.states: COMPLETED tasks are done once more only with force");
    /* What comes to be from now on is not meant. */
    if (order->filter.max_task_id == 0 || order->filter.max_task_id > step->broker->counters.task_id)
        order->filter.max_task_id = step->broker->counters.task_id;
    return STATUS_OK;
}

static void use_up(uint32_t *work, uint32_t used)
{
    *work -= used < *work ? used : *work;
}

/* Passes over a task that the job can do nothing to; ACT_LATER leaves it for the next slice. */
static enum status act_on(struct step *step, struct job *job, struct task *task, uint32_t *work, enum act *ret_act)
{
    TRY(rules[job->order.kind].act(step, &job->order, task, ret_act));
    if (*ret_act == ACT_LATER)
        return STATUS_OK;
    job->matched++;
    if (*ret_act == ACT_DONE) {
        job->done++;
        use_up(work, WORK_OF_CHANGE);
    }
    return STATUS_OK;
}

static enum status work_by_filter(struct step *step, struct job *job, uint32_t *work, bool *ret_is_over)
{
    const struct task_filter *filter = &job->order.filter;
    struct walk walk = walk_over(filter, false, job->cursor);
    enum act act = ACT_NOTHING;

    while (*work > 0) {
        struct task task;
        bool matches = false;
        uint64_t id = 0;
        enum status status = walk_next(step, &walk, &id);
        *ret_is_over = status == STATUS_NOT_FOUND;
        if (*ret_is_over)
            return STATUS_OK;
        TRY(status);
        TRY(filter_matches(step, filter, id, &task, &matches));
        if (matches) {
            TRY(act_on(step, job, &task, work, &act));
            if (act == ACT_LATER)
                return STATUS_OK;
            walk.is_placed = false;
        }
        job->cursor = id;
        job->looked_at++;
        use_up(work, filter->label_count > 0 ? 2 * WORK_OF_LOOK : WORK_OF_LOOK);
    }
    return STATUS_OK;
}

static void put_on_walk(struct step *step, const struct job *job, uint64_t task_id)
{
    struct key key = key_walk(job->id, task_id);

    store_put(step->txn, TABLE_WALK, key_bytes(&key), (struct bytes){0});
}

static void take_off_walk(struct step *step, const struct job *job, uint64_t task_id)
{
    struct key key = key_walk(job->id, task_id);

    store_delete(step->txn, TABLE_WALK, key_bytes(&key));
}

/* Its own children come later: they have greater ids, so it does not come before the task whose child it is. */
static enum status visit_child(struct step *step, struct job *job, uint64_t child_id, uint32_t *work)
{
    enum act act = ACT_NOTHING;
    uint64_t grandchild_id = 0;
    struct task child;
    enum status status = task_load(step, child_id, &child);

    if (status == STATUS_OK)
        TRY(act_on(step, job, &child, work, &act));
    else if (status != STATUS_DATA_LOSS && status != STATUS_NOT_FOUND)
        return status;
    status = pair_first(step->txn, TABLE_PARENT, key_parent(child_id, 0), &grandchild_id);
    if (status == STATUS_OK)
        put_on_walk(step, job, child_id);
    job->cursor = child_id;
    job->looked_at++;
    use_up(work, 2 * WORK_OF_LOOK);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static enum status work_by_tree(struct step *step, struct job *job, uint32_t *work, bool *ret_is_over)
{
    while (*work > 0) {
        uint64_t parent_id = 0;
        uint64_t child_id = 0;
        enum status status = pair_first(step->txn, TABLE_WALK, key_walk(job->id, 0), &parent_id);
        *ret_is_over = status == STATUS_NOT_FOUND;
        if (*ret_is_over)
            return STATUS_OK;
        TRY(status);
        status = pair_first(step->txn, TABLE_PARENT, key_parent(parent_id, job->cursor + 1), &child_id);
        if (status == STATUS_NOT_FOUND || job->stopping) {
            take_off_walk(step, job, parent_id);
            job->cursor = 0;
            use_up(work, WORK_OF_LOOK);
            continue;
        }
        TRY(status);
        TRY(visit_child(step, job, child_id, work));
    }
    return STATUS_OK;
}

static enum status work_by_release(struct step *step, struct job *job, uint32_t *work, bool *ret_is_over)
{
    TRY(releases_go_on(step, work, &job->done));
    job->matched = job->done;
    *ret_is_over = !step->broker->has_releases;
    return STATUS_OK;
}

static enum status work_by_budget(struct step *step, struct job *job, uint32_t *work, bool *ret_is_over)
{
    TRY(budget_resume(step, job->order.root_id, work, &job->done, ret_is_over));
    job->matched = job->done;
    return STATUS_OK;
}

typedef enum status work_fn(struct step *step, struct job *job, uint32_t *work, bool *ret_is_over);

enum status job_work(struct step *step, struct job *job, uint32_t *work, bool *ret_is_over)
{
    static work_fn *const works[JOB_KINDS] = {
        [JOB_RELEASE] = work_by_release, [JOB_CASCADE] = work_by_tree, [JOB_CANCEL] = work_by_filter,
        [JOB_RETRY] = work_by_filter,    [JOB_PURGE] = work_by_filter, [JOB_BUDGET] = work_by_budget,
    };
    const char *who = step->who;

    *ret_is_over = false;
    step->who = job->who;
    enum status status = works[job->order.kind](step, job, work, ret_is_over);
    step->who = who;
    return status;
}
