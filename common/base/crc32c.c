/* CRC32C in the processor where it can (SSE 4.2), by tables of eight bytes a step elsewhere. */
#include "common/base/bytes.h"

#include <pthread.h>
#include <string.h>

#define POLYNOMIAL 0x82F63B78U /* Castagnoli, reflected */

static uint32_t tables[8][256];
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

static void tables_fill(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ POLYNOMIAL : crc >> 1;
        tables[0][byte] = crc;
    }
    for (uint32_t byte = 0; byte < 256; byte++)
        for (int table = 1; table < 8; table++) {
            uint32_t crc = tables[table - 1][byte];
            tables[table][byte] = crc >> 8 ^ tables[0][crc & 0xFF];
        }
}

static uint32_t crc32c_by_tables(uint32_t crc, const uint8_t *data, size_t size)
{
    (void)pthread_once(&tables_once, tables_fill);
    for (; size >= 8; data += 8, size -= 8) {
        uint32_t low = crc ^ __builtin_bswap32(load_u32(data));
        uint32_t high = __builtin_bswap32(load_u32(data + 4));
        crc = tables[7][low & 0xFF] ^ tables[6][low >> 8 & 0xFF] ^ tables[5][low >> 16 & 0xFF] ^ tables[4][low >> 24] ^
              tables[3][high & 0xFF] ^ tables[2][high >> 8 & 0xFF] ^ tables[1][high >> 16 & 0xFF] ^
              tables[0][high >> 24];
    }
    for (; size > 0; data++, size--)
        crc = crc >> 8 ^ tables[0][(crc ^ *data) & 0xFF];
    return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc32c_by_processor(uint32_t crc, const uint8_t *data, size_t size)
{
    uint64_t wide = crc;

    for (; size >= 8; data += 8, size -= 8) {
        uint64_t word;
        memcpy(&word, data, sizeof word);
        wide = __builtin_ia32_crc32di(wide, word);
    }
    crc = (uint32_t)wide;
    for (; size > 0; data++, size--)
        crc = __builtin_ia32_crc32qi(crc, *data);
    return crc;
}

uint32_t crc32c(uint32_t crc, const void *data, size_t size)
{
    return ~(__builtin_cpu_supports("sse4.2") ? crc32c_by_processor(~crc, data, size)
                                              : crc32c_by_tables(~crc, data, size));
}
#else
uint32_t crc32c(uint32_t crc, const void *data, size_t size)
{
    return ~crc32c_by_tables(~crc, data, size);
}
#endif
