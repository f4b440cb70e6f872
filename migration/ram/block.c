/*
 * RAM blocks: looking them up.
 *
 * The list has a handful of entries, so it is walked. A loader that gets a
 * name with every page keeps the block of the page before.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/ram-block.h"

RAMBlock *ram_block_find_len(const RAMBlockList *list, const char *name,
                             size_t len)
{
    for (unsigned i = 0; i < list->n; i++) {
        RAMBlock *rb = list->block[i];

        if (len <= RAM_BLOCK_NAME_MAX && memcmp(rb->idstr, name, len) == 0 &&
            rb->idstr[len] == '\0') {
            return rb;
        }
    }
    return NULL;
}

RAMBlock *ram_block_find(const RAMBlockList *list, const char *name)
{
    return ram_block_find_len(list, name, strlen(name));
}

RAMBlock *ram_block_of_host(const RAMBlockList *list, const void *host,
                            uint64_t *ret_offset)
{
    for (unsigned i = 0; i < list->n; i++) {
        RAMBlock *rb = list->block[i];
        uint64_t offset = (uintptr_t)host - (uintptr_t)rb->host;

        if (offset < rb->used_length) {
            *ret_offset = offset;
            return rb;
        }
    }
    return NULL;
}

uint64_t ram_blocks_bytes(const RAMBlockList *list)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < list->n; i++) {
        bytes += list->block[i]->used_length;
    }
    return bytes;
}
