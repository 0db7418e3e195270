/* Memory that lives as long as a batch: allocated by moving a pointer, given back all at once.
 *
 * An arena with a limit refuses (NULL) what would pass it; one without aborts when memory is out. Nothing in it is
 * freed alone. The zero value is an empty arena without a limit. */
#pragma once

#include "common/base/bytes.h"

#include <stddef.h>

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks; /* the newest first */
    size_t used;                /* bytes given out since the last reset */
    size_t limit;               /* 0 = none */
};

void arena_done(struct arena *arena);
DEFINE_CLEANUP_EMBEDDED(struct arena, arena_done)
/* Forgets everything in it, keeps one chunk for the next batch. */
void arena_reset(struct arena *arena);

/* Aligned for every type, not zeroed. NULL only when the limit would be passed. */
void *arena_allocate(struct arena *arena, size_t size);
/* Zeroed; for arenas without a limit. */
void *arena_zero(struct arena *arena, size_t count, size_t size);
/* Copies, for arenas without a limit. Texts end in NUL. */
struct bytes arena_bytes(struct arena *arena, struct bytes bytes);
char *arena_text(struct arena *arena, struct bytes text);
