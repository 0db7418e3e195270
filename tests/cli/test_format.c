#include "cli/format.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <time.h>

static void expect_duration(uint64_t duration_ms, const char *expected)
{
    char text[FORMAT_SIZE];

    cr_expect_str_eq(format_duration(duration_ms, text), expected);
}

Test(format, a_duration_has_tenths_below_ten_seconds_and_two_units_above_a_minute)
{
    expect_duration(0, "0ms");
    expect_duration(999, "999ms");
    expect_duration(1000, "1.0s");
    expect_duration(9999, "9.9s");
    expect_duration(10000, "10s");
    expect_duration(59999, "59s");
    expect_duration(60000, "1m00s");
    expect_duration(252000, "4m12s");
    expect_duration(3600000, "1h00m");
    expect_duration(86399000, "23h59m");
    expect_duration(86400000, "1d00h");
    expect_duration(UINT64_MAX, "213503982334d14h");
}

static void expect_age(uint64_t age_ms, const char *expected)
{
    char text[FORMAT_SIZE];

    cr_expect_str_eq(format_age(age_ms, text), expected);
}

Test(format, an_age_has_one_unit)
{
    expect_age(0, "0s");
    expect_age(59999, "59s");
    expect_age(60000, "1m");
    expect_age(3599999, "59m");
    expect_age(3600000, "1h");
    expect_age(172799999, "47h");
    expect_age(172800000, "2d");
    expect_age(UINT64_MAX, "213503982334d");
}

static void expect_size(uint64_t size_bytes, const char *expected)
{
    char text[FORMAT_SIZE];

    cr_expect_str_eq(format_size(size_bytes, text), expected);
}

Test(format, a_size_is_in_powers_of_1024_with_tenths_while_it_is_below_100)
{
    expect_size(0, "0 B");
    expect_size(1023, "1023 B");
    expect_size(1024, "1.0 KiB");
    expect_size(1536, "1.5 KiB");
    expect_size(102399, "99.9 KiB");
    expect_size(102400, "100 KiB");
    expect_size(1048575, "1023 KiB");
    expect_size(1048576, "1.0 MiB");
    expect_size(64ULL << 30, "64.0 GiB");
    expect_size(UINT64_MAX, "15.9 EiB");
}

static void expect_count(uint64_t count, const char *expected)
{
    char text[FORMAT_SIZE];

    cr_expect_str_eq(format_count(count, text), expected);
}

Test(format, a_count_has_commas_between_thousands)
{
    expect_count(0, "0");
    expect_count(999, "999");
    expect_count(1000, "1,000");
    expect_count(1234567, "1,234,567");
    expect_count(UINT64_MAX, "18,446,744,073,709,551,615");
}

Test(format, a_time_is_local_and_one_that_cannot_be_is_a_number)
{
    char text[FORMAT_SIZE];

    setenv("TZ", "UTC", 1);
    tzset();
    cr_expect_str_eq(format_time(1000000000999, text), "2001-09-09 01:46:40");
    /* A year that has no room in struct tm. */
    cr_expect_str_eq(format_time(UINT64_MAX, text), "584556019-04-03 14:25:51");
}
