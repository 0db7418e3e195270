/* The operator, who retries what failed until everything is completed, and the reader, who writes down the end. */
#include "common/base/check.h"
#include "tests/torture/caller.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CALL_TIMEOUT_MS 5000
#define LOOK_INTERVAL_MS 100
#define PAGE_SIZE 500

typedef void each_task_fn(struct caller *caller, const Ganger__V1__Task *task, const struct history_event *event);

/* Calls each_task for every task in one of the states (none = in any). False when it had to stop. */
static bool for_each_task(struct caller *caller, Ganger__V1__TaskState state, uint32_t round, each_task_fn *each_task)
{
    Ganger__V1__ListTasksRequest request = GANGER__V1__LIST_TASKS_REQUEST__INIT;
    struct question question = {&ganger__v1__tasks__descriptor, "ListTasks", &request.base, CALL_TIMEOUT_MS};

    request.states = &state;
    request.n_states = state != GANGER__V1__TASK_STATE__TASK_STATE_UNSPECIFIED;
    request.page_size = PAGE_SIZE;
    do {
        Ganger__V1__ListTasksResponse *response = NULL;
        struct history_event event = caller_operation(caller, CALL_STATE, 0, 0);

        event.round = round;
        response = caller_ask(caller, &event, &question);
        if (response == NULL)
            return false;
        event.round = round;
        for (size_t i = 0; i < response->n_tasks; i++)
            each_task(caller, response->tasks[i], &event);
        request.page_token = response->next_page_token;
        ganger_free(response);
    } while (request.page_token != 0);
    return true;
}

static void retry_task(struct caller *caller, const Ganger__V1__Task *task, const struct history_event *event)
{
    Ganger__V1__RetryTaskRequest request = GANGER__V1__RETRY_TASK_REQUEST__INIT;
    struct question question = {&ganger__v1__tasks__descriptor, "RetryTask", &request.base, CALL_TIMEOUT_MS};
    struct history_event retry = caller_operation(caller, CALL_RETRY, task->task_id, 0);
    Ganger__V1__RetryTaskResponse *response = NULL;

    (void)event;
    request.task_id = task->task_id;
    response = caller_ask(caller, &retry, &question);
    if (response != NULL)
        caller_write(caller, &retry, HISTORY_OK, NULL);
    ganger_free(response);
}

/* How many tasks the broker counts in the state, UINT64_MAX when there was no answer. */
static uint64_t count_in_state(struct caller *caller, Ganger__V1__TaskState state)
{
    Ganger__V1__StatusRequest request = GANGER__V1__STATUS_REQUEST__INIT;
    Ganger__V1__StatusResponse *response = NULL;
    uint64_t tasks = UINT64_MAX;

    if (ganger_status(caller->ganger, &request, CALL_TIMEOUT_MS, &response, NULL) != GANGER_OK)
        return UINT64_MAX;
    for (size_t i = 0; i < response->n_states; i++) {
        if (response->states[i]->state == state)
            tasks = response->states[i]->tasks;
    }
    ganger_free(response);
    return tasks;
}

static void open_caller(struct caller *caller, const struct fleet *fleet, const char *name, uint64_t actor)
{
    char path[400];
    int history = -1;

    (void)snprintf(path, sizeof(path), "%s/%s.history", fleet->directory, name);
    history = history_open(path);
    CHECK(history >= 0);
    caller_open(caller, fleet, history, actor);
}

int operator_main(const struct fleet *fleet)
{
    struct caller caller;
    uint64_t completed = 0;

    open_caller(&caller, fleet, "operator", 0x20000000000u);
    while (!fleet_stopping(fleet) && completed != fleet->works) {
        uint64_t counted = count_in_state(&caller, GANGER__V1__TASK_STATE__COMPLETED);

        if (counted != UINT64_MAX)
            completed = counted;
        atomic_store(&fleet->shared->completed, (unsigned)completed);
        (void)for_each_task(&caller, GANGER__V1__TASK_STATE__FAILED, 0, retry_task);
        fleet_pause(fleet, LOOK_INTERVAL_MS);
    }
    caller_close(&caller);
    return completed == fleet->works ? 0 : 1;
}

static const char *state_name(Ganger__V1__TaskState state)
{
    const ProtobufCEnumValue *value =
        protobuf_c_enum_descriptor_get_value(&ganger__v1__task_state__descriptor, (int)state);

    return value != NULL ? value->name : "UNKNOWN";
}

static void write_state(struct caller *caller, const Ganger__V1__Task *task, const struct history_event *event)
{
    struct history_event state = *event;
    char expected[64];

    state.task = task->task_id;
    state.fence = task->fence;
    state.value = task->spec != NULL ? fleet_work_of(task->spec->title) : 0;
    caller_write(caller, &state, HISTORY_OK, state_name(task->state));
    if (task->state != GANGER__V1__TASK_STATE__COMPLETED)
        return;
    fleet_result(state.value, state.fence, expected);
    if (task->outcome == NULL || task->outcome->fence != state.fence || task->outcome->result.len != strlen(expected) ||
        memcmp(task->outcome->result.data, expected, strlen(expected)) != 0)
        caller_write(caller, &state, HISTORY_BROKEN, "RESULT_OF_ANOTHER_RUN");
}

int reader_main(const struct fleet *fleet, uint32_t round)
{
    struct caller caller;
    struct history_event event;
    bool complete = false;

    open_caller(&caller, fleet, round == 0 ? "reader-0" : "reader-1", 0x30000000000u + round);
    complete = for_each_task(&caller, GANGER__V1__TASK_STATE__TASK_STATE_UNSPECIFIED, round, write_state);
    event = caller_operation(&caller, CALL_STATE, 0, 0);
    if (complete && count_in_state(&caller, GANGER__V1__TASK_STATE__COMPLETED) != fleet->works)
        caller_write(&caller, &event, HISTORY_BROKEN, "COUNT_DIFFERS");
    caller_close(&caller);
    return complete ? 0 : 1;
}
