#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/format.h"
#include "cli/json.h"
#include "cli/lock.h"
#include "cli/table.h"
#include "cli/values.h"
#include "common/base/check.h"
#include "common/base/clock.h"

#include <string.h>

#define PAGE_LOCKS 1000

enum { OPTION_NAMESPACE = OPTION_FIRST };

static const struct argp_option options[] = {
    {"namespace", OPTION_NAMESPACE, "NAME", 0, "the tenant; default", 0},
    {0},
};

static enum exit_status take_option(int key, char *value, void *data);
static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_lock_list = {
    .name = "lock list",
    .alias = "ls",
    .usage = "[OPTION...] [PREFIX]",
    .summary = "list the locks that are held, and by whom",
    .examples = "gangerctl lock list\n"
                "gangerctl lock list repo:acme/\n",
    .options = options,
    .arguments_most = 1,
    .take_option = take_option,
    .run = run,
};

static enum exit_status take_option(int key, char *value, void *data)
{
    Ganger__V1__ListLocksRequest *request = data;

    (void)key;
    return value_name("--namespace", value, &request->namespace_);
}

static const struct column columns[] = {
    {.title = "NAME", .flexible = true},   {.title = "MODE"},
    {.title = "HELD FOR", .right = true},  {.title = "LOST IN", .right = true},
    {.title = "WAITING", .right = true},   {.title = "FENCE", .right = true},
    {.title = "HOLDER", .flexible = true},
};

static void add_row(struct table *table, const Ganger__V1__HeldLock *lock, uint64_t now_ms)
{
    char held[FORMAT_SIZE];
    char left[FORMAT_SIZE];

    table_add(table, TONE_PLAIN, lock->name);
    table_add(table, TONE_PLAIN, lock->mode == GANGER__V1__LOCK_MODE__SHARED ? "shared" : "exclusive");
    table_add(table, TONE_PLAIN, format_age(now_ms > lock->acquired_ms ? now_ms - lock->acquired_ms : 0, held));
    table_add(table, TONE_PLAIN, format_duration(lock->left_ms, left));
    table_add_count(table, lock->waiters > 0 ? TONE_BUSY : TONE_FAINT, lock->waiters);
    table_add_count(table, TONE_PLAIN, lock->fence);
    table_add(table, TONE_PLAIN, lock->holder != NULL ? lock->holder->agent_id : "");
}

static void print_page(struct cli *cli, struct table *table, const Ganger__V1__ListLocksResponse *page)
{
    uint64_t now_ms = clock_wall_ms();

    for (size_t i = 0; i < page->n_locks; i++) {
        if (cli->json)
            json_print_message(&cli->output, &page->locks[i]->base);
        else if (cli->quiet)
            printf("%s\n", page->locks[i]->name);
        else
            add_row(table, page->locks[i], now_ms);
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
    Ganger__V1__ListLocksRequest request = GANGER__V1__LIST_LOCKS_REQUEST__INIT;
    struct ganger *store = NULL;

    TRY_DONE(command_parse(cli, &command_lock_list, count, words, &request, &arguments));
    if (arguments.count > 0)
        TRY_DONE(value_text("PREFIX", arguments.values[0], LOCK_NAME_MOST_BYTES, &request.prefix));
    TRY_DONE(daemon_open(cli, GANGER_CONTEXT, &store));
    request.page_size = PAGE_LOCKS;
    do {
        CLEANUP(ganger_free)
        Ganger__V1__ListLocksResponse *page = NULL;
        struct ganger_error error = {0};
        if (ganger_list_locks(store, &request, daemon_timeout_ms(cli), &page, &error) != GANGER_OK)
            return daemon_refused(cli, GANGER_CONTEXT, &error, "cannot list the locks");
        print_page(cli, table, page);
        free(token);
        token = duplicate_text(page->next_page_token);
        request.page_token = token;
    } while (token[0] != '\0' && ferror(stdout) == 0);
    return EXIT_DONE;
}
