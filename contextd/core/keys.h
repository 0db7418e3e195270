/* Where a row is: the keys of every table, made and taken apart. Numbers in them are big-endian, so that the order of
 * bytes is the order of numbers. */
#pragma once

#include "common/base/bytes.h"
#include "common/store/store.h"

#include <stdbool.h>
#include <stdint.h>

#define CHUNK_KEY_SIZE 16
#define TASK_KEY_SIZE 8
#define STREAM_KEY_NUMBERS_SIZE 16 /* task id and fence, behind the namespace and its 0 */

/* A key while it is made. */
struct key {
    uint8_t data[STORE_KEY_MAX];
    size_t size;
};
struct bytes key_view(const struct key *key);

struct stream_name {
    struct bytes namespace;
    uint64_t task_id;
    uint64_t fence;
    struct bytes name;
};

/* A namespace has no byte 0, so no namespace's rows lie between another's. Also for prefixes of a key. */
void entry_key(struct bytes namespace, struct bytes entry, struct key *ret_key);
/* The part behind the namespace. */
struct bytes entry_key_name(struct bytes key);

void stream_key(const struct stream_name *name, struct key *ret_key);
/* What all streams of a task begin with. */
void stream_key_of_task(struct bytes namespace, uint64_t task_id, struct key *ret_key);
/* Borrowed from key. */
struct stream_name stream_key_name(struct bytes key);

void chunk_key(uint64_t stream_number, uint64_t offset, struct key *ret_key);
uint64_t chunk_key_stream(struct bytes key);
uint64_t chunk_key_offset(struct bytes key);

void context_task_key(uint64_t task_id, struct key *ret_key);
/* namespace 0 name 0 number: a lock and its fence, a mailbox and a message. A name has no byte 0, so the rows of one
 * name are a range, and those of all below it another. */
void numbered_key(struct bytes namespace, struct bytes name, uint64_t fence, struct key *ret_key);
/* What all rows of one name begin with. */
void name_key(struct bytes namespace, struct bytes name, struct key *ret_key);
/* What all locks below one name begin with. */
void lock_below_key(struct bytes namespace, struct bytes name, struct key *ret_key);
/* What the rows of all names that begin so begin with; an empty name is all of the namespace. */
void name_prefix_key(struct bytes namespace, struct bytes name, struct key *ret_key);
/* Who holds locks. An agent's id has no byte 0. */
void lock_holder_key(struct bytes agent_id, uint64_t task_id, uint64_t fence, struct key *ret_key);
/* Borrowed from key; false when it is none. */
bool numbered_key_read(struct bytes key, struct bytes *ret_namespace, struct bytes *ret_name, uint64_t *ret_fence);
/* Of a key made by name_key. */
void name_key_read(struct bytes key, struct bytes *ret_namespace, struct bytes *ret_name);
/* namespace 0 name 0 part: what somebody has of a name. */
void part_key(struct bytes namespace, struct bytes name, struct bytes part, struct key *ret_key);

/* The time at which something ends, its kind, and its key. */
void expiry_key(uint64_t due_ms, uint8_t kind, struct bytes rest, struct key *ret_key);
uint64_t expiry_key_due(struct bytes key);
uint8_t expiry_key_kind(struct bytes key);
/* Borrowed from key. */
struct bytes expiry_key_rest(struct bytes key);

/* False when it is too long to be one. */
bool key_copy(struct bytes key, struct key *ret_key);
/* Makes it the smallest key behind itself: where a page goes on. */
void key_step_behind(struct key *key);
