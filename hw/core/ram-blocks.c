/*
 * The machine's RAM blocks: the list of them.
 *
 * Blocks are few (RAM, firmware, video memory, a ROM for each card), so
 * searching is by walking the list.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/ram-blocks.h"

#include "hw/core/guest-memory.h"
#include "hw/core/ram-blocks-internal.h"
#include "trace/trace-hw.h"
#include "util/error.h"
#include "util/lockable.h"

RAMBlocks *ram_blocks_new(GuestMemory *gm)
{
    RAMBlocks *blocks = g_new0(RAMBlocks, 1);

    blocks->gm = gm;
    blocks->blocks = g_ptr_array_new_with_free_func(g_free);
    qemu_mutex_init(&blocks->lock);
    return blocks;
}

void ram_blocks_free(RAMBlocks *blocks)
{
    if (blocks) {
        ram_log_free(blocks);
        g_ptr_array_unref(blocks->blocks);
        qemu_mutex_destroy(&blocks->lock);
        g_free(blocks);
    }
}

static void list_update(RAMBlocks *blocks)
{
    blocks->list.n = blocks->blocks->len;
    blocks->list.block = (RAMBlock **)blocks->blocks->pdata;
    for (unsigned i = 0; i < blocks->list.n; i++) {
        blocks->list.block[i]->index = i;
    }
}

QEMU_BUILD_BUG_ON(offsetof(Block, rb) != 0); /* pdata is a RAMBlock ** too */

static bool check_new(RAMBlocks *blocks, const char *name, Error **errp)
{
    size_t len = strlen(name);

    if (len == 0 || len > RAM_BLOCK_NAME_MAX) {
        error_setg(errp, "name of RAM block '%s' is not of 1 to %d bytes", name,
                   RAM_BLOCK_NAME_MAX);
        return false;
    }
    if (ram_block_find(&blocks->list, name)) {
        error_setg(errp, "there is a RAM block '%s' already", name);
        return false;
    }
    if (blocks->list.n >= RAM_BLOCKS_MAX) {
        error_setg(errp, "RAM block '%s' is over the limit of %d", name,
                   RAM_BLOCKS_MAX);
        return false;
    }
    return true;
}

RAMBlock *ram_blocks_add(RAMBlocks *blocks, const char *name, void *host,
                         uint64_t bytes, unsigned flags, Error **errp)
{
    Block *block;

    assert(host && bytes && bytes % RAM_PAGE_SIZE == 0);
    if (!check_new(blocks, name, errp)) {
        return NULL;
    }
    block = g_new0(Block, 1);
    block->rb = (RAMBlock){ .host = host,
                            .used_length = bytes,
                            .max_length = bytes,
                            .page_size = (size_t)sysconf(_SC_PAGESIZE),
                            .fd = -1,
                            .flags = flags };
    g_strlcpy(block->rb.idstr, name, sizeof(block->rb.idstr));
    WITH_QEMU_LOCK_GUARD(&blocks->lock)
    {
        g_ptr_array_add(blocks->blocks, block);
        list_update(blocks);
        ram_log_block_added(blocks, block);
    }
    trace_ram_block_add(name, bytes, flags);
    return &block->rb;
}

RAMBlock *ram_blocks_add_backend(RAMBlocks *blocks, HostMemoryBackend *backend,
                                 Error **errp)
{
    g_autofree char *name = host_memory_backend_get_name(backend);
    RAMBlock *rb = ram_blocks_add(
        blocks, name, host_memory_backend_get_ptr(backend),
        host_memory_backend_get_size(backend),
        RAM_BLOCK_MAIN |
            (host_memory_backend_is_shared(backend) ? RAM_BLOCK_SHARED : 0),
        errp);

    if (rb) {
        block_of(rb)->backend = backend;
        rb->page_size = host_memory_backend_page_size(backend);
        rb->fd = host_memory_backend_get_fd(backend);
    }
    return rb;
}

static bool backend_remap(HostMemoryBackend *backend, RAMRemap how, int fd,
                          uint64_t offset, Error **errp)
{
    switch (how) {
    case RAM_REMAP_ADOPT:
        return host_memory_backend_adopt(backend, fd, offset, errp);
    case RAM_REMAP_RESTORE:
        return host_memory_backend_restore(backend, errp);
    case RAM_REMAP_SETTLE:
        host_memory_backend_settle(backend);
        return true;
    case RAM_REMAP_ABANDON:
        return host_memory_backend_abandon(backend, errp);
    }
    g_assert_not_reached();
}

bool ram_block_remap(RAMBlocks *blocks, RAMBlock *rb, RAMRemap how, int fd,
                     uint64_t offset, Error **errp)
{
    HostMemoryBackend *backend = block_of(rb)->backend;
    bool ok;

    if (!backend) {
        error_setg(errp, "it is not of a memory backend");
        return false;
    }
    ok = backend_remap(backend, how, fd, offset, errp);
    rb->fd = host_memory_backend_get_fd(backend);
    if (how != RAM_REMAP_SETTLE) {
        rb->fd_offset = how == RAM_REMAP_ADOPT && ok ? offset : 0;
        ram_block_invalidate(blocks, rb, 0, rb->used_length);
    }
    if (!host_memory_backend_is_shared(backend)) {
        rb->flags &= ~RAM_BLOCK_SHARED;
    }
    trace_ram_block_remap(rb->idstr, how, rb->fd, ok);
    return ok;
}

void ram_blocks_remove(RAMBlocks *blocks, RAMBlock *rb)
{
    guint at;

    if (!rb || !g_ptr_array_find(blocks->blocks, rb, &at)) {
        return;
    }
    trace_ram_block_remove(rb->idstr);
    QEMU_LOCK_GUARD(&blocks->lock);
    ram_log_block_goes(blocks, block_of(rb));
    g_ptr_array_remove_index(blocks->blocks, at);
    list_update(blocks);
}

void ram_blocks_remove_at(RAMBlocks *blocks, const void *host)
{
    for (unsigned i = 0; host && i < blocks->list.n; i++) {
        if (blocks->list.block[i]->host == host) {
            ram_blocks_remove(blocks, blocks->list.block[i]);
            return;
        }
    }
}

const RAMBlockList *ram_blocks_list(RAMBlocks *blocks)
{
    return &blocks->list;
}

void ram_block_invalidate(RAMBlocks *blocks, const RAMBlock *rb,
                          uint64_t offset, uint64_t len)
{
    AccelState *accel = guest_memory_accel(blocks->gm);
    AccelClass *ac = accel ? ACCEL_GET_CLASS(accel) : NULL;
    const uint8_t *start = rb->host + offset;
    g_autofree GuestRAM *piece = NULL;
    size_t n;

    if (!ac || !ac->ram_written) {
        return;
    }
    piece = guest_memory_pieces(blocks->gm, &n);
    for (size_t i = 0; i < n; i++) {
        const GuestRAM *p = &piece[i];
        const uint8_t *from = MAX(start, p->host);
        const uint8_t *end = MIN(start + len, p->host + p->size);

        if (from < end) {
            ac->ram_written(accel, p->gpa + (uint64_t)(from - p->host),
                            (uint64_t)(end - from));
        }
    }
}
