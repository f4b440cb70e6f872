/*
 * zlib streams (RFC 1950) of one page, by three libraries that write and read the
 * same format. At the low levels ISA-L makes of a page what zlib does, three times
 * as fast; libdeflate has the other levels and reads fastest; zlib serves where
 * these are missing. Each is loaded with the first page that needs it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/compress/compress-codec.h"

#include "util/compress-library.h"

struct PageDeflate {
    void *isal; /* IsalDeflate, or NULL: */
    void *fast; /* libdeflate's compressor, or NULL: @z */
    z_stream z;
};

struct PageInflate {
    void *fast; /* libdeflate's decompressor, or NULL: @z */
    z_stream z;
};

/* zlib's own default. */
#define ZLIB_MEM_LEVEL 8

/* -- zlib ---------------------------------------------------------------------- */

static bool zlib_deflate_open(PageDeflate *d, unsigned level, Error **errp)
{
    if (!zlib_load(errp)) {
        return false;
    }
    if (zlib_lib.deflateInit2_(&d->z, (int)level, Z_DEFLATED, MAX_WBITS,
                               ZLIB_MEM_LEVEL, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
                               sizeof(d->z)) != Z_OK) {
        error_setg(errp, "zlib does not start with level %u", level);
        return false;
    }
    return true;
}

static size_t zlib_deflate(PageDeflate *d, const uint8_t *page, uint8_t *out,
                           size_t size)
{
    zlib_lib.deflateReset(&d->z);
    d->z.next_in = (uint8_t *)page;
    d->z.avail_in = (uInt)RAM_PAGE_SIZE;
    d->z.next_out = out;
    d->z.avail_out = (uInt)size;
    return zlib_lib.deflate(&d->z, Z_FINISH) == Z_STREAM_END
               ? size - d->z.avail_out
               : 0;
}

static bool zlib_inflate_open(PageInflate *d, Error **errp)
{
    if (!zlib_load(errp)) {
        return false;
    }
    if (zlib_lib.inflateInit2_(&d->z, MAX_WBITS, ZLIB_VERSION, sizeof(d->z)) !=
        Z_OK) {
        error_setg(errp, "zlib does not start");
        return false;
    }
    return true;
}

static bool zlib_inflate(PageInflate *d, const uint8_t *buf, size_t len,
                         uint8_t *page)
{
    zlib_lib.inflateReset(&d->z);
    d->z.next_in = (uint8_t *)buf;
    d->z.avail_in = (uInt)len;
    d->z.next_out = page;
    d->z.avail_out = (uInt)RAM_PAGE_SIZE;
    return zlib_lib.inflate(&d->z, Z_FINISH) == Z_STREAM_END && !d->z.avail_out;
}

/* -- libdeflate ------------------------------------------------------------------ */

#if CONFIG_LIBDEFLATE
static void *fast_deflate_open(unsigned level)
{
    return libdeflate_load(NULL)
               ? libdeflate_lib.libdeflate_alloc_compressor((int)level)
               : NULL;
}

static size_t fast_deflate(void *c, const uint8_t *page, uint8_t *out,
                           size_t size)
{
    return libdeflate_lib.libdeflate_zlib_compress(c, page, RAM_PAGE_SIZE, out,
                                                   size);
}

static void fast_deflate_close(void *c)
{
    libdeflate_lib.libdeflate_free_compressor(c);
}

static void *fast_inflate_open(void)
{
    return libdeflate_load(NULL)
               ? libdeflate_lib.libdeflate_alloc_decompressor()
               : NULL;
}

static bool fast_inflate(void *d, const uint8_t *buf, size_t len, uint8_t *page)
{
    /* No place for the size asks for exactly one page. */
    return libdeflate_lib.libdeflate_zlib_decompress(
               d, buf, len, page, RAM_PAGE_SIZE, NULL) == LIBDEFLATE_SUCCESS;
}

static void fast_inflate_close(void *d)
{
    libdeflate_lib.libdeflate_free_decompressor(d);
}
#else
static void *fast_deflate_open(unsigned level)
{
    return NULL;
}

static size_t fast_deflate(void *c, const uint8_t *page, uint8_t *out,
                           size_t size)
{
    return 0;
}

static void fast_deflate_close(void *c)
{
}

static void *fast_inflate_open(void)
{
    return NULL;
}

static bool fast_inflate(void *d, const uint8_t *buf, size_t len, uint8_t *page)
{
    return false;
}

static void fast_inflate_close(void *d)
{
}
#endif

/* -- ISA-L ------------------------------------------------------------------------- */

/* Levels of zlib that ISA-L's of the same number stand for. */
#define ISAL_FIRST_LEVEL 1
#define ISAL_LAST_LEVEL  2

#if CONFIG_ISAL
typedef struct IsalDeflate {
    unsigned level;
    struct isal_zstream z;
    uint8_t room[ISAL_DEF_LVL2_DEFAULT];
} IsalDeflate;

static void *isal_open(unsigned level)
{
    IsalDeflate *d;

    if (level < ISAL_FIRST_LEVEL || level > ISAL_LAST_LEVEL ||
        !isal_load(NULL)) {
        return NULL;
    }
    d = g_new(IsalDeflate, 1);
    d->level = level;
    return d;
}

static size_t isal_page(void *opaque, const uint8_t *page, uint8_t *out,
                        size_t size)
{
    IsalDeflate *d = opaque;

    isal_lib.isal_deflate_stateless_init(&d->z);
    d->z.level = d->level;
    d->z.level_buf = d->room;
    d->z.level_buf_size = sizeof(d->room);
    d->z.gzip_flag = IGZIP_ZLIB;
    d->z.end_of_stream = 1;
    d->z.flush = NO_FLUSH;
    d->z.next_in = (uint8_t *)page;
    d->z.avail_in = (uint32_t)RAM_PAGE_SIZE;
    d->z.next_out = out;
    d->z.avail_out = (uint32_t)size;
    return isal_lib.isal_deflate_stateless(&d->z) == COMP_OK ? d->z.total_out
                                                             : 0;
}
#else
static void *isal_open(unsigned level)
{
    return NULL;
}

static size_t isal_page(void *d, const uint8_t *page, uint8_t *out, size_t size)
{
    return 0;
}
#endif

/* -- either ------------------------------------------------------------------------ */

PageDeflate *page_deflate_new(PageZlib library, unsigned level, Error **errp)
{
    PageDeflate *d = g_new0(PageDeflate, 1);

    if (library == PAGE_ZLIB_FASTEST) {
        d->isal = isal_open(level);
    }
    if (library != PAGE_ZLIB_ZLIB && !d->isal) {
        d->fast = fast_deflate_open(level);
    }
    if (!d->isal && !d->fast && !zlib_deflate_open(d, level, errp)) {
        g_free(d);
        return NULL;
    }
    return d;
}

void page_deflate_free(PageDeflate *d)
{
    if (!d) {
        return;
    }
    if (d->isal) {
        g_free(d->isal);
    } else if (d->fast) {
        fast_deflate_close(d->fast);
    } else {
        zlib_lib.deflateEnd(&d->z);
    }
    g_free(d);
}

size_t page_deflate(PageDeflate *d, const uint8_t *page, uint8_t *out,
                    size_t size)
{
    if (d->isal) {
        return isal_page(d->isal, page, out, size);
    }
    return d->fast ? fast_deflate(d->fast, page, out, size)
                   : zlib_deflate(d, page, out, size);
}

PageInflate *page_inflate_new(PageZlib library, Error **errp)
{
    PageInflate *d = g_new0(PageInflate, 1);

    if (library != PAGE_ZLIB_ZLIB) {
        d->fast = fast_inflate_open();
    }
    if (!d->fast && !zlib_inflate_open(d, errp)) {
        g_free(d);
        return NULL;
    }
    return d;
}

void page_inflate_free(PageInflate *d)
{
    if (!d) {
        return;
    }
    if (d->fast) {
        fast_inflate_close(d->fast);
    } else {
        zlib_lib.inflateEnd(&d->z);
    }
    g_free(d);
}

bool page_inflate(PageInflate *d, const uint8_t *buf, size_t len, uint8_t *page)
{
    return d->fast ? fast_inflate(d->fast, buf, len, page)
                   : zlib_inflate(d, buf, len, page);
}
