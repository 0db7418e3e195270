#include "cli/table.h"

#include "cli/text.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const struct column columns[] = {
    {.title = "ID"},
    {.title = "COUNT", .right = true},
    {.title = "TITLE", .flexible = true},
    {.title = "WHY", .flexible = true},
};

/* A terminal of a given width that writes into memory. */
struct page {
    struct terminal terminal;
    char *text;
    size_t size;
};

static struct page *page_new(unsigned width)
{
    struct page *page = calloc(1, sizeof(*page));

    (void)text_init();
    page->terminal = (struct terminal){.stream = open_memstream(&page->text, &page->size), .width = width};
    page->terminal.interactive = width > 0;
    page->terminal.unicode = true;
    return page;
}

static char *page_text(struct page *page)
{
    (void)fflush(page->terminal.stream);
    return page->text;
}

static void page_free(struct page *page)
{
    (void)fclose(page->terminal.stream);
    free(page->text);
    free(page);
}

static void add_row(struct table *table, const char *id, unsigned count, const char *title, const char *why)
{
    table_add(table, TONE_PLAIN, id);
    table_add_count(table, TONE_PLAIN, count);
    table_add(table, TONE_BAD, title);
    table_add(table, TONE_PLAIN, why);
}

Test(table, columns_are_as_wide_as_their_widest_cell_and_numbers_stand_right)
{
    struct page *page = page_new(0);
    struct table *table = table_new(columns, 4, &page->terminal);

    add_row(table, "0000-0001", 7, "short", "because");
    add_row(table, "0000-0002", 1234567, "a longer title", "");
    table_flush(table);
    cr_expect_str_eq(page_text(page), "ID           COUNT  TITLE           WHY\n"
                                      "0000-0001        7  short           because\n"
                                      "0000-0002  1234567  a longer title\n");
    table_free(table);
    page_free(page);
}

Test(table, nothing_is_cut_off_a_terminal)
{
    struct page *page = page_new(0);
    struct table *table = table_new(columns, 4, &page->terminal);
    char title[501];

    memset(title, 'x', sizeof(title) - 1);
    title[sizeof(title) - 1] = '\0';
    add_row(table, "1", 1, title, "why");
    table_flush(table);
    cr_expect(strstr(page_text(page), title) != NULL);
    table_free(table);
    page_free(page);
}

Test(table, the_widest_flexible_column_gives_way_on_a_narrow_terminal)
{
    struct page *page = page_new(40);
    struct table *table = table_new(columns, 4, &page->terminal);

    add_row(table, "0000-0001", 1, "a title that is far too long for it", "why not");
    table_flush(table);
    cr_expect_str_eq(page_text(page), "ID         COUNT  TITLE          WHY\n"
                                      "0000-0001      1  a title that…  why not\n");
    table_free(table);
    page_free(page);
}

static void expect_rows_fit(const char *text, size_t width)
{
    char *copy = strdup(text);
    char *rest = NULL;

    for (char *line = strtok_r(copy, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
        cr_expect_leq(text_width(line), width, "%s", line);
    free(copy);
}

Test(table, wide_characters_count_as_two_columns_also_where_they_are_cut)
{
    struct page *page = page_new(40);
    struct table *table = table_new(columns, 4, &page->terminal);

    add_row(table, "0000-0001", 1, "漢字漢字漢字漢字漢字漢字", "漢字漢字漢字漢字漢字");
    add_row(table, "0000-0002", 1, "x漢字漢字漢字漢字漢字漢字", "plain");
    table_flush(table);
    expect_rows_fit(page_text(page), 40);
    table_free(table);
    page_free(page);
}

Test(table, an_ellipsis_is_three_dots_where_only_ascii_can_be_drawn)
{
    struct page *page = page_new(40);
    page->terminal.unicode = false;
    struct table *table = table_new(columns, 4, &page->terminal);

    add_row(table, "0000-0001", 1, "a title that is far too long for it", "");
    table_flush(table);
    cr_expect(strstr(page_text(page), "a title that i...\n") != NULL, "%s", page_text(page));
    expect_rows_fit(page_text(page), 40);
    table_free(table);
    page_free(page);
}

Test(table, an_empty_cell_is_a_dash_but_nothing_at_the_end_of_a_row)
{
    struct page *page = page_new(0);
    struct table *table = table_new(columns, 4, &page->terminal);

    add_row(table, "1", 1, NULL, NULL);
    table_flush(table);
    cr_expect_str_eq(page_text(page), "ID  COUNT  TITLE  WHY\n1       1  -\n");
    table_free(table);
    page_free(page);
}

Test(table, control_characters_in_cells_are_made_visible)
{
    struct page *page = page_new(0);
    struct table *table = table_new(columns, 4, &page->terminal);

    add_row(table, "1", 1, "evil \033]0;title\007", "two\nlines");
    table_flush(table);
    cr_expect(strchr(page_text(page), '\033') == NULL);
    cr_expect(strstr(page_text(page), "evil \\x1b]0;title\\x07  two\\nlines\n") != NULL, "%s", page_text(page));
    table_free(table);
    page_free(page);
}

Test(table, colours_are_only_there_when_the_terminal_has_them)
{
    struct page *page = page_new(80);
    page->terminal.colours = true;
    struct table *table = table_new(columns, 4, &page->terminal);

    add_row(table, "1", 1, "title", "why");
    table_flush(table);
    cr_expect(strstr(page_text(page), "\033[1;31mtitle\033[0m") != NULL);
    table_free(table);
    page_free(page);
}

Test(table, a_long_list_has_one_head_and_columns_that_only_grow)
{
    struct page *page = page_new(0);
    struct table *table = table_new(columns, 4, &page->terminal);

    add_row(table, "1", 1, "a long title", "x");
    table_flush(table);
    add_row(table, "2", 2, "short", "y");
    table_flush(table);
    table_flush(table);
    cr_expect_str_eq(page_text(page), "ID  COUNT  TITLE         WHY\n"
                                      "1       1  a long title  x\n"
                                      "2       2  short         y\n");
    table_free(table);
    page_free(page);
}

Test(table, without_rows_nothing_is_printed)
{
    struct page *page = page_new(0);
    struct table *table = table_new(columns, 4, &page->terminal);

    table_flush(table);
    cr_expect_eq((size_t)ftell(page->terminal.stream), 0);
    table_free(table);
    page_free(page);
}
