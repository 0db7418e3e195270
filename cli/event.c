#include "cli/event.h"

#include "cli/format.h"
#include "cli/task.h"
#include "common/base/check.h"

#include <inttypes.h>

static const struct column columns[] = {
    {.title = "TIME"},
    {.title = "ON"},
    {.title = "WHAT"},
    {.title = "STATE"},
    {.title = "RUN"},
    {.title = "WHO", .flexible = true},
    {.title = "WHY", .flexible = true},
};

static const struct column columns_of_task[] = {
    {.title = "TIME"},
    {.title = "WHAT"},
    {.title = "STATE"},
    {.title = "RUN"},
    {.title = "WHO", .flexible = true},
    {.title = "WHY", .flexible = true},
};

char *event_change(const Ganger__V1__Event *event)
{
    if (event->task_id == 0)
        return duplicate_text("");
    if (event->to == GANGER__V1__TASK_STATE__TASK_STATE_UNSPECIFIED)
        return format_text("%s -> removed", task_state_name(event->from));
    if (event->from == event->to || event->from == GANGER__V1__TASK_STATE__TASK_STATE_UNSPECIFIED)
        return duplicate_text(task_state_name(event->to));
    return format_text("%s -> %s", task_state_name(event->from), task_state_name(event->to));
}

struct table *event_table(const struct cli *cli, bool of_one_task)
{
    if (of_one_task)
        return table_new(columns_of_task, sizeof(columns_of_task) / sizeof(columns_of_task[0]), &cli->output);
    return table_new(columns, sizeof(columns) / sizeof(columns[0]), &cli->output);
}

void event_add(struct table *table, const Ganger__V1__Event *event, bool of_one_task)
{
    const Ganger__V1__Task task = {.state = event->to};
    char when[FORMAT_SIZE];
    char id[20];
    CLEANUP(free)
    char *change = event_change(event);
    CLEANUP(free)
    char *run = event->fence != 0 ? format_text("%" PRIu64, event->fence) : NULL;

    table_add(table, TONE_FAINT, format_time(event->wall_ms, when));
    if (!of_one_task)
        table_add(table, TONE_PLAIN, event->task_id != 0 ? ganger_id_format(event->task_id, id) : event->subject);
    table_add(table, TONE_PLAIN, event->kind);
    table_add(table, task_tone(&task), change);
    table_add(table, TONE_PLAIN, run);
    table_add(table, TONE_PLAIN, event->who[0] != '\0' ? event->who : "broker");
    table_add(table, TONE_PLAIN, event->why);
}
