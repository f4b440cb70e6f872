/*
 * The ACPI power management timer.
 *
 * The counter is the guest's time. Its most significant bit changes every 2^23
 * ticks (2.34 s); such a half period has a number, and the status is set if
 * the present one is not the last that was seen. A host timer runs only while
 * the guest wants the interrupt.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/timer/acpi-pm-timer.h"

#include "hw/machine-lock.h"
#include "migration/vmstate.h"
#include "util/host-utils.h"
#include "util/timer.h"

#define NS_PER_S   1000000000u
#define MASK       ((1u << ACPI_PM_TIMER_BITS) - 1)
#define HALF_SHIFT (ACPI_PM_TIMER_BITS - 1)

static uint64_t ticks(void)
{
    return muldiv64((uint64_t)qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL),
                    ACPI_PM_TIMER_HZ, NS_PER_S);
}

static int64_t half(void)
{
    return (int64_t)(ticks() >> HALF_SHIFT);
}

static void arm(ACPIPMTimer *t)
{
    uint64_t tick = (uint64_t)(half() + 1) << HALF_SHIFT;

    if (!t->enabled || acpi_pm_timer_status(t)) {
        timer_del(t->timer);
        return;
    }
    timer_mod_ns(t->timer,
                 (int64_t)muldiv64(tick, NS_PER_S, ACPI_PM_TIMER_HZ) + 1);
}

static void half_over(void *opaque)
{
    ACPIPMTimer *t = opaque;
    MACHINE_LOCK_GUARD();

    if (t->enabled && acpi_pm_timer_status(t)) {
        t->changed(t->opaque);
    } else {
        arm(t);
    }
}

void acpi_pm_timer_init(ACPIPMTimer *t, void (*changed)(void *opaque),
                        void *opaque)
{
    *t = (ACPIPMTimer){ .changed = changed, .opaque = opaque };
    t->timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, half_over, t);
    t->seen_half = half();
}

void acpi_pm_timer_deinit(ACPIPMTimer *t)
{
    timer_free(t->timer);
    t->timer = NULL;
}

void acpi_pm_timer_reset(ACPIPMTimer *t)
{
    t->enabled = false;
    acpi_pm_timer_clear(t);
}

uint32_t acpi_pm_timer_read(const ACPIPMTimer *t)
{
    return (uint32_t)ticks() & MASK;
}

bool acpi_pm_timer_status(const ACPIPMTimer *t)
{
    return half() != t->seen_half;
}

void acpi_pm_timer_clear(ACPIPMTimer *t)
{
    t->seen_half = half();
    arm(t);
}

void acpi_pm_timer_enable(ACPIPMTimer *t, bool on)
{
    if (t->enabled != on) {
        t->enabled = on;
        arm(t);
    }
}

/* Any number of a half period is one that was or will be seen. */
static int pm_timer_post_load(void *opaque, int version_id)
{
    arm(opaque);
    return 0;
}

const VMStateDescription vmstate_acpi_pm_timer = {
    .name = "acpi-pm-timer",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = pm_timer_post_load,
    .fields = (const VMStateField[]){ VMSTATE_BOOL(enabled, ACPIPMTimer),
                                      VMSTATE_INT64(seen_half, ACPIPMTimer),
                                      VMSTATE_END_OF_LIST() },
};
