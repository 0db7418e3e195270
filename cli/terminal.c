#include "cli/terminal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH_UNKNOWN 80
#define WIDTH_LEAST 20

void terminal_measure(struct terminal *terminal)
{
    struct winsize size = {0};

    if (!terminal->interactive)
        return;
    bool known = ioctl(fileno(terminal->stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    terminal->width = known ? size.ws_col : WIDTH_UNKNOWN;
    if (terminal->width < WIDTH_LEAST)
        terminal->width = WIDTH_LEAST;
}

struct terminal terminal_of(FILE *stream, bool colorless, bool unicode)
{
    struct terminal terminal = {.stream = stream, .unicode = unicode};
    const char *kind = getenv("TERM");
    const char *no_color = getenv("NO_COLOR");
    bool capable = kind != NULL && kind[0] != '\0' && strcmp(kind, "dumb") != 0;

    terminal.interactive = isatty(fileno(stream)) == 1;
    terminal.colours = terminal.interactive && capable && !colorless && (no_color == NULL || no_color[0] == '\0');
    terminal_measure(&terminal);
    return terminal;
}

void terminal_flush(struct terminal *terminal)
{
    errno = 0;
    if (fflush(terminal->stream) != 0 && terminal->error == 0)
        terminal->error = errno;
}

static const char *const tones[] = {
    [TONE_PLAIN] = "",        [TONE_GOOD] = "\033[32m", [TONE_BAD] = "\033[1;31m",
    [TONE_BUSY] = "\033[36m", [TONE_FAINT] = "\033[2m", [TONE_STRONG] = "\033[1m",
};

const char *terminal_tone(const struct terminal *terminal, enum tone tone)
{
    return terminal->colours ? tones[tone] : "";
}

const char *terminal_plain(const struct terminal *terminal, enum tone tone)
{
    return terminal->colours && tone != TONE_PLAIN ? "\033[0m" : "";
}

const char *terminal_wipe(const struct terminal *terminal)
{
    return terminal->interactive ? "\r\033[K" : "";
}
