/* What the commands about messages share. */
#pragma once

#include "cli/command.h"

#define MAILBOX_MOST_BYTES 160

/* A mailbox as people name it: as the protocol does, or just an agent. NULL takes the mailbox of the agent that this
 * runs in. The caller frees it. */
enum exit_status message_mailbox(const char *argument, char **ret_mailbox);
