#include "contextd/core/stream.h"

#include "contextd/core/chunk.h"
#include "contextd/core/fence.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKEN_FENCE_DIGITS 16 /* hexadecimal */

/* *ret_exists is false and the stream all zero when there is none. */
static enum status stream_find(struct store_txn *txn, struct bytes key, struct stream *ret_stream, bool *ret_exists,
                               struct error *error)
{
    struct bytes record;
    enum status status = store_get(txn, TABLE_STREAM, key, &record);

    *ret_exists = status == STATUS_OK;
    if (status == STATUS_NOT_FOUND) {
        *ret_stream = (struct stream){0};
        return STATUS_OK;
    }
    TRY(status);
    return stream_unpack(key, record, ret_stream, error);
}

static enum status no_such_stream(struct error *error)
{
    return error_set(error, STATUS_NOT_FOUND, "NO_STREAM",
                     "stream: there is no such stream, an append at offset 0 makes it");
}

/* Writes the row of a stream that has changed, counts it when it is new, and shows it in the effects. */
static void stream_save(struct contextd *core, struct store_txn *txn, const struct contextd_now *now,
                        const struct stream_name *name, struct effects *effects)
{
    struct stream *stream = &effects->stream.stream;
    struct counters *counters = &core->counters;
    struct key key;

    stream->revision = ++counters->revision;
    stream->modified_ms = now->unix_ms;
    stream_key(name, &key);
    stream_pack(key_view(&key), stream, &effects->record_buffer);
    store_put(txn, TABLE_STREAM, key_view(&key), buffer_view(&effects->record_buffer));
    core->changed = true;
    effects->stream_changed = true;
}

/* Gives a new stream its number and counts it; the first write of the command, so it comes after the last refusal. */
static enum status stream_begin(struct contextd *core, struct store_txn *txn, const struct contextd_now *now,
                                const struct stream_name *name, struct effects *effects)
{
    struct counters *counters = &core->counters;

    TRY(context_task_count_stream(core, txn, name, &effects->error));
    effects->stream.stream =
        (struct stream){.number = ++counters->last_stream, .created_ms = now->unix_ms, .modified_ms = now->unix_ms};
    counters->streams++;
    counters->open_streams++;
    return STATUS_OK;
}

/* Compares the part of data that the stream has already; cuts it off the front. */
static enum status compare_known(struct store_txn *txn, const struct stream *stream, uint64_t offset,
                                 struct bytes *data, struct error *error)
{
    while (data->size > 0 && offset < stream->length) {
        struct bytes known;
        TRY(chunk_read(txn, stream, offset, &known, error));
        known = bytes_slice(known, 0, data->size);
        if (memcmp(known.data, data->data, known.size) != 0)
            return error_set(error, STATUS_ABORTED, "DIFFERENT_BYTES",
                             "data: other bytes were stored at offset %" PRIu64
                             ": two writers, or one that began anew, share this stream",
                             offset);
        offset += known.size;
        *data = bytes_slice(*data, known.size, data->size);
    }
    return STATUS_OK;
}

/* Whether an append with these bytes still to come may be carried out. */
static enum status append_check(const struct stream *stream, const struct append_stream *append, size_t left,
                                const struct contextd_now *now, struct error *error)
{
    if (stream->sealed && (left > 0 || append->offset > stream->length))
        return error_set(error, STATUS_FAILED_PRECONDITION, "SEALED",
                         "stream: it is sealed with %" PRIu64 " bytes, no byte comes after that", stream->length);
    if (append->offset > stream->length)
        return error_set(error, STATUS_FAILED_PRECONDITION, "HOLE",
                         "offset: %" PRIu64 " is behind the end, the stream has %" PRIu64 " bytes: append there",
                         append->offset, stream->length);
    if ((left > 0 || stream->number == 0) && now->store_nearly_full)
        return error_set(error, STATUS_RESOURCE_EXHAUSTED, "STORE_FULL",
                         "the store is nearly full: remove something or make it larger, then try again");
    return STATUS_OK;
}

enum status stream_append(struct contextd *core, struct store_txn *txn, const struct contextd_now *now,
                          struct append_stream *append, struct effects *effects)
{
    struct stream *stream = &effects->stream.stream;
    struct bytes data = append->data;
    uint64_t chunks = 0;
    struct key key;
    bool exists;

    TRY(append_stream_validate(append, &effects->error));
    stream_key(&append->stream, &key);
    effects->stream.name = append->stream;
    TRY(stream_find(txn, key_view(&key), stream, &exists, &effects->error));
    TRY(compare_known(txn, stream, append->offset, &data, &effects->error));
    TRY(append_check(stream, append, data.size, now, &effects->error));
    if (exists && data.size == 0)
        return STATUS_OK;

    if (!exists)
        TRY(stream_begin(core, txn, now, &append->stream, effects));
    TRY(chunk_append(txn, stream, data, &effects->record_buffer, &chunks, &effects->error));
    core->counters.chunks += chunks;
    core->counters.stream_bytes += data.size;
    effects->bytes = data.size;
    stream_save(core, txn, now, &append->stream, effects);
    return STATUS_OK;
}

enum status stream_seal(struct contextd *core, struct store_txn *txn, const struct contextd_now *now,
                        struct seal_stream *seal, struct effects *effects)
{
    struct stream *stream = &effects->stream.stream;
    struct key key;
    bool exists;

    TRY(stream_name_validate(&seal->stream, &effects->error));
    stream_key(&seal->stream, &key);
    effects->stream.name = seal->stream;
    TRY(stream_find(txn, key_view(&key), stream, &exists, &effects->error));
    if (!exists && seal->length > 0)
        return no_such_stream(&effects->error);
    if (stream->length != seal->length)
        return error_set(&effects->error, STATUS_FAILED_PRECONDITION, "LENGTH_DIFFERS",
                         "length: the stream has %" PRIu64 " bytes, not %" PRIu64 ": append what is missing first",
                         stream->length, seal->length);
    if (stream->sealed)
        return STATUS_OK;

    if (!exists)
        TRY(stream_begin(core, txn, now, &seal->stream, effects));
    stream->sealed = true;
    core->counters.open_streams--;
    stream_save(core, txn, now, &seal->stream, effects);
    return STATUS_OK;
}

/* Gathers what lies in several pieces; what lies in one is borrowed as it is. */
static enum status read_pieces(struct store_txn *txn, const struct stream *stream, const struct read_stream *read,
                               struct effects *effects)
{
    uint64_t offset = read->offset;
    uint64_t left = stream->length > offset ? stream->length - offset : 0;
    struct buffer *gathered = &effects->data_buffer;

    if (left > read->max_bytes)
        left = read->max_bytes;
    gathered->size = 0;
    while (left > 0) {
        struct bytes piece;
        TRY(chunk_read(txn, stream, offset, &piece, &effects->error));
        piece = bytes_slice(piece, 0, (size_t)left);
        if (gathered->size == 0 && piece.size == left) {
            effects->data = piece;
            return STATUS_OK;
        }
        (void)buffer_reserve(gathered, (size_t)left);
        buffer_add(gathered, piece.data, piece.size);
        offset += piece.size;
        left -= piece.size;
    }
    effects->data = buffer_view(gathered);
    return STATUS_OK;
}

enum status stream_read(struct store_txn *txn, struct read_stream *read, struct effects *effects)
{
    struct key key;
    bool exists;

    TRY(read_stream_validate(read, &effects->error));
    stream_key(&read->stream, &key);
    effects->stream.name = read->stream;
    TRY(stream_find(txn, key_view(&key), &effects->stream.stream, &exists, &effects->error));
    if (!exists)
        return no_such_stream(&effects->error);
    TRY(read_pieces(txn, &effects->stream.stream, read, effects));
    effects->bytes = effects->data.size;
    return STATUS_OK;
}

enum status stream_look_up(struct store_txn *txn, struct find_stream *find, struct effects *effects)
{
    struct key key;
    bool exists;

    TRY(stream_name_validate(&find->stream, &effects->error));
    stream_key(&find->stream, &key);
    effects->stream.name = find->stream;
    TRY(stream_find(txn, key_view(&key), &effects->stream.stream, &exists, &effects->error));
    return exists || find->may_be_absent ? STATUS_OK : no_such_stream(&effects->error);
}

/* A page goes on behind the fence and name of its last stream. */
static void set_page_token(struct effects *effects, const struct stream_name *last)
{
    (void)snprintf(effects->next_page_token, sizeof effects->next_page_token, "%0*" PRIx64 ":%.*s", TOKEN_FENCE_DIGITS,
                   last->fence, (int)last->name.size, (const char *)last->name.data);
}

static enum status start_behind_token(const struct list_streams *list, struct key *ret_start, struct error *error)
{
    char digits[TOKEN_FENCE_DIGITS + 1] = "";
    char *end = NULL;
    struct stream_name last = {.namespace = list->namespace, .task_id = list->task_id};
    struct bytes token = list->page_token;

    if (token.size > TOKEN_FENCE_DIGITS && token.data[TOKEN_FENCE_DIGITS] == ':') {
        memcpy(digits, token.data, TOKEN_FENCE_DIGITS);
        last.fence = strtoull(digits, &end, 16);
        last.name = bytes_slice(token, TOKEN_FENCE_DIGITS + 1, token.size);
    }
    if (end != digits + TOKEN_FENCE_DIGITS || stream_name_validate(&last, NULL) != STATUS_OK)
        return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_FIELD", "page_token: it is not from a page of streams");
    stream_key(&last, ret_start);
    key_step_behind(ret_start);
    return STATUS_OK;
}

enum status stream_list(struct store_txn *txn, struct list_streams *list, struct effects *effects)
{
    struct key prefix;
    struct key start;
    struct bytes key;
    struct bytes record;

    TRY(list_streams_validate(list, &effects->error));
    stream_key_of_task(list->namespace, list->task_id, &prefix);
    start = prefix;
    if (list->page_token.size > 0)
        TRY(start_behind_token(list, &start, &effects->error));
    effects->streams = arena_zero(&effects->arena, list->page_size, sizeof *effects->streams);

    enum status status = store_seek(txn, TABLE_STREAM, key_view(&start), &key, &record);
    while (status == STATUS_OK && bytes_have_prefix(key, key_view(&prefix))) {
        if (effects->count == list->page_size) {
            set_page_token(effects, &effects->streams[effects->count - 1].name);
            break;
        }
        struct stream_info *info = &effects->streams[effects->count];
        info->name = stream_key_name(key);
        TRY(stream_unpack(key, record, &info->stream, &effects->error));
        effects->count++;
        status = store_next(txn, TABLE_STREAM, &key, &record);
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}
