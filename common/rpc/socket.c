#include "common/rpc/socket.h"

#include "common/base/check.h"
#include "common/base/cleanup.h"
#include "common/rpc/context.h"
#include "common/rpc/envelope.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>

/* libzmq 4.3.4 draws a ROUTER's first automatic routing id from rand(), which it does not seed: a peer that takes the
 * next id for itself would trip an assertion. */
static void seed_routing_ids(void)
{
    unsigned seed = 0;

    CHECK(getrandom(&seed, sizeof seed, 0) == (ssize_t)sizeof seed);
    srand(seed);
    srandom(seed);
}

static void watch(int poll_fd, void *handle)
{
    struct epoll_event event = {.events = EPOLLIN};
    int fd = -1;
    size_t size = sizeof fd;

    CHECK(zmq_getsockopt(handle, ZMQ_FD, &fd, &size) == 0);
    CHECK(epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event) == 0);
}

void rpc_socket_set(struct rpc_socket *socket, int option, int value)
{
    CHECK(zmq_setsockopt(socket->handle, option, &value, sizeof value) == 0);
}

/* Its name tells it from those of the other sockets in the context. */
static void open_monitor(struct rpc_socket *socket, int events)
{
    char name[48];
    int no_bound = 0;

    (void)snprintf(name, sizeof name, "inproc://monitor-%p", socket->handle);
    socket->monitor = zmq_socket(socket->context->zmq, ZMQ_PAIR);
    CHECK(socket->monitor != NULL);
    /* Without a bound on this side the I/O thread never blocks on a monitor that is not read. */
    CHECK(zmq_setsockopt(socket->monitor, ZMQ_RCVHWM, &no_bound, sizeof no_bound) == 0);
    CHECK(zmq_socket_monitor(socket->handle, name, events | ZMQ_EVENT_MONITOR_STOPPED) == 0);
    CHECK(zmq_connect(socket->monitor, name) == 0);
}

void rpc_socket_init(struct rpc_socket *socket, enum rpc_context_use use, int type, int events)
{
    int64_t frame_max = FRAME_MAX;

    socket->context = use == RPC_CONTEXT_OWN ? rpc_context_new() : rpc_context_share();
    seed_routing_ids();
    socket->handle = zmq_socket(socket->context->zmq, type);
    CHECK(socket->handle != NULL);
    /* libzmq has no limits of its own: an unauthenticated peer could put any amount into memory, or hold a connection
     * without ever finishing its handshake. */
    CHECK(zmq_setsockopt(socket->handle, ZMQ_MAXMSGSIZE, &frame_max, sizeof frame_max) == 0);
    rpc_socket_set(socket, ZMQ_HANDSHAKE_IVL, 3000);
    rpc_socket_set(socket, ZMQ_LINGER, 0);
    rpc_socket_set(socket, ZMQ_IPV6, 1);
    /* ZMTP heartbeats stay off (they abort 4.3.4 under back-pressure); the kernel notices dead hosts. */
    rpc_socket_set(socket, ZMQ_TCP_KEEPALIVE, 1);
    rpc_socket_set(socket, ZMQ_TCP_KEEPALIVE_IDLE, 60);
    rpc_socket_set(socket, ZMQ_TCP_KEEPALIVE_INTVL, 10);
    rpc_socket_set(socket, ZMQ_TCP_KEEPALIVE_CNT, 6);
    open_monitor(socket, events);
    socket->poll_fd = epoll_create1(EPOLL_CLOEXEC);
    CHECK(socket->poll_fd >= 0);
    watch(socket->poll_fd, socket->handle);
    watch(socket->poll_fd, socket->monitor);
}

static int events_of(void *handle)
{
    int events = 0;
    size_t size = sizeof events;

    while (zmq_getsockopt(handle, ZMQ_EVENTS, &events, &size) != 0)
        CHECK(errno == EINTR);
    return events;
}

int rpc_socket_ready(struct rpc_socket *socket)
{
    return events_of(socket->handle);
}

bool rpc_socket_has_event(struct rpc_socket *socket)
{
    return (events_of(socket->monitor) & ZMQ_POLLIN) != 0;
}

/* An event is two frames: its kind and value in the machine's byte order, and the endpoint. */
static bool receive_event(struct rpc_socket *socket, int flags, struct rpc_socket_event *ret_event)
{
    zmq_msg_t part;
    uint8_t fields[6] = {0};
    uint32_t value = 0;

    (void)zmq_msg_init(&part);
    int size = zmq_msg_recv(&part, socket->monitor, flags);
    if (size < 0) {
        (void)zmq_msg_close(&part);
        return false;
    }
    CHECK(size == (int)sizeof fields);
    memcpy(fields, zmq_msg_data(&part), sizeof fields);
    while (zmq_msg_more(&part))
        CHECK(zmq_msg_recv(&part, socket->monitor, 0) >= 0 || errno == EINTR);
    (void)zmq_msg_close(&part);
    memcpy(&ret_event->kind, fields, sizeof ret_event->kind);
    memcpy(&value, fields + sizeof ret_event->kind, sizeof value);
    ret_event->value = (int)value;
    return true;
}

bool rpc_socket_next_event(struct rpc_socket *socket, struct rpc_socket_event *ret_event)
{
    return receive_event(socket, ZMQ_DONTWAIT, ret_event);
}

/* ZeroMQ closes in threads of its own. That the monitor stops is the last that it does: the connections are closed
 * then, and the peers see it before whatever this process does next. */
static void await_close(struct rpc_socket *socket)
{
    struct rpc_socket_event event = {0};

    while (event.kind != ZMQ_EVENT_MONITOR_STOPPED) {
        if (!receive_event(socket, 0, &event))
            CHECK(errno == EINTR);
    }
}

void rpc_socket_done(struct rpc_socket *socket)
{
    if (socket->context == NULL)
        return;
    fd_close(socket->poll_fd);
    (void)zmq_close(socket->handle);
    await_close(socket);
    (void)zmq_close(socket->monitor);
    rpc_context_release(socket->context);
    *socket = (struct rpc_socket){.poll_fd = -1};
}
