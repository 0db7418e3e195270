#include "cli/budget.h"
#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/format.h"
#include "cli/history.h"
#include "cli/ids.h"
#include "cli/json.h"
#include "cli/streams.h"
#include "cli/task.h"
#include "cli/text.h"
#include "common/base/check.h"
#include "common/base/clock.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#define EXCERPT_LINES 20
#define CHILDREN_SHOWN 5
#define EARLIER_RUNS_MOST 5
#define EARLIER_EVENTS_MOST 100

static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_show = {
    .name = "show",
    .alias = "get",
    .usage = "ID...",
    .summary = "show everything about tasks, and what to do next",
    .examples = "gangerctl show 0000-01K3\n"
                "gangerctl show --json 0000-01K3 | jq -r .outcome.result\n",
    .arguments_least = 1,
    .arguments_most = ARGUMENTS_UNBOUNDED,
    .run = run,
};

/* One line "  name  text"; nothing when there is no text. */
static void print_field(const char *name, const char *text)
{
    CLEANUP(free)
    char *visible = text_line(bytes_of_text(text));

    if (visible[0] != '\0')
        printf("  %-10s %s\n", name, visible);
}

static void print_formatted(const char *name, const char *format, ...) PRINTF_LIKE(2, 3);
static void print_formatted(const char *name, const char *format, ...)
{
    char *text = NULL;
    va_list list;

    va_start(list, format);
    CHECK(vasprintf(&text, format, list) >= 0);
    va_end(list);
    print_field(name, text);
    free(text);
}

static void print_moment(const char *name, uint64_t unix_ms, uint64_t now_ms)
{
    char when[FORMAT_SIZE];
    char age[FORMAT_SIZE];

    if (unix_ms != 0)
        print_formatted(name, "%s (%s ago)", format_time(unix_ms, when),
                        format_age(now_ms > unix_ms ? now_ms - unix_ms : 0, age));
}

/* The first lines of a payload or result, indented; how much was left out is said. */
static void print_excerpt(const char *name, const ProtobufCBinaryData *data, const char *content_type)
{
    struct bytes bytes = {data->data, data->len};
    char size[FORMAT_SIZE];
    size_t lines = 0;

    if (data->len == 0)
        return;
    print_formatted(name, "%s%s%s", format_size(data->len, size), content_type[0] != '\0' ? ", " : "", content_type);
    if (!text_is_valid(bytes)) {
        printf("             (binary; gangerctl show --json has it)\n");
        return;
    }
    CLEANUP(free)
    char *visible = text_lines(bytes);
    char *rest = NULL;
    for (char *line = strtok_r(visible, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        if (lines++ == EXCERPT_LINES) {
            printf("             ... (gangerctl show --json has all of it)\n");
            return;
        }
        printf("             %s\n", line);
    }
}

static void print_labels(const Ganger__V1__TaskSpec *spec)
{
    for (size_t i = 0; i < spec->n_labels; i++)
        print_formatted(i == 0 ? "labels" : "", "%s=%s", spec->labels[i]->key, spec->labels[i]->value);
}

static void print_relatives(const Ganger__V1__Task *task)
{
    const Ganger__V1__TaskSpec *spec = task->spec;
    char id[20];

    if (spec->parent_id != 0)
        print_formatted("parent", "%s", ganger_id_format(spec->parent_id, id));
    for (size_t i = 0; i < spec->n_depends_on; i++)
        print_formatted(i == 0 ? "after" : "", "%s", ganger_id_format(spec->depends_on[i], id));
    if (task->open_dependencies > 0)
        print_formatted("", "waits for %u of them", task->open_dependencies);
}

static void print_budget(const Ganger__V1__Task *task)
{
    CLEANUP(free)
    char *used = task->used != NULL ? usage_said(task->used) : duplicate_text("");
    CLEANUP(free)
    char *said = task->budget != NULL ? budget_said(task->budget) : duplicate_text("");
    char id[20];

    print_field("used", used);
    if (task->budget != NULL && task->budget->task_id != task->task_id)
        print_formatted("budget", "%s, of task %s", said, ganger_id_format(task->budget->task_id, id));
    else
        print_field("budget", said);
}

/* The first of them. A broker that does not answer any more costs the lines only. */
static void print_children(struct cli *cli, struct ganger *broker, uint64_t task_id)
{
    CLEANUP(ganger_free)
    Ganger__V1__ListTasksResponse *response = NULL;
    Ganger__V1__ListTasksRequest request = GANGER__V1__LIST_TASKS_REQUEST__INIT;
    struct ganger_error error = {0};
    char id[20];

    request.parent_id = task_id;
    request.page_size = CHILDREN_SHOWN;
    if (ganger_list_tasks(broker, &request, daemon_timeout_ms(cli), &response, &error) != GANGER_OK)
        return;
    for (size_t i = 0; i < response->n_tasks; i++)
        print_formatted(i == 0 ? "children" : "", "%s %s", ganger_id_format(response->tasks[i]->task_id, id),
                        task_state(response->tasks[i]));
    if (response->next_page_token != 0)
        print_formatted("", "and more: gangerctl list --parent %s", ganger_id_format(task_id, id));
}

static void print_spec(const Ganger__V1__TaskSpec *spec)
{
    CLEANUP(free)
    char *namespace = spec->namespace_[0] != '\0' && strcmp(spec->namespace_, "default") != 0
                          ? format_text("   namespace %s", spec->namespace_)
                          : duplicate_text("");

    print_formatted("type", "%s   queue %s%s   priority %u", spec->agent_type[0] != '\0' ? spec->agent_type : "any",
                    spec->queue[0] != '\0' ? spec->queue : "default", namespace,
                    spec->priority != 0 ? spec->priority : 5);
    print_labels(spec);
    for (size_t i = 0; i < spec->n_limits; i++)
        print_field(i == 0 ? "limits" : "", spec->limits[i]);
    print_field("key", spec->fairness_key);
}

static void print_state(struct cli *cli, const Ganger__V1__Task *task, uint64_t now_ms)
{
    char took[FORMAT_SIZE];
    CLEANUP(free)
    char *why = task_why(task);
    uint64_t took_ms = task_took_ms(task, now_ms);

    printf("  %-10s %s%s%s", "state", terminal_tone(&cli->output, task_tone(task)), task_state(task),
           terminal_plain(&cli->output, task_tone(task)));
    if (task->attempts > 0)
        printf(", attempt %u of %u", task->attempts, task_attempts_most(task));
    if (task_has_ended(task) && took_ms > 0)
        printf(", took %s", format_duration(took_ms, took));
    else if (task->state == GANGER__V1__TASK_STATE__RUNNING)
        printf(", for %s", format_duration(took_ms, took));
    printf("\n");
    print_field("why", why);
}

static void print_run(const Ganger__V1__Task *task, uint64_t now_ms)
{
    print_moment("submitted", task->submitted_ms, now_ms);
    print_moment("started", task->started_ms, now_ms);
    print_moment("ended", task->ended_ms, now_ms);
    if (task->fence != 0)
        print_formatted("run", "%" PRIu64 "%s%s", task->fence, task->agent_id[0] != '\0' ? " by " : "", task->agent_id);
    if (task->crashes > 0 || task->interruptions > 0)
        print_formatted("trouble", "%u crashed, %u interrupted, of %u runs", task->crashes, task->interruptions,
                        task->deliveries);
}

/* "run 3 by build7/review1: FAIL 4m ago, exit status 1" */
static void print_earlier_run(const char *name, const struct history_run *run, uint64_t now_ms)
{
    const Ganger__V1__Event *end = run->end;
    char age[FORMAT_SIZE];

    print_formatted(name, "run %" PRIu64 "%s%s: %s %s ago%s%s", run->fence, run->agent_id[0] != '\0' ? " by " : "",
                    run->agent_id, end->kind, format_age(now_ms > end->wall_ms ? now_ms - end->wall_ms : 0, age),
                    end->why[0] != '\0' ? ", " : "", end->why);
}

/* How the runs before the last one ended. What is not kept any more is not there. */
static void print_earlier_runs(struct cli *cli, struct ganger *broker, const Ganger__V1__Task *task, uint64_t now_ms)
{
    CLEANUP(history_done)
    struct history history = {0};
    struct history_run run;
    struct ganger_error error = {0};
    size_t printed = 0;
    size_t at = 0;

    if (task->deliveries < 2 ||
        history_load(cli, broker, task->task_id, EARLIER_EVENTS_MOST, &history, &error) != GANGER_OK)
        return;
    while (printed < EARLIER_RUNS_MOST && history_next_run(&history, &at, &run))
        if (run.fence != task->fence)
            print_earlier_run(printed++ == 0 ? "earlier" : "", &run, now_ms);
}

/* What runs that were given up came to all the same: an operator may want it. */
static void print_orphans(struct cli *cli, struct ganger *broker, const Ganger__V1__Task *task)
{
    CLEANUP(ganger_free)
    Ganger__V1__ListOrphansResponse *response = NULL;
    Ganger__V1__ListOrphansRequest request = GANGER__V1__LIST_ORPHANS_REQUEST__INIT;
    struct ganger_error error = {0};
    char id[20];

    request.task_id = task->task_id;
    if (task->deliveries == 0 ||
        ganger_list_orphans(broker, &request, daemon_timeout_ms(cli), &response, &error) != GANGER_OK ||
        response->n_orphans == 0)
        return;
    print_formatted("late", "%zu given-up run%s reported later: gangerctl orphans %s", response->n_orphans,
                    response->n_orphans > 1 ? "s" : "", ganger_id_format(task->task_id, id));
}

/* The streams are in another daemon, which may be away: then the task is shown without. */
static void print_streams(struct cli *cli, const Ganger__V1__Task *task, const struct streams *streams)
{
    char size[FORMAT_SIZE];

    (void)cli;
    for (size_t i = 0; i < streams->count; i++) {
        const Ganger__V1__StreamInfo *info = streams->items[i];
        print_formatted(i == 0 ? "output" : "", "run %" PRIu64 " %s: %s%s%s", info->stream->fence, info->stream->name,
                        format_size(info->length, size), info->sealed ? "" : ", still open",
                        info->stream->fence == task->fence ? "" : " (an earlier run)");
    }
}

static void print_next(const Ganger__V1__Task *task, bool has_output)
{
    char id[20];
    char budget[20];
    const char *first = "next";

    (void)ganger_id_format(task->task_id, id);
    if (has_output || task->state == GANGER__V1__TASK_STATE__RUNNING) {
        print_formatted(first, "gangerctl logs%s %s", task_has_ended(task) ? "" : " -f", id);
        first = "";
    }
    if (task_has_ended(task) && task->state != GANGER__V1__TASK_STATE__COMPLETED)
        print_formatted(first, "gangerctl retry %s", id);
    if (task->withheld_by != 0) {
        bool is_of_dollars = task->budget != NULL && task->budget->budget->micro_dollars > 0;
        print_formatted(first, "gangerctl budget set %s %s", is_of_dollars ? "--dollars AMOUNT" : "--tokens COUNT",
                        ganger_id_format(task->withheld_by, budget));
        first = "";
    } else if (task->state == GANGER__V1__TASK_STATE__SUSPENDED) {
        print_formatted(first, "gangerctl resume %s", id);
        first = "";
    }
    if (!task_has_ended(task)) {
        print_formatted(first, "gangerctl why %s", id);
        print_formatted("", "gangerctl wait %s", id);
        print_formatted("", "gangerctl cancel %s", id);
    }
}

static void print_task(struct cli *cli, struct ganger *broker, const Ganger__V1__Task *task,
                       const struct streams *streams)
{
    uint64_t now_ms = clock_wall_ms();
    char id[20];
    CLEANUP(free)
    char *title = text_line(bytes_of_text(task->spec->title));

    printf("%s%s%s  %s\n", terminal_tone(&cli->output, TONE_STRONG), ganger_id_format(task->task_id, id),
           terminal_plain(&cli->output, TONE_STRONG), title);
    print_state(cli, task, now_ms);
    print_spec(task->spec);
    print_relatives(task);
    print_children(cli, broker, task->task_id);
    print_budget(task);
    print_run(task, now_ms);
    print_earlier_runs(cli, broker, task, now_ms);
    print_orphans(cli, broker, task);
    print_excerpt("payload", &task->spec->payload, task->spec->content_type);
    if (task->outcome != NULL)
        print_excerpt("result", &task->outcome->result, task->outcome->content_type);
    print_streams(cli, task, streams);
    print_next(task, streams->count > 0);
}

/* Asks for the streams only where there can be some; a context store that is away costs the lines, not the answer. */
static void find_streams(struct cli *cli, const Ganger__V1__Task *task, struct streams *ret_streams)
{
    struct ganger_error error = {0};

    if (task->fence == 0 || cli->json || cli->quiet)
        return;
    if (!daemon_is_there(cli, GANGER_CONTEXT) || streams_list(cli, task, ret_streams, &error) != GANGER_OK)
        problem_note("the context store does not answer: the output is not shown");
}

static enum exit_status show_one(struct cli *cli, struct ganger *broker, uint64_t task_id, bool is_first)
{
    CLEANUP(ganger_free)
    Ganger__V1__GetTaskResponse *response = NULL;
    CLEANUP(streams_done)
    struct streams streams = {0};
    Ganger__V1__GetTaskRequest request = GANGER__V1__GET_TASK_REQUEST__INIT;
    struct ganger_error error = {0};

    request.task_id = task_id;
    request.with_payload = true;
    if (ganger_get_task(broker, &request, daemon_timeout_ms(cli), &response, &error) != GANGER_OK)
        return id_refused(cli, &error, "show", task_id);
    find_streams(cli, response->task, &streams);
    if (cli->json || cli->quiet) {
        task_print(cli, response->task);
        return EXIT_DONE;
    }
    if (!is_first)
        printf("\n");
    print_task(cli, broker, response->task, &streams);
    return EXIT_DONE;
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    CLEANUP(free)
    uint64_t *task_ids = NULL;
    struct ganger *broker = NULL;
    enum exit_status exit_status = EXIT_DONE;

    TRY_DONE(command_parse(cli, &command_show, count, words, NULL, &arguments));
    TRY_DONE(daemon_open(cli, GANGER_BROKER, &broker));
    TRY_DONE(ids_resolve(cli, broker, &arguments, &task_ids));
    for (size_t i = 0; i < arguments.count && exit_status != EXIT_NO_DAEMON; i++) {
        enum exit_status shown = show_one(cli, broker, task_ids[i], i == 0);
        exit_status = shown != EXIT_DONE ? shown : exit_status;
    }
    return exit_status;
}
