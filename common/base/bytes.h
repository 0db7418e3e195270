/* Bytes: borrowed views, a growing buffer, big-endian fields, and the checksum of everything that is stored.
 *
 * Keys are compared byte by byte, so numbers in them are big-endian; records use the same order to have one codec. */
#pragma once

#include "common/base/cleanup.h"
#include "common/base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A borrowed view. The zero value is empty. */
struct bytes {
    const uint8_t *data;
    size_t size;
};

struct bytes bytes_of_text(const char *text);
/* The part of it that begins at offset and is at most size long. */
struct bytes bytes_slice(struct bytes bytes, size_t offset, size_t size);
bool bytes_equal(struct bytes a, struct bytes b);
int bytes_compare(struct bytes a, struct bytes b);
bool bytes_have_prefix(struct bytes bytes, struct bytes prefix);

/* Owns its memory. The zero value is empty; it grows as needed and is emptied for reuse by size = 0. */
struct buffer {
    uint8_t *data;
    size_t size;
    size_t capacity;
};

void buffer_done(struct buffer *buffer);
DEFINE_CLEANUP_EMBEDDED(struct buffer, buffer_done)
/* Makes room for size more bytes and returns where they go; they count once buffer->size is raised. */
uint8_t *buffer_reserve(struct buffer *buffer, size_t size);
void buffer_add(struct buffer *buffer, const void *data, size_t size);
void buffer_add_u8(struct buffer *buffer, uint8_t value);
void buffer_add_u16(struct buffer *buffer, uint16_t value);
void buffer_add_u32(struct buffer *buffer, uint32_t value);
void buffer_add_u64(struct buffer *buffer, uint64_t value);
/* A u32 length, then the bytes. */
void buffer_add_sized(struct buffer *buffer, struct bytes bytes);
struct bytes buffer_view(const struct buffer *buffer);

/* Reads what the buffer_add functions wrote. A read past the end fails the reader for good and yields zero or empty:
 * read everything, then look at failed once. What it returns is borrowed from the bytes that it reads. */
struct reader {
    struct bytes rest;
    bool failed;
};

struct reader reader_over(struct bytes bytes);
uint8_t reader_u8(struct reader *reader);
uint16_t reader_u16(struct reader *reader);
uint32_t reader_u32(struct reader *reader);
uint64_t reader_u64(struct reader *reader);
struct bytes reader_take(struct reader *reader, size_t size);
struct bytes reader_sized(struct reader *reader);

/* Big-endian numbers in place, for keys of a fixed layout. */
void store_u16(uint8_t *at, uint16_t value);
void store_u32(uint8_t *at, uint32_t value);
void store_u64(uint8_t *at, uint64_t value);
uint16_t load_u16(const uint8_t *at);
uint32_t load_u32(const uint8_t *at);
uint64_t load_u64(const uint8_t *at);

/* CRC32C (Castagnoli). Begin with 0; crc32c(crc32c(0, a), b) is that of a followed by b. */
uint32_t crc32c(uint32_t crc, const void *data, size_t size);

/* How much of a UTF-8 text fits into so many bytes without a character cut in two. */
size_t text_fit(const char *text, size_t size_max);
/* Well-formed UTF-8 without NUL. */
bool text_is_valid(struct bytes text);
