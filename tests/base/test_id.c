#include "common/base/id.h"

#include <criterion/criterion.h>
#include <string.h>

static void expect_range(const char *text, uint64_t first, uint64_t last)
{
    uint64_t got_first = 0;
    uint64_t got_last = 0;
    struct error error = {0};

    cr_assert_eq(id_parse(text, &got_first, &got_last, &error), STATUS_OK, "%s: %s", text, error.message);
    cr_assert_eq(got_first, first, "%s", text);
    cr_assert_eq(got_last, last, "%s", text);
}

static void expect_bad(const char *text)
{
    uint64_t first = 0;
    uint64_t last = 0;
    struct error error = {0};

    cr_assert_eq(id_parse(text, &first, &last, &error), STATUS_INVALID_ARGUMENT, "%s", text);
    cr_assert_str_eq(error.reason, "BAD_ID");
}

Test(id, reads_what_it_writes)
{
    const uint64_t ids[] = {0, 1, 31, 32, 0xFFFFF, 0xFFFFFFFFFF, 0x10000000000, 0x0001000000000001, UINT64_MAX};
    char text[ID_TEXT_SIZE];

    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
        expect_range(id_format(ids[i], text), ids[i], ids[i]);
}

Test(id, is_written_in_groups_and_sorts_by_age)
{
    char younger[ID_TEXT_SIZE];
    char older[ID_TEXT_SIZE];

    cr_assert_str_eq(id_format(1, older), "0000-0001");
    cr_assert_str_eq(id_format(UINT64_MAX, younger), "FZZZZ-ZZZZ-ZZZZ");
    for (uint64_t id = 1; id < 5000; id += 7)
        cr_assert_lt(strcmp(id_format(id, older), id_format(id + 7, younger)), 0);
}

Test(id, may_be_typed_without_zeros_and_dash_and_in_lower_case)
{
    expect_range("1", 1, 1);
    expect_range("z", 31, 31);
    expect_range("1k3", 1 << 10 | 19 << 5 | 3, 1 << 10 | 19 << 5 | 3);
    expect_range("00000010", 32, 32);
    expect_range("l0", 32, 32);
}

Test(id, a_short_text_with_a_leading_zero_is_a_prefix)
{
    expect_range("0000-000", 0, 31);
    expect_range("0000-01", 1 << 10, (1 << 10) + 1023);
    expect_range("0", 0, 0x7FFFFFFFF);
}

Test(id, refuses_what_is_none)
{
    expect_bad("");
    expect_bad("-");
    expect_bad("submit");
    expect_bad("0000_0001");
    expect_bad("U");
    expect_bad("00000000000000");
    expect_bad("GZZZZZZZZZZZZ");
    expect_bad("1 ");
}
