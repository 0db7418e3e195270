/* Times at which something ends, the earliest first: a binary heap of things that embed a struct deadline.
 *
 * Adding and taking out cost O(log n), looking at the first O(1). */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct deadline {
    uint64_t at_ms;
    size_t place; /* in the heap, from 1; 0 = not in it */
};

/* The zero value is empty. */
struct deadlines {
    struct deadline **items;
    size_t count;
    size_t capacity;
};

void deadlines_done(struct deadlines *deadlines);
/* deadline is borrowed until it is removed. */
void deadlines_add(struct deadlines *deadlines, struct deadline *deadline, uint64_t at_ms);
/* Does nothing when it is not in it. */
void deadlines_remove(struct deadlines *deadlines, struct deadline *deadline);
/* NULL when there is none. */
struct deadline *deadlines_first(const struct deadlines *deadlines);
/* UINT64_MAX when there is none. */
uint64_t deadlines_first_ms(const struct deadlines *deadlines);
