/*
 * Fuzz: what guests do to local APICs, the I/O APIC and the HPET, with
 * messages between them.
 *
 * Input: records of eight bytes: operation, CPU or pin, two of an offset, four
 * of a value.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/intc/apic.h"
#include "hw/intc/ioapic.h"
#include "hw/intc/irqchip.h"
#include "hw/machine-lock.h"
#include "hw/timer/hpet.h"
#include "hw/types.h"
#include "util/main-loop.h"
#include "util/timer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RECORD 8u
#define CPUS   3u

typedef struct World {
    AccelVCPU vcpu[CPUS];
    bool intr[CPUS];
    APICBus *bus;
    APICState *apic[CPUS];
    IOSpace *space;
    IOAPICState *ioapic;
    DeviceState *hpet;
} World;

static World world;

static void fake_eoi(void *opaque, uint8_t vector)
{
    ioapic_eoi(world.ioapic, vector);
}

static uint8_t fake_pic_ack(void *opaque)
{
    apic_bus_pic_level(world.bus, false);
    return 8;
}

static void fake_intr(AccelVCPU *vcpu, bool level)
{
    g_assert(world.intr[vcpu->index] != level); /* told of changes only */
    world.intr[vcpu->index] = level;
}

static void fake_signal(AccelVCPU *vcpu, AccelSignal signal, uint8_t vector)
{
    g_assert(signal <= ACCEL_SIGNAL_SIPI);
}

static int64_t fake_tsc_to_ns(AccelVCPU *vcpu, uint64_t tsc)
{
    return (int64_t)MIN(tsc, (uint64_t)INT64_MAX);
}

static const APICBusOps bus_ops = { fake_eoi, fake_pic_ack, fake_intr,
                                    fake_signal, fake_tsc_to_ns };

static void send(void *opaque, uint64_t addr, uint32_t data)
{
    apic_bus_msi(world.bus, addr, data);
}

static const IOAPICOps ioapic_ops = { .send = send };

static void line(void *opaque, unsigned gsi, bool level)
{
    if (gsi < IOAPIC_PINS) {
        ioapic_set_irq(world.ioapic, gsi, level);
    }
}

static void replace(void *opaque, bool on)
{
}

static const HPETOps hpet_ops = { line, replace, send };

static void world_init(World *w)
{
    *w = (World){ .space = io_space_new("addresses", UINT64_MAX) };
    w->bus = apic_bus_new(&bus_ops, NULL);
    for (unsigned i = 0; i < CPUS; i++) {
        w->vcpu[i] = (AccelVCPU){ .index = i, .apic_id = i * 3 };
        w->apic[i] = apic_new(w->bus, &w->vcpu[i], i == 0, i != 2);
        qdev_realize(DEVICE(w->apic[i]), NULL, &error_abort);
    }
    w->ioapic = ioapic_new(w->space, &ioapic_ops, NULL, &error_abort);
    w->hpet = hpet_new(w->space, &hpet_ops, NULL);
    qdev_realize(w->hpet, NULL, &error_abort);
}

static void drop(void *dev)
{
    qdev_unrealize(DEVICE(dev));
    object_unref(OBJECT(dev));
}

static void world_deinit(World *w)
{
    drop(w->hpet);
    drop(w->ioapic);
    for (unsigned i = 0; i < CPUS; i++) {
        drop(w->apic[i]);
    }
    apic_bus_free(w->bus);
    io_space_free(w->space);
}

static void apic_step(World *w, uint8_t op, unsigned cpu, uint16_t offset,
                      uint32_t value)
{
    APICState *s = w->apic[cpu % CPUS];
    unsigned len = 1u << (op >> 4 & 3);
    uint8_t buf[8] = { 0 };
    uint64_t v;

    memcpy(buf, &value, sizeof(value));
    switch (op & 7) {
    case 0:
    case 1:
        apic_mmio_write(s, offset & 0xff0, 4, buf);
        break;
    case 2:
        apic_mmio_write(s, offset & 0xfff, len, buf);
        break;
    case 3:
        apic_mmio_read(s, offset & 0xfff, len, buf);
        break;
    case 4:
        apic_msr_write(s, 0x800u + (offset & 0xff),
                       value | (uint64_t)(offset >> 8) << 32);
        break;
    case 5:
        apic_msr_read(s, 0x800u + (offset & 0xff), &v);
        break;
    case 6:
        g_assert(w->intr[cpu % CPUS] || apic_ack(s) == -1);
        if (w->intr[cpu % CPUS]) {
            apic_ack(s);
        }
        break;
    default:
        apic_msr_write(s, offset & 1 ? APIC_MSR_TSC_DEADLINE : APIC_MSR_BASE,
                       offset & 2 ? value : (value & 0xd00) | 0xfee00000);
        break;
    }
}

static void state_step(World *w, unsigned cpu, const uint8_t *rest)
{
    APICState *s = w->apic[cpu % CPUS];
    uint8_t page[X86_LAPIC_BYTES], again[X86_LAPIC_BYTES];

    apic_get_page(s, page);
    for (unsigned i = 0; i < 6; i++) {
        page[(rest[i] * 4u + i) % sizeof(page)] ^= rest[(i + 1) % 6];
    }
    if (apic_set_page(s, page, 0xfee00800 | (rest[0] & 4) << 8, NULL)) {
        apic_get_page(s, again);
    }
}

static void step(World *w, const uint8_t *r)
{
    uint16_t offset = (uint16_t)(r[2] | r[3] << 8);
    uint32_t value = (uint32_t)(r[4] | r[5] << 8 | r[6] << 16) | (uint32_t)r[7]
                                                                     << 24;
    uint64_t at;

    switch (r[0] & 0x88) {
    case 0x00:
        apic_step(w, r[0], r[1], offset, value);
        return;
    case 0x80:
        at = r[0] & 1 ? IOAPIC_ADDRESS + (offset & 0xfff)
                      : HPET_ADDRESS + (offset & 0x3ff);
        io_space_write(w->space, at, value, 1u << (r[0] >> 4 & 3));
        io_space_read(w->space, at, 1u << (r[0] >> 1 & 3));
        return;
    case 0x08:
        if (r[0] & 1) {
            apic_bus_msi(w->bus, MSI_ADDRESS_BASE | (offset << 4 & 0xfffff),
                         value);
        } else {
            ioapic_set_irq(w->ioapic, r[1] % IOAPIC_PINS, value & 1);
        }
        return;
    default:
        break;
    }
    switch (r[0] & 7) {
    case 0:
        cpu_set_clock(cpu_get_clock() + value);
        break;
    case 1:
        apic_bus_pic_level(w->bus, value & 1);
        break;
    case 2:
        apic_bus_nmi(w->bus);
        break;
    case 3:
        apic_init_signal(w->apic[r[1] % CPUS]);
        break;
    case 4:
        apic_set_tpr(w->apic[r[1] % CPUS], value & 15);
        break;
    case 5:
        state_step(w, r[1], r + 2);
        break;
    default:
        cpu_enable_ticks();
        qemu_clock_run_timers(QEMU_CLOCK_VIRTUAL);
        cpu_disable_ticks();
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    qemu_init_main_loop(&error_abort);
    hw_register_types();
    cpu_disable_ticks();
    cpu_set_clock(0);
    machine_lock();
    world_init(&world);
    for (; size >= RECORD; data += RECORD, size -= RECORD) {
        step(&world, data);
    }
    world_deinit(&world);
    machine_unlock();
    return 0;
}
