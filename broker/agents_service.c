/* The service Agents: what agents and supervisors do. */
#include "broker/convert.h"
#include "broker/shell.h"

#include "common/base/check.h"
#include "common/rpc/envelope.h"

#define WAIT_MAX_MS 20000
#define COMPLETIONS_MAX 256
#define SMALL_REQUEST_MAX ((uint32_t)8 * 1024)
#define OUTCOME_REQUEST_MAX ((uint32_t)256 * 1024) /* past the largest outcome, so that the core can name the field */
#define BEATS_REQUEST_MAX ((uint32_t)512 * 1024)

static struct shell *shell_of(Ganger__V1__Agents_Service *service)
{
    return shell_enter(((struct agents_service *)service)->shell);
}

static void register_agent(Ganger__V1__Agents_Service *service, const Ganger__V1__RegisterAgentRequest *request,
                           Ganger__V1__RegisterAgentResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    Ganger__V1__RegisterAgentResponse response = GANGER__V1__REGISTER_AGENT_RESPONSE__INIT;
    struct command command = {
        .kind = COMMAND_REGISTER,
        .registration = {.agent_id = request->agent_id,
                         .incarnation = request->incarnation,
                         .host = request->host,
                         .pid = request->pid,
                         .version = request->version,
                         .slots = request->slots,
                         .profiles = profiles_of_messages(&shell->arena, request->profiles, request->n_profiles),
                         .profile_count = request->n_profiles,
                         .held = runs_of_messages(&shell->arena, request->held, request->n_held),
                         .all_gone = request->all_gone,
                         .held_count = request->n_held,
                         .seen = {.store_id = request->store_id, .revision = request->seen_revision}},
    };
    const struct answer *answer = shell_ask_for(shell, &command, closure_data);

    (void)closure;
    if (answer == NULL)
        return;
    size_t count = answer->registration.released_count;
    Ganger__V1__Lease *released = arena_zero(&shell->arena, count, sizeof *released);
    response.released = arena_zero(&shell->arena, count, sizeof(Ganger__V1__Lease *));
    response.n_released = count;
    for (size_t i = 0; i < count; i++) {
        ganger__v1__lease__init(&released[i]);
        released[i].task_id = answer->registration.released[i].task_id;
        released[i].fence = answer->registration.released[i].fence;
        response.released[i] = &released[i];
    }
    response.heartbeat_ms = answer->registration.terms.heartbeat_ms;
    response.reap_grace_ms = answer->registration.terms.reap_grace_ms;
    response.terminate_ms = answer->registration.terms.terminate_ms;
    response.lease_ms = answer->registration.lease_ms;
    response.store_id = borrowed_text(answer->registration.store_id);
    response.draining = answer->registration.draining;
    rpc_call_reply(closure_data, &response.base);
}

/* What an answer that did not arrive had given. */
struct undelivered {
    struct shell *shell;
    const struct run_name *runs;
    size_t count;
};

/* A claimer that was cut off may have asked again in this very batch: the runs are its own then, although the answer to
 * its first connection has nobody. */
static void on_lost(void *data)
{
    const struct undelivered *undelivered = data;
    struct shell *shell = undelivered->shell;
    struct lost_runs *lost = &shell->lost;

    for (size_t i = 0; i < undelivered->count; i++) {
        const struct run_name *run = &undelivered->runs[i];
        if (index_find(&shell->repeated, &run->fence, sizeof run->fence) != NULL)
            continue;
        if (lost->count == lost->capacity) {
            lost->capacity = lost->capacity == 0 ? 64 : lost->capacity * 2;
            lost->items = reallocate(lost->items, lost->capacity * sizeof lost->items[0]);
        }
        lost->items[lost->count++] = *run;
    }
}

static void watch_delivery(struct shell *shell, struct rpc_call *call, const struct answer *answer)
{
    struct undelivered *undelivered = arena_zero(&shell->lost_arena, 1, sizeof *undelivered);
    struct run_name *runs = arena_zero(&shell->lost_arena, answer->claim.count, sizeof *runs);

    for (size_t i = 0; i < answer->claim.count; i++)
        runs[i] = (struct run_name){.task_id = answer->claim.tasks[i]->id, .fence = answer->claim.tasks[i]->fence};
    *undelivered = (struct undelivered){.shell = shell, .runs = runs, .count = answer->claim.count};
    rpc_call_if_lost(call, on_lost, undelivered);
}

/* Whether the first answer arrived is not known here. If it did, somebody is at work, so a repeat that is lost gives
 * nothing back; if neither did, the lease ends it. */
static void note_repeat(struct shell *shell, const struct answer *answer)
{
    struct repeated_run *repeated = arena_zero(&shell->lost_arena, answer->claim.count, sizeof *repeated);

    for (size_t i = 0; i < answer->claim.count; i++) {
        uint64_t fence = answer->claim.tasks[i]->fence;
        if (index_find(&shell->repeated, &fence, sizeof fence) != NULL)
            continue;
        repeated[i].fence = fence;
        index_add(&shell->repeated, &repeated[i].node, &repeated[i].fence, sizeof fence, &repeated[i]);
    }
}

void agents_service_answer_claim(struct shell *shell, struct rpc_call *call, const struct answer *answer)
{
    Ganger__V1__ClaimTasksResponse response = GANGER__V1__CLAIM_TASKS_RESPONSE__INIT;

    if (answer->refusal != NULL) {
        rpc_call_refuse(call, answer->refusal);
        return;
    }
    size_t count = answer->claim.count;
    Ganger__V1__Assignment *assignments = arena_zero(&shell->arena, count, sizeof *assignments);
    response.assignments = arena_zero(&shell->arena, count, sizeof(Ganger__V1__Assignment *));
    response.n_assignments = count;
    for (size_t i = 0; i < count; i++) {
        ganger__v1__assignment__init(&assignments[i]);
        assignments[i].task = message_of_task(&shell->arena, answer->claim.tasks[i]);
        assignments[i].checkpoint = borrowed_bytes(answer->claim.tasks[i]->checkpoint);
        assignments[i].answer = borrowed_bytes(answer->claim.tasks[i]->answer);
        assignments[i].lease_ms = answer->claim.lease_ms;
        assignments[i].heartbeat_ms = answer->claim.terms.heartbeat_ms;
        assignments[i].reap_grace_ms = answer->claim.terms.reap_grace_ms;
        assignments[i].terminate_ms = answer->claim.terms.terminate_ms;
        response.assignments[i] = &assignments[i];
    }
    if (answer->claim.is_repeat)
        note_repeat(shell, answer);
    else if (count > 0)
        watch_delivery(shell, call, answer);
    rpc_call_reply(call, &response.base);
}

static void claim_tasks(Ganger__V1__Agents_Service *service, const Ganger__V1__ClaimTasksRequest *request,
                        Ganger__V1__ClaimTasksResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    struct error error = {0};
    struct command command = {
        .kind = COMMAND_CLAIM,
        .token = waiting_token(closure_data),
        .claim = {.namespace = request->namespace_,
                  .queues = (const char *const *)request->queues,
                  .queue_count = request->n_queues,
                  .agent_type = request->agent_type,
                  .agent_id = request->agent_id,
                  .incarnation = request->incarnation,
                  .claim_seq = request->claim_seq,
                  .max = request->max,
                  .waits = request->wait_ms > 0,
                  .supervised = request->supervised,
                  .start = request->start,
                  .seen = {.store_id = request->store_id, .revision = request->seen_revision}},
    };

    (void)closure;
    if (request->wait_ms > WAIT_MAX_MS) {
        (void)error_set(&error, STATUS_INVALID_ARGUMENT, "BAD_FIELD", "wait_ms: at most %d are allowed", WAIT_MAX_MS);
        rpc_call_refuse(closure_data, &error);
        return;
    }
    const struct answer *answer = shell_ask(shell, &command);
    if (answer != NULL)
        agents_service_answer_claim(shell, closure_data, answer);
    else
        waiting_add(&shell->waiting, closure_data, shell_time_after(shell, request->wait_ms));
}

static void start_task(Ganger__V1__Agents_Service *service, const Ganger__V1__StartTaskRequest *request,
                       Ganger__V1__StartTaskResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    Ganger__V1__StartTaskResponse response = GANGER__V1__START_TASK_RESPONSE__INIT;
    struct command command = {
        .kind = COMMAND_START,
        .start = {.run = {.task_id = request->task_id, .fence = request->fence}, .agent_id = request->agent_id},
    };
    const struct answer *answer = shell_ask_for(shell, &command, closure_data);

    (void)closure;
    if (answer == NULL)
        return;
    response.attempt = answer->attempt;
    rpc_call_reply(closure_data, &response.base);
}

static struct beat *beats_of_messages(struct arena *arena, Ganger__V1__Beat *const *messages, size_t count)
{
    struct beat *beats = arena_zero(arena, count, sizeof *beats);

    for (size_t i = 0; i < count; i++)
        beats[i] = (struct beat){
            .run = {.task_id = messages[i]->task_id, .fence = messages[i]->fence},
            .progress_percent = messages[i]->progress_percent,
            .progress_text = messages[i]->progress_text,
            .checkpoint = bytes_of_message(messages[i]->checkpoint),
            .usage = usage_of_message(messages[i]->usage),
        };
    return beats;
}

static void heartbeat(Ganger__V1__Agents_Service *service, const Ganger__V1__HeartbeatRequest *request,
                      Ganger__V1__HeartbeatResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    Ganger__V1__HeartbeatResponse response = GANGER__V1__HEARTBEAT_RESPONSE__INIT;
    struct command command = {
        .kind = COMMAND_HEARTBEAT,
        .heartbeat = {.agent_id = request->agent_id,
                      .incarnation = request->incarnation,
                      .beats = beats_of_messages(&shell->arena, request->beats, request->n_beats),
                      .beat_count = request->n_beats,
                      .seen = {.store_id = request->store_id, .revision = request->seen_revision}},
    };
    const struct answer *answer = shell_ask_for(shell, &command, closure_data);

    (void)closure;
    if (answer == NULL)
        return;
    size_t count = answer->heartbeat.count;
    Ganger__V1__BeatReply *replies = arena_zero(&shell->arena, count, sizeof *replies);
    response.replies = arena_zero(&shell->arena, count, sizeof(Ganger__V1__BeatReply *));
    response.n_replies = count;
    for (size_t i = 0; i < count; i++) {
        const struct beat_reply *reply = &answer->heartbeat.replies[i];
        ganger__v1__beat_reply__init(&replies[i]);
        replies[i].task_id = reply->run.task_id;
        replies[i].fence = reply->run.fence;
        replies[i].verdict = (Ganger__V1__Verdict)reply->verdict;
        replies[i].reason = borrowed_text(reply->reason);
        replies[i].lease_ms = reply->lease_ms;
        response.replies[i] = &replies[i];
    }
    response.registered = answer->heartbeat.registered;
    response.reap_grace_ms = answer->heartbeat.terms.reap_grace_ms;
    response.terminate_ms = answer->heartbeat.terms.terminate_ms;
    response.draining = answer->heartbeat.draining;
    rpc_call_reply(closure_data, &response.base);
}

static struct command command_of_completion(const Ganger__V1__CompleteTaskRequest *request)
{
    return (struct command){
        .kind = COMMAND_COMPLETE,
        .complete = {.run = {.task_id = request->task_id, .fence = request->fence},
                     .outcome = outcome_of_message(request->outcome)},
    };
}

static void complete_task(Ganger__V1__Agents_Service *service, const Ganger__V1__CompleteTaskRequest *request,
                          Ganger__V1__CompleteTaskResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    Ganger__V1__CompleteTaskResponse response = GANGER__V1__COMPLETE_TASK_RESPONSE__INIT;
    struct command command = command_of_completion(request);

    (void)closure;
    if (shell_ask_for(shell, &command, closure_data) != NULL)
        rpc_call_reply(closure_data, &response.base);
}

static void complete_one_of_many(struct shell *shell, struct rpc_call *call,
                                 const Ganger__V1__CompleteTaskRequest *completion,
                                 Ganger__V1__CompletionOutcome *ret_outcome)
{
    struct command command = command_of_completion(completion);
    const struct answer *answer = shell_ask_in_call(shell, &command, call);

    ganger__v1__completion_outcome__init(ret_outcome);
    if (answer->refusal == NULL)
        return;
    ret_outcome->status = (uint32_t)answer->refusal->status;
    ret_outcome->reason = borrowed_text(answer->refusal->reason);
    /* The next answer takes the place of this one. */
    ret_outcome->message = arena_text(&shell->arena, bytes_of_text(answer->refusal->message));
}

static void complete_tasks(Ganger__V1__Agents_Service *service, const Ganger__V1__CompleteTasksRequest *request,
                           Ganger__V1__CompleteTasksResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    Ganger__V1__CompleteTasksResponse response = GANGER__V1__COMPLETE_TASKS_RESPONSE__INIT;
    size_t count = request->n_completions;
    struct error error = {0};

    (void)closure;
    if (count == 0 || count > COMPLETIONS_MAX) {
        (void)error_set(&error, STATUS_INVALID_ARGUMENT, "BAD_FIELD", "completions: 1 to %d are allowed",
                        COMPLETIONS_MAX);
        rpc_call_refuse(closure_data, &error);
        return;
    }
    Ganger__V1__CompletionOutcome *outcomes = arena_zero(&shell->arena, count, sizeof *outcomes);
    response.outcomes = arena_zero(&shell->arena, count, sizeof(Ganger__V1__CompletionOutcome *));
    response.n_outcomes = count;
    for (size_t i = 0; i < count; i++) {
        complete_one_of_many(shell, closure_data, request->completions[i], &outcomes[i]);
        response.outcomes[i] = &outcomes[i];
    }
    rpc_call_reply(closure_data, &response.base);
}

static void fail_task(Ganger__V1__Agents_Service *service, const Ganger__V1__FailTaskRequest *request,
                      Ganger__V1__FailTaskResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    Ganger__V1__FailTaskResponse response = GANGER__V1__FAIL_TASK_RESPONSE__INIT;
    struct command command = {
        .kind = COMMAND_FAIL,
        .fail = {.run = {.task_id = request->task_id, .fence = request->fence},
                 .failure = request->failure != GANGER__V1__FAILURE__FAILURE_UNSPECIFIED
                                ? (enum failure)request->failure
                                : FAILURE_OF_ATTEMPT,
                 .final = request->final,
                 .retry_after_ms = request->retry_after_ms,
                 .outcome = outcome_of_message(request->outcome)},
    };
    const struct answer *answer = shell_ask_for(shell, &command, closure_data);

    (void)closure;
    if (answer == NULL)
        return;
    response.state = (Ganger__V1__TaskState)answer->state;
    rpc_call_reply(closure_data, &response.base);
}

static void release_task(Ganger__V1__Agents_Service *service, const Ganger__V1__ReleaseTaskRequest *request,
                         Ganger__V1__ReleaseTaskResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    Ganger__V1__ReleaseTaskResponse response = GANGER__V1__RELEASE_TASK_RESPONSE__INIT;
    struct command command = {
        .kind = COMMAND_RELEASE,
        .release = {.run = {.task_id = request->task_id, .fence = request->fence},
                    .reason = request->reason,
                    .delay_ms = request->delay_ms,
                    .usage = usage_of_message(request->usage)},
    };
    const struct answer *answer = shell_ask_for(shell, &command, closure_data);

    (void)closure;
    if (answer == NULL)
        return;
    response.state = (Ganger__V1__TaskState)answer->state;
    rpc_call_reply(closure_data, &response.base);
}

static void pause_limit(Ganger__V1__Agents_Service *service, const Ganger__V1__PauseLimitRequest *request,
                        Ganger__V1__PauseLimitResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    Ganger__V1__PauseLimitResponse response = GANGER__V1__PAUSE_LIMIT_RESPONSE__INIT;
    struct command command = {
        .kind = COMMAND_PAUSE_LIMIT,
        .pause_limit = {.run = {.task_id = request->task_id, .fence = request->fence},
                        .limit = request->limit,
                        .until_ms = request->until_ms,
                        .for_ms = request->for_ms,
                        .reason = request->reason},
    };
    const struct answer *answer = shell_ask_for(shell, &command, closure_data);

    (void)closure;
    if (answer == NULL)
        return;
    response.paused_until_ms = answer->limits.limits[0].paused_until_ms;
    rpc_call_reply(closure_data, &response.base);
}

static void report_exit(Ganger__V1__Agents_Service *service, const Ganger__V1__ReportExitRequest *request,
                        Ganger__V1__ReportExitResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    Ganger__V1__ReportExitResponse response = GANGER__V1__REPORT_EXIT_RESPONSE__INIT;
    struct command command = {
        .kind = COMMAND_REPORT_EXIT,
        .report_exit = {.run = {.task_id = request->task_id, .fence = request->fence},
                        .how = (enum exit_kind)request->how,
                        .final = request->final,
                        .delay_ms = request->delay_ms,
                        .streams_pending = request->streams_pending,
                        .outcome = outcome_of_message(request->outcome)},
    };
    const struct answer *answer = shell_ask_for(shell, &command, closure_data);

    (void)closure;
    if (answer == NULL)
        return;
    response.state = (Ganger__V1__TaskState)answer->exit.state;
    response.finishing = answer->exit.finishing;
    rpc_call_reply(closure_data, &response.base);
}

static void finish_task(Ganger__V1__Agents_Service *service, const Ganger__V1__FinishTaskRequest *request,
                        Ganger__V1__FinishTaskResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    Ganger__V1__FinishTaskResponse response = GANGER__V1__FINISH_TASK_RESPONSE__INIT;
    struct command command = {
        .kind = COMMAND_FINISH,
        .finish = {.run = {.task_id = request->task_id, .fence = request->fence},
                   .output_incomplete = request->output_incomplete},
    };
    const struct answer *answer = shell_ask_for(shell, &command, closure_data);

    (void)closure;
    if (answer == NULL)
        return;
    response.state = (Ganger__V1__TaskState)answer->state;
    rpc_call_reply(closure_data, &response.base);
}

static void suspend_task(Ganger__V1__Agents_Service *service, const Ganger__V1__SuspendTaskRequest *request,
                         Ganger__V1__SuspendTaskResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    Ganger__V1__SuspendTaskResponse response = GANGER__V1__SUSPEND_TASK_RESPONSE__INIT;
    struct command command = {
        .kind = COMMAND_SUSPEND,
        .suspend = {.run = {.task_id = request->task_id, .fence = request->fence},
                    .reason = request->reason,
                    .checkpoint = bytes_of_message(request->checkpoint),
                    .usage = usage_of_message(request->usage)},
    };
    const struct answer *answer = shell_ask_for(shell, &command, closure_data);

    (void)closure;
    if (answer == NULL)
        return;
    response.state = (Ganger__V1__TaskState)answer->state;
    rpc_call_reply(closure_data, &response.base);
}

static void attend(Ganger__V1__Agents_Service *service, const Ganger__V1__AttendRequest *request,
                   Ganger__V1__Command_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    struct error error = {0};

    (void)closure;
    if (attend_add(&shell->attendance, closure_data, request->agent_id, &error) != STATUS_OK)
        rpc_call_refuse(closure_data, &error);
}

/* In the order of the .proto file. */
const struct rpc_method agents_methods[] = {
    {.name = "RegisterAgent", .request_max = OUTCOME_REQUEST_MAX},
    {.name = "ClaimTasks", .request_max = SMALL_REQUEST_MAX},
    {.name = "StartTask", .request_max = SMALL_REQUEST_MAX},
    {.name = "Heartbeat", .request_max = BEATS_REQUEST_MAX},
    {.name = "CompleteTask", .request_max = OUTCOME_REQUEST_MAX},
    {.name = "CompleteTasks", .request_max = BODY_MAX},
    {.name = "FailTask", .request_max = OUTCOME_REQUEST_MAX},
    {.name = "ReleaseTask", .request_max = SMALL_REQUEST_MAX},
    {.name = "PauseLimit", .request_max = SMALL_REQUEST_MAX},
    {.name = "ReportExit", .request_max = OUTCOME_REQUEST_MAX},
    {.name = "FinishTask", .request_max = SMALL_REQUEST_MAX},
    {.name = "SuspendTask", .request_max = SMALL_REQUEST_MAX},
    {.name = "Attend", .streams = true, .request_max = SMALL_REQUEST_MAX},
};

void agents_service_init(struct agents_service *service, struct shell *shell)
{
    static const Ganger__V1__Agents_Service handlers = GANGER__V1__AGENTS__INIT();
    *service = (struct agents_service){.base = handlers, .shell = shell};
}
