#include "common/base/arena.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

Test(arena, memory_is_aligned_and_apart)
{
    CLEANUP(arena_done)
    struct arena arena = {0};
    uint8_t *last = NULL;

    for (size_t size = 1; size < 3000; size++) {
        uint8_t *memory = arena_allocate(&arena, size);
        cr_assert_eq((uintptr_t)memory % 16, 0);
        memset(memory, (int)(size & 0xFF), size);
        if (last != NULL)
            cr_assert_eq(*last, (uint8_t)((size - 1) & 0xFF));
        last = memory;
    }
}

Test(arena, refuses_at_its_limit_and_not_before)
{
    CLEANUP(arena_done)
    struct arena arena = {.limit = 1024};

    cr_assert_not_null(arena_allocate(&arena, 1008));
    cr_assert_not_null(arena_allocate(&arena, 16));
    cr_assert_null(arena_allocate(&arena, 1));
    arena_reset(&arena);
    cr_assert_not_null(arena_allocate(&arena, 1024));
}

Test(arena, takes_more_than_a_chunk_at_once)
{
    CLEANUP(arena_done)
    struct arena arena = {0};
    uint8_t *memory = arena_zero(&arena, 1000, 1000);

    for (size_t i = 0; i < 1000000; i++)
        cr_assert_eq(memory[i], 0);
    arena_reset(&arena);
    cr_assert_eq(arena.used, 0);
}

Test(arena, copies_texts_with_their_end)
{
    CLEANUP(arena_done)
    struct arena arena = {0};

    cr_assert_str_eq(arena_text(&arena, bytes_slice(bytes_of_text("lease of life"), 0, 5)), "lease");
    cr_assert_str_eq(arena_text(&arena, (struct bytes){0}), "");
    cr_assert(bytes_equal(arena_bytes(&arena, bytes_of_text("fence")), bytes_of_text("fence")));
}
