#include "common/store/tree.h"

#include "common/base/bytes.h"

#include <criterion/criterion.h>

static void put_number(struct tree **tree, uint32_t number)
{
    uint8_t key[sizeof number];

    store_u32(key, number);
    tree_put(tree, (struct bytes){.data = key, .size = sizeof key}, (struct bytes){.data = key, .size = sizeof key});
}

static bool delete_number(struct tree **tree, uint32_t number)
{
    uint8_t key[sizeof number];

    store_u32(key, number);
    return tree_delete(tree, (struct bytes){.data = key, .size = sizeof key});
}

/* How many there are, in order. */
static uint32_t count_numbers(const struct tree *tree)
{
    struct tree_place place;
    uint32_t count = 0;
    uint32_t last = 0;

    for (bool found = tree_seek(tree, (struct bytes){0}, false, &place); found; found = tree_step(&place, false)) {
        uint32_t number = load_u32(tree_place_key(&place).data);
        cr_assert(count == 0 || number > last);
        last = number;
        count++;
    }
    return count;
}

/* The longest way down, of keys that came in order. */
static uint32_t depth_of(const struct tree *tree, uint32_t count)
{
    struct tree_place place;
    uint32_t deepest = 0;

    for (uint32_t number = 0; number < count; number++) {
        uint8_t key[sizeof number];
        store_u32(key, number);
        cr_assert(tree_seek(tree, (struct bytes){.data = key, .size = sizeof key}, false, &place));
        deepest = place.depth > deepest ? place.depth : deepest;
    }
    return deepest;
}

Test(tree, stays_shallow_whatever_the_order)
{
    struct tree *tree = NULL;

    for (uint32_t number = 0; number < 20000; number++)
        put_number(&tree, number);
    cr_assert_leq(depth_of(tree, 20000), 21, "1.44 log2 n");
    for (uint32_t number = 19999; number >= 1000; number--)
        cr_assert(delete_number(&tree, number));
    cr_assert_leq(depth_of(tree, 1000), 15);
    cr_assert_null(tree_free(tree));
}

Test(tree, a_shared_version_does_not_change)
{
    struct tree *tree = NULL;

    for (uint32_t number = 0; number < 1000; number++)
        put_number(&tree, number);
    struct tree *before = tree_share(tree);
    for (uint32_t number = 0; number < 1000; number += 2)
        cr_assert(delete_number(&tree, number));
    struct tree *between = tree_share(tree);
    for (uint32_t number = 5000; number < 6000; number++)
        put_number(&tree, number);
    cr_assert_eq(count_numbers(before), 1000);
    cr_assert_eq(count_numbers(between), 500);
    cr_assert_eq(count_numbers(tree), 1500);
    tree_free(before);
    cr_assert_eq(count_numbers(between), 500);
    tree_free(tree);
    cr_assert_eq(count_numbers(between), 500);
    tree_free(between);
}

Test(tree, says_whether_there_was_something_to_delete)
{
    struct tree *tree = NULL;

    cr_assert_not(delete_number(&tree, 1));
    put_number(&tree, 1);
    cr_assert_not(delete_number(&tree, 2));
    cr_assert(delete_number(&tree, 1));
    cr_assert_null(tree);
    cr_assert_null(tree_free(NULL));
}
