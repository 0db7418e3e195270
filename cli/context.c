#include "cli/context.h"

#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/format.h"
#include "cli/values.h"
#include "common/base/bytes.h"
#include "common/base/check.h"
#include "common/base/clock.h"

#include <inttypes.h>
#include <string.h>

static enum exit_status run(struct cli *cli, int count, char **words);

static const struct command *const members[] = {
    &command_context_get,    &command_context_put,   &command_context_list,
    &command_context_delete, &command_context_stats, NULL,
};

const struct command command_context = {
    .name = "context",
    .usage = "COMMAND",
    .summary = "read and write what agents know together",
    .examples = "gangerctl context put global/style \"British spelling\"\n"
                "gangerctl context get docs/plan.md > plan.md\n"
                "gangerctl context list docs/\n",
    .members = members,
    .run = run,
};

static enum exit_status run(struct cli *cli, int count, char **words)
{
    return command_dispatch(cli, &command_context, count, words);
}

enum exit_status context_key(char *argument, char **ret_key)
{
    if (argument[0] == '\0')
        return problem(EXIT_USAGE, "a key is like global/NAME, tasks/ID/NAME, docs/NAME.FORMAT or agents/AGENT/NAME",
                       NULL, "a key cannot be empty");
    return value_text("KEY", argument, ENTRY_KEY_MOST_BYTES, ret_key);
}

char *context_writer(const Ganger__V1__Entry *entry)
{
    uint64_t now_ms = clock_wall_ms();
    char age[FORMAT_SIZE];
    const char *agent = entry->writer != NULL ? entry->writer->agent_id : "";

    (void)format_age(now_ms > entry->modified_ms ? now_ms - entry->modified_ms : 0, age);
    return format_text("%s%s%s ago", agent, agent[0] != '\0' ? ", " : "", age);
}

/* The daemon sends the present entry along, so that the next step can be named. */
static enum exit_status report_conflict(struct cli *cli, const char *key)
{
    size_t size = 0;
    const uint8_t *detail = ganger_last_detail(cli->daemons[GANGER_CONTEXT], &size);
    Ganger__V1__Entry *entry = detail != NULL ? ganger__v1__entry__unpack(NULL, size, detail) : NULL;

    if (entry == NULL)
        return problem(EXIT_REFUSED, "it is not at the version that was expected", NULL, "%s has changed", key);
    CLEANUP(free)
    char *writer = context_writer(entry);
    CLEANUP(free)
    char *why = entry->version == 0 ? format_text("it does not exist (version 0)")
                                    : format_text("it is at version %" PRIu64 " now (%s)", entry->version, writer);
    CLEANUP(free)
    char *hint =
        entry->version == 0
            ? format_text("make it with --expect 0")
            : format_text("look at it with: gangerctl context get %s; then use --expect %" PRIu64, key, entry->version);
    ganger__v1__entry__free_unpacked(entry, NULL);
    return problem(EXIT_REFUSED, why, hint, "%s is not at the expected version", key);
}

enum exit_status context_refused(struct cli *cli, const struct ganger_error *error, const char *verb, const char *key)
{
    CLEANUP(free)
    char *what = format_text("cannot %s %s", verb, key);

    if (error->status == GANGER_NOT_FOUND)
        return problem(EXIT_NOT_FOUND, NULL, "gangerctl context list shows the keys", "there is no entry %s", key);
    if (error->status == GANGER_ABORTED && strcmp(error->reason, "VERSION_CONFLICT") == 0)
        return report_conflict(cli, key);
    return daemon_refused(cli, GANGER_CONTEXT, error, what);
}
