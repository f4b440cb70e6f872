/*
 * Memory slots.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "trace/trace-accel.h"
#include "util/error.h"
#include "util/lockable.h"

#include "kvm-internal.h"

int kvm_set_slot(KVMState *s, guint number, const KVMSlot *slot)
{
    struct kvm_userspace_memory_region region = {
        .slot = number,
        .flags = slot->flags,
        .guest_phys_addr = slot->gpa,
        .memory_size = slot->size,
        .userspace_addr = (uintptr_t)slot->host,
    };

    trace_kvm_slot(number, slot->gpa, slot->size, slot->flags);
    return kvm_change(s, KVM_SET_USER_MEMORY_REGION, &region);
}

/* A free number; the array grows by one if there is none. */
static guint slot_number(KVMState *s)
{
    for (guint i = 0; i < s->slots->len; i++) {
        if (g_array_index(s->slots, KVMSlot, i).size == 0) {
            return i;
        }
    }
    g_array_set_size(s->slots, s->slots->len + 1);
    return s->slots->len - 1;
}

bool kvm_map_ram(AccelState *accel, uint64_t gpa, uint64_t size, void *host,
                 unsigned flags, Error **errp)
{
    KVMState *s = KVM_ACCEL(accel);
    KVMSlot slot = { .gpa = gpa, .size = size, .host = host };
    guint number;
    int ret;

    if (flags & ACCEL_RAM_READONLY) {
        if (!s->caps.readonly_mem) {
            error_setg(errp, "the host kernel's KVM lacks "
                             "KVM_CAP_READONLY_MEM");
            return false;
        }
        slot.flags |= KVM_MEM_READONLY;
    }
    QEMU_LOCK_GUARD(&s->slots_lock);
    number = slot_number(s);
    if (number >= (guint)s->caps.nr_memslots) {
        error_setg(errp, "more than the %d memory slots of the host's KVM",
                   s->caps.nr_memslots);
        return false;
    }
    kvm_dirty_slot_added(s, &slot);
    ret = kvm_set_slot(s, number, &slot);
    if (ret < 0) {
        kvm_dirty_slot_gone(&slot);
        error_setg_errno(errp, -ret,
                         "could not map %" PRIu64
                         " bytes of RAM at guest address 0x%" PRIx64,
                         size, gpa);
        return false;
    }
    g_array_index(s->slots, KVMSlot, number) = slot;
    return true;
}

bool kvm_unmap_ram(AccelState *accel, uint64_t gpa, uint64_t size, Error **errp)
{
    KVMState *s = KVM_ACCEL(accel);

    QEMU_LOCK_GUARD(&s->slots_lock);
    for (guint i = 0; i < s->slots->len; i++) {
        KVMSlot *slot = &g_array_index(s->slots, KVMSlot, i);
        KVMSlot none = *slot;
        int ret;

        if (slot->size != size || slot->gpa != gpa) {
            continue;
        }
        none.size = 0;
        ret = kvm_set_slot(s, i, &none);
        if (ret < 0) {
            error_setg_errno(errp, -ret,
                             "could not unmap RAM at guest address 0x%" PRIx64,
                             gpa);
            return false;
        }
        kvm_dirty_slot_gone(slot);
        slot->size = 0;
        return true;
    }
    error_setg(errp, "no RAM of %" PRIu64 " bytes at guest address 0x%" PRIx64,
               size, gpa);
    return false;
}

bool kvm_read_guest(KVMState *s, uint64_t gpa, void *buf, size_t len)
{
    QEMU_LOCK_GUARD(&s->slots_lock);
    for (guint i = 0; i < s->slots->len; i++) {
        const KVMSlot *slot = &g_array_index(s->slots, KVMSlot, i);

        if (gpa >= slot->gpa && gpa - slot->gpa < slot->size &&
            len <= slot->size - (gpa - slot->gpa)) {
            memcpy(buf, (char *)slot->host + (gpa - slot->gpa), len);
            return true;
        }
    }
    return false;
}
