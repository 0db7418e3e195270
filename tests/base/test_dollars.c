#include "common/base/dollars.h"

#include <criterion/criterion.h>

static const char *said(uint64_t micro_dollars)
{
    static char text[DOLLARS_SIZE];

    return dollars_format(micro_dollars, text);
}

Test(dollars, have_two_decimals_and_more_where_there_is_more)
{
    cr_expect_str_eq(said(0), "0.00");
    cr_expect_str_eq(said(1), "0.000001");
    cr_expect_str_eq(said(2500000), "2.50");
    cr_expect_str_eq(said(2510000), "2.51");
    cr_expect_str_eq(said(2512000), "2.512");
    cr_expect_str_eq(said(100000000), "100.00");
    cr_expect_str_eq(said(UINT64_MAX), "18446744073709.551615");
}

Test(dollars, are_read_as_they_are_written)
{
    static const uint64_t amounts[] = {0, 1, 999999, 1000000, 2500000, 123456789, UINT64_MAX};
    uint64_t amount = 7;

    for (size_t i = 0; i < sizeof amounts / sizeof amounts[0]; i++)
        cr_expect(dollars_parse(said(amounts[i]), &amount) && amount == amounts[i], "%s", said(amounts[i]));
    cr_expect(dollars_parse("5", &amount) && amount == 5000000);
    cr_expect(dollars_parse("2.5", &amount) && amount == 2500000);
}

Test(dollars, are_no_other_texts)
{
    static const char *const texts[] = {"",
                                        ".",
                                        ".5",
                                        "5.",
                                        "-1",
                                        "+1",
                                        "1e3",
                                        "$5",
                                        "5 ",
                                        " 5",
                                        "0.0000001",
                                        "1,5",
                                        "1.2.3",
                                        "18446744073709.551616",
                                        "99999999999999999999"};
    uint64_t amount = 7;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        cr_expect(!dollars_parse(texts[i], &amount), "%s", texts[i]);
    cr_expect_eq(amount, 7, "the output is not touched");
}
