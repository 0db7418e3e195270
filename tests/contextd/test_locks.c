#include "contextd/core/validate.h"
#include "tests/contextd/core_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

/* A request for a lock: each has a number of its own, which its 16 bytes repeat. */
struct wish {
    const char *name;
    const char *agent;
    enum lock_mode mode;
    bool waits;
    uint8_t request;
    uint32_t ttl_ms;
    uint64_t task_id;
    uint64_t fence;
};

static enum status acquire(struct core_fixture *core, const struct wish *wish, uint64_t token)
{
    uint8_t request[LOCK_REQUEST_SIZE];

    memset(request, wish->request, sizeof request);
    struct command command = {
        .kind = COMMAND_ACQUIRE_LOCK,
        .token = token,
        .acquire_lock = {
            .name = bytes_of_text(wish->name),
            .mode = wish->mode != 0 ? wish->mode : LOCK_EXCLUSIVE,
            .ttl_ms = wish->ttl_ms,
            .waits = wish->waits,
            .holder = {.agent_id = bytes_of_text(wish->agent), .task_id = wish->task_id, .fence = wish->fence},
            .request = {.data = request, .size = sizeof request}}};
    return core_run(core, &command);
}

static uint64_t acquire_now(struct core_fixture *core, const char *name, const char *agent, uint8_t request)
{
    assert_done(acquire(core, &(struct wish){.name = name, .agent = agent, .request = request}, 0), *core);
    cr_assert_not(core->effects.waits);
    return core->effects.lock.fence;
}

static uint64_t acquire_shared(struct core_fixture *core, const char *name, const char *agent, uint8_t request)
{
    assert_done(acquire(core, &(struct wish){.name = name, .agent = agent, .mode = LOCK_SHARED, .request = request}, 0),
                *core);
    cr_assert_not(core->effects.waits);
    return core->effects.lock.fence;
}

/* The request's number is the token of its call as well. */
static void acquire_later(struct core_fixture *core, const char *name, const char *agent, uint8_t request)
{
    assert_done(acquire(core, &(struct wish){.name = name, .agent = agent, .waits = true, .request = request}, request),
                *core);
    cr_assert(core->effects.waits);
}

static enum status of_held(struct core_fixture *core, enum command_kind kind, const char *name, uint64_t fence)
{
    struct command command = {.kind = kind, .name_lock = {.name = bytes_of_text(name), .fence = fence}};
    return core_run(core, &command);
}

static bool release(struct core_fixture *core, const char *name, uint64_t fence)
{
    assert_done(of_held(core, COMMAND_RELEASE_LOCK, name, fence), *core);
    return core->effects.was_held;
}

static void unwait(struct core_fixture *core, uint64_t token)
{
    struct command command = {.kind = COMMAND_UNWAIT_LOCK, .token = token};
    assert_done(core_run(core, &command), *core);
}

static const struct lock_answer *answer_to(const struct core_fixture *core, uint64_t token)
{
    const struct lock_answer *answer = NULL;

    LL_FOREACH(core->effects.lock_answers, answer)
    {
        if (answer->token == token)
            return answer;
    }
    return NULL;
}

static void expect_granted(const struct core_fixture *core, uint64_t token)
{
    const struct lock_answer *answer = answer_to(core, token);

    cr_assert_not_null(answer, "%u has no answer", (unsigned int)token);
    cr_assert_eq(answer->error.status, STATUS_OK, "%s", answer->error.message);
    cr_assert_gt(answer->fence, 0);
}

static void expect_held(struct core_fixture *core, const char *name, const char *agent)
{
    assert_refused(acquire(core, &(struct wish){.name = name, .agent = agent, .request = 99}, 0), STATUS_ABORTED,
                   "LOCK_HELD", *core);
}

Test(lock, is_exclusive_until_it_is_released)
{
    CLEANUP(core_fixture_done)
    struct core_fixture core;

    core_fixture_init(&core);
    uint64_t fence = acquire_now(&core, "repo", "a", 1);
    expect_held(&core, "repo", "b");
    cr_assert(core.effects.shows_holder);
    cr_assert(bytes_equal(core.effects.holder.lock.holder.agent_id, bytes_of_text("a")));
    cr_assert(release(&core, "repo", fence));
    cr_assert_gt(acquire_now(&core, "repo", "b", 2), fence);
}

Test(lock, has_a_greater_fence_than_every_lock_before_it)
{
    CLEANUP(core_fixture_done)
    struct core_fixture core;
    uint64_t last = 0;

    core_fixture_init(&core);
    for (uint8_t i = 1; i < 20; i++) {
        const char *name = i % 2 == 0 ? "even" : "odd";
        uint64_t fence = acquire_now(&core, name, "a", i);
        cr_assert_gt(fence, last);
        last = fence;
        cr_assert(release(&core, name, fence));
    }
}

Test(lock, on_a_path_covers_what_lies_below_it_and_no_more)
{
    CLEANUP(core_fixture_done)
    struct core_fixture core;

    core_fixture_init(&core);
    (void)acquire_now(&core, "repo/src", "a", 1);
    expect_held(&core, "repo/src/net/tcp.c", "b");
    expect_held(&core, "repo", "b");
    (void)acquire_now(&core, "repo/srcs", "b", 2);
    (void)acquire_now(&core, "repo/sr", "b", 3);
    (void)acquire_now(&core, "repo/docs", "b", 4);
}

Test(lock, of_another_namespace_is_another_lock)
{
    CLEANUP(core_fixture_done)
    struct core_fixture core;
    uint8_t request[LOCK_REQUEST_SIZE] = {7};
    struct command command = {.kind = COMMAND_ACQUIRE_LOCK,
                              .acquire_lock = {.namespace = bytes_of_text("other"),
                                               .name = bytes_of_text("repo"),
                                               .mode = LOCK_EXCLUSIVE,
                                               .holder = {.agent_id = bytes_of_text("b")},
                                               .request = {.data = request, .size = sizeof request}}};

    core_fixture_init(&core);
    (void)acquire_now(&core, "repo", "a", 1);
    assert_done(core_run(&core, &command), core);
    cr_assert_gt(core.effects.lock.fence, 0);
}

Test(lock, that_is_shared_goes_with_others_and_excludes_exclusive_ones)
{
    CLEANUP(core_fixture_done)
    struct core_fixture core;

    core_fixture_init(&core);
    uint64_t first = acquire_shared(&core, "repo", "a", 1);
    uint64_t second = acquire_shared(&core, "repo/src", "b", 2);
    acquire_later(&core, "repo", "c", 3);
    cr_assert(release(&core, "repo", first));
    cr_assert_null(answer_to(&core, 3));
    cr_assert(release(&core, "repo/src", second));
    expect_granted(&core, 3);
}

Test(lock, goes_to_whoever_waits_longest)
{
    CLEANUP(core_fixture_done)
    struct core_fixture core;

    core_fixture_init(&core);
    uint64_t fence = acquire_now(&core, "repo", "a", 1);
    acquire_later(&core, "repo", "b", 2);
    acquire_later(&core, "repo", "c", 3);
    cr_assert(release(&core, "repo", fence));
    expect_granted(&core, 2);
    cr_assert_null(answer_to(&core, 3));
    fence = answer_to(&core, 2)->fence;
    cr_assert(release(&core, "repo", fence));
    expect_granted(&core, 3);
}

Test(lock, that_is_shared_does_not_overtake_an_exclusive_one_that_waits)
{
    CLEANUP(core_fixture_done)
    struct core_fixture core;

    core_fixture_init(&core);
    (void)acquire_shared(&core, "repo", "a", 1);
    acquire_later(&core, "repo", "writer", 2);
    assert_refused(acquire(&core, &(struct wish){.name = "repo", .agent = "b", .mode = LOCK_SHARED, .request = 3}, 0),
                   STATUS_ABORTED, "LOCK_HELD", core);
    cr_assert_not(core.effects.shows_holder);
}

Test(lock, waits_only_behind_what_it_conflicts_with)
{
    CLEANUP(core_fixture_done)
    struct core_fixture core;

    core_fixture_init(&core);
    uint64_t src = acquire_now(&core, "repo/src", "a", 1);
    (void)acquire_now(&core, "repo/docs", "b", 2);
    acquire_later(&core, "repo/docs", "c", 3);
    acquire_later(&core, "repo/src", "d", 4);
    (void)acquire_now(&core, "repo/docs-old", "e", 5);
    cr_assert(release(&core, "repo/src", src));
    expect_granted(&core, 4);
    cr_assert_null(answer_to(&core, 3));
}

Test(lock, is_lost_when_it_is_not_renewed_in_time)
{
    CLEANUP(core_fixture_done)
    struct core_fixture core;

    core_fixture_init(&core);
    assert_done(acquire(&core, &(struct wish){.name = "repo", .agent = "a", .request = 1, .ttl_ms = 5000}, 0), core);
    uint64_t fence = core.effects.lock.fence;
    acquire_later(&core, "repo", "b", 2);
    core_pass(&core, 4999);
    assert_done(of_held(&core, COMMAND_RENEW_LOCK, "repo", fence), core);
    cr_assert_eq(core.effects.lock.ttl_ms, 5000);
    core_pass(&core, 4999);
    cr_assert_null(answer_to(&core, 2));
    cr_assert_eq(contextd_next_ms(&core.core, &core.now), core.now.boot_ms + 1);
    core_pass(&core, 1);
    expect_granted(&core, 2);
    assert_refused(of_held(&core, COMMAND_RENEW_LOCK, "repo", fence), STATUS_ABORTED, "LOCK_LOST", core);
    cr_assert_not(release(&core, "repo", fence));
}

Test(lock, has_a_full_term_again_after_a_restart)
{
    CLEANUP(core_fixture_done)
    struct core_fixture core;

    core_fixture_init(&core);
    assert_done(acquire(&core, &(struct wish){.name = "repo", .agent = "a", .request = 1, .ttl_ms = 5000}, 0), core);
    uint64_t fence = core.effects.lock.fence;
    core.now.boot_ms += 4000;
    core_restart(&core);
    core.now.boot_ms += 4000;
    core_tick(&core);
    assert_done(of_held(&core, COMMAND_RENEW_LOCK, "repo", fence), core);
    expect_held(&core, "repo", "b");
}

Test(lock, is_the_same_when_its_request_is_repeated)
{
    CLEANUP(core_fixture_done)
    struct core_fixture core;

    core_fixture_init(&core);
    uint64_t fence = acquire_now(&core, "repo", "a", 1);
    struct command command = {.kind = COMMAND_LIST_LOCKS};
    cr_assert_eq(acquire_now(&core, "repo", "a", 1), fence);
    assert_done(core_run(&core, &command), core);
    cr_assert_eq(core.effects.count, 1);
}

Test(wait, that_is_asked_again_keeps_its_place)
{
    CLEANUP(core_fixture_done)
    struct core_fixture core;

    core_fixture_init(&core);
    uint64_t fence = acquire_now(&core, "repo", "a", 1);
    acquire_later(&core, "repo", "b", 2);
    acquire_later(&core, "repo", "c", 3);
    unwait(&core, 2);
    cr_assert_str_eq(answer_to(&core, 2)->error.reason, "LOCK_HELD");
    cr_assert(answer_to(&core, 2)->shows_holder);
    core_pass(&core, 4999);
    acquire_later(&core, "repo", "b", 2);
    cr_assert(release(&core, "repo", fence));
    expect_granted(&core, 2);
}

Test(wait, that_nobody_asks_for_holds_nobody_up_and_ends)
{
    CLEANUP(core_fixture_done)
    struct core_fixture core;

    core_fixture_init(&core);
    uint64_t fence = acquire_now(&core, "repo", "a", 1);
    acquire_later(&core, "repo", "b", 2);
    acquire_later(&core, "repo", "c", 3);
    unwait(&core, 2);
    cr_assert(release(&core, "repo", fence));
    expect_granted(&core, 3);
    cr_assert_eq(core.core.locks.waiter_count, 1);
    core_pass(&core, 5000);
    cr_assert_eq(core.core.locks.waiter_count, 0);
}

Test(wait, on_another_call_takes_the_place_of_the_first)
{
    CLEANUP(core_fixture_done)
    struct core_fixture core;
    struct wish wish = {.name = "repo", .agent = "b", .waits = true, .request = 2};

    core_fixture_init(&core);
    uint64_t fence = acquire_now(&core, "repo", "a", 1);
    assert_done(acquire(&core, &wish, 20), core);
    assert_done(acquire(&core, &wish, 21), core);
    cr_assert_str_eq(answer_to(&core, 20)->error.reason, "REPLACED");
    cr_assert(release(&core, "repo", fence));
    expect_granted(&core, 21);
}

Test(wait, of_a_run_that_is_over_by_then_gets_nothing)
{
    CLEANUP(core_fixture_done)
    struct core_fixture core;

    core_fixture_init(&core);
    uint64_t fence = acquire_now(&core, "repo", "a", 1);
    struct wish wish = {.name = "repo", .agent = "b", .waits = true, .request = 2, .task_id = 7, .fence = 3};
    assert_done(acquire(&core, &wish, 2), core);
    assert_done(core_put_as(&core, "global/x", 7, 4), core);
    cr_assert(release(&core, "repo", fence));
    cr_assert_str_eq(answer_to(&core, 2)->error.reason, "STALE_FENCE");
    assert_refused(acquire(&core, &wish, 3), STATUS_ABORTED, "STALE_FENCE", core);
}

Test(deadlock, of_two_is_refused_with_the_cycle_named)
{
    CLEANUP(core_fixture_done)
    struct core_fixture core;

    core_fixture_init(&core);
    (void)acquire_now(&core, "x", "a", 1);
    (void)acquire_now(&core, "y", "b", 2);
    acquire_later(&core, "y", "a", 3);
    assert_refused(acquire(&core, &(struct wish){.name = "x", .agent = "b", .waits = true, .request = 4}, 4),
                   STATUS_FAILED_PRECONDITION, "DEADLOCK", core);
    cr_assert_not_null(strstr(core.effects.error.message, "a waits for \"y\", b waits for \"x\""), "%s",
                       core.effects.error.message);
    cr_assert_eq(core.core.locks.waiter_count, 1);
}

Test(deadlock, with_oneself_is_refused)
{
    CLEANUP(core_fixture_done)
    struct core_fixture core;

    core_fixture_init(&core);
    (void)acquire_now(&core, "repo", "a", 1);
    assert_refused(acquire(&core, &(struct wish){.name = "repo/src", .agent = "a", .waits = true, .request = 2}, 2),
                   STATUS_FAILED_PRECONDITION, "DEADLOCK", core);
}

Test(deadlock, through_the_line_is_found)
{
    CLEANUP(core_fixture_done)
    struct core_fixture core;

    core_fixture_init(&core);
    (void)acquire_now(&core, "x", "origin", 1);
    (void)acquire_now(&core, "repo/a", "holder", 2);
    acquire_later(&core, "x", "holder", 3);
    acquire_later(&core, "repo", "between", 4);
    /* It does not conflict with repo/a, but stands behind the one that does. */
    assert_refused(acquire(&core, &(struct wish){.name = "repo/b", .agent = "origin", .waits = true, .request = 5}, 5),
                   STATUS_FAILED_PRECONDITION, "DEADLOCK", core);
}

Test(deadlock, is_not_seen_where_there_is_none)
{
    CLEANUP(core_fixture_done)
    struct core_fixture core;

    core_fixture_init(&core);
    (void)acquire_now(&core, "x", "a", 1);
    (void)acquire_now(&core, "y", "b", 2);
    (void)acquire_now(&core, "z", "c", 3);
    acquire_later(&core, "y", "a", 4);
    acquire_later(&core, "z", "b", 5);
    acquire_later(&core, "z", "a", 6);
}

Test(lock_list, is_in_the_order_of_names_and_pages)
{
    CLEANUP(core_fixture_done)
    struct core_fixture core;
    static const char *const names[] = {"a", "a/b", "ab", "b"};
    char token[PAGE_TOKEN_SIZE] = "";

    core_fixture_init(&core);
    for (uint8_t i = 4; i-- > 0;)
        (void)acquire_shared(&core, names[i], "x", (uint8_t)(i + 1));
    for (size_t i = 0; i < 4; i++) {
        struct command command = {.kind = COMMAND_LIST_LOCKS,
                                  .list_locks = {.page_size = 1, .page_token = bytes_of_text(token)}};
        assert_done(core_run(&core, &command), core);
        cr_assert_eq(core.effects.count, 1);
        cr_assert(bytes_equal(core.effects.lock_views[0].lock.name, bytes_of_text(names[i])), "%zu", i);
        cr_assert_eq(core.effects.lock_views[0].left_ms, LOCK_TTL_DEFAULT_MS);
        memcpy(token, core.effects.next_page_token, sizeof token);
    }
    cr_assert_str_empty(token);
}

Test(lock_stats, show_the_worst_first)
{
    CLEANUP(core_fixture_done)
    struct core_fixture core;
    struct command command = {.kind = COMMAND_LOCK_STATS};

    core_fixture_init(&core);
    cr_assert(release(&core, "calm", acquire_now(&core, "calm", "a", 1)));
    uint64_t fence = acquire_now(&core, "hot", "a", 2);
    acquire_later(&core, "hot", "b", 3);
    expect_held(&core, "hot", "c");
    core_pass(&core, 1500);
    cr_assert(release(&core, "hot", fence));
    core_pass(&core, LOCK_TTL_DEFAULT_MS);
    assert_done(core_run(&core, &command), core);
    cr_assert_eq(core.effects.count, 2);
    const struct lock_contention *worst = &core.effects.contention[0];
    cr_assert(bytes_equal(worst->name, bytes_of_text("hot")));
    cr_assert_eq(worst->usage->acquisitions, 2);
    cr_assert_eq(worst->usage->contended, 1);
    cr_assert_eq(worst->usage->refused, 1);
    cr_assert_eq(worst->usage->expired, 1);
    cr_assert_eq(worst->usage->wait.longest_ms, 1500);
    cr_assert_eq(worst->usage->wait.counts[11], 1, "1,024 to 2,047 ms");
    cr_assert_eq(worst->usage->hold.longest_ms, LOCK_TTL_DEFAULT_MS);
    cr_assert_eq(worst->holders, 0);
}

Test(lock_limits, are_named_at_their_edges)
{
    CLEANUP(core_fixture_done)
    struct core_fixture core;
    char name[LOCK_NAME_MAX + 2];
    struct wish wish = {.name = name, .agent = "a", .request = 1};

    core_fixture_init(&core);
    memset(name, 'n', sizeof name - 1);
    name[LOCK_NAME_MAX + 1] = '\0';
    assert_bad_field(acquire(&core, &wish, 0), "name", core);
    name[LOCK_NAME_MAX] = '\0';
    assert_done(acquire(&core, &wish, 0), core);
    static const char *const bad[] = {"", "/a", "a/", "a//b", "a\nb"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        wish.name = bad[i];
        assert_bad_field(acquire(&core, &wish, 0), "name", core);
    }
    wish.name = "ttl";
    wish.ttl_ms = LOCK_TTL_MIN_MS - 1;
    assert_bad_field(acquire(&core, &wish, 0), "ttl_ms", core);
    wish.ttl_ms = LOCK_TTL_MAX_MS + 1;
    assert_bad_field(acquire(&core, &wish, 0), "ttl_ms", core);
    wish.ttl_ms = LOCK_TTL_MAX_MS;
    assert_done(acquire(&core, &wish, 0), core);
    wish.agent = "";
    assert_bad_field(acquire(&core, &wish, 0), "holder.agent_id", core);
}

Test(lock_limits, end_the_line_of_those_who_wait)
{
    CLEANUP(core_fixture_done)
    struct core_fixture core;
    char agent[32];
    uint8_t request[LOCK_REQUEST_SIZE] = {0};

    core_fixture_init(&core);
    core.unchecked = true;
    (void)acquire_now(&core, "repo", "a", 200);
    for (unsigned int i = 0; i <= 4096; i++) {
        (void)snprintf(agent, sizeof agent, "w%u", i);
        memcpy(request, &i, sizeof i);
        struct command command = {.kind = COMMAND_ACQUIRE_LOCK,
                                  .token = i + 1,
                                  .acquire_lock = {.name = bytes_of_text("repo"),
                                                   .mode = LOCK_EXCLUSIVE,
                                                   .waits = true,
                                                   .holder = {.agent_id = bytes_of_text(agent)},
                                                   .request = {.data = request, .size = sizeof request}}};
        enum status status = core_run(&core, &command);
        cr_assert_eq(status, i < 4096 ? STATUS_OK : STATUS_RESOURCE_EXHAUSTED);
    }
    cr_assert_str_eq(core.effects.error.reason, "TOO_MANY_WAITING");
}
