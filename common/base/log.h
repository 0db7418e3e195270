/* Structured logs, for shells: a fixed message plus fields.
 *
 * Under systemd they go to the journal, the fields as fields; elsewhere to stderr, one line each: <priority>message
 * name=value. Names of fields are lower case here and upper case, with GANGER_ before them, in the journal. */
#pragma once

#include <stdint.h>

enum log_priority { LOG_PRIORITY_ERROR = 3, LOG_PRIORITY_WARNING = 4, LOG_PRIORITY_INFO = 6, LOG_PRIORITY_DEBUG = 7 };

struct log_field {
    const char *name;
    const char *text; /* NULL: number counts */
    int64_t number;
};

#define log_text(field_name, value) ((struct log_field){.name = (field_name), .text = (value) != NULL ? (value) : ""})
#define log_number(field_name, value) ((struct log_field){.name = (field_name), .number = (int64_t)(value)})

#define log_error(...) LOG_WITH_FIELDS(LOG_PRIORITY_ERROR, __VA_ARGS__, {0})
#define log_warning(...) LOG_WITH_FIELDS(LOG_PRIORITY_WARNING, __VA_ARGS__, {0})
#define log_info(...) LOG_WITH_FIELDS(LOG_PRIORITY_INFO, __VA_ARGS__, {0})
#define log_debug(...) LOG_WITH_FIELDS(LOG_PRIORITY_DEBUG, __VA_ARGS__, {0})
#define LOG_WITH_FIELDS(priority, message, ...) log_write(priority, message, (const struct log_field[]){__VA_ARGS__})

/* Once, before the first line. What is less urgent than most is left out. */
void log_open(const char *program, enum log_priority most);

/* fields ends with one that has no name. */
void log_write(enum log_priority priority, const char *message, const struct log_field *fields);
