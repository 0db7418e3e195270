/* Contexts of ZeroMQ, each with its threads. One may be shared by the clients of a process, whatever thread they are
 * in: a connection more is then no thread more. The last one that leaves it ends it and its threads. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

struct rpc_context {
    void *zmq;
    uint32_t users;
    pid_t process;            /* that made it */
    struct rpc_context *next; /* of the shared ones */
};

struct rpc_context *rpc_context_new(void);
/* One that this process shares and that has room, or a new one. */
struct rpc_context *rpc_context_share(void);
/* After the sockets of this user were closed. */
void rpc_context_release(struct rpc_context *context);
