/* Text for a terminal: how wide it is, and how it is made harmless.
 *
 * Titles, results and output come from tasks. On a terminal their control characters would be commands (move the
 * cursor, change the title, hide lines), so they are shown as \x1b, \u202e and the like instead. */
#pragma once

#include "common/base/bytes.h"

#include <stdbool.h>

/* Sets the locale for wcwidth; true when the user's own is UTF-8. */
bool text_init(void);

/* On one line: newlines and tabs are made visible too. The caller frees it. */
char *text_line(struct bytes text);
/* With its lines. The caller frees it. */
char *text_lines(struct bytes text);

/* The same for text that comes in pieces: characters may be split between them. The zero value is ready. */
struct text_filter {
    uint8_t pending[4];
    size_t pending_size;
};
void text_filter_add(struct text_filter *filter, struct bytes piece, struct buffer *out);
/* What is left of a character that was cut off. */
void text_filter_end(struct text_filter *filter, struct buffer *out);

/* Columns on a terminal. */
size_t text_width(const char *text);
/* How many bytes of it fit into width columns. */
size_t text_fitting(const char *text, size_t width);
/* How many bytes of valid UTF-8 there are in the first most ones without cutting a character. */
size_t text_whole(struct bytes text, size_t most);

/* Binary data as text. The caller frees it. */
char *text_base64(struct bytes bytes);
