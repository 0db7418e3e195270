/* What may come in: every limit of the protocol on names, keys, sizes. INVALID_ARGUMENT/BAD_FIELD, and the message
 * begins with the field's name. */
#pragma once

#include "contextd/core/command.h"

#define NAMESPACE_MAX 63
#define ENTRY_KEY_MAX 255
#define AGENT_ID_MAX 127
#define CONTENT_TYPE_MAX 127
#define STREAM_NAME_MAX 63
#define VALUE_MAX ((size_t)1024 * 1024)
#define APPEND_MAX ((size_t)1024 * 1024)
#define READ_MAX 1048576U
#define READ_DEFAULT 262144U
#define LOCK_NAME_MAX 255
#define LOCK_TTL_MIN_MS 1000U
#define LOCK_TTL_MAX_MS 86400000U
#define LOCK_TTL_DEFAULT_MS 60000U
#define MAILBOX_NAME_MAX 160
#define BODY_BYTES_MAX ((size_t)64 * 1024)
#define MESSAGE_TTL_MIN_MS 1000U
#define MESSAGE_TTL_MAX_MS ((uint64_t)366 * 86400000)
#define MESSAGE_TTL_DEFAULT_MS ((uint64_t)7 * 86400000)
#define MESSAGES_MAX 100U
#define MESSAGES_DEFAULT 10U
#define PAGE_MAX 1000
#define PAGE_DEFAULT 100

/* By the first part of the key. */
enum entry_kind { ENTRY_GLOBAL, ENTRY_TASK, ENTRY_DOCUMENT, ENTRY_AGENT, ENTRY_KINDS };

/* An empty namespace becomes "default". */
enum status context_namespace_validate(struct bytes *namespace, struct error *error) NODISCARD;
enum status entry_key_validate(struct bytes key, enum entry_kind *ret_kind, struct error *error) NODISCARD;
/* Of a key that was validated once. */
enum entry_kind entry_key_kind(struct bytes key);

enum status put_entry_validate(struct put_entry *put, struct error *error) NODISCARD;
enum status get_entry_validate(struct get_entry *get, struct error *error) NODISCARD;
enum status list_entries_validate(struct list_entries *list, struct error *error) NODISCARD;
enum status delete_entry_validate(struct delete_entry *delete, struct error *error) NODISCARD;

enum status acquire_lock_validate(struct acquire_lock *acquire, struct error *error) NODISCARD;
enum status name_lock_validate(struct name_lock *named, struct error *error) NODISCARD;
enum status list_locks_validate(struct list_locks *list, struct error *error) NODISCARD;
enum status lock_stats_validate(struct lock_stats_query *query, struct error *error) NODISCARD;

/* "types/" and "everyone" have many readers. Of a mailbox that was validated once. */
bool mailbox_is_shared(struct bytes mailbox);
enum status send_message_validate(struct send_message *send, struct error *error) NODISCARD;
enum status receive_messages_validate(struct receive_messages *receive, struct error *error) NODISCARD;
enum status ack_messages_validate(struct ack_messages *ack, struct error *error) NODISCARD;
enum status list_mailboxes_validate(struct list_mailboxes *list, struct error *error) NODISCARD;

enum status stream_name_validate(struct stream_name *name, struct error *error) NODISCARD;
enum status append_stream_validate(struct append_stream *append, struct error *error) NODISCARD;
enum status read_stream_validate(struct read_stream *read, struct error *error) NODISCARD;
enum status list_streams_validate(struct list_streams *list, struct error *error) NODISCARD;
