/* Named limits: open and closed lanes. */
#include "tests/broker/fixture.h"

#include "broker/core/gate.h"
#include "broker/core/limit.h"
#include "broker/core/limits.h"

#include <stdio.h>

static const char *const anthropic[] = {"anthropic"};

static struct task_spec limited(const char *agent_type, const char *const *limits, size_t count)
{
    struct task_spec spec = spec_of(agent_type);

    spec.limits = limits;
    spec.limit_count = count;
    return spec;
}

static uint64_t submit_limited(struct world *world)
{
    return submit_spec(world, limited("claude", anthropic, 1));
}

static struct command set_command(const char *name)
{
    return (struct command){.kind = COMMAND_SET_LIMIT, .who = "uid 0", .set_limit = {.name = name, .reason = ""}};
}

static const struct limit_view *set(struct world *world, struct command *command)
{
    command->token = 0;
    return &world_do(world, command)->limits.limits[0];
}

static void set_max(struct world *world, const char *name, uint32_t max_running)
{
    struct command command = set_command(name);

    command.set_limit.has_max_running = true;
    command.set_limit.max_running = max_running;
    (void)set(world, &command);
}

static void set_rate(struct world *world, const char *name, uint32_t count, uint32_t interval_ms)
{
    struct command command = set_command(name);

    command.set_limit.has_rate = true;
    command.set_limit.rate_count = count;
    command.set_limit.rate_interval_ms = interval_ms;
    (void)set(world, &command);
}

static void set_pause(struct world *world, const char *name, uint64_t for_ms)
{
    struct command command = set_command(name);

    command.set_limit.has_pause = true;
    command.set_limit.pause_for_ms = for_ms;
    (void)set(world, &command);
}

static const struct limit_view *look(struct world *world, const char *name)
{
    struct command command = {.kind = COMMAND_LIST_LIMITS, .list_limits = {.prefix = name}};
    const struct answer *answer = world_do(world, &command);

    return answer->limits.count > 0 ? &answer->limits.limits[0] : NULL;
}

static size_t claim_many(struct world *world, uint32_t max)
{
    struct command command = command_claim(world, "build7", "claude");

    command.claim.max = max;
    return world_do(world, &command)->claim.count;
}

/* A claim that waits: its token. */
static uint64_t park(struct world *world, const char *agent_id)
{
    struct command command = command_claim(world, agent_id, "claude");

    command.claim.waits = true;
    cr_assert_null(world_ask(world, &command));
    return command.token;
}

Test(limit, that_a_task_names_first_has_no_bound)
{
    struct world *world = world_new();

    for (int i = 0; i < 5; i++)
        (void)submit_limited(world);
    cr_assert_eq(claim_many(world, 5), 5);
    cr_assert_eq(look(world, "anthropic")->running, 5);
    cr_assert_eq(look(world, "anthropic")->max_running, 0);
    cr_assert_not(look(world, "anthropic")->is_set);
    world_close(world);
}

Test(limit, that_no_task_names_any_more_is_forgotten)
{
    struct world *world = world_new();
    uint64_t id = submit_limited(world);

    cr_assert_not_null(look(world, "anthropic"));
    cancel(world, id);
    world_pass(world, 8 * DAY_MS);
    cr_assert_null(look(world, "anthropic"));
    world_close(world);
}

Test(limit, lets_so_many_run_and_not_one_more_also_in_one_claim)
{
    struct world *world = world_new();

    set_max(world, "anthropic", 2);
    for (int i = 0; i < 4; i++)
        (void)submit_limited(world);
    cr_assert_eq(claim_many(world, 4), 2);
    claim_nothing(world, "build8", "claude");
    cr_assert_eq(look(world, "anthropic")->running, 2);
    cr_assert_eq(look(world, "anthropic")->ready, 2);
    world_close(world);
}

Test(limit, is_shared_by_all_lanes_that_name_it)
{
    struct world *world = world_new();
    static const char *const two[] = {"repo:acme/web", "anthropic"};

    set_max(world, "anthropic", 2);
    (void)submit_limited(world);
    (void)submit_spec(world, limited("claude", two, 2));
    (void)submit_spec(world, limited("any", anthropic, 1));
    cr_assert_eq(claim_many(world, 4), 2);
    cr_assert_eq(look(world, "anthropic")->lanes, 3);
    cr_assert_eq(look(world, "anthropic")->running, 2);
    cr_assert_eq(look(world, "repo:")->running, 1);
    world_close(world);
}

Test(limit, closes_a_lane_when_any_of_its_four_limits_is_full)
{
    static const char *const names[] = {"d", "b", "a", "c"};

    for (size_t i = 0; i < 4; i++) {
        struct world *world = world_new();
        set_max(world, names[i], 1);
        (void)submit_spec(world, limited("claude", names, 4));
        (void)submit_spec(world, limited("claude", names, 4));
        cr_assert_eq(claim_many(world, 2), 1, "%s", names[i]);
        world_close(world);
    }
}

Test(limit, that_is_full_holds_nothing_up_that_does_not_name_it)
{
    struct world *world = world_new();
    struct task_spec free_one = spec_of("claude");

    set_max(world, "anthropic", 1);
    (void)submit_limited(world);
    (void)submit_limited(world);
    free_one.priority = 9;
    uint64_t id = submit_spec(world, free_one);
    (void)claim(world, "build7", "claude");
    cr_assert_eq(claim(world, "build8", "claude").task_id, id);
    world_close(world);
}

static void end_run(struct world *world, int how, struct run_name run)
{
    switch (how) {
    case 0:
        complete(world, run);
        break;
    case 1:
        (void)fail(world, run);
        break;
    case 2:
        (void)release(world, run, 0);
        break;
    default:
        world_pass(world, LEASE_MS + 1);
        break;
    }
}

Test(limit, opens_when_a_run_is_completed_fails_is_released_or_lost)
{
    for (int how = 0; how < 4; how++) {
        struct world *world = world_new();
        set_max(world, "anthropic", 1);
        (void)submit_limited(world);
        struct run_name run = claim_started(world, "build7", "claude");
        uint64_t other = submit_limited(world);
        claim_nothing(world, "build8", "claude");
        end_run(world, how, run);
        cr_assert_eq(claim(world, "build8", "claude").task_id, how == 2 ? run.task_id : other, "%d", how);
        world_close(world);
    }
}

Test(limit, that_opens_wakes_the_claim_that_waits)
{
    struct world *world = world_new();

    set_max(world, "anthropic", 1);
    (void)submit_limited(world);
    struct run_name run = claim_started(world, "build7", "claude");
    uint64_t other = submit_limited(world);
    uint64_t token = park(world, "build8");
    complete(world, run);
    const struct answer *answer = world_answer_to(world, token);
    cr_assert_not_null(answer);
    cr_assert_eq(answer->claim.tasks[0]->id, other);
    world_close(world);
}

Test(limit, gives_its_lanes_turns_when_claims_wait_for_different_ones)
{
    struct world *world = world_new();
    const char *served[4];
    uint64_t tokens[2];

    set_max(world, "anthropic", 1);
    for (int i = 0; i < 8; i++)
        (void)submit_spec(world, limited(i % 2 == 0 ? "claude" : "codex", anthropic, 1));
    struct run_name run = claim_started(world, "first", "claude");
    for (int i = 0; i < 4; i++) {
        const struct answer *answer = NULL;
        for (int type = 0; type < 2; type++) {
            struct command command =
                command_claim(world, type == 0 ? "claude1" : "codex1", type == 0 ? "claude" : "codex");
            command.claim.waits = true;
            command.claim.start = true;
            cr_assert_null(world_ask(world, &command));
            tokens[type] = command.token;
        }
        complete(world, run);
        for (int type = 0; type < 2 && answer == NULL; type++)
            answer = world_answer_to(world, tokens[type]);
        cr_assert_not_null(answer);
        served[i] = strcmp(answer->claim.tasks[0]->spec.agent_type, "claude") == 0 ? "claude" : "codex";
        run = (struct run_name){answer->claim.tasks[0]->id, answer->claim.tasks[0]->fence};
    }
    cr_assert_str_eq(served[0], "codex");
    cr_assert_str_eq(served[1], "claude");
    cr_assert_str_eq(served[2], "codex");
    cr_assert_str_eq(served[3], "claude");
    world_close(world);
}

Test(limit, that_is_raised_wakes_as_many_as_it_lets_run)
{
    struct world *world = world_new();
    uint64_t tokens[3];
    size_t woken = 0;

    set_max(world, "anthropic", 1);
    for (int i = 0; i < 5; i++)
        (void)submit_limited(world);
    (void)claim(world, "build7", "claude");
    tokens[0] = park(world, "a");
    tokens[1] = park(world, "b");
    tokens[2] = park(world, "c");
    set_max(world, "anthropic", 3);
    for (int i = 0; i < 3; i++)
        woken += world_answer_to(world, tokens[i]) != NULL;
    cr_assert_eq(woken, 2);
    world_close(world);
}

Test(limit, that_is_lowered_below_what_runs_lets_that_end_and_nothing_begin)
{
    struct world *world = world_new();

    for (int i = 0; i < 3; i++)
        (void)submit_limited(world);
    struct run_name first = claim_started(world, "a", "claude");
    struct run_name second = claim_started(world, "b", "claude");
    set_max(world, "anthropic", 1);
    complete(world, first);
    claim_nothing(world, "c", "claude");
    complete(world, second);
    (void)claim(world, "c", "claude");
    world_close(world);
}

Test(limit, that_is_paused_hands_out_nothing_until_then_to_the_millisecond)
{
    struct world *world = world_new();

    (void)submit_limited(world);
    set_pause(world, "anthropic", 10000);
    world_pass(world, 9999);
    claim_nothing(world, "build7", "claude");
    world_pass(world, 1);
    (void)claim(world, "build7", "claude");
    world_close(world);
}

Test(limit, whose_pause_ends_wakes_the_claim_that_waits)
{
    struct world *world = world_new();

    (void)submit_limited(world);
    set_pause(world, "anthropic", 4000);
    uint64_t token = park(world, "build7");
    cr_assert_eq(gates_next_ms(world->broker, &world->now), 4000);
    world_pass(world, 4000);
    cr_assert_not_null(world_answer_to(world, token));
    world_close(world);
}

Test(limit, that_is_resumed_wakes_the_claim_that_waits)
{
    struct world *world = world_new();

    (void)submit_limited(world);
    set_pause(world, "anthropic", PAUSE_MAX_MS);
    uint64_t token = park(world, "build7");
    set_pause(world, "anthropic", 0);
    cr_assert_not_null(world_answer_to(world, token));
    cr_assert_eq(look(world, "anthropic")->paused_until_ms, 0);
    world_close(world);
}

Test(limit, whose_pause_is_over_and_that_nobody_set_has_no_row_any_more)
{
    struct world *world = world_new();
    uint64_t id = submit_limited(world);
    struct run_name run = claim_started(world, "build7", "claude");
    struct command command = {
        .kind = COMMAND_PAUSE_LIMIT,
        .pause_limit = {.run = run, .limit = "anthropic", .for_ms = 1000, .reason = "429"},
    };

    (void)world_do(world, &command);
    complete(world, run);
    world_pass(world, 1000);
    cancel(world, submit_limited(world));
    world_pass(world, 8 * DAY_MS);
    cr_assert_null(look(world, "anthropic"), "%llu", (unsigned long long)id);
    world_close(world);
}

Test(limit, lets_its_rate_begin_at_once_and_one_more_for_each_part_of_the_interval)
{
    struct world *world = world_new();

    set_rate(world, "anthropic", 3, 60000);
    for (int i = 0; i < 8; i++)
        (void)submit_limited(world);
    cr_assert_eq(claim_many(world, 8), 3);
    world_pass(world, 19999);
    cr_assert_eq(claim_many(world, 8), 0);
    world_pass(world, 1);
    cr_assert_eq(claim_many(world, 8), 1);
    world_pass(world, 60000);
    cr_assert_eq(claim_many(world, 8), 3);
    world_close(world);
}

Test(limit, whose_rate_is_refilled_wakes_the_claim_that_waits)
{
    struct world *world = world_new();

    set_rate(world, "anthropic", 1, 7000);
    (void)submit_limited(world);
    (void)submit_limited(world);
    (void)claim(world, "build7", "claude");
    cr_assert_eq(gates_next_ms(world->broker, &world->now), UINT64_MAX, "nobody waits for the refill");
    uint64_t token = park(world, "build8");
    cr_assert_eq(gates_next_ms(world->broker, &world->now), 7000);
    world_pass(world, 6999);
    cr_assert_null(world_answer_to(world, token));
    world_pass(world, 1);
    cr_assert_not_null(world_answer_to(world, token));
    world_close(world);
}

Test(limit, keeps_what_is_set_used_and_paused_over_a_restart)
{
    struct world *world = world_new();

    set_max(world, "anthropic", 5);
    set_rate(world, "anthropic", 2, 60000);
    for (int i = 0; i < 4; i++)
        (void)submit_limited(world);
    cr_assert_eq(claim_many(world, 4), 2);
    set_pause(world, "anthropic", 20000);
    world_restart(world);
    const struct limit_view *limit = look(world, "anthropic");
    cr_assert_eq(limit->max_running, 5);
    cr_assert_eq(limit->running, 2);
    cr_assert_eq(limit->refill_in_ms, 30000);
    cr_assert_str_eq(limit->paused_by, "uid 0");
    cr_assert_eq(limit->paused_until_ms, world->now.wall_ms + 20000);
    claim_nothing(world, "build8", "claude");
    world_close(world);
}

Test(limit, that_is_deleted_holds_nothing_back_any_more)
{
    struct world *world = world_new();
    struct command command = set_command("anthropic");

    set_max(world, "anthropic", 1);
    set_rate(world, "anthropic", 1, 60000);
    set_pause(world, "anthropic", 1000);
    (void)submit_limited(world);
    (void)submit_limited(world);
    command.set_limit.remove = true;
    (void)set(world, &command);
    cr_assert_eq(claim_many(world, 2), 2);
    world_close(world);
}

Test(limit, that_is_not_known_cannot_be_deleted)
{
    struct world *world = world_new();
    struct command command = set_command("no-such");

    command.set_limit.remove = true;
    world_refused(world, &command, STATUS_NOT_FOUND, "NO_SUCH_LIMIT");
    world_close(world);
}

static struct command pause_command(struct run_name run, const char *limit, uint64_t for_ms)
{
    return (struct command){.kind = COMMAND_PAUSE_LIMIT,
                            .pause_limit = {.run = run, .limit = limit, .for_ms = for_ms, .reason = "429"}};
}

Test(pause_limit, by_a_holder_cools_down_everyone_without_charging_an_attempt)
{
    struct world *world = world_new();

    uint64_t id = submit_limited(world);
    (void)submit_limited(world);
    struct run_name run = claim_started(world, "build7/claude1", "claude");
    struct command command = pause_command(run, "anthropic", 60000);
    const struct answer *answer = world_do(world, &command);
    cr_assert_eq(answer->limits.limits[0].paused_until_ms, world->now.wall_ms + 60000);
    cr_assert_str_eq(answer->limits.limits[0].paused_by, "build7/claude1");
    cr_assert_str_eq(answer->limits.limits[0].pause_reason, "429");
    cr_assert_eq(release(world, run, 1), TASK_SCHEDULED);
    cr_assert_eq(get(world, id)->attempts, 0);
    claim_nothing(world, "build8", "claude");
    world_close(world);
}

Test(pause_limit, that_is_longest_wins)
{
    struct world *world = world_new();

    (void)submit_limited(world);
    struct run_name run = claim_started(world, "build7", "claude");
    struct command longer = pause_command(run, "anthropic", 60000);
    struct command shorter = pause_command(run, "anthropic", 59999);
    (void)world_do(world, &longer);
    cr_assert_eq(world_do(world, &shorter)->limits.limits[0].paused_until_ms, world->now.wall_ms + 60000);
    /* An operator may shorten it all the same. */
    set_pause(world, "anthropic", 1000);
    cr_assert_eq(look(world, "anthropic")->paused_until_ms, world->now.wall_ms + 1000);
    world_close(world);
}

Test(pause_limit, is_refused_to_who_does_not_hold_a_task_that_names_it)
{
    struct world *world = world_new();

    (void)submit_limited(world);
    struct run_name run = claim_started(world, "build7", "claude");
    struct command other = pause_command(run, "openai", 1000);
    struct command stale = pause_command((struct run_name){run.task_id, run.fence + 1}, "anthropic", 1000);
    world_refused(world, &other, STATUS_FAILED_PRECONDITION, "NOT_ITS_LIMIT");
    world_refused(world, &stale, STATUS_ABORTED, "STALE_FENCE");
    complete(world, run);
    struct command late = pause_command(run, "anthropic", 1000);
    world_refused(world, &late, STATUS_ABORTED, "STALE_FENCE");
    world_close(world);
}

Test(pause_limit, lasts_seven_days_at_most)
{
    struct world *world = world_new();

    (void)submit_limited(world);
    struct run_name run = claim_started(world, "build7", "claude");
    struct command most = pause_command(run, "anthropic", HOLDER_PAUSE_MAX_MS);
    struct command more = pause_command(run, "anthropic", HOLDER_PAUSE_MAX_MS + 1);
    (void)world_do(world, &most);
    world_refused(world, &more, STATUS_INVALID_ARGUMENT, "BAD_FIELD");
    struct command until = pause_command(run, "anthropic", 0);
    until.pause_limit.until_ms = world->now.wall_ms + HOLDER_PAUSE_MAX_MS + 1;
    world_refused(world, &until, STATUS_INVALID_ARGUMENT, "BAD_FIELD");
    world_close(world);
}

Test(limit_bounds, of_a_task_are_four_names_of_127_bytes)
{
    struct world *world = world_new();
    char longest[LIMIT_NAME_MAX + 2];
    const char *names[] = {"a", "B.9_-/:@z", "c", "d", "e"};
    struct task_spec spec = limited("claude", names, 4);

    memset(longest, 'x', LIMIT_NAME_MAX);
    longest[LIMIT_NAME_MAX] = '\0';
    names[0] = longest;
    cr_assert_eq(get(world, submit_spec(world, spec))->spec.limit_count, 4);
    spec.limit_count = 5;
    struct command five = command_submit(&spec);
    cr_assert_str_eq(world_do(world, &five)->submit.outcomes[0].refusal->reason, "BAD_FIELD");
    spec.limit_count = 1;
    longest[LIMIT_NAME_MAX] = 'x';
    longest[LIMIT_NAME_MAX + 1] = '\0';
    struct command too_long = command_submit(&spec);
    cr_assert_str_eq(world_do(world, &too_long)->submit.outcomes[0].refusal->reason, "BAD_FIELD");
    names[0] = "not a name";
    struct command spaced = command_submit(&spec);
    cr_assert_str_eq(world_do(world, &spaced)->submit.outcomes[0].refusal->reason, "BAD_FIELD");
    names[0] = "";
    struct command empty = command_submit(&spec);
    cr_assert_str_eq(world_do(world, &empty)->submit.outcomes[0].refusal->reason, "BAD_FIELD");
    world_close(world);
}

Test(limit_bounds, that_are_named_twice_or_in_another_order_are_the_same_set)
{
    struct world *world = world_new();
    static const char *const one[] = {"b", "a", "b"};
    static const char *const other[] = {"a", "b"};

    uint64_t id = submit_spec(world, limited("claude", one, 3));
    (void)submit_spec(world, limited("claude", other, 2));
    cr_assert_eq(look(world, "a")->lanes, 1);
    cr_assert_eq(get(world, id)->spec.limit_count, 2);
    cr_assert_str_eq(get(world, id)->spec.limits[0], "a");
    cr_assert_str_eq(get(world, id)->spec.limits[1], "b");
    world_close(world);
}

Test(limit_bounds, of_what_can_be_set_are_refused_one_past_the_edge)
{
    struct world *world = world_new();
    struct command command = set_command("anthropic");
    struct command_set_limit *set = &command.set_limit;

    set->has_max_running = set->has_rate = set->has_pause = true;
    set->max_running = MAX_RUNNING_MAX;
    set->rate_count = RATE_COUNT_MAX;
    set->rate_interval_ms = RATE_INTERVAL_MAX_MS;
    set->pause_for_ms = PAUSE_MAX_MS;
    (void)world_do(world, &command);
    command.token = 0;
    set->max_running++;
    world_refused(world, &command, STATUS_INVALID_ARGUMENT, "BAD_FIELD");
    set->max_running--;
    set->rate_count++;
    command.token = 0;
    world_refused(world, &command, STATUS_INVALID_ARGUMENT, "BAD_FIELD");
    set->rate_count--;
    set->rate_interval_ms++;
    command.token = 0;
    world_refused(world, &command, STATUS_INVALID_ARGUMENT, "BAD_FIELD");
    set->rate_interval_ms = 0;
    command.token = 0;
    world_refused(world, &command, STATUS_INVALID_ARGUMENT, "BAD_FIELD");
    set->rate_interval_ms = 1;
    set->pause_for_ms++;
    command.token = 0;
    world_refused(world, &command, STATUS_INVALID_ARGUMENT, "BAD_FIELD");
    world_close(world);
}

Test(limit_bounds, of_how_many_are_kept_is_16384)
{
    struct world *world = world_new();
    char name[32];

    for (int i = 0; i < LIMITS_KEPT_MAX; i++) {
        (void)snprintf(name, sizeof name, "limit-%d", i);
        set_max(world, name, 1);
    }
    struct command one_more = set_command("one-more");
    world_refused(world, &one_more, STATUS_RESOURCE_EXHAUSTED, "TOO_MANY_LIMITS");
    set_max(world, "limit-0", 2);
    world_close(world);
}
