#include "broker/core/budget.h"
#include "broker/core/checkpoint.h"
#include "broker/core/core.h"
#include "broker/core/ending.h"
#include "broker/core/epoch.h"
#include "broker/core/lease.h"
#include "broker/core/limits.h"

static void note_progress(struct step *step, const struct task *task, const struct beat *beat)
{
    struct run *run = runs_find(&step->broker->runs, task->id, task->fence);

    if (run != NULL && run_set_progress(run, beat->progress_percent, beat->progress_text))
        effects_change(step->effects, task->id);
}

/* Most heartbeats have none, or the same as before, and write nothing. */
static enum status note_checkpoint(struct step *step, struct task *task, const struct beat *beat)
{
    bool had_one = task->has_checkpoint;
    bool changed = false;

    TRY(checkpoint_keep(step, task, beat->checkpoint, &changed));
    if (changed)
        step->broker->is_dirty = true;
    if (changed && !had_one)
        task_write_quietly(step, task);
    return STATUS_OK;
}

/* Most heartbeats say what the one before said, and write nothing. What has used up the budget hears of it at once. */
static enum status note_usage(struct step *step, struct task *task, const struct beat *beat)
{
    struct budget_row breached = {0};
    bool changed = false;

    TRY(budget_settle(step, task, &beat->usage, &changed));
    if (changed) {
        effects_change(step->effects, task->id);
        task_write_quietly(step, task);
    }
    TRY(budget_find_breach(step, task->budget_id, &breached));
    if (breached.id > 0)
        budget_stop(step, task, &breached);
    return STATUS_OK;
}

static bool is_killed(const struct step *step, const struct task *task)
{
    const struct drain *drain = drains_find(&step->broker->drains, task->now.agent_id);

    return drain != NULL && drain->kills;
}

static enum status answer_beat(struct step *step, const struct agent *agent, const struct beat *beat,
                               struct beat_reply *reply)
{
    struct task task;
    bool is_repeat = false;
    enum status status = run_load(step, beat->run, RUN_IS_OPEN, &task, &is_repeat);

    *reply = (struct beat_reply){.run = beat->run, .verdict = VERDICT_STALE, .reason = ""};
    /* It may have been on its way when the outcome was reported: what is left to do goes on. */
    if (status == STATUS_ABORTED && task.now.finishing && task.fence == beat->run.fence)
        reply->verdict = VERDICT_GO_ON;
    /* Also what cannot be read: nobody could end that run well any more. */
    if (status == STATUS_ABORTED || status == STATUS_NOT_FOUND || status == STATUS_DATA_LOSS)
        return STATUS_OK;
    TRY(status);
    reply->lease_ms = lease_promise(step, agent, &task);
    lease_renew(step, &task, reply->lease_ms);
    note_progress(step, &task, beat);
    TRY(note_checkpoint(step, &task, beat));
    TRY(note_usage(step, &task, beat));
    reply->verdict = VERDICT_GO_ON;
    if (task.reaping) {
        reply->verdict = VERDICT_KILL;
        reply->reason = "its lease was lost: end it, and say so";
    } else if (task.canceling) {
        reply->verdict = VERDICT_STOP;
        reply->reason = arena_text(&step->effects->arena, bytes_of_text(task.cancel_reason));
    } else if (run_timeout_has_passed(step, &task)) {
        reply->verdict = VERDICT_STOP;
        reply->reason = "its run timeout has passed";
    } else if (is_killed(step, &task)) {
        reply->verdict = VERDICT_GIVE_BACK;
        reply->reason = DRAIN_KILLS_BECAUSE;
    } else if (task.suspending && task.now.state == TASK_RUNNING) {
        reply->verdict = VERDICT_SUSPEND;
        reply->reason = arena_text(&step->effects->arena, bytes_of_text(task.cancel_reason));
    }
    return STATUS_OK;
}

enum status step_heartbeat(struct step *step, const struct command *command)
{
    const struct command_heartbeat *heartbeat = &command->heartbeat;
    const struct broker_settings *settings = &step->broker->settings;

    TRY(limits_check_heartbeat(heartbeat, &step->error));
    TRY(epoch_check(step, &heartbeat->seen));
    struct agent *agent = agents_find(&step->broker->agents, heartbeat->agent_id);
    if (agent != NULL && heartbeat->incarnation < agent->incarnation)
        return error_set(&step->error, STATUS_ABORTED, "STALE_INCARNATION",
                         "a newer incarnation of %s has taken its place; end this one", heartbeat->agent_id);
    if (agent != NULL) {
        agents_heard(&step->broker->agents, agent, step->now.store_ms);
        rhythm_beat(&agent->rhythm, step->now.store_ms, settings->heartbeat_ms, settings->lease_max_ms);
    }

    struct beat_reply *replies = arena_zero(&step->effects->arena, heartbeat->beat_count, sizeof *replies);
    for (size_t i = 0; i < heartbeat->beat_count; i++)
        TRY(answer_beat(step, agent, &heartbeat->beats[i], &replies[i]));
    struct answer *answer = effects_answer(step->effects, command->token, command->kind);
    answer->heartbeat.replies = replies;
    answer->heartbeat.count = heartbeat->beat_count;
    answer->heartbeat.draining = drains_find(&step->broker->drains, heartbeat->agent_id) != NULL;
    answer->heartbeat.terms = broker_terms(step->broker);
    answer->heartbeat.registered = agent != NULL && agent->incarnation == heartbeat->incarnation;
    return STATUS_OK;
}
