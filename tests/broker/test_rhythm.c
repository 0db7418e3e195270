/* Leases that follow the heartbeats of their holders: simulated holders of every kind. */
#include "broker/core/rhythm.h"
#include "tests/broker/fixture.h"
#include "tests/support/random.h"

#define BEAT_MS 3000
#define REAP_GRACE_MS 600000
#define YEAR_MS (365ULL * 24 * 60 * 60 * 1000)

struct holder {
    struct world *world;
    struct run_name run;
    uint32_t lease_ms; /* that the last reply named */
};

static void register_holder(struct world *world, uint64_t incarnation)
{
    struct command command = {.kind = COMMAND_REGISTER,
                              .registration = {.agent_id = "a", .incarnation = incarnation, .host = "", .version = ""}};

    (void)world_do(world, &command);
}

static struct holder holder_new(void)
{
    struct holder holder = {.world = world_new()};

    register_holder(holder.world, 1);
    (void)submit(holder.world, "t");
    holder.run = claim_started(holder.world, "a", "t");
    return holder;
}

/* Lets it be silent for so long, and then beat. The run must not have been lost. */
static void beat_after(struct holder *holder, uint64_t silence_ms)
{
    struct beat beat = {.run = holder->run, .progress_text = ""};
    struct command command = {.kind = COMMAND_HEARTBEAT,
                              .heartbeat = {.agent_id = "a", .incarnation = 1, .beats = &beat, .beat_count = 1}};

    world_pass(holder->world, silence_ms);
    const struct answer *answer = world_do(holder->world, &command);
    cr_assert_eq(answer->heartbeat.replies[0].verdict, VERDICT_GO_ON, "lost after a silence of %llu ms, lease %u",
                 (unsigned long long)silence_ms, holder->lease_ms);
    holder->lease_ms = answer->heartbeat.replies[0].lease_ms;
}

static void beat_steadily(struct holder *holder, int times)
{
    for (int i = 0; i < times; i++)
        beat_after(holder, BEAT_MS);
}

static bool is_held(struct holder *holder)
{
    return state_of(holder->world, holder->run.task_id) == TASK_RUNNING;
}

Test(adaptive_lease, is_the_usual_one_until_enough_heartbeats_are_known)
{
    struct holder holder = holder_new();

    beat_steadily(&holder, RHYTHM_BEATS_MIN);
    cr_assert_eq(holder.lease_ms, LEASE_SAID_MS);
    beat_steadily(&holder, 1);
    cr_assert_lt(holder.lease_ms, LEASE_SAID_MS);
    world_close(holder.world);
}

Test(adaptive_lease, notices_the_loss_of_a_steady_holder_in_seconds)
{
    struct holder holder = holder_new();

    beat_steadily(&holder, 60);
    cr_assert_eq(holder.lease_ms, LEASE_SAID_MS / 3, "the least that is configured");
    world_pass(holder.world, holder.lease_ms);
    cr_assert(is_held(&holder));
    world_pass(holder.world, 1);
    cr_assert_not(is_held(&holder));
    world_close(holder.world);
}

Test(adaptive_lease, that_is_shorter_binds_from_the_reply_that_names_it)
{
    struct holder holder = holder_new();

    beat_steadily(&holder, RHYTHM_BEATS_MIN);
    cr_assert_eq(holder.lease_ms, LEASE_SAID_MS);
    beat_after(&holder, BEAT_MS);
    uint32_t shorter_ms = holder.lease_ms;
    cr_assert_lt(shorter_ms + BEAT_MS, LEASE_SAID_MS);
    world_pass(holder.world, LEASE_MS - BEAT_MS - 1);
    cr_assert(is_held(&holder), "the reply may be lost: what the one before it promised counts");
    world_pass(holder.world, 1);
    cr_assert_not(is_held(&holder));
    world_close(holder.world);
}

/* Found by ./dev sim 5752: the holder of a run past its timeout may know only of the lease that its claim was told. */
Test(adaptive_lease, that_is_shorter_does_not_end_the_reap_grace_before_the_promise_that_was_heard)
{
    struct holder holder = holder_new();
    struct task_spec spec = spec_of("t");

    beat_steadily(&holder, 60);
    spec.run_timeout_ms = 1000;
    (void)submit_spec(holder.world, spec);
    holder.run = claim_supervised(holder.world, "a", "t");
    beat_after(&holder, 500);
    cr_assert_lt(holder.lease_ms, LEASE_SAID_MS);
    world_pass(holder.world, LEASE_MS - 500);
    cr_assert(get(holder.world, holder.run.task_id)->reaping);
    world_pass(holder.world, REAP_GRACE_MS - 1);
    cr_assert(get(holder.world, holder.run.task_id)->reaping, "the reply to the heartbeat may be lost");
    world_pass(holder.world, 500 + 1);
    cr_assert_eq(state_of(holder.world, holder.run.task_id), TASK_SCHEDULED);
    world_close(holder.world);
}

Test(adaptive_lease, does_not_expire_a_jittery_holder)
{
    struct holder holder = holder_new();
    struct random random = {.state = 7};

    beat_steadily(&holder, 20);
    for (int i = 0; i < 2000; i++)
        beat_after(&holder, BEAT_MS + random_below(&random, 5000));
    cr_assert_gt(holder.lease_ms, 3 * BEAT_MS + 5000, "a lease of %u ms", holder.lease_ms);
    world_close(holder.world);
}

Test(adaptive_lease, does_not_expire_a_holder_that_slows_down_step_by_step)
{
    struct holder holder = holder_new();
    double silence_ms = BEAT_MS;

    beat_steadily(&holder, 60);
    for (; silence_ms < 100000; silence_ms *= 1.3)
        beat_after(&holder, (uint64_t)silence_ms);
    cr_assert_gt(holder.lease_ms, 100000);
    for (int i = 0; i < 100; i++)
        beat_after(&holder, (uint64_t)silence_ms);
    cr_assert_eq(holder.lease_ms, 10 * LEASE_SAID_MS, "the most that is configured");
    world_close(holder.world);
}

Test(adaptive_lease, of_a_slow_holder_outlives_a_restart_of_the_broker)
{
    struct holder holder = holder_new();

    for (int i = 0; i < 20; i++)
        beat_after(&holder, 25000);
    uint32_t promised_ms = holder.lease_ms;
    cr_assert_gt(promised_ms, 2 * LEASE_MS);
    world_restart(holder.world);
    world_pass(holder.world, promised_ms);
    cr_assert(is_held(&holder), "one full lease after the start, as it was promised");
    register_holder(holder.world, 1);
    beat_after(&holder, 0);
    cr_assert_geq(holder.lease_ms, promised_ms);
    world_pass(holder.world, holder.lease_ms + 1);
    cr_assert_not(is_held(&holder));
    world_close(holder.world);
}

Test(adaptive_lease, of_a_new_run_is_not_too_short_for_a_holder_that_is_known_as_slow)
{
    struct holder holder = holder_new();

    for (int i = 0; i < 30; i++)
        beat_after(&holder, 28000);
    (void)submit(holder.world, "t");
    holder.run = claim_started(holder.world, "a/1", "t");
    beat_after(&holder, 40000);
    world_close(holder.world);
}

Test(adaptive_lease, counts_the_requests_of_one_round_once)
{
    struct holder holder = holder_new();

    for (int i = 0; i < 40; i++) {
        beat_after(&holder, BEAT_MS - 20);
        beat_after(&holder, 10);
        beat_after(&holder, 10);
    }
    cr_assert_geq(holder.lease_ms, 3 * BEAT_MS);
    world_close(holder.world);
}

Test(adaptive_lease, does_not_mind_a_wall_clock_that_jumps_a_year)
{
    struct holder holder = holder_new();

    for (int i = 0; i < 60; i++) {
        holder.world->now.wall_ms += i % 2 == 0 ? YEAR_MS : -YEAR_MS;
        beat_after(&holder, BEAT_MS);
    }
    cr_assert_eq(holder.lease_ms, LEASE_SAID_MS / 3);
    world_close(holder.world);
}

Test(adaptive_lease, is_learned_anew_by_a_new_incarnation)
{
    struct holder holder = holder_new();

    beat_steadily(&holder, 60);
    register_holder(holder.world, 2);
    struct command command = {.kind = COMMAND_LIST_AGENTS};
    const struct answer *answer = world_do(holder.world, &command);
    cr_assert_eq(answer->agents.agents[0].lease_ms, LEASE_SAID_MS);
    cr_assert_eq(answer->agents.agents[0].interval_us, 0);
    world_close(holder.world);
}

Test(adaptive_lease, is_shown_with_what_it_is_made_of)
{
    struct holder holder = holder_new();
    struct command command = {.kind = COMMAND_LIST_AGENTS};

    beat_steadily(&holder, 60);
    const struct agent_view *agent = &world_do(holder.world, &command)->agents.agents[0];
    cr_assert_eq(agent->interval_us, BEAT_MS * 1000);
    cr_assert_eq(agent->lateness_us, 0);
    cr_assert_eq(agent->lease_ms, holder.lease_ms);
    world_close(holder.world);
}

Test(adaptive_lease, stays_within_bounds_that_go_together)
{
    static const struct {
        struct broker_settings settings;
        const char *names; /* NULL = good */
    } cases[] = {
        {{.lease_ms = 6000}, NULL},
        {{.lease_ms = 5999}, "lease"},
        {{.lease_min_ms = 30000, .lease_max_ms = 30000}, NULL},
        {{.lease_min_ms = 30001}, "lease_min"},
        {{.lease_max_ms = 29999}, "lease_max"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error error = {0};
        enum status status = broker_check_settings(&cases[i].settings, &error);
        cr_assert_eq(status, cases[i].names == NULL ? STATUS_OK : STATUS_INVALID_ARGUMENT, "case %zu", i);
        cr_assert(cases[i].names == NULL || strstr(error.message, cases[i].names) == error.message);
    }
}
