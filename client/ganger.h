/* libganger: the client of Ganger's daemons, in C.
 *
 * A struct ganger is one connection to one daemon (the broker or the context store), used by one thread at a time. It
 * connects in the background, sends open calls again after a lost connection, and takes care that what it sends twice
 * is done once: submits are numbered in a session of the connection.
 *
 * Requests and responses are the messages of proto/ganger/v1, compiled by protobuf-c; their comments in the .proto
 * files are the contract of each call. Link with `pkg-config --cflags --libs libganger`.
 *
 *     struct ganger_error error = {0};
 *     struct ganger *broker = NULL;
 *     if (ganger_open(NULL, GANGER_BROKER, &broker, &error) != GANGER_OK)
 *         errx(1, "%s", error.message);
 *
 *     Ganger__V1__TaskSpec task = GANGER__V1__TASK_SPEC__INIT;
 *     task.agent_type = "review";
 *     task.title = "review src/lease.c";
 *     Ganger__V1__TaskSpec *tasks[] = {&task};
 *     Ganger__V1__SubmitTasksRequest request = GANGER__V1__SUBMIT_TASKS_REQUEST__INIT;
 *     request.tasks = tasks;
 *     request.n_tasks = 1;
 *     Ganger__V1__SubmitTasksResponse *response = NULL;
 *     if (ganger_submit_tasks(broker, &request, 5000, &response, &error) != GANGER_OK)
 *         errx(1, "%s", error.message);
 *     printf("%" PRIu64 "\n", response->outcomes[0]->task_id);
 *     ganger_free(response);
 *     ganger_close(broker);
 */
#pragma once

#include <ganger/v1/admin.pb-c.h>
#include <ganger/v1/agents.pb-c.h>
#include <ganger/v1/context.pb-c.h>
#include <ganger/v1/locks.pb-c.h>
#include <ganger/v1/messages.pb-c.h>
#include <ganger/v1/tasks.pb-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* gRPC's numbers. */
enum ganger_status {
    GANGER_OK = 0,
    GANGER_CANCELED = 1,
    GANGER_UNKNOWN = 2,
    GANGER_INVALID_ARGUMENT = 3,
    GANGER_DEADLINE_EXCEEDED = 4, /* the outcome is not known: call again, repeats are safe */
    GANGER_NOT_FOUND = 5,
    GANGER_ALREADY_EXISTS = 6,
    GANGER_PERMISSION_DENIED = 7,
    GANGER_RESOURCE_EXHAUSTED = 8, /* at a limit: later, or never; the reason says which */
    GANGER_FAILED_PRECONDITION = 9,
    GANGER_ABORTED = 10, /* STALE_FENCE, VERSION_CONFLICT */
    GANGER_OUT_OF_RANGE = 11,
    GANGER_UNIMPLEMENTED = 12,
    GANGER_INTERNAL = 13,
    GANGER_UNAVAILABLE = 14, /* NO_DAEMON: nothing was sent */
    GANGER_DATA_LOSS = 15,
    GANGER_UNAUTHENTICATED = 16,
};

struct ganger_error {
    enum ganger_status status;
    char reason[48];   /* for programs: "STALE_FENCE" */
    char message[256]; /* for people: what is wrong and what to do */
};

struct ganger;
struct ganger_call;

enum ganger_daemon { GANGER_BROKER, GANGER_CONTEXT };

/* Opens a connection. endpoint is "ipc://PATH" or "tcp://HOST:PORT"; NULL takes $GANGER_BROKER or $GANGER_CONTEXT, or
 * else the daemon's socket below /run/ganger. Does not wait for the daemon. INVALID_ARGUMENT/BAD_ENDPOINT.
 * error may be NULL here and everywhere. */
enum ganger_status ganger_open(const char *endpoint, enum ganger_daemon daemon, struct ganger **ret_ganger,
                               struct ganger_error *error);
/* Open calls are dropped without a word. Accepts NULL. */
void ganger_close(struct ganger *ganger);
/* The endpoint that it was opened with, or that NULL stood for. Borrowed. */
const char *ganger_endpoint(const struct ganger *ganger);

/* Any unary call, waiting for its end: the service's descriptor (ganger__v1__tasks__descriptor), the method's name,
 * and its request. timeout_ms is for all tries together, 0 means 30,000. On GANGER_OK *ret_response is the caller's,
 * to be given to ganger_free; otherwise it is not touched. ret_response may be NULL. */
enum ganger_status ganger_call(struct ganger *ganger, const ProtobufCServiceDescriptor *service, const char *method,
                               const ProtobufCMessage *request, uint32_t timeout_ms, ProtobufCMessage **ret_response,
                               struct ganger_error *error);
/* The detail of the last refusal that ganger_call returned (VERSION_CONFLICT: a packed Entry), NULL when it had none.
 * Borrowed until the next call. */
const uint8_t *ganger_last_detail(const struct ganger *ganger, size_t *ret_size);
/* The revision of the daemon's store at which the last ganger_call was answered, well or with a refusal: what has a
 * smaller one came before. 0 when there was no answer, or one from in front of the store. */
uint64_t ganger_last_revision(const struct ganger *ganger);
/* Frees a response. Accepts NULL. */
void ganger_free(void *response);

/* The calls of the protocol, typed; each is ganger_call. Waiting ones (WaitTask, ClaimTasks, AcquireLock,
 * ReceiveMessages) need a
 * timeout that is longer than their wait_ms. ganger_submit_tasks numbers the submit in the connection's session when
 * the request names none, and so may be repeated by the library itself; call it again after DEADLINE_EXCEEDED only with
 * a session and sequence of your own. */
#define GANGER_DECLARE_CALL(name, Request, Response)                                                                   \
    enum ganger_status ganger_##name(struct ganger *ganger, const Ganger__V1__##Request *request, uint32_t timeout_ms, \
                                     Ganger__V1__##Response **ret_response, struct ganger_error *error);
GANGER_DECLARE_CALL(submit_tasks, SubmitTasksRequest, SubmitTasksResponse)
GANGER_DECLARE_CALL(get_task, GetTaskRequest, GetTaskResponse)
GANGER_DECLARE_CALL(wait_task, WaitTaskRequest, WaitTaskResponse)
GANGER_DECLARE_CALL(list_tasks, ListTasksRequest, ListTasksResponse)
GANGER_DECLARE_CALL(cancel_task, CancelTaskRequest, CancelTaskResponse)
GANGER_DECLARE_CALL(retry_task, RetryTaskRequest, RetryTaskResponse)
GANGER_DECLARE_CALL(ask_suspend, AskSuspendRequest, AskSuspendResponse)
GANGER_DECLARE_CALL(update_task, UpdateTaskRequest, UpdateTaskResponse)
GANGER_DECLARE_CALL(resume_task, ResumeTaskRequest, ResumeTaskResponse)
GANGER_DECLARE_CALL(why_waiting, WhyWaitingRequest, WhyWaitingResponse)
GANGER_DECLARE_CALL(get_history, GetHistoryRequest, GetHistoryResponse)
GANGER_DECLARE_CALL(register_agent, RegisterAgentRequest, RegisterAgentResponse)
GANGER_DECLARE_CALL(claim_tasks, ClaimTasksRequest, ClaimTasksResponse)
GANGER_DECLARE_CALL(start_task, StartTaskRequest, StartTaskResponse)
GANGER_DECLARE_CALL(heartbeat, HeartbeatRequest, HeartbeatResponse)
GANGER_DECLARE_CALL(complete_task, CompleteTaskRequest, CompleteTaskResponse)
GANGER_DECLARE_CALL(complete_tasks, CompleteTasksRequest, CompleteTasksResponse)
GANGER_DECLARE_CALL(fail_task, FailTaskRequest, FailTaskResponse)
GANGER_DECLARE_CALL(release_task, ReleaseTaskRequest, ReleaseTaskResponse)
GANGER_DECLARE_CALL(pause_limit, PauseLimitRequest, PauseLimitResponse)
GANGER_DECLARE_CALL(report_exit, ReportExitRequest, ReportExitResponse)
GANGER_DECLARE_CALL(finish_task, FinishTaskRequest, FinishTaskResponse)
GANGER_DECLARE_CALL(suspend_task, SuspendTaskRequest, SuspendTaskResponse)
GANGER_DECLARE_CALL(list_orphans, ListOrphansRequest, ListOrphansResponse)
GANGER_DECLARE_CALL(adopt_orphan, AdoptOrphanRequest, AdoptOrphanResponse)
GANGER_DECLARE_CALL(status, StatusRequest, StatusResponse)
GANGER_DECLARE_CALL(queue_stats, QueueStatsRequest, QueueStatsResponse)
GANGER_DECLARE_CALL(pause_queue, PauseQueueRequest, PauseQueueResponse)
GANGER_DECLARE_CALL(resume_queue, ResumeQueueRequest, ResumeQueueResponse)
GANGER_DECLARE_CALL(set_queue, SetQueueRequest, SetQueueResponse)
GANGER_DECLARE_CALL(drain_agent, DrainAgentRequest, DrainAgentResponse)
GANGER_DECLARE_CALL(set_limit, SetLimitRequest, SetLimitResponse)
GANGER_DECLARE_CALL(set_budget, SetBudgetRequest, SetBudgetResponse)
GANGER_DECLARE_CALL(list_limits, ListLimitsRequest, ListLimitsResponse)
GANGER_DECLARE_CALL(kill_agent, KillAgentRequest, KillAgentResponse)
GANGER_DECLARE_CALL(move_tasks, MoveTasksRequest, MoveTasksResponse)
GANGER_DECLARE_CALL(raise_epoch, RaiseEpochRequest, RaiseEpochResponse)
GANGER_DECLARE_CALL(list_agents, ListAgentsRequest, ListAgentsResponse)
GANGER_DECLARE_CALL(start_job, StartJobRequest, StartJobResponse)
GANGER_DECLARE_CALL(preview_job, PreviewJobRequest, PreviewJobResponse)
GANGER_DECLARE_CALL(list_jobs, ListJobsRequest, ListJobsResponse)
GANGER_DECLARE_CALL(cancel_job, CancelJobRequest, CancelJobResponse)
GANGER_DECLARE_CALL(put_entry, PutEntryRequest, PutEntryResponse)
GANGER_DECLARE_CALL(get_entry, GetEntryRequest, GetEntryResponse)
GANGER_DECLARE_CALL(list_entries, ListEntriesRequest, ListEntriesResponse)
GANGER_DECLARE_CALL(delete_entry, DeleteEntryRequest, DeleteEntryResponse)
GANGER_DECLARE_CALL(context_stats, ContextStatsRequest, ContextStatsResponse)
GANGER_DECLARE_CALL(append_stream, AppendStreamRequest, AppendStreamResponse)
GANGER_DECLARE_CALL(read_stream, ReadStreamRequest, ReadStreamResponse)
GANGER_DECLARE_CALL(seal_stream, SealStreamRequest, SealStreamResponse)
GANGER_DECLARE_CALL(list_streams, ListStreamsRequest, ListStreamsResponse)
GANGER_DECLARE_CALL(acquire_lock, AcquireLockRequest, AcquireLockResponse)
GANGER_DECLARE_CALL(renew_lock, RenewLockRequest, RenewLockResponse)
GANGER_DECLARE_CALL(release_lock, ReleaseLockRequest, ReleaseLockResponse)
GANGER_DECLARE_CALL(list_locks, ListLocksRequest, ListLocksResponse)
GANGER_DECLARE_CALL(lock_stats, LockStatsRequest, LockStatsResponse)
GANGER_DECLARE_CALL(send_message, SendMessageRequest, SendMessageResponse)
GANGER_DECLARE_CALL(receive_messages, ReceiveMessagesRequest, ReceiveMessagesResponse)
GANGER_DECLARE_CALL(ack_messages, AckMessagesRequest, AckMessagesResponse)
GANGER_DECLARE_CALL(list_mailboxes, ListMailboxesRequest, ListMailboxesResponse)

/* Without waiting: many calls open at once, in a loop of the caller's. */

struct ganger_reply {
    bool end;                         /* the last one of this call */
    const struct ganger_error *error; /* of an end; NULL when it is good. Borrowed until the handler returns */
    const ProtobufCMessage *response; /* NULL in a refusal and in the end of a stream. Borrowed likewise */
    const uint8_t *detail;            /* of a refusal. Borrowed likewise */
    size_t detail_size;
    uint64_t revision; /* of the daemon's store */
};
typedef void ganger_reply_fn(const struct ganger_reply *reply, void *data);

/* Starts a call; on_reply is called from ganger_process, once for a unary call, for each message and the end of a
 * stream. credit_bytes is 0 for unary calls; for streams how many bytes may be under way (262,144 is a good value).
 * timeout_ms 0 means 30,000, for streams none. A stream that is cut off by a lost connection ends with
 * UNAVAILABLE/CONNECTION_LOST: open it again from where it was. */
struct ganger_call *ganger_start(struct ganger *ganger, const ProtobufCServiceDescriptor *service, const char *method,
                                 const ProtobufCMessage *request, uint32_t timeout_ms, uint32_t credit_bytes,
                                 ganger_reply_fn *on_reply, void *data);
/* on_reply of this call will not be called any more. */
void ganger_cancel(struct ganger *ganger, struct ganger_call *call);

/* Sends what waits, calls the handlers of what has come and of deadlines that have passed. */
void ganger_process(struct ganger *ganger);
/* Sleeps until ganger_process has something to do, at most timeout_ms. */
void ganger_wait(struct ganger *ganger, uint32_t timeout_ms);
/* For a loop of the caller's own: becomes readable when something arrives. It is edge-triggered: before every sleep,
 * call ganger_process until ganger_waiting says false, and sleep at most ganger_next_ms. */
int ganger_fd(const struct ganger *ganger);
bool ganger_waiting(struct ganger *ganger);
/* Milliseconds until ganger_process must be called even if nothing arrives; UINT32_MAX = never. */
uint32_t ganger_next_ms(const struct ganger *ganger);
bool ganger_connected(const struct ganger *ganger);

/* Ids as people see them. text has room for 20 bytes; returns text. */
const char *ganger_id_format(uint64_t id, char text[20]);
/* What people type: a whole id (first = last) or the beginning of one. INVALID_ARGUMENT/BAD_ID. */
enum ganger_status ganger_id_parse(const char *text, uint64_t *ret_first, uint64_t *ret_last,
                                   struct ganger_error *error);

/* "0.1.0" */
const char *ganger_version(void);
/* "ABORTED" */
const char *ganger_status_name(enum ganger_status status);

#ifdef __cplusplus
}
#endif
