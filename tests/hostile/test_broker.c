/* Ten thousand hostile frames at a real broker, with an honest client beside them. */
#include "client/ganger.h"
#include "common/base/clock.h"
#include "tests/hostile/siege.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TIMEOUT_MS 30000
#define KEPT 20 /* tasks that nobody may touch */
#define FILLERS 300
#define BURST 200 /* hostile frames between two honest lives */
#define SETTLE_MS 20000

struct honest {
    struct ganger *ganger;
    uint64_t kept[KEPT];
    uint64_t claim_seq;
};

static void open_honest(struct honest *honest, const struct siege *siege)
{
    cr_assert(ganger_open(siege->endpoint, GANGER_BROKER, &honest->ganger, NULL) == GANGER_OK);
}

static uint64_t submit(struct honest *honest, const char *namespace, const char *title)
{
    struct ganger_error error = {0};
    char space[64];
    char text[64];
    Ganger__V1__TaskSpec spec = GANGER__V1__TASK_SPEC__INIT;
    Ganger__V1__TaskSpec *specs[] = {&spec};
    Ganger__V1__SubmitTasksRequest request = GANGER__V1__SUBMIT_TASKS_REQUEST__INIT;
    Ganger__V1__SubmitTasksResponse *response = NULL;
    uint64_t id = 0;

    (void)snprintf(space, sizeof(space), "%s", namespace);
    (void)snprintf(text, sizeof(text), "%s", title);
    spec.namespace_ = space;
    spec.title = text;
    spec.agent_type = (char[]){"honest"};
    spec.payload = (ProtobufCBinaryData){.data = (uint8_t *)text, .len = strlen(text)};
    request.tasks = specs;
    request.n_tasks = 1;
    cr_assert(ganger_submit_tasks(honest->ganger, &request, TIMEOUT_MS, &response, &error) == GANGER_OK, "%s",
              error.message);
    cr_assert(response->outcomes[0]->status == GANGER_OK, "%s", response->outcomes[0]->message);
    id = response->outcomes[0]->task_id;
    ganger_free(response);
    return id;
}

/* Submit, claim, complete, get: each answer is about the task that it was asked for. */
static void live_once(struct honest *honest)
{
    struct ganger_error error = {0};
    uint64_t id = submit(honest, "honest-lives", "a life");
    Ganger__V1__ClaimTasksRequest claim = GANGER__V1__CLAIM_TASKS_REQUEST__INIT;
    Ganger__V1__ClaimTasksResponse *claimed = NULL;
    Ganger__V1__CompleteTaskRequest complete = GANGER__V1__COMPLETE_TASK_REQUEST__INIT;
    Ganger__V1__GetTaskRequest get = GANGER__V1__GET_TASK_REQUEST__INIT;
    Ganger__V1__GetTaskResponse *got = NULL;

    claim.namespace_ = (char[]){"honest-lives"};
    claim.agent_id = (char[]){"honest"};
    claim.agent_type = (char[]){"honest"};
    claim.incarnation = 1;
    claim.claim_seq = ++honest->claim_seq;
    claim.start = true;
    cr_assert(ganger_claim_tasks(honest->ganger, &claim, TIMEOUT_MS, &claimed, &error) == GANGER_OK, "%s",
              error.message);
    cr_assert(claimed->n_assignments == 1 && claimed->assignments[0]->task->task_id == id);
    complete.task_id = id;
    complete.fence = claimed->assignments[0]->task->fence;
    ganger_free(claimed);
    cr_assert(ganger_complete_task(honest->ganger, &complete, TIMEOUT_MS, NULL, &error) == GANGER_OK, "%s",
              error.message);
    get.task_id = id;
    cr_assert(ganger_get_task(honest->ganger, &get, TIMEOUT_MS, &got, &error) == GANGER_OK, "%s", error.message);
    cr_assert(got->task->state == GANGER__V1__TASK_STATE__COMPLETED);
    ganger_free(got);
}

static void expect_kept(struct honest *honest)
{
    for (size_t i = 0; i < KEPT; i++) {
        Ganger__V1__GetTaskRequest request = GANGER__V1__GET_TASK_REQUEST__INIT;
        Ganger__V1__GetTaskResponse *response = NULL;
        char title[64];

        (void)snprintf(title, sizeof(title), "kept %zu", i);
        request.task_id = honest->kept[i];
        request.with_payload = true;
        cr_assert(ganger_get_task(honest->ganger, &request, TIMEOUT_MS, &response, NULL) == GANGER_OK);
        cr_expect(response->task->state == GANGER__V1__TASK_STATE__READY);
        cr_expect_str_eq(response->task->spec->title, title);
        cr_expect(response->task->spec->payload.len == strlen(title) &&
                  memcmp(response->task->spec->payload.data, title, strlen(title)) == 0);
        ganger_free(response);
    }
}

static uint64_t count_listed(struct honest *honest, Ganger__V1__TaskState state)
{
    Ganger__V1__ListTasksRequest request = GANGER__V1__LIST_TASKS_REQUEST__INIT;
    uint64_t count = 0;

    request.states = &state;
    request.n_states = 1;
    request.page_size = 1000;
    do {
        Ganger__V1__ListTasksResponse *response = NULL;

        cr_assert(ganger_list_tasks(honest->ganger, &request, TIMEOUT_MS, &response, NULL) == GANGER_OK);
        count += response->n_tasks;
        request.page_token = response->next_page_token;
        ganger_free(response);
    } while (request.page_token != 0);
    return count;
}

/* What the broker counts is what is there when every task is looked at. Tasks may still move by themselves (delays,
 * leases), so a difference is looked at again. Returns the number of all tasks. */
static uint64_t expect_counts_agree(struct honest *honest)
{
    uint64_t limit_ms = clock_boot_ms() + SETTLE_MS;
    bool agree = false;
    uint64_t all = 0;

    while (!agree && clock_boot_ms() < limit_ms) {
        Ganger__V1__StatusRequest request = GANGER__V1__STATUS_REQUEST__INIT;
        Ganger__V1__StatusResponse *response = NULL;

        cr_assert(ganger_status(honest->ganger, &request, TIMEOUT_MS, &response, NULL) == GANGER_OK);
        agree = true;
        all = 0;
        for (size_t i = 0; i < response->n_states; i++) {
            agree = agree && count_listed(honest, response->states[i]->state) == response->states[i]->tasks;
            all += response->states[i]->tasks;
        }
        ganger_free(response);
    }
    cr_expect(agree, "the broker counts other tasks than it lists");
    return all;
}

/* See siege_lift. */
static void wait_until_quiet(struct honest *honest)
{
    uint64_t limit_ms = clock_boot_ms() + SETTLE_MS;
    uint64_t requests = 0;
    bool quiet = false;

    while (!quiet) {
        Ganger__V1__StatusRequest request = GANGER__V1__STATUS_REQUEST__INIT;
        Ganger__V1__StatusResponse *now = NULL;

        cr_assert(ganger_status(honest->ganger, &request, TIMEOUT_MS, &now, NULL) == GANGER_OK);
        quiet = now->connections == 1 && now->requests == requests + 1;
        requests = now->requests;
        ganger_free(now);
        cr_assert(quiet || clock_boot_ms() < limit_ms, "somebody still sends");
    }
}

Test(hostile, frames_do_no_harm_to_the_broker_and_its_honest_clients)
{
    static const ProtobufCServiceDescriptor *const services[] = {
        &ganger__v1__tasks__descriptor, &ganger__v1__agents__descriptor, &ganger__v1__admin__descriptor};
    struct siege siege;
    struct honest honest = {0};
    uint64_t memory_bytes = 0;
    uint64_t all = 0;

    siege_begin(&siege, BROKER_PROGRAM, "broker", services, sizeof(services) / sizeof(services[0]));
    open_honest(&honest, &siege);
    for (size_t i = 0; i < FILLERS; i++)
        (void)submit(&honest, "filler", "filler");
    for (size_t i = 0; i < KEPT; i++) {
        char title[64];

        (void)snprintf(title, sizeof(title), "kept %zu", i);
        honest.kept[i] = submit(&honest, "honest", title);
    }
    for (size_t sent = 0; sent < SIEGE_FRAMES; sent += BURST) {
        siege_attack(&siege, BURST);
        live_once(&honest);
        if (sent + BURST == SIEGE_FRAMES / 5)
            memory_bytes = siege_memory_bytes(&siege);
    }
    printf("  memory after a fifth of the frames %" PRIu64 " KiB, at the end %" PRIu64 " KiB\n", memory_bytes / 1024,
           siege_memory_bytes(&siege) / 1024);
    cr_expect(siege_memory_bytes(&siege) < 2 * memory_bytes);
    siege_lift(&siege);
    wait_until_quiet(&honest);
    expect_kept(&honest);
    all = expect_counts_agree(&honest);

    ganger_close(honest.ganger);
    siege_restart_daemon(&siege);
    open_honest(&honest, &siege);
    expect_kept(&honest);
    cr_expect(expect_counts_agree(&honest) == all, "a restart changed the number of tasks");
    live_once(&honest);
    ganger_close(honest.ganger);
    siege_end(&siege);
}
