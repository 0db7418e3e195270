#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/queue.h"

enum { OPTION_IN = OPTION_FIRST, OPTION_OUT };

static const struct argp_option options[] = {
    {"in", OPTION_IN, NULL, 0, "only: it takes tasks again", 0},
    {"out", OPTION_OUT, NULL, 0, "only: it hands them out again", 0},
    {0},
};

static enum exit_status take_option(int key, char *value, void *data);
static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_queue_resume = {
    .name = "queue resume",
    .usage = "[--in] [--out] NAME",
    .summary = "end the pause of a queue",
    .examples = "gangerctl queue resume builds\n"
                "gangerctl queue resume --in acme/builds\n",
    .options = options,
    .arguments_least = 1,
    .arguments_most = 1,
    .take_option = take_option,
    .run = run,
};

static enum exit_status take_option(int key, char *value, void *data)
{
    Ganger__V1__ResumeQueueRequest *request = data;

    (void)value;
    *(key == OPTION_IN ? &request->in : &request->out) = true;
    return EXIT_DONE;
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    CLEANUP(ganger_free)
    Ganger__V1__ResumeQueueResponse *response = NULL;
    Ganger__V1__ResumeQueueRequest request = GANGER__V1__RESUME_QUEUE_REQUEST__INIT;
    struct ganger_error error = {0};
    struct ganger *broker = NULL;

    TRY_DONE(command_parse(cli, &command_queue_resume, count, words, &request, &arguments));
    TRY_DONE(queue_parse(arguments.values[0], &request.namespace_, &request.queue));
    TRY_DONE(daemon_open(cli, GANGER_BROKER, &broker));
    if (ganger_resume_queue(broker, &request, daemon_timeout_ms(cli), &response, &error) != GANGER_OK)
        return daemon_refused(cli, GANGER_BROKER, &error, "cannot resume the queue");
    queue_print(cli, response->queue);
    return EXIT_DONE;
}
