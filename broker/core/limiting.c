/* What operators and holders say about named limits. */
#include "broker/core/core.h"
#include "broker/core/ending.h"
#include "broker/core/limits.h"

#include <stdio.h>
#include <string.h>

#define LIMITS_NAMED_MAX 4096
#define LIST_BYTES_MAX ((size_t)768 * 1024) /* so that the list fits a frame */

static uint64_t ready_behind(const struct limit *limit)
{
    uint64_t ready = 0;

    for (const struct lane_limit *place = limit->lanes; place != NULL; place = place->next)
        ready += place->lane->counts[TASK_READY];
    return ready;
}

static struct limit_view view_of(struct step *step, const struct limit *limit)
{
    struct arena *arena = &step->effects->arena;
    bool is_paused = limit_is_paused(limit, step->now.wall_ms);

    return (struct limit_view){
        .name = arena_text(arena, bytes_of_text(limit->name)),
        .is_set = limit->is_set,
        .max_running = limit->max_running,
        .rate_count = limit->rate_count,
        .rate_interval_ms = limit->rate_interval_ms,
        .running = limit->running,
        .refill_in_ms = limit_refill_ms(limit, step->now.store_ms),
        .paused_until_ms = is_paused ? limit->paused_until_ms : 0,
        .paused_by = is_paused ? arena_text(arena, bytes_of_text(limit->paused_by)) : "",
        .pause_reason = is_paused ? arena_text(arena, bytes_of_text(limit->pause_reason)) : "",
        .lanes = (uint32_t)limit->lane_count,
        .ready = ready_behind(limit),
    };
}

static void answer_limit(struct step *step, const struct command *command, const struct limit *limit)
{
    struct answer *answer = effects_answer(step->effects, command->token, command->kind);

    answer->limits.limits = arena_zero(&step->effects->arena, 1, sizeof(struct limit_view));
    answer->limits.limits[0] = view_of(step, limit);
    answer->limits.count = 1;
}

static enum status check_room(struct step *step, const struct limit *limit)
{
    if (!limits_are_full(&step->broker->lanes.limits, limit))
        return STATUS_OK;
    return error_set(&step->error, STATUS_RESOURCE_EXHAUSTED, "TOO_MANY_LIMITS",
                     "%d limits are set or paused already; delete some", LIMITS_KEPT_MAX);
}

static void note_set(struct step *step, const struct limit *limit)
{
    char why[96];

    (void)snprintf(why, sizeof why, "max_running %u, rate %u per %u ms", limit->max_running, limit->rate_count,
                   limit->rate_interval_ms);
    event_note(step, EVENT_LIMIT_SET, limit->name, why);
}

static void remove_limit(struct step *step, struct limit *limit)
{
    struct limits *limits = &step->broker->lanes.limits;

    limit_set_max(limits, limit, 0);
    limit_set_rate(limits, limit, 0, 0, step->now.store_ms);
    limit_pause(limits, limit, 0, "", "");
    limit_keep(limits, limit, false);
    event_note(step, EVENT_LIMIT_REMOVED, limit->name, "");
}

static void set_limit(struct step *step, const struct command_set_limit *set, struct limit *limit)
{
    struct limits *limits = &step->broker->lanes.limits;
    uint64_t until_ms = set->pause_for_ms > 0 ? step->now.wall_ms + set->pause_for_ms : set->paused_until_ms;

    limit_keep(limits, limit, true);
    if (set->has_max_running)
        limit_set_max(limits, limit, set->max_running);
    if (set->has_rate)
        limit_set_rate(limits, limit, set->rate_count, set->rate_interval_ms, step->now.store_ms);
    if (set->has_max_running || set->has_rate || !set->has_pause)
        note_set(step, limit);
    if (!set->has_pause)
        return;
    bool is_paused = until_ms > step->now.wall_ms;
    limit_pause(limits, limit, is_paused ? until_ms : 0, is_paused ? step->who : "", is_paused ? set->reason : "");
    event_note(step, is_paused ? EVENT_LIMIT_PAUSED : EVENT_LIMIT_RESUMED, limit->name, set->reason);
}

enum status step_set_limit(struct step *step, const struct command *command)
{
    const struct command_set_limit *set = &command->set_limit;
    struct limits *limits = &step->broker->lanes.limits;

    TRY(limits_check_set_limit(set, &step->error));
    struct limit *limit = limits_find(limits, set->name);
    if (set->remove && limit == NULL)
        return error_set(&step->error, STATUS_NOT_FOUND, "NO_SUCH_LIMIT",
                         "there is no limit %s: nothing is set about it, and no task names it", set->name);
    if (set->remove) {
        remove_limit(step, limit);
    } else {
        TRY(check_room(step, limit));
        limit = limits_obtain(limits, set->name);
        set_limit(step, set, limit);
    }
    answer_limit(step, command, limit);
    return STATUS_OK;
}

static bool lane_names(const struct lane *lane, const char *name)
{
    for (size_t i = 0; i < lane->limit_count; i++)
        if (strcmp(lane->limits[i].limit->name, name) == 0)
            return true;
    return false;
}

enum status step_pause_limit(struct step *step, const struct command *command)
{
    const struct command_pause_limit *pause = &command->pause_limit;
    struct limits *limits = &step->broker->lanes.limits;
    uint64_t until_ms = pause->for_ms > 0 ? step->now.wall_ms + pause->for_ms : pause->until_ms;
    struct task task;
    bool is_repeat = false;

    TRY(limits_check_pause_limit(pause, &step->error));
    TRY(run_load(step, pause->run, RUN_IS_OPEN, &task, &is_repeat));
    if (!lane_names(lanes_by_number(&step->broker->lanes, task.now.lane), pause->limit))
        return error_set(&step->error, STATUS_FAILED_PRECONDITION, "NOT_ITS_LIMIT",
                         "limit: the task of this run does not name %s; only a holder of such a task may pause it",
                         pause->limit);
    if (until_ms > step->now.wall_ms + HOLDER_PAUSE_MAX_MS)
        return error_set(&step->error, STATUS_INVALID_ARGUMENT, "BAD_FIELD",
                         "until_ms: a holder may pause for at most %llu days",
                         (unsigned long long)(HOLDER_PAUSE_MAX_MS / DAY_MS));
    struct limit *limit = limits_find(limits, pause->limit);
    TRY(check_room(step, limit));
    /* The longest pause wins: a late word of another holder must not end it early. */
    if (until_ms > step->now.wall_ms && until_ms > limit->paused_until_ms) {
        limit_pause(limits, limit, until_ms, task.now.agent_id, pause->reason);
        event_note(step, EVENT_LIMIT_PAUSED, limit->name, pause->reason);
    }
    answer_limit(step, command, limit);
    return STATUS_OK;
}

enum status step_list_limits(struct step *step, const struct command *command)
{
    const struct limits *limits = &step->broker->lanes.limits;
    const char *prefix = command->list_limits.prefix;
    size_t count = index_count(&limits->by_name) < LIMITS_NAMED_MAX ? index_count(&limits->by_name) : LIMITS_NAMED_MAX;
    struct limit_view *views = arena_zero(&step->effects->arena, count, sizeof *views);
    bool has_more = false;
    size_t size = 0;
    size_t at = 0;

    for (const struct limit *limit = index_first(&limits->by_name); limit != NULL && !has_more;
         limit = index_next(&limit->node)) {
        if (strncmp(limit->name, prefix, strlen(prefix)) != 0)
            continue;
        size += 128 + strlen(limit->name) + strlen(limit->paused_by) + strlen(limit->pause_reason);
        has_more = at == count || size > LIST_BYTES_MAX;
        if (!has_more)
            views[at++] = view_of(step, limit);
    }
    struct answer *answer = effects_answer(step->effects, command->token, command->kind);
    answer->limits.limits = views;
    answer->limits.count = at;
    answer->limits.has_more = has_more;
    return STATUS_OK;
}
