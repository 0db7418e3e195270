#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/json.h"
#include "cli/values.h"

#define AGENT_ID_MOST_BYTES 127
#define REASON_MOST_BYTES 255

enum { OPTION_YES = OPTION_FIRST, OPTION_REASON };

static const struct argp_option options[] = {
    {"yes", OPTION_YES, NULL, 0, "do it: what it holds is ended", 0},
    {"reason", OPTION_REASON, "TEXT", 0, "why; others see it", 0},
    {0},
};

static enum exit_status take_option(int key, char *value, void *data);
static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_agent_kill = {
    .name = "agent kill",
    .usage = "--yes [--reason TEXT] ID",
    .summary = "drain it, and end what it holds; the tasks are given back",
    .examples = "gangerctl agent kill --yes build7\n"
                "gangerctl agent kill --yes --reason \"it runs wild\" build7/claude\n"
                "gangerctl agent drain --off build7\n",
    .options = options,
    .arguments_least = 1,
    .arguments_most = 1,
    .take_option = take_option,
    .run = run,
};

struct choices {
    Ganger__V1__KillAgentRequest request;
    bool yes;
};

static enum exit_status take_option(int key, char *value, void *data)
{
    struct choices *choices = data;

    if (key == OPTION_REASON)
        return value_text("--reason", value, REASON_MOST_BYTES, &choices->request.reason);
    choices->yes = true;
    return EXIT_DONE;
}

static void print(const struct cli *cli, const char *agent_id, const Ganger__V1__KillAgentResponse *response)
{
    if (cli->json)
        json_print_message(&cli->output, &response->base);
    else if (cli->quiet)
        printf("%s\n", agent_id);
    else
        printf("%s gets no new runs; %u given back, %u being ended\n", agent_id, response->released, response->told);
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    CLEANUP(ganger_free)
    Ganger__V1__KillAgentResponse *response = NULL;
    struct choices choices = {.request = GANGER__V1__KILL_AGENT_REQUEST__INIT};
    struct ganger_error error = {0};
    struct ganger *broker = NULL;

    TRY_DONE(command_parse(cli, &command_agent_kill, count, words, &choices, &arguments));
    TRY_DONE(value_text("ID", arguments.values[0], AGENT_ID_MOST_BYTES, &choices.request.agent_id));
    if (!choices.yes)
        return problem(EXIT_USAGE, "what it holds is ended, and those tasks begin anew",
                       "if that is meant, add --yes; to let it finish: gangerctl agent drain", "%s was not killed",
                       choices.request.agent_id);
    TRY_DONE(daemon_open(cli, GANGER_BROKER, &broker));
    if (ganger_kill_agent(broker, &choices.request, daemon_timeout_ms(cli), &response, &error) != GANGER_OK)
        return daemon_refused(cli, GANGER_BROKER, &error, "cannot kill the agent");
    print(cli, choices.request.agent_id, response);
    return EXIT_DONE;
}
