#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/format.h"
#include "cli/json.h"
#include "cli/table.h"
#include "cli/values.h"
#include "common/base/check.h"

#include <string.h>

enum { OPTION_NAMESPACE = OPTION_FIRST };

static const struct argp_option options[] = {
    {"namespace", OPTION_NAMESPACE, "NAME", 0, "only in this namespace", 0},
    {0},
};

static enum exit_status take_option(int key, char *value, void *data);
static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_queues = {
    .name = "queues",
    .usage = "[--namespace NAME]",
    .summary = "show how many tasks are in which state, by queue",
    .examples = "gangerctl queues\n"
                "gangerctl queues --json | jq -r .queue\n",
    .options = options,
    .take_option = take_option,
    .run = run,
};

static enum exit_status take_option(int key, char *value, void *data)
{
    Ganger__V1__QueueStatsRequest *request = data;

    (void)key;
    return value_name("--namespace", value, &request->namespace_);
}

static const struct column columns[] = {
    {.title = "QUEUE"},
    {.title = "READY", .right = true},
    {.title = "SCHEDULED", .right = true},
    {.title = "ASSIGNED", .right = true},
    {.title = "RUNNING", .right = true},
    {.title = "COMPLETED", .right = true},
    {.title = "FAILED", .right = true},
    {.title = "CANCELED", .right = true},
    {.title = "OLDEST", .right = true},
    {.title = "WAITING FOR", .flexible = true},
};

static const Ganger__V1__TaskState shown_states[] = {
    GANGER__V1__TASK_STATE__READY,    GANGER__V1__TASK_STATE__SCHEDULED, GANGER__V1__TASK_STATE__ASSIGNED,
    GANGER__V1__TASK_STATE__RUNNING,  GANGER__V1__TASK_STATE__COMPLETED, GANGER__V1__TASK_STATE__FAILED,
    GANGER__V1__TASK_STATE__CANCELED,
};

static uint64_t count_in_state(const Ganger__V1__Queue *queue, Ganger__V1__TaskState state)
{
    for (size_t i = 0; i < queue->n_states; i++)
        if (queue->states[i]->state == state)
            return queue->states[i]->tasks;
    return 0;
}

static char *queue_name(const Ganger__V1__Queue *queue)
{
    if (queue->namespace_[0] == '\0' || strcmp(queue->namespace_, "default") == 0)
        return duplicate_text(queue->queue);
    return format_text("%s/%s", queue->namespace_, queue->queue);
}

static char *join_types(const Ganger__V1__Queue *queue)
{
    char *joined = duplicate_text("");

    for (size_t i = 0; i < queue->n_agent_types; i++) {
        CLEANUP(free)
        char *before = joined;
        joined = format_text("%s%s%s", before, i > 0 ? ", " : "", queue->agent_types[i]);
    }
    return joined;
}

static void add_row(struct table *table, const Ganger__V1__Queue *queue)
{
    CLEANUP(free)
    char *name = queue_name(queue);
    CLEANUP(free)
    char *types = join_types(queue);
    char oldest[FORMAT_SIZE] = "";

    table_add(table, TONE_PLAIN, name);
    for (size_t i = 0; i < sizeof(shown_states) / sizeof(shown_states[0]); i++) {
        uint64_t tasks = count_in_state(queue, shown_states[i]);
        bool bad = shown_states[i] == GANGER__V1__TASK_STATE__FAILED && tasks > 0;
        table_add_count(table, bad ? TONE_BAD : tasks == 0 ? TONE_FAINT : TONE_PLAIN, tasks);
    }
    if (queue->oldest_ready_ms > 0)
        (void)format_age(queue->oldest_ready_ms, oldest);
    table_add(table, TONE_PLAIN, oldest);
    table_add(table, TONE_PLAIN, types);
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    CLEANUP(ganger_free)
    Ganger__V1__QueueStatsResponse *response = NULL;
    CLEANUP(table_free)
    struct table *table = table_new(columns, sizeof(columns) / sizeof(columns[0]), &cli->output);
    Ganger__V1__QueueStatsRequest request = GANGER__V1__QUEUE_STATS_REQUEST__INIT;
    struct ganger_error error = {0};
    struct ganger *broker = NULL;

    TRY_DONE(command_parse(cli, &command_queues, count, words, &request, &arguments));
    TRY_DONE(daemon_open(cli, GANGER_BROKER, &broker));
    if (ganger_queue_stats(broker, &request, daemon_timeout_ms(cli), &response, &error) != GANGER_OK)
        return daemon_refused(cli, GANGER_BROKER, &error, "cannot show the queues");
    for (size_t i = 0; i < response->n_queues; i++) {
        if (cli->json)
            json_print_message(&cli->output, &response->queues[i]->base);
        else if (cli->quiet)
            printf("%s\n", response->queues[i]->queue);
        else
            add_row(table, response->queues[i]);
    }
    table_flush(table);
    if (response->n_queues == 0 && cli->output.interactive && !cli->json && !cli->quiet)
        problem_note("no queue has ever had a task");
    return EXIT_DONE;
}
