#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/format.h"
#include "cli/ids.h"
#include "cli/json.h"
#include "cli/table.h"
#include "common/base/check.h"
#include "common/base/clock.h"

#include <inttypes.h>
#include <string.h>

static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_orphans = {
    .name = "orphans",
    .usage = "[ID]",
    .summary = "show what runs that were given up came to all the same",
    .examples = "gangerctl orphans\n"
                "gangerctl orphans --json 0000-01K3 | jq -r .outcome.result\n",
    .arguments_most = 1,
    .run = run,
};

static const struct column columns[] = {
    {.title = "TASK"},  {.title = "FENCE", .right = true},
    {.title = "ENDED"}, {.title = "REPORTED", .right = true},
    {.title = "AGENT"}, {.title = "MESSAGE", .flexible = true},
};

static const char *ended(Ganger__V1__Exit how)
{
    switch ((int)how) {
    case GANGER__V1__EXIT__EXIT_COMPLETED:
        return "completed";
    case GANGER__V1__EXIT__EXIT_CRASHED:
        return "crashed";
    case GANGER__V1__EXIT__EXIT_TIMED_OUT:
        return "timed out";
    default:
        return "failed";
    }
}

static void add_row(struct table *table, const Ganger__V1__Orphan *orphan, uint64_t now_ms)
{
    char id[20];
    char age[FORMAT_SIZE];
    CLEANUP(free)
    char *fence = format_text("%" PRIu64, orphan->fence);
    CLEANUP(free)
    char *ago = format_text("%s ago", format_age(now_ms > orphan->reported_ms ? now_ms - orphan->reported_ms : 0, age));

    table_add(table, TONE_PLAIN, ganger_id_format(orphan->task_id, id));
    table_add(table, TONE_PLAIN, fence);
    table_add(table, TONE_PLAIN, ended(orphan->how));
    table_add(table, TONE_PLAIN, ago);
    table_add(table, TONE_PLAIN, orphan->agent_id);
    table_add(table, TONE_PLAIN, orphan->outcome->message);
}

static void print_page(struct cli *cli, struct table *table, const Ganger__V1__ListOrphansResponse *page)
{
    char id[20];

    for (size_t i = 0; i < page->n_orphans; i++) {
        if (cli->json)
            json_print_message(&cli->output, &page->orphans[i]->base);
        else if (cli->quiet)
            printf("%s\n", ganger_id_format(page->orphans[i]->task_id, id));
        else
            add_row(table, page->orphans[i], clock_wall_ms());
    }
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    CLEANUP(free)
    uint64_t *task_ids = NULL;
    CLEANUP(table_free)
    struct table *table = table_new(columns, sizeof(columns) / sizeof(columns[0]), &cli->output);
    Ganger__V1__ListOrphansRequest request = GANGER__V1__LIST_ORPHANS_REQUEST__INIT;
    struct ganger *broker = NULL;

    TRY_DONE(command_parse(cli, &command_orphans, count, words, NULL, &arguments));
    TRY_DONE(daemon_open(cli, GANGER_BROKER, &broker));
    if (arguments.count > 0) {
        TRY_DONE(ids_resolve(cli, broker, &arguments, &task_ids));
        request.task_id = task_ids[0];
    }
    do {
        CLEANUP(ganger_free)
        Ganger__V1__ListOrphansResponse *page = NULL;
        struct ganger_error error = {0};
        if (ganger_list_orphans(broker, &request, daemon_timeout_ms(cli), &page, &error) != GANGER_OK)
            return daemon_refused(cli, GANGER_BROKER, &error, "cannot show the orphans");
        print_page(cli, table, page);
        request.page_token = page->next_page_token;
    } while (request.page_token != 0);
    table_flush(table);
    return EXIT_DONE;
}
