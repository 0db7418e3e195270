#include "contextd/core/keys.h"

#include "common/base/check.h"

#include <string.h>

#define EXPIRY_HEAD_SIZE 9 /* due, kind */

struct bytes key_view(const struct key *key)
{
    return (struct bytes){.data = key->data, .size = key->size};
}

static void key_add(struct key *key, struct bytes bytes)
{
    /* What comes from outside was bounded when it was validated. */
    CHECK(bytes.size <= sizeof key->data - key->size);
    if (bytes.size > 0)
        memcpy(key->data + key->size, bytes.data, bytes.size);
    key->size += bytes.size;
}

static void key_add_u64(struct key *key, uint64_t value)
{
    CHECK(sizeof value <= sizeof key->data - key->size);
    store_u64(key->data + key->size, value);
    key->size += sizeof value;
}

static void key_begin_in(struct key *key, struct bytes namespace)
{
    key->size = 0;
    key_add(key, namespace);
    key_step_behind(key);
}

void key_step_behind(struct key *key)
{
    key_add(key, (struct bytes){.data = (const uint8_t *)"", .size = 1});
}

/* The part of a row's key that follows the namespace and its 0. */
static struct bytes behind_namespace(struct bytes key)
{
    const uint8_t *end = key.size > 0 ? memchr(key.data, 0, key.size) : NULL;
    return end != NULL ? bytes_slice(key, (size_t)(end - key.data) + 1, key.size) : (struct bytes){0};
}

void entry_key(struct bytes namespace, struct bytes entry, struct key *ret_key)
{
    key_begin_in(ret_key, namespace);
    key_add(ret_key, entry);
}

struct bytes entry_key_name(struct bytes key)
{
    return behind_namespace(key);
}

void stream_key_of_task(struct bytes namespace, uint64_t task_id, struct key *ret_key)
{
    key_begin_in(ret_key, namespace);
    key_add_u64(ret_key, task_id);
}

void stream_key(const struct stream_name *name, struct key *ret_key)
{
    stream_key_of_task(name->namespace, name->task_id, ret_key);
    key_add_u64(ret_key, name->fence);
    key_add(ret_key, name->name);
}

struct stream_name stream_key_name(struct bytes key)
{
    struct reader reader = reader_over(behind_namespace(key));
    struct stream_name name = {.task_id = reader_u64(&reader)};

    name.fence = reader_u64(&reader);
    name.name = reader.rest;
    if (key.size > reader.rest.size + STREAM_KEY_NUMBERS_SIZE)
        name.namespace = bytes_slice(key, 0, key.size - reader.rest.size - STREAM_KEY_NUMBERS_SIZE - 1);
    return name;
}

void chunk_key(uint64_t stream_number, uint64_t offset, struct key *ret_key)
{
    ret_key->size = 0;
    key_add_u64(ret_key, stream_number);
    key_add_u64(ret_key, offset);
}

uint64_t chunk_key_stream(struct bytes key)
{
    return key.size == CHUNK_KEY_SIZE ? load_u64(key.data) : 0;
}

uint64_t chunk_key_offset(struct bytes key)
{
    return key.size == CHUNK_KEY_SIZE ? load_u64(key.data + sizeof(uint64_t)) : 0;
}

void name_prefix_key(struct bytes namespace, struct bytes name, struct key *ret_key)
{
    key_begin_in(ret_key, namespace);
    key_add(ret_key, name);
}

void name_key(struct bytes namespace, struct bytes name, struct key *ret_key)
{
    name_prefix_key(namespace, name, ret_key);
    key_step_behind(ret_key);
}

void lock_below_key(struct bytes namespace, struct bytes name, struct key *ret_key)
{
    name_prefix_key(namespace, name, ret_key);
    key_add(ret_key, bytes_of_text("/"));
}

void numbered_key(struct bytes namespace, struct bytes name, uint64_t fence, struct key *ret_key)
{
    name_key(namespace, name, ret_key);
    key_add_u64(ret_key, fence);
}

void lock_holder_key(struct bytes agent_id, uint64_t task_id, uint64_t fence, struct key *ret_key)
{
    key_begin_in(ret_key, agent_id);
    key_add_u64(ret_key, task_id);
    key_add_u64(ret_key, fence);
}

bool numbered_key_read(struct bytes key, struct bytes *ret_namespace, struct bytes *ret_name, uint64_t *ret_fence)
{
    struct bytes rest = behind_namespace(key);

    if (rest.size < sizeof(uint64_t) + 1 || rest.data[rest.size - sizeof(uint64_t) - 1] != 0)
        return false;
    *ret_namespace = bytes_slice(key, 0, key.size - rest.size - 1);
    *ret_name = bytes_slice(rest, 0, rest.size - sizeof(uint64_t) - 1);
    *ret_fence = load_u64(rest.data + rest.size - sizeof(uint64_t));
    return true;
}

void name_key_read(struct bytes key, struct bytes *ret_namespace, struct bytes *ret_name)
{
    struct bytes rest = behind_namespace(key);

    CHECK(rest.size > 0);
    *ret_namespace = bytes_slice(key, 0, key.size - rest.size - 1);
    *ret_name = bytes_slice(rest, 0, rest.size - 1);
}

void context_task_key(uint64_t task_id, struct key *ret_key)
{
    ret_key->size = 0;
    key_add_u64(ret_key, task_id);
}

void part_key(struct bytes namespace, struct bytes name, struct bytes part, struct key *ret_key)
{
    name_key(namespace, name, ret_key);
    key_add(ret_key, part);
}

void expiry_key(uint64_t due_ms, uint8_t kind, struct bytes rest, struct key *ret_key)
{
    ret_key->size = 0;
    key_add_u64(ret_key, due_ms);
    key_add(ret_key, (struct bytes){.data = &kind, .size = 1});
    key_add(ret_key, rest);
}

uint64_t expiry_key_due(struct bytes key)
{
    return key.size > EXPIRY_HEAD_SIZE ? load_u64(key.data) : 0;
}

uint8_t expiry_key_kind(struct bytes key)
{
    return key.size > EXPIRY_HEAD_SIZE ? key.data[EXPIRY_HEAD_SIZE - 1] : 0;
}

struct bytes expiry_key_rest(struct bytes key)
{
    return bytes_slice(key, EXPIRY_HEAD_SIZE, key.size);
}

bool key_copy(struct bytes key, struct key *ret_key)
{
    if (key.size > sizeof ret_key->data)
        return false;
    memcpy(ret_key->data, key.data, key.size);
    ret_key->size = key.size;
    return true;
}
