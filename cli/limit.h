/* What the commands of the group "limit" share. */
#pragma once

#include "cli/command.h"

/* 1 to 127 of a-z A-Z 0-9 . _ - / : @ */
enum exit_status limit_name(const char *option, char *text, char **ret_name);
/* "at most 4 at once, 60 per 1m00s, paused until 18:40:00 by alice: rate limited"; "no bound". The caller frees it. */
char *limit_said(const Ganger__V1__Limit *limit);
/* What a command that changed it prints. */
void limit_print(const struct cli *cli, const Ganger__V1__Limit *limit);
