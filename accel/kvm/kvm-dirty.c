/*
 * The log of written pages.
 *
 * Each slot has a bitmap "reported": pages that a sync has reported and that
 * were not cleared since. Where pages become writable again depends on what
 * the kernel has:
 *
 * - manual protection (KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2): a sync copies the
 *   kernel's bitmap and changes nothing; a clear protects just those pages of a
 *   chunk that were reported and takes their bits from the kernel's bitmap. A
 *   page written in between that was not reported keeps its bit. With
 *   INITIALLY_SET the kernel begins with all bits set and nothing protected, so
 *   that switching the log on costs the guest nothing: it pays chunk by chunk;
 * - without it: reading the kernel's bitmap clears and protects all at once;
 * - dirty ring (kvm-dirty-ring.c): collecting the ring protects.
 *
 * The last two leave nothing to do for a clear but to forget.
 *
 * Source: the kernel's Documentation/virt/kvm/api.rst, 4.8, 4.117, 7.19, 8.29.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "trace/trace-accel.h"
#include "util/bitmap.h"
#include "util/error.h"
#include "util/lockable.h"

#include "kvm-internal.h"

#define PAGE_BITS 12
/* Most pages (128 MiB) whose protection is changed by one call: the kernel
 * holds its lock of the guest's page tables meanwhile. */
#define CLEAR_PAGES_MAX 32768u

static uint64_t pages_of(const KVMSlot *slot)
{
    return slot->size >> PAGE_BITS;
}

static bool is_logged(const KVMSlot *slot)
{
    return slot->size && !(slot->flags & KVM_MEM_READONLY);
}

bool kvm_dirty_init(KVMState *s, Error **errp)
{
    int cap = kvm_check_extension(s->vm_fd, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2);
    unsigned flags = (unsigned)cap & (KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE |
                                      KVM_DIRTY_LOG_INITIALLY_SET);
    struct kvm_enable_cap enable = { .cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
                                     .args = { flags } };

    if (s->ring_entries) {
        return kvm_ring_init(s, errp);
    }
    if (flags && kvm_ioctl(s->vm_fd, KVM_ENABLE_CAP, &enable) == 0) {
        s->manual_protect = true;
        s->initially_set = flags & KVM_DIRTY_LOG_INITIALLY_SET;
    }
    return true;
}

/* -- slots ----------------------------------------------------------------------- */

void kvm_dirty_slot_added(KVMState *s, KVMSlot *slot)
{
    long n = (long)pages_of(slot);

    if (!s->logging || !is_logged(slot)) {
        return;
    }
    slot->flags |= KVM_MEM_LOG_DIRTY_PAGES;
    /* What a bitmap of the kernel covers is whole words. */
    slot->reported = bitmap_new(QEMU_ALIGN_UP(n, BITS_PER_LONG));
    if (s->initially_set) {
        bitmap_fill(slot->reported, n);
    }
    if (s->ring_entries) {
        slot->collected = bitmap_new(QEMU_ALIGN_UP(n, BITS_PER_LONG));
    }
}

void kvm_dirty_slot_gone(KVMSlot *slot)
{
    g_clear_pointer(&slot->reported, g_free);
    g_clear_pointer(&slot->collected, g_free);
    slot->flags &= ~KVM_MEM_LOG_DIRTY_PAGES;
}

static bool slots_set_log(KVMState *s, bool on, Error **errp)
{
    for (guint i = 0; i < s->slots->len; i++) {
        KVMSlot *slot = &g_array_index(s->slots, KVMSlot, i);
        int ret;

        if (!is_logged(slot)) {
            continue;
        }
        if (on) {
            kvm_dirty_slot_added(s, slot);
        } else {
            kvm_dirty_slot_gone(slot);
        }
        ret = kvm_set_slot(s, i, slot);
        if (ret < 0 && on) {
            error_setg_errno(errp, -ret,
                             "could not log writes to RAM at guest address "
                             "0x%" PRIx64,
                             slot->gpa);
            return false;
        }
    }
    return true;
}

bool kvm_log_start(AccelState *accel, Error **errp)
{
    KVMState *s = KVM_ACCEL(accel);

    WITH_QEMU_LOCK_GUARD(&s->slots_lock)
    {
        if (s->logging) {
            error_setg(errp, "the log of written pages is on already");
            return false;
        }
        s->logging = true;
        if (!slots_set_log(s, true, errp)) {
            slots_set_log(s, false, NULL);
            s->logging = false;
            return false;
        }
    }
    trace_kvm_log(true);
    if (s->ring_entries && !kvm_ring_start(s, errp)) {
        kvm_log_stop(accel);
        return false;
    }
    return true;
}

void kvm_log_stop(AccelState *accel)
{
    KVMState *s = KVM_ACCEL(accel);

    kvm_ring_stop(s);
    QEMU_LOCK_GUARD(&s->slots_lock);
    if (!s->logging) {
        return;
    }
    trace_kvm_log(false);
    slots_set_log(s, false, NULL);
    s->logging = false;
    if (s->ring_entries) {
        /* Nothing of this log may show in the next. */
        kvm_ring_collect(s);
    }
    g_clear_pointer(&s->scratch, g_free);
    s->scratch_bytes = 0;
}

void kvm_dirty_rearm(KVMState *s)
{
    slots_set_log(s, false, NULL);
    if (!slots_set_log(s, true, NULL)) {
        return; /* a slot without a bitmap: its sync fails */
    }
    for (guint i = 0; i < s->slots->len; i++) {
        KVMSlot *slot = &g_array_index(s->slots, KVMSlot, i);

        if (slot->collected) {
            bitmap_fill(slot->collected, (long)pages_of(slot));
        }
    }
}

/* -- sync -------------------------------------------------------------------------- */

/* OR @n bits of @src from bit @at on into @dst, from its bit 0 on. */
static void or_from(unsigned long *dst, const unsigned long *src, uint64_t at,
                    uint64_t n)
{
    unsigned shift = at % BITS_PER_LONG;
    uint64_t words = BITS_TO_LONGS(n);
    uint64_t last = (at + n - 1) / BITS_PER_LONG;

    for (uint64_t i = 0; i < words; i++) {
        uint64_t from = at / BITS_PER_LONG + i;
        unsigned long w = src[from] >> shift;

        if (shift && from < last) {
            w |= src[from + 1] << (BITS_PER_LONG - shift);
        }
        if (i == words - 1) {
            w &= BITMAP_LAST_WORD_MASK(n);
        }
        if (w) {
            dst[i] |= w;
        }
    }
}

static void *scratch(KVMState *s, size_t bytes)
{
    if (s->scratch_bytes < bytes) {
        g_free(s->scratch);
        s->scratch = g_malloc(bytes);
        s->scratch_bytes = bytes;
    }
    return s->scratch;
}

/* The kernel's bitmap of slot @number into its "reported". */
static int fetch(KVMState *s, guint number, KVMSlot *slot)
{
    size_t words = BITS_TO_LONGS(pages_of(slot));
    unsigned long *map = scratch(s, words * sizeof(*map));
    struct kvm_dirty_log log = { .slot = number, .dirty_bitmap = map };
    int ret;

    memset(map, 0, words * sizeof(*map));
    ret = kvm_ioctl(s->vm_fd, KVM_GET_DIRTY_LOG, &log);
    for (size_t i = 0; ret >= 0 && i < words; i++) {
        if (map[i]) {
            slot->reported[i] |= map[i];
        }
    }
    return ret;
}

static void report_collected(KVMSlot *slot)
{
    for (uint64_t i = 0; i < BITS_TO_LONGS(pages_of(slot)); i++) {
        if (slot->collected[i]) {
            slot->reported[i] |= slot->collected[i];
            slot->collected[i] = 0;
        }
    }
}

static KVMSlot *find_slot(KVMState *s, uint64_t gpa, uint64_t size,
                          guint *ret_number)
{
    for (guint i = 0; i < s->slots->len; i++) {
        KVMSlot *slot = &g_array_index(s->slots, KVMSlot, i);

        if (gpa >= slot->gpa && gpa - slot->gpa < slot->size &&
            size <= slot->size - (gpa - slot->gpa)) {
            *ret_number = i;
            return slot;
        }
    }
    return NULL;
}

bool kvm_log_sync(AccelState *accel, uint64_t gpa, uint64_t size,
                  unsigned long *bitmap, Error **errp)
{
    KVMState *s = KVM_ACCEL(accel);
    KVMSlot *slot;
    guint number;
    int ret = 0;

    QEMU_LOCK_GUARD(&s->slots_lock);
    if (!s->logging) {
        error_setg(errp, "the log of written pages is off");
        return false;
    }
    if (s->ring_entries) {
        kvm_ring_collect(s); /* which may rearm, and not with success */
    }
    slot = find_slot(s, gpa, size, &number);
    if (!slot || !slot->reported) {
        error_setg(errp,
                   "no RAM of %" PRIu64 " bytes at guest address 0x%" PRIx64,
                   size, gpa);
        return false;
    }
    if (s->ring_entries) {
        report_collected(slot);
    }
    if (!s->ring_entries || s->ring_with_bitmap) {
        ret = fetch(s, number, slot);
    }
    if (ret < 0) {
        error_setg_errno(errp, -ret,
                         "could not read which pages of RAM at guest address "
                         "0x%" PRIx64 " were written",
                         slot->gpa);
        return false;
    }
    or_from(bitmap, slot->reported, (gpa - slot->gpa) >> PAGE_BITS,
            size >> PAGE_BITS);
    return true;
}

/* -- clear ------------------------------------------------------------------------- */

/* Pages @first..@end-1 of @reported, in whole words of @map, which begins at
 * the word of @first. Returns: is there any? */
static bool cut(unsigned long *map, const unsigned long *reported,
                uint64_t first, uint64_t end)
{
    uint64_t from = first / BITS_PER_LONG;
    uint64_t words = BITS_TO_LONGS(end) - from;
    unsigned long any = 0;

    memcpy(map, reported + from, words * sizeof(*map));
    map[0] &= BITMAP_FIRST_WORD_MASK(first);
    map[words - 1] &= BITMAP_LAST_WORD_MASK(end);
    for (uint64_t i = 0; i < words; i++) {
        any |= map[i];
    }
    return any;
}

/* At most CLEAR_PAGES_MAX pages, within one slot. */
static void clear_chunk(KVMState *s, guint number, KVMSlot *slot,
                        uint64_t first, uint64_t end)
{
    unsigned long map[CLEAR_PAGES_MAX / BITS_PER_LONG + 1];
    uint64_t base = QEMU_ALIGN_DOWN(first, BITS_PER_LONG);
    uint64_t stop = MIN(QEMU_ALIGN_UP(end, BITS_PER_LONG), pages_of(slot));
    struct kvm_clear_dirty_log log = { .slot = number,
                                       .num_pages = (uint32_t)(stop - base),
                                       .first_page = base,
                                       .dirty_bitmap = map };
    int ret;

    if (!cut(map, slot->reported, first, end)) {
        return;
    }
    if (s->manual_protect) {
        ret = kvm_ioctl(s->vm_fd, KVM_CLEAR_DIRTY_LOG, &log);
        if (ret < 0) {
            /* The pages are reported again. */
            trace_kvm_log_clear_failed(slot->gpa, base, -ret);
            return;
        }
    }
    for (uint64_t i = 0; i < BITS_TO_LONGS(end) - first / BITS_PER_LONG; i++) {
        slot->reported[first / BITS_PER_LONG + i] &= ~map[i];
    }
}

static void clear_slot(KVMState *s, guint number, KVMSlot *slot, uint64_t gpa,
                       uint64_t size)
{
    uint64_t from = MAX(gpa, slot->gpa) - slot->gpa;
    uint64_t to = MIN(gpa + size, slot->gpa + slot->size) - slot->gpa;
    uint64_t end = to >> PAGE_BITS;

    for (uint64_t first = from >> PAGE_BITS; first < end;) {
        uint64_t next =
            MIN(end, QEMU_ALIGN_DOWN(first, BITS_PER_LONG) + CLEAR_PAGES_MAX);

        clear_chunk(s, number, slot, first, next);
        first = next;
    }
}

void kvm_log_clear(AccelState *accel, uint64_t gpa, uint64_t size)
{
    KVMState *s = KVM_ACCEL(accel);

    for (guint i = 0;; i++) {
        KVMSlot *slot;

        /* Anew for each slot, so that a change of the map waits for one. */
        QEMU_LOCK_GUARD(&s->slots_lock);
        if (i >= s->slots->len) {
            break;
        }
        slot = &g_array_index(s->slots, KVMSlot, i);
        if (slot->reported && gpa < slot->gpa + slot->size &&
            slot->gpa < gpa + size) {
            clear_slot(s, i, slot, gpa, size);
        }
    }
}
