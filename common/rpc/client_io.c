#include "common/base/clock.h"
#include "common/rpc/client_internal.h"
#include "common/rpc/envelope.h"

#include <errno.h>
#include <ganger/v1/envelope.pb-c.h>
#include <stdio.h>
#include <string.h>

/* Replies that are handled in one turn: deadlines and new requests have theirs even when a daemon never stops. */
#define REPLIES_MAX 4096
#define PATH_SIZE 128

static bool send_envelope(struct rpc_client *client, const Ganger__V1__Envelope *envelope)
{
    zmq_msg_t frame;

    CHECK(zmq_msg_init_size(&frame, ganger__v1__envelope__get_packed_size(envelope)) == 0);
    (void)ganger__v1__envelope__pack(envelope, zmq_msg_data(&frame));
    while (zmq_msg_send(&frame, client->socket.handle, ZMQ_DONTWAIT) < 0) {
        if (errno == EINTR)
            continue;
        (void)zmq_msg_close(&frame);
        return false;
    }
    return true;
}

static bool send_request(struct rpc_client *client, const struct rpc_client_call *call, uint64_t now_ms)
{
    Ganger__V1__Envelope envelope = GANGER__V1__ENVELOPE__INIT;
    char path[PATH_SIZE];
    uint64_t ends_ms = call->deadline.place > 0 ? call->deadline.at_ms : 0;

    CHECK(snprintf(path, sizeof path, "/%s/%s", call->service->name, call->method->name) < (int)sizeof path);
    envelope.kind = GANGER__V1__KIND__REQUEST;
    envelope.call_id = call->call_id;
    envelope.method = path;
    /* What is left of it now: the daemon cannot see the time that a call has waited here. */
    if (ends_ms > 0)
        envelope.timeout_ms = ends_ms > now_ms ? (uint32_t)(ends_ms - now_ms) : 1;
    envelope.credit_bytes = call->credit_bytes;
    envelope.body = (ProtobufCBinaryData){.data = call->body.data, .len = call->body.size};
    return send_envelope(client, &envelope);
}

void client_send_unsent(struct rpc_client *client)
{
    if (!client->connected || client->unsent == NULL)
        return;
    /* ZeroMQ learns of a new connection only when it looks: zmq_msg_send with ZMQ_DONTWAIT does not. */
    (void)rpc_socket_ready(&client->socket);
    uint64_t now_ms = clock_boot_ms();
    while (client->unsent != NULL) {
        struct rpc_client_call *call = client->unsent;
        if (!send_request(client, call, now_ms))
            return;
        call->was_sent = true;
        client_unqueue(client, call);
    }
}

bool client_send_notice(struct rpc_client *client, int kind, uint64_t call_id, uint32_t credit_bytes)
{
    Ganger__V1__Envelope envelope = GANGER__V1__ENVELOPE__INIT;

    envelope.kind = (Ganger__V1__Kind)kind;
    envelope.call_id = call_id;
    envelope.credit_bytes = credit_bytes;
    return send_envelope(client, &envelope);
}

/* Every call that was sent is sent again, in the order of their starts; a stream would begin anew and so is left to
 * its owner, who hears of it at the end of this turn. */
static void connection_lost(struct rpc_client *client)
{
    client->connected = false;
    client->unsent = NULL;
    for (struct rpc_client_call *call = client->calls; call != NULL; call = call->hh.next) {
        call->unsent = false;
        call->lost = call->lost || (call->credit_bytes > 0 && call->was_sent);
        if (call->lost || call->unsendable)
            client_end_soon(client, call);
        else
            client_queue(client, call);
    }
}

void client_read_events(struct rpc_client *client)
{
    struct rpc_socket_event event;

    while (rpc_socket_next_event(&client->socket, &event)) {
        if (event.kind == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
            client->connected = true;
            client_send_unsent(client);
        } else if (event.kind == ZMQ_EVENT_DISCONNECTED && client->connected) {
            connection_lost(client);
        }
    }
}

/* Grants anew what was handled, half the credit at a time: the daemon never waits for a client that keeps up. */
static void grant(struct rpc_client *client, struct rpc_client_call *call)
{
    if (call->handled_bytes == 0 || call->handled_bytes < call->credit_bytes / 2)
        return;
    if (client_send_notice(client, GANGER__V1__KIND__CREDIT, call->call_id, (uint32_t)call->handled_bytes))
        call->handled_bytes = 0;
    else
        client->credit_due = true; /* without it the stream could stand still for good */
}

void client_send_due_credit(struct rpc_client *client)
{
    if (!client->connected || !client->credit_due)
        return;
    client->credit_due = false;
    for (struct rpc_client_call *call = client->calls; call != NULL && !client->credit_due; call = call->hh.next)
        grant(client, call);
}

static void handle_data(struct rpc_client *client, struct rpc_client_call *call, const struct rpc_reply *reply)
{
    uint64_t call_id = call->call_id;

    call->on_reply(reply, call->data);
    call = client_find(client, call_id); /* it may have been canceled */
    if (call == NULL)
        return;
    call->handled_bytes += reply->packed.size > 0 ? reply->packed.size : 1;
    grant(client, call);
}

static void handle_reply(struct rpc_client *client, struct rpc_client_call *call, const Ganger__V1__Envelope *envelope)
{
    bool has_response = envelope->status == 0 && !(envelope->kind == GANGER__V1__KIND__END && call->credit_bytes > 0);
    struct rpc_reply reply = {.end = envelope->kind == GANGER__V1__KIND__END,
                              .status = (enum status)envelope->status,
                              .reason = envelope->reason,
                              .message = envelope->message,
                              .detail = {.data = envelope->detail.data, .size = envelope->detail.len},
                              .revision = envelope->revision};
    ProtobufCMessage *response = NULL;
    struct error error;

    if (has_response) {
        reply.packed = (struct bytes){.data = envelope->body.data, .size = envelope->body.len};
        if (message_unpack(call->method->output, reply.packed, &client->arena, &response, &error) != STATUS_OK) {
            error.status = STATUS_INTERNAL;
            client_end_with(client, call, &error);
            return;
        }
        reply.response = response;
    }
    if (reply.end)
        client_end(client, call, &reply);
    else
        handle_data(client, call, &reply);
}

static void handle_frame(struct rpc_client *client, struct bytes frame)
{
    ProtobufCMessage *message = NULL;

    arena_reset(&client->arena);
    /* A daemon that sends broken frames is nothing that a call could be told: its deadline tells. */
    if (message_unpack(&ganger__v1__envelope__descriptor, frame, &client->arena, &message, NULL) != STATUS_OK)
        return;
    const Ganger__V1__Envelope *envelope = (const Ganger__V1__Envelope *)message;
    struct rpc_client_call *call = client_find(client, envelope->call_id);
    /* A stream that was canceled while the connection took no CANCEL. */
    if (call == NULL && envelope->kind == GANGER__V1__KIND__DATA)
        (void)client_send_notice(client, GANGER__V1__KIND__CANCEL, envelope->call_id, 0);
    if (call == NULL || (envelope->kind != GANGER__V1__KIND__DATA && envelope->kind != GANGER__V1__KIND__END))
        return;
    /* Sent twice over one connection, when a loss was noticed late: the first is still open and will be answered. */
    if (strcmp(envelope->reason, "CALL_ID_IN_USE") == 0)
        return;
    handle_reply(client, call, envelope);
}

void client_read_replies(struct rpc_client *client)
{
    zmq_msg_t frame;

    (void)zmq_msg_init(&frame);
    for (size_t i = 0; i < REPLIES_MAX && zmq_msg_recv(&frame, client->socket.handle, ZMQ_DONTWAIT) >= 0; i++) {
        bool single = !zmq_msg_more(&frame);
        while (zmq_msg_more(&frame))
            CHECK(zmq_msg_recv(&frame, client->socket.handle, 0) >= 0 || errno == EINTR);
        if (single)
            handle_frame(client, (struct bytes){.data = zmq_msg_data(&frame), .size = zmq_msg_size(&frame)});
    }
    (void)zmq_msg_close(&frame);
}
