/*
 * The ISA bus: sixteen interrupt lines and the I/O ports.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_ISA_ISA_H
#define HW_ISA_ISA_H

#include "hw/boards.h"
#include "hw/core/io-space.h"
#include "hw/irq.h"
#include "hw/qdev-core.h"

#define TYPE_ISA_BUS    "ISA"
#define TYPE_ISA_DEVICE "isa-device"
#define ISA_IRQS        16

OBJECT_DECLARE_SIMPLE_TYPE(ISABus, ISA_BUS)
OBJECT_DECLARE_SIMPLE_TYPE(ISADevice, ISA_DEVICE)

struct ISABus {
    BusState parent_obj;

    MachineState *machine; /* NULL in tests of a single device */
    IOSpace *ports;
    qemu_irq irqs[ISA_IRQS];
};

struct ISADevice {
    DeviceState parent_obj;
};

/**
 * isa_bus_new:
 * @machine: (nullable) for what devices ask of the host
 * @ports: outlives the bus
 * @set_irq: called with @opaque, line and level, under the machine lock
 *
 * Returns: (transfer none) the bus "isa.0" below its bridge device.
 */
ISABus *isa_bus_new(MachineState *machine, IOSpace *ports,
                    qemu_irq_handler set_irq, void *opaque, Error **errp);

/** isa_bus_of: the bus that a plugged device is on. */
ISABus *isa_bus_of(void *dev);
/** isa_get_irq: line @n; the bus owns it. Errors: not 0 to 15. */
bool isa_get_irq(void *dev, uint32_t n, qemu_irq *ret, Error **errp);

#endif
