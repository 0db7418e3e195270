#include "cli/values.h"

#include "cli/format.h"
#include "common/base/bytes.h"
#include "common/base/check.h"
#include "common/base/cleanup.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define LABELS_MOST 16
#define LABEL_KEY_MOST_BYTES 63
#define LABEL_VALUE_MOST_BYTES 255
#define NAME_MOST_BYTES 63
#define FRACTION_MOST_DIGITS 6

static const struct {
    const char *name;
    uint64_t unit_ms;
} duration_units[] = {
    {"ms", 1},
    {"s", 1000},
    {"m", VALUE_MINUTE_MS},
    {"h", 60 * VALUE_MINUTE_MS},
    {"d", VALUE_DAY_MS},
    {"w", 7 * VALUE_DAY_MS},
};

static bool is_digit(char character)
{
    return character >= '0' && character <= '9';
}

/* Digits from *at on, moved past; false on none or overflow. */
static bool take_digits(const char **at, uint64_t *ret_number)
{
    uint64_t number = 0;

    if (!is_digit(**at))
        return false;
    for (; is_digit(**at); (*at)++)
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(**at - '0'), &number))
            return false;
    *ret_number = number;
    return true;
}

bool number_parse(const char *text, uint64_t *ret_number)
{
    uint64_t number = 0;

    if (!take_digits(&text, &number) || *text != '\0')
        return false;
    *ret_number = number;
    return true;
}

/* The unit at *at, moved past. A bare number counts seconds, but only where it stands alone. */
static bool take_unit(const char **at, bool alone, uint64_t *ret_unit_ms)
{
    size_t length = 0;

    while ((*at)[length] >= 'a' && (*at)[length] <= 'z')
        length++;
    if (length == 0) {
        *ret_unit_ms = 1000;
        return alone && **at == '\0';
    }
    for (size_t i = 0; i < sizeof(duration_units) / sizeof(duration_units[0]); i++) {
        if (strlen(duration_units[i].name) == length && strncmp(*at, duration_units[i].name, length) == 0) {
            *at += length;
            *ret_unit_ms = duration_units[i].unit_ms;
            return true;
        }
    }
    return false;
}

/* One number with its unit, as in the "1h" and "30m" of "1h30m". */
static bool take_part(const char **at, bool alone, uint64_t *ret_part_ms)
{
    uint64_t whole = 0;
    uint64_t fraction = 0;
    uint64_t scale = 1;
    uint64_t unit_ms = 0;
    uint64_t part_ms = 0;

    if (!take_digits(at, &whole))
        return false;
    if (**at == '.') {
        const char *first = ++*at;
        if (!take_digits(at, &fraction) || *at - first > FRACTION_MOST_DIGITS)
            return false;
        for (const char *digit = first; digit < *at; digit++)
            scale *= 10;
    }
    if (!take_unit(at, alone, &unit_ms) || __builtin_mul_overflow(whole, unit_ms, &part_ms))
        return false;
    return !__builtin_add_overflow(part_ms, fraction * unit_ms / scale, ret_part_ms);
}

bool duration_parse(const char *text, uint64_t *ret_duration_ms)
{
    uint64_t sum_ms = 0;
    const char *at = text;

    do {
        uint64_t part_ms = 0;
        if (!take_part(&at, at == text, &part_ms) || __builtin_add_overflow(sum_ms, part_ms, &sum_ms))
            return false;
    } while (*at != '\0');
    *ret_duration_ms = sum_ms;
    return true;
}

bool label_parse(const char *text, const char **ret_separator)
{
    const char *separator = strchr(text, '=');

    if (separator == NULL || separator == text || separator - text > LABEL_KEY_MOST_BYTES ||
        strlen(separator + 1) > LABEL_VALUE_MOST_BYTES || !text_is_valid(bytes_of_text(text)))
        return false;
    *ret_separator = separator;
    return true;
}

bool name_parse(const char *text)
{
    size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

    return length > 0 && length <= NAME_MOST_BYTES && text[length] == '\0';
}

/* The rest of text behind a date and a time of day; NULL when it does not begin with them. */
static const char *parse_date(const char *text, struct tm *parts)
{
    static const char *const formats[] = {"%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"};

    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        *parts = (struct tm){.tm_isdst = -1};
        const char *rest = strptime(text, formats[i], parts);
        if (rest != NULL)
            return rest;
    }
    return NULL;
}

bool time_parse(const char *text, uint64_t *ret_unix_ms)
{
    struct tm parts;
    uint64_t seconds = 0;

    if (text[0] == '@')
        return number_parse(text + 1, &seconds) && !__builtin_mul_overflow(seconds, 1000, ret_unix_ms);
    const char *rest = parse_date(text, &parts);
    if (rest == NULL || (rest[0] != '\0' && strcmp(rest, "Z") != 0))
        return false;
    struct tm given = parts;
    time_t time = rest[0] == 'Z' ? timegm(&parts) : mktime(&parts);
    /* What is no day, like the 31st of April, would be taken for one of the next month. */
    if (time < 0 || parts.tm_mday != given.tm_mday)
        return false;
    *ret_unix_ms = (uint64_t)time * 1000;
    return true;
}

enum exit_status value_time(const char *option, const char *text, uint64_t *ret_unix_ms)
{
    if (time_parse(text, ret_unix_ms))
        return EXIT_DONE;
    return problem(EXIT_USAGE, "a time is like \"2026-11-25 08:00\", 2026-11-25T08:00:00Z or @1795593600", NULL,
                   "%s: \"%.80s\" is no time", option, text);
}

enum exit_status value_duration(const char *option, const char *text, uint64_t least_ms, uint64_t most_ms,
                                uint64_t *ret_duration_ms)
{
    uint64_t duration_ms = 0;
    char least[FORMAT_SIZE];
    char most[FORMAT_SIZE];

    if (!duration_parse(text, &duration_ms))
        return problem(EXIT_USAGE, NULL, "write it like 250ms, 90s, 10m, 1h30m or 2d", "%s: \"%.80s\" is no duration",
                       option, text);
    if (duration_ms < least_ms || duration_ms > most_ms) {
        CLEANUP(free)
        char *why =
            format_text("it must be from %s to %s", format_duration(least_ms, least), format_duration(most_ms, most));
        return problem(EXIT_USAGE, why, NULL, "%s: \"%.80s\" is out of range", option, text);
    }
    *ret_duration_ms = duration_ms;
    return EXIT_DONE;
}

enum exit_status value_number(const char *option, const char *text, uint64_t least, uint64_t most, uint64_t *ret_number)
{
    uint64_t number = 0;

    if (!number_parse(text, &number) || number < least || number > most) {
        CLEANUP(free)
        char *why = most == UINT64_MAX
                        ? format_text("it must be a whole number, at least %" PRIu64, least)
                        : format_text("it must be a whole number from %" PRIu64 " to %" PRIu64, least, most);
        return problem(EXIT_USAGE, why, NULL, "%s: \"%.80s\" will not do", option, text);
    }
    *ret_number = number;
    return EXIT_DONE;
}

enum exit_status value_name(const char *option, char *text, char **ret_name)
{
    if (!name_parse(text))
        return problem(EXIT_USAGE, "names have 1 to 63 of a-z A-Z 0-9 . _ -", NULL, "%s: \"%.80s\" is no name", option,
                       text);
    *ret_name = text;
    return EXIT_DONE;
}

enum exit_status value_text(const char *option, char *text, size_t most_bytes, char **ret_text)
{
    if (strlen(text) > most_bytes) {
        CLEANUP(free)
        char *why = format_text("at most %zu bytes are allowed, this has %zu", most_bytes, strlen(text));
        return problem(EXIT_USAGE, why, NULL, "%s: the text is too long", option);
    }
    if (!text_is_valid(bytes_of_text(text)))
        return problem(EXIT_USAGE, "text must be UTF-8", NULL, "%s: the text is not valid", option);
    *ret_text = text;
    return EXIT_DONE;
}

enum exit_status value_label(const char *option, const char *text, struct labels *labels)
{
    const char *separator = NULL;

    if (!label_parse(text, &separator))
        return problem(EXIT_USAGE, "a label is KEY=VALUE, with 1 to 63 bytes of key and up to 255 of value, in UTF-8",
                       "write it like --label repo=acme/web", "%s: \"%.80s\" is no label", option, text);
    if (labels->count == LABELS_MOST)
        return problem(EXIT_USAGE, "a task has at most 16 labels", NULL, "%s: \"%.80s\" is one too many", option, text);
    Ganger__V1__Label *label = allocate(sizeof(*label));
    ganger__v1__label__init(label);
    label->key = duplicate_text(text);
    label->key[separator - text] = '\0';
    label->value = duplicate_text(separator + 1);
    labels->items = reallocate(labels->items, (labels->count + 1) * sizeof(Ganger__V1__Label *));
    labels->items[labels->count++] = label;
    return EXIT_DONE;
}

void labels_done(struct labels *labels)
{
    for (size_t i = 0; i < labels->count; i++) {
        free(labels->items[i]->key);
        free(labels->items[i]->value);
        free(labels->items[i]);
    }
    free(labels->items);
    *labels = (struct labels){0};
}

bool state_parse(const char *text, Ganger__V1__TaskState *ret_state)
{
    const ProtobufCEnumDescriptor *states = &ganger__v1__task_state__descriptor;

    for (unsigned i = 0; i < states->n_values; i++) {
        if (states->values[i].value != 0 && strcasecmp(states->values[i].name, text) == 0) {
            *ret_state = (Ganger__V1__TaskState)states->values[i].value;
            return true;
        }
    }
    return false;
}
