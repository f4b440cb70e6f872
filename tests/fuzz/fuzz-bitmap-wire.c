/*
 * Chunks of the section "dirty-bitmap", one after the other, until one is
 * refused. Checked beside memory safety: what was accepted encodes to the same
 * bytes (but for properties that have no meaning any more).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/bitmap/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const BitmapChunk *c, const uint8_t *wire, size_t len)
{
    uint8_t buf[BITMAP_CHUNK_MAX];
    size_t n = bitmap_chunk_encode(c, buf);

    assert(n == len && n <= sizeof(buf));
    if (c->flags & BITMAP_CHUNK_START) {
        n--; /* properties */
    }
    assert(memcmp(buf, wire, n) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    while (size) {
        BitmapChunk c;
        int n = bitmap_chunk_decode(data, size, &c, NULL);

        if (n <= 0) {
            return 0;
        }
        check_same(&c, data, (size_t)n);
        assert(c.data_len <= BITMAP_DATA_MAX);
        data += n;
        size -= (size_t)n;
        if (size < c.data_len) {
            return 0;
        }
        data += c.data_len;
        size -= c.data_len;
    }
    return 0;
}
