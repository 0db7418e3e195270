#include "broker/core/ending.h"

#include "broker/core/backoff.h"
#include "broker/core/budget.h"
#include "broker/core/core.h"
#include "broker/core/epoch.h"
#include "broker/core/lease.h"
#include "broker/core/limits.h"
#include "broker/core/orphan.h"
#include "broker/core/record.h"
#include "common/base/id.h"

#include <string.h>

static enum status run_is_stale(struct step *step, const struct task *task)
{
    char text[ID_TEXT_SIZE];

    return error_set(&step->error, STATUS_ABORTED, "STALE_FENCE",
                     "this run of task %s is over, the task is %s now: end the work and say nothing more",
                     id_format(task->id, text), task_state_name(task->now.state));
}

enum status run_load(struct step *step, struct run_name run, enum run_end word, struct task *ret_task,
                     bool *ret_is_repeat)
{
    *ret_is_repeat = false;
    TRY(task_load(step, run.task_id, ret_task));
    if (ret_task->fence == run.fence && run.fence != 0) {
        /* Whoever's connection it came by: nobody but the holder knows the fence, and the broker itself. */
        if (step->who[0] != '\0')
            step->who = arena_text(&step->effects->arena, bytes_of_text(ret_task->now.agent_id));
        if (task_is_at_work(ret_task) && epoch_is_present(step->broker, run.fence))
            return STATUS_OK;
        if (word != RUN_IS_OPEN && ret_task->run_end == word) {
            *ret_is_repeat = true;
            return STATUS_OK;
        }
    }
    return run_is_stale(step, ret_task);
}

/* The word that ends the run; a repeat of it gets the first answer. */
static enum run_end word_of_exit(enum exit_kind how)
{
    static const enum run_end words[EXIT_KINDS] = {
        [EXIT_COMPLETED] = RUN_COMPLETED, [EXIT_FAILED] = RUN_FAILED,     [EXIT_CRASHED] = RUN_FAILED,
        [EXIT_TIMED_OUT] = RUN_FAILED,    [EXIT_RELEASED] = RUN_RELEASED, [EXIT_CANCELED] = RUN_RELEASED,
        [EXIT_LOST] = RUN_LOST,
    };

    return words[how];
}

/* The same for a word that says what the run came to: a stale run's is kept beside the task. */
static enum status end_load(struct step *step, const struct command_report_exit *report, struct task *ret_task,
                            bool *ret_is_repeat)
{
    enum status status = run_load(step, report->run, word_of_exit(report->how), ret_task, ret_is_repeat);

    if (status == STATUS_ABORTED && report->how <= EXIT_TIMED_OUT)
        TRY(orphan_keep(step, ret_task, report->run.fence, report->how, &report->outcome));
    return status;
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

void outcome_keep(struct step *step, struct task *task, uint64_t fence, const struct outcome *outcome)
{
    struct key key = key_of_id(task->id);
    struct outcome kept = *outcome;
    char message[MESSAGE_MAX + 1];

    kept.fence = fence;
    if (strlen(outcome->message) > MESSAGE_MAX) {
        size_t size = text_fit(outcome->message, MESSAGE_MAX);
        memcpy(message, outcome->message, size);
        message[size] = '\0';
        kept.message = message;
    }
    store_put(step->txn, TABLE_RESULT, key_bytes(&key), record_of_outcome(&step->broker->scratch, task->id, &kept));
    task->has_outcome = true;
}

void outcome_save(struct step *step, struct task *task, const struct outcome *outcome)
{
    if (is_plain(outcome))
        outcome_drop(step, task);
    else
        outcome_keep(step, task, task->fence, outcome);
}

/* The end is decided, but the output is still on its way: until that is there, the task stays where it was, and nobody
 * holds it. */
static void hold_back_end(struct step *step, struct task *task)
{
    task->now.state = TASK_RUNNING;
    task->now.finishing = true;
    task->now.time_base = STORE_TIME;
    task->now.due_ms = step->now.store_ms + step->broker->settings.seal_ms;
    task->ended_ms = 0;
    task->event = EVENT_FINISHING;
}

/* What every end of a run has in common. */
static void close_run(struct step *step, struct task *task, enum run_end end, const struct outcome *outcome)
{
    task->run_end = end;
    task->run_end_state = task->now.state;
    task->run_deadline_ms = 0;
    if (task->suspending)
        task->cancel_reason[0] = '\0';
    task->canceling = false;
    task->suspending = false;
    task->reaping = false;
    task->why = task->now.state == TASK_CANCELED ? task->cancel_reason : outcome->message;
    if (task->output_pending && task_has_ended(task->now.state) && task->was.state == TASK_RUNNING)
        hold_back_end(step, task);
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

/* ended_by: the word that says so. */
static enum status lose(struct step *step, struct task *task, enum run_end ended_by, struct outcome outcome)
{
    bool for_good = false;

    TRY(fails_for_good(step, task, outcome.error_type, &for_good));
    if (!task->reaping)
        step->broker->totals.expired_leases++;
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
    close_run(step, task, ended_by, &outcome);
    return STATUS_OK;
}

static struct outcome outcome_of_loss(const struct step *step, const struct task *task)
{
    struct outcome outcome = {.content_type = "", .error_type = "lost", .exit_status = -1};

    if (start_timeout_has_passed(step, task)) {
        outcome.message = "taken back: its holder has not started it in time";
        outcome.error_type = "not-started";
    } else if (task->reaping) {
        outcome.message = "its lease was lost, and nothing of it is left";
    } else {
        outcome.message = "the lease ran out: its holder was not heard of in time";
    }
    return outcome;
}

enum status run_lost(struct step *step, struct task *task)
{
    return lose(step, task, RUN_LOST, outcome_of_loss(step, task));
}

enum status run_given_up(struct step *step, struct task *task)
{
    struct outcome outcome = {.content_type = "",
                              .message =
                                  "its lease was lost, and its supervisor was not heard of within the reap grace",
                              .error_type = "lost",
                              .exit_status = -1};

    if (task->canceling || task->lost_policy != LOST_HOLD)
        return lose(step, task, RUN_LOST, outcome);
    task->crashes++;
    step->broker->totals.failed++;
    task->now.withheld_by = 0; /* whatever the budget: an operator is to look at it first */
    task_move(task, MOVE_LOSE, TASK_SUSPENDED);
    close_run(step, task, RUN_LOST, &outcome);
    return STATUS_OK;
}

void run_suspended(struct step *step, struct task *task, const char *reason)
{
    struct outcome outcome = {.content_type = "", .message = reason, .error_type = "", .exit_status = -1};

    /* Neither charged as an attempt nor as a claim that led to none. */
    if (task->now.state == TASK_RUNNING)
        task->attempts--;
    task->deliveries--;
    if (task->canceling)
        task_end(step, task, MOVE_CANCEL, TASK_CANCELED);
    else
        task_move(task, MOVE_SUSPEND, TASK_SUSPENDED);
    close_run(step, task, RUN_SUSPENDED, &outcome);
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

/* By the word of its holder. One that was lost before it was given back is lost: its holder was not heard of in time.
 */
static enum status give_back(struct step *step, struct task *task, const char *reason, uint32_t delay_ms)
{
    if (task->reaping)
        return lose(step, task, RUN_RELEASED, outcome_of_loss(step, task));
    return run_released(step, task, reason, delay_ms);
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
        lease_renew(step, &task, task.lease_ms);
        task_write(step, &task);
    }
    effects_answer(step->effects, command->token, command->kind)->attempt = task.attempts;
    return STATUS_OK;
}

static enum status end_completed(struct step *step, struct task *task, const struct outcome *outcome)
{
    TRY(task_check_move(step, task, MOVE_COMPLETE));
    TRY(budget_settle(step, task, &outcome->usage, NULL));
    task_end(step, task, MOVE_COMPLETE, TASK_COMPLETED);
    close_run(step, task, RUN_COMPLETED, outcome);
    step->broker->totals.completed++;
    return STATUS_OK;
}

enum status step_complete(struct step *step, const struct command *command)
{
    const struct command_complete *complete = &command->complete;
    struct command_report_exit report = {.run = complete->run, .how = EXIT_COMPLETED, .outcome = complete->outcome};
    struct task task;
    bool is_repeat = false;

    TRY(limits_check_outcome(&complete->outcome, &step->error));
    TRY(end_load(step, &report, &task, &is_repeat));
    if (!is_repeat)
        TRY(end_completed(step, &task, &complete->outcome));
    effects_answer(step->effects, command->token, command->kind)->state = TASK_COMPLETED;
    return STATUS_OK;
}

static enum status end_failed(struct step *step, struct task *task, const struct command_fail *failed)
{
    bool for_good = false;

    TRY(task_check_move(step, task, task->canceling ? MOVE_CANCEL : MOVE_FAIL));
    TRY(fails_for_good(step, task, failed->outcome.error_type, &for_good));
    TRY(budget_settle(step, task, &failed->outcome.usage, NULL));
    if (failed->failure == FAILURE_BY_CRASH)
        task->crashes++;
    step->broker->totals.failed++;
    if (task->canceling)
        task_end(step, task, MOVE_CANCEL, TASK_CANCELED);
    else
        retry_or_fail(step, task, MOVE_FAIL, failed->final || for_good, failed->retry_after_ms);
    close_run(step, task, RUN_FAILED, &failed->outcome);
    return STATUS_OK;
}

static enum exit_kind exit_of_failure(enum failure failure)
{
    if (failure == FAILURE_BY_CRASH)
        return EXIT_CRASHED;
    return failure == FAILURE_BY_TIMEOUT ? EXIT_TIMED_OUT : EXIT_FAILED;
}

enum status step_fail(struct step *step, const struct command *command)
{
    const struct command_fail *failed = &command->fail;
    struct command_report_exit report = {
        .run = failed->run, .how = exit_of_failure(failed->failure), .outcome = failed->outcome};
    struct task task;
    bool is_repeat = false;

    TRY(limits_check_outcome(&failed->outcome, &step->error));
    TRY(end_load(step, &report, &task, &is_repeat));
    if (!is_repeat)
        TRY(end_failed(step, &task, failed));
    effects_answer(step->effects, command->token, command->kind)->state = task.run_end_state;
    return STATUS_OK;
}

static enum status settle_and_give_back(struct step *step, struct task *task, const struct command_release *release)
{
    TRY(budget_settle(step, task, &release->usage, NULL));
    return give_back(step, task, release->reason, release->delay_ms);
}

enum status step_release(struct step *step, const struct command *command)
{
    const struct command_release *release = &command->release;
    struct task task;
    bool is_repeat = false;

    TRY(run_load(step, release->run, RUN_RELEASED, &task, &is_repeat));
    if (!is_repeat)
        TRY(settle_and_give_back(step, &task, release));
    effects_answer(step->effects, command->token, command->kind)->state = task.run_end_state;
    return STATUS_OK;
}

static enum status end_canceled(struct step *step, struct task *task, const struct outcome *outcome)
{
    task_end(step, task, MOVE_CANCEL, TASK_CANCELED);
    close_run(step, task, RUN_RELEASED, outcome);
    return STATUS_OK;
}

static enum status end_as_reported(struct step *step, struct task *task, const struct command_report_exit *report)
{
    static const enum failure failures[EXIT_KINDS] = {
        [EXIT_FAILED] = FAILURE_OF_ATTEMPT, [EXIT_CRASHED] = FAILURE_BY_CRASH, [EXIT_TIMED_OUT] = FAILURE_BY_TIMEOUT};
    struct command_fail failed = {.run = report->run,
                                  .failure = failures[report->how],
                                  .final = report->final,
                                  .retry_after_ms = report->delay_ms,
                                  .outcome = report->outcome};

    switch (word_of_exit(report->how)) {
    case RUN_COMPLETED:
        return end_completed(step, task, &report->outcome);
    case RUN_RELEASED:
        TRY(budget_settle(step, task, &report->outcome.usage, NULL));
        if (report->how == EXIT_CANCELED && task->canceling)
            return end_canceled(step, task, &report->outcome);
        return give_back(step, task, report->outcome.message, report->delay_ms);
    case RUN_LOST:
        TRY(budget_settle(step, task, &report->outcome.usage, NULL));
        return run_lost(step, task);
    case RUN_FAILED:
    case RUN_SUSPENDED:
    case RUN_IS_OPEN:
        break;
    }
    return end_failed(step, task, &failed);
}

enum status step_report_exit(struct step *step, const struct command *command)
{
    const struct command_report_exit *report = &command->report_exit;
    struct task task;
    bool is_repeat = false;

    TRY(limits_check_exit(report, &step->error));
    TRY(end_load(step, report, &task, &is_repeat));
    task.output_pending = report->streams_pending;
    if (!is_repeat)
        TRY(end_as_reported(step, &task, report));
    struct answer *answer = effects_answer(step->effects, command->token, command->kind);
    answer->exit.state = task.run_end_state;
    answer->exit.finishing = task.now.finishing;
    return STATUS_OK;
}

enum status step_finish(struct step *step, const struct command *command)
{
    const struct command_finish *finish = &command->finish;
    struct task task;

    TRY(task_load(step, finish->run.task_id, &task));
    bool is_its_last = finish->run.fence != 0 && task.fence == finish->run.fence && task.run_end != RUN_IS_OPEN;
    if (!is_its_last || !(task.now.finishing || task_has_ended(task.now.state)))
        return run_is_stale(step, &task);
    if (step->who[0] != '\0')
        step->who = arena_text(&step->effects->arena, bytes_of_text(task.now.agent_id));
    if (task.now.finishing)
        run_finished(step, &task, finish->output_incomplete);
    effects_answer(step->effects, command->token, command->kind)->state = task.now.state;
    return STATUS_OK;
}
