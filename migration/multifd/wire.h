/*
 * Multifd on the wire: the first bytes of a channel and the header of a
 * packet, as pure codecs.
 *
 *   channel = hello packet*
 *   packet  = header [normal pages | one compressed blob]
 *
 * The header has the same size always: MULTIFD_PAGES_MAX offsets, of which
 * normal + zero count. Streams of 7.2 have 0 where zero_pages stands, so that
 * one decoder reads both; a packet without zero pages is one of 7.2.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_MULTIFD_WIRE_H
#define MIGRATION_MULTIFD_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "migration/ram-block.h"
#include "util/error.h"

/* First be32 of every channel; the main one begins with "QEVM". */
#define MULTIFD_MAGIC   0x11223344U
#define MULTIFD_VERSION 1U

#define MULTIFD_CHANNELS_MAX 255
/* Pages of a packet: 512 KiB. */
#define MULTIFD_PAGES_MAX    128
#define MULTIFD_PACKET_BYTES (MULTIFD_PAGES_MAX * RAM_PAGE_SIZE)
/* A compressed packet is refused beyond it; none of ours gets near. */
#define MULTIFD_BLOB_MAX (2 * MULTIFD_PACKET_BYTES)

#define MULTIFD_HELLO_SIZE 64
/* Before the offsets. */
#define MULTIFD_HEADER_FIXED 320
#define MULTIFD_HEADER_SIZE  (MULTIFD_HEADER_FIXED + 8 * MULTIFD_PAGES_MAX)

/* MultiFDPacket.flags */
#define MULTIFD_FLAG_SYNC        (1U << 0)
#define MULTIFD_FLAG_METHOD_MASK (31U << 1)

/* How the normal pages of a packet are written: its bits in the flags. */
typedef enum MultiFDMethod {
    MULTIFD_METHOD_NONE = 0,
    MULTIFD_METHOD_ZLIB = 1,
    MULTIFD_METHOD_ZSTD = 2,
} MultiFDMethod;

#define MULTIFD_METHODS 3

typedef struct MultiFDHello {
    uint8_t uuid[16];
    uint8_t id; /* of the channel, from 0 */
} MultiFDHello;

typedef struct MultiFDPacket {
    uint64_t num; /* of this packet, over all channels */
    MultiFDMethod method;
    bool sync;
    uint32_t normal;     /* pages whose bytes follow */
    uint32_t zero;       /* pages that are zero; normal + zero <= PAGES_MAX */
    uint32_t data_bytes; /* that follow the header */
    char block[RAM_BLOCK_NAME_MAX + 1]; /* "" when there are no pages */
    uint64_t offset[MULTIFD_PAGES_MAX]; /* normal ones first; page aligned */
} MultiFDPacket;

/** multifd_hello_encode: write MULTIFD_HELLO_SIZE bytes. */
void multifd_hello_encode(const MultiFDHello *h, uint8_t *buf);

/**
 * multifd_hello_decode:
 * @ret: (out) set on success
 * @buf: (in) MULTIFD_HELLO_SIZE bytes off the wire
 *
 * Source: interface.md 4.5.
 * Errors: magic; version. The id's range is for the caller to check.
 */
bool multifd_hello_decode(MultiFDHello *ret, const uint8_t *buf, Error **errp);

/** multifd_packet_encode: write MULTIFD_HEADER_SIZE bytes; unused ones are
 *  zero. */
void multifd_packet_encode(const MultiFDPacket *p, uint8_t *buf);

/**
 * multifd_packet_decode:
 * @ret: (out) set on success; after it all counts are within their limits, the
 *       offsets page aligned and the name ends with NUL. Whether the block
 *       exists and is that long is not checked here
 * @buf: (in) MULTIFD_HEADER_SIZE bytes off the wire
 *
 * Source: interface.md 4.5. Limits: MULTIFD_PAGES_MAX, MULTIFD_BLOB_MAX.
 * Errors: magic; version; unknown flag or method; too many pages; data length
 * that does not go with the pages; name without end or missing; offset not
 * aligned.
 */
bool multifd_packet_decode(MultiFDPacket *ret, const uint8_t *buf,
                           Error **errp);

#endif
