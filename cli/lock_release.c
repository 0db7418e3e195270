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

const struct command command_lock_release = {
    .name = "lock release",
    .usage = "[OPTION...] NAME FENCE",
    .summary = "give a lock back",
    .examples = "gangerctl lock release deploy/staging $fence\n",
    .options = options,
    .arguments_least = 2,
    .arguments_most = 2,
    .take_option = take_option,
    .run = run,
};

static enum exit_status take_option(int key, char *value, void *data)
{
    Ganger__V1__ReleaseLockRequest *request = data;

    (void)key;
    return value_name("--namespace", value, &request->namespace_);
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    CLEANUP(ganger_free)
    Ganger__V1__ReleaseLockResponse *response = NULL;
    Ganger__V1__ReleaseLockRequest request = GANGER__V1__RELEASE_LOCK_REQUEST__INIT;
    struct ganger_error error = {0};
    struct ganger *store = NULL;

    TRY_DONE(command_parse(cli, &command_lock_release, count, words, &request, &arguments));
    TRY_DONE(lock_name_and_fence(&arguments, &request.name, &request.fence));
    TRY_DONE(daemon_open(cli, GANGER_CONTEXT, &store));
    if (ganger_release_lock(store, &request, daemon_timeout_ms(cli), &response, &error) != GANGER_OK)
        return lock_refused(cli, &error, "release", request.name);
    if (cli->json)
        json_print_message(&cli->output, &response->base);
    if (!response->was_held)
        return problem(EXIT_NOT_FOUND, "it was released before, or was lost because it was not renewed in time",
                       "gangerctl lock list shows all that are held", "\"%s\" was not held any more", request.name);
    return EXIT_DONE;
}
