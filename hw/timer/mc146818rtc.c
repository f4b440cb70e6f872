/*
 * Motorola MC146818: clock with alarm, periodic and update interrupts, and
 * 114 bytes of memory that PC firmware fills with the configuration.
 *
 * The time is not counted: it is the reference clock (host's wall clock, or
 * the guest's own time with clock=vm) plus an offset that a guest's write
 * changes. While SET is on the registers hold what the guest writes. One
 * timer serves the next event that the guest can notice: a periodic tick or
 * an update second.
 *
 * Source: MC146818 data sheet; IBM PC/AT Technical Reference for the CMOS
 * bytes, and the memory size bytes that later firmware agreed on.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/timer/mc146818rtc.h"

#include "hw/isa/isa.h"
#include "hw/machine-lock.h"
#include "migration/vmstate.h"
#include "qom/property.h"
#include "trace/trace-hw.h"
#include "util/cutils.h"
#include "util/error.h"
#include "util/timer.h"

#define RTC_PORT  0x70
#define RTC_IRQ   8
#define CMOS_SIZE 128

#define RTC_SECONDS       0x00
#define RTC_SECONDS_ALARM 0x01
#define RTC_MINUTES       0x02
#define RTC_MINUTES_ALARM 0x03
#define RTC_HOURS         0x04
#define RTC_HOURS_ALARM   0x05
#define RTC_WEEKDAY       0x06
#define RTC_DAY           0x07
#define RTC_MONTH         0x08
#define RTC_YEAR          0x09
#define RTC_A             0x0a
#define RTC_B             0x0b
#define RTC_C             0x0c
#define RTC_D             0x0d
#define RTC_CENTURY       0x32

#define A_UPDATING          0x80
#define A_DIVIDER           0x70
#define A_32768HZ           0x20
#define A_RATE              0x0f
#define B_SET               0x80
#define B_PERIODIC          0x40
#define B_ALARM             0x20
#define B_UPDATE            0x10
#define B_BINARY            0x04
#define B_24H               0x02
#define C_IRQ               0x80
#define C_PERIODIC          0x40
#define C_ALARM             0x20
#define C_UPDATE            0x10
#define D_VALID             0x80
#define HOUR_PM             0x80
#define ALARM_ANY           0xc0 /* this or more: every value matches */
#define DIVIDER_MAX_RUNNING 0x20

#define NS_PER_S   1000000000ll
#define CRYSTAL_HZ 32768
/* How long before an update UIP is shown (data sheet: 244 us). */
#define UIP_NS 244000ll

#define CMOS_EQUIPMENT  0x14
#define CMOS_BASE_KIB   0x15
#define CMOS_EXT_KIB    0x17
#define CMOS_EXT2_KIB   0x30
#define CMOS_16M_64KIB  0x34
#define CMOS_HIGH_64KIB 0x5b
#define CMOS_CPUS       0x5f
#define EQUIPMENT_FPU   0x02
#define EQUIPMENT_MOUSE 0x04
#define BASE_KIB        640
#define MIB             (1ull << 20)

OBJECT_DECLARE_SIMPLE_TYPE(RTCState, MC146818_RTC)

/* What a state for another host has; taken over when all of it is checked, for
 * a reset does not set the time. */
typedef struct RTCSaved {
    bool host_clock;
    uint8_t cmos[CMOS_SIZE];
    uint8_t index;
    int64_t base_s;
    int64_t start_s;
    int64_t phase_ns;
    int64_t last_tick;
    int64_t last_second;
} RTCSaved;

struct RTCState {
    ISADevice parent_obj;

    int32_t base_year;

    MachineState *machine; /* NULL in tests */
    RtcOptions options;
    IORegion io;
    qemu_irq irq;
    QEMUTimer *timer;

    uint8_t cmos[CMOS_SIZE]; /* memory; of registers 0-9 only the alarms and,
                                while B_SET is on, the time */
    uint8_t index;
    int64_t base_s;      /* guest's clock minus the reference clock, s */
    int64_t start_s;     /* base_s as -rtc gave it */
    int64_t phase_ns;    /* when in a second of the reference clock an update
                            falls, 0 .. 1e9 - 1 */
    int64_t last_tick;   /* number of the last periodic tick seen */
    int64_t last_second; /* last update seen, seconds of the guest's clock */

    RTCSaved saved;
};

/* -- time ---------------------------------------------------------------------- */

static QEMUClockType reference_clock(const RTCState *s)
{
    return s->options.host_clock ? QEMU_CLOCK_HOST : QEMU_CLOCK_VIRTUAL;
}

static int64_t reference_ns(const RTCState *s)
{
    return qemu_clock_get_ns(reference_clock(s));
}

/* Division that rounds down for times before 1970 as well. */
static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int64_t guest_seconds_at(const RTCState *s, int64_t ns)
{
    return floor_div(ns - s->phase_ns, NS_PER_S) + s->base_s;
}

static int64_t guest_seconds(const RTCState *s)
{
    return guest_seconds_at(s, reference_ns(s));
}

static bool clock_runs(const RTCState *s)
{
    return !(s->cmos[RTC_B] & B_SET) &&
           (s->cmos[RTC_A] & A_DIVIDER) <= DIVIDER_MAX_RUNNING;
}

static uint8_t encode(const RTCState *s, unsigned v)
{
    return (uint8_t)((s->cmos[RTC_B] & B_BINARY) ? v : (v / 10) << 4 | v % 10);
}

static unsigned decode(const RTCState *s, uint8_t v)
{
    return (s->cmos[RTC_B] & B_BINARY) ? v : (v >> 4) * 10u + (v & 15);
}

static uint8_t encode_hour(const RTCState *s, unsigned hour)
{
    unsigned h12 = hour % 12 ? hour % 12 : 12;

    if (s->cmos[RTC_B] & B_24H) {
        return encode(s, hour);
    }
    return (uint8_t)(encode(s, h12) | (hour >= 12 ? HOUR_PM : 0));
}

static unsigned decode_hour(const RTCState *s, uint8_t v)
{
    unsigned hour;

    if (s->cmos[RTC_B] & B_24H) {
        return decode(s, v);
    }
    hour = decode(s, v & (uint8_t)~HOUR_PM) % 12;
    return v & HOUR_PM ? hour + 12 : hour;
}

static void store_time(RTCState *s, int64_t seconds)
{
    time_t t = (time_t)seconds;
    struct tm tm;

    gmtime_r(&t, &tm);
    s->cmos[RTC_SECONDS] = encode(s, (unsigned)tm.tm_sec);
    s->cmos[RTC_MINUTES] = encode(s, (unsigned)tm.tm_min);
    s->cmos[RTC_HOURS] = encode_hour(s, (unsigned)tm.tm_hour);
    s->cmos[RTC_WEEKDAY] = encode(s, (unsigned)tm.tm_wday + 1);
    s->cmos[RTC_DAY] = encode(s, (unsigned)tm.tm_mday);
    s->cmos[RTC_MONTH] = encode(s, (unsigned)tm.tm_mon + 1);
    s->cmos[RTC_YEAR] =
        encode(s, (unsigned)(tm.tm_year + 1900 - s->base_year) % 100);
    s->cmos[RTC_CENTURY] =
        encode(s, (unsigned)(tm.tm_year + 1900 - s->base_year) / 100);
}

/* The time in the registers; what makes no sense is made to (mktimegm()). */
static int64_t load_time(const RTCState *s)
{
    struct tm tm = {
        .tm_sec = (int)decode(s, s->cmos[RTC_SECONDS]),
        .tm_min = (int)decode(s, s->cmos[RTC_MINUTES]),
        .tm_hour = (int)decode_hour(s, s->cmos[RTC_HOURS]),
        .tm_mday = (int)decode(s, s->cmos[RTC_DAY]),
        .tm_mon = (int)decode(s, s->cmos[RTC_MONTH]) - 1,
        .tm_year = (int)decode(s, s->cmos[RTC_YEAR]) +
                   (int)decode(s, s->cmos[RTC_CENTURY]) * 100 + s->base_year -
                   1900,
    };

    return mktimegm(&tm);
}

/* The registers were written: they are the guest's time from now on. */
static void take_written_time(RTCState *s)
{
    int64_t now = reference_ns(s);

    s->base_s = load_time(s) - floor_div(now - s->phase_ns, NS_PER_S);
    s->last_second = guest_seconds_at(s, now);
    trace_rtc_set(s->base_s - s->start_s);
    if (s->machine) {
        g_autofree char *path = object_get_canonical_path(OBJECT(s));
        s->machine->host->rtc_change(s->machine->host_opaque,
                                     s->base_s - s->start_s, path);
    }
}

/* -- interrupts ------------------------------------------------------------------- */

/* Ticks of 32768 Hz between periodic interrupts; 0 = off. */
static int64_t periodic_ticks(const RTCState *s)
{
    unsigned rate = s->cmos[RTC_A] & A_RATE;

    if (rate == 0 || (s->cmos[RTC_A] & A_DIVIDER) > DIVIDER_MAX_RUNNING) {
        return 0;
    }
    /* With the usual crystal, 1 and 2 are as 8 and 9. */
    if (rate <= 2) {
        rate += 7;
    }
    return 1ll << (rate - 1);
}

static int64_t tick_now(const RTCState *s)
{
    int64_t period = periodic_ticks(s);
    int64_t ns = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
    int64_t ticks =
        ns / NS_PER_S * CRYSTAL_HZ + ns % NS_PER_S * CRYSTAL_HZ / NS_PER_S;

    return period ? ticks / period : 0;
}

static void update_irq(RTCState *s)
{
    uint8_t pending =
        s->cmos[RTC_C] & s->cmos[RTC_B] & (B_PERIODIC | B_ALARM | B_UPDATE);

    if (pending) {
        s->cmos[RTC_C] |= C_IRQ;
    }
    qemu_set_irq(s->irq, pending != 0);
}

static bool alarm_field(uint8_t alarm, uint8_t now)
{
    return alarm >= ALARM_ANY || alarm == now;
}

/* Is the alarm due in the second that the registers show? */
static bool alarm_matches(const RTCState *s)
{
    return alarm_field(s->cmos[RTC_SECONDS_ALARM], s->cmos[RTC_SECONDS]) &&
           alarm_field(s->cmos[RTC_MINUTES_ALARM], s->cmos[RTC_MINUTES]) &&
           alarm_field(s->cmos[RTC_HOURS_ALARM], s->cmos[RTC_HOURS]);
}

/* Longest gap (of a stopped guest) that is searched for an alarm. */
#define ALARM_SEARCH_S 86400

static void advance_seconds(RTCState *s)
{
    int64_t now = guest_seconds(s);

    if (!clock_runs(s) || now == s->last_second) {
        return;
    }
    if (now < s->last_second || now - s->last_second > ALARM_SEARCH_S) {
        s->last_second = now - 1;
    }
    s->cmos[RTC_C] |= C_UPDATE;
    while (s->last_second < now && !(s->cmos[RTC_C] & C_ALARM)) {
        store_time(s, ++s->last_second);
        if (alarm_matches(s)) {
            s->cmos[RTC_C] |= C_ALARM;
        }
    }
    s->last_second = now;
    store_time(s, now);
}

static void advance_ticks(RTCState *s)
{
    int64_t now = tick_now(s);

    if (periodic_ticks(s) && now != s->last_tick) {
        s->last_tick = now;
        s->cmos[RTC_C] |= C_PERIODIC;
    }
}

static void arm_timer(RTCState *s)
{
    uint8_t b = s->cmos[RTC_B];
    int64_t period = periodic_ticks(s);
    int64_t now = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
    int64_t next = INT64_MAX;

    if ((b & B_PERIODIC) && period) {
        int64_t ticks = (s->last_tick + 1) * period;
        next = ticks / CRYSTAL_HZ * NS_PER_S +
               DIV_ROUND_UP(ticks % CRYSTAL_HZ * NS_PER_S, CRYSTAL_HZ);
    }
    if ((b & (B_ALARM | B_UPDATE)) && clock_runs(s)) {
        int64_t into = reference_ns(s) - s->phase_ns;
        int64_t left = NS_PER_S - (into - floor_div(into, NS_PER_S) * NS_PER_S);
        next = MIN(next, now + left);
    }
    if (next == INT64_MAX) {
        timer_del(s->timer);
    } else {
        timer_mod(s->timer, MAX(next, now));
    }
}

/* Bring everything up to now. */
static void rtc_advance(RTCState *s)
{
    advance_seconds(s);
    advance_ticks(s);
    update_irq(s);
}

static void rtc_timer(void *opaque)
{
    RTCState *s = opaque;

    MACHINE_LOCK_GUARD();
    rtc_advance(s);
    arm_timer(s);
}

/* -- registers ---------------------------------------------------------------------- */

static bool is_time_register(uint8_t index)
{
    return index == RTC_SECONDS || index == RTC_MINUTES || index == RTC_HOURS ||
           (index >= RTC_WEEKDAY && index <= RTC_YEAR) || index == RTC_CENTURY;
}

static bool update_in_progress(const RTCState *s)
{
    int64_t into = reference_ns(s) - s->phase_ns;

    return clock_runs(s) &&
           NS_PER_S - (into - floor_div(into, NS_PER_S) * NS_PER_S) < UIP_NS;
}

static uint8_t rtc_read(RTCState *s)
{
    uint8_t value;

    rtc_advance(s);
    switch (s->index) {
    case RTC_A:
        return s->cmos[RTC_A] | (update_in_progress(s) ? A_UPDATING : 0);
    case RTC_C:
        value = s->cmos[RTC_C];
        s->cmos[RTC_C] = 0;
        qemu_irq_lower(s->irq);
        arm_timer(s);
        return value;
    case RTC_D:
        return D_VALID;
    default:
        return s->cmos[s->index];
    }
}

static void write_a(RTCState *s, uint8_t value)
{
    bool ran = clock_runs(s);
    bool runs;

    s->cmos[RTC_A] = value & (uint8_t)~A_UPDATING;
    s->last_tick = tick_now(s);
    runs = clock_runs(s);
    if (!ran && runs) {
        /* The first update comes half a second after the divider starts. */
        s->phase_ns = (reference_ns(s) + NS_PER_S / 2) % NS_PER_S;
        take_written_time(s);
    }
}

static void write_b(RTCState *s, uint8_t value)
{
    bool ran = clock_runs(s);
    bool runs;

    if (value & B_SET) {
        value &= (uint8_t)~B_UPDATE; /* data sheet: SET clears UIE */
    }
    s->cmos[RTC_B] = value;
    s->last_tick = tick_now(s);
    runs = clock_runs(s);
    if (!ran && runs) {
        take_written_time(s);
    }
    if (runs) {
        /* Mode bits may have changed how the same time is shown, and the day
         * of the week follows from the date. */
        store_time(s, guest_seconds(s));
    }
}

static void rtc_write(RTCState *s, uint8_t value)
{
    rtc_advance(s);
    switch (s->index) {
    case RTC_A:
        write_a(s, value);
        break;
    case RTC_B:
        write_b(s, value);
        break;
    case RTC_C:
    case RTC_D:
        return;
    default:
        s->cmos[s->index] = value;
        if (is_time_register(s->index) && clock_runs(s)) {
            take_written_time(s);
        }
        break;
    }
    update_irq(s);
    arm_timer(s);
}

static uint64_t rtc_ioport_read(void *opaque, uint64_t offset, unsigned size)
{
    return offset == 0 ? 0xff : rtc_read(opaque);
}

static void rtc_ioport_write(void *opaque, uint64_t offset, uint64_t value,
                             unsigned size)
{
    RTCState *s = opaque;

    if (offset == 0) {
        s->index = (uint8_t)value & (CMOS_SIZE - 1); /* bit 7 masks NMI */
    } else {
        rtc_write(s, (uint8_t)value);
    }
}

static const IORegionOps rtc_ops = { rtc_ioport_read, rtc_ioport_write, 1 };

/* -- device ------------------------------------------------------------------------------ */

static void set_le(RTCState *s, unsigned at, unsigned bytes, uint64_t value)
{
    for (unsigned i = 0; i < bytes; i++) {
        s->cmos[at + i] = (uint8_t)(value >> (8 * i));
    }
}

void mc146818rtc_set_machine(DeviceState *dev, MachineState *machine,
                             uint64_t low_ram, uint64_t high_ram, unsigned cpus)
{
    RTCState *s = MC146818_RTC(dev);
    uint64_t ext_kib = low_ram > MIB ? (low_ram - MIB) / 1024 : 0;
    uint64_t above_16m = low_ram > 16 * MIB ? (low_ram - 16 * MIB) / 65536 : 0;

    s->machine = machine;
    if (machine) {
        s->options = machine->rtc;
    }
    set_le(s, CMOS_BASE_KIB, 2, BASE_KIB);
    set_le(s, CMOS_EXT_KIB, 2, MIN(ext_kib, 65535u));
    set_le(s, CMOS_EXT2_KIB, 2, MIN(ext_kib, 65535u));
    set_le(s, CMOS_16M_64KIB, 2, MIN(above_16m, 65535u));
    set_le(s, CMOS_HIGH_64KIB, 3, high_ram / 65536);
    s->cmos[CMOS_CPUS] = (uint8_t)(cpus - 1);
    s->cmos[CMOS_EQUIPMENT] = EQUIPMENT_FPU;
}

void mc146818rtc_set_memory(DeviceState *dev, uint8_t index, uint8_t value)
{
    assert(index > RTC_D && index < CMOS_SIZE);
    MC146818_RTC(dev)->cmos[index] = value;
}

/* Where the guest's clock is to begin, in seconds as if it were UTC. */
static int64_t start_time(const RTCState *s)
{
    time_t now = (time_t)(get_clock_realtime() / NS_PER_S);
    struct tm tm;

    switch (s->options.base) {
    case RTC_BASE_DATE:
        return s->options.date_s;
    case RTC_BASE_LOCALTIME:
        localtime_r(&now, &tm);
        return mktimegm(&tm);
    case RTC_BASE_UTC:
        break;
    }
    return now;
}

static bool rtc_realize(DeviceState *dev, Error **errp)
{
    RTCState *s = MC146818_RTC(dev);

    if (!isa_get_irq(s, RTC_IRQ, &s->irq, errp)) {
        return false;
    }
    s->base_s = start_time(s) - floor_div(reference_ns(s), NS_PER_S);
    s->start_s = s->base_s;
    s->cmos[RTC_A] = A_32768HZ | 6; /* as a PC's firmware leaves it: 1024 Hz */
    s->cmos[RTC_B] = B_24H;
    s->last_second = guest_seconds(s);
    store_time(s, s->last_second);
    s->timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, rtc_timer, s);
    io_region_init(&s->io, "rtc", 2, &rtc_ops, s);
    if (!io_space_add(isa_bus_of(dev)->ports, &s->io, RTC_PORT, errp)) {
        timer_free(s->timer);
        s->timer = NULL;
        return false;
    }
    return true;
}

static void rtc_unrealize(DeviceState *dev)
{
    RTCState *s = MC146818_RTC(dev);

    io_space_remove(&s->io);
    timer_free(s->timer);
    s->timer = NULL;
}

static void rtc_reset(DeviceState *dev)
{
    RTCState *s = MC146818_RTC(dev);

    /* The RESET pin clears the enables and flags; time and memory stay. */
    s->cmos[RTC_B] &= (uint8_t) ~(B_PERIODIC | B_ALARM | B_UPDATE);
    s->cmos[RTC_C] = 0;
    s->index = 0;
    qemu_irq_lower(s->irq);
    arm_timer(s);
}

/* -- state for another host -------------------------------------------------------------- */

#define SECONDS_MAX (1ll << 40)
#define TICKS_MAX   (1ll << 46) /* as old as a guest can be */

static int rtc_pre_save(void *opaque)
{
    RTCState *s = opaque;

    s->saved = (RTCSaved){ .host_clock = s->options.host_clock,
                           .index = s->index,
                           .base_s = s->base_s,
                           .start_s = s->start_s,
                           .phase_ns = s->phase_ns,
                           .last_tick = s->last_tick,
                           .last_second = s->last_second };
    memcpy(s->saved.cmos, s->cmos, CMOS_SIZE);
    return 0;
}

static bool in_era(int64_t seconds)
{
    return seconds >= -SECONDS_MAX && seconds <= SECONDS_MAX;
}

static bool saved_valid(const RTCSaved *v)
{
    return v->index < CMOS_SIZE && v->phase_ns >= 0 && v->phase_ns < NS_PER_S &&
           in_era(v->base_s) && in_era(v->start_s) && in_era(v->last_second) &&
           v->last_tick >= 0 && v->last_tick <= TICKS_MAX;
}

static void take_saved(RTCState *s)
{
    const RTCSaved *v = &s->saved;

    memcpy(s->cmos, v->cmos, CMOS_SIZE);
    s->index = v->index;
    s->base_s = v->base_s;
    s->start_s = v->start_s;
    s->phase_ns = v->phase_ns;
    s->last_second = v->last_second;
    s->last_tick = MIN(v->last_tick, tick_now(s));
}

/* With clock=host the guest's clock keeps its distance to the host's, whose
 * clocks are taken to agree; with clock=vm it goes on as the guest does. */
static bool rtc_post_load(void *opaque, int version_id, Error **errp)
{
    RTCState *s = opaque;
    const RTCSaved *v = &s->saved;

    if (v->host_clock != s->options.host_clock) {
        error_setg(errp, "the source has -rtc clock=%s",
                   v->host_clock ? "host" : "vm");
        return false;
    }
    if (!saved_valid(v)) {
        error_setg(errp,
                   "clock: register %u, %" PRId64 " s from the host's, phase "
                   "%" PRId64 " ns, tick %" PRId64,
                   v->index, v->base_s, v->phase_ns, v->last_tick);
        return false;
    }
    take_saved(s);
    update_irq(s);
    arm_timer(s);
    return true;
}

static const VMStateDescription vmstate_rtc = {
    .name = "mc146818rtc",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = rtc_pre_save,
    .post_load_errp = rtc_post_load,
    .fields =
        (const VMStateField[]){ VMSTATE_BOOL(saved.host_clock, RTCState),
                                VMSTATE_BUFFER(saved.cmos, RTCState),
                                VMSTATE_UINT8(saved.index, RTCState),
                                VMSTATE_INT64(saved.base_s, RTCState),
                                VMSTATE_INT64(saved.start_s, RTCState),
                                VMSTATE_INT64(saved.phase_ns, RTCState),
                                VMSTATE_INT64(saved.last_tick, RTCState),
                                VMSTATE_INT64(saved.last_second, RTCState),
                                VMSTATE_END_OF_LIST() },
};

static void rtc_get_date(Object *obj, struct tm *tm, Error **errp)
{
    time_t t;

    MACHINE_LOCK_GUARD();
    t = (time_t)guest_seconds(MC146818_RTC(obj));
    gmtime_r(&t, tm);
}

static const Property rtc_props[] = {
    { "base_year", PROP_INT32, offsetof(RTCState, base_year), .def = "0",
      .help = "year that the registers count from", .since = "0.1" },
    {},
};

static void rtc_instance_init(Object *obj)
{
    MC146818_RTC(obj)->options.host_clock = true;
}

static void rtc_class_init(ObjectClass *oc, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);

    dc->realize = rtc_realize;
    dc->unrealize = rtc_unrealize;
    dc->reset = rtc_reset;
    dc->vmsd = &vmstate_rtc;
    dc->user_creatable = false;
    object_class_property_add_tm(oc, "date", rtc_get_date);
}

extern const TypeInfo hw_type_mc146818rtc;
const TypeInfo hw_type_mc146818rtc = {
    .name = TYPE_MC146818_RTC,
    .parent = TYPE_ISA_DEVICE,
    .instance_size = sizeof(RTCState),
    .instance_init = rtc_instance_init,
    .class_init = rtc_class_init,
    .props = rtc_props,
};
