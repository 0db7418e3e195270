#include "tests/client/stub.h"

#include "common/base/check.h"
#include "common/base/cleanup.h"
#include "common/base/clock.h"
#include "common/rpc/envelope.h"
#include "common/rpc/server.h"

#include <ganger/v1/context.pb-c.h>
#include <ganger/v1/tasks.pb-c.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

struct stub {
    struct rpc_server *server;
    pthread_t thread;
    int stop_fd;
    atomic_size_t waiting;
};

/* One stub at a time. */
static struct stub *current;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct stub_submit remembered[STUB_SUBMITS_MAX];
static size_t remembered_count;

static void refuse(void *call, enum status status, const char *reason)
{
    struct error error;

    (void)error_set(&error, status, reason, "the stub says no");
    rpc_call_refuse(call, &error);
}

static void remember(const Ganger__V1__SubmitTasksRequest *request)
{
    CHECK(pthread_mutex_lock(&lock) == 0);
    CHECK(remembered_count < STUB_SUBMITS_MAX);
    struct stub_submit *submit = &remembered[remembered_count++];
    submit->session_size = request->session.len;
    if (request->session.len == sizeof submit->session)
        memcpy(submit->session, request->session.data, sizeof submit->session);
    submit->sequence = request->sequence;
    submit->acked_below = request->acked_below;
    CHECK(pthread_mutex_unlock(&lock) == 0);
}

static void submit_tasks(Ganger__V1__Tasks_Service *service, const Ganger__V1__SubmitTasksRequest *request,
                         Ganger__V1__SubmitTasksResponse_Closure closure, void *closure_data)
{
    Ganger__V1__SubmitTasksResponse response = GANGER__V1__SUBMIT_TASKS_RESPONSE__INIT;
    Ganger__V1__SubmitOutcome outcome = GANGER__V1__SUBMIT_OUTCOME__INIT;
    Ganger__V1__SubmitOutcome *outcomes[] = {&outcome};
    static uint64_t last_id;

    (void)service;
    (void)closure;
    remember(request);
    outcome.task_id = ++last_id;
    response.outcomes = outcomes;
    response.n_outcomes = 1;
    rpc_call_reply(closure_data, &response.base);
}

static void get_task(Ganger__V1__Tasks_Service *service, const Ganger__V1__GetTaskRequest *request,
                     Ganger__V1__GetTaskResponse_Closure closure, void *closure_data)
{
    Ganger__V1__GetTaskResponse response = GANGER__V1__GET_TASK_RESPONSE__INIT;
    Ganger__V1__Task task = GANGER__V1__TASK__INIT;
    static char agent[] = "agent";

    (void)service;
    (void)closure;
    if (request->task_id != 7) {
        refuse(closure_data, STATUS_NOT_FOUND, "NO_SUCH_TASK");
        return;
    }
    task.task_id = 7;
    task.agent_id = agent;
    response.task = &task;
    rpc_call_reply(closure_data, &response.base);
}

static void wait_ended(struct rpc_call *call, void *data)
{
    struct stub *stub = data;

    (void)call;
    atomic_fetch_sub(&stub->waiting, 1);
}

static void wait_task(Ganger__V1__Tasks_Service *service, const Ganger__V1__WaitTaskRequest *request,
                      Ganger__V1__WaitTaskResponse_Closure closure, void *closure_data)
{
    (void)service;
    (void)request;
    (void)closure;
    atomic_fetch_add(&current->waiting, 1);
    rpc_call_keep(closure_data, wait_ended, current);
}

struct watch {
    uint64_t sent;
    uint64_t wanted;
};

static void watch_ended(struct rpc_call *call, void *data)
{
    (void)call;
    free(data);
}

static void watch_go_on(struct rpc_call *call, void *data)
{
    struct watch *watch = data;

    while (watch->sent < watch->wanted && rpc_call_has_credit(call)) {
        Ganger__V1__WatchTasksUpdate update = GANGER__V1__WATCH_TASKS_UPDATE__INIT;
        update.missing_id = ++watch->sent;
        rpc_call_send(call, &update.base);
    }
    if (watch->sent < watch->wanted)
        return;
    free(watch);
    rpc_call_finish(call);
}

static void watch_tasks(Ganger__V1__Tasks_Service *service, const Ganger__V1__WatchTasksRequest *request,
                        Ganger__V1__WatchTasksUpdate_Closure closure, void *closure_data)
{
    struct watch *watch = allocate_zero(1, sizeof *watch);

    (void)service;
    (void)closure;
    watch->wanted = request->task_ids[0];
    rpc_call_keep(closure_data, watch_ended, watch);
    rpc_call_on_credit(closure_data, watch_go_on, watch);
    watch_go_on(closure_data, watch);
}

static void put_entry(Ganger__V1__Context_Service *service, const Ganger__V1__PutEntryRequest *request,
                      Ganger__V1__PutEntryResponse_Closure closure, void *closure_data)
{
    struct error error;
    Ganger__V1__Entry entry = GANGER__V1__ENTRY__INIT;
    CLEANUP(buffer_done)
    struct buffer detail = {0};

    (void)service;
    (void)closure;
    entry.key = request->key;
    entry.version = 5;
    message_pack(&entry.base, &detail);
    (void)error_set(&error, STATUS_ABORTED, "VERSION_CONFLICT", "the stub has version 5");
    rpc_call_refuse_with(closure_data, &error, buffer_view(&detail));
}

#define METHODS_MAX 64

static void unimplemented(ProtobufCService *service, const ProtobufCMessage *request, ProtobufCClosure closure,
                          void *closure_data)
{
    (void)service;
    (void)request;
    (void)closure;
    refuse(closure_data, STATUS_UNIMPLEMENTED, "NO_METHOD");
}

static Ganger__V1__Tasks_Service tasks = {
    .base = {.descriptor = &ganger__v1__tasks__descriptor, .invoke = protobuf_c_service_invoke_internal},
    .submit_tasks = submit_tasks,
    .get_task = get_task,
    .wait_task = wait_task,
    .watch_tasks = watch_tasks};
static Ganger__V1__Context_Service context = {
    .base = {.descriptor = &ganger__v1__context__descriptor, .invoke = protobuf_c_service_invoke_internal},
    .put_entry = put_entry};

/* A row for each method of the service, and a handler for those that the stub does not know. */
static const struct rpc_method *methods_of(ProtobufCService *service, struct rpc_method *rows)
{
    void (**handlers)(void) = (void (**)(void))(service + 1);

    for (unsigned i = 0; i < service->descriptor->n_methods; i++) {
        const char *name = service->descriptor->methods[i].name;
        rows[i] = (struct rpc_method){.name = name, .streams = strncmp(name, "Watch", 5) == 0, .request_max = BODY_MAX};
        if (handlers[i] == NULL)
            handlers[i] = (void (*)(void))unimplemented;
    }
    return rows;
}

static void *serve(void *data)
{
    struct stub *stub = data;
    struct pollfd fds[] = {{.fd = rpc_server_fd(stub->server), .events = POLLIN},
                           {.fd = stub->stop_fd, .events = POLLIN}};

    while ((fds[1].revents & POLLIN) == 0) {
        (void)rpc_server_receive(stub->server, &(struct rpc_intake){.max = 1000}, clock_boot_ms());
        rpc_server_expire(stub->server, clock_boot_ms());
        rpc_server_flush(stub->server, 9);
        (void)poll(fds, 2, rpc_server_waiting(stub->server) ? 0 : 100);
    }
    return NULL;
}

struct stub *stub_start(const char *endpoint)
{
    const char *endpoints[] = {endpoint, NULL};
    static struct rpc_method rows[2][METHODS_MAX];
    const struct rpc_service services[] = {{.service = &tasks.base, .methods = methods_of(&tasks.base, rows[0])},
                                           {.service = &context.base, .methods = methods_of(&context.base, rows[1])}};
    const struct rpc_server_options options = {.endpoints = endpoints, .services = services, .service_count = 2};
    struct error error = {0};
    struct stub *stub = allocate_zero(1, sizeof *stub);

    CHECK(rpc_server_new(&options, &stub->server, &error) == STATUS_OK);
    stub->stop_fd = eventfd(0, EFD_CLOEXEC);
    CHECK(stub->stop_fd >= 0);
    current = stub;
    CHECK(pthread_create(&stub->thread, NULL, serve, stub) == 0);
    return stub;
}

void stub_stop(struct stub *stub)
{
    CHECK(eventfd_write(stub->stop_fd, 1) == 0);
    CHECK(pthread_join(stub->thread, NULL) == 0);
    stub->server = rpc_server_free(stub->server);
    fd_close(stub->stop_fd);
    free(stub);
}

size_t stub_submits(struct stub_submit submits[STUB_SUBMITS_MAX])
{
    CHECK(pthread_mutex_lock(&lock) == 0);
    size_t count = remembered_count;
    memcpy(submits, remembered, count * sizeof *submits);
    CHECK(pthread_mutex_unlock(&lock) == 0);
    return count;
}

size_t stub_waiting(struct stub *stub)
{
    return atomic_load(&stub->waiting);
}
