#include "cli/budget.h"
#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/ids.h"
#include "cli/values.h"

enum { OPTION_DOLLARS = OPTION_FIRST, OPTION_TOKENS, OPTION_ON_BREACH };

static const struct argp_option options[] = {
    {"dollars", OPTION_DOLLARS, "AMOUNT", 0, "the most that the tree may cost; 0: no bound", 0},
    {"tokens", OPTION_TOKENS, "COUNT", 0, "the most that it may use; 0: no bound", 0},
    {"on-breach", OPTION_ON_BREACH, "POLICY", 0, "when it is used up: suspend, cancel", 0},
    {0},
};

static enum exit_status take_option(int key, char *value, void *data);
static enum exit_status run(struct cli *cli, int count, char **words);

const struct command command_budget_set = {
    .name = "budget set",
    .usage = "OPTION... ID",
    .summary = "raise or lower the budget that a task brought",
    .examples = "gangerctl budget set --dollars 5 0000-01K3\n"
                "gangerctl budget set --tokens 2000000 --on-breach cancel 0000-01K3\n",
    .options = options,
    .arguments_least = 1,
    .arguments_most = 1,
    .take_option = take_option,
    .run = run,
};

static enum exit_status take_option(int key, char *value, void *data)
{
    Ganger__V1__SetBudgetRequest *request = data;

    switch (key) {
    case OPTION_DOLLARS:
        request->set_micro_dollars = true;
        return budget_dollars("--dollars", value, 0, &request->micro_dollars);
    case OPTION_TOKENS:
        request->set_tokens = true;
        return value_number("--tokens", value, 0, UINT64_MAX, &request->tokens);
    default:
        return budget_policy(value, &request->on_breach);
    }
}

static enum exit_status run(struct cli *cli, int count, char **words)
{
    CLEANUP(arguments_done)
    struct arguments arguments = {0};
    CLEANUP(ganger_free)
    Ganger__V1__SetBudgetResponse *response = NULL;
    Ganger__V1__SetBudgetRequest request = GANGER__V1__SET_BUDGET_REQUEST__INIT;
    struct ganger_error error = {0};
    struct ganger *broker = NULL;

    TRY_DONE(command_parse(cli, &command_budget_set, count, words, &request, &arguments));
    if (!request.set_micro_dollars && !request.set_tokens &&
        request.on_breach == GANGER__V1__BREACH_POLICY__BREACH_POLICY_UNSPECIFIED)
        return problem(EXIT_USAGE, "nothing is to be set", "say --dollars, --tokens or --on-breach",
                       "budget set: an option is missing");
    TRY_DONE(daemon_open(cli, GANGER_BROKER, &broker));
    TRY_DONE(id_resolve(cli, broker, arguments.values[0], &request.task_id));
    if (ganger_set_budget(broker, &request, daemon_timeout_ms(cli), &response, &error) != GANGER_OK)
        return id_refused(cli, &error, "set the budget of", request.task_id);
    budget_print(cli, response->budget);
    return EXIT_DONE;
}
