#include "contextd/core/chunk.h"

#include "common/base/check.h"
#include "contextd/core/keys.h"
#include "contextd/core/tables.h"

#include <string.h>

/* A chunk is a header (format version, three bytes of nothing, checksum) and the bytes. The checksum covers the key,
 * then the bytes, so that it can go on where it was when a tail grows. */
static uint32_t checksum_begin(struct bytes key)
{
    static const uint8_t version = RECORD_VERSION;
    return crc32c(crc32c(0, key.data, key.size), &version, sizeof version);
}

static enum status chunk_unpack(struct bytes key, struct bytes record, struct bytes *ret_data, struct error *error)
{
    struct reader reader = reader_over(record);
    uint8_t version = reader_u8(&reader);

    (void)reader_take(&reader, CHUNK_HEADER_SIZE - sizeof version - sizeof(uint32_t));
    uint32_t checksum = reader_u32(&reader);
    if (reader.failed || version != RECORD_VERSION ||
        crc32c(checksum_begin(key), reader.rest.data, reader.rest.size) != checksum)
        return context_record_is_damaged("chunk", key, error);
    *ret_data = reader.rest;
    return STATUS_OK;
}

/* Writes a chunk that is made of a and b, one behind the other. */
static void chunk_write(struct store_txn *txn, const struct key *key, struct bytes a, struct bytes b,
                        struct buffer *record)
{
    uint32_t checksum = crc32c(crc32c(checksum_begin(key_view(key)), a.data, a.size), b.data, b.size);

    record->size = 0;
    (void)buffer_reserve(record, CHUNK_HEADER_SIZE + a.size + b.size);
    buffer_add_u8(record, RECORD_VERSION);
    buffer_add_u8(record, 0);
    buffer_add_u16(record, 0);
    buffer_add_u32(record, checksum);
    buffer_add(record, a.data, a.size);
    buffer_add(record, b.data, b.size);
    store_put(txn, TABLE_CHUNK, key_view(key), buffer_view(record));
}

/* How much of what is left goes into the next piece: whole pages, the rest becomes the new tail. */
static size_t piece_size(size_t left)
{
    if (left <= CHUNK_TAIL_BYTES)
        return left;
    size_t pages = (left + 16 + CHUNK_HEADER_SIZE) / 4096;
    return CHUNK_BYTES(pages < CHUNK_PAGES_MAX ? pages : CHUNK_PAGES_MAX);
}

/* Fills the tail up to a page and takes what went there off the front of data. */
static enum status tail_fill(struct store_txn *txn, struct stream *stream, struct bytes *data, struct buffer *record,
                             struct error *error)
{
    struct key key;
    struct bytes old;
    struct bytes tail = {0};

    chunk_key(stream->number, stream->tail_offset, &key);
    enum status status = store_get(txn, TABLE_CHUNK, key_view(&key), &old);
    if (status == STATUS_NOT_FOUND)
        return context_record_is_damaged("chunk", key_view(&key), error);
    TRY(status);
    TRY(chunk_unpack(key_view(&key), old, &tail, error));
    if (tail.size != stream->length - stream->tail_offset)
        return context_record_is_damaged("chunk", key_view(&key), error);

    struct bytes more = bytes_slice(*data, 0, CHUNK_TAIL_BYTES - tail.size);
    chunk_write(txn, &key, tail, more, record);
    stream->length += more.size;
    *data = bytes_slice(*data, more.size, data->size);
    return STATUS_OK;
}

enum status chunk_append(struct store_txn *txn, struct stream *stream, struct bytes data, struct buffer *record,
                         uint64_t *ret_chunks, struct error *error)
{
    uint64_t tail_size = stream->length - stream->tail_offset;
    uint32_t checksum = crc32c(stream->crc32c, data.data, data.size);

    *ret_chunks = 0;
    if (data.size > 0 && tail_size > 0 && tail_size < CHUNK_TAIL_BYTES)
        TRY(tail_fill(txn, stream, &data, record, error));
    while (data.size > 0) {
        struct bytes piece = bytes_slice(data, 0, piece_size(data.size));
        struct key key;
        chunk_key(stream->number, stream->length, &key);
        chunk_write(txn, &key, piece, (struct bytes){0}, record);
        stream->tail_offset = stream->length;
        stream->length += piece.size;
        data = bytes_slice(data, piece.size, data.size);
        ++*ret_chunks;
    }
    stream->crc32c = checksum;
    return STATUS_OK;
}

enum status chunk_read(struct store_txn *txn, const struct stream *stream, uint64_t offset, struct bytes *ret_data,
                       struct error *error)
{
    struct key wanted;
    struct bytes key;
    struct bytes record;
    struct bytes data = {0};

    CHECK(offset < stream->length);
    chunk_key(stream->number, offset, &wanted);
    enum status status = store_seek_back(txn, TABLE_CHUNK, key_view(&wanted), &key, &record);
    if (status == STATUS_NOT_FOUND || (status == STATUS_OK && chunk_key_stream(key) != stream->number))
        return context_record_is_damaged("chunk", key_view(&wanted), error);
    TRY(status);
    TRY(chunk_unpack(key, record, &data, error));
    uint64_t begin = chunk_key_offset(key);
    if (offset - begin >= data.size || begin + data.size > stream->length)
        return context_record_is_damaged("chunk", key_view(&wanted), error);
    *ret_data = bytes_slice(data, (size_t)(offset - begin), data.size);
    return STATUS_OK;
}
