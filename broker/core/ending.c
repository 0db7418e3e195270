#include "broker/core/ending.h"

#include "broker/core/backoff.h"
#include "broker/core/core.h"
#include "broker/core/epoch.h"
#include "broker/core/lease.h"
#include "broker/core/limits.h"
#include "broker/core/record.h"
#include "common/base/id.h"

#include <string.h>

enum status run_load(struct step *step, struct run_name run, enum run_end word, struct task *ret_task,
                     bool *ret_is_repeat)
{
    char text[ID_TEXT_SIZE];

    *ret_is_repeat = false;
    TRY(task_load(step, run.task_id, ret_task));
    if (ret_task->fence == run.fence && run.fence != 0) {
        /* Whoever's connection it came by: nobody but the holder knows the fence, and the broker itself. */
        if (step->who[0] != '\0')
            step->who = arena_text(&step->effects->arena, bytes_of_text(ret_task->now.agent_id));
        if (task_is_held(ret_task->now.state) && epoch_is_present(step->broker, run.fence))
            return STATUS_OK;
        if (word != RUN_IS_OPEN && ret_task->run_end == word) {
            *ret_is_repeat = true;
            return STATUS_OK;
        }
    }
    return error_set(&step->error, STATUS_ABORTED, "STALE_FENCE",
                     "this run of task %s is over, the task is %s now: end the work and say nothing more",
                     id_format(run.task_id, text), task_state_name(ret_task->now.state));
}

/* Nothing but that the run has ended, which the state record says: it needs no row. */
static bool is_plain(const struct outcome *outcome)
{
    return outcome->result.size == 0 && outcome->content_type[0] == '\0' && outcome->message[0] == '\0' &&
           outcome->exit_status == -1 && outcome->signal == 0;
}

void outcome_save(struct step *step, struct task *task, const struct outcome *outcome)
{
    struct key key = key_of_id(task->id);
    struct outcome kept = *outcome;
    char message[MESSAGE_MAX + 1];

    if (is_plain(outcome)) {
        if (task->has_outcome)
            store_delete(step->txn, TABLE_RESULT, key_bytes(&key));
        task->has_outcome = false;
        return;
    }
    kept.fence = task->fence;
    if (strlen(outcome->message) > MESSAGE_MAX) {
        size_t size = text_fit(outcome->message, MESSAGE_MAX);
        memcpy(message, outcome->message, size);
        message[size] = '\0';
        kept.message = message;
    }
    store_put(step->txn, TABLE_RESULT, key_bytes(&key), record_of_outcome(&step->broker->scratch, task->id, &kept));
    task->has_outcome = true;
}

/* What every end of a run has in common. */
static void close_run(struct step *step, struct task *task, enum run_end end, const struct outcome *outcome)
{
    task->run_end = end;
    task->run_end_state = task->now.state;
    task->run_deadline_ms = 0;
    task->canceling = false;
    task->suspending = false;
    task->reaping = false;
    task->why = task->now.state == TASK_CANCELED ? task->cancel_reason : outcome->message;
    outcome_save(step, task, outcome);
    task_write(step, task);
    runs_forget(&step->broker->runs, task->id);
}

static void schedule(struct step *step, struct task *task, enum task_move move, uint64_t wait_ms)
{
    task_move(task, move, TASK_SCHEDULED);
    task->now.time_base = STORE_TIME;
    task->now.due_ms = step->now.store_ms + wait_ms;
}

/* Claimed again and again without ever becoming an attempt. */
static bool is_undeliverable(const struct task *task)
{
    return task->deliveries >= task->max_deliveries + (uint32_t)task->attempts;
}

/* After a charged attempt: another one later, or the end. */
static void retry_or_fail(struct step *step, struct task *task, enum task_move move, bool final, uint64_t at_least_ms)
{
    if (final || task->attempts >= task->max_attempts || task->crashes >= task->max_crashes) {
        task_end(step, task, move, TASK_FAILED);
        return;
    }
    uint64_t most_ms = backoff_of_attempt_ms(task->attempts, task->backoff_ms, task->backoff_max_ms);
    uint64_t wait_ms = 1 + step_random(step, most_ms);
    schedule(step, task, move, wait_ms > at_least_ms ? wait_ms : at_least_ms);
}

void run_finished(struct step *step, struct task *task, bool output_incomplete)
{
    static const enum task_move moves[TASK_STATES] = {
        [TASK_COMPLETED] = MOVE_COMPLETE, [TASK_FAILED] = MOVE_FAIL, [TASK_CANCELED] = MOVE_CANCEL};

    task->output_incomplete = output_incomplete;
    task_end(step, task, moves[task->run_end_state], task->run_end_state);
    task_write(step, task);
}

enum status run_lost(struct step *step, struct task *task)
{
    static const struct outcome silence = {
        .content_type = "", .message = "the lease ran out: its holder was not heard of in time", .exit_status = -1};
    static const struct outcome undeliverable = {
        .content_type = "", .message = "UNDELIVERABLE: claimed too often without a start", .exit_status = -1};
    const struct outcome *outcome = &silence;

    step->broker->totals.expired_leases++;
    if (task->canceling) {
        task_end(step, task, MOVE_CANCEL, TASK_CANCELED);
    } else if (task->now.state == TASK_RUNNING) {
        task->crashes++;
        step->broker->totals.failed++;
        retry_or_fail(step, task, MOVE_LOSE, false, 0);
    } else if (is_undeliverable(task)) {
        outcome = &undeliverable;
        task_end(step, task, MOVE_LOSE, TASK_FAILED);
    } else {
        task_move(task, MOVE_LOSE, TASK_READY);
    }
    close_run(step, task, RUN_LOST, outcome);
    return STATUS_OK;
}

enum status run_released(struct step *step, struct task *task, const char *reason, uint32_t delay_ms)
{
    struct outcome outcome = {.content_type = "", .message = reason, .exit_status = -1};

    task->interruptions++;
    if (task->now.state == TASK_RUNNING)
        task->attempts--;
    uint64_t wait_ms = delay_ms > 0 ? delay_ms : backoff_of_interruption_ms(task->interruptions);
    if (task->canceling) {
        task_end(step, task, MOVE_CANCEL, TASK_CANCELED);
    } else if (is_undeliverable(task)) {
        outcome.message = "UNDELIVERABLE: given back too often";
        task_end(step, task, MOVE_RELEASE, TASK_FAILED);
    } else if (wait_ms > 0) {
        schedule(step, task, MOVE_RELEASE, wait_ms);
    } else {
        task_move(task, MOVE_RELEASE, TASK_READY);
    }
    close_run(step, task, RUN_RELEASED, &outcome);
    return STATUS_OK;
}

enum status step_start(struct step *step, const struct command *command)
{
    const struct command_start *start = &command->start;
    struct task task;
    bool is_repeat = false;

    TRY(limits_check_start(start, &step->error));
    TRY(run_load(step, start->run, RUN_IS_OPEN, &task, &is_repeat));
    if (task.now.state != TASK_RUNNING) {
        run_begin(step, &task);
        if (start->agent_id[0] != '\0') {
            memcpy(task.now.agent_id, start->agent_id, strlen(start->agent_id) + 1);
            step->who = start->agent_id;
        }
        lease_renew(step, &task);
        task_write(step, &task);
    }
    effects_answer(step->effects, command->token, command->kind)->attempt = task.attempts;
    return STATUS_OK;
}

enum status step_complete(struct step *step, const struct command *command)
{
    const struct command_complete *complete = &command->complete;
    struct task task;
    bool is_repeat = false;

    TRY(limits_check_outcome(&complete->outcome, &step->error));
    TRY(run_load(step, complete->run, RUN_COMPLETED, &task, &is_repeat));
    if (!is_repeat) {
        TRY(task_check_move(step, &task, MOVE_COMPLETE));
        task_end(step, &task, MOVE_COMPLETE, TASK_COMPLETED);
        close_run(step, &task, RUN_COMPLETED, &complete->outcome);
        step->broker->totals.completed++;
    }
    effects_answer(step->effects, command->token, command->kind)->state = TASK_COMPLETED;
    return STATUS_OK;
}

enum status step_fail(struct step *step, const struct command *command)
{
    const struct command_fail *fail = &command->fail;
    struct task task;
    bool is_repeat = false;

    TRY(limits_check_outcome(&fail->outcome, &step->error));
    TRY(run_load(step, fail->run, RUN_FAILED, &task, &is_repeat));
    if (!is_repeat) {
        TRY(task_check_move(step, &task, task.canceling ? MOVE_CANCEL : MOVE_FAIL));
        if (fail->failure == FAILURE_BY_CRASH)
            task.crashes++;
        step->broker->totals.failed++;
        if (task.canceling)
            task_end(step, &task, MOVE_CANCEL, TASK_CANCELED);
        else
            retry_or_fail(step, &task, MOVE_FAIL, fail->final, fail->retry_after_ms);
        close_run(step, &task, RUN_FAILED, &fail->outcome);
    }
    effects_answer(step->effects, command->token, command->kind)->state = task.run_end_state;
    return STATUS_OK;
}

enum status step_release(struct step *step, const struct command *command)
{
    const struct command_release *release = &command->release;
    struct task task;
    bool is_repeat = false;

    TRY(run_load(step, release->run, RUN_RELEASED, &task, &is_repeat));
    if (!is_repeat)
        TRY(run_released(step, &task, release->reason, release->delay_ms));
    effects_answer(step->effects, command->token, command->kind)->state = task.run_end_state;
    return STATUS_OK;
}
