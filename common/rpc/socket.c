#include "common/rpc/socket.h"

#include "common/base/check.h"
#include "common/base/cleanup.h"
#include "common/rpc/envelope.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>

#define MONITOR "inproc://monitor"

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

void rpc_socket_init(struct rpc_socket *socket, int type, int events)
{
    int64_t frame_max = FRAME_MAX;
    int no_bound = 0;

    socket->context = zmq_ctx_new();
    CHECK(socket->context != NULL);
    seed_routing_ids();
    socket->handle = zmq_socket(socket->context, type);
    socket->monitor = zmq_socket(socket->context, ZMQ_PAIR);
    CHECK(socket->handle != NULL && socket->monitor != NULL);
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
    /* Without a bound on this side the I/O thread never blocks on a monitor that is not read. */
    CHECK(zmq_setsockopt(socket->monitor, ZMQ_RCVHWM, &no_bound, sizeof no_bound) == 0);
    CHECK(zmq_socket_monitor(socket->handle, MONITOR, events) == 0);
    CHECK(zmq_connect(socket->monitor, MONITOR) == 0);
    socket->poll_fd = epoll_create1(EPOLL_CLOEXEC);
    CHECK(socket->poll_fd >= 0);
    watch(socket->poll_fd, socket->handle);
    watch(socket->poll_fd, socket->monitor);
}

void rpc_socket_done(struct rpc_socket *socket)
{
    if (socket->context == NULL)
        return;
    fd_close(socket->poll_fd);
    (void)zmq_socket_monitor(socket->handle, NULL, 0);
    (void)zmq_close(socket->monitor);
    (void)zmq_close(socket->handle);
    while (zmq_ctx_term(socket->context) != 0 && errno == EINTR)
        ;
    *socket = (struct rpc_socket){.poll_fd = -1};
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
bool rpc_socket_next_event(struct rpc_socket *socket, struct rpc_socket_event *ret_event)
{
    zmq_msg_t part;
    uint8_t fields[6] = {0};
    uint32_t value = 0;

    (void)zmq_msg_init(&part);
    int size = zmq_msg_recv(&part, socket->monitor, ZMQ_DONTWAIT);
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
