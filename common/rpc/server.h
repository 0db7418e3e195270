/* The serving side of the wire: requests in, dispatched by protobuf-c's generated services; replies out, in batches.
 *
 * The shell owns the loop. It calls rpc_server_receive, which reads what waits (up to a bound), checks it and invokes
 * the handlers; their replies are kept back until rpc_server_flush, which the shell calls after its commit. So no reply
 * leaves before the commit that it speaks of. A handler is a protobuf-c service function: it gets the unpacked request
 * (borrowed until it returns), ignores its closure, and casts closure_data to struct rpc_call *. It answers the call at
 * once or keeps it (a parked call, a stream) and answers later from the same thread.
 *
 *     static void get_task(Ganger__V1__Tasks_Service *service, const Ganger__V1__GetTaskRequest *request,
 *                          Ganger__V1__GetTaskResponse_Closure closure, void *closure_data)
 *     {
 *         struct rpc_call *call = closure_data;
 *         ...
 *         rpc_call_reply(call, &response.base);
 *     }
 */
#pragma once

#include "common/base/bytes.h"
#include "common/base/status.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>

/* What the descriptors do not say about a method. There is one row for every method of every service, checked at
 * start. */
struct rpc_method {
    const char *name; /* "SubmitTasks" */
    bool streams;
    uint32_t request_max; /* bytes of the packed request, at most BODY_MAX */
};

/* One service with its rows; methods are in the order of the .proto file. service->invoke dispatches. */
struct rpc_service {
    ProtobufCService *service;
    const struct rpc_method *methods;
};

struct rpc_server_options {
    const char *const *endpoints; /* "ipc:///run/ganger/broker.sock", "tcp://127.0.0.1:5555"; NULL ends the list */
    const struct rpc_service *services;
    size_t service_count;
    uint32_t socket_mode;        /* of ipc sockets, 0 = 0660 */
    uint32_t connections_max;    /* 0 = 4,096 */
    uint32_t calls_max;          /* parked calls and open streams together, 0 = 65,536; one more is refused */
    uint32_t calls_per_peer_max; /* 0 = 4,096 */
};

struct rpc_server;
struct rpc_call;

/* INVALID_ARGUMENT/BAD_ENDPOINT, UNAVAILABLE/BIND_FAILED (with what the system said). An ipc socket that another
 * living server listens on is refused (FAILED_PRECONDITION/ENDPOINT_IN_USE); a dead one's file is replaced. */
enum status rpc_server_new(const struct rpc_server_options *options, struct rpc_server **ret_server,
                           struct error *error) NODISCARD;
struct rpc_server *rpc_server_free(struct rpc_server *server);

/* Readable when rpc_server_waiting might be true. It is ZeroMQ's edge-triggered kind: ask rpc_server_waiting before
 * every sleep. */
int rpc_server_fd(const struct rpc_server *server);
bool rpc_server_waiting(struct rpc_server *server);

/* How much one batch takes. */
struct rpc_intake {
    size_t max;                  /* frames */
    bool (*is_full)(void *data); /* asked after each frame; true = no further one. NULL = only max counts */
    void *data;
};
/* Reads and dispatches what waits; returns how many frames there were. now_ms is CLOCK_BOOTTIME, for deadlines. */
size_t rpc_server_receive(struct rpc_server *server, const struct rpc_intake *intake, uint64_t now_ms);
/* Ends parked calls whose deadline has passed with DEADLINE_EXCEEDED (their on_end is called). */
void rpc_server_expire(struct rpc_server *server, uint64_t now_ms);
/* The earliest deadline of an open call, UINT64_MAX when there is none. */
uint64_t rpc_server_deadline(const struct rpc_server *server);

/* revision goes with every reply of the batch. Peers that are gone or too slow lose their open calls. */
void rpc_server_flush(struct rpc_server *server, uint64_t revision);
/* The batch was not committed: what it wanted to answer is replaced by this error, and a stream that it sent to ends
 * with it (on_end). Calls that were not answered stay open, and refusals that the server itself made stay as they are.
 */
void rpc_server_discard(struct rpc_server *server, const struct error *error);

struct rpc_server_stats {
    uint64_t requests;
    uint64_t refusals;  /* answered with an error */
    uint64_t malformed; /* frames that were not even requests: dropped, or answered when they had a call id */
    uint32_t open_calls;
    uint32_t open_streams;
    uint32_t connections;
};
struct rpc_server_stats rpc_server_stats(const struct rpc_server *server);

/* Who is at the other end of a connection, as the kernel says. */
struct rpc_caller {
    bool is_local; /* over an ipc socket: uid and pid count */
    uint32_t uid;
    uint32_t pid;
    char address[64]; /* otherwise: of its host; "" when that is not known */
};
/* Holds as long as the call. */
const struct rpc_caller *rpc_call_caller(const struct rpc_call *call);

/* Both end the call, which is gone when they return. A response that protobuf-c cannot pack, or over BODY_MAX, is
 * INTERNAL. detail may be empty. */
void rpc_call_reply(struct rpc_call *call, const ProtobufCMessage *response);
void rpc_call_refuse(struct rpc_call *call, const struct error *error);
void rpc_call_refuse_with(struct rpc_call *call, const struct error *error, struct bytes detail);

/* The handler keeps the call. on_end is called when somebody else ends it (the client canceled it or is gone, its
 * deadline passed, the server is freed): forget it then, it is gone. */
void rpc_call_keep(struct rpc_call *call, void (*on_end)(struct rpc_call *call, void *data), void *data);
/* For an answer that somebody must know was not delivered (a claim): called from rpc_server_flush when the peer is
 * gone, or has so much under way unread that it gets a refusal instead. Set before rpc_call_reply; data must live until
 * the flush. */
void rpc_call_if_lost(struct rpc_call *call, void (*on_lost)(void *data), void *data);

/* Streams: the call is kept, and gets DATA while it has credit; to send without is a bug (CHECK), as is a message that
 * cannot be packed or is over BODY_MAX. A message may overdraw the credit once. */
bool rpc_call_has_credit(const struct rpc_call *call);
void rpc_call_send(struct rpc_call *call, const ProtobufCMessage *message);
/* Called when credit has come for a stream that had none. */
void rpc_call_on_credit(struct rpc_call *call, void (*on_credit)(struct rpc_call *call, void *data), void *data);
/* Ends a stream well. */
void rpc_call_finish(struct rpc_call *call);
