/* Tables that fit the terminal.
 *
 * Columns are as wide as their widest cell; where that is wider than the terminal, flexible ones give way, the widest
 * first, and their cells are cut with an ellipsis. Off a terminal nothing is cut. Rows are kept until they are flushed;
 * long lists flush page by page, the head only once, with widths that only grow. */
#pragma once

#include "cli/terminal.h"
#include "common/base/cleanup.h"

#include <stddef.h>

struct column {
    const char *title;
    bool right;    /* numbers */
    bool flexible; /* may be cut */
};

struct table;

/* columns and terminal are borrowed. */
struct table *table_new(const struct column *columns, size_t count, const struct terminal *terminal);
struct table *table_free(struct table *table);
DEFINE_CLEANUP(struct table *, table_free)

/* The next cell of the row; after the last column comes the next row. Control characters are made visible; NULL and ""
 * are shown as "-", but as nothing in the last column. */
void table_add(struct table *table, enum tone tone, const char *text);
void table_add_count(struct table *table, enum tone tone, unsigned long long count);

/* Prints the rows and forgets them. Without any row ever, nothing is printed, not even the head. */
void table_flush(struct table *table);
