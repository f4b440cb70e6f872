/*
 * Dispatch of accesses to I/O ports and device registers.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/io-space.h"

#include "trace/trace-hw.h"
#include "util/error.h"

/* Addresses @start .. @end that @region answers. */
typedef struct Slice {
    uint64_t start;
    uint64_t end;
    IORegion *region;
} Slice;

struct IOSpace {
    char *name;
    uint64_t limit;
    GPtrArray *regions; /* IORegion; who comes first hides the others */
    GArray *slices;     /* Slice, ascending */
    bool stale;         /* slices must be made anew */
};

IOSpace *io_space_new(const char *name, uint64_t limit)
{
    IOSpace *space = g_new0(IOSpace, 1);

    space->name = g_strdup(name);
    space->limit = limit;
    space->regions = g_ptr_array_new();
    space->slices = g_array_new(FALSE, FALSE, sizeof(Slice));
    return space;
}

void io_space_free(IOSpace *space)
{
    if (space) {
        for (guint i = 0; i < space->regions->len; i++) {
            ((IORegion *)space->regions->pdata[i])->space = NULL;
        }
        g_ptr_array_unref(space->regions);
        g_array_unref(space->slices);
        g_free(space->name);
        g_free(space);
    }
}

/* -- slices -------------------------------------------------------------------- */

static uint64_t region_end(const IORegion *r)
{
    return r->base + (r->size - 1);
}

static int compare_addr(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static IORegion *winner(IOSpace *space, uint64_t addr)
{
    for (guint i = 0; i < space->regions->len; i++) {
        IORegion *r = g_ptr_array_index(space->regions, i);

        if (addr >= r->base && addr <= region_end(r)) {
            return r;
        }
    }
    return NULL;
}

/* First addresses of what may be a new slice, ascending. */
static GArray *slice_starts(IOSpace *space)
{
    GArray *at = g_array_new(FALSE, FALSE, sizeof(uint64_t));

    for (guint i = 0; i < space->regions->len; i++) {
        const IORegion *r = g_ptr_array_index(space->regions, i);
        uint64_t after = region_end(r) + 1;

        g_array_append_val(at, r->base);
        if (after) {
            g_array_append_val(at, after);
        }
    }
    g_array_sort(at, compare_addr);
    return at;
}

static void make_slices(IOSpace *space)
{
    g_autoptr(GArray) at = slice_starts(space);

    g_array_set_size(space->slices, 0);
    for (guint i = 0; i < at->len; i++) {
        uint64_t start = g_array_index(at, uint64_t, i);
        guint next = i + 1;
        Slice s = { .start = start, .region = winner(space, start) };

        while (next < at->len && g_array_index(at, uint64_t, next) == start) {
            next++;
        }
        i = next - 1;
        if (s.region) {
            s.end = next < at->len ? g_array_index(at, uint64_t, next) - 1
                                   : region_end(s.region);
            g_array_append_val(space->slices, s);
        }
    }
    space->stale = false;
}

static const Slice *find_slice(IOSpace *space, uint64_t addr)
{
    guint low = 0;
    guint high;
    const Slice *s;

    if (space->stale) {
        make_slices(space);
    }
    high = space->slices->len;
    while (low < high) {
        guint mid = low + (high - low) / 2;

        if (g_array_index(space->slices, Slice, mid).start <= addr) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    if (low == 0) {
        return NULL;
    }
    s = &g_array_index(space->slices, Slice, low - 1);
    return addr <= s->end ? s : NULL;
}

IORegion *io_space_find(IOSpace *space, uint64_t addr)
{
    const Slice *s = find_slice(space, addr);

    return s ? s->region : NULL;
}

char *io_space_describe(IOSpace *space)
{
    GString *text = g_string_new(NULL);

    if (space->stale) {
        make_slices(space);
    }
    for (guint i = 0; i < space->slices->len; i++) {
        const Slice *s = &g_array_index(space->slices, Slice, i);

        g_string_append_printf(text, "  %016" PRIx64 "-%016" PRIx64 ": %s\n",
                               s->start, s->end, s->region->name);
    }
    return g_string_free(text, FALSE);
}

/* -- regions --------------------------------------------------------------------- */

static bool fits(const IOSpace *space, const IORegion *r, uint64_t base)
{
    return r->size && base <= space->limit &&
           r->size - 1 <= space->limit - base;
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
    assert(!region->space);
    if (!fits(space, region, base)) {
        error_setg(errp,
                   "%s of '%s' at 0x%" PRIx64 ", size 0x%" PRIx64
                   ", do not fit: the last one is 0x%" PRIx64,
                   space->name, region->name, base, region->size, space->limit);
        return false;
    }
    for (guint i = 0; i < space->regions->len; i++) {
        const IORegion *r = g_ptr_array_index(space->regions, i);

        if (!r->movable && base <= region_end(r) &&
            r->base <= base + (region->size - 1)) {
            return refuse_overlap(space, region, base, r, errp);
        }
    }
    region->base = base;
    region->space = space;
    region->movable = false;
    space->stale = true;
    g_ptr_array_insert(space->regions, 0, region);
    return true;
}

bool io_space_add_movable(IOSpace *space, IORegion *region, uint64_t base)
{
    guint n = 0;

    assert(!region->space);
    if (!fits(space, region, base)) {
        return false;
    }
    while (n < space->regions->len &&
           !((IORegion *)space->regions->pdata[n])->movable) {
        n++;
    }
    region->base = base;
    region->space = space;
    region->movable = true;
    space->stale = true;
    g_ptr_array_insert(space->regions, (gint)n, region);
    return true;
}

void io_space_remove(IORegion *region)
{
    if (region->space) {
        g_ptr_array_remove(region->space->regions, region);
        region->space->stale = true;
        region->space = NULL;
    }
}

/* -- accesses ------------------------------------------------------------------------ */

static uint64_t ones(unsigned size)
{
    return size >= 8 ? UINT64_MAX : (1ull << (size * 8)) - 1;
}

/* How many of @size bytes at @addr go to the owner in one piece: a power of
 * two, inside the slice, naturally aligned. *ret_r is NULL for nobody. */
static unsigned next_piece(IOSpace *space, uint64_t addr, unsigned size,
                           IORegion **ret_r)
{
    const Slice *s = find_slice(space, addr);
    unsigned max;
    unsigned n = 1;

    *ret_r = s ? s->region : NULL;
    if (!s) {
        return 1;
    }
    max = s->region->ops->access_max;
    while (n * 2 <= size && n * 2 <= max && addr % (n * 2) == 0 &&
           n * 2 - 1 <= s->end - addr) {
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
