#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/format.h"
#include "cli/ids.h"
#include "cli/json.h"
#include "cli/task.h"
#include "cli/text.h"
#include "common/base/check.h"
#include "common/base/clock.h"

#include <string.h>

static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_why = {
    .name = "why",
    .usage = "ID",
    .summary = "say why a task is not at work",
    .examples = "gangerctl why 0000-01K3\n"
                "gangerctl why --json 0000-01K3 | jq -r '.reasons[].kind'\n",
    .arguments_least = 1,
    .arguments_most = 1,
    .run = run,
};

/* A time of today is shown without its date. */
static const char *until_text(uint64_t until_ms, uint64_t now_ms, char text[static FORMAT_SIZE])
{
    char today[FORMAT_SIZE];
    char *time = strchr(format_time(until_ms, text), ' ');

    if (time != NULL && strncmp(text, format_time(now_ms, today), (size_t)(time - text)) == 0)
        memmove(text, time + 1, strlen(time + 1) + 1);
    return text;
}

static void print_reason(const Ganger__V1__WaitReason *reason, uint64_t now_ms)
{
    CLEANUP(free)
    char *visible = text_line(bytes_of_text(reason->text));
    char until[FORMAT_SIZE];

    if (reason->until_ms > 0)
        printf("  %s, until %s\n", visible, until_text(reason->until_ms, now_ms, until));
    else
        printf("  %s\n", visible);
}

static void print_why(const Ganger__V1__WhyWaitingResponse *why, uint64_t task_id)
{
    uint64_t now_ms = clock_wall_ms();
    char age[FORMAT_SIZE];
    char id[20];

    printf("%s %s, submitted %s ago\n", ganger_id_format(task_id, id), task_state_name(why->state),
           format_duration(now_ms > why->submitted_ms ? now_ms - why->submitted_ms : 0, age));
    for (size_t i = 0; i < why->n_reasons; i++)
        print_reason(why->reasons[i], now_ms);
    if (why->n_reasons == 0)
        printf("  nothing holds it up: the next agent with room takes it\n");
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    CLEANUP(free)
    uint64_t *task_ids = NULL;
    CLEANUP(ganger_free)
    Ganger__V1__WhyWaitingResponse *response = NULL;
    Ganger__V1__WhyWaitingRequest request = GANGER__V1__WHY_WAITING_REQUEST__INIT;
    struct ganger_error error = {0};
    struct ganger *broker = NULL;

    TRY_DONE(command_parse(cli, &command_why, count, words, NULL, &arguments));
    TRY_DONE(daemon_open(cli, GANGER_BROKER, &broker));
    TRY_DONE(ids_resolve(cli, broker, &arguments, &task_ids));
    request.task_id = task_ids[0];
    if (ganger_why_waiting(broker, &request, daemon_timeout_ms(cli), &response, &error) != GANGER_OK)
        return id_refused(cli, &error, "explain", task_ids[0]);
    if (cli->json) {
        json_print_message(&cli->output, &response->base);
        return EXIT_DONE;
    }
    for (size_t i = 0; i < response->n_reasons && cli->quiet; i++)
        printf("%s\n", response->reasons[i]->text);
    if (!cli->quiet)
        print_why(response, task_ids[0]);
    return EXIT_DONE;
}
