/* What people write as values of options.
 *
 * The *_parse functions are pure: false when the text does not mean one. The value_* functions report what is wrong,
 * naming the option as people wrote it, and return EXIT_USAGE; outputs are untouched then. */
#pragma once

#include "cli/problem.h"

#include <stdbool.h>
#include <stdint.h>

#define VALUE_MINUTE_MS (UINT64_C(60) * 1000)
#define VALUE_DAY_MS (UINT64_C(24) * 60 * VALUE_MINUTE_MS)

/* "250ms", "90s", "10m", "1h30m", "1.5h", "2d", "1w"; a bare number is seconds. */
bool duration_parse(const char *text, uint64_t *ret_duration_ms);
/* Digits only. */
bool number_parse(const char *text, uint64_t *ret_number);
/* "key=value"; the key is [text, *ret_separator). */
bool label_parse(const char *text, const char **ret_separator);
/* 1 to 63 of a-z A-Z 0-9 . _ - */
bool name_parse(const char *text);

/* "2026-11-25 08:00", "2026-11-25 08:00:30" in local time, with a T between and a Z behind in UTC; "@1795593600" is
 * Unix time in seconds. */
bool time_parse(const char *text, uint64_t *ret_unix_ms);

enum exit_status value_time(const char *option, const char *text, uint64_t *ret_unix_ms);
enum exit_status value_duration(const char *option, const char *text, uint64_t least_ms, uint64_t most_ms,
                                uint64_t *ret_duration_ms);
enum exit_status value_number(const char *option, const char *text, uint64_t least, uint64_t most,
                              uint64_t *ret_number);
/* The text itself, for a message's field. */
enum exit_status value_name(const char *option, char *text, char **ret_name);
enum exit_status value_text(const char *option, char *text, size_t most_bytes, char **ret_text);

/* Labels as options add them, in the form that messages take. The zero value has none. The texts are its own. */
struct labels {
    Ganger__V1__Label **items;
    size_t count;
};
enum exit_status value_label(const char *option, const char *text, struct labels *labels);
void labels_done(struct labels *labels);

/* The state that text names, in any case. */
bool state_parse(const char *text, Ganger__V1__TaskState *ret_state);
