/* What writing and reading a backup share: how its file looks.
 *
 * A file is blocks: payload size (u32), CRC32C (u32) over the block's number (u64) and its payload, payload. The first
 * one names the format, the schema and its tables. The following ones have rows, each a table (u8), a sized key and a
 * sized value. The last one is BACKUP_END (u8) and the number of rows (u64). */
#pragma once

#include "common/base/bytes.h"
#include "common/store/backup.h"

#define BACKUP_MAGIC "ganger backup\n"
#define BACKUP_FORMAT 1
#define BACKUP_END 0xFF
#define BLOCK_HEAD_BYTES 8
#define BLOCK_BYTES ((size_t)256 * 1024)
#define BLOCK_BYTES_MAX (BLOCK_BYTES + STORE_KEY_MAX + STORE_VALUE_MAX + 16)

_Static_assert(STORE_TABLES_MAX < BACKUP_END, "the end is told from a row by its first byte");

static inline uint32_t block_checksum(uint64_t number, struct bytes payload)
{
    uint8_t head[8];

    store_u64(head, number);
    return crc32c(crc32c(0, head, sizeof head), payload.data, payload.size);
}

static inline bool backup_goes_on(const struct backup_watch *watch, const struct backup_figures *figures)
{
    return watch == NULL || watch->on_progress == NULL || watch->on_progress(figures, watch->data);
}
