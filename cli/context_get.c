#include "cli/commands.h"
#include "cli/content.h"
#include "cli/context.h"
#include "cli/daemon.h"
#include "cli/json.h"
#include "cli/values.h"

enum { OPTION_NAMESPACE = OPTION_FIRST };

static const struct argp_option options[] = {
    {"namespace", OPTION_NAMESPACE, "NAME", 0, "the tenant; default", 0},
    {0},
};

static enum exit_status take_option(int key, char *value, void *data);
static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_context_get = {
    .name = "context get",
    .usage = "[--namespace NAME] KEY",
    .summary = "write the value of an entry to the output, byte for byte",
    .examples = "gangerctl context get global/style\n"
                "gangerctl context get docs/plan.md > plan.md\n"
                "gangerctl context get --json docs/plan.md | jq .version\n",
    .options = options,
    .arguments_least = 1,
    .arguments_most = 1,
    .take_option = take_option,
    .run = run,
};

static enum exit_status take_option(int key, char *value, void *data)
{
    Ganger__V1__GetEntryRequest *request = data;

    (void)key;
    return value_name("--namespace", value, &request->namespace_);
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    CLEANUP(ganger_free)
    Ganger__V1__GetEntryResponse *response = NULL;
    Ganger__V1__GetEntryRequest request = GANGER__V1__GET_ENTRY_REQUEST__INIT;
    struct ganger_error error = {0};
    struct ganger *store = NULL;

    TRY_DONE(command_parse(cli, &command_context_get, count, words, &request, &arguments));
    TRY_DONE(context_key(arguments.values[0], &request.key));
    TRY_DONE(daemon_open(cli, GANGER_CONTEXT, &store));
    if (ganger_get_entry(store, &request, daemon_timeout_ms(cli), &response, &error) != GANGER_OK)
        return context_refused(cli, &error, "get", request.key);
    if (cli->json)
        json_print_message(&cli->output, &response->entry->base);
    else
        content_print(&cli->output, (struct bytes){response->entry->value.data, response->entry->value.len});
    return EXIT_DONE;
}
