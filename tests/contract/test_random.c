/* The same random operations on both stores and on a plain model: every answer must be the same. */
#include "common/base/check.h"
#include "tests/contract/stores.h"
#include "tests/support/random.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define KEYS_MAX 200
#define STEPS 20000

/* The model: a sorted table of pairs. Values are texts of repeated letters, told apart by letter and size. */
struct model {
    struct {
        char key[8];
        uint32_t size;
        char letter;
    } pairs[TABLE_COUNT][KEYS_MAX];
    uint32_t counts[TABLE_COUNT];
};

struct world {
    struct random random;
    struct store *stores[2];
    struct store_txn *txns[2];
    struct model committed;
    struct model current;
    uint32_t places[TABLE_COUNT]; /* index + 1 of the pair last returned, 0 = none */
    bool in_write;
};

static uint32_t draw(struct world *world, uint32_t bound)
{
    return (uint32_t)random_below(&world->random, bound);
}

/* The index of the first pair at or behind key. */
static uint32_t model_index(const struct model *model, uint32_t table, const char *key)
{
    uint32_t index = 0;

    while (index < model->counts[table] && strcmp(model->pairs[table][index].key, key) < 0)
        index++;
    return index;
}

static bool model_has(const struct model *model, uint32_t table, const char *key, uint32_t index)
{
    return index < model->counts[table] && strcmp(model->pairs[table][index].key, key) == 0;
}

static void model_put(struct model *model, uint32_t table, const char *key, uint32_t size, char letter)
{
    uint32_t index = model_index(model, table, key);

    if (!model_has(model, table, key, index)) {
        memmove(&model->pairs[table][index + 1], &model->pairs[table][index],
                (model->counts[table] - index) * sizeof model->pairs[table][0]);
        model->counts[table]++;
        (void)snprintf(model->pairs[table][index].key, sizeof model->pairs[table][index].key, "%s", key);
    }
    model->pairs[table][index].size = size;
    model->pairs[table][index].letter = letter;
}

static void model_delete(struct model *model, uint32_t table, const char *key)
{
    uint32_t index = model_index(model, table, key);

    if (!model_has(model, table, key, index))
        return;
    memmove(&model->pairs[table][index], &model->pairs[table][index + 1],
            (model->counts[table] - index - 1) * sizeof model->pairs[table][0]);
    model->counts[table]--;
}

static void assert_value(struct bytes value, uint32_t size, char letter)
{
    cr_assert_eq(value.size, size);
    for (size_t i = 0; i < value.size; i++)
        cr_assert(value.data[i] == (uint8_t)letter);
}

/* Both stores found what the model has at index, or nothing behind its end. */
static void assert_found(struct world *world, uint32_t table, uint32_t index, enum status status,
                         const struct bytes *pair)
{
    if (index >= world->current.counts[table]) {
        cr_assert_eq(status, STATUS_NOT_FOUND);
        world->places[table] = 0;
        return;
    }
    cr_assert_eq(status, STATUS_OK);
    cr_assert(bytes_equal(pair[0], bytes_of_text(world->current.pairs[table][index].key)));
    assert_value(pair[1], world->current.pairs[table][index].size, world->current.pairs[table][index].letter);
    world->places[table] = index + 1;
}

static void write_one(struct world *world, uint32_t table, const char *key)
{
    static char body[9000];
    bool deletes = draw(world, 3) == 0;
    uint32_t size = draw(world, 20) == 0 ? draw(world, sizeof body) : draw(world, 60);
    char letter = (char)('a' + draw(world, 26));
    uint32_t count = world->current.counts[table];
    bool appends = count == 0 || strcmp(world->current.pairs[table][count - 1].key, key) < 0;

    if (deletes) {
        model_delete(&world->current, table, key);
    } else {
        model_put(&world->current, table, key, size, letter);
        memset(body, letter, size);
    }
    world->places[table] = 0;
    for (size_t i = 0; i < 2; i++) {
        struct bytes value = {.data = (const uint8_t *)body, .size = size};
        if (deletes)
            store_delete(world->txns[i], table, bytes_of_text(key));
        else if (appends)
            store_put_append(world->txns[i], table, bytes_of_text(key), value);
        else
            store_put(world->txns[i], table, bytes_of_text(key), value);
    }
}

static void read_one(struct world *world, uint32_t table, const char *key)
{
    uint32_t index = model_index(&world->current, table, key);
    struct bytes value;

    for (size_t i = 0; i < 2; i++) {
        enum status status = store_get(world->txns[i], table, bytes_of_text(key), &value);
        cr_assert_eq(status, model_has(&world->current, table, key, index) ? STATUS_OK : STATUS_NOT_FOUND);
        if (status == STATUS_OK)
            assert_value(value, world->current.pairs[table][index].size, world->current.pairs[table][index].letter);
    }
}

static void seek_one(struct world *world, uint32_t table, const char *key, bool back)
{
    uint32_t index = model_index(&world->current, table, key);
    struct bytes pair[2];

    /* Below the first, the index wraps to one behind every end. */
    if (back && !model_has(&world->current, table, key, index))
        index--;
    for (size_t i = 0; i < 2; i++) {
        enum status status = back ? store_seek_back(world->txns[i], table, bytes_of_text(key), &pair[0], &pair[1])
                                  : store_seek(world->txns[i], table, bytes_of_text(key), &pair[0], &pair[1]);
        assert_found(world, table, index, status, pair);
    }
}

static void step_one(struct world *world, uint32_t table, bool back)
{
    uint32_t place = world->places[table];
    struct bytes pair[2];

    if (place == 0)
        return;
    for (size_t i = 0; i < 2; i++) {
        enum status status = back ? store_previous(world->txns[i], table, &pair[0], &pair[1])
                                  : store_next(world->txns[i], table, &pair[0], &pair[1]);
        assert_found(world, table, back ? place - 2 : place, status, pair);
    }
}

static void end_transaction(struct world *world)
{
    bool commits = draw(world, 3) > 0;

    for (size_t i = 0; i < 2; i++) {
        if (commits)
            must_commit(&world->txns[i]);
        else
            store_abort(&world->txns[i]);
    }
    if (commits)
        world->committed = world->current;
    else
        world->current = world->committed;
    world->in_write = draw(world, 4) > 0;
    memset(world->places, 0, sizeof world->places);
    for (size_t i = 0; i < 2; i++)
        world->txns[i] = must_begin(world->stores[i], world->in_write ? STORE_WRITE : STORE_READ);
}

static void step_world(struct world *world)
{
    uint32_t table = draw(world, TABLE_COUNT);
    char key[8];

    (void)snprintf(key, sizeof key, "%u", draw(world, KEYS_MAX));
    switch (draw(world, 8)) {
    case 0:
    case 1:
    case 2:
        if (world->in_write)
            write_one(world, table, key);
        return;
    case 3:
        read_one(world, table, key);
        return;
    case 4:
        seek_one(world, table, key, draw(world, 2) == 0);
        return;
    case 5:
    case 6:
        for (uint32_t count = draw(world, 6); count > 0; count--)
            step_one(world, table, draw(world, 3) == 0);
        return;
    default:
        if (draw(world, 8) == 0)
            end_transaction(world);
        return;
    }
}

static uint64_t seed_of_today(void)
{
    const char *text = getenv("GANGER_SEED");
    uint64_t seed = 0;

    if (text != NULL)
        return strtoull(text, NULL, 10);
    CHECK(getrandom(&seed, sizeof seed, 0) == (ssize_t)sizeof seed);
    return seed;
}

Test(random, operations_have_the_same_answers_everywhere)
{
    static struct world world;
    uint64_t seed = seed_of_today();

    (void)fprintf(stderr, "GANGER_SEED=%llu\n", (unsigned long long)seed);
    world.random = (struct random){.state = seed};
    world.in_write = true;
    world.stores[0] = store_of(KIND_MEM, 0);
    world.stores[1] = store_of(KIND_LMDB, 0);
    for (size_t i = 0; i < 2; i++)
        world.txns[i] = must_begin(world.stores[i], STORE_WRITE);
    for (uint32_t step = 0; step < STEPS; step++)
        step_world(&world);
    for (size_t i = 0; i < 2; i++) {
        store_abort(&world.txns[i]);
        store_close(world.stores[i]);
    }
}
