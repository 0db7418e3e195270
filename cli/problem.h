/* How gangerctl ends, and how it says what went wrong.
 *
 * A problem is told in three lines on stderr: what, why, and what to do; nothing of it goes to stdout. Functions that
 * meet one report it themselves and return the exit status that it stands for, so that callers just pass it on. */
#pragma once

#include "common/base/status.h"

#include "client/ganger.h"

enum exit_status {
    EXIT_HELPED = -1, /* help was asked for and given; main turns it into 0 */
    EXIT_DONE = 0,
    EXIT_WORK_FAILED = 1, /* a task that was waited for did not complete, or the output could not be written */
    EXIT_USAGE = 2,
    EXIT_NO_DAEMON = 3,
    EXIT_NOT_FOUND = 4,
    EXIT_REFUSED = 5, /* by a state or a conflict, or a fault inside the daemon */
    EXIT_DENIED = 6,
    EXIT_AT_LIMIT = 7,
    EXIT_TIMED_OUT = 124,
    EXIT_INTERRUPTED = 130,
};

/* Passes on every exit status but EXIT_DONE. */
#define TRY_DONE(expression)                                                                                           \
    do {                                                                                                               \
        enum exit_status try_done_ = (expression);                                                                     \
        if (try_done_ != EXIT_DONE)                                                                                    \
            return try_done_;                                                                                          \
    } while (0)

/* Prints "gangerctl: WHAT", why and hint (each may be NULL) and returns exit_status. */
enum exit_status problem(enum exit_status exit_status, const char *why, const char *hint, const char *what_format, ...)
    PRINTF_LIKE(4, 5);

/* The exit status that a daemon's refusal stands for. */
enum exit_status problem_exit_status(enum ganger_status status);
/* A daemon's refusal: what could not be done, its message as the why, and a hint that goes with its status. */
enum exit_status problem_refused(const struct ganger_error *error, const char *what_format, ...) PRINTF_LIKE(2, 3);

/* A line on stderr that is no problem: "gangerctl: TEXT". */
void problem_note(const char *format, ...) PRINTF_LIKE(1, 2);
