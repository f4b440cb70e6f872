/*
 * Two of the ways in which PC software resets the machine: port 92h and the
 * reset control register CF9h; each as a small device of the board. The third
 * is the keyboard controller's (hw/input/i8042.c). A20 is always on.
 *
 * Sources: IBM PS/2 Hardware Interface Technical Reference (system control
 * port A); Intel PIIX data sheet 2.7 (CF9h).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/machine-internal.h"
#include "hw/isa/isa.h"
#include "util/error.h"

#define PORT92_ADDRESS       0x92
#define PORT92_RESET         0x01
#define PORT92_A20           0x02
#define CF9_ADDRESS          0xcf9
#define CF9_SYSTEM           0x02
#define CF9_RESET            0x04
#define CF9_WRITABLE         0x02

#define TYPE_RESET_PORT "reset-port"
OBJECT_DECLARE_SIMPLE_TYPE(ResetPort, RESET_PORT)

/* Base of both. */
struct ResetPort {
    ISADevice parent_obj;

    IORegion io;
    uint8_t value;
};

static void request_reset(void *dev)
{
    MachineState *machine = isa_bus_of(dev)->machine;

    if (machine) {
        machine_request_reset(machine);
    }
}

static void reset_port_unrealize(DeviceState *dev)
{
    io_space_remove(&RESET_PORT(dev)->io);
}

static void reset_port_class_init(ObjectClass *oc, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);

    dc->user_creatable = false;
    dc->unrealize = reset_port_unrealize;
}

extern const TypeInfo hw_type_reset_port;
const TypeInfo hw_type_reset_port = {
    .name = TYPE_RESET_PORT,
    .parent = TYPE_ISA_DEVICE,
    .abstract = true,
    .instance_size = sizeof(ResetPort),
    .class_init = reset_port_class_init,
};

/* -- port 92h ---------------------------------------------------------------- */

static uint64_t port92_read(void *opaque, uint64_t offset, unsigned size)
{
    return RESET_PORT(opaque)->value;
}

static void port92_write(void *opaque, uint64_t offset, uint64_t value,
                         unsigned size)
{
    ResetPort *p = RESET_PORT(opaque);
    uint8_t before = p->value;

    p->value = (uint8_t)value | PORT92_A20;
    if (p->value & ~before & PORT92_RESET) {
        request_reset(p);
    }
}

static const IORegionOps port92_ops = { port92_read, port92_write, 1 };

static void port92_reset(DeviceState *dev)
{
    RESET_PORT(dev)->value = PORT92_A20;
}

static bool port92_realize(DeviceState *dev, Error **errp)
{
    ResetPort *p = RESET_PORT(dev);

    io_region_init(&p->io, "port92", 1, &port92_ops, p);
    return io_space_add(isa_bus_of(dev)->ports, &p->io, PORT92_ADDRESS, errp);
}

static void port92_class_init(ObjectClass *oc, void *data)
{
    DEVICE_CLASS(oc)->realize = port92_realize;
    DEVICE_CLASS(oc)->reset = port92_reset;
}

extern const TypeInfo hw_type_port92;
const TypeInfo hw_type_port92 = {
    .name = "port92",
    .parent = TYPE_RESET_PORT,
    .class_init = port92_class_init,
};

/* -- CF9h ---------------------------------------------------------------------- */

static void cf9_write(void *opaque, uint64_t offset, uint64_t value,
                      unsigned size)
{
    ResetPort *p = RESET_PORT(opaque);

    p->value = (uint8_t)value & CF9_WRITABLE;
    if (value & CF9_RESET) {
        request_reset(p);
    }
}

static const IORegionOps cf9_ops = { port92_read, cf9_write, 1 };

static void cf9_reset(DeviceState *dev)
{
    RESET_PORT(dev)->value = 0;
}

static bool cf9_realize(DeviceState *dev, Error **errp)
{
    ResetPort *p = RESET_PORT(dev);

    io_region_init(&p->io, "reset-control", 1, &cf9_ops, p);
    return io_space_add(isa_bus_of(dev)->ports, &p->io, CF9_ADDRESS, errp);
}

static void cf9_class_init(ObjectClass *oc, void *data)
{
    DEVICE_CLASS(oc)->realize = cf9_realize;
    DEVICE_CLASS(oc)->reset = cf9_reset;
}

extern const TypeInfo hw_type_reset_control;
const TypeInfo hw_type_reset_control = {
    .name = "reset-control",
    .parent = TYPE_RESET_PORT,
    .class_init = cf9_class_init,
};
