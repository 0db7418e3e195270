#include "common/store/tree.h"

#include "common/base/check.h"

#include <string.h>

/* A key and its value, in one piece and never changed: versions share them. */
struct pair {
    uint32_t owners;
    uint32_t key_size;
    size_t value_size;
    uint8_t data[];
};

/* A node with one owner may be changed in place, because all above it then have one owner too: writes come from the
 * root and take what they pass (own_node). */
struct tree {
    uint32_t owners;
    int height;
    struct pair *pair;
    struct tree *sides[2]; /* smaller, greater */
};

static struct pair *pair_new(struct bytes key, struct bytes value)
{
    struct pair *pair = allocate(sizeof *pair + key.size + value.size);

    *pair = (struct pair){.owners = 1, .key_size = (uint32_t)key.size, .value_size = value.size};
    memcpy(pair->data, key.data, key.size);
    if (value.size > 0)
        memcpy(pair->data + key.size, value.data, value.size);
    return pair;
}

static void pair_release(struct pair *pair)
{
    if (--pair->owners == 0)
        free(pair);
}

static struct bytes pair_key(const struct pair *pair)
{
    return (struct bytes){.data = pair->data, .size = pair->key_size};
}

static struct bytes pair_value(const struct pair *pair)
{
    return (struct bytes){.data = pair->data + pair->key_size, .size = pair->value_size};
}

struct tree *tree_share(struct tree *tree)
{
    if (tree != NULL)
        tree->owners++;
    return tree;
}

struct tree *tree_free(struct tree *tree)
{
    if (tree == NULL || --tree->owners > 0)
        return NULL;
    tree_free(tree->sides[0]);
    tree_free(tree->sides[1]);
    pair_release(tree->pair);
    free(tree);
    return NULL;
}

/* Makes the node at *at one that only its parent owns. */
static struct tree *own_node(struct tree **at)
{
    struct tree *node = *at;
    CHECK(node != NULL);
    if (node->owners == 1)
        return node;

    struct tree *copy = allocate(sizeof *copy);
    *copy = (struct tree){.owners = 1,
                          .height = node->height,
                          .pair = node->pair,
                          .sides = {tree_share(node->sides[0]), tree_share(node->sides[1])}};
    node->pair->owners++;
    node->owners--;
    *at = copy;
    return copy;
}

static int height_of(const struct tree *tree)
{
    return tree != NULL ? tree->height : 0;
}

static void measure(struct tree *node)
{
    int smaller = height_of(node->sides[0]);
    int greater = height_of(node->sides[1]);
    node->height = 1 + (smaller > greater ? smaller : greater);
}

/* Lifts the child on that side above the node at *at, which is owned. */
static void rotate(struct tree **at, int side)
{
    struct tree *node = *at;
    struct tree *child = own_node(&node->sides[side]);

    node->sides[side] = child->sides[1 - side];
    child->sides[1 - side] = node;
    measure(node);
    measure(child);
    *at = child;
}

/* After a change below: the heights of the two sides differ by one at most again. */
static void balance(struct tree **at)
{
    struct tree *node = *at;
    int lean = height_of(node->sides[1]) - height_of(node->sides[0]);

    measure(node);
    if (lean >= -1 && lean <= 1)
        return;
    int side = lean > 0;
    struct tree *child = own_node(&node->sides[side]);
    if (height_of(child->sides[1 - side]) > height_of(child->sides[side]))
        rotate(&node->sides[side], 1 - side);
    rotate(at, side);
}

static void put_pair(struct tree **at, struct pair *pair)
{
    if (*at == NULL) {
        *at = allocate(sizeof **at);
        **at = (struct tree){.owners = 1, .height = 1, .pair = pair};
        return;
    }
    struct tree *node = own_node(at);
    int order = bytes_compare(pair_key(pair), pair_key(node->pair));
    if (order == 0) {
        pair_release(node->pair);
        node->pair = pair;
        return;
    }
    put_pair(&node->sides[order > 0], pair);
    balance(at);
}

void tree_put(struct tree **tree, struct bytes key, struct bytes value)
{
    put_pair(tree, pair_new(key, value));
}

/* Takes the node at *at out, which is owned and has one side at most. Its pair goes to the caller. */
static struct pair *unlink_node(struct tree **at)
{
    struct tree *node = *at;
    struct pair *pair = node->pair;

    *at = node->sides[node->sides[0] == NULL];
    free(node);
    return pair;
}

/* Takes the smallest pair below *at out. */
static struct pair *take_smallest(struct tree **at)
{
    struct tree *node = own_node(at);

    if (node->sides[0] == NULL)
        return unlink_node(at);
    struct pair *pair = take_smallest(&node->sides[0]);
    balance(at);
    return pair;
}

/* The key is known to be there. */
static void delete_pair(struct tree **at, struct bytes key)
{
    struct tree *node = own_node(at);
    int order = bytes_compare(key, pair_key(node->pair));

    if (order != 0) {
        delete_pair(&node->sides[order > 0], key);
    } else if (node->sides[0] == NULL || node->sides[1] == NULL) {
        pair_release(unlink_node(at));
        return;
    } else {
        pair_release(node->pair);
        node->pair = take_smallest(&node->sides[1]);
    }
    balance(at);
}

bool tree_delete(struct tree **tree, struct bytes key)
{
    struct bytes value;

    if (!tree_get(*tree, key, &value))
        return false;
    delete_pair(tree, key);
    return true;
}

bool tree_get(const struct tree *tree, struct bytes key, struct bytes *ret_value)
{
    while (tree != NULL) {
        int order = bytes_compare(key, pair_key(tree->pair));
        if (order == 0) {
            *ret_value = pair_value(tree->pair);
            return true;
        }
        tree = tree->sides[order > 0];
    }
    return false;
}

static void push(struct tree_place *place, const struct tree *node)
{
    CHECK(place->depth < TREE_DEPTH_MAX);
    place->path[place->depth++] = node;
}

bool tree_seek(const struct tree *tree, struct bytes key, bool back, struct tree_place *place)
{
    uint32_t best = 0; /* depth of the path to the nearest node so far on the right side of the key */

    place->depth = 0;
    while (tree != NULL) {
        int order = bytes_compare(key, pair_key(tree->pair));
        push(place, tree);
        if (order == 0)
            return true;
        if ((order > 0) == back)
            best = place->depth;
        tree = tree->sides[order > 0];
    }
    place->depth = best;
    return best > 0;
}

bool tree_step(struct tree_place *place, bool back)
{
    int onward = back ? 0 : 1;
    const struct tree *node = place->path[place->depth - 1];

    if (node->sides[onward] != NULL) {
        for (node = node->sides[onward]; node != NULL; node = node->sides[1 - onward])
            push(place, node);
        return true;
    }
    do {
        node = place->path[--place->depth];
    } while (place->depth > 0 && place->path[place->depth - 1]->sides[onward] == node);
    return place->depth > 0;
}

struct bytes tree_place_key(const struct tree_place *place)
{
    return pair_key(place->path[place->depth - 1]->pair);
}

struct bytes tree_place_value(const struct tree_place *place)
{
    return pair_value(place->path[place->depth - 1]->pair);
}
