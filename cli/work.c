#include "cli/work.h"

#include "cli/daemon.h"
#include "common/base/bytes.h"
#include "common/base/check.h"

#include <string.h>

#define CREDIT_BYTES 262144
#define TURN_MS 1000

struct follow {
    struct cli *cli;
    const struct work *work;
    ProtobufCMessage *last;
    bool has_ended;
    struct ganger_error error; /* of the end, when it was not a good one */
};

/* What a reply has is borrowed; the last one is wanted when the stream has ended. */
static void keep(struct follow *follow, const ProtobufCMessage *update)
{
    CLEANUP(buffer_done)
    struct buffer packed = {0};
    size_t size = protobuf_c_message_get_packed_size(update);

    ganger_free(follow->last);
    CHECK(protobuf_c_message_pack(update, buffer_reserve(&packed, size)) == size);
    follow->last = protobuf_c_message_unpack(update->descriptor, NULL, size, packed.data);
    CHECK(follow->last != NULL);
}

static void show(const struct follow *follow, const ProtobufCMessage *update)
{
    struct terminal *terminal = &follow->cli->errors;

    if (!terminal->interactive || follow->cli->quiet)
        return;
    CLEANUP(free)
    char *line = follow->work->describe(update);
    (void)fprintf(terminal->stream, "%s%s", terminal_wipe(terminal), line);
    (void)fflush(terminal->stream);
}

static void wipe(const struct follow *follow)
{
    struct terminal *terminal = &follow->cli->errors;

    if (!terminal->interactive || follow->cli->quiet)
        return;
    (void)fputs(terminal_wipe(terminal), terminal->stream);
    (void)fflush(terminal->stream);
}

static void on_reply(const struct ganger_reply *reply, void *data)
{
    struct follow *follow = data;

    if (reply->error != NULL)
        follow->error = *reply->error;
    if (reply->response != NULL) {
        keep(follow, reply->response);
        show(follow, reply->response);
    }
    follow->has_ended = reply->end;
}

enum exit_status work_follow(struct cli *cli, const struct work *work, ProtobufCMessage **ret_last)
{
    struct follow follow = {.cli = cli, .work = work};
    struct ganger *broker = NULL;

    TRY_DONE(daemon_open(cli, GANGER_BROKER, &broker));
    (void)ganger_start(broker, &ganger__v1__admin__descriptor, work->method, work->request, (uint32_t)cli->timeout_ms,
                       CREDIT_BYTES, on_reply, &follow);
    while (!follow.has_ended)
        daemon_process_all(cli, TURN_MS);
    wipe(&follow);
    if (follow.error.status == GANGER_OK && follow.last != NULL) {
        *ret_last = follow.last;
        return EXIT_DONE;
    }
    ganger_free(follow.last);
    return daemon_refused(cli, GANGER_BROKER, &follow.error, work->refusal);
}
