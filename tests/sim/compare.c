/* The core against the model: what it shows of a task, and what a rescan of the whole store finds. */
#include "tests/sim/host.h"
#include "tests/sim/model.h"

#include "common/base/check.h"

#include <inttypes.h>
#include <string.h>

/* ret_view is NULL when the broker says that there is no such task. False when a write of this batch has failed, so
 * that nothing can be read any more. */
static bool look_at(struct host *host, struct store_txn *txn, uint64_t id, const struct task_view **ret_view)
{
    struct command command = {.kind = COMMAND_GET, .token = UINT64_MAX, .get = {.task_id = id}};

    effects_reset(&host->probe);
    enum status status = broker_step(host->broker, txn, host_now(host), &command, &host->probe);
    if (status == STATUS_RESOURCE_EXHAUSTED)
        return false;
    CHECK(status == STATUS_OK && host->probe.answers != NULL);
    const struct answer *answer = host->probe.answers;
    *ret_view = answer->refusal == NULL ? answer->task : NULL;
    return true;
}

static void differ(struct world *world, const struct model_task *task, const char *what, uint64_t is, uint64_t should)
{
    world_violated(world, "task %" PRIu64 " (model: %s): %s is %" PRIu64 ", should be %" PRIu64, task->id,
                   task_state_name(task->state), what, is, should);
}

/* A time that the core has drawn is taken over when it is within its bounds. */
static void compare_due(struct host *host, struct model_task *task, const struct task_view *view)
{
    struct broker_time now = host_now(host);
    uint64_t due_ms = (task->due_is_wall ? now.wall_ms : now.store_ms) + view->due_in_ms;

    if (task->state != TASK_SCHEDULED)
        return;
    if (view->due_in_ms == 0 ? due_ms < task->due_from_ms : due_ms < task->due_from_ms || due_ms > task->due_to_ms)
        differ(host->world, task, "due time", due_ms, task->due_from_ms);
    if (view->due_in_ms > 0 && task->due_from_ms != task->due_to_ms) {
        model_keep(host->world->model, task, sizeof *task);
        task->due_from_ms = due_ms;
        task->due_to_ms = due_ms;
    }
}

static void compare_counts(struct world *world, const struct model_task *task, const struct task_view *view)
{
    const struct {
        const char *what;
        uint64_t is;
        uint64_t should;
    } numbers[] = {
        {"attempts", view->attempts, task->attempts},
        {"crashes", view->crashes, task->crashes},
        {"interruptions", view->interruptions, task->interruptions},
        {"deliveries", view->deliveries, task->deliveries},
        {"fence", view->fence, task->fence},
        {"open_dependencies", view->open_dependencies, task->state == TASK_BLOCKED ? task->wait_count : 0},
        {"limits", view->spec.limit_count, task->limit_count},
        {"suspending", view->suspending, task->suspending},
        {"reaping", view->reaping, task->reaping},
        {"finishing", view->finishing, task->finishing},
        {"canceling", view->canceling, task->canceling},
        {"priority", view->spec.priority, task->priority},
        {"max_attempts", view->spec.max_attempts, task->max_attempts},
    };

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (numbers[i].is != numbers[i].should)
            differ(world, task, numbers[i].what, numbers[i].is, numbers[i].should);
}

static void compare_task(struct host *host, struct store_txn *txn, struct model_task *task)
{
    struct world *world = host->world;
    const struct task_view *view = NULL;

    if (!look_at(host, txn, task->id, &view))
        return;
    if ((view == NULL) != (task->state == TASK_NONE)) {
        world_violated(world, "task %" PRIu64 " is %s in the broker and %s in the model", task->id,
                       view == NULL ? "not" : "there", task_state_name(task->state));
        return;
    }
    if (view == NULL)
        return;
    if (view->state != task->state) {
        world_violated(world, "task %" PRIu64 " is %s in the broker and %s in the model", task->id,
                       task_state_name(view->state), task_state_name(task->state));
        return;
    }
    compare_counts(world, task, view);
    compare_due(host, task, view);
    if (view->revision < task->revision)
        differ(world, task, "revision", view->revision, task->revision);
    if (strcmp(view->agent_id, task->agent_id) != 0 || strcmp(view->spec.queue, task->queue) != 0 ||
        strcmp(view->spec.agent_type, task->agent_type) != 0)
        world_violated(world, "task %" PRIu64 " is of %s for %s in %s, should be of %s for %s in %s", task->id,
                       view->agent_id, view->spec.agent_type, view->spec.queue, task->agent_id, task->agent_type,
                       task->queue);
}

/* Whatever the core says it changed, the model must have changed as well, and the other way round. */
void compare_touched(struct host *host, struct store_txn *txn)
{
    struct model *model = host->world->model;
    struct effects *effects = &host->effects;

    for (size_t i = 0; i < model->touched_count && !host->world->failed; i++)
        compare_task(host, txn, model->touched[i]);
    for (size_t i = 0; i < effects->changed_count && !host->world->failed; i++) {
        struct model_task *task = model_find(model, effects->changed[i]);
        if (task != NULL)
            compare_task(host, txn, task);
    }
}

static void compare_totals(struct host *host)
{
    const struct model *model = host->world->model;
    uint64_t counts[TASK_STATES];
    uint64_t expected[TASK_STATES] = {0};

    broker_counts(host->broker, counts);
    for (size_t i = model->first; i < model->task_count; i++)
        expected[model->tasks[i]->state]++;
    for (size_t state = 1; state < TASK_STATES; state++)
        if (counts[state] != expected[state])
            world_violated(host->world, "the broker counts %" PRIu64 " tasks as %s, there are %" PRIu64, counts[state],
                           task_state_name((enum task_state)state), expected[state]);
}

void compare_all(struct host *host)
{
    CLEANUP(store_end)
    struct store_txn *txn = NULL;
    struct world *world = host->world;
    struct model *model = world->model;
    struct check_report report;
    uint64_t there = 0;

    host->checked_at = world->events;
    CHECK(store_begin(host->store, STORE_READ, &txn) == STATUS_OK);
    CHECK(broker_check(txn, &(struct check_watch){0}, &report) == STATUS_OK);
    CHECK(broker_compare(host->broker, txn, &report) == STATUS_OK);
    if (report.problems > 0)
        world_violated(world, "a rescan found %" PRIu64 " problems: %s", report.problems, report.named[0]);
    for (size_t i = model->first; i < model->task_count && !world->failed; i++) {
        compare_task(host, txn, model->tasks[i]);
        there += model->tasks[i]->state != TASK_NONE;
    }
    if (report.tasks != there)
        world_violated(world, "the store has %" PRIu64 " tasks, the model %" PRIu64, report.tasks, there);
    compare_totals(host);
    model_commit(model);
}
