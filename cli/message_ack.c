#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/json.h"
#include "cli/message.h"
#include "cli/self.h"
#include "cli/values.h"

enum { OPTION_AS = OPTION_FIRST, OPTION_NAMESPACE };

static const struct argp_option options[] = {
    {"as", OPTION_AS, "READER", 0, "whose cursor; the agent, or user@host:process", 0},
    {"namespace", OPTION_NAMESPACE, "NAME", 0, "the tenant; default", 0},
    {0},
};

static enum exit_status take_option(int key, char *value, void *data);
static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_message_ack = {
    .name = "message ack",
    .usage = "[OPTION...] MAILBOX MESSAGE",
    .summary = "be done with a message and all before it",
    .examples = "gangerctl message ack agents/build7/claude1 57\n"
                "gangerctl message ack --as alice everyone 57\n",
    .options = options,
    .arguments_least = 2,
    .arguments_most = 2,
    .take_option = take_option,
    .run = run,
};

struct choices {
    Ganger__V1__AckMessagesRequest request;
    struct self self;
};

static enum exit_status take_option(int key, char *value, void *data)
{
    struct choices *choices = data;

    if (key == OPTION_AS)
        return value_text("--as", value, 127, &choices->self.writer.agent_id);
    return value_name("--namespace", value, &choices->request.namespace_);
}

static enum exit_status acknowledge(struct cli *cli, struct choices *choices, const struct arguments *arguments)
{
    CLEANUP(free)
    char *mailbox = NULL;
    CLEANUP(ganger_free)
    Ganger__V1__AckMessagesResponse *response = NULL;
    struct ganger_error error = {0};
    struct ganger *store = NULL;

    TRY_DONE(message_mailbox(arguments->values[0], &mailbox));
    TRY_DONE(value_number("MESSAGE", arguments->values[1], 1, UINT64_MAX, &choices->request.up_to));
    TRY_DONE(daemon_open(cli, GANGER_CONTEXT, &store));
    choices->request.mailbox = mailbox;
    choices->request.reader = choices->self.writer.agent_id;
    if (ganger_ack_messages(store, &choices->request, daemon_timeout_ms(cli), &response, &error) != GANGER_OK)
        return daemon_refused(cli, GANGER_CONTEXT, &error, "cannot acknowledge the messages");
    if (cli->json)
        json_print_message(&cli->output, &response->base);
    return EXIT_DONE;
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    struct choices choices = {.request = GANGER__V1__ACK_MESSAGES_REQUEST__INIT};

    self_init(&choices.self);
    enum exit_status status = command_parse(cli, &command_message_ack, count, words, &choices, &arguments);
    if (status == EXIT_DONE)
        status = acknowledge(cli, &choices, &arguments);
    self_done(&choices.self);
    return status;
}
