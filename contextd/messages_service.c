/* The service Messages: send, receive, acknowledge, list. */
#include "contextd/convert.h"
#include "contextd/shell.h"

#include "common/rpc/envelope.h"

#define SMALL_REQUEST_MAX 4096
#define SEND_REQUEST_MAX ((uint32_t)128 * 1024) /* past the largest body, so that the core can name the field */
#define WAIT_MAX_MS 20000

static struct shell *shell_of(Ganger__V1__Messages_Service *service)
{
    return ((struct messages_service *)service)->shell;
}

static void send_message(Ganger__V1__Messages_Service *service, const Ganger__V1__SendMessageRequest *request,
                         Ganger__V1__SendMessageResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    Ganger__V1__SendMessageResponse response = GANGER__V1__SEND_MESSAGE_RESPONSE__INIT;
    struct command command = {.kind = COMMAND_SEND_MESSAGE,
                              .send_message = {.namespace = bytes_of_text(request->namespace_),
                                               .mailbox = bytes_of_text(request->mailbox),
                                               .sender = writer_from_message(request->sender),
                                               .body = bytes_from_message(request->body),
                                               .content_type = bytes_of_text(request->content_type),
                                               .reply_to = request->reply_to,
                                               .ttl_ms = request->ttl_ms,
                                               .request = bytes_from_message(request->request)}};

    (void)closure;
    if (!shell_step(shell, &command, closure_data))
        return;
    response.number = shell->effects.message_id;
    rpc_call_reply(closure_data, &response.base);
}

static void answer_received(struct shell *shell, struct rpc_call *call)
{
    const struct effects *effects = &shell->effects;
    Ganger__V1__ReceiveMessagesResponse response = GANGER__V1__RECEIVE_MESSAGES_RESPONSE__INIT;

    response.n_messages = effects->count;
    response.messages = arena_zero(&shell->arena, effects->count, sizeof(Ganger__V1__Message *));
    for (size_t i = 0; i < effects->count; i++)
        response.messages[i] = message_to_message(&shell->arena, &effects->messages[i]);
    rpc_call_reply(call, &response.base);
}

bool messages_service_serve(struct shell *shell, struct rpc_call *call, const struct receive_messages *receive,
                            bool is_over)
{
    struct command command = {.kind = COMMAND_RECEIVE_MESSAGES, .receive_messages = *receive};

    if (!shell_step(shell, &command, call))
        return true;
    if (shell->effects.count == 0 && !is_over)
        return false;
    answer_received(shell, call);
    return true;
}

static void receive_messages(Ganger__V1__Messages_Service *service, const Ganger__V1__ReceiveMessagesRequest *request,
                             Ganger__V1__ReceiveMessagesResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    struct error error = {0};
    struct receive_messages receive = {.namespace = bytes_of_text(request->namespace_),
                                       .mailbox = bytes_of_text(request->mailbox),
                                       .reader = bytes_of_text(request->reader),
                                       .after = request->after,
                                       .max = request->max};

    (void)closure;
    if (request->wait_ms > WAIT_MAX_MS) {
        (void)error_set(&error, STATUS_INVALID_ARGUMENT, "BAD_FIELD", "wait_ms: at most %d are allowed", WAIT_MAX_MS);
        rpc_call_refuse(closure_data, &error);
        return;
    }
    if (receive.namespace.size == 0)
        receive.namespace = bytes_of_text("default");
    if (!messages_service_serve(shell, closure_data, &receive, request->wait_ms == 0))
        receivers_add(&shell->receivers, closure_data, &receive, shell->now.boot_ms + request->wait_ms);
}

static void ack_messages(Ganger__V1__Messages_Service *service, const Ganger__V1__AckMessagesRequest *request,
                         Ganger__V1__AckMessagesResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    Ganger__V1__AckMessagesResponse response = GANGER__V1__ACK_MESSAGES_RESPONSE__INIT;
    struct command command = {.kind = COMMAND_ACK_MESSAGES,
                              .ack_messages = {.namespace = bytes_of_text(request->namespace_),
                                               .mailbox = bytes_of_text(request->mailbox),
                                               .reader = bytes_of_text(request->reader),
                                               .up_to = request->up_to}};

    (void)closure;
    if (!shell_step(shell, &command, closure_data))
        return;
    response.removed = shell->effects.count;
    rpc_call_reply(closure_data, &response.base);
}

static void list_mailboxes(Ganger__V1__Messages_Service *service, const Ganger__V1__ListMailboxesRequest *request,
                           Ganger__V1__ListMailboxesResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    struct effects *effects = &shell->effects;
    Ganger__V1__ListMailboxesResponse response = GANGER__V1__LIST_MAILBOXES_RESPONSE__INIT;
    struct command command = {.kind = COMMAND_LIST_MAILBOXES,
                              .list_mailboxes = {.namespace = bytes_of_text(request->namespace_),
                                                 .prefix = bytes_of_text(request->prefix),
                                                 .page_size = request->page_size,
                                                 .page_token = bytes_of_text(request->page_token)}};

    (void)closure;
    if (!shell_step(shell, &command, closure_data))
        return;
    response.n_mailboxes = effects->count;
    response.mailboxes = arena_zero(&shell->arena, effects->count, sizeof(Ganger__V1__Mailbox *));
    for (size_t i = 0; i < effects->count; i++)
        response.mailboxes[i] = mailbox_to_message(&shell->arena, &effects->mailboxes[i]);
    response.next_page_token = effects->next_page_token;
    rpc_call_reply(closure_data, &response.base);
}

/* In the order of the .proto file. */
const struct rpc_method messages_methods[] = {
    {.name = "SendMessage", .request_max = SEND_REQUEST_MAX},
    {.name = "ReceiveMessages", .request_max = SMALL_REQUEST_MAX},
    {.name = "AckMessages", .request_max = SMALL_REQUEST_MAX},
    {.name = "ListMailboxes", .request_max = SMALL_REQUEST_MAX},
};

void messages_service_init(struct messages_service *service, struct shell *shell)
{
    static const Ganger__V1__Messages_Service handlers = GANGER__V1__MESSAGES__INIT();
    *service = (struct messages_service){.base = handlers, .shell = shell};
}
