/* Random commands in random batches against a plain model of what the store must say. Batches are committed, or thrown
 * away as a full store would; the store is opened anew in between. The seed is printed; GANGER_SEED repeats a run. */
#include "common/base/check.h"
#include "common/store/store_lmdb.h"
#include "common/store/store_mem.h"
#include "contextd/core/core.h"
#include "tests/support/process.h"
#include "tests/support/random.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define KEYS 12
#define STREAMS 5
#define TASKS 3
#define VALUE_SIZES 6000

struct model_entry {
    uint64_t version; /* the last one, also of what is deleted */
    bool exists;
    uint8_t fill;
    size_t size;
};

struct model_stream {
    bool exists;
    bool sealed;
    size_t length;
    uint8_t bytes[400000];
};

struct model {
    struct model_entry entries[KEYS];
    struct model_stream streams[STREAMS];
    uint64_t fences[TASKS + 1];
};

struct world {
    struct random random;
    struct model committed;
    struct model model; /* with the open batch */
    struct store *store;
    struct store_txn *txn;
    struct contextd core;
    struct contextd_now now;
    struct effects effects;
};

static void run(struct world *world, const struct command *command)
{
    cr_assert_eq(contextd_step(&world->core, world->txn, &world->now, command, &world->effects), STATUS_OK);
}

static void expect(const struct world *world, enum status status, const char *reason)
{
    const struct error *error = &world->effects.error;

    cr_assert_eq(error->status, status, "%s, not %s: %s", status_name(error->status), status_name(status),
                 error->message);
    if (status != STATUS_OK)
        cr_assert_str_eq(error->reason, reason);
}

static const char *key_name(size_t index)
{
    static const char *const names[KEYS] = {"global/a",          "global/a/b", "global/aa",         "global/b",
                                            "docs/a.md",         "docs/b.md",  "tasks/0000-0001/x", "tasks/0000-0001/y",
                                            "tasks/0000-0002/x", "agents/a/x", "agents/a/y",        "agents/b/x"};
    return names[index];
}

static void random_put(struct world *world)
{
    size_t index = random_below(&world->random, KEYS);
    struct model_entry *entry = &world->model.entries[index];
    uint8_t value[VALUE_SIZES];
    struct put_entry put = {.key = bytes_of_text(key_name(index)), .content_type = bytes_of_text("text/plain")};

    put.value = (struct bytes){
        .data = value, .size = random_below(&world->random, 4) == 0 ? random_below(&world->random, VALUE_SIZES) : 9};
    uint8_t fill = (uint8_t)random_below(&world->random, 256);
    memset(value, fill, put.value.size);
    uint64_t present = entry->exists ? entry->version : 0;
    put.expected.present = random_below(&world->random, 2) == 0;
    put.expected.version = random_below(&world->random, 3) == 0 ? random_below(&world->random, 6) : present;
    put.writer.task_id = random_below(&world->random, TASKS + 1);
    uint64_t *fence = &world->model.fences[put.writer.task_id];
    if (put.writer.task_id != 0)
        put.writer.fence = random_below(&world->random, 4) == 0 ? random_below(&world->random, *fence + 1)
                                                                : *fence + random_below(&world->random, 2);
    world->now.store_nearly_full = random_below(&world->random, 10) == 0;

    run(world, &(struct command){.kind = COMMAND_PUT_ENTRY, .put_entry = put});
    if (put.writer.fence < *fence)
        return expect(world, STATUS_ABORTED, "STALE_FENCE");
    if (put.expected.present && put.expected.version != present) {
        expect(world, STATUS_ABORTED, "VERSION_CONFLICT");
        cr_assert_eq(world->effects.entry.version, present);
        cr_assert_eq(world->effects.entry.value.size, entry->exists ? entry->size : 0);
        return;
    }
    if (world->now.store_nearly_full)
        return expect(world, STATUS_RESOURCE_EXHAUSTED, "STORE_FULL");
    expect(world, STATUS_OK, NULL);
    *entry = (struct model_entry){.version = entry->version + 1, .exists = true, .fill = fill, .size = put.value.size};
    *fence = put.writer.fence > *fence ? put.writer.fence : *fence;
    cr_assert_eq(world->effects.entry.version, entry->version);
}

static void random_delete(struct world *world)
{
    size_t index = random_below(&world->random, KEYS);
    struct model_entry *entry = &world->model.entries[index];
    uint64_t present = entry->exists ? entry->version : 0;
    struct delete_entry delete = {.key = bytes_of_text(key_name(index))};

    delete.expected.present = random_below(&world->random, 2) == 0;
    delete.expected.version = random_below(&world->random, 3) == 0 ? random_below(&world->random, 6) : present;
    run(world, &(struct command){.kind = COMMAND_DELETE_ENTRY, .delete_entry = delete});
    if (delete.expected.present && delete.expected.version != present)
        return expect(world, STATUS_ABORTED, "VERSION_CONFLICT");
    if (!entry->exists)
        return expect(world, STATUS_NOT_FOUND, "NO_ENTRY");
    expect(world, STATUS_OK, NULL);
    entry->exists = false;
}

static void random_get(struct world *world)
{
    size_t index = random_below(&world->random, KEYS);
    const struct model_entry *entry = &world->model.entries[index];
    struct get_entry get = {.key = bytes_of_text(key_name(index))};

    run(world, &(struct command){.kind = COMMAND_GET_ENTRY, .get_entry = get});
    if (!entry->exists)
        return expect(world, STATUS_NOT_FOUND, "NO_ENTRY");
    expect(world, STATUS_OK, NULL);
    cr_assert_eq(world->effects.entry.version, entry->version);
    cr_assert_eq(world->effects.entry.value.size, entry->size);
    for (size_t i = 0; i < entry->size; i++)
        cr_assert_eq(world->effects.entry.value.data[i], entry->fill);
}

static struct stream_name stream_of(size_t index)
{
    static const char *const names[STREAMS] = {"stdout", "stderr", "stdout", "events", "log"};
    static const uint64_t tasks[STREAMS] = {1, 1, 2, 3, 0};

    return (struct stream_name){.task_id = tasks[index], .fence = index, .name = bytes_of_text(names[index])};
}

/* What the whole stream would be: its bytes are a function of the stream and the offset. */
static void fill_stream(struct bytes *ret_data, uint8_t *memory, size_t index, size_t offset, size_t size)
{
    for (size_t i = 0; i < size; i++)
        memory[i] = (uint8_t)((offset + i) * 31 + index);
    *ret_data = (struct bytes){.data = memory, .size = size};
}

static size_t random_append_size(struct world *world)
{
    switch (random_below(&world->random, 8)) {
    case 0:
        return random_below(&world->random, 150000);
    case 1:
        return random_below(&world->random, 5000);
    case 2:
        return 0;
    default:
        return random_below(&world->random, 200);
    }
}

static void random_append(struct world *world)
{
    static uint8_t memory[150000];
    size_t index = random_below(&world->random, STREAMS);
    struct model_stream *stream = &world->model.streams[index];
    struct append_stream append = {.stream = stream_of(index), .offset = stream->length};
    size_t size = random_append_size(world);
    bool is_wrong = random_below(&world->random, 16) == 0;

    if (random_below(&world->random, 3) == 0)
        append.offset = random_below(&world->random, stream->length + 3);
    if (append.offset + size > sizeof stream->bytes)
        size = sizeof stream->bytes > append.offset ? sizeof stream->bytes - append.offset : 0;
    fill_stream(&append.data, memory, index, append.offset, size);
    is_wrong = is_wrong && size > 0 && append.offset < stream->length;
    if (is_wrong)
        memory[0] ^= 1;
    uint64_t end = append.offset + size;
    world->now.store_nearly_full = random_below(&world->random, 10) == 0;

    run(world, &(struct command){.kind = COMMAND_APPEND_STREAM, .append_stream = append});
    if (is_wrong)
        return expect(world, STATUS_ABORTED, "DIFFERENT_BYTES");
    if (stream->sealed && (end > stream->length || append.offset > stream->length))
        return expect(world, STATUS_FAILED_PRECONDITION, "SEALED");
    if (append.offset > stream->length)
        return expect(world, STATUS_FAILED_PRECONDITION, "HOLE");
    if (world->now.store_nearly_full && (end > stream->length || !stream->exists))
        return expect(world, STATUS_RESOURCE_EXHAUSTED, "STORE_FULL");
    expect(world, STATUS_OK, NULL);
    if (end > stream->length) {
        memcpy(stream->bytes + append.offset, memory, size);
        stream->length = end;
    }
    cr_assert_eq(world->effects.stream.stream.length, stream->length);
    uint64_t *fence = &world->model.fences[append.stream.task_id];
    if (!stream->exists && append.stream.task_id != 0 && append.stream.fence > *fence)
        *fence = append.stream.fence;
    stream->exists = true;
}

static void random_seal(struct world *world)
{
    size_t index = random_below(&world->random, STREAMS);
    struct model_stream *stream = &world->model.streams[index];
    struct seal_stream seal = {.stream = stream_of(index), .length = stream->length};

    /* Rarely with the right length, or all streams would be sealed at once. */
    seal.length += random_below(&world->random, 8);
    run(world, &(struct command){.kind = COMMAND_SEAL_STREAM, .seal_stream = seal});
    if (!stream->exists && seal.length > 0)
        return expect(world, STATUS_NOT_FOUND, "NO_STREAM");
    if (seal.length != stream->length)
        return expect(world, STATUS_FAILED_PRECONDITION, "LENGTH_DIFFERS");
    expect(world, STATUS_OK, NULL);
    cr_assert_eq(world->effects.stream.stream.crc32c, crc32c(0, stream->bytes, stream->length));
    uint64_t *fence = &world->model.fences[seal.stream.task_id];
    if (!stream->exists && seal.stream.task_id != 0 && seal.stream.fence > *fence)
        *fence = seal.stream.fence;
    stream->exists = true;
    stream->sealed = true;
}

static void random_read(struct world *world)
{
    size_t index = random_below(&world->random, STREAMS);
    const struct model_stream *stream = &world->model.streams[index];
    struct read_stream read = {.stream = stream_of(index),
                               .offset = random_below(&world->random, stream->length + 2),
                               .max_bytes = (uint32_t)(1 + random_below(&world->random, 200000))};

    run(world, &(struct command){.kind = COMMAND_READ_STREAM, .read_stream = read});
    if (!stream->exists)
        return expect(world, STATUS_NOT_FOUND, "NO_STREAM");
    expect(world, STATUS_OK, NULL);
    struct bytes all = {.data = stream->bytes, .size = stream->length};
    cr_assert(bytes_equal(world->effects.data, bytes_slice(all, read.offset, read.max_bytes)));
    cr_assert_eq(world->effects.stream.stream.sealed, stream->sealed);
}

static void list_all(struct world *world)
{
    struct command command = {.kind = COMMAND_LIST_ENTRIES, .list_entries = {.page_size = 1000}};
    size_t exist = 0;

    run(world, &command);
    expect(world, STATUS_OK, NULL);
    for (size_t i = 0; i < KEYS; i++)
        exist += world->model.entries[i].exists;
    cr_assert_eq(world->effects.count, exist);
    for (size_t i = 1; i < exist; i++)
        cr_assert_lt(bytes_compare(world->effects.entries[i - 1].key, world->effects.entries[i].key), 0);
}

static void run_batch(struct world *world)
{
    static void (*const actions[])(struct world *) = {random_put,    random_put,    random_delete, random_get,
                                                      random_append, random_append, random_append, random_seal,
                                                      random_read,   list_all};
    struct error error = {0};
    size_t count = 1 + random_below(&world->random, 6);

    cr_assert_eq(store_begin(world->store, STORE_WRITE, &world->txn), STATUS_OK);
    cr_assert_eq(contextd_begin(&world->core, world->txn, &error), STATUS_OK, "%s", error.message);
    for (size_t i = 0; i < count; i++) {
        world->now.unix_ms++;
        actions[random_below(&world->random, sizeof actions / sizeof actions[0])](world);
        cr_assert_eq(contextd_check(&world->core, world->txn, &error), STATUS_OK, "%s", error.message);
    }
    contextd_finish(&world->core, world->txn, &world->now);
    if (random_below(&world->random, 8) == 0) {
        store_abort(&world->txn);
        world->model = world->committed;
    } else {
        cr_assert_eq(store_commit(&world->txn), STATUS_OK);
        world->committed = world->model;
    }
}

static struct world *new_world(void)
{
    struct world *world = allocate_zero(1, sizeof *world);
    uint64_t seed = seed_from_environment();

    world->random = random_for(seed, 0);
    (void)fprintf(stderr, "GANGER_SEED=%" PRIu64 "\n", seed);
    return world;
}

static void free_world(struct world *world)
{
    context_effects_done(&world->effects);
    store_close(world->store);
    free(world);
}

Test(model, random_batches_leave_the_store_as_the_model_says)
{
    struct world *world = new_world();

    world->store = store_mem_new(&contextd_schema, 0);
    for (int batch = 0; batch < 300; batch++)
        run_batch(world);
    free_world(world);
}

Test(model, random_batches_hold_on_disk_and_over_every_restart)
{
    char directory[128];
    struct world *world = new_world();
    struct error error = {0};

    cr_assert(scratch_make(NULL, directory, sizeof directory));
    for (int batch = 0; batch < 150; batch++) {
        if (batch % 10 == 0) {
            store_close(world->store);
            cr_assert_eq(store_lmdb_open(&contextd_schema, &(struct store_lmdb_options){.directory = directory},
                                         &world->store, &error),
                         STATUS_OK, "%s", error.message);
        }
        run_batch(world);
    }
    free_world(world);
    scratch_remove(directory);
}
