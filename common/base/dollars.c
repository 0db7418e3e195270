#include "common/base/dollars.h"

#include <inttypes.h>
#include <stdio.h>

#define MICRO 1000000U
#define DECIMALS 6

const char *dollars_format(uint64_t micro_dollars, char text[static DOLLARS_SIZE])
{
    int size = snprintf(text, DOLLARS_SIZE, "%" PRIu64 ".%06" PRIu64, micro_dollars / MICRO, micro_dollars % MICRO);

    for (int shortest = size - DECIMALS + 2; size > shortest && text[size - 1] == '0'; size--)
        text[size - 1] = '\0';
    return text;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool dollars_parse(const char *text, uint64_t *ret_micro_dollars)
{
    uint64_t micro_dollars = 0;
    int decimals = 0;

    if (!is_digit(*text))
        return false;
    for (; is_digit(*text); text++)
        if (__builtin_mul_overflow(micro_dollars, 10U, &micro_dollars) ||
            __builtin_add_overflow(micro_dollars, (uint64_t)(*text - '0'), &micro_dollars))
            return false;
    if (*text == '.' && !is_digit(*++text))
        return false;
    for (; decimals < DECIMALS; decimals++) {
        unsigned int digit = is_digit(*text) ? (unsigned int)(*text++ - '0') : 0;
        if (__builtin_mul_overflow(micro_dollars, 10U, &micro_dollars) ||
            __builtin_add_overflow(micro_dollars, digit, &micro_dollars))
            return false;
    }
    if (*text != '\0')
        return false;
    *ret_micro_dollars = micro_dollars;
    return true;
}
