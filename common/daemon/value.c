#include "common/daemon/value.h"

#include "common/base/bytes.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define DIGITS_MAX 18

/* From the smallest to the greatest. */
struct unit {
    const char *name;
    uint64_t factor;
};

#define SECOND UINT64_C(1000)
#define KIBI UINT64_C(1024)

static const struct unit duration_units[] = {
    {"ms", 1}, {"s", SECOND}, {"m", 60 * SECOND}, {"h", 3600 * SECOND}, {"d", 86400 * SECOND}, {NULL, 0}};
static const struct unit size_units[] = {
    {"", 1}, {"K", KIBI}, {"M", KIBI *KIBI}, {"G", KIBI *KIBI *KIBI}, {"T", KIBI *KIBI *KIBI *KIBI}, {NULL, 0}};
static const struct unit number_units[] = {{"", 1}, {NULL, 0}};

static const char *const booleans[][2] = {{"no", "yes"}, {"false", "true"}, {"off", "on"}, {"0", "1"}};

static const struct unit *units_of(enum config_kind kind)
{
    switch (kind) {
    case CONFIG_DURATION:
        return duration_units;
    case CONFIG_SIZE:
        return size_units;
    case CONFIG_NUMBER:
        return number_units;
    case CONFIG_TEXT:
    case CONFIG_BOOLEAN:
        break;
    }
    return NULL;
}

static const char *what_it_is_not(enum config_kind kind)
{
    switch (kind) {
    case CONFIG_DURATION:
        return "a duration, such as 250ms, 30s, 10m, 2h or 7d";
    case CONFIG_SIZE:
        return "a size, such as 4096, 64K, 2M, 4G or 1T";
    case CONFIG_NUMBER:
        return "a number of 1 to 18 digits";
    case CONFIG_BOOLEAN:
        return "yes or no";
    case CONFIG_TEXT:
        break;
    }
    return "a text of UTF-8 without control characters";
}

/* Digits and the name of a unit, and nothing else. A zero needs no unit. */
static bool parse_measure(const struct unit *units, const char *text, uint64_t *ret_number)
{
    size_t digits = strspn(text, "0123456789");
    uint64_t number = 0;

    if (digits == 0 || digits > DIGITS_MAX)
        return false;
    for (size_t i = 0; i < digits; i++)
        number = number * 10 + (uint64_t)(text[i] - '0');
    if (number == 0 && text[digits] == '\0') {
        *ret_number = 0;
        return true;
    }
    for (const struct unit *unit = units; unit->name != NULL; unit++)
        if (strcmp(text + digits, unit->name) == 0)
            return !__builtin_mul_overflow(number, unit->factor, ret_number);
    return false;
}

static bool parse_boolean(const char *text, uint64_t *ret_number)
{
    for (size_t i = 0; i < sizeof booleans / sizeof booleans[0]; i++)
        for (uint64_t value = 0; value < 2; value++)
            if (strcmp(text, booleans[i][value]) == 0) {
                *ret_number = value;
                return true;
            }
    return false;
}

static bool text_is_fine(const char *text)
{
    for (const char *at = text; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7F)
            return false;
    return text_is_valid(bytes_of_text(text));
}

static bool parse_kind(enum config_kind kind, const char *text, uint64_t *ret_number)
{
    *ret_number = 0;
    if (kind == CONFIG_TEXT)
        return text_is_fine(text);
    if (kind == CONFIG_BOOLEAN)
        return parse_boolean(text, ret_number);
    return parse_measure(units_of(kind), text, ret_number);
}

static enum status check_range(const struct config_key *key, const char *text, uint64_t number, struct error *error)
{
    char minimum[VALUE_TEXT_SIZE];
    char maximum[VALUE_TEXT_SIZE];

    if (number >= key->minimum && (key->maximum == 0 || number <= key->maximum))
        return STATUS_OK;
    (void)value_format(key->kind, key->minimum, minimum);
    if (key->maximum == 0)
        return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_CONFIG", "is %s, must be at least %s", text, minimum);
    return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_CONFIG", "is %s, must be %s to %s", text, minimum,
                     value_format(key->kind, key->maximum, maximum));
}

enum status value_parse(const struct config_key *key, const char *text, uint64_t *ret_number, struct error *error)
{
    uint64_t number;

    if (!parse_kind(key->kind, text, &number))
        return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_CONFIG", "is \"%.60s\", must be %s",
                         text_is_fine(text) ? text : "...", what_it_is_not(key->kind));
    if (units_of(key->kind) != NULL)
        TRY(check_range(key, text, number, error));
    *ret_number = number;
    return STATUS_OK;
}

const char *value_format(enum config_kind kind, uint64_t number, char text[static VALUE_TEXT_SIZE])
{
    const struct unit *units = units_of(kind);
    const struct unit *best = units;

    if (kind == CONFIG_BOOLEAN) {
        (void)snprintf(text, VALUE_TEXT_SIZE, "%s", number != 0 ? "yes" : "no");
        return text;
    }
    for (const struct unit *unit = units; unit != NULL && unit->name != NULL; unit++)
        if (number > 0 && number % unit->factor == 0)
            best = unit;
    (void)snprintf(text, VALUE_TEXT_SIZE, "%" PRIu64 "%s", best != NULL ? number / best->factor : number,
                   best != NULL ? best->name : "");
    return text;
}
