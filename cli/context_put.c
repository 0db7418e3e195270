#include "cli/commands.h"
#include "cli/context.h"
#include "cli/daemon.h"
#include "cli/input.h"
#include "cli/json.h"
#include "cli/values.h"
#include "common/base/check.h"

#include <inttypes.h>
#include <string.h>

#define CONTENT_TYPE_MOST_BYTES 127

enum { OPTION_NAMESPACE = OPTION_FIRST, OPTION_FILE, OPTION_EXPECT, OPTION_TYPE };

static const struct argp_option options[] = {
    {"file", OPTION_FILE, "PATH", 0, "the value is this file; - is stdin", 0},
    {"expect", OPTION_EXPECT, "VERSION", 0, "only if it is at that version; 0: does not exist", 0},
    {"type", OPTION_TYPE, "TYPE", 0, "the content type, e.g. text/markdown", 0},
    {"namespace", OPTION_NAMESPACE, "NAME", 0, "the tenant; default", 0},
    {0},
};

static enum exit_status take_option(int key, char *value, void *data);
static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_context_put = {
    .name = "context put",
    .usage = "[OPTION...] KEY [VALUE]",
    .summary = "write an entry; prints its new version",
    .examples = "gangerctl context put global/style \"British spelling\"\n"
                "gangerctl context put docs/plan.md --type text/markdown --file plan.md\n"
                "make report | gangerctl context put docs/report.txt -\n"
                "gangerctl context put --expect 3 docs/plan.md --file plan.md\n",
    .options = options,
    .arguments_least = 1,
    .arguments_most = 2,
    .take_option = take_option,
    .run = run,
};

struct choices {
    Ganger__V1__PutEntryRequest request;
    Ganger__V1__ExpectedVersion expected;
    const char *file;
};

static enum exit_status take_option(int key, char *value, void *data)
{
    struct choices *choices = data;

    switch (key) {
    case OPTION_FILE:
        choices->file = value;
        return EXIT_DONE;
    case OPTION_EXPECT:
        choices->request.expected = &choices->expected;
        return value_number("--expect", value, 0, UINT64_MAX, &choices->expected.version);
    case OPTION_TYPE:
        return value_text("--type", value, CONTENT_TYPE_MOST_BYTES, &choices->request.content_type);
    default:
        return value_name("--namespace", value, &choices->request.namespace_);
    }
}

static enum exit_status read_value(const struct choices *choices, const struct arguments *arguments,
                                   struct buffer *value)
{
    const char *argument = arguments->count > 1 ? arguments->values[1] : NULL;
    const char *path = argument != NULL && strcmp(argument, "-") == 0 ? "-" : choices->file;

    if (argument == NULL && choices->file == NULL)
        return problem(EXIT_USAGE, NULL, "pass it as an argument, with --file PATH, or - for stdin",
                       "context put: the value is missing");
    if (argument != NULL && choices->file != NULL)
        return problem(EXIT_USAGE, "there are two: an argument and --file", NULL, "context put: which is the value?");
    if (path != NULL)
        return input_read(path, "an entry", ENTRY_VALUE_MOST_BYTES, value);
    if (strlen(argument) > ENTRY_VALUE_MOST_BYTES) {
        CLEANUP(free)
        char *why = format_text("an entry has at most %zu bytes", ENTRY_VALUE_MOST_BYTES);
        return problem(EXIT_USAGE, why, NULL, "context put: the value is too large");
    }
    buffer_add(value, argument, strlen(argument));
    return EXIT_DONE;
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    CLEANUP(buffer_done)
    struct buffer value = {0};
    CLEANUP(ganger_free)
    Ganger__V1__PutEntryResponse *response = NULL;
    struct choices choices = {.request = GANGER__V1__PUT_ENTRY_REQUEST__INIT,
                              .expected = GANGER__V1__EXPECTED_VERSION__INIT};
    struct ganger_error error = {0};
    struct ganger *store = NULL;

    TRY_DONE(command_parse(cli, &command_context_put, count, words, &choices, &arguments));
    TRY_DONE(context_key(arguments.values[0], &choices.request.key));
    TRY_DONE(read_value(&choices, &arguments, &value));
    TRY_DONE(daemon_open(cli, GANGER_CONTEXT, &store));
    choices.request.value = (ProtobufCBinaryData){.len = value.size, .data = value.data};
    if (ganger_put_entry(store, &choices.request, daemon_timeout_ms(cli), &response, &error) != GANGER_OK)
        return context_refused(cli, &error, "put", choices.request.key);
    if (cli->json)
        json_print_message(&cli->output, &response->base);
    else if (cli->quiet)
        printf("%" PRIu64 "\n", response->version);
    else
        printf("%s version %" PRIu64 "\n", choices.request.key, response->version);
    return EXIT_DONE;
}
