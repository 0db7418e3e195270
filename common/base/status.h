/* Status codes and errors.
 *
 * The numbers are gRPC's, so that a status crosses the wire as it is. A function that can fail returns an enum status;
 * where the caller needs more than the code, it also takes a struct error, which is filled where the error begins and
 * left untouched on success. Names of reasons are static strings. */
#pragma once

#include <stddef.h>

enum status {
    STATUS_OK = 0,
    STATUS_CANCELED = 1,
    STATUS_UNKNOWN = 2,
    STATUS_INVALID_ARGUMENT = 3,
    STATUS_DEADLINE_EXCEEDED = 4,
    STATUS_NOT_FOUND = 5,
    STATUS_ALREADY_EXISTS = 6,
    STATUS_PERMISSION_DENIED = 7,
    STATUS_RESOURCE_EXHAUSTED = 8,
    STATUS_FAILED_PRECONDITION = 9,
    STATUS_ABORTED = 10,
    STATUS_OUT_OF_RANGE = 11,
    STATUS_UNIMPLEMENTED = 12,
    STATUS_INTERNAL = 13,
    STATUS_UNAVAILABLE = 14,
    STATUS_DATA_LOSS = 15,
    STATUS_UNAUTHENTICATED = 16,
};

#define NODISCARD __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_index, first_index) __attribute__((format(printf, format_index, first_index)))

struct error {
    enum status status;
    const char *reason; /* for programs: "STALE_FENCE"; static, NULL when status is STATUS_OK */
    char message[256];  /* for people: what is wrong and what to do */
};

/* Returns the status when it is not STATUS_OK. */
#define TRY(expression)                                                                                                \
    do {                                                                                                               \
        enum status try_status_ = (expression);                                                                        \
        if (try_status_ != STATUS_OK)                                                                                  \
            return try_status_;                                                                                        \
    } while (0)

/* "OK", "INVALID_ARGUMENT", ...; "UNKNOWN" for numbers that are none. */
const char *status_name(enum status status);

/* Fills error (which may be NULL) and returns status, so that `return error_set(...)` says it all. A message that is
 * too long is cut at a character, not inside one. */
enum status error_set(struct error *error, enum status status, const char *reason, const char *format, ...)
    PRINTF_LIKE(4, 5);
