/*
 * A machine of RAM blocks and nothing else, behind a MigrationHost: its guest
 * is the test, which writes by fake_ram_write().
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TESTS_LIB_FAKE_RAM_H
#define TESTS_LIB_FAKE_RAM_H

#include "migration/host.h"

#define FAKE_RAM_BLOCKS 4

typedef struct FakeRAMBlock {
    RAMBlock rb;
    unsigned long *log;      /* written since it was cleared; atomic */
    unsigned long *reported; /* by the last sync */
    size_t mapped;           /* bytes of the mapping */
} FakeRAMBlock;

typedef struct FakeRAM {
    MigrationHost host;
    FakeRAMBlock block[FAKE_RAM_BLOCKS];
    RAMBlock *list_block[FAKE_RAM_BLOCKS];
    RAMBlockList list;
    bool logging;
    unsigned syncs;
    unsigned clears;
    uint64_t written_bytes; /* told by ram_written() */
} FakeRAM;

/** fake_ram_new: without blocks; &fr->host with opaque fr is the host. */
FakeRAM *fake_ram_new(void);
void fake_ram_free(FakeRAM *fr);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FakeRAM, fake_ram_free)

/** fake_ram_add: anonymous private memory, or with RAM_BLOCK_SHARED a memfd;
 *  @page_size may be larger than the host's (then only in name). */
RAMBlock *fake_ram_add(FakeRAM *fr, const char *name, uint64_t bytes,
                       size_t page_size, unsigned flags);

/** fake_ram_write: as the guest would. */
void fake_ram_write(FakeRAM *fr, RAMBlock *rb, uint64_t offset,
                    const void *data, size_t len);

/** fake_ram_fill: @n pages from @first on: random bytes of @seed. */
void fake_ram_fill(FakeRAM *fr, RAMBlock *rb, uint64_t first, uint64_t n,
                   uint32_t seed);

/** fake_ram_assert_equal: all blocks' contents, by name. */
void fake_ram_assert_equal(FakeRAM *a, FakeRAM *b);

/** fake_ram_resident: pages of @rb that the kernel has memory for. */
uint64_t fake_ram_resident(RAMBlock *rb);

#endif
