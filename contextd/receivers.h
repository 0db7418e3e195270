/* Who waits for a message to come to which mailbox.
 *
 * A waiting call holds no transaction. When its mailbox has got something it is looked at once more, at the end of the
 * same batch, so that the message and its delivery share a commit. */
#pragma once

#include "common/base/deadlines.h"
#include "common/rpc/server.h"
#include "contextd/core/command.h"

struct shell;
struct receiver;
struct mailbox_line;

/* The zero value is empty. */
struct receivers {
    struct mailbox_line *lines; /* a hash by the mailbox's key */
    struct deadlines deadlines;
    struct receiver *woken;
};

/* The calls were ended before. */
void receivers_done(struct receivers *receivers);
/* Keeps the call until something comes, or until that time. */
void receivers_add(struct receivers *receivers, struct rpc_call *call, const struct receive_messages *receive,
                   uint64_t until_ms);
/* A message was sent there. */
void receivers_wake(struct receivers *receivers, const struct send_message *send);
/* Answers who was woken and finds something, and who has waited enough. */
void receivers_serve(struct shell *shell, uint64_t now_ms);
/* BOOTTIME; UINT64_MAX = never. */
uint64_t receivers_deadline_ms(const struct receivers *receivers);
