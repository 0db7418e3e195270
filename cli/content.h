/* What tasks and agents wrote, shown: byte for byte in a file or pipe, harmless on a terminal. */
#pragma once

#include "cli/terminal.h"
#include "cli/text.h"

void content_print(const struct terminal *output, struct bytes content);

/* The same for content that comes in pieces. */
void content_piece(const struct terminal *output, struct text_filter *filter, struct bytes piece);
void content_end(const struct terminal *output, struct text_filter *filter);
