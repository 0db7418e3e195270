#include "common/rpc/envelope.h"
#include "common/rpc/server_internal.h"

#include <errno.h>
#include <string.h>

/* A batch with large answers does not keep its memory for good. */
#define BYTES_KEPT ((size_t)1024 * 1024)
/* Longer texts of errors are of no use to anybody, and the detail of an error must fit with them. */
#define DETAIL_MAX (BODY_MAX)

struct answer *outbox_add(struct rpc_server *server, struct rpc_peer *peer, uint64_t call_id, Ganger__V1__Kind kind)
{
    struct outbox *outbox = &server->outbox;

    if (outbox->count == outbox->capacity) {
        outbox->capacity = outbox->capacity > 0 ? outbox->capacity * 2 : 256;
        outbox->answers = reallocate(outbox->answers, outbox->capacity * sizeof *outbox->answers);
    }
    struct answer *answer = &outbox->answers[outbox->count++];
    *answer = (struct answer){.peer = peer, .call_id = call_id, .kind = kind};
    peer_hold(peer);
    return answer;
}

static struct span add_bytes(struct outbox *outbox, const void *data, size_t size)
{
    struct span span = {.offset = outbox->bytes.size, .size = size};

    buffer_add(&outbox->bytes, data, size);
    return span;
}

void outbox_set_error(struct rpc_server *server, struct answer *answer, const struct error *error, struct bytes detail)
{
    struct outbox *outbox = &server->outbox;

    CHECK(error->status != STATUS_OK && detail.size <= DETAIL_MAX);
    server->refusals++;
    answer->kind = GANGER__V1__KIND__END;
    answer->status = error->status;
    answer->reason = error->reason;
    answer->message = add_bytes(outbox, error->message, strlen(error->message) + 1);
    answer->detail = add_bytes(outbox, detail.data, detail.size);
    answer->body = (struct span){0};
    answer->on_lost = NULL;
}

void outbox_refuse(struct rpc_server *server, struct rpc_peer *peer, uint64_t call_id, const struct error *error)
{
    struct answer *answer = outbox_add(server, peer, call_id, GANGER__V1__KIND__END);

    outbox_set_error(server, answer, error, (struct bytes){0});
    answer->settled = true;
}

/* A stream whose message is withdrawn would have a gap: it ends instead, and its client begins a new one. */
static void withdraw_message(struct rpc_server *server, size_t index, const struct error *error)
{
    struct answer *answer = &server->outbox.answers[index];
    struct rpc_call *call = calls_find(server, answer->peer, answer->call_id);

    answer->kind = GANGER__V1__KIND__KIND_UNSPECIFIED;
    answer->on_lost = NULL;
    if (call == NULL)
        return;
    outbox_set_error(server, answer, error, (struct bytes){0});
    call_abandon(call);
}

void rpc_server_discard(struct rpc_server *server, const struct error *error)
{
    size_t count = server->outbox.count; /* on_end may add answers */

    for (size_t i = 0; i < count; i++) {
        struct answer *answer = &server->outbox.answers[i];
        if (answer->settled)
            continue;
        if (answer->kind == GANGER__V1__KIND__DATA)
            withdraw_message(server, i, error);
        else if (answer->kind == GANGER__V1__KIND__END)
            outbox_set_error(server, answer, error, (struct bytes){0});
        server->outbox.answers[i].settled = true;
    }
}

static struct bytes span_bytes(const struct outbox *outbox, struct span span)
{
    return bytes_slice(buffer_view(&outbox->bytes), span.offset, span.size);
}

static Ganger__V1__Envelope envelope_of(const struct outbox *outbox, const struct answer *answer, uint64_t revision)
{
    Ganger__V1__Envelope envelope = GANGER__V1__ENVELOPE__INIT;

    envelope.kind = answer->kind;
    envelope.call_id = answer->call_id;
    envelope.status = (uint32_t)answer->status;
    if (answer->reason != NULL)
        envelope.reason = field_text(answer->reason);
    if (answer->message.size > 0)
        envelope.message = field_text((const char *)span_bytes(outbox, answer->message).data);
    envelope.detail = field_bytes(span_bytes(outbox, answer->detail));
    envelope.body = field_bytes(span_bytes(outbox, answer->body));
    envelope.revision = revision;
    return envelope;
}

/* The short answer that an answer becomes when its peer takes no more. A stream ends with it. */
static Ganger__V1__Envelope refusal_of(struct rpc_server *server, const struct answer *answer)
{
    static char reason[] = "TOO_MUCH_UNDER_WAY";
    static char message[] = "this connection does not read its answers: read them before asking for more";
    Ganger__V1__Envelope envelope = GANGER__V1__ENVELOPE__INIT;
    struct rpc_call *call = calls_find(server, answer->peer, answer->call_id);

    server->refusals++;
    envelope.kind = GANGER__V1__KIND__END;
    envelope.call_id = answer->call_id;
    envelope.status = STATUS_RESOURCE_EXHAUSTED;
    envelope.reason = reason;
    envelope.message = message;
    if (call != NULL && answer->kind == GANGER__V1__KIND__DATA)
        call_abandon(call);
    return envelope;
}

/* A ROUTER drops in silence what it cannot send, unless it is told to say so: ZMQ_ROUTER_MANDATORY and
 * ZMQ_DONTWAIT. 0, EHOSTUNREACH (gone) or EAGAIN (does not read). */
static int send_frame(struct rpc_server *server, const struct rpc_peer *peer, zmq_msg_t *frame)
{
    while (zmq_send(server->socket.handle, peer->id, peer->id_size, ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0) {
        if (errno != EINTR)
            return errno;
    }
    while (zmq_msg_send(frame, server->socket.handle, ZMQ_DONTWAIT) < 0) {
        if (errno != EINTR)
            return errno;
    }
    return 0;
}

/* 0 when it is on its way, as it is or as a refusal. */
static int try_answer(struct rpc_server *server, const struct answer *answer, uint64_t revision, bool *ret_refused)
{
    Ganger__V1__Envelope envelope = envelope_of(&server->sending, answer, revision);
    zmq_msg_t frame;

    if (!frame_make(answer->peer, &envelope, &frame)) {
        *ret_refused = true;
        envelope = refusal_of(server, answer);
        CHECK(frame_make(answer->peer, &envelope, &frame));
    }
    int problem = send_frame(server, answer->peer, &frame);
    if (problem != 0)
        (void)zmq_msg_close(&frame);
    return problem;
}

static void send_answer(struct rpc_server *server, const struct answer *answer, uint64_t revision)
{
    struct rpc_peer *peer = answer->peer;
    bool refused = false;
    int problem = peer->gone ? EHOSTUNREACH : try_answer(server, answer, revision, &refused);

    if (problem == 0 && !refused)
        return;
    if (problem == EHOSTUNREACH && !peer->gone)
        peer_lost(server, peer);
    else if (problem != 0 && problem != EHOSTUNREACH)
        peer_cut_off(server, peer);
    if (answer->on_lost != NULL)
        answer->on_lost(answer->lost_data);
}

static void outbox_reset(struct outbox *outbox)
{
    outbox->count = 0;
    outbox->bytes.size = 0;
    if (outbox->bytes.capacity > BYTES_KEPT)
        buffer_done(&outbox->bytes);
}

/* What goes to one peer goes together: ZeroMQ's thread is woken once for it, and writes it with few calls. */
static void group_by_peer(struct outbox *outbox)
{
    for (size_t i = 0; i < outbox->count; i++) {
        struct rpc_peer *peer = outbox->answers[i].peer;
        if (peer->last_answer == 0)
            outbox->answers[i].is_first = true;
        else
            outbox->answers[peer->last_answer - 1].next_of_peer = i + 1;
        peer->last_answer = i + 1;
    }
    for (size_t i = 0; i < outbox->count; i++)
        outbox->answers[i].peer->last_answer = 0;
}

static void send_to_peer(struct rpc_server *server, const struct answer *first, uint64_t revision)
{
    const struct answer *answers = server->sending.answers;

    for (const struct answer *answer = first; answer != NULL;) {
        const struct answer *next = answer->next_of_peer > 0 ? &answers[answer->next_of_peer - 1] : NULL;
        if (answer->kind != GANGER__V1__KIND__KIND_UNSPECIFIED)
            send_answer(server, answer, revision);
        peer_release(server, answer->peer);
        answer = next;
    }
}

void rpc_server_flush(struct rpc_server *server, uint64_t revision)
{
    /* What the callbacks below answer speaks of a later batch: it waits for the next flush. */
    struct outbox sending = server->outbox;

    server->outbox = server->sending;
    server->sending = sending;
    group_by_peer(&server->sending);
    for (size_t i = 0; i < server->sending.count; i++)
        if (server->sending.answers[i].is_first)
            send_to_peer(server, &server->sending.answers[i], revision);
    outbox_reset(&server->sending);
}

void outbox_done(struct rpc_server *server, struct outbox *outbox)
{
    for (size_t i = 0; i < outbox->count; i++)
        peer_release(server, outbox->answers[i].peer);
    free(outbox->answers);
    buffer_done(&outbox->bytes);
}
