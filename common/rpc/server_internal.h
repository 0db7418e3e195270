/* What the files of the server share: the server, its peers, its calls, and the answers that wait for the flush.
 *
 * A peer is one connection (a routing id); a call is in the tables only while it is kept; an answer is an envelope to
 * be. The text of ownership: calls and answers count as references of their peer. */
#pragma once

#include "common/base/arena.h"
#include "common/base/bytes.h"
#include "common/base/check.h"
#include "common/base/deadlines.h"
#include "common/rpc/server.h"
#include "common/rpc/socket.h"

#include <ganger/v1/envelope.pb-c.h>
#include <stdatomic.h>

#define uthash_malloc(size) allocate(size)
#include <uthash.h>

struct method {
    ProtobufCService *service;
    unsigned index;
    const struct rpc_method *row;
    const ProtobufCMessageDescriptor *input;
    const ProtobufCMessageDescriptor *output;
    char *path; /* "/ganger.v1.Tasks/SubmitTasks" */
    UT_hash_handle hh;
};

/* Large frames that ZeroMQ holds for one peer; it lives until the last of them is freed, in ZeroMQ's own thread. */
struct backlog {
    atomic_size_t bytes;
    atomic_uint references;
};

struct rpc_peer {
    uint64_t number; /* never used twice, not to be guessed */
    struct rpc_call *calls;
    uint32_t call_count;
    uint32_t references; /* calls and answers */
    int fd;              /* of its connection, as long as that is known; -1 otherwise */
    bool gone;
    struct rpc_caller caller;
    struct backlog *backlog; /* NULL before the first large frame */
    size_t last_answer;      /* its place + 1 while a flush puts the answers in order; else 0 */
    UT_hash_handle hh;       /* by routing id */
    uint8_t id_size;
    uint8_t id[];
};

/* By the file descriptor that the monitor names. */
struct connection {
    bool open;
    bool over_limit;
    struct rpc_peer *peer; /* NULL until its first frame */
};

struct call_key {
    uint64_t peer_number;
    uint64_t call_id;
};

struct rpc_call {
    struct rpc_server *server;
    struct rpc_peer *peer;
    struct call_key key;
    const struct method *method;
    bool kept;
    int64_t credit;
    uint64_t ends_ms; /* UINT64_MAX = never */
    struct deadline deadline;
    void (*on_end)(struct rpc_call *call, void *data);
    void *end_data;
    void (*on_credit)(struct rpc_call *call, void *data);
    void *credit_data;
    void (*on_lost)(void *data);
    void *lost_data;
    struct rpc_call *prev; /* of the same peer; next also links the free ones */
    struct rpc_call *next;
    UT_hash_handle hh; /* by key, when kept */
};

/* Part of the outbox's bytes. */
struct span {
    size_t offset;
    size_t size;
};

struct answer {
    struct rpc_peer *peer;
    uint64_t call_id;
    Ganger__V1__Kind kind; /* UNSPECIFIED: withdrawn */
    bool settled;          /* does not speak of the batch: a discard leaves it */
    enum status status;
    const char *reason;
    struct span message; /* ends in NUL */
    struct span detail;
    struct span body;
    void (*on_lost)(void *data);
    void *lost_data;
    bool is_first;       /* of its peer in this flush */
    size_t next_of_peer; /* its place + 1; 0 = none */
};

struct outbox {
    struct answer *answers;
    size_t count;
    size_t capacity;
    struct buffer bytes;
};

struct rpc_server {
    struct rpc_socket socket;
    char **paths; /* of ipc sockets */
    size_t path_count;
    uint32_t connections_max;
    uint32_t calls_max;
    uint32_t calls_per_peer_max;

    struct method *methods;
    size_t method_count;
    struct method *methods_by_path;

    struct rpc_peer *peers;
    uint64_t next_peer_number;
    struct connection *connections;
    size_t connection_capacity;
    uint32_t connection_count;

    struct rpc_call *calls;
    struct rpc_call *free_calls;
    struct deadlines deadlines;
    uint32_t call_count;
    uint32_t stream_count;
    struct rpc_call *dispatched; /* inside its handler and not answered yet */

    struct arena arena; /* of the frame that is being handled */
    struct outbox outbox;
    struct outbox sending; /* what the flush works on; answers made meanwhile wait for the next one */
    uint64_t requests;
    uint64_t refusals;
    uint64_t malformed;
};

/* peers.c */

/* The peer of a frame, new if need be. */
struct rpc_peer *peer_of_frame(struct rpc_server *server, zmq_msg_t *id, zmq_msg_t *frame);
/* Its session is over: every call of it ends. */
void peer_lost(struct rpc_server *server, struct rpc_peer *peer);
/* The same for one that does not take what it is sent. */
void peer_cut_off(struct rpc_server *server, struct rpc_peer *peer);
void peer_hold(struct rpc_peer *peer);
void peer_release(struct rpc_server *server, struct rpc_peer *peer);
bool peer_is_over_limit(struct rpc_server *server, const struct rpc_peer *peer);
void peers_read_events(struct rpc_server *server);
void peers_done(struct rpc_server *server);

/* server_dispatch.c */

void server_handle_frame(struct rpc_server *server, struct rpc_peer *peer, struct bytes frame, uint64_t now_ms);

/* server_calls.c */

struct rpc_call *call_new(struct rpc_server *server, struct rpc_peer *peer, uint64_t call_id,
                          const struct method *method);
/* Ends a call that its owner did not end: tells the owner. Nothing is sent. */
void call_abandon(struct rpc_call *call);
void call_add_credit(struct rpc_call *call, uint32_t credit_bytes);
void calls_done(struct rpc_server *server);

/* server_tables.c */

struct method *methods_find(struct rpc_server *server, const char *path);
void methods_add(struct rpc_server *server, struct method *method);
void methods_clear(struct rpc_server *server);
struct rpc_peer *peers_find(struct rpc_server *server, const void *id, size_t size);
void peers_add(struct rpc_server *server, struct rpc_peer *peer);
void peers_remove(struct rpc_server *server, struct rpc_peer *peer);
struct rpc_call *calls_find(struct rpc_server *server, const struct rpc_peer *peer, uint64_t call_id);
void calls_add(struct rpc_server *server, struct rpc_call *call);
void calls_remove(struct rpc_server *server, struct rpc_call *call);

/* frame.c */

/* Packs envelope as the frame to be sent to peer; false when ZeroMQ holds too much for it already. */
bool frame_make(struct rpc_peer *peer, const Ganger__V1__Envelope *envelope, zmq_msg_t *ret_frame);
void backlog_release(struct backlog *backlog);

/* outbox.c */

struct answer *outbox_add(struct rpc_server *server, struct rpc_peer *peer, uint64_t call_id, Ganger__V1__Kind kind);
void outbox_set_error(struct rpc_server *server, struct answer *answer, const struct error *error, struct bytes detail);
/* A refusal that the server makes itself: it does not depend on the batch. */
void outbox_refuse(struct rpc_server *server, struct rpc_peer *peer, uint64_t call_id, const struct error *error);
void outbox_done(struct rpc_server *server, struct outbox *outbox);
