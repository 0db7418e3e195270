#include "cli/format.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SECOND UINT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

const char *format_duration(uint64_t duration_ms, char text[static FORMAT_SIZE])
{
    if (duration_ms < SECOND)
        (void)snprintf(text, FORMAT_SIZE, "%" PRIu64 "ms", duration_ms);
    else if (duration_ms < 10 * SECOND)
        (void)snprintf(text, FORMAT_SIZE, "%" PRIu64 ".%" PRIu64 "s", duration_ms / SECOND, duration_ms % SECOND / 100);
    else if (duration_ms < MINUTE)
        (void)snprintf(text, FORMAT_SIZE, "%" PRIu64 "s", duration_ms / SECOND);
    else if (duration_ms < HOUR)
        (void)snprintf(text, FORMAT_SIZE, "%" PRIu64 "m%02" PRIu64 "s", duration_ms / MINUTE,
                       duration_ms % MINUTE / SECOND);
    else if (duration_ms < DAY)
        (void)snprintf(text, FORMAT_SIZE, "%" PRIu64 "h%02" PRIu64 "m", duration_ms / HOUR,
                       duration_ms % HOUR / MINUTE);
    else
        (void)snprintf(text, FORMAT_SIZE, "%" PRIu64 "d%02" PRIu64 "h", duration_ms / DAY, duration_ms % DAY / HOUR);
    return text;
}

const char *format_age(uint64_t age_ms, char text[static FORMAT_SIZE])
{
    static const struct {
        uint64_t below, unit;
        char letter;
    } units[] = {{MINUTE, SECOND, 's'}, {HOUR, MINUTE, 'm'}, {2 * DAY, HOUR, 'h'}, {UINT64_MAX, DAY, 'd'}};
    size_t i = 0;

    while (age_ms >= units[i].below && units[i].below != UINT64_MAX)
        i++;
    (void)snprintf(text, FORMAT_SIZE, "%" PRIu64 "%c", age_ms / units[i].unit, units[i].letter);
    return text;
}

const char *format_size(uint64_t size_bytes, char text[static FORMAT_SIZE])
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    uint64_t tenths = 0;
    unsigned unit = 0;

    if (size_bytes < 1024) {
        (void)snprintf(text, FORMAT_SIZE, "%" PRIu64 " B", size_bytes);
        return text;
    }
    for (uint64_t rest = size_bytes; rest >= UINT64_C(1024) * 1024; rest /= 1024)
        unit++;
    tenths = (size_bytes >> (10 * unit)) * 10 / 1024;
    if (tenths < 1000)
        (void)snprintf(text, FORMAT_SIZE, "%" PRIu64 ".%" PRIu64 " %s", tenths / 10, tenths % 10, units[unit]);
    else
        (void)snprintf(text, FORMAT_SIZE, "%" PRIu64 " %s", tenths / 10, units[unit]);
    return text;
}

const char *format_count(uint64_t count, char text[static FORMAT_SIZE])
{
    char digits[FORMAT_SIZE];
    int length = snprintf(digits, sizeof(digits), "%" PRIu64, count);
    char *at = text;

    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            *at++ = ',';
        *at++ = digits[i];
    }
    *at = '\0';
    return text;
}

const char *format_time(uint64_t unix_ms, char text[static FORMAT_SIZE])
{
    time_t seconds = (time_t)(unix_ms / SECOND);
    struct tm local;

    if (localtime_r(&seconds, &local) == NULL || strftime(text, FORMAT_SIZE, "%Y-%m-%d %H:%M:%S", &local) == 0)
        (void)snprintf(text, FORMAT_SIZE, "%" PRIu64 " ms", unix_ms);
    return text;
}
