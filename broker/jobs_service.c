#include "broker/jobs_service.h"

#include "broker/convert.h"
#include "broker/core/job.h"
#include "broker/shell.h"

static struct shell *shell_of(Ganger__V1__Admin_Service *service)
{
    return shell_enter(((struct admin_service *)service)->shell);
}

static struct task_filter filter_of_message(struct arena *arena, const Ganger__V1__TaskFilter *message)
{
    if (message == NULL)
        return (struct task_filter){.namespace = "", .queue = "", .agent_type = ""};
    return (struct task_filter){
        .namespace = message->namespace_,
        .queue = message->queue,
        .agent_type = message->agent_type,
        .states = bits_of_states(message->states, message->n_states),
        .labels = labels_of_messages(arena, message->labels, message->n_labels),
        .label_count = message->n_labels,
        .min_task_id = message->min_task_id,
        .max_task_id = message->max_task_id,
        .parent_id = message->parent_id,
        .ended_before_ms = message->ended_before_ms,
    };
}

static struct job_order order_of_message(struct arena *arena, const Ganger__V1__JobOrder *message)
{
    if (message == NULL)
        return (struct job_order){.filter = filter_of_message(arena, NULL), .reason = ""};
    return (struct job_order){
        .kind = (enum job_kind)message->kind,
        .filter = filter_of_message(arena, message->filter),
        .reason = message->reason,
        .force = message->force,
    };
}

static Ganger__V1__TaskFilter *message_of_filter(struct arena *arena, const struct task_filter *filter)
{
    Ganger__V1__TaskFilter *message = arena_zero(arena, 1, sizeof *message);

    ganger__v1__task_filter__init(message);
    message->namespace_ = borrowed_text(filter->namespace);
    message->queue = borrowed_text(filter->queue);
    message->agent_type = borrowed_text(filter->agent_type);
    message->states = arena_zero(arena, TASK_STATES, sizeof message->states[0]);
    for (int state = 0; state < TASK_STATES; state++)
        if ((filter->states >> state & 1U) != 0)
            message->states[message->n_states++] = (Ganger__V1__TaskState)state;
    message->labels = messages_of_labels(arena, filter->labels, filter->label_count);
    message->n_labels = filter->label_count;
    message->min_task_id = filter->min_task_id;
    message->max_task_id = filter->max_task_id;
    message->parent_id = filter->parent_id;
    message->ended_before_ms = filter->ended_before_ms;
    return message;
}

static Ganger__V1__Job *message_of_job(struct arena *arena, const struct job *job)
{
    Ganger__V1__Job *message = arena_zero(arena, 1, sizeof *message);

    ganger__v1__job__init(message);
    message->order = arena_zero(arena, 1, sizeof *message->order);
    ganger__v1__job_order__init(message->order);
    message->order->kind = (Ganger__V1__JobKind)job->order.kind;
    message->order->filter = message_of_filter(arena, &job->order.filter);
    message->order->reason = borrowed_text(job->order.reason);
    message->order->force = job->order.force;
    message->job_id = job->id;
    message->state = (Ganger__V1__JobState)job->state;
    message->root_id = job->order.root_id;
    message->looked_at = job->looked_at;
    message->matched = job->matched;
    message->done = job->done;
    message->who = borrowed_text(job->who);
    message->began_ms = job->began_ms;
    message->ended_ms = job->ended_ms;
    return message;
}

void start_job(Ganger__V1__Admin_Service *service, const Ganger__V1__StartJobRequest *request,
               Ganger__V1__StartJobResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    Ganger__V1__StartJobResponse response = GANGER__V1__START_JOB_RESPONSE__INIT;
    struct command command = {.kind = COMMAND_START_JOB,
                              .start_job.order = order_of_message(&shell->arena, request->order)};
    const struct answer *answer = shell_ask_for(shell, &command, closure_data);

    (void)closure;
    if (answer == NULL)
        return;
    response.job = message_of_job(&shell->arena, answer->job);
    rpc_call_reply(closure_data, &response.base);
}

void preview_job(Ganger__V1__Admin_Service *service, const Ganger__V1__PreviewJobRequest *request,
                 Ganger__V1__PreviewJobResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    Ganger__V1__PreviewJobResponse response = GANGER__V1__PREVIEW_JOB_RESPONSE__INIT;
    struct command command = {
        .kind = COMMAND_PREVIEW_JOB,
        .preview_job = {.order = order_of_message(&shell->arena, request->order), .page_token = request->page_token}};
    const struct answer *answer = shell_ask_for(shell, &command, closure_data);

    (void)closure;
    if (answer == NULL)
        return;
    const struct preview *preview = &answer->preview;
    response.matched = preview->matched;
    response.looked_at = preview->looked_at;
    response.next_page_token = preview->next_page_token;
    response.n_sample = preview->sample_count;
    response.sample = arena_zero(&shell->arena, preview->sample_count, sizeof(Ganger__V1__Task *));
    for (size_t i = 0; i < preview->sample_count; i++)
        response.sample[i] = message_of_task(&shell->arena, preview->sample[i]);
    rpc_call_reply(closure_data, &response.base);
}

void list_jobs(Ganger__V1__Admin_Service *service, const Ganger__V1__ListJobsRequest *request,
               Ganger__V1__ListJobsResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    Ganger__V1__ListJobsResponse response = GANGER__V1__LIST_JOBS_RESPONSE__INIT;
    struct command command = {.kind = COMMAND_LIST_JOBS, .list_jobs.job_id = request->job_id};
    const struct answer *answer = shell_ask_for(shell, &command, closure_data);

    (void)closure;
    if (answer == NULL)
        return;
    response.n_jobs = answer->jobs.count;
    response.jobs = arena_zero(&shell->arena, answer->jobs.count, sizeof(Ganger__V1__Job *));
    for (size_t i = 0; i < answer->jobs.count; i++)
        response.jobs[i] = message_of_job(&shell->arena, answer->jobs.jobs[i]);
    rpc_call_reply(closure_data, &response.base);
}

void cancel_job(Ganger__V1__Admin_Service *service, const Ganger__V1__CancelJobRequest *request,
                Ganger__V1__CancelJobResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    Ganger__V1__CancelJobResponse response = GANGER__V1__CANCEL_JOB_RESPONSE__INIT;
    struct command command = {.kind = COMMAND_CANCEL_JOB, .cancel_job.job_id = request->job_id};
    const struct answer *answer = shell_ask_for(shell, &command, closure_data);

    (void)closure;
    if (answer == NULL)
        return;
    response.job = message_of_job(&shell->arena, answer->job);
    rpc_call_reply(closure_data, &response.base);
}
