/*
 * XBZRLE: every way decodes the same bytes to the same page, or refuses them;
 * what the encoder makes of the two pages is decoded again.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/compress/xbzrle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int decode(XBZRLEWay way, const uint8_t *data, size_t size,
                  uint8_t *page)
{
    int ret;

    memset(page, 0x11, RAM_PAGE_SIZE);
    ret = xbzrle_decode_by(way, data, size, page);
    g_assert(ret <= (int)RAM_PAGE_SIZE);
    return ret;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree uint8_t *exact = g_memdup2(data, size); /* nothing behind */
    g_autofree uint8_t *old = g_malloc(RAM_PAGE_SIZE);
    g_autofree uint8_t *first = g_malloc(RAM_PAGE_SIZE);
    g_autofree uint8_t *page = g_malloc(RAM_PAGE_SIZE);
    g_autofree uint8_t *out = g_malloc(RAM_PAGE_SIZE);
    int ret = decode(XBZRLE_PORTABLE, exact, size, first);

    memset(old, 0x11, RAM_PAGE_SIZE);
    for (XBZRLEWay way = 0; way <= xbzrle_best(); way++) {
        int len;

        g_assert(decode(way, exact, size, page) == ret);
        g_assert(!memcmp(page, first, RAM_PAGE_SIZE));
        len = xbzrle_encode_by(way, old, page, out, RAM_PAGE_SIZE);
        if (len >= 0) {
            g_assert(xbzrle_decode_by(way, out, (size_t)len,
                                      memset(page, 0x11, RAM_PAGE_SIZE)) >= 0);
            g_assert(!memcmp(page, first, RAM_PAGE_SIZE));
        }
    }
    return 0;
}
