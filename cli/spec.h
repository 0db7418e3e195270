/* The options that say how a task is to be done: those of a new one and of one that is updated. */
#pragma once

#include "cli/command.h"
#include "cli/values.h"

#define SPEC_NON_RETRYABLE_MOST 16
#define SPEC_TITLE_MOST_BYTES 255

enum {
    OPTION_PRIORITY = OPTION_FIRST + 0x100,
    OPTION_LABEL,
    OPTION_DELAY,
    OPTION_NOT_BEFORE,
    OPTION_EXPIRES_IN,
    OPTION_START_TIMEOUT,
    OPTION_RUN_TIMEOUT,
    OPTION_MAX_ATTEMPTS,
    OPTION_MAX_CRASHES,
    OPTION_MAX_DELIVERIES,
    OPTION_NON_RETRYABLE,
    OPTION_BACKOFF,
    OPTION_BACKOFF_MAX,
    OPTION_RETENTION,
    OPTION_CONTENT_TYPE,
    OPTION_SPEC_END,
};
#define SPEC_OPTIONS (OPTION_SPEC_END - OPTION_PRIORITY)

/* Rows of a command's table of options. */
#define SPEC_OPTION_ROWS                                                                                               \
    {"priority", OPTION_PRIORITY, "1-9", 0, "1 is first; 5", 0},                                                       \
        {"label", OPTION_LABEL, "KEY=VALUE", 0, "to find it by; again for more", 0},                                   \
        {"delay", OPTION_DELAY, "TIME", 0, "not before that time has passed", 0},                                      \
        {"not-before", OPTION_NOT_BEFORE, "DATE", 0, "not before then, like \"2026-11-25 08:00\"", OPTION_SELDOM},     \
        {"expires-in", OPTION_EXPIRES_IN, "TIME", 0, "it does not wait longer; for ever", OPTION_SELDOM},              \
        {"start-timeout", OPTION_START_TIMEOUT, "TIME", 0, "claimed, it must be started by then; 30s", OPTION_SELDOM}, \
        {"run-timeout", OPTION_RUN_TIMEOUT, "TIME", 0, "the most that one run may take; 24h", OPTION_SELDOM},          \
        {"max-attempts", OPTION_MAX_ATTEMPTS, "COUNT", 0, "how often it is tried; 3", OPTION_SELDOM},                  \
        {"max-crashes", OPTION_MAX_CRASHES, "COUNT", 0, "how often its agent may die; 3", OPTION_SELDOM},              \
        {"max-deliveries", OPTION_MAX_DELIVERIES, "COUNT", 0, "claims that lead to no attempt; 20", OPTION_SELDOM},    \
        {"non-retryable", OPTION_NON_RETRYABLE, "TYPE", 0, "failure that ends it; again for more", OPTION_SELDOM},     \
        {"backoff", OPTION_BACKOFF, "TIME", 0, "before the second attempt, then doubled; 10s", OPTION_SELDOM},         \
        {"backoff-max", OPTION_BACKOFF_MAX, "TIME", 0, "the most between attempts; 5m", OPTION_SELDOM},                \
        {"retention", OPTION_RETENTION, "TIME", 0, "how long it is kept after its end; 7d", OPTION_SELDOM},            \
    {                                                                                                                  \
        "content-type", OPTION_CONTENT_TYPE, "TYPE", 0, "of the payload; text/plain; charset=utf-8", OPTION_SELDOM     \
    }

/* What was said. Texts are borrowed from the arguments. */
struct spec_choices {
    Ganger__V1__TaskSpec spec;
    struct labels labels;
    char *non_retryable[SPEC_NON_RETRYABLE_MOST];
    bool given[SPEC_OPTIONS]; /* by key, from OPTION_PRIORITY */
};

void spec_choices_init(struct spec_choices *choices);
void spec_choices_done(struct spec_choices *choices);

/* Takes one of these options. */
enum exit_status spec_take(int key, char *value, struct spec_choices *choices);
/* Puts the labels into the message. */
void spec_complete(struct spec_choices *choices);
/* The names of the message's fields that were said, as UpdateTask takes them; returns how many. */
size_t spec_fields(const struct spec_choices *choices, char *ret_fields[static SPEC_OPTIONS]);
