#include "client/client_internal.h"

#include "common/base/check.h"
#include "common/base/clock.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define WAIT_MAX_MS 60000

struct ganger_call {
    struct ganger *ganger;
    struct rpc_client_call *call;
    ganger_reply_fn *on_reply;
    void *data;
    struct ganger_call *prev;
    struct ganger_call *next;
};

/* One call that is waited for. */
struct waiting {
    struct ganger *ganger;
    bool done;
    enum ganger_status status;
    ProtobufCMessage **ret_response;
    struct ganger_error *error;
};

static const char *default_endpoint(enum ganger_daemon daemon)
{
    const char *endpoint = getenv(daemon == GANGER_BROKER ? "GANGER_BROKER" : "GANGER_CONTEXT");

    if (endpoint != NULL && endpoint[0] != '\0')
        return endpoint;
    return daemon == GANGER_BROKER ? "ipc:///run/ganger/broker.sock" : "ipc:///run/ganger/context.sock";
}

enum ganger_status ganger_open(const char *endpoint, enum ganger_daemon daemon, struct ganger **ret_ganger,
                               struct ganger_error *error)
{
    struct rpc_client *client = NULL;
    struct error problem = {0};

    if (endpoint == NULL)
        endpoint = default_endpoint(daemon);
    if (rpc_client_new(endpoint, &client, &problem) != STATUS_OK)
        return give_error(&problem, error);
    struct ganger *ganger = allocate_zero(1, sizeof *ganger);
    ganger->client = client;
    ganger->daemon = daemon;
    ganger->endpoint = duplicate_text(endpoint);
    *ret_ganger = ganger;
    return GANGER_OK;
}

static void call_free(struct ganger_call *call)
{
    DL_DELETE(call->ganger->calls, call);
    free(call);
}

void ganger_close(struct ganger *ganger)
{
    struct ganger_call *next = NULL;

    if (ganger == NULL)
        return;
    for (struct ganger_call *call = ganger->calls; call != NULL; call = next) {
        next = call->next;
        free(call);
    }
    (void)rpc_client_free(ganger->client);
    buffer_done(&ganger->detail);
    free(ganger->endpoint);
    free(ganger);
}

const char *ganger_endpoint(const struct ganger *ganger)
{
    return ganger->endpoint;
}

static void keep_detail(struct ganger *ganger, struct bytes detail)
{
    ganger->detail.size = 0;
    buffer_add(&ganger->detail, detail.data, detail.size);
}

/* The response outlives the reply: it is unpacked once more, into memory of its own. */
static void take_end(const struct rpc_reply *reply, void *data)
{
    struct waiting *waiting = data;

    if (!reply->end)
        return;
    waiting->done = true;
    waiting->ganger->revision = reply->revision;
    keep_detail(waiting->ganger, reply->detail);
    if (reply->status != STATUS_OK) {
        waiting->status = give_refusal(waiting->ganger, reply, waiting->error);
        return;
    }
    waiting->status = GANGER_OK;
    if (waiting->ret_response == NULL || reply->response == NULL)
        return;
    *waiting->ret_response =
        protobuf_c_message_unpack(reply->response->descriptor, NULL, reply->packed.size, reply->packed.data);
    CHECK(*waiting->ret_response != NULL);
}

static enum status check_call(const struct ganger *ganger, const ProtobufCServiceDescriptor *service,
                              const char *method_name, const ProtobufCMessage *request, struct error *error)
{
    const ProtobufCMethodDescriptor *method = protobuf_c_service_descriptor_get_method_by_name(service, method_name);

    if (ganger->in_handler)
        return error_set(error, STATUS_FAILED_PRECONDITION, "IN_HANDLER",
                         "a handler of replies cannot wait for a call: use ganger_start");
    if (method == NULL)
        return error_set(error, STATUS_INVALID_ARGUMENT, "NO_METHOD", "%s has no method \"%.48s\"", service->name,
                         method_name);
    if (method->input != request->descriptor || !protobuf_c_message_check(request))
        return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_REQUEST", "the request is not a valid %s",
                         method->input->short_name);
    return STATUS_OK;
}

enum ganger_status ganger_call(struct ganger *ganger, const ProtobufCServiceDescriptor *service, const char *method,
                               const ProtobufCMessage *request, uint32_t timeout_ms, ProtobufCMessage **ret_response,
                               struct ganger_error *error)
{
    struct waiting waiting = {.ganger = ganger, .ret_response = ret_response, .error = error};
    struct rpc_request call = {.service = service, .method = method, .message = request, .timeout_ms = timeout_ms};
    struct error problem = {0};

    ganger->detail.size = 0;
    ganger->revision = 0;
    if (check_call(ganger, service, method, request, &problem) != STATUS_OK)
        return give_error(&problem, error);
    (void)rpc_client_call(ganger->client, &call, take_end, &waiting);
    ganger_process(ganger);
    while (!waiting.done) {
        ganger_wait(ganger, WAIT_MAX_MS);
        ganger_process(ganger);
    }
    return waiting.status;
}

const uint8_t *ganger_last_detail(const struct ganger *ganger, size_t *ret_size)
{
    *ret_size = ganger->detail.size;
    return ganger->detail.size > 0 ? ganger->detail.data : NULL;
}

uint64_t ganger_last_revision(const struct ganger *ganger)
{
    return ganger->revision;
}

void ganger_free(void *response)
{
    if (response != NULL)
        protobuf_c_message_free_unpacked(response, NULL);
}

static void pass_on(const struct rpc_reply *reply, void *data)
{
    struct ganger_call *call = data;
    ganger_reply_fn *on_reply = call->on_reply;
    void *call_data = call->data;
    struct ganger_error error = {0};
    struct ganger_reply passed = {.end = reply->end,
                                  .response = reply->response,
                                  .detail = reply->detail.data,
                                  .detail_size = reply->detail.size,
                                  .revision = reply->revision};

    if (reply->end && reply->status != STATUS_OK) {
        (void)give_refusal(call->ganger, reply, &error);
        passed.error = &error;
    }
    /* The handler may cancel the call: it is not touched after that. */
    if (reply->end)
        call_free(call);
    on_reply(&passed, call_data);
}

/* NOLINTNEXTLINE(readability-function-size): as the public header has it */
struct ganger_call *ganger_start(struct ganger *ganger, const ProtobufCServiceDescriptor *service, const char *method,
                                 const ProtobufCMessage *request, uint32_t timeout_ms, uint32_t credit_bytes,
                                 ganger_reply_fn *on_reply, void *data)
{
    struct ganger_call *call = allocate_zero(1, sizeof *call);
    struct rpc_request rpc = {.service = service,
                              .method = method,
                              .message = request,
                              .timeout_ms = timeout_ms,
                              .credit_bytes = credit_bytes};

    call->ganger = ganger;
    DL_APPEND(ganger->calls, call);
    call->on_reply = on_reply;
    call->data = data;
    call->call = rpc_client_call(ganger->client, &rpc, pass_on, call);
    return call;
}

void ganger_cancel(struct ganger *ganger, struct ganger_call *call)
{
    rpc_client_cancel(ganger->client, call->call);
    call_free(call);
}

void ganger_process(struct ganger *ganger)
{
    ganger->in_handler = true;
    rpc_client_process(ganger->client, clock_boot_ms());
    ganger->in_handler = false;
}

void ganger_wait(struct ganger *ganger, uint32_t timeout_ms)
{
    rpc_client_wait(ganger->client, clock_boot_ms() + timeout_ms);
}

int ganger_fd(const struct ganger *ganger)
{
    return rpc_client_fd(ganger->client);
}

bool ganger_waiting(struct ganger *ganger)
{
    return rpc_client_waiting(ganger->client);
}

uint32_t ganger_next_ms(const struct ganger *ganger)
{
    uint64_t deadline_ms = rpc_client_deadline(ganger->client);
    uint64_t now_ms = clock_boot_ms();

    if (deadline_ms == UINT64_MAX)
        return UINT32_MAX;
    if (deadline_ms <= now_ms)
        return 0;
    return deadline_ms - now_ms < UINT32_MAX ? (uint32_t)(deadline_ms - now_ms) : UINT32_MAX - 1;
}

bool ganger_connected(const struct ganger *ganger)
{
    return rpc_client_connected(ganger->client);
}
