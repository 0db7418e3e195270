#include "broker/core/index.h"

/* NOLINTBEGIN(readability-function-size): the macros of uthash nest deeper than a function of ours may */

void index_add(struct index *index, struct index_node *node, const void *key, size_t key_size, void *item)
{
    node->item = item;
    HASH_ADD_KEYPTR(hh, index->nodes, key, key_size, node);
}

void index_remove(struct index *index, struct index_node *node)
{
    HASH_DEL(index->nodes, node);
}

void *index_find(const struct index *index, const void *key, size_t key_size)
{
    struct index_node *found = NULL;

    HASH_FIND(hh, index->nodes, key, key_size, found);
    return found != NULL ? found->item : NULL;
}

/* NOLINTEND(readability-function-size) */

size_t index_count(const struct index *index)
{
    return HASH_COUNT(index->nodes);
}

void *index_first(const struct index *index)
{
    return index->nodes != NULL ? index->nodes->item : NULL;
}

void *index_next(const struct index_node *node)
{
    const struct index_node *next = node->hh.next;

    return next != NULL ? next->item : NULL;
}
