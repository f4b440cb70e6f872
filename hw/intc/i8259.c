/*
 * Intel 8259A programmable interrupt controller, and the pair of a PC with
 * the edge/level registers of the south bridge.
 *
 * Each chip has eight inputs. A request is latched in IRR: for an edge pin by
 * the rising edge, until it is acknowledged; for a level pin (ELCR) IRR is the
 * line itself. The chip asks for an interrupt if a request that IMR lets
 * through has a higher priority than everything in service. Priorities rotate:
 * `lowest` is the pin that is last.
 *
 * The chip deviates from the data sheet where every PC emulation does, because
 * device models pulse their lines: an edge stays latched when its line falls
 * before the acknowledge (not so that of the second chip, which takes its
 * request back when a device does). INT falls for a moment in each acknowledge cycle, so
 * the first chip sees a new edge for each request of the second.
 *
 * Sources: Intel 8259A data sheet (231468); Intel 82371AB (PIIX4) data sheet
 * 4.2.4 for ELCR and that LTIM has no effect.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/intc/i8259.h"

#include "migration/vmstate.h"
#include "qom/property.h"
#include "trace/trace-hw.h"
#include "util/error.h"
#include "util/host-utils.h"

#define PINS      8u
#define NO_PIN    8u
#define CASCADE   2u
#define SPURIOUS  7u
#define MASTER_IO 0x20
#define SLAVE_IO  0xa0
/* Pins whose trigger can be chosen: not timer, keyboard, cascade, clock, FPU */
#define MASTER_ELCR      0x4d0
#define SLAVE_ELCR       0x4d1
#define MASTER_ELCR_MASK 0xf8
#define SLAVE_ELCR_MASK  0xde

#define ICW1_IC4       0x01
#define ICW1_SINGLE    0x02
#define ICW1_SELECT    0x10
#define ICW4_AEOI      0x02
#define ICW4_SFNM      0x10
#define OCW3_SELECT    0x08
#define OCW3_RIS       0x01
#define OCW3_RR        0x02
#define OCW3_POLL      0x04
#define OCW3_SMM       0x20
#define OCW3_ESMM      0x40
#define POLL_INTERRUPT 0x80

OBJECT_DECLARE_SIMPLE_TYPE(I8259State, I8259)

/* Which word of the initialization sequence the next write to A0=1 is. */
typedef enum InitStep {
    INIT_DONE,
    INIT_ICW2,
    INIT_ICW3,
    INIT_ICW4,
} InitStep;

struct I8259State {
    ISADevice parent_obj;

    /* properties */
    uint32_t iobase;
    uint32_t elcr_addr;
    uint8_t elcr_mask;
    bool master;

    IORegion io;
    IORegion elcr_io;
    qemu_irq_handler int_out;
    void *int_opaque;

    uint8_t lines; /* levels of the inputs */
    uint8_t irr;
    uint8_t imr;
    uint8_t isr;
    uint8_t elcr;
    uint8_t lowest; /* pin of the lowest priority */
    uint8_t base;   /* vector of pin 0 */
    uint8_t step;   /* InitStep */
    bool single;
    bool need_icw4;
    bool auto_eoi;
    bool rotate_aeoi;
    bool sfnm; /* special fully nested mode */
    bool special_mask;
    bool poll;
    bool read_isr;
    bool output;
};

struct I8259Pair {
    I8259State *master; /* referenced */
    I8259State *slave;
    void (*taken)(void *opaque, unsigned pin);
    void *taken_opaque;
};

/* -- priority ---------------------------------------------------------------- */

/* The bits of @mask from the highest priority (bit 0) to the lowest. */
static uint8_t by_priority(const I8259State *s, uint8_t mask)
{
    unsigned first = (s->lowest + 1) % PINS;

    return (uint8_t)(mask >> first | mask << (PINS - first));
}

/* Highest priority in @mask as a rank: 0 is the highest, 8 means none. */
static unsigned top_rank(const I8259State *s, uint8_t mask)
{
    return mask ? (unsigned)ctz32(by_priority(s, mask)) : NO_PIN;
}

static unsigned pin_of_rank(const I8259State *s, unsigned rank)
{
    return (s->lowest + 1 + rank) % PINS;
}

/* The pin that asks for an interrupt now, or NO_PIN. */
static unsigned requesting_pin(const I8259State *s)
{
    unsigned rank = top_rank(s, s->irr & (uint8_t)~s->imr);
    uint8_t serving = s->isr;

    if (rank == NO_PIN) {
        return NO_PIN;
    }
    if (s->special_mask) {
        serving &= (uint8_t)~s->imr; /* masked levels block nobody */
    }
    if (s->sfnm && s->master) {
        serving &= (uint8_t) ~(1u << CASCADE); /* the slave decides itself */
    }
    return rank < top_rank(s, serving) ? pin_of_rank(s, rank) : NO_PIN;
}

static void set_output(I8259State *s, bool level)
{
    if (s->output != level) {
        s->output = level;
        if (s->int_out) {
            s->int_out(s->int_opaque, 0, level);
        }
    }
}

static void update(I8259State *s)
{
    set_output(s, requesting_pin(s) != NO_PIN);
}

static void set_line(I8259State *s, unsigned pin, bool level)
{
    uint8_t bit = (uint8_t)(1u << pin);
    bool rises = level && !(s->lines & bit);

    s->lines = (uint8_t)(level ? s->lines | bit : s->lines & ~bit);
    if (s->elcr & bit) {
        s->irr = (uint8_t)((s->irr & ~bit) | (s->lines & bit));
    } else if (rises) {
        s->irr |= bit;
    } else if (!level && s->master && pin == CASCADE) {
        s->irr &= (uint8_t)~bit;
    }
    update(s);
}

/* -- acknowledge, end of interrupt -------------------------------------------- */

static void acknowledge(I8259State *s, unsigned pin)
{
    uint8_t bit = (uint8_t)(1u << pin);

    if (!s->auto_eoi) {
        s->isr |= bit;
    } else if (s->rotate_aeoi) {
        s->lowest = (uint8_t)pin;
    }
    if (!(s->elcr & bit)) {
        s->irr &= (uint8_t)~bit;
    }
    set_output(s, false);
    update(s);
}

/* Returns: the pin that was acknowledged; SPURIOUS if there was none. */
static unsigned ack_cycle(I8259State *s, bool *ret_real)
{
    unsigned pin = requesting_pin(s);

    *ret_real = pin != NO_PIN;
    if (pin == NO_PIN) {
        return SPURIOUS;
    }
    acknowledge(s, pin);
    return pin;
}

static void non_specific_eoi(I8259State *s, bool rotate)
{
    uint8_t serving = s->special_mask ? s->isr & (uint8_t)~s->imr : s->isr;
    unsigned rank = top_rank(s, serving);
    unsigned pin;

    if (rank == NO_PIN) {
        return;
    }
    pin = pin_of_rank(s, rank);
    s->isr &= (uint8_t) ~(1u << pin);
    if (rotate) {
        s->lowest = (uint8_t)pin;
    }
}

/* -- registers ------------------------------------------------------------------ */

static void write_icw1(I8259State *s, uint8_t value)
{
    /* Edges are forgotten; a level pin still asks. LTIM: ELCR's business. */
    s->irr = s->lines & s->elcr;
    s->imr = 0;
    s->isr = 0;
    s->lowest = PINS - 1;
    s->special_mask = false;
    s->read_isr = false;
    s->poll = false;
    s->auto_eoi = false;
    s->rotate_aeoi = false;
    s->sfnm = false;
    s->single = value & ICW1_SINGLE;
    s->need_icw4 = value & ICW1_IC4;
    s->step = INIT_ICW2;
}

static void write_ocw2(I8259State *s, uint8_t value)
{
    unsigned pin = value & 7;

    switch (value >> 5) {
    case 0:
    case 4:
        s->rotate_aeoi = value >> 5 == 4;
        break;
    case 1:
    case 5:
        non_specific_eoi(s, value >> 5 == 5);
        break;
    case 3:
        s->isr &= (uint8_t) ~(1u << pin);
        break;
    case 6:
        s->lowest = (uint8_t)pin;
        break;
    case 7:
        s->isr &= (uint8_t) ~(1u << pin);
        s->lowest = (uint8_t)pin;
        break;
    default: /* 2: no operation */
        break;
    }
}

static void write_ocw3(I8259State *s, uint8_t value)
{
    s->poll = value & OCW3_POLL;
    if (value & OCW3_RR) {
        s->read_isr = value & OCW3_RIS;
    }
    if (value & OCW3_ESMM) {
        s->special_mask = value & OCW3_SMM;
    }
}

static void write_data(I8259State *s, uint8_t value)
{
    switch (s->step) {
    case INIT_DONE:
        s->imr = value;
        break;
    case INIT_ICW2:
        s->base = value & 0xf8;
        s->step = !s->single ? INIT_ICW3 : s->need_icw4 ? INIT_ICW4 : INIT_DONE;
        break;
    case INIT_ICW3: /* the cascade is wired */
        s->step = s->need_icw4 ? INIT_ICW4 : INIT_DONE;
        break;
    default:
        s->auto_eoi = value & ICW4_AEOI;
        s->sfnm = value & ICW4_SFNM;
        s->step = INIT_DONE;
        break;
    }
}

static void i8259_write(void *opaque, uint64_t offset, uint64_t value,
                        unsigned size)
{
    I8259State *s = opaque;
    uint8_t v = (uint8_t)value;

    trace_i8259_write(s->master, (unsigned)offset, v);
    if (offset) {
        write_data(s, v);
    } else if (v & ICW1_SELECT) {
        write_icw1(s, v);
    } else if (v & OCW3_SELECT) {
        write_ocw3(s, v);
    } else {
        write_ocw2(s, v);
    }
    update(s);
}

static uint64_t i8259_read(void *opaque, uint64_t offset, unsigned size)
{
    I8259State *s = opaque;

    if (s->poll) { /* a read is the acknowledge, at either address */
        bool real;
        unsigned pin = ack_cycle(s, &real);

        s->poll = false;
        return real ? POLL_INTERRUPT | pin : 0;
    }
    if (offset) {
        return s->imr;
    }
    return s->read_isr ? s->isr : s->irr;
}

static const IORegionOps i8259_ops = { i8259_read, i8259_write, 1 };

static void elcr_write(void *opaque, uint64_t offset, uint64_t value,
                       unsigned size)
{
    I8259State *s = opaque;

    s->elcr = (uint8_t)value & s->elcr_mask;
    s->irr = (uint8_t)((s->irr & ~s->elcr) | (s->lines & s->elcr));
    update(s);
}

static uint64_t elcr_read(void *opaque, uint64_t offset, unsigned size)
{
    return I8259(opaque)->elcr;
}

static const IORegionOps elcr_ops = { elcr_read, elcr_write, 1 };

/* -- the pair --------------------------------------------------------------------- */

static void slave_int(void *opaque, int n, int level)
{
    set_line(opaque, CASCADE, level);
}

static I8259State *make_chip(ISABus *bus, bool master, Error **errp)
{
    DeviceState *dev = qdev_new(TYPE_I8259);
    I8259State *s = I8259(dev);

    s->master = master;
    s->iobase = master ? MASTER_IO : SLAVE_IO;
    s->elcr_addr = master ? MASTER_ELCR : SLAVE_ELCR;
    s->elcr_mask = master ? MASTER_ELCR_MASK : SLAVE_ELCR_MASK;
    if (!qdev_realize(dev, BUS(bus), errp)) {
        object_unref(OBJECT(dev));
        return NULL;
    }
    return s;
}

I8259Pair *i8259_pair_new(ISABus *bus, qemu_irq_handler int_out, void *opaque,
                          Error **errp)
{
    I8259Pair *pair = g_new0(I8259Pair, 1);

    pair->master = make_chip(bus, true, errp);
    pair->slave = pair->master ? make_chip(bus, false, errp) : NULL;
    if (!pair->slave) {
        i8259_pair_free(pair);
        return NULL;
    }
    pair->slave->int_out = slave_int;
    pair->slave->int_opaque = pair->master;
    pair->master->int_out = int_out;
    pair->master->int_opaque = opaque;
    return pair;
}

static void drop_chip(I8259State *s)
{
    if (s) {
        s->int_out = NULL;
        qdev_unrealize(DEVICE(s));
        object_unref(OBJECT(s));
    }
}

void i8259_pair_free(I8259Pair *pair)
{
    if (pair) {
        drop_chip(pair->slave);
        drop_chip(pair->master);
        g_free(pair);
    }
}

void i8259_set_irq(I8259Pair *pair, unsigned n, bool level)
{
    if (n < PINS && n != CASCADE) {
        set_line(pair->master, n, level);
    } else if (n >= PINS && n < 2 * PINS) {
        set_line(pair->slave, n - PINS, level);
    }
}

void i8259_on_ack(I8259Pair *pair, void (*taken)(void *opaque, unsigned pin),
                  void *opaque)
{
    pair->taken = taken;
    pair->taken_opaque = opaque;
}

uint8_t i8259_ack(I8259Pair *pair)
{
    I8259State *chip = pair->master;
    bool real;
    unsigned pin = ack_cycle(chip, &real);
    uint8_t vector;

    if (real && pin == CASCADE) {
        chip = pair->slave;
        pin = ack_cycle(chip, &real);
    }
    vector = (uint8_t)(chip->base + pin);
    trace_i8259_ack(vector, real);
    if (real && pair->taken) {
        pair->taken(pair->taken_opaque, chip->master ? pin : pin + PINS);
    }
    return vector;
}

bool i8259_output(const I8259Pair *pair)
{
    return pair->master->output;
}

void i8259_describe(const I8259Pair *pair, GString *out)
{
    const I8259State *chips[] = { pair->master, pair->slave };

    for (size_t i = 0; i < G_N_ELEMENTS(chips); i++) {
        const I8259State *s = chips[i];

        g_string_append_printf(
            out,
            "pic%zu: irr=%02x imr=%02x isr=%02x hprio=%u irq_base=%02x "
            "rr_sel=%d elcr=%02x fnm=%d\n",
            i, s->irr, s->imr, s->isr, (s->lowest + 1) % PINS, s->base,
            s->read_isr, s->elcr, s->sfnm);
    }
}

/* -- state for another host --------------------------------------------------------- */

/* The first chip has the level of its cascade pin in `lines`, and whoever is
 * behind its INT has that level too: no edge comes of what is said here. */
static bool i8259_post_load(void *opaque, int version_id, Error **errp)
{
    I8259State *s = opaque;

    if (s->lowest >= PINS || s->step > INIT_ICW4 || (s->base & (PINS - 1)) ||
        (s->elcr & ~s->elcr_mask)) {
        error_setg(
            errp,
            "8259 at 0x%x: priority %u, step %u, vector 0x%x, edge/level "
            "0x%x",
            s->iobase, s->lowest, s->step, s->base, s->elcr);
        return false;
    }
    s->irr = (uint8_t)((s->irr & ~s->elcr) | (s->lines & s->elcr));
    update(s);
    return true;
}

static const VMStateDescription vmstate_i8259 = {
    .name = "i8259",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load_errp = i8259_post_load,
    .fields =
        (const VMStateField[]){
            VMSTATE_UINT8(lines, I8259State), VMSTATE_UINT8(irr, I8259State),
            VMSTATE_UINT8(imr, I8259State), VMSTATE_UINT8(isr, I8259State),
            VMSTATE_UINT8(elcr, I8259State), VMSTATE_UINT8(lowest, I8259State),
            VMSTATE_UINT8(base, I8259State), VMSTATE_UINT8(step, I8259State),
            VMSTATE_BOOL(single, I8259State),
            VMSTATE_BOOL(need_icw4, I8259State),
            VMSTATE_BOOL(auto_eoi, I8259State),
            VMSTATE_BOOL(rotate_aeoi, I8259State),
            VMSTATE_BOOL(sfnm, I8259State),
            VMSTATE_BOOL(special_mask, I8259State),
            VMSTATE_BOOL(poll, I8259State), VMSTATE_BOOL(read_isr, I8259State),
            VMSTATE_END_OF_LIST() },
};

/* -- class -------------------------------------------------------------------------- */

static void i8259_reset(DeviceState *dev)
{
    I8259State *s = I8259(dev);

    s->elcr = 0;
    s->irr = 0;
    write_icw1(s, 0);
    s->base = 0;
    s->step = INIT_DONE;
    update(s);
}

static bool i8259_realize(DeviceState *dev, Error **errp)
{
    I8259State *s = I8259(dev);
    IOSpace *ports = isa_bus_of(dev)->ports;

    io_region_init(&s->io, "pic", 2, &i8259_ops, s);
    io_region_init(&s->elcr_io, "elcr", 1, &elcr_ops, s);
    if (!io_space_add(ports, &s->io, s->iobase, errp)) {
        return false;
    }
    if (!io_space_add(ports, &s->elcr_io, s->elcr_addr, errp)) {
        io_space_remove(&s->io);
        return false;
    }
    return true;
}

static void i8259_unrealize(DeviceState *dev)
{
    io_space_remove(&I8259(dev)->io);
    io_space_remove(&I8259(dev)->elcr_io);
}

static const Property i8259_props[] = {
    { "iobase", PROP_UINT32, offsetof(I8259State, iobase), .def = "0xffffffff",
      .help = "first I/O port", .since = "0.1" },
    { "elcr_addr", PROP_UINT32, offsetof(I8259State, elcr_addr),
      .def = "0xffffffff", .help = "port of the edge/level register",
      .since = "0.1" },
    { "elcr_mask", PROP_UINT8, offsetof(I8259State, elcr_mask), .def = "0xff",
      .help = "pins whose trigger can be chosen", .since = "0.1" },
    { "master", PROP_BOOL, offsetof(I8259State, master), .def = "off",
      .help = "first chip of the pair", .since = "0.1" },
    {},
};

static void i8259_class_init(ObjectClass *oc, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);

    dc->desc = "8259A interrupt controller";
    dc->user_creatable = false;
    dc->realize = i8259_realize;
    dc->unrealize = i8259_unrealize;
    dc->reset = i8259_reset;
    dc->vmsd = &vmstate_i8259;
}

extern const TypeInfo hw_type_i8259;
const TypeInfo hw_type_i8259 = {
    .name = TYPE_I8259,
    .parent = TYPE_ISA_DEVICE,
    .instance_size = sizeof(I8259State),
    .class_init = i8259_class_init,
    .props = i8259_props,
};
