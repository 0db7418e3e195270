#include "tests/history/replay.h"

#include "common/base/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[REPLAY_VIOLATIONS] = {
    [REPLAY_INVERSION] = "answered before what was known already",
    [REPLAY_ONE_ID] = "one id for two submits",
    [REPLAY_BEFORE_SUBMIT] = "claimed before its submit",
    [REPLAY_FENCE_ORDER] = "fences not in the order of revisions",
    [REPLAY_BEFORE_CLAIM] = "word taken before its claim",
    [REPLAY_STALE_ACCEPTED] = "word taken after a later claim",
    [REPLAY_CLAIMED_ENDED] = "claimed after its completion",
    [REPLAY_COMPLETED_TWICE] = "completed by two runs",
};

const char *replay_violation_name(enum replay_violation violation)
{
    return names[violation];
}

uint64_t replay_violations(const struct replay_report *report)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < REPLAY_VIOLATIONS; i++)
        sum += report->violations[i];
    return sum;
}

/* An event, and between which revisions what it speaks of was done: after floor, not after its own. */
struct fact {
    const struct history_event *event;
    uint64_t floor;       /* of the operation: its first sending */
    uint64_t round_floor; /* of this round of it */
};

/* A run, by the answers to its claim. */
struct claim {
    uint64_t task;
    uint64_t fence;
    uint64_t floor;
    uint64_t revision;
};

struct replay {
    struct fact *facts;
    size_t count;
    struct claim *claims; /* by task and fence */
    size_t claim_count;
    struct replay_report *report;
};

static void report(struct replay *replay, enum replay_violation violation, const struct history_event *event)
{
    if (replay->report->violations[violation]++ > 0)
        return;
    (void)snprintf(replay->report->examples[violation], sizeof replay->report->examples[violation],
                   "%s of task %" PRIu64 " fence %" PRIu64 " by %" PRIx64 ".%" PRIu64 " at %" PRIu64
                   ", revision %" PRIu64,
                   history_call_name(event->call), event->task, event->fence, event->actor, event->operation,
                   event->time_us, event->revision);
}

static bool is_reply(const struct history_event *event)
{
    return (event->kind == HISTORY_OK || event->kind == HISTORY_REFUSED) && event->revision != 0;
}

static int compare(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

/* At one point of time what is sent goes before what is heard: it cannot have known that. */
static int by_time(const void *a, const void *b)
{
    const struct history_event *left = ((const struct fact *)a)->event;
    const struct history_event *right = ((const struct fact *)b)->event;
    int order = compare(left->time_us, right->time_us);

    if (order == 0)
        order = compare(left->kind != HISTORY_INVOKE, right->kind != HISTORY_INVOKE);
    return order != 0 ? order : compare((uintptr_t)left, (uintptr_t)right);
}

static int by_operation(const void *a, const void *b)
{
    const struct history_event *left = ((const struct fact *)a)->event;
    const struct history_event *right = ((const struct fact *)b)->event;
    int order = compare(left->actor, right->actor);

    if (order == 0)
        order = compare(left->operation, right->operation);
    if (order == 0)
        order = compare(left->round, right->round);
    return order != 0 ? order : by_time(a, b);
}

static int by_task(const void *a, const void *b)
{
    const struct history_event *left = ((const struct fact *)a)->event;
    const struct history_event *right = ((const struct fact *)b)->event;
    int order = compare(left->task, right->task);

    if (order == 0)
        order = compare(left->revision, right->revision);
    return order != 0 ? order : by_time(a, b);
}

static int by_task_and_fence(const void *a, const void *b)
{
    const struct claim *left = a;
    const struct claim *right = b;
    int order = compare(left->task, right->task);

    return order != 0 ? order : compare(left->fence, right->fence);
}

static int by_fence(const void *a, const void *b)
{
    return compare(((const struct claim *)a)->fence, ((const struct claim *)b)->fence);
}

/* The floor of each sending is what anybody had seen by then; that of a reply is its sending's. */
static void find_floors(struct replay *replay)
{
    uint64_t seen = 0;

    qsort(replay->facts, replay->count, sizeof replay->facts[0], by_time);
    for (size_t i = 0; i < replay->count; i++) {
        const struct history_event *event = replay->facts[i].event;
        replay->facts[i].round_floor = event->kind == HISTORY_INVOKE ? seen : 0;
        if (is_reply(event) && event->revision > seen)
            seen = event->revision;
    }
    qsort(replay->facts, replay->count, sizeof replay->facts[0], by_operation);
    for (size_t i = 0, first = 0, round = 0; i < replay->count; i++) {
        const struct history_event *event = replay->facts[i].event;
        const struct history_event *of = replay->facts[first].event;
        if (event->actor != of->actor || event->operation != of->operation)
            first = round = i;
        if (event->round != replay->facts[round].event->round)
            round = i;
        replay->facts[i].floor = replay->facts[first].round_floor;
        replay->facts[i].round_floor = replay->facts[round].round_floor;
    }
}

static void judge_order(struct replay *replay)
{
    for (size_t i = 0; i < replay->count; i++) {
        const struct history_event *event = replay->facts[i].event;
        if (!is_reply(event))
            continue;
        replay->report->replies++;
        if (event->revision < replay->facts[i].round_floor)
            report(replay, REPLAY_INVERSION, event);
    }
}

/* One entry for each run: repeats of a claim's answer tell nothing new. */
static void collect_claims(struct replay *replay)
{
    size_t count = 0;

    for (size_t i = 0; i < replay->count; i++) {
        const struct fact *fact = &replay->facts[i];
        if (fact->event->call == CALL_CLAIM && fact->event->kind == HISTORY_OK && fact->event->task != 0 &&
            is_reply(fact->event))
            replay->claims[count++] = (struct claim){.task = fact->event->task,
                                                     .fence = fact->event->fence,
                                                     .floor = fact->floor,
                                                     .revision = fact->event->revision};
    }
    qsort(replay->claims, count, sizeof replay->claims[0], by_task_and_fence);
    for (size_t i = 0; i < count; i++) {
        struct claim *last = replay->claim_count > 0 ? &replay->claims[replay->claim_count - 1] : NULL;
        const struct claim *claim = &replay->claims[i];
        if (last == NULL || by_task_and_fence(last, claim) != 0) {
            replay->claims[replay->claim_count++] = *claim;
            continue;
        }
        last->floor = claim->floor < last->floor ? claim->floor : last->floor;
        last->revision = claim->revision < last->revision ? claim->revision : last->revision;
    }
    replay->report->runs = replay->claim_count;
}

static void judge_fences(struct replay *replay)
{
    struct claim *claims = allocate(replay->claim_count * sizeof *claims + 1);
    uint64_t least_of_later = UINT64_MAX;

    memcpy(claims, replay->claims, replay->claim_count * sizeof *claims);
    qsort(claims, replay->claim_count, sizeof *claims, by_fence);
    for (size_t i = replay->claim_count; i-- > 0;) {
        const struct claim *claim = &claims[i];
        const struct history_event event = {
            .call = CALL_CLAIM, .task = claim->task, .fence = claim->fence, .revision = claim->revision};
        if (claim->floor >= least_of_later)
            report(replay, REPLAY_FENCE_ORDER, &event);
        if (claim->revision < least_of_later)
            least_of_later = claim->revision;
    }
    free(claims);
}

/* The facts and runs of one task. */
struct story {
    const struct fact *facts;
    size_t count;
    const struct claim *claims;
    size_t claim_count;
};

static bool is_word(const struct history_event *event)
{
    if (event->kind != HISTORY_OK || !is_reply(event))
        return false;
    if (event->call == CALL_HEARTBEAT)
        return strcmp(event->reason, "STALE") != 0;
    return event->call == CALL_START || event->call == CALL_COMPLETE || event->call == CALL_FAIL ||
           event->call == CALL_RELEASE;
}

static void judge_words(struct replay *replay, const struct story *story)
{
    for (size_t i = 0; i < story->count; i++) {
        const struct fact *fact = &story->facts[i];
        if (!is_word(fact->event))
            continue;
        for (size_t j = 0; j < story->claim_count; j++) {
            const struct claim *claim = &story->claims[j];
            if (claim->fence > fact->event->fence && claim->revision <= fact->floor)
                report(replay, REPLAY_STALE_ACCEPTED, fact->event);
            else if (claim->fence == fact->event->fence && fact->event->revision <= claim->floor)
                report(replay, REPLAY_BEFORE_CLAIM, fact->event);
        }
    }
}

static void judge_submit(struct replay *replay, const struct story *story)
{
    const struct fact *first = NULL;

    for (size_t i = 0; i < story->count; i++) {
        const struct fact *fact = &story->facts[i];
        if (fact->event->call != CALL_SUBMIT || fact->event->kind != HISTORY_OK)
            continue;
        if (first == NULL)
            first = fact;
        else if (fact->event->actor != first->event->actor || fact->event->operation != first->event->operation)
            report(replay, REPLAY_ONE_ID, fact->event);
    }
    for (size_t i = 0; first != NULL && i < story->claim_count; i++)
        if (story->claims[i].revision <= first->floor)
            report(replay, REPLAY_BEFORE_SUBMIT, first->event);
}

/* Nobody gets a completed task, unless somebody has asked to have it done once more. */
static void judge_end(struct replay *replay, const struct story *story)
{
    const struct history_event *end = NULL;

    for (size_t i = 0; i < story->count; i++) {
        const struct history_event *event = story->facts[i].event;
        if (event->call == CALL_RETRY)
            return;
        if (event->call != CALL_COMPLETE || event->kind != HISTORY_OK || !is_reply(event))
            continue;
        if (end == NULL)
            end = event;
        else if (event->fence != end->fence)
            report(replay, REPLAY_COMPLETED_TWICE, event);
    }
    for (size_t i = 0; end != NULL && i < story->claim_count; i++)
        if (story->claims[i].floor >= end->revision)
            report(replay, REPLAY_CLAIMED_ENDED, end);
}

static void judge_tasks(struct replay *replay)
{
    size_t claim = 0;
    size_t end = 0;

    qsort(replay->facts, replay->count, sizeof replay->facts[0], by_task);
    for (size_t begin = 0; begin < replay->count; begin = end) {
        uint64_t task = replay->facts[begin].event->task;
        for (end = begin; end < replay->count && replay->facts[end].event->task == task;)
            end++;
        size_t first = claim;
        while (claim < replay->claim_count && replay->claims[claim].task == task)
            claim++;
        struct story story = {.facts = &replay->facts[begin],
                              .count = end - begin,
                              .claims = &replay->claims[first],
                              .claim_count = claim - first};
        if (task == 0)
            continue;
        judge_submit(replay, &story);
        judge_words(replay, &story);
        judge_end(replay, &story);
    }
}

void replay_run(const struct history *history, struct replay_report *ret_report)
{
    struct replay replay = {.facts = allocate_zero(history->count + 1, sizeof(struct fact)),
                            .count = history->count,
                            .claims = allocate_zero(history->count + 1, sizeof(struct claim)),
                            .report = ret_report};

    *ret_report = (struct replay_report){0};
    for (size_t i = 0; i < history->count; i++)
        replay.facts[i].event = &history->events[i];
    find_floors(&replay);
    judge_order(&replay);
    collect_claims(&replay);
    judge_fences(&replay);
    judge_tasks(&replay);
    free(replay.facts);
    free(replay.claims);
}
