#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/ids.h"
#include "cli/json.h"
#include "cli/values.h"
#include "common/base/check.h"

#include <stdio.h>

#define MOST_TASKS 1000
#define REASON_MOST_BYTES 255

enum { OPTION_TO_QUEUE = OPTION_FIRST, OPTION_REASON };

static const struct argp_option options[] = {
    {"to-queue", OPTION_TO_QUEUE, "NAME", 0, "the queue that they go to; needed", 0},
    {"reason", OPTION_REASON, "TEXT", 0, "why, for those who look at it later", 0},
    {0},
};

static enum exit_status take_option(int key, char *value, void *data);
static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_move = {
    .name = "move",
    .usage = "--to-queue NAME [--reason TEXT] ID...",
    .summary = "move tasks that nobody holds to another queue",
    .examples = "gangerctl move --to-queue fast 0000-01K3\n"
                "gangerctl list -q --queue builds | xargs gangerctl move --to-queue fast\n",
    .options = options,
    .arguments_least = 1,
    .arguments_most = ARGUMENTS_UNBOUNDED,
    .take_option = take_option,
    .run = run,
};

static enum exit_status take_option(int key, char *value, void *data)
{
    Ganger__V1__MoveTasksRequest *request = data;

    if (key == OPTION_REASON)
        return value_text("--reason", value, REASON_MOST_BYTES, &request->reason);
    return value_name("--to-queue", value, &request->queue);
}

/* Prints what became of each; the exit status is that of the first refusal. */
static enum exit_status report(const struct cli *cli, const Ganger__V1__MoveTasksRequest *request,
                               const Ganger__V1__MoveTasksResponse *response)
{
    enum exit_status exit_status = EXIT_DONE;
    char text[20];

    for (size_t i = 0; i < response->n_outcomes; i++) {
        const Ganger__V1__MoveOutcome *outcome = response->outcomes[i];
        if (cli->json)
            json_print_message(&cli->output, &outcome->base);
        if (outcome->status != GANGER_OK) {
            struct ganger_error error = {.status = (enum ganger_status)outcome->status};
            (void)snprintf(error.reason, sizeof error.reason, "%s", outcome->reason);
            (void)snprintf(error.message, sizeof error.message, "%s", outcome->message);
            enum exit_status refused = id_refused(cli, &error, "move", outcome->task_id);
            exit_status = exit_status == EXIT_DONE ? refused : exit_status;
        } else if (cli->quiet) {
            printf("%s\n", ganger_id_format(outcome->task_id, text));
        } else if (!cli->json) {
            printf("%s in %s\n", ganger_id_format(outcome->task_id, text), request->queue);
        }
    }
    return exit_status;
}

static enum exit_status move_some(struct cli *cli, struct ganger *broker, Ganger__V1__MoveTasksRequest *request)
{
    CLEANUP(ganger_free)
    Ganger__V1__MoveTasksResponse *response = NULL;
    struct ganger_error error = {0};

    if (ganger_move_tasks(broker, request, daemon_timeout_ms(cli), &response, &error) != GANGER_OK)
        return daemon_refused(cli, GANGER_BROKER, &error, "cannot move the tasks");
    return report(cli, request, response);
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    CLEANUP(free)
    uint64_t *task_ids = NULL;
    Ganger__V1__MoveTasksRequest request = GANGER__V1__MOVE_TASKS_REQUEST__INIT;
    struct ganger *broker = NULL;
    enum exit_status exit_status = EXIT_DONE;

    TRY_DONE(command_parse(cli, &command_move, count, words, &request, &arguments));
    if (request.queue[0] == '\0')
        return problem(EXIT_USAGE, "--to-queue says where they go", "gangerctl help move shows examples",
                       "move: the queue is missing");
    TRY_DONE(daemon_open(cli, GANGER_BROKER, &broker));
    TRY_DONE(ids_resolve(cli, broker, &arguments, &task_ids));
    for (size_t at = 0; at < arguments.count && exit_status != EXIT_NO_DAEMON; at += MOST_TASKS) {
        request.task_ids = task_ids + at;
        request.n_task_ids = arguments.count - at < MOST_TASKS ? arguments.count - at : MOST_TASKS;
        enum exit_status some = move_some(cli, broker, &request);
        exit_status = exit_status == EXIT_DONE ? some : exit_status;
    }
    return exit_status;
}
