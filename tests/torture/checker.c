#include "tests/torture/checker.h"

#include "common/base/check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUNS_PER_TASK_MAX 4096
#define ACTOR_THREAD_BITS 16

/* One claim of the task under judgement, as far as its holder knew. */
struct run {
    uint64_t fence;
    uint64_t actor;
    uint64_t operation;
    uint64_t invoked_us;     /* the claim's first sending */
    uint64_t claimed_us;     /* the first reply that named it */
    uint64_t lease_until_us; /* the lease is certainly alive until here, unless given up */
    uint64_t given_up_us;    /* the holder asked for the run's end, or died for it; UINT64_MAX = never */
    uint64_t given_up_operation;
    bool completed; /* the broker said so */
    bool completion_tried;
};

/* The events of one task, in the order of time, and its runs. */
struct story {
    const struct history_event *events;
    size_t count;
    struct run runs[RUNS_PER_TASK_MAX];
    size_t run_count;
    const struct history *deaths; /* of processes */
    struct verdict *verdict;
};

static const char *const violation_names[VIOLATIONS] = {
    [VIOLATION_LOST] = "acknowledged tasks lost",
    [VIOLATION_NOT_COMPLETED] = "tasks not completed",
    [VIOLATION_DUPLICATE_TASK] = "works submitted once, there twice",
    [VIOLATION_DUPLICATE_ID] = "ids given to two works",
    [VIOLATION_NOT_SUBMITTED] = "tasks that nobody submitted",
    [VIOLATION_TWO_COMPLETIONS] = "tasks completed by two fences",
    [VIOLATION_COMPLETION_LOST] = "acknowledged completions lost",
    [VIOLATION_NEVER_COMPLETED] = "completions that nobody asked for",
    [VIOLATION_TWO_HOLDERS] = "tasks with two live holders",
    [VIOLATION_FENCE_TWICE] = "fences given to two claims",
    [VIOLATION_FENCE_BACK] = "fences that went back",
    [VIOLATION_NO_SUCH_CLAIM] = "answers for runs never claimed",
    [VIOLATION_CLAIMED_AFTER_END] = "tasks claimed after their end",
    [VIOLATION_STALE_ACCEPTED] = "late words of old runs accepted",
    [VIOLATION_REFUSED_ALIVE] = "runs refused while their lease lived",
    [VIOLATION_WRONG_REFUSAL] = "refusals other than STALE_FENCE",
    [VIOLATION_REPEAT_DIFFERS] = "repeats with another answer",
    [VIOLATION_RESTART_DIFFERS] = "tasks changed by a restart",
    [VIOLATION_SEEN_BY_CLIENT] = "wrong answers seen by clients",
};

const char *violation_name(enum violation violation)
{
    return violation_names[violation];
}

uint64_t verdict_violations(const struct verdict *verdict)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < VIOLATIONS; i++)
        sum += verdict->violations[i];
    return sum;
}

PRINTF_LIKE(3, 4)
static void report(struct verdict *verdict, enum violation violation, const char *format, ...)
{
    va_list arguments;

    if (verdict->violations[violation]++ > 0)
        return;
    va_start(arguments, format);
    (void)vsnprintf(verdict->examples[violation], sizeof(verdict->examples[violation]), format, arguments);
    va_end(arguments);
}

static void report_event(struct verdict *verdict, enum violation violation, const struct history_event *event)
{
    report(verdict, violation, "%s of task %" PRIu64 " fence %" PRIu64 " by %" PRIx64 " at %" PRIu64 ": %s",
           history_call_name(event->call), event->task, event->fence, event->actor, event->time_us, event->reason);
}

static int compare_numbers(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int by_task_and_time(const void *left, const void *right)
{
    const struct history_event *a = left;
    const struct history_event *b = right;

    return a->task != b->task ? compare_numbers(a->task, b->task) : compare_numbers(a->time_us, b->time_us);
}

static int by_operation(const void *left, const void *right)
{
    const struct history_event *a = left;
    const struct history_event *b = right;

    if (a->actor != b->actor)
        return compare_numbers(a->actor, b->actor);
    if (a->operation != b->operation)
        return compare_numbers(a->operation, b->operation);
    if (a->round != b->round)
        return compare_numbers(a->round, b->round);
    return a->kind != b->kind ? compare_numbers(a->kind, b->kind) : compare_numbers(a->task, b->task);
}

static int by_work(const void *left, const void *right)
{
    const struct history_event *a = left;
    const struct history_event *b = right;

    return a->value != b->value ? compare_numbers(a->value, b->value) : compare_numbers(a->task, b->task);
}

static struct run *find_run(struct story *story, uint64_t fence)
{
    for (size_t i = 0; i < story->run_count; i++) {
        if (story->runs[i].fence == fence)
            return &story->runs[i];
    }
    return NULL;
}

static bool ends_run(enum history_call call)
{
    return call == CALL_COMPLETE || call == CALL_FAIL || call == CALL_RELEASE || call == CALL_REGISTER;
}

static void add_claim(struct story *story, const struct history_event *event)
{
    struct run *run = find_run(story, event->fence);
    uint64_t lease_until_us = event->invoked_us + event->value * 1000;

    if (run == NULL) {
        CHECK(story->run_count < RUNS_PER_TASK_MAX);
        story->runs[story->run_count++] = (struct run){.fence = event->fence,
                                                       .actor = event->actor,
                                                       .operation = event->operation,
                                                       .invoked_us = event->invoked_us,
                                                       .claimed_us = event->time_us,
                                                       .lease_until_us = lease_until_us,
                                                       .given_up_us = UINT64_MAX};
    } else if (run->actor != event->actor || run->operation != event->operation) {
        report_event(story->verdict, VIOLATION_FENCE_TWICE, event);
    }
}

/* A holder whose process is dead holds nothing, whatever the lease says. */
static void end_with_process(const struct story *story, struct run *run)
{
    for (size_t i = 0; i < story->deaths->count; i++) {
        const struct history_event *death = &story->deaths->events[i];

        if (death->actor >> ACTOR_THREAD_BITS == run->actor >> ACTOR_THREAD_BITS && death->time_us < run->given_up_us) {
            run->given_up_us = death->time_us;
            run->given_up_operation = 0;
        }
    }
}

/* First pass: which runs there were, how long each was certainly alive, and when its holder gave it up. */
static void collect_runs(struct story *story)
{
    for (size_t i = 0; i < story->count; i++) {
        if (story->events[i].call == CALL_CLAIM && story->events[i].kind == HISTORY_OK)
            add_claim(story, &story->events[i]);
    }
    for (size_t i = 0; i < story->count; i++) {
        const struct history_event *event = &story->events[i];
        struct run *run = find_run(story, event->fence);

        if (run == NULL)
            continue;
        if (event->call == CALL_HEARTBEAT && event->kind == HISTORY_OK && strcmp(event->reason, "STALE") != 0) {
            uint64_t until_us = event->invoked_us + event->value * 1000;

            run->lease_until_us = until_us > run->lease_until_us ? until_us : run->lease_until_us;
        }
        if (event->kind == HISTORY_INVOKE && ends_run(event->call) && event->time_us < run->given_up_us) {
            run->given_up_us = event->time_us;
            run->given_up_operation = event->operation;
        }
        run->completion_tried = run->completion_tried || event->call == CALL_COMPLETE;
        run->completed = run->completed || (event->call == CALL_COMPLETE && event->kind == HISTORY_OK);
    }
    for (size_t i = 0; i < story->run_count; i++)
        end_with_process(story, &story->runs[i]);
    story->verdict->runs += story->run_count;
}

static uint64_t earliest(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Of each two runs: fences grow with time, and the later one came after the earlier one's end. */
static void judge_runs(struct story *story, uint64_t task)
{
    for (size_t i = 0; i < story->run_count; i++) {
        const struct run *a = &story->runs[i];
        bool replaced = false;

        for (size_t j = 0; j < story->run_count; j++) {
            const struct run *b = &story->runs[j];

            if (a->fence < b->fence && b->claimed_us < a->invoked_us)
                report(story->verdict, VIOLATION_FENCE_BACK, "task %" PRIu64 ": fence %" PRIu64 " after fence %" PRIu64,
                       task, a->fence, b->fence);
            else if (a->fence < b->fence && b->claimed_us < earliest(a->lease_until_us, a->given_up_us))
                report(story->verdict, VIOLATION_TWO_HOLDERS,
                       "task %" PRIu64 ": fence %" PRIu64 " at %" PRIu64 ", fence %" PRIu64 " alive until %" PRIu64,
                       task, b->fence, b->claimed_us, a->fence, a->lease_until_us);
            replaced = replaced || a->fence < b->fence;
        }
        story->verdict->replaced_runs += replaced;
    }
}

static bool is_replaced(const struct story *story, const struct history_event *event)
{
    for (size_t i = 0; i < story->run_count; i++) {
        if (story->runs[i].fence > event->fence && story->runs[i].claimed_us < event->invoked_us)
            return true;
    }
    return false;
}

/* The holder's word was accepted: the run must have been the present one. */
static void judge_accepted(struct story *story, const struct history_event *event)
{
    if (find_run(story, event->fence) == NULL)
        report_event(story->verdict, VIOLATION_NO_SUCH_CLAIM, event);
    else if (is_replaced(story, event))
        report_event(story->verdict, VIOLATION_STALE_ACCEPTED, event);
}

/* Refused: right for a run that may have lost its lease, wrong for a live one, and wrong for any other reason. Failing
 * and releasing end the run themselves: when the first answer was lost on the way, a repeat may come too late. */
static void judge_refused(struct story *story, const struct history_event *event)
{
    const struct run *run = find_run(story, event->fence);
    bool ends_itself = event->call == CALL_FAIL || event->call == CALL_RELEASE;

    if (strcmp(event->reason, "STALE") != 0 && strcmp(event->reason, "STALE_FENCE") != 0) {
        report_event(story->verdict, VIOLATION_WRONG_REFUSAL, event);
        return;
    }
    story->verdict->late_refused++;
    if (run == NULL || ends_itself || event->time_us >= run->lease_until_us)
        return;
    if (run->given_up_us > event->invoked_us || run->given_up_operation == event->operation)
        report_event(story->verdict, VIOLATION_REFUSED_ALIVE, event);
}

static void judge_words(struct story *story)
{
    for (size_t i = 0; i < story->count; i++) {
        const struct history_event *event = &story->events[i];
        bool about_run = event->call == CALL_START || event->call == CALL_HEARTBEAT ||
                         (ends_run(event->call) && event->call != CALL_REGISTER);
        bool stale = event->call == CALL_HEARTBEAT && strcmp(event->reason, "STALE") == 0;

        if (!about_run)
            continue;
        if (event->kind == HISTORY_REFUSED || (event->kind == HISTORY_OK && stale))
            judge_refused(story, event);
        else if (event->kind == HISTORY_OK)
            judge_accepted(story, event);
    }
}

/* A task ends once: no second fence completes it, and nobody gets it afterwards. */
static void judge_end(struct story *story)
{
    uint64_t ended_by = 0;
    uint64_t ended_us = UINT64_MAX;

    for (size_t i = 0; i < story->count; i++) {
        const struct history_event *event = &story->events[i];

        if (event->call == CALL_COMPLETE && event->kind == HISTORY_OK) {
            if (ended_by != 0 && ended_by != event->fence)
                report_event(story->verdict, VIOLATION_TWO_COMPLETIONS, event);
            ended_by = event->fence;
            ended_us = earliest(ended_us, event->time_us);
        }
        if (event->call == CALL_CLAIM && event->kind == HISTORY_OK && event->invoked_us > ended_us)
            report_event(story->verdict, VIOLATION_CLAIMED_AFTER_END, event);
    }
}

/* What the broker has of the task at the end, before and after its last restart. */
static void judge_state(struct story *story, const struct history_event *state)
{
    const struct run *run = find_run(story, state->fence);
    bool completed_seen = false;

    if (strcmp(state->reason, "COMPLETED") != 0) {
        report_event(story->verdict, VIOLATION_NOT_COMPLETED, state);
        return;
    }
    for (size_t i = 0; i < story->run_count; i++)
        completed_seen = completed_seen || story->runs[i].completed;
    if (run == NULL || !run->completion_tried)
        report_event(story->verdict, VIOLATION_NEVER_COMPLETED, state);
    else if (completed_seen && !run->completed)
        report_event(story->verdict, VIOLATION_COMPLETION_LOST, state);
    else
        story->verdict->completed++;
    story->verdict->completed_unseen += !completed_seen;
}

static bool states_equal(const struct history_event *a, const struct history_event *b)
{
    return a->fence == b->fence && a->value == b->value && strcmp(a->reason, b->reason) == 0;
}

static void judge_existence(struct story *story, uint64_t task)
{
    const struct history_event *submitted = NULL;
    const struct history_event *states[2] = {NULL, NULL};

    for (size_t i = 0; i < story->count; i++) {
        const struct history_event *event = &story->events[i];

        if (event->call == CALL_SUBMIT && event->kind == HISTORY_OK) {
            if (submitted != NULL && submitted->value != event->value)
                report_event(story->verdict, VIOLATION_DUPLICATE_ID, event);
            submitted = event;
        }
        if (event->call == CALL_STATE && event->kind == HISTORY_OK && event->round < 2)
            states[event->round] = event;
    }
    if (states[1] != NULL)
        judge_state(story, states[1]);
    if (states[0] != NULL && states[1] != NULL && !states_equal(states[0], states[1]))
        report_event(story->verdict, VIOLATION_RESTART_DIFFERS, states[1]);
    if (submitted == NULL) {
        report(story->verdict, VIOLATION_NOT_SUBMITTED, "task %" PRIu64, task);
        return;
    }
    story->verdict->tasks++;
    if (states[0] == NULL || states[1] == NULL)
        report(story->verdict, VIOLATION_LOST, "task %" PRIu64 ", work %" PRIu64, task, submitted->value);
    else if (states[1]->value != submitted->value)
        report(story->verdict, VIOLATION_DUPLICATE_ID, "task %" PRIu64 ": work %" PRIu64 " and work %" PRIu64, task,
               submitted->value, states[1]->value);
}

static void judge_tasks(struct history *history, struct verdict *verdict)
{
    struct story *story = allocate_zero(1, sizeof(*story));
    struct history *deaths = allocate_zero(1, sizeof(*deaths));
    size_t end = 0;

    for (size_t i = 0; i < history->count; i++) {
        if (history->events[i].call == CALL_DEATH)
            history_add(deaths, &history->events[i]);
    }
    story->deaths = deaths;
    qsort(history->events, history->count, sizeof(*history->events), by_task_and_time);
    for (size_t begin = 0; begin < history->count; begin = end) {
        uint64_t task = history->events[begin].task;

        for (end = begin; end < history->count && history->events[end].task == task;)
            end++;
        if (task == 0)
            continue;
        story->events = &history->events[begin];
        story->count = end - begin;
        story->run_count = 0;
        story->verdict = verdict;
        collect_runs(story);
        judge_runs(story, task);
        judge_words(story);
        judge_end(story);
        judge_existence(story, task);
    }
    (void)history_free(deaths);
    free(story);
}

/* Whether the answer repeats one of the first round's: a repeat of a submit names the same tasks; one of a claim names
 * no run that the first answer did not; one of a run's end gets the same answer, or STALE_FENCE once the task has gone
 * on to another run. */
static bool repeats_answer(const struct history_event *first, const struct history_event *repeat)
{
    bool same_answer = first->kind == repeat->kind && first->task == repeat->task && first->fence == repeat->fence &&
                       first->value == repeat->value;
    bool gone_on = repeat->kind == HISTORY_REFUSED && (repeat->call == CALL_FAIL || repeat->call == CALL_RELEASE);

    if (repeat->call == CALL_CLAIM)
        return first->task == repeat->task && first->fence == repeat->fence;
    return same_answer || gone_on;
}

static bool is_answer(const struct history_event *event)
{
    bool repeatable = event->call == CALL_SUBMIT || event->call == CALL_CLAIM ||
                      (ends_run(event->call) && event->call != CALL_REGISTER);

    if (event->call == CALL_CLAIM && event->task == 0)
        return false; // an empty answer: everything in the first one may have ended since
    if (event->call == CALL_SUBMIT && event->kind == HISTORY_REFUSED)
        return false; // refused submits are judged anew each time
    return repeatable && (event->kind == HISTORY_OK || event->kind == HISTORY_REFUSED);
}

/* All events of one operation, in the order of rounds. */
static void judge_operation(const struct history_event *events, size_t count, struct verdict *verdict)
{
    size_t first = 0;

    while (first < count && !is_answer(&events[first]))
        first++;
    for (size_t i = first; i < count; i++) {
        bool found = false;

        if (events[i].round == events[first].round || !is_answer(&events[i]))
            continue;
        verdict->repeats++;
        for (size_t j = first; j < i && events[j].round == events[first].round && !found; j++)
            found = is_answer(&events[j]) && repeats_answer(&events[j], &events[i]);
        if (!found)
            report_event(verdict, VIOLATION_REPEAT_DIFFERS, &events[i]);
    }
}

static void judge_operations(struct history *history, struct verdict *verdict)
{
    const struct history_event *events = history->events;
    size_t end = 0;

    qsort(history->events, history->count, sizeof(*history->events), by_operation);
    for (size_t begin = 0; begin < history->count; begin = end) {
        for (end = begin; end < history->count && events[end].actor == events[begin].actor &&
                          events[end].operation == events[begin].operation;)
            end++;
        judge_operation(&events[begin], end - begin, verdict);
    }
}

static void judge_works(const struct history_event *events, size_t count, struct verdict *verdict)
{
    const struct history_event *previous = NULL;

    for (size_t i = 0; i < count; i++) {
        const struct history_event *event = &events[i];
        bool names_work = (event->call == CALL_SUBMIT || event->call == CALL_STATE) && event->kind == HISTORY_OK;

        if (!names_work)
            continue;
        if (previous != NULL && previous->value == event->value && previous->task != event->task)
            report(verdict, VIOLATION_DUPLICATE_TASK, "work %" PRIu64 ": task %" PRIu64 " and task %" PRIu64,
                   event->value, previous->task, event->task);
        previous = event;
    }
}

void checker_run(struct history *history, struct verdict *ret_verdict)
{
    struct verdict verdict = {0};

    for (size_t i = 0; i < history->count; i++) {
        const struct history_event *event = &history->events[i];

        verdict.calls[event->call][event->kind]++;
        if (event->kind == HISTORY_BROKEN)
            report_event(&verdict, VIOLATION_SEEN_BY_CLIENT, event);
    }
    if (history->count > 0) {
        judge_tasks(history, &verdict);
        judge_operations(history, &verdict);
        qsort(history->events, history->count, sizeof(*history->events), by_work);
        judge_works(history->events, history->count, &verdict);
    }
    *ret_verdict = verdict;
}
