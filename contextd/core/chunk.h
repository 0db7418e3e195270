/* The bytes of streams, in pieces.
 *
 * LMDB keeps a value over 2 KB in pages of its own, which hold n*4096-16 bytes without waste: pieces have these sizes.
 * Only the last piece of a stream may be smaller than one page, and only such a tail is written again when more bytes
 * come: many small appends cost one page each, large ones are written once. */
#pragma once

#include "common/store/store.h"
#include "contextd/core/records.h"

#define CHUNK_HEADER_SIZE ((size_t)8)
#define CHUNK_PAGES_MAX ((size_t)16)
#define CHUNK_BYTES(pages) ((pages)*4096 - 16 - CHUNK_HEADER_SIZE)
#define CHUNK_TAIL_BYTES CHUNK_BYTES(1)
#define CHUNK_MAX_BYTES CHUNK_BYTES(CHUNK_PAGES_MAX)

/* Adds data to the end; brings length, tail_offset and crc32c up to date, not the stream's row. *ret_chunks is how many
 * rows were added. DATA_LOSS/CHECKSUM, with nothing written, when the tail is damaged. */
enum status chunk_append(struct store_txn *txn, struct stream *stream, struct bytes data, struct buffer *record,
                         uint64_t *ret_chunks, struct error *error) NODISCARD;

/* The bytes from offset on, as far as one piece goes; offset is below the stream's length. Borrowed from the store. */
enum status chunk_read(struct store_txn *txn, const struct stream *stream, uint64_t offset, struct bytes *ret_data,
                       struct error *error) NODISCARD;
