#include "tests/rpc/fixture.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/rpc/envelope.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SMALL_MAX 64

static struct fixture *current;

static void forget(struct rpc_call *call)
{
    for (size_t i = 0; i < current->parked_count; i++) {
        if (current->parked[i] != call)
            continue;
        memmove(&current->parked[i], &current->parked[i + 1],
                (current->parked_count - i - 1) * sizeof(struct rpc_call *));
        current->parked_count--;
        return;
    }
}

static void on_end(struct rpc_call *call, void *data)
{
    struct fixture *fixture = data;

    fixture->ended++;
    forget(call);
}

static void on_credit(struct rpc_call *call, void *data)
{
    (void)call;
    ((struct fixture *)data)->credited++;
}

static void on_lost(void *data)
{
    struct fixture *fixture = data;

    fixture->lost++;
    if (fixture->answer_when_lost && fixture->parked_count > 0)
        answer(fixture->parked[0], "instead");
}

static void say_back(Ganger__Test__Echo_Service *service, const Ganger__Test__Words *request,
                     Ganger__Test__Words_Closure closure, void *closure_data)
{
    (void)service;
    (void)closure;
    current->delivered++;
    if (current->watch_loss)
        rpc_call_if_lost(closure_data, on_lost, current);
    if (strcmp(request->text, "refuse") == 0) {
        struct error error;
        (void)error_set(&error, STATUS_ABORTED, "STALE_FENCE", "the fence is stale");
        rpc_call_refuse_with(closure_data, &error, bytes_of_text("detail"));
        return;
    }
    rpc_call_reply(closure_data, &request->base);
}

static void park(Ganger__Test__Echo_Service *service, const Ganger__Test__Words *request,
                 Ganger__Test__Words_Closure closure, void *closure_data)
{
    (void)service;
    (void)request;
    (void)closure;
    CHECK(current->parked_count < PARKED_MAX);
    current->delivered++;
    current->parked[current->parked_count++] = closure_data;
    rpc_call_keep(closure_data, on_end, current);
    rpc_call_on_credit(closure_data, on_credit, current);
}

static Ganger__Test__Echo_Service echo = {
    .base = {.descriptor = &ganger__test__echo__descriptor, .invoke = protobuf_c_service_invoke_internal},
    .say = say_back,
    .park = park,
    .count = park,
    .small = say_back};

static const struct rpc_method methods[] = {
    {.name = "Say", .request_max = BODY_MAX},
    {.name = "Park", .request_max = 4096},
    {.name = "Count", .streams = true, .request_max = 4096},
    {.name = "Small", .request_max = SMALL_MAX},
};

void fixture_start_server(struct fixture *fixture, const struct rpc_server_options *options)
{
    const char *endpoints[] = {fixture->endpoint, NULL};
    struct rpc_service service = {.service = &echo.base, .methods = methods};
    struct rpc_server_options all = options != NULL ? *options : (struct rpc_server_options){0};
    struct error error = {0};

    current = fixture;
    if (all.endpoints == NULL)
        all.endpoints = endpoints;
    all.services = &service;
    all.service_count = 1;
    if (rpc_server_new(&all, &fixture->server, &error) != STATUS_OK)
        (void)fprintf(stderr, "%s\n", error.message);
    CHECK(fixture->server != NULL);
}

void fixture_stop_server(struct fixture *fixture)
{
    fixture->server = rpc_server_free(fixture->server);
}

void fixture_init(struct fixture *fixture, const struct rpc_server_options *options)
{
    *fixture = (struct fixture){.directory = "/tmp/ganger-rpc-XXXXXX"};
    CHECK(mkdtemp(fixture->directory) != NULL);
    (void)snprintf(fixture->endpoint, sizeof fixture->endpoint, "ipc://%s/test.sock", fixture->directory);
    fixture_start_server(fixture, options);
    fixture->client = fixture_connect(fixture);
}

void fixture_done(struct fixture *fixture)
{
    fixture->client = rpc_client_free(fixture->client);
    fixture->server = rpc_server_free(fixture->server);
    CHECK(rmdir(fixture->directory) == 0);
}

struct rpc_client *fixture_connect(struct fixture *fixture)
{
    struct rpc_client *client = NULL;
    struct error error = {0};

    CHECK(rpc_client_new(fixture->endpoint, &client, &error) == STATUS_OK);
    return client;
}

static bool server_waiting(struct fixture *fixture)
{
    return fixture->server != NULL && rpc_server_waiting(fixture->server);
}

static void nap(struct fixture *fixture, struct rpc_client *client)
{
    struct pollfd fds[2];
    nfds_t fd_count = 0;

    if (fixture->server != NULL)
        fds[fd_count++] = (struct pollfd){.fd = rpc_server_fd(fixture->server), .events = POLLIN};
    if (client != NULL)
        fds[fd_count++] = (struct pollfd){.fd = rpc_client_fd(client), .events = POLLIN};
    if (server_waiting(fixture) || (client != NULL && rpc_client_waiting(client)))
        return;
    (void)poll(fds, fd_count, 10);
}

void fixture_turn(struct fixture *fixture, struct rpc_client *client)
{
    if (client != NULL)
        rpc_client_process(client, clock_boot_ms());
    if (fixture->server != NULL) {
        (void)rpc_server_receive(fixture->server, &(struct rpc_intake){.max = 1000}, clock_boot_ms());
        rpc_server_expire(fixture->server, clock_boot_ms());
        if (!fixture->hold_replies)
            rpc_server_flush(fixture->server, fixture->revision);
    }
    nap(fixture, client);
}

void result_take(const struct rpc_reply *reply, void *data)
{
    static size_t place;
    struct result *result = data;

    result->place = ++place;
    result->replies++;
    result->end = reply->end;
    result->status = reply->status;
    result->revision = reply->revision;
    result->detail_size = reply->detail.size;
    (void)snprintf(result->reason, sizeof result->reason, "%s", reply->reason != NULL ? reply->reason : "");
    (void)snprintf(result->message, sizeof result->message, "%s", reply->message != NULL ? reply->message : "");
    if (reply->response == NULL)
        return;
    const Ganger__Test__Words *words = (const Ganger__Test__Words *)reply->response;
    (void)snprintf(result->text, sizeof result->text, "%s", words->text);
    result->number = words->number;
    result->data_size = words->data.len;
    result->bytes += reply->packed.size;
}

struct rpc_client_call *say(struct rpc_client *client, const char *method, const char *text, uint32_t timeout_ms,
                            struct result *result)
{
    Ganger__Test__Words words = GANGER__TEST__WORDS__INIT;
    struct rpc_request request = {
        .service = &ganger__test__echo__descriptor, .method = method, .message = &words.base, .timeout_ms = timeout_ms};

    words.text = field_text(text);
    return rpc_client_call(client, &request, result_take, result);
}

struct rpc_client_call *count(struct rpc_client *client, uint32_t credit_bytes, struct result *result)
{
    Ganger__Test__Words words = GANGER__TEST__WORDS__INIT;
    struct rpc_request request = {.service = &ganger__test__echo__descriptor,
                                  .method = "Count",
                                  .message = &words.base,
                                  .credit_bytes = credit_bytes};

    return rpc_client_call(client, &request, result_take, result);
}

void answer(struct rpc_call *call, const char *text)
{
    Ganger__Test__Words words = GANGER__TEST__WORDS__INIT;

    forget(call);
    words.text = field_text(text);
    rpc_call_reply(call, &words.base);
}
