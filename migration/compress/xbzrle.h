/*
 * XBZRLE: a page as the difference to an older one.
 *
 * The encoding is a row of { unchanged bytes, changed bytes, the changed bytes }
 * whose lengths are uleb128 of one or two bytes; an unchanged rest is left out.
 * Only the first length may be 0.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_XBZRLE_H
#define MIGRATION_XBZRLE_H

#include <stddef.h>
#include <stdint.h>

#include "migration/ram-block.h"

/* What the CPU can do; for tests and benches. */
typedef enum XBZRLEWay {
    XBZRLE_PORTABLE,
    XBZRLE_AVX2,
    XBZRLE_AVX512,
    XBZRLE_WAY__MAX,
} XBZRLEWay;

/* More bytes than this are not worth it; also the most an encoding can have. */
#define XBZRLE_BYTES_MAX RAM_PAGE_SIZE

#define XBZRLE_OVERFLOW -1

/**
 * xbzrle_encode:
 * @old: RAM_PAGE_SIZE bytes that the other side has
 * @page: RAM_PAGE_SIZE bytes; may be written by others meanwhile: then the
 *        encoding gives a page with some of either content, and xbzrle_decode()
 *        onto @old says which
 * @out: (out) @size bytes
 * @size: at most XBZRLE_BYTES_MAX
 *
 * Returns: bytes used; 0 = the pages are equal; XBZRLE_OVERFLOW.
 */
int xbzrle_encode(const uint8_t *old, const uint8_t *page, uint8_t *out,
                  size_t size);

/**
 * xbzrle_decode:
 * @buf: @len bytes off the wire, any
 * @page: (inout) RAM_PAGE_SIZE bytes: the old page becomes the new one
 *
 * Returns: bytes of the page up to the last that was written; -1 = damaged, the
 * page is then partly changed.
 */
int xbzrle_decode(const uint8_t *buf, size_t len, uint8_t *page);

XBZRLEWay xbzrle_best(void);
int xbzrle_encode_by(XBZRLEWay way, const uint8_t *old, const uint8_t *page,
                     uint8_t *out, size_t size);
int xbzrle_decode_by(XBZRLEWay way, const uint8_t *buf, size_t len,
                     uint8_t *page);

#endif
