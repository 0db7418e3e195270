/* The language of the core: what is asked of it, and what it answers. All bytes are borrowed: those of a command from
 * the caller until the step returns, those of the effects until the next step or the end of the transaction. */
#pragma once

#include "common/base/arena.h"
#include "contextd/core/keys.h"
#include "contextd/core/locks.h"
#include "contextd/core/records.h"

#include <stdbool.h>

#define PAGE_TOKEN_SIZE 288 /* the longest key, or lock and fence, and its NUL */

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
    COMMAND_ACQUIRE_LOCK,
    COMMAND_UNWAIT_LOCK, /* the call with this token has waited enough, or is gone */
    COMMAND_RENEW_LOCK,
    COMMAND_RELEASE_LOCK,
    COMMAND_LIST_LOCKS,
    COMMAND_LOCK_STATS,
    COMMAND_SEND_MESSAGE,
    COMMAND_RECEIVE_MESSAGES,
    COMMAND_ACK_MESSAGES,
    COMMAND_LIST_MAILBOXES,
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

struct acquire_lock {
    struct bytes namespace;
    struct bytes name;
    enum lock_mode mode;
    uint32_t ttl_ms;
    bool waits;
    struct writer holder;
    struct bytes request;
};

/* One that is held. */
struct name_lock {
    struct bytes namespace;
    struct bytes name;
    uint64_t fence;
};

struct list_locks {
    struct bytes namespace;
    struct bytes prefix;
    struct bytes page_token;
    uint32_t page_size;
};

struct lock_stats_query {
    struct bytes namespace; /* empty = all */
    uint32_t most;
};

struct send_message {
    struct bytes namespace;
    struct bytes mailbox;
    struct writer sender;
    struct bytes body;
    struct bytes content_type;
    uint64_t reply_to;
    uint64_t ttl_ms;
    struct bytes request;
};

struct receive_messages {
    struct bytes namespace;
    struct bytes mailbox;
    struct bytes reader;
    uint64_t after;
    uint32_t max;
};

struct ack_messages {
    struct bytes namespace;
    struct bytes mailbox;
    struct bytes reader;
    uint64_t up_to;
};

struct list_mailboxes {
    struct bytes namespace;
    struct bytes prefix;
    struct bytes page_token;
    uint32_t page_size;
};

struct command {
    enum command_kind kind;
    uint64_t token; /* of the call that waits for the answer to an acquire */
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
        struct acquire_lock acquire_lock;
        struct name_lock name_lock; /* renew, release */
        struct list_locks list_locks;
        struct lock_stats_query lock_stats;
        struct send_message send_message;
        struct receive_messages receive_messages;
        struct ack_messages ack_messages;
        struct list_mailboxes list_mailboxes;
    };
};

/* A held lock for people. */
struct lock_view {
    struct lock lock;
    uint64_t left_ms;
    uint32_t waiters;
};

struct lock_contention {
    struct bytes namespace;
    struct bytes name;
    const struct lock_usage *usage;
    uint32_t holders;
    uint32_t waiters;
};

/* The answer to a request that waited for a lock, which came about by another command, or by time. */
struct lock_answer {
    struct lock_answer *next;
    uint64_t token;
    struct error error; /* STATUS_OK: it has the lock */
    uint64_t fence;
    uint64_t waited_ms;
    uint32_t ttl_ms;
    bool shows_holder; /* holder is what is in the way */
    struct lock_view holder;
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

    struct lock lock;  /* acquire, renew */
    bool waits;        /* acquire: the answer comes later */
    bool was_held;     /* release */
    bool shows_holder; /* holder is what a refused acquire met */
    struct lock_view holder;
    struct lock_view *lock_views; /* list */
    struct lock_contention *contention;
    struct lock_answer *lock_answers; /* to those who waited */

    uint64_t message_id;       /* send */
    bool mailbox_grew;         /* send: who waits there has something to get */
    struct message *messages;  /* receive */
    struct mailbox *mailboxes; /* list; ack: count is how many messages were removed */

    struct arena arena;          /* of the lists */
    struct buffer data_buffer;   /* of reads over several chunks */
    struct buffer record_buffer; /* of the row being written */
};

void context_effects_done(struct effects *effects);
DEFINE_CLEANUP_EMBEDDED(struct effects, context_effects_done)
