#include "tests/contextd/core_fixture.h"

#include "common/store/store_mem.h"

#include <criterion/criterion.h>
#include <string.h>

void core_pass(struct core_fixture *fixture, uint64_t ms)
{
    fixture->now.boot_ms += ms;
    fixture->now.store_ms += ms;
    fixture->now.unix_ms += ms;
    core_tick(fixture);
}

void core_fixture_init(struct core_fixture *fixture)
{
    *fixture =
        (struct core_fixture){.store = store_mem_new(&contextd_schema, 0), .now = {.unix_ms = 1000, .boot_ms = 1000}};
    core_restart(fixture);
}

void core_fixture_done(struct core_fixture *fixture)
{
    store_abort(&fixture->txn);
    contextd_done(&fixture->core);
    context_effects_done(&fixture->effects);
    store_close(fixture->store);
}

enum status core_check(struct core_fixture *fixture, struct error *error)
{
    CLEANUP(store_end)
    struct store_txn *txn = NULL;
    struct contextd core;

    cr_assert_eq(store_begin(fixture->store, STORE_READ, &txn), STATUS_OK);
    TRY(contextd_begin(&core, txn, error));
    return contextd_check(&core, txn, error);
}

struct counters core_counters(struct core_fixture *fixture)
{
    CLEANUP(store_end)
    struct store_txn *txn = NULL;
    struct contextd core;

    cr_assert_eq(store_begin(fixture->store, STORE_READ, &txn), STATUS_OK);
    cr_assert_eq(contextd_begin(&core, txn, NULL), STATUS_OK);
    return core.counters;
}

static bool only_reads(enum command_kind kind)
{
    return kind == COMMAND_GET_ENTRY || kind == COMMAND_LIST_ENTRIES || kind == COMMAND_READ_STREAM ||
           kind == COMMAND_LIST_STREAMS || kind == COMMAND_RENEW_LOCK || kind == COMMAND_LIST_LOCKS ||
           kind == COMMAND_LOCK_STATS || kind == COMMAND_RECEIVE_MESSAGES || kind == COMMAND_LIST_MAILBOXES;
}

void core_tick(struct core_fixture *fixture)
{
    struct store_txn *txn = NULL;
    struct error error = {0};

    store_abort(&fixture->txn);
    cr_assert_eq(store_begin(fixture->store, STORE_WRITE, &txn), STATUS_OK);
    cr_assert_eq(contextd_begin(&fixture->core, txn, NULL), STATUS_OK);
    cr_assert_eq(contextd_tick(&fixture->core, txn, &fixture->now, &fixture->effects), STATUS_OK);
    contextd_finish(&fixture->core, txn, &fixture->now);
    cr_assert_eq(store_commit(&txn), STATUS_OK);
    cr_assert_eq(core_check(fixture, &error), STATUS_OK, "%s", error.message);
}

void core_restart(struct core_fixture *fixture)
{
    CLEANUP(store_end)
    struct store_txn *txn = NULL;

    store_abort(&fixture->txn);
    contextd_done(&fixture->core);
    fixture->core = (struct contextd){0};
    cr_assert_eq(store_begin(fixture->store, STORE_READ, &txn), STATUS_OK);
    cr_assert_eq(contextd_open(&fixture->core, txn, &fixture->now, &fixture->effects), STATUS_OK);
    fixture->now.store_ms = contextd_store_ms(&fixture->core);
}

enum status core_run(struct core_fixture *fixture, const struct command *command)
{
    struct store_txn *txn = NULL;
    struct error error = {0};

    store_abort(&fixture->txn);
    cr_assert_eq(store_begin(fixture->store, STORE_WRITE, &txn), STATUS_OK);
    cr_assert_eq(contextd_begin(&fixture->core, txn, NULL), STATUS_OK);
    cr_assert_eq(contextd_step(&fixture->core, txn, &fixture->now, command, &fixture->effects), STATUS_OK);
    contextd_finish(&fixture->core, txn, &fixture->now);
    if (fixture->effects.error.status != STATUS_OK || only_reads(command->kind)) {
        cr_assert_not(store_is_dirty(txn), "what was refused or only reads has written");
        fixture->txn = txn;
        return fixture->effects.error.status;
    }
    cr_assert_eq(store_commit(&txn), STATUS_OK);
    if (!fixture->unchecked)
        cr_assert_eq(core_check(fixture, &error), STATUS_OK, "%s", error.message);
    return STATUS_OK;
}

static struct expected_version expected_of(int64_t version)
{
    return (struct expected_version){.present = version >= 0, .version = version >= 0 ? (uint64_t)version : 0};
}

enum status core_put(struct core_fixture *fixture, const char *key, const char *value, int64_t version)
{
    struct command command = {.kind = COMMAND_PUT_ENTRY,
                              .put_entry = {.key = bytes_of_text(key),
                                            .value = bytes_of_text(value),
                                            .content_type = bytes_of_text("text/plain"),
                                            .expected = expected_of(version)}};
    return core_run(fixture, &command);
}

enum status core_put_as(struct core_fixture *fixture, const char *key, uint64_t task_id, uint64_t fence)
{
    struct command command = {
        .kind = COMMAND_PUT_ENTRY,
        .put_entry = {.key = bytes_of_text(key),
                      .value = bytes_of_text("as"),
                      .writer = {.agent_id = bytes_of_text("build7/claude"), .task_id = task_id, .fence = fence}}};
    return core_run(fixture, &command);
}

enum status core_get(struct core_fixture *fixture, const char *key)
{
    struct command command = {.kind = COMMAND_GET_ENTRY, .get_entry = {.key = bytes_of_text(key)}};
    return core_run(fixture, &command);
}

enum status core_delete(struct core_fixture *fixture, const char *key, int64_t version)
{
    struct command command = {.kind = COMMAND_DELETE_ENTRY,
                              .delete_entry = {.key = bytes_of_text(key), .expected = expected_of(version)}};
    return core_run(fixture, &command);
}

enum status core_list(struct core_fixture *fixture, const char *prefix, uint32_t page_size, const char *page_token)
{
    struct command command = {.kind = COMMAND_LIST_ENTRIES,
                              .list_entries = {.prefix = bytes_of_text(prefix),
                                               .page_token = bytes_of_text(page_token),
                                               .page_size = page_size,
                                               .with_values = true}};
    return core_run(fixture, &command);
}

void core_put_lock(struct core_fixture *fixture, const char *name)
{
    static const uint8_t request[LOCK_REQUEST_SIZE];
    struct command command = {.kind = COMMAND_ACQUIRE_LOCK,
                              .acquire_lock = {.name = bytes_of_text(name),
                                               .mode = LOCK_EXCLUSIVE,
                                               .holder = {.agent_id = bytes_of_text("a")},
                                               .request = {.data = request, .size = sizeof request}}};
    cr_assert_eq(core_run(fixture, &command), STATUS_OK, "%s", fixture->effects.error.message);
}

enum status core_send(struct core_fixture *fixture, const char *mailbox, uint8_t request, const char *body)
{
    uint8_t bytes[LOCK_REQUEST_SIZE];

    memset(bytes, request, sizeof bytes);
    struct command command = {.kind = COMMAND_SEND_MESSAGE,
                              .send_message = {.mailbox = bytes_of_text(mailbox),
                                               .sender = {.agent_id = bytes_of_text("sender")},
                                               .body = bytes_of_text(body),
                                               .request = {.data = bytes, .size = sizeof bytes}}};
    return core_run(fixture, &command);
}

void core_put_message(struct core_fixture *fixture, const char *mailbox, uint8_t request)
{
    cr_assert_eq(core_send(fixture, mailbox, request, "body"), STATUS_OK, "%s", fixture->effects.error.message);
}

void core_ack(struct core_fixture *fixture, const char *mailbox, const char *reader, uint64_t up_to)
{
    struct command command = {
        .kind = COMMAND_ACK_MESSAGES,
        .ack_messages = {.mailbox = bytes_of_text(mailbox), .reader = bytes_of_text(reader), .up_to = up_to}};
    cr_assert_eq(core_run(fixture, &command), STATUS_OK, "%s", fixture->effects.error.message);
}

struct stream_name core_stream(const char *name)
{
    return (struct stream_name){
        .namespace = bytes_of_text("default"), .task_id = 7, .fence = 3, .name = bytes_of_text(name)};
}

enum status core_append(struct core_fixture *fixture, const char *name, uint64_t offset, struct bytes data)
{
    struct command command = {.kind = COMMAND_APPEND_STREAM,
                              .append_stream = {.stream = core_stream(name), .offset = offset, .data = data}};
    return core_run(fixture, &command);
}

enum status core_append_text(struct core_fixture *fixture, const char *name, uint64_t offset, const char *text)
{
    return core_append(fixture, name, offset, bytes_of_text(text));
}

enum status core_read(struct core_fixture *fixture, const char *name, uint64_t offset, uint32_t max_bytes)
{
    struct command command = {.kind = COMMAND_READ_STREAM,
                              .read_stream = {.stream = core_stream(name), .offset = offset, .max_bytes = max_bytes}};
    return core_run(fixture, &command);
}

enum status core_seal(struct core_fixture *fixture, const char *name, uint64_t length)
{
    struct command command = {.kind = COMMAND_SEAL_STREAM,
                              .seal_stream = {.stream = core_stream(name), .length = length}};
    return core_run(fixture, &command);
}
