/*
 * The message by which a source hands its memory to a process on the same host
 * (mode cpr-transfer). Pure codec.
 *
 *     "FCPR"                     told apart by the listener
 *     be32 version (1), 16 bytes token, be32 n, be32 length of what follows
 *     n times: u8 length, name, be64 bytes, be64 page size, be64 offset
 *
 * n descriptors come with the first byte behind the magic, in the same order.
 * The answer is be32 0, or be32 length and a text that says why not.
 * The token stands in the configuration section of the stream as well, so that
 * memory and stream are of the same source. All of it is ours.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_CPR_WIRE_H
#define MIGRATION_CPR_WIRE_H

#include "migration/ram-block.h"
#include "util/error.h"

#define CPR_VERSION    1
#define CPR_TOKEN_LEN  16
#define CPR_BLOCKS_MAX 16 /* descriptors in one message */
#define CPR_HEADER_LEN (4 + CPR_TOKEN_LEN + 4 + 4)
#define CPR_BLOCK_MAX  (1 + RAM_BLOCK_NAME_MAX + 3 * 8)
#define CPR_BODY_MAX   (CPR_BLOCKS_MAX * CPR_BLOCK_MAX)
#define CPR_TEXT_MAX   512 /* of an answer */

typedef struct CprBlock {
    char idstr[RAM_BLOCK_NAME_MAX + 1];
    uint64_t bytes;
    uint64_t page_size;
    uint64_t offset; /* in the descriptor */
} CprBlock;

typedef struct CprMessage {
    uint8_t token[CPR_TOKEN_LEN];
    unsigned n;
    CprBlock block[CPR_BLOCKS_MAX];
} CprMessage;

/** cpr_encode: without the magic. Returns: bytes used. */
size_t cpr_encode(const CprMessage *m,
                  uint8_t buf[CPR_HEADER_LEN + CPR_BODY_MAX]);

/**
 * cpr_header_decode:
 * @ret: (out) token and n
 * @ret_len: (out) bytes of the body; at most CPR_BODY_MAX
 *
 * Errors: another version; no block or too many; an impossible length.
 */
bool cpr_header_decode(const uint8_t hdr[CPR_HEADER_LEN], CprMessage *ret,
                       size_t *ret_len, Error **errp);

/** cpr_body_decode: @m->n blocks. Errors: what is there is shorter or longer; a
 *  name that is no text or comes twice; numbers that are not whole pages. */
bool cpr_body_decode(const uint8_t *body, size_t len, CprMessage *m,
                     Error **errp);

#endif
