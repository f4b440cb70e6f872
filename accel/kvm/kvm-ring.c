/*
 * Emptying one dirty ring.
 *
 * The kernel writes entries in order, and takes back in order what was given
 * back (RESET), up to the first that was not. It leaves the guest before the ring
 * is quite full. Should one not do so (it emulates much in one go) it writes over
 * entries that nobody has seen, or that it is just taking back, and then the new
 * one is gone. Before that it has filled the entry ahead of the next to be taken
 * back, which nobody else touches: that shows it. Where the kernel writes in such
 * a ring is not known any more: from there on all of it is searched. Where it
 * takes back still is, for it says how many it took.
 *
 * That entry, filled, shows nothing once others were taken back, for they made
 * room: a kernel that stops in time comes there then, too. So it counts only if
 * the spare ones that such a kernel keeps are used before, or have ever been. And
 * an entry that was written and wiped at once leaves a hole: the ones behind it
 * are filled.
 *
 * Source: the kernel's Documentation/virt/kvm/api.rst, 8.29.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "kvm-ring.h"

#include "util/atomic.h"

/* The kernel keeps 64 entries free, but fills a few more on its way out. */
#define SPARE 32u
/* Of a full ring the kernel uses at least this part: it keeps 64 entries free,
 * and the 512 of the processor's own log, of at least 1024. */
#define USED_IF_FULL(r) ((r)->size / 4)
/* Entries that are taken and then given back at once. */
#define CHUNK(r) ((r)->size / 8)
/* The kernel is asked so often without an effect. */
#define VAIN_MAX 100

static struct kvm_dirty_gfn *entry(KVMRing *r, uint32_t at)
{
    return &r->entries[at & (r->size - 1)];
}

static bool is_filled(KVMRing *r, uint32_t at)
{
    return qatomic_load_acquire(&entry(r, at)->flags) & KVM_DIRTY_GFN_F_DIRTY;
}

/* Entry @at, if it is filled, is noted and given back. */
static bool take(KVMRing *r, const KVMRingOps *ops, void *opaque, uint32_t at)
{
    struct kvm_dirty_gfn *e = entry(r, at);

    if (!is_filled(r, at)) {
        return false;
    }
    ops->note(opaque, e->slot, e->offset);
    qatomic_store_release(&e->flags, KVM_DIRTY_GFN_F_RESET);
    return true;
}

/* Have the kernel take back what it can. All other rings have had their turn, so
 * that what it says is about this one. A signal makes it stop halfway. */
static void give_back(KVMRing *r, const KVMRingOps *ops, void *opaque)
{
    for (unsigned vain = 0; vain < VAIN_MAX;) {
        int ret;

        if (!(qatomic_read(&entry(r, r->back)->flags) &
              KVM_DIRTY_GFN_F_RESET)) {
            break;
        }
        ret = ops->take_back(opaque);
        if (ret > 0) {
            r->back += (uint32_t)ret;
        } else {
            vain++;
        }
    }
}

/* -- a ring whose end is known ------------------------------------------------- */

/* Is the next entry free, but one behind it not? The kernel fills them in order. */
static bool is_hole(KVMRing *r)
{
    for (uint32_t i = 1; i < CHUNK(r); i++) {
        if (is_filled(r, r->next + i)) {
            /* Perhaps both came while we looked. */
            return !is_filled(r, r->next);
        }
    }
    return false;
}

/* Returns: entries taken. */
static unsigned follow_chunk(KVMRing *r, const KVMRingOps *ops, void *opaque)
{
    uint32_t last = r->back - 1;
    unsigned n = 0;

    while (n < CHUNK(r) && take(r, ops, opaque, r->next)) {
        r->next++;
        n++;
    }
    r->was_tight |= is_filled(r, last + 1 - SPARE);
    give_back(r, ops, opaque);
    if ((r->was_tight && is_filled(r, last)) || r->back != r->next ||
        (n < CHUNK(r) && is_hole(r))) {
        r->lost = true;
    }
    return n;
}

/* What there is, but not for ever while the guest writes more. */
static unsigned follow(KVMRing *r, const KVMRingOps *ops, void *opaque)
{
    unsigned n = 0, chunk;

    do {
        chunk = follow_chunk(r, ops, opaque);
        n += chunk;
    } while (chunk == CHUNK(r) && n < r->size && !r->lost);
    return n;
}

/* -- a lost ring ----------------------------------------------------------------- */

/* Does the kernel not reach some that were given back? *@ret_i: the last one, as
 * distance from the next that it takes back. */
static bool is_any_waiting(KVMRing *r, uint32_t *ret_i)
{
    for (uint32_t i = r->size; i-- > 0;) {
        if (qatomic_read(&entry(r, r->back + i)->flags) &
            KVM_DIRTY_GFN_F_RESET) {
            *ret_i = i;
            return true;
        }
    }
    return false;
}

/* Give back @n entries, also those that the kernel will never fill. */
static void give_back_all(KVMRing *r, const KVMRingOps *ops, void *opaque,
                          uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        qatomic_cmpxchg(&entry(r, r->back + i)->flags, 0,
                        KVM_DIRTY_GFN_F_RESET);
    }
    give_back(r, ops, opaque);
}

/*
 * Where the kernel had written over entries there is a hole of free ones, at
 * which it stops to take back: the pages of those behind it would stay writable.
 * The kernel has been beyond the hole, so it may be given back.
 * Returns: entries taken; in *@ret_overran whether the kernel filled all again.
 */
static unsigned search(KVMRing *r, const KVMRingOps *ops, void *opaque,
                       bool *ret_overran)
{
    uint32_t last = r->back - 1;
    unsigned n = 0;
    uint32_t i;

    for (i = 0; i < r->size - 1; i++) {
        n += take(r, ops, opaque, last + 1 + i);
    }
    give_back(r, ops, opaque);
    if (is_any_waiting(r, &i)) {
        give_back_all(r, ops, opaque, i);
    }
    *ret_overran = take(r, ops, opaque, last);
    n += *ret_overran;
    give_back(r, ops, opaque);
    *ret_overran |= is_any_waiting(r, &i);
    return n;
}

unsigned kvm_ring_empty(KVMRing *r, const KVMRingOps *ops, void *opaque,
                        bool is_full, bool *ret_overran)
{
    bool was_lost = r->lost;
    bool overran = false;
    unsigned n;

    n = was_lost ? search(r, ops, opaque, &overran) : follow(r, ops, opaque);
    if (is_full && r->was_full && r->back == r->back_full) {
        /*
         * It is full, and nothing was taken back since it was before: the kernel
         * waits for entries that it will never fill, and the vCPU would leave
         * the guest for ever. So all are given back that are in use for sure.
         * The kernel may have gone round more than once, and then comes again.
         */
        overran = true;
        r->lost = true;
        give_back_all(r, ops, opaque, USED_IF_FULL(r));
    }
    if (is_full) {
        r->was_full = true;
        r->back_full = r->back;
    }
    *ret_overran = overran || (r->lost && !was_lost);
    return n;
}
