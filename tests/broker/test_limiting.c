/* Pauses that holders ask for, and the bounds of what is said about limits. */
#include "tests/broker/fixture.h"

#include "broker/core/limit.h"
#include "broker/core/limits.h"

#include <stdio.h>

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
    limit_stop(world, "anthropic", 1000);
    cr_assert_eq(limit_look(world, "anthropic")->paused_until_ms, world->now.wall_ms + 1000);
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
    struct task_spec spec = spec_limited("claude", names, 4);

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

    uint64_t id = submit_spec(world, spec_limited("claude", one, 3));
    (void)submit_spec(world, spec_limited("claude", other, 2));
    cr_assert_eq(limit_look(world, "a")->lanes, 1);
    cr_assert_eq(get(world, id)->spec.limit_count, 2);
    cr_assert_str_eq(get(world, id)->spec.limits[0], "a");
    cr_assert_str_eq(get(world, id)->spec.limits[1], "b");
    world_close(world);
}

Test(limit_bounds, of_what_can_be_set_are_refused_one_past_the_edge)
{
    struct world *world = world_new();
    struct command command = command_set_limit("anthropic");
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
        limit_allow(world, name, 1);
    }
    struct command one_more = command_set_limit("one-more");
    world_refused(world, &one_more, STATUS_RESOURCE_EXHAUSTED, "TOO_MANY_LIMITS");
    limit_allow(world, "limit-0", 2);
    world_close(world);
}
