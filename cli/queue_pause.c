#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/queue.h"
#include "cli/values.h"

#define REASON_MOST_BYTES 255

enum { OPTION_IN = OPTION_FIRST, OPTION_OUT, OPTION_REASON };

static const struct argp_option options[] = {
    {"in", OPTION_IN, NULL, 0, "only: it takes no tasks", 0},
    {"out", OPTION_OUT, NULL, 0, "only: it hands out none", 0},
    {"reason", OPTION_REASON, "TEXT", 0, "why; others see it", 0},
    {0},
};

static enum exit_status take_option(int key, char *value, void *data);
static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_queue_pause = {
    .name = "queue pause",
    .usage = "[--in] [--out] [--reason TEXT] NAME",
    .summary = "take no tasks into a queue, and hand out none; runs go on",
    .examples = "gangerctl queue pause builds --reason \"the disk is moved\"\n"
                "gangerctl queue pause --out acme/builds\n",
    .options = options,
    .arguments_least = 1,
    .arguments_most = 1,
    .take_option = take_option,
    .run = run,
};

static enum exit_status take_option(int key, char *value, void *data)
{
    Ganger__V1__PauseQueueRequest *request = data;

    if (key == OPTION_REASON)
        return value_text("--reason", value, REASON_MOST_BYTES, &request->reason);
    *(key == OPTION_IN ? &request->in : &request->out) = true;
    return EXIT_DONE;
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    CLEANUP(ganger_free)
    Ganger__V1__PauseQueueResponse *response = NULL;
    Ganger__V1__PauseQueueRequest request = GANGER__V1__PAUSE_QUEUE_REQUEST__INIT;
    struct ganger_error error = {0};
    struct ganger *broker = NULL;

    TRY_DONE(command_parse(cli, &command_queue_pause, count, words, &request, &arguments));
    TRY_DONE(queue_parse(arguments.values[0], &request.namespace_, &request.queue));
    TRY_DONE(daemon_open(cli, GANGER_BROKER, &broker));
    if (ganger_pause_queue(broker, &request, daemon_timeout_ms(cli), &response, &error) != GANGER_OK)
        return daemon_refused(cli, GANGER_BROKER, &error, "cannot pause the queue");
    queue_print(cli, response->queue);
    return EXIT_DONE;
}
