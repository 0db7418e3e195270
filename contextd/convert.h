/* Between the messages of the protocol and the words of the core. What is made for a message lives in the arena; what
 * is made of a message is borrowed from it. */
#pragma once

#include "contextd/core/command.h"

#include <ganger/v1/context.pb-c.h>
#include <ganger/v1/locks.pb-c.h>
#include <ganger/v1/messages.pb-c.h>

struct bytes bytes_from_message(ProtobufCBinaryData data);
ProtobufCBinaryData bytes_to_message(struct bytes bytes);
struct writer writer_from_message(const Ganger__V1__Writer *message);
struct expected_version expected_from_message(const Ganger__V1__ExpectedVersion *message);
/* NULL is a stream without a name, which the core refuses. */
struct stream_name stream_name_from_message(const Ganger__V1__StreamName *message);

Ganger__V1__Entry *entry_to_message(struct arena *arena, const struct entry *entry);
Ganger__V1__Writer *writer_to_message(struct arena *arena, const struct writer *writer);
Ganger__V1__HeldLock *held_lock_to_message(struct arena *arena, const struct lock_view *view);
Ganger__V1__LockContention *contention_to_message(struct arena *arena, const struct lock_contention *contention);
Ganger__V1__Message *message_to_message(struct arena *arena, const struct message *message);
Ganger__V1__Mailbox *mailbox_to_message(struct arena *arena, const struct mailbox *mailbox);
Ganger__V1__StreamInfo *stream_info_to_message(struct arena *arena, const struct stream_info *info);
