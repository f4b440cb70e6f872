/*
 * The map of guest RAM: pieces of host memory at guest-physical addresses.
 *
 * A map is an immutable sorted array. A change makes a new one, publishes it
 * and waits until no CPU can still use the old one (soft_sync_cpus), so that
 * look-ups need no lock and the host memory may go away when unmap returns.
 * Reading a piece's flags costs a byte a page; the bitmap of code lines is
 * reserved address space of which only what is used becomes memory.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sys/mman.h>

#include "trace/trace-accel.h"
#include "util/error.h"
#include "util/lockable.h"

#include "soft-accel.h"

static void *reserve(uint64_t bytes, Error **errp)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED) {
        error_setg_errno(errp, errno,
                         "could not reserve %" PRIu64
                         " bytes for flags of guest pages",
                         bytes);
        return NULL;
    }
    return p;
}

static uint64_t pages_of(const SoftMemPiece *p)
{
    return p->size >> SOFT_PAGE_BITS;
}

static void piece_free(SoftMemPiece *p)
{
    if (p->flags) {
        munmap(p->flags, pages_of(p));
    }
    if (p->lines) {
        munmap(p->lines, pages_of(p) * sizeof(*p->lines));
    }
    g_free(p);
}

static SoftMemPiece *piece_new(uint64_t gpa, uint64_t size, void *host,
                               unsigned flags, Error **errp)
{
    SoftMemPiece *p = g_new0(SoftMemPiece, 1);

    p->gpa = gpa;
    p->size = size;
    p->host = host;
    p->readonly = flags & ACCEL_RAM_READONLY;
    p->flags = reserve(pages_of(p), errp);
    p->lines = p->flags ? reserve(pages_of(p) * sizeof(*p->lines), errp) : NULL;
    if (!p->lines) {
        piece_free(p);
        return NULL;
    }
    return p;
}

const SoftMemPiece *soft_map_search(const SoftMemMap *map, uint64_t gpa)
{
    unsigned low = 0;
    unsigned high = map ? map->count : 0;

    while (low < high) {
        unsigned mid = (low + high) / 2;
        const SoftMemPiece *p = map->piece[mid];

        if (gpa < p->gpa) {
            high = mid;
        } else if (gpa - p->gpa >= p->size) {
            low = mid + 1;
        } else {
            return p;
        }
    }
    return NULL;
}

static SoftMemMap *map_alloc(unsigned count)
{
    SoftMemMap *map = g_malloc0(sizeof(*map) + count * sizeof(SoftMemPiece *));

    map->count = count;
    return map;
}

/* @map with @p in its place; NULL if it overlaps with another. */
static SoftMemMap *map_with(const SoftMemMap *map, SoftMemPiece *p)
{
    unsigned n = map ? map->count : 0;
    SoftMemMap *new = map_alloc(n + 1);
    unsigned at = 0;

    while (at < n && map->piece[at]->gpa < p->gpa) {
        at++;
    }
    if ((at > 0 &&
         map->piece[at - 1]->gpa + map->piece[at - 1]->size > p->gpa) ||
        (at < n && p->gpa + p->size > map->piece[at]->gpa)) {
        g_free(new);
        return NULL;
    }
    for (unsigned i = 0; i < n; i++) {
        new->piece[i < at ? i : i + 1] = map->piece[i];
    }
    new->piece[at] = p;
    return new;
}

static SoftMemMap *map_without(const SoftMemMap *map, const SoftMemPiece *p)
{
    SoftMemMap *new = map_alloc(map->count - 1);
    unsigned to = 0;

    for (unsigned i = 0; i < map->count; i++) {
        if (map->piece[i] != p) {
            new->piece[to++] = map->piece[i];
        }
    }
    return new;
}

/* The old map is unused when this returns. Called without map_lock. */
static void retire(SoftAccel *s, SoftMemMap *old)
{
    soft_sync_cpus(s, true);
    /* Readers that are not CPUs take the lock (soft_ram_written). */
    qemu_mutex_lock(&s->map_lock);
    qemu_mutex_unlock(&s->map_lock);
    g_free(old);
}

static bool range_valid(uint64_t gpa, uint64_t size)
{
    return size && !((gpa | size) & (SOFT_PAGE_BYTES - 1)) &&
           gpa + size - 1 >= gpa;
}

bool soft_map_ram(AccelState *accel, uint64_t gpa, uint64_t size, void *host,
                  unsigned flags, Error **errp)
{
    SoftAccel *s = SOFT_ACCEL(accel);
    SoftMemPiece *p;
    SoftMemMap *old;
    SoftMemMap *new;

    if (!range_valid(gpa, size)) {
        error_setg(errp,
                   "RAM of %" PRIu64 " bytes at guest address 0x%" PRIx64
                   " is not whole pages",
                   size, gpa);
        return false;
    }
    p = piece_new(gpa, size, host, flags, errp);
    if (!p) {
        return false;
    }
    WITH_QEMU_LOCK_GUARD(&s->map_lock)
    {
        old = s->map;
        new = map_with(old, p);
        if (new) {
            qatomic_rcu_set(&s->map, new);
        }
    }
    if (!new) {
        error_setg(errp,
                   "RAM of %" PRIu64 " bytes at guest address 0x%" PRIx64
                   " overlaps with other RAM",
                   size, gpa);
        piece_free(p);
        return false;
    }
    trace_soft_map_ram(gpa, size, flags);
    retire(s, old);
    return true;
}

bool soft_unmap_ram(AccelState *accel, uint64_t gpa, uint64_t size,
                    Error **errp)
{
    SoftAccel *s = SOFT_ACCEL(accel);
    SoftMemPiece *p;
    SoftMemMap *old;

    WITH_QEMU_LOCK_GUARD(&s->map_lock)
    {
        old = s->map;
        p = (SoftMemPiece *)soft_map_search(old, gpa);
        if (p && (p->gpa != gpa || p->size != size)) {
            p = NULL;
        }
        if (p) {
            qatomic_rcu_set(&s->map, map_without(old, p));
        }
    }
    if (!p) {
        error_setg(errp,
                   "no RAM of %" PRIu64 " bytes at guest address 0x%" PRIx64,
                   size, gpa);
        return false;
    }
    trace_soft_unmap_ram(gpa, size);
    retire(s, old);
    piece_free(p);
    return true;
}

void soft_map_free(SoftAccel *s)
{
    for (unsigned i = 0; s->map && i < s->map->count; i++) {
        piece_free(s->map->piece[i]);
    }
    g_free(s->map);
    s->map = NULL;
}
