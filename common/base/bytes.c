#include "common/base/bytes.h"

#include "common/base/check.h"

#include <string.h>

struct bytes bytes_of_text(const char *text)
{
    return (struct bytes){.data = (const uint8_t *)text, .size = strlen(text)};
}

struct bytes bytes_slice(struct bytes bytes, size_t offset, size_t size)
{
    if (offset >= bytes.size)
        return (struct bytes){0};
    size_t left = bytes.size - offset;
    return (struct bytes){.data = bytes.data + offset, .size = size < left ? size : left};
}

bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

int bytes_compare(struct bytes a, struct bytes b)
{
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common == 0 ? 0 : memcmp(a.data, b.data, common);

    if (order != 0)
        return order;
    return a.size < b.size ? -1 : a.size > b.size;
}

bool bytes_have_prefix(struct bytes bytes, struct bytes prefix)
{
    return bytes.size >= prefix.size && (prefix.size == 0 || memcmp(bytes.data, prefix.data, prefix.size) == 0);
}

void buffer_done(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){0};
}

uint8_t *buffer_reserve(struct buffer *buffer, size_t size)
{
    CHECK(size <= SIZE_MAX / 2 - buffer->size);
    size_t needed = buffer->size + size;

    if (needed > buffer->capacity || buffer->data == NULL) {
        size_t capacity = buffer->capacity > 0 ? buffer->capacity : 64;
        while (capacity < needed)
            capacity *= 2;
        buffer->data = reallocate(buffer->data, capacity);
        buffer->capacity = capacity;
    }
    return buffer->data + buffer->size;
}

void buffer_add(struct buffer *buffer, const void *data, size_t size)
{
    uint8_t *at = buffer_reserve(buffer, size);
    if (size > 0)
        memcpy(at, data, size);
    buffer->size += size;
}

void buffer_add_u8(struct buffer *buffer, uint8_t value)
{
    buffer_add(buffer, &value, sizeof value);
}

void buffer_add_u16(struct buffer *buffer, uint16_t value)
{
    store_u16(buffer_reserve(buffer, sizeof value), value);
    buffer->size += sizeof value;
}

void buffer_add_u32(struct buffer *buffer, uint32_t value)
{
    store_u32(buffer_reserve(buffer, sizeof value), value);
    buffer->size += sizeof value;
}

void buffer_add_u64(struct buffer *buffer, uint64_t value)
{
    store_u64(buffer_reserve(buffer, sizeof value), value);
    buffer->size += sizeof value;
}

void buffer_add_sized(struct buffer *buffer, struct bytes bytes)
{
    CHECK(bytes.size <= UINT32_MAX);
    buffer_add_u32(buffer, (uint32_t)bytes.size);
    buffer_add(buffer, bytes.data, bytes.size);
}

struct bytes buffer_view(const struct buffer *buffer)
{
    return (struct bytes){.data = buffer->data, .size = buffer->size};
}

struct reader reader_over(struct bytes bytes)
{
    return (struct reader){.rest = bytes};
}

struct bytes reader_take(struct reader *reader, size_t size)
{
    if (reader->failed || size > reader->rest.size) {
        reader->failed = true;
        return (struct bytes){0};
    }
    struct bytes taken = {.data = reader->rest.data, .size = size};
    reader->rest.size -= size;
    if (size > 0)
        reader->rest.data += size;
    return taken;
}

uint8_t reader_u8(struct reader *reader)
{
    struct bytes taken = reader_take(reader, sizeof(uint8_t));
    return taken.size > 0 ? taken.data[0] : 0;
}

uint16_t reader_u16(struct reader *reader)
{
    struct bytes taken = reader_take(reader, sizeof(uint16_t));
    return taken.size > 0 ? load_u16(taken.data) : 0;
}

uint32_t reader_u32(struct reader *reader)
{
    struct bytes taken = reader_take(reader, sizeof(uint32_t));
    return taken.size > 0 ? load_u32(taken.data) : 0;
}

uint64_t reader_u64(struct reader *reader)
{
    struct bytes taken = reader_take(reader, sizeof(uint64_t));
    return taken.size > 0 ? load_u64(taken.data) : 0;
}

struct bytes reader_sized(struct reader *reader)
{
    return reader_take(reader, reader_u32(reader));
}

void store_u16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

void store_u32(uint8_t *at, uint32_t value)
{
    uint32_t big_endian = __builtin_bswap32(value);
    memcpy(at, &big_endian, sizeof big_endian);
}

void store_u64(uint8_t *at, uint64_t value)
{
    uint64_t big_endian = __builtin_bswap64(value);
    memcpy(at, &big_endian, sizeof big_endian);
}

uint16_t load_u16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

uint32_t load_u32(const uint8_t *at)
{
    uint32_t big_endian;
    memcpy(&big_endian, at, sizeof big_endian);
    return __builtin_bswap32(big_endian);
}

uint64_t load_u64(const uint8_t *at)
{
    uint64_t big_endian;
    memcpy(&big_endian, at, sizeof big_endian);
    return __builtin_bswap64(big_endian);
}

/* The length of the well-formed character at the start of text, 0 when there is none (Unicode, table 3-7). */
static size_t character_length(struct bytes text)
{
    uint8_t first = text.data[0];
    uint8_t low = 0x80;
    uint8_t high = 0xBF;
    size_t length;

    if (first >= 0x01 && first <= 0x7F)
        return 1;
    if (first >= 0xC2 && first <= 0xDF) {
        length = 2;
    } else if (first >= 0xE0 && first <= 0xEF) {
        length = 3;
        low = first == 0xE0 ? 0xA0 : 0x80;
        high = first == 0xED ? 0x9F : 0xBF;
    } else if (first >= 0xF0 && first <= 0xF4) {
        length = 4;
        low = first == 0xF0 ? 0x90 : 0x80;
        high = first == 0xF4 ? 0x8F : 0xBF;
    } else {
        return 0;
    }
    if (text.size < length || text.data[1] < low || text.data[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((text.data[i] & 0xC0) != 0x80)
            return 0;
    return length;
}

bool text_is_valid(struct bytes text)
{
    while (text.size > 0) {
        size_t length = character_length(text);
        if (length == 0)
            return false;
        text.data += length;
        text.size -= length;
    }
    return true;
}

size_t text_fit(const char *text, size_t size_max)
{
    size_t size = strnlen(text, size_max + 1);

    if (size <= size_max)
        return size;
    size = size_max;
    while (size > 0 && ((unsigned char)text[size] & 0xC0U) == 0x80U)
        size--;
    return size;
}
