/*
 * SMBus host controller of the PIIX4, with nothing on the bus: a transaction
 * ends with "device error", as one without an answer does.
 *
 * Source: Intel 82371AB data sheet (290562), 7.3 and 11.4.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_ACPI_PIIX4_SMBUS_H
#define HW_ACPI_PIIX4_SMBUS_H

#include "hw/core/io-space.h"
#include "hw/qdev-core.h"

#define PIIX4_SMBUS_PORTS 16u

typedef struct PIIX4SMBus {
    uint8_t status;
    uint8_t reg[PIIX4_SMBUS_PORTS];
    IORegion io;
} PIIX4SMBus;

extern const VMStateDescription vmstate_piix4_smbus; /* of PIIX4SMBus */

void piix4_smbus_init(PIIX4SMBus *s);
void piix4_smbus_reset(PIIX4SMBus *s);

#endif
