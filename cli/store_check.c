#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/format.h"
#include "cli/json.h"
#include "cli/work.h"
#include "common/base/check.h"

#include <inttypes.h>

static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_store_check = {
    .name = "store check",
    .usage = "",
    .summary = "prove that the broker's store is whole, while the broker works on",
    .examples = "gangerctl store check\n"
                "gangerctl store check --json | jq -r '.named[]'\n",
    .run = run,
};

static char *describe(const ProtobufCMessage *message)
{
    const Ganger__V1__CheckUpdate *update = (const Ganger__V1__CheckUpdate *)message;
    char tasks[FORMAT_SIZE];

    return format_text("%s tasks, %" PRIu64 " problems", format_count(update->tasks, tasks), update->problems);
}

static enum exit_status report(const Ganger__V1__CheckUpdate *update)
{
    for (size_t i = 0; i < update->n_named; i++)
        problem_note("%s", update->named[i]);
    return problem(EXIT_WORK_FAILED, "a record was damaged, or there is a bug",
                   "restore a backup, or ask for help with the lines above", "the store has %" PRIu64 " problems",
                   update->problems);
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    CLEANUP(ganger_free)
    ProtobufCMessage *last = NULL;
    const Ganger__V1__CheckRequest request = GANGER__V1__CHECK_REQUEST__INIT;
    const struct work work = {
        .method = "Check", .request = &request.base, .describe = describe, .refusal = "cannot check the store"};

    TRY_DONE(command_parse(cli, &command_store_check, count, words, NULL, &arguments));
    TRY_DONE(work_follow(cli, &work, &last));
    const Ganger__V1__CheckUpdate *update = (const Ganger__V1__CheckUpdate *)last;
    if (cli->json) {
        json_print_message(&cli->output, last);
    } else if (!cli->quiet) {
        CLEANUP(free)
        char *text = describe(last);
        printf("%s\n", text);
    }
    return update->problems == 0 ? EXIT_DONE : report(update);
}
