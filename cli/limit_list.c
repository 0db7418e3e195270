#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/json.h"
#include "cli/limit.h"
#include "cli/table.h"

#include <stdlib.h>
#include <string.h>

static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_limit_list = {
    .name = "limit list",
    .alias = "ls",
    .usage = "[PREFIX]",
    .summary = "show the named limits, what runs by them, and what waits behind them",
    .examples = "gangerctl limit list\n"
                "gangerctl limit list repo:\n"
                "gangerctl limit list --json | jq 'select(.paused_until_ms > 0).name'\n",
    .arguments_most = 1,
    .run = run,
};

static const struct column columns[] = {
    {.title = "LIMIT"},
    {.title = "RUNNING", .right = true},
    {.title = "READY", .right = true},
    {.title = "LANES", .right = true},
    {.title = "BOUNDS", .flexible = true},
};

static int compare_names(const void *a, const void *b)
{
    const Ganger__V1__Limit *const *left = a;
    const Ganger__V1__Limit *const *right = b;

    return strcmp((*left)->name, (*right)->name);
}

static void add_row(struct table *table, const Ganger__V1__Limit *limit)
{
    CLEANUP(free)
    char *said = limit_said(limit);
    bool is_full = limit->max_running > 0 && limit->running >= limit->max_running;

    table_add(table, TONE_PLAIN, limit->name);
    table_add_count(table, is_full ? TONE_STRONG : TONE_PLAIN, limit->running);
    table_add_count(table, TONE_PLAIN, limit->ready);
    table_add_count(table, TONE_PLAIN, limit->lanes);
    table_add(table, limit->paused_until_ms > 0 ? TONE_BAD : TONE_PLAIN, said);
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    CLEANUP(ganger_free)
    Ganger__V1__ListLimitsResponse *response = NULL;
    CLEANUP(table_free)
    struct table *table = NULL;
    Ganger__V1__ListLimitsRequest request = GANGER__V1__LIST_LIMITS_REQUEST__INIT;
    struct ganger_error error = {0};
    struct ganger *broker = NULL;

    TRY_DONE(command_parse(cli, &command_limit_list, count, words, NULL, &arguments));
    if (arguments.count > 0)
        TRY_DONE(limit_name("PREFIX", arguments.values[0], &request.prefix));
    TRY_DONE(daemon_open(cli, GANGER_BROKER, &broker));
    if (ganger_list_limits(broker, &request, daemon_timeout_ms(cli), &response, &error) != GANGER_OK)
        return daemon_refused(cli, GANGER_BROKER, &error, "cannot show the limits");
    if (response->n_limits > 0)
        // NOLINTNEXTLINE(bugprone-sizeof-expression)
        qsort(response->limits, response->n_limits, sizeof response->limits[0], compare_names);
    table = table_new(columns, sizeof columns / sizeof columns[0], &cli->output);
    for (size_t i = 0; i < response->n_limits; i++) {
        if (cli->json || cli->quiet)
            limit_print(cli, response->limits[i]);
        else
            add_row(table, response->limits[i]);
    }
    table_flush(table);
    if (response->has_more)
        problem_note("there are more; name a PREFIX");
    return EXIT_DONE;
}
