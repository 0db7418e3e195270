#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/ids.h"
#include "cli/task.h"
#include "cli/values.h"

#include <string.h>

#define ANSWER_MOST_BYTES 4096

enum { OPTION_ANSWER = OPTION_FIRST };

static const struct argp_option options[] = {
    {"answer", OPTION_ANSWER, "TEXT", 0, "what their next runs are told", 0},
    {0},
};

static enum exit_status take_option(int key, char *value, void *data);
static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_resume = {
    .name = "resume",
    .usage = "[--answer TEXT] ID...",
    .summary = "let suspended tasks be claimed again",
    .examples = "gangerctl resume 0000-01K3\n"
                "gangerctl resume --answer \"the second one\" 0000-01K3\n"
                "gangerctl list -q --state suspended | xargs gangerctl resume\n",
    .options = options,
    .arguments_least = 1,
    .arguments_most = ARGUMENTS_UNBOUNDED,
    .take_option = take_option,
    .run = run,
};

static enum exit_status take_option(int key, char *value, void *data)
{
    Ganger__V1__ResumeTaskRequest *request = data;
    char *text = NULL;

    (void)key;
    TRY_DONE(value_text("--answer", value, ANSWER_MOST_BYTES, &text));
    request->answer.data = (uint8_t *)text;
    request->answer.len = strlen(text);
    return EXIT_DONE;
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    CLEANUP(free)
    uint64_t *task_ids = NULL;
    Ganger__V1__ResumeTaskRequest request = GANGER__V1__RESUME_TASK_REQUEST__INIT;
    struct ganger *broker = NULL;
    enum exit_status exit_status = EXIT_DONE;

    TRY_DONE(command_parse(cli, &command_resume, count, words, &request, &arguments));
    TRY_DONE(daemon_open(cli, GANGER_BROKER, &broker));
    TRY_DONE(ids_resolve(cli, broker, &arguments, &task_ids));
    for (size_t i = 0; i < arguments.count && exit_status != EXIT_NO_DAEMON; i++) {
        CLEANUP(ganger_free)
        Ganger__V1__ResumeTaskResponse *response = NULL;
        struct ganger_error error = {0};
        request.task_id = task_ids[i];
        if (ganger_resume_task(broker, &request, daemon_timeout_ms(cli), &response, &error) == GANGER_OK)
            task_print(cli, response->task);
        else
            exit_status = id_refused(cli, &error, "resume", task_ids[i]);
    }
    return exit_status;
}
