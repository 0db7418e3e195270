/* Messages over the real daemon: a reader that waits, and who asks and who answers. */
#include "tests/contextd/daemon_fixture.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define CALL_MS 30000
#define WAIT_MS 20000
#define ROUNDS 20

static uint64_t send(struct ganger *ganger, const char *from, const char *to, const char *body, uint64_t reply_to)
{
    Ganger__V1__SendMessageRequest request = GANGER__V1__SEND_MESSAGE_REQUEST__INIT;
    Ganger__V1__SendMessageResponse *response = NULL;
    Ganger__V1__Writer sender = GANGER__V1__WRITER__INIT;
    struct ganger_error error = {0};
    char sender_id[32];
    char mailbox[64];
    char text[64];

    (void)snprintf(sender_id, sizeof sender_id, "%s", from);
    (void)snprintf(mailbox, sizeof mailbox, "%s", to);
    (void)snprintf(text, sizeof text, "%s", body);
    sender.agent_id = sender_id;
    request.sender = &sender;
    request.mailbox = mailbox;
    request.body = (ProtobufCBinaryData){.data = (uint8_t *)text, .len = strlen(text)};
    request.reply_to = reply_to;
    assert_good(ganger_send_message(ganger, &request, CALL_MS, &response, &error), error);
    uint64_t id = response->number;
    ganger_free(response);
    return id;
}

/* The caller frees it. */
static Ganger__V1__ReceiveMessagesResponse *receive(struct ganger *ganger, const char *from, const char *reader,
                                                    uint32_t wait_ms)
{
    Ganger__V1__ReceiveMessagesRequest request = GANGER__V1__RECEIVE_MESSAGES_REQUEST__INIT;
    Ganger__V1__ReceiveMessagesResponse *response = NULL;
    struct ganger_error error = {0};
    char mailbox[64];
    char name[32];

    (void)snprintf(mailbox, sizeof mailbox, "%s", from);
    (void)snprintf(name, sizeof name, "%s", reader);
    request.mailbox = mailbox;
    request.reader = name;
    request.wait_ms = wait_ms;
    assert_good(ganger_receive_messages(ganger, &request, CALL_MS, &response, &error), error);
    return response;
}

static uint64_t acknowledge(struct ganger *ganger, const char *of, uint64_t up_to)
{
    Ganger__V1__AckMessagesRequest request = GANGER__V1__ACK_MESSAGES_REQUEST__INIT;
    Ganger__V1__AckMessagesResponse *response = NULL;
    struct ganger_error error = {0};
    char mailbox[64];

    (void)snprintf(mailbox, sizeof mailbox, "%s", of);
    request.mailbox = mailbox;
    request.up_to = up_to;
    assert_good(ganger_ack_messages(ganger, &request, CALL_MS, &response, &error), error);
    uint64_t removed = response->removed;
    ganger_free(response);
    return removed;
}

/* Answers each question that comes to its mailbox. */
static void *answer_questions(void *data)
{
    CLEANUP(ganger_close)
    struct ganger *ganger = open_client(data);

    for (int answered = 0; answered < ROUNDS;) {
        Ganger__V1__ReceiveMessagesResponse *response = receive(ganger, "agents/oracle", "", WAIT_MS);
        for (size_t i = 0; i < response->n_messages; i++, answered++) {
            const Ganger__V1__Message *question = response->messages[i];
            char mailbox[64];
            (void)snprintf(mailbox, sizeof mailbox, "agents/%s", question->sender->agent_id);
            (void)send(ganger, "oracle", mailbox, "yes", question->number);
            cr_assert_eq(acknowledge(ganger, "agents/oracle", question->number), 1);
        }
        ganger_free(response);
    }
    return NULL;
}

Test(message_service, lets_one_agent_ask_another_and_wait_for_the_answer)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    pthread_t oracle;

    daemon_fixture_init(&fixture, NULL);
    cr_assert_eq(pthread_create(&oracle, NULL, answer_questions, &fixture), 0);
    struct ganger *ganger = open_client(&fixture);
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t question = send(ganger, "asker", "agents/oracle", "may I?", 0);
        Ganger__V1__ReceiveMessagesResponse *response = receive(ganger, "agents/asker", "", WAIT_MS);
        cr_assert_eq(response->n_messages, 1);
        cr_assert_eq(response->messages[0]->reply_to, question);
        cr_assert_eq(response->messages[0]->body.len, 3);
        cr_assert_eq(acknowledge(ganger, "agents/asker", response->messages[0]->number), 1);
        ganger_free(response);
    }
    cr_assert_eq(pthread_join(oracle, NULL), 0);
    ganger_close(ganger);
}

Test(message_service, answers_with_nothing_when_nothing_came)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;

    daemon_fixture_init(&fixture, NULL);
    struct ganger *ganger = open_client(&fixture);
    Ganger__V1__ReceiveMessagesResponse *response = receive(ganger, "agents/nobody", "", 50);
    cr_assert_eq(response->n_messages, 0);
    ganger_free(response);
    ganger_close(ganger);
}

struct listener {
    const struct daemon_fixture *fixture;
    char name[16];
    size_t received;
};

static void *listen(void *data)
{
    struct listener *listener = data;
    CLEANUP(ganger_close)
    struct ganger *ganger = open_client(listener->fixture);
    Ganger__V1__ReceiveMessagesResponse *response = receive(ganger, "everyone", listener->name, WAIT_MS);

    listener->received = response->n_messages;
    ganger_free(response);
    return NULL;
}

Test(message_service, wakes_all_who_wait_for_a_broadcast)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;
    struct listener listeners[4] = {0};
    pthread_t threads[4];

    daemon_fixture_init(&fixture, NULL);
    for (size_t i = 0; i < 4; i++) {
        listeners[i].fixture = &fixture;
        (void)snprintf(listeners[i].name, sizeof listeners[i].name, "l%zu", i);
        cr_assert_eq(pthread_create(&threads[i], NULL, listen, &listeners[i]), 0);
    }
    struct ganger *ganger = open_client(&fixture);
    (void)send(ganger, "ganger", "everyone", "stop at noon", 0);
    for (size_t i = 0; i < 4; i++) {
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
        cr_assert_eq(listeners[i].received, 1);
    }
    ganger_close(ganger);
}

Test(message_service, keeps_what_it_acknowledged_over_a_restart)
{
    CLEANUP(daemon_fixture_done)
    struct daemon_fixture fixture;

    daemon_fixture_init(&fixture, NULL);
    struct ganger *ganger = open_client(&fixture);
    uint64_t id = send(ganger, "a", "agents/b", "remember", 0);
    ganger_close(ganger);
    cr_assert_eq(daemon_fixture_stop(&fixture), 0);
    daemon_fixture_start(&fixture, NULL);
    ganger = open_client(&fixture);
    Ganger__V1__ReceiveMessagesResponse *response = receive(ganger, "agents/b", "", 0);
    cr_assert_eq(response->n_messages, 1);
    cr_assert_eq(response->messages[0]->number, id);
    ganger_free(response);
    ganger_close(ganger);
}
