#include "cli/history.h"

#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/event.h"
#include "cli/ids.h"
#include "cli/json.h"
#include "common/base/check.h"

#include <inttypes.h>
#include <string.h>

#define PAGE_MOST 1000

static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_history = {
    .name = "history",
    .usage = "ID",
    .summary = "show what has happened to a task, who did it and why",
    .examples = "gangerctl history 0000-01K3\n"
                "gangerctl history --json 0000-01K3 | jq -r 'select(.kind == \"CLAIM\") | .who'\n",
    .arguments_least = 1,
    .arguments_most = 1,
    .run = run,
};

static void take_page(struct history *history, Ganger__V1__GetHistoryResponse *page)
{
    // NOLINTNEXTLINE(bugprone-sizeof-expression)
    history->pages = reallocate(history->pages, (history->page_count + 1) * sizeof(history->pages[0]));
    history->pages[history->page_count++] = page;
    // NOLINTNEXTLINE(bugprone-sizeof-expression)
    history->events = reallocate(history->events, (history->count + page->n_events + 1) * sizeof(history->events[0]));
    for (size_t i = 0; i < page->n_events; i++)
        history->events[history->count++] = page->events[i];
    history->trimmed = page->trimmed;
}

enum ganger_status history_load(struct cli *cli, struct ganger *broker, uint64_t task_id, size_t most,
                                struct history *ret_history, struct ganger_error *error)
{
    Ganger__V1__GetHistoryRequest request = GANGER__V1__GET_HISTORY_REQUEST__INIT;

    request.task_id = task_id;
    request.page_size = most < PAGE_MOST ? (uint32_t)most : PAGE_MOST;
    do {
        Ganger__V1__GetHistoryResponse *page = NULL;
        enum ganger_status status = ganger_get_history(broker, &request, daemon_timeout_ms(cli), &page, error);
        if (status != GANGER_OK)
            return status;
        take_page(ret_history, page);
        request.page_token = page->next_page_token;
    } while (request.page_token != 0 && ret_history->count < most);
    return GANGER_OK;
}

void history_done(struct history *history)
{
    for (size_t i = 0; i < history->page_count; i++)
        ganger_free(history->pages[i]);
    free(history->pages);
    free(history->events);
    *history = (struct history){0};
}

static bool is_held(Ganger__V1__TaskState state)
{
    return state == GANGER__V1__TASK_STATE__ASSIGNED || state == GANGER__V1__TASK_STATE__RUNNING;
}

bool history_next_run(const struct history *history, size_t *at, struct history_run *ret_run)
{
    size_t i = *at;

    while (i < history->count && (!is_held(history->events[i]->from) || is_held(history->events[i]->to)))
        i++;
    if (i == history->count)
        return false;
    *ret_run = (struct history_run){.fence = history->events[i]->fence, .agent_id = "", .end = history->events[i]};
    /* What has begun it is further back. */
    while (++i < history->count && history->events[i]->fence == ret_run->fence) {
        const Ganger__V1__Event *event = history->events[i];
        bool claims = strcmp(event->kind, "CLAIM") == 0;
        /* A supervisor claims, and one of its agents starts. */
        if (strcmp(event->kind, "START") == 0 || (claims && ret_run->agent_id[0] == '\0'))
            ret_run->agent_id = event->who;
        if (claims)
            break;
    }
    *at = i;
    return true;
}

static void print_history(struct cli *cli, const struct history *history)
{
    CLEANUP(table_free)
    struct table *table = event_table(cli, true);

    if (history->trimmed && !cli->quiet)
        problem_note("what was before is not kept any more");
    for (size_t i = history->count; i-- > 0;) {
        if (cli->json)
            json_print_message(&cli->output, &history->events[i]->base);
        else if (cli->quiet)
            printf("%" PRIu64 "\n", history->events[i]->revision);
        else
            event_add(table, history->events[i], true);
    }
    table_flush(table);
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    CLEANUP(history_done)
    struct history history = {0};
    struct ganger_error error = {0};
    struct ganger *broker = NULL;
    uint64_t task_id = 0;

    TRY_DONE(command_parse(cli, &command_history, count, words, NULL, &arguments));
    TRY_DONE(daemon_open(cli, GANGER_BROKER, &broker));
    TRY_DONE(id_resolve(cli, broker, arguments.values[0], &task_id));
    if (history_load(cli, broker, task_id, SIZE_MAX, &history, &error) != GANGER_OK)
        return id_refused(cli, &error, "show the history of", task_id);
    print_history(cli, &history);
    return EXIT_DONE;
}
