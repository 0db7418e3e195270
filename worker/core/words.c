#include "worker/core/words.h"

#include "common/base/bytes.h"
#include "common/base/check.h"

#include <stdbool.h>
#include <string.h>

void words_done(struct words *words)
{
    for (size_t i = 0; i < words->count; i++)
        free(words->items[i]);
    free(words->items);
    *words = (struct words){0};
}

void words_take(struct words *words, char *text)
{
    words->items = reallocate(words->items, (words->count + 2) * sizeof *words->items);
    words->items[words->count++] = text;
    words->items[words->count] = NULL;
}

void words_add(struct words *words, const char *text)
{
    words_take(words, duplicate_text(text));
}

static bool is_blank(char character)
{
    return character == ' ' || character == '\t';
}

static bool is_escape(const char *at, char quote)
{
    if (at[0] != '\\' || at[1] == '\0' || quote == '\'')
        return false;
    return quote == '\0' || at[1] == '"' || at[1] == '\\';
}

/* Reads one word from *at on, and moves *at behind it. false when a quote stays open. */
static bool read_word(const char **at, struct buffer *word)
{
    char quote = '\0';

    for (; **at != '\0' && (quote != '\0' || !is_blank(**at)); (*at)++) {
        if (is_escape(*at, quote))
            buffer_add_u8(word, (uint8_t) * ++*at);
        else if (quote == '\0' && (**at == '"' || **at == '\''))
            quote = **at;
        else if (quote != '\0' && **at == quote)
            quote = '\0';
        else
            buffer_add_u8(word, (uint8_t) * *at);
    }
    buffer_add_u8(word, '\0');
    return quote == '\0';
}

enum status words_split(const char *text, struct words *ret_words, struct error *error)
{
    CLEANUP(words_done)
    struct words words = {0};
    CLEANUP(buffer_done)
    struct buffer word = {0};

    for (const char *at = text;;) {
        while (is_blank(*at))
            at++;
        if (*at == '\0')
            break;
        word.size = 0;
        if (!read_word(&at, &word))
            return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_WORDS", "a quote is not closed");
        if (words.count == WORDS_MAX)
            return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_WORDS", "more than %d words", WORDS_MAX);
        words_add(&words, (const char *)word.data);
    }
    *ret_words = words;
    words = (struct words){0};
    return STATUS_OK;
}
