/* What the commands of the group "queue" share: how a queue is named, and what is printed of it. */
#pragma once

#include "cli/command.h"

/* Takes "builds" or "acme/builds" apart; texts are parts of the argument. */
enum exit_status queue_parse(char *argument, char **ret_namespace, char **ret_queue);
/* "builds", with the namespace before it where that is not the default: "acme/builds". The caller frees it. */
char *queue_name(const Ganger__V1__Queue *queue);
/* What operators have said of it: "paused in and out by alice: the disk is moved, at most 500"; "" when nothing. The
 * caller frees it. */
char *queue_said(const Ganger__V1__Queue *queue);
/* What a command that changed it prints. */
void queue_print(const struct cli *cli, const Ganger__V1__Queue *queue);
