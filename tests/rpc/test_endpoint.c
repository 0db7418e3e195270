#include "common/base/cleanup.h"
#include "common/rpc/endpoint.h"
#include "tests/rpc/fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static enum status check(const char *endpoint, char message[256])
{
    struct error error = {0};
    enum status status = endpoint_check(endpoint, &error);

    memcpy(message, error.message, sizeof error.message);
    return status;
}

Test(endpoint, good_ones_pass)
{
    static const char *const good[] = {"ipc:///run/ganger/broker.sock", "ipc://build/run/broker.sock",
                                       "tcp://127.0.0.1:5555",          "tcp://127.8.8.8:1",
                                       "tcp://localhost:65535",         "tcp://[::1]:5555"};
    char message[256];

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        cr_expect_eq(check(good[i], message), STATUS_OK, "%s: %s", good[i], message);
}

Test(endpoint, bad_ones_are_refused)
{
    static const char *const bad[] = {"",
                                      "broker.sock",
                                      "udp://127.0.0.1:5555",
                                      "ipc://",
                                      "ipc://*",
                                      "ipc://@abstract",
                                      "tcp://",
                                      "tcp://127.0.0.1",
                                      "tcp://127.0.0.1:",
                                      "tcp://127.0.0.1:0",
                                      "tcp://127.0.0.1:65536",
                                      "tcp://127.0.0.1:5555x",
                                      "tcp://127.0.0.1:-1",
                                      "tcp://:5555",
                                      "tcp://[]:5555"};
    char message[256];

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_expect_eq(check(bad[i], message), STATUS_INVALID_ARGUMENT, "\"%s\"", bad[i]);
}

Test(endpoint, tcp_beyond_the_loopback_device_is_refused_and_says_why)
{
    static const char *const open[] = {"tcp://*:5555",    "tcp://0.0.0.0:5555",     "tcp://192.168.1.2:5555",
                                       "tcp://[::]:5555", "tcp://example.org:5555", "tcp://128.0.0.1:5555"};
    char message[256];

    for (size_t i = 0; i < sizeof open / sizeof open[0]; i++) {
        cr_expect_eq(check(open[i], message), STATUS_INVALID_ARGUMENT, "%s", open[i]);
        cr_expect_not_null(strstr(message, "loopback"), "%s: %s", open[i], message);
    }
}

Test(endpoint, a_path_has_at_most_107_bytes)
{
    char endpoint[256] = "ipc://";
    char message[256];

    memset(endpoint + 6, 'x', 107);
    cr_expect_eq(check(endpoint, message), STATUS_OK);
    endpoint[6 + 107] = 'x';
    cr_expect_eq(check(endpoint, message), STATUS_INVALID_ARGUMENT);
}

static struct fixture fixture;

static void set_up(void)
{
    fixture_init(&fixture, NULL);
}

static void tear_down(void)
{
    fixture_done(&fixture);
}

TestSuite(binding, .init = set_up, .fini = tear_down);

/* Its own server of no service, on one endpoint. */
static enum status bind_one(const char *endpoint, uint32_t mode, struct rpc_server **ret_server, struct error *error)
{
    const char *endpoints[] = {endpoint, NULL};
    struct rpc_server_options options = {.endpoints = endpoints, .socket_mode = mode};

    return rpc_server_new(&options, ret_server, error);
}

Test(binding, the_socket_has_the_mode_that_was_asked_for)
{
    char endpoint[128];
    struct rpc_server *server = NULL;
    struct error error = {0};
    struct stat status;

    cr_assert_eq(stat(fixture.endpoint + 6, &status), 0);
    cr_expect_eq(status.st_mode & 0777, 0660);
    (void)snprintf(endpoint, sizeof endpoint, "ipc://%s/other.sock", fixture.directory);
    cr_assert_eq(bind_one(endpoint, 0600, &server, &error), STATUS_OK);
    cr_assert_eq(stat(endpoint + 6, &status), 0);
    cr_expect_eq(status.st_mode & 0777, 0600);
    server = rpc_server_free(server);
    cr_expect_neq(access(endpoint + 6, F_OK), 0, "the file goes with its server");
}

Test(binding, a_socket_of_a_living_server_is_left_alone)
{
    struct rpc_server *server = NULL;
    struct error error = {0};
    struct result result = {0};

    cr_expect_eq(bind_one(fixture.endpoint, 0, &server, &error), STATUS_FAILED_PRECONDITION);
    cr_expect_str_eq(error.reason, "ENDPOINT_IN_USE");
    say(fixture.client, "Say", "still here", 5000, &result);
    cr_assert(TURN_UNTIL(&fixture, fixture.client, result.end));
    cr_expect_eq(result.status, STATUS_OK);
}

Test(binding, a_socket_that_a_dead_server_left_is_replaced)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct rpc_server *server = NULL;
    struct error error = {0};
    char endpoint[128];

    (void)snprintf(endpoint, sizeof endpoint, "ipc://%s/dead.sock", fixture.directory);
    (void)strncpy(address.sun_path, endpoint + 6, sizeof address.sun_path - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    fd_close(fd);
    cr_expect_str_eq(endpoint_problem(endpoint), "the socket is there, but nobody listens on it");
    cr_expect_eq(bind_one(endpoint, 0, &server, &error), STATUS_OK, "%s", error.message);
    server = rpc_server_free(server);
}

Test(binding, a_file_that_is_no_socket_is_not_removed)
{
    struct rpc_server *server = NULL;
    struct error error = {0};
    char endpoint[128];

    (void)snprintf(endpoint, sizeof endpoint, "ipc://%s/notes", fixture.directory);
    FILE *file = fopen(endpoint + 6, "we");
    cr_assert_not_null(file);
    (void)fclose(file);
    cr_expect_eq(bind_one(endpoint, 0, &server, &error), STATUS_UNAVAILABLE);
    cr_expect_str_eq(error.reason, "BIND_FAILED");
    cr_expect_eq(unlink(endpoint + 6), 0);
}

Test(binding, a_directory_that_does_not_exist_is_named)
{
    struct rpc_server *server = NULL;
    struct error error = {0};
    char endpoint[128];

    (void)snprintf(endpoint, sizeof endpoint, "ipc://%s/no/such.sock", fixture.directory);
    cr_expect_eq(bind_one(endpoint, 0, &server, &error), STATUS_UNAVAILABLE);
    cr_expect_not_null(strstr(error.message, "/no/such.sock"));
    cr_expect_not_null(strstr(error.message, "No such file"));
}

Test(binding, calls_by_tcp_tell_the_address_of_their_host_and_no_user)
{
    char port[32];
    const char *endpoints[] = {port, NULL};
    struct rpc_server_options options = {.endpoints = endpoints};
    struct result result = {0};
    struct error error = {0};
    struct rpc_client *client = NULL;

    (void)snprintf(port, sizeof port, "tcp://127.0.0.1:%d", 20000 + getpid() % 20000);
    fixture_stop_server(&fixture);
    fixture_start_server(&fixture, &options);
    cr_assert_eq(rpc_client_new(port, &client, &error), STATUS_OK);
    say(client, "Park", "by tcp", 5000, &result);
    cr_assert(TURN_UNTIL(&fixture, client, fixture.parked_count == 1));
    const struct rpc_caller *caller = rpc_call_caller(fixture.parked[0]);
    cr_expect_not(caller->is_local);
    cr_expect_str_eq(caller->address, "127.0.0.1");
    (void)rpc_client_free(client);
}

Test(binding, one_server_serves_several_endpoints_also_by_tcp)
{
    char path[128];
    char port[32];
    const char *endpoints[] = {path, port, NULL};
    struct rpc_server_options options = {.endpoints = endpoints};
    struct result result = {0};
    struct error error = {0};
    struct rpc_client *client = NULL;

    (void)snprintf(path, sizeof path, "ipc://%s/second.sock", fixture.directory);
    (void)snprintf(port, sizeof port, "tcp://localhost:%d", 20000 + getpid() % 20000);
    fixture_stop_server(&fixture);
    fixture_start_server(&fixture, &options);
    cr_assert_eq(rpc_client_new(port, &client, &error), STATUS_OK);
    say(client, "Say", "by tcp", 5000, &result);
    cr_assert(TURN_UNTIL(&fixture, client, result.end));
    cr_expect_str_eq(result.text, "by tcp");
    (void)rpc_client_free(client);
}
