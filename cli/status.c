#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/format.h"
#include "cli/json.h"
#include "cli/task.h"
#include "common/base/check.h"

#include <inttypes.h>

static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_status = {
    .name = "status",
    .usage = "",
    .summary = "show how the broker, the agents and the context store are",
    .examples = "gangerctl status\n"
                "gangerctl status --json | jq -r 'select(.daemon == \"broker\") | .commit_p99_us'\n",
    .run = run,
};

static uint64_t count_in_state(const Ganger__V1__StatusResponse *status, Ganger__V1__TaskState state)
{
    for (size_t i = 0; i < status->n_states; i++)
        if (status->states[i]->state == state)
            return status->states[i]->tasks;
    return 0;
}

static void print_head(struct cli *cli, const char *name, enum tone tone, const char *text)
{
    printf("%s%-10s%s %s", terminal_tone(&cli->output, tone), name, terminal_plain(&cli->output, tone), text);
}

/* "up 3d04h   version 0.1.0   store 1.2 GiB of 64.0 GiB   sync 0.2 ms" */
static char *describe_daemon(uint64_t uptime_ms, const char *version, const uint64_t store_bytes[2],
                             uint64_t commit_p50_us)
{
    char uptime[FORMAT_SIZE];
    char used[FORMAT_SIZE];
    char limit[FORMAT_SIZE];

    return format_text("up %s   version %s   store %s of %s   sync %" PRIu64 ".%02" PRIu64 " ms\n",
                       format_duration(uptime_ms, uptime), version, format_size(store_bytes[0], used),
                       format_size(store_bytes[1], limit), commit_p50_us / 1000, commit_p50_us % 1000 / 10);
}

static void print_broker(struct cli *cli, const Ganger__V1__StatusResponse *status)
{
    static const Ganger__V1__TaskState shown[] = {
        GANGER__V1__TASK_STATE__READY,    GANGER__V1__TASK_STATE__SCHEDULED, GANGER__V1__TASK_STATE__ASSIGNED,
        GANGER__V1__TASK_STATE__RUNNING,  GANGER__V1__TASK_STATE__COMPLETED, GANGER__V1__TASK_STATE__FAILED,
        GANGER__V1__TASK_STATE__CANCELED, GANGER__V1__TASK_STATE__BLOCKED,   GANGER__V1__TASK_STATE__SUSPENDED,
        GANGER__V1__TASK_STATE__EXPIRED,
    };
    const uint64_t store_bytes[2] = {status->store_bytes, status->store_limit_bytes};
    CLEANUP(free)
    char *line = describe_daemon(status->uptime_ms, status->version, store_bytes, status->commit_p50_us);
    char count[FORMAT_SIZE];

    print_head(cli, "broker", TONE_GOOD, line);
    print_head(cli, "tasks", TONE_PLAIN, "");
    for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
        const Ganger__V1__Task task = {.state = shown[i]};
        uint64_t tasks = count_in_state(status, shown[i]);
        if (tasks == 0 && task_state_is_rare(shown[i]))
            continue;
        enum tone tone = tasks > 0 ? task_tone(&task) : TONE_PLAIN;
        printf("%s%s%s %s%s", i > 0 ? "   " : "", terminal_tone(&cli->output, tone), task_state_name(shown[i]),
               format_count(tasks, count), terminal_plain(&cli->output, tone));
    }
    printf("\n");
    if (status->newest_seen != 0)
        printf("%sthe store is older than what its agents have seen of it: nothing is handed out%s\n",
               terminal_tone(&cli->output, TONE_BAD), terminal_plain(&cli->output, TONE_BAD));
}

static void print_agents(struct cli *cli, const Ganger__V1__ListAgentsResponse *agents)
{
    uint64_t supervisors = 0;
    uint64_t slots = 0;
    uint64_t held = 0;
    uint64_t known = 0;

    for (size_t i = 0; i < agents->n_agents; i++) {
        if (!agents->agents[i]->known)
            continue;
        known++;
        supervisors += agents->agents[i]->slots > 0 ? 1 : 0;
        slots += agents->agents[i]->slots;
        held += agents->agents[i]->held;
    }
    print_head(cli, "agents", slots > 0 ? TONE_GOOD : TONE_PLAIN, "");
    printf("supervisors %" PRIu64 "   self-connected %" PRIu64 "   slots %" PRIu64 "   held %" PRIu64 "\n", supervisors,
           known - supervisors, slots, held);
}

static void print_store(struct cli *cli, const Ganger__V1__ContextStatsResponse *stats)
{
    const uint64_t store_bytes[2] = {stats->store_bytes, stats->store_limit_bytes};
    CLEANUP(free)
    char *line = describe_daemon(stats->uptime_ms, stats->version, store_bytes, stats->commit_p50_us);
    char entries[FORMAT_SIZE];
    char streams[FORMAT_SIZE];
    char bytes[FORMAT_SIZE];

    print_head(cli, "contextd", TONE_GOOD, line);
    print_head(cli, "shared", TONE_PLAIN, "");
    printf("entries %s   streams %s (%s)\n",
           format_count(stats->global_entries + stats->task_entries + stats->documents + stats->agent_entries, entries),
           format_count(stats->streams, streams), format_size(stats->stream_bytes, bytes));
}

/* One object per daemon; which one it is comes first. */
static void print_json(struct cli *cli, const char *daemon, const ProtobufCMessage *message)
{
    json_t *json = json_of_message(message);
    json_t *named = json_pack("{s:s}", "daemon", daemon);

    CHECK(json_object_update(named, json) == 0);
    json_print(&cli->output, named);
    json_decref(named);
    json_decref(json);
}

static enum exit_status show_broker(struct cli *cli)
{
    CLEANUP(ganger_free)
    Ganger__V1__StatusResponse *status = NULL;
    CLEANUP(ganger_free)
    Ganger__V1__ListAgentsResponse *agents = NULL;
    const Ganger__V1__StatusRequest request = GANGER__V1__STATUS_REQUEST__INIT;
    const Ganger__V1__ListAgentsRequest agents_request = GANGER__V1__LIST_AGENTS_REQUEST__INIT;
    struct ganger_error error = {0};
    struct ganger *broker = NULL;

    TRY_DONE(daemon_open(cli, GANGER_BROKER, &broker));
    if (ganger_status(broker, &request, daemon_timeout_ms(cli), &status, &error) != GANGER_OK ||
        ganger_list_agents(broker, &agents_request, daemon_timeout_ms(cli), &agents, &error) != GANGER_OK)
        return daemon_refused(cli, GANGER_BROKER, &error, "cannot show the status of the broker");
    if (cli->json) {
        print_json(cli, "broker", &status->base);
    } else {
        print_broker(cli, status);
        print_agents(cli, agents);
    }
    return EXIT_DONE;
}

static enum exit_status show_store(struct cli *cli)
{
    CLEANUP(ganger_free)
    Ganger__V1__ContextStatsResponse *stats = NULL;
    const Ganger__V1__ContextStatsRequest request = GANGER__V1__CONTEXT_STATS_REQUEST__INIT;
    struct ganger_error error = {0};
    struct ganger *store = NULL;

    TRY_DONE(daemon_open(cli, GANGER_CONTEXT, &store));
    if (ganger_context_stats(store, &request, daemon_timeout_ms(cli), &stats, &error) != GANGER_OK)
        return daemon_refused(cli, GANGER_CONTEXT, &error, "cannot show the status of the context store");
    if (cli->json)
        print_json(cli, "contextd", &stats->base);
    else
        print_store(cli, stats);
    return EXIT_DONE;
}

/* Each is shown even when the other does not answer; the first that does not decides how it ends. */
static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};

    TRY_DONE(command_parse(cli, &command_status, count, words, NULL, &arguments));
    enum exit_status broker = show_broker(cli);
    enum exit_status store = show_store(cli);
    return broker != EXIT_DONE ? broker : store;
}
