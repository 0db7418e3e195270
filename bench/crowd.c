/* A crowd: tasks that wait behind a full limit, in front of free ones. */
#include "bench/backlog.h"
#include "bench/sample.h"
#include "bench/solo.h"
#include "common/base/clock.h"

#include <stdio.h>

#define CALL_TIMEOUT_MS 60000
#define BEAT_EVERY_US 2000000
#define PAUSE_MS 3600000

static char limit_name[] = "bench:full";

static bool refused(const char *call, const struct ganger_error *error)
{
    (void)fprintf(stderr, "ganger-bench: %s: %s: %s\n", call, error->reason, error->message);
    return false;
}

static bool set_limit(struct ganger *ganger, const Ganger__V1__SetLimitRequest *wanted)
{
    Ganger__V1__SetLimitRequest request = *wanted;
    struct ganger_error error = {0};

    request.name = limit_name;
    return ganger_set_limit(ganger, &request, CALL_TIMEOUT_MS, NULL, &error) == GANGER_OK ||
           refused("SetLimit", &error);
}

static bool set_max_running(struct ganger *ganger, uint32_t max_running)
{
    Ganger__V1__SetLimitRequest request = GANGER__V1__SET_LIMIT_REQUEST__INIT;

    request.set_max_running = true;
    request.max_running = max_running;
    return set_limit(ganger, &request);
}

bool crowd_fill(const char *endpoint, uint64_t tasks, struct backlog_fill *ret_fill, uint64_t *ret_parent_id)
{
    struct backlog_order order = {.endpoint = endpoint, .tasks = tasks, .limit = limit_name};
    struct solo solo = {0};
    bool filled = solo_open(&solo, endpoint) && set_max_running(solo.ganger, 1) &&
                  solo_submit(&solo, SOLO_PARENT, &order.parent_id);

    solo_close(&solo);
    *ret_parent_id = order.parent_id;
    return filled && backlog_fill(&order, ret_fill);
}

struct claims {
    const struct life_target *sides;
    struct solo solos[SIDES];
    struct sample samples[SIDES];
    double broker_us[SIDES]; /* of all claims so far */
    size_t turn;             /* which side comes first changes with each */
};

/* Submits a free task, and times the claim that gets it. */
static bool claim_once(struct claims *claims, size_t side)
{
    struct solo *solo = &claims->solos[side];
    pid_t broker = claims->sides[side].broker;
    uint64_t task_id = 0;
    struct solo_run run;

    if (!solo_submit(solo, SOLO_TASK, &task_id))
        return false;
    double before_us = cpu_of_process_us(broker);
    uint64_t sent_us = clock_boot_us();
    if (!solo_claim(solo, &run))
        return false;
    sample_add(&claims->samples[side], clock_boot_us() - sent_us);
    claims->broker_us[side] += cpu_of_process_us(broker) - before_us;
    if (run.task_id != task_id) {
        (void)fprintf(stderr, "ganger-bench: a claim got a task of a full limit\n");
        return false;
    }
    return solo_complete(solo, run);
}

static bool claim_in_turns(struct claims *claims)
{
    size_t first = claims->turn++ % SIDES;

    return claim_once(claims, first) && claim_once(claims, SIDES - 1 - first);
}

static bool measure_claims(struct claims *claims, struct solo *holder, struct solo_run held,
                           struct crowd_round *ret_round)
{
    uint64_t begin_us = clock_boot_us();
    uint64_t end_us = begin_us + (uint64_t)(SIDES * claims->sides[SIDE_LOADED].seconds * 1e6);
    uint64_t beat_us = begin_us;
    bool measured = true;

    while (measured && clock_boot_us() < end_us) {
        if (clock_boot_us() >= beat_us) {
            measured = solo_beat(holder, held);
            beat_us = clock_boot_us() + BEAT_EVERY_US;
        }
        measured = measured && claim_in_turns(claims);
    }
    for (int side = 0; side < SIDES; side++) {
        struct sample *sample = &claims->samples[side];
        ret_round->claim_broker_us[side] = claims->broker_us[side] / (sample->count > 0 ? (double)sample->count : 1);
        ret_round->claims[side] = sample_latencies(sample);
        sample_done(sample);
    }
    return measured;
}

static bool pause_or_resume(struct ganger *ganger, enum crowd_call call)
{
    Ganger__V1__SetLimitRequest request = GANGER__V1__SET_LIMIT_REQUEST__INIT;

    request.set_pause = true;
    request.pause_for_ms = call == CROWD_PAUSE ? PAUSE_MS : 0;
    return set_limit(ganger, &request);
}

static bool measure_pauses(struct ganger *ganger, const struct life_target *target, struct crowd_round *ret_round)
{
    struct sample samples[CROWD_CALLS] = {0};
    uint64_t end_us = clock_boot_us() + (uint64_t)(target->seconds * 1e6);
    bool measured = true;

    while (measured && clock_boot_us() < end_us) {
        for (int call = 0; call < CROWD_CALLS && measured; call++) {
            double before_us = cpu_of_process_us(target->broker);
            uint64_t sent_us = clock_boot_us();
            measured = pause_or_resume(ganger, (enum crowd_call)call);
            sample_add(&samples[call], clock_boot_us() - sent_us);
            double taken_us = cpu_of_process_us(target->broker) - before_us;
            if (taken_us > ret_round->broker_most_us[call])
                ret_round->broker_most_us[call] = taken_us;
        }
    }
    for (int call = 0; call < CROWD_CALLS; call++) {
        ret_round->calls[call] = sample_latencies(&samples[call]);
        sample_done(&samples[call]);
    }
    return measured;
}

bool crowd_measure(const struct life_target sides[static SIDES], struct crowd_round *ret_round)
{
    struct claims claims = {.sides = sides};
    const struct life_target *crowded = &sides[SIDE_LOADED];
    struct ganger *ganger = NULL;
    struct solo holder = {0};
    struct solo_run held;
    bool measured = solo_open(&holder, crowded->endpoint);

    for (int side = 0; side < SIDES; side++)
        measured = measured && solo_open(&claims.solos[side], sides[side].endpoint);
    ganger = holder.ganger;
    measured = measured && solo_claim(&holder, &held) && measure_claims(&claims, &holder, held, ret_round) &&
               set_max_running(ganger, 0) && measure_pauses(ganger, crowded, ret_round) && set_max_running(ganger, 1) &&
               solo_complete(&holder, held);
    for (int side = 0; side < SIDES; side++)
        solo_close(&claims.solos[side]);
    solo_close(&holder);
    return measured;
}

bool crowd_close(const char *endpoint)
{
    struct solo solo = {0};
    bool closed = solo_open(&solo, endpoint) && pause_or_resume(solo.ganger, CROWD_PAUSE);

    solo_close(&solo);
    return closed;
}
