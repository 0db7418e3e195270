#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/json.h"

enum { OPTION_YES = OPTION_FIRST };

static const struct argp_option options[] = {
    {"yes", OPTION_YES, NULL, 0, "do it: every run that is held now becomes stale", 0},
    {0},
};

static enum exit_status take_option(int key, char *value, void *data);
static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_store_raise_epoch = {
    .name = "store raise-epoch",
    .usage = "--yes",
    .summary = "let a store that was rolled back hand out tasks again",
    .examples = "gangerctl store raise-epoch --yes\n",
    .options = options,
    .take_option = take_option,
    .run = run,
};

static enum exit_status take_option(int key, char *value, void *data)
{
    (void)key;
    (void)value;
    *(bool *)data = true;
    return EXIT_DONE;
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    CLEANUP(ganger_free)
    Ganger__V1__RaiseEpochResponse *response = NULL;
    CLEANUP(ganger_free)
    Ganger__V1__StatusResponse *status = NULL;
    const Ganger__V1__StatusRequest status_request = GANGER__V1__STATUS_REQUEST__INIT;
    Ganger__V1__RaiseEpochRequest request = GANGER__V1__RAISE_EPOCH_REQUEST__INIT;
    struct ganger_error error = {0};
    struct ganger *broker = NULL;
    bool yes = false;

    TRY_DONE(command_parse(cli, &command_store_raise_epoch, count, words, &yes, &arguments));
    if (!yes)
        return problem(EXIT_USAGE, "every run that is held now becomes stale, and its task is done again",
                       "if that is meant, add --yes", "the epoch was not raised");
    TRY_DONE(daemon_open(cli, GANGER_BROKER, &broker));
    if (ganger_status(broker, &status_request, daemon_timeout_ms(cli), &status, &error) != GANGER_OK)
        return daemon_refused(cli, GANGER_BROKER, &error, "cannot raise the epoch");
    request.store_id = status->store_id;
    request.epoch = status->epoch;
    if (ganger_raise_epoch(broker, &request, daemon_timeout_ms(cli), &response, &error) != GANGER_OK)
        return daemon_refused(cli, GANGER_BROKER, &error, "cannot raise the epoch");
    if (cli->json)
        json_print_message(&cli->output, &response->base);
    else if (cli->quiet)
        printf("%u\n", response->epoch);
    else
        printf("epoch %u from now on\n", response->epoch);
    return EXIT_DONE;
}
