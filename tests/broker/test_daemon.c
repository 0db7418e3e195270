#include "tests/broker/daemon_fixture.h"

#include <string.h>

#define STATE(name) GANGER__V1__TASK_STATE__##name

/* Faults 34 and 24: the one that was given up for lost comes back. */
Test(broker, gives_the_task_of_a_dead_client_to_another_and_refuses_the_late_word)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    struct ganger_error error = {0};

    daemon_fixture_init(&fixture, "broker.heartbeat=100ms");
    daemon_fixture_stop(&fixture);
    fixture.setting = "broker.lease=6s";
    daemon_fixture_start(&fixture);
    struct ganger *dying = open_client(&fixture);
    CLEANUP(ganger_close)
    struct ganger *other = open_client(&fixture);
    uint64_t id = submit_one(other);
    struct claimed old = claim_one(dying, "dying", 0);
    cr_assert_eq(old.task_id, id);
    ganger_close(dying);

    struct claimed taken = {0};
    cancel_one(other, submit_one(other)); /* what is not held is not mixed up with it */
    for (int i = 0; i < 10 && taken.task_id == 0; i++)
        taken = claim_one(other, "other", 5000);
    cr_assert_eq(taken.task_id, id);
    cr_assert_gt(taken.fence, old.fence);
    cr_assert_eq(complete_one(other, old, &error), GANGER_ABORTED);
    cr_assert_str_eq(error.reason, "STALE_FENCE");
    assert_good(complete_one(other, taken, &error), error);
    assert_good(complete_one(other, taken, &error), error);
    cr_assert_eq(state_of_task(other, id), STATE(COMPLETED));
}

/* Fault 1. */
Test(broker, has_everything_that_it_acknowledged_after_a_kill)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    struct ganger_error error = {0};
    struct claimed held[10];

    daemon_fixture_init(&fixture, NULL);
    struct ganger *ganger = open_client(&fixture);
    uint64_t first = submit_many(ganger, 100);
    for (size_t i = 0; i < 10; i++) {
        held[i] = claim_one(ganger, "a", 0);
        if (i < 5)
            assert_good(complete_one(ganger, held[i], &error), error);
    }
    ganger_close(ganger);
    daemon_fixture_kill(&fixture);
    daemon_fixture_start(&fixture);

    ganger = open_client(&fixture);
    for (size_t i = 0; i < 100; i++)
        cr_assert_eq(state_of_task(ganger, first + i),
                     i < 5    ? STATE(COMPLETED)
                     : i < 10 ? STATE(RUNNING)
                              : STATE(READY),
                     "task %zu", i);
    for (size_t i = 5; i < 10; i++)
        assert_good(complete_one(ganger, held[i], &error), error);
    struct claimed next = claim_one(ganger, "a", 0);
    cr_assert_eq(next.task_id, first + 10);
    cr_assert_gt(next.fence, held[9].fence);
    cr_assert_eq(submit_one(ganger), first + 100);
    ganger_close(ganger);
}

/* Fault 18. */
Test(broker, does_not_start_twice_on_one_store)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;

    daemon_fixture_init(&fixture, NULL);
    struct ganger *ganger = open_client(&fixture);
    ganger_free(get_status(ganger));
    ganger_close(ganger);
    cr_assert_eq(daemon_fixture_start_second(&fixture), 1);
    ganger = open_client(&fixture);
    (void)submit_one(ganger);
    ganger_close(ganger);
}

Test(broker, answers_a_waiting_claim_when_somebody_else_submits)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    struct opened claim;

    daemon_fixture_init(&fixture, NULL);
    CLEANUP(ganger_close)
    struct ganger *agent = open_client(&fixture);
    CLEANUP(ganger_close)
    struct ganger *submitter = open_client(&fixture);
    open_claim(agent, "a", 20000, &claim);
    wait_until_parked(agent, submitter, 1, 0);
    uint64_t id = submit_one(submitter);
    wait_for_end(agent, &claim);
    cr_assert_eq(claim.task_id, id);
    wait_until_parked(agent, submitter, 0, 0);
}

Test(broker, answers_a_claim_that_has_waited_enough_with_nothing)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;

    daemon_fixture_init(&fixture, NULL);
    CLEANUP(ganger_close)
    struct ganger *ganger = open_client(&fixture);
    cr_assert_eq(claim_one(ganger, "a", 50).task_id, 0);
    wait_until_parked(ganger, ganger, 0, 0);
}

Test(broker, gives_nothing_to_a_waiting_claimer_that_is_gone)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    struct opened claim;

    daemon_fixture_init(&fixture, NULL);
    struct ganger *gone = open_client(&fixture);
    CLEANUP(ganger_close)
    struct ganger *other = open_client(&fixture);
    open_claim(gone, "gone", 20000, &claim);
    wait_until_parked(gone, other, 1, 0);
    ganger_close(gone);
    uint64_t id = submit_one(other);
    /* Whether the broker noticed before or after it answered, this is long before the lease of 30 s. */
    cr_assert_eq(claim_one(other, "other", 10000).task_id, id);
}

/* A claimer that was cut off asks again on a new connection: what it is told there is its own, whatever became of the
 * answer to its first connection or of one to a late copy. */
Test(broker, leaves_a_run_with_its_claimer_when_only_another_copy_of_the_answer_is_lost)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    struct ganger_error error = {0};

    daemon_fixture_init(&fixture, NULL);
    CLEANUP(ganger_close)
    struct ganger *ganger = open_client(&fixture);
    CLEANUP(ganger_close)
    struct ganger *other = open_client(&fixture);
    uint64_t claim_seq = 0;
    for (int round = 0; round < 20; round++) {
        uint64_t id = submit_one(other);
        claim_and_vanish(&fixture, "a", ++claim_seq);
        struct claimed run = claim_numbered(ganger, "a", claim_seq, 0);
        /* The first answer was lost before the repeat was read: the run has been given back, and may be claimed. */
        if (run.task_id == 0)
            run = claim_numbered(ganger, "a", ++claim_seq, 20000);
        cr_assert_eq(run.task_id, id);
        claim_and_vanish(&fixture, "a", claim_seq);
        cancel_one(other, submit_one(other));
        assert_good(complete_one(ganger, run, &error), error);
    }
}

Test(broker, tells_a_waiter_when_the_task_has_ended)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    struct ganger_error error = {0};
    struct opened wait;

    daemon_fixture_init(&fixture, NULL);
    CLEANUP(ganger_close)
    struct ganger *waiter = open_client(&fixture);
    CLEANUP(ganger_close)
    struct ganger *agent = open_client(&fixture);
    uint64_t id = submit_one(agent);
    open_wait(waiter, id, 50, &wait);
    wait_for_end(waiter, &wait);
    cr_assert_eq(wait.state, STATE(READY), "as it is when the time is over");
    open_wait(waiter, id, 20000, &wait);
    ganger_process(waiter);
    assert_good(complete_one(agent, claim_one(agent, "a", 0), &error), error);
    wait_for_end(waiter, &wait);
    cr_assert_eq(wait.state, STATE(COMPLETED));
    open_wait(waiter, id, 20000, &wait);
    wait_for_end(waiter, &wait);
    cr_assert_eq(wait.state, STATE(COMPLETED), "at once when it has ended already");
    open_wait(waiter, id, 20001, &wait);
    wait_for_end(waiter, &wait);
    cr_assert_eq(wait.error.status, GANGER_INVALID_ARGUMENT);
    open_wait(waiter, id + 1, 0, &wait);
    wait_for_end(waiter, &wait);
    cr_assert_eq(wait.error.status, GANGER_NOT_FOUND);
}

Test(broker, streams_every_watched_task_until_all_have_ended)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    struct ganger_error error = {0};
    struct opened watch;

    daemon_fixture_init(&fixture, NULL);
    CLEANUP(ganger_close)
    struct ganger *watcher = open_client(&fixture);
    CLEANUP(ganger_close)
    struct ganger *agent = open_client(&fixture);
    uint64_t first = submit_many(agent, 2);
    open_watch(watcher, (uint64_t[]){first, first + 1, 999}, 3, &watch);
    wait_for_messages(watcher, &watch, 3);
    cr_assert_eq(watch.task_id, 999, "a missing task is named");
    struct claimed claimed = claim_one(agent, "a", 0);
    wait_for_messages(watcher, &watch, 4);
    cr_assert_eq(watch.task_id, first);
    cr_assert_eq(watch.state, STATE(RUNNING));
    assert_good(complete_one(agent, claimed, &error), error);
    wait_for_messages(watcher, &watch, 5);
    cr_assert_eq(watch.state, STATE(COMPLETED));
    cancel_one(agent, first + 1);
    wait_for_end(watcher, &watch);
    cr_assert_eq(watch.messages, 6);
    cr_assert_eq(watch.state, STATE(CANCELED));
    cr_assert_eq(watch.error.status, GANGER_OK);
    wait_until_parked(watcher, agent, 0, 0);
}

Test(broker, pushes_a_cancel_to_the_holder_or_its_supervisor_at_once)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    struct opened older;
    struct opened newer;

    daemon_fixture_init(&fixture, NULL);
    CLEANUP(ganger_close)
    struct ganger *supervisor = open_client(&fixture);
    CLEANUP(ganger_close)
    struct ganger *other = open_client(&fixture);
    open_attend(supervisor, "build7", &older);
    wait_until_parked(supervisor, other, 0, 1);
    open_attend(supervisor, "build7", &newer);
    wait_for_end(supervisor, &older);
    cr_assert_eq(older.error.status, GANGER_ABORTED);
    cr_assert_str_eq(older.error.reason, "REPLACED");

    (void)submit_one(other);
    struct claimed claimed = claim_one(other, "build7/claude2", 0);
    cancel_one(other, claimed.task_id);
    wait_for_messages(supervisor, &newer, 1);
    cr_assert_eq(newer.task_id, claimed.task_id);
    cr_assert_eq(newer.fence, claimed.fence);
}

/* Fault 12. */
Test(broker, that_is_nearly_full_refuses_submits_and_goes_on_with_the_rest)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    static uint8_t payload[65536];
    Ganger__V1__TaskSpec spec = GANGER__V1__TASK_SPEC__INIT;
    Ganger__V1__TaskSpec *tasks[10];
    Ganger__V1__SubmitTasksRequest request = GANGER__V1__SUBMIT_TASKS_REQUEST__INIT;
    struct ganger_error error = {0};
    char type[] = "t";
    bool is_full = false;

    daemon_fixture_init(&fixture, "broker.store_max=16M");
    CLEANUP(ganger_close)
    struct ganger *ganger = open_client(&fixture);
    uint64_t first = submit_one(ganger);
    spec.agent_type = type;
    spec.payload = (ProtobufCBinaryData){.data = payload, .len = sizeof payload};
    for (size_t i = 0; i < 10; i++)
        tasks[i] = &spec;
    request.tasks = tasks;
    request.n_tasks = 10;
    request.atomic = true;
    for (int i = 0; i < 100 && !is_full; i++) {
        enum ganger_status status = ganger_submit_tasks(ganger, &request, TIMEOUT_MS, NULL, &error);
        is_full = status == GANGER_RESOURCE_EXHAUSTED;
        cr_assert(is_full || status == GANGER_OK, "%s", error.message);
    }
    cr_assert(is_full);
    cr_assert_str_eq(error.reason, "STORE_FULL");
    struct claimed claimed = claim_one(ganger, "a", 0);
    cr_assert_eq(claimed.task_id, first);
    assert_good(complete_one(ganger, claimed, &error), error);
    cancel_one(ganger, first + 1);
    cr_assert_eq(state_of_task(ganger, first + 1), STATE(CANCELED));
}

Test(broker, does_not_commit_what_only_reads_or_is_refused)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    struct ganger_error error = {0};

    daemon_fixture_init(&fixture, NULL);
    CLEANUP(ganger_close)
    struct ganger *ganger = open_client(&fixture);
    uint64_t id = submit_one(ganger);
    Ganger__V1__StatusResponse *before = get_status(ganger);
    (void)state_of_task(ganger, id);
    cr_assert_eq(complete_one(ganger, (struct claimed){.task_id = id, .fence = 9}, &error), GANGER_ABORTED);
    Ganger__V1__StatusResponse *after = get_status(ganger);
    cr_assert_eq(after->commits, before->commits);
    cr_assert_eq(after->refusals, before->refusals + 1);
    cr_assert_gt(after->commits, 0);
    cr_assert_gt(after->commit_p50_us, 0);
    cr_assert_geq(after->commit_p99_us, after->commit_p50_us);
    cr_assert_geq(after->batch_p50, 1);
    cr_assert_eq(after->states[2]->state, STATE(READY));
    cr_assert_eq(after->states[2]->tasks, 1);
    ganger_free(before);
    ganger_free(after);
}

Test(broker, stops_when_asked_though_somebody_waits)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    struct opened claim;
    struct opened wait;
    struct opened watch;

    daemon_fixture_init(&fixture, NULL);
    struct ganger *ganger = open_client(&fixture);
    CLEANUP(ganger_close)
    struct ganger *other = open_client(&fixture);
    uint64_t id = submit_one(other);
    cr_assert_eq(claim_one(other, "holder", 0).task_id, id);
    open_claim(ganger, "a", 20000, &claim);
    open_wait(ganger, id, 20000, &wait);
    open_watch(ganger, &id, 1, &watch);
    wait_for_messages(ganger, &watch, 1);
    wait_until_parked(ganger, other, 1, 1);
    cr_assert_eq(daemon_fixture_stop(&fixture), 0);
    ganger_close(ganger);
}

Test(broker, lets_a_call_wait_twenty_seconds_and_not_longer)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    struct opened claim;
    struct opened wait;

    daemon_fixture_init(&fixture, NULL);
    CLEANUP(ganger_close)
    struct ganger *ganger = open_client(&fixture);
    CLEANUP(ganger_close)
    struct ganger *other = open_client(&fixture);
    uint64_t id = submit_one(other);
    cr_assert_eq(claim_one(other, "a", 0).task_id, id);
    open_claim(ganger, "a", 20001, &claim);
    wait_for_end(ganger, &claim);
    cr_assert_str_eq(claim.error.reason, "BAD_FIELD");
    open_wait(ganger, id, 20001, &wait);
    wait_for_end(ganger, &wait);
    cr_assert_str_eq(wait.error.reason, "BAD_FIELD");
    open_claim(ganger, "a", 20000, &claim);
    open_wait(ganger, id, 20000, &wait);
    wait_until_parked(ganger, other, 1, 0);
    cr_assert_not(claim.ended);
    cr_assert_not(wait.ended);
}
