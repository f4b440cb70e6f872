/*
 * The ISA bus and the bridge it hangs from.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/isa/isa.h"
#include "hw/types.h"
#include "util/error.h"

#define TYPE_ISA_BRIDGE "isabus-bridge"

ISABus *isa_bus_new(MachineState *machine, IOSpace *ports,
                    qemu_irq_handler set_irq, void *opaque, Error **errp)
{
    DeviceState *bridge = qdev_new(TYPE_ISA_BRIDGE);
    ISABus *bus = ISA_BUS(qbus_new(TYPE_ISA_BUS, bridge, "isa.0"));

    bus->machine = machine;
    bus->ports = ports;
    for (int i = 0; i < ISA_IRQS; i++) {
        bus->irqs[i] = qemu_allocate_irq(set_irq, opaque, i);
    }
    if (!qdev_realize(bridge, NULL, errp)) {
        object_unref(OBJECT(bridge));
        return NULL;
    }
    if (machine) {
        object_unref(OBJECT(bridge)); /* the tree has it */
    }
    return bus;
}

ISABus *isa_bus_of(void *dev)
{
    return ISA_BUS(DEVICE(dev)->parent_bus);
}

bool isa_get_irq(void *dev, uint32_t n, qemu_irq *ret, Error **errp)
{
    if (n >= ISA_IRQS) {
        error_setg(errp, "irq %u is not one of the ISA bus: 0 to %d", n,
                   ISA_IRQS - 1);
        return false;
    }
    *ret = isa_bus_of(dev)->irqs[n];
    return true;
}

static void isa_bus_instance_finalize(Object *obj)
{
    ISABus *bus = ISA_BUS(obj);

    for (int i = 0; i < ISA_IRQS; i++) {
        qemu_free_irq(bus->irqs[i]);
    }
}

extern const TypeInfo hw_type_isa_bus;
const TypeInfo hw_type_isa_bus = {
    .name = TYPE_ISA_BUS,
    .parent = TYPE_BUS,
    .instance_size = sizeof(ISABus),
    .instance_finalize = isa_bus_instance_finalize,
};

static void isa_bridge_class_init(ObjectClass *oc, void *data)
{
    DEVICE_CLASS(oc)->user_creatable = false;
}

extern const TypeInfo hw_type_isa_bridge;
const TypeInfo hw_type_isa_bridge = {
    .name = TYPE_ISA_BRIDGE,
    .parent = TYPE_DEVICE,
    .class_init = isa_bridge_class_init,
};

static void isa_device_class_init(ObjectClass *oc, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);

    dc->bus_type = TYPE_ISA_BUS;
    dc->hotpluggable = false;
}

extern const TypeInfo hw_type_isa_device;
const TypeInfo hw_type_isa_device = {
    .name = TYPE_ISA_DEVICE,
    .parent = TYPE_DEVICE,
    .abstract = true,
    .instance_size = sizeof(ISADevice),
    .class_init = isa_device_class_init,
};
