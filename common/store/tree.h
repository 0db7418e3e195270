/* An ordered map of bytes whose old versions stay readable: a balanced (AVL) tree that shares what did not change.
 *
 * A version is a pointer to its root, NULL when empty. tree_share makes another owner of the same version; a write
 * through one of them copies what it changes and leaves the others as they were. Not for several threads. */
#pragma once

#include "common/base/bytes.h"

#include <stdbool.h>

/* An AVL tree of 2^44 nodes is no deeper. */
#define TREE_DEPTH_MAX 64

struct tree;

struct tree *tree_share(struct tree *tree);
/* Gives up one owner's hold; NULL is fine. Returns NULL. */
struct tree *tree_free(struct tree *tree);

/* Borrowed from the version that was asked. */
bool tree_get(const struct tree *tree, struct bytes key, struct bytes *ret_value);
void tree_put(struct tree **tree, struct bytes key, struct bytes value);
/* Whether it was there. */
bool tree_delete(struct tree **tree, struct bytes key);

/* A place in a version, valid while that version is neither written through its owner nor freed. The zero value is no
 * place. */
struct tree_place {
    const struct tree *path[TREE_DEPTH_MAX];
    uint32_t depth;
};

/* To the first pair at or after key, or for back to the last one at or before it; false when there is none. */
bool tree_seek(const struct tree *tree, struct bytes key, bool back, struct tree_place *place);
/* To the neighbour; false behind the last or before the first. */
bool tree_step(struct tree_place *place, bool back);
struct bytes tree_place_key(const struct tree_place *place);
struct bytes tree_place_value(const struct tree_place *place);
