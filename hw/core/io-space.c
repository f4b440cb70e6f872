/*
 * Dispatch of accesses to I/O ports and device registers.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/io-space.h"

#include "trace/trace-hw.h"
#include "util/error.h"

struct IOSpace {
    char *name;
    uint64_t limit;
    GPtrArray *regions; /* IORegion, ascending by base */
};

IOSpace *io_space_new(const char *name, uint64_t limit)
{
    IOSpace *space = g_new0(IOSpace, 1);

    space->name = g_strdup(name);
    space->limit = limit;
    space->regions = g_ptr_array_new();
    return space;
}

void io_space_free(IOSpace *space)
{
    if (space) {
        for (guint i = 0; i < space->regions->len; i++) {
            ((IORegion *)space->regions->pdata[i])->space = NULL;
        }
        g_ptr_array_unref(space->regions);
        g_free(space->name);
        g_free(space);
    }
}

/* Number of regions that start at or below @addr. */
static guint regions_upto(IOSpace *space, uint64_t addr)
{
    guint low = 0;
    guint high = space->regions->len;

    while (low < high) {
        guint mid = low + (high - low) / 2;
        const IORegion *r = g_ptr_array_index(space->regions, mid);

        if (r->base <= addr) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

IORegion *io_space_find(IOSpace *space, uint64_t addr)
{
    guint n = regions_upto(space, addr);
    IORegion *r;

    if (n == 0) {
        return NULL;
    }
    r = g_ptr_array_index(space->regions, n - 1);
    return addr - r->base < r->size ? r : NULL;
}

static bool refuse_overlap(IOSpace *space, const IORegion *r, uint64_t base,
                           const IORegion *other, Error **errp)
{
    error_setg(errp,
               "%s 0x%" PRIx64 " to 0x%" PRIx64 " of '%s' overlap '%s' at "
               "0x%" PRIx64,
               space->name, base, base + r->size - 1, r->name, other->name,
               other->base);
    return false;
}

bool io_space_add(IOSpace *space, IORegion *region, uint64_t base, Error **errp)
{
    guint n;

    assert(!region->space);
    if (region->size == 0 || base > space->limit ||
        region->size - 1 > space->limit - base) {
        error_setg(errp,
                   "%s of '%s' at 0x%" PRIx64 ", size 0x%" PRIx64
                   ", do not fit: the last one is 0x%" PRIx64,
                   space->name, region->name, base, region->size, space->limit);
        return false;
    }
    n = regions_upto(space, base);
    if (n > 0) {
        const IORegion *below = g_ptr_array_index(space->regions, n - 1);
        if (base - below->base < below->size) {
            return refuse_overlap(space, region, base, below, errp);
        }
    }
    if (n < space->regions->len) {
        const IORegion *above = g_ptr_array_index(space->regions, n);
        if (above->base - base < region->size) {
            return refuse_overlap(space, region, base, above, errp);
        }
    }
    region->base = base;
    region->space = space;
    g_ptr_array_insert(space->regions, (gint)n, region);
    return true;
}

void io_space_remove(IORegion *region)
{
    if (region->space) {
        g_ptr_array_remove(region->space->regions, region);
        region->space = NULL;
    }
}

static uint64_t ones(unsigned size)
{
    return size >= 8 ? UINT64_MAX : (1ull << (size * 8)) - 1;
}

/* How many of @size bytes at @addr go to the owner in one piece: a power of
 * two, inside the region, naturally aligned. *ret_r is NULL for nobody. */
static unsigned next_piece(IOSpace *space, uint64_t addr, unsigned size,
                           IORegion **ret_r)
{
    IORegion *r = io_space_find(space, addr);
    unsigned max = r && r->ops->access_max ? r->ops->access_max : 1;
    unsigned n = 1;

    *ret_r = r;
    if (!r) {
        return 1;
    }
    while (n * 2 <= size && n * 2 <= max && addr % (n * 2) == 0 &&
           addr - r->base + n * 2 <= r->size) {
        n *= 2;
    }
    return n;
}

uint64_t io_space_read(IOSpace *space, uint64_t addr, unsigned size)
{
    uint64_t value = 0;

    for (unsigned done = 0; done < size;) {
        IORegion *r;
        unsigned n = next_piece(space, addr + done, size - done, &r);
        uint64_t part = ones(n);

        if (!r) {
            trace_io_space_unassigned_read(space->name, addr + done, n);
        } else if (r->ops->read) {
            part &= r->ops->read(r->opaque, addr + done - r->base, n);
        }
        value |= part << (done * 8);
        done += n;
    }
    return value;
}

void io_space_write(IOSpace *space, uint64_t addr, uint64_t value,
                    unsigned size)
{
    for (unsigned done = 0; done < size;) {
        IORegion *r;
        unsigned n = next_piece(space, addr + done, size - done, &r);

        uint64_t part = (value >> (done * 8)) & ones(n);

        if (!r) {
            trace_io_space_unassigned_write(space->name, addr + done, part, n);
        } else if (r->ops->write) {
            r->ops->write(r->opaque, addr + done - r->base, part, n);
        }
        done += n;
    }
}
