/* For structs that are borrowed elsewhere and own their texts here: their members are const. */
#pragma once

#include <stdlib.h>

static inline void free_text(const char *text)
{
    union {
        const char *borrowed;
        char *owned;
    } pointer = {.borrowed = text};

    free(pointer.owned);
}
