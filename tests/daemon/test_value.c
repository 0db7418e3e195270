#include "common/daemon/value.h"

#include <criterion/criterion.h>
#include <string.h>

static enum status parse(enum config_kind kind, const char *text, uint64_t *ret_number)
{
    const struct config_key key = {.section = "s", .name = "k", .kind = kind};
    struct error error = {0};

    enum status status = value_parse(&key, text, ret_number, &error);
    cr_assert_eq(status, error.status);
    cr_assert(status == STATUS_OK || strcmp(error.reason, "BAD_CONFIG") == 0);
    return status;
}

static uint64_t number_of(enum config_kind kind, const char *text)
{
    uint64_t number = 0;

    cr_assert_eq(parse(kind, text, &number), STATUS_OK, "%s", text);
    return number;
}

static void refuse_all(enum config_kind kind, const char *const *texts)
{
    for (; *texts != NULL; texts++) {
        uint64_t number = 7;
        cr_assert_eq(parse(kind, *texts, &number), STATUS_INVALID_ARGUMENT, "\"%s\"", *texts);
        cr_assert_eq(number, 7, "left alone on failure");
    }
}

Test(value, numbers_have_1_to_18_digits)
{
    static const char *const wrong[] = {"",    "-1", "+1", " 1", "1 ", "0x10", "1.5", "1e3", "1000000000000000000",
                                        "one", NULL};

    cr_assert_eq(number_of(CONFIG_NUMBER, "0"), 0);
    cr_assert_eq(number_of(CONFIG_NUMBER, "007"), 7);
    cr_assert_eq(number_of(CONFIG_NUMBER, "999999999999999999"), UINT64_C(999999999999999999));
    refuse_all(CONFIG_NUMBER, wrong);
}

Test(value, durations_have_a_unit)
{
    static const char *const wrong[] = {
        "", "5", "s", "5 s", "5S", "5sec", "1.5s", "-5s", "5s5", "1h30m", "999999999999999999d", NULL};

    cr_assert_eq(number_of(CONFIG_DURATION, "0"), 0);
    cr_assert_eq(number_of(CONFIG_DURATION, "250ms"), 250);
    cr_assert_eq(number_of(CONFIG_DURATION, "30s"), 30000);
    cr_assert_eq(number_of(CONFIG_DURATION, "10m"), 600000);
    cr_assert_eq(number_of(CONFIG_DURATION, "2h"), 7200000);
    cr_assert_eq(number_of(CONFIG_DURATION, "7d"), 604800000);
    refuse_all(CONFIG_DURATION, wrong);
}

Test(value, sizes_are_powers_of_1024)
{
    static const char *const wrong[] = {"",  "K", "1k", "1KB", "1KiB", "1 K", "-1K", "1.5G", "999999999999999999K",
                                        NULL};

    cr_assert_eq(number_of(CONFIG_SIZE, "0"), 0);
    cr_assert_eq(number_of(CONFIG_SIZE, "4096"), 4096);
    cr_assert_eq(number_of(CONFIG_SIZE, "64K"), 65536);
    cr_assert_eq(number_of(CONFIG_SIZE, "2M"), 2097152);
    cr_assert_eq(number_of(CONFIG_SIZE, "4G"), UINT64_C(4) << 30);
    cr_assert_eq(number_of(CONFIG_SIZE, "16777215T"), UINT64_C(16777215) << 40);
    cr_assert_eq(parse(CONFIG_SIZE, "16777216T", &(uint64_t){0}), STATUS_INVALID_ARGUMENT, "one too many for 64 bits");
    refuse_all(CONFIG_SIZE, wrong);
}

Test(value, booleans_have_eight_words)
{
    static const char *const wrong[] = {"", "YES", "y", "2", "yes ", "enabled", NULL};
    static const char *const right[][2] = {{"no", "yes"}, {"false", "true"}, {"off", "on"}, {"0", "1"}};

    for (size_t i = 0; i < 4; i++)
        for (uint64_t value = 0; value < 2; value++)
            cr_assert_eq(number_of(CONFIG_BOOLEAN, right[i][value]), value);
    refuse_all(CONFIG_BOOLEAN, wrong);
}

Test(value, texts_are_utf8_without_control_characters)
{
    static const char *const wrong[] = {"a\tb", "a\nb", "\x1B[0m", "\x7F", "\xC3", "\xFF", NULL};

    (void)number_of(CONFIG_TEXT, "");
    (void)number_of(CONFIG_TEXT, "ipc:///run/ganger/broker.sock");
    (void)number_of(CONFIG_TEXT, "gr\xC3\xBC\xC3\x9F Gott");
    refuse_all(CONFIG_TEXT, wrong);
}

static void assert_range(enum config_kind kind, const char *text, uint64_t minimum, uint64_t maximum,
                         const char *message)
{
    const struct config_key key = {.section = "s", .name = "k", .kind = kind, .minimum = minimum, .maximum = maximum};
    struct error error = {0};
    uint64_t number;

    enum status status = value_parse(&key, text, &number, &error);
    cr_assert_eq(status, message == NULL ? STATUS_OK : STATUS_INVALID_ARGUMENT, "%s", text);
    cr_assert_str_eq(error.message, message != NULL ? message : "");
}

Test(value, ranges_include_their_ends_and_are_named)
{
    assert_range(CONFIG_NUMBER, "1", 1, 10, NULL);
    assert_range(CONFIG_NUMBER, "10", 1, 10, NULL);
    assert_range(CONFIG_NUMBER, "0", 1, 10, "is 0, must be 1 to 10");
    assert_range(CONFIG_NUMBER, "11", 1, 10, "is 11, must be 1 to 10");
    assert_range(CONFIG_NUMBER, "0", 1, 0, "is 0, must be at least 1");
    assert_range(CONFIG_NUMBER, "999999999999999999", 1, 0, NULL);
    assert_range(CONFIG_DURATION, "1s", 1000, 3600000, NULL);
    assert_range(CONFIG_DURATION, "60m", 1000, 3600000, NULL);
    assert_range(CONFIG_DURATION, "999ms", 1000, 3600000, "is 999ms, must be 1s to 1h");
    assert_range(CONFIG_DURATION, "3600001ms", 1000, 3600000, "is 3600001ms, must be 1s to 1h");
    assert_range(CONFIG_SIZE, "2M", 4096, 1048576, "is 2M, must be 4K to 1M");
}

Test(value, is_written_in_its_greatest_unit)
{
    char text[VALUE_TEXT_SIZE];

    cr_assert_str_eq(value_format(CONFIG_DURATION, 0, text), "0ms");
    cr_assert_str_eq(value_format(CONFIG_DURATION, 1500, text), "1500ms");
    cr_assert_str_eq(value_format(CONFIG_DURATION, 90000, text), "90s");
    cr_assert_str_eq(value_format(CONFIG_DURATION, 86400000, text), "1d");
    cr_assert_str_eq(value_format(CONFIG_SIZE, 0, text), "0");
    cr_assert_str_eq(value_format(CONFIG_SIZE, 1025, text), "1025");
    cr_assert_str_eq(value_format(CONFIG_SIZE, UINT64_C(64) << 30, text), "64G");
    cr_assert_str_eq(value_format(CONFIG_NUMBER, UINT64_MAX, text), "18446744073709551615");
    cr_assert_str_eq(value_format(CONFIG_BOOLEAN, 1, text), "yes");
    cr_assert_str_eq(value_format(CONFIG_BOOLEAN, 0, text), "no");
}
