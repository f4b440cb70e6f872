/*
 * What goes between APICs: who is meant by a destination, arbitration of
 * lowest priority, interprocessor interrupts and messages of devices.
 *
 * A sender reads the ids and modes of the others without their locks: software
 * does not change them while interrupts are on their way. It holds no lock
 * while it sends and takes the lock of one receiver after the other.
 *
 * Source: Intel SDM volume 3A 10.6 (interprocessor interrupts), 10.11
 * (message signalled interrupts), 10.12 (x2APIC).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/intc/apic.h"
#include "trace/trace-hw.h"

#include "apic-internal.h"

#define MSI_ADDRESS      0xfee00000u
#define MSI_ADDRESS_BITS 0x000fffffu
#define MSI_DEST_SHIFT   12
#define MSI_DEST_LOGICAL 0x04u
#define MSI_REDIRECT     0x08u
#define MSI_DATA_LEVEL   0x8000u

#define ICR_LOGICAL         0x00000800u
#define ICR_ASSERT          0x00004000u
#define ICR_LEVEL           0x00008000u
#define ICR_SHORTHAND_SHIFT 18

enum {
    SHORTHAND_NONE,
    SHORTHAND_SELF,
    SHORTHAND_ALL,
    SHORTHAND_OTHERS,
};

struct APICBus {
    const APICBusOps *ops;
    void *opaque;
    GPtrArray *by_cpu;  /* APICState, borrowed, by CPU index; NULL: none */
    GPtrArray *by_id;   /* by APIC id, as far as ids are dense; NULL: none */
    unsigned next_turn; /* atomic: whose turn it is among equals */
};

/* Ids over this are found by looking at every APIC. */
#define DENSE_IDS 4096u

APICBus *apic_bus_new(const APICBusOps *ops, void *opaque)
{
    APICBus *bus = g_new0(APICBus, 1);

    bus->ops = ops;
    bus->opaque = opaque;
    bus->by_cpu = g_ptr_array_new();
    bus->by_id = g_ptr_array_new();
    return bus;
}

void apic_bus_free(APICBus *bus)
{
    if (bus) {
        g_ptr_array_unref(bus->by_cpu);
        g_ptr_array_unref(bus->by_id);
        g_free(bus);
    }
}

static void put_at(GPtrArray *array, unsigned index, APICState *s)
{
    if (array->len <= index) {
        g_ptr_array_set_size(array, (int)index + 1);
    }
    array->pdata[index] = s;
}

void apic_bus_add(APICBus *bus, APICState *s)
{
    put_at(bus->by_cpu, s->vcpu->index, s);
    if (s->id < DENSE_IDS) {
        put_at(bus->by_id, s->id, s);
    }
}

static void take_out(GPtrArray *array, const APICState *s)
{
    for (guint i = 0; i < array->len; i++) {
        if (array->pdata[i] == s) {
            array->pdata[i] = NULL;
        }
    }
}

void apic_bus_remove(APICBus *bus, APICState *s)
{
    take_out(bus->by_cpu, s);
    take_out(bus->by_id, s);
}

const APICBusOps *apic_bus_ops(const APICBus *bus, void **ret_opaque)
{
    if (ret_opaque) {
        *ret_opaque = bus->opaque;
    }
    return bus->ops;
}

APICState *apic_of_cpu(const APICBus *bus, unsigned cpu)
{
    return cpu < bus->by_cpu->len ? bus->by_cpu->pdata[cpu] : NULL;
}

/* -- destinations -------------------------------------------------------------- */

static bool is_broadcast(const APICMessage *m)
{
    return m->dest == (m->wide ? APIC_DEST_ALL32 : APIC_DEST_ALL8);
}

static bool matches_physical(const APICState *s, uint32_t dest)
{
    return apic_is_x2apic(s) ? s->id == dest
                             : qatomic_read(&s->xapic_id) >> 24 == dest;
}

static bool matches_logical(const APICState *s, uint32_t dest)
{
    uint32_t id = apic_logical_id(s);

    if (apic_is_x2apic(s)) {
        return id >> 16 == dest >> 16 && (id & dest & 0xffff);
    }
    id >>= 24;
    if (dest > APIC_DEST_ALL8) {
        return false;
    }
    if (qatomic_read(&s->dfr) >> 28 == APIC_DFR_FLAT) {
        return id & dest;
    }
    return id >> 4 == dest >> 4 && (id & dest & 0xf);
}

static bool matches(const APICState *s, const APICMessage *m)
{
    if (!apic_is_enabled(s)) {
        return false;
    }
    if (is_broadcast(m)) {
        return true;
    }
    return m->logical ? matches_logical(s, m->dest)
                      : matches_physical(s, m->dest);
}

/* The one whose processor priority is lowest; equals take turns. */
static void send_to_lowest(APICBus *bus, const APICMessage *m)
{
    unsigned n = bus->by_cpu->len;
    unsigned turn = qatomic_fetch_inc(&bus->next_turn);
    APICState *best = NULL;

    for (unsigned i = 0; i < n; i++) {
        APICState *s = bus->by_cpu->pdata[(turn + i) % n];

        if (s && matches(s, m) && apic_is_software_enabled(s) &&
            (!best ||
             qatomic_read(&s->ppr) >> 4 < qatomic_read(&best->ppr) >> 4)) {
            best = s;
        }
    }
    if (best) {
        apic_receive(best, m);
    }
}

/* The usual case, one physical destination in xAPIC or x2APIC mode, without
 * looking at the others: software that gives two APICs one id, or one an id
 * that is not its own, takes the long way. */
static bool send_to_one(APICBus *bus, const APICMessage *m)
{
    APICState *s;

    if (m->logical || is_broadcast(m) || m->dest >= bus->by_id->len) {
        return false;
    }
    s = bus->by_id->pdata[m->dest];
    if (!s || !matches(s, m)) {
        return false;
    }
    apic_receive(s, m);
    return true;
}

void apic_bus_send(APICBus *bus, const APICMessage *m)
{
    trace_apic_send(m->dest, m->logical, m->mode, m->vector);
    if (m->lowest) {
        send_to_lowest(bus, m);
        return;
    }
    if (send_to_one(bus, m)) {
        return;
    }
    for (guint i = 0; i < bus->by_cpu->len; i++) {
        APICState *s = bus->by_cpu->pdata[i];

        if (s && matches(s, m)) {
            apic_receive(s, m);
        }
    }
}

/* -- messages of devices ---------------------------------------------------------- */

bool apic_bus_msi(APICBus *bus, uint64_t addr, uint32_t data)
{
    APICMessage m = {
        .dest = (uint8_t)(addr >> MSI_DEST_SHIFT),
        .logical = addr & MSI_DEST_LOGICAL,
        .mode = data >> 8 & 7,
        .vector = (uint8_t)data,
        .level = data & MSI_DATA_LEVEL,
    };

    if ((addr & ~(uint64_t)MSI_ADDRESS_BITS) != MSI_ADDRESS) {
        return false;
    }
    /* The redirection hint means something for groups only. */
    m.lowest =
        m.mode == APIC_MODE_LOWEST ||
        (m.mode == APIC_MODE_FIXED && (addr & MSI_REDIRECT) && m.logical);
    apic_bus_send(bus, &m);
    return true;
}

void apic_bus_pic_level(APICBus *bus, bool level)
{
    for (guint i = 0; i < bus->by_cpu->len; i++) {
        if (bus->by_cpu->pdata[i]) {
            apic_pic_line(bus->by_cpu->pdata[i], level);
        }
    }
}

void apic_bus_nmi(APICBus *bus)
{
    for (guint i = 0; i < bus->by_cpu->len; i++) {
        if (bus->by_cpu->pdata[i]) {
            apic_nmi_line(bus->by_cpu->pdata[i]);
        }
    }
}

/* -- interprocessor interrupts ------------------------------------------------------ */

static void send_to_all(APICState *from, const APICMessage *m, bool others)
{
    APICBus *bus = from->bus;

    for (guint i = 0; i < bus->by_cpu->len; i++) {
        APICState *s = bus->by_cpu->pdata[i];

        if (s && !(others && s == from)) {
            apic_receive(s, m);
        }
    }
}

void apic_bus_ipi(APICState *from, uint32_t icr, uint32_t dest)
{
    APICMessage m = {
        .dest = dest,
        .logical = icr & ICR_LOGICAL,
        .wide = apic_is_x2apic(from),
        .mode = icr >> 8 & 7,
        .vector = (uint8_t)icr,
    };

    m.lowest = m.mode == APIC_MODE_LOWEST;
    if (m.mode == APIC_MODE_INIT && (icr & ICR_LEVEL) && !(icr & ICR_ASSERT)) {
        return; /* INIT de-assert: a no-op since the Pentium 4 */
    }
    switch (icr >> ICR_SHORTHAND_SHIFT & 3) {
    case SHORTHAND_SELF:
        /* Only a fixed interrupt makes sense. */
        if (m.mode == APIC_MODE_FIXED) {
            apic_receive(from, &m);
        }
        break;
    case SHORTHAND_ALL:
        send_to_all(from, &m, false);
        break;
    case SHORTHAND_OTHERS:
        if (m.lowest) { /* arbitration has the sender out only by chance */
            m.mode = APIC_MODE_FIXED;
        }
        send_to_all(from, &m, true);
        break;
    default:
        apic_bus_send(from->bus, &m);
        break;
    }
}
