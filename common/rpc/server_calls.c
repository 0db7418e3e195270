#include "common/rpc/envelope.h"
#include "common/rpc/server_internal.h"

/* More than this a client cannot have under way in one stream, whatever it grants. */
#define CREDIT_MAX ((int64_t)8 * 1024 * 1024)

struct rpc_call *call_new(struct rpc_server *server, struct rpc_peer *peer, uint64_t call_id,
                          const struct method *method)
{
    struct rpc_call *call = server->free_calls;

    if (call != NULL)
        server->free_calls = call->next;
    else
        call = allocate(sizeof *call);
    *call = (struct rpc_call){.server = server,
                              .peer = peer,
                              .key = {.peer_number = peer->number, .call_id = call_id},
                              .method = method,
                              .ends_ms = UINT64_MAX};
    peer_hold(peer);
    return call;
}

static void table_add(struct rpc_server *server, struct rpc_call *call)
{
    calls_add(server, call);
    call->peer->call_count++;
    server->call_count++;
    if (call->method->row->streams)
        server->stream_count++;
}

static void table_remove(struct rpc_server *server, struct rpc_call *call)
{
    calls_remove(server, call);
    call->peer->call_count--;
    server->call_count--;
    if (call->method->row->streams)
        server->stream_count--;
    deadlines_remove(&server->deadlines, &call->deadline);
}

/* Takes it out of every table; its memory stays until call_free. */
static void call_close(struct rpc_call *call)
{
    struct rpc_server *server = call->server;

    if (call->kept)
        table_remove(server, call);
    call->kept = false;
    if (server->dispatched == call)
        server->dispatched = NULL;
}

static void call_free(struct rpc_call *call)
{
    struct rpc_server *server = call->server;

    peer_release(server, call->peer);
    call->peer = NULL; /* so that a use after its end is seen */
    call->next = server->free_calls;
    server->free_calls = call;
}

void call_abandon(struct rpc_call *call)
{
    call_close(call);
    if (call->on_end != NULL)
        call->on_end(call, call->end_data);
    call_free(call);
}

void rpc_call_keep(struct rpc_call *call, void (*on_end)(struct rpc_call *call, void *data), void *data)
{
    struct rpc_server *server = call->server;

    CHECK(call->peer != NULL);
    call->on_end = on_end;
    call->end_data = data;
    if (call->kept)
        return;
    call->kept = true;
    table_add(server, call);
    if (call->ends_ms != UINT64_MAX)
        deadlines_add(&server->deadlines, &call->deadline, call->ends_ms);
}

void rpc_call_if_lost(struct rpc_call *call, void (*on_lost)(void *data), void *data)
{
    call->on_lost = on_lost;
    call->lost_data = data;
}

static struct answer *call_answer(struct rpc_call *call, Ganger__V1__Kind kind)
{
    CHECK(call->peer != NULL);
    struct answer *answer = outbox_add(call->server, call->peer, call->key.call_id, kind);

    answer->on_lost = call->on_lost;
    answer->lost_data = call->lost_data;
    return answer;
}

/* Packs response as the body of an answer; false when that cannot be. */
static bool pack_body(struct rpc_server *server, const ProtobufCMessage *response, struct span *ret_body)
{
    struct buffer *bytes = &server->outbox.bytes;

    if (!protobuf_c_message_check(response))
        return false;
    size_t size = protobuf_c_message_get_packed_size(response);
    if (size > BODY_MAX)
        return false;
    *ret_body = (struct span){.offset = bytes->size, .size = size};
    bytes->size += protobuf_c_message_pack(response, buffer_reserve(bytes, size));
    return true;
}

void rpc_call_reply(struct rpc_call *call, const ProtobufCMessage *response)
{
    struct span body;

    if (response->descriptor != call->method->output || !pack_body(call->server, response, &body)) {
        struct error error;
        (void)error_set(&error, STATUS_INTERNAL, "BAD_RESPONSE",
                        "%s made an answer that cannot be sent: this is a bug, please report it", call->method->path);
        rpc_call_refuse(call, &error);
        return;
    }
    call_answer(call, GANGER__V1__KIND__END)->body = body;
    call_close(call);
    call_free(call);
}

void rpc_call_refuse(struct rpc_call *call, const struct error *error)
{
    rpc_call_refuse_with(call, error, (struct bytes){0});
}

void rpc_call_refuse_with(struct rpc_call *call, const struct error *error, struct bytes detail)
{
    /* Nothing was given that could be lost. */
    rpc_call_if_lost(call, NULL, NULL);
    outbox_set_error(call->server, call_answer(call, GANGER__V1__KIND__END), error, detail);
    call_close(call);
    call_free(call);
}

const struct rpc_caller *rpc_call_caller(const struct rpc_call *call)
{
    return &call->peer->caller;
}

bool rpc_call_has_credit(const struct rpc_call *call)
{
    return call->credit > 0;
}

void rpc_call_send(struct rpc_call *call, const ProtobufCMessage *message)
{
    struct span body;

    CHECK(call->method->row->streams && message->descriptor == call->method->output);
    CHECK(call->credit > 0);
    CHECK(pack_body(call->server, message, &body));
    call->credit -= (int64_t)body.size > 0 ? (int64_t)body.size : 1;
    call_answer(call, GANGER__V1__KIND__DATA)->body = body;
}

void rpc_call_on_credit(struct rpc_call *call, void (*on_credit)(struct rpc_call *call, void *data), void *data)
{
    call->on_credit = on_credit;
    call->credit_data = data;
}

void call_add_credit(struct rpc_call *call, uint32_t credit_bytes)
{
    bool had_none = call->credit <= 0;

    call->credit += credit_bytes;
    if (call->credit > CREDIT_MAX)
        call->credit = CREDIT_MAX;
    if (had_none && call->credit > 0 && call->on_credit != NULL)
        call->on_credit(call, call->credit_data);
}

void rpc_call_finish(struct rpc_call *call)
{
    CHECK(call->method->row->streams);
    (void)call_answer(call, GANGER__V1__KIND__END);
    call_close(call);
    call_free(call);
}

void rpc_server_expire(struct rpc_server *server, uint64_t now_ms)
{
    while (deadlines_first_ms(&server->deadlines) <= now_ms) {
        struct deadline *deadline = deadlines_first(&server->deadlines);
        struct rpc_call *call = (struct rpc_call *)((char *)deadline - offsetof(struct rpc_call, deadline));
        struct error error;
        (void)error_set(&error, STATUS_DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED",
                        "%s had no answer before the call's deadline", call->method->path);
        outbox_refuse(server, call->peer, call->key.call_id, &error);
        call_abandon(call);
    }
}

uint64_t rpc_server_deadline(const struct rpc_server *server)
{
    return deadlines_first_ms(&server->deadlines);
}

void calls_done(struct rpc_server *server)
{
    while (server->calls != NULL)
        call_abandon(server->calls);
    while (server->free_calls != NULL) {
        struct rpc_call *next = server->free_calls->next;
        free(server->free_calls);
        server->free_calls = next;
    }
    deadlines_done(&server->deadlines);
}
