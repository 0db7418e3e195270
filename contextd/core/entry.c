#include "contextd/core/entry.h"

#include "contextd/core/fence.h"

#include <inttypes.h>
#include <string.h>

#define PAGE_VALUE_BYTES ((size_t)512 * 1024)
/* A reply has room for the largest value and the names around it; no page takes more than that. */
#define PAGE_BYTES (VALUE_MAX + (size_t)4 * 1024)
/* What an entry takes in a reply besides its texts and its value. */
#define ENTRY_FIXED_BYTES 96

/* The entry at key, whose texts are already set in *entry; version 0 when there is none. */
static enum status entry_find(struct store_txn *txn, struct bytes key, bool with_value, struct entry *entry,
                              struct error *error)
{
    struct bytes record;
    enum status status = store_get(txn, TABLE_ENTRY, key, &record);

    if (status == STATUS_NOT_FOUND)
        return STATUS_OK;
    TRY(status);
    return entry_unpack(key, record, with_value, entry, error);
}

/* ABORTED/VERSION_CONFLICT, with what is there in effects->entry, so that the caller can merge and try again at once.
 */
static enum status expected_check(struct store_txn *txn, struct bytes key, const struct expected_version *expected,
                                  struct effects *effects)
{
    struct entry *current = &effects->entry;

    if (!expected->present || expected->version == current->version)
        return STATUS_OK;
    TRY(entry_find(txn, key, true, current, &effects->error));
    effects->shows_current = true;
    effects->bytes = current->value.size;
    if (current->version == 0)
        return error_set(&effects->error, STATUS_ABORTED, "VERSION_CONFLICT",
                         "expected.version: %" PRIu64 " was expected, but there is no such key", expected->version);
    return error_set(&effects->error, STATUS_ABORTED, "VERSION_CONFLICT",
                     "expected.version: %" PRIu64 " was expected, the key has version %" PRIu64
                     ": merge with the entry in the detail and try again",
                     expected->version, current->version);
}

/* The last version of a key that is deleted, 0 when it never was there. */
static enum status deleted_find(struct store_txn *txn, struct bytes key, uint64_t *ret_version, struct error *error)
{
    struct bytes record;
    enum status status = store_get(txn, TABLE_DELETED, key, &record);

    if (status == STATUS_NOT_FOUND) {
        *ret_version = 0;
        return STATUS_OK;
    }
    TRY(status);
    return number_unpack(key, record, "deleted entry", ret_version, error);
}

enum status entry_put(struct contextd *core, struct store_txn *txn, const struct contextd_now *now,
                      struct put_entry *put, struct effects *effects)
{
    struct error *error = &effects->error;
    struct entry *current = &effects->entry;
    struct counters *counters = &core->counters;
    struct key key;
    struct task task;

    TRY(put_entry_validate(put, error));
    entry_key(put->namespace, put->key, &key);
    *current = (struct entry){.namespace = put->namespace, .key = put->key};
    TRY(entry_find(txn, key_view(&key), false, current, error));
    TRY(fence_check(txn, &put->writer, &task, error));
    TRY(expected_check(txn, key_view(&key), &put->expected, effects));
    if (now->store_nearly_full)
        return error_set(error, STATUS_RESOURCE_EXHAUSTED, "STORE_FULL",
                         "the store is nearly full: delete entries or make it larger, then try again");

    bool is_new = current->version == 0;
    uint64_t last_version = current->version;
    if (is_new)
        TRY(deleted_find(txn, key_view(&key), &last_version, error));
    struct entry entry = {
        .namespace = put->namespace,
        .key = put->key,
        .version = last_version + 1,
        .revision = counters->revision + 1,
        .modified_ms = now->unix_ms,
        .writer = put->writer,
        .content_type = put->content_type,
        .value = put->value,
        .size_bytes = put->value.size,
    };

    if (is_new && last_version > 0) {
        store_delete(txn, TABLE_DELETED, key_view(&key));
        counters->deleted--;
    }
    entry_pack(key_view(&key), &entry, &effects->record_buffer);
    store_put(txn, TABLE_ENTRY, key_view(&key), buffer_view(&effects->record_buffer));
    fence_remember(core, txn, &put->writer, &task);
    counters->entries[entry_key_kind(put->key)] += is_new;
    counters->entry_bytes += entry.size_bytes - current->size_bytes;
    counters->revision = entry.revision;
    core->changed = true;
    *current = entry;
    effects->bytes = entry.size_bytes;
    return STATUS_OK;
}

static enum status no_such_entry(struct error *error)
{
    return error_set(error, STATUS_NOT_FOUND, "NO_ENTRY", "key: there is no entry with this key in this namespace");
}

enum status entry_get(struct store_txn *txn, struct get_entry *get, struct effects *effects)
{
    struct key key;

    TRY(get_entry_validate(get, &effects->error));
    entry_key(get->namespace, get->key, &key);
    effects->entry = (struct entry){.namespace = get->namespace, .key = get->key};
    TRY(entry_find(txn, key_view(&key), true, &effects->entry, &effects->error));
    effects->bytes = effects->entry.value.size;
    return effects->entry.version > 0 ? STATUS_OK : no_such_entry(&effects->error);
}

enum status entry_delete(struct contextd *core, struct store_txn *txn, struct delete_entry *delete,
                         struct effects *effects)
{
    struct error *error = &effects->error;
    struct entry *current = &effects->entry;
    struct counters *counters = &core->counters;
    struct key key;
    struct task task;

    TRY(delete_entry_validate(delete, error));
    entry_key(delete->namespace, delete->key, &key);
    *current = (struct entry){.namespace = delete->namespace, .key = delete->key};
    TRY(entry_find(txn, key_view(&key), false, current, error));
    TRY(fence_check(txn, &delete->writer, &task, error));
    TRY(expected_check(txn, key_view(&key), &delete->expected, effects));
    if (current->version == 0)
        return no_such_entry(error);

    number_pack(key_view(&key), current->version, &effects->record_buffer);
    store_put(txn, TABLE_DELETED, key_view(&key), buffer_view(&effects->record_buffer));
    store_delete(txn, TABLE_ENTRY, key_view(&key));
    fence_remember(core, txn, &delete->writer, &task);
    counters->entries[entry_key_kind(delete->key)]--;
    counters->entry_bytes -= current->size_bytes;
    counters->deleted++;
    counters->revision++;
    core->changed = true;
    current->revision = counters->revision;
    return STATUS_OK;
}

/* A page while it is filled. */
struct page {
    size_t value_bytes;
    size_t bytes;
};

/* Whether entry still belongs to the page. The first always does, or no page could get past it. */
static bool page_take(struct page *page, const struct entry *entry, size_t count)
{
    page->value_bytes += entry->value.size;
    page->bytes += ENTRY_FIXED_BYTES + entry->namespace.size + entry->key.size + entry->content_type.size +
                   entry->writer.agent_id.size + entry->value.size;
    return count == 0 || (page->value_bytes <= PAGE_VALUE_BYTES && page->bytes <= PAGE_BYTES);
}

static void set_page_token(struct effects *effects, struct bytes last_key)
{
    memcpy(effects->next_page_token, last_key.data, last_key.size);
    effects->next_page_token[last_key.size] = '\0';
}

enum status entry_list(struct store_txn *txn, struct list_entries *list, struct effects *effects)
{
    struct page page = {0};
    struct key prefix;
    struct key start;
    struct bytes key;
    struct bytes record;

    TRY(list_entries_validate(list, &effects->error));
    entry_key(list->namespace, list->prefix, &prefix);
    start = prefix;
    if (list->page_token.size > 0) {
        entry_key(list->namespace, list->page_token, &start);
        key_step_behind(&start);
    }
    effects->entries = arena_zero(&effects->arena, list->page_size, sizeof *effects->entries);

    enum status status = store_seek(txn, TABLE_ENTRY, key_view(&start), &key, &record);
    while (status == STATUS_OK && bytes_have_prefix(key, key_view(&prefix))) {
        struct entry entry = {.namespace = list->namespace, .key = entry_key_name(key)};
        TRY(entry_unpack(key, record, list->with_values, &entry, &effects->error));
        if (effects->count == list->page_size || !page_take(&page, &entry, effects->count)) {
            set_page_token(effects, effects->entries[effects->count - 1].key);
            break;
        }
        effects->entries[effects->count++] = entry;
        status = store_next(txn, TABLE_ENTRY, &key, &record);
    }
    effects->bytes = page.value_bytes;
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}
