#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/format.h"
#include "cli/json.h"
#include "cli/table.h"
#include "cli/task.h"
#include "cli/values.h"
#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/suggest.h"

#include <string.h>

#define PAGE_MOST 1000
#define STATES_MOST 16

enum { OPTION_STATE = OPTION_FIRST, OPTION_TYPE, OPTION_QUEUE, OPTION_NAMESPACE, OPTION_LABEL, OPTION_LIMIT };

static const struct argp_option options[] = {
    {"state", OPTION_STATE, "STATE,...", 0, "only in these states, e.g. failed,canceled", 0},
    {"type", OPTION_TYPE, "NAME", 0, "only for this type of agent", 0},
    {"queue", OPTION_QUEUE, "NAME", 0, "only in this queue", 0},
    {"namespace", OPTION_NAMESPACE, "NAME", 0, "only in this namespace", 0},
    {"label", OPTION_LABEL, "KEY=VALUE", 0, "only with this label; again for more", 0},
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
                "gangerctl list -q --state failed | xargs gangerctl retry\n",
    .options = options,
    .take_option = take_option,
    .run = run,
};

struct choices {
    Ganger__V1__ListTasksRequest request;
    struct labels labels;
    Ganger__V1__TaskState states[STATES_MOST];
    size_t state_count;
    uint64_t limit; /* 0 = all */
};

static void choices_done(struct choices *choices)
{
    labels_done(&choices->labels);
}
DEFINE_CLEANUP_EMBEDDED(struct choices, choices_done)

static enum exit_status unknown_state(const char *text)
{
    static const char all[] = "blocked, scheduled, ready, assigned, running, suspended, completed, failed, "
                              "canceled, expired";
    static const char *const names[] = {"blocked",   "scheduled", "ready",  "assigned", "running",
                                        "suspended", "completed", "failed", "canceled", "expired"};
    struct suggestion suggestion = {0};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        suggestion_offer(&suggestion, text, names[i]);
    CLEANUP(free)
    char *why = suggestion.word != NULL ? format_text("did you mean %s?", suggestion.word) : NULL;
    CLEANUP(free)
    char *hint = format_text("the states are %s", all);
    return problem(EXIT_USAGE, why, hint, "--state: there is no state \"%.80s\"", text);
}

static enum exit_status take_states(char *value, struct choices *choices)
{
    char *rest = NULL;

    for (char *word = strtok_r(value, ",", &rest); word != NULL; word = strtok_r(NULL, ",", &rest)) {
        if (choices->state_count == STATES_MOST)
            return problem(EXIT_USAGE, NULL, "leave --state out to see all", "--state: there are too many states");
        if (!state_parse(word, &choices->states[choices->state_count]))
            return unknown_state(word);
        choices->state_count++;
    }
    return choices->state_count > 0 ? EXIT_DONE : unknown_state("");
}

static enum exit_status take_option(int key, char *value, void *data)
{
    struct choices *choices = data;

    switch (key) {
    case OPTION_STATE:
        return take_states(value, choices);
    case OPTION_TYPE:
        return value_name("--type", value, &choices->request.agent_type);
    case OPTION_QUEUE:
        return value_name("--queue", value, &choices->request.queue);
    case OPTION_NAMESPACE:
        return value_name("--namespace", value, &choices->request.namespace_);
    case OPTION_LABEL:
        return value_label("--label", value, &choices->labels);
    default:
        return value_number("--limit", value, 1, UINT64_MAX, &choices->limit);
    }
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

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    CLEANUP(choices_done)
    struct choices choices = {.request = GANGER__V1__LIST_TASKS_REQUEST__INIT};
    struct ganger *broker = NULL;

    TRY_DONE(command_parse(cli, &command_list, count, words, &choices, &arguments));
    TRY_DONE(daemon_open(cli, GANGER_BROKER, &broker));
    choices.request.newest_first = true;
    choices.request.states = choices.states;
    choices.request.n_states = choices.state_count;
    choices.request.labels = choices.labels.items;
    choices.request.n_labels = choices.labels.count;
    return print_pages(cli, broker, &choices.request, choices.limit);
}
