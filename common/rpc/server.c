#include "common/rpc/server.h"

#include "common/base/cleanup.h"
#include "common/rpc/endpoint.h"
#include "common/rpc/envelope.h"
#include "common/rpc/server_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONNECTIONS_MAX 4096
#define DESCRIPTORS_KEPT 384U /* for refused connections, the store, and whatever else is open */
#define CALLS_MAX 65536
#define CALLS_PER_PEER_MAX 4096

/* Messages that wait for one peer, in the daemon's memory. Inward 128 keep a connection busy for a whole batch, and
 * hold its sender back beyond that: at most 136 MiB, of one that sends nothing but the largest frames. Outward it must
 * take an answer to every call that a connection may have open, made in one batch, or an honest client would be cut
 * off: 8,192 small ones are at most 128 MiB, large ones have their own bound in frame.c. */
#define INWARD_MAX 128
#define OUTWARD_MAX 8192

static size_t count_methods(const struct rpc_server_options *options)
{
    size_t count = 0;

    for (size_t i = 0; i < options->service_count; i++)
        count += options->services[i].service->descriptor->n_methods;
    return count;
}

/* protobuf-c crashes on a handler that is missing, and its descriptors do not say what streams: both are made sure of
 * here, once. */
static void add_service(struct rpc_server *server, const struct rpc_service *service)
{
    const ProtobufCServiceDescriptor *descriptor = service->service->descriptor;
    void (**handlers)(void) = (void (**)(void))(service->service + 1);

    for (unsigned i = 0; i < descriptor->n_methods; i++) {
        const struct rpc_method *row = &service->methods[i];
        CHECK(handlers[i] != NULL);
        CHECK(row->name != NULL && strcmp(row->name, descriptor->methods[i].name) == 0);
        CHECK(row->request_max <= BODY_MAX);
        struct method *method = &server->methods[server->method_count++];
        *method = (struct method){.service = service->service,
                                  .index = i,
                                  .row = row,
                                  .input = descriptor->methods[i].input,
                                  .output = descriptor->methods[i].output,
                                  .path = format_text("/%s/%s", descriptor->name, row->name)};
        methods_add(server, method);
    }
}

static enum status bind_failed(const char *endpoint, struct error *error)
{
    return error_set(error, STATUS_UNAVAILABLE, "BIND_FAILED", "cannot listen on %s: %s", endpoint,
                     zmq_strerror(errno));
}

/* The mode of the socket decides who gets in, so it has it from the moment it exists: no chmod afterwards. */
static enum status bind_path(struct rpc_server *server, const char *endpoint, uint32_t mode, struct error *error)
{
    TRY(endpoint_check_free(endpoint, error));
    mode_t old_mask = umask(0777U & ~mode);
    int result = zmq_bind(server->socket.handle, endpoint);
    (void)umask(old_mask);
    if (result != 0)
        return bind_failed(endpoint, error);
    server->paths[server->path_count++] = duplicate_text(endpoint_path(endpoint));
    return STATUS_OK;
}

/* ZeroMQ does not look up names to bind to. */
static enum status bind_address(struct rpc_server *server, const char *endpoint, struct error *error)
{
    static const char name[] = "tcp://localhost:";
    CLEANUP(free)
    char *numeric = NULL;

    if (strncmp(endpoint, name, strlen(name)) == 0)
        numeric = format_text("tcp://127.0.0.1:%s", endpoint + strlen(name));
    if (zmq_bind(server->socket.handle, numeric != NULL ? numeric : endpoint) != 0)
        return errno == EADDRINUSE ? error_set(error, STATUS_FAILED_PRECONDITION, "ENDPOINT_IN_USE",
                                               "cannot listen on %s: another server listens there", endpoint)
                                   : bind_failed(endpoint, error);
    return STATUS_OK;
}

static enum status bind_all(struct rpc_server *server, const struct rpc_server_options *options, struct error *error)
{
    uint32_t mode = options->socket_mode > 0 ? options->socket_mode : 0660;

    size_t count = 0;

    for (const char *const *endpoint = options->endpoints; *endpoint != NULL; endpoint++, count++)
        TRY(endpoint_check(*endpoint, error));
    server->paths = allocate_zero(count + 1, sizeof *server->paths);
    for (const char *const *endpoint = options->endpoints; *endpoint != NULL; endpoint++)
        TRY(endpoint_path(*endpoint) != NULL ? bind_path(server, *endpoint, mode, error)
                                             : bind_address(server, *endpoint, error));
    return STATUS_OK;
}

static void open_socket(struct rpc_server *server)
{
    rpc_socket_init(&server->socket, RPC_CONTEXT_OWN, ZMQ_ROUTER, ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED);
    /* Changing these after the bind can crash libzmq. */
    rpc_socket_set(&server->socket, ZMQ_ROUTER_MANDATORY, 1);
    rpc_socket_set(&server->socket, ZMQ_ROUTER_HANDOVER, 0);
    rpc_socket_set(&server->socket, ZMQ_RCVHWM, INWARD_MAX);
    rpc_socket_set(&server->socket, ZMQ_SNDHWM, OUTWARD_MAX);
    rpc_socket_set(&server->socket, ZMQ_BACKLOG, 1024);
}

/* The descriptors that this process may open bound the connections, with room for all else. */
static uint32_t connections_possible(uint32_t wanted)
{
    struct rlimit limit;

    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    if (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= (rlim_t)wanted + DESCRIPTORS_KEPT)
        return wanted;
    return limit.rlim_cur / 2 > DESCRIPTORS_KEPT ? (uint32_t)(limit.rlim_cur - DESCRIPTORS_KEPT) : DESCRIPTORS_KEPT;
}

static uint32_t number_or(uint32_t number, uint32_t fallback)
{
    return number > 0 ? number : fallback;
}

DEFINE_CLEANUP(struct rpc_server *, rpc_server_free)

enum status rpc_server_new(const struct rpc_server_options *options, struct rpc_server **ret_server,
                           struct error *error)
{
    CLEANUP(rpc_server_free)
    struct rpc_server *server = allocate_zero(1, sizeof *server);

    server->connections_max = connections_possible(number_or(options->connections_max, CONNECTIONS_MAX));
    server->calls_max = number_or(options->calls_max, CALLS_MAX);
    server->calls_per_peer_max = number_or(options->calls_per_peer_max, CALLS_PER_PEER_MAX);
    CHECK(getrandom(&server->next_peer_number, sizeof server->next_peer_number, 0) ==
          (ssize_t)sizeof server->next_peer_number);
    server->methods = allocate_zero(count_methods(options) + 1, sizeof *server->methods);
    for (size_t i = 0; i < options->service_count; i++)
        add_service(server, &options->services[i]);
    open_socket(server);
    TRY(bind_all(server, options, error));
    *ret_server = TAKE(server);
    return STATUS_OK;
}

struct rpc_server *rpc_server_free(struct rpc_server *server)
{
    if (server == NULL)
        return NULL;
    calls_done(server);
    outbox_done(server, &server->outbox);
    outbox_done(server, &server->sending);
    peers_done(server);
    /* ZeroMQ leaves the files of its ipc sockets behind. Removed before the close, they cannot be a successor's. */
    for (size_t i = 0; i < server->path_count; i++) {
        (void)unlink(server->paths[i]);
        free(server->paths[i]);
    }
    free(server->paths);
    rpc_socket_done(&server->socket);
    methods_clear(server);
    for (size_t i = 0; i < server->method_count; i++)
        free(server->methods[i].path);
    free(server->methods);
    arena_done(&server->arena);
    free(server);
    return NULL;
}

int rpc_server_fd(const struct rpc_server *server)
{
    return server->socket.poll_fd;
}

bool rpc_server_waiting(struct rpc_server *server)
{
    return (rpc_socket_ready(&server->socket) & ZMQ_POLLIN) != 0 || rpc_socket_has_event(&server->socket);
}

/* After zmq_poll the frame with the routing id has lost what ZeroMQ knows of the connection: it is asked of the frame
 * behind it. */
static bool receive_parts(struct rpc_server *server, zmq_msg_t *id, zmq_msg_t *frame, bool *ret_single)
{
    if (zmq_msg_recv(id, server->socket.handle, ZMQ_DONTWAIT) < 0)
        return false;
    if (!zmq_msg_more(id)) {
        *ret_single = false;
        return true;
    }
    /* The parts of one message arrive together. */
    while (zmq_msg_recv(frame, server->socket.handle, 0) < 0)
        CHECK(errno == EINTR);
    *ret_single = !zmq_msg_more(frame);
    while (zmq_msg_more(frame))
        CHECK(zmq_msg_recv(frame, server->socket.handle, 0) >= 0 || errno == EINTR);
    return true;
}

static bool has_room(const struct rpc_intake *intake, size_t count)
{
    return count < intake->max && (count == 0 || intake->is_full == NULL || !intake->is_full(intake->data));
}

size_t rpc_server_receive(struct rpc_server *server, const struct rpc_intake *intake, uint64_t now_ms)
{
    zmq_msg_t id;
    zmq_msg_t frame;
    size_t count = 0;
    bool single = false;

    peers_read_events(server);
    (void)zmq_msg_init(&id);
    (void)zmq_msg_init(&frame);
    while (has_room(intake, count) && receive_parts(server, &id, &frame, &single)) {
        count++;
        if (!single) {
            server->malformed++;
            continue;
        }
        struct rpc_peer *peer = peer_of_frame(server, &id, &frame);
        struct bytes bytes = {.data = zmq_msg_data(&frame), .size = zmq_msg_size(&frame)};
        peer_hold(peer);
        server_handle_frame(server, peer, bytes, now_ms);
        peer_release(server, peer);
    }
    (void)zmq_msg_close(&id);
    (void)zmq_msg_close(&frame);
    return count;
}

struct rpc_server_stats rpc_server_stats(const struct rpc_server *server)
{
    return (struct rpc_server_stats){.requests = server->requests,
                                     .refusals = server->refusals,
                                     .malformed = server->malformed,
                                     .open_calls = server->call_count,
                                     .open_streams = server->stream_count,
                                     .connections = server->connection_count};
}
