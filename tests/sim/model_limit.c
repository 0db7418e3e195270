/* Limits, by counting: what runs is looked for among all tasks. */
#include "tests/sim/model.h"

#include "common/base/check.h"

#include <inttypes.h>
#include <string.h>

#define HOLDER_PAUSE_MOST_MS (7ULL * 24 * 3600 * 1000)

struct model_limit *model_limit(struct model *model, const char *name)
{
    for (size_t i = 0; i < model->limit_count; i++)
        if (strcmp(model->limits[i].name, name) == 0)
            return &model->limits[i];
    CHECK(model->limit_count < MODEL_LIMITS_MAX);
    model->limits[model->limit_count].name = name;
    return &model->limits[model->limit_count++];
}

static bool names_it(const struct model_task *task, const char *limit)
{
    for (size_t i = 0; i < task->limit_count; i++)
        if (strcmp(task->limits[i], limit) == 0)
            return true;
    return false;
}

static uint64_t running(const struct model *model, const char *limit)
{
    uint64_t count = 0;

    for (size_t i = model->first; i < model->task_count; i++)
        count += model_is_held(model->tasks[i]) && names_it(model->tasks[i], limit);
    return count;
}

static uint64_t credit_at(const struct model_limit *limit, uint64_t store_ms)
{
    uint64_t most = (uint64_t)limit->rate_count * limit->rate_interval_ms;
    uint64_t passed_ms = store_ms > limit->credit_ms ? store_ms - limit->credit_ms : 0;
    uint64_t credit = limit->credit + passed_ms * limit->rate_count;

    return credit < most ? credit : most;
}

static bool is_open(const struct judgement *judgement, const struct model_limit *limit)
{
    if (limit->max_running > 0 && running(judgement->model, limit->name) >= limit->max_running)
        return false;
    if (limit->paused_until_ms > judgement->now.wall_ms)
        return false;
    return limit->rate_count == 0 || credit_at(limit, judgement->now.store_ms) >= limit->rate_interval_ms;
}

bool model_gate_is_open(const struct judgement *judgement, const struct model_task *task)
{
    if (model_queue(judgement->model, task->queue)->paused_out)
        return false;
    for (size_t i = 0; i < task->limit_count; i++)
        if (!is_open(judgement, model_limit(judgement->model, task->limits[i])))
            return false;
    return true;
}

void model_gate_pass(struct judgement *judgement, const struct model_task *task)
{
    struct model *model = judgement->model;

    for (size_t i = 0; i < task->limit_count; i++) {
        struct model_limit *limit = model_limit(model, task->limits[i]);
        if (limit->rate_count == 0)
            continue;
        model_keep(model, limit, sizeof *limit);
        limit->credit = credit_at(limit, judgement->now.store_ms) - limit->rate_interval_ms;
        limit->credit_ms = judgement->now.store_ms;
    }
}

/* A pause that is over does not come back when the clock is set back. */
void model_limits_tick(struct judgement *judgement)
{
    struct model *model = judgement->model;

    for (size_t i = 0; i < model->limit_count; i++) {
        struct model_limit *limit = &model->limits[i];
        if (limit->paused_until_ms == 0 || limit->paused_until_ms > judgement->now.wall_ms)
            continue;
        model_keep(model, limit, sizeof *limit);
        limit->paused_until_ms = 0;
    }
}

static void compare_limit(struct judgement *judgement, const struct model_limit *limit, const struct limit_view *view)
{
    const struct {
        const char *what;
        uint64_t is;
        uint64_t should;
    } numbers[] = {
        {"is_set", view->is_set, limit->is_set},
        {"max_running", view->max_running, limit->max_running},
        {"rate", view->rate_count, limit->rate_count},
        {"running", view->running, running(judgement->model, limit->name)},
        {"paused_until_ms", view->paused_until_ms,
         limit->paused_until_ms > judgement->now.wall_ms ? limit->paused_until_ms : 0},
    };

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (numbers[i].is != numbers[i].should)
            world_violated(judgement->model->world, "limit %s: %s is %" PRIu64 ", should be %" PRIu64, limit->name,
                           numbers[i].what, numbers[i].is, numbers[i].should);
}

static void change(struct judgement *judgement, const struct command_set_limit *set, struct model_limit *limit)
{
    uint64_t until_ms = set->pause_for_ms > 0 ? judgement->now.wall_ms + set->pause_for_ms : set->paused_until_ms;

    limit->is_set = true;
    if (set->has_max_running)
        limit->max_running = set->max_running;
    if (set->has_rate) {
        limit->rate_count = set->rate_count;
        limit->rate_interval_ms = set->rate_interval_ms;
        limit->credit = (uint64_t)set->rate_count * set->rate_interval_ms;
        limit->credit_ms = judgement->now.store_ms;
    }
    if (set->has_pause)
        limit->paused_until_ms = until_ms > judgement->now.wall_ms ? until_ms : 0;
}

/* Whether somebody must know it: a lane that has just lost its last task may keep it until the batch is over. */
static bool is_known(const struct model *model, const struct model_limit *limit)
{
    for (size_t i = model->first; i < model->task_count; i++)
        if (model->tasks[i]->state != TASK_NONE && names_it(model->tasks[i], limit->name))
            return true;
    return limit->is_set || limit->paused_until_ms > 0;
}

void model_set_limit(struct judgement *judgement)
{
    const struct command_set_limit *set = &judgement->command->set_limit;
    struct model *model = judgement->model;
    struct model_limit *limit = model_limit(model, set->name);

    if (set->remove && !is_known(model, limit))
        return;
    if (!model_expect(judgement, NULL))
        return;
    model_keep(model, limit, sizeof *limit);
    if (set->remove)
        *limit = (struct model_limit){.name = limit->name};
    else
        change(judgement, set, limit);
    compare_limit(judgement, limit, &judgement->own->limits.limits[0]);
}

void model_pause_limit(struct judgement *judgement)
{
    const struct command_pause_limit *pause = &judgement->command->pause_limit;
    struct model *model = judgement->model;
    struct model_limit *limit = model_limit(model, pause->limit);
    uint64_t until_ms = pause->for_ms > 0 ? judgement->now.wall_ms + pause->for_ms : pause->until_ms;
    bool is_repeat = false;
    const struct model_task *task = model_run(judgement, pause->run, END_NONE, &is_repeat);

    if (task == NULL)
        return;
    if (!names_it(task, pause->limit)) {
        (void)model_expect(judgement, "NOT_ITS_LIMIT");
        return;
    }
    if (until_ms > judgement->now.wall_ms + HOLDER_PAUSE_MOST_MS) {
        (void)model_expect(judgement, "BAD_FIELD");
        return;
    }
    if (!model_expect(judgement, NULL))
        return;
    if (until_ms > judgement->now.wall_ms && until_ms > limit->paused_until_ms) {
        model_keep(model, limit, sizeof *limit);
        limit->paused_until_ms = until_ms;
    }
    compare_limit(judgement, limit, &judgement->own->limits.limits[0]);
}

void model_list_limits(struct judgement *judgement)
{
    if (!model_expect(judgement, NULL))
        return;
    for (size_t i = 0; i < judgement->own->limits.count; i++) {
        const struct limit_view *view = &judgement->own->limits.limits[i];
        for (size_t at = 0; at < judgement->model->limit_count; at++)
            if (strcmp(judgement->model->limits[at].name, view->name) == 0)
                compare_limit(judgement, &judgement->model->limits[at], view);
    }
}
