/*
 * Intel 8254 programmable interval timer: three counters of 16 bits at
 * 1.193182 MHz; OUT of the first is interrupt line 0.
 *
 * Nothing counts: a counter remembers when it began, and its value and output
 * follow from the time. The one clock cycle between a write and its effect is
 * left out. Counter 0 has a timer for the next rising edge of OUT; in the
 * periodic modes only that edge is produced (as a short low pulse), for the
 * falling one interrupts nobody. A guest may keep its time by counting them:
 * edges that the host was too late for come as soon as the one before was
 * taken, or half a period apart if nobody tells of that; if more than
 * CATCH_UP_NS are missing, the older ones are lost.
 *
 * Source: Intel 8254 data sheet (231164): control word, read-back command,
 * mode definitions and the GATE table.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/timer/i8254.h"

#include "hw/machine-lock.h"
#include "migration/vmstate.h"
#include "qom/property.h"
#include "trace/trace-hw.h"
#include "util/error.h"
#include "util/host-utils.h"
#include "util/timer.h"

#define COUNTERS     3u
#define PORTS        4u
#define CONTROL      3u
#define NS_PER_S     1000000000u
#define BINARY_RANGE 0x10000u
#define BCD_RANGE    10000u
#define CATCH_UP_NS  1000000000ll
/* No host timer comes more often. */
#define SPACING_MIN_NS 50000ll

#define CW_READ_BACK      3u /* counter field */
#define READ_BACK_NO_CNT  0x20
#define READ_BACK_NO_STAT 0x10
#define STATUS_OUT        0x80
#define STATUS_NULL       0x40

/* Read/write field of the control word; 0 is the latch command. */
enum {
    RW_LATCH,
    RW_LOW,
    RW_HIGH,
    RW_BOTH,
};

typedef struct Counter {
    uint8_t mode; /* 0 to 5 */
    uint8_t rw;
    bool bcd;
    bool gate;

    uint32_t count;      /* 1 to the range; 0: none was loaded */
    uint32_t next_count; /* takes over with the next period; 0: none */
    bool running;
    int64_t start_ns;    /* when it began or went on to count */
    uint64_t start_tick; /* ticks counted before start_ns */
    uint64_t periods;    /* whose edge was produced, since then */

    bool write_high; /* RW_BOTH: the next byte is the high one */
    uint8_t write_low;
    bool read_high;
    bool latched;
    uint16_t latch;
    bool status_latched;
    uint8_t status;
} Counter;

struct I8254State {
    ISADevice parent_obj;

    uint32_t iobase;

    IORegion io;
    qemu_irq irq;
    QEMUTimer *timer;
    bool level; /* of irq */
    Counter counter[COUNTERS];
};

static int64_t now_ns(void)
{
    return qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
}

/* -- time ------------------------------------------------------------------------ */

static bool is_periodic(const Counter *c)
{
    return c->mode == 2 || c->mode == 3;
}

/* Started by a rising GATE, not by the count. */
static bool is_triggered(const Counter *c)
{
    return c->mode == 1 || c->mode == 5;
}

static uint64_t ticks(const Counter *c, int64_t now)
{
    if (!c->running || now < c->start_ns) {
        return c->start_tick;
    }
    return c->start_tick +
           muldiv64((uint64_t)(now - c->start_ns), I8254_HZ, NS_PER_S);
}

/* When the counter has counted @tick, which is not in the past of start_ns. */
static int64_t time_of_tick(const Counter *c, uint64_t tick)
{
    uint64_t n = tick - c->start_tick;

    /* Rounded up: by then ticks() has reached it. */
    return c->start_ns + (int64_t)muldiv64(n, NS_PER_S, I8254_HZ) + 1;
}

static void start(Counter *c, int64_t now)
{
    c->running = true;
    c->start_ns = now;
    c->start_tick = 0;
    c->periods = 0;
}

/* A count written while a periodic counter runs takes over when the present
 * period is over. */
static void take_next_count(Counter *c, int64_t now)
{
    if (c->next_count && c->running && ticks(c, now) >= c->count) {
        c->start_ns = time_of_tick(c, c->count);
        c->start_tick = 0;
        c->periods = 0;
        c->count = c->next_count;
        c->next_count = 0;
    }
}

static bool output(const Counter *c, int64_t now)
{
    uint64_t d = ticks(c, now);

    if (!c->count) {
        return c->mode != 0;
    }
    switch (c->mode) {
    case 0:
        return d >= c->count;
    case 1: /* low from the trigger to the end of the count */
        return !c->running || d >= c->count;
    case 2:
        return !c->running || d % c->count != c->count - 1;
    case 3:
        return !c->running || d % c->count < (c->count + 1) / 2;
    default: /* a low pulse of one tick when the count is over */
        return d != c->count;
    }
}

static uint32_t range_of(const Counter *c)
{
    return c->bcd ? BCD_RANGE : BINARY_RANGE;
}

/* Mode 3 counts by two: each half of the period from the even part. */
static uint32_t square_wave_value(const Counter *c, uint32_t phase)
{
    uint32_t half = (c->count + 1) / 2;
    uint32_t even = c->count & ~1u;
    uint32_t in_half = phase < half ? phase : phase - half;

    return even - MIN(2 * in_half, even);
}

static uint16_t to_register(const Counter *c, uint32_t value)
{
    if (!c->bcd) {
        return (uint16_t)value;
    }
    value %= BCD_RANGE;
    return (uint16_t)(value / 1000 << 12 | value / 100 % 10 << 8 |
                      value / 10 % 10 << 4 | value % 10);
}

static uint32_t from_register(const Counter *c, uint16_t value)
{
    uint32_t n = value;

    if (c->bcd) { /* digits over 9 count as what they are */
        n = (value >> 12) * 1000u + (value >> 8 & 15) * 100u +
            (value >> 4 & 15) * 10u + (value & 15);
    }
    return n ? n : range_of(c);
}

static uint16_t current_value(const Counter *c, int64_t now)
{
    uint64_t d = ticks(c, now);
    uint32_t range = range_of(c);

    if (!c->count) {
        return 0;
    }
    if (c->mode == 2) {
        return to_register(c, c->count - (uint32_t)(d % c->count));
    }
    if (c->mode == 3) {
        return to_register(c, square_wave_value(c, (uint32_t)(d % c->count)));
    }
    /* Goes on below zero, round the range. */
    return to_register(c, (c->count + range - (uint32_t)(d % range)) % range);
}

/* -- interrupt of counter 0 -------------------------------------------------------- */

/* The next tick at which OUT rises; UINT64_MAX: never. */
static uint64_t next_rise(const Counter *c, int64_t now)
{
    uint64_t d = ticks(c, now);

    if (!c->count || !c->running) {
        return UINT64_MAX;
    }
    switch (c->mode) {
    case 0:
        return d < c->count ? c->count : UINT64_MAX;
    case 2:
    case 3:
        return (d / c->count + 1) * c->count;
    case 4:
        return d <= c->count ? c->count + 1 : UINT64_MAX;
    default:
        return UINT64_MAX;
    }
}

static void set_level(I8254State *s, bool level)
{
    if (s->level != level) {
        s->level = level;
        qemu_set_irq(s->irq, level);
    }
}

static void arm(I8254State *s, int64_t now)
{
    const Counter *c = &s->counter[0];
    uint64_t tick = next_rise(c, now);

    if (tick == UINT64_MAX) {
        timer_del(s->timer);
    } else {
        timer_mod_ns(s->timer, time_of_tick(c, tick));
    }
}

/* After each change of counter 0. */
static void update_irq(I8254State *s, int64_t now)
{
    /* In the periodic modes the line is high but for the pulse. */
    set_level(s, is_periodic(&s->counter[0]) || output(&s->counter[0], now));
    arm(s, now);
}

static int64_t period_ns(const Counter *c)
{
    return (int64_t)muldiv64(c->count, NS_PER_S, I8254_HZ);
}

/* Periods that are over and whose edge has not been produced; older ones than
 * are made up for count as produced. */
static uint64_t periods_missing(Counter *c, int64_t now)
{
    uint64_t over, most;

    if (!is_periodic(c) || !c->count) {
        return 0;
    }
    over = ticks(c, now) / c->count;
    most = (uint64_t)(CATCH_UP_NS / MAX(period_ns(c), 1));
    c->periods = MAX(MIN(c->periods, over), over - MIN(over, most));
    return over - c->periods;
}

/* The next edge of the periodic modes, and when the one after it comes. */
static void produce_edge(I8254State *s, Counter *c, int64_t now)
{
    set_level(s, false);
    set_level(s, true);
    c->periods++;
    if (periods_missing(c, now) || period_ns(c) < SPACING_MIN_NS) {
        timer_mod_ns(s->timer, now + MAX(period_ns(c) / 2, SPACING_MIN_NS));
    } else {
        arm(s, now);
    }
}

static void irq_timer(void *opaque)
{
    I8254State *s = opaque;
    MACHINE_LOCK_GUARD();
    Counter *c = &s->counter[0];
    int64_t now = now_ns();

    if (timer_pending(s->timer)) {
        return; /* set anew while this waited for the lock */
    }
    take_next_count(c, now);
    if (is_periodic(c) && c->count) {
        produce_edge(s, c, now);
    } else {
        set_level(s, false);
        set_level(s, true);
        arm(s, now);
    }
}

void i8254_tick_taken(I8254State *s)
{
    Counter *c = &s->counter[0];
    int64_t now = now_ns();

    take_next_count(c, now);
    if (periods_missing(c, now) && period_ns(c) >= SPACING_MIN_NS) {
        produce_edge(s, c, now);
    }
}

/* -- counters ------------------------------------------------------------------------ */

static void load(Counter *c, uint32_t count, int64_t now)
{
    if (is_periodic(c) && c->count && c->running) {
        c->next_count = count;
        return;
    }
    c->count = count;
    c->next_count = 0;
    if (is_triggered(c)) {
        return; /* for the next trigger; a run under way ends as it began */
    }
    start(c, now);
    c->running = c->gate;
}

static void write_counter(I8254State *s, Counter *c, uint8_t value)
{
    int64_t now = now_ns();

    take_next_count(c, now);
    switch (c->rw) {
    case RW_LOW:
        load(c, from_register(c, value), now);
        break;
    case RW_HIGH:
        load(c, from_register(c, (uint16_t)(value << 8)), now);
        break;
    default:
        c->write_high = !c->write_high;
        if (!c->write_high) {
            load(c, from_register(c, (uint16_t)(value << 8 | c->write_low)),
                 now);
            break;
        }
        c->write_low = value;
        if (c->mode == 0) { /* half a count stops it, OUT is low */
            c->running = false;
            c->count = 0;
        }
        break;
    }
    if (c == &s->counter[0]) {
        update_irq(s, now);
    }
}

static uint8_t read_counter(Counter *c)
{
    int64_t now = now_ns();
    uint16_t value;
    bool high;

    take_next_count(c, now);
    if (c->status_latched) {
        c->status_latched = false;
        return c->status;
    }
    value = c->latched ? c->latch : current_value(c, now);
    high = c->rw == RW_HIGH || (c->rw == RW_BOTH && c->read_high);
    if (c->rw == RW_BOTH) {
        c->read_high = !c->read_high;
    }
    if (c->rw != RW_BOTH || !c->read_high) {
        c->latched = false;
    }
    return (uint8_t)(high ? value >> 8 : value);
}

static void latch_count(Counter *c, int64_t now)
{
    if (!c->latched) {
        c->latched = true;
        c->latch = current_value(c, now);
    }
}

static void latch_status(Counter *c, int64_t now)
{
    if (!c->status_latched) {
        c->status_latched = true;
        c->status = (uint8_t)((output(c, now) ? STATUS_OUT : 0) |
                              (!c->count || c->next_count ? STATUS_NULL : 0) |
                              c->rw << 4 | c->mode << 1 | c->bcd);
    }
}

static void read_back(I8254State *s, uint8_t value, int64_t now)
{
    for (unsigned i = 0; i < COUNTERS; i++) {
        Counter *c = &s->counter[i];

        if (!(value & 2u << i)) {
            continue;
        }
        take_next_count(c, now);
        if (!(value & READ_BACK_NO_CNT)) {
            latch_count(c, now);
        }
        if (!(value & READ_BACK_NO_STAT)) {
            latch_status(c, now);
        }
    }
}

static void write_control(I8254State *s, uint8_t value)
{
    unsigned select = value >> 6;
    int64_t now = now_ns();
    Counter *c;

    if (select == CW_READ_BACK) {
        read_back(s, value, now);
        return;
    }
    c = &s->counter[select];
    take_next_count(c, now);
    if ((value >> 4 & 3) == RW_LATCH) {
        latch_count(c, now);
        return;
    }
    *c = (Counter){
        .mode = value >> 1 & 7,
        .rw = value >> 4 & 3,
        .bcd = value & 1,
        .gate = c->gate,
    };
    if (c->mode > 5) { /* modes 2 and 3 have a bit that is ignored */
        c->mode -= 4;
    }
    if (select == 0) {
        update_irq(s, now);
    }
}

static uint64_t i8254_read(void *opaque, uint64_t offset, unsigned size)
{
    I8254State *s = opaque;

    return offset < COUNTERS ? read_counter(&s->counter[offset]) : 0;
}

static void i8254_write(void *opaque, uint64_t offset, uint64_t value,
                        unsigned size)
{
    I8254State *s = opaque;

    trace_i8254_write((unsigned)offset, (unsigned)value);
    if (offset == CONTROL) {
        write_control(s, (uint8_t)value);
    } else {
        write_counter(s, &s->counter[offset], (uint8_t)value);
    }
}

static const IORegionOps i8254_ops = { i8254_read, i8254_write, 1 };

/* -- GATE and OUT ---------------------------------------------------------------------- */

void i8254_set_gate(I8254State *s, unsigned counter, bool level)
{
    Counter *c = &s->counter[counter];
    int64_t now = now_ns();

    take_next_count(c, now);
    if (c->gate == level) {
        return;
    }
    c->gate = level;
    if (!c->count) {
        return;
    }
    if (level && (is_triggered(c) || is_periodic(c))) {
        if (c->next_count) {
            c->count = c->next_count;
            c->next_count = 0;
        }
        start(c, now);
    } else if (level) {
        c->start_ns = now; /* modes 0 and 4 go on */
        c->running = true;
    } else if (!is_triggered(c)) {
        c->start_tick = ticks(c, now);
        c->running = false;
    }
    if (counter == 0) {
        update_irq(s, now);
    }
}

bool i8254_get_gate(I8254State *s, unsigned counter)
{
    return s->counter[counter].gate;
}

bool i8254_get_out(I8254State *s, unsigned counter)
{
    int64_t now = now_ns();

    take_next_count(&s->counter[counter], now);
    return output(&s->counter[counter], now);
}

/* -- state for another host ------------------------------------------------------------ */

#define TIME_MAX (INT64_MAX / 4)
#define TICK_MAX (1ull << 56)

static bool counter_post_load(void *opaque, int version_id, Error **errp)
{
    const Counter *c = opaque;

    if (c->mode > 5 || c->rw == RW_LATCH || c->rw > RW_BOTH ||
        c->count > BINARY_RANGE || c->next_count > BINARY_RANGE ||
        c->start_ns < 0 || c->start_ns > TIME_MAX || c->start_tick > TICK_MAX) {
        error_setg(errp,
                   "8254: counter of mode %u, access %u, count %u from "
                   "%" PRId64 " ns",
                   c->mode, c->rw, c->count, c->start_ns);
        return false;
    }
    return true;
}

static const VMStateDescription vmstate_counter = {
    .name = "i8254-counter",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load_errp = counter_post_load,
    .fields =
        (const VMStateField[]){
            VMSTATE_UINT8(mode, Counter), VMSTATE_UINT8(rw, Counter),
            VMSTATE_BOOL(bcd, Counter), VMSTATE_BOOL(gate, Counter),
            VMSTATE_UINT32(count, Counter), VMSTATE_UINT32(next_count, Counter),
            VMSTATE_BOOL(running, Counter), VMSTATE_INT64(start_ns, Counter),
            VMSTATE_UINT64(start_tick, Counter),
            VMSTATE_UINT64(periods, Counter), VMSTATE_BOOL(write_high, Counter),
            VMSTATE_UINT8(write_low, Counter), VMSTATE_BOOL(read_high, Counter),
            VMSTATE_BOOL(latched, Counter), VMSTATE_UINT16(latch, Counter),
            VMSTATE_BOOL(status_latched, Counter),
            VMSTATE_UINT8(status, Counter), VMSTATE_END_OF_LIST() },
};

static int i8254_post_load(void *opaque, int version_id)
{
    I8254State *s = opaque;

    qemu_set_irq(s->irq, s->level);
    return 0;
}

static const VMStateDescription vmstate_i8254 = {
    .name = "i8254",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = i8254_post_load,
    .fields =
        (const VMStateField[]){
            VMSTATE_STRUCT_ARRAY(counter, I8254State, COUNTERS, 1,
                                 vmstate_counter, Counter),
            VMSTATE_BOOL(level, I8254State),
            VMSTATE_TIMER_PTR(timer, I8254State), VMSTATE_END_OF_LIST() },
};

/* -- class --------------------------------------------------------------------------------- */

static void i8254_reset(DeviceState *dev)
{
    I8254State *s = I8254(dev);

    for (unsigned i = 0; i < COUNTERS; i++) {
        s->counter[i] = (Counter){ .mode = 3, .rw = RW_BOTH, .gate = i != 2 };
    }
    timer_del(s->timer);
    set_level(s, false);
}

static bool i8254_realize(DeviceState *dev, Error **errp)
{
    I8254State *s = I8254(dev);

    io_region_init(&s->io, "pit", PORTS, &i8254_ops, s);
    return isa_get_irq(dev, 0, &s->irq, errp) &&
           io_space_add(isa_bus_of(dev)->ports, &s->io, s->iobase, errp);
}

static void i8254_unrealize(DeviceState *dev)
{
    timer_del(I8254(dev)->timer);
    io_space_remove(&I8254(dev)->io);
}

static void i8254_instance_init(Object *obj)
{
    I8254(obj)->timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, irq_timer, obj);
}

static void i8254_instance_finalize(Object *obj)
{
    timer_free(I8254(obj)->timer);
}

static const Property i8254_props[] = {
    { "iobase", PROP_UINT32, offsetof(I8254State, iobase), .def = "64",
      .help = "first I/O port", .since = "0.1" },
    {},
};

static void i8254_class_init(ObjectClass *oc, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);

    dc->desc = "8254 interval timer";
    dc->user_creatable = false;
    dc->realize = i8254_realize;
    dc->unrealize = i8254_unrealize;
    dc->reset = i8254_reset;
    dc->vmsd = &vmstate_i8254;
}

extern const TypeInfo hw_type_i8254;
const TypeInfo hw_type_i8254 = {
    .name = TYPE_I8254,
    .parent = TYPE_ISA_DEVICE,
    .instance_size = sizeof(I8254State),
    .instance_init = i8254_instance_init,
    .instance_finalize = i8254_instance_finalize,
    .class_init = i8254_class_init,
    .props = i8254_props,
};
