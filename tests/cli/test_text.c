#include "cli/text.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static void setup(void)
{
    (void)text_init();
}

TestSuite(text, .init = setup);

static void expect_line(const char *text, const char *expected)
{
    char *visible = text_line(bytes_of_text(text));

    cr_expect_str_eq(visible, expected);
    free(visible);
}

Test(text, on_one_line_every_control_character_is_visible)
{
    expect_line("plain", "plain");
    expect_line("a\nb\tc\rd", "a\\nb\\tc\\rd");
    expect_line("\033[31mred\033[0m", "\\x1b[31mred\\x1b[0m");
    expect_line("\a\b\177", "\\x07\\x08\\x7f");
    expect_line("\xc2\x9b"
                "31m",
                "\\u009b31m");
}

/* Spelt in numbers, so that no reader of this file is fooled either. */
Test(text, marks_that_turn_the_direction_of_reading_are_visible)
{
    const char override[] = {'a', (char)0xe2, (char)0x80, (char)0xae, 'b', '\0'};
    const char isolate[] = {'a', (char)0xe2, (char)0x81, (char)0xa6, 'b', '\0'};

    expect_line(override, "a\\u202eb");
    expect_line(isolate, "a\\u2066b");
    expect_line("\xef\xbb\xbf"
                "bom",
                "\\ufeffbom");
}

Test(text, what_is_not_utf8_is_visible_byte_by_byte)
{
    expect_line("\xff\xfe", "\\xff\\xfe");
    expect_line("cut \xe2\x82", "cut \\xe2\\x82");
    expect_line("\xc0\xaf overlong", "\\xc0\\xaf overlong");
    expect_line("\xed\xa0\x80 surrogate", "\\xed\\xa0\\x80 surrogate");
    expect_line("\xf4\x90\x80\x80 too high", "\\xf4\\x90\\x80\\x80 too high");
}

Test(text, letters_of_all_languages_stay)
{
    expect_line("é 漢字 🙂", "é 漢字 🙂");
}

static void expect_lines(const char *text, const char *expected)
{
    char *visible = text_lines(bytes_of_text(text));

    cr_expect_str_eq(visible, expected);
    free(visible);
}

Test(text, lines_keep_newlines_and_tabs_and_lose_the_return_before_a_newline)
{
    expect_lines("a\n\tb\r\nc\n", "a\n\tb\nc\n");
}

Test(text, a_carriage_return_alone_would_overwrite_and_is_visible)
{
    expect_lines("good\rbad\r", "good\\rbad\\r");
}

Test(text, a_character_may_be_split_between_pieces)
{
    const char *whole = "a€b\r\n\033c\xe2\x82";
    struct bytes bytes = bytes_of_text(whole);

    for (size_t cut = 0; cut <= bytes.size; cut++) {
        struct text_filter filter = {0};
        struct buffer out = {0};
        text_filter_add(&filter, bytes_slice(bytes, 0, cut), &out);
        text_filter_add(&filter, bytes_slice(bytes, cut, bytes.size), &out);
        text_filter_end(&filter, &out);
        buffer_add_u8(&out, '\0');
        cr_expect_str_eq((char *)out.data, "a€b\n\\x1bc\\xe2\\x82", "cut at %zu", cut);
        buffer_done(&out);
    }
}

Test(text, width_is_in_columns)
{
    cr_expect_eq(text_width(""), 0);
    cr_expect_eq(text_width("abc"), 3);
    cr_expect_eq(text_width("é"), 1);
    cr_expect_eq(text_width("漢字"), 4);
    cr_expect_eq(text_width("e\xcc\x81"), 1, "a combining accent takes no column");
}

Test(text, fitting_never_cuts_a_character)
{
    cr_expect_eq(text_fitting("abc", 2), 2);
    cr_expect_eq(text_fitting("abc", 3), 3);
    cr_expect_eq(text_fitting("漢字", 3), 3, "half of a wide one does not fit");
    cr_expect_eq(text_fitting("漢字", 4), 6);
    cr_expect_eq(text_fitting("abc", 0), 0);
}

Test(text, a_whole_prefix_ends_between_characters)
{
    struct bytes text = bytes_of_text("a€b");

    cr_expect_eq(text_whole(text, 10), 5);
    cr_expect_eq(text_whole(text, 5), 5);
    cr_expect_eq(text_whole(text, 4), 4);
    cr_expect_eq(text_whole(text, 3), 1);
    cr_expect_eq(text_whole(text, 1), 1);
    cr_expect_eq(text_whole(text, 0), 0);
}

static void expect_base64(const char *text, const char *expected)
{
    char *encoded = text_base64(bytes_of_text(text));

    cr_expect_str_eq(encoded, expected);
    free(encoded);
}

/* RFC 4648, section 10. */
Test(text, base64_is_that_of_the_rfc)
{
    expect_base64("", "");
    expect_base64("f", "Zg==");
    expect_base64("fo", "Zm8=");
    expect_base64("foo", "Zm9v");
    expect_base64("foob", "Zm9vYg==");
    expect_base64("fooba", "Zm9vYmE=");
    expect_base64("foobar", "Zm9vYmFy");
    expect_base64("\xff\xff\xff", "////");
}
