#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/ids.h"
#include "cli/job.h"
#include "cli/task.h"
#include "cli/values.h"

#define REASON_MOST_BYTES 255

enum { OPTION_REASON = OPTION_FIRST, OPTION_CASCADE };

static const struct argp_option options[] = {
    {"reason", OPTION_REASON, "TEXT", 0, "why, for those who look at it later", 0},
    {"cascade", OPTION_CASCADE, NULL, 0, "their children as well, and theirs", 0},
    FILTER_OPTIONS,
    JOB_OPTIONS,
    {0},
};

static enum exit_status take_option(int key, char *value, void *data);
static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_cancel = {
    .name = "cancel",
    .usage = "[OPTION...] ID... | FILTER... [--yes]",
    .summary = "cancel tasks; a running one ends when its agent has stopped",
    .examples = "gangerctl cancel 0000-01K3\n"
                "gangerctl cancel --reason \"wrong branch\" 0000-01K3 0000-01K4\n"
                "gangerctl cancel --cascade 0000-01K3\n"
                "gangerctl cancel --state ready --type review --yes --wait\n",
    .options = options,
    .arguments_most = ARGUMENTS_UNBOUNDED,
    .take_option = take_option,
    .run = run,
};

struct choices {
    struct job_choices job;
    Ganger__V1__CancelTaskRequest request;
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
    if (key == OPTION_REASON)
        return value_text("--reason", value, REASON_MOST_BYTES, &choices->request.reason);
    choices->request.cascade = true;
    return EXIT_DONE;
}

/* With --wait until its children are canceled as well. */
static enum exit_status cancel_one(struct cli *cli, struct ganger *broker, const struct choices *choices,
                                   uint64_t task_id)
{
    CLEANUP(ganger_free)
    Ganger__V1__CancelTaskResponse *response = NULL;
    Ganger__V1__CancelTaskRequest request = choices->request;
    struct ganger_error error = {0};

    request.task_id = task_id;
    if (ganger_cancel_task(broker, &request, daemon_timeout_ms(cli), &response, &error) != GANGER_OK)
        return id_refused(cli, &error, "cancel", task_id);
    task_print(cli, response->task);
    if (response->job_id == 0)
        return EXIT_DONE;
    return choices->job.wait ? job_wait(cli, broker, response->job_id) : job_show(cli, broker, response->job_id);
}

static enum exit_status cancel_all(struct cli *cli, struct ganger *broker, const struct choices *choices,
                                   const struct arguments *arguments)
{
    CLEANUP(free)
    uint64_t *task_ids = NULL;
    enum exit_status exit_status = EXIT_DONE;

    TRY_DONE(ids_resolve(cli, broker, arguments, &task_ids));
    for (size_t i = 0; i < arguments->count && exit_status != EXIT_NO_DAEMON; i++) {
        enum exit_status one = cancel_one(cli, broker, choices, task_ids[i]);
        exit_status = one != EXIT_DONE ? one : exit_status;
    }
    return exit_status;
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    CLEANUP(choices_done)
    struct choices choices = {.request = GANGER__V1__CANCEL_TASK_REQUEST__INIT};
    Ganger__V1__JobOrder order = GANGER__V1__JOB_ORDER__INIT;
    struct ganger *broker = NULL;

    job_choices_init(&choices.job);
    TRY_DONE(command_parse(cli, &command_cancel, count, words, &choices, &arguments));
    TRY_DONE(job_check_arguments(&choices.job, &arguments, "cancel"));
    TRY_DONE(daemon_open(cli, GANGER_BROKER, &broker));
    if (arguments.count > 0)
        return cancel_all(cli, broker, &choices, &arguments);
    order.kind = GANGER__V1__JOB_KIND__CANCEL_TASKS;
    order.reason = choices.request.reason;
    return job_run(cli, broker, &order, &choices.job);
}
