#include "cli/commands.h"
#include "cli/context.h"
#include "cli/daemon.h"
#include "cli/format.h"
#include "cli/json.h"
#include "cli/table.h"
#include "cli/values.h"
#include "common/base/check.h"
#include "common/base/clock.h"

#include <string.h>

#define PAGE_ENTRIES 1000

enum { OPTION_NAMESPACE = OPTION_FIRST, OPTION_LIMIT, OPTION_VALUES };

static const struct argp_option options[] = {
    {"values", OPTION_VALUES, NULL, 0, "with --json: the values too", 0},
    {"limit", OPTION_LIMIT, "COUNT", 0, "at most so many", 0},
    {"namespace", OPTION_NAMESPACE, "NAME", 0, "the tenant; default", 0},
    {0},
};

static enum exit_status take_option(int key, char *value, void *data);
static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_context_list = {
    .name = "context list",
    .alias = "ls",
    .usage = "[OPTION...] [PREFIX]",
    .summary = "list entries in the order of their keys",
    .examples = "gangerctl context list\n"
                "gangerctl context list docs/\n"
                "gangerctl context list --json --values global/ | jq -r .value\n",
    .options = options,
    .arguments_most = 1,
    .take_option = take_option,
    .run = run,
};

struct choices {
    Ganger__V1__ListEntriesRequest request;
    uint64_t limit; /* 0 = all */
};

static enum exit_status take_option(int key, char *value, void *data)
{
    struct choices *choices = data;

    switch (key) {
    case OPTION_VALUES:
        choices->request.with_values = true;
        return EXIT_DONE;
    case OPTION_LIMIT:
        return value_number("--limit", value, 1, UINT64_MAX, &choices->limit);
    default:
        return value_name("--namespace", value, &choices->request.namespace_);
    }
}

static const struct column columns[] = {
    {.title = "KEY"},
    {.title = "VERSION", .right = true},
    {.title = "SIZE", .right = true},
    {.title = "AGE", .right = true},
    {.title = "TYPE", .flexible = true},
    {.title = "WRITER", .flexible = true},
};

static void add_row(struct table *table, const Ganger__V1__Entry *entry, uint64_t now_ms)
{
    char size[FORMAT_SIZE];
    char age[FORMAT_SIZE];

    table_add(table, TONE_PLAIN, entry->key);
    table_add_count(table, TONE_PLAIN, entry->version);
    table_add(table, TONE_PLAIN, format_size(entry->size_bytes, size));
    table_add(table, TONE_PLAIN, format_age(now_ms > entry->modified_ms ? now_ms - entry->modified_ms : 0, age));
    table_add(table, TONE_PLAIN, entry->content_type);
    table_add(table, TONE_PLAIN, entry->writer != NULL ? entry->writer->agent_id : "");
}

static void print_page(struct cli *cli, struct table *table, const Ganger__V1__ListEntriesResponse *page, size_t count)
{
    uint64_t now_ms = clock_wall_ms();

    for (size_t i = 0; i < count; i++) {
        if (cli->json)
            json_print_message(&cli->output, &page->entries[i]->base);
        else if (cli->quiet)
            printf("%s\n", page->entries[i]->key);
        else
            add_row(table, page->entries[i], now_ms);
    }
    table_flush(table);
    terminal_flush(&cli->output);
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    CLEANUP(free)
    char *token = NULL;
    CLEANUP(table_free)
    struct table *table = table_new(columns, sizeof(columns) / sizeof(columns[0]), &cli->output);
    struct choices choices = {.request = GANGER__V1__LIST_ENTRIES_REQUEST__INIT};
    struct ganger *store = NULL;

    TRY_DONE(command_parse(cli, &command_context_list, count, words, &choices, &arguments));
    if (arguments.count > 0)
        TRY_DONE(value_text("PREFIX", arguments.values[0], ENTRY_KEY_MOST_BYTES, &choices.request.prefix));
    TRY_DONE(daemon_open(cli, GANGER_CONTEXT, &store));
    uint64_t left = choices.limit == 0 ? UINT64_MAX : choices.limit;
    do {
        CLEANUP(ganger_free)
        Ganger__V1__ListEntriesResponse *page = NULL;
        struct ganger_error error = {0};
        choices.request.page_size = left < PAGE_ENTRIES ? (uint32_t)left : PAGE_ENTRIES;
        if (ganger_list_entries(store, &choices.request, daemon_timeout_ms(cli), &page, &error) != GANGER_OK)
            return daemon_refused(cli, GANGER_CONTEXT, &error, "cannot list the entries");
        size_t shown = page->n_entries < left ? page->n_entries : (size_t)left;
        print_page(cli, table, page, shown);
        left -= shown;
        free(token);
        token = duplicate_text(page->next_page_token);
        choices.request.page_token = token;
    } while (token[0] != '\0' && left > 0 && ferror(stdout) == 0);
    return EXIT_DONE;
}
