#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/ids.h"
#include "cli/job.h"
#include "cli/task.h"

enum { OPTION_FORCE = OPTION_FIRST };

static const struct argp_option options[] = {
    {"force", OPTION_FORCE, NULL, 0, "also tasks that have completed", 0},
    FILTER_OPTIONS,
    FILTER_OPTION_OLDER,
    JOB_OPTIONS,
    {0},
};

static enum exit_status take_option(int key, char *value, void *data);
static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_retry = {
    .name = "retry",
    .usage = "[--force] ID... | FILTER... [--yes]",
    .summary = "give failed or canceled tasks a new life, with all attempts",
    .examples = "gangerctl retry 0000-01K3\n"
                "gangerctl retry --force 0000-01K4\n"
                "gangerctl retry --state failed --label repo=acme/web\n"
                "gangerctl retry --state failed --label repo=acme/web --yes --wait\n",
    .options = options,
    .arguments_most = ARGUMENTS_UNBOUNDED,
    .take_option = take_option,
    .run = run,
};

struct choices {
    struct job_choices job;
    bool force;
};

static void choices_done(struct choices *choices)
{
    job_choices_done(&choices->job);
}
DEFINE_CLEANUP_EMBEDDED(struct choices, choices_done)

static enum exit_status take_option(int key, char *value, void *data)
{
    struct choices *choices = data;

    if (job_has_option(key))
        return job_take_option(key, value, &choices->job);
    choices->force = true;
    return EXIT_DONE;
}

static enum exit_status retry_all(struct cli *cli, struct ganger *broker, bool force, const struct arguments *arguments)
{
    CLEANUP(free)
    uint64_t *task_ids = NULL;
    Ganger__V1__RetryTaskRequest request = GANGER__V1__RETRY_TASK_REQUEST__INIT;
    enum exit_status exit_status = EXIT_DONE;

    TRY_DONE(ids_resolve(cli, broker, arguments, &task_ids));
    for (size_t i = 0; i < arguments->count && exit_status != EXIT_NO_DAEMON; i++) {
        CLEANUP(ganger_free)
        Ganger__V1__RetryTaskResponse *response = NULL;
        struct ganger_error error = {0};
        request.task_id = task_ids[i];
        request.force = force;
        if (ganger_retry_task(broker, &request, daemon_timeout_ms(cli), &response, &error) == GANGER_OK)
            task_print(cli, response->task);
        else
            exit_status = id_refused(cli, &error, "retry", task_ids[i]);
    }
    return exit_status;
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    CLEANUP(choices_done)
    struct choices choices = {0};
    Ganger__V1__JobOrder order = GANGER__V1__JOB_ORDER__INIT;
    struct ganger *broker = NULL;

    job_choices_init(&choices.job);
    TRY_DONE(command_parse(cli, &command_retry, count, words, &choices, &arguments));
    TRY_DONE(job_check_arguments(&choices.job, &arguments, "retry"));
    TRY_DONE(daemon_open(cli, GANGER_BROKER, &broker));
    if (arguments.count > 0)
        return retry_all(cli, broker, choices.force, &arguments);
    order.kind = GANGER__V1__JOB_KIND__RETRY_TASKS;
    order.force = choices.force;
    return job_run(cli, broker, &order, &choices.job);
}
