#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/format.h"
#include "cli/json.h"
#include "cli/work.h"
#include "common/base/check.h"

#include <inttypes.h>

static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_store_backup = {
    .name = "store backup",
    .usage = "PATH",
    .summary = "write the broker's store into a new file, while the broker works on",
    .examples = "gangerctl store backup /var/lib/ganger/broker/monday\n"
                "gangerctl store backup --json /var/lib/ganger/broker/monday\n",
    .arguments_least = 1,
    .arguments_most = 1,
    .run = run,
};

static char *describe(const ProtobufCMessage *message)
{
    const Ganger__V1__BackupUpdate *update = (const Ganger__V1__BackupUpdate *)message;
    char rows[FORMAT_SIZE];
    char size[FORMAT_SIZE];

    return format_text("%s rows, %s", format_count(update->rows, rows), format_size(update->bytes, size));
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    CLEANUP(ganger_free)
    ProtobufCMessage *last = NULL;
    Ganger__V1__BackupRequest request = GANGER__V1__BACKUP_REQUEST__INIT;
    const struct work work = {
        .method = "Backup", .request = &request.base, .describe = describe, .refusal = "cannot back up the store"};

    TRY_DONE(command_parse(cli, &command_store_backup, count, words, NULL, &arguments));
    request.path = arguments.values[0];
    TRY_DONE(work_follow(cli, &work, &last));
    if (cli->json) {
        json_print_message(&cli->output, last);
    } else if (cli->quiet) {
        printf("%s\n", request.path);
    } else {
        const Ganger__V1__BackupUpdate *update = (const Ganger__V1__BackupUpdate *)last;
        CLEANUP(free)
        char *text = describe(last);
        printf("%s: %s, revision %" PRIu64 " of epoch %u\n", request.path, text,
               update->revision & UINT64_C(0xFFFFFFFFFFFF), update->epoch);
    }
    return EXIT_DONE;
}
