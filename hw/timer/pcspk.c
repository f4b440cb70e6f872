/*
 * System control port B (61h): the speaker's gate and data, and what software
 * measures time with before it has a better clock: OUT of counter 2 and the
 * bit that toggles with each memory refresh.
 *
 * Sources: IBM PC/AT Technical Reference; Intel 82371AB data sheet 4.2.5.1
 * (NMI status and control register).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/isa/isa.h"
#include "hw/timer/i8254.h"
#include "migration/vmstate.h"
#include "qom/property.h"
#include "util/error.h"
#include "util/timer.h"

#define SPEAKER_COUNTER 2u
#define PORT_B_GATE     0x01
#define PORT_B_WRITABLE 0x0f /* and speaker data, parity and I/O check off */
#define PORT_B_REFRESH  0x10
#define PORT_B_OUT      0x20
/* 18 ticks of the timer: how often memory is refreshed. */
#define REFRESH_NS 15085

#define TYPE_PCSPK "isa-pcspk"
OBJECT_DECLARE_SIMPLE_TYPE(PCSpeaker, PCSPK)

struct PCSpeaker {
    ISADevice parent_obj;

    uint32_t iobase;

    I8254State *pit; /* borrowed: on the same bus */
    IORegion io;
    uint8_t value;
};

static uint64_t pcspk_read(void *opaque, uint64_t offset, unsigned size)
{
    const PCSpeaker *s = opaque;
    int64_t refreshes = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) / REFRESH_NS;

    return s->value | (refreshes & 1 ? PORT_B_REFRESH : 0) |
           (i8254_get_out(s->pit, SPEAKER_COUNTER) ? PORT_B_OUT : 0);
}

static void pcspk_write(void *opaque, uint64_t offset, uint64_t value,
                        unsigned size)
{
    PCSpeaker *s = opaque;

    s->value = value & PORT_B_WRITABLE;
    i8254_set_gate(s->pit, SPEAKER_COUNTER, value & PORT_B_GATE);
}

static const IORegionOps pcspk_ops = { pcspk_read, pcspk_write, 1 };

static void pcspk_reset(DeviceState *dev)
{
    PCSPK(dev)->value = 0; /* GATE of the counter is low after its reset */
}

static I8254State *find_pit(const BusState *bus)
{
    for (guint i = 0; i < bus->children->len; i++) {
        Object *obj = object_dynamic_cast(bus->children->pdata[i], TYPE_I8254);

        if (obj) {
            return I8254(obj);
        }
    }
    return NULL;
}

static bool pcspk_realize(DeviceState *dev, Error **errp)
{
    PCSpeaker *s = PCSPK(dev);

    s->pit = find_pit(dev->parent_bus);
    if (!s->pit) {
        error_setg(errp, "the speaker needs an interval timer ('" TYPE_I8254
                         "') on its bus");
        return false;
    }
    io_region_init(&s->io, "pcspk", 1, &pcspk_ops, s);
    return io_space_add(isa_bus_of(dev)->ports, &s->io, s->iobase, errp);
}

static void pcspk_unrealize(DeviceState *dev)
{
    io_space_remove(&PCSPK(dev)->io);
}

static const Property pcspk_props[] = {
    { "iobase", PROP_UINT32, offsetof(PCSpeaker, iobase), .def = "97",
      .help = "I/O port", .since = "0.1" },
    {},
};

/* GATE of the counter is the counter's state. */
static int pcspk_post_load(void *opaque, int version_id)
{
    PCSpeaker *s = opaque;

    s->value &= PORT_B_WRITABLE;
    return 0;
}

static const VMStateDescription vmstate_pcspk = {
    .name = "pcspk",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = pcspk_post_load,
    .fields = (const VMStateField[]){ VMSTATE_UINT8(value, PCSpeaker),
                                      VMSTATE_END_OF_LIST() },
};

static void pcspk_class_init(ObjectClass *oc, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);

    dc->desc = "speaker port";
    dc->user_creatable = false;
    dc->realize = pcspk_realize;
    dc->unrealize = pcspk_unrealize;
    dc->reset = pcspk_reset;
    dc->vmsd = &vmstate_pcspk;
}

extern const TypeInfo hw_type_pcspk;
const TypeInfo hw_type_pcspk = {
    .name = TYPE_PCSPK,
    .parent = TYPE_ISA_DEVICE,
    .instance_size = sizeof(PCSpeaker),
    .class_init = pcspk_class_init,
    .props = pcspk_props,
};
