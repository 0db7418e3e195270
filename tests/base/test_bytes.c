#include "common/base/bytes.h"

#include <criterion/criterion.h>
#include <string.h>

static struct bytes text(const char *text)
{
    return bytes_of_text(text);
}

Test(bytes, compare_like_keys)
{
    cr_assert_lt(bytes_compare(text("a"), text("b")), 0);
    cr_assert_lt(bytes_compare(text("a"), text("aa")), 0);
    cr_assert_gt(bytes_compare(text("\xFF"), text("a")), 0);
    cr_assert_eq(bytes_compare((struct bytes){0}, (struct bytes){0}), 0);
    cr_assert(bytes_have_prefix(text("tasks/1"), text("tasks/")));
    cr_assert_not(bytes_have_prefix(text("task"), text("tasks/")));
    cr_assert_eq(bytes_slice(text("abc"), 3, 5).size, 0);
    cr_assert(bytes_equal(bytes_slice(text("abc"), 1, 9), text("bc")));
}

Test(bytes, a_reader_gets_what_a_buffer_was_given)
{
    CLEANUP(buffer_done)
    struct buffer buffer = {0};

    buffer_add_u8(&buffer, 0x12);
    buffer_add_u16(&buffer, 0x3456);
    buffer_add_u32(&buffer, 0x789ABCDE);
    buffer_add_u64(&buffer, 0x0123456789ABCDEF);
    buffer_add_sized(&buffer, text("fence"));
    buffer_add_sized(&buffer, (struct bytes){0});
    struct reader reader = reader_over(buffer_view(&buffer));
    cr_assert_eq(reader_u8(&reader), 0x12);
    cr_assert_eq(reader_u16(&reader), 0x3456);
    cr_assert_eq(reader_u32(&reader), 0x789ABCDE);
    cr_assert_eq(reader_u64(&reader), 0x0123456789ABCDEF);
    cr_assert(bytes_equal(reader_sized(&reader), text("fence")));
    cr_assert_eq(reader_sized(&reader).size, 0);
    cr_assert_not(reader.failed);
    cr_assert_eq(reader.rest.size, 0);
}

Test(bytes, a_reader_fails_for_good_at_the_end)
{
    CLEANUP(buffer_done)
    struct buffer buffer = {0};

    buffer_add_u32(&buffer, 1000);
    buffer_add(&buffer, "short", 5);
    struct reader reader = reader_over(buffer_view(&buffer));
    cr_assert_eq(reader_sized(&reader).size, 0);
    cr_assert(reader.failed);
    cr_assert_eq(reader_u8(&reader), 0);
    cr_assert(reader.failed);
}

Test(bytes, numbers_in_keys_sort_as_numbers)
{
    uint8_t low[8];
    uint8_t high[8];

    store_u64(low, 255);
    store_u64(high, 256);
    cr_assert_lt(memcmp(low, high, 8), 0);
    cr_assert_eq(load_u64(high), 256);
}

Test(bytes, crc32c_is_castagnolis)
{
    uint8_t zeros[32] = {0};
    uint8_t ones[32];
    uint8_t rising[32];

    memset(ones, 0xFF, sizeof ones);
    for (size_t i = 0; i < sizeof rising; i++)
        rising[i] = (uint8_t)i;
    /* The examples of RFC 3720, B.4. */
    cr_assert_eq(crc32c(0, zeros, sizeof zeros), 0x8A9136AA);
    cr_assert_eq(crc32c(0, ones, sizeof ones), 0x62A8AB43);
    cr_assert_eq(crc32c(0, rising, sizeof rising), 0x46DD794E);
    cr_assert_eq(crc32c(0, "123456789", 9), 0xE3069283);
    for (size_t cut = 0; cut <= sizeof rising; cut++)
        cr_assert_eq(crc32c(crc32c(0, rising, cut), rising + cut, sizeof rising - cut), 0x46DD794E);
}

Test(bytes, text_is_well_formed_utf_8_without_nul)
{
    const char *good[] = {"", "plain", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\xF4\x8F\xBF\xBF"};
    const char *bad[] = {"\x80",         "\xC0\xAF",         "\xC3", "\xE0\x80\x80",
                         "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xFF", "a\xE2\x82"};

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        cr_assert(text_is_valid(text(good[i])), "%zu", i);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_not(text_is_valid(text(bad[i])), "%zu", i);
    cr_assert_not(text_is_valid((struct bytes){.data = (const uint8_t *)"a\0b", .size = 3}));
}

Test(bytes, text_that_must_fit_is_not_cut_inside_a_character)
{
    cr_assert_eq(text_fit("", 3), 0);
    cr_assert_eq(text_fit("abc", 3), 3);
    cr_assert_eq(text_fit("abcd", 3), 3);
    cr_assert_eq(text_fit("ab\xC3\xA9", 4), 4);
    cr_assert_eq(text_fit("ab\xC3\xA9", 3), 2);
    cr_assert_eq(text_fit("a\xE2\x82\xAC", 3), 1);
    cr_assert_eq(text_fit("\xF0\x9F\x98\x80", 3), 0);
}
