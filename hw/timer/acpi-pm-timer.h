/*
 * The ACPI power management timer: a counter of 24 bits at 3.579545 MHz that
 * never stops, and the status bit that follows its most significant bit. A
 * part of a chipset's power management block, not a device.
 *
 * Source: ACPI specification 4.8.2.1 (the timer), 4.8.3.1 (TMR_STS, TMR_EN).
 *
 * Thread: under the machine lock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_TIMER_ACPI_PM_TIMER_H
#define HW_TIMER_ACPI_PM_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#include "util/typedefs.h"

#define ACPI_PM_TIMER_HZ   3579545u
#define ACPI_PM_TIMER_BITS 24

/* Embedded in the block; fields are private. */
typedef struct ACPIPMTimer {
    QEMUTimer *timer;
    void (*changed)(void *opaque);
    void *opaque;
    bool enabled;
    int64_t seen_half; /* number of the last half period whose end was taken */
} ACPIPMTimer;

typedef struct VMStateDescription VMStateDescription;
/* Of an ACPIPMTimer, for the state of its block. */
extern const VMStateDescription vmstate_acpi_pm_timer;

/**
 * acpi_pm_timer_init:
 * @changed: called with @opaque, machine lock held, when the status has become
 *           set while acpi_pm_timer_enable() is on: look at the block's SCI
 */
void acpi_pm_timer_init(ACPIPMTimer *t, void (*changed)(void *opaque),
                        void *opaque);
/** acpi_pm_timer_deinit: no-op on one that was not initialized. */
void acpi_pm_timer_deinit(ACPIPMTimer *t);
/** acpi_pm_timer_reset: status clear, not enabled. */
void acpi_pm_timer_reset(ACPIPMTimer *t);

/** acpi_pm_timer_read: PM_TMR, 0 to 2^24 - 1. */
uint32_t acpi_pm_timer_read(const ACPIPMTimer *t);
/** acpi_pm_timer_status: TMR_STS: the most significant bit has changed since
 *  the last acpi_pm_timer_clear(). */
bool acpi_pm_timer_status(const ACPIPMTimer *t);
/** acpi_pm_timer_clear: 1 was written to TMR_STS. */
void acpi_pm_timer_clear(ACPIPMTimer *t);
/** acpi_pm_timer_enable: TMR_EN: whether changes are told of. */
void acpi_pm_timer_enable(ACPIPMTimer *t, bool on);

#endif
