#include "common/base/deadlines.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define COUNT 1000

Test(deadlines, the_earliest_is_first_whatever_is_added_and_removed)
{
    static struct deadline items[COUNT];
    struct deadlines deadlines = {0};
    unsigned seed = 20261123;
    uint64_t last_ms = 0;
    size_t left = 0;

    for (size_t i = 0; i < COUNT; i++)
        deadlines_add(&deadlines, &items[i], (uint64_t)rand_r(&seed) % 500);
    for (size_t i = 0; i < COUNT; i += 3)
        deadlines_remove(&deadlines, &items[i]);
    while (deadlines_first(&deadlines) != NULL) {
        struct deadline *first = deadlines_first(&deadlines);
        cr_assert_eq((first - items) % 3 != 0, true, "a removed one came back (seed 20261123)");
        cr_assert_geq(first->at_ms, last_ms, "out of order (seed 20261123)");
        last_ms = first->at_ms;
        deadlines_remove(&deadlines, first);
        left++;
    }
    cr_expect_eq(left, COUNT - (COUNT + 2) / 3);
    cr_expect_eq(deadlines_first_ms(&deadlines), UINT64_MAX);
    deadlines_done(&deadlines);
}

Test(deadlines, removing_what_is_not_in_it_does_nothing)
{
    struct deadline item = {0};
    struct deadlines deadlines = {0};

    deadlines_remove(&deadlines, &item);
    deadlines_add(&deadlines, &item, 5);
    deadlines_remove(&deadlines, &item);
    deadlines_remove(&deadlines, &item);
    cr_expect_null(deadlines_first(&deadlines));
    deadlines_done(&deadlines);
}
