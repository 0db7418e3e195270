#include "tests/broker/daemon_fixture.h"

#include "common/base/clock.h"
#include "common/rpc/envelope.h"
#include "tests/support/process.h"

#include <ganger/v1/envelope.pb-c.h>
#include <poll.h>
#include <stdio.h>
#include <sys/wait.h>
#include <zmq.h>

static pid_t start(const struct daemon_fixture *fixture, const char *endpoint)
{
    char listen[256];
    char store[192];
    char log[192];
    const char *arguments[] = {BROKER_PROGRAM,   "--set", listen,
                               "--set",          store,   fixture->setting != NULL ? "--set" : NULL,
                               fixture->setting, NULL};

    (void)snprintf(listen, sizeof listen, "broker.listen=%s", endpoint);
    (void)snprintf(store, sizeof store, "broker.store=%s/store", fixture->directory);
    (void)snprintf(log, sizeof log, "%s/log", fixture->directory);
    return process_start(arguments, log);
}

void daemon_fixture_start(struct daemon_fixture *fixture)
{
    fixture->pid = start(fixture, fixture->endpoint);
    cr_assert_gt(fixture->pid, 0);
}

void daemon_fixture_init(struct daemon_fixture *fixture, const char *setting)
{
    *fixture = (struct daemon_fixture){.pid = -1, .setting = setting};
    cr_assert(scratch_make(NULL, fixture->directory, sizeof fixture->directory));
    (void)snprintf(fixture->endpoint, sizeof fixture->endpoint, "ipc://%s/socket", fixture->directory);
    daemon_fixture_start(fixture);
}

void daemon_fixture_kill(struct daemon_fixture *fixture)
{
    process_kill(fixture->pid);
    fixture->pid = -1;
}

int daemon_fixture_stop(struct daemon_fixture *fixture)
{
    int status = process_stop(fixture->pid, TIMEOUT_MS);

    fixture->pid = -1;
    return status;
}

int daemon_fixture_start_second(const struct daemon_fixture *fixture)
{
    char endpoint[224];
    uint64_t deadline_ms = clock_boot_ms() + TIMEOUT_MS;
    int status = 0;

    (void)snprintf(endpoint, sizeof endpoint, "%s2", fixture->endpoint);
    pid_t pid = start(fixture, endpoint);
    while ((status = process_poll(pid)) < 0) {
        cr_assert_lt(clock_boot_ms(), deadline_ms, "the second broker goes on");
        (void)poll(NULL, 0, 5);
    }
    return WEXITSTATUS(status);
}

void daemon_fixture_done(struct daemon_fixture *fixture)
{
    if (fixture->pid > 0)
        process_kill(fixture->pid);
    scratch_remove(fixture->directory);
}

struct ganger *open_client(const struct daemon_fixture *fixture)
{
    struct ganger *ganger = NULL;
    struct ganger_error error = {0};

    assert_good(ganger_open(fixture->endpoint, GANGER_BROKER, &ganger, &error), error);
    return ganger;
}

static char type[] = "t";

uint64_t submit_many(struct ganger *ganger, size_t count)
{
    static Ganger__V1__TaskSpec spec = GANGER__V1__TASK_SPEC__INIT;
    static Ganger__V1__TaskSpec *tasks[1000];
    Ganger__V1__SubmitTasksRequest request = GANGER__V1__SUBMIT_TASKS_REQUEST__INIT;
    Ganger__V1__SubmitTasksResponse *response = NULL;
    struct ganger_error error = {0};

    spec.agent_type = type;
    for (size_t i = 0; i < count; i++)
        tasks[i] = &spec;
    request.tasks = tasks;
    request.n_tasks = count;
    assert_good(ganger_submit_tasks(ganger, &request, TIMEOUT_MS, &response, &error), error);
    cr_assert_eq(response->n_outcomes, count);
    uint64_t first = response->outcomes[0]->task_id;
    ganger_free(response);
    return first;
}

uint64_t submit_one(struct ganger *ganger)
{
    return submit_many(ganger, 1);
}

/* protobuf-c's messages have no const, requests are only read. */
static char *unconst(const char *text)
{
    union {
        const char *read;
        char *written;
    } pointer = {.read = text};

    return pointer.written;
}

static Ganger__V1__ClaimTasksRequest claim_request(const char *agent_id, uint32_t wait_ms)
{
    static uint64_t claim_seq;
    Ganger__V1__ClaimTasksRequest request = GANGER__V1__CLAIM_TASKS_REQUEST__INIT;

    request.agent_type = type;
    request.agent_id = unconst(agent_id);
    request.incarnation = 1;
    request.claim_seq = ++claim_seq;
    request.wait_ms = wait_ms;
    request.start = true;
    return request;
}

/* Packs the envelope of a request. */
static void envelope_pack(const char *method, const ProtobufCMessage *request, struct buffer *buffer)
{
    Ganger__V1__Envelope envelope = GANGER__V1__ENVELOPE__INIT;
    CLEANUP(buffer_done)
    struct buffer body = {0};

    message_pack(request, &body);
    envelope.kind = GANGER__V1__KIND__REQUEST;
    envelope.call_id = 1;
    envelope.method = unconst(method);
    envelope.body = field_bytes(buffer_view(&body));
    message_pack(&envelope.base, buffer);
}

void claim_and_vanish(const struct daemon_fixture *fixture, const char *agent_id, uint64_t claim_seq)
{
    Ganger__V1__ClaimTasksRequest request = claim_request(agent_id, 0);
    CLEANUP(buffer_done)
    struct buffer frame = {0};
    void *context = zmq_ctx_new();
    void *dealer = zmq_socket(context, ZMQ_DEALER);

    request.claim_seq = claim_seq;
    envelope_pack("/ganger.v1.Agents/ClaimTasks", &request.base, &frame);
    cr_assert_eq(zmq_connect(dealer, fixture->endpoint), 0);
    cr_assert_eq(zmq_send(dealer, frame.data, frame.size, 0), (int)frame.size);
    /* Lingers without end: it returns when the frame has gone out. */
    (void)zmq_close(dealer);
    (void)zmq_ctx_term(context);
}

static struct claimed claim_with(struct ganger *ganger, const Ganger__V1__ClaimTasksRequest *request)
{
    Ganger__V1__ClaimTasksResponse *response = NULL;
    struct ganger_error error = {0};
    struct claimed claimed = {0};

    assert_good(ganger_claim_tasks(ganger, request, TIMEOUT_MS, &response, &error), error);
    if (response->n_assignments > 0)
        claimed = (struct claimed){.task_id = response->assignments[0]->task->task_id,
                                   .fence = response->assignments[0]->task->fence};
    ganger_free(response);
    return claimed;
}

struct claimed claim_one(struct ganger *ganger, const char *agent_id, uint32_t wait_ms)
{
    Ganger__V1__ClaimTasksRequest request = claim_request(agent_id, wait_ms);

    return claim_with(ganger, &request);
}

struct claimed claim_numbered(struct ganger *ganger, const char *agent_id, uint64_t claim_seq, uint32_t wait_ms)
{
    Ganger__V1__ClaimTasksRequest request = claim_request(agent_id, wait_ms);

    request.claim_seq = claim_seq;
    return claim_with(ganger, &request);
}

enum ganger_status complete_one(struct ganger *ganger, struct claimed claimed, struct ganger_error *error)
{
    Ganger__V1__CompleteTaskRequest request = GANGER__V1__COMPLETE_TASK_REQUEST__INIT;

    request.task_id = claimed.task_id;
    request.fence = claimed.fence;
    return ganger_complete_task(ganger, &request, TIMEOUT_MS, NULL, error);
}

Ganger__V1__TaskState state_of_task(struct ganger *ganger, uint64_t task_id)
{
    Ganger__V1__GetTaskRequest request = GANGER__V1__GET_TASK_REQUEST__INIT;
    Ganger__V1__GetTaskResponse *response = NULL;
    struct ganger_error error = {0};

    request.task_id = task_id;
    assert_good(ganger_get_task(ganger, &request, TIMEOUT_MS, &response, &error), error);
    Ganger__V1__TaskState state = response->task->state;
    ganger_free(response);
    return state;
}

void cancel_one(struct ganger *ganger, uint64_t task_id)
{
    Ganger__V1__CancelTaskRequest request = GANGER__V1__CANCEL_TASK_REQUEST__INIT;
    struct ganger_error error = {0};

    request.task_id = task_id;
    assert_good(ganger_cancel_task(ganger, &request, TIMEOUT_MS, NULL, &error), error);
}

Ganger__V1__StatusResponse *get_status(struct ganger *ganger)
{
    Ganger__V1__StatusRequest request = GANGER__V1__STATUS_REQUEST__INIT;
    Ganger__V1__StatusResponse *response = NULL;
    struct ganger_error error = {0};

    assert_good(ganger_status(ganger, &request, TIMEOUT_MS, &response, &error), error);
    return response;
}

static void note_task(struct opened *opened, const Ganger__V1__Task *task)
{
    opened->task_id = task->task_id;
    opened->fence = task->fence;
    opened->state = task->state;
}

static void note_response(struct opened *opened, const ProtobufCMessage *response)
{
    opened->messages++;
    if (response->descriptor == &ganger__v1__claim_tasks_response__descriptor) {
        const Ganger__V1__ClaimTasksResponse *claimed = (const Ganger__V1__ClaimTasksResponse *)response;
        if (claimed->n_assignments > 0)
            note_task(opened, claimed->assignments[0]->task);
    } else if (response->descriptor == &ganger__v1__wait_task_response__descriptor) {
        note_task(opened, ((const Ganger__V1__WaitTaskResponse *)response)->task);
    } else if (response->descriptor == &ganger__v1__watch_tasks_update__descriptor) {
        const Ganger__V1__WatchTasksUpdate *update = (const Ganger__V1__WatchTasksUpdate *)response;
        if (update->task != NULL)
            note_task(opened, update->task);
        else
            opened->task_id = update->missing_id;
    } else if (response->descriptor == &ganger__v1__command__descriptor) {
        opened->task_id = ((const Ganger__V1__Command *)response)->task_id;
        opened->fence = ((const Ganger__V1__Command *)response)->fence;
    }
}

static void on_reply(const struct ganger_reply *reply, void *data)
{
    struct opened *opened = data;

    if (reply->error != NULL)
        opened->error = *reply->error;
    if (reply->response != NULL)
        note_response(opened, reply->response);
    opened->ended = reply->end;
}

void open_claim(struct ganger *ganger, const char *agent_id, uint32_t wait_ms, struct opened *opened)
{
    Ganger__V1__ClaimTasksRequest request = claim_request(agent_id, wait_ms);

    *opened = (struct opened){0};
    (void)ganger_start(ganger, &ganger__v1__agents__descriptor, "ClaimTasks", &request.base, TIMEOUT_MS, 0, on_reply,
                       opened);
}

void open_wait(struct ganger *ganger, uint64_t task_id, uint32_t wait_ms, struct opened *opened)
{
    Ganger__V1__WaitTaskRequest request = GANGER__V1__WAIT_TASK_REQUEST__INIT;

    *opened = (struct opened){0};
    request.task_id = task_id;
    request.wait_ms = wait_ms;
    (void)ganger_start(ganger, &ganger__v1__tasks__descriptor, "WaitTask", &request.base, TIMEOUT_MS, 0, on_reply,
                       opened);
}

void open_watch(struct ganger *ganger, uint64_t *task_ids, size_t count, struct opened *opened)
{
    Ganger__V1__WatchTasksRequest request = GANGER__V1__WATCH_TASKS_REQUEST__INIT;

    *opened = (struct opened){0};
    request.task_ids = task_ids;
    request.n_task_ids = count;
    (void)ganger_start(ganger, &ganger__v1__tasks__descriptor, "WatchTasks", &request.base, 0, 262144, on_reply,
                       opened);
}

void open_attend(struct ganger *ganger, const char *agent_id, struct opened *opened)
{
    Ganger__V1__AttendRequest request = GANGER__V1__ATTEND_REQUEST__INIT;

    *opened = (struct opened){0};
    request.agent_id = unconst(agent_id);
    request.incarnation = 1;
    (void)ganger_start(ganger, &ganger__v1__agents__descriptor, "Attend", &request.base, 0, 262144, on_reply, opened);
}

void wait_for_messages(struct ganger *ganger, const struct opened *opened, size_t messages)
{
    uint64_t deadline_ms = clock_boot_ms() + TIMEOUT_MS;

    while (opened->messages < messages && !opened->ended) {
        cr_assert_lt(clock_boot_ms(), deadline_ms, "%zu of %zu messages", opened->messages, messages);
        ganger_wait(ganger, 1000);
        ganger_process(ganger);
    }
    cr_assert_geq(opened->messages, messages, "it ended: %s", opened->error.message);
}

void wait_for_end(struct ganger *ganger, const struct opened *opened)
{
    uint64_t deadline_ms = clock_boot_ms() + TIMEOUT_MS;

    while (!opened->ended) {
        cr_assert_lt(clock_boot_ms(), deadline_ms, "it does not end");
        ganger_wait(ganger, 1000);
        ganger_process(ganger);
    }
}

void wait_until_parked(struct ganger *opener, struct ganger *other, uint32_t claims, uint32_t streams)
{
    uint64_t deadline_ms = clock_boot_ms() + TIMEOUT_MS;

    for (;;) {
        ganger_process(opener);
        Ganger__V1__StatusResponse *response = get_status(other);
        bool reached = response->parked_claims == claims && response->streams == streams;
        ganger_free(response);
        if (reached)
            return;
        cr_assert_lt(clock_boot_ms(), deadline_ms, "never %u claims and %u streams", claims, streams);
        (void)poll(NULL, 0, 5);
    }
}
