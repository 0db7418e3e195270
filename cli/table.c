#include "cli/table.h"

#include "cli/text.h"
#include "common/base/check.h"

#include <string.h>

#define GAP 2
#define FLEXIBLE_LEAST 8

struct cell {
    char *text;
    size_t width;
    enum tone tone;
};

struct table {
    const struct column *columns;
    const struct terminal *terminal;
    size_t column_count;
    struct cell *cells;
    size_t cell_count;
    size_t cell_capacity;
    size_t *widths; /* that the cells want */
    bool head_printed;
};

struct table *table_new(const struct column *columns, size_t count, const struct terminal *terminal)
{
    struct table *table = allocate_zero(1, sizeof(*table));

    table->columns = columns;
    table->column_count = count;
    table->terminal = terminal;
    table->widths = allocate_zero(count, sizeof(table->widths[0]));
    for (size_t i = 0; i < count; i++)
        table->widths[i] = text_width(columns[i].title);
    return table;
}

static void forget_rows(struct table *table)
{
    for (size_t i = 0; i < table->cell_count; i++)
        free(table->cells[i].text);
    table->cell_count = 0;
}

struct table *table_free(struct table *table)
{
    if (table == NULL)
        return NULL;
    forget_rows(table);
    free(table->cells);
    free(table->widths);
    free(table);
    return NULL;
}

void table_add(struct table *table, enum tone tone, const char *text)
{
    size_t column = table->cell_count % table->column_count;
    bool last = column + 1 == table->column_count;
    const char *shown = text != NULL && text[0] != '\0' ? text : last ? "" : "-";

    if (table->cell_count == table->cell_capacity) {
        table->cell_capacity = table->cell_capacity == 0 ? 64 : table->cell_capacity * 2;
        table->cells = reallocate(table->cells, table->cell_capacity * sizeof(table->cells[0]));
    }
    struct cell *cell = &table->cells[table->cell_count++];
    *cell = (struct cell){.text = text_line(bytes_of_text(shown)), .tone = tone};
    cell->width = text_width(cell->text);
    if (cell->width > table->widths[column])
        table->widths[column] = cell->width;
}

void table_add_count(struct table *table, enum tone tone, unsigned long long count)
{
    CLEANUP(free)
    char *text = format_text("%llu", count);

    table_add(table, tone, text);
}

/* Takes from the widest flexible column until the row fits or none can give. */
static void fit_widths(const struct table *table, size_t *widths)
{
    size_t total = GAP * (table->column_count - 1);

    for (size_t i = 0; i < table->column_count; i++)
        total += widths[i] = table->widths[i];
    while (table->terminal->width > 0 && total > table->terminal->width) {
        size_t widest = SIZE_MAX;
        for (size_t i = 0; i < table->column_count; i++)
            if (table->columns[i].flexible && widths[i] > FLEXIBLE_LEAST &&
                (widest == SIZE_MAX || widths[i] > widths[widest]))
                widest = i;
        if (widest == SIZE_MAX)
            return;
        widths[widest]--;
        total--;
    }
}

static void print_spaces(FILE *stream, size_t count)
{
    for (size_t i = 0; i < count; i++)
        (void)fputc(' ', stream);
}

/* The last one of a row is not padded, so that no line ends in spaces. */
static void print_cell(const struct table *table, size_t column, const struct cell *cell, size_t width, bool last)
{
    const struct terminal *terminal = table->terminal;
    const char *ellipsis = terminal->unicode ? "…" : "...";
    bool cut = cell->width > width;
    size_t shown = cut ? width - text_width(ellipsis) : cell->width;
    size_t bytes = cut ? text_fitting(cell->text, shown) : strlen(cell->text);

    if (table->columns[column].right)
        print_spaces(terminal->stream, width - (cut ? width : cell->width));
    (void)fprintf(terminal->stream, "%s%.*s%s%s", terminal_tone(terminal, cell->tone), (int)bytes, cell->text,
                  cut ? ellipsis : "", terminal_plain(terminal, cell->tone));
    if (!last && !table->columns[column].right)
        print_spaces(terminal->stream, cut ? 0 : width - cell->width);
    if (!last)
        print_spaces(terminal->stream, GAP);
}

static void print_row(const struct table *table, const struct cell *cells, const size_t *widths)
{
    size_t count = table->column_count;

    while (count > 1 && cells[count - 1].text[0] == '\0')
        count--;
    for (size_t i = 0; i < count; i++)
        print_cell(table, i, &cells[i], widths[i], i + 1 == count);
    (void)fputc('\n', table->terminal->stream);
}

static void print_head(struct table *table, const size_t *widths)
{
    for (size_t i = 0; i < table->column_count; i++) {
        CLEANUP(free)
        char *title = duplicate_text(table->columns[i].title);
        struct cell cell = {.text = title, .width = text_width(title), .tone = TONE_STRONG};
        print_cell(table, i, &cell, widths[i], i + 1 == table->column_count);
    }
    (void)fputc('\n', table->terminal->stream);
    table->head_printed = true;
}

void table_flush(struct table *table)
{
    CHECK(table->cell_count % table->column_count == 0);
    if (table->cell_count == 0)
        return;

    CLEANUP(free)
    size_t *widths = allocate(table->column_count * sizeof(widths[0]));
    fit_widths(table, widths);
    if (!table->head_printed)
        print_head(table, widths);
    for (size_t row = 0; row < table->cell_count; row += table->column_count)
        print_row(table, &table->cells[row], widths);
    forget_rows(table);
}
