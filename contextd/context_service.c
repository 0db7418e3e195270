/* The service Context: entries and the statistics of the store. */
#include "contextd/convert.h"
#include "contextd/shell.h"

#include "common/base/clock.h"
#include "common/rpc/envelope.h"

#include <unistd.h>

#define SMALL_REQUEST_MAX 4096

static struct shell *shell_of(Ganger__V1__Context_Service *service)
{
    return ((struct context_service *)service)->shell;
}

static void put_entry(Ganger__V1__Context_Service *service, const Ganger__V1__PutEntryRequest *request,
                      Ganger__V1__PutEntryResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    struct rpc_call *call = closure_data;
    Ganger__V1__PutEntryResponse response = GANGER__V1__PUT_ENTRY_RESPONSE__INIT;
    struct command command = {.kind = COMMAND_PUT_ENTRY,
                              .put_entry = {.namespace = bytes_of_text(request->namespace_),
                                            .key = bytes_of_text(request->key),
                                            .value = bytes_from_message(request->value),
                                            .content_type = bytes_of_text(request->content_type),
                                            .expected = expected_from_message(request->expected),
                                            .writer = writer_from_message(request->writer)}};

    (void)closure;
    if (!shell_step(shell, &command, call))
        return;
    response.version = shell->effects.entry.version;
    response.revision = shell->effects.entry.revision;
    rpc_call_reply(call, &response.base);
}

static void get_entry(Ganger__V1__Context_Service *service, const Ganger__V1__GetEntryRequest *request,
                      Ganger__V1__GetEntryResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    struct rpc_call *call = closure_data;
    Ganger__V1__GetEntryResponse response = GANGER__V1__GET_ENTRY_RESPONSE__INIT;
    struct command command = {
        .kind = COMMAND_GET_ENTRY,
        .get_entry = {.namespace = bytes_of_text(request->namespace_), .key = bytes_of_text(request->key)}};

    (void)closure;
    if (!shell_step(shell, &command, call))
        return;
    response.entry = entry_to_message(&shell->arena, &shell->effects.entry);
    rpc_call_reply(call, &response.base);
}

static void list_entries(Ganger__V1__Context_Service *service, const Ganger__V1__ListEntriesRequest *request,
                         Ganger__V1__ListEntriesResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    struct effects *effects = &shell->effects;
    struct rpc_call *call = closure_data;
    Ganger__V1__ListEntriesResponse response = GANGER__V1__LIST_ENTRIES_RESPONSE__INIT;
    struct command command = {.kind = COMMAND_LIST_ENTRIES,
                              .list_entries = {.namespace = bytes_of_text(request->namespace_),
                                               .prefix = bytes_of_text(request->prefix),
                                               .page_token = bytes_of_text(request->page_token),
                                               .page_size = request->page_size,
                                               .with_values = request->with_values}};

    (void)closure;
    if (!shell_step(shell, &command, call))
        return;
    response.n_entries = effects->count;
    response.entries = arena_zero(&shell->arena, effects->count, sizeof(Ganger__V1__Entry *));
    for (size_t i = 0; i < effects->count; i++)
        response.entries[i] = entry_to_message(&shell->arena, &effects->entries[i]);
    response.next_page_token = effects->next_page_token;
    rpc_call_reply(call, &response.base);
}

static void delete_entry(Ganger__V1__Context_Service *service, const Ganger__V1__DeleteEntryRequest *request,
                         Ganger__V1__DeleteEntryResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    struct rpc_call *call = closure_data;
    Ganger__V1__DeleteEntryResponse response = GANGER__V1__DELETE_ENTRY_RESPONSE__INIT;
    struct command command = {.kind = COMMAND_DELETE_ENTRY,
                              .delete_entry = {.namespace = bytes_of_text(request->namespace_),
                                               .key = bytes_of_text(request->key),
                                               .expected = expected_from_message(request->expected),
                                               .writer = writer_from_message(request->writer)}};

    (void)closure;
    if (!shell_step(shell, &command, call))
        return;
    response.revision = shell->effects.entry.revision;
    rpc_call_reply(call, &response.base);
}

static void context_stats(Ganger__V1__Context_Service *service, const Ganger__V1__ContextStatsRequest *request,
                          Ganger__V1__ContextStatsResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    const struct counters *counters = &shell->core.counters;
    struct serve_stats commits = serve_stats(shell->serve);
    struct rpc_server_stats rpc = rpc_server_stats(shell->server);
    struct store_usage usage = store_usage(shell->store);
    char version[] = GANGER_VERSION;
    Ganger__V1__ContextStatsResponse response = GANGER__V1__CONTEXT_STATS_RESPONSE__INIT;

    (void)request, (void)closure;
    response.version = version;
    response.uptime_ms = clock_boot_ms() - shell->started_ms;
    response.pid = (uint64_t)getpid();
    response.global_entries = counters->entries[ENTRY_GLOBAL];
    response.task_entries = counters->entries[ENTRY_TASK];
    response.documents = counters->entries[ENTRY_DOCUMENT];
    response.agent_entries = counters->entries[ENTRY_AGENT];
    response.entry_bytes = counters->entry_bytes;
    response.streams = counters->streams;
    response.open_streams = counters->open_streams;
    response.stream_bytes = counters->stream_bytes;
    response.tasks_with_streams = counters->tasks_with_streams;
    response.revision = counters->revision;
    response.store_bytes = usage.used_bytes;
    response.store_limit_bytes = usage.limit_bytes;
    response.commits = commits.commits;
    response.commit_p50_us = commits.commit_p50_us;
    response.commit_p99_us = commits.commit_p99_us;
    response.requests = rpc.requests;
    response.refusals = rpc.refusals;
    response.followers = shell->followers.count;
    response.connections = rpc.connections;
    rpc_call_reply(closure_data, &response.base);
}

/* In the order of the .proto file. The largest value is one byte below a request that the core can still refuse by the
 * name of its field. */
const struct rpc_method context_methods[] = {
    {.name = "PutEntry", .request_max = BODY_MAX},
    {.name = "GetEntry", .request_max = SMALL_REQUEST_MAX},
    {.name = "ListEntries", .request_max = SMALL_REQUEST_MAX},
    {.name = "DeleteEntry", .request_max = SMALL_REQUEST_MAX},
    {.name = "ContextStats", .request_max = SMALL_REQUEST_MAX},
};

void context_service_init(struct context_service *service, struct shell *shell)
{
    static const Ganger__V1__Context_Service handlers = GANGER__V1__CONTEXT__INIT();
    *service = (struct context_service){.base = handlers, .shell = shell};
}
