#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/limit.h"

static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_limit_delete = {
    .name = "limit delete",
    .alias = "rm",
    .usage = "NAME",
    .summary = "forget what is set about a limit, and its pause",
    .examples = "gangerctl limit delete anthropic\n",
    .arguments_least = 1,
    .arguments_most = 1,
    .run = run,
};

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    CLEANUP(ganger_free)
    Ganger__V1__SetLimitResponse *response = NULL;
    Ganger__V1__SetLimitRequest request = GANGER__V1__SET_LIMIT_REQUEST__INIT;
    struct ganger_error error = {0};
    struct ganger *broker = NULL;

    TRY_DONE(command_parse(cli, &command_limit_delete, count, words, NULL, &arguments));
    TRY_DONE(limit_name("NAME", arguments.values[0], &request.name));
    request.delete_ = true;
    TRY_DONE(daemon_open(cli, GANGER_BROKER, &broker));
    if (ganger_set_limit(broker, &request, daemon_timeout_ms(cli), &response, &error) != GANGER_OK)
        return daemon_refused(cli, GANGER_BROKER, &error, "cannot delete the limit");
    limit_print(cli, response->limit);
    return EXIT_DONE;
}
