/*
 * What ram-blocks.c and ram-log.c share.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_CORE_RAM_BLOCKS_INTERNAL_H
#define HW_CORE_RAM_BLOCKS_INTERNAL_H

#include "hw/core/ram-blocks.h"
#include "hw/core/snapshot.h"
#include "util/thread.h"

typedef struct Block {
    RAMBlock rb;
    HostMemoryBackend *backend; /* borrowed, or NULL */

    /* While a log is on, one bit a page. */
    unsigned long *written;               /* atomic: by devices */
    unsigned long *pending[RAM_LOG__MAX]; /* not yet told to that user */
} Block;

/* What ram_blocks_written() looks at. Never changed once published. */
typedef struct LogRange {
    const uint8_t *host;
    uint64_t bytes;
    unsigned long *written;
} LogRange;

typedef struct LogView {
    unsigned n;
    LogRange range[];
} LogView;

struct RAMBlocks {
    GuestMemory *gm;
    GPtrArray *blocks; /* Block; main thread or machine lock */
    RAMBlockList list; /* the same */

    QemuMutex lock; /* guards the following, and the bitmaps of blocks */
    unsigned users; /* bits 1 << RAMLogUser */
    Snapshot view;  /* LogView; NULL: no log is on */
};

/** ram_blocks_logging: may ram_blocks_written() have something to do? After
 *  the write. */
static inline bool ram_blocks_logging(RAMBlocks *blocks)
{
    /* The write is seen by who starts a log after this look. */
    smp_mb();
    return qatomic_read(&blocks->view.data);
}

static inline Block *block_of(const RAMBlock *rb)
{
    return container_of(rb, Block, rb);
}

/** ram_log_block_added, ram_log_block_goes: lock held; the block is (still) in
 *  the array. */
void ram_log_block_added(RAMBlocks *blocks, Block *block);
void ram_log_block_goes(RAMBlocks *blocks, Block *block);
/** ram_log_free: end all logs; the accelerator may be gone already. */
void ram_log_free(RAMBlocks *blocks);

/** guest_memory_accel: (nullable) the accelerator that knows of its pieces. */
AccelState *guest_memory_accel(GuestMemory *gm);

#endif
