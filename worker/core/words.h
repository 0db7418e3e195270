/* Lists of words, and how a command line of the configuration becomes one.
 *
 * There is no shell anywhere: quotes only keep words together. A list owns its words and ends in NULL, as exec wants.
 */
#pragma once

#include "common/base/cleanup.h"
#include "common/base/status.h"

#include <stddef.h>

#define WORDS_MAX 256

/* The zero value is empty (items is NULL then). */
struct words {
    char **items;
    size_t count;
};

void words_done(struct words *words);
DEFINE_CLEANUP_EMBEDDED(struct words, words_done)
/* Copies the text. */
void words_add(struct words *words, const char *text);
/* Takes the text over. */
void words_take(struct words *words, char *text);

/* Spaces and tabs part words. '...' is taken as it stands; in "..." a backslash makes the quote or the backslash behind
 * it plain; elsewhere it makes any character plain. INVALID_ARGUMENT/BAD_WORDS. */
enum status words_split(const char *text, struct words *ret_words, struct error *error) NODISCARD;
