/*
 * Compressed pages: both libraries take the same streams for good, and make the
 * same page of them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/compress/compress-codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(PageInflate) fast =
        page_inflate_new(PAGE_ZLIB_FASTEST, &error_abort);
    g_autoptr(PageInflate) zlib =
        page_inflate_new(PAGE_ZLIB_ZLIB, &error_abort);
    g_autofree uint8_t *exact = g_memdup2(data, size);
    g_autofree uint8_t *a = g_malloc0(RAM_PAGE_SIZE);
    g_autofree uint8_t *b = g_malloc0(RAM_PAGE_SIZE);

    if (page_inflate(fast, exact, size, a) &&
        page_inflate(zlib, exact, size, b)) {
        g_assert(!memcmp(a, b, RAM_PAGE_SIZE));
    }
    return 0;
}
