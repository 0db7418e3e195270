/* What gangerctl says about itself: examples first, and never more than a screen. */
#pragma once

#include "cli/command.h"

/* The commands of a group, or all when group is NULL; a line each. */
void help_overview(FILE *stream, const struct command *group);
void help_command(FILE *stream, const struct command *command);
