#include "cli/commands.h"
#include "cli/context.h"
#include "cli/daemon.h"
#include "cli/json.h"
#include "cli/values.h"

enum { OPTION_NAMESPACE = OPTION_FIRST, OPTION_EXPECT };

static const struct argp_option options[] = {
    {"expect", OPTION_EXPECT, "VERSION", 0, "only if it is at that version", 0},
    {"namespace", OPTION_NAMESPACE, "NAME", 0, "the tenant; default", 0},
    {0},
};

static enum exit_status take_option(int key, char *value, void *data);
static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_context_delete = {
    .name = "context delete",
    .alias = "rm",
    .usage = "[OPTION...] KEY",
    .summary = "delete an entry",
    .examples = "gangerctl context delete docs/plan.md\n"
                "gangerctl context delete --expect 4 docs/plan.md\n",
    .options = options,
    .arguments_least = 1,
    .arguments_most = 1,
    .take_option = take_option,
    .run = run,
};

struct choices {
    Ganger__V1__DeleteEntryRequest request;
    Ganger__V1__ExpectedVersion expected;
};

static enum exit_status take_option(int key, char *value, void *data)
{
    struct choices *choices = data;

    if (key == OPTION_NAMESPACE)
        return value_name("--namespace", value, &choices->request.namespace_);
    choices->request.expected = &choices->expected;
    return value_number("--expect", value, 1, UINT64_MAX, &choices->expected.version);
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    CLEANUP(ganger_free)
    Ganger__V1__DeleteEntryResponse *response = NULL;
    struct choices choices = {.request = GANGER__V1__DELETE_ENTRY_REQUEST__INIT,
                              .expected = GANGER__V1__EXPECTED_VERSION__INIT};
    struct ganger_error error = {0};
    struct ganger *store = NULL;

    TRY_DONE(command_parse(cli, &command_context_delete, count, words, &choices, &arguments));
    TRY_DONE(context_key(arguments.values[0], &choices.request.key));
    TRY_DONE(daemon_open(cli, GANGER_CONTEXT, &store));
    if (ganger_delete_entry(store, &choices.request, daemon_timeout_ms(cli), &response, &error) != GANGER_OK)
        return context_refused(cli, &error, "delete", choices.request.key);
    if (cli->json)
        json_print_message(&cli->output, &response->base);
    else if (!cli->quiet)
        printf("%s deleted\n", choices.request.key);
    return EXIT_DONE;
}
