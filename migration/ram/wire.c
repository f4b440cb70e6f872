/*
 * Codec of the ram section's records, from the documented QEMU migration
 * stream (version 4 of the section).
 *
 * The decoder is strict: a word that no sender can mean is an error at once, so
 * that a stream out of step ends at the first wrong record and not in wrong
 * memory.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/ram/wire.h"

#include "util/bswap.h"

#define KINDS                                                                  \
    (RAM_WIRE_PAGE_KINDS | RAM_WIRE_MEM_SIZE | RAM_WIRE_EOS | RAM_WIRE_HOOK |  \
     RAM_WIRE_MULTIFD_FLUSH)

bool ram_wire_word_decode(uint64_t word, uint64_t *ret_offset,
                          uint64_t *ret_kind, bool *ret_continue, Error **errp)
{
    uint64_t flags = word & ~RAM_PAGE_MASK;
    uint64_t offset = word & RAM_PAGE_MASK;
    uint64_t kind = flags & KINDS;

    if ((flags & ~(KINDS | RAM_WIRE_CONTINUE)) || !kind ||
        (kind & (kind - 1))) {
        error_setg(errp, "RAM record has impossible flags 0x%" PRIx64, flags);
        return false;
    }
    if (!(kind & RAM_WIRE_PAGE_KINDS)) {
        if (flags & RAM_WIRE_CONTINUE) {
            error_setg(errp,
                       "RAM record 0x%" PRIx64 " without a page continues"
                       " a block",
                       flags);
            return false;
        }
        if (offset && kind != RAM_WIRE_MEM_SIZE) {
            error_setg(errp,
                       "RAM record 0x%" PRIx64 " without a page has"
                       " offset 0x%" PRIx64,
                       flags, offset);
            return false;
        }
    }
    *ret_offset = offset;
    *ret_kind = kind;
    *ret_continue = flags & RAM_WIRE_CONTINUE;
    return true;
}

size_t ram_wire_header_encode(uint8_t *out, uint64_t offset, uint64_t flags,
                              const RAMBlock *rb)
{
    size_t len;

    if (!rb) {
        stq_be_p(out, offset | flags | RAM_WIRE_CONTINUE);
        return 8;
    }
    len = strlen(rb->idstr);
    stq_be_p(out, offset | flags);
    out[8] = (uint8_t)len;
    memcpy(out + 9, rb->idstr, len);
    return 9 + len;
}

size_t ram_wire_zero_run_encode(uint8_t *out, uint64_t offset, unsigned n)
{
    uint64_t word = offset | RAM_WIRE_ZERO | RAM_WIRE_CONTINUE;

    for (unsigned i = 0; i < n; i++) {
        stq_be_p(out, word);
        out[8] = 0;
        out += RAM_WIRE_ZERO_SIZE;
        word += RAM_PAGE_SIZE;
    }
    return (size_t)n * RAM_WIRE_ZERO_SIZE;
}

unsigned ram_wire_zero_run_decode(const uint8_t *buf, size_t len,
                                  uint64_t offset, unsigned max)
{
    uint64_t word = offset | RAM_WIRE_ZERO | RAM_WIRE_CONTINUE;
    unsigned n = 0;

    while (n < max && len >= RAM_WIRE_ZERO_SIZE && ldq_be_p(buf) == word &&
           buf[8] == 0) {
        n++;
        buf += RAM_WIRE_ZERO_SIZE;
        len -= RAM_WIRE_ZERO_SIZE;
        word += RAM_PAGE_SIZE;
    }
    return n;
}

size_t ram_wire_block_encode(uint8_t *out, const char *name,
                             const RAMWireBlock *b)
{
    size_t len = strlen(name);
    uint8_t *p = out;

    *p++ = (uint8_t)len;
    memcpy(p, name, len);
    p += len;
    stq_be_p(p, b->used_length);
    p += 8;
    if (b->has_page_size) {
        stq_be_p(p, b->page_size);
        p += 8;
    }
    if (b->has_gpa) {
        stq_be_p(p, b->gpa);
        p += 8;
    }
    return (size_t)(p - out);
}
