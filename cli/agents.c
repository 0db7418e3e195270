#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/format.h"
#include "cli/json.h"
#include "cli/table.h"
#include "common/base/check.h"

#include <string.h>

/* Heartbeats come every few seconds: who is silent for longer may be gone. */
#define SILENT_MS 15000

enum { OPTION_TYPES = OPTION_FIRST };

static const struct argp_option options[] = {
    {"types", OPTION_TYPES, NULL, 0, "by type of agent instead", 0},
    {0},
};

static enum exit_status take_option(int key, char *value, void *data);
static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_agents = {
    .name = "agents",
    .usage = "[--types]",
    .summary = "show supervisors and agents, what they can run and hold",
    .examples = "gangerctl agents\n"
                "gangerctl agents --types\n"
                "gangerctl agents --json | jq 'select(.silent_ms > 60000) | .agent_id'\n",
    .options = options,
    .take_option = take_option,
    .run = run,
};

static enum exit_status take_option(int key, char *value, void *data)
{
    (void)key;
    (void)value;
    *(bool *)data = true;
    return EXIT_DONE;
}

static const struct column agent_columns[] = {
    {.title = "AGENT"},
    {.title = "HOST", .flexible = true},
    {.title = "HELD", .right = true},
    {.title = "SLOTS", .right = true},
    {.title = "HEARD", .right = true},
    {.title = "LEASE", .right = true},
    {.title = "CAN RUN", .flexible = true},
};

/* "draining by alice: a new kernel" */
static char *describe_drain(const Ganger__V1__Agent *agent)
{
    if (!agent->draining)
        return duplicate_text("");
    return format_text("%s%s%s%s%s%s", agent->killed ? "killed" : "draining",
                       agent->drained_by[0] != '\0' ? " by " : "", agent->drained_by,
                       agent->drain_reason[0] != '\0' ? ": " : "", agent->drain_reason,
                       agent->n_profiles > 0 ? "; " : "");
}

/* "claude 2/4, review 0/8, codex: the program is missing", behind that it drains */
static char *describe_profiles(const Ganger__V1__Agent *agent, bool *ret_problem)
{
    char *all = describe_drain(agent);

    *ret_problem = agent->draining;

    for (size_t i = 0; i < agent->n_profiles; i++) {
        const Ganger__V1__Profile *profile = agent->profiles[i];
        CLEANUP(free)
        char *before = all;
        CLEANUP(free)
        char *one = profile->available ? format_text("%s %u/%u", profile->agent_type, profile->running, profile->max)
                                       : format_text("%s: %s", profile->agent_type,
                                                     profile->problem[0] != '\0' ? profile->problem : "unavailable");
        *ret_problem = *ret_problem || !profile->available;
        all = format_text("%s%s%s", before, i > 0 ? ", " : "", one);
    }
    return all;
}

static void add_agent(struct table *table, const Ganger__V1__Agent *agent)
{
    bool has_problem = false;
    bool silent = !agent->known || agent->silent_ms > SILENT_MS;
    char heard[FORMAT_SIZE];
    char lease[FORMAT_SIZE];
    CLEANUP(free)
    char *profiles = describe_profiles(agent, &has_problem);
    CLEANUP(free)
    char *ago = agent->known ? format_text("%s ago", format_age(agent->silent_ms, heard)) : duplicate_text("never");

    table_add(table, TONE_PLAIN, agent->agent_id);
    table_add(table, TONE_PLAIN, agent->host);
    table_add_count(table, TONE_PLAIN, agent->held);
    if (agent->slots == 0)
        table_add(table, TONE_PLAIN, "-");
    else
        table_add_count(table, TONE_PLAIN, agent->slots);
    table_add(table, silent ? TONE_BAD : TONE_PLAIN, ago);
    table_add(table, TONE_PLAIN, agent->known ? format_duration(agent->lease_ms, lease) : "-");
    table_add(table, has_problem ? TONE_BAD : TONE_PLAIN, profiles);
}

static void print_agents(struct cli *cli, const Ganger__V1__ListAgentsResponse *response)
{
    CLEANUP(table_free)
    struct table *table = table_new(agent_columns, sizeof(agent_columns) / sizeof(agent_columns[0]), &cli->output);

    for (size_t i = 0; i < response->n_agents; i++) {
        if (cli->json)
            json_print_message(&cli->output, &response->agents[i]->base);
        else if (cli->quiet)
            printf("%s\n", response->agents[i]->agent_id);
        else
            add_agent(table, response->agents[i]);
    }
    table_flush(table);
    if (response->n_agents == 0 && cli->output.interactive && !cli->json && !cli->quiet)
        problem_note("no agent or supervisor is known; start ganger-worker, or connect one");
}

/* One type over all supervisors. */
struct type_sum {
    const char *name; /* borrowed */
    unsigned supervisors, running, max;
};

static void add_to_type(struct type_sum *sums, size_t *count, const Ganger__V1__Profile *profile)
{
    size_t i = 0;

    while (i < *count && strcmp(sums[i].name, profile->agent_type) != 0)
        i++;
    if (i == *count)
        sums[(*count)++] = (struct type_sum){.name = profile->agent_type};
    if (!profile->available)
        return;
    sums[i].supervisors++;
    sums[i].running += profile->running;
    sums[i].max += profile->max;
}

static int compare_types(const void *a, const void *b)
{
    return strcmp(((const struct type_sum *)a)->name, ((const struct type_sum *)b)->name);
}

static void print_type(struct cli *cli, struct table *table, const struct type_sum *sum)
{
    if (cli->json) {
        json_t *json = json_pack("{s:s, s:i, s:i, s:i}", "agent_type", sum->name, "supervisors", (int)sum->supervisors,
                                 "running", (int)sum->running, "max", (int)sum->max);
        json_print(&cli->output, json);
        json_decref(json);
    } else if (cli->quiet) {
        printf("%s\n", sum->name);
    } else {
        table_add(table, TONE_PLAIN, sum->name);
        table_add_count(table, sum->supervisors == 0 ? TONE_BAD : TONE_PLAIN, sum->supervisors);
        table_add_count(table, TONE_PLAIN, sum->running);
        table_add_count(table, TONE_PLAIN, sum->max);
    }
}

static void print_types(struct cli *cli, const Ganger__V1__ListAgentsResponse *response)
{
    static const struct column type_columns[] = {
        {.title = "TYPE"},
        {.title = "SUPERVISORS", .right = true},
        {.title = "RUNNING", .right = true},
        {.title = "MAX", .right = true},
    };
    CLEANUP(table_free)
    struct table *table = table_new(type_columns, 4, &cli->output);
    size_t profiles = 0;
    size_t count = 0;

    for (size_t i = 0; i < response->n_agents; i++)
        profiles += response->agents[i]->n_profiles;
    CLEANUP(free)
    struct type_sum *sums = allocate_zero(profiles + 1, sizeof(sums[0]));
    for (size_t i = 0; i < response->n_agents; i++)
        for (size_t j = 0; j < response->agents[i]->n_profiles; j++)
            add_to_type(sums, &count, response->agents[i]->profiles[j]);
    qsort(sums, count, sizeof(sums[0]), compare_types);
    for (size_t i = 0; i < count; i++)
        print_type(cli, table, &sums[i]);
    table_flush(table);
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    CLEANUP(ganger_free)
    Ganger__V1__ListAgentsResponse *response = NULL;
    const Ganger__V1__ListAgentsRequest request = GANGER__V1__LIST_AGENTS_REQUEST__INIT;
    struct ganger_error error = {0};
    struct ganger *broker = NULL;
    bool by_type = false;

    TRY_DONE(command_parse(cli, &command_agents, count, words, &by_type, &arguments));
    TRY_DONE(daemon_open(cli, GANGER_BROKER, &broker));
    if (ganger_list_agents(broker, &request, daemon_timeout_ms(cli), &response, &error) != GANGER_OK)
        return daemon_refused(cli, GANGER_BROKER, &error, "cannot show the agents");
    if (by_type)
        print_types(cli, response);
    else
        print_agents(cli, response);
    return EXIT_DONE;
}
