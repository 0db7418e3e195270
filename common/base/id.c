#include "common/base/id.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#define SHORT_DIGITS 8
#define LONG_DIGITS 13
#define BITS_PER_DIGIT 5

static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

const char *id_format(uint64_t id, char text[static ID_TEXT_SIZE])
{
    int count = id >> (SHORT_DIGITS * BITS_PER_DIGIT) == 0 ? SHORT_DIGITS : LONG_DIGITS;
    int first_group = count == SHORT_DIGITS ? 4 : 5;
    char *at = text;

    for (int i = 0; i < count; i++) {
        if (i >= first_group && (i - first_group) % 4 == 0)
            *at++ = '-';
        *at++ = digits[id >> ((count - 1 - i) * BITS_PER_DIGIT) & 31];
    }
    *at = '\0';
    return text;
}

/* The value of one digit as people write it, -1 when it is none. */
static int digit_value(char digit)
{
    int upper = toupper((unsigned char)digit);

    if (upper == 'O')
        upper = '0';
    if (upper == 'I' || upper == 'L')
        upper = '1';
    const char *found = strchr(digits, upper);
    return upper != '\0' && found != NULL ? (int)(found - digits) : -1;
}

enum status id_parse(const char *text, uint64_t *ret_first, uint64_t *ret_last, struct error *error)
{
    uint64_t value = 0;
    int count = 0;
    bool leading_zero = false;

    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '-')
            continue;
        int digit = digit_value(*at);
        if (digit < 0)
            return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_ID",
                             "\"%.40s\" is not an id: it has digits and letters but no U, like 0000-01K3", text);
        if (count == 0)
            leading_zero = digit == 0;
        if (++count > LONG_DIGITS || value >> (64 - BITS_PER_DIGIT) != 0)
            return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_ID", "\"%.40s\" is too long for an id", text);
        value = value << BITS_PER_DIGIT | (uint64_t)digit;
    }
    if (count == 0)
        return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_ID", "an empty text is not an id");

    int open_digits = leading_zero && count < SHORT_DIGITS ? SHORT_DIGITS - count : 0;
    *ret_first = value << (open_digits * BITS_PER_DIGIT);
    *ret_last = *ret_first | (((uint64_t)1 << (open_digits * BITS_PER_DIGIT)) - 1);
    return STATUS_OK;
}
