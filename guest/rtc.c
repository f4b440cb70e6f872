/*
 * The wall clock: one line with what the CMOS clock says.
 *
 * Source: Motorola MC146818 data sheet.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "guest.h"

#define CMOS_INDEX     0x70
#define CMOS_DATA      0x71
#define RTC_SECONDS    0
#define RTC_MINUTES    2
#define RTC_HOURS      4
#define RTC_DAY        7
#define RTC_MONTH      8
#define RTC_YEAR       9
#define RTC_A          10
#define RTC_B          11
#define RTC_CENTURY    0x32
#define RTC_A_UPDATING 0x80
#define RTC_B_BINARY   0x04

static uint8_t cmos(uint8_t reg)
{
    outb(CMOS_INDEX, reg);
    return inb(CMOS_DATA);
}

void rtc_print(void)
{
    static const uint8_t regs[] = { RTC_CENTURY, RTC_YEAR,  RTC_MONTH,
                                    RTC_DAY,     RTC_HOURS, RTC_MINUTES,
                                    RTC_SECONDS };
    uint64_t v[sizeof(regs)];

    for (unsigned i = 0; i < 10000 && (cmos(RTC_A) & RTC_A_UPDATING); i++) {
        cpu_relax();
    }
    bool binary = cmos(RTC_B) & RTC_B_BINARY;
    for (unsigned i = 0; i < sizeof(regs); i++) {
        uint8_t raw = cmos(regs[i]);
        v[i] = binary ? raw : (uint64_t)(raw >> 4) * 10 + (raw & 15);
    }
    console_print("rtc %02u%02u-%02u-%02uT%02u:%02u:%02u\n", v[0], v[1], v[2],
                  v[3], v[4], v[5], v[6]);
}
