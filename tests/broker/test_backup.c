/* Backups of a broker at work, and what is made of them (fault 20). */
#include "tests/broker/daemon_fixture.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "tests/support/process.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define FIRST_OF_EPOCH(epoch) ((uint64_t)(epoch) << 48)

TestSuite(backup, .timeout = 120);

struct long_call {
    size_t updates;
    bool ended;
    struct ganger_error error;
    uint64_t rows;
    uint64_t problems;
    bool done;
    uint64_t revision;
};

static void on_update(const struct ganger_reply *reply, void *data)
{
    struct long_call *call = data;

    if (reply->error != NULL)
        call->error = *reply->error;
    call->ended = reply->end;
    if (reply->response == NULL)
        return;
    call->updates++;
    if (reply->response->descriptor == &ganger__v1__backup_update__descriptor) {
        const Ganger__V1__BackupUpdate *update = (const Ganger__V1__BackupUpdate *)reply->response;
        call->rows = update->rows;
        call->done = update->done;
        call->revision = update->revision;
    } else {
        const Ganger__V1__CheckUpdate *update = (const Ganger__V1__CheckUpdate *)reply->response;
        call->rows = update->tasks;
        call->problems = update->problems;
        call->done = update->done;
    }
}

static void open_backup(struct ganger *ganger, char *path, struct long_call *call)
{
    Ganger__V1__BackupRequest request = GANGER__V1__BACKUP_REQUEST__INIT;

    *call = (struct long_call){0};
    request.path = path;
    (void)ganger_start(ganger, &ganger__v1__admin__descriptor, "Backup", &request.base, 0, 262144, on_update, call);
}

static void open_check(struct ganger *ganger, struct long_call *call)
{
    Ganger__V1__CheckRequest request = GANGER__V1__CHECK_REQUEST__INIT;

    *call = (struct long_call){0};
    (void)ganger_start(ganger, &ganger__v1__admin__descriptor, "Check", &request.base, 0, 262144, on_update, call);
}

static void wait_for_call(struct ganger *ganger, const struct long_call *call)
{
    uint64_t deadline_ms = clock_boot_ms() + TIMEOUT_MS;

    while (!call->ended) {
        cr_assert_lt(clock_boot_ms(), deadline_ms, "it does not end");
        ganger_wait(ganger, 1000);
        ganger_process(ganger);
    }
}

static void must_backup(struct ganger *ganger, char *path)
{
    struct long_call call;

    open_backup(ganger, path, &call);
    wait_for_call(ganger, &call);
    cr_assert(call.done, "%s: %s", call.error.reason, call.error.message);
}

static void must_be_whole(struct ganger *ganger)
{
    struct long_call call;

    open_check(ganger, &call);
    wait_for_call(ganger, &call);
    cr_assert(call.done, "%s: %s", call.error.reason, call.error.message);
    cr_assert_eq(call.problems, 0);
}

/* ganger-broker with one of its modes on the fixture's store; its exit status. */
static int run_mode(const struct daemon_fixture *fixture, const char *mode, const char *argument)
{
    char store[192];
    char log[192];
    uint64_t deadline_ms = clock_boot_ms() + TIMEOUT_MS;
    int status = 0;

    (void)snprintf(store, sizeof store, "broker.store=%s/store", fixture->directory);
    (void)snprintf(log, sizeof log, "%s/log", fixture->directory);
    const char *arguments[] = {BROKER_PROGRAM, "--set", store, mode, argument, NULL};
    pid_t pid = process_start(arguments, log);
    cr_assert_gt(pid, 0);
    while ((status = process_poll(pid)) < 0) {
        cr_assert_lt(clock_boot_ms(), deadline_ms, "it does not end");
        (void)poll(NULL, 0, 5);
    }
    return WEXITSTATUS(status);
}

static char *path_in(const struct daemon_fixture *fixture, const char *name)
{
    return format_text("%s/%s", fixture->directory, name);
}

/* The store is lost, and another one is made of the backup. */
static void lose_and_restore(struct daemon_fixture *fixture, const char *backup)
{
    CLEANUP(free)
    char *store = path_in(fixture, "store");
    CLEANUP(free)
    char *lost = path_in(fixture, "lost");

    cr_assert_eq(rename(store, lost), 0);
    cr_assert_eq(run_mode(fixture, "--restore", backup), 0);
    daemon_fixture_start(fixture);
}

/* One more life of a task, and some that stay. */
static void work_a_little(struct ganger *ganger)
{
    struct ganger_error error = {0};

    (void)submit_many(ganger, 100);
    struct claimed claimed = claim_one(ganger, "worker", 0);
    assert_good(complete_one(ganger, claimed, &error), error);
}

Test(backup, made_while_clients_work_restores_one_moment_of_it)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    struct ganger_error error = {0};
    struct long_call call;
    size_t meanwhile = 0;

    daemon_fixture_init(&fixture, NULL);
    CLEANUP(free)
    char *path = path_in(&fixture, "backup");
    struct ganger *ganger = open_client(&fixture);
    for (int i = 0; i < 20; i++)
        (void)submit_many(ganger, 1000);
    struct claimed held = claim_one(ganger, "holder", 0);
    open_backup(ganger, path, &call);
    do {
        work_a_little(ganger);
        meanwhile++;
        ganger_process(ganger);
    } while (!call.ended);
    cr_assert(call.done, "%s: %s", call.error.reason, call.error.message);
    cr_assert_geq(call.rows, 60000);
    must_be_whole(ganger);
    Ganger__V1__StatusResponse *before = get_status(ganger);
    cr_assert_gt(before->revision, call.revision, "%zu rounds of work meanwhile", meanwhile);
    ganger_close(ganger);
    daemon_fixture_kill(&fixture);

    lose_and_restore(&fixture, path);
    ganger = open_client(&fixture);
    Ganger__V1__StatusResponse *after = get_status(ganger);
    cr_assert_str_eq(after->store_id, before->store_id);
    cr_assert_eq(after->epoch, before->epoch + 1);
    cr_assert_eq(state_of_task(ganger, held.task_id), GANGER__V1__TASK_STATE__RUNNING);
    cr_assert_eq(complete_one(ganger, held, &error), GANGER_ABORTED, "whoever holds it now cannot be known");
    cr_assert_gt(submit_one(ganger), FIRST_OF_EPOCH(1));
    cr_assert_gt(claim_one(ganger, "other", 0).fence, FIRST_OF_EPOCH(1));
    must_be_whole(ganger);
    ganger_free(before);
    ganger_free(after);
    ganger_close(ganger);
}

Test(backup, is_one_at_a_time_and_never_takes_the_place_of_a_file)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    struct long_call call;
    struct long_call second;
    bool was_busy = false;

    daemon_fixture_init(&fixture, NULL);
    CLEANUP(ganger_close)
    struct ganger *ganger = open_client(&fixture);
    for (int i = 0; i < 10; i++)
        (void)submit_many(ganger, 1000);
    for (int i = 0; i < 50 && !was_busy; i++) {
        CLEANUP(free)
        char *path = format_text("%s/backup-%d", fixture.directory, i);
        open_backup(ganger, path, &call);
        open_check(ganger, &second);
        wait_for_call(ganger, &call);
        wait_for_call(ganger, &second);
        cr_assert(call.done, "%s", call.error.message);
        was_busy = strcmp(second.error.reason, "BUSY") == 0;
    }
    cr_assert(was_busy);
    CLEANUP(free)
    char *path = path_in(&fixture, "backup-0");
    open_backup(ganger, path, &call);
    wait_for_call(ganger, &call);
    cr_assert_str_eq(call.error.reason, "BACKUP_EXISTS");
    open_backup(ganger, (char[]){"backup"}, &call);
    wait_for_call(ganger, &call);
    cr_assert_eq(call.error.status, GANGER_INVALID_ARGUMENT);
}

Test(backup, does_not_keep_a_broker_from_stopping)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    struct long_call call;

    daemon_fixture_init(&fixture, NULL);
    CLEANUP(free)
    char *path = path_in(&fixture, "backup");
    CLEANUP(free)
    char *partial = path_in(&fixture, "backup.partial");
    struct ganger *ganger = open_client(&fixture);
    for (int i = 0; i < 10; i++)
        (void)submit_many(ganger, 1000);
    open_backup(ganger, path, &call);
    ganger_process(ganger);
    ganger_close(ganger);
    cr_assert_eq(daemon_fixture_stop(&fixture), 0);
    cr_assert_neq(access(partial, F_OK), 0);
}

Test(backup, that_a_kill_cut_short_is_not_there_and_the_next_one_is)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    struct long_call call;

    daemon_fixture_init(&fixture, NULL);
    CLEANUP(free)
    char *path = path_in(&fixture, "backup");
    CLEANUP(free)
    char *again = path_in(&fixture, "again");
    struct ganger *ganger = open_client(&fixture);
    uint64_t first = submit_many(ganger, 1000);
    for (int i = 0; i < 9; i++)
        (void)submit_many(ganger, 1000);
    open_backup(ganger, path, &call);
    ganger_process(ganger);
    ganger_close(ganger);
    daemon_fixture_kill(&fixture);
    daemon_fixture_start(&fixture);
    ganger = open_client(&fixture);
    must_backup(ganger, again);
    ganger_close(ganger);
    daemon_fixture_kill(&fixture);
    /* Whole or not there: never something in between under this name. */
    lose_and_restore(&fixture, access(path, F_OK) == 0 ? path : again);
    ganger = open_client(&fixture);
    cr_assert_eq(state_of_task(ganger, first + 999), GANGER__V1__TASK_STATE__READY);
    ganger_close(ganger);
}

Test(restore, refuses_a_damaged_backup_and_leaves_no_store_that_starts)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    uint8_t byte = 0xFF;

    daemon_fixture_init(&fixture, NULL);
    CLEANUP(free)
    char *path = path_in(&fixture, "backup");
    CLEANUP(free)
    char *store = path_in(&fixture, "store");
    CLEANUP(free)
    char *lost = path_in(&fixture, "lost");
    struct ganger *ganger = open_client(&fixture);
    (void)submit_many(ganger, 1000);
    must_backup(ganger, path);
    ganger_close(ganger);
    cr_assert_eq(run_mode(&fixture, "--restore", path), 1, "the broker runs");
    cr_assert_eq(run_mode(&fixture, "--check-store", NULL), 1, "likewise");
    cr_assert_eq(daemon_fixture_stop(&fixture), 0);
    cr_assert_eq(run_mode(&fixture, "--restore", path), 1, "there is a store");
    cr_assert_eq(run_mode(&fixture, "--check-store", NULL), 0);

    cr_assert_eq(rename(store, lost), 0);
    cr_assert_eq(run_mode(&fixture, "--check-store", NULL), 1, "there is none");
    cr_assert_neq(access(store, F_OK), 0, "and none is made");
    int fd = open(path, O_RDWR);
    cr_assert_eq(pwrite(fd, &byte, 1, 100000), 1);
    cr_assert_eq(run_mode(&fixture, "--restore", path), 1);
    cr_assert_eq(daemon_fixture_start_second(&fixture), 1, "what was restored in part is no store");
    (void)close(fd);
}

static void register_with(struct ganger *ganger, const char *store_id, uint64_t seen_revision,
                          struct ganger_error *error, char ret_store_id[64])
{
    Ganger__V1__RegisterAgentRequest request = GANGER__V1__REGISTER_AGENT_REQUEST__INIT;
    Ganger__V1__RegisterAgentResponse *response = NULL;
    char id[64];

    (void)snprintf(id, sizeof id, "%s", store_id);
    request.agent_id = (char[]){"peer"};
    request.incarnation = 1;
    request.store_id = id;
    request.seen_revision = seen_revision;
    if (ganger_register_agent(ganger, &request, TIMEOUT_MS, &response, error) != GANGER_OK)
        return;
    (void)snprintf(ret_store_id, 64, "%s", response->store_id);
    ganger_free(response);
}

static void copy_file(const char *from, const char *to)
{
    CLEANUP(free)
    char *command = format_text("cp '%s' '%s'", from, to);

    cr_assert_eq(system(command), 0); // NOLINT(cert-env33-c): paths of this test's own
}

Test(restore, of_an_old_file_by_hand_is_found_out_and_ends_all_claims_until_the_epoch_is_raised)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    struct ganger_error error = {0};
    char store_id[64] = "";

    daemon_fixture_init(&fixture, NULL);
    CLEANUP(free)
    char *data = path_in(&fixture, "store/data.mdb");
    CLEANUP(free)
    char *old = path_in(&fixture, "old");
    struct ganger *ganger = open_client(&fixture);
    (void)submit_many(ganger, 10);
    register_with(ganger, "", 0, &error, store_id);
    cr_assert_eq(strlen(store_id), 32);
    ganger_close(ganger);
    cr_assert_eq(daemon_fixture_stop(&fixture), 0);
    copy_file(data, old);

    daemon_fixture_start(&fixture);
    ganger = open_client(&fixture);
    struct claimed given = claim_one(ganger, "worker", 0);
    Ganger__V1__StatusResponse *seen = get_status(ganger);
    ganger_close(ganger);
    cr_assert_eq(daemon_fixture_stop(&fixture), 0);
    copy_file(old, data);

    daemon_fixture_start(&fixture);
    ganger = open_client(&fixture);
    register_with(ganger, store_id, seen->revision, &error, store_id);
    cr_assert_eq(error.status, GANGER_FAILED_PRECONDITION);
    cr_assert_str_eq(error.reason, "STORE_IS_OLDER");
    cr_assert_eq(claim_one(ganger, "other", 0).task_id, 0);
    Ganger__V1__StatusResponse *doubted = get_status(ganger);
    cr_assert_eq(doubted->newest_seen, seen->revision);
    Ganger__V1__RaiseEpochRequest request = GANGER__V1__RAISE_EPOCH_REQUEST__INIT;
    request.store_id = store_id;
    assert_good(ganger_raise_epoch(ganger, &request, TIMEOUT_MS, NULL, &error), error);
    struct claimed claimed = claim_one(ganger, "other", 0);
    cr_assert_eq(claimed.task_id, given.task_id);
    cr_assert_gt(claimed.fence, FIRST_OF_EPOCH(1));
    cr_assert_eq(complete_one(ganger, given, &error), GANGER_ABORTED);
    ganger_free(seen);
    ganger_free(doubted);
    ganger_close(ganger);
}
