#include "cli/daemon.h"

#include "common/base/check.h"
#include "common/base/cleanup.h"
#include "common/base/clock.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A daemon that is being restarted by its service manager is back within that time. */
#define CONNECT_WAIT_MS 1500

static const struct {
    const char *name, *program, *option;
} daemons[] = {
    [GANGER_BROKER] = {"broker", "ganger-broker", "--broker"},
    [GANGER_CONTEXT] = {"context store", "ganger-contextd", "--context"},
};

const char *daemon_name(enum ganger_daemon daemon)
{
    return daemons[daemon].name;
}

uint32_t daemon_timeout_ms(const struct cli *cli)
{
    return cli->timeout_ms == 0 ? DAEMON_REPLY_MS : (uint32_t)cli->timeout_ms;
}

/* Why a local socket does not connect: ZeroMQ tries for ever and tells nobody. 0 when it does. */
static int connect_error(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof(address.sun_path))
        return ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path) + 1);
    CLEANUP(fd_close)
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return errno;
    return connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 ? 0 : errno;
}

static const char *explain_local(const char *path)
{
    int error = connect_error(path);

    switch (error) {
    case 0:
        return "the socket is open, but nobody answers on it: the daemon hangs, or it is no daemon of Ganger";
    case ENOENT:
        return "the socket does not exist";
    case ECONNREFUSED:
        return "the socket is there, but nobody listens: the daemon has died";
    case EACCES:
        return "you may not use the socket: its group may, see ls -l";
    default:
        return strerror(error);
    }
}

static enum exit_status report_absent(const char *endpoint, enum ganger_daemon daemon, const char *why)
{
    bool local = strncmp(endpoint, "ipc://", 6) == 0;
    CLEANUP(free)
    char *hint =
        format_text("is %s running? try: systemctl status %s", daemons[daemon].program, daemons[daemon].program);
    CLEANUP(free)
    char *elsewhere =
        format_text("is that the right address? say it with %s, or in the environment", daemons[daemon].option);

    if (local && connect_error(endpoint + 6) == EACCES)
        return problem(EXIT_DENIED, explain_local(endpoint + 6), "ask the operator to add you to the group",
                       "you may not talk to the %s at %s", daemons[daemon].name, endpoint);
    return problem(EXIT_NO_DAEMON, local ? explain_local(endpoint + 6) : why, local ? hint : elsewhere,
                   "no %s answers at %s", daemons[daemon].name, endpoint);
}

/* Waits a moment for the connection. */
static bool await_connection(const struct cli *cli, struct ganger *ganger)
{
    bool is_shorter = cli->timeout_ms != 0 && cli->timeout_ms < CONNECT_WAIT_MS;
    uint64_t until_ms = clock_boot_ms() + (is_shorter ? cli->timeout_ms : CONNECT_WAIT_MS);

    ganger_process(ganger);
    for (uint64_t now_ms = clock_boot_ms(); !ganger_connected(ganger) && now_ms < until_ms; now_ms = clock_boot_ms()) {
        ganger_wait(ganger, (uint32_t)(until_ms - now_ms));
        ganger_process(ganger);
    }
    return ganger_connected(ganger);
}

enum exit_status daemon_open(struct cli *cli, enum ganger_daemon daemon, struct ganger **ret_ganger)
{
    struct ganger_error error = {0};
    struct ganger **ganger = &cli->daemons[daemon];

    if (*ganger == NULL && ganger_open(cli->endpoints[daemon], daemon, ganger, &error) != GANGER_OK)
        return problem(EXIT_USAGE, error.message, "an endpoint is ipc:///PATH or tcp://HOST:PORT",
                       "%s: that is no endpoint of a %s", daemons[daemon].option, daemons[daemon].name);
    if (!await_connection(cli, *ganger))
        return report_absent(ganger_endpoint(*ganger), daemon, "nothing is reached there");
    *ret_ganger = *ganger;
    return EXIT_DONE;
}

bool daemon_is_there(struct cli *cli, enum ganger_daemon daemon)
{
    struct ganger **ganger = &cli->daemons[daemon];

    return (*ganger != NULL || ganger_open(cli->endpoints[daemon], daemon, ganger, NULL) == GANGER_OK) &&
           await_connection(cli, *ganger);
}

void daemon_close_all(struct cli *cli)
{
    for (size_t i = 0; i < sizeof(cli->daemons) / sizeof(cli->daemons[0]); i++)
        ganger_close(TAKE(cli->daemons[i]));
}

enum exit_status daemon_refused(const struct cli *cli, enum ganger_daemon daemon, const struct ganger_error *error,
                                const char *what)
{
    if (error->status == GANGER_UNAVAILABLE)
        return report_absent(ganger_endpoint(cli->daemons[daemon]), daemon, error->message);
    return problem_refused(error, "%s", what);
}

void daemon_process_all(struct cli *cli, uint32_t timeout_ms)
{
    struct pollfd fds[2];
    nfds_t count = 0;

    for (size_t i = 0; i < 2; i++) {
        struct ganger *ganger = cli->daemons[i];
        if (ganger == NULL)
            continue;
        ganger_process(ganger);
        uint32_t next_ms = ganger_next_ms(ganger);
        timeout_ms = ganger_waiting(ganger) ? 0 : next_ms < timeout_ms ? next_ms : timeout_ms;
        fds[count++] = (struct pollfd){.fd = ganger_fd(ganger), .events = POLLIN};
    }
    (void)poll(fds, count, (int)timeout_ms);
    for (size_t i = 0; i < 2; i++)
        if (cli->daemons[i] != NULL)
            ganger_process(cli->daemons[i]);
}
