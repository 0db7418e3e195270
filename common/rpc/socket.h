/* A ZeroMQ socket with the monitor that tells of its connections, and one descriptor to sleep on for both.
 *
 * It has a context of its own, so that closing it leaves nothing behind. */
#pragma once

#include "common/base/status.h"

#include <stdbool.h>
#include <stdint.h>
#include <zmq.h>

struct rpc_socket {
    void *context;
    void *handle;  /* the ROUTER or DEALER */
    void *monitor; /* what happens to its connections */
    int poll_fd;   /* readable when there is something in either */
};

struct rpc_socket_event {
    uint16_t kind; /* ZMQ_EVENT_... */
    int value;     /* the descriptor, mostly */
};

/* Options are set by the caller after this and before it binds or connects. */
void rpc_socket_init(struct rpc_socket *socket, int type, int events);
/* Does not wait for what was not sent yet. */
void rpc_socket_done(struct rpc_socket *socket);

void rpc_socket_set(struct rpc_socket *socket, int option, int value);
/* The ZMQ_POLLIN and ZMQ_POLLOUT of the socket itself. */
int rpc_socket_ready(struct rpc_socket *socket);
bool rpc_socket_has_event(struct rpc_socket *socket);
bool rpc_socket_next_event(struct rpc_socket *socket, struct rpc_socket_event *ret_event);
