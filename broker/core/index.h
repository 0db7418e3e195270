/* Hash tables in memory: from the bytes of a key to the thing that has it.
 *
 * Things embed a struct index_node for each index that they are in. Keys and things are borrowed while they are in it.
 * The order of going through one is that of adding, so that the core stays deterministic. The only file of the broker
 * that sees uthash. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define uthash_malloc(size) allocate(size)
#include "common/base/check.h"
#include <uthash.h>

struct index_node {
    void *item;
    UT_hash_handle hh;
};

/* The zero value is empty. */
struct index {
    struct index_node *nodes;
};

void index_add(struct index *index, struct index_node *node, const void *key, size_t key_size, void *item);
void index_remove(struct index *index, struct index_node *node);
/* NULL when it is not in it. */
void *index_find(const struct index *index, const void *key, size_t key_size);
size_t index_count(const struct index *index);
/* For going through: NULL behind the last. */
void *index_first(const struct index *index);
void *index_next(const struct index_node *node);
