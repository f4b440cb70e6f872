/*
 * The header of a block in a mapped-ram file: any bytes at any place. What is
 * accepted lies where it may, and decodes again.
 *
 * Input: be64 offset of the header, be64 length of the block, the header.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/mapped/file-ram.h"
#include "util/bswap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t offset, used;
    uint8_t back[FILE_RAM_HEADER_SIZE];
    FileRAMBlock b;

    if (size < 16 + FILE_RAM_HEADER_SIZE) {
        return 0;
    }
    offset = ldq_be_p(data);
    used = ldq_be_p(data + 8) & RAM_PAGE_MASK;
    if (!file_ram_decode(data + 16, offset, used, &b, NULL)) {
        return 0;
    }
    if (b.bitmap_offset < offset + FILE_RAM_HEADER_SIZE ||
        b.pages_offset < b.bitmap_offset + file_ram_bitmap_bytes(used) ||
        b.end_offset - b.pages_offset != used ||
        b.end_offset > FILE_RAM_OFFSET_MAX || b.pages_offset % FILE_RAM_ALIGN) {
        abort();
    }
    file_ram_encode(&b, back);
    if (memcmp(back, data + 16, sizeof(back)) != 0) {
        abort();
    }
    return 0;
}
