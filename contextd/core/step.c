#include "contextd/core/core.h"
#include "contextd/core/entry.h"
#include "contextd/core/expiry.h"
#include "contextd/core/lock.h"
#include "contextd/core/message.h"
#include "contextd/core/stream.h"

#include "common/base/check.h"
#include "common/base/store_time.h"

static const char *const table_names[CONTEXTD_TABLES] = {
    [TABLE_COUNTERS] = "counters", [TABLE_ENTRY] = "entry",   [TABLE_DELETED] = "deleted",
    [TABLE_TASK] = "task",         [TABLE_STREAM] = "stream", [TABLE_CHUNK] = "chunk",
    [TABLE_LOCK] = "lock",         [TABLE_EXPIRY] = "expiry", [TABLE_MAILBOX] = "mailbox",
    [TABLE_MESSAGE] = "message",   [TABLE_CURSOR] = "cursor", [TABLE_REQUEST] = "request",
};

const struct store_schema contextd_schema = {
    .names = table_names, .count = CONTEXTD_TABLES, .version = CONTEXTD_STORE_VERSION};

void context_effects_done(struct effects *effects)
{
    arena_done(&effects->arena);
    buffer_done(&effects->data_buffer);
    buffer_done(&effects->record_buffer);
    *effects = (struct effects){0};
}

/* Forgets the last step, keeps the memory. */
static void effects_reset(struct effects *effects)
{
    arena_reset(&effects->arena);
    *effects = (struct effects){
        .arena = effects->arena, .data_buffer = effects->data_buffer, .record_buffer = effects->record_buffer};
}

enum status contextd_begin(struct contextd *core, struct store_txn *txn, struct error *error)
{
    core->changed = false;
    return context_counters_load(txn, &core->counters, error);
}

enum status contextd_open(struct contextd *core, struct store_txn *txn, const struct contextd_now *now,
                          struct effects *effects)
{
    effects_reset(effects);
    TRY(context_counters_load(txn, &core->counters, &effects->error));
    core->opened_ms = core->counters.store_ms;
    TRY(expiry_open(core, txn));
    return lock_open(core, txn, now, effects);
}

void contextd_done(struct contextd *core)
{
    locks_done(&core->locks);
}

enum status contextd_tick(struct contextd *core, struct store_txn *txn, const struct contextd_now *now,
                          struct effects *effects)
{
    effects_reset(effects);
    TRY(expiry_tick(core, txn, now));
    return lock_tick(core, txn, now, effects);
}

void contextd_forget(struct contextd *core, const struct contextd_now *now, uint64_t token)
{
    lock_forget(core, now, token);
}

/* How long the store's time may still run on unsaved. Only what expires runs by it. */
static uint64_t save_within_ms(const struct contextd *core, const struct contextd_now *now)
{
    uint64_t most_ms = store_time_unsaved_max_ms(core->opened_ms, core->counters.store_ms);
    uint64_t unsaved_ms = now->store_ms - core->counters.store_ms;

    if (core->expiry_due_ms == UINT64_MAX)
        return UINT64_MAX;
    return unsaved_ms < most_ms ? most_ms - unsaved_ms : 0;
}

uint64_t contextd_next_ms(const struct contextd *core, const struct contextd_now *now)
{
    uint64_t lock_ms = lock_next_ms(core);
    uint64_t within_ms = save_within_ms(core, now);

    if (core->expiry_due_ms != UINT64_MAX && core->expiry_due_ms < now->store_ms + within_ms)
        within_ms = core->expiry_due_ms > now->store_ms ? core->expiry_due_ms - now->store_ms : 0;
    return within_ms == UINT64_MAX || lock_ms < now->boot_ms + within_ms ? lock_ms : now->boot_ms + within_ms;
}

uint64_t contextd_store_ms(const struct contextd *core)
{
    return core->counters.store_ms;
}

void contextd_finish(struct contextd *core, struct store_txn *txn, const struct contextd_now *now)
{
    CLEANUP(buffer_done)
    struct buffer record = {0};

    if (!core->changed && save_within_ms(core, now) > 0)
        return;
    core->counters.store_ms = now->store_ms;
    context_counters_save(txn, &core->counters, &record);
    core->changed = false;
}

static enum status run(struct contextd *core, struct store_txn *txn, const struct contextd_now *now,
                       struct command *command, struct effects *effects)
{
    switch (command->kind) {
    case COMMAND_PUT_ENTRY:
        return entry_put(core, txn, now, &command->put_entry, effects);
    case COMMAND_GET_ENTRY:
        return entry_get(txn, &command->get_entry, effects);
    case COMMAND_LIST_ENTRIES:
        return entry_list(txn, &command->list_entries, effects);
    case COMMAND_DELETE_ENTRY:
        return entry_delete(core, txn, &command->delete_entry, effects);
    case COMMAND_APPEND_STREAM:
        return stream_append(core, txn, now, &command->append_stream, effects);
    case COMMAND_READ_STREAM:
        return stream_read(txn, &command->read_stream, effects);
    case COMMAND_SEAL_STREAM:
        return stream_seal(core, txn, now, &command->seal_stream, effects);
    case COMMAND_FIND_STREAM:
        return stream_look_up(txn, &command->find_stream, effects);
    case COMMAND_LIST_STREAMS:
        return stream_list(txn, &command->list_streams, effects);
    case COMMAND_ACQUIRE_LOCK:
        return lock_acquire(core, txn, now, command, effects);
    case COMMAND_UNWAIT_LOCK:
        return lock_unwait(core, txn, now, command->token, effects);
    case COMMAND_RENEW_LOCK:
        return lock_renew(core, txn, now, &command->name_lock, effects);
    case COMMAND_RELEASE_LOCK:
        return lock_release(core, txn, now, &command->name_lock, effects);
    case COMMAND_LIST_LOCKS:
        return lock_list(core, txn, now, &command->list_locks, effects);
    case COMMAND_LOCK_STATS:
        return lock_stats(core, &command->lock_stats, effects);
    case COMMAND_SEND_MESSAGE:
        return message_send(core, txn, now, &command->send_message, effects);
    case COMMAND_RECEIVE_MESSAGES:
        return message_receive(txn, now, &command->receive_messages, effects);
    case COMMAND_ACK_MESSAGES:
        return message_acknowledge(core, txn, now, &command->ack_messages, effects);
    case COMMAND_LIST_MAILBOXES:
        return mailbox_list(txn, &command->list_mailboxes, effects);
    case COMMAND_KINDS:
        break;
    }
    return STATUS_INTERNAL;
}

enum status contextd_step(struct contextd *core, struct store_txn *txn, const struct contextd_now *now,
                          const struct command *command, struct effects *effects)
{
    struct command filled = *command; /* with the defaults of what was left out */

    CHECK(command->kind < COMMAND_KINDS);
    effects_reset(effects);
    enum status status = run(core, txn, now, &filled, effects);
    /* A refusal has its words; a status without them is the store's. */
    return effects->error.status != STATUS_OK ? STATUS_OK : status;
}
