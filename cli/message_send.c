#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/json.h"
#include "cli/message.h"
#include "cli/self.h"
#include "cli/values.h"
#include "common/base/check.h"

#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

#define BODY_MOST_BYTES 65536
#define TTL_LEAST_MS 1000
#define TTL_MOST_MS (366 * VALUE_DAY_MS)

enum { OPTION_REPLY_TO = OPTION_FIRST, OPTION_TTL, OPTION_AS, OPTION_NAMESPACE };

static const struct argp_option options[] = {
    {"reply-to", OPTION_REPLY_TO, "MESSAGE", 0, "the message that this answers", 0},
    {"ttl", OPTION_TTL, "DURATION", 0, "how long it waits to be read; 7d", 0},
    {"as", OPTION_AS, "AGENT", 0, "who sends it; the agent, or user@host:process", 0},
    {"namespace", OPTION_NAMESPACE, "NAME", 0, "the tenant; default", 0},
    {0},
};

static enum exit_status take_option(int key, char *value, void *data);
static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_message_send = {
    .name = "message send",
    .usage = "[OPTION...] MAILBOX TEXT",
    .summary = "put a message into a mailbox, and print its number",
    .examples = "gangerctl message send build7/claude1 \"which branch?\"\n"
                "gangerctl message send types/review \"skip vendor/\"\n"
                "gangerctl message send --reply-to 57 alice main\n",
    .options = options,
    .arguments_least = 2,
    .arguments_most = 2,
    .take_option = take_option,
    .run = run,
};

struct choices {
    Ganger__V1__SendMessageRequest request;
    uint8_t id[16];
    struct self self;
};

static enum exit_status take_option(int key, char *value, void *data)
{
    struct choices *choices = data;

    switch (key) {
    case OPTION_REPLY_TO:
        return value_number("--reply-to", value, 1, UINT64_MAX, &choices->request.reply_to);
    case OPTION_TTL:
        return value_duration("--ttl", value, TTL_LEAST_MS, TTL_MOST_MS, &choices->request.ttl_ms);
    case OPTION_AS:
        return value_text("--as", value, 127, &choices->self.writer.agent_id);
    default:
        return value_name("--namespace", value, &choices->request.namespace_);
    }
}

static enum exit_status send(struct cli *cli, struct choices *choices, const struct arguments *arguments)
{
    CLEANUP(free)
    char *mailbox = NULL;
    CLEANUP(ganger_free)
    Ganger__V1__SendMessageResponse *response = NULL;
    char *text = arguments->values[1];
    struct ganger_error error = {0};
    struct ganger *store = NULL;

    TRY_DONE(message_mailbox(arguments->values[0], &mailbox));
    TRY_DONE(value_text("TEXT", text, BODY_MOST_BYTES, &text));
    TRY_DONE(daemon_open(cli, GANGER_CONTEXT, &store));
    CHECK(getrandom(choices->id, sizeof choices->id, 0) == (ssize_t)sizeof choices->id);
    choices->request.mailbox = mailbox;
    choices->request.sender = &choices->self.writer;
    choices->request.body = (ProtobufCBinaryData){.data = (uint8_t *)text, .len = strlen(text)};
    choices->request.request = (ProtobufCBinaryData){.data = choices->id, .len = sizeof choices->id};
    if (ganger_send_message(store, &choices->request, daemon_timeout_ms(cli), &response, &error) != GANGER_OK)
        return daemon_refused(cli, GANGER_CONTEXT, &error, "cannot send the message");
    if (cli->json)
        json_print_message(&cli->output, &response->base);
    else
        printf("%" PRIu64 "\n", response->number);
    return EXIT_DONE;
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    struct choices choices = {.request = GANGER__V1__SEND_MESSAGE_REQUEST__INIT};

    self_init(&choices.self);
    enum exit_status status = command_parse(cli, &command_message_send, count, words, &choices, &arguments);
    if (status == EXIT_DONE)
        status = send(cli, &choices, &arguments);
    self_done(&choices.self);
    return status;
}
