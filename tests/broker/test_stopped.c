/* A broker that was held up: what was said to it meanwhile counts before any time that has passed. */
#include "common/base/clock.h"
#include "tests/broker/daemon_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LEASE_MS 600

struct beaten {
    bool ended;
    struct ganger_error error;
    Ganger__V1__Verdict verdict;
};

static void on_beat(const struct ganger_reply *reply, void *data)
{
    struct beaten *beaten = data;
    const Ganger__V1__HeartbeatResponse *response = (const Ganger__V1__HeartbeatResponse *)reply->response;

    beaten->ended = true;
    if (reply->error != NULL)
        beaten->error = *reply->error;
    else if (response->n_replies == 1)
        beaten->verdict = response->replies[0]->verdict;
}

/* Sent at once, answered later. */
static void beat(struct ganger *ganger, const char *agent_id, struct claimed run, struct beaten *beaten)
{
    Ganger__V1__HeartbeatRequest request = GANGER__V1__HEARTBEAT_REQUEST__INIT;
    Ganger__V1__Beat one = GANGER__V1__BEAT__INIT;
    Ganger__V1__Beat *beats[] = {&one};
    char agent[32];

    (void)snprintf(agent, sizeof agent, "%s", agent_id);
    one.task_id = run.task_id;
    one.fence = run.fence;
    request.agent_id = agent;
    request.incarnation = 1;
    request.beats = beats;
    request.n_beats = 1;
    (void)ganger_start(ganger, &ganger__v1__agents__descriptor, "Heartbeat", &request.base, TIMEOUT_MS, 0, on_beat,
                       beaten);
    ganger_process(ganger);
}

/* The stop is what is tested: it has to last. */
static void let_pass(uint64_t ms)
{
    for (uint64_t until_ms = clock_boot_ms() + ms; clock_boot_ms() < until_ms;)
        (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
}

/* Fault 25. */
Test(stopped_broker, loses_no_run_whose_holder_was_there_all_the_time)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    struct ganger_error error = {0};
    struct beaten beaten = {0};

    cr_assert_eq(setenv("GANGER_BROKER_HEARTBEAT", "100ms", 1), 0);
    daemon_fixture_init(&fixture, "broker.lease=600ms");
    CLEANUP(ganger_close)
    struct ganger *ganger = open_client(&fixture);
    uint64_t id = submit_one(ganger);
    struct claimed run = claim_one(ganger, "a", 0);
    cr_assert_eq(run.task_id, id);

    cr_assert_eq(kill(fixture.pid, SIGSTOP), 0);
    beat(ganger, "a", run, &beaten);
    let_pass(4 * LEASE_MS);
    cr_assert_eq(kill(fixture.pid, SIGCONT), 0);
    for (int i = 0; i < 3000 && !beaten.ended; i++) {
        ganger_wait(ganger, 10);
        ganger_process(ganger);
    }
    cr_assert(beaten.ended);
    cr_assert_eq(beaten.verdict, GANGER__V1__VERDICT__GO_ON, "%s", beaten.error.message);
    assert_good(complete_one(ganger, run, &error), error);
}
