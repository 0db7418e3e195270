#include "cli/progress.h"

#include "cli/format.h"
#include "cli/text.h"
#include "common/base/bytes.h"
#include "common/base/check.h"
#include "common/base/cleanup.h"

#include <inttypes.h>
#include <string.h>

#define BAR_MOST 26
#define BAR_LEAST 8
#define REDRAW_MS 100
#define LINE_EVERY_MS 10000
#define ETA_AFTER_MS 2000

uint64_t progress_ended(const struct progress *progress)
{
    return progress->completed + progress->failed + progress->canceled + progress->missing;
}

static void add(struct buffer *out, const char *text)
{
    buffer_add(out, text, strlen(text));
}

static void add_part(struct buffer *out, uint64_t count, const char *word)
{
    if (count == 0)
        return;
    CLEANUP(free)
    char *part = format_text("   %" PRIu64 " %s", count, word);
    add(out, part);
}

static void add_eta(struct buffer *out, const struct progress *progress)
{
    uint64_t ended = progress_ended(progress);
    char eta[FORMAT_SIZE];

    if (ended == 0 || ended >= progress->total || progress->elapsed_ms < ETA_AFTER_MS)
        return;
    uint64_t left_ms = (uint64_t)((double)progress->elapsed_ms / (double)ended * (double)(progress->total - ended));
    add(out, "   eta ");
    /* Whole seconds: tenths of a guess are noise. */
    add(out, left_ms < 60000 ? format_age(left_ms, eta) : format_duration(left_ms, eta));
}

static char *counts_text(const struct progress *progress)
{
    struct buffer out = {0};
    CLEANUP(free)
    char *share = format_text("%" PRIu64 "/%" PRIu64, progress_ended(progress), progress->total);

    add(&out, share);
    add_part(&out, progress->running, "running");
    add_part(&out, progress->retrying, "retrying");
    add_part(&out, progress->failed, "failed");
    add_part(&out, progress->canceled, "canceled");
    add_part(&out, progress->missing, "missing");
    if (progress->away)
        add(&out, "   the broker does not answer, waiting");
    else
        add_eta(&out, progress);
    buffer_add_u8(&out, '\0');
    return (char *)out.data;
}

static char *bar_text(const struct progress *progress, size_t cells, bool unicode)
{
    struct buffer out = {0};
    uint64_t total = progress->total == 0 ? 1 : progress->total;
    size_t full = (size_t)(progress_ended(progress) * cells / total);

    for (size_t i = 0; i < cells; i++)
        add(&out, i < full ? (unicode ? "█" : "#") : (unicode ? "░" : "."));
    buffer_add_u8(&out, '\0');
    return (char *)out.data;
}

char *progress_line(const struct progress *progress, const struct terminal *terminal)
{
    CLEANUP(free)
    char *label = text_line(bytes_of_text(progress->label));
    CLEANUP(free)
    char *counts = counts_text(progress);
    size_t fixed = text_width(label) + 2 + 2 + text_width(counts);
    /* The last column stays free: a full line would wrap, and could not be redrawn in place. */
    size_t width = terminal->width == 0 ? SIZE_MAX : terminal->width - 1;
    size_t cells = width > fixed ? width - fixed : 0;

    if (cells > BAR_MOST)
        cells = BAR_MOST;
    CLEANUP(free)
    char *line = NULL;
    if (cells < BAR_LEAST) {
        line = format_text("%s  %s", label, counts);
    } else {
        CLEANUP(free)
        char *bar = bar_text(progress, cells, terminal->unicode);
        line = format_text("%s  %s  %s", label, bar, counts);
    }
    if (width != SIZE_MAX)
        line[text_fitting(line, width)] = '\0';
    return TAKE(line);
}

/* Off a terminal without the bar, which says nothing that the numbers do not. */
static char *plain_line(const struct progress *progress)
{
    CLEANUP(free)
    char *label = text_line(bytes_of_text(progress->label));
    CLEANUP(free)
    char *counts = counts_text(progress);

    return format_text("%s  %s", label, counts);
}

static void redraw(struct progress_display *display, const struct progress *progress)
{
    terminal_measure(display->terminal);
    CLEANUP(free)
    char *line = progress_line(progress, display->terminal);

    if (display->shown != NULL && strcmp(display->shown, line) == 0)
        return;
    (void)fprintf(display->terminal->stream, "%s%s", terminal_wipe(display->terminal), line);
    (void)fflush(display->terminal->stream);
    free(display->shown);
    display->shown = TAKE(line);
}

static void print_plain(struct progress_display *display, const struct progress *progress)
{
    CLEANUP(free)
    char *line = plain_line(progress);

    if (display->shown != NULL && strcmp(display->shown, line) == 0)
        return;
    (void)fprintf(display->terminal->stream, "%s\n", line);
    free(display->shown);
    display->shown = TAKE(line);
}

void progress_show(struct progress_display *display, const struct progress *progress, uint64_t now_ms)
{
    uint64_t pause_ms = display->terminal->interactive ? REDRAW_MS : LINE_EVERY_MS;

    if (display->silent || (display->shown_at_ms != 0 && now_ms < display->shown_at_ms + pause_ms))
        return;
    display->shown_at_ms = now_ms;
    if (display->terminal->interactive)
        redraw(display, progress);
    else
        print_plain(display, progress);
}

void progress_wipe(struct progress_display *display)
{
    if (display->silent || !display->terminal->interactive || display->shown == NULL)
        return;
    (void)fputs(terminal_wipe(display->terminal), display->terminal->stream);
    (void)fflush(display->terminal->stream);
    free(TAKE(display->shown));
    display->shown_at_ms = 0;
}

void progress_finish(struct progress_display *display, const struct progress *progress)
{
    if (display->silent)
        return;
    if (!display->terminal->interactive) {
        print_plain(display, progress);
        return;
    }
    redraw(display, progress);
    (void)fputc('\n', display->terminal->stream);
    free(TAKE(display->shown));
}

void progress_display_done(struct progress_display *display)
{
    free(TAKE(display->shown));
}
