/*
 * One vCPU's dirty ring: memory that the kernel fills and this side empties. It
 * knows nothing of descriptors, so that a test can be the kernel.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef ACCEL_KVM_RING_H
#define ACCEL_KVM_RING_H

#include <linux/kvm.h>

typedef struct KVMRing {
    struct kvm_dirty_gfn *entries; /* NULL: none */
    uint32_t size;                 /* a power of two, 1024 or more */
    uint32_t next;                 /* entry to be looked at; counts on */
    uint32_t back;                 /* the next that the kernel takes back */
    uint32_t back_full;            /* that, when the ring was last full */
    bool was_full;                 /* it was */
    bool was_tight;                /* the kernel did not stop in time once */
    bool lost;                     /* @next is not known */
} KVMRing;

typedef struct KVMRingOps {
    /* note: @page of slot @slot (with its address space) was written. */
    void (*note)(void *opaque, uint32_t slot, uint64_t page);
    /* take_back: KVM_RESET_DIRTY_RINGS. Returns: entries that the kernel took
     * back, 0 or negative: it was interrupted. */
    int (*take_back)(void *opaque);
} KVMRingOps;

/*
 * kvm_ring_empty: note all entries and have the kernel take them back, so that
 * each page is protected whose entry is gone; not more than a ring, even if the
 * guest goes on writing.
 * @is_full: the kernel left the guest because the ring is full; the vCPU is
 *   outside.
 * Returns: entries noted; in *@ret_overran whether some may have been lost.
 *   Then everything must be protected anew and counts as written.
 */
unsigned kvm_ring_empty(KVMRing *r, const KVMRingOps *ops, void *opaque,
                        bool is_full, bool *ret_overran);

#endif
