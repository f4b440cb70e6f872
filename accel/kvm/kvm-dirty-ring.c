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
 * (it emulates much in one go) it writes over entries that nobody has seen, or
 * that it is just taking back, and then the new one is gone. Before that it has
 * filled the entry ahead of the next to be taken back, which nobody else touches:
 * that shows it. Then everything is protected anew and counts as written. Where
 * the kernel writes in such a ring is not known any more: from there on all of it
 * is searched. Where it takes back still is, for it says how many it took.
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
/* Of a full ring the kernel uses at least this part: it keeps 64 entries free,
 * and the 512 of the processor's own log, of at least 1024. */
#define USED_IF_FULL(s) ((s)->ring_entries / 4)
/* Entries that are taken and then given back at once. */
#define CHUNK(s) ((s)->ring_entries / 8)
/* The kernel is asked so often without an effect. */
#define VAIN_MAX      8
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
    vcpu->ring_back_full = UINT32_MAX; /* none yet */
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

static struct kvm_dirty_gfn *entry(KVMState *s, KVMVCPU *vcpu, uint32_t at)
{
    return &vcpu->ring[at & (s->ring_entries - 1)];
}

static bool is_filled(struct kvm_dirty_gfn *e)
{
    return qatomic_load_acquire(&e->flags) & KVM_DIRTY_GFN_F_DIRTY;
}

/* Entry @e, if it is filled, into the slots' bitmaps and back. */
static bool take(KVMState *s, struct kvm_dirty_gfn *e)
{
    if (!is_filled(e)) {
        return false;
    }
    note(s, SLOT_ID(e->slot), e->offset);
    qatomic_store_release(&e->flags, KVM_DIRTY_GFN_F_RESET);
    return true;
}

/* Have the kernel take back what it can. All other rings have had their turn, so
 * that what it says is about this one. A signal makes it stop halfway. */
static void give_back(KVMState *s, KVMVCPU *vcpu)
{
    for (unsigned vain = 0; vain < VAIN_MAX;) {
        struct kvm_dirty_gfn *e = entry(s, vcpu, vcpu->ring_back);
        int ret;

        if (!(qatomic_read(&e->flags) & KVM_DIRTY_GFN_F_RESET)) {
            break;
        }
        ret = kvm_ioctl_arg(s->vm_fd, KVM_RESET_DIRTY_RINGS, 0);
        trace_kvm_ring(vcpu->base.index, vcpu->ring_back, ret);
        if (ret > 0) {
            vcpu->ring_back += (uint32_t)ret;
        } else {
            vain++;
        }
    }
}

/* -- a ring whose end is known ------------------------------------------------- */

/* Returns: entries taken. */
static unsigned follow_chunk(KVMState *s, KVMVCPU *vcpu)
{
    struct kvm_dirty_gfn *last = entry(s, vcpu, vcpu->ring_back - 1);
    unsigned n = 0;

    while (n < CHUNK(s) && take(s, entry(s, vcpu, vcpu->ring_next))) {
        vcpu->ring_next++;
        n++;
    }
    give_back(s, vcpu);
    if (is_filled(last) || vcpu->ring_back != vcpu->ring_next) {
        vcpu->ring_lost = true;
    }
    return n;
}

/* What there is, but not for ever while the guest writes more. */
static unsigned follow(KVMState *s, KVMVCPU *vcpu)
{
    unsigned n = 0, chunk;

    do {
        chunk = follow_chunk(s, vcpu);
        n += chunk;
    } while (chunk == CHUNK(s) && n < s->ring_entries && !vcpu->ring_lost);
    return n;
}

/* -- a lost ring ----------------------------------------------------------------- */

/*
 * The kernel takes entries back in order and stops at the first that was not
 * given back, which may be one it will never fill; then the vCPU would leave the
 * guest for its full ring for ever. So all are given back that are in use for
 * sure. It may have gone round the ring more than once, and then comes again.
 */
static void fill_gap(KVMState *s, KVMVCPU *vcpu)
{
    for (unsigned i = 0; i < USED_IF_FULL(s); i++) {
        struct kvm_dirty_gfn *e = entry(s, vcpu, vcpu->ring_back + i);

        qatomic_cmpxchg(&e->flags, 0, KVM_DIRTY_GFN_F_RESET);
    }
}

/* Returns: entries taken; in *@ret_overran whether the kernel filled all again. */
static unsigned search(KVMState *s, KVMVCPU *vcpu, bool is_stuck,
                       bool *ret_overran)
{
    struct kvm_dirty_gfn *last = entry(s, vcpu, vcpu->ring_back - 1);
    unsigned n = 0;

    for (unsigned i = 0; i < s->ring_entries - 1; i++) {
        n += take(s, entry(s, vcpu, vcpu->ring_back + i));
    }
    if (is_stuck) {
        fill_gap(s, vcpu);
    }
    give_back(s, vcpu);
    *ret_overran = take(s, last);
    give_back(s, vcpu);
    return n + *ret_overran;
}

/* -- collecting ------------------------------------------------------------------ */

/* @is_stuck: the kernel found the ring full, and has taken nothing back since it
 * did so the last time. Returns: entries taken. */
static unsigned collect_one(KVMState *s, KVMVCPU *vcpu, bool is_stuck)
{
    bool overran = false;
    unsigned n = 0;

    if (!vcpu->ring_lost) {
        n = follow(s, vcpu);
        vcpu->ring_lost |= is_stuck;
        overran = vcpu->ring_lost;
    } else {
        n = search(s, vcpu, is_stuck, &overran);
    }
    if (overran) {
        trace_kvm_ring_overran(vcpu->base.index);
        if (s->logging) {
            kvm_dirty_rearm(s);
        }
    }
    qatomic_set(&vcpu->dirty_pages, vcpu->dirty_pages + n);
    return n;
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
        collect_one(s, vcpu, vcpu->ring_back == vcpu->ring_back_full);
        vcpu->ring_back_full = vcpu->ring_back;
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
