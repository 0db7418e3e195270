#include "contextd/core/message.h"

#include "contextd/core/expiry.h"
#include "contextd/core/fence.h"

#include <inttypes.h>
#include <string.h>

#define PAGE_BYTES ((size_t)512 * 1024)

/* The row of a mailbox; all zero when it has none. */
static enum status mailbox_find(struct store_txn *txn, const struct key *key, struct mailbox *ret_mailbox,
                                struct error *error)
{
    struct bytes record;
    enum status status = store_get(txn, TABLE_MAILBOX, key_view(key), &record);

    *ret_mailbox = (struct mailbox){0};
    if (status == STATUS_NOT_FOUND)
        return STATUS_OK;
    TRY(status);
    return mailbox_unpack(key_view(key), record, ret_mailbox, error);
}

static void mailbox_save(struct contextd *core, struct store_txn *txn, const struct key *key,
                         const struct mailbox *mailbox)
{
    CLEANUP(buffer_done)
    struct buffer record = {0};

    core->changed = true;
    if (mailbox->messages == 0) {
        store_delete(txn, TABLE_MAILBOX, key_view(key));
        return;
    }
    mailbox_pack(key_view(key), mailbox, &record);
    store_put(txn, TABLE_MAILBOX, key_view(key), buffer_view(&record));
}

/* The message that this request became before; 0 when it is new. */
static enum status find_sent(struct store_txn *txn, const struct key *key, uint64_t *ret_id, struct error *error)
{
    struct bytes record;
    enum status status = store_get(txn, TABLE_REQUEST, key_view(key), &record);

    *ret_id = 0;
    if (status == STATUS_NOT_FOUND)
        return STATUS_OK;
    TRY(status);
    return number_unpack(key_view(key), record, "request", ret_id, error);
}

static void remember_sent(struct contextd *core, struct store_txn *txn, const struct contextd_now *now,
                          const struct key *key, uint64_t id)
{
    CLEANUP(buffer_done)
    struct buffer record = {0};

    number_pack(key_view(key), id, &record);
    store_put(txn, TABLE_REQUEST, key_view(key), buffer_view(&record));
    expiry_set(core, txn, now->store_ms + REQUEST_KEPT_MS, EXPIRY_REQUEST, key_view(key));
    core->counters.requests++;
}

static enum status check_room(const struct contextd_now *now, const struct send_message *send,
                              const struct mailbox *mailbox, struct error *error)
{
    if (now->store_nearly_full)
        return error_set(error, STATUS_RESOURCE_EXHAUSTED, "STORE_FULL",
                         "the store is nearly full: delete entries or make it larger, then try again");
    if (mailbox->messages >= MAILBOX_MESSAGES_MAX || mailbox->bytes + send->body.size > MAILBOX_BYTES_MAX)
        return error_set(error, STATUS_RESOURCE_EXHAUSTED, "MAILBOX_FULL",
                         "mailbox: it has %" PRIu64 " messages, %" PRIu64
                         " bytes, that nobody took: its reader must acknowledge some, or they expire",
                         mailbox->messages, mailbox->bytes);
    return STATUS_OK;
}

static uint64_t put_message(struct contextd *core, struct store_txn *txn, const struct contextd_now *now,
                            const struct send_message *send)
{
    CLEANUP(buffer_done)
    struct buffer record = {0};
    struct message message = {
        .id = ++core->counters.revision,
        .sender = send->sender,
        .sent_ms = now->unix_ms,
        .expires_ms = now->store_ms + send->ttl_ms,
        .reply_to = send->reply_to,
        .content_type = send->content_type,
        .body = send->body,
    };
    struct key key;

    numbered_key(send->namespace, send->mailbox, message.id, &key);
    context_message_pack(key_view(&key), &message, &record);
    store_put(txn, TABLE_MESSAGE, key_view(&key), buffer_view(&record));
    expiry_set(core, txn, message.expires_ms, EXPIRY_MESSAGE, key_view(&key));
    core->counters.messages++;
    core->counters.message_bytes += send->body.size;
    return message.id;
}

enum status message_send(struct contextd *core, struct store_txn *txn, const struct contextd_now *now,
                         struct send_message *send, struct effects *effects)
{
    struct error *error = &effects->error;
    struct mailbox mailbox;
    struct key mailbox_key;
    struct key request_key;
    struct task task;

    TRY(send_message_validate(send, error));
    part_key(send->namespace, send->mailbox, send->request, &request_key);
    if (send->request.size > 0)
        TRY(find_sent(txn, &request_key, &effects->message_id, error));
    if (effects->message_id != 0)
        return STATUS_OK;
    entry_key(send->namespace, send->mailbox, &mailbox_key);
    TRY(mailbox_find(txn, &mailbox_key, &mailbox, error));
    TRY(fence_check(txn, &send->sender, &task, error));
    TRY(check_room(now, send, &mailbox, error));

    effects->message_id = put_message(core, txn, now, send);
    if (send->request.size > 0)
        remember_sent(core, txn, now, &request_key, effects->message_id);
    mailbox.messages++;
    mailbox.bytes += send->body.size;
    mailbox.last_id = effects->message_id;
    mailbox_save(core, txn, &mailbox_key, &mailbox);
    fence_remember(core, txn, &send->sender, &task);
    effects->mailbox_grew = true;
    effects->bytes = send->body.size;
    return STATUS_OK;
}

/* What this reader has acknowledged; 0 when it never did. */
static enum status cursor_find(struct store_txn *txn, const struct key *key, struct cursor *ret_cursor,
                               struct error *error)
{
    struct bytes record;
    enum status status = store_get(txn, TABLE_CURSOR, key_view(key), &record);

    *ret_cursor = (struct cursor){0};
    if (status == STATUS_NOT_FOUND)
        return STATUS_OK;
    TRY(status);
    return cursor_unpack(key_view(key), record, ret_cursor, error);
}

enum status message_receive(struct store_txn *txn, const struct contextd_now *now, struct receive_messages *receive,
                            struct effects *effects)
{
    struct cursor cursor = {0};
    struct key prefix;
    struct key start;
    struct key cursor_key;
    struct bytes key;
    struct bytes record;

    TRY(receive_messages_validate(receive, &effects->error));
    part_key(receive->namespace, receive->mailbox, receive->reader, &cursor_key);
    if (mailbox_is_shared(receive->mailbox))
        TRY(cursor_find(txn, &cursor_key, &cursor, &effects->error));
    uint64_t after = cursor.acked > receive->after ? cursor.acked : receive->after;
    effects->messages = arena_zero(&effects->arena, receive->max, sizeof *effects->messages);
    if (after == UINT64_MAX)
        return STATUS_OK;
    name_key(receive->namespace, receive->mailbox, &prefix);
    numbered_key(receive->namespace, receive->mailbox, after + 1, &start);
    enum status status = store_seek(txn, TABLE_MESSAGE, key_view(&start), &key, &record);
    while (status == STATUS_OK && bytes_have_prefix(key, key_view(&prefix)) && effects->count < receive->max) {
        struct message *message = &effects->messages[effects->count];
        TRY(context_message_unpack(key, record, message, &effects->error));
        if (effects->count > 0 && effects->bytes + message->body.size > PAGE_BYTES)
            return STATUS_OK;
        message->expires_in_ms = message->expires_ms > now->store_ms ? message->expires_ms - now->store_ms : 0;
        effects->bytes += message->body.size;
        effects->count++;
        status = store_next(txn, TABLE_MESSAGE, &key, &record);
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* Its expiry has been taken out, or is due. */
static enum status remove_message(struct contextd *core, struct store_txn *txn, const struct key *key,
                                  const struct message *message, struct error *error)
{
    struct mailbox mailbox;
    struct key mailbox_key;
    size_t size = message->body.size;

    entry_key(message->namespace, message->mailbox, &mailbox_key);
    TRY(mailbox_find(txn, &mailbox_key, &mailbox, error));
    store_delete(txn, TABLE_MESSAGE, key_view(key));
    mailbox.messages--;
    mailbox.bytes -= size;
    mailbox_save(core, txn, &mailbox_key, &mailbox);
    core->counters.messages--;
    core->counters.message_bytes -= size;
    core->counters.revision++;
    return STATUS_OK;
}

/* Of a mailbox with one reader: what is done with goes. */
static enum status remove_up_to(struct contextd *core, struct store_txn *txn, const struct ack_messages *ack,
                                struct effects *effects)
{
    struct key prefix;

    name_key(ack->namespace, ack->mailbox, &prefix);
    for (;;) {
        struct bytes key;
        struct bytes record;
        struct message message;
        struct key row;
        enum status status = store_seek(txn, TABLE_MESSAGE, key_view(&prefix), &key, &record);
        if (status == STATUS_NOT_FOUND || (status == STATUS_OK && !bytes_have_prefix(key, key_view(&prefix))))
            return STATUS_OK;
        TRY(status);
        TRY(context_message_unpack(key, record, &message, &effects->error));
        if (message.id > ack->up_to)
            return STATUS_OK;
        numbered_key(ack->namespace, ack->mailbox, message.id, &row);
        message.namespace = ack->namespace;
        message.mailbox = ack->mailbox;
        expiry_unset(core, txn, message.expires_ms, EXPIRY_MESSAGE, key_view(&row));
        TRY(remove_message(core, txn, &row, &message, &effects->error));
        effects->count++;
    }
}

enum status message_acknowledge(struct contextd *core, struct store_txn *txn, const struct contextd_now *now,
                                struct ack_messages *ack, struct effects *effects)
{
    CLEANUP(buffer_done)
    struct buffer record = {0};
    struct cursor cursor;
    struct key key;

    TRY(ack_messages_validate(ack, &effects->error));
    if (!mailbox_is_shared(ack->mailbox))
        return remove_up_to(core, txn, ack, effects);
    part_key(ack->namespace, ack->mailbox, ack->reader, &key);
    TRY(cursor_find(txn, &key, &cursor, &effects->error));
    if (ack->up_to > core->counters.revision)
        return error_set(&effects->error, STATUS_INVALID_ARGUMENT, "BAD_FIELD",
                         "up_to: there is no message %" PRIu64 " yet", ack->up_to);
    if (ack->up_to <= cursor.acked)
        return STATUS_OK;
    if (cursor.acked == 0) {
        expiry_set(core, txn, now->store_ms + CURSOR_IDLE_MAX_MS, EXPIRY_CURSOR, key_view(&key));
        core->counters.cursors++;
    }
    cursor = (struct cursor){.acked = ack->up_to, .used_ms = now->store_ms};
    cursor_pack(key_view(&key), &cursor, &record);
    store_put(txn, TABLE_CURSOR, key_view(&key), buffer_view(&record));
    core->changed = true;
    return STATUS_OK;
}

/* What cannot be read stays for the check to find; it must not keep what ends after it from ending. */
static enum status unless_damaged(enum status status)
{
    return status == STATUS_DATA_LOSS ? STATUS_OK : status;
}

enum status message_expire(struct contextd *core, struct store_txn *txn, struct bytes key)
{
    struct message message;
    struct bytes record;
    struct key row;
    enum status status = store_get(txn, TABLE_MESSAGE, key, &record);

    if (status == STATUS_NOT_FOUND || !key_copy(key, &row))
        return STATUS_OK;
    TRY(status);
    status = context_message_unpack(key_view(&row), record, &message, NULL);
    if (status == STATUS_OK)
        status = remove_message(core, txn, &row, &message, NULL);
    return unless_damaged(status);
}

enum status message_request_expire(struct contextd *core, struct store_txn *txn, struct bytes key)
{
    store_delete(txn, TABLE_REQUEST, key);
    core->counters.requests--;
    return STATUS_OK;
}

enum status message_cursor_expire(struct contextd *core, struct store_txn *txn, const struct contextd_now *now,
                                  struct bytes key)
{
    struct cursor cursor;
    struct key row;

    if (!key_copy(key, &row))
        return STATUS_OK;
    enum status status = cursor_find(txn, &row, &cursor, NULL);
    if (status != STATUS_OK)
        return unless_damaged(status);
    if (cursor.used_ms + CURSOR_IDLE_MAX_MS > now->store_ms) {
        expiry_set(core, txn, cursor.used_ms + CURSOR_IDLE_MAX_MS, EXPIRY_CURSOR, key_view(&row));
        return STATUS_OK;
    }
    store_delete(txn, TABLE_CURSOR, key_view(&row));
    core->counters.cursors--;
    return STATUS_OK;
}

enum status mailbox_list(struct store_txn *txn, struct list_mailboxes *list, struct effects *effects)
{
    struct key prefix;
    struct key start;
    struct bytes key;
    struct bytes record;

    TRY(list_mailboxes_validate(list, &effects->error));
    entry_key(list->namespace, list->prefix, &prefix);
    start = prefix;
    if (list->page_token.size > 0) {
        entry_key(list->namespace, list->page_token, &start);
        key_step_behind(&start);
    }
    effects->mailboxes = arena_zero(&effects->arena, list->page_size, sizeof *effects->mailboxes);
    enum status status = store_seek(txn, TABLE_MAILBOX, key_view(&start), &key, &record);
    while (status == STATUS_OK && bytes_have_prefix(key, key_view(&prefix))) {
        struct mailbox *mailbox = &effects->mailboxes[effects->count];
        if (effects->count == list->page_size) {
            struct bytes last = effects->mailboxes[effects->count - 1].name;
            memcpy(effects->next_page_token, last.data, last.size);
            effects->next_page_token[last.size] = '\0';
            return STATUS_OK;
        }
        TRY(mailbox_unpack(key, record, mailbox, &effects->error));
        mailbox->namespace = list->namespace;
        mailbox->name = entry_key_name(key);
        effects->count++;
        status = store_next(txn, TABLE_MAILBOX, &key, &record);
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}
