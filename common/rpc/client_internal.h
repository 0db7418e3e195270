/* What the files of the client share. A call is in the table by id from its start to its end, in the order of their
 * starts, and in the list of the unsent while it waits for a connection. */
#pragma once

#include "common/base/arena.h"
#include "common/base/bytes.h"
#include "common/base/check.h"
#include "common/base/deadlines.h"
#include "common/rpc/client.h"
#include "common/rpc/socket.h"

#define uthash_malloc(size) allocate(size)
#include <uthash.h>

struct rpc_client_call {
    uint64_t call_id;
    const ProtobufCServiceDescriptor *service;
    const ProtobufCMethodDescriptor *method;
    struct buffer body;     /* the packed request, for sending it again; memory is kept with free calls */
    uint32_t credit_bytes;  /* 0 = unary */
    uint64_t handled_bytes; /* of a stream, not yet granted anew */
    struct deadline deadline;
    bool unsent;
    bool was_sent;   /* at least once */
    bool unsendable; /* too large: ends at the next turn */
    bool lost;       /* a stream whose connection is gone: likewise */
    rpc_reply_fn *on_reply;
    void *data;
    struct rpc_client_call *prev; /* unsent ones; next also links the free ones */
    struct rpc_client_call *next;
    UT_hash_handle hh;
};

struct rpc_client {
    struct rpc_socket socket;
    char *endpoint;
    bool connected;
    bool processing;
    bool credit_due; /* a CREDIT could not be sent yet */
    uint64_t next_call_id;
    struct rpc_client_call *calls;
    struct rpc_client_call *unsent;
    struct rpc_client_call *free_calls;
    uint32_t free_count;
    struct deadlines deadlines;
    struct arena arena; /* of the frame that is being handled */
};

/* client_tables.c */

struct rpc_client_call *client_find(struct rpc_client *client, uint64_t call_id);
void client_add(struct rpc_client *client, struct rpc_client_call *call);
void client_remove(struct rpc_client *client, struct rpc_client_call *call);
/* Puts the call at the end of the unsent ones, or takes it out. */
void client_queue(struct rpc_client *client, struct rpc_client_call *call);
void client_unqueue(struct rpc_client *client, struct rpc_client_call *call);

/* client.c */

/* Takes the call out of all tables. */
void client_forget(struct rpc_client *client, struct rpc_client_call *call);
/* Forgets the call and tells its owner how it ended. */
void client_end(struct rpc_client *client, struct rpc_client_call *call, const struct rpc_reply *reply);
/* Lets its deadline pass at once. */
void client_end_soon(struct rpc_client *client, struct rpc_client_call *call);
void client_end_with(struct rpc_client *client, struct rpc_client_call *call, const struct error *error);

/* client_io.c */

/* Sends what waits, as far as the connection takes it. */
void client_send_unsent(struct rpc_client *client);
/* Grants what the connection did not take before. */
void client_send_due_credit(struct rpc_client *client);
/* CANCEL and CREDIT; false when the connection does not take it now. */
bool client_send_notice(struct rpc_client *client, int kind, uint64_t call_id, uint32_t credit_bytes);
void client_read_events(struct rpc_client *client);
void client_read_replies(struct rpc_client *client);
