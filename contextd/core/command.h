/* The language of the core: what is asked of it, and what it answers. All bytes are borrowed: those of a command from
 * the caller until the step returns, those of the effects until the next step or the end of the transaction. */
#pragma once

#include "common/base/arena.h"
#include "contextd/core/keys.h"
#include "contextd/core/records.h"

#include <stdbool.h>

#define PAGE_TOKEN_SIZE 256 /* the longest key and its NUL */

enum command_kind {
    COMMAND_PUT_ENTRY,
    COMMAND_GET_ENTRY,
    COMMAND_LIST_ENTRIES,
    COMMAND_DELETE_ENTRY,
    COMMAND_APPEND_STREAM,
    COMMAND_READ_STREAM,
    COMMAND_SEAL_STREAM,
    COMMAND_FIND_STREAM,
    COMMAND_LIST_STREAMS,
    COMMAND_KINDS,
};

/* Compare and set: absent means whatever is there, 0 that nothing must be. */
struct expected_version {
    bool present;
    uint64_t version;
};

struct put_entry {
    struct bytes namespace;
    struct bytes key;
    struct bytes value;
    struct bytes content_type;
    struct expected_version expected;
    struct writer writer;
};

struct get_entry {
    struct bytes namespace;
    struct bytes key;
};

struct list_entries {
    struct bytes namespace;
    struct bytes prefix;
    struct bytes page_token;
    uint32_t page_size;
    bool with_values;
};

struct delete_entry {
    struct bytes namespace;
    struct bytes key;
    struct expected_version expected;
    struct writer writer;
};

struct append_stream {
    struct stream_name stream;
    uint64_t offset;
    struct bytes data;
};

struct read_stream {
    struct stream_name stream;
    uint64_t offset;
    uint32_t max_bytes;
};

struct seal_stream {
    struct stream_name stream;
    uint64_t length;
};

/* What a stream is, without its bytes. */
struct find_stream {
    struct stream_name stream;
    bool may_be_absent; /* then it is no refusal */
};

struct list_streams {
    struct bytes namespace;
    struct bytes page_token;
    uint64_t task_id;
    uint32_t page_size;
};

struct command {
    enum command_kind kind;
    union {
        struct put_entry put_entry;
        struct get_entry get_entry;
        struct list_entries list_entries;
        struct delete_entry delete_entry;
        struct append_stream append_stream;
        struct read_stream read_stream;
        struct seal_stream seal_stream;
        struct find_stream find_stream;
        struct list_streams list_streams;
    };
};

struct stream_info {
    struct stream_name name;
    struct stream stream;
};

/* What a step came to. Owned by the caller and used again and again; the zero value is ready. */
struct effects {
    struct error error; /* STATUS_OK: done. Otherwise refused, and nothing was written */

    struct entry entry;        /* get; put and delete: version and revision; VERSION_CONFLICT: what is there */
    bool shows_current;        /* entry is what a conflict met */
    struct stream_info stream; /* append, read, seal, find */
    struct bytes data;         /* read */
    bool stream_changed;       /* it grew or was sealed: who follows it has something to get */
    size_t bytes;              /* of values and data that were written or returned: how heavy the step was */

    struct entry *entries; /* list */
    struct stream_info *streams;
    size_t count;
    char next_page_token[PAGE_TOKEN_SIZE]; /* empty: that was the last page */

    struct arena arena;          /* of the lists */
    struct buffer data_buffer;   /* of reads over several chunks */
    struct buffer record_buffer; /* of the row being written */
};

void context_effects_done(struct effects *effects);
DEFINE_CLEANUP_EMBEDDED(struct effects, context_effects_done)
