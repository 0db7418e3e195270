/* What the commands of the group "context" share. */
#pragma once

#include "cli/command.h"

#define ENTRY_KEY_MOST_BYTES 255
#define ENTRY_VALUE_MOST_BYTES ((size_t)1024 * 1024)

/* A refusal of a call about a key: EXIT_NOT_FOUND in its own words, a conflict with the present version. */
enum exit_status context_refused(struct cli *cli, const struct ganger_error *error, const char *verb, const char *key);
/* A key as an argument. */
enum exit_status context_key(char *argument, char **ret_key);
/* Who wrote it, and when: "build7/claude1, 2m ago". The caller frees it. */
char *context_writer(const Ganger__V1__Entry *entry);
