/* The service Tasks: what submitters do. */
#include "broker/convert.h"
#include "broker/shell.h"

#include "common/base/check.h"
#include "common/rpc/envelope.h"

#define WAIT_MAX_MS 20000
#define SMALL_REQUEST_MAX 4096
#define UPDATE_REQUEST_MAX ((uint32_t)128 * 1024) /* past the largest payload, so that the core can name the field */
#define LIST_REQUEST_MAX ((uint32_t)16 * 1024)

static struct shell *shell_of(Ganger__V1__Tasks_Service *service)
{
    return shell_enter(((struct tasks_service *)service)->shell);
}

static Ganger__V1__SubmitOutcome **messages_of_outcomes(struct arena *arena, const struct answer *answer)
{
    size_t count = answer->submit.count;
    Ganger__V1__SubmitOutcome **pointers = arena_zero(arena, count, sizeof(Ganger__V1__SubmitOutcome *));
    Ganger__V1__SubmitOutcome *messages = arena_zero(arena, count, sizeof *messages);

    for (size_t i = 0; i < count; i++) {
        const struct submit_outcome *outcome = &answer->submit.outcomes[i];
        ganger__v1__submit_outcome__init(&messages[i]);
        messages[i].task_id = outcome->task_id;
        messages[i].existing = outcome->existing;
        if (outcome->refusal != NULL) {
            messages[i].status = (uint32_t)outcome->refusal->status;
            messages[i].reason = borrowed_text(outcome->refusal->reason);
            messages[i].message = borrowed_text(outcome->refusal->message);
            messages[i].retry_after_ms = outcome->retry_after_ms;
        }
        pointers[i] = &messages[i];
    }
    return pointers;
}

static void submit_tasks(Ganger__V1__Tasks_Service *service, const Ganger__V1__SubmitTasksRequest *request,
                         Ganger__V1__SubmitTasksResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    Ganger__V1__SubmitTasksResponse response = GANGER__V1__SUBMIT_TASKS_RESPONSE__INIT;
    struct command command = {
        .kind = COMMAND_SUBMIT,
        .submit = {.specs = specs_of_messages(&shell->arena, request->tasks, request->n_tasks),
                   .spec_count = request->n_tasks,
                   .atomic = request->atomic,
                   .session = bytes_of_message(request->session),
                   .sequence = request->sequence,
                   .acked_below = request->acked_below,
                   .store_is_nearly_full = shell->store_is_nearly_full},
    };
    const struct answer *answer = shell_ask_for(shell, &command, closure_data);

    (void)closure;
    if (answer == NULL)
        return;
    response.outcomes = messages_of_outcomes(&shell->arena, answer);
    response.n_outcomes = answer->submit.count;
    rpc_call_reply(closure_data, &response.base);
}

static void get_task(Ganger__V1__Tasks_Service *service, const Ganger__V1__GetTaskRequest *request,
                     Ganger__V1__GetTaskResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    Ganger__V1__GetTaskResponse response = GANGER__V1__GET_TASK_RESPONSE__INIT;
    struct command command = {.kind = COMMAND_GET,
                              .get = {.task_id = request->task_id, .with_payload = request->with_payload}};
    const struct answer *answer = shell_ask_for(shell, &command, closure_data);

    (void)closure;
    if (answer == NULL)
        return;
    response.task = message_of_task(&shell->arena, answer->task);
    rpc_call_reply(closure_data, &response.base);
}

static void wait_task(Ganger__V1__Tasks_Service *service, const Ganger__V1__WaitTaskRequest *request,
                      Ganger__V1__WaitTaskResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    Ganger__V1__WaitTaskResponse response = GANGER__V1__WAIT_TASK_RESPONSE__INIT;
    struct command command = {.kind = COMMAND_GET, .get = {.task_id = request->task_id}};
    struct error error = {0};

    (void)closure;
    if (request->wait_ms > WAIT_MAX_MS) {
        (void)error_set(&error, STATUS_INVALID_ARGUMENT, "BAD_FIELD", "wait_ms: at most %d are allowed", WAIT_MAX_MS);
        rpc_call_refuse(closure_data, &error);
        return;
    }
    const struct answer *answer = shell_ask_for(shell, &command, closure_data);
    if (answer == NULL)
        return;
    if (request->wait_ms == 0 || task_has_ended(answer->task->state)) {
        response.task = message_of_task(&shell->arena, answer->task);
        rpc_call_reply(closure_data, &response.base);
        return;
    }
    if (watch_add_wait(shell, closure_data, request->task_id, shell_time_after(shell, request->wait_ms), &error) !=
        STATUS_OK)
        rpc_call_refuse(closure_data, &error);
}

static void watch_tasks(Ganger__V1__Tasks_Service *service, const Ganger__V1__WatchTasksRequest *request,
                        Ganger__V1__WatchTasksUpdate_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    struct error error = {0};
    enum status status = STATUS_OK;

    (void)closure;
    if (request->n_task_ids == 0 || request->n_task_ids > WATCH_TASKS_MAX)
        status =
            error_set(&error, STATUS_INVALID_ARGUMENT, "BAD_FIELD", "task_ids: 1 to %d are allowed", WATCH_TASKS_MAX);
    if (status == STATUS_OK)
        status = watch_add_stream(shell, closure_data, request->task_ids, request->n_task_ids, &error);
    if (status != STATUS_OK)
        rpc_call_refuse(closure_data, &error);
}

static void list_tasks(Ganger__V1__Tasks_Service *service, const Ganger__V1__ListTasksRequest *request,
                       Ganger__V1__ListTasksResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    Ganger__V1__ListTasksResponse response = GANGER__V1__LIST_TASKS_RESPONSE__INIT;
    struct command command = {
        .kind = COMMAND_LIST,
        .list = {.filter = {.namespace = request->namespace_,
                            .queue = request->queue,
                            .agent_type = request->agent_type,
                            .states = bits_of_states(request->states, request->n_states),
                            .labels = labels_of_messages(&shell->arena, request->labels, request->n_labels),
                            .label_count = request->n_labels,
                            .min_task_id = request->min_task_id,
                            .max_task_id = request->max_task_id,
                            .parent_id = request->parent_id,
                            .ended_before_ms = request->ended_before_ms},
                 .newest_first = request->newest_first,
                 .page_size = request->page_size,
                 .page_token = request->page_token},
    };
    const struct answer *answer = shell_ask_for(shell, &command, closure_data);

    (void)closure;
    if (answer == NULL)
        return;
    response.n_tasks = answer->list.count;
    response.tasks = arena_zero(&shell->arena, answer->list.count, sizeof(Ganger__V1__Task *));
    for (size_t i = 0; i < answer->list.count; i++)
        response.tasks[i] = message_of_task(&shell->arena, answer->list.tasks[i]);
    response.next_page_token = answer->list.next_page_token;
    rpc_call_reply(closure_data, &response.base);
}

static void cancel_task(Ganger__V1__Tasks_Service *service, const Ganger__V1__CancelTaskRequest *request,
                        Ganger__V1__CancelTaskResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    Ganger__V1__CancelTaskResponse response = GANGER__V1__CANCEL_TASK_RESPONSE__INIT;
    struct command command = {
        .kind = COMMAND_CANCEL,
        .cancel = {.task_id = request->task_id, .reason = request->reason, .cascade = request->cascade}};
    const struct answer *answer = shell_ask_for(shell, &command, closure_data);

    (void)closure;
    if (answer == NULL)
        return;
    response.task = message_of_task(&shell->arena, answer->task);
    response.job_id = answer->job_id;
    rpc_call_reply(closure_data, &response.base);
}

static void retry_task(Ganger__V1__Tasks_Service *service, const Ganger__V1__RetryTaskRequest *request,
                       Ganger__V1__RetryTaskResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    Ganger__V1__RetryTaskResponse response = GANGER__V1__RETRY_TASK_RESPONSE__INIT;
    struct command command = {.kind = COMMAND_RETRY, .retry = {.task_id = request->task_id, .force = request->force}};
    const struct answer *answer = shell_ask_for(shell, &command, closure_data);

    (void)closure;
    if (answer == NULL)
        return;
    response.task = message_of_task(&shell->arena, answer->task);
    rpc_call_reply(closure_data, &response.base);
}

static void ask_suspend(Ganger__V1__Tasks_Service *service, const Ganger__V1__AskSuspendRequest *request,
                        Ganger__V1__AskSuspendResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    Ganger__V1__AskSuspendResponse response = GANGER__V1__ASK_SUSPEND_RESPONSE__INIT;
    struct command command = {.kind = COMMAND_ASK_SUSPEND,
                              .ask_suspend = {.task_id = request->task_id, .reason = request->reason}};
    const struct answer *answer = shell_ask_for(shell, &command, closure_data);

    (void)closure;
    if (answer == NULL)
        return;
    response.task = message_of_task(&shell->arena, answer->task);
    rpc_call_reply(closure_data, &response.base);
}

static void update_task(Ganger__V1__Tasks_Service *service, const Ganger__V1__UpdateTaskRequest *request,
                        Ganger__V1__UpdateTaskResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    Ganger__V1__UpdateTaskResponse response = GANGER__V1__UPDATE_TASK_RESPONSE__INIT;
    Ganger__V1__TaskSpec nothing = GANGER__V1__TASK_SPEC__INIT;
    Ganger__V1__TaskSpec *spec = request->spec != NULL ? request->spec : &nothing;
    struct command command = {
        .kind = COMMAND_UPDATE,
        .update = {.task_id = request->task_id,
                   .expected_revision = request->expected_revision,
                   .fields = (const char *const *)request->fields,
                   .field_count = request->n_fields,
                   .spec = *specs_of_messages(&shell->arena, &spec, 1)},
    };
    const struct answer *answer = shell_ask_for(shell, &command, closure_data);

    (void)closure;
    if (answer == NULL)
        return;
    response.task = message_of_task(&shell->arena, answer->task);
    rpc_call_reply(closure_data, &response.base);
}

static void resume_task(Ganger__V1__Tasks_Service *service, const Ganger__V1__ResumeTaskRequest *request,
                        Ganger__V1__ResumeTaskResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    Ganger__V1__ResumeTaskResponse response = GANGER__V1__RESUME_TASK_RESPONSE__INIT;
    struct command command = {
        .kind = COMMAND_RESUME,
        .resume = {.task_id = request->task_id, .answer = bytes_of_message(request->answer)},
    };
    const struct answer *answer = shell_ask_for(shell, &command, closure_data);

    (void)closure;
    if (answer == NULL)
        return;
    response.task = message_of_task(&shell->arena, answer->task);
    rpc_call_reply(closure_data, &response.base);
}

static void why_waiting(Ganger__V1__Tasks_Service *service, const Ganger__V1__WhyWaitingRequest *request,
                        Ganger__V1__WhyWaitingResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    Ganger__V1__WhyWaitingResponse response = GANGER__V1__WHY_WAITING_RESPONSE__INIT;
    struct command command = {.kind = COMMAND_WHY, .why = {.task_id = request->task_id}};
    const struct answer *answer = shell_ask_for(shell, &command, closure_data);

    (void)closure;
    if (answer == NULL)
        return;
    response.state = (Ganger__V1__TaskState)answer->why.state;
    response.submitted_ms = answer->why.submitted_ms;
    response.n_reasons = answer->why.count;
    response.reasons = messages_of_reasons(&shell->arena, answer->why.reasons, answer->why.count);
    rpc_call_reply(closure_data, &response.base);
}

static void get_history(Ganger__V1__Tasks_Service *service, const Ganger__V1__GetHistoryRequest *request,
                        Ganger__V1__GetHistoryResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    Ganger__V1__GetHistoryResponse response = GANGER__V1__GET_HISTORY_RESPONSE__INIT;
    struct command command = {
        .kind = COMMAND_HISTORY,
        .history = {.task_id = request->task_id, .page_size = request->page_size, .page_token = request->page_token}};
    const struct answer *answer = shell_ask_for(shell, &command, closure_data);

    (void)closure;
    if (answer == NULL)
        return;
    response.n_events = answer->history.count;
    response.events = messages_of_events(&shell->arena, answer->history.events, answer->history.count);
    response.next_page_token = answer->history.next_page_token;
    response.trimmed = answer->history.is_trimmed;
    rpc_call_reply(closure_data, &response.base);
}

static void watch_events(Ganger__V1__Tasks_Service *service, const Ganger__V1__WatchEventsRequest *request,
                         Ganger__V1__WatchEventsUpdate_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    struct error error = {0};

    (void)closure;
    if (event_watch_add(shell, closure_data, request, &error) != STATUS_OK)
        rpc_call_refuse(closure_data, &error);
}

/* In the order of the .proto file. */
const struct rpc_method tasks_methods[] = {
    {.name = "SubmitTasks", .request_max = BODY_MAX},
    {.name = "GetTask", .request_max = SMALL_REQUEST_MAX},
    {.name = "WaitTask", .request_max = SMALL_REQUEST_MAX},
    {.name = "WatchTasks", .streams = true, .request_max = LIST_REQUEST_MAX},
    {.name = "ListTasks", .request_max = LIST_REQUEST_MAX},
    {.name = "CancelTask", .request_max = SMALL_REQUEST_MAX},
    {.name = "RetryTask", .request_max = SMALL_REQUEST_MAX},
    {.name = "AskSuspend", .request_max = SMALL_REQUEST_MAX},
    {.name = "UpdateTask", .request_max = UPDATE_REQUEST_MAX},
    {.name = "ResumeTask", .request_max = 2 * SMALL_REQUEST_MAX},
    {.name = "WhyWaiting", .request_max = SMALL_REQUEST_MAX},
    {.name = "GetHistory", .request_max = SMALL_REQUEST_MAX},
    {.name = "WatchEvents", .streams = true, .request_max = SMALL_REQUEST_MAX},
};

void tasks_service_init(struct tasks_service *service, struct shell *shell)
{
    static const Ganger__V1__Tasks_Service handlers = GANGER__V1__TASKS__INIT();
    *service = (struct tasks_service){.base = handlers, .shell = shell};
}
