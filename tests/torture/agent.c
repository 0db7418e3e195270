/* The agents: they claim, start, work, complete; and they do everything that an agent must not rely on. */
#include "common/base/check.h"
#include "common/base/clock.h"
#include "tests/torture/caller.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CLAIM_MAX 32
#define CALL_TIMEOUT_MS 5000
#define THREADS_MAX 64

#define PERMILLE_REPEAT 100 /* of requests: asked again although they were answered */

struct held {
    uint64_t task;
    uint64_t fence;
    uint64_t work;
    bool started;
    bool gone; /* ended, lost or given up */
};

struct agent {
    struct caller caller;
    char agent_id[64];
    uint32_t process;
    uint32_t generation;
    uint32_t thread;
    uint32_t life;
    uint64_t incarnation;
    uint64_t claim_seq;
    struct held held[CLAIM_MAX];
    size_t held_count;
    uint64_t beat_ms; /* when the leases were last renewed */
};

static bool chance(struct agent *agent, uint64_t permille)
{
    return random_permille(&agent->caller.random, permille);
}

static void register_agent(struct agent *agent)
{
    Ganger__V1__RegisterAgentRequest request = GANGER__V1__REGISTER_AGENT_REQUEST__INIT;
    Ganger__V1__Lease leases[CLAIM_MAX];
    Ganger__V1__Lease *pointers[CLAIM_MAX];
    Ganger__V1__RegisterAgentResponse *response = NULL;
    struct history_event event = caller_operation(&agent->caller, CALL_REGISTER, 0, 0);
    struct question question = {&ganger__v1__agents__descriptor, "RegisterAgent", &request.base, CALL_TIMEOUT_MS};

    for (size_t i = 0; i < agent->held_count; i++) {
        if (agent->held[i].gone)
            continue;
        ganger__v1__lease__init(&leases[request.n_held]);
        leases[request.n_held].task_id = agent->held[i].task;
        leases[request.n_held].fence = agent->held[i].fence;
        pointers[request.n_held] = &leases[request.n_held];
        request.n_held++;
    }
    request.held = pointers;
    request.agent_id = agent->agent_id;
    request.incarnation = ++agent->incarnation;
    response = caller_ask(&agent->caller, &event, &question);
    if (response != NULL)
        caller_write(&agent->caller, &event, HISTORY_OK, NULL);
    ganger_free(response);
}

/* A new agent in the place of one that died. */
static void begin_life(struct agent *agent)
{
    agent->life++;
    agent->held_count = 0;
    agent->claim_seq = 0;
    agent->incarnation = clock_wall_ms();
    (void)snprintf(agent->agent_id, sizeof(agent->agent_id), "torture/%" PRIu32 ".%" PRIu32 ".%" PRIu32 ".%" PRIu32,
                   agent->process, agent->generation, agent->thread, agent->life);
    register_agent(agent);
}

/* What comes must be what was submitted, and what this agent asked for. */
static const char *assignment_problem(const struct agent *agent, const Ganger__V1__ClaimTasksRequest *request,
                                      const Ganger__V1__Assignment *assignment)
{
    const Ganger__V1__Task *task = assignment->task;
    Ganger__V1__TaskSpec expected;
    struct work_texts texts;
    bool queue_asked = false;

    if (task == NULL || task->spec == NULL || fleet_work_of(task->spec->title) == 0)
        return "ANOTHER_TASK";
    fleet_describe(agent->caller.fleet, fleet_work_of(task->spec->title), &texts, &expected);
    for (size_t i = 0; i < request->n_queues; i++)
        queue_asked = queue_asked || strcmp(request->queues[i], task->spec->queue) == 0;
    if (!queue_asked || strcmp(task->spec->queue, expected.queue) != 0)
        return "ANOTHER_QUEUE";
    if (strcmp(task->spec->agent_type, expected.agent_type) != 0)
        return "ANOTHER_TYPE";
    if (request->agent_type[0] != '\0' && strcmp(expected.agent_type, "any") != 0 &&
        strcmp(expected.agent_type, request->agent_type) != 0)
        return "TYPE_NOT_ASKED_FOR";
    if (task->spec->payload.len != expected.payload.len ||
        memcmp(task->spec->payload.data, expected.payload.data, expected.payload.len) != 0)
        return "ANOTHER_PAYLOAD";
    if (task->state != (request->start ? GANGER__V1__TASK_STATE__RUNNING : GANGER__V1__TASK_STATE__ASSIGNED))
        return "ANOTHER_STATE";
    return NULL;
}

static void keep_assignments(struct agent *agent, const Ganger__V1__ClaimTasksRequest *request,
                             const Ganger__V1__ClaimTasksResponse *response, struct history_event *event)
{
    agent->held_count = 0;
    event->task = 0;
    if (response->n_assignments == 0)
        caller_write(&agent->caller, event, HISTORY_OK, NULL);
    for (size_t i = 0; i < response->n_assignments && i < CLAIM_MAX; i++) {
        const Ganger__V1__Assignment *assignment = response->assignments[i];
        const char *problem = assignment_problem(agent, request, assignment);

        if (problem != NULL)
            caller_write(&agent->caller, event, HISTORY_BROKEN, problem);
        if (assignment->task == NULL || assignment->task->spec == NULL)
            continue;
        event->task = assignment->task->task_id;
        event->fence = assignment->task->fence;
        event->value = assignment->lease_ms;
        caller_write(&agent->caller, event, HISTORY_OK, NULL);
        agent->held[agent->held_count++] = (struct held){.task = event->task,
                                                         .fence = event->fence,
                                                         .work = fleet_work_of(assignment->task->spec->title),
                                                         .started = request->start};
    }
    if (response->n_assignments > request->max)
        caller_write(&agent->caller, event, HISTORY_BROKEN, "MORE_THAN_MAX");
    event->task = event->fence = event->value = 0;
}

/* Renews the leases of all that is held. What is not this agent's any more is let go. */
static void heartbeat(struct agent *agent)
{
    Ganger__V1__HeartbeatRequest request = GANGER__V1__HEARTBEAT_REQUEST__INIT;
    Ganger__V1__Beat beats[CLAIM_MAX];
    Ganger__V1__Beat *pointers[CLAIM_MAX];
    struct question question = {&ganger__v1__agents__descriptor, "Heartbeat", &request.base, CALL_TIMEOUT_MS};
    struct history_event event = caller_operation(&agent->caller, CALL_HEARTBEAT, 0, 0);
    Ganger__V1__HeartbeatResponse *response = NULL;

    for (size_t i = 0; i < agent->held_count; i++) {
        if (agent->held[i].gone)
            continue;
        ganger__v1__beat__init(&beats[request.n_beats]);
        beats[request.n_beats].task_id = agent->held[i].task;
        beats[request.n_beats].fence = agent->held[i].fence;
        pointers[request.n_beats] = &beats[request.n_beats];
        request.n_beats++;
    }
    request.beats = pointers;
    request.agent_id = agent->agent_id;
    request.incarnation = agent->incarnation;
    agent->beat_ms = clock_boot_ms();
    if (request.n_beats > 0)
        response = caller_ask(&agent->caller, &event, &question);
    for (size_t i = 0; response != NULL && i < response->n_replies; i++) {
        const Ganger__V1__BeatReply *reply = response->replies[i];
        bool stale = reply->verdict == GANGER__V1__VERDICT__STALE;

        event.task = reply->task_id;
        event.fence = reply->fence;
        event.value = reply->lease_ms;
        caller_write(&agent->caller, &event, HISTORY_OK, stale ? "STALE" : "GO_ON");
        for (size_t j = 0; j < agent->held_count; j++)
            agent->held[j].gone = agent->held[j].gone || (stale && agent->held[j].fence == reply->fence);
    }
    ganger_free(response);
}

/* Asks for the claim's answer again. What it leaves out must not be alive. */
static void repeat_claim(struct agent *agent, const Ganger__V1__ClaimTasksRequest *request, struct history_event *event,
                         const struct question *question)
{
    Ganger__V1__ClaimTasksResponse *response = NULL;
    struct held first[CLAIM_MAX];
    bool missing[CLAIM_MAX];
    size_t first_count = agent->held_count;

    memcpy(first, agent->held, sizeof(first));
    caller_prepare_repeat(event);
    response = caller_ask(&agent->caller, event, question);
    if (response == NULL)
        return;
    keep_assignments(agent, request, response, event);
    ganger_free(response);
    if (first_count == 0)
        return; // an empty answer is not kept: the repeat was a claim of its own
    for (size_t i = 0; i < first_count; i++) {
        missing[i] = true;
        for (size_t j = 0; j < agent->held_count; j++)
            missing[i] = missing[i] && agent->held[j].fence != first[i].fence;
    }
    memcpy(agent->held, first, sizeof(first));
    agent->held_count = first_count;
    heartbeat(agent);
    for (size_t i = 0; i < first_count; i++) {
        if (missing[i] && !first[i].gone && !agent->held[i].gone && !fleet_stopping(agent->caller.fleet))
            caller_write(&agent->caller, event, HISTORY_BROKEN, "REPEAT_LEFT_OUT_A_RUN");
    }
}

static void claim(struct agent *agent)
{
    struct random *random = &agent->caller.random;
    Ganger__V1__ClaimTasksRequest request = GANGER__V1__CLAIM_TASKS_REQUEST__INIT;
    struct question question = {&ganger__v1__agents__descriptor, "ClaimTasks", &request.base, CALL_TIMEOUT_MS};
    struct history_event event = caller_operation(&agent->caller, CALL_CLAIM, 0, 0);
    Ganger__V1__ClaimTasksResponse *response = NULL;
    char *queues[FLEET_QUEUES];
    uint64_t chosen = 1 + random_below(random, (1u << FLEET_QUEUES) - 1);

    for (size_t i = 0; i < FLEET_QUEUES; i++) {
        if ((chosen >> i & 1) != 0)
            queues[request.n_queues++] = fleet_queues[i];
    }
    request.queues = queues;
    if (agent->thread % (FLEET_TYPES + 1) < FLEET_TYPES)
        request.agent_type = fleet_types[agent->thread % (FLEET_TYPES + 1)];
    request.agent_id = agent->agent_id;
    request.incarnation = agent->incarnation;
    request.claim_seq = ++agent->claim_seq;
    request.max = 1 + (uint32_t)random_below(random, random_permille(random, 50) ? CLAIM_MAX : 4);
    request.wait_ms = (uint32_t)random_below(random, 500);
    request.start = random_permille(random, 500);
    agent->beat_ms = clock_boot_ms();
    response = caller_ask(&agent->caller, &event, &question);
    if (response == NULL)
        return;
    keep_assignments(agent, &request, response, &event);
    ganger_free(response);
    if (chance(agent, PERMILLE_REPEAT))
        repeat_claim(agent, &request, &event, &question);
}

static bool start(struct agent *agent, struct held *held)
{
    Ganger__V1__StartTaskRequest request = GANGER__V1__START_TASK_REQUEST__INIT;
    struct question question = {&ganger__v1__agents__descriptor, "StartTask", &request.base, CALL_TIMEOUT_MS};
    struct history_event event = caller_operation(&agent->caller, CALL_START, held->task, held->fence);
    Ganger__V1__StartTaskResponse *response = NULL;

    request.task_id = held->task;
    request.fence = held->fence;
    if (!held->started) {
        response = caller_ask(&agent->caller, &event, &question);
        held->started = response != NULL;
        if (held->started) {
            event.value = response->attempt;
            caller_write(&agent->caller, &event, HISTORY_OK, NULL);
        }
        ganger_free(response);
    }
    held->gone = !held->started;
    return held->started;
}

static uint64_t state_of_response(enum history_call call, const void *response)
{
    if (call == CALL_FAIL)
        return ((const Ganger__V1__FailTaskResponse *)response)->state;
    if (call == CALL_RELEASE)
        return ((const Ganger__V1__ReleaseTaskResponse *)response)->state;
    return 0;
}

/* Ends the run, now and then saying so twice. */
static void end_run(struct agent *agent, struct held *held, enum history_call call, const struct question *question)
{
    struct history_event event = caller_operation(&agent->caller, call, held->task, held->fence);
    int rounds = chance(agent, PERMILLE_REPEAT) ? 2 : 1;

    held->gone = true;
    for (int i = 0; i < rounds; i++) {
        void *response = caller_ask(&agent->caller, &event, question);

        if (response != NULL) {
            event.value = state_of_response(call, response);
            caller_write(&agent->caller, &event, HISTORY_OK, NULL);
        }
        ganger_free(response);
        caller_prepare_repeat(&event);
    }
}

static void complete(struct agent *agent, struct held *held)
{
    char result[64];
    Ganger__V1__Outcome outcome = GANGER__V1__OUTCOME__INIT;
    Ganger__V1__CompleteTaskRequest request = GANGER__V1__COMPLETE_TASK_REQUEST__INIT;
    struct question question = {&ganger__v1__agents__descriptor, "CompleteTask", &request.base, CALL_TIMEOUT_MS};

    fleet_result(held->work, held->fence, result);
    outcome.result.data = (uint8_t *)result;
    outcome.result.len = strlen(result);
    request.task_id = held->task;
    request.fence = held->fence;
    request.outcome = &outcome;
    end_run(agent, held, CALL_COMPLETE, &question);
}

static void fail(struct agent *agent, struct held *held)
{
    Ganger__V1__FailTaskRequest request = GANGER__V1__FAIL_TASK_REQUEST__INIT;
    struct question question = {&ganger__v1__agents__descriptor, "FailTask", &request.base, CALL_TIMEOUT_MS};

    request.task_id = held->task;
    request.fence = held->fence;
    request.failure = chance(agent, 500) ? GANGER__V1__FAILURE__ATTEMPT : GANGER__V1__FAILURE__CRASH;
    end_run(agent, held, CALL_FAIL, &question);
}

static void release(struct agent *agent, struct held *held)
{
    Ganger__V1__ReleaseTaskRequest request = GANGER__V1__RELEASE_TASK_REQUEST__INIT;
    struct question question = {&ganger__v1__agents__descriptor, "ReleaseTask", &request.base, CALL_TIMEOUT_MS};

    request.task_id = held->task;
    request.fence = held->fence;
    request.delay_ms = (uint32_t)random_below(&agent->caller.random, 50);
    end_run(agent, held, CALL_RELEASE, &question);
}

/* Registers with a new incarnation that holds every second run only; the others are given back by that. A run that is
 * kept is also ended: one that is forgotten would be given back by the next registration, unseen by the judge. */
static void live_anew(struct agent *agent, struct held *held)
{
    atomic_fetch_add(&agent->caller.fleet->shared->incarnations, 1);
    for (size_t i = 0; i < agent->held_count; i += 2) {
        struct history_event event =
            caller_operation(&agent->caller, CALL_REGISTER, agent->held[i].task, agent->held[i].fence);

        if (agent->held[i].gone)
            continue;
        event.invoked_us = clock_boot_us();
        caller_write(&agent->caller, &event, HISTORY_INVOKE, NULL);
        agent->held[i].gone = true;
    }
    register_agent(agent);
    if (!held->gone)
        complete(agent, held);
}

/* Works for several leases and keeps them by heartbeats. */
static void work_through_leases(struct agent *agent, struct held *held)
{
    const struct fleet *fleet = agent->caller.fleet;
    uint64_t until_ms = clock_boot_ms() + fleet->lease_ms + random_below(&agent->caller.random, 2ull * fleet->lease_ms);

    while (clock_boot_ms() < until_ms && !held->gone && !fleet_stopping(fleet)) {
        fleet_pause(fleet, fleet->lease_ms / 3);
        heartbeat(agent);
    }
    if (!held->gone)
        complete(agent, held);
}

/* Says nothing for longer than the lease, then completes. */
static void overstay(struct agent *agent, struct held *held)
{
    const struct fleet *fleet = agent->caller.fleet;

    atomic_fetch_add(&fleet->shared->lease_overstayers, 1);
    fleet_pause(fleet, fleet->lease_ms + fleet->lease_ms / 2);
    complete(agent, held);
}

/* The connection goes, and what was held is forgotten. */
static void die(struct agent *agent, struct held *held)
{
    (void)held;
    atomic_fetch_add(&agent->caller.fleet->shared->agent_deaths, 1);
    caller_reconnect(&agent->caller);
    begin_life(agent);
}

/* The whole process, with all its agents. */
static void kill_process(struct agent *agent, struct held *held)
{
    struct history_event event = caller_operation(&agent->caller, CALL_DEATH, 0, 0);

    (void)held;
    caller_write(&agent->caller, &event, HISTORY_INVOKE, NULL);
    atomic_fetch_add(&agent->caller.fleet->shared->process_deaths, 1);
    (void)kill(getpid(), SIGKILL);
}

static void just_work(struct agent *agent, struct held *held)
{
    const struct fleet *fleet = agent->caller.fleet;

    fleet_pause(fleet, (uint32_t)random_below(&agent->caller.random, fleet->work_ms + 1));
    complete(agent, held);
}

/* One run, in one of the ways that runs go: in so many of 1,000 in each of these, otherwise it just works. */
static void run(struct agent *agent, struct held *held)
{
    static const struct {
        uint64_t permille;
        void (*live)(struct agent *agent, struct held *held);
    } fates[] = {{20, work_through_leases}, {30, overstay},    {40, fail},       {30, release}, {15, die},
                 {10, live_anew},           {1, kill_process}, {1000, just_work}};
    uint64_t fate = random_below(&agent->caller.random, 1000);
    size_t i = 0;

    while (fate >= fates[i].permille) {
        fate -= fates[i].permille;
        i++;
    }
    fates[i].live(agent, held);
}

static void turn(struct agent *agent)
{
    const struct fleet *fleet = agent->caller.fleet;

    claim(agent);
    for (size_t i = 0; i < agent->held_count && !fleet_stopping(fleet); i++) {
        struct held *held = &agent->held[i];

        if (clock_boot_ms() - agent->beat_ms > fleet->lease_ms / 3)
            heartbeat(agent);
        if (held->gone || !start(agent, held))
            continue;
        run(agent, held);
    }
    agent->held_count = 0;
}

static void *agent_main(void *data)
{
    struct agent *agent = data;

    begin_life(agent);
    while (!fleet_stopping(agent->caller.fleet))
        turn(agent);
    caller_close(&agent->caller);
    return NULL;
}

int agents_main(const struct fleet *fleet, uint32_t process, uint32_t generation)
{
    static struct agent agents[THREADS_MAX];
    pthread_t threads[THREADS_MAX];
    char path[400];
    int history = -1;

    (void)snprintf(path, sizeof(path), "%s/agents-%" PRIu32 "-%" PRIu32 ".history", fleet->directory, process,
                   generation);
    history = history_open(path);
    CHECK(history >= 0 && fleet->threads <= THREADS_MAX);
    for (uint32_t i = 0; i < fleet->threads; i++) {
        uint64_t actor = (uint64_t)(process + 1) << 32 | (uint64_t)generation << 16 | i;

        agents[i] = (struct agent){.process = process, .generation = generation, .thread = i};
        caller_open(&agents[i].caller, fleet, history, actor);
        CHECK(pthread_create(&threads[i], NULL, agent_main, &agents[i]) == 0);
    }
    for (uint32_t i = 0; i < fleet->threads; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    return 0;
}
