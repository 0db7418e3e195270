#include "broker/core/suspend.h"

#include "broker/core/budget.h"
#include "broker/core/checkpoint.h"
#include "broker/core/core.h"
#include "broker/core/ending.h"
#include "broker/core/limits.h"
#include "common/base/id.h"

#include <string.h>

static enum status answer_task(struct step *step, const struct command *command, const struct task *task)
{
    struct task_view *view = NULL;

    TRY(task_view(step, task, false, &view));
    effects_answer(step->effects, command->token, command->kind)->task = view;
    return STATUS_OK;
}

enum status step_suspend(struct step *step, const struct command *command)
{
    const struct command_suspend *suspend = &command->suspend;
    struct task task;
    bool is_repeat = false;
    bool changed = false;

    TRY(limits_check_checkpoint("checkpoint", suspend->checkpoint, &step->error));
    TRY(run_load(step, suspend->run, RUN_SUSPENDED, &task, &is_repeat));
    if (!is_repeat) {
        TRY(task_check_move(step, &task, task.canceling ? MOVE_CANCEL : MOVE_SUSPEND));
        TRY(checkpoint_keep(step, &task, suspend->checkpoint, &changed));
        TRY(budget_settle(step, &task, &suspend->usage, NULL));
        run_suspended(step, &task, suspend->reason);
        TRY(budget_recheck(step, &task));
    }
    effects_answer(step->effects, command->token, command->kind)->state = task.run_end_state;
    return STATUS_OK;
}

void suspend_ask(struct step *step, struct task *task, const char *reason)
{
    struct run_name run = {.task_id = task->id, .fence = task->fence};

    if (task->canceling || task->suspending || task->reaping)
        return;
    task->suspending = true;
    memcpy(task->cancel_reason, reason, strlen(reason) + 1);
    task_note(task, EVENT_SUSPENDING, reason);
    task_write(step, task);
    /* Before its start there is nothing to suspend: the heartbeat after it says so. */
    if (task->now.state == TASK_RUNNING)
        effects_push(step->effects, task->now.agent_id, run, VERDICT_SUSPEND, reason);
}

enum status step_ask_suspend(struct step *step, const struct command *command)
{
    const struct command_ask_suspend *ask = &command->ask_suspend;
    struct task_view *view = NULL;
    struct task task;
    char text[ID_TEXT_SIZE];

    TRY(limits_check_reason(ask->reason, &step->error));
    TRY(task_load(step, ask->task_id, &task));
    if (!task_is_at_work(&task) || task.reaping)
        return error_set(&step->error, STATUS_FAILED_PRECONDITION, "WRONG_STATE",
                         "task %s is %s: only a run that somebody holds can be suspended", id_format(task.id, text),
                         task_state_name(task.now.state));
    if (task.canceling)
        return error_set(&step->error, STATUS_FAILED_PRECONDITION, "WRONG_STATE", "task %s is being canceled",
                         id_format(task.id, text));
    /* Also shows, before anything is written, that the body can be read. */
    TRY(task_view(step, &task, false, &view));
    suspend_ask(step, &task, ask->reason);
    return answer_task(step, command, &task);
}

void task_resume(struct step *step, struct task *task, const char *why)
{
    task_move(task, MOVE_RESUME, TASK_READY);
    if (task->now.expires_ms <= step->now.wall_ms)
        task->now.expires_ms = 0;
    task->why = why;
    task_write(step, task);
}

enum status step_resume(struct step *step, const struct command *command)
{
    const struct command_resume *resume = &command->resume;
    struct task_view *view = NULL;
    struct task task;

    TRY(limits_check_checkpoint("answer", resume->answer, &step->error));
    TRY(task_load(step, resume->task_id, &task));
    TRY(task_check_move(step, &task, MOVE_RESUME));
    TRY(budget_check_room(step, &task));
    TRY(task_view(step, &task, false, &view));
    if (resume->answer.size > 0 || task.has_checkpoint)
        TRY(checkpoint_answer(step, &task, resume->answer));
    task_resume(step, &task, NULL);
    return answer_task(step, command, &task);
}
