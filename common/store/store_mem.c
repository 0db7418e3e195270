#include "common/store/store_mem.h"

#include "common/base/check.h"
#include "common/store/backend.h"
#include "common/store/tree.h"

#include <string.h>

struct mem_store {
    struct store store;
    uint64_t limit_bytes;
    uint64_t used_bytes;
    struct tree *tables[STORE_TABLES_MAX];
};

/* A copy that a read handed out. */
struct loan {
    struct loan *next;
    uint8_t data[];
};

struct mem_txn {
    struct store_txn txn;
    uint64_t used_bytes;
    struct loan *loans;
    struct tree *tables[STORE_TABLES_MAX];
    struct tree_place *places[STORE_TABLES_MAX]; /* made when first needed */
};

static struct mem_store *mem_of(struct store *store)
{
    return (struct mem_store *)store;
}

static struct mem_txn *mem_txn_of(struct store_txn *txn)
{
    return (struct mem_txn *)txn;
}

static void mem_close(struct store *store)
{
    for (uint32_t table = 0; table < store->table_count; table++)
        tree_free(mem_of(store)->tables[table]);
    free(store);
}

static enum status mem_begin(struct store *store, enum store_mode mode, struct store_txn **ret_txn)
{
    struct mem_txn *mem = allocate_zero(1, sizeof *mem);

    (void)mode;
    mem->used_bytes = mem_of(store)->used_bytes;
    for (uint32_t table = 0; table < store->table_count; table++)
        mem->tables[table] = tree_share(mem_of(store)->tables[table]);
    *ret_txn = &mem->txn;
    return STATUS_OK;
}

static void take_loans_back(struct mem_txn *mem)
{
    while (mem->loans != NULL) {
        struct loan *loan = mem->loans;
        mem->loans = loan->next;
        free(loan);
    }
}

static void mem_abort(struct store_txn *txn)
{
    struct mem_txn *mem = mem_txn_of(txn);

    take_loans_back(mem);
    for (uint32_t table = 0; table < txn->store->table_count; table++) {
        tree_free(mem->tables[table]);
        free(mem->places[table]);
    }
    free(mem);
}

static enum status mem_commit(struct store_txn *txn)
{
    struct mem_store *store = mem_of(txn->store);
    struct mem_txn *mem = mem_txn_of(txn);

    for (uint32_t table = 0; table < txn->store->table_count; table++) {
        struct tree *old = store->tables[table];
        store->tables[table] = mem->tables[table];
        mem->tables[table] = old;
    }
    store->used_bytes = mem->used_bytes;
    mem_abort(txn);
    return STATUS_OK;
}

/* Reads hand out copies, which the next write takes back: what holds on to one for longer than the contract says is
 * found by the address sanitizer here, before LMDB's pages change under it in production. */
static struct bytes lend(struct mem_txn *mem, struct bytes bytes)
{
    struct loan *loan = allocate(sizeof *loan + bytes.size);

    loan->next = mem->loans;
    mem->loans = loan;
    if (bytes.size > 0)
        memcpy(loan->data, bytes.data, bytes.size);
    return (struct bytes){.data = loan->data, .size = bytes.size};
}

static enum status mem_get(struct store_txn *txn, uint32_t table, struct bytes key, struct bytes *ret_value)
{
    struct mem_txn *mem = mem_txn_of(txn);
    struct bytes value;

    if (!tree_get(mem->tables[table], key, &value))
        return STATUS_NOT_FOUND;
    *ret_value = lend(mem, value);
    return STATUS_OK;
}

static bool is_behind_all(const struct tree *tree, struct bytes key)
{
    struct tree_place place;
    return !tree_seek(tree, key, false, &place);
}

static enum status mem_put(struct store_txn *txn, uint32_t table, struct bytes key, struct bytes value, bool append)
{
    struct mem_txn *mem = mem_txn_of(txn);
    uint64_t limit_bytes = mem_of(txn->store)->limit_bytes;
    struct bytes old;

    if (append && !is_behind_all(mem->tables[table], key))
        return store_fail(txn->store, STATUS_INTERNAL, "table %u: appended key is not behind all others", table);
    uint64_t used_bytes = mem->used_bytes + value.size;
    if (tree_get(mem->tables[table], key, &old))
        used_bytes -= old.size;
    else
        used_bytes += key.size;
    if (limit_bytes > 0 && used_bytes > limit_bytes && used_bytes > mem->used_bytes)
        return store_fail(txn->store, STATUS_RESOURCE_EXHAUSTED, "the store is full");
    tree_put(&mem->tables[table], key, value);
    mem->used_bytes = used_bytes;
    take_loans_back(mem);
    return STATUS_OK;
}

static enum status mem_delete(struct store_txn *txn, uint32_t table, struct bytes key)
{
    struct mem_txn *mem = mem_txn_of(txn);
    struct bytes old;

    if (!tree_get(mem->tables[table], key, &old))
        return STATUS_NOT_FOUND;
    mem->used_bytes -= key.size + old.size;
    CHECK(tree_delete(&mem->tables[table], key));
    take_loans_back(mem);
    return STATUS_OK;
}

static enum status hand_out(struct mem_txn *mem, uint32_t table, bool found, struct store_pair *ret_pair)
{
    if (!found)
        return STATUS_NOT_FOUND;
    ret_pair->key = lend(mem, tree_place_key(mem->places[table]));
    ret_pair->value = lend(mem, tree_place_value(mem->places[table]));
    return STATUS_OK;
}

static enum status mem_seek(struct store_txn *txn, uint32_t table, struct bytes key, bool back,
                            struct store_pair *ret_pair)
{
    struct mem_txn *mem = mem_txn_of(txn);

    if (mem->places[table] == NULL)
        mem->places[table] = allocate(sizeof *mem->places[table]);
    return hand_out(mem, table, tree_seek(mem->tables[table], key, back, mem->places[table]), ret_pair);
}

static enum status mem_step(struct store_txn *txn, uint32_t table, bool back, struct store_pair *ret_pair)
{
    struct mem_txn *mem = mem_txn_of(txn);
    return hand_out(mem, table, tree_step(mem->places[table], back), ret_pair);
}

static void mem_usage(struct store *store, struct store_usage *ret_usage)
{
    ret_usage->used_bytes = mem_of(store)->used_bytes;
    ret_usage->limit_bytes = mem_of(store)->limit_bytes;
}

struct store *store_mem_new(const struct store_schema *schema, uint64_t limit_bytes)
{
    static const struct store_ops ops = {
        .close = mem_close,
        .begin = mem_begin,
        .commit = mem_commit,
        .abort = mem_abort,
        .get = mem_get,
        .put = mem_put,
        .delete = mem_delete,
        .seek = mem_seek,
        .step = mem_step,
        .usage = mem_usage,
    };
    struct mem_store *mem = allocate_zero(1, sizeof *mem);

    CHECK(schema->count <= STORE_TABLES_MAX);
    mem->store = (struct store){.ops = &ops, .table_count = schema->count};
    mem->limit_bytes = limit_bytes;
    return &mem->store;
}

void store_mem_set_limit(struct store *store, uint64_t limit_bytes)
{
    mem_of(store)->limit_bytes = limit_bytes;
}
