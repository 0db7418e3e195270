#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/queue.h"
#include "cli/values.h"

#include <string.h>

#define LENGTH_MOST UINT64_C(1000000000000)
#define RUN_TIMEOUT_MOST_MS (30 * VALUE_DAY_MS)
#define RETENTION_MOST_MS (366 * VALUE_DAY_MS)
#define BACKOFF_MOST_MS (7 * VALUE_DAY_MS)
#define ATTEMPTS_MOST 100

enum {
    OPTION_LENGTH_MAX = OPTION_FIRST,
    OPTION_PRIORITY,
    OPTION_MAX_ATTEMPTS,
    OPTION_RUN_TIMEOUT,
    OPTION_RETENTION,
    OPTION_BACKOFF,
    OPTION_BACKOFF_MAX,
};

static const struct argp_option options[] = {
    {"length-max", OPTION_LENGTH_MAX, "COUNT", 0, "how many tasks may wait; 0: no bound", 0},
    {"priority", OPTION_PRIORITY, "1-9", 0, "of tasks that do not say; 0: no word", 0},
    {"max-attempts", OPTION_MAX_ATTEMPTS, "COUNT", 0, "likewise", 0},
    {"run-timeout", OPTION_RUN_TIMEOUT, "TIME", 0, "likewise", 0},
    {"retention", OPTION_RETENTION, "TIME", 0, "likewise", 0},
    {"backoff", OPTION_BACKOFF, "TIME", 0, "likewise", 0},
    {"backoff-max", OPTION_BACKOFF_MAX, "TIME", 0, "likewise", 0},
    {0},
};

static enum exit_status take_option(int key, char *value, void *data);
static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_queue_set = {
    .name = "queue set",
    .usage = "[OPTION...] NAME",
    .summary = "say how many tasks may wait in a queue, and its defaults",
    .examples = "gangerctl queue set --length-max 500 builds\n"
                "gangerctl queue set --run-timeout 1h acme/builds\n"
                "gangerctl queue set --length-max 0 builds\n",
    .options = options,
    .arguments_least = 1,
    .arguments_most = 1,
    .take_option = take_option,
    .run = run,
};

/* Which defaults were named: the others stay as they are. */
struct choices {
    Ganger__V1__SetQueueRequest request;
    Ganger__V1__QueueDefaults said;
    bool has_said[OPTION_BACKOFF_MAX - OPTION_FIRST + 1];
};

static enum exit_status take_count(const char *option, const char *value, uint64_t most, uint32_t *ret_count)
{
    uint64_t count = 0;

    TRY_DONE(value_number(option, value, 0, most, &count));
    *ret_count = (uint32_t)count;
    return EXIT_DONE;
}

static enum exit_status take_backoff(const char *option, const char *value, uint32_t *ret_backoff_ms)
{
    uint64_t backoff_ms = 0;

    TRY_DONE(value_duration(option, value, 0, BACKOFF_MOST_MS, &backoff_ms));
    *ret_backoff_ms = (uint32_t)backoff_ms;
    return EXIT_DONE;
}

static enum exit_status take_option(int key, char *value, void *data)
{
    struct choices *choices = data;
    Ganger__V1__QueueDefaults *said = &choices->said;

    choices->has_said[key - OPTION_FIRST] = true;
    switch (key) {
    case OPTION_LENGTH_MAX:
        choices->request.set_length_max = true;
        return value_number("--length-max", value, 0, LENGTH_MOST, &choices->request.length_max);
    case OPTION_PRIORITY:
        return take_count("--priority", value, 9, &said->priority);
    case OPTION_MAX_ATTEMPTS:
        return take_count("--max-attempts", value, ATTEMPTS_MOST, &said->max_attempts);
    case OPTION_RUN_TIMEOUT:
        return value_duration("--run-timeout", value, 0, RUN_TIMEOUT_MOST_MS, &said->run_timeout_ms);
    case OPTION_RETENTION:
        return value_duration("--retention", value, 0, RETENTION_MOST_MS, &said->retention_ms);
    case OPTION_BACKOFF:
        return take_backoff("--backoff", value, &said->backoff_ms);
    default:
        return take_backoff("--backoff-max", value, &said->backoff_max_ms);
    }
}

static bool has_said_defaults(const struct choices *choices)
{
    for (size_t i = 1; i < sizeof choices->has_said / sizeof choices->has_said[0]; i++)
        if (choices->has_said[i])
            return true;
    return false;
}

/* Takes over what was not said. */
static void complete(struct choices *choices, const Ganger__V1__QueueDefaults *present)
{
    Ganger__V1__QueueDefaults *said = &choices->said;
    const bool *has_said = choices->has_said;

    if (!has_said[OPTION_PRIORITY - OPTION_FIRST])
        said->priority = present->priority;
    if (!has_said[OPTION_MAX_ATTEMPTS - OPTION_FIRST])
        said->max_attempts = present->max_attempts;
    if (!has_said[OPTION_RUN_TIMEOUT - OPTION_FIRST])
        said->run_timeout_ms = present->run_timeout_ms;
    if (!has_said[OPTION_RETENTION - OPTION_FIRST])
        said->retention_ms = present->retention_ms;
    if (!has_said[OPTION_BACKOFF - OPTION_FIRST])
        said->backoff_ms = present->backoff_ms;
    if (!has_said[OPTION_BACKOFF_MAX - OPTION_FIRST])
        said->backoff_max_ms = present->backoff_max_ms;
}

static enum exit_status read_present(struct cli *cli, struct ganger *broker, struct choices *choices)
{
    CLEANUP(ganger_free)
    Ganger__V1__QueueStatsResponse *response = NULL;
    Ganger__V1__QueueStatsRequest request = GANGER__V1__QUEUE_STATS_REQUEST__INIT;
    char default_namespace[] = "default";
    struct ganger_error error = {0};

    request.namespace_ = choices->request.namespace_[0] != '\0' ? choices->request.namespace_ : default_namespace;
    if (ganger_queue_stats(broker, &request, daemon_timeout_ms(cli), &response, &error) != GANGER_OK)
        return daemon_refused(cli, GANGER_BROKER, &error, "cannot set up the queue");
    for (size_t i = 0; i < response->n_queues; i++)
        if (strcmp(response->queues[i]->queue, choices->request.queue) == 0 && response->queues[i]->defaults != NULL)
            complete(choices, response->queues[i]->defaults);
    choices->request.defaults = &choices->said;
    return EXIT_DONE;
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    CLEANUP(ganger_free)
    Ganger__V1__SetQueueResponse *response = NULL;
    struct choices choices = {.request = GANGER__V1__SET_QUEUE_REQUEST__INIT, .said = GANGER__V1__QUEUE_DEFAULTS__INIT};
    struct ganger_error error = {0};
    struct ganger *broker = NULL;

    TRY_DONE(command_parse(cli, &command_queue_set, count, words, &choices, &arguments));
    TRY_DONE(queue_parse(arguments.values[0], &choices.request.namespace_, &choices.request.queue));
    TRY_DONE(daemon_open(cli, GANGER_BROKER, &broker));
    if (has_said_defaults(&choices))
        TRY_DONE(read_present(cli, broker, &choices));
    if (ganger_set_queue(broker, &choices.request, daemon_timeout_ms(cli), &response, &error) != GANGER_OK)
        return daemon_refused(cli, GANGER_BROKER, &error, "cannot set up the queue");
    queue_print(cli, response->queue);
    return EXIT_DONE;
}
