#include "cli/command.h"
#include "cli/commands.h"

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};

    TRY_DONE(command_parse(cli, &command_version, count, words, NULL, &arguments));
    if (cli->json)
        printf("{\"version\":\"%s\"}\n", ganger_version());
    else if (cli->quiet)
        printf("%s\n", ganger_version());
    else
        printf("gangerctl %s\n", ganger_version());
    return EXIT_DONE;
}

const struct command command_version = {
    .name = "version",
    .usage = "",
    .summary = "show the version of gangerctl",
    .examples = "gangerctl version\n",
    .run = run,
};
