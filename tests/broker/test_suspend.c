#include "broker/core/checkpoint.h"
#include "broker/core/limits.h"
#include "tests/broker/fixture.h"

/* The one task of the next claim. */
static const struct task_view *claim_view(struct world *world, const char *agent_id)
{
    struct command command = command_claim(world, agent_id, "t");

    command.claim.start = true;
    const struct answer *answer = world_do(world, &command);
    cr_assert_eq(answer->claim.count, 1);
    return answer->claim.tasks[0];
}

static struct run_name run_of(const struct task_view *view)
{
    return (struct run_name){.task_id = view->id, .fence = view->fence};
}

static const struct answer *beat_with(struct world *world, struct run_name run, const char *checkpoint)
{
    struct beat beat = {.run = run, .progress_text = "", .checkpoint = bytes_of_text(checkpoint)};
    struct command command = {
        .kind = COMMAND_HEARTBEAT,
        .heartbeat = {.agent_id = "a", .incarnation = 1, .beats = &beat, .beat_count = 1},
    };

    return world_do(world, &command);
}

Test(suspend, gives_the_slot_back_and_charges_nothing)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "t");
    struct run_name run = claim_started(world, "a", "t");

    cr_assert_eq(suspend(world, run, "which branch?"), TASK_SUSPENDED);
    const struct task_view *task = get(world, id);
    cr_assert_eq(task->state, TASK_SUSPENDED);
    cr_assert_eq(task->attempts, 0);
    cr_assert_eq(task->crashes, 0);
    cr_assert_eq(task->interruptions, 0);
    cr_assert_eq(task->deliveries, 0);
    cr_assert_str_eq(task->suspend_reason, "which branch?");
    cr_assert_str_eq(task->cancel_reason, "");
    claim_nothing(world, "a", "t");
    world_pass(world, 100000000);
    cr_assert_eq(state_of(world, id), TASK_SUSPENDED, "it waits for somebody, not for a time");
    world_close(world);
}

Test(suspend, is_repeatable_and_its_fence_is_stale_for_every_other_word)
{
    struct world *world = world_new();
    (void)submit(world, "t");
    struct run_name run = claim_started(world, "a", "t");

    (void)suspend(world, run, "");
    cr_assert_eq(suspend(world, run, ""), TASK_SUSPENDED);
    struct command command = command_of_run(COMMAND_COMPLETE, run);
    world_refused(world, &command, STATUS_ABORTED, "STALE_FENCE");
    resume(world, run.task_id, "");
    cr_assert_eq(suspend(world, run, ""), TASK_SUSPENDED, "the first answer, although the task is READY now");
    (void)claim(world, "b", "t");
    command = command_of_run(COMMAND_SUSPEND, run);
    world_refused(world, &command, STATUS_ABORTED, "STALE_FENCE");
    world_close(world);
}

Test(suspend, as_often_as_it_likes_makes_no_task_undeliverable)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "t");

    for (int i = 0; i < DELIVERIES_DEFAULT + 5; i++) {
        (void)suspend(world, claim_started(world, "a", "t"), "");
        resume(world, id, "");
    }
    cr_assert_eq(release(world, claim(world, "a", "t"), 0), TASK_READY);
    world_close(world);
}

Test(suspend, of_a_task_that_is_being_canceled_cancels_it)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "t");
    struct run_name run = claim_started(world, "a", "t");

    cancel(world, id);
    cr_assert_eq(suspend(world, run, ""), TASK_CANCELED);
    cr_assert_str_eq(get(world, id)->cancel_reason, "enough");
    world_close(world);
}

Test(suspend, that_is_asked_for_is_pushed_and_said_again_by_each_heartbeat)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "t");
    struct run_name run = claim_started(world, "a", "t");

    ask_suspend(world, id);
    cr_assert_not_null(world->effects.pushes);
    cr_assert_eq(world->effects.pushes->verdict, VERDICT_SUSPEND);
    cr_assert_eq(world->effects.pushes->run.fence, run.fence);
    cr_assert_str_eq(world->effects.pushes->reason, "too dear");
    const struct task_view *task = get(world, id);
    cr_assert_eq(task->state, TASK_RUNNING);
    cr_assert(task->suspending);
    cr_assert_str_eq(task->suspend_reason, "too dear");
    cr_assert_str_eq(task->cancel_reason, "");
    world_restart(world);
    cr_assert_eq(beat(world, "a", run), VERDICT_SUSPEND);
    cr_assert_eq(suspend(world, run, "as asked"), TASK_SUSPENDED);
    cr_assert(!get(world, id)->suspending);
    cr_assert_str_eq(get(world, id)->suspend_reason, "as asked");
    world_close(world);
}

Test(suspend, that_is_asked_for_before_the_start_is_said_after_it)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "t");
    struct run_name run = claim(world, "a", "t");

    ask_suspend(world, id);
    cr_assert_null(world->effects.pushes);
    cr_assert_eq(beat(world, "a", run), VERDICT_GO_ON);
    struct command command = command_of_run(COMMAND_SUSPEND, run);
    world_refused(world, &command, STATUS_FAILED_PRECONDITION, "WRONG_STATE");
    start(world, run);
    cr_assert_eq(beat(world, "a", run), VERDICT_SUSPEND);
    world_close(world);
}

Test(suspend, gives_way_to_a_cancel)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "t");
    struct run_name run = claim_started(world, "a", "t");

    ask_suspend(world, id);
    cancel(world, id);
    cr_assert_eq(beat(world, "a", run), VERDICT_STOP);
    cr_assert(!get(world, id)->suspending);
    cr_assert_str_eq(get(world, id)->cancel_reason, "enough");
    struct command command = {.kind = COMMAND_ASK_SUSPEND, .ask_suspend = {.task_id = id, .reason = ""}};
    world_refused(world, &command, STATUS_FAILED_PRECONDITION, "WRONG_STATE");
    world_close(world);
}

Test(suspend, that_is_asked_for_is_over_when_the_run_ends_otherwise)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "t");
    struct run_name run = claim_started(world, "a", "t");

    ask_suspend(world, id);
    cr_assert_eq(fail(world, run), TASK_SCHEDULED);
    const struct task_view *task = get(world, id);
    cr_assert(!task->suspending);
    cr_assert_str_eq(task->cancel_reason, "");
    cr_assert_str_eq(task->suspend_reason, "");
    world_close(world);
}

Test(suspend, twice_asked_for_is_asked_once)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "t");

    (void)claim_started(world, "a", "t");
    ask_suspend(world, id);
    uint64_t revision = broker_revision(world->broker);
    ask_suspend(world, id);
    cr_assert_eq(broker_revision(world->broker), revision);
    world_close(world);
}

Test(resume, hands_the_next_run_the_checkpoint_and_the_answer)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "t");
    struct command command = command_of_run(COMMAND_SUSPEND, claim_started(world, "a", "t"));

    command.suspend.checkpoint = bytes_of_text("page 7");
    (void)world_do(world, &command);
    resume(world, id, "the second one");
    world_restart(world);
    const struct task_view *task = claim_view(world, "b");
    cr_assert_eq(task->id, id);
    cr_assert_eq(task->attempts, 1);
    cr_assert(bytes_equal(task->checkpoint, bytes_of_text("page 7")));
    cr_assert(bytes_equal(task->answer, bytes_of_text("the second one")));
    world_close(world);
}

Test(resume, without_an_answer_forgets_the_older_one)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "t");

    (void)suspend(world, claim_started(world, "a", "t"), "");
    resume(world, id, "yes");
    struct run_name run = run_of(claim_view(world, "a"));
    (void)release(world, run, 0);
    const struct task_view *task = claim_view(world, "a");
    cr_assert(bytes_equal(task->answer, bytes_of_text("yes")), "the run that got it may not have read it");
    (void)suspend(world, run_of(task), "");
    resume(world, id, "");
    cr_assert_eq(claim_view(world, "a")->answer.size, 0);
    world_close(world);
}

Test(resume, drops_a_time_to_expire_that_has_passed)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");

    spec.expires_at_ms = world->now.wall_ms + 1000;
    uint64_t id = submit_spec(world, spec);
    (void)suspend(world, claim_started(world, "a", "t"), "");
    world_pass(world, 1000);
    cr_assert_eq(state_of(world, id), TASK_SUSPENDED, "it does not wait to be claimed");
    resume(world, id, "");
    world_pass(world, 0);
    cr_assert_eq(state_of(world, id), TASK_READY);
    world_close(world);
}

Test(checkpoint, of_a_heartbeat_is_there_for_the_next_run_after_a_crash)
{
    struct world *world = world_new();
    (void)submit(world, "t");
    struct run_name run = claim_started(world, "a", "t");

    (void)beat_with(world, run, "step 1");
    (void)beat_with(world, run, "step 2");
    (void)beat_with(world, run, "");
    world_restart(world);
    world_pass(world, LEASE_MS);
    world_pass(world, 10000);
    cr_assert(bytes_equal(claim_view(world, "b")->checkpoint, bytes_of_text("step 2")));
    world_close(world);
}

Test(checkpoint, that_has_not_changed_is_not_written_and_none_is_an_event)
{
    struct world *world = world_new();
    (void)submit(world, "t");
    struct run_name run = claim_started(world, "a", "t");
    uint64_t revision = broker_revision(world->broker);

    (void)beat_with(world, run, "step 1");
    (void)beat_with(world, run, "step 1");
    cr_assert_eq(broker_revision(world->broker), revision);
    world_close(world);
}

Test(checkpoint, of_a_stale_run_changes_nothing)
{
    struct world *world = world_new();
    (void)submit(world, "t");
    struct run_name run = claim_started(world, "a", "t");

    (void)beat_with(world, run, "good");
    (void)release(world, run, 0);
    (void)beat_with(world, run, "late");
    cr_assert(bytes_equal(claim_view(world, "b")->checkpoint, bytes_of_text("good")));
    world_close(world);
}

Test(checkpoint, is_gone_after_a_retry_and_with_its_task)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("t");

    spec.retention_ms = 1000;
    uint64_t id = submit_spec(world, spec);
    struct run_name run = claim_started(world, "a", "t");
    (void)beat_with(world, run, "old");
    struct command command = command_of_run(COMMAND_FAIL, run);
    command.fail.final = true;
    (void)world_do(world, &command);
    retry(world, id, false);
    const struct task_view *task = claim_view(world, "a");
    cr_assert_eq(task->checkpoint.size, 0);
    run = run_of(task);
    (void)beat_with(world, run, "new");
    complete(world, run);
    world_pass(world, 1000);
    world_close(world); /* the check finds a row that belongs to no task */
}

Test(checkpoint, has_a_largest_size)
{
    struct world *world = world_new();
    static uint8_t bytes[CHECKPOINT_MAX + 1];
    uint64_t id = submit(world, "t");
    struct run_name run = claim_started(world, "a", "t");
    struct beat beat = {.run = run, .progress_text = "", .checkpoint = {.data = bytes, .size = sizeof bytes}};
    struct command heartbeat = {
        .kind = COMMAND_HEARTBEAT,
        .heartbeat = {.agent_id = "a", .incarnation = 1, .beats = &beat, .beat_count = 1},
    };
    struct command suspend_command = command_of_run(COMMAND_SUSPEND, run);
    struct command resume_command = {.kind = COMMAND_RESUME,
                                     .resume = {.task_id = id, .answer = {.data = bytes, .size = sizeof bytes}}};

    world_refused(world, &heartbeat, STATUS_INVALID_ARGUMENT, "BAD_FIELD");
    beat.checkpoint.size--;
    (void)world_do(world, &heartbeat);
    suspend_command.suspend.checkpoint = (struct bytes){.data = bytes, .size = sizeof bytes};
    world_refused(world, &suspend_command, STATUS_INVALID_ARGUMENT, "BAD_FIELD");
    suspend_command.suspend.checkpoint.size--;
    suspend_command.token = 0;
    (void)world_do(world, &suspend_command);
    world_refused(world, &resume_command, STATUS_INVALID_ARGUMENT, "BAD_FIELD");
    resume_command.resume.answer.size--;
    resume_command.token = 0;
    (void)world_do(world, &resume_command);
    world_close(world);
}
