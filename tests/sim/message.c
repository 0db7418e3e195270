#include "tests/sim/message.h"

#include "common/base/check.h"

#include <stdlib.h>

static const char *const names[COMMAND_KINDS] = {
    [COMMAND_SUBMIT] = "SUBMIT",
    [COMMAND_GET] = "GET",
    [COMMAND_LIST] = "LIST",
    [COMMAND_CANCEL] = "CANCEL",
    [COMMAND_RETRY] = "RETRY",
    [COMMAND_REGISTER] = "REGISTER",
    [COMMAND_CLAIM] = "CLAIM",
    [COMMAND_UNPARK] = "UNPARK",
    [COMMAND_FORGET] = "FORGET",
    [COMMAND_START] = "START",
    [COMMAND_HEARTBEAT] = "HEARTBEAT",
    [COMMAND_COMPLETE] = "COMPLETE",
    [COMMAND_FAIL] = "FAIL",
    [COMMAND_RELEASE] = "RELEASE",
    [COMMAND_QUEUE_STATS] = "QUEUE_STATS",
    [COMMAND_LIST_AGENTS] = "LIST_AGENTS",
    [COMMAND_HISTORY] = "HISTORY",
    [COMMAND_SET_LIMIT] = "SET_LIMIT",
    [COMMAND_LIST_LIMITS] = "LIST_LIMITS",
    [COMMAND_PAUSE_LIMIT] = "PAUSE_LIMIT",
    [COMMAND_REPORT_EXIT] = "REPORT_EXIT",
    [COMMAND_FINISH] = "FINISH",
    [COMMAND_SUSPEND] = "SUSPEND",
    [COMMAND_ASK_SUSPEND] = "ASK_SUSPEND",
    [COMMAND_RESUME] = "RESUME",
    [COMMAND_START_JOB] = "START_JOB",
    [COMMAND_UPDATE] = "UPDATE",
    [COMMAND_WHY] = "WHY",
    [COMMAND_ADOPT] = "ADOPT",
    [COMMAND_DRAIN] = "DRAIN",
    [COMMAND_MOVE] = "MOVE",
    [COMMAND_PAUSE_QUEUE] = "PAUSE_QUEUE",
    [COMMAND_SET_QUEUE] = "SET_QUEUE",
};

const char *command_name(enum command_kind kind)
{
    return names[kind] != NULL ? names[kind] : "?";
}

static const struct outcome plain_outcome = {.content_type = "", .message = "", .error_type = "", .exit_status = -1};

struct request *request_new(enum command_kind kind)
{
    struct request *request = allocate_zero(1, sizeof *request);
    struct command *command = &request->command;

    request->owners = 1;
    command->kind = kind;
    if (kind == COMMAND_SUBMIT)
        command->submit.specs = request->specs;
    if (kind == COMMAND_REGISTER) {
        command->registration.host = "";
        command->registration.version = "";
        command->registration.held = request->held;
    }
    if (kind == COMMAND_CLAIM) {
        command->claim.namespace = "";
        command->claim.queues = request->queues;
    }
    if (kind == COMMAND_HEARTBEAT)
        command->heartbeat.beats = request->beats;
    if (kind == COMMAND_COMPLETE)
        command->complete.outcome = plain_outcome;
    if (kind == COMMAND_FAIL)
        command->fail.outcome = plain_outcome;
    if (kind == COMMAND_REPORT_EXIT)
        command->report_exit.outcome = plain_outcome;
    if (kind == COMMAND_SUSPEND)
        command->suspend.reason = "";
    if (kind == COMMAND_ASK_SUSPEND)
        command->ask_suspend.reason = "";
    if (kind == COMMAND_START_JOB) {
        command->start_job.order.filter.namespace = "";
        command->start_job.order.filter.queue = "";
        command->start_job.order.filter.agent_type = "";
        command->start_job.order.reason = "";
    }
    if (kind == COMMAND_UPDATE)
        command->update.fields = request->queues;
    if (kind == COMMAND_DRAIN)
        command->drain.reason = "";
    if (kind == COMMAND_MOVE) {
        command->move.task_ids = request->depends_on[0];
        command->move.reason = "";
    }
    if (kind == COMMAND_LIST) {
        command->list.filter.namespace = "";
        command->list.filter.queue = "";
        command->list.filter.agent_type = "";
    }
    if (kind == COMMAND_SET_LIMIT)
        command->set_limit.reason = "";
    if (kind == COMMAND_PAUSE_LIMIT)
        command->pause_limit.reason = "";
    if (kind == COMMAND_LIST_LIMITS)
        command->list_limits.prefix = "";
    if (kind == COMMAND_PAUSE_QUEUE) {
        command->pause_queue.namespace = "";
        command->pause_queue.reason = "";
    }
    if (kind == COMMAND_SET_QUEUE)
        command->set_queue.namespace = "";
    if (kind == COMMAND_QUEUE_STATS)
        command->queue_stats.namespace = "";
    return request;
}

struct request *request_share(struct request *request)
{
    request->owners++;
    return request;
}

struct request *request_free(struct request *request)
{
    if (request != NULL && --request->owners == 0)
        free(request);
    return NULL;
}

struct reply *reply_of_refusal(enum command_kind kind, enum status status, const char *reason)
{
    struct reply *reply = allocate_zero(1, sizeof *reply);

    *reply = (struct reply){.owners = 1, .kind = kind, .status = status, .reason = reason};
    return reply;
}

static void add_task(struct reply *reply, const struct task_view *task)
{
    CHECK(reply->item_count < ITEMS_MAX);
    reply->items[reply->item_count++] = (struct reply_item){
        .run = {.task_id = task->id, .fence = task->fence}, .state = task->state, .lease_ms = reply->lease_ms};
}

static void copy_submit(struct reply *reply, const struct answer *answer)
{
    for (size_t i = 0; i < answer->submit.count; i++)
        reply->items[i] = (struct reply_item){.run.task_id = answer->submit.outcomes[i].task_id,
                                              .existing = answer->submit.outcomes[i].existing};
    reply->item_count = answer->submit.count;
}

static void copy_claim(struct reply *reply, const struct answer *answer)
{
    reply->lease_ms = answer->claim.lease_ms;
    reply->heartbeat_ms = answer->claim.terms.heartbeat_ms;
    reply->is_repeat = answer->claim.is_repeat;
    for (size_t i = 0; i < answer->claim.count; i++)
        add_task(reply, answer->claim.tasks[i]);
}

static void copy_heartbeat(struct reply *reply, const struct answer *answer)
{
    for (size_t i = 0; i < answer->heartbeat.count; i++) {
        const struct beat_reply *beat = &answer->heartbeat.replies[i];
        reply->items[i] = (struct reply_item){.run = beat->run, .verdict = beat->verdict, .lease_ms = beat->lease_ms};
    }
    reply->item_count = answer->heartbeat.count;
    reply->registered = answer->heartbeat.registered;
}

struct reply *reply_of_answer(const struct answer *answer)
{
    struct reply *reply = reply_of_refusal(answer->kind, STATUS_OK, NULL);

    if (answer->refusal != NULL) {
        reply->status = answer->refusal->status;
        reply->reason = answer->refusal->reason;
        return reply;
    }
    if (answer->kind == COMMAND_SUBMIT)
        copy_submit(reply, answer);
    if (answer->kind == COMMAND_REPORT_EXIT) {
        reply->state = answer->exit.state;
        reply->finishing = answer->exit.finishing;
    }
    if (answer->kind == COMMAND_FINISH || answer->kind == COMMAND_SUSPEND)
        reply->state = answer->state;
    if (answer->kind == COMMAND_GET || answer->kind == COMMAND_CANCEL || answer->kind == COMMAND_RETRY)
        add_task(reply, answer->task);
    if (answer->kind == COMMAND_REGISTER) {
        reply->lease_ms = answer->registration.lease_ms;
        reply->heartbeat_ms = answer->registration.terms.heartbeat_ms;
    }
    if (answer->kind == COMMAND_CLAIM)
        copy_claim(reply, answer);
    if (answer->kind == COMMAND_START)
        reply->attempt = answer->attempt;
    if (answer->kind == COMMAND_HEARTBEAT)
        copy_heartbeat(reply, answer);
    if (answer->kind == COMMAND_COMPLETE || answer->kind == COMMAND_FAIL || answer->kind == COMMAND_RELEASE)
        reply->state = answer->state;
    return reply;
}

struct reply *reply_share(struct reply *reply)
{
    reply->owners++;
    return reply;
}

struct reply *reply_free(struct reply *reply)
{
    if (reply != NULL && --reply->owners == 0)
        free(reply);
    return NULL;
}
