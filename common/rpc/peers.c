#include "common/rpc/server_internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define REFUSED_CONNECTIONS_MAX 256

static struct connection *connection_at(struct rpc_server *server, int fd)
{
    if (fd < 0 || (size_t)fd >= server->connection_capacity)
        return NULL;
    return &server->connections[fd];
}

static struct rpc_peer *peer_new(struct rpc_server *server, const void *id, size_t size)
{
    struct rpc_peer *peer = allocate_zero(1, sizeof *peer + size);

    peer->number = server->next_peer_number++;
    peer->fd = -1;
    peer->id_size = (uint8_t)size;
    memcpy(peer->id, id, size);
    peers_add(server, peer);
    return peer;
}

static void peer_forget(struct rpc_server *server, struct rpc_peer *peer)
{
    struct connection *connection = connection_at(server, peer->fd);

    if (connection != NULL)
        connection->peer = NULL;
    peer->fd = -1;
    if (!peer->gone)
        peers_remove(server, peer);
    peer->gone = true;
}

void peer_hold(struct rpc_peer *peer)
{
    peer->references++;
}

/* A peer whose connection is not known is kept only while something refers to it. */
void peer_release(struct rpc_server *server, struct rpc_peer *peer)
{
    CHECK(peer->references > 0);
    if (--peer->references > 0 || peer->fd >= 0)
        return;
    peer_forget(server, peer);
    backlog_release(peer->backlog);
    free(peer);
}

void peer_lost(struct rpc_server *server, struct rpc_peer *peer)
{
    peer_hold(peer);
    peer_forget(server, peer);
    while (peer->calls != NULL)
        call_abandon(peer->calls);
    peer_release(server, peer);
}

/* ZeroMQ has no way to close one connection of a ROUTER. Shut from below, the client sees the loss, connects again and
 * repeats its calls. */
void peer_cut_off(struct rpc_server *server, struct rpc_peer *peer)
{
    peers_read_events(server);
    if (peer->fd >= 0)
        (void)shutdown(peer->fd, SHUT_RDWR);
    if (!peer->gone)
        peer_lost(server, peer);
}

bool peer_is_over_limit(struct rpc_server *server, const struct rpc_peer *peer)
{
    struct connection *connection = connection_at(server, peer->fd);

    if (connection == NULL || !connection->over_limit)
        return false;
    connection->over_limit = server->connection_count > server->connections_max;
    return connection->over_limit;
}

/* Reads ":GID:PID" or ":PID" at the end of what libzmq says of an ipc connection, and cuts it off. */
static bool cut_number(char *text, uint32_t *ret_number)
{
    char *colon = strrchr(text, ':');
    char *end = NULL;

    if (colon == NULL || colon[1] < '0' || colon[1] > '9')
        return false;
    unsigned long number = strtoul(colon + 1, &end, 10);
    if (*end != '\0' || number > UINT32_MAX)
        return false;
    *colon = '\0';
    *ret_number = (uint32_t)number;
    return true;
}

/* Of the frame's own connection, and so never somebody else's who has got its descriptor since. libzmq has asked the
 * kernel (SO_PEERCRED) and says "HOST:UID:GID:PID" for ipc, and the mere address for TCP: an IPv6 address with so few
 * colons has two side by side, and a number is missing there. */
static void read_caller(zmq_msg_t *frame, struct rpc_caller *ret_caller)
{
    static const char mapped[] = "::ffff:"; /* an IPv4 address on an IPv6 socket */
    const char *said = zmq_msg_gets(frame, "Peer-Address");
    char text[sizeof ret_caller->address] = "";
    struct rpc_caller caller = {0};
    uint32_t gid = 0;

    if (said == NULL)
        return;
    if (strncmp(said, mapped, strlen(mapped)) == 0)
        said += strlen(mapped);
    (void)strncpy(text, said, sizeof text - 1);
    memcpy(caller.address, text, sizeof text);
    caller.is_local = cut_number(text, &caller.pid) && cut_number(text, &gid) && cut_number(text, &caller.uid) &&
                      strchr(text, ':') == NULL;
    *ret_caller = caller;
}

/* Ties a new peer to its connection. All events of that descriptor's earlier lives came before this frame and are read
 * first, so that a later disconnect is this one's. Frames of a connection that is closed already can still come; where
 * two peers claim one descriptor, the second stays untied: then only a failed send tells that it is gone. */
static void peer_tie(struct rpc_server *server, struct rpc_peer *peer, zmq_msg_t *frame)
{
    peers_read_events(server);
    int fd = zmq_msg_get(frame, ZMQ_SRCFD);
    struct connection *connection = connection_at(server, fd);

    if (connection == NULL || !connection->open || connection->peer != NULL)
        return;
    connection->peer = peer;
    peer->fd = fd;
}

struct rpc_peer *peer_of_frame(struct rpc_server *server, zmq_msg_t *id, zmq_msg_t *frame)
{
    size_t size = zmq_msg_size(id);
    struct rpc_peer *peer = peers_find(server, zmq_msg_data(id), size);

    if (peer != NULL)
        return peer;
    peer = peer_new(server, zmq_msg_data(id), size);
    read_caller(frame, &peer->caller);
    peer_tie(server, peer, frame);
    return peer;
}

static void connection_opened(struct rpc_server *server, int fd)
{
    size_t capacity = server->connection_capacity;

    if (fd < 0)
        return;
    if ((size_t)fd >= capacity) {
        size_t wanted = capacity * 2 > (size_t)fd + 1 ? capacity * 2 : (size_t)fd + 64;
        server->connections = reallocate(server->connections, wanted * sizeof *server->connections);
        memset(server->connections + capacity, 0, (wanted - capacity) * sizeof *server->connections);
        server->connection_capacity = wanted;
    }
    struct connection *connection = &server->connections[fd];
    if (!connection->open)
        server->connection_count++;
    connection->open = true;
    connection->over_limit = server->connection_count > server->connections_max;
    /* A few more are told why they are not served. Without an end to them the descriptors would run out, and then
     * libzmq turns in accept() without a pause. */
    if (server->connection_count > server->connections_max + REFUSED_CONNECTIONS_MAX)
        (void)shutdown(fd, SHUT_RDWR);
}

static void connection_closed(struct rpc_server *server, int fd)
{
    struct connection *connection = connection_at(server, fd);

    if (connection == NULL || !connection->open)
        return;
    server->connection_count--;
    struct rpc_peer *peer = connection->peer;
    *connection = (struct connection){0};
    if (peer == NULL)
        return;
    peer->fd = -1;
    peer_lost(server, peer);
}

void peers_read_events(struct rpc_server *server)
{
    struct rpc_socket_event event;

    while (rpc_socket_next_event(&server->socket, &event)) {
        if (event.kind == ZMQ_EVENT_ACCEPTED)
            connection_opened(server, event.value);
        else if (event.kind == ZMQ_EVENT_DISCONNECTED)
            connection_closed(server, event.value);
    }
}

void peers_done(struct rpc_server *server)
{
    struct rpc_peer *next = NULL;

    for (struct rpc_peer *peer = server->peers; peer != NULL; peer = next) {
        next = peer->hh.next;
        peer_hold(peer);
        peer_forget(server, peer);
        peer_release(server, peer);
    }
    free(server->connections);
}
