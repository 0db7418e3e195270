#include "client/client_internal.h"

#include "common/base/check.h"
#include "common/base/clock.h"

#include <string.h>
#include <sys/random.h>

#define DEFINE_CALL(name, service, method, Request, Response)                                                          \
    enum ganger_status ganger_##name(struct ganger *ganger, const Ganger__V1__##Request *request, uint32_t timeout_ms, \
                                     Ganger__V1__##Response **ret_response, struct ganger_error *error)                \
    {                                                                                                                  \
        ProtobufCMessage *response = NULL;                                                                             \
        enum ganger_status status = ganger_call(ganger, &ganger__v1__##service##__descriptor, method, &request->base,  \
                                                timeout_ms, ret_response != NULL ? &response : NULL, error);           \
        if (status == GANGER_OK && ret_response != NULL)                                                               \
            *ret_response = (Ganger__V1__##Response *)response;                                                        \
        return status;                                                                                                 \
    }

DEFINE_CALL(get_task, tasks, "GetTask", GetTaskRequest, GetTaskResponse)
DEFINE_CALL(wait_task, tasks, "WaitTask", WaitTaskRequest, WaitTaskResponse)
DEFINE_CALL(list_tasks, tasks, "ListTasks", ListTasksRequest, ListTasksResponse)
DEFINE_CALL(cancel_task, tasks, "CancelTask", CancelTaskRequest, CancelTaskResponse)
DEFINE_CALL(retry_task, tasks, "RetryTask", RetryTaskRequest, RetryTaskResponse)
DEFINE_CALL(ask_suspend, tasks, "AskSuspend", AskSuspendRequest, AskSuspendResponse)
DEFINE_CALL(update_task, tasks, "UpdateTask", UpdateTaskRequest, UpdateTaskResponse)
DEFINE_CALL(resume_task, tasks, "ResumeTask", ResumeTaskRequest, ResumeTaskResponse)
DEFINE_CALL(why_waiting, tasks, "WhyWaiting", WhyWaitingRequest, WhyWaitingResponse)
DEFINE_CALL(get_history, tasks, "GetHistory", GetHistoryRequest, GetHistoryResponse)
DEFINE_CALL(register_agent, agents, "RegisterAgent", RegisterAgentRequest, RegisterAgentResponse)
DEFINE_CALL(claim_tasks, agents, "ClaimTasks", ClaimTasksRequest, ClaimTasksResponse)
DEFINE_CALL(start_task, agents, "StartTask", StartTaskRequest, StartTaskResponse)
DEFINE_CALL(heartbeat, agents, "Heartbeat", HeartbeatRequest, HeartbeatResponse)
DEFINE_CALL(complete_task, agents, "CompleteTask", CompleteTaskRequest, CompleteTaskResponse)
DEFINE_CALL(complete_tasks, agents, "CompleteTasks", CompleteTasksRequest, CompleteTasksResponse)
DEFINE_CALL(fail_task, agents, "FailTask", FailTaskRequest, FailTaskResponse)
DEFINE_CALL(release_task, agents, "ReleaseTask", ReleaseTaskRequest, ReleaseTaskResponse)
DEFINE_CALL(pause_limit, agents, "PauseLimit", PauseLimitRequest, PauseLimitResponse)
DEFINE_CALL(report_exit, agents, "ReportExit", ReportExitRequest, ReportExitResponse)
DEFINE_CALL(finish_task, agents, "FinishTask", FinishTaskRequest, FinishTaskResponse)
DEFINE_CALL(suspend_task, agents, "SuspendTask", SuspendTaskRequest, SuspendTaskResponse)
DEFINE_CALL(list_orphans, admin, "ListOrphans", ListOrphansRequest, ListOrphansResponse)
DEFINE_CALL(adopt_orphan, admin, "AdoptOrphan", AdoptOrphanRequest, AdoptOrphanResponse)
DEFINE_CALL(status, admin, "Status", StatusRequest, StatusResponse)
DEFINE_CALL(queue_stats, admin, "QueueStats", QueueStatsRequest, QueueStatsResponse)
DEFINE_CALL(pause_queue, admin, "PauseQueue", PauseQueueRequest, PauseQueueResponse)
DEFINE_CALL(resume_queue, admin, "ResumeQueue", ResumeQueueRequest, ResumeQueueResponse)
DEFINE_CALL(set_queue, admin, "SetQueue", SetQueueRequest, SetQueueResponse)
DEFINE_CALL(drain_agent, admin, "DrainAgent", DrainAgentRequest, DrainAgentResponse)
DEFINE_CALL(set_limit, admin, "SetLimit", SetLimitRequest, SetLimitResponse)
DEFINE_CALL(set_budget, admin, "SetBudget", SetBudgetRequest, SetBudgetResponse)
DEFINE_CALL(list_limits, admin, "ListLimits", ListLimitsRequest, ListLimitsResponse)
DEFINE_CALL(kill_agent, admin, "KillAgent", KillAgentRequest, KillAgentResponse)
DEFINE_CALL(move_tasks, admin, "MoveTasks", MoveTasksRequest, MoveTasksResponse)
DEFINE_CALL(raise_epoch, admin, "RaiseEpoch", RaiseEpochRequest, RaiseEpochResponse)
DEFINE_CALL(list_agents, admin, "ListAgents", ListAgentsRequest, ListAgentsResponse)
DEFINE_CALL(start_job, admin, "StartJob", StartJobRequest, StartJobResponse)
DEFINE_CALL(preview_job, admin, "PreviewJob", PreviewJobRequest, PreviewJobResponse)
DEFINE_CALL(list_jobs, admin, "ListJobs", ListJobsRequest, ListJobsResponse)
DEFINE_CALL(cancel_job, admin, "CancelJob", CancelJobRequest, CancelJobResponse)
DEFINE_CALL(put_entry, context, "PutEntry", PutEntryRequest, PutEntryResponse)
DEFINE_CALL(get_entry, context, "GetEntry", GetEntryRequest, GetEntryResponse)
DEFINE_CALL(list_entries, context, "ListEntries", ListEntriesRequest, ListEntriesResponse)
DEFINE_CALL(delete_entry, context, "DeleteEntry", DeleteEntryRequest, DeleteEntryResponse)
DEFINE_CALL(context_stats, context, "ContextStats", ContextStatsRequest, ContextStatsResponse)
DEFINE_CALL(append_stream, streams, "AppendStream", AppendStreamRequest, AppendStreamResponse)
DEFINE_CALL(read_stream, streams, "ReadStream", ReadStreamRequest, ReadStreamResponse)
DEFINE_CALL(seal_stream, streams, "SealStream", SealStreamRequest, SealStreamResponse)
DEFINE_CALL(list_streams, streams, "ListStreams", ListStreamsRequest, ListStreamsResponse)
DEFINE_CALL(acquire_lock, locks, "AcquireLock", AcquireLockRequest, AcquireLockResponse)
DEFINE_CALL(renew_lock, locks, "RenewLock", RenewLockRequest, RenewLockResponse)
DEFINE_CALL(release_lock, locks, "ReleaseLock", ReleaseLockRequest, ReleaseLockResponse)
DEFINE_CALL(list_locks, locks, "ListLocks", ListLocksRequest, ListLocksResponse)
DEFINE_CALL(lock_stats, locks, "LockStats", LockStatsRequest, LockStatsResponse)
DEFINE_CALL(send_message, messages, "SendMessage", SendMessageRequest, SendMessageResponse)
DEFINE_CALL(receive_messages, messages, "ReceiveMessages", ReceiveMessagesRequest, ReceiveMessagesResponse)
DEFINE_CALL(ack_messages, messages, "AckMessages", AckMessagesRequest, AckMessagesResponse)
DEFINE_CALL(list_mailboxes, messages, "ListMailboxes", ListMailboxesRequest, ListMailboxesResponse)

static DEFINE_CALL(submit_numbered, tasks, "SubmitTasks", SubmitTasksRequest, SubmitTasksResponse)

    /* 48 bits of time and 80 of chance: sessions that begin together lie together in the broker's store. */
    static void session_begin(struct ganger *ganger)
{
    uint8_t time[8];

    store_u64(time, clock_wall_ms());
    memcpy(ganger->session, time + 2, 6);
    CHECK(getrandom(ganger->session + 6, SESSION_SIZE - 6, 0) == SESSION_SIZE - 6);
}

static enum ganger_status submit_in_session(struct ganger *ganger, const Ganger__V1__SubmitTasksRequest *request,
                                            uint32_t timeout_ms, Ganger__V1__SubmitTasksResponse **ret_response,
                                            struct ganger_error *error)
{
    Ganger__V1__SubmitTasksRequest numbered = *request;

    if (ganger->sequence == 0)
        session_begin(ganger);
    numbered.session = (ProtobufCBinaryData){.data = ganger->session, .len = SESSION_SIZE};
    numbered.sequence = ++ganger->sequence;
    numbered.acked_below = numbered.sequence;
    return ganger_submit_numbered(ganger, &numbered, timeout_ms, ret_response, error);
}

/* A submit without a number of its own gets one, so that it is done once however often a lost connection makes the
 * library send it. All earlier ones have ended here: nobody asks for their answers any more. */
enum ganger_status ganger_submit_tasks(struct ganger *ganger, const Ganger__V1__SubmitTasksRequest *request,
                                       uint32_t timeout_ms, Ganger__V1__SubmitTasksResponse **ret_response,
                                       struct ganger_error *error)
{
    struct ganger_error refusal = {0};

    if (request->session.len > 0)
        return ganger_submit_numbered(ganger, request, timeout_ms, ret_response, error);
    enum ganger_status status = submit_in_session(ganger, request, timeout_ms, ret_response, &refusal);
    /* Idle for a day, or nothing was taken in it yet: the broker has not taken this submit either. */
    if (status == GANGER_FAILED_PRECONDITION && strcmp(refusal.reason, "SESSION_EXPIRED") == 0) {
        ganger->sequence = 0;
        status = submit_in_session(ganger, request, timeout_ms, ret_response, &refusal);
    }
    if (status != GANGER_OK && error != NULL)
        *error = refusal;
    return status;
}
