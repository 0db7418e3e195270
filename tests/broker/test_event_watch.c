/* WatchEvents and GetHistory of a real broker. */
#include "common/base/check.h"
#include "common/base/clock.h"
#include "tests/broker/daemon_fixture.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CREDIT_BYTES 262144
#define WATCHES_MAX 256

/* A stream of events, and what has come of it. */
struct follower {
    struct ganger_call *call;
    size_t updates;
    size_t events;
    uint64_t first; /* revisions, as the following */
    uint64_t last;
    uint64_t next;
    uint64_t gap;
    uint64_t began;
    char store_id[33];
    bool has_hole; /* between two events that no gap tells of */
    bool ended;
    char kind[32]; /* of the last event, as the following */
    char who[256];
    char subject[256];
    struct ganger_error error;
};

static void take_event(struct follower *follower, const Ganger__V1__Event *event, uint64_t gap)
{
    if (follower->events++ == 0)
        follower->first = event->revision;
    else if (event->revision != follower->last + 1 && event->revision != gap)
        follower->has_hole = true;
    follower->last = event->revision;
    (void)snprintf(follower->kind, sizeof follower->kind, "%s", event->kind);
    (void)snprintf(follower->who, sizeof follower->who, "%s", event->who);
    (void)snprintf(follower->subject, sizeof follower->subject, "%s", event->subject);
}

static void on_update(const struct ganger_reply *reply, void *data)
{
    struct follower *follower = data;
    const Ganger__V1__WatchEventsUpdate *update = (const Ganger__V1__WatchEventsUpdate *)(const void *)reply->response;

    if (reply->error != NULL)
        follower->error = *reply->error;
    follower->ended = reply->end;
    if (update == NULL)
        return;
    if (follower->updates++ == 0) {
        cr_assert_eq(strlen(update->store_id), 32);
        (void)snprintf(follower->store_id, sizeof follower->store_id, "%s", update->store_id);
        follower->began = update->revision;
    } else {
        cr_assert_str_eq(update->store_id, "");
    }
    if (update->gap_revision > 0)
        follower->gap = update->gap_revision;
    for (size_t i = 0; i < update->n_events; i++)
        take_event(follower, update->events[i], update->gap_revision);
    cr_assert_gt(update->next_revision, follower->last);
    follower->next = update->next_revision;
}

static void on_end(const struct ganger_reply *reply, void *data)
{
    ((struct follower *)data)->ended = reply->end;
}

static void follow(struct ganger *ganger, Ganger__V1__WatchEventsRequest request, struct follower *follower)
{
    *follower = (struct follower){0};
    follower->call = ganger_start(ganger, &ganger__v1__tasks__descriptor, "WatchEvents", &request.base, 0, CREDIT_BYTES,
                                  on_update, follower);
}

static void follow_from(struct ganger *ganger, uint64_t revision, struct follower *follower)
{
    Ganger__V1__WatchEventsRequest request = GANGER__V1__WATCH_EVENTS_REQUEST__INIT;

    request.from_revision = revision;
    follow(ganger, request, follower);
}

#define PROCESS_UNTIL(ganger, condition)                                                                               \
    do {                                                                                                               \
        uint64_t end_ms_ = clock_boot_ms() + TIMEOUT_MS;                                                               \
        while (!(condition)) {                                                                                         \
            cr_assert_lt(clock_boot_ms(), end_ms_, "it never comes to this: " #condition);                             \
            ganger_wait(ganger, 100);                                                                                  \
            ganger_process(ganger);                                                                                    \
        }                                                                                                              \
    } while (false)

Test(events, of_all_come_from_a_revision_on_in_order_and_without_holes)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    struct follower follower;

    daemon_fixture_init(&fixture, NULL);
    CLEANUP(ganger_close)
    struct ganger *ganger = open_client(&fixture);
    (void)submit_many(ganger, 1000);
    follow_from(ganger, 1, &follower);
    PROCESS_UNTIL(ganger, follower.last == 1000);
    cr_assert_eq(follower.first, 1);
    cr_assert_eq(follower.began, 1000);
    (void)submit_many(ganger, 1000);
    PROCESS_UNTIL(ganger, follower.last == 2000);
    cr_assert_eq(follower.events, 2000);
    cr_assert_not(follower.has_hole);
    cr_assert_eq(follower.gap, 0);
    cr_assert_eq(follower.next, 2001);
    struct follower later;
    follow_from(ganger, 1500, &later);
    PROCESS_UNTIL(ganger, later.last == 2000);
    cr_assert_eq(later.first, 1500);
    cr_assert_str_eq(later.store_id, follower.store_id);
}

Test(events, from_now_on_are_those_that_come)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    struct follower follower;

    daemon_fixture_init(&fixture, NULL);
    CLEANUP(ganger_close)
    struct ganger *ganger = open_client(&fixture);
    (void)submit_many(ganger, 10);
    follow_from(ganger, 0, &follower);
    PROCESS_UNTIL(ganger, follower.updates == 1);
    cr_assert_eq(follower.next, 11);
    cr_assert_eq(follower.events, 0);
    (void)submit_one(ganger);
    PROCESS_UNTIL(ganger, follower.events > 0);
    cr_assert_eq(follower.first, 11);
    cr_assert_str_eq(follower.kind, "SUBMIT");
    cr_assert_str_eq(follower.subject, "default/default");
}

Test(events, say_which_user_asked_and_which_agent_spoke)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    struct follower follower;
    struct ganger_error error = {0};
    const struct passwd *me = getpwuid(getuid());
    char name[64];

    (void)snprintf(name, sizeof name, "uid %u", getuid());
    daemon_fixture_init(&fixture, NULL);
    CLEANUP(ganger_close)
    struct ganger *ganger = open_client(&fixture);
    follow_from(ganger, 1, &follower);
    (void)submit_one(ganger);
    PROCESS_UNTIL(ganger, follower.events == 1);
    cr_assert_str_eq(follower.who, me != NULL ? me->pw_name : name);
    struct claimed claimed = claim_one(ganger, "build7/claude1", 0);
    PROCESS_UNTIL(ganger, follower.events == 2);
    cr_assert_str_eq(follower.who, "build7/claude1");
    assert_good(complete_one(ganger, claimed, &error), error);
    PROCESS_UNTIL(ganger, follower.events == 3);
    cr_assert_str_eq(follower.kind, "COMPLETE");
    cr_assert_str_eq(follower.who, "build7/claude1");
}

Test(events, of_one_task_are_told_alone_and_how_far_the_look_has_come)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    struct follower follower;
    Ganger__V1__WatchEventsRequest request = GANGER__V1__WATCH_EVENTS_REQUEST__INIT;

    daemon_fixture_init(&fixture, NULL);
    CLEANUP(ganger_close)
    struct ganger *ganger = open_client(&fixture);
    uint64_t first = submit_many(ganger, 1000);
    request.from_revision = 1;
    request.task_id = first + 5;
    follow(ganger, request, &follower);
    PROCESS_UNTIL(ganger, follower.next == 1001);
    cr_assert_eq(follower.events, 1);
    cr_assert_eq(follower.first, 6);
    cancel_one(ganger, first + 6);
    cancel_one(ganger, first + 5);
    PROCESS_UNTIL(ganger, follower.events == 2);
    cr_assert_eq(follower.last, 1002);
    cr_assert_str_eq(follower.kind, "CANCEL");
}

Test(events, can_be_asked_for_by_their_age)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    struct follower follower;
    Ganger__V1__WatchEventsRequest request = GANGER__V1__WATCH_EVENTS_REQUEST__INIT;

    daemon_fixture_init(&fixture, NULL);
    CLEANUP(ganger_close)
    struct ganger *ganger = open_client(&fixture);
    (void)submit_many(ganger, 10);
    request.newer_than_ms = 3600000;
    follow(ganger, request, &follower);
    PROCESS_UNTIL(ganger, follower.events == 10);
    cr_assert_eq(follower.first, 1);
}

Test(events, wait_in_the_store_for_a_slow_reader)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    struct follower follower;

    daemon_fixture_init(&fixture, NULL);
    CLEANUP(ganger_close)
    struct ganger *slow = open_client(&fixture);
    CLEANUP(ganger_close)
    struct ganger *ganger = open_client(&fixture);
    follow_from(slow, 1, &follower);
    PROCESS_UNTIL(slow, follower.updates > 0);
    for (int i = 0; i < 30; i++)
        (void)submit_many(ganger, 1000);
    PROCESS_UNTIL(slow, follower.last == 30000);
    cr_assert_eq(follower.events, 30000);
    cr_assert_not(follower.has_hole);
}

Test(events, that_were_trimmed_before_a_reader_came_to_them_are_told_as_a_gap)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    struct follower follower;

    daemon_fixture_init(&fixture, "broker.events_max=1000");
    CLEANUP(ganger_close)
    struct ganger *ganger = open_client(&fixture);
    for (int i = 0; i < 3; i++)
        (void)submit_many(ganger, 1000);
    follow_from(ganger, 1, &follower);
    PROCESS_UNTIL(ganger, follower.last == 3000);
    cr_assert_gt(follower.gap, 1000);
    cr_assert_eq(follower.first, follower.gap);
    cr_assert_not(follower.has_hole);
    cr_assert_leq(follower.events, 2000);
}

Test(events, tell_of_a_backup_and_who_made_it)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    struct follower follower;
    struct follower backup = {0};
    char path[192];
    Ganger__V1__BackupRequest request = GANGER__V1__BACKUP_REQUEST__INIT;

    daemon_fixture_init(&fixture, NULL);
    (void)snprintf(path, sizeof path, "%s/backup", fixture.directory);
    request.path = path;
    CLEANUP(ganger_close)
    struct ganger *ganger = open_client(&fixture);
    follow_from(ganger, 1, &follower);
    (void)ganger_start(ganger, &ganger__v1__admin__descriptor, "Backup", &request.base, 0, CREDIT_BYTES, on_end,
                       &backup);
    PROCESS_UNTIL(ganger, backup.ended && follower.events > 0);
    cr_assert_str_eq(follower.kind, "BACKUP");
    cr_assert_str_eq(follower.subject, path);
    cr_assert_str_neq(follower.who, "");
    cr_assert_eq(follower.first, 1);
}

/* Fault 39: what waits for it is in no memory, or it would miss nothing. */
Test(events, that_a_slow_reader_has_missed_are_told_as_a_gap_in_the_middle)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    struct follower follower;

    daemon_fixture_init(&fixture, "broker.events_max=1000");
    CLEANUP(ganger_close)
    struct ganger *slow = open_client(&fixture);
    CLEANUP(ganger_close)
    struct ganger *ganger = open_client(&fixture);
    follow_from(slow, 1, &follower);
    PROCESS_UNTIL(slow, follower.updates > 0);
    for (int i = 0; i < 30; i++)
        (void)submit_many(ganger, 1000);
    PROCESS_UNTIL(slow, follower.last == 30000);
    cr_assert_eq(follower.first, 1);
    cr_assert_gt(follower.gap, 1);
    cr_assert_not(follower.has_hole);
    cr_assert_lt(follower.events, 30000);
}

Test(events, go_on_after_a_killed_broker_from_where_they_were)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    struct follower follower;

    daemon_fixture_init(&fixture, NULL);
    struct ganger *ganger = open_client(&fixture);
    follow_from(ganger, 1, &follower);
    (void)submit_many(ganger, 100);
    PROCESS_UNTIL(ganger, follower.last == 100);
    daemon_fixture_kill(&fixture);
    PROCESS_UNTIL(ganger, follower.ended);
    cr_assert_eq(follower.error.status, GANGER_UNAVAILABLE);
    ganger_close(ganger);
    uint64_t next = follower.next;
    daemon_fixture_start(&fixture);
    ganger = open_client(&fixture);
    (void)submit_many(ganger, 100);
    follow_from(ganger, next, &follower);
    PROCESS_UNTIL(ganger, follower.last == 200);
    cr_assert_eq(follower.first, 101);
    cr_assert_eq(follower.gap, 0);
    ganger_close(ganger);
}

static void expect_refusal(struct ganger *ganger, Ganger__V1__WatchEventsRequest request, const char *reason)
{
    struct follower follower;

    follow(ganger, request, &follower);
    PROCESS_UNTIL(ganger, follower.ended);
    cr_assert_str_eq(follower.error.reason, reason, "%s", follower.error.message);
}

Test(events, are_refused_where_the_store_has_not_come_to_and_with_two_beginnings)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    struct follower follower;
    Ganger__V1__WatchEventsRequest request = GANGER__V1__WATCH_EVENTS_REQUEST__INIT;
    char bad[] = "not a queue";

    daemon_fixture_init(&fixture, NULL);
    CLEANUP(ganger_close)
    struct ganger *ganger = open_client(&fixture);
    (void)submit_many(ganger, 10);
    follow_from(ganger, 11, &follower);
    PROCESS_UNTIL(ganger, follower.updates == 1);
    request.from_revision = 12;
    expect_refusal(ganger, request, "AHEAD_OF_STORE");
    request.from_revision = UINT64_MAX;
    expect_refusal(ganger, request, "AHEAD_OF_STORE");
    request.from_revision = 1;
    request.newer_than_ms = 1;
    expect_refusal(ganger, request, "BAD_FIELD");
    request.from_revision = 0;
    request.queue = bad;
    expect_refusal(ganger, request, "BAD_FIELD");
}

Test(events, have_a_bounded_number_of_readers)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    static struct follower followers[WATCHES_MAX];
    Ganger__V1__WatchEventsRequest request = GANGER__V1__WATCH_EVENTS_REQUEST__INIT;

    daemon_fixture_init(&fixture, NULL);
    CLEANUP(ganger_close)
    struct ganger *ganger = open_client(&fixture);
    for (size_t i = 0; i < WATCHES_MAX; i++)
        follow_from(ganger, 1, &followers[i]);
    PROCESS_UNTIL(ganger, followers[WATCHES_MAX - 1].updates > 0);
    expect_refusal(ganger, request, "TOO_MANY_WATCHES");
    (void)submit_many(ganger, 1000);
    for (size_t i = 0; i < WATCHES_MAX; i++) {
        PROCESS_UNTIL(ganger, followers[i].last == 1000);
        cr_assert_not(followers[i].has_hole);
    }
    ganger_cancel(ganger, followers[0].call);
    follow_from(ganger, 1, &followers[0]);
    PROCESS_UNTIL(ganger, followers[0].last == 1000);
}

Test(history, of_a_task_comes_from_the_broker)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    Ganger__V1__GetHistoryRequest request = GANGER__V1__GET_HISTORY_REQUEST__INIT;
    Ganger__V1__GetHistoryResponse *response = NULL;
    struct ganger_error error = {0};

    daemon_fixture_init(&fixture, NULL);
    CLEANUP(ganger_close)
    struct ganger *ganger = open_client(&fixture);
    uint64_t id = submit_one(ganger);
    struct claimed claimed = claim_one(ganger, "a", 0);
    assert_good(complete_one(ganger, claimed, &error), error);
    request.task_id = id;
    assert_good(ganger_get_history(ganger, &request, TIMEOUT_MS, &response, &error), error);
    cr_assert_eq(response->n_events, 3);
    cr_assert_str_eq(response->events[0]->kind, "COMPLETE");
    cr_assert_eq(response->events[0]->from, GANGER__V1__TASK_STATE__RUNNING);
    cr_assert_eq(response->events[0]->to, GANGER__V1__TASK_STATE__COMPLETED);
    cr_assert_eq(response->events[0]->fence, claimed.fence);
    cr_assert_eq(response->events[0]->previous, response->events[1]->revision);
    cr_assert_gt(response->events[0]->wall_ms, 1700000000000);
    ganger_free(response);
    request.task_id = id + 1;
    cr_assert_eq(ganger_get_history(ganger, &request, TIMEOUT_MS, NULL, &error), GANGER_NOT_FOUND);
}
