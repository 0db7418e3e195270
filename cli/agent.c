#include "cli/commands.h"

static enum exit_status run(struct cli *cli, int count, char **words);

static const struct command *const members[] = {&command_agent_drain, NULL};

const struct command command_agent = {
    .name = "agent",
    .usage = "COMMAND",
    .summary = "give an agent or supervisor no new runs",
    .examples = "gangerctl agent drain build7 --reason \"a new kernel\"\n"
                "gangerctl agent drain --off build7\n",
    .members = members,
    .run = run,
};

static enum exit_status run(struct cli *cli, int count, char **words)
{
    return command_dispatch(cli, &command_agent, count, words);
}
