/* Ids: 64 bits, an epoch (16) above a counter (48), never used twice, greater with age.
 *
 * People see them in Crockford's base 32: eight digits in two groups, "0000-01K3", or thirteen once a number needs
 * more. They may leave out the dash and the leading zeros, write O for 0 and I or L for 1, in either case. A text that
 * begins with 0 and is too short is the beginning of an id and names all that begin so. */
#pragma once

#include "common/base/status.h"

#include <stdint.h>

#define ID_TEXT_SIZE 20 /* of the text and its NUL */

/* Writes id into text and returns text. */
const char *id_format(uint64_t id, char text[static ID_TEXT_SIZE]);

/* Reads what people type. On success the ids meant are [*ret_first, *ret_last]; a whole id has both equal.
 * STATUS_INVALID_ARGUMENT/BAD_ID with a message otherwise. */
enum status id_parse(const char *text, uint64_t *ret_first, uint64_t *ret_last, struct error *error) NODISCARD;
