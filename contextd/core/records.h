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

/* One number: the last version of a deleted key, the message that a request became. what is for people. */
void number_pack(struct bytes key, uint64_t number, struct buffer *buffer);
enum status number_unpack(struct bytes key, struct bytes record, const char *what, uint64_t *ret_number,
                          struct error *error) NODISCARD;

struct message {
    struct bytes namespace; /* of the key, as the following two */
    struct bytes mailbox;
    uint64_t id;
    struct writer sender;
    uint64_t sent_ms;       /* Unix time */
    uint64_t expires_ms;    /* store time */
    uint64_t expires_in_ms; /* not in the record: for whoever receives it */
    uint64_t reply_to;
    struct bytes content_type;
    struct bytes body;
};

struct mailbox {
    struct bytes namespace; /* not in the record, as the following */
    struct bytes name;
    uint64_t messages;
    uint64_t bytes;
    uint64_t last_id;
};

struct cursor {
    uint64_t acked;
    uint64_t used_ms; /* store time */
};

void context_message_pack(struct bytes key, const struct message *message, struct buffer *buffer);
enum status context_message_unpack(struct bytes key, struct bytes record, struct message *ret_message,
                                   struct error *error) NODISCARD;
void mailbox_pack(struct bytes key, const struct mailbox *mailbox, struct buffer *buffer);
enum status mailbox_unpack(struct bytes key, struct bytes record, struct mailbox *ret_mailbox, struct error *error)
    NODISCARD;
void cursor_pack(struct bytes key, const struct cursor *cursor, struct buffer *buffer);
enum status cursor_unpack(struct bytes key, struct bytes record, struct cursor *ret_cursor, struct error *error)
    NODISCARD;

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
