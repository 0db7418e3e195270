#include "bench/solo.h"

#include "bench/bench.h"
#include "common/base/clock.h"

#include <stdio.h>
#include <unistd.h>

#define CALL_TIMEOUT_MS 60000

static char agent_type[] = "bench";

static bool refused(const char *call, const struct ganger_error *error)
{
    (void)fprintf(stderr, "ganger-bench: %s: %s: %s\n", call, error->reason, error->message);
    return false;
}

bool solo_open(struct solo *ret_solo, const char *endpoint)
{
    static uint32_t number;
    struct ganger_error error = {0};
    struct solo solo = {.incarnation = clock_wall_ms()};

    if (ganger_open(endpoint, GANGER_BROKER, &solo.ganger, &error) != GANGER_OK)
        return refused("open", &error);
    (void)snprintf(solo.agent_id, sizeof(solo.agent_id), "solo/%d.%u", (int)getpid(), ++number);
    *ret_solo = solo;
    return true;
}

void solo_close(struct solo *solo)
{
    ganger_close(solo->ganger);
    solo->ganger = NULL;
}

bool solo_submit(struct solo *solo, enum solo_kind kind, uint64_t *ret_task_id)
{
    static uint8_t payload[PAYLOAD_BYTES];
    Ganger__V1__SubmitTasksRequest request = GANGER__V1__SUBMIT_TASKS_REQUEST__INIT;
    Ganger__V1__SubmitTasksResponse *response = NULL;
    Ganger__V1__TaskSpec spec = GANGER__V1__TASK_SPEC__INIT;
    Ganger__V1__TaskSpec *specs[] = {&spec};
    struct ganger_error error = {0};

    spec.agent_type = kind == SOLO_TASK ? agent_type : (char[]){"nobody"};
    spec.payload = (ProtobufCBinaryData){.data = payload, .len = sizeof(payload)};
    request.tasks = specs;
    request.n_tasks = 1;
    if (ganger_submit_tasks(solo->ganger, &request, CALL_TIMEOUT_MS, &response, &error) != GANGER_OK)
        return refused("SubmitTasks", &error);
    *ret_task_id = response->outcomes[0]->task_id;
    ganger_free(response);
    return *ret_task_id != 0;
}

bool solo_claim(struct solo *solo, struct solo_run *ret_run)
{
    Ganger__V1__ClaimTasksRequest request = GANGER__V1__CLAIM_TASKS_REQUEST__INIT;
    Ganger__V1__ClaimTasksResponse *response = NULL;
    struct ganger_error error = {0};

    request.agent_type = agent_type;
    request.agent_id = solo->agent_id;
    request.incarnation = solo->incarnation;
    request.claim_seq = ++solo->claim_seq;
    request.start = true;
    if (ganger_claim_tasks(solo->ganger, &request, CALL_TIMEOUT_MS, &response, &error) != GANGER_OK)
        return refused("ClaimTasks", &error);
    bool claimed = response->n_assignments == 1;
    if (claimed)
        *ret_run = (struct solo_run){.task_id = response->assignments[0]->task->task_id,
                                     .fence = response->assignments[0]->task->fence};
    else
        (void)fprintf(stderr, "ganger-bench: ClaimTasks: there was nothing to claim\n");
    ganger_free(response);
    return claimed;
}

bool solo_beat(struct solo *solo, struct solo_run run)
{
    Ganger__V1__HeartbeatRequest request = GANGER__V1__HEARTBEAT_REQUEST__INIT;
    Ganger__V1__Beat beat = GANGER__V1__BEAT__INIT;
    Ganger__V1__Beat *beats[] = {&beat};
    struct ganger_error error = {0};

    beat.task_id = run.task_id;
    beat.fence = run.fence;
    request.agent_id = solo->agent_id;
    request.incarnation = solo->incarnation;
    request.beats = beats;
    request.n_beats = 1;
    return ganger_heartbeat(solo->ganger, &request, CALL_TIMEOUT_MS, NULL, &error) == GANGER_OK ||
           refused("Heartbeat", &error);
}

bool solo_complete(struct solo *solo, struct solo_run run)
{
    Ganger__V1__CompleteTaskRequest request = GANGER__V1__COMPLETE_TASK_REQUEST__INIT;
    struct ganger_error error = {0};

    request.task_id = run.task_id;
    request.fence = run.fence;
    return ganger_complete_task(solo->ganger, &request, CALL_TIMEOUT_MS, NULL, &error) == GANGER_OK ||
           refused("CompleteTask", &error);
}
