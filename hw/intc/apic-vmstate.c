/*
 * The state of a local APIC for another host. Times are the guest's clock's,
 * so that the timer goes on to the nanosecond.
 *
 * The base register is the CPU's: it comes with the state of the CPU, which is
 * loaded first and has told this APIC; here it must be the same.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/vmstate.h"
#include "util/error.h"
#include "util/lockable.h"

#include "apic-internal.h"

#define TIME_MAX       (INT64_MAX / 4)
#define ESR_BITS       0xefu
#define DIVIDE_BITS    0xbu
#define XAPIC_ID_MASK  0xff000000u
#define DFR_RESERVED   0x0fffffffu
#define EXCEPTION_BITS 0xffffull /* of the first word of a map */

static bool fail(const APICState *s, Error **errp, const char *what,
                 uint64_t value)
{
    error_setg(errp, "APIC %u: %s 0x%" PRIx64 " is not valid", s->id, what,
               value);
    return false;
}

static bool check_ids(const APICState *s, Error **errp)
{
    if (s->saved_base != s->base) {
        return fail(s, errp, "base, which is not the CPU's,", s->saved_base);
    }
    if (s->xapic_id & ~XAPIC_ID_MASK) {
        return fail(s, errp, "id", s->xapic_id);
    }
    if (s->ldr & ~XAPIC_ID_MASK) {
        return fail(s, errp, "logical id", s->ldr);
    }
    if ((s->dfr & DFR_RESERVED) != DFR_RESERVED) {
        return fail(s, errp, "destination format", s->dfr);
    }
    return true;
}

static bool check_lvt(const APICState *s, Error **errp)
{
    for (unsigned n = 0; n < APIC_LVT_COUNT; n++) {
        if (s->lvt[n] & ~(apic_lvt_writable(n) | APIC_LVT_REMOTE_IRR)) {
            return fail(s, errp, "LVT entry", s->lvt[n]);
        }
    }
    if ((s->lvt[APIC_LVT_TIMER] & APIC_LVT_TIMER_MODE) == APIC_LVT_TIMER_MODE) {
        return fail(s, errp, "timer mode", s->lvt[APIC_LVT_TIMER]);
    }
    return true;
}

static bool check_registers(const APICState *s, Error **errp)
{
    if (s->svr & ~APIC_SVR_SHIFT) {
        return fail(s, errp, "spurious vector register", s->svr);
    }
    if ((s->esr | s->esr_pending) & ~ESR_BITS) {
        return fail(s, errp, "error status", s->esr | s->esr_pending);
    }
    if (s->icr & ~APIC_ICR_WRITABLE) {
        return fail(s, errp, "command", s->icr);
    }
    if ((s->isr[0] | s->irr[0] | s->tmr[0]) & EXCEPTION_BITS) {
        return fail(s, errp, "vector below 16 in", s->isr[0] | s->irr[0]);
    }
    return true;
}

static bool check_timer(const APICState *s, Error **errp)
{
    const APICTimer *t = &s->timer;

    if (t->divide & ~DIVIDE_BITS) {
        return fail(s, errp, "divide configuration", t->divide);
    }
    if (t->start_ns < -TIME_MAX || t->start_ns > TIME_MAX || t->due_ns < -1) {
        return fail(s, errp, "time of the timer", (uint64_t)t->start_ns);
    }
    return true;
}

static int apic_pre_save(void *opaque)
{
    APICState *s = opaque;

    s->saved_base = s->base;
    return 0;
}

static bool apic_post_load(void *opaque, int version_id, Error **errp)
{
    APICState *s = opaque;
    QEMU_LOCK_GUARD(&s->lock);

    if (!check_ids(s, errp) || !check_lvt(s, errp) ||
        !check_registers(s, errp) || !check_timer(s, errp)) {
        s->timer.due_ns = -1;
        apic_timer_rearm_locked(s);
        return false;
    }
    apic_timer_rearm_locked(s);
    apic_update_locked(s);
    return true;
}

const VMStateDescription vmstate_apic = {
    .name = "apic",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = apic_pre_save,
    .post_load_errp = apic_post_load,
    .fields =
        (const VMStateField[]){
            VMSTATE_UINT32_EQUAL(id, APICState, "APIC id"),
            VMSTATE_UINT64(saved_base, APICState),
            VMSTATE_UINT32(xapic_id, APICState),
            VMSTATE_UINT32(ldr, APICState),
            VMSTATE_UINT32(dfr, APICState),
            VMSTATE_UINT32(svr, APICState),
            VMSTATE_UINT8(tpr, APICState),
            VMSTATE_UINT64_ARRAY(isr, APICState, APIC_BITMAP_WORDS),
            VMSTATE_UINT64_ARRAY(irr, APICState, APIC_BITMAP_WORDS),
            VMSTATE_UINT64_ARRAY(tmr, APICState, APIC_BITMAP_WORDS),
            VMSTATE_UINT32(esr, APICState),
            VMSTATE_UINT32(esr_pending, APICState),
            VMSTATE_UINT32(icr, APICState),
            VMSTATE_UINT32(icr_high, APICState),
            VMSTATE_UINT32_ARRAY(lvt, APICState, APIC_LVT_COUNT),
            VMSTATE_BOOL(pic_level, APICState),
            VMSTATE_BOOL(extint, APICState),
            VMSTATE_UINT32(timer.initial, APICState),
            VMSTATE_UINT32(timer.divide, APICState),
            VMSTATE_INT64(timer.start_ns, APICState),
            VMSTATE_INT64(timer.due_ns, APICState),
            VMSTATE_UINT64(timer.tsc, APICState),
            VMSTATE_END_OF_LIST() },
};
