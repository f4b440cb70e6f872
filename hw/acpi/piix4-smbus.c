/*
 * The empty SMBus.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/acpi/piix4-smbus.h"

#include "migration/vmstate.h"

#define REG_HOST_STATUS  0u
#define REG_HOST_CONTROL 2u
#define REG_BLOCK_DATA   7u
#define STATUS_DEV_ERR   0x04
#define STATUS_W1C       0x1e
#define CONTROL_START    0x40

static uint64_t smbus_read(void *opaque, uint64_t offset, unsigned size)
{
    const PIIX4SMBus *s = opaque;

    return offset == REG_HOST_STATUS ? s->status : s->reg[offset];
}

static void smbus_write(void *opaque, uint64_t offset, uint64_t value,
                        unsigned size)
{
    PIIX4SMBus *s = opaque;

    if (offset == REG_HOST_STATUS) {
        s->status &= (uint8_t) ~(value & STATUS_W1C);
    } else if (offset <= REG_BLOCK_DATA) {
        s->reg[offset] = (uint8_t)value;
    }
    if (offset == REG_HOST_CONTROL && value & CONTROL_START) {
        s->reg[offset] &= (uint8_t)~CONTROL_START;
        s->status |= STATUS_DEV_ERR;
    }
}

static const IORegionOps smbus_ops = { smbus_read, smbus_write, 1 };

const VMStateDescription vmstate_piix4_smbus = {
    .name = "piix4_smbus",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]){ VMSTATE_UINT8(status, PIIX4SMBus),
                                      VMSTATE_UINT8_ARRAY(reg, PIIX4SMBus,
                                                          PIIX4_SMBUS_PORTS),
                                      VMSTATE_END_OF_LIST() },
};

void piix4_smbus_init(PIIX4SMBus *s)
{
    io_region_init(&s->io, "piix4-smbus", PIIX4_SMBUS_PORTS, &smbus_ops, s);
}

void piix4_smbus_reset(PIIX4SMBus *s)
{
    s->status = 0;
    memset(s->reg, 0, sizeof(s->reg));
}
