/* Named limits: open and closed lanes. */
#include "tests/broker/fixture.h"

#include "broker/core/core.h"
#include "broker/core/gate.h"
#include "broker/core/limit.h"
#include "broker/core/limits.h"

static const char *const anthropic[] = {"anthropic"};

#include <stdio.h>

static void set_rate(struct world *world, const char *name, uint32_t count, uint32_t interval_ms)
{
    struct command command = command_set_limit(name);

    command.set_limit.has_rate = true;
    command.set_limit.rate_count = count;
    command.set_limit.rate_interval_ms = interval_ms;
    (void)limit_set(world, &command);
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
    cr_assert_eq(limit_look(world, "anthropic")->running, 5);
    cr_assert_eq(limit_look(world, "anthropic")->max_running, 0);
    cr_assert_not(limit_look(world, "anthropic")->is_set);
    world_close(world);
}

Test(limit, that_no_task_names_any_more_is_forgotten)
{
    struct world *world = world_new();
    uint64_t id = submit_limited(world);

    cr_assert_not_null(limit_look(world, "anthropic"));
    cancel(world, id);
    world_pass(world, 8 * DAY_MS);
    cr_assert_null(limit_look(world, "anthropic"));
    world_close(world);
}

Test(limit, lets_so_many_run_and_not_one_more_also_in_one_claim)
{
    struct world *world = world_new();

    limit_allow(world, "anthropic", 2);
    for (int i = 0; i < 4; i++)
        (void)submit_limited(world);
    cr_assert_eq(claim_many(world, 4), 2);
    claim_nothing(world, "build8", "claude");
    cr_assert_eq(limit_look(world, "anthropic")->running, 2);
    cr_assert_eq(limit_look(world, "anthropic")->ready, 2);
    world_close(world);
}

/* However many tasks wait behind it: nobody looks for the first of them. */
Test(limit, that_is_full_is_passed_by_without_a_look_at_its_tasks)
{
    struct world *world = world_new();

    limit_allow(world, "anthropic", 1);
    for (int i = 0; i < 3; i++)
        (void)submit_limited(world);
    (void)claim(world, "build7", "claude");
    const struct limit *limit = limits_find(&world->broker->lanes.limits, "anthropic");
    struct lane *lane = limit->lanes->lane;
    uint64_t id = submit(world, "claude");
    lane->head_is_known = false;
    cr_assert_eq(claim(world, "build8", "claude").task_id, id);
    cr_assert_not(lane->head_is_known);
    limit_stop(world, "anthropic", 1000);
    limit_stop(world, "anthropic", 0);
    cr_assert_not(lane->head_is_known);
    world_close(world);
}

Test(limit, is_shared_by_all_lanes_that_name_it)
{
    struct world *world = world_new();
    static const char *const two[] = {"repo:acme/web", "anthropic"};

    limit_allow(world, "anthropic", 2);
    (void)submit_limited(world);
    (void)submit_spec(world, spec_limited("claude", two, 2));
    (void)submit_spec(world, spec_limited("any", anthropic, 1));
    cr_assert_eq(claim_many(world, 4), 2);
    cr_assert_eq(limit_look(world, "anthropic")->lanes, 3);
    cr_assert_eq(limit_look(world, "anthropic")->running, 2);
    cr_assert_eq(limit_look(world, "repo:")->running, 1);
    world_close(world);
}

Test(limit, closes_a_lane_when_any_of_its_four_limits_is_full)
{
    static const char *const names[] = {"d", "b", "a", "c"};

    for (size_t i = 0; i < 4; i++) {
        struct world *world = world_new();
        limit_allow(world, names[i], 1);
        (void)submit_spec(world, spec_limited("claude", names, 4));
        (void)submit_spec(world, spec_limited("claude", names, 4));
        cr_assert_eq(claim_many(world, 2), 1, "%s", names[i]);
        world_close(world);
    }
}

Test(limit, that_is_full_holds_nothing_up_that_does_not_name_it)
{
    struct world *world = world_new();
    struct task_spec free_one = spec_of("claude");

    limit_allow(world, "anthropic", 1);
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
        limit_allow(world, "anthropic", 1);
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

    limit_allow(world, "anthropic", 1);
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

    limit_allow(world, "anthropic", 1);
    for (int i = 0; i < 8; i++)
        (void)submit_spec(world, spec_limited(i % 2 == 0 ? "claude" : "codex", anthropic, 1));
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

    limit_allow(world, "anthropic", 1);
    for (int i = 0; i < 5; i++)
        (void)submit_limited(world);
    (void)claim(world, "build7", "claude");
    tokens[0] = park(world, "a");
    tokens[1] = park(world, "b");
    tokens[2] = park(world, "c");
    limit_allow(world, "anthropic", 3);
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
    limit_allow(world, "anthropic", 1);
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
    limit_stop(world, "anthropic", 10000);
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
    limit_stop(world, "anthropic", 4000);
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
    limit_stop(world, "anthropic", PAUSE_MAX_MS);
    uint64_t token = park(world, "build7");
    limit_stop(world, "anthropic", 0);
    cr_assert_not_null(world_answer_to(world, token));
    cr_assert_eq(limit_look(world, "anthropic")->paused_until_ms, 0);
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
    cr_assert_null(limit_look(world, "anthropic"), "%llu", (unsigned long long)id);
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

    limit_allow(world, "anthropic", 5);
    set_rate(world, "anthropic", 2, 60000);
    for (int i = 0; i < 4; i++)
        (void)submit_limited(world);
    cr_assert_eq(claim_many(world, 4), 2);
    limit_stop(world, "anthropic", 20000);
    world_restart(world);
    const struct limit_view *limit = limit_look(world, "anthropic");
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
    struct command command = command_set_limit("anthropic");

    limit_allow(world, "anthropic", 1);
    set_rate(world, "anthropic", 1, 60000);
    limit_stop(world, "anthropic", 1000);
    (void)submit_limited(world);
    (void)submit_limited(world);
    command.set_limit.remove = true;
    (void)limit_set(world, &command);
    cr_assert_eq(claim_many(world, 2), 2);
    world_close(world);
}

Test(limit, that_is_not_known_cannot_be_deleted)
{
    struct world *world = world_new();
    struct command command = command_set_limit("no-such");

    command.set_limit.remove = true;
    world_refused(world, &command, STATUS_NOT_FOUND, "NO_SUCH_LIMIT");
    world_close(world);
}
