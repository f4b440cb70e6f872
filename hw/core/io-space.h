/*
 * Who answers an address: I/O ports and memory-mapped registers.
 *
 * The board's own regions never overlap. Regions that the guest moves about
 * (PCI BARs) may overlap anything: the board's regions hide them, and among
 * themselves the one added last is seen. From all of them one sorted array of
 * slices is made, when it is needed, and searched by halving. An access is cut
 * into pieces that the slice's owner can take; what nobody owns reads as ones
 * and swallows writes, as on a PC's bus.
 *
 * Thread: under the machine lock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_CORE_IO_SPACE_H
#define HW_CORE_IO_SPACE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/typedefs.h"

typedef struct IOSpace IOSpace;

/**
 * IORegionOps:
 * @read: value of @size bytes at @offset in the region; NULL reads as ones
 * @write: NULL ignores writes
 * @access_max: widest access that the two take (1, 2, 4 or 8); wider ones
 *              come as several, low address first. 0 means 1.
 */
typedef struct IORegionOps {
    uint64_t (*read)(void *opaque, uint64_t offset, unsigned size);
    void (*write)(void *opaque, uint64_t offset, uint64_t value, unsigned size);
    unsigned access_max;
} IORegionOps;

/* Owned by the device; must not change while it is in a space. */
typedef struct IORegion {
    const char *name;
    const IORegionOps *ops;
    void *opaque;
    uint64_t base; /* set by io_space_add() */
    uint64_t size;
    IOSpace *space; /* where it is, or NULL */
    bool movable;   /* set by io_space_add_movable() */
} IORegion;

static inline void io_region_init(IORegion *r, const char *name, uint64_t size,
                                  const IORegionOps *ops, void *opaque)
{
    *r = (IORegion){ .name = name, .ops = ops, .opaque = opaque, .size = size };
}

/** io_space_new: @name for messages, @limit = highest address. */
IOSpace *io_space_new(const char *name, uint64_t limit);
void io_space_free(IOSpace *space);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IOSpace, io_space_free)

/**
 * io_space_add:
 * @region: initialized, in no space; stays the caller's
 *
 * Errors: outside the space; overlaps another region (both are named).
 */
bool io_space_add(IOSpace *space, IORegion *region, uint64_t base,
                  Error **errp);
/** io_space_add_movable: a region that may overlap others. Returns: false if
 *  it is outside the space; nothing was added. */
bool io_space_add_movable(IOSpace *space, IORegion *region, uint64_t base);
/** io_space_remove: no-op if @region is in no space. */
void io_space_remove(IORegion *region);
/** io_space_find: the region that has @addr, or NULL. */
IORegion *io_space_find(IOSpace *space, uint64_t addr);

/** io_space_describe: (transfer full) a line for each slice, for people. */
char *io_space_describe(IOSpace *space);

/** io_space_read: @size is 1, 2, 4 or 8; little-endian. */
uint64_t io_space_read(IOSpace *space, uint64_t addr, unsigned size);
void io_space_write(IOSpace *space, uint64_t addr, uint64_t value,
                    unsigned size);

#endif
