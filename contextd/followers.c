#include "contextd/followers.h"

#include "common/base/check.h"
#include "contextd/convert.h"
#include "contextd/core/chunk.h"

#include <string.h>
#include <uthash.h>
#include <utlist.h>

struct follower {
    struct follower *prev; /* in the queue */
    struct follower *next;
    struct follower *stream_prev; /* among the followers of the same stream */
    struct follower *stream_next;
    struct followers *all;
    struct followed *stream;
    struct rpc_call *call;
    uint64_t offset; /* of the next byte to send */
    bool wait;
    bool is_queued;
};

struct followed {
    UT_hash_handle hh;
    struct follower *followers;
    struct stream_name name; /* borrowed from key */
    struct key key;
};

void followers_done(struct followers *followers)
{
    CHECK(followers->streams == NULL && followers->queue == NULL);
}

static void enqueue(struct follower *follower)
{
    if (follower->is_queued)
        return;
    follower->is_queued = true;
    DL_APPEND(follower->all->queue, follower);
}

static void dequeue(struct follower *follower)
{
    if (!follower->is_queued)
        return;
    follower->is_queued = false;
    DL_DELETE(follower->all->queue, follower);
}

/* NOLINTBEGIN(readability-function-size): the macros of uthash nest deeply */
static struct followed *find_stream(const struct followers *followers, const struct key *key)
{
    struct followed *stream = NULL;

    HASH_FIND(hh, followers->streams, key->data, key->size, stream);
    return stream;
}

static struct followed *obtain_stream(struct followers *followers, const struct stream_name *name)
{
    struct key key;

    stream_key(name, &key);
    struct followed *stream = find_stream(followers, &key);
    if (stream == NULL) {
        stream = allocate_zero(1, sizeof *stream);
        stream->key = key;
        stream->name = stream_key_name(key_view(&stream->key));
        HASH_ADD(hh, followers->streams, key.data, stream->key.size, stream);
    }
    return stream;
}

static void follower_free(struct follower *follower)
{
    struct followers *all = follower->all;
    struct followed *stream = follower->stream;

    dequeue(follower);
    DL_DELETE2(stream->followers, follower, stream_prev, stream_next);
    if (stream->followers == NULL) {
        HASH_DELETE(hh, all->streams, stream);
        free(stream);
    }
    all->count--;
    free(follower);
}

/* NOLINTEND(readability-function-size) */

static void on_end(struct rpc_call *call, void *data)
{
    (void)call;
    follower_free(data);
}

static void on_credit(struct rpc_call *call, void *data)
{
    (void)call;
    enqueue(data);
}

void followers_add(struct followers *followers, struct rpc_call *call, const struct stream_name *name, uint64_t offset,
                   bool wait)
{
    struct follower *follower = allocate_zero(1, sizeof *follower);

    follower->all = followers;
    follower->stream = obtain_stream(followers, name);
    follower->call = call;
    follower->offset = offset;
    follower->wait = wait;
    DL_APPEND2(follower->stream->followers, follower, stream_prev, stream_next);
    followers->count++;
    rpc_call_keep(call, on_end, follower);
    rpc_call_on_credit(call, on_credit, follower);
    enqueue(follower);
}

void followers_wake(struct followers *followers, const struct stream_name *name)
{
    struct key key;
    struct follower *follower;

    if (followers->streams == NULL)
        return;
    stream_key(name, &key);
    struct followed *stream = find_stream(followers, &key);
    if (stream != NULL)
        DL_FOREACH2(stream->followers, follower, stream_next)
    enqueue(follower);
}

bool followers_are_waiting(const struct followers *followers)
{
    return followers->queue != NULL;
}

static void send_chunk(struct follower *follower, struct bytes data)
{
    Ganger__V1__StreamChunk chunk = GANGER__V1__STREAM_CHUNK__INIT;

    chunk.offset = follower->offset;
    chunk.data = bytes_to_message(data);
    rpc_call_send(follower->call, &chunk.base);
    follower->offset += data.size;
}

static void refuse(struct follower *follower, const struct error *error)
{
    struct rpc_call *call = follower->call;

    follower_free(follower);
    rpc_call_refuse(call, error);
}

static void finish(struct follower *follower)
{
    struct rpc_call *call = follower->call;

    follower_free(follower);
    rpc_call_finish(call);
}

/* One piece for one follower; it goes to the end of the queue when there may be more. A piece is what one row of the
 * store holds, so that it is sent from where it lies. */
static enum status serve_one(struct follower *follower, struct store_txn *txn, struct effects *effects,
                             size_t *ret_bytes)
{
    static const struct contextd_now now = {0};
    struct contextd core = {0};
    struct command command = {.kind = COMMAND_READ_STREAM,
                              .read_stream = {.stream = follower->stream->name,
                                              .offset = follower->offset,
                                              .max_bytes = (uint32_t)CHUNK_MAX_BYTES}};

    CHECK(follower->is_queued);
    dequeue(follower);
    *ret_bytes = 0;
    if (!rpc_call_has_credit(follower->call))
        return STATUS_OK; /* on_credit queues it again */
    TRY(contextd_step(&core, txn, &now, &command, effects));
    if (effects->error.status == STATUS_NOT_FOUND && follower->wait)
        return STATUS_OK;
    if (effects->error.status != STATUS_OK) {
        refuse(follower, &effects->error);
        return STATUS_OK;
    }
    follower->wait = false;
    *ret_bytes = effects->data.size;
    if (effects->data.size > 0)
        send_chunk(follower, effects->data);

    const struct stream *stream = &effects->stream.stream;
    if (follower->offset < stream->length)
        enqueue(follower);
    else if (stream->sealed)
        finish(follower);
    return STATUS_OK;
}

enum status followers_serve(struct followers *followers, struct store_txn *txn, size_t max_bytes)
{
    CLEANUP(context_effects_done)
    struct effects effects = {0};
    size_t sent = 0;

    while (followers->queue != NULL && sent < max_bytes) {
        size_t bytes;
        /* What serve_one frees, it has taken out of the queue before. */
        TRY(serve_one(followers->queue, txn, &effects, &bytes)); // NOLINT(clang-analyzer-unix.Malloc)
        sent += bytes;
    }
    return STATUS_OK;
}
