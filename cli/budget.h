/* What the commands about budgets share. */
#pragma once

#include "cli/command.h"

/* "2.50", as micro-dollars. */
enum exit_status budget_dollars(const char *option, const char *text, uint64_t least, uint64_t *ret_micro_dollars);
/* "suspend", "cancel" */
enum exit_status budget_policy(const char *text, Ganger__V1__BreachPolicy *ret_policy);
/* "1.20 of 2.50 dollars, 900 of 1,000 tokens, used up". The caller frees it. */
char *budget_said(const Ganger__V1__BudgetState *state);
/* "1.20 dollars, 900 tokens". The caller frees it. */
char *usage_said(const Ganger__V1__Usage *usage);
void budget_print(const struct cli *cli, const Ganger__V1__BudgetState *state);
