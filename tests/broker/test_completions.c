#include "tests/broker/daemon_fixture.h"

#define COMPLETIONS_MAX 256

/* Claims so many of the type "t" with one request; each completion names one run. */
static void claim_many(struct ganger *ganger, uint32_t count, Ganger__V1__CompleteTaskRequest *completions)
{
    Ganger__V1__ClaimTasksRequest request = GANGER__V1__CLAIM_TASKS_REQUEST__INIT;
    Ganger__V1__ClaimTasksResponse *response = NULL;
    struct ganger_error error = {0};

    request.agent_type = (char[]){"t"};
    request.agent_id = (char[]){"many/1"};
    request.incarnation = 1;
    request.claim_seq = 1;
    request.max = count;
    request.start = true;
    assert_good(ganger_claim_tasks(ganger, &request, TIMEOUT_MS, &response, &error), error);
    cr_assert_eq(response->n_assignments, count);
    for (uint32_t i = 0; i < count; i++) {
        ganger__v1__complete_task_request__init(&completions[i]);
        completions[i].task_id = response->assignments[i]->task->task_id;
        completions[i].fence = response->assignments[i]->task->fence;
    }
    ganger_free(response);
}

static enum ganger_status complete_many(struct ganger *ganger, Ganger__V1__CompleteTaskRequest *completions,
                                        size_t count, Ganger__V1__CompleteTasksResponse **ret_response,
                                        struct ganger_error *error)
{
    Ganger__V1__CompleteTasksRequest request = GANGER__V1__COMPLETE_TASKS_REQUEST__INIT;
    Ganger__V1__CompleteTaskRequest *pointers[COMPLETIONS_MAX + 1];

    for (size_t i = 0; i < count; i++)
        pointers[i] = &completions[i];
    request.completions = pointers;
    request.n_completions = count;
    return ganger_complete_tasks(ganger, &request, TIMEOUT_MS, ret_response, error);
}

Test(completions, of_one_request_are_judged_each_alone)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    Ganger__V1__CompleteTaskRequest completions[3];
    Ganger__V1__CompleteTasksResponse *response = NULL;
    struct ganger_error error = {0};

    daemon_fixture_init(&fixture, NULL);
    CLEANUP(ganger_close)
    struct ganger *ganger = open_client(&fixture);
    (void)submit_many(ganger, 3);
    claim_many(ganger, 3, completions);
    completions[1].fence++;

    /* The repeat gets the same. */
    for (int repeat = 0; repeat < 2; repeat++) {
        assert_good(complete_many(ganger, completions, 3, &response, &error), error);
        cr_assert_eq(response->n_outcomes, 3);
        cr_expect_eq(response->outcomes[0]->status, GANGER_OK);
        cr_expect_eq(response->outcomes[1]->status, GANGER_ABORTED);
        cr_expect_str_eq(response->outcomes[1]->reason, "STALE_FENCE");
        cr_expect_str_not_empty(response->outcomes[1]->message);
        cr_expect_eq(response->outcomes[2]->status, GANGER_OK);
        ganger_free(response);
    }
    cr_expect_eq(state_of_task(ganger, completions[0].task_id), GANGER__V1__TASK_STATE__COMPLETED);
    cr_expect_eq(state_of_task(ganger, completions[1].task_id), GANGER__V1__TASK_STATE__RUNNING);
    cr_expect_eq(state_of_task(ganger, completions[2].task_id), GANGER__V1__TASK_STATE__COMPLETED);
}

Test(completions, keep_their_outcomes_and_are_still_there_after_a_kill)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    Ganger__V1__CompleteTaskRequest completions[2];
    Ganger__V1__Outcome outcome = GANGER__V1__OUTCOME__INIT;
    Ganger__V1__GetTaskRequest request = GANGER__V1__GET_TASK_REQUEST__INIT;
    Ganger__V1__GetTaskResponse *response = NULL;
    struct ganger_error error = {0};
    struct ganger *ganger;

    daemon_fixture_init(&fixture, NULL);
    ganger = open_client(&fixture);
    (void)submit_many(ganger, 2);
    claim_many(ganger, 2, completions);
    outcome.message = (char[]){"well done"};
    completions[1].outcome = &outcome;
    assert_good(complete_many(ganger, completions, 2, NULL, &error), error);
    ganger_close(ganger);
    daemon_fixture_kill(&fixture);
    daemon_fixture_start(&fixture);

    ganger = open_client(&fixture);
    cr_expect_eq(state_of_task(ganger, completions[0].task_id), GANGER__V1__TASK_STATE__COMPLETED);
    request.task_id = completions[1].task_id;
    assert_good(ganger_get_task(ganger, &request, TIMEOUT_MS, &response, &error), error);
    cr_expect_eq(response->task->state, GANGER__V1__TASK_STATE__COMPLETED);
    cr_expect_str_eq(response->task->outcome->message, "well done");
    ganger_free(response);
    ganger_close(ganger);
}

Test(completions, are_one_to_256_in_a_request)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    static Ganger__V1__CompleteTaskRequest completions[COMPLETIONS_MAX + 1];
    Ganger__V1__CompleteTasksResponse *response = NULL;
    struct ganger_error error = {0};

    daemon_fixture_init(&fixture, NULL);
    CLEANUP(ganger_close)
    struct ganger *ganger = open_client(&fixture);
    (void)submit_many(ganger, COMPLETIONS_MAX);
    claim_many(ganger, COMPLETIONS_MAX, completions);
    completions[COMPLETIONS_MAX] = completions[0];

    cr_expect_eq(complete_many(ganger, completions, 0, NULL, &error), GANGER_INVALID_ARGUMENT);
    cr_expect_str_eq(error.reason, "BAD_FIELD");
    cr_expect_eq(complete_many(ganger, completions, COMPLETIONS_MAX + 1, NULL, &error), GANGER_INVALID_ARGUMENT);
    cr_expect_eq(state_of_task(ganger, completions[0].task_id), GANGER__V1__TASK_STATE__RUNNING);
    assert_good(complete_many(ganger, completions, COMPLETIONS_MAX, &response, &error), error);
    cr_assert_eq(response->n_outcomes, COMPLETIONS_MAX);
    for (size_t i = 0; i < COMPLETIONS_MAX; i++)
        cr_expect_eq(response->outcomes[i]->status, GANGER_OK);
    ganger_free(response);
}
