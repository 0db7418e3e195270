#include "cli/job.h"

#include "cli/daemon.h"
#include "cli/format.h"
#include "cli/json.h"
#include "cli/task.h"
#include "cli/text.h"
#include "common/base/check.h"

#include <string.h>

#define SAMPLE_SHOWN 5
#define LOOK_EVERY_MS 200

void job_choices_init(struct job_choices *choices)
{
    *choices = (struct job_choices){0};
    filter_init(&choices->filter);
}

void job_choices_done(struct job_choices *choices)
{
    filter_done(&choices->filter);
}

bool job_has_option(int key)
{
    return filter_has_option(key) || key == OPTION_YES || key == OPTION_WAIT_FOR_JOB;
}

enum exit_status job_take_option(int key, char *value, struct job_choices *choices)
{
    if (filter_has_option(key))
        return filter_take_option(key, value, &choices->filter);
    choices->yes = choices->yes || key == OPTION_YES;
    choices->wait = choices->wait || key == OPTION_WAIT_FOR_JOB;
    return EXIT_DONE;
}

const char *job_kind_name(Ganger__V1__JobKind kind)
{
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(&ganger__v1__job_kind__descriptor, kind);

    return value != NULL ? value->name : "?";
}

const char *job_state_name(Ganger__V1__JobState state)
{
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(&ganger__v1__job_state__descriptor, state);

    return value != NULL ? value->name + strlen("JOB_") : "?";
}

void job_print(const struct cli *cli, const Ganger__V1__Job *job)
{
    char id[20];
    char done[FORMAT_SIZE];
    char matched[FORMAT_SIZE];

    (void)ganger_id_format(job->job_id, id);
    if (cli->json)
        json_print_message(&cli->output, &job->base);
    else if (cli->quiet)
        printf("%s\n", id);
    else
        printf("%s %s %s, %s of %s tasks\n", id, job_kind_name(job->order->kind), job_state_name(job->state),
               format_count(job->done, done), format_count(job->matched, matched));
}

static void show_sample(const Ganger__V1__PreviewJobResponse *page, size_t *shown)
{
    char id[20];

    for (size_t i = 0; i < page->n_sample && *shown < SAMPLE_SHOWN; i++, ++*shown) {
        CLEANUP(free)
        char *title = text_line(bytes_of_text(page->sample[i]->spec->title));
        printf("%s %s  %s\n", ganger_id_format(page->sample[i]->task_id, id), task_state(page->sample[i]), title);
    }
}

/* Page by page, so that counting millions holds nobody up. */
static enum exit_status preview(struct cli *cli, struct ganger *broker, Ganger__V1__JobOrder *order)
{
    Ganger__V1__PreviewJobRequest request = GANGER__V1__PREVIEW_JOB_REQUEST__INIT;
    uint64_t matched = 0;
    size_t shown = 0;
    char count[FORMAT_SIZE];

    request.order = order;
    do {
        CLEANUP(ganger_free)
        Ganger__V1__PreviewJobResponse *page = NULL;
        struct ganger_error error = {0};
        if (ganger_preview_job(broker, &request, daemon_timeout_ms(cli), &page, &error) != GANGER_OK)
            return daemon_refused(cli, GANGER_BROKER, &error, "cannot count the tasks");
        if (!cli->json && !cli->quiet)
            show_sample(page, &shown);
        matched += page->matched;
        request.page_token = page->next_page_token;
    } while (request.page_token != 0);
    if (cli->json)
        printf("{\"matched\":%llu}\n", (unsigned long long)matched);
    else if (cli->quiet)
        printf("%llu\n", (unsigned long long)matched);
    else
        printf("%s tasks in all; nothing was changed%s\n", format_count(matched, count),
               matched > 0 ? ", --yes does it" : "");
    return EXIT_DONE;
}

static void show_progress(const struct cli *cli, const Ganger__V1__Job *job)
{
    char done[FORMAT_SIZE];
    char looked_at[FORMAT_SIZE];

    if (!cli->errors.interactive || cli->quiet)
        return;
    fprintf(stderr, "\r%s tasks done, %s looked at ", format_count(job->done, done),
            format_count(job->looked_at, looked_at));
    if (job->state != GANGER__V1__JOB_STATE__JOB_OPEN)
        fprintf(stderr, "\r\033[K");
    (void)fflush(stderr);
}

/* The caller frees the response, which has this one job. */
static enum exit_status look_at(struct cli *cli, struct ganger *broker, uint64_t job_id,
                                Ganger__V1__ListJobsResponse **ret_response)
{
    Ganger__V1__ListJobsRequest request = GANGER__V1__LIST_JOBS_REQUEST__INIT;
    struct ganger_error error = {0};

    request.job_id = job_id;
    if (ganger_list_jobs(broker, &request, daemon_timeout_ms(cli), ret_response, &error) == GANGER_OK)
        return EXIT_DONE;
    return daemon_refused(cli, GANGER_BROKER, &error, "cannot look at the job");
}

enum exit_status job_show(struct cli *cli, struct ganger *broker, uint64_t job_id)
{
    CLEANUP(ganger_free)
    Ganger__V1__ListJobsResponse *response = NULL;

    TRY_DONE(look_at(cli, broker, job_id, &response));
    job_print(cli, response->jobs[0]);
    return EXIT_DONE;
}

enum exit_status job_wait(struct cli *cli, struct ganger *broker, uint64_t job_id)
{
    for (;;) {
        CLEANUP(ganger_free)
        Ganger__V1__ListJobsResponse *response = NULL;
        TRY_DONE(look_at(cli, broker, job_id, &response));
        const Ganger__V1__Job *job = response->jobs[0];
        show_progress(cli, job);
        if (job->state != GANGER__V1__JOB_STATE__JOB_OPEN) {
            job_print(cli, job);
            return job->state == GANGER__V1__JOB_STATE__JOB_DONE ? EXIT_DONE : EXIT_WORK_FAILED;
        }
        daemon_process_all(cli, LOOK_EVERY_MS);
    }
}

enum exit_status job_check_arguments(const struct job_choices *choices, const struct arguments *arguments,
                                     const char *name)
{
    if (arguments->count > 0 && choices->filter.is_given)
        return problem(EXIT_USAGE, "it is either for named tasks or for all that a filter finds", NULL,
                       "%s: \"%.80s\" is one argument too many", name, arguments->values[0]);
    if (arguments->count == 0 && !choices->filter.is_given)
        return problem(EXIT_USAGE, "tasks are named by their ids, or found with --state, --queue and the like", NULL,
                       "%s: an argument is missing", name);
    return EXIT_DONE;
}

enum exit_status job_run(struct cli *cli, struct ganger *broker, Ganger__V1__JobOrder *order,
                         struct job_choices *choices)
{
    CLEANUP(ganger_free)
    Ganger__V1__StartJobResponse *response = NULL;
    Ganger__V1__StartJobRequest request = GANGER__V1__START_JOB_REQUEST__INIT;
    struct ganger_error error = {0};

    TRY_DONE(filter_complete(cli, broker, &choices->filter));
    order->filter = &choices->filter.message;
    if (!choices->yes)
        return preview(cli, broker, order);
    request.order = order;
    if (ganger_start_job(broker, &request, daemon_timeout_ms(cli), &response, &error) != GANGER_OK)
        return daemon_refused(cli, GANGER_BROKER, &error, "cannot begin the job");
    if (choices->wait)
        return job_wait(cli, broker, response->job->job_id);
    job_print(cli, response->job);
    return EXIT_DONE;
}
