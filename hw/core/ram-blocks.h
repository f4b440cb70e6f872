/*
 * The machine's RAM blocks (migration/ram-block.h), and the log of which of
 * their pages were written.
 *
 * Whoever has memory that a guest can write, or that must be the same on the
 * other side of a migration, adds it here under its name in the stream: the
 * board (pc.ram, pc.bios), display devices (VRAM), PCI option ROMs. Where the
 * guest sees a block is the guest memory's matter (guest-memory.h).
 *
 * The log has up to RAM_LOG__MAX users at a time, each with its own view of
 * what is new. It joins what the accelerator noted of each piece of guest
 * memory, what it noted of pieces that were taken away since, and what devices
 * wrote through host pointers.
 *
 * Locks: RAMBlocks.lock comes after the machine lock and before those of the
 * accelerator; it is taken by sync and clear, and by changes of guest memory
 * while a log is on. Telling of a device's write takes no lock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_CORE_RAM_BLOCKS_H
#define HW_CORE_RAM_BLOCKS_H

#include "accel/accel.h"
#include "hw/hostmem.h"
#include "hw/machine-ram.h"
#include "migration/ram-block.h"

typedef struct GuestMemory GuestMemory;
typedef struct GuestRAM GuestRAM;
typedef struct RAMBlocks RAMBlocks;

/** guest_memory_blocks: the blocks of the machine that @gm is of. */
RAMBlocks *guest_memory_blocks(GuestMemory *gm);

RAMBlocks *ram_blocks_new(GuestMemory *gm);
/** ram_blocks_free: blocks that are still there go with it. Accepts NULL. */
void ram_blocks_free(RAMBlocks *blocks);

/**
 * ram_blocks_add:
 * @name: unique, 1 to RAM_BLOCK_NAME_MAX bytes
 * @host: @bytes (whole pages), outlive the block
 * @flags: RAM_BLOCK_*
 *
 * Thread: machine lock held or before the machine runs.
 * Returns: (transfer none) the block; gone at ram_blocks_remove().
 * Errors: the name is taken or too long; too many blocks.
 */
RAMBlock *ram_blocks_add(RAMBlocks *blocks, const char *name, void *host,
                         uint64_t bytes, unsigned flags, Error **errp);

/** ram_blocks_add_backend: the memory of @backend, under its name. */
RAMBlock *ram_blocks_add_backend(RAMBlocks *blocks, HostMemoryBackend *backend,
                                 Error **errp);

/** ram_block_remap: see MigrationHost.ram_remap; of a backend's block. Thread:
 *  machine lock held, no CPU runs. */
bool ram_block_remap(RAMBlocks *blocks, RAMBlock *rb, RAMRemap how, int fd,
                     uint64_t offset, Error **errp);

/** ram_blocks_remove: no-op for NULL and for what is not in @blocks. */
void ram_blocks_remove(RAMBlocks *blocks, RAMBlock *rb);

/** ram_blocks_remove_at: the same for the block that begins at @host. */
void ram_blocks_remove_at(RAMBlocks *blocks, const void *host);

/** ram_blocks_list: borrowed, until the next add or remove. */
const RAMBlockList *ram_blocks_list(RAMBlocks *blocks);

/** ram_blocks_written: a device wrote @len bytes at @host, in whatever block
 *  that is. After the write. Thread: any. */
void ram_blocks_written(RAMBlocks *blocks, const void *host, uint64_t len);

/** ram_block_invalidate: @len bytes at @offset of @rb were changed behind the
 *  accelerator's back (a stream was loaded): translated code in them is void. */
void ram_block_invalidate(RAMBlocks *blocks, const RAMBlock *rb,
                          uint64_t offset, uint64_t len);

/* -- log (ram-log.c); meaning as in migration/host.h ------------------------- */

/** ram_log_supported: does the accelerator keep one? */
bool ram_log_supported(RAMBlocks *blocks);
/** ram_log_start: Errors: @user has one already; the accelerator cannot. */
bool ram_log_start(RAMBlocks *blocks, RAMLogUser user, Error **errp);
/** ram_log_stop: no-op if @user has none. */
void ram_log_stop(RAMBlocks *blocks, RAMLogUser user);
bool ram_log_sync(RAMBlocks *blocks, RAMLogUser user, const RAMBlock *rb,
                  uint64_t first_page, uint64_t n_pages, unsigned long *bitmap,
                  uint64_t *ret_new, Error **errp);
void ram_log_clear(RAMBlocks *blocks, const RAMBlock *rb, uint64_t first_page,
                   uint64_t n_pages);

/* For guest-memory.c, around a change of its list. Returns: a log is on; then
 * ram_log_piece_goes() before a piece is taken from the accelerator. */
bool ram_log_change_begin(RAMBlocks *blocks);
void ram_log_piece_goes(RAMBlocks *blocks, const GuestRAM *piece);
void ram_log_change_end(RAMBlocks *blocks);

#endif
