/*
 * The dirty ring: each vCPU tells in a ring of its own which pages it made
 * dirty, so that they can be counted for each vCPU.
 *
 * Collecting notes the entries in the slots' bitmaps and gives them back; the
 * kernel then protects their pages again. Both happen under slots_lock: a page
 * whose bit was taken by a sync is protected when that sync returns, so that
 * a write after it is seen. A thread collects once a second while the log is
 * on; a vCPU whose ring is full does so for itself.
 *
 * A kernel leaves the guest before the ring is quite full. Should one not do so
 * it writes over entries that nobody has seen; then every entry is taken, which
 * is how that shows. From there on a sync is an error: a migration fails, but
 * no write is lost.
 *
 * Source: the kernel's Documentation/virt/kvm/api.rst, 8.29.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sys/mman.h>

#include "trace/trace-accel.h"
#include "util/bitops.h"
#include "util/error.h"
#include "util/lockable.h"
#include "util/timer.h"

#include "kvm-internal.h"

#define PAGE_BITS      12
#define REAP_PERIOD_MS 1000
#define SLOT_ID(slot)  ((slot)&0xffff) /* above: the address space, 0 */

#ifndef KVM_CAP_DIRTY_LOG_RING_ACQ_REL
#define KVM_CAP_DIRTY_LOG_RING_ACQ_REL 223
#endif
#ifndef KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP
#define KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP 225
#endif

static size_t ring_bytes(const KVMState *s)
{
    return (size_t)s->ring_entries * sizeof(struct kvm_dirty_gfn);
}

bool kvm_ring_init(KVMState *s, Error **errp)
{
    struct kvm_enable_cap enable = { .cap = KVM_CAP_DIRTY_LOG_RING_ACQ_REL };
    struct kvm_enable_cap backup = { .cap =
                                         KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP };
    int max = kvm_check_extension(s->vm_fd, KVM_CAP_DIRTY_LOG_RING_ACQ_REL);
    int ret;

    if (!max) {
        enable.cap = KVM_CAP_DIRTY_LOG_RING;
        max = kvm_check_extension(s->vm_fd, KVM_CAP_DIRTY_LOG_RING);
    }
    if (max <= 0) {
        error_setg(errp, "dirty-ring-size: the host kernel's KVM lacks "
                         "KVM_CAP_DIRTY_LOG_RING");
        return false;
    }
    if (ring_bytes(s) > (size_t)max) {
        error_setg(errp,
                   "dirty-ring-size %u is more than the %zu of the host's KVM",
                   s->ring_entries, (size_t)max / sizeof(struct kvm_dirty_gfn));
        return false;
    }
    /* Some hosts write without a vCPU; those pages are in a bitmap. */
    s->ring_with_bitmap =
        kvm_check_extension(s->vm_fd, KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP) > 0 &&
        kvm_ioctl(s->vm_fd, KVM_ENABLE_CAP, &backup) == 0;
    enable.args[0] = ring_bytes(s);
    ret = kvm_ioctl(s->vm_fd, KVM_ENABLE_CAP, &enable);
    if (ret < 0) {
        error_setg_errno(errp, -ret,
                         "dirty-ring-size %u: KVM does not take it (1024 is "
                         "the least that always fits)",
                         s->ring_entries);
        return false;
    }
    return true;
}

bool kvm_ring_map(KVMVCPU *vcpu, Error **errp)
{
    KVMState *s = kvm_of(vcpu);
    void *p;

    if (!s->ring_entries) {
        return true;
    }
    p = mmap(NULL, ring_bytes(s), PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd,
             (off_t)sysconf(_SC_PAGESIZE) * KVM_DIRTY_LOG_PAGE_OFFSET);
    if (p == MAP_FAILED) {
        error_setg_errno(errp, errno, "CPU %u: mmap of its dirty ring failed",
                         vcpu->base.index);
        return false;
    }
    vcpu->ring = p;
    return true;
}

void kvm_ring_unmap(KVMVCPU *vcpu)
{
    if (vcpu->ring) {
        munmap(vcpu->ring, ring_bytes(kvm_of(vcpu)));
        vcpu->ring = NULL;
    }
}

static void note(KVMState *s, uint32_t number, uint64_t page)
{
    KVMSlot *slot;

    if (number >= s->slots->len) {
        return;
    }
    slot = &g_array_index(s->slots, KVMSlot, number);
    if (slot->reported && page < slot->size >> PAGE_BITS) {
        set_bit((long)page, slot->reported);
    }
}

/* Returns: entries taken. */
static unsigned collect_one(KVMState *s, KVMVCPU *vcpu)
{
    unsigned n = 0;

    for (; n < s->ring_entries; n++) {
        struct kvm_dirty_gfn *e =
            &vcpu->ring[vcpu->ring_next & (s->ring_entries - 1)];

        if (!(qatomic_load_acquire(&e->flags) & KVM_DIRTY_GFN_F_DIRTY)) {
            break;
        }
        note(s, SLOT_ID(e->slot), e->offset);
        qatomic_store_release(&e->flags, KVM_DIRTY_GFN_F_RESET);
        vcpu->ring_next++;
    }
    if (n == s->ring_entries && !s->ring_overran) {
        trace_kvm_ring_overran(vcpu->base.index);
        s->ring_overran = true;
    }
    qatomic_set(&vcpu->dirty_pages, vcpu->dirty_pages + n);
    return n;
}

static void give_back(KVMState *s, unsigned n)
{
    if (n) {
        int ret = kvm_ioctl_arg(s->vm_fd, KVM_RESET_DIRTY_RINGS, 0);

        trace_kvm_ring(n, ret);
    }
}

void kvm_ring_collect(KVMState *s)
{
    unsigned n = 0;

    for (guint i = 0; i < s->vcpus->len; i++) {
        n += collect_one(s, g_ptr_array_index(s->vcpus, i));
    }
    give_back(s, n);
}

void kvm_ring_full(KVMVCPU *vcpu)
{
    KVMState *s = kvm_of(vcpu);
    int64_t start = get_clock();

    WITH_QEMU_LOCK_GUARD(&s->slots_lock)
    {
        give_back(s, collect_one(s, vcpu));
    }
    qatomic_add(&s->ring_full_ns, (uint64_t)(get_clock() - start));
}

/* -- once a second ------------------------------------------------------------- */

static void *reaper(void *opaque)
{
    KVMState *s = opaque;

    QEMU_LOCK_GUARD(&s->reaper_lock);
    while (!s->reaper_stop) {
        if (qemu_cond_timedwait(&s->reaper_wake, &s->reaper_lock,
                                REAP_PERIOD_MS)) {
            continue;
        }
        QEMU_LOCK_GUARD(&s->slots_lock);
        kvm_ring_collect(s);
    }
    return NULL;
}

bool kvm_ring_start(KVMState *s, Error **errp)
{
    int ret;

    s->reaper_stop = false;
    ret = qemu_thread_try_create(&s->reaper, "dirty ring", reaper, s,
                                 QEMU_THREAD_JOINABLE);
    if (ret < 0) {
        error_setg_errno(errp, -ret,
                         "could not start the thread of dirty rings");
        return false;
    }
    s->has_reaper = true;
    return true;
}

void kvm_ring_stop(KVMState *s)
{
    if (!s->has_reaper) {
        return;
    }
    WITH_QEMU_LOCK_GUARD(&s->reaper_lock)
    {
        s->reaper_stop = true;
        qemu_cond_signal(&s->reaper_wake);
    }
    qemu_thread_join(&s->reaper);
    s->has_reaper = false;
}

/* -- counters -------------------------------------------------------------------- */

bool kvm_vcpu_dirty_pages(AccelVCPU *base, uint64_t *ret_pages)
{
    KVMVCPU *vcpu = container_of(base, KVMVCPU, base);

    if (!vcpu->ring) {
        return false;
    }
    *ret_pages = qatomic_read(&vcpu->dirty_pages);
    return true;
}

uint64_t kvm_dirty_ring_full_ns(AccelState *accel)
{
    return qatomic_read(&KVM_ACCEL(accel)->ring_full_ns);
}
