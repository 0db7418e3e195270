/* One value of the configuration: reading it by its kind, and writing it as one would write it. */
#pragma once

#include "common/base/status.h"
#include "common/daemon/config.h"

#include <stddef.h>
#include <stdint.h>

#define VALUE_TEXT_SIZE 32 /* of a written value and its NUL */

/* Reads text as a value of that key; *ret_number is 0 for texts and 0 or 1 for booleans. INVALID_ARGUMENT/BAD_CONFIG
 * with what is wrong and what is allowed, to be put behind the key's name: "is 5s, must be 10s to 1h". */
enum status value_parse(const struct config_key *key, const char *text, uint64_t *ret_number, struct error *error)
    NODISCARD;

/* "90s", "64K", "yes": in the greatest unit that divides it. Returns text. */
const char *value_format(enum config_kind kind, uint64_t number, char text[static VALUE_TEXT_SIZE]);
