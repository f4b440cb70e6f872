/*
 * Intel 82093AA I/O APIC, with the EOI register of its successors (version
 * 20h).
 *
 * Each pin has a redirection entry. An edge pin sends its message at the
 * rising edge, unless it is masked: then the edge is lost, as the data sheet
 * has it. A level pin sends while its line is asserted and no earlier message
 * is in service (remote IRR); the end of interrupt, broadcast by a local APIC
 * or written to the EOI register, lets it send again.
 *
 * Lines carry "asserted", not a voltage: the polarity bit is kept for software
 * that reads it back and has no other effect, since each device asserts with
 * the polarity that the board's tables tell.
 *
 * Sources: Intel 82093AA data sheet (290566); Intel ICH data sheets for the
 * EOI register.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/intc/ioapic.h"

#include "hw/intc/irqchip.h"
#include "migration/vmstate.h"
#include "qom/property.h"
#include "trace/trace-hw.h"
#include "util/error.h"
#include "util/lockable.h"

#define IOAPIC_BYTES   0x1000u
#define IOAPIC_VERSION 0x20u
#define REG_SELECT     0x00u
#define REG_WINDOW     0x10u
#define REG_EOI        0x40u
#define INDEX_ID       0x00u
#define INDEX_VERSION  0x01u
#define INDEX_ARB      0x02u
#define INDEX_TABLE    0x10u
#define ID_MASK        0x0f000000u

#define ENTRY_VECTOR     0xffull
#define ENTRY_MODE       0x700ull
#define ENTRY_LOGICAL    (1ull << 11)
#define ENTRY_PENDING    (1ull << 12)
#define ENTRY_POLARITY   (1ull << 13)
#define ENTRY_REMOTE_IRR (1ull << 14)
#define ENTRY_LEVEL      (1ull << 15)
#define ENTRY_MASKED     (1ull << 16)
#define ENTRY_DEST       (0xffull << 56)
#define ENTRY_DEST_SHIFT 56
#define ENTRY_READ_ONLY  (ENTRY_PENDING | ENTRY_REMOTE_IRR)
#define ENTRY_WRITABLE                                                         \
    (ENTRY_VECTOR | ENTRY_MODE | ENTRY_LOGICAL | ENTRY_POLARITY |              \
     ENTRY_LEVEL | ENTRY_MASKED | ENTRY_DEST)

#define MSI_DEST_SHIFT 12
#define MSI_LOGICAL    0x04u
#define MSI_ASSERT     0x4000u

struct IOAPICState {
    DeviceState parent_obj;

    const IOAPICOps *ops;
    void *opaque;
    IOSpace *space;
    IORegion io;

    QemuMutex lock; /* guards the following */
    uint32_t id;
    uint8_t select;
    uint32_t lines; /* asserted pins */
    uint64_t entry[IOAPIC_PINS];
};

/* -- messages -------------------------------------------------------------------- */

static uint64_t message_addr(uint64_t entry)
{
    return MSI_ADDRESS_BASE |
           (uint32_t)(entry >> ENTRY_DEST_SHIFT) << MSI_DEST_SHIFT |
           (entry & ENTRY_LOGICAL ? MSI_LOGICAL : 0);
}

static uint32_t message_data(uint64_t entry)
{
    return (uint32_t)(entry & (ENTRY_VECTOR | ENTRY_MODE | ENTRY_LEVEL)) |
           MSI_ASSERT;
}

/* Fixed and lowest priority have an end of interrupt to wait for. */
static bool has_end(uint64_t entry)
{
    return (entry & ENTRY_MODE) <= 0x100;
}

static void send(IOAPICState *s, unsigned pin)
{
    uint64_t entry = s->entry[pin];

    if ((entry & ENTRY_LEVEL) && has_end(entry)) {
        s->entry[pin] |= ENTRY_REMOTE_IRR;
    }
    trace_ioapic_send(pin, entry);
    s->ops->send(s->opaque, message_addr(entry), message_data(entry));
}

/* A level pin asks if it may. */
static void service_level(IOAPICState *s, unsigned pin)
{
    uint64_t entry = s->entry[pin];

    if ((s->lines >> pin & 1) && (entry & ENTRY_LEVEL) &&
        !(entry & (ENTRY_MASKED | ENTRY_REMOTE_IRR))) {
        send(s, pin);
    }
}

void ioapic_set_irq(IOAPICState *s, unsigned pin, bool level)
{
    uint32_t bit = 1u << pin;
    QEMU_LOCK_GUARD(&s->lock);
    bool rises = level && !(s->lines & bit);

    s->lines = level ? s->lines | bit : s->lines & ~bit;
    if (s->entry[pin] & ENTRY_LEVEL) {
        if (rises) {
            service_level(s, pin);
        }
    } else if (rises && !(s->entry[pin] & ENTRY_MASKED)) {
        send(s, pin);
    }
}

void ioapic_eoi(IOAPICState *s, uint8_t vector)
{
    QEMU_LOCK_GUARD(&s->lock);

    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        if ((s->entry[pin] & ENTRY_REMOTE_IRR) &&
            (s->entry[pin] & ENTRY_VECTOR) == vector) {
            s->entry[pin] &= ~ENTRY_REMOTE_IRR;
            service_level(s, pin);
        }
    }
}

static void report_route(IOAPICState *s, unsigned pin)
{
    uint64_t entry = s->entry[pin];

    if (s->ops->route) {
        s->ops->route(s->opaque, pin, message_addr(entry), message_data(entry),
                      entry & ENTRY_LEVEL, entry & ENTRY_MASKED);
    }
}

/* -- registers ----------------------------------------------------------------------- */

static void write_entry(IOAPICState *s, unsigned pin, bool high, uint32_t value)
{
    uint64_t old = s->entry[pin];
    uint64_t entry = high ? (uint64_t)value << 32 | (uint32_t)old
                          : (old & 0xffffffff00000000ull) | value;

    entry = (entry & ENTRY_WRITABLE) | (old & ENTRY_READ_ONLY);
    if (!(entry & ENTRY_LEVEL)) {
        /* Software without an EOI register makes a pin an edge one and level
         * again to end what is in service. */
        entry &= ~ENTRY_REMOTE_IRR;
    }
    s->entry[pin] = entry;
    trace_ioapic_entry(pin, entry);
    if (entry != old) {
        report_route(s, pin);
    }
    service_level(s, pin);
}

static uint32_t read_indexed(const IOAPICState *s)
{
    unsigned n = s->select - INDEX_TABLE;

    switch (s->select) {
    case INDEX_ID:
    case INDEX_ARB:
        return s->id;
    case INDEX_VERSION:
        return IOAPIC_VERSION | (IOAPIC_PINS - 1) << 16;
    default:
        return n < 2 * IOAPIC_PINS
                   ? (uint32_t)(s->entry[n / 2] >> (n % 2 ? 32 : 0))
                   : 0;
    }
}

static void write_indexed(IOAPICState *s, uint32_t value)
{
    unsigned n = s->select - INDEX_TABLE;

    if (s->select == INDEX_ID) {
        s->id = value & ID_MASK;
    } else if (s->select >= INDEX_TABLE && n < 2 * IOAPIC_PINS) {
        write_entry(s, n / 2, n % 2, value);
    }
}

static uint64_t ioapic_read(void *opaque, uint64_t offset, unsigned size)
{
    IOAPICState *s = opaque;
    QEMU_LOCK_GUARD(&s->lock);

    switch (offset & ~3ull) {
    case REG_SELECT:
        return offset == REG_SELECT ? s->select : 0;
    case REG_WINDOW:
        return read_indexed(s) >> (offset & 3) * 8;
    default:
        return 0;
    }
}

static void ioapic_write(void *opaque, uint64_t offset, uint64_t value,
                         unsigned size)
{
    IOAPICState *s = opaque;

    if (offset == REG_EOI) {
        ioapic_eoi(s, (uint8_t)value);
        return;
    }
    WITH_QEMU_LOCK_GUARD(&s->lock)
    {
        if (offset == REG_SELECT) {
            s->select = (uint8_t)value;
        } else if (offset == REG_WINDOW && size == 4) {
            write_indexed(s, (uint32_t)value);
        }
    }
}

static const IORegionOps ioapic_region_ops = { ioapic_read, ioapic_write, 4 };

void ioapic_describe(IOAPICState *s, GString *out)
{
    static const char *const modes[] = { "fixed", "lowest", "SMI",  "reserved",
                                         "NMI",   "INIT",   "SIPI", "ExtINT" };
    QEMU_LOCK_GUARD(&s->lock);

    g_string_append_printf(out, "ioapic: id=0x%02x select=0x%02x\n",
                           s->id >> 24, s->select);
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        uint64_t e = s->entry[pin];

        g_string_append_printf(out,
                               "  pin %-2u 0x%016" PRIx64
                               " dest=%u %s vector=0x%02x %s %s-level "
                               "%s%s%s%s\n",
                               pin, e, (unsigned)(e >> ENTRY_DEST_SHIFT),
                               e & ENTRY_LOGICAL ? "logical" : "physical",
                               (unsigned)(e & ENTRY_VECTOR),
                               modes[(e & ENTRY_MODE) >> 8],
                               e & ENTRY_POLARITY ? "low" : "high",
                               e & ENTRY_LEVEL ? "level" : "edge",
                               e & ENTRY_MASKED ? " masked" : "",
                               e & ENTRY_REMOTE_IRR ? " in-service" : "",
                               s->lines >> pin & 1 ? " asserted" : "");
    }
}

/* -- state for another host ------------------------------------------------------------- */

static bool entry_valid(uint64_t entry)
{
    return !(entry & ~(ENTRY_WRITABLE | ENTRY_READ_ONLY)) &&
           !((entry & ENTRY_REMOTE_IRR) && !(entry & ENTRY_LEVEL));
}

/* Nothing is sent: what was to be sent is in the local APICs. */
static bool ioapic_post_load(void *opaque, int version_id, Error **errp)
{
    IOAPICState *s = opaque;
    QEMU_LOCK_GUARD(&s->lock);

    if ((s->id & ~ID_MASK) || s->lines >> IOAPIC_PINS) {
        error_setg(errp, "IOAPIC: id 0x%x, levels 0x%x", s->id, s->lines);
        return false;
    }
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        if (!entry_valid(s->entry[pin])) {
            error_setg(errp, "IOAPIC: entry %u is 0x%" PRIx64, pin,
                       s->entry[pin]);
            return false;
        }
    }
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        report_route(s, pin);
    }
    return true;
}

static const VMStateDescription vmstate_ioapic = {
    .name = "ioapic",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load_errp = ioapic_post_load,
    .fields =
        (const VMStateField[]){
            VMSTATE_UINT32(id, IOAPICState), VMSTATE_UINT8(select, IOAPICState),
            VMSTATE_UINT32(lines, IOAPICState),
            VMSTATE_UINT64_ARRAY(entry, IOAPICState, IOAPIC_PINS),
            VMSTATE_END_OF_LIST() },
};

/* -- class ------------------------------------------------------------------------------ */

IOAPICState *ioapic_new(IOSpace *space, const IOAPICOps *ops, void *opaque,
                        Error **errp)
{
    DeviceState *dev = qdev_new(TYPE_IOAPIC);
    IOAPICState *s = IOAPIC(dev);

    s->ops = ops;
    s->opaque = opaque;
    s->space = space;
    if (!qdev_realize(dev, NULL, errp)) {
        object_unref(OBJECT(dev));
        return NULL;
    }
    return s;
}

static void ioapic_reset(DeviceState *dev)
{
    IOAPICState *s = IOAPIC(dev);
    QEMU_LOCK_GUARD(&s->lock);

    s->id = 0;
    s->select = 0;
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        s->entry[pin] = ENTRY_MASKED;
        report_route(s, pin);
    }
}

static bool ioapic_realize(DeviceState *dev, Error **errp)
{
    IOAPICState *s = IOAPIC(dev);

    if (!s->ops) {
        error_setg(errp, "an I/O APIC is made by its machine only");
        return false;
    }
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        s->entry[pin] = ENTRY_MASKED;
    }
    io_region_init(&s->io, "ioapic", IOAPIC_BYTES, &ioapic_region_ops, s);
    return io_space_add(s->space, &s->io, IOAPIC_ADDRESS, errp);
}

static void ioapic_unrealize(DeviceState *dev)
{
    io_space_remove(&IOAPIC(dev)->io);
}

static void ioapic_instance_init(Object *obj)
{
    qemu_mutex_init(&IOAPIC(obj)->lock);
}

static void ioapic_instance_finalize(Object *obj)
{
    qemu_mutex_destroy(&IOAPIC(obj)->lock);
}

static void ioapic_class_init(ObjectClass *oc, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);

    dc->desc = "I/O interrupt controller";
    dc->user_creatable = false;
    dc->hotpluggable = false;
    dc->realize = ioapic_realize;
    dc->unrealize = ioapic_unrealize;
    dc->reset = ioapic_reset;
    dc->vmsd = &vmstate_ioapic;
}

extern const TypeInfo hw_type_ioapic;
const TypeInfo hw_type_ioapic = {
    .name = TYPE_IOAPIC,
    .parent = TYPE_DEVICE,
    .instance_size = sizeof(IOAPICState),
    .instance_init = ioapic_instance_init,
    .instance_finalize = ioapic_instance_finalize,
    .class_init = ioapic_class_init,
};
