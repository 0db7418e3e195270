#include "common/base/arena.h"

#include "common/base/check.h"

#include <stdalign.h>
#include <string.h>

#define CHUNK_SIZE ((size_t)64 * 1024)

struct arena_chunk {
    struct arena_chunk *next;
    size_t size;
    size_t used;
    alignas(max_align_t) uint8_t data[];
};

void arena_done(struct arena *arena)
{
    struct arena_chunk *chunk = arena->chunks;

    while (chunk != NULL) {
        struct arena_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
    *arena = (struct arena){.limit = arena->limit};
}

void arena_reset(struct arena *arena)
{
    struct arena_chunk *keep = arena->chunks;

    arena->used = 0;
    if (keep == NULL)
        return;
    arena->chunks = keep->next;
    arena_done(arena);
    if (keep->size > CHUNK_SIZE) {
        free(keep);
        return;
    }
    keep->next = NULL;
    keep->used = 0;
    arena->chunks = keep;
}

void *arena_allocate(struct arena *arena, size_t size)
{
    CHECK(size <= SIZE_MAX / 2);
    size_t rounded = (size + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);

    if (arena->limit > 0 && rounded > arena->limit - arena->used)
        return NULL;
    struct arena_chunk *chunk = arena->chunks;
    if (chunk == NULL || chunk->size - chunk->used < rounded) {
        size_t chunk_size = rounded > CHUNK_SIZE ? rounded : CHUNK_SIZE;
        chunk = allocate(sizeof *chunk + chunk_size);
        *chunk = (struct arena_chunk){.next = arena->chunks, .size = chunk_size};
        arena->chunks = chunk;
    }
    void *memory = chunk->data + chunk->used;
    chunk->used += rounded;
    arena->used += rounded;
    return memory;
}

void *arena_zero(struct arena *arena, size_t count, size_t size)
{
    CHECK(size == 0 || count <= SIZE_MAX / 2 / size);
    void *memory = arena_allocate(arena, count * size);
    CHECK(memory != NULL);
    memset(memory, 0, count * size);
    return memory;
}

struct bytes arena_bytes(struct arena *arena, struct bytes bytes)
{
    uint8_t *copy = arena_allocate(arena, bytes.size);
    CHECK(copy != NULL);
    if (bytes.size > 0)
        memcpy(copy, bytes.data, bytes.size);
    return (struct bytes){.data = copy, .size = bytes.size};
}

char *arena_text(struct arena *arena, struct bytes text)
{
    char *copy = arena_allocate(arena, text.size + 1);
    CHECK(copy != NULL);
    if (text.size > 0)
        memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    return copy;
}
