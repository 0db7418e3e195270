/* The calling side of the wire: one connection to one daemon, many calls open at once, for one thread.
 *
 * A call that is open when the connection is lost is sent again when it is back: every request of the protocol can be
 * repeated. A stream is not: it ends with UNAVAILABLE/CONNECTION_LOST and its owner opens a new one from where it was.
 * Nothing is queued in ZeroMQ while there is no connection: the deadline of each call runs here. */
#pragma once

#include "common/base/bytes.h"
#include "common/base/status.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>

struct rpc_client;
struct rpc_client_call;

struct rpc_reply {
    bool end;                         /* the last one of this call */
    enum status status;               /* of an end */
    const char *reason;               /* of an end, "" when it is good; borrowed */
    const char *message;              /* likewise */
    struct bytes detail;              /* likewise */
    const ProtobufCMessage *response; /* NULL in a refusal and in the end of a stream; borrowed */
    struct bytes packed;              /* the same as it came, for who wants to keep it; borrowed */
    uint64_t revision;
};

/* Borrowed things hold until it returns. It may make calls and cancel others, not free the client. */
typedef void rpc_reply_fn(const struct rpc_reply *reply, void *data);

/* INVALID_ARGUMENT/BAD_ENDPOINT. Connects in the background; a daemon that is not there yet is waited for. */
enum status rpc_client_new(const char *endpoint, struct rpc_client **ret_client, struct error *error) NODISCARD;
/* Open calls are dropped without a word. */
struct rpc_client *rpc_client_free(struct rpc_client *client);

struct rpc_request {
    const ProtobufCServiceDescriptor *service;
    const char *method; /* its name in the service: "SubmitTasks" */
    const ProtobufCMessage *message;
    uint32_t timeout_ms;   /* 0 = 30,000; for a stream: none */
    uint32_t credit_bytes; /* streams; 0 = unary. Renewed by itself as replies are handled */
};
/* The message is packed before it returns. on_reply is never called from inside. A method that the service does not
 * have, or a message of another type, is a bug (CHECK). */
struct rpc_client_call *rpc_client_call(struct rpc_client *client, const struct rpc_request *request,
                                        rpc_reply_fn *on_reply, void *data);
/* on_reply will not be called any more; the daemon is told. */
void rpc_client_cancel(struct rpc_client *client, struct rpc_client_call *call);

bool rpc_client_connected(const struct rpc_client *client);
/* Edge-triggered like the server's: ask rpc_client_waiting before every sleep, and after every call made. */
int rpc_client_fd(const struct rpc_client *client);
bool rpc_client_waiting(struct rpc_client *client);
/* Sends what waits, handles replies and passed deadlines (DEADLINE_EXCEEDED, or UNAVAILABLE/NO_DAEMON with the cause in
 * the message when there was no connection all the time). now_ms is CLOCK_BOOTTIME. */
void rpc_client_process(struct rpc_client *client, uint64_t now_ms);
/* When rpc_client_process must be called even if nothing arrives; UINT64_MAX = never. */
uint64_t rpc_client_deadline(const struct rpc_client *client);
/* Sleeps until there is something to process, or until the time has come. */
void rpc_client_wait(struct rpc_client *client, uint64_t until_ms);
