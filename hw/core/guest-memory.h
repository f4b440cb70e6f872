/*
 * Guest-physical RAM: which host memory stands where.
 *
 * Whoever has memory for the guest (the board, a PCI device with a memory BAR,
 * a ROM) adds a region. Regions may overlap; where they do, the higher
 * priority wins, among equals the one added last. From all regions one flat
 * list of pieces is made and told to the accelerator, changes only.
 *
 * Readers (read, write, DMA) follow a snapshot of that list without a lock;
 * a changed list replaces it in one step and the old one is freed when no
 * reader is left. Host memory of a region must stay until guest_memory_free():
 * pointers of guest_memory_ptr() and guest_memory_dma_map() may be held over
 * a change.
 *
 * Thread: looking up, reading and writing: any, no lock needed. Adding,
 * changing and removing: under the machine lock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_CORE_GUEST_MEMORY_H
#define HW_CORE_GUEST_MEMORY_H

#include "accel/accel.h"

typedef struct GuestMemory GuestMemory;

/* A piece of the flat list. */
typedef struct GuestRAM {
    uint64_t gpa;
    uint64_t size;
    uint8_t *host;
    bool readonly;
} GuestRAM;

/* Memory that stands, or may stand, at one place. Owned by who adds it. */
typedef struct GuestMemoryRegion {
    const char *name;
    void *host; /* page-aligned; NULL: a hole, which hides what is under it */
    uint64_t size; /* a multiple of the page size */
    bool readonly; /* a guest's write goes to the machine's device space */
    int priority;
    unsigned group; /* neighbours of one group that continue each other in host
                     * memory too become one piece; 0: never */

    /* private */
    uint64_t gpa;
    GuestMemory *gm; /* where it is, or NULL */
} GuestMemoryRegion;

/* Priorities: RAM and holes of the board hide BARs. */
#define GUEST_MEMORY_PRIO_BAR   (-1)
#define GUEST_MEMORY_PRIO_BOARD 0

GuestMemory *guest_memory_new(void);
void guest_memory_free(GuestMemory *gm);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GuestMemory, guest_memory_free)

/**
 * guest_memory_map:
 * @accel: (nullable) told of it and of all later changes; NULL in tests
 * @host: @size bytes, outlive the map
 *
 * RAM of the board, for ever.
 *
 * Errors: overlap with other memory; the accelerator refuses.
 */
bool guest_memory_map(GuestMemory *gm, AccelState *accel, uint64_t gpa,
                      uint64_t size, void *host, Error **errp);

/** guest_memory_add: let @region (in no memory) stand at @gpa. Of a guest's
 *  doing, so it cannot fail: what the accelerator refuses is traced and
 *  answers as if nothing were there. */
void guest_memory_add(GuestMemory *gm, GuestMemoryRegion *region, uint64_t gpa);
/** guest_memory_remove: no-op if @region is in no memory. */
void guest_memory_remove(GuestMemoryRegion *region);
/** guest_memory_set_readonly: change it in place. */
void guest_memory_set_readonly(GuestMemoryRegion *region, bool readonly);

/** guest_memory_begin, guest_memory_commit: several changes between the two
 *  take effect at once. Pairs may be nested. */
void guest_memory_begin(GuestMemory *gm);
void guest_memory_commit(GuestMemory *gm);

/** guest_memory_generation: changes whenever the flat list does. A pointer
 *  looked up at the same generation is still right. */
unsigned guest_memory_generation(GuestMemory *gm);

/** guest_memory_ptr: host address of @len bytes at @gpa that lie in one
 *  piece of RAM that can be written; NULL if they do not. Who writes through
 *  it calls guest_memory_written(). */
uint8_t *guest_memory_ptr(GuestMemory *gm, uint64_t gpa, uint64_t len);
/** guest_memory_rom_ptr: the same, read-only memory too. */
const uint8_t *guest_memory_rom_ptr(GuestMemory *gm, uint64_t gpa,
                                    uint64_t len);

/** guest_memory_read, guest_memory_write: false if any byte is not memory (or
 *  not writable); then nothing was copied. May cross from one piece to the
 *  next. A write is marked dirty. */
bool guest_memory_read(GuestMemory *gm, uint64_t gpa, void *buf, size_t len);
bool guest_memory_write(GuestMemory *gm, uint64_t gpa, const void *buf,
                        size_t len);
/** guest_memory_zero: as a write of zeros. */
bool guest_memory_zero(GuestMemory *gm, uint64_t gpa, uint64_t len);

/**
 * guest_memory_dma_map:
 * @len: (inout) bytes wanted; bytes that are there in one piece (1..)
 *
 * Zero-copy access to guest memory; map again for the rest.
 *
 * Returns: host address; NULL if @gpa is not RAM, or read-only memory and
 * @is_write.
 */
void *guest_memory_dma_map(GuestMemory *gm, uint64_t gpa, uint64_t *len,
                           bool is_write);
/** guest_memory_dma_unmap: done with it; the first @written bytes were
 *  written. @gpa is that of the map. */
void guest_memory_dma_unmap(GuestMemory *gm, uint64_t gpa, uint64_t written);

/** guest_memory_written: bytes were written through a pointer: translated code
 *  in them is void, and they are dirty. */
void guest_memory_written(GuestMemory *gm, uint64_t gpa, uint64_t len);

/** guest_memory_pieces: ascending; (transfer full) a copy. */
GuestRAM *guest_memory_pieces(GuestMemory *gm, size_t *ret_n);

#endif
