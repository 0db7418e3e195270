/* What a row says: the records of every table, packed and unpacked.
 *
 * Each begins with the version of its format and carries a CRC32C over key and content, so that a flipped bit and a row
 * in the wrong place are found before anything is believed: DATA_LOSS/CHECKSUM. A version that this program does not
 * know is DATA_LOSS/RECORD_VERSION. What unpacking returns is borrowed from the record. */
#pragma once

#include "common/base/bytes.h"
#include "common/base/status.h"

#include <stdbool.h>
#include <stdint.h>

#define RECORD_VERSION 1

struct writer {
    struct bytes agent_id;
    uint64_t task_id;
    uint64_t fence;
};

struct entry {
    struct bytes namespace;
    struct bytes key;
    uint64_t version;
    uint64_t revision;
    uint64_t modified_ms; /* Unix time */
    struct writer writer;
    struct bytes content_type;
    struct bytes value; /* empty when it was not asked for */
    uint64_t size_bytes;
};

struct stream {
    uint64_t number; /* of its chunks */
    uint64_t length;
    uint64_t tail_offset; /* where its last chunk begins; the length when it has none */
    uint32_t crc32c;      /* of all bytes so far */
    bool sealed;
    uint64_t created_ms; /* Unix time */
    uint64_t modified_ms;
    uint64_t revision;
};

struct task {
    uint64_t fence; /* the highest seen */
    uint64_t streams;
};

/* A packed record ends what buffer holds; the buffer is emptied first. The value has a checksum of its own, so that a
 * list of keys need not read the values. */
void entry_pack(struct bytes key, const struct entry *entry, struct buffer *buffer);
enum status entry_unpack(struct bytes key, struct bytes record, bool with_value, struct entry *ret_entry,
                         struct error *error) NODISCARD;

void stream_pack(struct bytes key, const struct stream *stream, struct buffer *buffer);
enum status stream_unpack(struct bytes key, struct bytes record, struct stream *ret_stream, struct error *error)
    NODISCARD;

void context_task_pack(struct bytes key, const struct task *task, struct buffer *buffer);
enum status context_task_unpack(struct bytes key, struct bytes record, struct task *ret_task, struct error *error)
    NODISCARD;

/* The last version of a deleted key. */
void deleted_pack(struct bytes key, uint64_t version, struct buffer *buffer);
enum status deleted_unpack(struct bytes key, struct bytes record, uint64_t *ret_version, struct error *error) NODISCARD;

struct lock;
/* namespace, name and fence are in the key. */
void lock_pack(struct bytes key, const struct lock *lock, struct buffer *buffer);
enum status lock_unpack(struct bytes key, struct bytes record, struct lock *ret_lock, struct error *error) NODISCARD;

/* For records of other files: begins one, ends one with its checksum; and checks version and checksum of one, leaving
 * a reader over its content. */
void context_record_begin(struct buffer *buffer);
void context_record_end(struct bytes key, struct buffer *buffer);
enum status context_record_open(struct bytes key, struct bytes record, const char *what, struct reader *ret_reader,
                                struct error *error) NODISCARD;
/* DATA_LOSS/CHECKSUM, naming the row as people can read it. */
enum status context_record_is_damaged(const char *what, struct bytes key, struct error *error) NODISCARD;
