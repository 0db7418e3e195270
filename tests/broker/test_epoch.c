/* Fault 20: a store that was restored, or rolled back. */
#include "tests/broker/fixture.h"

#define SOME_EPOCH(epoch) ((uint64_t)(epoch) << 48)

static uint16_t raise_epoch(struct world *world)
{
    struct command command = {
        .kind = COMMAND_RAISE_EPOCH,
        .raise_epoch = {.store_id = broker_store_id(world->broker), .epoch = broker_epoch(world->broker)}};

    return world_do(world, &command)->epoch;
}

static struct command registration_of(struct world *world, uint64_t seen_revision)
{
    return (struct command){
        .kind = COMMAND_REGISTER,
        .registration = {.agent_id = "a",
                         .incarnation = 1,
                         .host = "",
                         .version = "",
                         .seen = {.store_id = broker_store_id(world->broker), .revision = seen_revision}}};
}

Test(epoch, is_above_the_counter_of_ids_fences_and_revisions)
{
    struct world *world = world_new();
    uint64_t before = submit(world, "t");
    struct run_name old = claim(world, "a", "t");

    cr_assert_eq(raise_epoch(world), 1);
    uint64_t after = submit(world, "t");
    cr_assert_eq(before, 1);
    cr_assert_eq(after, SOME_EPOCH(1) + 1);
    struct run_name run = claim(world, "b", "t");
    cr_assert_eq(run.fence, SOME_EPOCH(1) + 1);
    cr_assert_gt(run.fence, old.fence);
    cr_assert_gt(broker_revision(world->broker), SOME_EPOCH(1));
    world_close(world);
}

Test(epoch, stays_raised_after_a_restart)
{
    struct world *world = world_new();

    (void)raise_epoch(world);
    cr_assert_eq(raise_epoch(world), 2);
    world_restart(world);
    cr_assert_eq(broker_epoch(world->broker), 2);
    cr_assert_eq(submit(world, "t"), SOME_EPOCH(2) + 1);
    world_close(world);
}

Test(epoch, that_is_raised_makes_every_run_stale)
{
    struct world *world = world_new();

    (void)submit(world, "t");
    struct run_name run = claim_started(world, "a", "t");
    struct command command = command_of_run(COMMAND_COMPLETE, run);
    (void)raise_epoch(world);
    cr_assert_eq(beat(world, "a", run), VERDICT_STALE);
    world_refused(world, &command, STATUS_ABORTED, "STALE_FENCE");
    cr_assert_eq(state_of(world, run.task_id), TASK_RUNNING, "whoever was at it may still be");
    world_close(world);
}

Test(epoch, that_is_raised_frees_tasks_when_their_leases_end_and_charges_nobody)
{
    struct world *world = world_new();

    (void)submit(world, "t");
    struct run_name run = claim_started(world, "a", "t");
    (void)raise_epoch(world);
    claim_nothing(world, "b", "t");
    world_pass(world, LEASE_MS);
    const struct task_view *task = get(world, run.task_id);
    cr_assert(task->state == TASK_READY || task->state == TASK_SCHEDULED);
    cr_assert_eq(task->crashes, 0);
    cr_assert_eq(task->attempts, 0);
    cr_assert_eq(task->interruptions, 1);
    world_pass(world, 60000);
    cr_assert_gt(claim(world, "b", "t").fence, SOME_EPOCH(1));
    world_close(world);
}

Test(epoch, that_is_raised_leaves_a_repeated_claim_without_its_stale_runs)
{
    struct world *world = world_new();
    struct command command = command_claim(world, "a", "t");

    (void)submit(world, "t");
    cr_assert_eq(world_do(world, &command)->claim.count, 1);
    cr_assert_eq(world_do(world, &command)->claim.count, 1);
    (void)raise_epoch(world);
    cr_assert_eq(world_do(world, &command)->claim.count, 0);
    world_close(world);
}

Test(epoch, that_is_raised_still_lets_an_end_be_repeated)
{
    struct world *world = world_new();

    (void)submit(world, "t");
    struct run_name run = claim_started(world, "a", "t");
    complete(world, run);
    (void)raise_epoch(world);
    complete(world, run);
    world_close(world);
}

Test(epoch, a_peer_that_has_seen_no_more_than_the_store_knows_is_welcome)
{
    struct world *world = world_new();

    (void)submit(world, "t");
    struct command command = registration_of(world, broker_revision(world->broker));
    cr_assert_str_eq(world_do(world, &command)->registration.store_id, broker_store_id(world->broker));
    cr_assert_eq(broker_newest_seen(world->broker), 0);
    (void)claim(world, "a", "t");
    world_close(world);
}

Test(epoch, a_peer_that_has_seen_a_later_revision_ends_all_claims)
{
    struct world *world = world_new();

    (void)submit(world, "t");
    struct command command = registration_of(world, broker_revision(world->broker) + 1);
    world_refused(world, &command, STATUS_FAILED_PRECONDITION, "STORE_IS_OLDER");
    cr_assert_eq(broker_newest_seen(world->broker), broker_revision(world->broker) + 1);
    claim_nothing(world, "b", "t");
    (void)submit(world, "t");
    claim_nothing(world, "b", "t");
    world_close(world);
}

Test(epoch, every_request_that_begins_something_shows_what_was_seen)
{
    struct world *world = world_new();

    (void)submit(world, "t");
    const struct seen_store seen = {.store_id = broker_store_id(world->broker),
                                    .revision = broker_revision(world->broker) + 1};
    struct command claiming = command_claim(world, "a", "t");
    claiming.claim.seen = seen;
    world_refused(world, &claiming, STATUS_FAILED_PRECONDITION, "STORE_IS_OLDER");
    (void)raise_epoch(world);
    struct command beating = {.kind = COMMAND_HEARTBEAT,
                              .heartbeat = {.agent_id = "a", .incarnation = 1, .seen = seen}};
    beating.heartbeat.seen.revision = SOME_EPOCH(1) + 5;
    world_refused(world, &beating, STATUS_FAILED_PRECONDITION, "STORE_IS_OLDER");
    world_close(world);
}

Test(epoch, what_was_seen_of_another_store_or_an_earlier_epoch_says_nothing)
{
    struct world *world = world_new();
    struct command command = registration_of(world, SOME_EPOCH(7));

    command.registration.seen.store_id = "ffffffffffffffffffffffffffffffff";
    (void)world_do(world, &command);
    (void)raise_epoch(world);
    command = registration_of(world, 123456789);
    (void)world_do(world, &command);
    cr_assert_eq(broker_newest_seen(world->broker), 0);
    world_close(world);
}

Test(epoch, that_is_raised_is_above_what_was_seen_and_serves_who_waits)
{
    struct world *world = world_new();

    (void)submit(world, "t");
    struct command command = registration_of(world, SOME_EPOCH(4) + 9);
    world_refused(world, &command, STATUS_FAILED_PRECONDITION, "STORE_IS_OLDER");
    struct command waiting = command_claim(world, "b", "t");
    waiting.claim.waits = true;
    cr_assert_null(world_ask(world, &waiting));
    uint64_t token = waiting.token;
    cr_assert_eq(raise_epoch(world), 5);
    const struct answer *answer = world_answer_to(world, token);
    cr_assert_not_null(answer);
    cr_assert_eq(answer->claim.count, 1);
    cr_assert_eq(answer->claim.tasks[0]->fence, SOME_EPOCH(5) + 1);
    (void)world_do(world, &command);
    world_close(world);
}

Test(epoch, the_last_one_is_not_passed)
{
    struct world *world = world_new();
    struct command command = registration_of(world, SOME_EPOCH(UINT16_MAX - 1));

    world_refused(world, &command, STATUS_FAILED_PRECONDITION, "STORE_IS_OLDER");
    cr_assert_eq(raise_epoch(world), UINT16_MAX);
    command = (struct command){
        .kind = COMMAND_RAISE_EPOCH,
        .raise_epoch = {.store_id = broker_store_id(world->broker), .epoch = broker_epoch(world->broker)}};
    world_refused(world, &command, STATUS_RESOURCE_EXHAUSTED, "NO_EPOCH_LEFT");
    world_close(world);
}

Test(epoch, is_raised_for_whoever_names_the_store_and_its_present_one_so_a_repeat_does_nothing)
{
    struct world *world = world_new();
    struct command command = {.kind = COMMAND_RAISE_EPOCH, .raise_epoch = {.store_id = broker_store_id(world->broker)}};

    cr_assert_eq(world_do(world, &command)->epoch, 1);
    world_refused(world, &command, STATUS_FAILED_PRECONDITION, "OTHER_EPOCH");
    command.raise_epoch = (struct command_raise_epoch){.store_id = "", .epoch = 1};
    world_refused(world, &command, STATUS_FAILED_PRECONDITION, "OTHER_EPOCH");
    cr_assert_eq(broker_epoch(world->broker), 1);
    world_close(world);
}

Test(epoch, that_is_raised_waits_out_the_reap_grace_of_supervised_runs)
{
    struct world *world = world_new();
    struct command command = {
        .kind = COMMAND_REGISTER,
        .registration = {.agent_id = "a", .incarnation = 2, .host = "", .version = "", .slots = 1, .all_gone = true}};

    (void)submit(world, "t");
    struct run_name run = claim_supervised(world, "a", "t");
    (void)raise_epoch(world);
    cr_assert_eq(world_do(world, &command)->registration.released_count, 0, "others may be at it");
    world_pass(world, LEASE_MS);
    cr_assert_eq(state_of(world, run.task_id), TASK_RUNNING);
    world_pass(world, 599000);
    cr_assert_eq(state_of(world, run.task_id), TASK_RUNNING);
    world_pass(world, 2000);
    const struct task_view *task = get(world, run.task_id);
    cr_assert(task->state == TASK_READY || task->state == TASK_SCHEDULED);
    cr_assert_eq(task->crashes, 0);
    cr_assert_eq(task->interruptions, 1);
    world_close(world);
}
