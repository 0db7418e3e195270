#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/ending.h"
#include "cli/ids.h"
#include "cli/watch.h"
#include "common/base/check.h"

#include <stdio.h>

static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_wait = {
    .name = "wait",
    .usage = "[--timeout TIME] ID...",
    .summary = "wait until tasks have ended; exits with 1 if one did not complete",
    .examples = "gangerctl wait 0000-01K3\n"
                "gangerctl wait --timeout 10m 0000-01K3 0000-01K4\n"
                "gangerctl list -q --state running | xargs gangerctl wait\n",
    .arguments_least = 1,
    .arguments_most = ARGUMENTS_UNBOUNDED,
    .run = run,
};

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    CLEANUP(free)
    uint64_t *task_ids = NULL;
    CLEANUP(ending_done)
    struct ending ending = {0};
    struct ganger *broker = NULL;

    TRY_DONE(command_parse(cli, &command_wait, count, words, NULL, &arguments));
    TRY_DONE(daemon_open(cli, GANGER_BROKER, &broker));
    TRY_DONE(ids_resolve(cli, broker, &arguments, &task_ids));
    ending_init(&ending, cli, false);
    CLEANUP(free)
    char *again = arguments.count == 1 ? format_text("look again with: gangerctl wait %s", arguments.values[0])
                                       : format_text("look again with the same gangerctl wait, or gangerctl list");
    enum exit_status exit_status = watch_until_ended(cli, &(struct watch_request){.task_ids = task_ids,
                                                                                  .count = arguments.count,
                                                                                  .label = "tasks",
                                                                                  .again = again,
                                                                                  .on_end = ending_add,
                                                                                  .data = &ending});
    ending_print(&ending);
    return exit_status;
}
