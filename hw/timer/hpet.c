/*
 * High precision event timer: one counter of 64 bits at 100 MHz and three or
 * more comparators.
 *
 * The counter is the guest's time; a comparator has a host timer for its next
 * match. A comparator that is set to the past matches at once (hardware would
 * let it match only when the counter has come round, which a guest that was
 * not running for a moment could not have meant). A periodic one that is late
 * by several periods interrupts once and goes on with the next.
 *
 * Source: IA-PC HPET specification 1.0a, 2.3 (registers), 2.4 (modes).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/timer/hpet.h"

#include "hw/machine-lock.h"
#include "migration/vmstate.h"
#include "qom/property.h"
#include "trace/trace-hw.h"
#include "util/error.h"
#include "util/timer.h"

#define NS_PER_TICK    10
#define FS_PER_TICK    10000000ull
#define PERIOD_MIN_NS  50000 /* no host timer runs more often */
#define REVISION       1u
#define VENDOR         0x8086ull
#define DEFAULT_ROUTES "4" /* IOAPIC pin 2 */

#define REG_CAPABILITIES 0x000u
#define REG_CONFIG       0x010u
#define REG_STATUS       0x020u
#define REG_COUNTER      0x0f0u
#define REG_TIMERS       0x100u
#define TIMER_BYTES      0x20u
#define TIMER_CONFIG     0x00u
#define TIMER_COMPARE    0x08u
#define TIMER_MESSAGE    0x10u

#define CAP_TIMERS_SHIFT 8
#define CAP_64BIT        (1ull << 13)
#define CAP_LEGACY       (1ull << 15)
#define CAP_VENDOR_SHIFT 16
#define CAP_PERIOD_SHIFT 32

#define CONFIG_ENABLE 1ull
#define CONFIG_LEGACY 2ull

#define T_LEVEL        (1ull << 1)
#define T_ENABLE       (1ull << 2)
#define T_PERIODIC     (1ull << 3)
#define T_CAN_PERIODIC (1ull << 4)
#define T_CAN_64BIT    (1ull << 5)
#define T_SET_VALUE    (1ull << 6)
#define T_32BIT        (1ull << 8)
#define T_ROUTE_SHIFT  9
#define T_ROUTE        (0x1full << T_ROUTE_SHIFT)
#define T_MSI          (1ull << 14)
#define T_CAN_MSI      (1ull << 15)
#define T_WRITABLE                                                             \
    (T_LEVEL | T_ENABLE | T_PERIODIC | T_SET_VALUE | T_32BIT | T_ROUTE)
#define T_ROUTES_SHIFT 32

OBJECT_DECLARE_SIMPLE_TYPE(HPETState, HPET)

typedef struct HPETTimer {
    HPETState *hpet;
    unsigned n;
    QEMUTimer *timer;

    uint64_t config;
    uint64_t compare;
    uint64_t period;
    uint64_t message; /* data, address << 32 */
    bool line;        /* asserted, level triggered */
    unsigned gsi;     /* of the asserted line */
} HPETTimer;

struct HPETState {
    DeviceState parent_obj;

    /* properties */
    uint8_t n_timers;
    bool msi;
    uint32_t routes;

    IOSpace *space;
    const HPETOps *ops;
    void *opaque;
    IORegion io;

    uint64_t config;
    uint64_t status;
    uint64_t counter; /* while it stands still */
    int64_t zero_ns;  /* when it was 0, while it runs (wraps) */
    HPETTimer timer[HPET_TIMERS_MAX];
};

/* -- counter ---------------------------------------------------------------------- */

static int64_t now_ns(void)
{
    return qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
}

static bool is_running(const HPETState *s)
{
    return s->config & CONFIG_ENABLE;
}

/* zero_ns is kept to the nanosecond, so that stopping loses no fraction. */
static uint64_t counter_at(const HPETState *s, int64_t now)
{
    return is_running(s)
               ? s->counter + (uint64_t)(now - s->zero_ns) / NS_PER_TICK
               : s->counter;
}

/* -- interrupts -------------------------------------------------------------------- */

static bool is_legacy(const HPETTimer *t)
{
    return (t->hpet->config & CONFIG_LEGACY) && t->n < 2;
}

static unsigned gsi_of(const HPETTimer *t)
{
    if (is_legacy(t)) {
        return t->n ? HPET_LEGACY_GSI_1 : HPET_LEGACY_GSI_0;
    }
    return (t->config & T_ROUTE) >> T_ROUTE_SHIFT;
}

static void lower(HPETTimer *t)
{
    if (t->line) {
        t->line = false;
        t->hpet->ops->line(t->hpet->opaque, t->gsi, false);
    }
}

/* After any change of what decides about a level-triggered line. */
static void update_line(HPETTimer *t)
{
    HPETState *s = t->hpet;
    bool on = (s->status >> t->n & 1) && (t->config & T_LEVEL) &&
              (t->config & T_ENABLE) && !(t->config & T_MSI) && is_running(s);

    if (t->line && (!on || t->gsi != gsi_of(t))) {
        lower(t);
    }
    if (on && !t->line) {
        t->line = true;
        t->gsi = gsi_of(t);
        s->ops->line(s->opaque, t->gsi, true);
    }
}

static void interrupt(HPETTimer *t)
{
    HPETState *s = t->hpet;

    trace_hpet_interrupt(t->n, gsi_of(t));
    if (t->config & T_LEVEL) {
        s->status |= 1ull << t->n;
    }
    if (!(t->config & T_ENABLE)) {
        return;
    }
    if ((t->config & T_MSI) && !is_legacy(t)) {
        s->ops->msi(s->opaque, t->message >> 32, (uint32_t)t->message);
    } else if (t->config & T_LEVEL) {
        update_line(t);
    } else {
        s->ops->line(s->opaque, gsi_of(t), true);
        s->ops->line(s->opaque, gsi_of(t), false);
    }
}

/* -- comparators ---------------------------------------------------------------------- */

static bool is_32bit(const HPETTimer *t)
{
    return t->config & T_32BIT;
}

/* Ticks to the next match; 0: now or in the past. */
static uint64_t ticks_left(const HPETTimer *t, uint64_t counter)
{
    uint64_t diff = t->compare - counter;

    if (is_32bit(t)) {
        return (int32_t)diff > 0 ? (uint32_t)diff : 0;
    }
    return (int64_t)diff > 0 ? diff : 0;
}

static void arm_in(HPETTimer *t, int64_t now, uint64_t ticks)
{
    /* Far beyond the end of the host's clock is never. */
    if (ticks >= (uint64_t)(INT64_MAX - now) / NS_PER_TICK) {
        timer_del(t->timer);
    } else {
        timer_mod_ns(t->timer, now + (int64_t)ticks * NS_PER_TICK);
    }
}

static void arm(HPETTimer *t)
{
    int64_t now = now_ns();

    /* All ones is what a reset leaves: nobody has set it. */
    if (!is_running(t->hpet) || t->compare == UINT64_MAX) {
        timer_del(t->timer);
        return;
    }
    arm_in(t, now, ticks_left(t, counter_at(t->hpet, now)));
}

static void next_period(HPETTimer *t, int64_t now)
{
    uint64_t counter = counter_at(t->hpet, now);
    uint64_t late = counter - t->compare;
    uint64_t left;

    if (is_32bit(t)) {
        late = (uint32_t)late;
    }
    t->compare += (late / t->period + 1) * t->period;
    if (is_32bit(t)) {
        t->compare = (uint32_t)t->compare;
    }
    left = ticks_left(t, counter);
    arm_in(t, now, MAX(left, PERIOD_MIN_NS / NS_PER_TICK));
}

static void match(void *opaque)
{
    HPETTimer *t = opaque;
    MACHINE_LOCK_GUARD();
    int64_t now = now_ns();

    if (timer_pending(t->timer) || !is_running(t->hpet)) {
        return; /* changed while this waited for the lock */
    }
    if ((t->config & T_PERIODIC) && t->period) {
        next_period(t, now);
    } else if (is_32bit(t)) {
        arm_in(t, now, 1ull << 32); /* when the counter comes round */
    }
    interrupt(t);
}

/* -- registers ------------------------------------------------------------------------- */

static uint64_t capabilities(const HPETState *s)
{
    return REVISION | (uint64_t)(s->n_timers - 1u) << CAP_TIMERS_SHIFT |
           CAP_64BIT | CAP_LEGACY | VENDOR << CAP_VENDOR_SHIFT |
           FS_PER_TICK << CAP_PERIOD_SHIFT;
}

static HPETTimer *timer_at(HPETState *s, uint64_t reg)
{
    uint64_t n = (reg - REG_TIMERS) / TIMER_BYTES;

    return reg >= REG_TIMERS && n < s->n_timers ? &s->timer[n] : NULL;
}

static uint64_t read_register(HPETState *s, uint64_t reg)
{
    HPETTimer *t = timer_at(s, reg);

    if (t) {
        switch (reg % TIMER_BYTES) {
        case TIMER_CONFIG:
            return t->config;
        case TIMER_COMPARE:
            return t->compare;
        case TIMER_MESSAGE:
            return t->message;
        default:
            return 0;
        }
    }
    switch (reg) {
    case REG_CAPABILITIES:
        return capabilities(s);
    case REG_CONFIG:
        return s->config;
    case REG_STATUS:
        return s->status;
    case REG_COUNTER:
        return counter_at(s, now_ns());
    default:
        return 0;
    }
}

static void set_config(HPETState *s, uint64_t value)
{
    int64_t now = now_ns();
    uint64_t counter = counter_at(s, now);
    uint64_t changed = s->config ^ value;

    s->config = value & (CONFIG_ENABLE | CONFIG_LEGACY);
    if (changed & CONFIG_ENABLE) {
        s->counter = counter;
        s->zero_ns = now;
    }
    if (changed & CONFIG_LEGACY) {
        for (unsigned i = 0; i < 2; i++) {
            lower(&s->timer[i]);
        }
        s->ops->replace(s->opaque, value & CONFIG_LEGACY);
    }
    for (unsigned i = 0; i < s->n_timers; i++) {
        update_line(&s->timer[i]);
        if (changed & CONFIG_ENABLE) {
            arm(&s->timer[i]);
        }
    }
}

static void set_timer_config(HPETTimer *t, uint64_t value)
{
    uint64_t writable = T_WRITABLE | (t->config & T_CAN_MSI ? T_MSI : 0);
    uint64_t before = t->config;
    unsigned route;

    t->config = (before & ~writable) | (value & writable);
    route = (t->config & T_ROUTE) >> T_ROUTE_SHIFT;
    if (!(t->hpet->routes >> route & 1)) {
        /* Not one of its lines: the field keeps what it had. */
        t->config = (t->config & ~T_ROUTE) | (before & T_ROUTE);
    }
    if (is_32bit(t)) {
        t->compare = (uint32_t)t->compare;
        t->period = (uint32_t)t->period;
    }
    update_line(t);
    if ((before ^ t->config) & (T_32BIT | T_PERIODIC)) {
        arm(t);
    }
}

static void set_compare(HPETTimer *t, uint64_t value)
{
    if (is_32bit(t)) {
        value = (uint32_t)value;
    }
    if (!(t->config & T_PERIODIC) || (t->config & T_SET_VALUE)) {
        t->compare = value;
    }
    if (t->config & T_PERIODIC) {
        t->period = value;
    }
    t->config &= ~T_SET_VALUE;
    arm(t);
}

static void write_timer(HPETTimer *t, uint64_t reg, uint64_t value)
{
    switch (reg) {
    case TIMER_CONFIG:
        set_timer_config(t, value);
        break;
    case TIMER_COMPARE:
        set_compare(t, value);
        break;
    case TIMER_MESSAGE:
        t->message = value;
        break;
    default:
        break;
    }
}

static void write_register(HPETState *s, uint64_t reg, uint64_t value)
{
    HPETTimer *t = timer_at(s, reg);

    if (t) {
        write_timer(t, reg % TIMER_BYTES, value);
        return;
    }
    switch (reg) {
    case REG_CONFIG:
        set_config(s, value);
        break;
    case REG_STATUS:
        s->status &= ~value;
        for (unsigned i = 0; i < s->n_timers; i++) {
            update_line(&s->timer[i]);
        }
        break;
    case REG_COUNTER:
        if (!is_running(s)) {
            s->counter = value;
        }
        break;
    default:
        break;
    }
}

static uint64_t hpet_read(void *opaque, uint64_t offset, unsigned size)
{
    return read_register(opaque, offset & ~7ull) >> (offset & 7) * 8;
}

/* Half a register: the other half stays, but of the status (ones clear) it is
 * no write, and of a comparator that runs it is what was written last. */
static uint64_t with_half(HPETState *s, uint64_t reg, bool high, uint32_t value)
{
    HPETTimer *t = timer_at(s, reg);
    uint64_t old = reg == REG_STATUS ? 0 : read_register(s, reg);

    if (t && reg % TIMER_BYTES == TIMER_COMPARE && (t->config & T_PERIODIC) &&
        !(t->config & T_SET_VALUE)) {
        old = t->period;
    }
    return high ? (uint32_t)old | (uint64_t)value << 32
                : (old & 0xffffffff00000000ull) | value;
}

static void hpet_write(void *opaque, uint64_t offset, uint64_t value,
                       unsigned size)
{
    HPETState *s = opaque;
    uint64_t reg = offset & ~7ull;

    trace_hpet_write((unsigned)offset, value, size);
    if (size < 4 || offset % size) {
        return; /* the specification has 32 and 64 bits only */
    }
    if (size == 4) {
        value = with_half(s, reg, offset & 4, (uint32_t)value);
    }
    write_register(s, reg, value);
}

static const IORegionOps hpet_region_ops = { hpet_read, hpet_write, 8 };

/* -- state for another host --------------------------------------------------------------- */

#define TIME_MAX (INT64_MAX / 4)
#define GSIS     32u

static uint64_t fixed_config(const HPETState *s)
{
    return T_CAN_PERIODIC | T_CAN_64BIT | (s->msi ? T_CAN_MSI : 0) |
           (uint64_t)s->routes << T_ROUTES_SHIFT;
}

static bool timer_post_load(void *opaque, int version_id, Error **errp)
{
    const HPETTimer *t = opaque;
    const HPETState *s = t->hpet;
    uint64_t writable = T_WRITABLE | (s->msi ? T_MSI : 0);
    unsigned route = (t->config & T_ROUTE) >> T_ROUTE_SHIFT;

    if ((t->config & ~writable) != fixed_config(s) || t->gsi >= GSIS ||
        (route && !(s->routes >> route & 1)) ||
        (is_32bit(t) && (t->compare | t->period) >> 32 &&
         t->compare != UINT64_MAX)) {
        error_setg(errp,
                   "HPET: timer %u has configuration 0x%" PRIx64
                   ", comparator 0x%" PRIx64,
                   t->n, t->config, t->compare);
        return false;
    }
    return true;
}

/* The controllers have the levels of lines that are asserted. */
static bool hpet_post_load(void *opaque, int version_id, Error **errp)
{
    HPETState *s = opaque;

    if ((s->config & ~(CONFIG_ENABLE | CONFIG_LEGACY)) ||
        s->status >> s->n_timers || s->zero_ns < 0 || s->zero_ns > TIME_MAX) {
        error_setg(errp,
                   "HPET: configuration 0x%" PRIx64 ", status 0x%" PRIx64
                   ", zero at %" PRId64 " ns",
                   s->config, s->status, s->zero_ns);
        return false;
    }
    s->ops->replace(s->opaque, s->config & CONFIG_LEGACY);
    return true;
}

static const VMStateDescription vmstate_timer = {
    .name = "hpet-timer",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load_errp = timer_post_load,
    .fields = (const VMStateField[]){ VMSTATE_UINT64(config, HPETTimer),
                                      VMSTATE_UINT64(compare, HPETTimer),
                                      VMSTATE_UINT64(period, HPETTimer),
                                      VMSTATE_UINT64(message, HPETTimer),
                                      VMSTATE_BOOL(line, HPETTimer),
                                      VMSTATE_UINT32(gsi, HPETTimer),
                                      VMSTATE_TIMER_PTR(timer, HPETTimer),
                                      VMSTATE_END_OF_LIST() },
};

static const VMStateDescription vmstate_hpet = {
    .name = "hpet",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load_errp = hpet_post_load,
    .fields =
        (const VMStateField[]){
            VMSTATE_UINT8_EQUAL(n_timers, HPETState, "property timers"),
            VMSTATE_UINT32_EQUAL(routes, HPETState, "property hpet-intcap"),
            VMSTATE_UINT64(config, HPETState),
            VMSTATE_UINT64(status, HPETState),
            VMSTATE_UINT64(counter, HPETState),
            VMSTATE_INT64(zero_ns, HPETState),
            VMSTATE_STRUCT_VARRAY_UINT8(timer, HPETState, n_timers, 1,
                                        vmstate_timer, HPETTimer),
            VMSTATE_END_OF_LIST() },
};

/* -- class ------------------------------------------------------------------------------- */

DeviceState *hpet_new(IOSpace *space, const HPETOps *ops, void *opaque)
{
    DeviceState *dev = qdev_new(TYPE_HPET);
    HPETState *s = HPET(dev);

    s->space = space;
    s->ops = ops;
    s->opaque = opaque;
    return dev;
}

static void hpet_reset(DeviceState *dev)
{
    HPETState *s = HPET(dev);

    for (unsigned i = 0; i < s->n_timers; i++) {
        HPETTimer *t = &s->timer[i];

        timer_del(t->timer);
        lower(t);
        t->config = fixed_config(s);
        t->compare = UINT64_MAX;
        t->period = 0;
        t->message = 0;
    }
    if (s->config & CONFIG_LEGACY) {
        s->ops->replace(s->opaque, false);
    }
    s->config = 0;
    s->status = 0;
    s->counter = 0;
}

static bool hpet_realize(DeviceState *dev, Error **errp)
{
    HPETState *s = HPET(dev);

    if (!s->ops) {
        error_setg(errp, "a high precision timer is made by its machine only");
        return false;
    }
    if (!s->routes) {
        error_setg(errp, "hpet-intcap must name a line at least");
        return false;
    }
    for (unsigned i = 0; i < s->n_timers; i++) {
        HPETTimer *t = &s->timer[i];

        *t = (HPETTimer){ .hpet = s, .n = i };
        t->timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, match, t);
    }
    hpet_reset(dev);
    io_region_init(&s->io, "hpet", HPET_BYTES, &hpet_region_ops, s);
    return io_space_add(s->space, &s->io, HPET_ADDRESS, errp);
}

static void hpet_unrealize(DeviceState *dev)
{
    HPETState *s = HPET(dev);

    io_space_remove(&s->io);
    for (unsigned i = 0; i < s->n_timers; i++) {
        timer_del(s->timer[i].timer);
    }
}

static void hpet_instance_finalize(Object *obj)
{
    for (unsigned i = 0; i < HPET_TIMERS_MAX; i++) {
        timer_free(HPET(obj)->timer[i].timer);
    }
}

static const Property hpet_props[] = {
    { "timers", PROP_UINT8, offsetof(HPETState, n_timers), .def = "3",
      .min = HPET_TIMERS_MIN, .max = HPET_TIMERS_MAX,
      .help = "number of comparators", .since = "0.1" },
    { "msi", PROP_BOOL, offsetof(HPETState, msi), .def = "off",
      .help = "comparators can send messages", .since = "0.1" },
    { "hpet-intcap", PROP_UINT32, offsetof(HPETState, routes),
      .def = DEFAULT_ROUTES,
      .help = "interrupt lines that a comparator can have, a bit each",
      .since = "0.1" },
    {},
};

static void hpet_class_init(ObjectClass *oc, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);

    dc->desc = "high precision event timer";
    dc->user_creatable = false;
    dc->hotpluggable = false;
    dc->realize = hpet_realize;
    dc->unrealize = hpet_unrealize;
    dc->reset = hpet_reset;
    dc->vmsd = &vmstate_hpet;
}

extern const TypeInfo hw_type_hpet;
const TypeInfo hw_type_hpet = {
    .name = TYPE_HPET,
    .parent = TYPE_DEVICE,
    .instance_size = sizeof(HPETState),
    .instance_finalize = hpet_instance_finalize,
    .class_init = hpet_class_init,
    .props = hpet_props,
};
