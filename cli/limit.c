#include "cli/limit.h"

#include "cli/commands.h"
#include "cli/format.h"
#include "cli/json.h"
#include "common/base/check.h"

#include <string.h>

#define NAME_MOST_BYTES 127

static enum exit_status run(struct cli *cli, int count, char **words);

static const struct command *const members[] = {&command_limit_set, &command_limit_list, &command_limit_delete, NULL};

const struct command command_limit = {
    .name = "limit",
    .usage = "COMMAND",
    .summary = "bound how many tasks run at once, and how fast; pause them",
    .examples = "gangerctl limit set --max-running 8 --rate 60/1m anthropic\n"
                "gangerctl limit set --pause 10m --reason \"out of quota\" anthropic\n"
                "gangerctl limit list\n",
    .members = members,
    .run = run,
};

static enum exit_status run(struct cli *cli, int count, char **words)
{
    return command_dispatch(cli, &command_limit, count, words);
}

enum exit_status limit_name(const char *option, char *text, char **ret_name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:@";
    size_t size = strlen(text);

    if (size == 0 || size > NAME_MOST_BYTES || strspn(text, allowed) != size)
        return problem(EXIT_USAGE, "1 to 127 of a-z A-Z 0-9 . _ - / : @ are needed", NULL,
                       "%s: \"%.80s\" is no name of a limit", option, text);
    *ret_name = text;
    return EXIT_DONE;
}

static char *pause_said(const Ganger__V1__Limit *limit)
{
    char until[FORMAT_SIZE];

    if (limit->paused_until_ms == 0)
        return duplicate_text("");
    return format_text("paused until %s%s%s%s%s", format_time(limit->paused_until_ms, until),
                       limit->paused_by[0] != '\0' ? " by " : "", limit->paused_by,
                       limit->pause_reason[0] != '\0' ? ": " : "", limit->pause_reason);
}

static char *rate_said(const Ganger__V1__Limit *limit)
{
    char interval[FORMAT_SIZE];

    if (limit->rate == NULL)
        return duplicate_text("");
    return format_text("%u per %s", limit->rate->count, format_duration(limit->rate->interval_ms, interval));
}

char *limit_said(const Ganger__V1__Limit *limit)
{
    CLEANUP(free)
    char *most = limit->max_running > 0 ? format_text("at most %u at once", limit->max_running) : duplicate_text("");
    CLEANUP(free)
    char *rate = rate_said(limit);
    CLEANUP(free)
    char *pause = pause_said(limit);
    const char *first = most[0] != '\0' && (rate[0] != '\0' || pause[0] != '\0') ? ", " : "";
    const char *second = rate[0] != '\0' && pause[0] != '\0' ? ", " : "";

    if (most[0] == '\0' && rate[0] == '\0' && pause[0] == '\0')
        return duplicate_text("no bound");
    return format_text("%s%s%s%s%s", most, first, rate, second, pause);
}

void limit_print(const struct cli *cli, const Ganger__V1__Limit *limit)
{
    CLEANUP(free)
    char *said = limit_said(limit);

    if (cli->json)
        json_print_message(&cli->output, &limit->base);
    else if (cli->quiet)
        printf("%s\n", limit->name);
    else
        printf("%s: %s\n", limit->name, said);
}
