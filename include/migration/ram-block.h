/*
 * RAM blocks: pieces of host memory that belong to the guest and that a
 * migration carries, each under a name that both sides know.
 *
 * The host program (MigrationHost.ram_blocks) makes the list; migration reads
 * it. A block is named, not placed: where the guest sees it, in how many
 * pieces or at all, is the host program's matter and may change while a
 * migration runs.
 *
 * Thread: the list and what is not marked below is constant from migration's
 * setup to its end, because devices do not come or go while one is active; any
 * thread may read it then.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_RAM_BLOCK_H
#define MIGRATION_RAM_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A page of the stream and of every dirty bitmap, whatever the host's are. */
#define RAM_PAGE_BITS 12
#define RAM_PAGE_SIZE (UINT64_C(1) << RAM_PAGE_BITS)
#define RAM_PAGE_MASK (~(RAM_PAGE_SIZE - 1))

/* Longest name, without the NUL. */
#define RAM_BLOCK_NAME_MAX 255
/* More blocks than this are refused, here and on the wire. */
#define RAM_BLOCKS_MAX 1024

/* RAMBlock.flags */
#define RAM_BLOCK_SHARED    (1u << 0) /* MAP_SHARED: others see writes */
#define RAM_BLOCK_ROM       (1u << 1) /* the guest cannot write it */
#define RAM_BLOCK_RESIZABLE (1u << 2) /* used_length may differ: see below */
#define RAM_BLOCK_MAIN      (1u << 3) /* of a memory backend: the guest's RAM */

/* What becomes of the mapping of a RAM block (ram_remap). */
typedef enum RAMRemap {
    RAM_REMAP_ADOPT,   /* a descriptor's memory comes in its place */
    RAM_REMAP_RESTORE, /* back to what it was before ADOPT */
    RAM_REMAP_SETTLE,  /* ADOPT for good: what it was before is not needed */
    RAM_REMAP_ABANDON, /* empty memory of this process alone in its place */
} RAMRemap;

/**
 * RAMBlock:
 * @idstr: name in the stream, unique in the list: "pc.ram",
 *         "0000:00:02.0/vga.vram", "/rom@etc/acpi/tables"
 * @host: @max_length bytes, aligned to @page_size; stays for the life of the
 *        machine
 * @used_length: bytes in use, a multiple of RAM_PAGE_SIZE. A block with
 *        RAM_BLOCK_RESIZABLE takes the length of the source while it is
 *        loaded (MigrationHost.ram_resize)
 * @gpa: where the guest sees it from power-on for ever; 0 if that moves
 * @page_size: of the mapping: that of the host, or a huge page's
 * @fd: descriptor behind the memory, borrowed; -1 if it is anonymous
 * @fd_offset: of the block in @fd
 * @index: in the list
 * @priv_ram, @priv_postcopy, @priv_multifd: belong to those parts of
 *        migration/, NULL when no migration is active; the source's and the
 *        destination's parts never are active both
 */
typedef struct RAMBlock {
    char idstr[RAM_BLOCK_NAME_MAX + 1];
    uint8_t *host;
    uint64_t used_length;
    uint64_t max_length;
    uint64_t gpa;
    size_t page_size;
    int fd;
    uint64_t fd_offset;
    unsigned flags;
    unsigned index;

    void *priv_ram;
    void *priv_postcopy;
    void *priv_multifd;
} RAMBlock;

/* In order of registration, which is the order of the stream. */
typedef struct RAMBlockList {
    unsigned n;
    RAMBlock **block; /* n elements, borrowed */
} RAMBlockList;

/** ram_block_find: the block called @name, or NULL. */
RAMBlock *ram_block_find(const RAMBlockList *list, const char *name);

/** ram_block_find_len: the same for a name of @len bytes without a NUL. */
RAMBlock *ram_block_find_len(const RAMBlockList *list, const char *name,
                             size_t len);

/** ram_block_of_host: block that holds the byte at @host and its @ret_offset
 *  in it; NULL: none. */
RAMBlock *ram_block_of_host(const RAMBlockList *list, const void *host,
                            uint64_t *ret_offset);

/** ram_blocks_bytes: sum of used_length. */
uint64_t ram_blocks_bytes(const RAMBlockList *list);

/** ram_block_pages: pages of RAM_PAGE_SIZE in use. */
static inline uint64_t ram_block_pages(const RAMBlock *rb)
{
    return rb->used_length >> RAM_PAGE_BITS;
}

/** ram_block_has_range: do @len bytes at @offset lie in the used part? For
 *  values off the wire: cannot overflow. */
static inline bool ram_block_has_range(const RAMBlock *rb, uint64_t offset,
                                       uint64_t len)
{
    return offset <= rb->used_length && len <= rb->used_length - offset;
}

#endif
