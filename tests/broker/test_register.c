#include "broker/core/agent.h"
#include "tests/broker/fixture.h"

#include <stdio.h>

static struct command registration(const char *agent_id, uint64_t incarnation)
{
    return (struct command){
        .kind = COMMAND_REGISTER,
        .registration = {.agent_id = agent_id, .incarnation = incarnation, .host = "h", .version = "1"}};
}

static void register_agent(struct world *world, const char *agent_id, uint64_t incarnation)
{
    struct command command = registration(agent_id, incarnation);

    (void)world_do(world, &command);
}

Test(registration, of_a_new_life_gives_back_what_the_old_one_held)
{
    struct world *world = world_new();
    struct run_name runs[4];

    for (int i = 0; i < 4; i++)
        (void)submit(world, "t");
    register_agent(world, "build7", 1);
    runs[0] = claim_started(world, "build7", "t");
    runs[1] = claim(world, "build7/claude1", "t");
    runs[2] = claim_started(world, "build7", "t");
    runs[3] = claim_started(world, "build77", "t");

    struct command command = registration("build7", 2);
    command.registration.held = &runs[2];
    command.registration.held_count = 1;
    const struct answer *answer = world_do(world, &command);
    cr_assert_eq(answer->registration.released_count, 2);
    cr_assert_eq(answer->registration.lease_ms, LEASE_SAID_MS);
    cr_assert_eq(state_of(world, runs[0].task_id), TASK_READY);
    cr_assert_eq(get(world, runs[0].task_id)->interruptions, 1);
    cr_assert_eq(get(world, runs[0].task_id)->attempts, 0);
    cr_assert_eq(state_of(world, runs[1].task_id), TASK_READY);
    cr_assert_eq(state_of(world, runs[2].task_id), TASK_RUNNING);
    cr_assert_eq(state_of(world, runs[3].task_id), TASK_RUNNING, "build77 is not below build7");
    world_close(world);
}

Test(registration, of_the_same_life_takes_nothing_away)
{
    struct world *world = world_new();
    (void)submit(world, "t");
    struct command command = registration("a", 1);

    (void)world_do(world, &command);
    struct run_name run = claim_started(world, "a", "t");
    cr_assert_eq(world_do(world, &command)->registration.released_count, 0);
    world_restart(world);
    cr_assert_eq(world_do(world, &command)->registration.released_count, 0);
    cr_assert_eq(state_of(world, run.task_id), TASK_RUNNING);
    world_close(world);
}

Test(registration, with_an_outdated_fence_does_not_keep_the_run)
{
    struct world *world = world_new();
    (void)submit(world, "t");
    struct run_name run = claim_started(world, "a", "t");
    struct run_name other = {.task_id = run.task_id, .fence = run.fence - 1};
    struct command command = registration("a", 2);

    command.registration.held = &other;
    command.registration.held_count = 1;
    cr_assert_eq(world_do(world, &command)->registration.released_count, 1);
    world_close(world);
}

Test(registration, of_an_older_life_is_refused)
{
    struct world *world = world_new();
    struct command older = registration("a", 4);
    struct command claim_older = command_claim(world, "a", "t");
    struct beat beat = {.run = {.task_id = 1, .fence = 1}, .progress_text = ""};
    struct command heartbeat = {.kind = COMMAND_HEARTBEAT,
                                .heartbeat = {.agent_id = "a", .incarnation = 4, .beats = &beat, .beat_count = 1}};

    register_agent(world, "a", 5);
    world_refused(world, &older, STATUS_ABORTED, "STALE_INCARNATION");
    claim_older.claim.incarnation = 4;
    world_refused(world, &claim_older, STATUS_ABORTED, "STALE_INCARNATION");
    world_refused(world, &heartbeat, STATUS_ABORTED, "STALE_INCARNATION");
    world_close(world);
}

Test(registration, of_a_new_life_ends_the_claim_that_the_old_one_waits_with)
{
    struct world *world = world_new();
    struct command command = command_claim(world, "a", "t");

    command.claim.waits = true;
    cr_assert_null(world_ask(world, &command));
    register_agent(world, "a", 9);
    const struct answer *answer = world_answer_to(world, command.token);
    cr_assert_not_null(answer);
    cr_assert_str_eq(answer->refusal->reason, "REPLACED");
    world_close(world);
}

static bool is_registered(struct world *world, const char *agent_id)
{
    struct command command = {.kind = COMMAND_HEARTBEAT, .heartbeat = {.agent_id = agent_id, .incarnation = 1}};

    return world_do(world, &command)->heartbeat.registered;
}

Test(agents, that_the_broker_does_not_know_are_told_to_register)
{
    struct world *world = world_new();

    cr_assert(!is_registered(world, "a"));
    register_agent(world, "a", 1);
    cr_assert(is_registered(world, "a"));
    world_restart(world);
    cr_assert(!is_registered(world, "a"));
    world_close(world);
}

Test(agents, one_too_many_takes_the_place_of_the_one_that_was_silent_longest)
{
    struct world *world = world_new();
    char id[32];

    register_agent(world, "silent", 1);
    world_pass(world, 1000);
    register_agent(world, "first", 1);
    for (int i = 0; i < AGENTS_MAX - 1; i++) {
        (void)snprintf(id, sizeof id, "a%d", i);
        register_agent(world, id, 1);
    }
    cr_assert(!is_registered(world, "silent"));
    cr_assert(is_registered(world, "first"));
    world_close(world);
}

Test(agents, that_were_silent_for_a_day_are_dropped)
{
    struct world *world = world_new();

    register_agent(world, "a", 1);
    world_pass(world, AGENT_SILENT_MAX_MS);
    cr_assert(is_registered(world, "a"));
    world_pass(world, AGENT_SILENT_MAX_MS + 1);
    cr_assert(!is_registered(world, "a"));
    world_close(world);
}

Test(agents, are_listed_with_what_they_hold_and_how_long_they_were_silent)
{
    struct world *world = world_new();
    struct profile profile = {.agent_type = "claude", .max = 4, .available = false, .problem = "no such program"};
    struct command command = registration("build7", 3);
    struct command list = {.kind = COMMAND_LIST_AGENTS};

    command.registration.profiles = &profile;
    command.registration.profile_count = 1;
    command.registration.slots = 8;
    (void)world_do(world, &command);
    (void)submit(world, "t");
    (void)submit(world, "t");
    struct command start_as = command_of_run(COMMAND_START, claim(world, "other", "t"));
    start_as.start.agent_id = "build7/claude1";
    (void)world_do(world, &start_as);
    world_pass(world, 5000);
    const struct answer *answer = world_do(world, &list);
    cr_assert_eq(answer->agents.count, 1);
    const struct agent_view *agent = &answer->agents.agents[0];
    cr_assert_str_eq(agent->agent_id, "build7");
    cr_assert_eq(agent->held, 1);
    cr_assert_eq(agent->slots, 8);
    cr_assert_eq(agent->silent_ms, 5000);
    cr_assert_str_eq(agent->profiles[0].problem, "no such program");
    world_close(world);
}

Test(agents, are_listed_as_far_as_a_frame_has_room)
{
    struct world *world = world_new();
    struct profile profiles[PROFILES_MAX];
    struct command list = {.kind = COMMAND_LIST_AGENTS};
    char id[32];
    char problem[256];

    memset(problem, 'x', sizeof problem - 1);
    problem[sizeof problem - 1] = '\0';
    for (size_t i = 0; i < PROFILES_MAX; i++)
        profiles[i] = (struct profile){.agent_type = "t", .problem = problem};
    for (int i = 0; i < 100; i++) {
        struct command command = registration(id, 1);
        (void)snprintf(id, sizeof id, "a%d", i);
        command.registration.profiles = profiles;
        command.registration.profile_count = PROFILES_MAX;
        (void)world_do(world, &command);
    }
    size_t count = world_do(world, &list)->agents.count;
    cr_assert_gt(count, 10);
    cr_assert_lt(count * PROFILES_MAX * sizeof problem, (size_t)1024 * 1024);
    world_close(world);
}
