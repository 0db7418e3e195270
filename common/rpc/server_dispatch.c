#include "common/rpc/envelope.h"
#include "common/rpc/server_internal.h"

#include <stdio.h>
#include <string.h>

#define LIST_SIZE 160
#define CALL_ID_TAG 2 /* of an Envelope */

static enum status no_such_service(const struct rpc_server *server, const char *path, struct error *error)
{
    char list[LIST_SIZE] = "";
    const ProtobufCService *last = NULL;
    size_t used = 0;

    for (size_t i = 0; i < server->method_count && used < sizeof list; i++) {
        const ProtobufCService *service = server->methods[i].service;
        if (service == last)
            continue;
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", last != NULL ? ", " : "",
                                 service->descriptor->name);
        last = service;
    }
    return error_set(error, STATUS_UNIMPLEMENTED, "NO_METHOD", "there is no method \"%.48s\"; the services are %s",
                     path, list);
}

static enum status no_such_method(const ProtobufCServiceDescriptor *service, const char *path, struct error *error)
{
    char list[LIST_SIZE] = "";
    size_t used = 0;

    for (unsigned i = 0; i < service->n_methods && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i > 0 ? ", " : "", service->methods[i].name);
    return error_set(error, STATUS_UNIMPLEMENTED, "NO_METHOD", "there is no method \"%.48s\"; the service has %s", path,
                     list);
}

static enum status unknown_method(const struct rpc_server *server, const char *path, struct error *error)
{
    for (size_t i = 0; i < server->method_count; i++) {
        const ProtobufCServiceDescriptor *service = server->methods[i].service->descriptor;
        size_t length = strlen(service->name);
        if (path[0] == '/' && strncmp(path + 1, service->name, length) == 0 && path[length + 1] == '/')
            return no_such_method(service, path, error);
    }
    return no_such_service(server, path, error);
}

/* The method, after everything that can be said before its handler sees the request; NULL with error. */
static const struct method *check_request(struct rpc_server *server, struct rpc_peer *peer,
                                          const Ganger__V1__Envelope *envelope, struct error *error)
{
    const struct method *method = methods_find(server, envelope->method);

    if (peer_is_over_limit(server, peer)) {
        (void)error_set(error, STATUS_RESOURCE_EXHAUSTED, "CONNECTION_LIMIT",
                        "all %u connections are taken: close one, or raise the limit", server->connections_max);
        return NULL;
    }
    if (calls_find(server, peer, envelope->call_id) != NULL) {
        (void)error_set(error, STATUS_INVALID_ARGUMENT, "CALL_ID_IN_USE",
                        "this connection has an open call with this call_id: take another");
        return NULL;
    }
    if (method == NULL) {
        (void)unknown_method(server, envelope->method, error);
        return NULL;
    }
    if (envelope->body.len > method->row->request_max) {
        (void)error_set(error, STATUS_RESOURCE_EXHAUSTED, "REQUEST_TOO_LARGE",
                        "a request of %s has at most %u bytes, this one has %zu", method->row->name,
                        method->row->request_max, envelope->body.len);
        return NULL;
    }
    return method;
}

/* One call more than may be kept is ended, as if its client had canceled it, and refused. */
static void check_room(struct rpc_server *server, struct rpc_call *call)
{
    struct error error;
    struct rpc_peer *peer = call->peer;

    if (peer->call_count > server->calls_per_peer_max)
        (void)error_set(&error, STATUS_RESOURCE_EXHAUSTED, "TOO_MANY_CALLS",
                        "this connection has %u calls open, which is all it may have", server->calls_per_peer_max);
    else if (server->call_count > server->calls_max)
        (void)error_set(&error, STATUS_RESOURCE_EXHAUSTED, "TOO_MANY_CALLS",
                        "%u calls are open, which is all there may be: try again later", server->calls_max);
    else
        return;
    outbox_refuse(server, peer, call->key.call_id, &error);
    call_abandon(call);
}

static void invoke(struct rpc_server *server, struct rpc_call *call, const ProtobufCMessage *request)
{
    const struct method *method = call->method;
    uint64_t call_id = call->key.call_id;
    struct rpc_peer *peer = call->peer;

    peer_hold(peer); /* the handler may end the call */
    server->dispatched = call;
    method->service->invoke(method->service, method->index, request, NULL, call);
    if (server->dispatched != NULL) {
        server->dispatched = NULL;
        /* A handler that neither answers nor keeps the call would let its client wait for ever. */
        CHECK(call->kept && call->key.call_id == call_id);
        check_room(server, call);
    }
    peer_release(server, peer);
}

static void handle_request(struct rpc_server *server, struct rpc_peer *peer, const Ganger__V1__Envelope *envelope,
                           uint64_t now_ms)
{
    ProtobufCMessage *request = NULL;
    struct bytes body = {.data = envelope->body.data, .size = envelope->body.len};
    struct error error;

    server->requests++;
    const struct method *method = check_request(server, peer, envelope, &error);
    if (method == NULL || message_unpack(method->input, body, &server->arena, &request, &error) != STATUS_OK) {
        outbox_refuse(server, peer, envelope->call_id, &error);
        return;
    }
    struct rpc_call *call = call_new(server, peer, envelope->call_id, method);
    if (envelope->timeout_ms > 0)
        call->ends_ms = now_ms + envelope->timeout_ms;
    if (method->row->streams)
        call_add_credit(call, envelope->credit_bytes);
    invoke(server, call, request);
}

static void handle_malformed(struct rpc_server *server, struct rpc_peer *peer, struct bytes frame,
                             const struct error *error)
{
    /* Its sender can only be told when it said which call this is. */
    uint64_t call_id = message_find_number(frame, CALL_ID_TAG);

    server->malformed++;
    if (call_id != 0)
        outbox_refuse(server, peer, call_id, error);
}

void server_handle_frame(struct rpc_server *server, struct rpc_peer *peer, struct bytes frame, uint64_t now_ms)
{
    ProtobufCMessage *message = NULL;
    struct error error;

    arena_reset(&server->arena);
    if (message_unpack(&ganger__v1__envelope__descriptor, frame, &server->arena, &message, &error) != STATUS_OK) {
        handle_malformed(server, peer, frame, &error);
        return;
    }
    const Ganger__V1__Envelope *envelope = (const Ganger__V1__Envelope *)message;
    struct rpc_call *call = NULL;
    switch (envelope->kind) {
    case GANGER__V1__KIND__REQUEST:
        if (envelope->call_id == 0)
            break;
        handle_request(server, peer, envelope, now_ms);
        return;
    case GANGER__V1__KIND__CANCEL:
        call = calls_find(server, peer, envelope->call_id);
        if (call != NULL)
            call_abandon(call);
        return;
    case GANGER__V1__KIND__CREDIT:
        call = calls_find(server, peer, envelope->call_id);
        if (call != NULL && call->method->row->streams)
            call_add_credit(call, envelope->credit_bytes);
        return;
    case GANGER__V1__KIND__KIND_UNSPECIFIED:
    case GANGER__V1__KIND__DATA:
    case GANGER__V1__KIND__END:
    case _GANGER__V1__KIND_IS_INT_SIZE:
    default:
        break;
    }
    (void)error_set(&error, STATUS_INVALID_ARGUMENT, "MALFORMED",
                    "Envelope: a client sends REQUEST, CANCEL and CREDIT, with a call_id that is not 0");
    handle_malformed(server, peer, frame, &error);
}
