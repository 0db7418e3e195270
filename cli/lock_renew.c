#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/json.h"
#include "cli/lock.h"
#include "cli/values.h"

enum { OPTION_NAMESPACE = OPTION_FIRST };

static const struct argp_option options[] = {
    {"namespace", OPTION_NAMESPACE, "NAME", 0, "the tenant; default", 0},
    {0},
};

static enum exit_status take_option(int key, char *value, void *data);
static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_lock_renew = {
    .name = "lock renew",
    .usage = "[OPTION...] NAME FENCE",
    .summary = "keep a lock: its time to live begins anew",
    .examples = "gangerctl lock renew deploy/staging $fence || exit 1\n",
    .options = options,
    .arguments_least = 2,
    .arguments_most = 2,
    .take_option = take_option,
    .run = run,
};

static enum exit_status take_option(int key, char *value, void *data)
{
    Ganger__V1__RenewLockRequest *request = data;

    (void)key;
    return value_name("--namespace", value, &request->namespace_);
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    CLEANUP(ganger_free)
    Ganger__V1__RenewLockResponse *response = NULL;
    Ganger__V1__RenewLockRequest request = GANGER__V1__RENEW_LOCK_REQUEST__INIT;
    struct ganger_error error = {0};
    struct ganger *store = NULL;

    TRY_DONE(command_parse(cli, &command_lock_renew, count, words, &request, &arguments));
    TRY_DONE(lock_name_and_fence(&arguments, &request.name, &request.fence));
    TRY_DONE(daemon_open(cli, GANGER_CONTEXT, &store));
    if (ganger_renew_lock(store, &request, daemon_timeout_ms(cli), &response, &error) != GANGER_OK)
        return lock_refused(cli, &error, "renew", request.name);
    if (cli->json)
        json_print_message(&cli->output, &response->base);
    return EXIT_DONE;
}
