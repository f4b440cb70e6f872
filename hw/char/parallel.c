/*
 * isa-parallel: LPT1 to LPT3, as a standard printer port.
 *
 * With a chardev that is a real parallel port (it answers the PP ioctls),
 * registers are passed through, EPP included. With any other, a strobe sends
 * the data byte and acknowledges it; while the chardev takes nothing the
 * printer is busy, so nothing is lost.
 *
 * Source: IEEE 1284-1994, compatibility mode; IBM PC/AT Technical Reference.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "chardev/char-fe.h"
#include "chardev/char-parallel.h"
#include "hw/core/qdev-internal.h"
#include "hw/core/run-watch.h"
#include "hw/isa/isa.h"
#include "hw/machine-lock.h"
#include "migration/constants.h"
#include "migration/migration.h"
#include "migration/vmstate.h"
#include "qom/property.h"
#include "util/error.h"

#define TYPE_ISA_PARALLEL "isa-parallel"
#define PARALLEL_MAX      3
#define AUTO              UINT32_MAX

#define REG_DATA     0
#define REG_STATUS   1
#define REG_CONTROL  2
#define REG_EPP_ADDR 3
#define REG_EPP_DATA 4
#define REGISTERS    8

#define STATUS_NOT_BUSY 0x80
#define STATUS_NOT_ACK  0x40
#define STATUS_ONLINE   0x10
#define STATUS_NO_ERROR 0x08
#define STATUS_ALWAYS   0x07

#define CONTROL_STROBE 0x01
#define CONTROL_INIT   0x04
#define CONTROL_SELECT 0x08
#define CONTROL_IRQ    0x10
#define CONTROL_INPUT  0x20
#define CONTROL_KEPT   0x3f
#define CONTROL_ALWAYS 0xc0

OBJECT_DECLARE_SIMPLE_TYPE(ISAParallelState, ISA_PARALLEL)

struct ISAParallelState {
    ISADevice parent_obj;

    CharBackend chr;
    uint32_t index;
    uint32_t iobase;
    uint32_t irq_number;

    qemu_irq irq;
    IORegion io;
    bool hardware; /* the chardev is a real port */
    uint8_t data;
    uint8_t control;
    bool ack_pending; /* the guest has not seen it yet */
    bool line;        /* interrupt line is up */
    bool unsent;      /* data waits for the chardev */
    RunWatch run;
    guint watch;
    Error *blocker; /* of migrations, while @hardware */
};

static const uint16_t default_iobase[PARALLEL_MAX] = { 0x378, 0x278, 0x3bc };

/* -- a printer at the end of a byte stream ----------------------------------- */

static gboolean watch_cb(void *unused, GIOCondition condition, void *opaque);

static void set_line(ISAParallelState *s, bool level)
{
    s->line = level;
    qemu_set_irq(s->irq, level);
}

static void acknowledge(ISAParallelState *s)
{
    s->unsent = false;
    s->ack_pending = true;
    set_line(s, s->control & CONTROL_IRQ);
}

static void send_byte(ISAParallelState *s)
{
    uint8_t byte = s->data;
    int taken = qemu_chr_fe_write(&s->chr, &byte, 1);

    if (taken == 1 || (taken < 0 && errno != EAGAIN)) {
        acknowledge(s); /* or there will never be anything at its end */
        return;
    }
    s->unsent = true;
    s->watch = qemu_chr_fe_add_watch(&s->chr, G_IO_OUT | G_IO_HUP, watch_cb, s);
    if (!s->watch) {
        acknowledge(s); /* a line with nothing at its end */
    }
}

static gboolean watch_cb(void *unused, GIOCondition condition, void *opaque)
{
    ISAParallelState *s = opaque;

    MACHINE_LOCK_GUARD();
    s->watch = 0;
    if (s->unsent && s->run.running) {
        send_byte(s);
    }
    return G_SOURCE_REMOVE;
}

static uint8_t printer_status(ISAParallelState *s)
{
    uint8_t status = STATUS_ALWAYS | STATUS_ONLINE | STATUS_NO_ERROR;

    if (!s->unsent) {
        status |= STATUS_NOT_BUSY;
    }
    if (!s->ack_pending) {
        status |= STATUS_NOT_ACK;
    }
    /* The acknowledge pulse is seen once. */
    s->ack_pending = false;
    set_line(s, false);
    return status;
}

static void printer_control(ISAParallelState *s, uint8_t value)
{
    uint8_t before = s->control;

    s->control = value & CONTROL_KEPT;
    if (!(value & CONTROL_INIT)) {
        s->ack_pending = false;
        set_line(s, false);
    } else if ((value & CONTROL_STROBE) && !(before & CONTROL_STROBE) &&
               !s->unsent) {
        send_byte(s);
    }
    if (!(value & CONTROL_IRQ)) {
        set_line(s, false);
    }
}

/* -- a real port --------------------------------------------------------------- */

static uint8_t pp_read(ISAParallelState *s, int cmd)
{
    uint8_t value = 0xff;

    qemu_chr_fe_ioctl(&s->chr, cmd, &value);
    return value;
}

static uint8_t pp_epp_read(ISAParallelState *s, int cmd)
{
    uint8_t value = 0xff;
    struct ParallelIOArg arg = { .buffer = &value, .count = 1 };

    return qemu_chr_fe_ioctl(&s->chr, cmd, &arg) == 0 ? value : 0xff;
}

static void pp_epp_write(ISAParallelState *s, int cmd, uint8_t value)
{
    struct ParallelIOArg arg = { .buffer = &value, .count = 1 };

    qemu_chr_fe_ioctl(&s->chr, cmd, &arg);
}

static void pp_control(ISAParallelState *s, uint8_t value)
{
    int input = (value & CONTROL_INPUT) != 0;

    if ((value ^ s->control) & CONTROL_INPUT) {
        qemu_chr_fe_ioctl(&s->chr, CHR_IOCTL_PP_DATA_DIR, &input);
    }
    s->control = value & CONTROL_KEPT;
    value &= (uint8_t)~CONTROL_INPUT;
    qemu_chr_fe_ioctl(&s->chr, CHR_IOCTL_PP_WRITE_CONTROL, &value);
}

/* -- registers ------------------------------------------------------------------- */

static uint64_t parallel_read(void *opaque, uint64_t offset, unsigned size)
{
    ISAParallelState *s = opaque;

    switch (offset) {
    case REG_DATA:
        return s->hardware && (s->control & CONTROL_INPUT)
                   ? pp_read(s, CHR_IOCTL_PP_READ_DATA)
                   : s->data;
    case REG_STATUS:
        return s->hardware ? pp_read(s, CHR_IOCTL_PP_READ_STATUS)
                           : printer_status(s);
    case REG_CONTROL:
        return s->control | CONTROL_ALWAYS;
    case REG_EPP_ADDR:
        return s->hardware ? pp_epp_read(s, CHR_IOCTL_PP_EPP_READ_ADDR) : 0xff;
    default:
        return s->hardware ? pp_epp_read(s, CHR_IOCTL_PP_EPP_READ) : 0xff;
    }
}

static void parallel_write(void *opaque, uint64_t offset, uint64_t value,
                           unsigned size)
{
    ISAParallelState *s = opaque;
    uint8_t byte = (uint8_t)value;

    switch (offset) {
    case REG_DATA:
        if (s->hardware) {
            qemu_chr_fe_ioctl(&s->chr, CHR_IOCTL_PP_WRITE_DATA, &byte);
        }
        if (!s->unsent) {
            s->data = byte;
        }
        break;
    case REG_STATUS:
        break;
    case REG_CONTROL:
        if (s->hardware) {
            pp_control(s, byte);
        } else {
            printer_control(s, byte);
        }
        break;
    case REG_EPP_ADDR:
        if (s->hardware) {
            pp_epp_write(s, CHR_IOCTL_PP_EPP_WRITE_ADDR, byte);
        }
        break;
    default:
        if (s->hardware) {
            pp_epp_write(s, CHR_IOCTL_PP_EPP_WRITE, byte);
        }
        break;
    }
}

static const IORegionOps parallel_ops = { parallel_read, parallel_write, 1 };

/* -- device ------------------------------------------------------------------------- */

static int parallel_be_change(void *opaque);

static void connect_chr(ISAParallelState *s)
{
    uint8_t status;

    qemu_chr_fe_set_handlers(&s->chr, NULL, NULL, NULL, parallel_be_change, s,
                             NULL, true);
    s->hardware =
        qemu_chr_fe_ioctl(&s->chr, CHR_IOCTL_PP_READ_STATUS, &status) == 0;
}

/* What a real port has in its registers stays with its host. */
static bool block_migration(ISAParallelState *s, Error **errp)
{
    if (!s->blocker) {
        error_setg(&s->blocker,
                   "isa-parallel at 0x%x is a parallel port of this host",
                   s->iobase);
        if (migrate_add_blocker(s->blocker, errp) < 0) {
            g_clear_pointer(&s->blocker, error_free);
            return false;
        }
    }
    return true;
}

static void unblock_migration(ISAParallelState *s)
{
    if (s->blocker) {
        migrate_del_blocker(s->blocker);
        g_clear_pointer(&s->blocker, error_free);
    }
}

static void stop_watch(ISAParallelState *s)
{
    if (s->watch) {
        qemu_chr_fe_remove_watch(&s->chr, s->watch);
        s->watch = 0;
    }
}

static int parallel_be_change(void *opaque)
{
    ISAParallelState *s = opaque;

    MACHINE_LOCK_GUARD();
    connect_chr(s);
    unblock_migration(s);
    if (s->hardware) {
        block_migration(s, NULL); /* a migration under way goes on */
    }
    stop_watch(s);
    if (s->unsent && s->run.running) {
        send_byte(s);
    }
    return 0;
}

/* A byte that was not taken goes out when the guest runs on, here or in
 * another process. */
static void parallel_run_changed(void *opaque, bool running)
{
    ISAParallelState *s = opaque;

    stop_watch(s);
    if (running && s->unsent) {
        send_byte(s);
    }
}

static bool index_is_taken(ISAParallelState *self, uint32_t index)
{
    BusState *bus = DEVICE(self)->parent_bus;

    for (guint i = 0; i < bus->children->len; i++) {
        Object *obj = bus->children->pdata[i];
        if (obj != OBJECT(self) &&
            object_dynamic_cast(obj, TYPE_ISA_PARALLEL) &&
            ISA_PARALLEL(obj)->index == index) {
            return true;
        }
    }
    return false;
}

static bool choose_place(ISAParallelState *s, Error **errp)
{
    if (s->index == AUTO) {
        s->index = 0;
        while (s->index < PARALLEL_MAX && index_is_taken(s, s->index)) {
            s->index++;
        }
    }
    if (s->index >= PARALLEL_MAX) {
        error_setg(errp,
                   "index must be 0 to %d: no more than %d isa-parallel "
                   "devices have a place",
                   PARALLEL_MAX - 1, PARALLEL_MAX);
        s->index = AUTO;
        return false;
    }
    if (s->iobase == AUTO) {
        s->iobase = default_iobase[s->index];
    }
    return isa_get_irq(s, s->irq_number, &s->irq, errp);
}

static bool parallel_realize(DeviceState *dev, Error **errp)
{
    ISAParallelState *s = ISA_PARALLEL(dev);
    /* At 3BCh the video adapter's ports follow. */
    unsigned registers = REGISTERS;

    if (!qemu_chr_fe_backend_connected(&s->chr)) {
        error_setg(errp, "isa-parallel needs a chardev");
        return false;
    }
    if (!choose_place(s, errp)) {
        return false;
    }
    if (s->iobase % REGISTERS) {
        registers = REG_CONTROL + 1;
    }
    io_region_init(&s->io, "parallel", registers, &parallel_ops, s);
    if (!io_space_add(isa_bus_of(dev)->ports, &s->io, s->iobase, errp)) {
        return false;
    }
    connect_chr(s);
    if (s->hardware && !block_migration(s, errp)) {
        io_space_remove(&s->io);
        qemu_chr_fe_deinit(&s->chr, false);
        return false;
    }
    run_watch_init(&s->run, isa_bus_of(dev)->machine, parallel_run_changed, s);
    return true;
}

static void parallel_unrealize(DeviceState *dev)
{
    ISAParallelState *s = ISA_PARALLEL(dev);

    io_space_remove(&s->io);
    run_watch_deinit(&s->run);
    stop_watch(s);
    unblock_migration(s);
    qemu_chr_fe_deinit(&s->chr, false);
}

static void parallel_reset(DeviceState *dev)
{
    ISAParallelState *s = ISA_PARALLEL(dev);

    stop_watch(s);
    s->data = 0;
    s->control = CONTROL_INIT | CONTROL_SELECT;
    s->ack_pending = false;
    s->unsent = false;
    set_line(s, false);
}

static const Property parallel_props[] = {
    QDEV_PROP_CHR("chardev", ISAParallelState, chr),
    { "index", PROP_UINT32, offsetof(ISAParallelState, index),
      .def = "4294967295", .help = "0 is LPT1, 2 is LPT3; else the first free",
      .since = "0.1" },
    { "iobase", PROP_UINT32, offsetof(ISAParallelState, iobase),
      .def = "4294967295", .help = "first port; else as the index says",
      .since = "0.1" },
    { "irq", PROP_UINT32, offsetof(ISAParallelState, irq_number), .def = "7",
      .help = "interrupt line", .since = "0.1" },
    {},
};

static void parallel_instance_finalize(Object *obj)
{
    qemu_chr_fe_deinit(&ISA_PARALLEL(obj)->chr, false);
}

static int parallel_post_load(void *opaque, int version_id)
{
    ISAParallelState *s = opaque;

    s->control &= CONTROL_KEPT;
    set_line(s, s->line);
    return 0;
}

static void parallel_constants(void *opaque, VMStateConstants *c)
{
    const ISAParallelState *s = opaque;

    vmstate_constant(c, "property iobase", s->iobase);
    vmstate_constant(c, "property irq", s->irq_number);
}

static const VMStateDescription vmstate_parallel = {
    .name = "parallel_isa",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = parallel_post_load,
    .constants = parallel_constants,
    .fields =
        (const VMStateField[]){ VMSTATE_UINT8(data, ISAParallelState),
                                VMSTATE_UINT8(control, ISAParallelState),
                                VMSTATE_BOOL(ack_pending, ISAParallelState),
                                VMSTATE_BOOL(line, ISAParallelState),
                                VMSTATE_BOOL(unsent, ISAParallelState),
                                VMSTATE_END_OF_LIST() },
};

static void parallel_class_init(ObjectClass *oc, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);

    dc->desc = "parallel port";
    dc->realize = parallel_realize;
    dc->unrealize = parallel_unrealize;
    dc->reset = parallel_reset;
    dc->vmsd = &vmstate_parallel;
}

extern const TypeInfo hw_type_isa_parallel;
const TypeInfo hw_type_isa_parallel = {
    .name = TYPE_ISA_PARALLEL,
    .parent = TYPE_ISA_DEVICE,
    .instance_size = sizeof(ISAParallelState),
    .instance_finalize = parallel_instance_finalize,
    .class_init = parallel_class_init,
    .props = parallel_props,
};
