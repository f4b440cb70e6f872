/*
 * isa-debug-exit: a write of V ends the emulator with status 2 * V + 1.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/machine-internal.h"
#include "hw/isa/isa.h"
#include "qom/property.h"
#include "util/error.h"

#define TYPE_ISA_DEBUG_EXIT "isa-debug-exit"
#define PORTS_MAX           4

OBJECT_DECLARE_SIMPLE_TYPE(ISADebugExit, ISA_DEBUG_EXIT)

struct ISADebugExit {
    ISADevice parent_obj;

    uint32_t iobase;
    uint32_t iosize;
    IORegion io;
};

static uint64_t debug_exit_read(void *opaque, uint64_t offset, unsigned size)
{
    return 0;
}

static void debug_exit_write(void *opaque, uint64_t offset, uint64_t value,
                             unsigned size)
{
    MachineState *machine = isa_bus_of(opaque)->machine;

    if (machine) {
        machine_request_exit(machine, (int)((value << 1 | 1) & 0xff));
    }
}

static const IORegionOps debug_exit_ops = {
    .read = debug_exit_read,
    .write = debug_exit_write,
    .access_max = 4,
};

static bool debug_exit_realize(DeviceState *dev, Error **errp)
{
    ISADebugExit *d = ISA_DEBUG_EXIT(dev);

    io_region_init(&d->io, TYPE_ISA_DEBUG_EXIT, d->iosize, &debug_exit_ops, d);
    return io_space_add(isa_bus_of(dev)->ports, &d->io, d->iobase, errp);
}

static void debug_exit_unrealize(DeviceState *dev)
{
    io_space_remove(&ISA_DEBUG_EXIT(dev)->io);
}

static const Property debug_exit_props[] = {
    { "iobase", PROP_UINT32, offsetof(ISADebugExit, iobase), .def = "0x501",
      .min = 0, .max = 0xffff, .help = "first port", .since = "0.1" },
    { "iosize", PROP_UINT32, offsetof(ISADebugExit, iosize), .def = "2",
      .min = 1, .max = PORTS_MAX, .help = "number of ports", .since = "0.1" },
    {},
};

static void debug_exit_class_init(ObjectClass *oc, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);

    dc->desc = "ends the emulator with the status the guest writes";
    dc->realize = debug_exit_realize;
    dc->unrealize = debug_exit_unrealize;
}

extern const TypeInfo hw_type_debug_exit;
const TypeInfo hw_type_debug_exit = {
    .name = TYPE_ISA_DEBUG_EXIT,
    .parent = TYPE_ISA_DEVICE,
    .instance_size = sizeof(ISADebugExit),
    .class_init = debug_exit_class_init,
    .props = debug_exit_props,
};
