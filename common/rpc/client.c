#include "common/rpc/client.h"

#include "common/base/cleanup.h"
#include "common/base/clock.h"
#include "common/rpc/client_internal.h"
#include "common/rpc/endpoint.h"
#include "common/rpc/envelope.h"

#include <ganger/v1/envelope.pb-c.h>
#include <poll.h>
#include <string.h>

#define TIMEOUT_MS 30000
#define FREE_CALLS_MAX 256
#define FREE_BODY_MAX ((size_t)4096)
#define INWARD_MAX 1024
#define OUTWARD_MAX 1024

DEFINE_CLEANUP(struct rpc_client *, rpc_client_free)

enum status rpc_client_new(const char *endpoint, struct rpc_client **ret_client, struct error *error)
{
    TRY(endpoint_check(endpoint, error));
    CLEANUP(rpc_client_free)
    struct rpc_client *client = allocate_zero(1, sizeof *client);

    client->endpoint = duplicate_text(endpoint);
    client->next_call_id = 1;
    rpc_socket_init(&client->socket, RPC_CONTEXT_SHARED, ZMQ_DEALER,
                    ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED);
    /* Nothing waits in ZeroMQ for a connection: a request that is sent late would be sent with a wrong timeout. */
    rpc_socket_set(&client->socket, ZMQ_IMMEDIATE, 1);
    rpc_socket_set(&client->socket, ZMQ_RECONNECT_IVL, 50);
    rpc_socket_set(&client->socket, ZMQ_RECONNECT_IVL_MAX, 2000);
    rpc_socket_set(&client->socket, ZMQ_RCVHWM, INWARD_MAX);
    rpc_socket_set(&client->socket, ZMQ_SNDHWM, OUTWARD_MAX);
    if (zmq_connect(client->socket.handle, endpoint) != 0)
        return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_ENDPOINT", "cannot connect to \"%s\": %s", endpoint,
                         zmq_strerror(zmq_errno()));
    *ret_client = TAKE(client);
    return STATUS_OK;
}

static void call_destroy(struct rpc_client_call *call)
{
    buffer_done(&call->body);
    free(call);
}

struct rpc_client *rpc_client_free(struct rpc_client *client)
{
    if (client == NULL)
        return NULL;
    CHECK(!client->processing);
    while (client->calls != NULL)
        client_forget(client, client->calls);
    while (client->free_calls != NULL) {
        struct rpc_client_call *call = client->free_calls;
        client->free_calls = call->next;
        call_destroy(call);
    }
    rpc_socket_done(&client->socket);
    deadlines_done(&client->deadlines);
    arena_done(&client->arena);
    free(client->endpoint);
    free(client);
    return NULL;
}

static struct rpc_client_call *call_new(struct rpc_client *client)
{
    struct rpc_client_call *call = client->free_calls;
    struct buffer body = {0};

    if (call == NULL) {
        call = allocate(sizeof *call);
    } else {
        client->free_calls = call->next;
        client->free_count--;
        body = call->body;
        body.size = 0;
    }
    *call = (struct rpc_client_call){.call_id = client->next_call_id++, .body = body};
    client_add(client, call);
    return call;
}

static void call_free(struct rpc_client *client, struct rpc_client_call *call)
{
    if (client->free_count >= FREE_CALLS_MAX || call->body.capacity > FREE_BODY_MAX) {
        call_destroy(call);
        return;
    }
    client->free_count++;
    call->next = client->free_calls;
    client->free_calls = call;
}

void client_forget(struct rpc_client *client, struct rpc_client_call *call)
{
    client_remove(client, call);
    if (call->unsent)
        client_unqueue(client, call);
    deadlines_remove(&client->deadlines, &call->deadline);
    call_free(client, call);
}

void client_end(struct rpc_client *client, struct rpc_client_call *call, const struct rpc_reply *reply)
{
    rpc_reply_fn *on_reply = call->on_reply;
    void *data = call->data;

    client_forget(client, call);
    on_reply(reply, data);
}

void client_end_soon(struct rpc_client *client, struct rpc_client_call *call)
{
    deadlines_remove(&client->deadlines, &call->deadline);
    deadlines_add(&client->deadlines, &call->deadline, 0);
}

void client_end_with(struct rpc_client *client, struct rpc_client_call *call, const struct error *error)
{
    struct rpc_reply reply = {.end = true, .status = error->status, .reason = error->reason, .message = error->message};

    client_end(client, call, &reply);
}

struct rpc_client_call *rpc_client_call(struct rpc_client *client, const struct rpc_request *request,
                                        rpc_reply_fn *on_reply, void *data)
{
    const ProtobufCMethodDescriptor *method =
        protobuf_c_service_descriptor_get_method_by_name(request->service, request->method);

    CHECK(method != NULL && method->input == request->message->descriptor);
    CHECK(protobuf_c_message_check(request->message));
    struct rpc_client_call *call = call_new(client);
    uint64_t now_ms = clock_boot_ms();
    call->service = request->service;
    call->method = method;
    call->credit_bytes = request->credit_bytes;
    call->on_reply = on_reply;
    call->data = data;
    message_pack(request->message, &call->body);
    if (call->body.size > BODY_MAX) {
        /* ZeroMQ would close the connection at the other end. The owner hears of it at the next turn. */
        call->unsendable = true;
        client_end_soon(client, call);
        return call;
    }
    client_queue(client, call);
    if (request->timeout_ms > 0 || request->credit_bytes == 0)
        deadlines_add(&client->deadlines, &call->deadline,
                      now_ms + (request->timeout_ms > 0 ? request->timeout_ms : TIMEOUT_MS));
    return call;
}

/* A connection that takes nothing now is not waited for: the daemon's own deadline ends the call too. */
static void tell_of_end(struct rpc_client *client, const struct rpc_client_call *call)
{
    if (client->connected && call->was_sent && !call->unsent)
        (void)client_send_notice(client, GANGER__V1__KIND__CANCEL, call->call_id, 0);
}

void rpc_client_cancel(struct rpc_client *client, struct rpc_client_call *call)
{
    tell_of_end(client, call);
    client_forget(client, call);
}

bool rpc_client_connected(const struct rpc_client *client)
{
    return client->connected;
}

int rpc_client_fd(const struct rpc_client *client)
{
    return client->socket.poll_fd;
}

bool rpc_client_waiting(struct rpc_client *client)
{
    int ready = rpc_socket_ready(&client->socket);

    if ((ready & ZMQ_POLLIN) != 0 || rpc_socket_has_event(&client->socket))
        return true;
    return client->connected && (client->unsent != NULL || client->credit_due) && (ready & ZMQ_POLLOUT) != 0;
}

static void call_timed_out(struct rpc_client *client, struct rpc_client_call *call)
{
    struct error error;

    if (call->unsendable)
        (void)error_set(&error, STATUS_RESOURCE_EXHAUSTED, "REQUEST_TOO_LARGE",
                        "a request has at most %zu bytes, this one has %zu: send it in parts", BODY_MAX,
                        call->body.size);
    else if (call->lost)
        (void)error_set(&error, STATUS_UNAVAILABLE, "CONNECTION_LOST",
                        "the connection to %.120s was lost: open the stream again from where it was", client->endpoint);
    else if (!client->connected && !call->was_sent)
        (void)error_set(&error, STATUS_UNAVAILABLE, "NO_DAEMON", "no daemon answers at %.120s: %s", client->endpoint,
                        endpoint_problem(client->endpoint));
    else
        (void)error_set(&error, STATUS_DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED",
                        "%s had no answer in time; whether it was done is not known, but it may be repeated",
                        call->method->name);
    if (!call->lost)
        tell_of_end(client, call);
    client_end_with(client, call, &error);
}

static void expire(struct rpc_client *client, uint64_t now_ms)
{
    while (deadlines_first_ms(&client->deadlines) <= now_ms) {
        struct deadline *deadline = deadlines_first(&client->deadlines);
        call_timed_out(client,
                       (struct rpc_client_call *)((char *)deadline - offsetof(struct rpc_client_call, deadline)));
    }
}

void rpc_client_process(struct rpc_client *client, uint64_t now_ms)
{
    CHECK(!client->processing);
    client->processing = true;
    /* Replies first: what has been answered is not sent again when the connection was lost after it. */
    client_read_replies(client);
    client_read_events(client);
    expire(client, now_ms);
    client_send_due_credit(client);
    client_send_unsent(client);
    client->processing = false;
}

uint64_t rpc_client_deadline(const struct rpc_client *client)
{
    return deadlines_first_ms(&client->deadlines);
}

void rpc_client_wait(struct rpc_client *client, uint64_t until_ms)
{
    uint64_t now_ms = clock_boot_ms();
    uint64_t first_ms = rpc_client_deadline(client);
    struct pollfd pollfd = {.fd = client->socket.poll_fd, .events = POLLIN};

    if (first_ms > until_ms)
        first_ms = until_ms;
    if (first_ms <= now_ms || rpc_client_waiting(client))
        return;
    uint64_t rest_ms = first_ms - now_ms;
    (void)poll(&pollfd, 1, rest_ms < 60000 ? (int)rest_ms : 60000);
}
