/* The service Admin: what operators ask. */
#include "broker/convert.h"
#include "broker/core/orphan.h"
#include "broker/jobs_service.h"
#include "broker/shell.h"

#include "common/base/clock.h"
#include "common/base/log.h"

#include <unistd.h>

#define SMALL_REQUEST_MAX 4096
#define IDS_REQUEST_MAX ((uint32_t)16 * 1024) /* a thousand ids and more */
#define ORDER_REQUEST_MAX ((uint32_t)16 * 1024)

static struct shell *shell_of(Ganger__V1__Admin_Service *service)
{
    return shell_enter(((struct admin_service *)service)->shell);
}

static void status_of_store(struct shell *shell, Ganger__V1__StatusResponse *response)
{
    struct store_usage usage = store_usage(shell->store);
    struct serve_stats commits = serve_stats(shell->serve);

    response->store_bytes = usage.used_bytes;
    response->store_limit_bytes = usage.limit_bytes;
    response->commits = commits.commits;
    response->commit_p50_us = commits.commit_p50_us;
    response->commit_p99_us = commits.commit_p99_us;
    response->batch_p50 = latency_percentile_us(&shell->batches, 50);
    response->batch_max = latency_percentile_us(&shell->batches, 100);
}

static void status_of_server(struct shell *shell, Ganger__V1__StatusResponse *response)
{
    struct rpc_server_stats rpc = rpc_server_stats(shell->server);

    response->requests = rpc.requests;
    response->refusals = rpc.refusals;
    response->streams = rpc.open_streams;
    response->connections = rpc.connections;
}

static void status(Ganger__V1__Admin_Service *service, const Ganger__V1__StatusRequest *request,
                   Ganger__V1__StatusResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    struct broker_totals totals = broker_totals(shell->broker);
    Ganger__V1__StatusResponse response = GANGER__V1__STATUS_RESPONSE__INIT;
    uint64_t counts[TASK_STATES];

    (void)request, (void)closure;
    broker_counts(shell->broker, counts);
    response.version = borrowed_text(GANGER_VERSION);
    response.uptime_ms = clock_boot_ms() - shell->started_ms;
    response.pid = (uint64_t)getpid();
    response.states = messages_of_counts(&shell->arena, counts, &response.n_states);
    response.revision = broker_revision(shell->broker);
    response.store_id = borrowed_text(broker_store_id(shell->broker));
    response.epoch = broker_epoch(shell->broker);
    response.newest_seen = broker_newest_seen(shell->broker);
    response.claimed = totals.claimed;
    response.completed = totals.completed;
    response.failed = totals.failed;
    response.expired_leases = totals.expired_leases;
    response.parked_claims = broker_parked(shell->broker);
    status_of_store(shell, &response);
    status_of_server(shell, &response);
    rpc_call_reply(closure_data, &response.base);
}

static void queue_stats(Ganger__V1__Admin_Service *service, const Ganger__V1__QueueStatsRequest *request,
                        Ganger__V1__QueueStatsResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    Ganger__V1__QueueStatsResponse response = GANGER__V1__QUEUE_STATS_RESPONSE__INIT;
    struct command command = {.kind = COMMAND_QUEUE_STATS, .queue_stats = {.namespace = request->namespace_}};
    const struct answer *answer = shell_ask_for(shell, &command, closure_data);

    (void)closure;
    if (answer == NULL)
        return;
    size_t count = answer->queue_stats.count;
    response.queues = arena_zero(&shell->arena, count, sizeof(Ganger__V1__Queue *));
    response.n_queues = count;
    for (size_t i = 0; i < count; i++)
        response.queues[i] = message_of_queue(&shell->arena, &answer->queue_stats.queues[i]);
    rpc_call_reply(closure_data, &response.base);
}

static void list_agents(Ganger__V1__Admin_Service *service, const Ganger__V1__ListAgentsRequest *request,
                        Ganger__V1__ListAgentsResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    Ganger__V1__ListAgentsResponse response = GANGER__V1__LIST_AGENTS_RESPONSE__INIT;
    struct command command = {.kind = COMMAND_LIST_AGENTS};
    const struct answer *answer = shell_ask_for(shell, &command, closure_data);

    (void)request, (void)closure;
    if (answer == NULL)
        return;
    size_t count = answer->agents.count;
    Ganger__V1__Agent *agents = arena_zero(&shell->arena, count, sizeof *agents);
    response.agents = arena_zero(&shell->arena, count, sizeof(Ganger__V1__Agent *));
    response.n_agents = count;
    for (size_t i = 0; i < count; i++) {
        const struct agent_view *view = &answer->agents.agents[i];
        ganger__v1__agent__init(&agents[i]);
        agents[i].agent_id = borrowed_text(view->agent_id);
        agents[i].incarnation = view->incarnation;
        agents[i].host = borrowed_text(view->host);
        agents[i].pid = view->pid;
        agents[i].version = borrowed_text(view->version);
        agents[i].slots = view->slots;
        agents[i].profiles = messages_of_profiles(&shell->arena, view->profiles, view->profile_count);
        agents[i].n_profiles = view->profile_count;
        agents[i].held = view->held;
        agents[i].silent_ms = view->silent_ms;
        agents[i].interval_us = view->interval_us;
        agents[i].lateness_us = view->lateness_us;
        agents[i].lease_ms = view->lease_ms;
        agents[i].attending = attend_has(&shell->attendance, view->agent_id);
        agents[i].known = view->is_known;
        agents[i].draining = view->draining;
        agents[i].killed = view->killed;
        agents[i].drained_by = borrowed_text(view->drained_by);
        agents[i].drain_reason = borrowed_text(view->drain_reason);
        response.agents[i] = &agents[i];
    }
    rpc_call_reply(closure_data, &response.base);
}

static void backup(Ganger__V1__Admin_Service *service, const Ganger__V1__BackupRequest *request,
                   Ganger__V1__BackupUpdate_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    struct error error = {0};

    (void)closure;
    if (background_backup(&shell->background, closure_data, request->path, &error) != STATUS_OK)
        rpc_call_refuse(closure_data, &error);
    else
        shell_note(shell, closure_data, EVENT_BACKUP, request->path);
}

static void check(Ganger__V1__Admin_Service *service, const Ganger__V1__CheckRequest *request,
                  Ganger__V1__CheckUpdate_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    struct error error = {0};

    (void)request, (void)closure;
    if (background_check(&shell->background, closure_data, &error) != STATUS_OK)
        rpc_call_refuse(closure_data, &error);
}

static void raise_epoch(Ganger__V1__Admin_Service *service, const Ganger__V1__RaiseEpochRequest *request,
                        Ganger__V1__RaiseEpochResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    Ganger__V1__RaiseEpochResponse response = GANGER__V1__RAISE_EPOCH_RESPONSE__INIT;
    struct command command = {.kind = COMMAND_RAISE_EPOCH,
                              .raise_epoch = {.store_id = request->store_id, .epoch = request->epoch}};
    const struct answer *answer = shell_ask_for(shell, &command, closure_data);

    (void)closure;
    if (answer == NULL)
        return;
    response.epoch = answer->epoch;
    log_warning("The epoch was raised: every run that was held is stale", log_number("epoch", response.epoch));
    rpc_call_reply(closure_data, &response.base);
}

/* The queue that a command speaks of, as it is now; NULL when it was refused. */
static Ganger__V1__Queue *ask_for_queue(struct shell *shell, struct command *command, struct rpc_call *call)
{
    const struct answer *answer = shell_ask_for(shell, command, call);

    return answer != NULL ? message_of_queue(&shell->arena, &answer->queue_stats.queues[0]) : NULL;
}

static void pause_queue(Ganger__V1__Admin_Service *service, const Ganger__V1__PauseQueueRequest *request,
                        Ganger__V1__PauseQueueResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    Ganger__V1__PauseQueueResponse response = GANGER__V1__PAUSE_QUEUE_RESPONSE__INIT;
    struct command command = {.kind = COMMAND_PAUSE_QUEUE,
                              .pause_queue = {.namespace = request->namespace_,
                                              .queue = request->queue,
                                              .in = request->in,
                                              .out = request->out,
                                              .reason = request->reason}};

    (void)closure;
    response.queue = ask_for_queue(shell, &command, closure_data);
    if (response.queue != NULL)
        rpc_call_reply(closure_data, &response.base);
}

static void resume_queue(Ganger__V1__Admin_Service *service, const Ganger__V1__ResumeQueueRequest *request,
                         Ganger__V1__ResumeQueueResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    Ganger__V1__ResumeQueueResponse response = GANGER__V1__RESUME_QUEUE_RESPONSE__INIT;
    struct command command = {.kind = COMMAND_PAUSE_QUEUE,
                              .pause_queue = {.namespace = request->namespace_,
                                              .queue = request->queue,
                                              .in = request->in,
                                              .out = request->out,
                                              .resumes = true,
                                              .reason = ""}};

    (void)closure;
    response.queue = ask_for_queue(shell, &command, closure_data);
    if (response.queue != NULL)
        rpc_call_reply(closure_data, &response.base);
}

static void set_queue(Ganger__V1__Admin_Service *service, const Ganger__V1__SetQueueRequest *request,
                      Ganger__V1__SetQueueResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    Ganger__V1__SetQueueResponse response = GANGER__V1__SET_QUEUE_RESPONSE__INIT;
    struct command command = {.kind = COMMAND_SET_QUEUE,
                              .set_queue = {.namespace = request->namespace_,
                                            .queue = request->queue,
                                            .has_length_max = request->set_length_max,
                                            .length_max = request->length_max,
                                            .has_defaults = request->defaults != NULL,
                                            .defaults = defaults_of_message(request->defaults)}};

    (void)closure;
    response.queue = ask_for_queue(shell, &command, closure_data);
    if (response.queue != NULL)
        rpc_call_reply(closure_data, &response.base);
}

static void drain_agent(Ganger__V1__Admin_Service *service, const Ganger__V1__DrainAgentRequest *request,
                        Ganger__V1__DrainAgentResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    const Ganger__V1__DrainAgentResponse response = GANGER__V1__DRAIN_AGENT_RESPONSE__INIT;
    struct command command = {
        .kind = COMMAND_DRAIN,
        .drain = {.agent_id = request->agent_id, .ends = request->end, .reason = request->reason}};

    (void)closure;
    if (shell_ask_for(shell, &command, closure_data) != NULL)
        rpc_call_reply(closure_data, &response.base);
}

static void set_limit(Ganger__V1__Admin_Service *service, const Ganger__V1__SetLimitRequest *request,
                      Ganger__V1__SetLimitResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    Ganger__V1__SetLimitResponse response = GANGER__V1__SET_LIMIT_RESPONSE__INIT;
    struct command command = {.kind = COMMAND_SET_LIMIT,
                              .set_limit = {.name = request->name,
                                            .remove = request->delete_,
                                            .has_max_running = request->set_max_running,
                                            .max_running = request->max_running,
                                            .has_rate = request->rate != NULL,
                                            .rate_count = request->rate != NULL ? request->rate->count : 0,
                                            .rate_interval_ms = request->rate != NULL ? request->rate->interval_ms : 0,
                                            .has_pause = request->set_pause,
                                            .paused_until_ms = request->paused_until_ms,
                                            .pause_for_ms = request->pause_for_ms,
                                            .reason = request->reason}};
    const struct answer *answer = shell_ask_for(shell, &command, closure_data);

    (void)closure;
    if (answer == NULL)
        return;
    response.limit = message_of_limit(&shell->arena, &answer->limits.limits[0]);
    rpc_call_reply(closure_data, &response.base);
}

static void list_limits(Ganger__V1__Admin_Service *service, const Ganger__V1__ListLimitsRequest *request,
                        Ganger__V1__ListLimitsResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    Ganger__V1__ListLimitsResponse response = GANGER__V1__LIST_LIMITS_RESPONSE__INIT;
    struct command command = {.kind = COMMAND_LIST_LIMITS, .list_limits = {.prefix = request->prefix}};
    const struct answer *answer = shell_ask_for(shell, &command, closure_data);

    (void)closure;
    if (answer == NULL)
        return;
    response.limits = arena_zero(&shell->arena, answer->limits.count, sizeof(Ganger__V1__Limit *));
    response.n_limits = answer->limits.count;
    for (size_t i = 0; i < answer->limits.count; i++)
        response.limits[i] = message_of_limit(&shell->arena, &answer->limits.limits[i]);
    response.has_more = answer->limits.has_more;
    rpc_call_reply(closure_data, &response.base);
}

static void set_budget(Ganger__V1__Admin_Service *service, const Ganger__V1__SetBudgetRequest *request,
                       Ganger__V1__SetBudgetResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    Ganger__V1__SetBudgetResponse response = GANGER__V1__SET_BUDGET_RESPONSE__INIT;
    struct command command = {.kind = COMMAND_SET_BUDGET,
                              .set_budget = {.task_id = request->task_id,
                                             .has_micro_dollars = request->set_micro_dollars,
                                             .micro_dollars = request->micro_dollars,
                                             .has_tokens = request->set_tokens,
                                             .tokens = request->tokens,
                                             .on_breach = (enum breach_policy)request->on_breach}};
    const struct answer *answer = shell_ask_for(shell, &command, closure_data);

    (void)closure;
    if (answer == NULL)
        return;
    response.budget = message_of_budget(&shell->arena, &answer->budget);
    response.job_id = answer->job_id;
    rpc_call_reply(closure_data, &response.base);
}

static void kill_agent(Ganger__V1__Admin_Service *service, const Ganger__V1__KillAgentRequest *request,
                       Ganger__V1__KillAgentResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    Ganger__V1__KillAgentResponse response = GANGER__V1__KILL_AGENT_RESPONSE__INIT;
    struct command command = {.kind = COMMAND_DRAIN,
                              .drain = {.agent_id = request->agent_id, .kills = true, .reason = request->reason}};
    const struct answer *answer = shell_ask_for(shell, &command, closure_data);

    (void)closure;
    if (answer == NULL)
        return;
    response.released = answer->ended.released;
    response.told = answer->ended.told;
    rpc_call_reply(closure_data, &response.base);
}

static void move_tasks(Ganger__V1__Admin_Service *service, const Ganger__V1__MoveTasksRequest *request,
                       Ganger__V1__MoveTasksResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    Ganger__V1__MoveTasksResponse response = GANGER__V1__MOVE_TASKS_RESPONSE__INIT;
    struct command command = {.kind = COMMAND_MOVE,
                              .move = {.task_ids = request->task_ids,
                                       .task_count = request->n_task_ids,
                                       .queue = request->queue,
                                       .reason = request->reason}};
    const struct answer *answer = shell_ask_for(shell, &command, closure_data);

    (void)closure;
    if (answer == NULL)
        return;
    size_t count = answer->submit.count;
    Ganger__V1__MoveOutcome *outcomes = arena_zero(&shell->arena, count, sizeof *outcomes);
    response.outcomes = arena_zero(&shell->arena, count, sizeof(Ganger__V1__MoveOutcome *));
    response.n_outcomes = count;
    for (size_t i = 0; i < count; i++) {
        const struct submit_outcome *outcome = &answer->submit.outcomes[i];
        ganger__v1__move_outcome__init(&outcomes[i]);
        outcomes[i].task_id = outcome->task_id;
        if (outcome->refusal != NULL) {
            outcomes[i].status = (uint32_t)outcome->refusal->status;
            outcomes[i].reason = borrowed_text(outcome->refusal->reason);
            outcomes[i].message = borrowed_text(outcome->refusal->message);
        }
        response.outcomes[i] = &outcomes[i];
    }
    rpc_call_reply(closure_data, &response.base);
}

static void list_orphans(Ganger__V1__Admin_Service *service, const Ganger__V1__ListOrphansRequest *request,
                         Ganger__V1__ListOrphansResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    Ganger__V1__ListOrphansResponse response = GANGER__V1__LIST_ORPHANS_RESPONSE__INIT;
    struct command command = {.kind = COMMAND_LIST_ORPHANS,
                              .list_orphans = {.task_id = request->task_id,
                                               .page_size = request->page_size,
                                               .page_token = request->page_token}};
    const struct answer *answer = shell_ask_for(shell, &command, closure_data);

    (void)closure;
    if (answer == NULL)
        return;
    size_t count = answer->orphans.count;
    Ganger__V1__Orphan *orphans = arena_zero(&shell->arena, count, sizeof *orphans);
    response.orphans = arena_zero(&shell->arena, count, sizeof(Ganger__V1__Orphan *));
    response.n_orphans = count;
    for (size_t i = 0; i < count; i++) {
        const struct orphan_view *view = &answer->orphans.orphans[i];
        ganger__v1__orphan__init(&orphans[i]);
        orphans[i].task_id = view->task_id;
        orphans[i].fence = view->fence;
        orphans[i].how = (Ganger__V1__Exit)view->how;
        orphans[i].reported_ms = view->wall_ms;
        orphans[i].agent_id = borrowed_text(view->agent_id);
        orphans[i].outcome = message_of_outcome(&shell->arena, &view->outcome);
        response.orphans[i] = &orphans[i];
    }
    response.next_page_token = answer->orphans.next_page_token;
    rpc_call_reply(closure_data, &response.base);
}

static void adopt_orphan(Ganger__V1__Admin_Service *service, const Ganger__V1__AdoptOrphanRequest *request,
                         Ganger__V1__AdoptOrphanResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    Ganger__V1__AdoptOrphanResponse response = GANGER__V1__ADOPT_ORPHAN_RESPONSE__INIT;
    struct command command = {.kind = COMMAND_ADOPT, .adopt = {.task_id = request->task_id, .fence = request->fence}};
    const struct answer *answer = shell_ask_for(shell, &command, closure_data);

    (void)closure;
    if (answer == NULL)
        return;
    response.task = message_of_task(&shell->arena, answer->task);
    rpc_call_reply(closure_data, &response.base);
}

/* In the order of the .proto file. */
const struct rpc_method admin_methods[] = {
    {.name = "Status", .request_max = SMALL_REQUEST_MAX},
    {.name = "QueueStats", .request_max = SMALL_REQUEST_MAX},
    {.name = "ListAgents", .request_max = SMALL_REQUEST_MAX},
    {.name = "Backup", .streams = true, .request_max = SMALL_REQUEST_MAX},
    {.name = "Check", .streams = true, .request_max = SMALL_REQUEST_MAX},
    {.name = "RaiseEpoch", .request_max = SMALL_REQUEST_MAX},
    {.name = "PauseQueue", .request_max = SMALL_REQUEST_MAX},
    {.name = "ResumeQueue", .request_max = SMALL_REQUEST_MAX},
    {.name = "SetQueue", .request_max = SMALL_REQUEST_MAX},
    {.name = "DrainAgent", .request_max = SMALL_REQUEST_MAX},
    {.name = "KillAgent", .request_max = SMALL_REQUEST_MAX},
    {.name = "MoveTasks", .request_max = IDS_REQUEST_MAX},
    {.name = "ListOrphans", .request_max = SMALL_REQUEST_MAX},
    {.name = "AdoptOrphan", .request_max = SMALL_REQUEST_MAX},
    {.name = "SetLimit", .request_max = SMALL_REQUEST_MAX},
    {.name = "ListLimits", .request_max = SMALL_REQUEST_MAX},
    {.name = "SetBudget", .request_max = SMALL_REQUEST_MAX},
    {.name = "StartJob", .request_max = ORDER_REQUEST_MAX},
    {.name = "PreviewJob", .request_max = ORDER_REQUEST_MAX},
    {.name = "ListJobs", .request_max = SMALL_REQUEST_MAX},
    {.name = "CancelJob", .request_max = SMALL_REQUEST_MAX},
};

void admin_service_init(struct admin_service *service, struct shell *shell)
{
    static const Ganger__V1__Admin_Service handlers = GANGER__V1__ADMIN__INIT();
    *service = (struct admin_service){.base = handlers, .shell = shell};
}
