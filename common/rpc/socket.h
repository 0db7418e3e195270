/* A ZeroMQ socket with the monitor that tells of its connections, and one descriptor to sleep on for both. */
#pragma once

#include "common/base/status.h"

#include <stdbool.h>
#include <stdint.h>
#include <zmq.h>

/* Every context of ZeroMQ has two threads. */
enum rpc_context_use {
    RPC_CONTEXT_OWN,    /* closing the socket leaves nothing behind: its endpoint is free at once */
    RPC_CONTEXT_SHARED, /* with up to 63 others of this process, also of other threads */
};

struct rpc_socket {
    struct rpc_context *context;
    void *handle;  /* the ROUTER or DEALER */
    void *monitor; /* what happens to its connections */
    int poll_fd;   /* readable when there is something in either */
};

struct rpc_socket_event {
    uint16_t kind; /* ZMQ_EVENT_... */
    int value;     /* the descriptor, mostly */
};

/* Options are set by the caller after this and before it binds or connects. */
void rpc_socket_init(struct rpc_socket *socket, enum rpc_context_use use, int type, int events);
/* Does not wait for what was not sent yet. Its connections are closed when this returns. */
void rpc_socket_done(struct rpc_socket *socket);

void rpc_socket_set(struct rpc_socket *socket, int option, int value);
/* The ZMQ_POLLIN and ZMQ_POLLOUT of the socket itself. */
int rpc_socket_ready(struct rpc_socket *socket);
bool rpc_socket_has_event(struct rpc_socket *socket);
bool rpc_socket_next_event(struct rpc_socket *socket, struct rpc_socket_event *ret_event);
