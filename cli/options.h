/* The options that every command has, and what is said about those that none has. */
#pragma once

#include "cli/command.h"

extern const struct argp_option options_global[];

bool options_is_global(int key);
/* Whether key is one of the command's own. */
bool options_holds(const struct command *command, int key);
/* The command's (which may be NULL) and the global ones in one table. The caller frees it. */
struct argp_option *options_join(const struct command *command);
enum exit_status options_take(struct cli *cli, const struct command *command, int key, char *value);
/* Says what is wrong with an option that argp could not read, and which one may be meant. */
enum exit_status options_explain(const struct command *command, const struct argp_option *options, const char *word);
