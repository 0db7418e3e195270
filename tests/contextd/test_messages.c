#include "contextd/core/message.h"
#include "contextd/core/validate.h"
#include "tests/contextd/core_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define DAY_MS ((uint64_t)24 * 60 * 60 * 1000)

static size_t receive(struct core_fixture *core, const char *mailbox, const char *reader, uint64_t after)
{
    struct command command = {
        .kind = COMMAND_RECEIVE_MESSAGES,
        .receive_messages = {.mailbox = bytes_of_text(mailbox), .reader = bytes_of_text(reader), .after = after}};
    assert_done(core_run(core, &command), *core);
    return core->effects.count;
}

static uint64_t put(struct core_fixture *core, const char *mailbox, uint8_t request)
{
    core_put_message(core, mailbox, request);
    return core->effects.message_id;
}

Test(message, is_received_in_the_order_of_sending_until_it_is_acknowledged)
{
    CLEANUP(core_fixture_done)
    struct core_fixture core;

    core_fixture_init(&core);
    uint64_t first = put(&core, "agents/build7/claude1", 1);
    uint64_t second = put(&core, "agents/build7/claude1", 2);
    (void)put(&core, "agents/build7/claude2", 3);
    cr_assert_gt(second, first);
    cr_assert_eq(receive(&core, "agents/build7/claude1", "", 0), 2);
    cr_assert_eq(core.effects.messages[0].id, first);
    cr_assert_eq(core.effects.messages[1].id, second);
    cr_assert(bytes_equal(core.effects.messages[0].sender.agent_id, bytes_of_text("sender")));
    cr_assert_eq(receive(&core, "agents/build7/claude1", "", first), 1);
    core_ack(&core, "agents/build7/claude1", "", first);
    cr_assert_eq(core.effects.count, 1);
    cr_assert_eq(receive(&core, "agents/build7/claude1", "", 0), 1);
    core_ack(&core, "agents/build7/claude1", "", first);
    cr_assert_eq(core.effects.count, 0, "a repeat removes nothing");
}

Test(message, that_is_sent_again_is_the_same_message)
{
    CLEANUP(core_fixture_done)
    struct core_fixture core;

    core_fixture_init(&core);
    uint64_t first = put(&core, "agents/a", 1);
    cr_assert_eq(put(&core, "agents/a", 1), first);
    cr_assert_eq(receive(&core, "agents/a", "", 0), 1);
    core_ack(&core, "agents/a", "", first);
    cr_assert_eq(put(&core, "agents/a", 1), first, "also after it was read");
    core_pass(&core, REQUEST_KEPT_MS);
    cr_assert_neq(put(&core, "agents/a", 1), first);
}

Test(broadcast, reaches_every_reader_once_also_those_who_start_later)
{
    CLEANUP(core_fixture_done)
    struct core_fixture core;

    core_fixture_init(&core);
    uint64_t first = put(&core, "everyone", 1);
    cr_assert_eq(receive(&core, "everyone", "early", 0), 1);
    core_ack(&core, "everyone", "early", first);
    cr_assert_eq(receive(&core, "everyone", "early", 0), 0);
    cr_assert_eq(receive(&core, "everyone", "late", 0), 1);
    (void)put(&core, "everyone", 2);
    cr_assert_eq(receive(&core, "everyone", "early", 0), 1);
    cr_assert_eq(receive(&core, "everyone", "late", 0), 2);
    core_ack(&core, "everyone", "early", first);
    cr_assert_eq(receive(&core, "everyone", "early", 0), 1, "a cursor does not go back");
}

Test(broadcast, needs_a_reader_with_a_name)
{
    CLEANUP(core_fixture_done)
    struct core_fixture core;
    struct command command = {.kind = COMMAND_RECEIVE_MESSAGES,
                              .receive_messages = {.mailbox = bytes_of_text("types/claude")}};
    struct command ack = {
        .kind = COMMAND_ACK_MESSAGES,
        .ack_messages = {.mailbox = bytes_of_text("everyone"), .reader = bytes_of_text("a"), .up_to = 99}};

    core_fixture_init(&core);
    assert_bad_field(core_run(&core, &command), "reader", core);
    assert_bad_field(core_run(&core, &ack), "up_to", core);
}

Test(message, expires_by_the_time_of_the_store_alone)
{
    CLEANUP(core_fixture_done)
    struct core_fixture core;

    core_fixture_init(&core);
    (void)put(&core, "agents/a", 1);
    core.now.unix_ms += 366 * DAY_MS;
    core_tick(&core);
    cr_assert_eq(receive(&core, "agents/a", "", 0), 1, "a wall clock that jumps expires nothing");
    core_pass(&core, MESSAGE_TTL_DEFAULT_MS - 1);
    cr_assert_eq(receive(&core, "agents/a", "", 0), 1);
    cr_assert_eq(core.effects.messages[0].expires_in_ms, 1);
    cr_assert_eq(contextd_next_ms(&core.core, &core.now), core.now.boot_ms + 1);
    core_pass(&core, 1);
    cr_assert_eq(receive(&core, "agents/a", "", 0), 0);
    cr_assert_eq(core.core.counters.messages, 0);
}

Test(message, does_not_expire_while_the_store_is_away)
{
    CLEANUP(core_fixture_done)
    struct core_fixture core;

    core_fixture_init(&core);
    (void)put(&core, "agents/a", 1);
    core_pass(&core, DAY_MS);
    core.now.boot_ms += 366 * DAY_MS;
    core_restart(&core);
    core_tick(&core);
    cr_assert_eq(receive(&core, "agents/a", "", 0), 1);
    cr_assert_eq(core.effects.messages[0].expires_in_ms, 6 * DAY_MS);
}

/* What waits for a time comes to its end however short the lives of the daemon are. */
Test(message, expires_although_the_store_is_killed_again_and_again)
{
    CLEANUP(core_fixture_done)
    struct core_fixture core;
    uint64_t lives = 0;

    core_fixture_init(&core);
    (void)put(&core, "agents/a", 1);
    for (; core.core.counters.messages > 0 && lives < 10 * MESSAGE_TTL_DEFAULT_MS / DAY_MS; lives++) {
        for (uint64_t ms = 0; ms < DAY_MS; ms += 20000)
            core_pass(&core, 20000);
        core_restart(&core);
    }
    cr_assert_eq(receive(&core, "agents/a", "", 0), 0);
    cr_assert_leq(lives, 15);
}

Test(cursor, is_forgotten_when_its_reader_is_idle_for_a_month)
{
    CLEANUP(core_fixture_done)
    struct core_fixture core;

    core_fixture_init(&core);
    core_ack(&core, "everyone", "a", put(&core, "everyone", 1));
    core_pass(&core, CURSOR_IDLE_MAX_MS / 2);
    core_ack(&core, "everyone", "a", put(&core, "everyone", 2));
    core_pass(&core, CURSOR_IDLE_MAX_MS / 2);
    cr_assert_eq(core.core.counters.cursors, 1);
    core_pass(&core, CURSOR_IDLE_MAX_MS / 2);
    cr_assert_eq(core.core.counters.cursors, 0);
}

Test(mailbox, is_listed_while_it_has_messages)
{
    CLEANUP(core_fixture_done)
    struct core_fixture core;
    static const char *const names[] = {"agents/a", "agents/b", "everyone", "tasks/0000-0001"};
    char token[PAGE_TOKEN_SIZE] = "";

    core_fixture_init(&core);
    for (uint8_t i = 0; i < 4; i++)
        (void)put(&core, names[i], (uint8_t)(i + 1));
    for (size_t i = 0; i < 4; i++) {
        struct command command = {.kind = COMMAND_LIST_MAILBOXES,
                                  .list_mailboxes = {.page_size = 1, .page_token = bytes_of_text(token)}};
        assert_done(core_run(&core, &command), core);
        cr_assert_eq(core.effects.count, 1);
        cr_assert(bytes_equal(core.effects.mailboxes[0].name, bytes_of_text(names[i])));
        cr_assert_eq(core.effects.mailboxes[0].messages, 1);
        cr_assert_eq(core.effects.mailboxes[0].bytes, 4);
        memcpy(token, core.effects.next_page_token, sizeof token);
    }
    cr_assert_str_empty(token);
    core_ack(&core, "agents/a", "", UINT64_MAX);
    struct command command = {.kind = COMMAND_LIST_MAILBOXES, .list_mailboxes = {.prefix = bytes_of_text("agents/")}};
    assert_done(core_run(&core, &command), core);
    cr_assert_eq(core.effects.count, 1);
}

Test(mailbox, that_is_full_refuses_the_next_message)
{
    CLEANUP(core_fixture_done)
    struct core_fixture core;
    struct command command = {
        .kind = COMMAND_SEND_MESSAGE,
        .send_message = {.mailbox = bytes_of_text("agents/a"), .sender = {.agent_id = bytes_of_text("s")}}};

    core_fixture_init(&core);
    core.unchecked = true;
    for (int i = 0; i < MAILBOX_MESSAGES_MAX; i++)
        assert_done(core_run(&core, &command), core);
    assert_refused(core_run(&core, &command), STATUS_RESOURCE_EXHAUSTED, "MAILBOX_FULL", core);
    core_ack(&core, "agents/a", "", 1);
    assert_done(core_run(&core, &command), core);
}

Test(mailbox, holds_so_many_bytes_and_no_more)
{
    CLEANUP(core_fixture_done)
    struct core_fixture core;
    static const uint8_t body[BODY_BYTES_MAX + 1];
    struct command command = {.kind = COMMAND_SEND_MESSAGE,
                              .send_message = {.mailbox = bytes_of_text("agents/a"),
                                               .sender = {.agent_id = bytes_of_text("s")},
                                               .body = {.data = body, .size = BODY_BYTES_MAX + 1}}};

    core_fixture_init(&core);
    core.unchecked = true;
    assert_bad_field(core_run(&core, &command), "body", core);
    command.send_message.body.size = BODY_BYTES_MAX;
    for (uint64_t i = 0; i < MAILBOX_BYTES_MAX / BODY_BYTES_MAX; i++)
        assert_done(core_run(&core, &command), core);
    command.send_message.body.size = 1;
    assert_refused(core_run(&core, &command), STATUS_RESOURCE_EXHAUSTED, "MAILBOX_FULL", core);
    command.send_message.body.size = 0;
    assert_done(core_run(&core, &command), core);
}

Test(mailbox, has_one_of_four_kinds_of_names)
{
    CLEANUP(core_fixture_done)
    struct core_fixture core;
    static const char *const good[] = {"everyone", "types/claude", "agents/build7/claude1", "tasks/0000-01K3"};
    static const char *const bad[] = {"",        "all",     "everyone/x", "types/",     "types/a/b",
                                      "agents/", "tasks/x", "tasks/1",    "agents/a b", "other/a"};

    core_fixture_init(&core);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_done(core_send(&core, good[i], (uint8_t)(i + 1), "x"), core);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_bad_field(core_send(&core, bad[i], 77, "x"), "mailbox", core);
}

Test(message, of_a_run_that_is_over_is_refused)
{
    CLEANUP(core_fixture_done)
    struct core_fixture core;
    struct command command = {.kind = COMMAND_SEND_MESSAGE,
                              .send_message = {.mailbox = bytes_of_text("everyone"),
                                               .sender = {.agent_id = bytes_of_text("s"), .task_id = 7, .fence = 3}}};

    core_fixture_init(&core);
    assert_done(core_run(&core, &command), core);
    assert_done(core_put_as(&core, "global/x", 7, 4), core);
    assert_refused(core_run(&core, &command), STATUS_ABORTED, "STALE_FENCE", core);
}
