#include "worker/supervisor.h"

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define UNDER_WAY_MAX 4      /* pieces of one stream */
#define ALL_UNDER_WAY_MAX 64 /* of all: one agent that writes much slows nobody else */
#define PAUSE_MS 500
#define TIMEOUT_MS 4000 /* then it is sent again: what is there already is recognised by its offset */

static const char *const names[STREAMS] = {[STREAM_STDOUT] = "stdout", [STREAM_STDERR] = "stderr"};

void streams_open(struct run *run)
{
    for (size_t i = 0; i < STREAMS; i++) {
        CLEANUP(free)
        char *path = run_directory_file(&run->directory, names[i]);
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_APPEND, S_IRUSR | S_IWUSR);
        run->streams[i] = (struct stream){.run = run, .name = names[i], .fd = fd, .over = fd < 0};
    }
}

void streams_close(struct run *run)
{
    for (size_t i = 0; i < STREAMS; i++) {
        fd_close(run->streams[i].fd);
        run->streams[i].fd = -1;
        run->streams[i].over = true;
    }
}

static void name_stream(const struct stream *stream, Ganger__V1__StreamName *name)
{
    ganger__v1__stream_name__init(name);
    name->namespace_ = stream->run->namespace;
    name->task_id = stream->run->task_id;
    name->fence = stream->run->fence;
    /* protobuf-c has no const texts; it is only read. */
    memcpy(&name->name, &stream->name, sizeof name->name);
}

static bool may_come_right(const struct ganger_error *error)
{
    return error->status == GANGER_DEADLINE_EXCEEDED || error->status == GANGER_UNAVAILABLE ||
           error->status == GANGER_INTERNAL || error->status == GANGER_RESOURCE_EXHAUSTED ||
           (error->status == GANGER_FAILED_PRECONDITION && strcmp(error->reason, "HOLE") == 0);
}

static void refused(struct stream *stream, const struct ganger_error *error)
{
    if (may_come_right(error)) {
        stream->rewind = true;
        stream->not_before_ms = clock_boot_ms() + PAUSE_MS;
        return;
    }
    if (!stream->over)
        log_warning("Output is refused and given up", log_text("task", stream->run->id_text),
                    log_text("stream", stream->name), log_number("stored", stream->stored),
                    log_text("reason", error->reason), log_text("error", error->message));
    stream->over = true;
    stream->lost = true;
}

/* Every open request holds its run: runs are freed only when nothing is under way. */
static void on_stored(const struct ganger_reply *reply, void *data)
{
    struct stream *stream = data;
    struct supervisor *supervisor = stream->run->supervisor;

    stream->under_way--;
    supervisor->pieces_under_way--;
    supervisor->look_at_output_ms = 0;
    if (reply->error != NULL) {
        refused(stream, reply->error);
        return;
    }
    uint64_t length = ((const Ganger__V1__AppendStreamResponse *)reply->response)->length;
    if (length > stream->stored)
        stream->stored = length;
}

static void on_sealed(const struct ganger_reply *reply, void *data)
{
    struct stream *stream = data;

    stream->under_way--;
    stream->run->supervisor->pieces_under_way--;
    stream->sealing = false;
    if (reply->error != NULL)
        refused(stream, reply->error);
    else
        stream->over = true;
}

static void under_way(struct stream *stream, const char *method, const ProtobufCMessage *request,
                      ganger_reply_fn *on_reply)
{
    struct supervisor *supervisor = stream->run->supervisor;

    stream->under_way++;
    supervisor->pieces_under_way++;
    (void)ganger_start(supervisor->context, &ganger__v1__streams__descriptor, method, request, TIMEOUT_MS, 0, on_reply,
                       stream);
}

static bool send_piece(struct stream *stream, size_t size)
{
    struct supervisor *supervisor = stream->run->supervisor;
    Ganger__V1__AppendStreamRequest request = GANGER__V1__APPEND_STREAM_REQUEST__INIT;
    Ganger__V1__StreamName name;

    ssize_t got =
        pread(stream->fd, supervisor->piece, size < PIECE_MAX_BYTES ? size : PIECE_MAX_BYTES, (off_t)stream->read);
    if (got <= 0)
        return false;
    name_stream(stream, &name);
    request.stream = &name;
    request.offset = stream->sent;
    request.data = (ProtobufCBinaryData){.data = supervisor->piece, .len = (size_t)got};
    under_way(stream, "AppendStream", &request.base, on_stored);
    stream->read += (uint64_t)got;
    stream->sent += (uint64_t)got;
    return true;
}

static void seal(struct stream *stream)
{
    Ganger__V1__SealStreamRequest request = GANGER__V1__SEAL_STREAM_REQUEST__INIT;
    Ganger__V1__StreamName name;

    name_stream(stream, &name);
    request.stream = &name;
    request.length = stream->stored;
    stream->sealing = true;
    under_way(stream, "SealStream", &request.base, on_sealed);
}

/* How many bytes of the file are to be sent. */
static uint64_t look(struct stream *stream)
{
    uint64_t output_max = stream->run->profile->output_max_bytes;
    struct stat status;

    if (fstat(stream->fd, &status) != 0)
        return 0;
    stream->size = (uint64_t)status.st_size;
    /* An agent may cut its own output ("> /dev/stdout"): the stream goes on behind what it has. */
    if (stream->size < stream->read)
        stream->read = 0;
    uint64_t left = stream->size - stream->read;
    uint64_t room = output_max > stream->sent ? output_max - stream->sent : 0;
    return left < room ? left : room;
}

static void go_back(struct stream *stream)
{
    uint64_t lost = stream->sent - stream->stored;

    stream->read -= lost < stream->read ? lost : stream->read;
    stream->sent = stream->stored;
    stream->rewind = false;
}

static bool ship(struct stream *stream, bool final, uint64_t now_ms)
{
    struct supervisor *supervisor = stream->run->supervisor;

    if (stream->over)
        return stream->under_way == 0;
    if (stream->not_before_ms > now_ms || stream->sealing || (stream->rewind && stream->under_way > 0))
        return false;
    if (stream->rewind)
        go_back(stream);
    uint64_t left = look(stream);
    while (left > 0 && stream->under_way < UNDER_WAY_MAX && supervisor->pieces_under_way < ALL_UNDER_WAY_MAX) {
        uint64_t before = stream->sent;
        if (!send_piece(stream, left))
            return false;
        left -= stream->sent - before;
    }
    if (final && left == 0 && stream->under_way == 0)
        seal(stream);
    return false;
}

bool streams_ship(struct run *run, bool final, uint64_t now_ms)
{
    bool done = true;

    for (size_t i = 0; i < STREAMS; i++)
        done = ship(&run->streams[i], final, now_ms) && done;
    return done;
}

bool streams_overflow(const struct run *run)
{
    for (size_t i = 0; i < STREAMS; i++)
        if (run->streams[i].size > run->profile->output_max_bytes)
            return true;
    return false;
}

size_t stream_tail(const struct stream *stream, uint8_t *ret_tail, size_t size)
{
    struct stat status;

    if (stream->fd < 0 || fstat(stream->fd, &status) != 0)
        return 0;
    off_t begin = status.st_size > (off_t)size ? status.st_size - (off_t)size : 0;
    ssize_t got = pread(stream->fd, ret_tail, size, begin);
    return got > 0 ? (size_t)got : 0;
}
