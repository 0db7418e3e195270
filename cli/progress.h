/* The line that is shown while tasks are waited for:
 *
 *     review  ████████████████████░░░░░░  152/190   3 running   2 retrying   1 failed   eta 40s
 *
 * progress_line is pure. progress_show redraws the line in place on a terminal; elsewhere it prints one now and then.
 */
#pragma once

#include "cli/terminal.h"

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *label; /* what the tasks are; borrowed */
    uint64_t total;
    uint64_t completed;
    uint64_t failed;
    uint64_t canceled;
    uint64_t missing;
    uint64_t running;
    uint64_t retrying;
    uint64_t elapsed_ms;
    bool away; /* the broker does not answer just now */
};

uint64_t progress_ended(const struct progress *progress);
/* Without a newline, at most width columns. The caller frees it. */
char *progress_line(const struct progress *progress, const struct terminal *terminal);

/* How the line is shown over time. */
struct progress_display {
    struct terminal *terminal;
    bool silent;
    uint64_t shown_at_ms;
    char *shown;
};

void progress_show(struct progress_display *display, const struct progress *progress, uint64_t now_ms);
/* Wipes the line, so that something else can be printed. */
void progress_wipe(struct progress_display *display);
/* The last line stays. */
void progress_finish(struct progress_display *display, const struct progress *progress);
void progress_display_done(struct progress_display *display);
