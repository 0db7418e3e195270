#include "broker/core/cancel.h"

#include "broker/core/budget.h"
#include "broker/core/checkpoint.h"
#include "broker/core/core.h"
#include "broker/core/ending.h"
#include "broker/core/job.h"
#include "broker/core/limits.h"
#include "broker/core/release.h"
#include "broker/core/unique.h"
#include "common/base/id.h"

#include <string.h>

/* job_id: of the job that goes on with it; 0 = none. */
static enum status answer_task(struct step *step, const struct command *command, const struct task *task,
                               uint64_t job_id)
{
    struct task_view *view = NULL;

    TRY(task_view(step, task, false, &view));
    struct answer *answer = effects_answer(step->effects, command->token, command->kind);
    answer->task = view;
    answer->job_id = job_id;
    return STATUS_OK;
}

static void flag_canceling(struct step *step, struct task *task, const char *reason)
{
    struct run_name run = {.task_id = task->id, .fence = task->fence};

    task->canceling = true;
    task->suspending = false;
    task_note(task, EVENT_CANCELING, reason);
    memcpy(task->cancel_reason, reason, strlen(reason) + 1);
    task_write(step, task);
    effects_push(step->effects, task->now.agent_id, run, VERDICT_STOP, reason);
}

bool task_cancel(struct step *step, struct task *task, const char *reason)
{
    if (task->canceling || task->now.finishing || task_has_ended(task->now.state))
        return false;
    if (task_is_held(task->now.state)) {
        flag_canceling(step, task, reason);
        return true;
    }
    memcpy(task->cancel_reason, reason, strlen(reason) + 1);
    task_end(step, task, MOVE_CANCEL, TASK_CANCELED);
    task->why = reason;
    task_write(step, task);
    return true;
}

/* By a job, that the answer names; none where there are no children. */
static enum status cancel_children(struct step *step, uint64_t task_id, const char *reason, uint64_t *ret_job_id)
{
    const struct job_order order = {
        .kind = JOB_CASCADE,
        .filter = {.namespace = "", .queue = "", .agent_type = ""},
        .root_id = task_id,
        .reason = reason,
    };
    struct job job;
    uint64_t child_id = 0;
    enum status status = pair_first(step->txn, TABLE_PARENT, key_parent(task_id, 0), &child_id);

    if (status == STATUS_NOT_FOUND)
        return STATUS_OK;
    TRY(status);
    TRY(job_begin(step, &order, &job));
    *ret_job_id = job.id;
    return STATUS_OK;
}

enum status step_cancel(struct step *step, const struct command *command)
{
    const struct command_cancel *cancel = &command->cancel;
    struct task_view *view = NULL;
    struct task task;
    uint64_t job_id = 0;
    char text[ID_TEXT_SIZE];

    TRY(limits_check_cancel(cancel, &step->error));
    TRY(task_load(step, cancel->task_id, &task));
    if (task.now.finishing && !cancel->cascade)
        return error_set(&step->error, STATUS_FAILED_PRECONDITION, "TASK_ENDED",
                         "task %s has its outcome already: only its output is still on its way",
                         id_format(task.id, text));
    if (cancel->cascade)
        TRY(jobs_check_room(step));
    else if (task_has_ended(task.now.state))
        return error_set(&step->error, STATUS_FAILED_PRECONDITION, "TASK_ENDED", "task %s has ended already: it is %s",
                         id_format(task.id, text), task_state_name(task.now.state));
    /* Also shows, before anything is written, that the body can be read. */
    TRY(task_view(step, &task, false, &view));
    (void)task_cancel(step, &task, cancel->reason);
    if (cancel->cascade)
        TRY(cancel_children(step, task.id, cancel->reason, &job_id));
    return answer_task(step, command, &task, job_id);
}

void task_retry(struct step *step, struct task *task, const char *why)
{
    task_move(task, MOVE_RETRY, TASK_READY);
    task->attempts = 0;
    task->crashes = 0;
    task->interruptions = 0;
    task->deliveries = 0;
    task->ended_ms = 0;
    task->run_end = RUN_IS_OPEN;
    task->cancel_reason[0] = '\0';
    if (task->fence == 0)
        outcome_drop(step, task); /* no run's, but why it ended without one */
    checkpoint_drop(step, task);
    if (task->now.expires_ms <= step->now.wall_ms)
        task->now.expires_ms = 0;
    task->why = why;
    task_write(step, task);
}

enum status step_retry(struct step *step, const struct command *command)
{
    const struct command_retry *retry = &command->retry;
    struct task_view *view = NULL;
    struct task task;
    char text[ID_TEXT_SIZE];

    TRY(task_load(step, retry->task_id, &task));
    TRY(task_check_move(step, &task, MOVE_RETRY));
    if (task.now.state == TASK_COMPLETED && !retry->force)
        return error_set(&step->error, STATUS_FAILED_PRECONDITION, "TASK_COMPLETED",
                         "task %s is COMPLETED; to do it once more all the same, use force", id_format(task.id, text));
    TRY(releases_check(step, &task));
    TRY(budget_check_room(step, &task));
    TRY(task_view(step, &task, false, &view));
    TRY(unique_retake(step, &task, &view->spec));
    task_retry(step, &task, NULL);
    return answer_task(step, command, &task, 0);
}
