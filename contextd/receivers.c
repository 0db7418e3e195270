#include "contextd/receivers.h"

#include "common/base/check.h"
#include "contextd/shell.h"

#include <stdlib.h>
#include <uthash.h>
#include <utlist.h>

/* All who wait at one mailbox. */
struct mailbox_line {
    struct receiver *receivers;
    UT_hash_handle hh; /* by the key */
    struct key key;
};

struct receiver {
    struct deadline deadline; /* the first member */
    struct rpc_call *call;
    struct receivers *all;
    struct mailbox_line *line;
    struct receive_messages receive; /* its texts are in the buffer */
    struct buffer texts;
    bool is_woken;
    struct receiver *next;
    struct receiver *prev;
    struct receiver *next_woken;
};

void receivers_done(struct receivers *receivers)
{
    CHECK(receivers->lines == NULL);
    deadlines_done(&receivers->deadlines);
}

/* NOLINTBEGIN(readability-function-size): the macros of uthash nest deeply */

static void forget(struct receiver *receiver)
{
    struct receivers *all = receiver->all;
    struct mailbox_line *line = receiver->line;

    if (receiver->is_woken)
        LL_DELETE2(all->woken, receiver, next_woken);
    deadlines_remove(&all->deadlines, &receiver->deadline);
    DL_DELETE(line->receivers, receiver);
    if (line->receivers == NULL) {
        HASH_DELETE(hh, all->lines, line);
        free(line);
    }
    buffer_done(&receiver->texts);
    free(receiver);
}

static void on_end(struct rpc_call *call, void *data)
{
    (void)call;
    forget(data);
}

static struct mailbox_line *find_line(const struct receivers *receivers, const struct key *key)
{
    struct mailbox_line *line = NULL;

    HASH_FIND(hh, receivers->lines, key->data, key->size, line);
    return line;
}

static struct mailbox_line *obtain_line(struct receivers *receivers, const struct receive_messages *receive)
{
    struct key key;

    entry_key(receive->namespace, receive->mailbox, &key);
    struct mailbox_line *line = find_line(receivers, &key);
    if (line != NULL)
        return line;
    line = allocate_zero(1, sizeof *line);
    line->key = key;
    HASH_ADD(hh, receivers->lines, key.data, line->key.size, line);
    return line;
}

static struct bytes own(struct buffer *texts, struct bytes text)
{
    size_t at = texts->size;

    buffer_add(texts, text.data, text.size);
    return (struct bytes){.data = texts->data + at, .size = text.size};
}

void receivers_add(struct receivers *receivers, struct rpc_call *call, const struct receive_messages *receive,
                   uint64_t until_ms)
{
    struct receiver *receiver = allocate_zero(1, sizeof *receiver);

    receiver->call = call;
    receiver->all = receivers;
    receiver->line = obtain_line(receivers, receive);
    receiver->receive = *receive;
    /* Reserved whole, so that what was added does not move. */
    (void)buffer_reserve(&receiver->texts, receive->namespace.size + receive->mailbox.size + receive->reader.size + 1);
    receiver->receive.namespace = own(&receiver->texts, receive->namespace);
    receiver->receive.mailbox = own(&receiver->texts, receive->mailbox);
    receiver->receive.reader = own(&receiver->texts, receive->reader);
    DL_APPEND(receiver->line->receivers, receiver);
    deadlines_add(&receivers->deadlines, &receiver->deadline, until_ms);
    rpc_call_keep(call, on_end, receiver);
}

void receivers_wake(struct receivers *receivers, const struct send_message *send)
{
    struct receiver *receiver = NULL;
    struct key key;

    entry_key(send->namespace.size > 0 ? send->namespace : bytes_of_text("default"), send->mailbox, &key);
    const struct mailbox_line *line = find_line(receivers, &key);
    if (line == NULL)
        return;
    DL_FOREACH(line->receivers, receiver)
    {
        if (!receiver->is_woken)
            LL_PREPEND2(receivers->woken, receiver, next_woken);
        receiver->is_woken = true;
    }
}

/* The call may be gone afterwards, and the receiver with it. */
static void serve(struct shell *shell, struct receiver *receiver, bool is_over)
{
    if (messages_service_serve(shell, receiver->call, &receiver->receive, is_over))
        forget(receiver);
}

void receivers_serve(struct shell *shell, uint64_t now_ms)
{
    struct receivers *receivers = &shell->receivers;

    while (receivers->woken != NULL) {
        struct receiver *receiver = receivers->woken;
        LL_DELETE2(receivers->woken, receiver, next_woken);
        receiver->is_woken = false;
        serve(shell, receiver, false);
    }
    while (deadlines_first_ms(&receivers->deadlines) <= now_ms)
        serve(shell, (struct receiver *)deadlines_first(&receivers->deadlines), true);
}

uint64_t receivers_deadline_ms(const struct receivers *receivers)
{
    return deadlines_first_ms(&receivers->deadlines);
}

/* NOLINTEND(readability-function-size) */
