#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/limit.h"
#include "cli/values.h"

#include <string.h>

#define REASON_MOST_BYTES 255
#define RUNNING_MOST 1000000
#define RATE_MOST 1000000
#define PAUSE_MOST_MS (366 * VALUE_DAY_MS)

enum { OPTION_MAX_RUNNING = OPTION_FIRST, OPTION_RATE, OPTION_PAUSE, OPTION_RESUME, OPTION_REASON };

static const struct argp_option options[] = {
    {"max-running", OPTION_MAX_RUNNING, "COUNT", 0, "how many may run at once; 0: no bound", 0},
    {"rate", OPTION_RATE, "COUNT/TIME", 0, "how many may begin in that time; 0: no bound", 0},
    {"pause", OPTION_PAUSE, "TIME", 0, "for that long none begins; runs go on", 0},
    {"resume", OPTION_RESUME, NULL, 0, "ends the pause, also one that an agent asked for", 0},
    {"reason", OPTION_REASON, "TEXT", 0, "why it is paused; others see it", 0},
    {0},
};

static enum exit_status take_option(int key, char *value, void *data);
static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_limit_set = {
    .name = "limit set",
    .usage = "[OPTION...] NAME",
    .summary = "create or change a named limit; what is not named stays as it is",
    .examples = "gangerctl limit set --max-running 8 --rate 60/1m anthropic\n"
                "gangerctl limit set --pause 10m --reason \"out of quota\" anthropic\n"
                "gangerctl limit set --resume anthropic\n",
    .options = options,
    .arguments_least = 1,
    .arguments_most = 1,
    .take_option = take_option,
    .run = run,
};

struct choices {
    Ganger__V1__SetLimitRequest request;
    Ganger__V1__Rate rate;
};

/* "60/1m", or "0". */
static enum exit_status take_rate(char *value, Ganger__V1__Rate *rate)
{
    char *slash = strchr(value, '/');
    uint64_t count = 0;
    uint64_t interval_ms = 0;

    if (slash == NULL && strcmp(value, "0") != 0)
        return problem(EXIT_USAGE, "it is a count and a time: 60/1m; or 0 for no bound", NULL,
                       "--rate: \"%.80s\" is no rate", value);
    if (slash != NULL) {
        *slash = '\0';
        TRY_DONE(value_number("--rate", value, 1, RATE_MOST, &count));
        TRY_DONE(value_duration("--rate", slash + 1, 1, VALUE_DAY_MS, &interval_ms));
    }
    rate->count = (uint32_t)count;
    rate->interval_ms = (uint32_t)interval_ms;
    return EXIT_DONE;
}

static enum exit_status take_option(int key, char *value, void *data)
{
    struct choices *choices = data;
    Ganger__V1__SetLimitRequest *request = &choices->request;
    uint64_t number = 0;

    switch (key) {
    case OPTION_MAX_RUNNING:
        TRY_DONE(value_number("--max-running", value, 0, RUNNING_MOST, &number));
        request->set_max_running = true;
        request->max_running = (uint32_t)number;
        return EXIT_DONE;
    case OPTION_RATE:
        request->rate = &choices->rate;
        return take_rate(value, &choices->rate);
    case OPTION_PAUSE:
        request->set_pause = true;
        return value_duration("--pause", value, 1, PAUSE_MOST_MS, &request->pause_for_ms);
    case OPTION_RESUME:
        request->set_pause = true;
        request->pause_for_ms = 0;
        return EXIT_DONE;
    default:
        return value_text("--reason", value, REASON_MOST_BYTES, &request->reason);
    }
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    CLEANUP(ganger_free)
    Ganger__V1__SetLimitResponse *response = NULL;
    struct choices choices = {.request = GANGER__V1__SET_LIMIT_REQUEST__INIT, .rate = GANGER__V1__RATE__INIT};
    struct ganger_error error = {0};
    struct ganger *broker = NULL;

    TRY_DONE(command_parse(cli, &command_limit_set, count, words, &choices, &arguments));
    TRY_DONE(limit_name("NAME", arguments.values[0], &choices.request.name));
    if (!choices.request.set_max_running && choices.request.rate == NULL && !choices.request.set_pause)
        return problem(EXIT_USAGE, "nothing is to be set", "say --max-running, --rate, --pause or --resume",
                       "limit set: an option is missing");
    TRY_DONE(daemon_open(cli, GANGER_BROKER, &broker));
    if (ganger_set_limit(broker, &choices.request, daemon_timeout_ms(cli), &response, &error) != GANGER_OK)
        return daemon_refused(cli, GANGER_BROKER, &error, "cannot set the limit");
    limit_print(cli, response->limit);
    return EXIT_DONE;
}
