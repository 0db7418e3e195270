/* Mailboxes and their messages: durable, bounded, expiring.
 *
 * A message is a row behind its mailbox, in the order of ids, which are revisions of the store. The mailbox has a row
 * with its sums, a reader of a shared one a row with its cursor, and a request that may be repeated one with the
 * message that it became. */
#pragma once

#include "contextd/core/core.h"

#define MAILBOX_MESSAGES_MAX 10000
#define MAILBOX_BYTES_MAX ((uint64_t)16 * 1024 * 1024)
#define REQUEST_KEPT_MS ((uint64_t)60 * 60 * 1000)
#define CURSOR_IDLE_MAX_MS ((uint64_t)30 * 24 * 60 * 60 * 1000)

enum status message_send(struct contextd *core, struct store_txn *txn, const struct contextd_now *now,
                         struct send_message *send, struct effects *effects) NODISCARD;
enum status message_receive(struct store_txn *txn, const struct contextd_now *now, struct receive_messages *receive,
                            struct effects *effects) NODISCARD;
enum status message_acknowledge(struct contextd *core, struct store_txn *txn, const struct contextd_now *now,
                                struct ack_messages *ack, struct effects *effects) NODISCARD;
enum status mailbox_list(struct store_txn *txn, struct list_mailboxes *list, struct effects *effects) NODISCARD;

/* What a row of the expiry table speaks of has come due. */
enum status message_expire(struct contextd *core, struct store_txn *txn, struct bytes key) NODISCARD;
enum status message_request_expire(struct contextd *core, struct store_txn *txn, struct bytes key) NODISCARD;
enum status message_cursor_expire(struct contextd *core, struct store_txn *txn, const struct contextd_now *now,
                                  struct bytes key) NODISCARD;
