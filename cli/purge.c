#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/job.h"
#include "cli/values.h"

#define REASON_MOST_BYTES 255

enum { OPTION_REASON = OPTION_FIRST };

static const struct argp_option options[] = {
    FILTER_OPTIONS,
    FILTER_OPTION_OLDER,
    {"reason", OPTION_REASON, "TEXT", 0, "why, for those who look at it later", 0},
    JOB_OPTIONS,
    {0},
};

static enum exit_status take_option(int key, char *value, void *data);
static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_purge = {
    .name = "purge",
    .usage = "--state STATE,... [OPTION...] [--yes]",
    .summary = "remove tasks that have ended, before their retention is over",
    .examples = "gangerctl purge --state completed --older-than 7d\n"
                "gangerctl purge --state completed,canceled --queue builds --yes --wait\n",
    .options = options,
    .take_option = take_option,
    .run = run,
};

struct choices {
    struct job_choices job;
    char *reason;
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
    return value_text("--reason", value, REASON_MOST_BYTES, &choices->reason);
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
    TRY_DONE(command_parse(cli, &command_purge, count, words, &choices, &arguments));
    if (choices.job.filter.message.n_states == 0)
        return problem(EXIT_USAGE, NULL, "say --state completed, failed, canceled or expired, or several of them",
                       "purge: which states?");
    TRY_DONE(daemon_open(cli, GANGER_BROKER, &broker));
    order.kind = GANGER__V1__JOB_KIND__PURGE_TASKS;
    if (choices.reason != NULL)
        order.reason = choices.reason;
    return job_run(cli, broker, &order, &choices.job);
}
