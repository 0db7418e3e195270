#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/ids.h"
#include "cli/task.h"
#include "cli/values.h"

#define REASON_MOST_BYTES 255

enum { OPTION_REASON = OPTION_FIRST };

static const struct argp_option options[] = {
    {"reason", OPTION_REASON, "TEXT", 0, "why, for those who look at it later", 0},
    {0},
};

static enum exit_status take_option(int key, char *value, void *data);
static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_suspend = {
    .name = "suspend",
    .usage = "[--reason TEXT] ID...",
    .summary = "have running tasks given back until they are resumed",
    .examples = "gangerctl suspend 0000-01K3\n"
                "gangerctl suspend --reason \"over budget\" 0000-01K3 0000-01K4\n",
    .options = options,
    .arguments_least = 1,
    .arguments_most = ARGUMENTS_UNBOUNDED,
    .take_option = take_option,
    .run = run,
};

static enum exit_status take_option(int key, char *value, void *data)
{
    Ganger__V1__AskSuspendRequest *request = data;

    (void)key;
    return value_text("--reason", value, REASON_MOST_BYTES, &request->reason);
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    CLEANUP(free)
    uint64_t *task_ids = NULL;
    Ganger__V1__AskSuspendRequest request = GANGER__V1__ASK_SUSPEND_REQUEST__INIT;
    struct ganger *broker = NULL;
    enum exit_status exit_status = EXIT_DONE;

    TRY_DONE(command_parse(cli, &command_suspend, count, words, &request, &arguments));
    TRY_DONE(daemon_open(cli, GANGER_BROKER, &broker));
    TRY_DONE(ids_resolve(cli, broker, &arguments, &task_ids));
    for (size_t i = 0; i < arguments.count && exit_status != EXIT_NO_DAEMON; i++) {
        CLEANUP(ganger_free)
        Ganger__V1__AskSuspendResponse *response = NULL;
        struct ganger_error error = {0};
        request.task_id = task_ids[i];
        if (ganger_ask_suspend(broker, &request, daemon_timeout_ms(cli), &response, &error) == GANGER_OK)
            task_print(cli, response->task);
        else
            exit_status = id_refused(cli, &error, "suspend", task_ids[i]);
    }
    return exit_status;
}
