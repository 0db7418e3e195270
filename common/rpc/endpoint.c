#include "common/rpc/endpoint.h"

#include "common/base/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define IPC "ipc://"
#define TCP "tcp://"

static bool begins_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

const char *endpoint_path(const char *endpoint)
{
    return begins_with(endpoint, IPC) ? endpoint + strlen(IPC) : NULL;
}

static enum status bad(struct error *error, const char *endpoint, const char *problem)
{
    return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_ENDPOINT", "\"%s\" is not an endpoint: %s", endpoint,
                     problem);
}

static enum status check_path(const char *endpoint, const char *path, struct error *error)
{
    /* "*" and "@" would make ZeroMQ choose a name of its own, or an abstract one without a mode. */
    if (path[0] == '\0' || path[0] == '*' || path[0] == '@')
        return bad(error, endpoint, "the path of a socket must follow, as in ipc:///run/ganger/broker.sock");
    if (strlen(path) >= sizeof((struct sockaddr_un *)NULL)->sun_path)
        return bad(error, endpoint, "the system takes at most 107 bytes as the path of a socket");
    return STATUS_OK;
}

/* Splits HOST:PORT; IPv6 addresses are in brackets. */
static bool split(const char *address, char *ret_host, size_t size, const char **ret_port)
{
    const char *colon = strrchr(address, ':');

    if (colon == NULL || colon == address)
        return false;
    size_t length = (size_t)(colon - address);
    if (address[0] == '[' && address[length - 1] == ']') {
        address++;
        length -= 2;
    }
    if (length == 0 || length >= size)
        return false;
    memcpy(ret_host, address, length);
    ret_host[length] = '\0';
    *ret_port = colon + 1;
    return true;
}

/* Fills address when host is one of the loopback device. */
static bool loopback_address(const char *host, struct sockaddr_storage *ret_address, socklen_t *ret_size)
{
    struct sockaddr_in *four = (struct sockaddr_in *)ret_address;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)ret_address;

    memset(ret_address, 0, sizeof *ret_address);
    if (strcmp(host, "localhost") == 0)
        host = "127.0.0.1";
    if (inet_pton(AF_INET, host, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        *ret_size = sizeof *four;
        return ntohl(four->sin_addr.s_addr) >> 24 == 127;
    }
    if (inet_pton(AF_INET6, host, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        *ret_size = sizeof *six;
        return IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
    }
    return false;
}

static bool port_parse(const char *text, in_port_t *ret_port)
{
    char *end = NULL;

    if (text[0] < '0' || text[0] > '9')
        return false;
    unsigned long port = strtoul(text, &end, 10);
    if (*end != '\0' || port == 0 || port > 65535)
        return false;
    *ret_port = htons((in_port_t)port);
    return true;
}

static enum status check_address(const char *endpoint, const char *address, struct error *error)
{
    char host[64];
    const char *port_text = NULL;
    in_port_t port = 0;
    struct sockaddr_storage storage;
    socklen_t size = 0;

    if (!split(address, host, sizeof host, &port_text))
        return bad(error, endpoint, "an address and a port must follow, as in tcp://127.0.0.1:5555");
    if (!port_parse(port_text, &port))
        return bad(error, endpoint, "its port must be a number from 1 to 65535");
    /* Fail closed: there are no keys to tell a friend on the network from anybody else. */
    if (!loopback_address(host, &storage, &size))
        return bad(error, endpoint,
                   "tcp is for loopback addresses only (127.0.0.1, [::1], localhost), because connections are not "
                   "encrypted; use ipc://, or a tunnel");
    return STATUS_OK;
}

enum status endpoint_check(const char *endpoint, struct error *error)
{
    if (begins_with(endpoint, IPC))
        return check_path(endpoint, endpoint + strlen(IPC), error);
    if (begins_with(endpoint, TCP))
        return check_address(endpoint, endpoint + strlen(TCP), error);
    return bad(error, endpoint, "it must begin with ipc:// or tcp://");
}

/* Tries a plain connection, without a word of ZeroMQ's; 0 or errno. */
static int try_address(const struct sockaddr *address, socklen_t size)
{
    CLEANUP(fd_close)
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return errno;
    return connect(fd, address, size) == 0 ? 0 : errno;
}

static int try_path(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    return try_address((const struct sockaddr *)&address, sizeof address);
}

enum status endpoint_check_free(const char *endpoint, struct error *error)
{
    const char *path = endpoint_path(endpoint);
    struct stat status;

    if (path == NULL || (lstat(path, &status) != 0 && errno == ENOENT))
        return STATUS_OK;
    /* ZeroMQ removes whatever has the name of the socket that it binds, a living one as well. */
    if (!S_ISSOCK(status.st_mode))
        return error_set(error, STATUS_UNAVAILABLE, "BIND_FAILED",
                         "cannot listen on %s: there is a file that is no socket", endpoint);
    int problem = try_path(path);
    if (problem == 0 || problem == EAGAIN)
        return error_set(error, STATUS_FAILED_PRECONDITION, "ENDPOINT_IN_USE",
                         "cannot listen on %s: another server listens there", endpoint);
    if (problem != ECONNREFUSED && problem != ENOENT)
        return error_set(error, STATUS_UNAVAILABLE, "BIND_FAILED", "cannot listen on %s: %s", endpoint,
                         strerrordesc_np(problem));
    return STATUS_OK;
}

static int try_endpoint(const char *endpoint)
{
    const char *path = endpoint_path(endpoint);
    char host[64];
    const char *port_text = NULL;
    in_port_t port = 0;
    struct sockaddr_storage address;
    socklen_t size = 0;

    if (path != NULL)
        return try_path(path);
    if (!split(endpoint + strlen(TCP), host, sizeof host, &port_text) || !port_parse(port_text, &port) ||
        !loopback_address(host, &address, &size))
        return EINVAL;
    if (address.ss_family == AF_INET)
        ((struct sockaddr_in *)&address)->sin_port = port;
    else
        ((struct sockaddr_in6 *)&address)->sin6_port = port;
    return try_address((const struct sockaddr *)&address, size);
}

const char *endpoint_problem(const char *endpoint)
{
    int problem = try_endpoint(endpoint);

    switch (problem) {
    case 0:
    case EINPROGRESS:
    case EAGAIN:
        return "something listens there, but it does not speak this protocol or is too busy";
    case ENOENT:
        return "the socket does not exist";
    case ECONNREFUSED:
        return endpoint_path(endpoint) != NULL ? "the socket is there, but nobody listens on it"
                                               : "nobody listens on that port";
    case EACCES:
        return "the socket may not be opened by this user";
    default:
        return strerrordesc_np(problem);
    }
}
