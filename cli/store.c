#include "cli/commands.h"

static enum exit_status run(struct cli *cli, int count, char **words);

static const struct command *const members[] = {&command_store_backup, &command_store_check, &command_store_raise_epoch,
                                                NULL};

const struct command command_store = {
    .name = "store",
    .usage = "COMMAND",
    .summary = "back up and check the broker's store",
    .examples = "gangerctl store backup /var/lib/ganger/broker/monday\n"
                "gangerctl store check\n"
                "gangerctl store raise-epoch --yes\n",
    .members = members,
    .run = run,
};

static enum exit_status run(struct cli *cli, int count, char **words)
{
    return command_dispatch(cli, &command_store, count, words);
}
