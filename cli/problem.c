#include "cli/problem.h"

#include "cli/text.h"
#include "common/base/check.h"
#include "common/base/cleanup.h"

#include <stdarg.h>
#include <stdio.h>

static char *format_list(const char *format, va_list list)
{
    char *text = NULL;

    CHECK(vasprintf(&text, format, list) >= 0);
    return text;
}

/* What is told may come from a task or a daemon: nothing of it reaches the terminal as a control character. */
static void print_line(const char *before, const char *text)
{
    CLEANUP(free)
    char *visible = text_line(bytes_of_text(text));

    (void)fprintf(stderr, "%s%s\n", before, visible);
}

static enum exit_status report(enum exit_status exit_status, const char *what, const char *why, const char *hint)
{
    print_line("gangerctl: ", what);
    if (why != NULL && why[0] != '\0')
        print_line("  ", why);
    if (hint != NULL && hint[0] != '\0')
        print_line("  ", hint);
    return exit_status;
}

enum exit_status problem(enum exit_status exit_status, const char *why, const char *hint, const char *what_format, ...)
{
    va_list list;
    va_start(list, what_format);
    CLEANUP(free)
    char *what = format_list(what_format, list);
    va_end(list);

    return report(exit_status, what, why, hint);
}

static const struct {
    enum exit_status exit_status;
    const char *hint;
} refusals[] = {
    [GANGER_CANCELED] = {EXIT_REFUSED, NULL},
    [GANGER_UNKNOWN] = {EXIT_REFUSED, NULL},
    [GANGER_INVALID_ARGUMENT] = {EXIT_USAGE, NULL},
    [GANGER_DEADLINE_EXCEEDED] = {EXIT_TIMED_OUT, "it may have been done all the same: look before you try again, or "
                                                  "give it more time with --timeout"},
    [GANGER_NOT_FOUND] = {EXIT_NOT_FOUND, NULL},
    [GANGER_ALREADY_EXISTS] = {EXIT_REFUSED, NULL},
    [GANGER_PERMISSION_DENIED] = {EXIT_DENIED, "ask the operator for a role that may do this"},
    [GANGER_RESOURCE_EXHAUSTED] = {EXIT_AT_LIMIT, "try again later; gangerctl status shows how full the daemons are"},
    [GANGER_FAILED_PRECONDITION] = {EXIT_REFUSED, NULL},
    [GANGER_ABORTED] = {EXIT_REFUSED, NULL},
    [GANGER_OUT_OF_RANGE] = {EXIT_REFUSED, NULL},
    [GANGER_UNIMPLEMENTED] = {EXIT_REFUSED, "the daemon is older than this gangerctl: compare gangerctl version and "
                                            "gangerctl status"},
    [GANGER_INTERNAL] = {EXIT_REFUSED, "the daemon's log says more: journalctl -u 'ganger-*'"},
    [GANGER_UNAVAILABLE] = {EXIT_NO_DAEMON, "is it running? try: systemctl status 'ganger-*'"},
    [GANGER_DATA_LOSS] = {EXIT_REFUSED, "the daemon's log says more: journalctl -u 'ganger-*'"},
    [GANGER_UNAUTHENTICATED] = {EXIT_DENIED, NULL},
};

enum exit_status problem_exit_status(enum ganger_status status)
{
    if (status == GANGER_OK)
        return EXIT_DONE;
    return (size_t)status < sizeof(refusals) / sizeof(refusals[0]) ? refusals[status].exit_status : EXIT_REFUSED;
}

enum exit_status problem_refused(const struct ganger_error *error, const char *what_format, ...)
{
    va_list list;
    va_start(list, what_format);
    CLEANUP(free)
    char *what = format_list(what_format, list);
    va_end(list);

    enum exit_status exit_status = problem_exit_status(error->status);
    const char *hint =
        (size_t)error->status < sizeof(refusals) / sizeof(refusals[0]) ? refusals[error->status].hint : NULL;
    return report(exit_status, what, error->message[0] != '\0' ? error->message : error->reason, hint);
}

void problem_note(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    CLEANUP(free)
    char *text = format_list(format, list);
    va_end(list);

    print_line("gangerctl: ", text);
}
