#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/format.h"
#include "cli/json.h"
#include "cli/message.h"
#include "cli/table.h"
#include "cli/values.h"
#include "common/base/check.h"

#define PAGE_MAILBOXES 1000

enum { OPTION_NAMESPACE = OPTION_FIRST };

static const struct argp_option options[] = {
    {"namespace", OPTION_NAMESPACE, "NAME", 0, "the tenant; default", 0},
    {0},
};

static enum exit_status take_option(int key, char *value, void *data);
static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_message_list = {
    .name = "message list",
    .alias = "ls",
    .usage = "[OPTION...] [PREFIX]",
    .summary = "list the mailboxes that have messages",
    .examples = "gangerctl message list\n"
                "gangerctl message list agents/build7/\n",
    .options = options,
    .arguments_most = 1,
    .take_option = take_option,
    .run = run,
};

static enum exit_status take_option(int key, char *value, void *data)
{
    Ganger__V1__ListMailboxesRequest *request = data;

    (void)key;
    return value_name("--namespace", value, &request->namespace_);
}

static const struct column columns[] = {
    {.title = "MAILBOX", .flexible = true},
    {.title = "MESSAGES", .right = true},
    {.title = "SIZE", .right = true},
    {.title = "LAST", .right = true},
};

static void print_page(struct cli *cli, struct table *table, const Ganger__V1__ListMailboxesResponse *page)
{
    for (size_t i = 0; i < page->n_mailboxes; i++) {
        const Ganger__V1__Mailbox *mailbox = page->mailboxes[i];
        char size[FORMAT_SIZE];
        if (cli->json) {
            json_print_message(&cli->output, &mailbox->base);
        } else if (cli->quiet) {
            printf("%s\n", mailbox->mailbox);
        } else {
            table_add(table, TONE_PLAIN, mailbox->mailbox);
            table_add_count(table, TONE_PLAIN, mailbox->messages);
            table_add(table, TONE_PLAIN, format_size(mailbox->bytes, size));
            table_add_count(table, TONE_PLAIN, mailbox->last_number);
        }
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
    Ganger__V1__ListMailboxesRequest request = GANGER__V1__LIST_MAILBOXES_REQUEST__INIT;
    struct ganger *store = NULL;

    TRY_DONE(command_parse(cli, &command_message_list, count, words, &request, &arguments));
    if (arguments.count > 0)
        TRY_DONE(value_text("PREFIX", arguments.values[0], MAILBOX_MOST_BYTES, &request.prefix));
    TRY_DONE(daemon_open(cli, GANGER_CONTEXT, &store));
    request.page_size = PAGE_MAILBOXES;
    do {
        CLEANUP(ganger_free)
        Ganger__V1__ListMailboxesResponse *page = NULL;
        struct ganger_error error = {0};
        if (ganger_list_mailboxes(store, &request, daemon_timeout_ms(cli), &page, &error) != GANGER_OK)
            return daemon_refused(cli, GANGER_CONTEXT, &error, "cannot list the mailboxes");
        print_page(cli, table, page);
        free(token);
        token = duplicate_text(page->next_page_token);
        request.page_token = token;
    } while (token[0] != '\0' && ferror(stdout) == 0);
    return EXIT_DONE;
}
