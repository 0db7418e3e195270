/* Locks over the real daemon: several holders in threads of their own, and clients that vanish. */
#include "tests/contextd/daemon_fixture.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define HOLDERS 6
#define TURNS 25
#define WAIT_MS 10000
#define CALL_MS 30000

struct holder {
    struct ganger *ganger;
    char agent_id[32];
    uint64_t requests;
};

static void holder_open(struct holder *holder, const struct daemon_fixture *fixture, unsigned int number)
{
    *holder = (struct holder){.ganger = open_client(fixture)};
    (void)snprintf(holder->agent_id, sizeof holder->agent_id, "holder%u", number);
}

static enum ganger_status acquire(struct holder *holder, const char *name, uint32_t wait_ms, uint64_t *ret_fence,
                                  struct ganger_error *error)
{
    Ganger__V1__AcquireLockRequest request = GANGER__V1__ACQUIRE_LOCK_REQUEST__INIT;
    Ganger__V1__AcquireLockResponse *response = NULL;
    Ganger__V1__Writer writer = GANGER__V1__WRITER__INIT;
    uint8_t id[16] = {0};
    char own_name[64];

    (void)snprintf(own_name, sizeof own_name, "%s", name);
    holder->requests++;
    memcpy(id, &holder->requests, sizeof holder->requests);
    memcpy(id + 8, holder->agent_id + strlen("holder"), 1);
    writer.agent_id = holder->agent_id;
    request.name = own_name;
    request.holder = &writer;
    request.wait_ms = wait_ms;
    request.request = (ProtobufCBinaryData){.data = id, .len = sizeof id};
    enum ganger_status status = ganger_acquire_lock(holder->ganger, &request, CALL_MS, &response, error);
    if (status == GANGER_OK)
        *ret_fence = response->fence;
    ganger_free(response);
    return status;
}

static bool release(struct holder *holder, const char *name, uint64_t fence)
{
    Ganger__V1__ReleaseLockRequest request = GANGER__V1__RELEASE_LOCK_REQUEST__INIT;
    Ganger__V1__ReleaseLockResponse *response = NULL;
    struct ganger_error error = {0};
    char own_name[64];

    (void)snprintf(own_name, sizeof own_name, "%s", name);
    request.name = own_name;
    request.fence = fence;
    assert_good(ganger_release_lock(holder->ganger, &request, CALL_MS, &response, &error), error);
    bool was_held = response->was_held;
    ganger_free(response);
    return was_held;
}

static int inside;
static uint64_t last_fence;

/* The section checks itself: whoever is in it is alone, and has a greater fence than whoever was there before. */
static void *take_turns(void *data)
{
    static const char *const names[] = {"repo", "repo/src", "repo/src/net"};
    struct holder *holder = data;

    for (int turn = 0; turn < TURNS; turn++) {
        const char *name = names[turn % 3 == 0 ? 0 : 1];
        struct ganger_error error = {0};
        uint64_t fence = 0;
        enum ganger_status status = acquire(holder, name, WAIT_MS, &fence, &error);
        cr_assert_eq(status, GANGER_OK, "%s: %s", error.reason, error.message);
        cr_assert_eq(__atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST), 1);
        cr_assert_gt(fence, last_fence);
        last_fence = fence;
        cr_assert_eq(__atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST), 0);
        cr_assert(release(holder, name, fence));
    }
    return NULL;
}

Test(lock_service, lets_one_holder_in_at_a_time)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    struct holder holders[HOLDERS];
    pthread_t threads[HOLDERS];

    daemon_fixture_init(&fixture, NULL);
    for (unsigned int i = 0; i < HOLDERS; i++) {
        holder_open(&holders[i], &fixture, i);
        cr_assert_eq(pthread_create(&threads[i], NULL, take_turns, &holders[i]), 0);
    }
    for (unsigned int i = 0; i < HOLDERS; i++) {
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
        ganger_close(holders[i].ganger);
    }
}

Test(lock_service, tells_who_holds_it_when_the_wait_is_over)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    struct ganger_error error = {0};
    struct holder first;
    struct holder second;
    uint64_t fence = 0;
    size_t size = 0;

    daemon_fixture_init(&fixture, NULL);
    holder_open(&first, &fixture, 1);
    holder_open(&second, &fixture, 2);
    assert_good(acquire(&first, "repo", 0, &fence, &error), error);
    for (uint32_t wait_ms = 0; wait_ms <= 50; wait_ms += 50) {
        cr_assert_eq(acquire(&second, "repo/src", wait_ms, &fence, &error), GANGER_ABORTED);
        cr_assert_str_eq(error.reason, "LOCK_HELD");
        const uint8_t *detail = ganger_last_detail(second.ganger, &size);
        Ganger__V1__HeldLock *lock = ganger__v1__held_lock__unpack(NULL, size, detail);
        cr_assert_not_null(lock);
        cr_assert_str_eq(lock->name, "repo");
        cr_assert_str_eq(lock->holder->agent_id, "holder1");
        ganger__v1__held_lock__free_unpacked(lock, NULL);
    }
    ganger_close(first.ganger);
    ganger_close(second.ganger);
}

static void ignore_reply(const struct ganger_reply *reply, void *data)
{
    (void)reply, (void)data;
}

/* Whoever asked and vanished does not keep the lock from those behind. */
Test(lock_service, forgets_who_waits_and_is_gone)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    struct ganger_error error = {0};
    struct holder first;
    struct holder last;
    uint64_t fence = 0;
    uint64_t next = 0;
    uint8_t id[16] = {42};
    char name[] = "repo";
    char agent_id[] = "gone";
    Ganger__V1__AcquireLockRequest request = GANGER__V1__ACQUIRE_LOCK_REQUEST__INIT;
    Ganger__V1__LockStatsRequest stats_request = GANGER__V1__LOCK_STATS_REQUEST__INIT;
    Ganger__V1__LockStatsResponse *stats = NULL;
    Ganger__V1__Writer writer = GANGER__V1__WRITER__INIT;

    daemon_fixture_init(&fixture, NULL);
    holder_open(&first, &fixture, 1);
    holder_open(&last, &fixture, 2);
    assert_good(acquire(&first, "repo", 0, &fence, &error), error);
    struct ganger *gone = open_client(&fixture);
    writer.agent_id = agent_id;
    request.name = name;
    request.holder = &writer;
    request.wait_ms = WAIT_MS;
    request.request = (ProtobufCBinaryData){.data = id, .len = sizeof id};
    (void)ganger_start(gone, &ganger__v1__locks__descriptor, "AcquireLock", &request.base, CALL_MS, 0, ignore_reply,
                       NULL);
    for (int tries = 0; tries < 1000; tries++) {
        ganger_process(gone);
        ganger_wait(gone, 10);
        assert_good(ganger_lock_stats(first.ganger, &stats_request, CALL_MS, &stats, &error), error);
        bool waits = stats->n_locks == 1 && stats->locks[0]->waiters == 1;
        ganger_free(stats);
        if (waits)
            break;
    }
    ganger_close(gone);
    cr_assert(release(&first, "repo", fence));
    assert_good(acquire(&last, "repo", WAIT_MS, &next, &error), error);
    cr_assert_gt(next, fence);
    ganger_close(first.ganger);
    ganger_close(last.ganger);
}

Test(lock_service, keeps_its_locks_over_a_restart)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    struct ganger_error error = {0};
    struct holder first;
    struct holder second;
    uint64_t fence = 0;
    uint64_t other = 0;

    daemon_fixture_init(&fixture, NULL);
    holder_open(&first, &fixture, 1);
    assert_good(acquire(&first, "repo", 0, &fence, &error), error);
    ganger_close(first.ganger);
    cr_assert_eq(daemon_fixture_stop(&fixture), 0);
    daemon_fixture_start(&fixture, NULL);
    holder_open(&first, &fixture, 1);
    holder_open(&second, &fixture, 2);
    cr_assert_eq(acquire(&second, "repo", 0, &other, &error), GANGER_ABORTED);
    cr_assert(release(&first, "repo", fence));
    assert_good(acquire(&second, "repo", 0, &other, &error), error);
    cr_assert_gt(other, fence);
    ganger_close(first.ganger);
    ganger_close(second.ganger);
}
