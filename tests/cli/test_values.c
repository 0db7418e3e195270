#include "cli/values.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void expect_duration(const char *text, uint64_t expected_ms)
{
    uint64_t duration_ms = 0;

    cr_expect(duration_parse(text, &duration_ms), "%s", text);
    cr_expect_eq(duration_ms, expected_ms, "%s", text);
}

Test(values, durations_are_written_with_units_that_add_up)
{
    expect_duration("250ms", 250);
    expect_duration("90s", 90000);
    expect_duration("10m", 600000);
    expect_duration("1h30m", 5400000);
    expect_duration("1.5h", 5400000);
    expect_duration("0.25s", 250);
    expect_duration("2d", 172800000);
    expect_duration("1w", 604800000);
    expect_duration("0s", 0);
}

static void expect_time(const char *text, uint64_t expected_ms)
{
    uint64_t unix_ms = 0;

    cr_expect(time_parse(text, &unix_ms), "%s", text);
    cr_expect_eq(unix_ms, expected_ms, "%s", text);
}

Test(values, times_are_dates_in_local_time_or_in_utc_or_unix_time)
{
    cr_assert_eq(setenv("TZ", "UTC-2", 1), 0);
    tzset();
    expect_time("2026-11-25 08:00", 1795586400000);
    expect_time("2026-11-25T08:00:30", 1795586430000);
    expect_time("2026-11-25T08:00:00Z", 1795593600000);
    expect_time("2026-11-25 08:00Z", 1795593600000);
    expect_time("2028-02-29 00:00Z", 1835395200000);
    expect_time("@1795593600", 1795593600000);
}

Test(values, what_is_no_time_is_told)
{
    static const char *const bad[] = {"",
                                      "tomorrow",
                                      "2026-11-25",
                                      "08:00",
                                      "2026-04-31 08:00",
                                      "2026-13-01 08:00",
                                      "2026-11-25 25:00",
                                      "2026-11-25 08:00 x",
                                      "@",
                                      "@1x",
                                      "@99999999999999999999"};
    uint64_t unix_ms = 7;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_expect(!time_parse(bad[i], &unix_ms), "%s", bad[i]);
    cr_expect_eq(unix_ms, 7);
}

Test(values, a_bare_number_is_seconds)
{
    expect_duration("5", 5000);
    expect_duration("1.5", 1500);
}

Test(values, the_largest_duration_is_the_last_that_fits)
{
    expect_duration("18446744073709551615ms", UINT64_MAX);
    uint64_t duration_ms = 7;
    cr_expect(!duration_parse("18446744073709551616ms", &duration_ms));
    cr_expect(!duration_parse("18446744073709551615ms1ms", &duration_ms));
    cr_expect(!duration_parse("18446744073709551615s", &duration_ms));
    cr_expect_eq(duration_ms, 7, "the output is not touched");
}

Test(values, what_is_no_duration_is_refused)
{
    static const char *const texts[] = {"",    " ",     "x",   "10x", "-1s",   "1s ",   " 1s",
                                        "1h5", "ms",    "1.s", ".5s", "1..5s", "1.5.5", "1.1234567s",
                                        "inf", "0x10s", "1e3", "1S",  "10mm",  "\xff",  "1m\n"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        uint64_t duration_ms = 0;
        cr_expect(!duration_parse(texts[i], &duration_ms), "%s", texts[i]);
    }
}

Test(values, numbers_are_digits_and_nothing_else)
{
    uint64_t number = 7;

    cr_expect(number_parse("0", &number) && number == 0);
    cr_expect(number_parse("18446744073709551615", &number) && number == UINT64_MAX);
    cr_expect(!number_parse("18446744073709551616", &number));
    cr_expect(!number_parse("", &number));
    cr_expect(!number_parse("-1", &number));
    cr_expect(!number_parse("+1", &number));
    cr_expect(!number_parse("1 ", &number));
    cr_expect(!number_parse("0x1", &number));
    cr_expect_eq(number, UINT64_MAX, "the output is not touched");
}

static char *repeat(char *text, char letter, size_t count)
{
    memset(text, letter, count);
    text[count] = '\0';
    return text;
}

Test(values, names_have_1_to_63_characters_of_the_alphabet)
{
    char text[70];

    cr_expect(name_parse("a"));
    cr_expect(name_parse("aZ09._-"));
    cr_expect(name_parse(repeat(text, 'a', 63)));
    cr_expect(!name_parse(repeat(text, 'a', 64)));
    cr_expect(!name_parse(""));
    cr_expect(!name_parse("a b"));
    cr_expect(!name_parse("a/b"));
    cr_expect(!name_parse("é"));
}

Test(values, a_label_is_a_key_and_a_value)
{
    const char *separator = NULL;
    const char *text = "repo=acme/web=x";

    cr_assert(label_parse(text, &separator));
    cr_expect_eq(separator, (text + 4), "the first = ends the key");
    cr_expect(label_parse("k=", &separator), "an empty value is one");
    cr_expect(!label_parse("k", &separator));
    cr_expect(!label_parse("=v", &separator));
    cr_expect(!label_parse("", &separator));
    cr_expect(!label_parse("k=\xff", &separator));
}

Test(values, a_label_is_bounded_at_63_and_255_bytes)
{
    const char *separator = NULL;
    char key[70];
    char value[300];
    char text[400];

    (void)snprintf(text, sizeof(text), "%s=%s", repeat(key, 'k', 63), repeat(value, 'v', 255));
    cr_expect(label_parse(text, &separator));
    (void)snprintf(text, sizeof(text), "%s=%s", repeat(key, 'k', 64), "v");
    cr_expect(!label_parse(text, &separator));
    (void)snprintf(text, sizeof(text), "k=%s", repeat(value, 'v', 256));
    cr_expect(!label_parse(text, &separator));
}

Test(values, sixteen_labels_are_taken_and_no_more, .init = cr_redirect_stderr)
{
    struct labels labels = {0};

    for (int i = 0; i < 16; i++)
        cr_expect_eq(value_label("--label", "key=value", &labels), EXIT_DONE);
    cr_expect_eq(value_label("--label", "key=value", &labels), EXIT_USAGE);
    cr_expect_eq(labels.count, 16);
    cr_expect_str_eq(labels.items[15]->key, "key");
    cr_expect_str_eq(labels.items[15]->value, "value");
    labels_done(&labels);
}

Test(values, ranges_are_checked_at_both_edges, .init = cr_redirect_stderr)
{
    uint64_t number = 0;

    cr_expect_eq(value_number("--priority", "1", 1, 9, &number), EXIT_DONE);
    cr_expect_eq(value_number("--priority", "9", 1, 9, &number), EXIT_DONE);
    cr_expect_eq(number, 9);
    cr_expect_eq(value_number("--priority", "0", 1, 9, &number), EXIT_USAGE);
    cr_expect_eq(value_number("--priority", "10", 1, 9, &number), EXIT_USAGE);
    cr_expect_eq(value_duration("--delay", "1s", 1000, 2000, &number), EXIT_DONE);
    cr_expect_eq(value_duration("--delay", "999ms", 1000, 2000, &number), EXIT_USAGE);
    cr_expect_eq(value_duration("--delay", "2001ms", 1000, 2000, &number), EXIT_USAGE);
    cr_expect_eq(number, 1000, "the output is not touched");
}

Test(values, states_are_named_in_any_case)
{
    Ganger__V1__TaskState state = GANGER__V1__TASK_STATE__TASK_STATE_UNSPECIFIED;

    cr_expect(state_parse("failed", &state) && state == GANGER__V1__TASK_STATE__FAILED);
    cr_expect(state_parse("READY", &state) && state == GANGER__V1__TASK_STATE__READY);
    cr_expect(!state_parse("TASK_STATE_UNSPECIFIED", &state));
    cr_expect(!state_parse("fail", &state));
    cr_expect(!state_parse("", &state));
}
