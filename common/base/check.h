/* Checks of our own assumptions, on in production: a broken one is a bug, and going on would risk the data. */
#pragma once

#include "common/base/status.h"

#include <stddef.h>

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (__builtin_expect(!(condition), 0))                                                                         \
            check_failed(#condition, __FILE__, __LINE__);                                                              \
    } while (0)

_Noreturn void check_failed(const char *condition, const char *file, int line);

/* Memory: quotas refuse long before it runs out, so out of memory aborts. The memory of allocate_zero is zeroed. */
void *allocate(size_t size) NODISCARD __attribute__((malloc));
void *allocate_zero(size_t count, size_t size) NODISCARD __attribute__((malloc));
void *reallocate(void *memory, size_t size) NODISCARD;
char *duplicate_text(const char *text) NODISCARD;
/* Formats into a new text that the caller frees. */
char *format_text(const char *format, ...) NODISCARD PRINTF_LIKE(1, 2);
