#include "cli/budget.h"

#include "cli/commands.h"
#include "cli/format.h"
#include "cli/json.h"
#include "common/base/check.h"
#include "common/base/dollars.h"

#include <string.h>

static enum exit_status run(struct cli *cli, int count, char **words);

static const struct command *const members[] = {&command_budget_set, &command_budget_show, NULL};

const struct command command_budget = {
    .name = "budget",
    .usage = "COMMAND",
    .summary = "what a task and everything below it may use up",
    .examples = "gangerctl budget show 0000-01K3\n"
                "gangerctl budget set --dollars 5 0000-01K3\n",
    .members = members,
    .run = run,
};

static enum exit_status run(struct cli *cli, int count, char **words)
{
    return command_dispatch(cli, &command_budget, count, words);
}

enum exit_status budget_dollars(const char *option, const char *text, uint64_t least, uint64_t *ret_micro_dollars)
{
    uint64_t micro_dollars = 0;

    if (!dollars_parse(text, &micro_dollars) || micro_dollars < least)
        return problem(EXIT_USAGE, "it is an amount: 5, 2.50", NULL, "%s: \"%.80s\" will not do", option, text);
    *ret_micro_dollars = micro_dollars;
    return EXIT_DONE;
}

enum exit_status budget_policy(const char *text, Ganger__V1__BreachPolicy *ret_policy)
{
    if (strcmp(text, "suspend") != 0 && strcmp(text, "cancel") != 0)
        return problem(EXIT_USAGE, "it is one of suspend, cancel", NULL, "--on-breach: \"%.80s\" will not do", text);
    *ret_policy = text[0] == 'c' ? GANGER__V1__BREACH_POLICY__CANCEL_TREE : GANGER__V1__BREACH_POLICY__SUSPEND_TREE;
    return EXIT_DONE;
}

char *usage_said(const Ganger__V1__Usage *usage)
{
    char dollars[DOLLARS_SIZE];
    char tokens[FORMAT_SIZE];

    return format_text("%s dollars, %s tokens", dollars_format(usage->micro_dollars, dollars),
                       format_count(usage->tokens, tokens));
}

/* "1.20 of 2.50", or "1.20" where there is no bound. */
static char *share(const char *used, const char *bound, bool is_bound)
{
    return is_bound ? format_text("%s of %s", used, bound) : duplicate_text(used);
}

char *budget_said(const Ganger__V1__BudgetState *state)
{
    const Ganger__V1__Budget *budget = state->budget;
    char used[DOLLARS_SIZE];
    char bound[DOLLARS_SIZE];
    char used_tokens[FORMAT_SIZE];
    char bound_tokens[FORMAT_SIZE];
    CLEANUP(free)
    char *dollars = share(dollars_format(state->used->micro_dollars, used),
                          dollars_format(budget->micro_dollars, bound), budget->micro_dollars > 0);
    CLEANUP(free)
    char *tokens = share(format_count(state->used->tokens, used_tokens), format_count(budget->tokens, bound_tokens),
                         budget->tokens > 0);

    return format_text("%s dollars, %s tokens%s%s", dollars, tokens, state->breached ? ", used up" : "",
                       budget->on_breach != GANGER__V1__BREACH_POLICY__CANCEL_TREE ? ""
                       : state->breached                                           ? ": its tree is canceled"
                                                                                   : ", then its tree is canceled");
}

void budget_print(const struct cli *cli, const Ganger__V1__BudgetState *state)
{
    CLEANUP(free)
    char *said = budget_said(state);
    char id[20];

    (void)ganger_id_format(state->task_id, id);
    if (cli->json)
        json_print_message(&cli->output, &state->base);
    else if (cli->quiet)
        printf("%s\n", id);
    else
        printf("%s: %s\n", id, said);
}
