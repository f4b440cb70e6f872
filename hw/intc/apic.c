/*
 * Local APIC: from a request to the CPU and back.
 *
 * A vector is requested in IRR (by a message, the LVT or the CPU itself), goes
 * to ISR when the CPU acknowledges it and leaves with EOI. The CPU's INTR pin
 * is high while a request is of a higher class than the processor priority
 * (the larger of TPR and the class in service), or while the 8259, through
 * LINT0 in ExtINT mode ("virtual wire"), has one.
 *
 * The lock of an APIC is held for some tens of nanoseconds: the CPU's own
 * EOI, TPR and acknowledge, and whoever sends to it. INTR is driven inside of
 * it, so its last level is the right one whoever was last. No path of an
 * edge-triggered interrupt takes the machine lock.
 *
 * Source: Intel SDM volume 3A chapter 10 (APIC), 8.4 (INIT, SIPI); the
 * MultiProcessor Specification 1.4, 3.6.2.2 (virtual wire mode).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/intc/apic.h"

#include "trace/trace-hw.h"
#include "util/error.h"
#include "util/host-utils.h"
#include "util/lockable.h"

#include "apic-internal.h"

#define NO_VECTOR   (-1)
#define CLASS(prio) ((prio)&0xf0u)

/* -- bit maps of vectors ------------------------------------------------------- */

static bool bit_test(const uint64_t *map, unsigned vector)
{
    return map[vector / 64] >> (vector % 64) & 1;
}

static void bit_put(uint64_t *map, unsigned vector, bool on)
{
    uint64_t bit = 1ull << (vector % 64);

    map[vector / 64] = on ? map[vector / 64] | bit : map[vector / 64] & ~bit;
}

static int bit_highest(const uint64_t *map)
{
    for (int w = APIC_BITMAP_WORDS - 1; w >= 0; w--) {
        if (map[w]) {
            return w * 64 + 63 - clz64(map[w]);
        }
    }
    return NO_VECTOR;
}

/* -- priority ------------------------------------------------------------------ */

static uint8_t processor_priority(const APICState *s)
{
    int serving = bit_highest(s->isr);

    if (serving != NO_VECTOR && CLASS((unsigned)serving) > CLASS(s->tpr)) {
        return (uint8_t)CLASS((unsigned)serving);
    }
    return s->tpr;
}

/* The vector that the CPU would take now, or NO_VECTOR. */
static int deliverable(const APICState *s)
{
    int vector = bit_highest(s->irr);

    if (vector == NO_VECTOR || !apic_is_software_enabled(s) ||
        CLASS((unsigned)vector) <= CLASS(s->ppr)) {
        return NO_VECTOR;
    }
    return vector;
}

static unsigned lvt_mode(const APICState *s, unsigned n)
{
    return s->lvt[n] >> APIC_LVT_MODE_SHIFT & 7;
}

/* Does the 8259 interrupt this CPU? Without APIC its INT is the CPU's INTR. */
static bool pic_interrupts(const APICState *s)
{
    if (!apic_is_enabled(s)) {
        return s->pic_level;
    }
    return s->extint ||
           (s->pic_level && !(s->lvt[APIC_LVT_LINT0] & APIC_LVT_MASKED) &&
            lvt_mode(s, APIC_LVT_LINT0) == APIC_MODE_EXTINT);
}

void apic_update_locked(APICState *s)
{
    bool intr;

    qatomic_set(&s->ppr, processor_priority(s));
    intr = deliverable(s) != NO_VECTOR || pic_interrupts(s);
    if (intr != s->intr) {
        s->intr = intr;
        apic_bus_ops(s->bus, NULL)->intr(s->vcpu, intr);
    }
}

/* -- requests ------------------------------------------------------------------- */

void apic_error_locked(APICState *s, uint32_t bit)
{
    trace_apic_error(s->id, bit);
    if (!(s->esr_pending & bit)) {
        s->esr_pending |= bit;
        apic_lvt_event_locked(s, APIC_LVT_ERROR);
    }
}

void apic_post_locked(APICState *s, uint8_t vector, bool level)
{
    if (!apic_is_software_enabled(s)) {
        return;
    }
    if (vector < APIC_VECTOR_MIN) {
        apic_error_locked(s, APIC_ESR_RECEIVE_ILLEGAL);
        return;
    }
    bit_put(s->tmr, vector, level);
    bit_put(s->irr, vector, true);
    apic_update_locked(s);
}

void apic_receive(APICState *s, const APICMessage *msg)
{
    const APICBusOps *ops = apic_bus_ops(s->bus, NULL);
    QEMU_LOCK_GUARD(&s->lock);

    if (!apic_is_enabled(s)) {
        return;
    }
    switch (msg->mode) {
    case APIC_MODE_FIXED:
    case APIC_MODE_LOWEST:
        apic_post_locked(s, msg->vector, msg->level);
        break;
    case APIC_MODE_SMI:
        ops->signal(s->vcpu, ACCEL_SIGNAL_SMI, 0);
        break;
    case APIC_MODE_NMI:
        ops->signal(s->vcpu, ACCEL_SIGNAL_NMI, 0);
        break;
    case APIC_MODE_INIT:
        ops->signal(s->vcpu, ACCEL_SIGNAL_INIT, 0);
        break;
    case APIC_MODE_SIPI:
        ops->signal(s->vcpu, ACCEL_SIGNAL_SIPI, msg->vector);
        break;
    case APIC_MODE_EXTINT:
        s->extint = true;
        apic_update_locked(s);
        break;
    default:
        break;
    }
}

void apic_lvt_event_locked(APICState *s, unsigned n)
{
    uint32_t entry = s->lvt[n];
    bool is_pin = n == APIC_LVT_LINT0 || n == APIC_LVT_LINT1;
    const APICBusOps *ops = apic_bus_ops(s->bus, NULL);

    if ((entry & APIC_LVT_MASKED) || !apic_is_enabled(s)) {
        return;
    }
    /* The timer and the error entry have no mode: always fixed. */
    switch (n == APIC_LVT_TIMER || n == APIC_LVT_ERROR ? APIC_MODE_FIXED
                                                       : lvt_mode(s, n)) {
    case APIC_MODE_FIXED:
        if (is_pin && (entry & APIC_LVT_LEVEL)) {
            s->lvt[n] |= APIC_LVT_REMOTE_IRR;
        }
        apic_post_locked(s, (uint8_t)entry, is_pin && (entry & APIC_LVT_LEVEL));
        break;
    case APIC_MODE_SMI:
        ops->signal(s->vcpu, ACCEL_SIGNAL_SMI, 0);
        break;
    case APIC_MODE_NMI:
        ops->signal(s->vcpu, ACCEL_SIGNAL_NMI, 0);
        break;
    case APIC_MODE_INIT:
        ops->signal(s->vcpu, ACCEL_SIGNAL_INIT, 0);
        break;
    default:
        break;
    }
}

/* A level-triggered LINT0 asks again until its line is low. */
void apic_lint0_changed_locked(APICState *s)
{
    uint32_t entry = s->lvt[APIC_LVT_LINT0];

    if (s->pic_level && (entry & APIC_LVT_LEVEL) &&
        !(entry & APIC_LVT_REMOTE_IRR) &&
        lvt_mode(s, APIC_LVT_LINT0) == APIC_MODE_FIXED) {
        apic_lvt_event_locked(s, APIC_LVT_LINT0);
    }
    apic_update_locked(s);
}

void apic_pic_line(APICState *s, bool level)
{
    QEMU_LOCK_GUARD(&s->lock);
    bool rises = level && !s->pic_level;

    s->pic_level = level;
    if (rises && !(s->lvt[APIC_LVT_LINT0] & APIC_LVT_LEVEL)) {
        apic_lvt_event_locked(s, APIC_LVT_LINT0);
    }
    apic_lint0_changed_locked(s);
}

void apic_nmi_line(APICState *s)
{
    QEMU_LOCK_GUARD(&s->lock);

    if (!apic_is_enabled(s)) { /* LINT1 is the NMI pin then */
        apic_bus_ops(s->bus, NULL)->signal(s->vcpu, ACCEL_SIGNAL_NMI, 0);
        return;
    }
    apic_lvt_event_locked(s, APIC_LVT_LINT1);
}

/* -- the CPU's side --------------------------------------------------------------- */

int apic_ack(APICState *s)
{
    void *opaque;
    const APICBusOps *ops = apic_bus_ops(s->bus, &opaque);
    int vector;

    WITH_QEMU_LOCK_GUARD(&s->lock)
    {
        vector = deliverable(s);
        if (vector != NO_VECTOR) {
            bit_put(s->irr, (unsigned)vector, false);
            bit_put(s->isr, (unsigned)vector, true);
            apic_update_locked(s);
            return vector;
        }
        if (!pic_interrupts(s)) {
            apic_update_locked(s);
            return NO_VECTOR;
        }
        s->extint = false;
    }
    vector = ops->pic_ack(opaque);
    WITH_QEMU_LOCK_GUARD(&s->lock)
    {
        apic_update_locked(s);
    }
    return vector;
}

/* Level-triggered pins of this APIC with @vector may ask again. */
static void end_of_pin(APICState *s, uint8_t vector)
{
    for (unsigned n = APIC_LVT_LINT0; n <= APIC_LVT_LINT1; n++) {
        if ((s->lvt[n] & APIC_LVT_REMOTE_IRR) && (uint8_t)s->lvt[n] == vector) {
            s->lvt[n] &= ~APIC_LVT_REMOTE_IRR;
        }
    }
    apic_lint0_changed_locked(s);
}

void apic_eoi(APICState *s)
{
    void *opaque;
    const APICBusOps *ops = apic_bus_ops(s->bus, &opaque);
    int vector;
    bool level;

    WITH_QEMU_LOCK_GUARD(&s->lock)
    {
        vector = bit_highest(s->isr);
        if (vector == NO_VECTOR) {
            return;
        }
        bit_put(s->isr, (unsigned)vector, false);
        level = bit_test(s->tmr, (unsigned)vector);
        if (level) {
            end_of_pin(s, (uint8_t)vector);
        }
        apic_update_locked(s);
    }
    if (level) {
        ops->eoi(opaque, (uint8_t)vector);
    }
}

uint8_t apic_get_tpr(APICState *s)
{
    QEMU_LOCK_GUARD(&s->lock);

    return s->tpr >> 4;
}

void apic_set_tpr(APICState *s, uint8_t tpr)
{
    QEMU_LOCK_GUARD(&s->lock);

    s->tpr = (uint8_t)(tpr << 4);
    apic_update_locked(s);
}

/* -- reset ---------------------------------------------------------------------- */

/* SDM 10.4.7.1 and 10.4.7.3: power-on, INIT; id and base stay. */
void apic_reset_registers_locked(APICState *s)
{
    memset(s->isr, 0, sizeof(s->isr));
    memset(s->irr, 0, sizeof(s->irr));
    memset(s->tmr, 0, sizeof(s->tmr));
    s->esr = 0;
    s->esr_pending = 0;
    s->icr = 0;
    s->icr_high = 0;
    s->tpr = 0;
    s->extint = false;
    for (int i = 0; i < APIC_LVT_COUNT; i++) {
        s->lvt[i] = APIC_LVT_MASKED;
    }
    qatomic_set(&s->ldr, 0);
    qatomic_set(&s->dfr, UINT32_MAX);
    qatomic_set(&s->svr, 0xff);
    apic_timer_reset_locked(s);
    apic_update_locked(s);
}

void apic_init_signal(APICState *s)
{
    QEMU_LOCK_GUARD(&s->lock);

    apic_reset_registers_locked(s);
}

/* Firmware is to leave the machine in virtual wire mode; a kernel that starts
 * without firmware finds the bootstrap processor in it. */
static void apic_reset(DeviceState *dev)
{
    APICState *s = APIC(dev);
    QEMU_LOCK_GUARD(&s->lock);

    qatomic_set(&s->base, X86_APICBASE_DEFAULT | X86_APICBASE_ENABLE |
                              (s->is_bsp ? X86_APICBASE_BSP : 0));
    qatomic_set(&s->xapic_id, s->id << 24);
    apic_reset_registers_locked(s);
    if (s->is_bsp) {
        s->lvt[APIC_LVT_LINT0] = APIC_MODE_EXTINT << APIC_LVT_MODE_SHIFT;
    }
    apic_lint0_changed_locked(s);
}

/* -- class ----------------------------------------------------------------------- */

APICState *apic_new(APICBus *bus, AccelVCPU *vcpu, bool is_bsp,
                    bool allow_x2apic)
{
    APICState *s = APIC(qdev_new(TYPE_APIC));

    s->bus = bus;
    s->vcpu = vcpu;
    s->id = vcpu->apic_id;
    s->is_bsp = is_bsp;
    s->allow_x2apic = allow_x2apic;
    return s;
}

static bool apic_realize(DeviceState *dev, Error **errp)
{
    APICState *s = APIC(dev);

    if (!s->bus) {
        error_setg(errp, "a local APIC is made by its machine only");
        return false;
    }
    apic_bus_add(s->bus, s);
    apic_reset(dev);
    return true;
}

static void leave_bus(APICState *s)
{
    if (s->bus) {
        apic_bus_remove(s->bus, s);
        s->bus = NULL;
    }
}

static void apic_unrealize(DeviceState *dev)
{
    APICState *s = APIC(dev);

    WITH_QEMU_LOCK_GUARD(&s->lock)
    {
        apic_timer_reset_locked(s);
    }
    leave_bus(s);
}

static void apic_instance_init(Object *obj)
{
    APICState *s = APIC(obj);

    qemu_mutex_init(&s->lock);
    apic_timer_init(s);
}

static void apic_instance_finalize(Object *obj)
{
    APICState *s = APIC(obj);

    apic_timer_deinit(s);
    leave_bus(s); /* a CPU that goes takes its APIC along as it is */
    qemu_mutex_destroy(&s->lock);
}

static void apic_class_init(ObjectClass *oc, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);

    dc->desc = "local interrupt controller of a CPU";
    dc->user_creatable = false;
    dc->hotpluggable = false;
    dc->realize = apic_realize;
    dc->unrealize = apic_unrealize;
    dc->reset = apic_reset;
    dc->vmsd = &vmstate_apic;
}

extern const TypeInfo hw_type_apic;
const TypeInfo hw_type_apic = {
    .name = TYPE_APIC,
    .parent = TYPE_DEVICE,
    .instance_size = sizeof(APICState),
    .instance_init = apic_instance_init,
    .instance_finalize = apic_instance_finalize,
    .class_init = apic_class_init,
};
