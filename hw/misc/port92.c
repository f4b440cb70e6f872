/*
 * Port 92h: the fast way to a reset, and A20, which is always on.
 *
 * Source: IBM PS/2 Hardware Interface Technical Reference (system control
 * port A).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/machine-internal.h"
#include "hw/isa/isa.h"
#include "migration/vmstate.h"
#include "util/error.h"

#define TYPE_PORT92    "port92"
#define PORT92_ADDRESS 0x92
#define PORT92_RESET   0x01
#define PORT92_A20     0x02

OBJECT_DECLARE_SIMPLE_TYPE(Port92State, PORT92)

struct Port92State {
    ISADevice parent_obj;

    IORegion io;
    uint8_t value;
};

static uint64_t port92_read(void *opaque, uint64_t offset, unsigned size)
{
    return PORT92(opaque)->value;
}

static void port92_write(void *opaque, uint64_t offset, uint64_t value,
                         unsigned size)
{
    Port92State *p = PORT92(opaque);
    MachineState *machine = isa_bus_of(p)->machine;
    uint8_t before = p->value;

    p->value = (uint8_t)value | PORT92_A20;
    if (machine && p->value & ~before & PORT92_RESET) {
        machine_request_reset(machine);
    }
}

static const IORegionOps port92_ops = { port92_read, port92_write, 1 };

static void port92_reset(DeviceState *dev)
{
    PORT92(dev)->value = PORT92_A20;
}

static bool port92_realize(DeviceState *dev, Error **errp)
{
    Port92State *p = PORT92(dev);

    io_region_init(&p->io, TYPE_PORT92, 1, &port92_ops, p);
    return io_space_add(isa_bus_of(dev)->ports, &p->io, PORT92_ADDRESS, errp);
}

static void port92_unrealize(DeviceState *dev)
{
    io_space_remove(&PORT92(dev)->io);
}

static int port92_post_load(void *opaque, int version_id)
{
    PORT92(opaque)->value |= PORT92_A20;
    return 0;
}

static const VMStateDescription vmstate_port92 = {
    .name = "port92",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = port92_post_load,
    .fields = (const VMStateField[]){ VMSTATE_UINT8(value, Port92State),
                                      VMSTATE_END_OF_LIST() },
};

static void port92_class_init(ObjectClass *oc, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);

    dc->realize = port92_realize;
    dc->unrealize = port92_unrealize;
    dc->reset = port92_reset;
    dc->vmsd = &vmstate_port92;
    dc->user_creatable = false;
}

extern const TypeInfo hw_type_port92;
const TypeInfo hw_type_port92 = {
    .name = TYPE_PORT92,
    .parent = TYPE_ISA_DEVICE,
    .instance_size = sizeof(Port92State),
    .class_init = port92_class_init,
};
