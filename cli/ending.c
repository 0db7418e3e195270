#include "cli/ending.h"

#include "cli/format.h"
#include "cli/json.h"
#include "cli/task.h"
#include "common/base/check.h"

static const struct column columns[] = {
    {.title = "ID"},
    {.title = "TYPE"},
    {.title = "STATE"},
    {.title = "TRIES"},
    {.title = "TOOK", .right = true},
    {.title = "TITLE", .flexible = true},
    {.title = "WHY", .flexible = true},
};

void ending_init(struct ending *ending, struct cli *cli, bool only_bad)
{
    /* The result of wait is the table; that of submit are the ids, and what failed is told beside them. */
    const struct terminal *terminal = only_bad ? &cli->errors : &cli->output;

    *ending = (struct ending){.cli = cli, .only_bad = only_bad};
    ending->table = table_new(columns, sizeof(columns) / sizeof(columns[0]), terminal);
}

void ending_done(struct ending *ending)
{
    ending->table = table_free(ending->table);
}

void ending_add(uint64_t task_id, const Ganger__V1__Task *task, void *data)
{
    struct ending *ending = data;
    char id[20];
    char took[FORMAT_SIZE];

    if (task == NULL) {
        (void)problem(EXIT_NOT_FOUND, "tasks that have ended are removed after their retention",
                      "gangerctl list shows the ids of tasks", "there is no task %s", ganger_id_format(task_id, id));
        return;
    }
    if (ending->cli->json) {
        json_print_message(&ending->cli->output, &task->base);
        terminal_flush(&ending->cli->output);
        return;
    }
    if (ending->cli->quiet || (ending->only_bad && task->state == GANGER__V1__TASK_STATE__COMPLETED))
        return;
    CLEANUP(free)
    char *tries = format_text("%u/%u", task->attempts, task_attempts_most(task));
    CLEANUP(free)
    char *why = task_why(task);
    table_add(ending->table, TONE_PLAIN, ganger_id_format(task_id, id));
    table_add(ending->table, TONE_PLAIN, task->spec->agent_type);
    table_add(ending->table, task_tone(task), task_state(task));
    table_add(ending->table, TONE_PLAIN, tries);
    table_add(ending->table, TONE_PLAIN, task->started_ms == 0 ? "" : format_duration(task_took_ms(task, 0), took));
    table_add(ending->table, TONE_PLAIN, task->spec->title);
    table_add(ending->table, TONE_PLAIN, why);
}

void ending_print(struct ending *ending)
{
    table_flush(ending->table);
}
