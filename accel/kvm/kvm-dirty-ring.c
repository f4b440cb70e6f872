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
 * How a ring is emptied: kvm-ring.c. Should the kernel have overrun one, everything
 * is protected anew and counts as written.
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
/* Rings are collected so often; more often while they fill up faster. The
 * longest is in ring entries: a ring lasts for it at a million writes a second,
 * so that one is not lost before its filling up faster is noticed. */
#define REAP_MS_MIN    5
#define REAP_MS_MAX(s) MAX((int)((s)->ring_entries / 1000), REAP_MS_MIN)
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
    enable.args[0] = ring_bytes(s);
    ret = kvm_ioctl(s->vm_fd, KVM_ENABLE_CAP, &enable);
    if (ret < 0) {
        error_setg_errno(errp, -ret,
                         "dirty-ring-size %u: KVM does not take it (1024 is "
                         "the least that always fits)",
                         s->ring_entries);
        return false;
    }
    /* Some hosts write without a vCPU; those pages are in a bitmap. It goes only
     * with rings that are there, and before the first slot. */
    s->ring_with_bitmap =
        kvm_check_extension(s->vm_fd, KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP) > 0 &&
        kvm_ioctl(s->vm_fd, KVM_ENABLE_CAP, &backup) == 0;
    return true;
}

/* -- collecting ------------------------------------------------------------------ */

typedef struct Collecting {
    KVMState *s;
    uint64_t fresh; /* pages that were clean in the log */
} Collecting;

/*
 * A page that is written all the time is in the ring after each collecting. It
 * counts once until the log is cleared, as it costs a migration one page.
 */
static void note(void *opaque, uint32_t number, uint64_t page)
{
    Collecting *c = opaque;
    KVMState *s = c->s;
    KVMSlot *slot;

    if (SLOT_ID(number) >= s->slots->len) {
        return;
    }
    slot = &g_array_index(s->slots, KVMSlot, SLOT_ID(number));
    if (slot->collected && page < slot->size >> PAGE_BITS &&
        !test_bit((long)page, slot->collected)) {
        set_bit((long)page, slot->collected);
        c->fresh += !test_bit((long)page, slot->reported);
    }
}

static int take_back(void *opaque)
{
    const Collecting *c = opaque;
    int ret = kvm_ioctl_arg(c->s->vm_fd, KVM_RESET_DIRTY_RINGS, 0);

    trace_kvm_ring(ret);
    return ret;
}

/* Returns: entries taken. */
static unsigned collect_one(KVMState *s, KVMVCPU *vcpu, bool is_full)
{
    static const KVMRingOps ops = { .note = note, .take_back = take_back };
    Collecting c = { .s = s };
    bool overran;
    unsigned n = kvm_ring_empty(&vcpu->ring, &ops, &c, is_full, &overran);

    if (overran) {
        trace_kvm_ring_overran(vcpu->base.index);
        if (s->logging) {
            kvm_dirty_rearm(s);
        }
    }
    qatomic_set(&vcpu->dirty_pages, vcpu->dirty_pages + c.fresh);
    return n;
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
    vcpu->ring = (KVMRing){ .entries = p, .size = s->ring_entries };
    return true;
}

void kvm_ring_unmap(KVMVCPU *vcpu)
{
    KVMState *s = kvm_of(vcpu);

    if (vcpu->ring.entries) {
        /* What it wrote last is nowhere else. */
        collect_one(s, vcpu, false);
        munmap(vcpu->ring.entries, ring_bytes(s));
        vcpu->ring.entries = NULL;
    }
}

/* Returns: entries of the fullest ring. */
static unsigned collect_all(KVMState *s)
{
    unsigned most = 0;

    for (guint i = 0; i < s->vcpus->len; i++) {
        most = MAX(most, collect_one(s, g_ptr_array_index(s->vcpus, i), false));
    }
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
        collect_one(s, vcpu, true);
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
    return most < s->ring_entries / 16 ? MIN(period_ms * 2, REAP_MS_MAX(s))
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

    if (!vcpu->ring.entries) {
        return false;
    }
    *ret_pages = qatomic_read(&vcpu->dirty_pages);
    return true;
}

uint64_t kvm_dirty_ring_full_ns(AccelState *accel)
{
    return qatomic_read(&KVM_ACCEL(accel)->ring_full_ns);
}
