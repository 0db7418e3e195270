#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/json.h"
#include "cli/values.h"

#define AGENT_ID_MOST_BYTES 127
#define REASON_MOST_BYTES 255

enum { OPTION_OFF = OPTION_FIRST, OPTION_REASON };

static const struct argp_option options[] = {
    {"off", OPTION_OFF, NULL, 0, "it gets runs again", 0},
    {"reason", OPTION_REASON, "TEXT", 0, "why; others see it", 0},
    {0},
};

static enum exit_status take_option(int key, char *value, void *data);
static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_agent_drain = {
    .name = "agent drain",
    .usage = "[--off] [--reason TEXT] ID",
    .summary = "give it, and those below it, no new runs; what they hold goes on",
    .examples = "gangerctl agent drain build7 --reason \"a new kernel\"\n"
                "gangerctl agent drain build7/claude\n"
                "gangerctl agent drain --off build7\n",
    .options = options,
    .arguments_least = 1,
    .arguments_most = 1,
    .take_option = take_option,
    .run = run,
};

static enum exit_status take_option(int key, char *value, void *data)
{
    Ganger__V1__DrainAgentRequest *request = data;

    if (key == OPTION_REASON)
        return value_text("--reason", value, REASON_MOST_BYTES, &request->reason);
    request->end = true;
    return EXIT_DONE;
}

static void print(const struct cli *cli, const Ganger__V1__DrainAgentRequest *request)
{
    if (cli->json) {
        json_t *json = json_pack("{s:s, s:b}", "agent_id", request->agent_id, "draining", !request->end);
        json_print(&cli->output, json);
        json_decref(json);
    } else if (cli->quiet) {
        printf("%s\n", request->agent_id);
    } else {
        printf("%s %s\n", request->agent_id, request->end ? "gets runs again" : "gets no new runs");
    }
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    Ganger__V1__DrainAgentRequest request = GANGER__V1__DRAIN_AGENT_REQUEST__INIT;
    struct ganger_error error = {0};
    struct ganger *broker = NULL;

    TRY_DONE(command_parse(cli, &command_agent_drain, count, words, &request, &arguments));
    TRY_DONE(value_text("ID", arguments.values[0], AGENT_ID_MOST_BYTES, &request.agent_id));
    TRY_DONE(daemon_open(cli, GANGER_BROKER, &broker));
    if (ganger_drain_agent(broker, &request, daemon_timeout_ms(cli), NULL, &error) != GANGER_OK)
        return daemon_refused(cli, GANGER_BROKER, &error,
                              request.end ? "cannot end the draining" : "cannot drain the agent");
    print(cli, &request);
    return EXIT_DONE;
}
