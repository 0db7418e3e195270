#include "cli/commands.h"

static enum exit_status run(struct cli *cli, int count, char **words);

static const struct command *const members[] = {&command_agent_drain, &command_agent_kill, NULL};

const struct command command_agent = {
    .name = "agent",
    .usage = "COMMAND",
    .summary = "drain or kill an agent or supervisor",
    .examples = "gangerctl agent drain build7 --reason \"a new kernel\"\n"
                "gangerctl agent drain --off build7\n"
                "gangerctl agent kill --yes build7\n",
    .members = members,
    .run = run,
};

static enum exit_status run(struct cli *cli, int count, char **words)
{
    return command_dispatch(cli, &command_agent, count, words);
}
