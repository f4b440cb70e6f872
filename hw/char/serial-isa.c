/*
 * isa-serial: COM1 to COM4.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/char/serial.h"
#include "hw/core/qdev-internal.h"
#include "hw/isa/isa.h"
#include "migration/constants.h"
#include "migration/vmstate.h"
#include "qom/property.h"
#include "util/error.h"

#define TYPE_ISA_SERIAL "isa-serial"
#define ISA_SERIAL_MAX  4
#define AUTO            UINT32_MAX

OBJECT_DECLARE_SIMPLE_TYPE(ISASerialState, ISA_SERIAL)

struct ISASerialState {
    ISADevice parent_obj;

    uint32_t index; /* 0 is COM1; AUTO: the first that is free */
    uint32_t iobase;
    uint32_t irq;
    uint32_t wakeup;
    SerialState uart;
    IORegion io;
};

static const uint16_t default_iobase[ISA_SERIAL_MAX] = { 0x3f8, 0x2f8, 0x3e8,
                                                         0x2e8 };
static const uint8_t default_irq[ISA_SERIAL_MAX] = { 4, 3, 4, 3 };

static bool index_is_taken(ISASerialState *self, uint32_t index)
{
    BusState *bus = DEVICE(self)->parent_bus;

    for (guint i = 0; i < bus->children->len; i++) {
        Object *obj = bus->children->pdata[i];
        if (obj != OBJECT(self) && object_dynamic_cast(obj, TYPE_ISA_SERIAL) &&
            ISA_SERIAL(obj)->index == index) {
            return true;
        }
    }
    return false;
}

static bool choose_index(ISASerialState *d, Error **errp)
{
    if (d->index == AUTO) {
        d->index = 0;
        while (d->index < ISA_SERIAL_MAX && index_is_taken(d, d->index)) {
            d->index++;
        }
    }
    if (d->index >= ISA_SERIAL_MAX) {
        error_setg(errp,
                   "index must be 0 to %d: no more than %d isa-serial "
                   "devices have a place",
                   ISA_SERIAL_MAX - 1, ISA_SERIAL_MAX);
        d->index = AUTO;
        return false;
    }
    return true;
}

static bool isa_serial_realize(DeviceState *dev, Error **errp)
{
    ISASerialState *d = ISA_SERIAL(dev);
    qemu_irq irq;

    if (!choose_index(d, errp)) {
        return false;
    }
    d->iobase = d->iobase == AUTO ? default_iobase[d->index] : d->iobase;
    d->irq = d->irq == AUTO ? default_irq[d->index] : d->irq;
    if (!isa_get_irq(d, d->irq, &irq, errp)) {
        return false;
    }
    io_region_init(&d->io, "serial", UART_REGISTERS, &serial_io_ops, &d->uart);
    if (!io_space_add(isa_bus_of(dev)->ports, &d->io, d->iobase, errp)) {
        return false;
    }
    serial_init(&d->uart, isa_bus_of(dev)->machine, irq);
    return true;
}

static void isa_serial_unrealize(DeviceState *dev)
{
    ISASerialState *d = ISA_SERIAL(dev);

    io_space_remove(&d->io);
    serial_deinit(&d->uart);
}

static void isa_serial_reset(DeviceState *dev)
{
    serial_reset(&ISA_SERIAL(dev)->uart);
}

static bool baudbase_check(Object *obj, const Property *prop, const void *value,
                           Error **errp)
{
    if (*(const uint64_t *)value == 0) {
        error_setg(errp, "baudbase must not be 0");
        return false;
    }
    return true;
}

static const Property isa_serial_props[] = {
    QDEV_PROP_CHR("chardev", ISASerialState, uart.chr),
    { "index", PROP_UINT32, offsetof(ISASerialState, index),
      .def = "4294967295", .help = "0 is COM1, 3 is COM4; else the first free",
      .since = "0.1" },
    { "iobase", PROP_UINT32, offsetof(ISASerialState, iobase),
      .def = "4294967295", .help = "first port; else as the index says",
      .since = "0.1" },
    { "irq", PROP_UINT32, offsetof(ISASerialState, irq), .def = "4294967295",
      .help = "interrupt line; else as the index says", .since = "0.1" },
    { "baudbase", PROP_UINT32, offsetof(ISASerialState, uart.baudbase),
      .def = "115200", .check = baudbase_check, .unit = "bits per second",
      .help = "speed with divisor 1", .since = "0.1" },
    { "wakeup", PROP_UINT32, offsetof(ISASerialState, wakeup), .def = "0",
      .help = "received bytes wake a suspended guest", .since = "0.1" },
    {},
};

static void isa_serial_instance_finalize(Object *obj)
{
    serial_deinit(&ISA_SERIAL(obj)->uart);
}

static void isa_serial_constants(void *opaque, VMStateConstants *c)
{
    const ISASerialState *s = opaque;

    vmstate_constant(c, "property iobase", s->iobase);
    vmstate_constant(c, "property irq", s->irq);
}

static const VMStateDescription vmstate_isa_serial = {
    .name = "serial",
    .version_id = 1,
    .minimum_version_id = 1,
    .constants = isa_serial_constants,
    .fields =
        (const VMStateField[]){ VMSTATE_STRUCT(uart, ISASerialState, 0,
                                               vmstate_serial, SerialState),
                                VMSTATE_END_OF_LIST() },
};

static void isa_serial_class_init(ObjectClass *oc, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);

    dc->desc = "serial port 16550A";
    dc->realize = isa_serial_realize;
    dc->unrealize = isa_serial_unrealize;
    dc->reset = isa_serial_reset;
    dc->vmsd = &vmstate_isa_serial;
}

extern const TypeInfo hw_type_isa_serial;
const TypeInfo hw_type_isa_serial = {
    .name = TYPE_ISA_SERIAL,
    .parent = TYPE_ISA_DEVICE,
    .instance_size = sizeof(ISASerialState),
    .instance_finalize = isa_serial_instance_finalize,
    .class_init = isa_serial_class_init,
    .props = isa_serial_props,
};
