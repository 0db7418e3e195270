#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/format.h"
#include "cli/ids.h"
#include "cli/job.h"
#include "cli/json.h"
#include "cli/table.h"
#include "common/base/check.h"
#include "common/base/clock.h"

enum { OPTION_CANCEL = OPTION_FIRST, OPTION_WAIT };

static const struct argp_option options[] = {
    {"cancel", OPTION_CANCEL, NULL, 0, "stop these jobs; what is done stays done", 0},
    {"wait", OPTION_WAIT, NULL, 0, "wait until these jobs are over, with progress", 0},
    {0},
};

static enum exit_status take_option(int key, char *value, void *data);
static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_jobs = {
    .name = "jobs",
    .usage = "[--cancel|--wait] [JOB...]",
    .summary = "show, follow or stop what the broker does to many tasks",
    .examples = "gangerctl jobs\n"
                "gangerctl jobs --wait 0000-0002\n"
                "gangerctl jobs --cancel 0000-0002\n",
    .options = options,
    .arguments_most = ARGUMENTS_UNBOUNDED,
    .take_option = take_option,
    .run = run,
};

struct choices {
    bool cancel;
    bool wait;
};

static enum exit_status take_option(int key, char *value, void *data)
{
    struct choices *choices = data;

    (void)value;
    choices->cancel = choices->cancel || key == OPTION_CANCEL;
    choices->wait = choices->wait || key == OPTION_WAIT;
    return EXIT_DONE;
}

static const struct column columns[] = {
    {.title = "JOB"},
    {.title = "KIND"},
    {.title = "STATE"},
    {.title = "DONE", .right = true},
    {.title = "MATCHED", .right = true},
    {.title = "LOOKED AT", .right = true},
    {.title = "AGE", .right = true},
    {.title = "WHO", .flexible = true},
    {.title = "REASON", .flexible = true},
};

static void add_row(struct table *table, const Ganger__V1__Job *job, uint64_t now_ms)
{
    char id[20];
    char age[FORMAT_SIZE];

    table_add(table, TONE_PLAIN, ganger_id_format(job->job_id, id));
    table_add(table, TONE_PLAIN, job_kind_name(job->order->kind));
    table_add(table, TONE_PLAIN, job_state_name(job->state));
    table_add_count(table, TONE_PLAIN, job->done);
    table_add_count(table, TONE_PLAIN, job->matched);
    table_add_count(table, TONE_PLAIN, job->looked_at);
    table_add(table, TONE_PLAIN, format_age(now_ms > job->began_ms ? now_ms - job->began_ms : 0, age));
    table_add(table, TONE_PLAIN, job->who);
    table_add(table, TONE_PLAIN, job->order->reason);
}

/* job_id 0: all of them. */
static enum exit_status list(struct cli *cli, struct ganger *broker, uint64_t job_id)
{
    CLEANUP(table_free)
    struct table *table = table_new(columns, sizeof columns / sizeof columns[0], &cli->output);
    CLEANUP(ganger_free)
    Ganger__V1__ListJobsResponse *response = NULL;
    Ganger__V1__ListJobsRequest request = GANGER__V1__LIST_JOBS_REQUEST__INIT;
    struct ganger_error error = {0};

    request.job_id = job_id;
    if (ganger_list_jobs(broker, &request, daemon_timeout_ms(cli), &response, &error) != GANGER_OK)
        return daemon_refused(cli, GANGER_BROKER, &error, "cannot list the jobs");
    for (size_t i = 0; i < response->n_jobs; i++) {
        if (cli->json || cli->quiet)
            job_print(cli, response->jobs[i]);
        else
            add_row(table, response->jobs[i], clock_wall_ms());
    }
    table_flush(table);
    if (response->n_jobs == 0 && cli->output.interactive && !cli->json && !cli->quiet)
        problem_note("no jobs");
    return EXIT_DONE;
}

static enum exit_status cancel(struct cli *cli, struct ganger *broker, uint64_t job_id)
{
    CLEANUP(ganger_free)
    Ganger__V1__CancelJobResponse *response = NULL;
    Ganger__V1__CancelJobRequest request = GANGER__V1__CANCEL_JOB_REQUEST__INIT;
    struct ganger_error error = {0};

    request.job_id = job_id;
    if (ganger_cancel_job(broker, &request, daemon_timeout_ms(cli), &response, &error) != GANGER_OK)
        return daemon_refused(cli, GANGER_BROKER, &error, "cannot cancel the job");
    job_print(cli, response->job);
    return EXIT_DONE;
}

static enum exit_status do_one(struct cli *cli, struct ganger *broker, const struct choices *choices, uint64_t job_id)
{
    if (choices->cancel)
        return cancel(cli, broker, job_id);
    return choices->wait ? job_wait(cli, broker, job_id) : list(cli, broker, job_id);
}

/* The caller frees the array. */
static enum exit_status parse_ids(const struct arguments *arguments, uint64_t **ret_job_ids)
{
    CLEANUP(free)
    uint64_t *job_ids = allocate_zero(arguments->count, sizeof job_ids[0]);

    for (size_t i = 0; i < arguments->count; i++) {
        uint64_t last = 0;
        struct ganger_error error = {0};
        if (ganger_id_parse(arguments->values[i], &job_ids[i], &last, &error) != GANGER_OK || job_ids[i] != last)
            return problem(EXIT_USAGE, NULL, "gangerctl jobs names them", "\"%.80s\" is no id of a job",
                           arguments->values[i]);
    }
    *ret_job_ids = TAKE(job_ids);
    return EXIT_DONE;
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    struct choices choices = {0};
    struct ganger *broker = NULL;

    TRY_DONE(command_parse(cli, &command_jobs, count, words, &choices, &arguments));
    if (arguments.count == 0 && (choices.cancel || choices.wait))
        return problem(EXIT_USAGE, NULL, "gangerctl jobs names them", "jobs: which job?");
    CLEANUP(free)
    uint64_t *job_ids = NULL;
    TRY_DONE(parse_ids(&arguments, &job_ids));
    TRY_DONE(daemon_open(cli, GANGER_BROKER, &broker));
    if (arguments.count == 0)
        return list(cli, broker, 0);
    for (size_t i = 0; i < arguments.count; i++)
        // NOLINTNEXTLINE(clang-analyzer-core.NullDereference)
        TRY_DONE(do_one(cli, broker, &choices, job_ids[i]));
    return EXIT_DONE;
}
