/* The service Streams: append, read, follow, seal, list. */
#include "contextd/convert.h"
#include "contextd/shell.h"

#include "common/rpc/envelope.h"

#define SMALL_REQUEST_MAX 4096

static struct shell *shell_of(Ganger__V1__Streams_Service *service)
{
    return ((struct streams_service *)service)->shell;
}

static void append_stream(Ganger__V1__Streams_Service *service, const Ganger__V1__AppendStreamRequest *request,
                          Ganger__V1__AppendStreamResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    struct rpc_call *call = closure_data;
    Ganger__V1__AppendStreamResponse response = GANGER__V1__APPEND_STREAM_RESPONSE__INIT;
    struct command command = {.kind = COMMAND_APPEND_STREAM,
                              .append_stream = {.stream = stream_name_from_message(request->stream),
                                                .offset = request->offset,
                                                .data = bytes_from_message(request->data)}};

    (void)closure;
    if (!shell_step(shell, &command, call))
        return;
    response.length = shell->effects.stream.stream.length;
    rpc_call_reply(call, &response.base);
}

static void read_stream(Ganger__V1__Streams_Service *service, const Ganger__V1__ReadStreamRequest *request,
                        Ganger__V1__ReadStreamResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    struct rpc_call *call = closure_data;
    Ganger__V1__ReadStreamResponse response = GANGER__V1__READ_STREAM_RESPONSE__INIT;
    struct command command = {.kind = COMMAND_READ_STREAM,
                              .read_stream = {.stream = stream_name_from_message(request->stream),
                                              .offset = request->offset,
                                              .max_bytes = request->max_bytes}};

    (void)closure;
    if (!shell_step(shell, &command, call))
        return;
    response.data = bytes_to_message(shell->effects.data);
    response.info = stream_info_to_message(&shell->arena, &shell->effects.stream);
    rpc_call_reply(call, &response.base);
}

/* Refuses what cannot be followed at once, and leaves the rest to the turns after the commit: what this batch appends
 * is not shown before it is durable. */
static void follow_stream(Ganger__V1__Streams_Service *service, const Ganger__V1__FollowStreamRequest *request,
                          Ganger__V1__StreamChunk_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    struct rpc_call *call = closure_data;
    struct stream_name name = stream_name_from_message(request->stream);
    struct command command = {.kind = COMMAND_FIND_STREAM,
                              .find_stream = {.stream = name, .may_be_absent = request->wait}};

    (void)closure;
    if (!shell_step(shell, &command, call))
        return;
    followers_add(&shell->followers, call, &shell->effects.stream.name, request->offset, request->wait);
}

static void seal_stream(Ganger__V1__Streams_Service *service, const Ganger__V1__SealStreamRequest *request,
                        Ganger__V1__SealStreamResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    struct rpc_call *call = closure_data;
    Ganger__V1__SealStreamResponse response = GANGER__V1__SEAL_STREAM_RESPONSE__INIT;
    struct command command = {
        .kind = COMMAND_SEAL_STREAM,
        .seal_stream = {.stream = stream_name_from_message(request->stream), .length = request->length}};

    (void)closure;
    if (!shell_step(shell, &command, call))
        return;
    response.info = stream_info_to_message(&shell->arena, &shell->effects.stream);
    rpc_call_reply(call, &response.base);
}

static void list_streams(Ganger__V1__Streams_Service *service, const Ganger__V1__ListStreamsRequest *request,
                         Ganger__V1__ListStreamsResponse_Closure closure, void *closure_data)
{
    struct shell *shell = shell_of(service);
    struct effects *effects = &shell->effects;
    struct rpc_call *call = closure_data;
    Ganger__V1__ListStreamsResponse response = GANGER__V1__LIST_STREAMS_RESPONSE__INIT;
    struct command command = {.kind = COMMAND_LIST_STREAMS,
                              .list_streams = {.namespace = bytes_of_text(request->namespace_),
                                               .task_id = request->task_id,
                                               .page_size = request->page_size,
                                               .page_token = bytes_of_text(request->page_token)}};

    (void)closure;
    if (!shell_step(shell, &command, call))
        return;
    response.n_streams = effects->count;
    response.streams = arena_zero(&shell->arena, effects->count, sizeof(Ganger__V1__StreamInfo *));
    for (size_t i = 0; i < effects->count; i++)
        response.streams[i] = stream_info_to_message(&shell->arena, &effects->streams[i]);
    response.next_page_token = effects->next_page_token;
    rpc_call_reply(call, &response.base);
}

/* In the order of the .proto file. */
const struct rpc_method streams_methods[] = {
    {.name = "AppendStream", .request_max = BODY_MAX},
    {.name = "ReadStream", .request_max = SMALL_REQUEST_MAX},
    {.name = "FollowStream", .request_max = SMALL_REQUEST_MAX, .streams = true},
    {.name = "SealStream", .request_max = SMALL_REQUEST_MAX},
    {.name = "ListStreams", .request_max = SMALL_REQUEST_MAX},
};

void streams_service_init(struct streams_service *service, struct shell *shell)
{
    static const Ganger__V1__Streams_Service handlers = GANGER__V1__STREAMS__INIT();
    *service = (struct streams_service){.base = handlers, .shell = shell};
}
