/*
 * The clock and CMOS memory of the PC (Motorola MC146818).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_TIMER_MC146818RTC_H
#define HW_TIMER_MC146818RTC_H

#include "hw/core/machine-internal.h"

#define TYPE_MC146818_RTC "mc146818rtc"

/**
 * mc146818rtc_set_machine:
 * @dev: not realized yet
 * @machine: (nullable) its -rtc options and host
 * @low_ram, @high_ram: bytes below and above 4 GiB, for the CMOS bytes
 */
void mc146818rtc_set_machine(DeviceState *dev, MachineState *machine,
                             uint64_t low_ram, uint64_t high_ram,
                             unsigned cpus);

/** mc146818rtc_set_memory: byte @index (0Eh to 7Fh) of the CMOS memory, as
 *  firmware will find it. */
void mc146818rtc_set_memory(DeviceState *dev, uint8_t index, uint8_t value);

#endif
