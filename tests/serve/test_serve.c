/* The loop in a process of its own, with a service of one method that does to the store what the key says. */
#include "client/ganger.h"
#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/rpc/envelope.h"
#include "common/serve/serve.h"
#include "common/store/store_lmdb.h"
#include "common/store/store_mem.h"
#include "tests/contract/faults.h"
#include "tests/support/process.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define TABLE_ONLY 0
#define MEMORY_BYTES ((uint64_t)64 * 1024)
#define TICK_MS 20
#define TIMEOUT_MS 20000

static const char *const tables[] = {"only"};
static const struct store_schema schema = {.names = tables, .count = 1, .version = 1};

struct server {
    Ganger__V1__Context_Service service;
    struct rpc_server *rpc;
    struct store *store;
    struct store_txn *txn;
    struct serve *serve;
    uint64_t revision;
    uint64_t discarded;
    uint64_t ticks;
    uint64_t tick_due_ms;
};

static struct bytes key_of(const char *text)
{
    return bytes_of_text(text);
}

/* Answers first and writes then, so that a reply that left at once would be seen. */
static void put_entry(Ganger__V1__Context_Service *service, const Ganger__V1__PutEntryRequest *request,
                      Ganger__V1__PutEntryResponse_Closure closure, void *closure_data)
{
    static const uint8_t large[MEMORY_BYTES];
    struct server *server = (struct server *)service;
    Ganger__V1__PutEntryResponse response = GANGER__V1__PUT_ENTRY_RESPONSE__INIT;

    (void)closure;
    response.version = server->discarded;
    response.revision = server->ticks;
    rpc_call_reply(closure_data, &response.base);
    if (strcmp(request->key, "sync fails") == 0)
        fault_set(FAULT_SYNC_DATA, EIO, 0);
    if (strcmp(request->key, "nothing") == 0)
        return;
    struct bytes value = {.data = large, .size = strcmp(request->key, "too large") == 0 ? sizeof large : 1};
    store_put(server->txn, TABLE_ONLY, key_of("key"), value);
}

/* The handlers that the service needs to be complete. */
static void get_entry(Ganger__V1__Context_Service *service, const Ganger__V1__GetEntryRequest *request,
                      Ganger__V1__GetEntryResponse_Closure closure, void *closure_data)
{
    (void)service, (void)request, (void)closure, (void)closure_data;
}

static void list_entries(Ganger__V1__Context_Service *service, const Ganger__V1__ListEntriesRequest *request,
                         Ganger__V1__ListEntriesResponse_Closure closure, void *closure_data)
{
    (void)service, (void)request, (void)closure, (void)closure_data;
}

static void delete_entry(Ganger__V1__Context_Service *service, const Ganger__V1__DeleteEntryRequest *request,
                         Ganger__V1__DeleteEntryResponse_Closure closure, void *closure_data)
{
    (void)service, (void)request, (void)closure, (void)closure_data;
}

static void context_stats(Ganger__V1__Context_Service *service, const Ganger__V1__ContextStatsRequest *request,
                          Ganger__V1__ContextStatsResponse_Closure closure, void *closure_data)
{
    struct server *server = (struct server *)service;
    Ganger__V1__ContextStatsResponse response = GANGER__V1__CONTEXT_STATS_RESPONSE__INIT;

    (void)request, (void)closure;
    response.commits = serve_stats(server->serve).commits;
    response.revision = server->ticks;
    rpc_call_reply(closure_data, &response.base);
}

static enum status begin(void *state, struct store_txn *txn, uint64_t now_ms)
{
    struct server *server = state;

    server->txn = txn;
    if (now_ms >= server->tick_due_ms) {
        server->tick_due_ms = now_ms + TICK_MS;
        server->ticks++;
    }
    return STATUS_OK;
}

static uint64_t committed(void *state)
{
    struct server *server = state;
    return ++server->revision;
}

static void discarded(void *state)
{
    struct server *server = state;
    server->discarded++;
}

static uint64_t deadline(void *state)
{
    const struct server *server = state;
    return server->tick_due_ms;
}

_Noreturn static void run_server(const char *directory, const char *endpoint, bool in_memory)
{
    static const struct serve_callbacks callbacks = {
        .begin = begin, .committed = committed, .discarded = discarded, .deadline = deadline};
    static const struct rpc_method methods[] = {{.name = "PutEntry", .request_max = BODY_MAX},
                                                {.name = "GetEntry", .request_max = 1},
                                                {.name = "ListEntries", .request_max = 1},
                                                {.name = "DeleteEntry", .request_max = 1},
                                                {.name = "ContextStats", .request_max = 100}};
    static const Ganger__V1__Context_Service handlers = GANGER__V1__CONTEXT__INIT();
    struct server server = {.service = handlers};
    struct rpc_service services[] = {{.service = &server.service.base, .methods = methods}};
    const char *endpoints[] = {endpoint, NULL};
    struct error error = {0};
    sd_event *event = NULL;

    if (in_memory)
        server.store = store_mem_new(&schema, MEMORY_BYTES);
    else
        CHECK(store_lmdb_open(&schema, &(struct store_lmdb_options){.directory = directory}, &server.store, &error) ==
              STATUS_OK);
    CHECK(sd_event_new(&event) >= 0);
    CHECK(rpc_server_new(&(struct rpc_server_options){.endpoints = endpoints, .services = services, .service_count = 1},
                         &server.rpc, &error) == STATUS_OK);
    CHECK(
        serve_new(
            &(struct serve_options){
                .event = event, .server = server.rpc, .store = server.store, .callbacks = &callbacks, .state = &server},
            &server.serve, &error) == STATUS_OK);
    _exit(sd_event_loop(event) < 0 ? 3 : 0);
}

struct fixture {
    char directory[128];
    pid_t pid;
    struct ganger *ganger;
};

static void fixture_init(struct fixture *fixture, bool in_memory)
{
    char endpoint[160];
    struct ganger_error error = {0};

    cr_assert(scratch_make(NULL, fixture->directory, sizeof fixture->directory));
    (void)snprintf(endpoint, sizeof endpoint, "ipc://%s/socket", fixture->directory);
    fixture->pid = fork();
    cr_assert_geq(fixture->pid, 0);
    if (fixture->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        run_server(fixture->directory, endpoint, in_memory);
    }
    cr_assert_eq(ganger_open(endpoint, GANGER_CONTEXT, &fixture->ganger, &error), GANGER_OK, "%s", error.message);
}

static void fixture_done(struct fixture *fixture)
{
    ganger_close(fixture->ganger);
    process_kill(fixture->pid);
    scratch_remove(fixture->directory);
}
DEFINE_CLEANUP_EMBEDDED(struct fixture, fixture_done)

static enum ganger_status put(struct fixture *fixture, const char *key, uint32_t timeout_ms, uint64_t *ret_discarded,
                              struct ganger_error *error)
{
    Ganger__V1__PutEntryRequest request = GANGER__V1__PUT_ENTRY_REQUEST__INIT;
    Ganger__V1__PutEntryResponse *response = NULL;
    char text[32];

    (void)snprintf(text, sizeof text, "%s", key);
    request.key = text;
    enum ganger_status status = ganger_put_entry(fixture->ganger, &request, timeout_ms, &response, error);
    if (status == GANGER_OK)
        *ret_discarded = response->version;
    ganger_free(response);
    return status;
}

static void get_stats(struct fixture *fixture, uint64_t *ret_commits, uint64_t *ret_ticks)
{
    Ganger__V1__ContextStatsRequest request = GANGER__V1__CONTEXT_STATS_REQUEST__INIT;
    Ganger__V1__ContextStatsResponse *response = NULL;

    cr_assert_eq(ganger_context_stats(fixture->ganger, &request, TIMEOUT_MS, &response, NULL), GANGER_OK);
    *ret_commits = response->commits;
    *ret_ticks = response->revision;
    ganger_free(response);
}

Test(serve, commits_what_was_written_and_nothing_else)
{
    CLEANUP(fixture_done)
    struct fixture fixture;
    struct ganger_error error = {0};
    uint64_t discarded_batches = 0;
    uint64_t commits = 0;
    uint64_t ticks = 0;

    fixture_init(&fixture, false);
    for (int i = 0; i < 5; i++) {
        cr_assert_eq(put(&fixture, "small", TIMEOUT_MS, &discarded_batches, &error), GANGER_OK, "%s", error.message);
        cr_assert_eq(put(&fixture, "nothing", TIMEOUT_MS, &discarded_batches, &error), GANGER_OK, "%s", error.message);
    }
    get_stats(&fixture, &commits, &ticks);
    cr_assert_eq(commits, 5);
    cr_assert_eq(discarded_batches, 0);
}

/* The handler had answered well before the store turned out to be full. */
Test(serve, batch_that_does_not_fit_is_refused_and_the_next_one_is_served)
{
    CLEANUP(fixture_done)
    struct fixture fixture;
    struct ganger_error error = {0};
    uint64_t discarded_batches = 0;

    fixture_init(&fixture, true);
    cr_assert_eq(put(&fixture, "small", TIMEOUT_MS, &discarded_batches, &error), GANGER_OK, "%s", error.message);
    cr_assert_eq(discarded_batches, 0);
    cr_assert_eq(put(&fixture, "too large", TIMEOUT_MS, &discarded_batches, &error), GANGER_RESOURCE_EXHAUSTED);
    cr_assert_str_eq(error.reason, "STORE_FULL");
    cr_assert_eq(put(&fixture, "small", TIMEOUT_MS, &discarded_batches, &error), GANGER_OK, "%s", error.message);
    cr_assert_eq(discarded_batches, 1);
}

/* Hazard: a failed data sync does not mark LMDB's environment. Who goes on acknowledges what may be lost. */
Test(serve, failed_sync_ends_the_process_and_nobody_is_told_that_it_worked)
{
    CLEANUP(fixture_done)
    struct fixture fixture;
    struct ganger_error error = {0};
    uint64_t discarded_batches = 0;
    int status = 0;

    fixture_init(&fixture, false);
    cr_assert_eq(put(&fixture, "small", TIMEOUT_MS, &discarded_batches, &error), GANGER_OK, "%s", error.message);
    enum ganger_status answer = put(&fixture, "sync fails", 300, &discarded_batches, &error);
    cr_assert(answer == GANGER_DEADLINE_EXCEEDED || answer == GANGER_UNAVAILABLE, "%s", error.message);
    cr_assert_eq(waitpid(fixture.pid, &status, 0), fixture.pid);
    fixture.pid = -1;
    cr_assert(WIFEXITED(status));
    cr_assert_eq(WEXITSTATUS(status), 1);
}

Test(serve, turns_when_something_is_due_without_any_request)
{
    CLEANUP(fixture_done)
    struct fixture fixture;
    uint64_t commits = 0;
    uint64_t first = UINT64_MAX - 1;
    uint64_t last = 0;

    fixture_init(&fixture, true);
    get_stats(&fixture, &commits, &last);
    /* A request is a turn as well: between two of them there must be ticks of nobody's. */
    for (int tries = 0; tries < 100 && last <= first + 1; tries++) {
        first = last;
        ganger_wait(fixture.ganger, 5 * TICK_MS);
        get_stats(&fixture, &commits, &last);
    }
    cr_assert_gt(last, first + 1);
    cr_assert_eq(commits, 0);
}
