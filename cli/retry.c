#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/ids.h"
#include "cli/task.h"

enum { OPTION_FORCE = OPTION_FIRST };

static const struct argp_option options[] = {
    {"force", OPTION_FORCE, NULL, 0, "also tasks that have completed", 0},
    {0},
};

static enum exit_status take_option(int key, char *value, void *data);
static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_retry = {
    .name = "retry",
    .usage = "[--force] ID...",
    .summary = "give failed or canceled tasks a new life, with all attempts",
    .examples = "gangerctl retry 0000-01K3\n"
                "gangerctl retry --force 0000-01K4\n"
                "gangerctl list -q --state failed | xargs gangerctl retry\n",
    .options = options,
    .arguments_least = 1,
    .arguments_most = ARGUMENTS_UNBOUNDED,
    .take_option = take_option,
    .run = run,
};

static enum exit_status take_option(int key, char *value, void *data)
{
    Ganger__V1__RetryTaskRequest *request = data;

    (void)key;
    (void)value;
    request->force = true;
    return EXIT_DONE;
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    CLEANUP(free)
    uint64_t *task_ids = NULL;
    Ganger__V1__RetryTaskRequest request = GANGER__V1__RETRY_TASK_REQUEST__INIT;
    struct ganger *broker = NULL;
    enum exit_status exit_status = EXIT_DONE;

    TRY_DONE(command_parse(cli, &command_retry, count, words, &request, &arguments));
    TRY_DONE(daemon_open(cli, GANGER_BROKER, &broker));
    TRY_DONE(ids_resolve(cli, broker, &arguments, &task_ids));
    for (size_t i = 0; i < arguments.count && exit_status != EXIT_NO_DAEMON; i++) {
        CLEANUP(ganger_free)
        Ganger__V1__RetryTaskResponse *response = NULL;
        struct ganger_error error = {0};
        request.task_id = task_ids[i];
        if (ganger_retry_task(broker, &request, daemon_timeout_ms(cli), &response, &error) == GANGER_OK)
            task_print(cli, response->task);
        else
            exit_status = id_refused(cli, &error, "retry", task_ids[i]);
    }
    return exit_status;
}
