/*
 * The header of a block in a mapped-ram file. Source: interface.md 4.3.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/mapped/file-ram.h"
#include "util/bswap.h"

enum {
    HEADER_VERSION = 0,
    HEADER_PAGE_SIZE = 4,
    HEADER_BITMAP = 12,
    HEADER_PAGES = 20,
};

uint64_t file_ram_bitmap_bytes(uint64_t used_length)
{
    return DIV_ROUND_UP(used_length / RAM_PAGE_SIZE, 64) * 8;
}

void file_ram_layout(uint64_t header_offset, uint64_t used_length,
                     FileRAMBlock *ret)
{
    uint64_t bitmap = header_offset + FILE_RAM_HEADER_SIZE;

    ret->bitmap_offset = bitmap;
    ret->pages_offset =
        ROUND_UP(bitmap + file_ram_bitmap_bytes(used_length), FILE_RAM_ALIGN);
    ret->end_offset = ret->pages_offset + used_length;
}

void file_ram_encode(const FileRAMBlock *b, uint8_t *buf)
{
    stl_be_p(buf + HEADER_VERSION, FILE_RAM_VERSION);
    stq_be_p(buf + HEADER_PAGE_SIZE, RAM_PAGE_SIZE);
    stq_be_p(buf + HEADER_BITMAP, b->bitmap_offset);
    stq_be_p(buf + HEADER_PAGES, b->pages_offset);
}

/* Do the parts lie one behind the other, and below the limit? */
static bool offsets_check(uint64_t header_offset, uint64_t used_length,
                          uint64_t bitmap, uint64_t pages)
{
    return header_offset <= FILE_RAM_OFFSET_MAX &&
           used_length <= FILE_RAM_OFFSET_MAX &&
           bitmap >= header_offset + FILE_RAM_HEADER_SIZE &&
           bitmap <= FILE_RAM_OFFSET_MAX &&
           pages >= bitmap + file_ram_bitmap_bytes(used_length) &&
           pages <= FILE_RAM_OFFSET_MAX - used_length &&
           pages % FILE_RAM_ALIGN == 0;
}

bool file_ram_decode(const uint8_t *buf, uint64_t header_offset,
                     uint64_t used_length, FileRAMBlock *ret, Error **errp)
{
    uint32_t version = ldl_be_p(buf + HEADER_VERSION);
    uint64_t page_size = ldq_be_p(buf + HEADER_PAGE_SIZE);
    uint64_t bitmap = ldq_be_p(buf + HEADER_BITMAP);
    uint64_t pages = ldq_be_p(buf + HEADER_PAGES);

    if (version != FILE_RAM_VERSION) {
        error_setg(errp, "mapped-ram version is %u, not %u", version,
                   FILE_RAM_VERSION);
        return false;
    }
    if (page_size != RAM_PAGE_SIZE) {
        error_setg(errp, "mapped-ram page size is %" PRIu64 ", not %" PRIu64,
                   page_size, RAM_PAGE_SIZE);
        return false;
    }
    if (!offsets_check(header_offset, used_length, bitmap, pages)) {
        error_setg(errp,
                   "mapped-ram bitmap at 0x%" PRIx64 " and pages at 0x%" PRIx64
                   " do not go with a header at 0x%" PRIx64 " and 0x%" PRIx64
                   " bytes of RAM",
                   bitmap, pages, header_offset, used_length);
        return false;
    }
    ret->bitmap_offset = bitmap;
    ret->pages_offset = pages;
    ret->end_offset = pages + used_length;
    return true;
}
