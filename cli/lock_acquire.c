#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/json.h"
#include "cli/lock.h"
#include "cli/values.h"

#include <inttypes.h>

static enum exit_status take_option(int key, char *value, void *data);
static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_lock_acquire = {
    .name = "lock acquire",
    .usage = "[OPTION...] NAME",
    .summary = "take a lock, and print its fence",
    .examples = "fence=$(gangerctl lock acquire --wait 5m --ttl 10m deploy/staging)\n"
                "gangerctl lock renew deploy/staging $fence\n"
                "gangerctl lock release deploy/staging $fence\n",
    .options = lock_wish_options,
    .arguments_least = 1,
    .arguments_most = 1,
    .take_option = take_option,
    .run = run,
};

static enum exit_status take_option(int key, char *value, void *data)
{
    return lock_wish_take_option(key, value, data);
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    CLEANUP(ganger_free)
    Ganger__V1__AcquireLockResponse *response = NULL;
    CLEANUP(lock_wish_done)
    struct lock_wish wish;
    struct ganger *store = NULL;

    lock_wish_init(&wish);
    TRY_DONE(command_parse(cli, &command_lock_acquire, count, words, &wish, &arguments));
    TRY_DONE(value_text("NAME", arguments.values[0], LOCK_NAME_MOST_BYTES, &wish.request.name));
    TRY_DONE(daemon_open(cli, GANGER_CONTEXT, &store));
    TRY_DONE(lock_acquire(cli, store, &wish, &response));
    if (cli->json)
        json_print_message(&cli->output, &response->base);
    else
        printf("%" PRIu64 "\n", response->fence);
    return EXIT_DONE;
}
