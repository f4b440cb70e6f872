/*
 * CRC-32C, by the CPU's instruction where it has one, else with a table of
 * the bit-reflected polynomial.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/crc32c.h"

#define CRC32C_POLY_REFLECTED 0x82f63b78u

typedef struct CRC32CTable {
    uint32_t t[256];
} CRC32CTable;

static gpointer crc32c_make_table(gpointer unused)
{
    CRC32CTable *table = g_new(CRC32CTable, 1);

    for (uint32_t i = 0; i < 256; i++) {
        uint32_t r = i;

        for (int bit = 0; bit < 8; bit++) {
            r = (r >> 1) ^ (r & 1 ? CRC32C_POLY_REFLECTED : 0);
        }
        table->t[i] = r;
    }
    return table;
}

static uint32_t crc32c_by_table(uint32_t crc, const uint8_t *data, size_t len)
{
    static GOnce once = G_ONCE_INIT;
    const CRC32CTable *table = g_once(&once, crc32c_make_table, NULL);

    while (len--) {
        crc = table->t[(crc ^ *data++) & 0xff] ^ (crc >> 8);
    }
    return crc;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t crc32c_by_cpu(
    uint32_t crc, const uint8_t *data, size_t len)
{
    uint64_t wide = crc;

    for (; len >= 8; len -= 8, data += 8) {
        uint64_t word;

        memcpy(&word, data, sizeof(word));
        wide = __builtin_ia32_crc32di(wide, word);
    }
    crc = (uint32_t)wide;
    while (len--) {
        crc = __builtin_ia32_crc32qi(crc, *data++);
    }
    return crc;
}
#endif

uint32_t crc32c(uint32_t crc, const uint8_t *data, unsigned int length)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("sse4.2")) {
        return ~crc32c_by_cpu(crc, data, length);
    }
#endif
    return ~crc32c_by_table(crc, data, length);
}
