/*
 * isa-debugcon: a port whose bytes go to a character device.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "chardev/char-fe.h"
#include "hw/core/qdev-internal.h"
#include "hw/isa/isa.h"
#include "qom/property.h"
#include "util/error.h"

#define TYPE_ISA_DEBUGCON "isa-debugcon"

OBJECT_DECLARE_SIMPLE_TYPE(ISADebugcon, ISA_DEBUGCON)

struct ISADebugcon {
    ISADevice parent_obj;

    CharBackend chr;
    uint32_t iobase;
    uint32_t readback;
    IORegion io;
};

static uint64_t debugcon_read(void *opaque, uint64_t offset, unsigned size)
{
    return ISA_DEBUGCON(opaque)->readback;
}

/* The port has no way to say "wait": what the peer does not take now waits in
 * the chardev's own bounded queue. */
static void debugcon_write(void *opaque, uint64_t offset, uint64_t value,
                           unsigned size)
{
    uint8_t byte = (uint8_t)value;

    qemu_chr_fe_write_all(&ISA_DEBUGCON(opaque)->chr, &byte, 1);
}

static const IORegionOps debugcon_ops = { debugcon_read, debugcon_write, 1 };

static int debugcon_be_change(void *opaque);

static void connect_chr(ISADebugcon *d)
{
    qemu_chr_fe_set_handlers(&d->chr, NULL, NULL, NULL, debugcon_be_change, d,
                             NULL, true);
}

static int debugcon_be_change(void *opaque)
{
    connect_chr(opaque);
    return 0;
}

static bool debugcon_realize(DeviceState *dev, Error **errp)
{
    ISADebugcon *d = ISA_DEBUGCON(dev);

    if (!qemu_chr_fe_backend_connected(&d->chr)) {
        error_setg(errp, "isa-debugcon needs a chardev");
        return false;
    }
    io_region_init(&d->io, TYPE_ISA_DEBUGCON, 1, &debugcon_ops, d);
    if (!io_space_add(isa_bus_of(dev)->ports, &d->io, d->iobase, errp)) {
        return false;
    }
    connect_chr(d);
    return true;
}

static void debugcon_unrealize(DeviceState *dev)
{
    ISADebugcon *d = ISA_DEBUGCON(dev);

    io_space_remove(&d->io);
    qemu_chr_fe_deinit(&d->chr, false);
}

static const Property debugcon_props[] = {
    QDEV_PROP_CHR("chardev", ISADebugcon, chr),
    { "iobase", PROP_UINT32, offsetof(ISADebugcon, iobase), .def = "0xe9",
      .min = 0, .max = 0xffff, .help = "the port", .since = "0.1" },
    { "readback", PROP_UINT32, offsetof(ISADebugcon, readback), .def = "0xe9",
      .help = "what a read of the port gives", .since = "0.1" },
    {},
};

static void debugcon_instance_finalize(Object *obj)
{
    qemu_chr_fe_deinit(&ISA_DEBUGCON(obj)->chr, false);
}

static void debugcon_class_init(ObjectClass *oc, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);

    dc->desc = "port whose bytes go to a character device";
    dc->realize = debugcon_realize;
    dc->unrealize = debugcon_unrealize;
}

extern const TypeInfo hw_type_debugcon;
const TypeInfo hw_type_debugcon = {
    .name = TYPE_ISA_DEBUGCON,
    .parent = TYPE_ISA_DEVICE,
    .instance_size = sizeof(ISADebugcon),
    .instance_finalize = debugcon_instance_finalize,
    .class_init = debugcon_class_init,
    .props = debugcon_props,
};
