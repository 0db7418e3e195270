/* Agents that an operator drains or kills. */
#include "broker/core/drain.h"
#include "tests/broker/fixture.h"

#include <stdio.h>

static struct command drain_of(const char *agent_id, bool ends)
{
    return (struct command){.kind = COMMAND_DRAIN,
                            .who = "alice",
                            .drain = {.agent_id = agent_id, .ends = ends, .reason = ends ? "" : "a new kernel"}};
}

static void drain(struct world *world, const char *agent_id)
{
    struct command command = drain_of(agent_id, false);

    (void)world_do(world, &command);
}

static void end_drain(struct world *world, const char *agent_id)
{
    struct command command = drain_of(agent_id, true);

    (void)world_do(world, &command);
}

static bool beat_says_draining(struct world *world, const char *agent_id)
{
    struct command command = {.kind = COMMAND_HEARTBEAT, .heartbeat = {.agent_id = agent_id, .incarnation = 1}};

    return world_do(world, &command)->heartbeat.draining;
}

static bool registration_says_draining(struct world *world, const char *agent_id)
{
    struct command command = {
        .kind = COMMAND_REGISTER,
        .registration = {.agent_id = agent_id, .incarnation = 1, .host = "", .version = "", .slots = 1}};

    return world_do(world, &command)->registration.draining;
}

Test(drain, gives_no_new_runs_and_lets_those_that_are_held_go_on)
{
    struct world *world = world_new();

    (void)submit(world, "t");
    (void)submit(world, "t");
    struct run_name run = claim_started(world, "build7", "t");
    drain(world, "build7");
    claim_nothing(world, "build7", "t");
    cr_assert_eq(beat(world, "build7", run), VERDICT_GO_ON);
    complete(world, run);
    claim_nothing(world, "build7", "t");
    (void)claim(world, "other", "t");
    world_close(world);
}

Test(drain, holds_for_agents_below_and_for_no_namesakes)
{
    struct world *world = world_new();

    for (int i = 0; i < 3; i++)
        (void)submit(world, "t");
    drain(world, "build7");
    claim_nothing(world, "build7/claude", "t");
    claim_nothing(world, "build7/claude/2", "t");
    (void)claim(world, "build77", "t");
    (void)claim(world, "build", "t");
    end_drain(world, "build7");
    drain(world, "build7/claude");
    claim_nothing(world, "build7/claude", "t");
    (void)claim(world, "build7", "t");
    world_close(world);
}

Test(drain, is_told_by_registrations_and_heartbeats_and_at_once)
{
    struct world *world = world_new();

    cr_assert(!registration_says_draining(world, "build7"));
    drain(world, "build7");
    cr_assert_not_null(world->effects.pushes);
    cr_assert_eq(world->effects.pushes->verdict, VERDICT_DRAIN);
    cr_assert_str_eq(world->effects.pushes->agent_id, "build7");
    cr_assert_eq(world->effects.pushes->run.task_id, 0);
    cr_assert(beat_says_draining(world, "build7"));
    cr_assert(registration_says_draining(world, "build7"));
    end_drain(world, "build7");
    cr_assert_eq(world->effects.pushes->verdict, VERDICT_GO_ON);
    cr_assert(!beat_says_draining(world, "build7"));
    world_close(world);
}

Test(drain, outlives_the_broker_until_an_operator_ends_it)
{
    struct world *world = world_new();

    (void)submit(world, "t");
    drain(world, "build7");
    world_restart(world);
    claim_nothing(world, "build7", "t");
    end_drain(world, "build7");
    world_restart(world);
    (void)claim(world, "build7", "t");
    world_close(world);
}

static uint64_t park(struct world *world, const char *agent_id)
{
    struct command command = command_claim(world, agent_id, "t");

    command.claim.waits = true;
    cr_assert_null(world_ask(world, &command));
    return command.token;
}

Test(drain, answers_claims_that_wait_with_nothing)
{
    struct world *world = world_new();
    uint64_t token = park(world, "build7/claude");
    uint64_t other = park(world, "other");

    drain(world, "build7");
    const struct answer *answer = world_answer_to(world, token);
    cr_assert_not_null(answer);
    cr_assert_eq(answer->claim.count, 0);
    cr_assert_null(world_answer_to(world, other));
    (void)submit(world, "t");
    cr_assert_eq(world_answer_to(world, other)->claim.count, 1);
    world_close(world);
}

Test(drain, lets_new_claims_wait_without_a_task_until_it_ends)
{
    struct world *world = world_new();

    drain(world, "build7");
    uint64_t token = park(world, "build7");
    (void)submit(world, "t");
    cr_assert_null(world_answer_to(world, token));
    (void)claim(world, "other", "t");
    end_drain(world, "build7");
    cr_assert_eq(world_answer_to(world, token)->claim.count, 0, "it claims again");
    world_close(world);
}

Test(drain, repeats_the_answer_of_a_claim_that_was_given_before)
{
    struct world *world = world_new();
    struct command command = command_claim(world, "build7", "t");

    (void)submit(world, "t");
    cr_assert_eq(world_do(world, &command)->claim.count, 1);
    drain(world, "build7");
    cr_assert_eq(world_do(world, &command)->claim.count, 1);
    world_close(world);
}

Test(drain, is_listed_with_who_and_why_also_for_agents_that_are_not_known)
{
    struct world *world = world_new();
    struct command list = {.kind = COMMAND_LIST_AGENTS};

    (void)registration_says_draining(world, "build7");
    drain(world, "build7");
    drain(world, "nobody");
    const struct answer *answer = world_do(world, &list);
    cr_assert_eq(answer->agents.count, 2);
    const struct agent_view *known = &answer->agents.agents[0];
    const struct agent_view *unknown = &answer->agents.agents[1];
    cr_assert(known->is_known && known->draining);
    cr_assert_str_eq(known->drained_by, "alice");
    cr_assert_str_eq(known->drain_reason, "a new kernel");
    cr_assert(!unknown->is_known && unknown->draining);
    cr_assert_str_eq(unknown->agent_id, "nobody");
    world_close(world);
}

Test(drain, that_is_not_there_cannot_be_ended)
{
    struct world *world = world_new();
    struct command command = drain_of("build7", true);

    world_refused(world, &command, STATUS_NOT_FOUND, "NOT_DRAINING");
    command = drain_of("not an id", false);
    world_refused(world, &command, STATUS_INVALID_ARGUMENT, "BAD_FIELD");
    world_close(world);
}

Test(drain, is_bounded)
{
    struct world *world = world_new();
    char name[32];

    for (int i = 0; i < DRAINS_MAX; i++) {
        (void)snprintf(name, sizeof name, "a%d", i);
        drain(world, name);
    }
    drain(world, "a1");
    struct command command = drain_of("one-more", false);
    world_refused(world, &command, STATUS_RESOURCE_EXHAUSTED, "TOO_MANY_DRAINS");
    end_drain(world, "a1");
    drain(world, "one-more");
    world_close(world);
}

static const struct answer *kill_agent(struct world *world, const char *agent_id)
{
    struct command command = drain_of(agent_id, false);

    command.drain.kills = true;
    return world_do(world, &command);
}

Test(kill, gives_back_at_once_what_nobody_supervises_and_charges_nobody)
{
    struct world *world = world_new();

    (void)submit(world, "t");
    struct run_name run = claim_started(world, "build7/claude", "t");
    cr_assert_eq(kill_agent(world, "build7")->ended.released, 1);
    cr_assert_eq(beat(world, "build7/claude", run), VERDICT_STALE);
    const struct task_view *task = get(world, run.task_id);
    cr_assert_eq(task->attempts, 0);
    cr_assert_eq(task->interruptions, 1);
    claim_nothing(world, "build7/claude", "t");
    world_close(world);
}

Test(kill, waits_for_a_supervisor_to_end_the_processes_of_a_run)
{
    struct world *world = world_new();

    (void)submit(world, "t");
    struct run_name run = claim_supervised(world, "build7", "t");
    const struct answer *answer = kill_agent(world, "build7");
    cr_assert_eq(answer->ended.released, 0);
    cr_assert_eq(answer->ended.told, 1);
    cr_assert_eq(state_of(world, run.task_id), TASK_RUNNING);
    cr_assert_eq(beat(world, "build7", run), VERDICT_GIVE_BACK);
    world_restart(world);
    cr_assert_eq(beat(world, "build7", run), VERDICT_GIVE_BACK, "also after a restart");
    (void)release(world, run, 0);
    cr_assert_eq(get(world, run.task_id)->attempts, 0);
    (void)claim(world, "other", "t");
    world_close(world);
}

Test(kill, gives_back_at_once_what_a_supervisor_has_not_started)
{
    struct world *world = world_new();

    (void)submit(world, "t");
    struct command claiming = command_claim(world, "build7", "t");
    claiming.claim.supervised = true;
    const struct task_view *task = world_do(world, &claiming)->claim.tasks[0];
    struct command command =
        command_of_run(COMMAND_START, (struct run_name){.task_id = task->id, .fence = task->fence});
    command.start.agent_id = "";
    cr_assert_eq(kill_agent(world, "build7")->ended.released, 1);
    world_refused(world, &command, STATUS_ABORTED, "STALE_FENCE");
    world_close(world);
}

Test(kill, ends_with_the_drain)
{
    struct world *world = world_new();

    (void)submit(world, "t");
    (void)kill_agent(world, "build7");
    end_drain(world, "build7");
    struct run_name run = claim_supervised(world, "build7", "t");
    cr_assert_eq(beat(world, "build7", run), VERDICT_GO_ON);
    world_close(world);
}
