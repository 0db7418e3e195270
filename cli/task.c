#include "cli/task.h"

#include "cli/format.h"
#include "cli/json.h"
#include "common/base/check.h"
#include "common/base/cleanup.h"

#include <string.h>

#define ATTEMPTS_DEFAULT 3

static const struct {
    const char *name;
    enum tone tone;
    bool ended;
} states[] = {
    [GANGER__V1__TASK_STATE__TASK_STATE_UNSPECIFIED] = {"?", TONE_PLAIN, false},
    [GANGER__V1__TASK_STATE__BLOCKED] = {"BLOCKED", TONE_FAINT, false},
    [GANGER__V1__TASK_STATE__SCHEDULED] = {"SCHEDULED", TONE_FAINT, false},
    [GANGER__V1__TASK_STATE__READY] = {"READY", TONE_PLAIN, false},
    [GANGER__V1__TASK_STATE__ASSIGNED] = {"ASSIGNED", TONE_BUSY, false},
    [GANGER__V1__TASK_STATE__RUNNING] = {"RUNNING", TONE_BUSY, false},
    [GANGER__V1__TASK_STATE__SUSPENDED] = {"SUSPENDED", TONE_FAINT, false},
    [GANGER__V1__TASK_STATE__COMPLETED] = {"COMPLETED", TONE_GOOD, true},
    [GANGER__V1__TASK_STATE__FAILED] = {"FAILED", TONE_BAD, true},
    [GANGER__V1__TASK_STATE__CANCELED] = {"CANCELED", TONE_FAINT, true},
    [GANGER__V1__TASK_STATE__EXPIRED] = {"EXPIRED", TONE_BAD, true},
};

/* The row of a state; a newer broker may know more of them than this table. */
static size_t row_of(Ganger__V1__TaskState state)
{
    return (size_t)state < sizeof(states) / sizeof(states[0]) && states[state].name != NULL ? (size_t)state : 0;
}

const char *task_state_name(Ganger__V1__TaskState state)
{
    return states[row_of(state)].name;
}

const char *task_state(const Ganger__V1__Task *task)
{
    if (task_has_ended(task))
        return task_state_name(task->state);
    return task->canceling ? "canceling" : task->suspending ? "suspending" : task_state_name(task->state);
}

enum tone task_tone(const Ganger__V1__Task *task)
{
    return states[row_of(task->state)].tone;
}

bool task_state_is_rare(Ganger__V1__TaskState state)
{
    return state == GANGER__V1__TASK_STATE__BLOCKED || state == GANGER__V1__TASK_STATE__SUSPENDED ||
           state == GANGER__V1__TASK_STATE__EXPIRED;
}

bool task_has_ended(const Ganger__V1__Task *task)
{
    return states[row_of(task->state)].ended;
}

bool task_is_retrying(const Ganger__V1__Task *task)
{
    return task->state == GANGER__V1__TASK_STATE__SCHEDULED && task->deliveries > 0;
}

unsigned task_attempts_most(const Ganger__V1__Task *task)
{
    return task->spec != NULL && task->spec->max_attempts != 0 ? task->spec->max_attempts : ATTEMPTS_DEFAULT;
}

/* The outcome's own words, with the exit status or signal where they do not say it. */
static char *outcome_text(const Ganger__V1__Outcome *outcome)
{
    CLEANUP(free)
    char *end = NULL;

    if (outcome == NULL)
        return duplicate_text("");
    if (outcome->signal != 0)
        end = format_text("signal %d (%s)", outcome->signal, strsignal(outcome->signal));
    else if (outcome->exit_status > 0)
        end = format_text("exit status %d", outcome->exit_status);
    if (end == NULL || strstr(outcome->message, "exit status") != NULL || strstr(outcome->message, "signal") != NULL)
        return duplicate_text(outcome->message);
    return outcome->message[0] == '\0' ? TAKE(end) : format_text("%s: %s", end, outcome->message);
}

static char *scheduled_text(const Ganger__V1__Task *task)
{
    char due[FORMAT_SIZE];
    CLEANUP(free)
    char *outcome = outcome_text(task->outcome);

    (void)format_duration(task->due_in_ms, due);
    if (!task_is_retrying(task) || outcome[0] == '\0')
        return format_text("due in %s", due);
    return format_text("again in %s; %s", due, outcome);
}

static char *progress_text(const Ganger__V1__Task *task)
{
    if (task->progress_percent == 0)
        return duplicate_text(task->progress_text);
    return format_text("%u%%%s%s", task->progress_percent, task->progress_text[0] != '\0' ? " " : "",
                       task->progress_text);
}

char *task_why(const Ganger__V1__Task *task)
{
    if (task->reaping)
        return duplicate_text("its lease is lost; whether its processes are gone is not confirmed yet");
    if (task->finishing)
        return duplicate_text("it has its outcome; its output is still on its way");
    if (task->canceling || task->state == GANGER__V1__TASK_STATE__CANCELED)
        return duplicate_text(task->cancel_reason);
    if (task->suspending || task->state == GANGER__V1__TASK_STATE__SUSPENDED)
        return duplicate_text(task->suspend_reason);
    if (task->state == GANGER__V1__TASK_STATE__SCHEDULED)
        return scheduled_text(task);
    if (task->state == GANGER__V1__TASK_STATE__FAILED || task->state == GANGER__V1__TASK_STATE__EXPIRED)
        return outcome_text(task->outcome);
    if (task->state == GANGER__V1__TASK_STATE__RUNNING)
        return progress_text(task);
    return duplicate_text("");
}

char *task_queue(const Ganger__V1__Task *task)
{
    const Ganger__V1__TaskSpec *spec = task->spec;

    if (spec == NULL)
        return duplicate_text("");
    if (spec->namespace_[0] == '\0' || strcmp(spec->namespace_, "default") == 0)
        return duplicate_text(spec->queue[0] == '\0' ? "default" : spec->queue);
    return format_text("%s/%s", spec->namespace_, spec->queue);
}

uint64_t task_took_ms(const Ganger__V1__Task *task, uint64_t now_ms)
{
    uint64_t end_ms = task_has_ended(task) ? task->ended_ms : now_ms;

    return task->started_ms != 0 && end_ms > task->started_ms ? end_ms - task->started_ms : 0;
}

void task_print(const struct cli *cli, const Ganger__V1__Task *task)
{
    char id[20];

    (void)ganger_id_format(task->task_id, id);
    if (cli->json)
        json_print_message(&cli->output, &task->base);
    else if (cli->quiet)
        printf("%s\n", id);
    else
        printf("%s %s\n", id, task_state(task));
}
