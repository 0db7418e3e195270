/* Where output goes: a terminal with its width and colours, or a file or pipe without.
 *
 * Colour is for terminals only, off with NO_COLOR, --no-color or TERM=dumb, and never the only carrier of meaning. The
 * escape codes of gangerctl are all in terminal.c. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

struct terminal {
    FILE *stream;
    bool interactive; /* a terminal that can redraw a line */
    bool colours;
    bool unicode;   /* can draw more than ASCII */
    unsigned width; /* in columns; 0 = no bound */
    int error;      /* errno of the first flush that failed */
};

enum tone { TONE_PLAIN, TONE_GOOD, TONE_BAD, TONE_BUSY, TONE_FAINT, TONE_STRONG };

struct terminal terminal_of(FILE *stream, bool colorless, bool unicode);
/* The width now: people resize windows. */
void terminal_measure(struct terminal *terminal);
/* Sends what was printed; why that failed is kept for the end. */
void terminal_flush(struct terminal *terminal);
/* What switches a tone on, and what switches every tone off: "" where there are no colours. */
const char *terminal_tone(const struct terminal *terminal, enum tone tone);
const char *terminal_plain(const struct terminal *terminal, enum tone tone);
/* What puts the cursor at the start of a line that is wiped. */
const char *terminal_wipe(const struct terminal *terminal);
