/*
 * Chunks of the section "dirty-bitmap" (version 1): dirty bitmaps of block
 * nodes on their way to the other side. Pure codec.
 *
 *     u8 flags
 *     [u8 length, node's alias]       BITMAP_CHUNK_NODE
 *     [u8 length, bitmap's alias]     BITMAP_CHUNK_BITMAP
 *     START:     be32 granularity in bytes, u8 properties
 *     BITS:      be64 first sector, be32 sectors of 512 bytes;
 *                unless ZEROES: be64 length, that many bytes
 *     COMPLETE, EOS: nothing
 *
 * Names stand where they change. The bytes are the bits in order, the least
 * significant first, filled up with zeros to BITMAP_DATA_ALIGN. A START section
 * has a START chunk for each bitmap and EOS, the PART and END sections have
 * BITS, COMPLETE of each bitmap, EOS.
 *
 * Source: streams written by QEMU 7.2 with capability dirty-bitmaps.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_BITMAP_WIRE_H
#define MIGRATION_BITMAP_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

#define BITMAP_SECTION_VERSION 1

#define BITMAP_NAME_MAX    255
#define BITMAP_SECTOR_BITS 9
/* Bytes of bits are a multiple of this. */
#define BITMAP_DATA_ALIGN 32
/* Most of them in one chunk that is taken. */
#define BITMAP_DATA_MAX (UINT32_C(1) << 20)
/* Granularity: a power of two between these. */
#define BITMAP_GRANULARITY_MIN (UINT32_C(1) << BITMAP_SECTOR_BITS)
#define BITMAP_GRANULARITY_MAX (UINT32_C(1) << 31)
/* Most bytes of a chunk without its bits. */
#define BITMAP_CHUNK_MAX (1 + 2 * (1 + BITMAP_NAME_MAX) + 8 + 4 + 8)

typedef enum BitmapChunkFlags {
    BITMAP_CHUNK_EOS = 0x01,
    BITMAP_CHUNK_ZEROES = 0x02,
    BITMAP_CHUNK_BITMAP = 0x04,
    BITMAP_CHUNK_NODE = 0x08,
    BITMAP_CHUNK_START = 0x10,
    BITMAP_CHUNK_COMPLETE = 0x20,
    BITMAP_CHUNK_BITS = 0x40,
    /* 0x80: more flags follow; there are none */
} BitmapChunkFlags;

/* Properties of a bitmap, in START. */
#define BITMAP_PROP_ENABLED    0x01
#define BITMAP_PROP_PERSISTENT 0x02
#define BITMAP_PROP_RESERVED   0xf8 /* zero */

/* One chunk; members that its kind does not have are 0. */
typedef struct BitmapChunk {
    unsigned flags;                   /* BitmapChunkFlags */
    char node[BITMAP_NAME_MAX + 1];   /* CHUNK_NODE */
    char bitmap[BITMAP_NAME_MAX + 1]; /* CHUNK_BITMAP */
    uint32_t granularity;             /* START: bytes */
    bool enabled;                     /* START */
    bool persistent;                  /* START */
    uint64_t first_sector;            /* BITS */
    uint32_t sectors;                 /* BITS */
    uint32_t data_len;                /* BITS without ZEROES: what follows */
} BitmapChunk;

/** bitmap_chunk_encode: without the bits, which the caller puts behind it.
 *  Returns: bytes used. */
size_t bitmap_chunk_encode(const BitmapChunk *c, uint8_t buf[BITMAP_CHUNK_MAX]);

/**
 * bitmap_chunk_decode:
 * @buf, @len: off the wire
 * @ret: (out) set when the return is > 0
 *
 * Returns: bytes of the chunk without its bits; 0: @len is too little; -1: @errp.
 * Errors: no kind of chunk or several; an unknown flag; a name that is empty or
 * no text; an impossible granularity, property, range or length.
 */
int bitmap_chunk_decode(const uint8_t *buf, size_t len, BitmapChunk *ret,
                        Error **errp);

/** bitmap_data_len: bytes of the bits for @sectors at @granularity; a chunk that
 *  says something else is wrong. 0: @sectors is none, or too many. */
uint32_t bitmap_data_len(uint32_t sectors, uint32_t granularity);

#endif
