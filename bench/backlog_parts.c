#include "bench/backlog.h"
#include "bench/connections.h"
#include "bench/sample.h"
#include "common/base/check.h"
#include "common/base/clock.h"
#include "tests/support/process.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define CALL_TIMEOUT_MS 60000
#define FILL_CONNECTIONS 4
#define FILL_SLOTS 2 /* per connection */
#define FILL_BATCH 1000
/* One request of eight is for one of 64 other queues, so that the answer about queues has something to say. */
#define ASIDE_EVERY 8
#define ASIDE_QUEUES 64
#define PROGRESS_EVERY 1000000
#define AWAIT_LIMIT_US 60000000
#define AWAIT_PAUSE_US 100

static uint8_t payload[PAYLOAD_BYTES];
static char agent_type[] = "bench";

struct fill {
    struct connections connections;
    Ganger__V1__TaskSpec spec;
    Ganger__V1__TaskSpec *specs[FILL_BATCH];
    char *limit;
    uint64_t requests; /* sent so far */
    uint64_t left;     /* to be sent */
    uint64_t done;
    uint64_t under_way; /* requests */
    bool failed;
};

struct fill_slot {
    struct fill *fill;
    struct ganger *ganger;
    uint64_t tasks; /* in its request */
};

static void fill_more(struct fill_slot *slot);

static void filled(const struct ganger_reply *reply, void *data)
{
    struct fill_slot *slot = data;
    struct fill *fill = slot->fill;

    fill->under_way--;
    if (reply->error != NULL) {
        if (!fill->failed)
            (void)fprintf(stderr, "ganger-bench: SubmitTasks: %s: %s\n", reply->error->reason, reply->error->message);
        fill->failed = true;
        return;
    }
    uint64_t before = fill->done;
    fill->done += slot->tasks;
    if (fill->done / PROGRESS_EVERY > before / PROGRESS_EVERY)
        (void)fprintf(stderr, "ganger-bench: %" PRIu64 " tasks submitted\n", fill->done);
    fill_more(slot);
}

static void fill_more(struct fill_slot *slot)
{
    struct fill *fill = slot->fill;
    Ganger__V1__SubmitTasksRequest request = GANGER__V1__SUBMIT_TASKS_REQUEST__INIT;
    char queue[32] = "default";

    if (fill->left == 0 || fill->failed)
        return;
    slot->tasks = fill->left < FILL_BATCH ? fill->left : FILL_BATCH;
    fill->left -= slot->tasks;
    fill->under_way++;
    if (++fill->requests % ASIDE_EVERY == 0)
        (void)snprintf(queue, sizeof(queue), "aside-%d", (int)(fill->requests / ASIDE_EVERY % ASIDE_QUEUES));
    fill->spec.queue = queue;
    request.tasks = fill->specs;
    request.n_tasks = slot->tasks;
    (void)ganger_start(slot->ganger, &ganger__v1__tasks__descriptor, "SubmitTasks", &request.base, CALL_TIMEOUT_MS, 0,
                       filled, slot);
}

static bool look(struct ganger *ganger, struct backlog_look *ret_look)
{
    Ganger__V1__StatusRequest request = GANGER__V1__STATUS_REQUEST__INIT;
    Ganger__V1__StatusResponse *response = NULL;
    struct ganger_error error = {0};

    if (ganger_status(ganger, &request, CALL_TIMEOUT_MS, &response, &error) != GANGER_OK) {
        (void)fprintf(stderr, "ganger-bench: Status: %s\n", error.message);
        return false;
    }
    for (size_t i = 0; i < response->n_states; i++) {
        if (response->states[i]->state == GANGER__V1__TASK_STATE__READY)
            ret_look->ready = response->states[i]->tasks;
    }
    ret_look->store_bytes = response->store_bytes;
    ganger_free(response);
    return true;
}

bool backlog_fill(const struct backlog_order *order, struct backlog_fill *ret_fill)
{
    struct fill *fill = allocate_zero(1, sizeof(*fill));
    struct fill_slot slots[FILL_CONNECTIONS * FILL_SLOTS];
    uint64_t begin_us = 0;

    fill->left = order->tasks;
    ganger__v1__task_spec__init(&fill->spec);
    fill->spec.agent_type = agent_type;
    fill->spec.payload = (ProtobufCBinaryData){.data = payload, .len = sizeof(payload)};
    fill->spec.parent_id = order->parent_id;
    fill->limit = order->limit;
    fill->spec.limits = &fill->limit;
    fill->spec.n_limits = order->limit != NULL ? 1 : 0;
    for (size_t i = 0; i < FILL_BATCH; i++)
        fill->specs[i] = &fill->spec;
    fill->failed = !connections_open(&fill->connections, order->endpoint, GANGER_BROKER, FILL_CONNECTIONS);
    begin_us = clock_boot_us();
    for (size_t i = 0; i < sizeof(slots) / sizeof(slots[0]) && !fill->failed; i++) {
        slots[i] = (struct fill_slot){.fill = fill, .ganger = fill->connections.items[i % FILL_CONNECTIONS]};
        fill_more(&slots[i]);
    }
    connections_flush(&fill->connections);
    while (fill->under_way > 0 && !fill->failed)
        connections_turn(&fill->connections);
    ret_fill->seconds = (double)(clock_boot_us() - begin_us) / 1e6;
    bool counted = !fill->failed && look(fill->connections.items[0], &ret_fill->look);
    connections_close(&fill->connections);
    free(fill);
    return counted;
}

static bool ask_once(struct ganger *ganger, enum backlog_call call, struct ganger_error *error)
{
    Ganger__V1__StatusRequest status = GANGER__V1__STATUS_REQUEST__INIT;
    Ganger__V1__QueueStatsRequest queues = GANGER__V1__QUEUE_STATS_REQUEST__INIT;

    if (call == CALL_STATUS)
        return ganger_status(ganger, &status, CALL_TIMEOUT_MS, NULL, error) == GANGER_OK;
    return ganger_queue_stats(ganger, &queues, CALL_TIMEOUT_MS, NULL, error) == GANGER_OK;
}

bool backlog_ask(const char *endpoint, double seconds, struct latencies ret_calls[static BACKLOG_CALLS])
{
    struct connections connections;
    struct ganger_error error = {0};
    bool asked = connections_open(&connections, endpoint, GANGER_BROKER, 1);

    for (int call = 0; call < BACKLOG_CALLS && asked; call++) {
        struct sample sample = {0};
        uint64_t end_us = clock_boot_us() + (uint64_t)(seconds * 1e6);

        while (asked && clock_boot_us() < end_us) {
            uint64_t sent_us = clock_boot_us();
            asked = ask_once(connections.items[0], (enum backlog_call)call, &error);
            sample_add(&sample, clock_boot_us() - sent_us);
        }
        ret_calls[call] = sample_latencies(&sample);
        sample_done(&sample);
    }
    if (error.status != GANGER_OK)
        (void)fprintf(stderr, "ganger-bench: %s: %s\n", error.reason, error.message);
    connections_close(&connections);
    return asked;
}

/* Connects only once somebody listens: a connection that is refused waits before it tries again. */
bool backlog_await(const char *endpoint, uint64_t began_us, double *ret_start_us, struct backlog_look *ret_look)
{
    const struct timespec pause = {.tv_nsec = AWAIT_PAUSE_US * 1000L};
    struct connections connections;

    while (!socket_is_listened_on(endpoint) && clock_boot_us() < began_us + AWAIT_LIMIT_US)
        (void)nanosleep(&pause, NULL);
    bool answered = connections_open(&connections, endpoint, GANGER_BROKER, 1) && look(connections.items[0], ret_look);
    *ret_start_us = (double)(clock_boot_us() - began_us);
    connections_close(&connections);
    if (!answered)
        (void)fprintf(stderr, "ganger-bench: a broker that was started again does not answer\n");
    return answered;
}
