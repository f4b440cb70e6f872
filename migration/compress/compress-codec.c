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

#include <zlib.h>

#include "util/library.h"

#if CONFIG_LIBDEFLATE
#include <libdeflate.h>
#endif
#if CONFIG_ISAL
#include <isa-l/igzip_lib.h>
#endif

struct PageDeflate {
    void *isal; /* IsalDeflate, or NULL: */
    void *fast; /* libdeflate's compressor, or NULL: @z */
    z_stream z;
};

struct PageInflate {
    void *fast; /* libdeflate's decompressor, or NULL: @z */
    z_stream z;
};

/* -- zlib ---------------------------------------------------------------------- */

static __typeof__(deflateInit_) *p_deflateInit_;
static __typeof__(deflateReset) *p_deflateReset;
static __typeof__(deflate) *p_deflate;
static __typeof__(deflateEnd) *p_deflateEnd;
static __typeof__(inflateInit_) *p_inflateInit_;
static __typeof__(inflateReset) *p_inflateReset;
static __typeof__(inflate) *p_inflate;
static __typeof__(inflateEnd) *p_inflateEnd;

static const LibrarySymbol zlib_symbols[] = {
    { "deflateInit_", &p_deflateInit_ },
    { "deflateReset", &p_deflateReset },
    { "deflate", &p_deflate },
    { "deflateEnd", &p_deflateEnd },
    { "inflateInit_", &p_inflateInit_ },
    { "inflateReset", &p_inflateReset },
    { "inflate", &p_inflate },
    { "inflateEnd", &p_inflateEnd },
    {},
};

static Library zlib_library = { .soname = "libz.so.1",
                                .symbols = zlib_symbols };

static bool zlib_deflate_open(PageDeflate *d, unsigned level, Error **errp)
{
    if (!library_load(&zlib_library, errp)) {
        return false;
    }
    if (p_deflateInit_(&d->z, (int)level, ZLIB_VERSION, sizeof(d->z)) != Z_OK) {
        error_setg(errp, "zlib does not start with level %u", level);
        return false;
    }
    return true;
}

static size_t zlib_deflate(PageDeflate *d, const uint8_t *page, uint8_t *out,
                           size_t size)
{
    p_deflateReset(&d->z);
    d->z.next_in = (uint8_t *)page;
    d->z.avail_in = (uInt)RAM_PAGE_SIZE;
    d->z.next_out = out;
    d->z.avail_out = (uInt)size;
    return p_deflate(&d->z, Z_FINISH) == Z_STREAM_END ? size - d->z.avail_out
                                                      : 0;
}

static bool zlib_inflate_open(PageInflate *d, Error **errp)
{
    if (!library_load(&zlib_library, errp)) {
        return false;
    }
    if (p_inflateInit_(&d->z, ZLIB_VERSION, sizeof(d->z)) != Z_OK) {
        error_setg(errp, "zlib does not start");
        return false;
    }
    return true;
}

static bool zlib_inflate(PageInflate *d, const uint8_t *buf, size_t len,
                         uint8_t *page)
{
    p_inflateReset(&d->z);
    d->z.next_in = (uint8_t *)buf;
    d->z.avail_in = (uInt)len;
    d->z.next_out = page;
    d->z.avail_out = (uInt)RAM_PAGE_SIZE;
    return p_inflate(&d->z, Z_FINISH) == Z_STREAM_END && !d->z.avail_out;
}

/* -- libdeflate ------------------------------------------------------------------ */

#if CONFIG_LIBDEFLATE
static __typeof__(libdeflate_alloc_compressor) *p_alloc_compressor;
static __typeof__(libdeflate_zlib_compress) *p_compress;
static __typeof__(libdeflate_free_compressor) *p_free_compressor;
static __typeof__(libdeflate_alloc_decompressor) *p_alloc_decompressor;
static __typeof__(libdeflate_zlib_decompress) *p_decompress;
static __typeof__(libdeflate_free_decompressor) *p_free_decompressor;

static const LibrarySymbol libdeflate_symbols[] = {
    { "libdeflate_alloc_compressor", &p_alloc_compressor },
    { "libdeflate_zlib_compress", &p_compress },
    { "libdeflate_free_compressor", &p_free_compressor },
    { "libdeflate_alloc_decompressor", &p_alloc_decompressor },
    { "libdeflate_zlib_decompress", &p_decompress },
    { "libdeflate_free_decompressor", &p_free_decompressor },
    {},
};

static Library libdeflate_library = { .soname = "libdeflate.so.0",
                                      .symbols = libdeflate_symbols };

static void *fast_deflate_open(unsigned level)
{
    return library_load(&libdeflate_library, NULL)
               ? p_alloc_compressor((int)level)
               : NULL;
}

static size_t fast_deflate(void *c, const uint8_t *page, uint8_t *out,
                           size_t size)
{
    return p_compress(c, page, RAM_PAGE_SIZE, out, size);
}

static void fast_deflate_close(void *c)
{
    p_free_compressor(c);
}

static void *fast_inflate_open(void)
{
    return library_load(&libdeflate_library, NULL) ? p_alloc_decompressor()
                                                   : NULL;
}

static bool fast_inflate(void *d, const uint8_t *buf, size_t len, uint8_t *page)
{
    /* No place for the size asks for exactly one page. */
    return p_decompress(d, buf, len, page, RAM_PAGE_SIZE, NULL) ==
           LIBDEFLATE_SUCCESS;
}

static void fast_inflate_close(void *d)
{
    p_free_decompressor(d);
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
static __typeof__(isal_deflate_stateless_init) *p_isal_init;
static __typeof__(isal_deflate_stateless) *p_isal_deflate;

static const LibrarySymbol isal_symbols[] = {
    { "isal_deflate_stateless_init", &p_isal_init },
    { "isal_deflate_stateless", &p_isal_deflate },
    {},
};

static Library isal_library = { .soname = "libisal.so.2",
                                .symbols = isal_symbols };

typedef struct IsalDeflate {
    unsigned level;
    struct isal_zstream z;
    uint8_t room[ISAL_DEF_LVL2_DEFAULT];
} IsalDeflate;

static void *isal_open(unsigned level)
{
    IsalDeflate *d;

    if (level < ISAL_FIRST_LEVEL || level > ISAL_LAST_LEVEL ||
        !library_load(&isal_library, NULL)) {
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

    p_isal_init(&d->z);
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
    return p_isal_deflate(&d->z) == COMP_OK ? d->z.total_out : 0;
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
        p_deflateEnd(&d->z);
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
        p_inflateEnd(&d->z);
    }
    g_free(d);
}

bool page_inflate(PageInflate *d, const uint8_t *buf, size_t len, uint8_t *page)
{
    return d->fast ? fast_inflate(d->fast, buf, len, page)
                   : zlib_inflate(d, buf, len, page);
}
