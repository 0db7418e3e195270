#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/format.h"
#include "cli/json.h"
#include "cli/table.h"
#include "cli/values.h"

enum { OPTION_NAMESPACE = OPTION_FIRST, OPTION_LIMIT };

static const struct argp_option options[] = {
    {"limit", OPTION_LIMIT, "COUNT", 0, "at most so many; 100", 0},
    {"namespace", OPTION_NAMESPACE, "NAME", 0, "only this tenant's; all", 0},
    {0},
};

static enum exit_status take_option(int key, char *value, void *data);
static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_lock_stats = {
    .name = "lock stats",
    .usage = "[OPTION...]",
    .summary = "show which names are fought for, the worst first",
    .examples = "gangerctl lock stats\n"
                "gangerctl lock stats --json | jq '{name, contended, waited: .wait.total_ms}'\n",
    .options = options,
    .take_option = take_option,
    .run = run,
};

static enum exit_status take_option(int key, char *value, void *data)
{
    Ganger__V1__LockStatsRequest *request = data;
    uint64_t most = 0;

    if (key == OPTION_NAMESPACE)
        return value_name("--namespace", value, &request->namespace_);
    TRY_DONE(value_number("--limit", value, 1, 1000, &most));
    request->most = (uint32_t)most;
    return EXIT_DONE;
}

static const struct column columns[] = {
    {.title = "NAME", .flexible = true}, {.title = "ACQUIRED", .right = true}, {.title = "CONTENDED", .right = true},
    {.title = "WAITED", .right = true},  {.title = "LONGEST", .right = true},  {.title = "HELD", .right = true},
    {.title = "REFUSED", .right = true}, {.title = "EXPIRED", .right = true},  {.title = "WAITING", .right = true},
};

static void add_row(struct table *table, const Ganger__V1__LockContention *lock)
{
    char text[FORMAT_SIZE];

    table_add(table, TONE_PLAIN, lock->name);
    table_add_count(table, TONE_PLAIN, lock->acquisitions);
    table_add_count(table, TONE_PLAIN, lock->contended);
    table_add(table, TONE_PLAIN, format_duration(lock->wait->total_ms, text));
    table_add(table, TONE_PLAIN, format_duration(lock->wait->longest_ms, text));
    table_add(table, TONE_PLAIN, format_duration(lock->hold->total_ms, text));
    table_add_count(table, TONE_PLAIN, lock->refused);
    table_add_count(table, lock->expired > 0 ? TONE_BAD : TONE_PLAIN, lock->expired);
    table_add_count(table, lock->waiters > 0 ? TONE_BUSY : TONE_FAINT, lock->waiters);
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    CLEANUP(ganger_free)
    Ganger__V1__LockStatsResponse *response = NULL;
    CLEANUP(table_free)
    struct table *table = table_new(columns, sizeof(columns) / sizeof(columns[0]), &cli->output);
    Ganger__V1__LockStatsRequest request = GANGER__V1__LOCK_STATS_REQUEST__INIT;
    struct ganger_error error = {0};
    struct ganger *store = NULL;

    TRY_DONE(command_parse(cli, &command_lock_stats, count, words, &request, &arguments));
    TRY_DONE(daemon_open(cli, GANGER_CONTEXT, &store));
    if (ganger_lock_stats(store, &request, daemon_timeout_ms(cli), &response, &error) != GANGER_OK)
        return daemon_refused(cli, GANGER_CONTEXT, &error, "cannot show the locks");
    for (size_t i = 0; i < response->n_locks; i++) {
        if (cli->json)
            json_print_message(&cli->output, &response->locks[i]->base);
        else if (cli->quiet)
            printf("%s\n", response->locks[i]->name);
        else
            add_row(table, response->locks[i]);
    }
    table_flush(table);
    return EXIT_DONE;
}
