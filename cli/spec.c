#include "cli/spec.h"

#include "common/base/check.h"
#include "common/base/clock.h"

#define CONTENT_TYPE_MOST_BYTES 127
#define ERROR_TYPE_MOST_BYTES 63
#define DELAY_MOST_MS (366 * VALUE_DAY_MS)
#define START_TIMEOUT_LEAST_MS 1000
#define START_TIMEOUT_MOST_MS VALUE_DAY_MS
#define RUN_TIMEOUT_MOST_MS (30 * VALUE_DAY_MS)
#define RETENTION_MOST_MS (366 * VALUE_DAY_MS)
#define BACKOFF_MOST_MS (7 * VALUE_DAY_MS)
#define ATTEMPTS_MOST 100
#define CRASHES_MOST 100
#define DELIVERIES_MOST 1000

static char *const fields[SPEC_OPTIONS] = {
    // NOLINTNEXTLINE(misc-redundant-expression)
    [OPTION_PRIORITY - OPTION_PRIORITY] = "priority",
    [OPTION_LABEL - OPTION_PRIORITY] = "labels",
    [OPTION_DELAY - OPTION_PRIORITY] = "delay_ms",
    [OPTION_NOT_BEFORE - OPTION_PRIORITY] = "not_before_ms",
    [OPTION_EXPIRES_IN - OPTION_PRIORITY] = "expires_at_ms",
    [OPTION_START_TIMEOUT - OPTION_PRIORITY] = "start_timeout_ms",
    [OPTION_RUN_TIMEOUT - OPTION_PRIORITY] = "run_timeout_ms",
    [OPTION_MAX_ATTEMPTS - OPTION_PRIORITY] = "max_attempts",
    [OPTION_MAX_CRASHES - OPTION_PRIORITY] = "max_crashes",
    [OPTION_MAX_DELIVERIES - OPTION_PRIORITY] = "max_deliveries",
    [OPTION_NON_RETRYABLE - OPTION_PRIORITY] = "non_retryable",
    [OPTION_BACKOFF - OPTION_PRIORITY] = "backoff_ms",
    [OPTION_BACKOFF_MAX - OPTION_PRIORITY] = "backoff_max_ms",
    [OPTION_RETENTION - OPTION_PRIORITY] = "retention_ms",
    [OPTION_CONTENT_TYPE - OPTION_PRIORITY] = "content_type",
};

void spec_choices_init(struct spec_choices *choices)
{
    *choices = (struct spec_choices){.spec = GANGER__V1__TASK_SPEC__INIT};
}

void spec_choices_done(struct spec_choices *choices)
{
    labels_done(&choices->labels);
}

static enum exit_status take_number(const char *option, const char *value, uint64_t most, uint32_t *ret_number)
{
    uint64_t number = 0;

    TRY_DONE(value_number(option, value, 1, most, &number));
    *ret_number = (uint32_t)number;
    return EXIT_DONE;
}

static enum exit_status take_short_duration(const char *option, const char *value, uint64_t least_ms, uint64_t most_ms,
                                            uint32_t *ret_duration_ms)
{
    uint64_t duration_ms = 0;

    TRY_DONE(value_duration(option, value, least_ms, most_ms, &duration_ms));
    *ret_duration_ms = (uint32_t)duration_ms;
    return EXIT_DONE;
}

static enum exit_status take_expiry(const char *value, uint64_t *ret_expires_at_ms)
{
    uint64_t duration_ms = 0;

    TRY_DONE(value_duration("--expires-in", value, 1, DELAY_MOST_MS, &duration_ms));
    *ret_expires_at_ms = clock_wall_ms() + duration_ms;
    return EXIT_DONE;
}

static enum exit_status take_non_retryable(char *value, struct spec_choices *choices)
{
    Ganger__V1__TaskSpec *spec = &choices->spec;

    if (spec->n_non_retryable == SPEC_NON_RETRYABLE_MOST)
        return problem(EXIT_USAGE, "a task names at most 16 types of failures", NULL,
                       "--non-retryable: \"%.80s\" is one too many", value);
    if (value[0] == '\0')
        return problem(EXIT_USAGE, "a type is a word like exit-2 or signal-9", NULL,
                       "--non-retryable: the type is missing");
    TRY_DONE(
        value_text("--non-retryable", value, ERROR_TYPE_MOST_BYTES, &choices->non_retryable[spec->n_non_retryable]));
    spec->non_retryable = choices->non_retryable;
    spec->n_non_retryable++;
    return EXIT_DONE;
}

static enum exit_status take(int key, char *value, struct spec_choices *choices)
{
    Ganger__V1__TaskSpec *spec = &choices->spec;

    switch (key) {
    case OPTION_PRIORITY:
        return take_number("--priority", value, 9, &spec->priority);
    case OPTION_LABEL:
        return value_label("--label", value, &choices->labels);
    case OPTION_DELAY:
        return value_duration("--delay", value, 1, DELAY_MOST_MS, &spec->delay_ms);
    case OPTION_NOT_BEFORE:
        return value_time("--not-before", value, &spec->not_before_ms);
    case OPTION_EXPIRES_IN:
        return take_expiry(value, &spec->expires_at_ms);
    case OPTION_START_TIMEOUT:
        return take_short_duration("--start-timeout", value, START_TIMEOUT_LEAST_MS, START_TIMEOUT_MOST_MS,
                                   &spec->start_timeout_ms);
    case OPTION_RUN_TIMEOUT:
        return value_duration("--run-timeout", value, 1, RUN_TIMEOUT_MOST_MS, &spec->run_timeout_ms);
    case OPTION_MAX_ATTEMPTS:
        return take_number("--max-attempts", value, ATTEMPTS_MOST, &spec->max_attempts);
    case OPTION_MAX_CRASHES:
        return take_number("--max-crashes", value, CRASHES_MOST, &spec->max_crashes);
    case OPTION_MAX_DELIVERIES:
        return take_number("--max-deliveries", value, DELIVERIES_MOST, &spec->max_deliveries);
    case OPTION_NON_RETRYABLE:
        return take_non_retryable(value, choices);
    case OPTION_BACKOFF:
        return take_short_duration("--backoff", value, 1, BACKOFF_MOST_MS, &spec->backoff_ms);
    case OPTION_BACKOFF_MAX:
        return take_short_duration("--backoff-max", value, 1, BACKOFF_MOST_MS, &spec->backoff_max_ms);
    case OPTION_RETENTION:
        return value_duration("--retention", value, 1, RETENTION_MOST_MS, &spec->retention_ms);
    default:
        return value_text("--content-type", value, CONTENT_TYPE_MOST_BYTES, &spec->content_type);
    }
}

enum exit_status spec_take(int key, char *value, struct spec_choices *choices)
{
    CHECK(key >= OPTION_PRIORITY && key < OPTION_SPEC_END);
    choices->given[key - OPTION_PRIORITY] = true;
    return take(key, value, choices);
}

void spec_complete(struct spec_choices *choices)
{
    choices->spec.labels = choices->labels.items;
    choices->spec.n_labels = choices->labels.count;
}

size_t spec_fields(const struct spec_choices *choices, char *ret_fields[static SPEC_OPTIONS])
{
    size_t count = 0;

    for (size_t i = 0; i < SPEC_OPTIONS; i++)
        if (choices->given[i])
            ret_fields[count++] = fields[i];
    return count;
}
