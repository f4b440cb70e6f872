/*
 * The three ways in which PC software resets the machine: port 92h, the
 * keyboard controller's pulse command, and the reset control register CF9h;
 * each as a small device of the board.
 *
 * The keyboard controller answers as one without keyboard and mouse: its self
 * test passes, its output buffer stays empty otherwise. A20 is always on.
 *
 * Sources: IBM PS/2 Hardware Interface Technical Reference (system control
 * port A); Intel 8042 command set; Intel PIIX data sheet 2.7 (CF9h).
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
#define KBD_DATA             0x60
#define KBD_COMMAND          0x64
#define KBD_STATUS_OUT       0x01
#define KBD_STATUS_SYS       0x04
#define KBD_STATUS_OPEN      0x10 /* keyboard not locked */
#define KBD_CMD_READ_CONFIG  0x20
#define KBD_CMD_WRITE_CONFIG 0x60
#define KBD_CMD_SELF_TEST    0xaa
#define KBD_CMD_PORT_TEST    0xab
#define KBD_CMD_READ_OUTPUT  0xd0
#define KBD_CMD_WRITE_OUTPUT 0xd1
#define KBD_CMD_PULSE        0xf0 /* to 0xff: pulse lines that are 0 */
#define KBD_SELF_TEST_OK     0x55
#define KBD_PORT_TEST_BAD    0x03 /* data line stuck low: nothing there */
#define KBD_OUTPUT_NO_RESET  0x01
#define KBD_OUTPUT_A20       0x02
#define KBD_CONFIG_RESET     0x30 /* both devices off */

#define TYPE_RESET_PORT "reset-port"
OBJECT_DECLARE_SIMPLE_TYPE(ResetPort, RESET_PORT)

/* Base of the three. */
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

/* -- keyboard controller ----------------------------------------------------------- */

#define TYPE_I8042 "i8042"
OBJECT_DECLARE_SIMPLE_TYPE(I8042State, I8042)

struct I8042State {
    ResetPort parent_obj; /* io: data port */

    IORegion command;
    uint8_t config;
    uint8_t pending; /* command that waits for its data byte, 0 = none */
    uint8_t out;     /* output buffer */
    bool out_full;
};

static void i8042_answer(I8042State *k, uint8_t byte)
{
    k->out = byte;
    k->out_full = true;
}

static uint64_t i8042_read_data(void *opaque, uint64_t offset, unsigned size)
{
    I8042State *k = opaque;

    k->out_full = false;
    return k->out;
}

static void i8042_write_data(void *opaque, uint64_t offset, uint64_t value,
                             unsigned size)
{
    I8042State *k = opaque;

    if (k->pending == KBD_CMD_WRITE_CONFIG) {
        k->config = (uint8_t)value;
    } else if (k->pending == KBD_CMD_WRITE_OUTPUT &&
               !(value & KBD_OUTPUT_NO_RESET)) {
        request_reset(k);
    }
    k->pending = 0;
}

static const IORegionOps i8042_data_ops = { i8042_read_data, i8042_write_data,
                                            1 };

static uint64_t i8042_read_status(void *opaque, uint64_t offset, unsigned size)
{
    const I8042State *k = opaque;

    return KBD_STATUS_SYS | KBD_STATUS_OPEN |
           (k->out_full ? KBD_STATUS_OUT : 0);
}

static void i8042_write_command(void *opaque, uint64_t offset, uint64_t value,
                                unsigned size)
{
    I8042State *k = opaque;

    k->pending = 0;
    if ((value & KBD_CMD_PULSE) == KBD_CMD_PULSE) {
        if (!(value & KBD_OUTPUT_NO_RESET)) {
            request_reset(k);
        }
        return;
    }
    switch (value) {
    case KBD_CMD_READ_CONFIG:
        i8042_answer(k, k->config);
        break;
    case KBD_CMD_SELF_TEST:
        i8042_answer(k, KBD_SELF_TEST_OK);
        break;
    case KBD_CMD_PORT_TEST:
        i8042_answer(k, KBD_PORT_TEST_BAD);
        break;
    case KBD_CMD_READ_OUTPUT:
        i8042_answer(k, KBD_OUTPUT_NO_RESET | KBD_OUTPUT_A20);
        break;
    case KBD_CMD_WRITE_CONFIG:
    case KBD_CMD_WRITE_OUTPUT:
        k->pending = (uint8_t)value;
        break;
    default:
        break;
    }
}

static const IORegionOps i8042_command_ops = { i8042_read_status,
                                               i8042_write_command, 1 };

static void i8042_reset(DeviceState *dev)
{
    I8042State *k = I8042(dev);

    k->config = KBD_CONFIG_RESET;
    k->pending = 0;
    k->out = 0;
    k->out_full = false;
}

static void i8042_unrealize(DeviceState *dev)
{
    io_space_remove(&I8042(dev)->command);
    reset_port_unrealize(dev);
}

static bool i8042_realize(DeviceState *dev, Error **errp)
{
    I8042State *k = I8042(dev);
    IOSpace *ports = isa_bus_of(dev)->ports;
    IORegion *data = &RESET_PORT(dev)->io;

    io_region_init(data, "i8042 data", 1, &i8042_data_ops, k);
    io_region_init(&k->command, "i8042 command", 1, &i8042_command_ops, k);
    if (!io_space_add(ports, data, KBD_DATA, errp)) {
        return false;
    }
    if (!io_space_add(ports, &k->command, KBD_COMMAND, errp)) {
        io_space_remove(data);
        return false;
    }
    return true;
}

static void i8042_class_init(ObjectClass *oc, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);

    dc->realize = i8042_realize;
    dc->unrealize = i8042_unrealize;
    dc->reset = i8042_reset;
}

extern const TypeInfo hw_type_i8042;
const TypeInfo hw_type_i8042 = {
    .name = TYPE_I8042,
    .parent = TYPE_RESET_PORT,
    .instance_size = sizeof(I8042State),
    .class_init = i8042_class_init,
};
