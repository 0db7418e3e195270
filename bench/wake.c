/* How soon a parked claim gets a task that somebody else submits. */
#include "bench/bench.h"
#include "bench/connections.h"
#include "bench/sample.h"
#include "common/base/clock.h"

#include <stdio.h>

#define CALL_TIMEOUT_MS 30000
#define CLAIM_WAIT_MS 20000

struct wake {
    struct connections connections; /* 0 claims, 1 submits */
    struct sample sample;
    uint64_t claim_seq;
    uint64_t sent_us;
    uint64_t task_id;
    uint64_t fence;
    bool claim_answered;
    bool submit_answered;
    bool failed;
};

static void claimed(const struct ganger_reply *reply, void *data)
{
    struct wake *wake = data;
    const Ganger__V1__ClaimTasksResponse *response = (const Ganger__V1__ClaimTasksResponse *)reply->response;

    wake->claim_answered = true;
    if (reply->error != NULL || response->n_assignments != 1) {
        wake->failed = true;
        return;
    }
    sample_add(&wake->sample, clock_boot_us() - wake->sent_us);
    wake->task_id = response->assignments[0]->task->task_id;
    wake->fence = response->assignments[0]->task->fence;
}

static void submitted(const struct ganger_reply *reply, void *data)
{
    struct wake *wake = data;

    wake->submit_answered = true;
    wake->failed = wake->failed || reply->error != NULL;
}

static void park_claim(struct wake *wake)
{
    Ganger__V1__ClaimTasksRequest request = GANGER__V1__CLAIM_TASKS_REQUEST__INIT;

    request.agent_type = (char[]){"wake"};
    request.agent_id = (char[]){"wake/1"};
    request.incarnation = 1;
    request.claim_seq = ++wake->claim_seq;
    request.wait_ms = CLAIM_WAIT_MS;
    request.start = true;
    (void)ganger_start(wake->connections.items[0], &ganger__v1__agents__descriptor, "ClaimTasks", &request.base,
                       CALL_TIMEOUT_MS, 0, claimed, wake);
}

/* The claim is known to be parked when the broker counts it. */
static bool wait_until_parked(struct wake *wake)
{
    Ganger__V1__StatusRequest request = GANGER__V1__STATUS_REQUEST__INIT;
    uint32_t parked = 0;

    ganger_process(wake->connections.items[0]);
    while (parked == 0 && !wake->failed) {
        Ganger__V1__StatusResponse *response = NULL;

        if (ganger_status(wake->connections.items[1], &request, CALL_TIMEOUT_MS, &response, NULL) != GANGER_OK)
            return false;
        parked = response->parked_claims;
        ganger_free(response);
        ganger_process(wake->connections.items[0]);
    }
    return !wake->failed;
}

static void submit(struct wake *wake)
{
    static uint8_t payload[PAYLOAD_BYTES];
    Ganger__V1__SubmitTasksRequest request = GANGER__V1__SUBMIT_TASKS_REQUEST__INIT;
    Ganger__V1__TaskSpec spec = GANGER__V1__TASK_SPEC__INIT;
    Ganger__V1__TaskSpec *specs[] = {&spec};

    spec.agent_type = (char[]){"wake"};
    spec.payload = (ProtobufCBinaryData){.data = payload, .len = sizeof(payload)};
    request.tasks = specs;
    request.n_tasks = 1;
    wake->sent_us = clock_boot_us();
    (void)ganger_start(wake->connections.items[1], &ganger__v1__tasks__descriptor, "SubmitTasks", &request.base,
                       CALL_TIMEOUT_MS, 0, submitted, wake);
}

static bool wake_once(struct wake *wake)
{
    Ganger__V1__CompleteTaskRequest request = GANGER__V1__COMPLETE_TASK_REQUEST__INIT;

    wake->claim_answered = wake->submit_answered = false;
    park_claim(wake);
    if (!wait_until_parked(wake))
        return false;
    submit(wake);
    connections_flush(&wake->connections);
    while (!(wake->claim_answered && wake->submit_answered) && !wake->failed)
        connections_turn(&wake->connections);
    request.task_id = wake->task_id;
    request.fence = wake->fence;
    return !wake->failed &&
           ganger_complete_task(wake->connections.items[0], &request, CALL_TIMEOUT_MS, NULL, NULL) == GANGER_OK;
}

bool measure_wake(struct bench *bench)
{
    struct wake wake = {0};
    uint64_t end_us = clock_boot_us() + (uint64_t)(bench->seconds * 1e6);
    bool measured = connections_open(&wake.connections, bench->broker_endpoint, GANGER_BROKER, 2);

    while (measured && clock_boot_us() < end_us)
        measured = wake_once(&wake);
    bench->result->wake = sample_latencies(&wake.sample);
    sample_done(&wake.sample);
    connections_close(&wake.connections);
    if (!measured)
        (void)fprintf(stderr, "ganger-bench: a parked claim did not get its task\n");
    return measured;
}
