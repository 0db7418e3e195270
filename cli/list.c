#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/filter.h"
#include "cli/format.h"
#include "cli/json.h"
#include "cli/table.h"
#include "cli/task.h"
#include "cli/values.h"
#include "common/base/check.h"
#include "common/base/clock.h"

#include <string.h>

#define PAGE_MOST 1000

enum { OPTION_LIMIT = OPTION_FIRST };

static const struct argp_option options[] = {
    FILTER_OPTIONS,
    {"limit", OPTION_LIMIT, "COUNT", 0, "at most so many", 0},
    {0},
};

static enum exit_status take_option(int key, char *value, void *data);
static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_list = {
    .name = "list",
    .alias = "ls",
    .usage = "[OPTION...]",
    .summary = "list tasks, the newest first",
    .examples = "gangerctl list\n"
                "gangerctl list --state failed,canceled --type review\n"
                "gangerctl list --label repo=acme/web --limit 20\n"
                "gangerctl list --parent 0000-01K3\n"
                "gangerctl list -q --state failed | xargs gangerctl retry\n",
    .options = options,
    .take_option = take_option,
    .run = run,
};

struct choices {
    struct filter filter;
    uint64_t limit; /* 0 = all */
};

static void choices_done(struct choices *choices)
{
    filter_done(&choices->filter);
}
DEFINE_CLEANUP_EMBEDDED(struct choices, choices_done)

static enum exit_status take_option(int key, char *value, void *data)
{
    struct choices *choices = data;

    if (filter_has_option(key))
        return filter_take_option(key, value, &choices->filter);
    return value_number("--limit", value, 1, UINT64_MAX, &choices->limit);
}

static const struct column columns[] = {
    {.title = "ID"},
    {.title = "QUEUE"},
    {.title = "TYPE"},
    {.title = "STATE"},
    {.title = "TRIES"},
    {.title = "AGE", .right = true},
    {.title = "AGENT", .flexible = true},
    {.title = "TITLE", .flexible = true},
    {.title = "WHY", .flexible = true},
};

static void add_row(struct table *table, const Ganger__V1__Task *task, uint64_t now_ms)
{
    char id[20];
    char age[FORMAT_SIZE];
    CLEANUP(free)
    char *queue = task_queue(task);
    CLEANUP(free)
    char *tries = format_text("%u/%u", task->attempts, task_attempts_most(task));
    CLEANUP(free)
    char *why = task_why(task);

    table_add(table, TONE_PLAIN, ganger_id_format(task->task_id, id));
    table_add(table, TONE_PLAIN, queue);
    table_add(table, TONE_PLAIN, task->spec->agent_type);
    table_add(table, task_tone(task), task_state(task));
    table_add(table, TONE_PLAIN, tries);
    table_add(table, TONE_PLAIN, format_age(now_ms > task->submitted_ms ? now_ms - task->submitted_ms : 0, age));
    table_add(table, TONE_PLAIN, task->agent_id);
    table_add(table, TONE_PLAIN, task->spec->title);
    table_add(table, TONE_PLAIN, why);
}

static void print_page(struct cli *cli, struct table *table, const Ganger__V1__ListTasksResponse *page, size_t count)
{
    uint64_t now_ms = clock_wall_ms();
    char id[20];

    for (size_t i = 0; i < count; i++) {
        if (cli->json)
            json_print_message(&cli->output, &page->tasks[i]->base);
        else if (cli->quiet)
            printf("%s\n", ganger_id_format(page->tasks[i]->task_id, id));
        else
            add_row(table, page->tasks[i], now_ms);
    }
    table_flush(table);
    terminal_flush(&cli->output);
}

/* Page by page, so that a list of millions begins at once and is never held. */
static enum exit_status print_pages(struct cli *cli, struct ganger *broker, Ganger__V1__ListTasksRequest *request,
                                    uint64_t limit)
{
    CLEANUP(table_free)
    struct table *table = table_new(columns, sizeof(columns) / sizeof(columns[0]), &cli->output);
    uint64_t left = limit == 0 ? UINT64_MAX : limit;
    bool found = false;

    do {
        CLEANUP(ganger_free)
        Ganger__V1__ListTasksResponse *page = NULL;
        struct ganger_error error = {0};
        request->page_size = left < PAGE_MOST ? (uint32_t)left : PAGE_MOST;
        if (ganger_list_tasks(broker, request, daemon_timeout_ms(cli), &page, &error) != GANGER_OK)
            return daemon_refused(cli, GANGER_BROKER, &error, "cannot list the tasks");
        size_t count = page->n_tasks < left ? page->n_tasks : (size_t)left;
        print_page(cli, table, page, count);
        found = found || count > 0;
        left -= count;
        request->page_token = page->next_page_token;
    } while (request->page_token != 0 && left > 0 && ferror(stdout) == 0);
    if (!found && cli->output.interactive && !cli->json && !cli->quiet)
        problem_note("no tasks");
    return EXIT_DONE;
}

static void fill_request(const Ganger__V1__TaskFilter *filter, Ganger__V1__ListTasksRequest *request)
{
    request->newest_first = true;
    request->namespace_ = filter->namespace_;
    request->queue = filter->queue;
    request->agent_type = filter->agent_type;
    request->states = filter->states;
    request->n_states = filter->n_states;
    request->labels = filter->labels;
    request->n_labels = filter->n_labels;
    request->parent_id = filter->parent_id;
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    CLEANUP(choices_done)
    struct choices choices = {0};
    Ganger__V1__ListTasksRequest request = GANGER__V1__LIST_TASKS_REQUEST__INIT;
    struct ganger *broker = NULL;

    filter_init(&choices.filter);
    TRY_DONE(command_parse(cli, &command_list, count, words, &choices, &arguments));
    TRY_DONE(daemon_open(cli, GANGER_BROKER, &broker));
    TRY_DONE(filter_complete(cli, broker, &choices.filter));
    fill_request(&choices.filter.message, &request);
    return print_pages(cli, broker, &request, choices.limit);
}
