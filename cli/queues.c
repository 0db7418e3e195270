#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/format.h"
#include "cli/json.h"
#include "cli/queue.h"
#include "cli/table.h"
#include "cli/task.h"
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

#define STATES_MAX 10

/* In this order, and the rare ones only where there are any. */
static const Ganger__V1__TaskState all_states[STATES_MAX] = {
    GANGER__V1__TASK_STATE__READY,     GANGER__V1__TASK_STATE__BLOCKED, GANGER__V1__TASK_STATE__SCHEDULED,
    GANGER__V1__TASK_STATE__ASSIGNED,  GANGER__V1__TASK_STATE__RUNNING, GANGER__V1__TASK_STATE__SUSPENDED,
    GANGER__V1__TASK_STATE__COMPLETED, GANGER__V1__TASK_STATE__FAILED,  GANGER__V1__TASK_STATE__CANCELED,
    GANGER__V1__TASK_STATE__EXPIRED,
};

/* Which states have columns. */
struct shown {
    Ganger__V1__TaskState states[STATES_MAX];
    size_t state_count;
    bool said; /* something by operators */
    struct column columns[STATES_MAX + 4];
    size_t column_count;
};

static uint64_t count_in_state(const Ganger__V1__Queue *queue, Ganger__V1__TaskState state)
{
    for (size_t i = 0; i < queue->n_states; i++)
        if (queue->states[i]->state == state)
            return queue->states[i]->tasks;
    return 0;
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

static bool state_is_shown(const Ganger__V1__QueueStatsResponse *response, Ganger__V1__TaskState state)
{
    for (size_t i = 0; i < response->n_queues; i++)
        if (count_in_state(response->queues[i], state) > 0)
            return true;
    return !task_state_is_rare(state);
}

static bool is_said_of(const Ganger__V1__Queue *queue)
{
    CLEANUP(free)
    char *said = queue_said(queue);

    return said[0] != '\0';
}

static void choose_columns(const Ganger__V1__QueueStatsResponse *response, struct shown *shown)
{
    *shown = (struct shown){.columns[0] = {.title = "QUEUE"}, .column_count = 1};
    for (size_t i = 0; i < STATES_MAX; i++) {
        if (!state_is_shown(response, all_states[i]))
            continue;
        shown->states[shown->state_count++] = all_states[i];
        shown->columns[shown->column_count++] = (struct column){.title = task_state_name(all_states[i]), .right = true};
    }
    shown->columns[shown->column_count++] = (struct column){.title = "OLDEST", .right = true};
    for (size_t i = 0; i < response->n_queues; i++)
        shown->said = shown->said || is_said_of(response->queues[i]);
    if (shown->said)
        shown->columns[shown->column_count++] = (struct column){.title = "OPERATORS SAY", .flexible = true};
    shown->columns[shown->column_count++] = (struct column){.title = "WAITING FOR", .flexible = true};
}

static void add_row(struct table *table, const struct shown *shown, const Ganger__V1__Queue *queue)
{
    CLEANUP(free)
    char *name = queue_name(queue);
    CLEANUP(free)
    char *types = join_types(queue);
    CLEANUP(free)
    char *said = queue_said(queue);
    char oldest[FORMAT_SIZE] = "";

    table_add(table, TONE_PLAIN, name);
    for (size_t i = 0; i < shown->state_count; i++) {
        uint64_t tasks = count_in_state(queue, shown->states[i]);
        bool bad = shown->states[i] == GANGER__V1__TASK_STATE__FAILED && tasks > 0;
        table_add_count(table, bad ? TONE_BAD : tasks == 0 ? TONE_FAINT : TONE_PLAIN, tasks);
    }
    if (queue->oldest_ready_ms > 0)
        (void)format_age(queue->oldest_ready_ms, oldest);
    table_add(table, TONE_PLAIN, oldest);
    if (shown->said)
        table_add(table, queue->paused_in || queue->paused_out ? TONE_BAD : TONE_PLAIN, said);
    table_add(table, TONE_PLAIN, types);
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    CLEANUP(ganger_free)
    Ganger__V1__QueueStatsResponse *response = NULL;
    CLEANUP(table_free)
    struct table *table = NULL;
    struct shown shown;
    Ganger__V1__QueueStatsRequest request = GANGER__V1__QUEUE_STATS_REQUEST__INIT;
    struct ganger_error error = {0};
    struct ganger *broker = NULL;

    TRY_DONE(command_parse(cli, &command_queues, count, words, &request, &arguments));
    TRY_DONE(daemon_open(cli, GANGER_BROKER, &broker));
    if (ganger_queue_stats(broker, &request, daemon_timeout_ms(cli), &response, &error) != GANGER_OK)
        return daemon_refused(cli, GANGER_BROKER, &error, "cannot show the queues");
    choose_columns(response, &shown);
    table = table_new(shown.columns, shown.column_count, &cli->output);
    for (size_t i = 0; i < response->n_queues; i++) {
        if (cli->json)
            json_print_message(&cli->output, &response->queues[i]->base);
        else if (cli->quiet)
            printf("%s\n", response->queues[i]->queue);
        else
            add_row(table, &shown, response->queues[i]);
    }
    table_flush(table);
    if (response->n_queues == 0 && cli->output.interactive && !cli->json && !cli->quiet)
        problem_note("no queue has ever had a task");
    return EXIT_DONE;
}
