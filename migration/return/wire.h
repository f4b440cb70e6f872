/*
 * Messages of the return path: what the destination of a migration tells the
 * source. Bytes in, bytes out; no I/O and no allocation.
 *
 *   +--------+--------+---------------------------------------------+
 *   | type   | length | payload, length bytes                       |
 *   | be16   | be16   |                                             |
 *   +--------+--------+---------------------------------------------+
 *   1 SHUT            be32 error (0: all is well); ours: then a text for people
 *   2 PONG            be32 value of the PING
 *   3 REQ_PAGES_ID    be64 start, be32 len, u8 n, n bytes of block name
 *   4 REQ_PAGES       be64 start, be32 len; the block named last
 *   5 RECV_BITMAP     u8 n, name; a bitmap follows the message, see below
 *   6 RESUME_ACK      be32 1
 *   7 SWITCHOVER_ACK  nothing
 *
 * The bitmap of RECV_BITMAP stands outside of the framing: be64 size, size
 * bytes (least significant bit first, padded to 8 bytes), be64 end mark.
 *
 * Source: the documented QEMU migration stream, return path.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_RETURN_WIRE_H
#define MIGRATION_RETURN_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "migration/ram-block.h"
#include "util/error.h"

#define RETURN_HEADER_LEN  4
#define RETURN_PAYLOAD_MAX 512
#define RETURN_MESSAGE_MAX (RETURN_HEADER_LEN + RETURN_PAYLOAD_MAX)
/* Text of a SHUT, without its NUL: what is left beside the error. */
#define RETURN_TEXT_MAX (RETURN_PAYLOAD_MAX - 4)

#define RETURN_BITMAP_END UINT64_C(0x0123456789abcdef)
#define RETURN_RESUME_ACK 1u

typedef enum ReturnType {
    RETURN_SHUT = 1,
    RETURN_PONG = 2,
    RETURN_REQ_PAGES_ID = 3,
    RETURN_REQ_PAGES = 4,
    RETURN_RECV_BITMAP = 5,
    RETURN_RESUME_ACK_MSG = 6,
    RETURN_SWITCHOVER_ACK = 7,
    RETURN_TYPE__MAX,
} ReturnType;

/* One message; members that its type does not have are 0. */
typedef struct ReturnMessage {
    ReturnType type;
    uint32_t value; /* SHUT: error; PONG, RESUME_ACK: value */
    uint64_t start; /* REQ_PAGES*: bytes in the block */
    uint32_t len;   /* REQ_PAGES*: bytes */
    char name[RAM_BLOCK_NAME_MAX + 1]; /* REQ_PAGES_ID, RECV_BITMAP */
    char text[RETURN_TEXT_MAX + 1];    /* SHUT: printable, or "" */
} ReturnMessage;

/** return_type_name: "SHUT" ...; "unknown" for any other number. */
const char *return_type_name(unsigned type);

/**
 * return_header_decode:
 * @hdr: (in) off the wire
 * @ret_type: (out) known type
 * @ret_len: (out) bytes of payload that follow, a number this type can have
 *
 * Limit: RETURN_PAYLOAD_MAX.
 * Errors: unknown type; length that the type cannot have.
 */
bool return_header_decode(const uint8_t hdr[RETURN_HEADER_LEN],
                          ReturnType *ret_type, uint16_t *ret_len,
                          Error **errp);

/**
 * return_payload_decode:
 * @len: as return_header_decode() said
 * @ret: (out) set only on success
 *
 * Errors: name longer or shorter than the message; name empty or with a NUL.
 */
bool return_payload_decode(ReturnType type, const uint8_t *payload, size_t len,
                           ReturnMessage *ret, Error **errp);

/**
 * return_encode:
 * @buf: (out) the message with its header
 *
 * Returns: bytes used. A name or text that is too long is a programmer's error.
 */
size_t return_encode(const ReturnMessage *msg, uint8_t buf[RETURN_MESSAGE_MAX]);

/** return_bitmap_bytes: of a block of @pages pages on the wire. */
uint64_t return_bitmap_bytes(uint64_t pages);

/**
 * return_bitmap_encode / return_bitmap_decode:
 * @pages: bits that count; those beyond are 0 on the wire and ignored from it
 * @wire: return_bitmap_bytes() bytes
 *
 * Between the host's words and the wire's bytes.
 */
void return_bitmap_encode(const unsigned long *bitmap, uint64_t pages,
                          uint8_t *wire);
void return_bitmap_decode(const uint8_t *wire, uint64_t pages,
                          unsigned long *bitmap);

#endif
