/* What affects a whole crowd: a cancel that follows its tree, then a purge of what that has ended. */
#include "bench/backlog.h"
#include "bench/sample.h"
#include "bench/solo.h"
#include "common/base/clock.h"

#include <stdio.h>

#define CALL_TIMEOUT_MS 60000
#define LOOK_EVERY_US 200000

static bool refused(const char *call, const struct ganger_error *error)
{
    (void)fprintf(stderr, "ganger-bench: %s: %s: %s\n", call, error->reason, error->message);
    return false;
}

static bool begin_cancel(struct ganger *ganger, uint64_t parent_id, uint64_t *ret_job_id)
{
    Ganger__V1__CancelTaskRequest request = GANGER__V1__CANCEL_TASK_REQUEST__INIT;
    Ganger__V1__CancelTaskResponse *response = NULL;
    struct ganger_error error = {0};

    request.task_id = parent_id;
    request.cascade = true;
    if (ganger_cancel_task(ganger, &request, CALL_TIMEOUT_MS, &response, &error) != GANGER_OK)
        return refused("CancelTask", &error);
    *ret_job_id = response->job_id;
    ganger_free(response);
    return true;
}

static bool begin_purge(struct ganger *ganger, uint64_t *ret_job_id)
{
    Ganger__V1__StartJobRequest request = GANGER__V1__START_JOB_REQUEST__INIT;
    Ganger__V1__JobOrder order = GANGER__V1__JOB_ORDER__INIT;
    Ganger__V1__TaskFilter filter = GANGER__V1__TASK_FILTER__INIT;
    Ganger__V1__TaskState states[] = {GANGER__V1__TASK_STATE__CANCELED};
    Ganger__V1__StartJobResponse *response = NULL;
    struct ganger_error error = {0};

    filter.states = states;
    filter.n_states = 1;
    order.kind = GANGER__V1__JOB_KIND__PURGE_TASKS;
    order.filter = &filter;
    request.order = &order;
    if (ganger_start_job(ganger, &request, CALL_TIMEOUT_MS, &response, &error) != GANGER_OK)
        return refused("StartJob", &error);
    *ret_job_id = response->job->job_id;
    ganger_free(response);
    return true;
}

static bool look_at_job(struct ganger *ganger, uint64_t job_id, bool *ret_is_over, uint64_t *ret_done)
{
    Ganger__V1__ListJobsRequest request = GANGER__V1__LIST_JOBS_REQUEST__INIT;
    Ganger__V1__ListJobsResponse *response = NULL;
    struct ganger_error error = {0};

    request.job_id = job_id;
    if (ganger_list_jobs(ganger, &request, CALL_TIMEOUT_MS, &response, &error) != GANGER_OK)
        return refused("ListJobs", &error);
    bool found = response->n_jobs == 1;
    if (found) {
        *ret_is_over = response->jobs[0]->state != GANGER__V1__JOB_STATE__JOB_OPEN;
        *ret_done = response->jobs[0]->done;
    }
    ganger_free(response);
    return found;
}

/* A life of its own, of which the claim is timed. */
static bool claim_once(struct solo *solo, struct sample *sample)
{
    uint64_t task_id = 0;
    struct solo_run run;

    if (!solo_submit(solo, SOLO_TASK, &task_id))
        return false;
    uint64_t sent_us = clock_boot_us();
    if (!solo_claim(solo, &run))
        return false;
    sample_add(sample, clock_boot_us() - sent_us);
    return solo_complete(solo, run);
}

static bool claim_for(struct solo *solo, double seconds, struct latencies *ret_claims)
{
    struct sample sample = {0};
    uint64_t end_us = clock_boot_us() + (uint64_t)(seconds * 1e6);
    bool claimed = true;

    while (claimed && clock_boot_us() < end_us)
        claimed = claim_once(solo, &sample);
    *ret_claims = sample_latencies(&sample);
    sample_done(&sample);
    return claimed;
}

static bool claim_until_over(struct solo *solo, struct solo *other, uint64_t job_id, struct job_result *ret_result)
{
    struct sample sample = {0};
    uint64_t begin_us = clock_boot_us();
    uint64_t look_us = begin_us;
    bool is_over = false;
    bool claimed = true;

    while (claimed && !is_over) {
        claimed = claim_once(solo, &sample);
        if (!claimed || clock_boot_us() < look_us)
            continue;
        claimed = look_at_job(other->ganger, job_id, &is_over, &ret_result->done);
        look_us = clock_boot_us() + LOOK_EVERY_US;
    }
    ret_result->seconds = (double)(clock_boot_us() - begin_us) / 1e6;
    ret_result->claims = sample_latencies(&sample);
    sample_done(&sample);
    return claimed;
}

bool crowd_run_job(const struct life_target *target, enum crowd_job job, uint64_t parent_id,
                   struct job_result *ret_result)
{
    struct solo solo = {0};
    struct solo other = {0};
    uint64_t job_id = 0;
    bool measured = solo_open(&solo, target->endpoint) && solo_open(&other, target->endpoint) &&
                    claim_for(&solo, target->seconds, &ret_result->claims_before);

    measured = measured && (job == JOB_CANCEL ? begin_cancel(other.ganger, parent_id, &job_id)
                                              : begin_purge(other.ganger, &job_id));
    measured = measured && claim_until_over(&solo, &other, job_id, ret_result);
    solo_close(&solo);
    solo_close(&other);
    return measured;
}
