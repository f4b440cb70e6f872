/*
 * The dirty ring: each vCPU tells in a ring of its own which pages it made
 * dirty, so that they can be counted for each vCPU.
 *
 * Collecting notes the entries in the slots' bitmaps and gives them back; the
 * kernel then protects their pages again. Both happen under slots_lock: a page
 * whose bit was taken by a sync is protected when that sync returns, so that
 * a write after it is seen. A thread collects at intervals while the log is
 * on, often enough that rings do not fill up; a vCPU whose ring is full does so
 * for itself.
 *
 * A kernel leaves the guest before the ring is quite full. Should one not do so
 * (it emulates much in one go) it writes over entries that nobody has seen; then
 * every entry is taken, which is how that shows. Then everything is protected
 * anew and counts as written. Where the kernel is in such a ring is not known
 * any more: from there on all of it is searched.
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

#define PAGE_BITS 12
/* Rings are collected so often; more often while they fill up faster. */
#define REAP_MS_MAX 1000
#define REAP_MS_MIN 5
/* The kernel lets a vCPU run only while this much of its ring is free. */
#define GAP           64u
#define SLOT_ID(slot) ((slot)&0xffff) /* above: the address space, 0 */

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
    if (slot->collected && page < slot->size >> PAGE_BITS) {
        set_bit((long)page, slot->collected);
    }
}

/* Entry @e, if it is filled, into the slots' bitmaps and back. */
static bool take(KVMState *s, struct kvm_dirty_gfn *e)
{
    if (!(qatomic_load_acquire(&e->flags) & KVM_DIRTY_GFN_F_DIRTY)) {
        return false;
    }
    note(s, SLOT_ID(e->slot), e->offset);
    qatomic_store_release(&e->flags, KVM_DIRTY_GFN_F_RESET);
    return true;
}

/* Wherever the kernel puts entries. */
static unsigned search(KVMState *s, KVMVCPU *vcpu)
{
    unsigned n = 0;

    for (unsigned i = 0; i < s->ring_entries; i++) {
        n += take(s, &vcpu->ring[i]);
    }
    return n;
}

/* The kernel takes entries back in order and stops at the first that was not
 * given back; in a lost ring that may be one it will never fill. A full ring
 * has more than GAP entries from there on, so as many can be given back. */
static void fill_gap(KVMState *s, KVMVCPU *vcpu)
{
    for (unsigned i = 0; i < GAP; i++) {
        uint32_t at = (vcpu->ring_next + i) & (s->ring_entries - 1);

        qatomic_cmpxchg(&vcpu->ring[at].flags, 0, KVM_DIRTY_GFN_F_RESET);
    }
}

/* Before the kernel takes back what it can of a lost ring: where it will be. */
static void skip_given_back(KVMState *s, KVMVCPU *vcpu)
{
    for (unsigned n = 0; n < s->ring_entries; n++) {
        uint32_t at = vcpu->ring_next & (s->ring_entries - 1);

        if (!(qatomic_read(&vcpu->ring[at].flags) & KVM_DIRTY_GFN_F_RESET)) {
            break;
        }
        vcpu->ring_next++;
    }
}

static unsigned follow(KVMState *s, KVMVCPU *vcpu)
{
    unsigned n = 0;

    while (n < s->ring_entries &&
           take(s, &vcpu->ring[vcpu->ring_next & (s->ring_entries - 1)])) {
        vcpu->ring_next++;
        n++;
    }
    return n;
}

/* Returns: entries taken. */
static unsigned collect_one(KVMState *s, KVMVCPU *vcpu)
{
    unsigned n = vcpu->ring_lost ? search(s, vcpu) : follow(s, vcpu);

    if (n == s->ring_entries) {
        trace_kvm_ring_overran(vcpu->base.index);
        /* Taken back as a whole: the kernel is at the same place again. */
        vcpu->ring_lost = true;
        s->ring_overran = true;
    }
    qatomic_set(&vcpu->dirty_pages, vcpu->dirty_pages + n);
    return n;
}

static void give_back(KVMState *s, unsigned n)
{
    int ret;

    if (!n && !s->ring_lost) {
        return;
    }
    for (guint i = 0; s->ring_lost && i < s->vcpus->len; i++) {
        KVMVCPU *vcpu = g_ptr_array_index(s->vcpus, i);

        if (vcpu->ring_lost) {
            skip_given_back(s, vcpu);
        }
    }
    ret = kvm_ioctl_arg(s->vm_fd, KVM_RESET_DIRTY_RINGS, 0);
    trace_kvm_ring(n, ret);
    if (s->ring_overran) {
        s->ring_overran = false;
        s->ring_lost = true;
        if (s->logging) {
            kvm_dirty_rearm(s);
        }
    }
}

/* Returns: entries of the fullest ring. */
static unsigned collect_all(KVMState *s)
{
    unsigned sum = 0, most = 0;

    for (guint i = 0; i < s->vcpus->len; i++) {
        unsigned n = collect_one(s, g_ptr_array_index(s->vcpus, i));

        sum += n;
        most = MAX(most, n);
    }
    give_back(s, sum);
    return most;
}

void kvm_ring_collect(KVMState *s)
{
    collect_all(s);
}

void kvm_ring_full(KVMVCPU *vcpu)
{
    KVMState *s = kvm_of(vcpu);
    int64_t start = get_clock();

    WITH_QEMU_LOCK_GUARD(&s->slots_lock)
    {
        unsigned n = collect_one(s, vcpu);

        if (vcpu->ring_lost && n < s->ring_entries) {
            fill_gap(s, vcpu);
        }
        give_back(s, n);
    }
    qatomic_add(&s->ring_full_ns, (uint64_t)(get_clock() - start));
}

/* -- at intervals -------------------------------------------------------------- */

/* So that rings become about a quarter full. */
static int next_period_ms(const KVMState *s, int period_ms, unsigned most)
{
    if (most > s->ring_entries / 4) {
        return MAX(period_ms / 4, REAP_MS_MIN);
    }
    return most < s->ring_entries / 16 ? MIN(period_ms * 2, REAP_MS_MAX)
                                       : period_ms;
}

static void *reaper(void *opaque)
{
    KVMState *s = opaque;
    int period_ms = REAP_MS_MIN;

    QEMU_LOCK_GUARD(&s->reaper_lock);
    while (!s->reaper_stop) {
        if (qemu_cond_timedwait(&s->reaper_wake, &s->reaper_lock, period_ms)) {
            continue;
        }
        QEMU_LOCK_GUARD(&s->slots_lock);
        period_ms = next_period_ms(s, period_ms, collect_all(s));
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
