/*
 * One page to and from a zlib stream, by the fastest library that was built in.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_COMPRESS_CODEC_H
#define MIGRATION_COMPRESS_CODEC_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "migration/ram-block.h"
#include "util/error.h"

/* Levels as the parameter compress-level. */
#define COMPRESS_LEVEL_MAX 9
/* A compressed page of more bytes than this is not believed: what zlib itself
 * makes of an incompressible one, and some. */
#define DECOMPRESS_BYTES_MAX ((size_t)RAM_PAGE_SIZE + 64)

typedef enum PageZlib {
    PAGE_ZLIB_FASTEST,    /* what is there and fastest at the level */
    PAGE_ZLIB_LIBDEFLATE, /* or zlib where it is missing; these for tests */
    PAGE_ZLIB_ZLIB,
    PAGE_ZLIB__MAX,
} PageZlib;

/* Not shared between threads. */
typedef struct PageDeflate PageDeflate;
typedef struct PageInflate PageInflate;

/** page_deflate_new: @level 0..9. Errors: no library; no memory. */
PageDeflate *page_deflate_new(PageZlib library, unsigned level, Error **errp);
void page_deflate_free(PageDeflate *d);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PageDeflate, page_deflate_free)

/**
 * page_deflate:
 * @page: RAM_PAGE_SIZE bytes that do not change meanwhile
 * @out: (out) @size bytes
 *
 * Returns: bytes of the zlib stream; 0 = it does not fit.
 */
size_t page_deflate(PageDeflate *d, const uint8_t *page, uint8_t *out,
                    size_t size);

/** page_inflate_new: as page_deflate_new(). */
PageInflate *page_inflate_new(PageZlib library, Error **errp);
void page_inflate_free(PageInflate *d);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PageInflate, page_inflate_free)

/**
 * page_inflate:
 * @buf: @len bytes off the wire, any
 * @page: (out) RAM_PAGE_SIZE bytes; undefined on failure
 *
 * Returns: false = not a zlib stream of exactly one page, or its checksum is
 * wrong.
 */
bool page_inflate(PageInflate *d, const uint8_t *buf, size_t len,
                  uint8_t *page);

#endif
