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
           outcome->error_type[0] == '\0' && outcome->exit_status == -1 && outcome->signal == 0;
}

void outcome_drop(struct step *step, struct task *task)
{
    struct key key = key_of_id(task->id);

    if (task->has_outcome)
        store_delete(step->txn, TABLE_RESULT, key_bytes(&key));
    task->has_outcome = false;
}

void outcome_save(struct step *step, struct task *task, const struct outcome *outcome)
{
    struct key key = key_of_id(task->id);
    struct outcome kept = *outcome;
    char message[MESSAGE_MAX + 1];

    if (is_plain(outcome)) {
        outcome_drop(step, task);
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

/* Whether this kind of failure is one after which the submitter wants no further attempt. A body that cannot be read
 * names none: the run must end all the same. */
static enum status fails_for_good(struct step *step, const struct task *task, const char *error_type,
                                  bool *ret_for_good)
{
    struct key key = key_of_id(task->id);
    struct bytes value;
    struct task_spec spec;

    *ret_for_good = false;
    if (error_type[0] == '\0')
        return STATUS_OK;
    enum status status = store_get(step->txn, TABLE_TASK, key_bytes(&key), &value);
    if (status == STATUS_NOT_FOUND)
        return STATUS_OK;
    TRY(status);
    if (!record_read_body(value, task->id, &step->effects->arena, &spec))
        return STATUS_OK;
    for (size_t i = 0; i < spec.non_retryable_count; i++)
        *ret_for_good = *ret_for_good || strcmp(spec.non_retryable[i], error_type) == 0;
    return STATUS_OK;
}

void task_expired(struct step *step, struct task *task)
{
    static const struct outcome expired = {
        .content_type = "", .message = "it still waited when its time was over", .error_type = "", .exit_status = -1};

    task_end(step, task, MOVE_EXPIRE, TASK_EXPIRED);
    task->why = expired.message;
    /* What the last run said is worth more, where there was one. */
    if (task->run_end == RUN_IS_OPEN && !task->has_outcome)
        outcome_save(step, task, &expired);
    task_write(step, task);
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
    struct outcome outcome = {.content_type = "",
                              .message = "the lease ran out: its holder was not heard of in time",
                              .error_type = "lost",
                              .exit_status = -1};
    bool for_good = false;

    TRY(fails_for_good(step, task, outcome.error_type, &for_good));
    step->broker->totals.expired_leases++;
    if (start_timeout_has_passed(step, task)) {
        outcome.message = "taken back: its holder has not started it in time";
        outcome.error_type = "not-started";
    }
    if (task->canceling) {
        task_end(step, task, MOVE_CANCEL, TASK_CANCELED);
    } else if (task->now.state == TASK_RUNNING) {
        task->crashes++;
        step->broker->totals.failed++;
        retry_or_fail(step, task, MOVE_LOSE, for_good, 0);
    } else if (is_undeliverable(task)) {
        outcome.message = "UNDELIVERABLE: claimed too often without a start";
        outcome.error_type = "undeliverable";
        task_end(step, task, MOVE_LOSE, TASK_FAILED);
    } else {
        task_move(task, MOVE_LOSE, TASK_READY);
    }
    close_run(step, task, RUN_LOST, &outcome);
    return STATUS_OK;
}

enum status run_released(struct step *step, struct task *task, const char *reason, uint32_t delay_ms)
{
    struct outcome outcome = {.content_type = "", .message = reason, .error_type = "", .exit_status = -1};

    task->interruptions++;
    if (task->now.state == TASK_RUNNING)
        task->attempts--;
    uint64_t wait_ms = delay_ms > 0 ? delay_ms : backoff_of_interruption_ms(task->interruptions);
    if (task->canceling) {
        task_end(step, task, MOVE_CANCEL, TASK_CANCELED);
    } else if (is_undeliverable(task)) {
        outcome.message = "UNDELIVERABLE: given back too often";
        outcome.error_type = "undeliverable";
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
        bool for_good = false;
        TRY(task_check_move(step, &task, task.canceling ? MOVE_CANCEL : MOVE_FAIL));
        TRY(fails_for_good(step, &task, fail->outcome.error_type, &for_good));
        if (fail->failure == FAILURE_BY_CRASH)
            task.crashes++;
        step->broker->totals.failed++;
        if (task.canceling)
            task_end(step, &task, MOVE_CANCEL, TASK_CANCELED);
        else
            retry_or_fail(step, &task, MOVE_FAIL, fail->final || for_good, fail->retry_after_ms);
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
