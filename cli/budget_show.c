#include "cli/budget.h"
#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/ids.h"

static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_budget_show = {
    .name = "budget show",
    .usage = "ID",
    .summary = "the budget that a task draws on, and what is used of it",
    .examples = "gangerctl budget show 0000-01K3\n"
                "gangerctl budget show --json 0000-01K3 | jq .used.tokens\n",
    .arguments_least = 1,
    .arguments_most = 1,
    .run = run,
};

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    CLEANUP(ganger_free)
    Ganger__V1__GetTaskResponse *response = NULL;
    Ganger__V1__GetTaskRequest request = GANGER__V1__GET_TASK_REQUEST__INIT;
    struct ganger_error error = {0};
    struct ganger *broker = NULL;
    char id[20];

    TRY_DONE(command_parse(cli, &command_budget_show, count, words, NULL, &arguments));
    TRY_DONE(daemon_open(cli, GANGER_BROKER, &broker));
    TRY_DONE(id_resolve(cli, broker, arguments.values[0], &request.task_id));
    if (ganger_get_task(broker, &request, daemon_timeout_ms(cli), &response, &error) != GANGER_OK)
        return id_refused(cli, &error, "show the budget of", request.task_id);
    if (response->task->budget == NULL)
        return problem(EXIT_NOT_FOUND, "neither it nor a task above it was submitted with one", NULL,
                       "task %s draws on no budget", ganger_id_format(request.task_id, id));
    budget_print(cli, response->task->budget);
    return EXIT_DONE;
}
