#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/ids.h"
#include "cli/task.h"
#include "cli/values.h"

enum { OPTION_FENCE = OPTION_FIRST };

static const struct argp_option options[] = {
    {"fence", OPTION_FENCE, "FENCE", 0, "of this run; else of the latest that completed", 0},
    {0},
};

static enum exit_status take_option(int key, char *value, void *data);
static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_adopt = {
    .name = "adopt",
    .usage = "[--fence FENCE] ID",
    .summary = "complete a task with the result of a run that was given up",
    .examples = "gangerctl adopt 0000-01K3\n"
                "gangerctl adopt --fence 260 0000-01K3\n",
    .options = options,
    .arguments_least = 1,
    .arguments_most = 1,
    .take_option = take_option,
    .run = run,
};

static enum exit_status take_option(int key, char *value, void *data)
{
    Ganger__V1__AdoptOrphanRequest *request = data;

    (void)key;
    return value_number("--fence", value, 1, UINT64_MAX, &request->fence);
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    CLEANUP(free)
    uint64_t *task_ids = NULL;
    CLEANUP(ganger_free)
    Ganger__V1__AdoptOrphanResponse *response = NULL;
    Ganger__V1__AdoptOrphanRequest request = GANGER__V1__ADOPT_ORPHAN_REQUEST__INIT;
    struct ganger_error error = {0};
    struct ganger *broker = NULL;

    TRY_DONE(command_parse(cli, &command_adopt, count, words, &request, &arguments));
    TRY_DONE(daemon_open(cli, GANGER_BROKER, &broker));
    TRY_DONE(ids_resolve(cli, broker, &arguments, &task_ids));
    request.task_id = task_ids[0];
    if (ganger_adopt_orphan(broker, &request, daemon_timeout_ms(cli), &response, &error) != GANGER_OK)
        return id_refused(cli, &error, "adopt a result of", request.task_id);
    task_print(cli, response->task);
    return EXIT_DONE;
}
