/* WhyWaiting: each reason. */
#include "tests/broker/fixture.h"

#include "broker/core/limits.h"

static const struct answer *ask_why(struct world *world, uint64_t task_id)
{
    struct command command = {.kind = COMMAND_WHY, .why = {.task_id = task_id}};

    return world_do(world, &command);
}

/* The reason of this kind; there must be one. */
static const struct wait_reason *reason_of(struct world *world, uint64_t task_id, enum wait_kind kind)
{
    const struct answer *answer = ask_why(world, task_id);

    for (size_t i = 0; i < answer->why.count; i++)
        if (answer->why.reasons[i].kind == kind)
            return &answer->why.reasons[i];
    cr_assert_fail("there is no reason %d among %zu, the first is: %s", kind, answer->why.count,
                   answer->why.count > 0 ? answer->why.reasons[0].text : "none");
    return NULL;
}

static void register_worker(struct world *world, const char *agent_id, struct profile profile)
{
    struct command command = {
        .kind = COMMAND_REGISTER,
        .registration = {.agent_id = agent_id,
                         .incarnation = 1,
                         .host = "",
                         .version = "",
                         .slots = 4,
                         .profiles = &profile,
                         .profile_count = 1},
    };

    (void)world_do(world, &command);
}

static struct profile profile_of(const char *agent_type, uint32_t running)
{
    return (struct profile){.agent_type = agent_type, .max = 4, .running = running, .available = true, .problem = ""};
}

static struct command_set_limit *begin_limit(struct command *command)
{
    *command = (struct command){
        .kind = COMMAND_SET_LIMIT, .who = "alice", .set_limit = {.name = "anthropic", .reason = "out of quota"}};
    return &command->set_limit;
}

Test(why, names_the_dependencies_that_have_not_ended)
{
    struct world *world = world_new();
    uint64_t ids[2] = {submit(world, "claude"), submit(world, "claude")};
    struct task_spec spec = spec_of("claude");

    spec.depends_on = ids;
    spec.depends_on_count = 2;
    uint64_t id = submit_spec(world, spec);
    complete(world, claim_started(world, "build7", "claude"));
    (void)claim_started(world, "build7", "claude");
    const struct wait_reason *reason = reason_of(world, id, WAIT_DEPENDENCY);
    cr_assert_eq(reason->task_id, ids[1]);
    cr_assert_str_eq(reason->text, "it depends on task 0000-0002, which is RUNNING");
    cr_assert_eq(ask_why(world, id)->why.count, 1);
    cr_assert_eq(ask_why(world, id)->why.state, TASK_BLOCKED);
    world_close(world);
}

Test(why, says_when_the_time_of_a_task_comes)
{
    struct world *world = world_new();
    struct task_spec spec = spec_of("claude");

    spec.delay_ms = 5000;
    cr_assert_eq(reason_of(world, submit_spec(world, spec), WAIT_TIME)->until_ms, world->now.wall_ms + 5000);
    spec.delay_ms = 0;
    spec.not_before_ms = world->now.wall_ms + 7000;
    cr_assert_eq(reason_of(world, submit_spec(world, spec), WAIT_TIME)->until_ms, world->now.wall_ms + 7000);
    world_close(world);
}

Test(why, says_when_a_failed_task_is_tried_again)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "claude");

    cr_assert_eq(fail(world, claim_started(world, "build7", "claude")), TASK_SCHEDULED);
    const struct wait_reason *reason = reason_of(world, id, WAIT_BACKOFF);
    cr_assert_str_eq(reason->text, "it is to be tried again after 1 of 3 attempts");
    cr_assert_eq(reason->until_ms, world->now.wall_ms + get(world, id)->due_in_ms);
    world_close(world);
}

Test(why, names_a_limit_that_is_full)
{
    struct world *world = world_new();
    struct command command;
    struct command_set_limit *set = begin_limit(&command);

    set->has_max_running = true;
    set->max_running = 1;
    (void)world_do(world, &command);
    (void)submit_limited(world);
    (void)claim(world, "build7", "claude");
    uint64_t id = submit_limited(world);
    const struct wait_reason *reason = reason_of(world, id, WAIT_LIMIT_FULL);
    cr_assert_str_eq(reason->subject, "anthropic");
    cr_assert_eq(reason->count, 1);
    cr_assert_str_eq(reason->text, "limit anthropic is full: 1 of 1 run");
    world_close(world);
}

Test(why, says_when_the_rate_of_a_limit_lets_it_begin)
{
    struct world *world = world_new();
    struct command command;
    struct command_set_limit *set = begin_limit(&command);

    set->has_rate = true;
    set->rate_count = 1;
    set->rate_interval_ms = 60000;
    (void)world_do(world, &command);
    (void)submit_limited(world);
    (void)claim(world, "build7", "claude");
    cr_assert_eq(reason_of(world, submit_limited(world), WAIT_LIMIT_RATE)->until_ms, world->now.wall_ms + 60000);
    world_close(world);
}

Test(why, says_who_paused_a_limit_until_when_and_why)
{
    struct world *world = world_new();
    struct command command;
    struct command_set_limit *set = begin_limit(&command);

    set->has_pause = true;
    set->pause_for_ms = 60000;
    (void)world_do(world, &command);
    const struct wait_reason *reason = reason_of(world, submit_limited(world), WAIT_LIMIT_PAUSED);
    cr_assert_eq(reason->until_ms, world->now.wall_ms + 60000);
    cr_assert_str_eq(reason->text, "limit anthropic is paused by alice: out of quota");
    world_close(world);
}

Test(why, says_who_paused_the_queue)
{
    struct world *world = world_new();
    struct command command = {
        .kind = COMMAND_PAUSE_QUEUE,
        .who = "alice",
        .pause_queue = {.namespace = "", .queue = "default", .out = true, .reason = "the disk is moved"}};

    uint64_t id = submit(world, "claude");
    (void)world_do(world, &command);
    cr_assert_str_eq(reason_of(world, id, WAIT_QUEUE_PAUSED)->text,
                     "queue default is paused by alice: the disk is moved");
    world_close(world);
}

Test(why, says_that_no_agent_of_the_type_has_registered)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "claude");

    cr_assert_str_eq(reason_of(world, id, WAIT_NO_AGENT)->text, "no agent that runs type claude has registered");
    register_worker(world, "build7", profile_of("codex", 0));
    cr_assert_str_eq(reason_of(world, id, WAIT_NO_AGENT)->subject, "claude");
    register_worker(world, "build8", profile_of("claude", 0));
    cr_assert_eq(ask_why(world, id)->why.count, 0);
    world_close(world);
}

Test(why, says_that_the_agents_of_the_type_are_not_alive)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "claude");

    register_worker(world, "build7", profile_of("claude", 0));
    world_pass(world, LEASE_MS + 1);
    cr_assert_str_eq(reason_of(world, id, WAIT_NO_AGENT)->text, "no agent that runs type claude is alive");
    world_close(world);
}

Test(why, says_that_the_agents_of_the_type_are_busy)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "claude");

    register_worker(world, "build7", profile_of("claude", 4));
    cr_assert_eq(reason_of(world, id, WAIT_AGENTS_BUSY)->count, 1);
    world_close(world);
}

Test(why, says_what_is_wrong_with_the_agents_of_the_type)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "claude");

    register_worker(world, "build7",
                    (struct profile){.agent_type = "claude", .max = 4, .problem = "claude: command not found"});
    cr_assert_str_eq(reason_of(world, id, WAIT_NO_AGENT)->text,
                     "build7 cannot run type claude: claude: command not found");
    world_close(world);
}

Test(why, says_that_the_agents_of_the_type_are_draining)
{
    struct world *world = world_new();
    struct command drain = {.kind = COMMAND_DRAIN, .drain = {.agent_id = "build7", .reason = ""}};
    uint64_t id = submit(world, "claude");

    register_worker(world, "build7", profile_of("claude", 0));
    (void)world_do(world, &drain);
    cr_assert_str_eq(reason_of(world, id, WAIT_NO_AGENT)->text,
                     "no agent that runs type claude takes new runs: all are draining");
    world_close(world);
}

Test(why, counts_the_tasks_that_come_before_it)
{
    struct world *world = world_new();

    for (int i = 0; i < 3; i++)
        (void)submit(world, "claude");
    uint64_t id = submit(world, "claude");
    cr_assert_eq(reason_of(world, id, WAIT_BEHIND)->count, 3);
    cr_assert_str_eq(reason_of(world, id, WAIT_BEHIND)->text, "3 tasks of its queue and type come before it");
    world_close(world);
}

Test(why, says_who_holds_it)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "claude");
    struct run_name run = claim(world, "build7/claude1", "claude");

    cr_assert_str_eq(reason_of(world, id, WAIT_HELD)->text, "build7/claude1 has it and has not started it yet");
    start(world, run);
    cr_assert_str_eq(reason_of(world, id, WAIT_HELD)->text, "build7/claude1 has it and is at work");
    cancel(world, id);
    cr_assert_str_eq(reason_of(world, id, WAIT_HELD)->text, "build7/claude1 has it, and is to end it");
    world_close(world);
}

Test(why, says_what_a_suspended_task_waits_for)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "claude");
    struct command command = {.kind = COMMAND_SUSPEND,
                              .suspend = {.run = claim_started(world, "build7", "claude"), .reason = "which branch?"}};

    (void)world_do(world, &command);
    cr_assert_str_eq(reason_of(world, id, WAIT_SUSPENDED)->text,
                     "it is suspended until somebody resumes it: which branch?");
    world_close(world);
}

Test(why, says_that_it_has_ended)
{
    struct world *world = world_new();
    uint64_t id = submit(world, "claude");

    complete(world, claim_started(world, "build7", "claude"));
    cr_assert_str_eq(reason_of(world, id, WAIT_ENDED)->text, "it does not wait: it is COMPLETED");
    world_close(world);
}

Test(why, names_all_reasons_together)
{
    struct world *world = world_new();
    struct command command;
    struct command_set_limit *set = begin_limit(&command);

    set->has_pause = set->has_max_running = true;
    set->pause_for_ms = 1000;
    set->max_running = 1;
    (void)submit_limited(world);
    (void)claim(world, "build7", "claude");
    (void)submit_limited(world);
    uint64_t id = submit_limited(world);
    (void)world_do(world, &command);
    cr_assert_eq(ask_why(world, id)->why.count, 4); /* paused, full, no agent, behind one */
    world_close(world);
}

Test(why, is_not_found_for_a_task_that_is_not_there)
{
    struct world *world = world_new();
    struct command command = {.kind = COMMAND_WHY, .why = {.task_id = 7}};

    world_refused(world, &command, STATUS_NOT_FOUND, "NO_SUCH_TASK");
    world_close(world);
}
