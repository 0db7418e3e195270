#include "tests/sim/witness.h"

#include "tests/history/replay.h"
#include "tests/sim/model.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static enum history_call call_of(const struct command *command)
{
    static const enum history_call calls[COMMAND_KINDS] = {
        [COMMAND_CANCEL] = CALL_CANCEL,     [COMMAND_RETRY] = CALL_RETRY, [COMMAND_REGISTER] = CALL_REGISTER,
        [COMMAND_CLAIM] = CALL_CLAIM,       [COMMAND_START] = CALL_START, [COMMAND_HEARTBEAT] = CALL_HEARTBEAT,
        [COMMAND_COMPLETE] = CALL_COMPLETE, [COMMAND_FAIL] = CALL_FAIL,   [COMMAND_RELEASE] = CALL_RELEASE,
        [COMMAND_SUSPEND] = CALL_RELEASE,
    };

    if (command->kind == COMMAND_SUBMIT)
        return CALL_SUBMIT;
    if (command->kind == COMMAND_REPORT_EXIT)
        return command->report_exit.how == EXIT_COMPLETED ? CALL_COMPLETE : CALL_FAIL;
    return calls[command->kind] != 0 ? calls[command->kind] : CALL_OTHER;
}

/* The run or task that the command is about, if it is about one. */
static struct run_name subject_of(const struct command *command)
{
    if (command->kind == COMMAND_START)
        return command->start.run;
    if (command->kind == COMMAND_COMPLETE)
        return command->complete.run;
    if (command->kind == COMMAND_FAIL)
        return command->fail.run;
    if (command->kind == COMMAND_RELEASE)
        return command->release.run;
    if (command->kind == COMMAND_SUSPEND)
        return command->suspend.run;
    if (command->kind == COMMAND_REPORT_EXIT)
        return command->report_exit.run;
    if (command->kind == COMMAND_CANCEL)
        return (struct run_name){.task_id = command->cancel.task_id};
    if (command->kind == COMMAND_RETRY)
        return (struct run_name){.task_id = command->retry.task_id};
    return (struct run_name){0};
}

/* A claim that is asked again in another call, under its old number, is the same operation: it gets the old answer. */
static uint64_t operation_of(const struct open_call *call)
{
    const struct command *command = &call->request->command;

    if (command->kind != COMMAND_CLAIM)
        return call->id;
    return UINT64_C(1) << 63 | command->claim.incarnation << 32 | command->claim.claim_seq;
}

static struct history_event event_of(const struct actor *actor, const struct open_call *call, enum history_kind kind)
{
    const struct command *command = &call->request->command;
    struct run_name subject = subject_of(command);

    return (struct history_event){.time_us = actor->world->now_us,
                                  .invoked_us = call->sent_us,
                                  .actor = (uint64_t)actor->id[0] << 8 | (uint64_t)actor->id[1],
                                  .operation = operation_of(call),
                                  .kind = kind,
                                  .call = call_of(command),
                                  .task = subject.task_id,
                                  .fence = subject.fence};
}

void witness_ask(struct actor *actor, const struct open_call *call)
{
    struct history_event event = event_of(actor, call, HISTORY_INVOKE);

    history_add(actor->world->history, &event);
}

static void add_items(struct actor *actor, struct history_event event, const struct reply *reply)
{
    static const char *const verdicts[] = {
        [VERDICT_GO_ON] = "GO_ON",     [VERDICT_STOP] = "STOP", [VERDICT_STALE] = "STALE",
        [VERDICT_SUSPEND] = "SUSPEND", [VERDICT_KILL] = "KILL", [VERDICT_GIVE_BACK] = "GIVE_BACK"};

    for (size_t i = 0; i < reply->item_count; i++) {
        event.task = reply->items[i].run.task_id;
        event.fence = reply->items[i].run.fence;
        if (reply->kind == COMMAND_HEARTBEAT)
            (void)snprintf(event.reason, sizeof event.reason, "%s", verdicts[reply->items[i].verdict]);
        if (event.task != 0 && !reply->items[i].existing)
            history_add(actor->world->history, &event);
    }
}

void witness_reply(struct actor *actor, const struct open_call *call, const struct reply *reply)
{
    struct history_event event = event_of(actor, call, reply->reason == NULL ? HISTORY_OK : HISTORY_REFUSED);

    event.revision = reply->revision;
    if (reply->reason != NULL)
        (void)snprintf(event.reason, sizeof event.reason, "%s", reply->reason);
    if (reply->kind == COMMAND_SUBMIT || reply->kind == COMMAND_CLAIM || reply->kind == COMMAND_HEARTBEAT)
        add_items(actor, event, reply);
    else
        history_add(actor->world->history, &event);
}

/* What was acknowledged is there, or was there until its retention had passed. */
static void judge_acknowledged(struct world *world)
{
    for (size_t i = 0; i < world->history->count; i++) {
        const struct history_event *event = &world->history->events[i];
        if (event->call == CALL_SUBMIT && event->kind == HISTORY_OK && !model_ever_had(world->model, event->task))
            world_violated(world, "task %" PRIu64 " was acknowledged and never was", event->task);
    }
}

void witness_judge(struct world *world)
{
    struct replay_report report;

    replay_run(world->history, &report);
    for (size_t i = 0; i < REPLAY_VIOLATIONS; i++)
        if (report.violations[i] > 0)
            world_violated(world, "replay: %s: %s", replay_violation_name((enum replay_violation)i),
                           report.examples[i]);
    judge_acknowledged(world);
}
