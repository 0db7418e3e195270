#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/format.h"
#include "cli/json.h"

static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_context_stats = {
    .name = "context stats",
    .usage = "",
    .summary = "show what the context store holds",
    .examples = "gangerctl context stats\n"
                "gangerctl context stats --json | jq .stream_bytes\n",
    .run = run,
};

static void print_stats(const Ganger__V1__ContextStatsResponse *stats)
{
    const struct {
        const char *name;
        uint64_t value;
        bool is_size;
    } lines[] = {
        {"global entries", stats->global_entries, false},
        {"task entries", stats->task_entries, false},
        {"documents", stats->documents, false},
        {"agent entries", stats->agent_entries, false},
        {"entries", stats->entry_bytes, true},
        {"streams", stats->streams, false},
        {"open streams", stats->open_streams, false},
        {"output", stats->stream_bytes, true},
        {"tasks with output", stats->tasks_with_streams, false},
        {"store", stats->store_bytes, true},
        {"store limit", stats->store_limit_bytes, true},
    };
    char text[FORMAT_SIZE];

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        printf("%-18s %s\n", lines[i].name,
               lines[i].is_size ? format_size(lines[i].value, text) : format_count(lines[i].value, text));
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    CLEANUP(ganger_free)
    Ganger__V1__ContextStatsResponse *response = NULL;
    const Ganger__V1__ContextStatsRequest request = GANGER__V1__CONTEXT_STATS_REQUEST__INIT;
    struct ganger_error error = {0};
    struct ganger *store = NULL;

    TRY_DONE(command_parse(cli, &command_context_stats, count, words, NULL, &arguments));
    TRY_DONE(daemon_open(cli, GANGER_CONTEXT, &store));
    if (ganger_context_stats(store, &request, daemon_timeout_ms(cli), &response, &error) != GANGER_OK)
        return daemon_refused(cli, GANGER_CONTEXT, &error, "cannot show the statistics");
    if (cli->json)
        json_print_message(&cli->output, &response->base);
    else
        print_stats(response);
    return EXIT_DONE;
}
