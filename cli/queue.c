#include "cli/queue.h"

#include "cli/commands.h"
#include "cli/format.h"
#include "cli/json.h"
#include "cli/values.h"
#include "common/base/check.h"

#include <inttypes.h>
#include <string.h>

static enum exit_status run(struct cli *cli, int count, char **words);

static const struct command *const members[] = {&command_queue_pause, &command_queue_resume, &command_queue_set, NULL};

const struct command command_queue = {
    .name = "queue",
    .usage = "COMMAND",
    .summary = "pause and resume a queue, and say how many may wait in it",
    .examples = "gangerctl queue pause builds --reason \"the disk is moved\"\n"
                "gangerctl queue resume builds\n"
                "gangerctl queue set builds --length-max 500 --run-timeout 1h\n",
    .members = members,
    .run = run,
};

static enum exit_status run(struct cli *cli, int count, char **words)
{
    return command_dispatch(cli, &command_queue, count, words);
}

enum exit_status queue_parse(char *argument, char **ret_namespace, char **ret_queue)
{
    char *slash = strchr(argument, '/');
    char *namespace = NULL;

    if (slash != NULL) {
        *slash = '\0';
        TRY_DONE(value_name("NAME", argument, &namespace));
        TRY_DONE(value_name("NAME", slash + 1, ret_queue));
        *ret_namespace = namespace;
        return EXIT_DONE;
    }
    return value_name("NAME", argument, ret_queue);
}

char *queue_name(const Ganger__V1__Queue *queue)
{
    if (queue->namespace_[0] == '\0' || strcmp(queue->namespace_, "default") == 0)
        return duplicate_text(queue->queue);
    return format_text("%s/%s", queue->namespace_, queue->queue);
}

static char *pause_text(const Ganger__V1__Queue *queue)
{
    if (!queue->paused_in && !queue->paused_out)
        return duplicate_text("");
    return format_text("paused %s%s%s%s%s%s", queue->paused_in ? "in" : "",
                       queue->paused_in && queue->paused_out ? " and " : "", queue->paused_out ? "out" : "",
                       queue->paused_by[0] != '\0' ? " by " : "", queue->paused_by,
                       queue->pause_reason[0] != '\0' ? ": " : "");
}

static void add_part(char **text, char *part)
{
    CLEANUP(free)
    char *before = *text;
    CLEANUP(free)
    char *added = part;

    *text = format_text("%s%s%s", before, before[0] != '\0' && added[0] != '\0' ? ", " : "", added);
}

static void add_time(char **text, const char *name, uint64_t duration_ms)
{
    char duration[FORMAT_SIZE];

    if (duration_ms > 0)
        add_part(text, format_text("%s %s", name, format_duration(duration_ms, duration)));
}

char *queue_said(const Ganger__V1__Queue *queue)
{
    const Ganger__V1__QueueDefaults *defaults = queue->defaults;
    CLEANUP(free)
    char *pause = pause_text(queue);
    char *text = format_text("%s%s", pause, pause[0] != '\0' ? queue->pause_reason : "");

    if (queue->length_max > 0)
        add_part(&text, format_text("at most %" PRIu64, queue->length_max));
    if (defaults == NULL)
        return text;
    if (defaults->priority > 0)
        add_part(&text, format_text("priority %u", defaults->priority));
    if (defaults->max_attempts > 0)
        add_part(&text, format_text("attempts %u", defaults->max_attempts));
    add_time(&text, "run timeout", defaults->run_timeout_ms);
    add_time(&text, "retention", defaults->retention_ms);
    add_time(&text, "backoff", defaults->backoff_ms);
    add_time(&text, "backoff max", defaults->backoff_max_ms);
    return text;
}

void queue_print(const struct cli *cli, const Ganger__V1__Queue *queue)
{
    CLEANUP(free)
    char *name = queue_name(queue);
    CLEANUP(free)
    char *said = queue_said(queue);

    if (cli->json)
        json_print_message(&cli->output, &queue->base);
    else if (cli->quiet)
        printf("%s\n", name);
    else
        printf("%s: %s\n", name, said[0] != '\0' ? said : "as any queue");
}
