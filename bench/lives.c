/* Lives of tasks: submit, claim with start, complete, each a request of its own, from many slots at once. A slot goes
 * on with the next step as soon as it has the answer to the last. */
#include "bench/bench.h"
#include "bench/connections.h"
#include "bench/sample.h"
#include "common/base/check.h"
#include "common/base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_MAX 64
#define CALL_TIMEOUT_MS 60000
#define CLAIM_WAIT_MS 10000
#define WARM_UP 0.2 /* of the row's time */

static char agent_type[] = "bench";

const struct life_shape life_shapes[LIFE_ROWS] = {
    [LIFE_1] = {"1 (1 connection x 1)", 1, 1, 1, false},
    [LIFE_64_CONNECTIONS] = {"64 (64 connections x 1)", 64, 1, 1, false},
    [LIFE_64] = {"64 (1 connection x 64)", 1, 64, 1, false},
    [LIFE_512] = {"512 (8 connections x 64)", 8, 64, 1, false},
    [LIFE_BATCHED] = {"1,024 (8 x 2, batches of 64)", 8, 2, BATCH_MAX, false},
    [LIFE_ALL_BATCHED] = {"1,024 (and completions too)", 8, 2, BATCH_MAX, true},
};

struct load;

struct slot {
    struct load *load;
    struct ganger *ganger;
    char agent_id[64];
    uint64_t claim_seq;
    uint64_t sent_us;
    uint32_t claimed;
    uint32_t completed;
};

/* A request that completes so many tasks. */
struct completion {
    struct slot *slot;
    uint64_t sent_us;
    uint32_t count;
};

struct load {
    const struct life_shape *shape;
    struct connections connections;
    uint64_t incarnation; /* a broker may be measured more than once */
    struct sample samples[LIFE_STEPS];
    uint64_t lives;
    uint32_t slots_under_way;
    bool measuring;
    bool ending; /* no slot begins another life */
    bool failed;
};

static void fail(struct load *load, const char *step, const struct ganger_error *error)
{
    if (!load->failed)
        (void)fprintf(stderr, "ganger-bench: %s: %s: %s\n", step, error->reason, error->message);
    load->failed = true;
}

static void note(struct load *load, enum life_step step, uint64_t sent_us)
{
    if (load->measuring)
        sample_add(&load->samples[step], clock_boot_us() - sent_us);
}

static void begin_life(struct slot *slot);
static void claim(struct slot *slot);

static bool all_are_completed(const struct ganger_reply *reply, uint32_t count)
{
    const Ganger__V1__CompleteTasksResponse *response = (const Ganger__V1__CompleteTasksResponse *)reply->response;

    for (size_t i = 0; i < response->n_outcomes; i++)
        if (response->outcomes[i]->status != 0)
            return false;
    return response->n_outcomes == count;
}

static void completed(const struct ganger_reply *reply, void *data)
{
    struct completion *completion = data;
    struct slot *slot = completion->slot;
    struct load *load = slot->load;
    uint32_t count = completion->count;

    note(load, STEP_COMPLETE, completion->sent_us);
    free(completion);
    if (reply->error != NULL) {
        fail(load, "CompleteTask", reply->error);
        return;
    }
    if (load->shape->completes_together && !all_are_completed(reply, count)) {
        fail(load, "CompleteTasks", &(struct ganger_error){.reason = "REFUSED", .message = "not all were completed"});
        return;
    }
    load->lives += load->measuring ? count : 0;
    slot->completed += count;
    if (slot->completed == load->shape->batch)
        begin_life(slot);
}

static struct completion *completion_new(struct slot *slot, uint32_t count)
{
    struct completion *completion = allocate_zero(1, sizeof(*completion));

    *completion = (struct completion){.slot = slot, .sent_us = clock_boot_us(), .count = count};
    return completion;
}

static Ganger__V1__Outcome outcome_of_bench(void)
{
    static uint8_t result[] = "done";
    Ganger__V1__Outcome outcome = GANGER__V1__OUTCOME__INIT;

    outcome.result = (ProtobufCBinaryData){.data = result, .len = sizeof(result) - 1};
    return outcome;
}

static void complete(struct slot *slot, const Ganger__V1__Task *task)
{
    Ganger__V1__CompleteTaskRequest request = GANGER__V1__COMPLETE_TASK_REQUEST__INIT;
    Ganger__V1__Outcome outcome = outcome_of_bench();

    request.task_id = task->task_id;
    request.fence = task->fence;
    request.outcome = &outcome;
    (void)ganger_start(slot->ganger, &ganger__v1__agents__descriptor, "CompleteTask", &request.base, CALL_TIMEOUT_MS, 0,
                       completed, completion_new(slot, 1));
}

static void complete_all(struct slot *slot, const Ganger__V1__ClaimTasksResponse *claimed)
{
    Ganger__V1__CompleteTasksRequest request = GANGER__V1__COMPLETE_TASKS_REQUEST__INIT;
    Ganger__V1__Outcome outcome = outcome_of_bench();
    Ganger__V1__CompleteTaskRequest completions[BATCH_MAX];
    Ganger__V1__CompleteTaskRequest *pointers[BATCH_MAX];

    for (size_t i = 0; i < claimed->n_assignments; i++) {
        const Ganger__V1__Task *task = claimed->assignments[i]->task;
        ganger__v1__complete_task_request__init(&completions[i]);
        completions[i].task_id = task->task_id;
        completions[i].fence = task->fence;
        completions[i].outcome = &outcome;
        pointers[i] = &completions[i];
    }
    request.completions = pointers;
    request.n_completions = claimed->n_assignments;
    (void)ganger_start(slot->ganger, &ganger__v1__agents__descriptor, "CompleteTasks", &request.base, CALL_TIMEOUT_MS,
                       0, completed, completion_new(slot, (uint32_t)claimed->n_assignments));
}

static void claimed(const struct ganger_reply *reply, void *data)
{
    struct slot *slot = data;
    const Ganger__V1__ClaimTasksResponse *response = (const Ganger__V1__ClaimTasksResponse *)reply->response;

    note(slot->load, STEP_CLAIM, slot->sent_us);
    if (reply->error != NULL) {
        fail(slot->load, "ClaimTasks", reply->error);
        return;
    }
    slot->claimed += (uint32_t)response->n_assignments;
    if (slot->load->shape->completes_together && response->n_assignments > 0)
        complete_all(slot, response);
    for (size_t i = 0; i < response->n_assignments && !slot->load->shape->completes_together; i++)
        complete(slot, response->assignments[i]->task);
    /* Others may have taken what this slot submitted; then theirs is left for it. */
    if (slot->claimed < slot->load->shape->batch)
        claim(slot);
}

static void claim(struct slot *slot)
{
    Ganger__V1__ClaimTasksRequest request = GANGER__V1__CLAIM_TASKS_REQUEST__INIT;

    request.agent_type = agent_type;
    request.agent_id = slot->agent_id;
    request.incarnation = slot->load->incarnation;
    request.claim_seq = ++slot->claim_seq;
    request.max = slot->load->shape->batch - slot->claimed;
    request.wait_ms = CLAIM_WAIT_MS;
    request.start = true;
    slot->sent_us = clock_boot_us();
    (void)ganger_start(slot->ganger, &ganger__v1__agents__descriptor, "ClaimTasks", &request.base, CALL_TIMEOUT_MS, 0,
                       claimed, slot);
}

static void submitted(const struct ganger_reply *reply, void *data)
{
    struct slot *slot = data;

    note(slot->load, STEP_SUBMIT, slot->sent_us);
    if (reply->error != NULL) {
        fail(slot->load, "SubmitTasks", reply->error);
        return;
    }
    claim(slot);
}

static void begin_life(struct slot *slot)
{
    static uint8_t payload[PAYLOAD_BYTES];
    Ganger__V1__SubmitTasksRequest request = GANGER__V1__SUBMIT_TASKS_REQUEST__INIT;
    Ganger__V1__TaskSpec specs[BATCH_MAX];
    Ganger__V1__TaskSpec *pointers[BATCH_MAX];

    if (slot->load->ending) {
        slot->load->slots_under_way--;
        return;
    }
    slot->claimed = slot->completed = 0;
    for (uint32_t i = 0; i < slot->load->shape->batch; i++) {
        ganger__v1__task_spec__init(&specs[i]);
        specs[i].agent_type = agent_type;
        specs[i].payload = (ProtobufCBinaryData){.data = payload, .len = sizeof(payload)};
        pointers[i] = &specs[i];
    }
    request.tasks = pointers;
    request.n_tasks = slot->load->shape->batch;
    slot->sent_us = clock_boot_us();
    (void)ganger_start(slot->ganger, &ganger__v1__tasks__descriptor, "SubmitTasks", &request.base, CALL_TIMEOUT_MS, 0,
                       submitted, slot);
}

static struct slot *begin_slots(struct load *load, enum life_row row)
{
    uint32_t count = load->shape->connections * load->shape->slots;
    struct slot *slots = allocate_zero(count, sizeof(*slots));

    for (uint32_t i = 0; i < count; i++) {
        slots[i].load = load;
        slots[i].ganger = load->connections.items[i % load->shape->connections];
        (void)snprintf(slots[i].agent_id, sizeof(slots[i].agent_id), "bench/%d.%" PRIu32, (int)row, i);
        load->slots_under_way++;
        begin_life(&slots[i]);
    }
    connections_flush(&load->connections);
    return slots;
}

static void turn_until(struct load *load, uint64_t until_us)
{
    while (clock_boot_us() < until_us && !load->failed)
        connections_turn(&load->connections);
}

static uint64_t commits_of(struct load *load)
{
    Ganger__V1__StatusRequest request = GANGER__V1__STATUS_REQUEST__INIT;
    Ganger__V1__StatusResponse *response = NULL;
    uint64_t commits = 0;

    if (ganger_status(load->connections.items[0], &request, CALL_TIMEOUT_MS, &response, NULL) == GANGER_OK)
        commits = response->commits;
    ganger_free(response);
    connections_flush(&load->connections);
    return commits;
}

bool measure_life(const struct life_target *target, enum life_row row, struct life_result *ret_result)
{
    struct load load = {.shape = &life_shapes[row], .incarnation = clock_wall_ms()};
    struct slot *slots = NULL;

    if (!connections_open(&load.connections, target->endpoint, GANGER_BROKER, load.shape->connections))
        return false;
    slots = begin_slots(&load, row);
    turn_until(&load, clock_boot_us() + (uint64_t)(target->seconds * WARM_UP * 1e6));

    uint64_t commits = commits_of(&load);
    double broker_us = cpu_of_process_us(target->broker);
    double client_us = cpu_of_self_us();
    uint64_t begin_us = clock_boot_us();
    load.measuring = true;
    turn_until(&load, begin_us + (uint64_t)(target->seconds * 1e6));
    load.measuring = false;
    double seconds = (double)(clock_boot_us() - begin_us) / 1e6;
    double lives = load.lives > 0 ? (double)load.lives : 1;
    ret_result->per_second = (double)load.lives / seconds;
    ret_result->broker_us = (cpu_of_process_us(target->broker) - broker_us) / lives;
    ret_result->client_us = (cpu_of_self_us() - client_us) / lives;
    ret_result->commits_per_second = (double)(commits_of(&load) - commits) / seconds;

    load.ending = true;
    uint64_t limit_us = clock_boot_us() + (uint64_t)CALL_TIMEOUT_MS * 1000;
    while (load.slots_under_way > 0 && !load.failed && clock_boot_us() < limit_us)
        connections_turn(&load.connections);
    for (size_t i = 0; i < LIFE_STEPS; i++) {
        ret_result->latency[i] = sample_latencies(&load.samples[i]);
        sample_done(&load.samples[i]);
    }
    connections_close(&load.connections);
    free(slots);
    return !load.failed && load.slots_under_way == 0;
}

bool measure_lives(struct bench *bench)
{
    struct life_target target = {
        .endpoint = bench->broker_endpoint, .broker = bench->broker, .seconds = bench->seconds};
    bool measured = true;

    for (int row = 0; row < LIFE_ROWS && measured; row++)
        measured = measure_life(&target, (enum life_row)row, &bench->result->lives[row]);
    return measured;
}
