/*
 * The words of a ram section: pure codec, no I/O.
 *
 * A section's payload is a row of records. Each begins with be64 offset | flags
 * (offsets are those of pages, so the low bits are free); what follows depends
 * on the one kind among the flags:
 *
 *   MEM_SIZE   total bytes in place of the offset; list of blocks
 *   ZERO       [block] u8 fill
 *   PAGE       [block] RAM_PAGE_SIZE bytes
 *   XBZRLE     [block] u8 1, be16 length, data
 *   COMPRESS   [block] be32 length, zlib stream
 *   HOOK, MULTIFD_FLUSH   nothing
 *   EOS        nothing; ends the payload
 *
 * [block] is absent with CONTINUE (the block of the record before), else u8
 * length and name.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_RAM_WIRE_H
#define MIGRATION_RAM_WIRE_H

#include "migration/ram-block.h"
#include "util/error.h"

#define RAM_WIRE_ZERO          UINT64_C(0x002)
#define RAM_WIRE_MEM_SIZE      UINT64_C(0x004)
#define RAM_WIRE_PAGE          UINT64_C(0x008)
#define RAM_WIRE_EOS           UINT64_C(0x010)
#define RAM_WIRE_CONTINUE      UINT64_C(0x020)
#define RAM_WIRE_XBZRLE        UINT64_C(0x040)
#define RAM_WIRE_HOOK          UINT64_C(0x080)
#define RAM_WIRE_COMPRESS      UINT64_C(0x100)
#define RAM_WIRE_MULTIFD_FLUSH UINT64_C(0x200)

/* Kinds that name a page. */
#define RAM_WIRE_PAGE_KINDS                                                    \
    (RAM_WIRE_ZERO | RAM_WIRE_PAGE | RAM_WIRE_XBZRLE | RAM_WIRE_COMPRESS)

/* First byte behind an XBZRLE record's block. */
#define RAM_WIRE_XBZRLE_ENCODED 0x01

/* Longest word with a block's name. */
#define RAM_WIRE_HEADER_MAX (8 + 1 + RAM_BLOCK_NAME_MAX)
/* A ZERO record with CONTINUE. */
#define RAM_WIRE_ZERO_SIZE 9
/* A PAGE record with CONTINUE. */
#define RAM_WIRE_PLAIN_SIZE (8 + RAM_PAGE_SIZE)

/**
 * ram_wire_word_decode:
 * @word: off the wire, host order
 * @ret_offset: (out) of the page; MEM_SIZE: total bytes; else 0
 * @ret_kind: (out) exactly one of the kinds above
 * @ret_continue: (out) no name follows
 *
 * Errors: no kind or several; an unknown flag; CONTINUE, or an offset, with a
 * kind that has no page.
 */
bool ram_wire_word_decode(uint64_t word, uint64_t *ret_offset,
                          uint64_t *ret_kind, bool *ret_continue, Error **errp);

/**
 * ram_wire_header_encode:
 * @out: RAM_WIRE_HEADER_MAX bytes
 * @flags: kind and whatever goes with it
 * @rb: names the block; NULL = CONTINUE is added
 *
 * Returns: bytes written.
 */
size_t ram_wire_header_encode(uint8_t *out, uint64_t offset, uint64_t flags,
                              const RAMBlock *rb);

/**
 * ram_wire_zero_run_encode:
 * @out: @n * RAM_WIRE_ZERO_SIZE bytes
 *
 * ZERO records with CONTINUE for @n pages in a row. Returns: bytes written.
 */
size_t ram_wire_zero_run_encode(uint8_t *out, uint64_t offset, unsigned n);

/**
 * ram_wire_zero_run_decode:
 * @buf: @len bytes off the wire
 * @offset: of the page the next record must name to count
 * @max: most records
 *
 * Returns: how many ZERO records with CONTINUE and fill 0 stand at @buf one
 * after the other, whole, for pages in a row from @offset on.
 */
unsigned ram_wire_zero_run_decode(const uint8_t *buf, size_t len,
                                  uint64_t offset, unsigned max);

/* One entry of the list of blocks. */
typedef struct RAMWireBlock {
    uint64_t used_length;
    bool has_page_size;
    uint64_t page_size;
    bool has_gpa;
    uint64_t gpa;
} RAMWireBlock;

/* u8, name, three be64. */
#define RAM_WIRE_BLOCK_MAX (1 + RAM_BLOCK_NAME_MAX + 24)

/** ram_wire_block_encode: @name as RAMBlock.idstr. Returns: bytes written, at
 *  most RAM_WIRE_BLOCK_MAX. */
size_t ram_wire_block_encode(uint8_t *out, const char *name,
                             const RAMWireBlock *b);

#endif
