/*
 * High precision event timer.
 *
 * Thread: under the machine lock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_TIMER_HPET_H
#define HW_TIMER_HPET_H

#include "hw/core/io-space.h"
#include "hw/qdev-core.h"

#define TYPE_HPET         "hpet"
#define HPET_ADDRESS      0xfed00000u
#define HPET_BYTES        0x400u
#define HPET_TIMERS_MIN   3u
#define HPET_TIMERS_MAX   32u
#define HPET_LEGACY_GSI_0 0u /* of timer 0 and 1 in legacy replacement mode */
#define HPET_LEGACY_GSI_1 8u

/**
 * HPETOps:
 * @line: level of interrupt line @gsi
 * @replace: the timers 8254 and RTC have no lines (true), for the HPET has
 *           GSI 0 and 8
 * @msi: a message
 */
typedef struct HPETOps {
    void (*line)(void *opaque, unsigned gsi, bool level);
    void (*replace)(void *opaque, bool on);
    void (*msi)(void *opaque, uint64_t addr, uint32_t data);
} HPETOps;

/** hpet_new: (transfer full) not realized; @ops lives as long as it. */
DeviceState *hpet_new(IOSpace *space, const HPETOps *ops, void *opaque);

#endif
