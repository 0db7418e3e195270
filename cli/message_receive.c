#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/format.h"
#include "cli/interrupt.h"
#include "cli/json.h"
#include "cli/message.h"
#include "cli/self.h"
#include "cli/text.h"
#include "cli/values.h"
#include "common/base/clock.h"

#include <inttypes.h>

#define CALL_WAIT_MOST_MS 20000

enum { OPTION_WAIT = OPTION_FIRST, OPTION_ACK, OPTION_AS, OPTION_AFTER, OPTION_LIMIT, OPTION_NAMESPACE };

static const struct argp_option options[] = {
    {"wait", OPTION_WAIT, "DURATION", 0, "for the first one", 0},
    {"ack", OPTION_ACK, NULL, 0, "what is printed does not come again", 0},
    {"after", OPTION_AFTER, "MESSAGE", 0, "only what came after that one", 0},
    {"limit", OPTION_LIMIT, "COUNT", 0, "at most so many; 10", 0},
    {"as", OPTION_AS, "READER", 0, "whose cursor; the agent, or user@host:process", 0},
    {"namespace", OPTION_NAMESPACE, "NAME", 0, "the tenant; default", 0},
    {0},
};

static enum exit_status take_option(int key, char *value, void *data);
static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_message_receive = {
    .name = "message receive",
    .usage = "[OPTION...] [MAILBOX]",
    .summary = "print what has come, the oldest first",
    .examples = "gangerctl message receive --wait 5m --ack\n"
                "gangerctl message receive everyone --as alice\n"
                "gangerctl message receive --json agents/build7/claude1 | jq -r .body\n",
    .options = options,
    .arguments_most = 1,
    .take_option = take_option,
    .run = run,
};

struct choices {
    Ganger__V1__ReceiveMessagesRequest request;
    struct self self;
    uint64_t wait_ms;
    bool ack;
};

static enum exit_status take_option(int key, char *value, void *data)
{
    struct choices *choices = data;
    uint64_t max = 0;

    switch (key) {
    case OPTION_WAIT:
        return value_duration("--wait", value, 0, UINT64_MAX / 2, &choices->wait_ms);
    case OPTION_ACK:
        choices->ack = true;
        return EXIT_DONE;
    case OPTION_AFTER:
        return value_number("--after", value, 1, UINT64_MAX, &choices->request.after);
    case OPTION_LIMIT:
        TRY_DONE(value_number("--limit", value, 1, 100, &max));
        choices->request.max = (uint32_t)max;
        return EXIT_DONE;
    case OPTION_AS:
        return value_text("--as", value, 127, &choices->self.writer.agent_id);
    default:
        return value_name("--namespace", value, &choices->request.namespace_);
    }
}

/* Asks until something has come, or the time is over. */
static enum exit_status receive(struct cli *cli, struct ganger *store, struct choices *choices,
                                Ganger__V1__ReceiveMessagesResponse **ret_response)
{
    uint64_t begin_ms = clock_boot_ms();

    for (;;) {
        struct ganger_error error = {0};
        uint64_t waited_ms = clock_boot_ms() - begin_ms;
        uint64_t left_ms = waited_ms < choices->wait_ms ? choices->wait_ms - waited_ms : 0;
        choices->request.wait_ms = (uint32_t)(left_ms < CALL_WAIT_MOST_MS ? left_ms : CALL_WAIT_MOST_MS);
        if (ganger_receive_messages(store, &choices->request, choices->request.wait_ms + daemon_timeout_ms(cli),
                                    ret_response, &error) != GANGER_OK)
            return daemon_refused(cli, GANGER_CONTEXT, &error, "cannot receive messages");
        if ((*ret_response)->n_messages > 0 || left_ms == 0)
            return EXIT_DONE;
        ganger_free(*ret_response);
        *ret_response = NULL;
        if (interrupted())
            return EXIT_INTERRUPTED;
    }
}

static void print_message(struct cli *cli, const Ganger__V1__Message *message)
{
    uint64_t now_ms = clock_wall_ms();
    char age[FORMAT_SIZE];
    const char *sender = message->sender != NULL ? message->sender->agent_id : "";

    if (cli->json) {
        json_print_message(&cli->output, &message->base);
        return;
    }
    if (cli->quiet) {
        printf("%" PRIu64 "\n", message->number);
        return;
    }
    CLEANUP(free)
    char *body = text_line((struct bytes){.data = message->body.data, .size = message->body.len});
    printf("%" PRIu64 " from %s, %s ago", message->number, sender,
           format_age(now_ms > message->sent_ms ? now_ms - message->sent_ms : 0, age));
    if (message->reply_to != 0)
        printf(", answers %" PRIu64, message->reply_to);
    printf(": %s\n", body);
}

static enum exit_status acknowledge(struct cli *cli, struct ganger *store, const struct choices *choices,
                                    uint64_t up_to)
{
    Ganger__V1__AckMessagesRequest request = GANGER__V1__ACK_MESSAGES_REQUEST__INIT;
    struct ganger_error error = {0};

    request.namespace_ = choices->request.namespace_;
    request.mailbox = choices->request.mailbox;
    request.reader = choices->request.reader;
    request.up_to = up_to;
    if (ganger_ack_messages(store, &request, daemon_timeout_ms(cli), NULL, &error) != GANGER_OK)
        return daemon_refused(cli, GANGER_CONTEXT, &error, "cannot acknowledge the messages");
    return EXIT_DONE;
}

static enum exit_status receive_and_print(struct cli *cli, struct choices *choices, const struct arguments *arguments)
{
    CLEANUP(free)
    char *mailbox = NULL;
    CLEANUP(ganger_free)
    Ganger__V1__ReceiveMessagesResponse *response = NULL;
    struct ganger *store = NULL;

    TRY_DONE(message_mailbox(arguments->count > 0 ? arguments->values[0] : NULL, &mailbox));
    TRY_DONE(daemon_open(cli, GANGER_CONTEXT, &store));
    choices->request.mailbox = mailbox;
    choices->request.reader = choices->self.writer.agent_id;
    interrupt_catch();
    TRY_DONE(receive(cli, store, choices, &response));
    for (size_t i = 0; i < response->n_messages; i++)
        print_message(cli, response->messages[i]);
    terminal_flush(&cli->output);
    if (response->n_messages == 0)
        return choices->wait_ms > 0 ? EXIT_TIMED_OUT : EXIT_DONE;
    return choices->ack ? acknowledge(cli, store, choices, response->messages[response->n_messages - 1]->number)
                        : EXIT_DONE;
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    struct choices choices = {.request = GANGER__V1__RECEIVE_MESSAGES_REQUEST__INIT};

    self_init(&choices.self);
    enum exit_status status = command_parse(cli, &command_message_receive, count, words, &choices, &arguments);
    if (status == EXIT_DONE)
        status = receive_and_print(cli, &choices, &arguments);
    self_done(&choices.self);
    return status;
}
