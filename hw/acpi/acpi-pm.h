/*
 * The power management registers that ACPI software sees: PM1 event and
 * control, the timer, and one general purpose event block.
 *
 * Source: ACPI 6.4, 4.8.3 (PM1, PM timer), 4.8.4 (GPE).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_ACPI_ACPI_PM_H
#define HW_ACPI_ACPI_PM_H

#include "hw/irq.h"
#include "hw/qdev-core.h"
#include "hw/timer/acpi-pm-timer.h"

/* PM1 status and enable. */
#define ACPI_PM1_TMR    (1u << 0)
#define ACPI_PM1_BM     (1u << 4)
#define ACPI_PM1_GBL    (1u << 5)
#define ACPI_PM1_PWRBTN (1u << 8)
#define ACPI_PM1_SLPBTN (1u << 9)
#define ACPI_PM1_RTC    (1u << 10)
#define ACPI_PM1_WAK    (1u << 15)
/* PM1 control. */
#define ACPI_PM1_SCI_EN      (1u << 0)
#define ACPI_PM1_SLP_TYPE(v) (((v) >> 10) & 7)
#define ACPI_PM1_SLP_EN      (1u << 13)

#define ACPI_GPE_BYTES 2u /* of status, and as many of enable */

/* What sleep types the board's tables name: only soft off. */
#define ACPI_SLP_TYPE_S5 0u

typedef struct AcpiPM {
    uint16_t status; /* without TMR, which the timer has */
    uint16_t enable;
    uint16_t control;
    uint8_t gpe_status[ACPI_GPE_BYTES];
    uint8_t gpe_enable[ACPI_GPE_BYTES];
    ACPIPMTimer timer;
    qemu_irq sci;                   /* borrowed */
    void (*soft_off)(void *opaque); /* the guest wants S5 */
    void *opaque;
} AcpiPM;

extern const VMStateDescription vmstate_acpi_pm; /* of AcpiPM */

void acpi_pm_init(AcpiPM *pm, qemu_irq sci, void (*soft_off)(void *opaque),
                  void *opaque);
void acpi_pm_deinit(AcpiPM *pm);
void acpi_pm_reset(AcpiPM *pm);

/** acpi_pm_read, acpi_pm_write: register block PM1_EVT (0), PM1_CNT (4),
 *  PM_TMR (8); @size 1, 2 or 4, aligned. */
uint32_t acpi_pm_read(AcpiPM *pm, unsigned offset, unsigned size);
void acpi_pm_write(AcpiPM *pm, unsigned offset, uint32_t value, unsigned size);

/** acpi_pm_gpe_read, acpi_pm_gpe_write: status bytes, then enable bytes. */
uint8_t acpi_pm_gpe_read(AcpiPM *pm, unsigned offset);
void acpi_pm_gpe_write(AcpiPM *pm, unsigned offset, uint8_t value);

/** acpi_pm_set_enabled: ACPI mode on or off, as SMI_CMD asks. */
void acpi_pm_set_enabled(AcpiPM *pm, bool on);
/** acpi_pm_power_button: it was pressed. */
void acpi_pm_power_button(AcpiPM *pm);

#endif
