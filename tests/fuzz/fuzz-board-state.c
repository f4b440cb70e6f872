/*
 * Fuzz: states of interrupt controllers and timers that a peer made up, and
 * what such a device then does with a guest and with time.
 *
 * Input: u8 which device; u8 n, n * 4 bytes of steps; the rest is the state.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/intc/apic.h"
#include "hw/intc/i8259.h"
#include "hw/intc/ioapic.h"
#include "hw/intc/irqchip.h"
#include "hw/machine-lock.h"
#include "hw/timer/hpet.h"
#include "hw/timer/i8254.h"
#include "hw/timer/mc146818rtc.h"
#include "hw/types.h"
#include "tests/unit/hw/fake-isa.h"
#include "tests/unit/hw/vmstate-roundtrip.h"
#include "util/main-loop.h"
#include "util/timer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STEP_BYTES 4u

enum {
    PIC_MASTER,
    PIC_SLAVE,
    PIT,
    RTC,
    LAPIC,
    IOAPIC_DEVICE,
    HPET_DEVICE,
    DEVICES,
};

typedef struct World {
    FakeISA isa;
    IOSpace *space;
    I8259Pair *pair;
    APICBus *bus;
    AccelVCPU vcpu;
    DeviceState *dev[DEVICES];
} World;

static void int_out(void *opaque, int n, int level)
{
}

static void no_eoi(void *opaque, uint8_t vector)
{
}

static uint8_t no_pic(void *opaque)
{
    return 8;
}

static void no_intr(AccelVCPU *vcpu, bool level)
{
}

static void no_signal(AccelVCPU *vcpu, AccelSignal signal, uint8_t vector)
{
}

static int64_t tsc_to_ns(AccelVCPU *vcpu, uint64_t tsc)
{
    return (int64_t)MIN(tsc, (uint64_t)INT64_MAX);
}

static const APICBusOps bus_ops = { no_eoi, no_pic, no_intr, no_signal,
                                    tsc_to_ns };

static void send(void *opaque, uint64_t addr, uint32_t data)
{
    apic_bus_msi(((World *)opaque)->bus, addr, data);
}

static const IOAPICOps io_ops = { .send = send };

static void line(void *opaque, unsigned gsi, bool level)
{
    if (gsi < IOAPIC_PINS) {
        ioapic_set_irq(IOAPIC(((World *)opaque)->dev[IOAPIC_DEVICE]), gsi,
                       level);
    }
}

static void replace(void *opaque, bool on)
{
}

static const HPETOps hpet_ops = { line, replace, send };

static DeviceState *realized(DeviceState *dev, BusState *bus)
{
    qdev_realize(dev, bus, &error_abort);
    device_cold_reset(dev);
    return dev;
}

static void world_init(World *w)
{
    BusState *isa;

    fake_isa_init(&w->isa);
    isa = BUS(w->isa.bus);
    w->space = io_space_new("addresses", UINT64_MAX);
    w->pair = i8259_pair_new(w->isa.bus, int_out, w, &error_abort);
    w->dev[PIC_MASTER] = DEVICE(isa->children->pdata[0]);
    w->dev[PIC_SLAVE] = DEVICE(isa->children->pdata[1]);
    w->dev[PIT] = realized(qdev_new(TYPE_I8254), isa);
    w->dev[RTC] = realized(qdev_new(TYPE_MC146818_RTC), isa);
    w->bus = apic_bus_new(&bus_ops, w);
    w->dev[LAPIC] =
        realized(DEVICE(apic_new(w->bus, &w->vcpu, true, true)), NULL);
    w->dev[IOAPIC_DEVICE] =
        DEVICE(ioapic_new(w->space, &io_ops, w, &error_abort));
    w->dev[HPET_DEVICE] = realized(hpet_new(w->space, &hpet_ops, w), NULL);
}

/* One access of the guest, an interrupt, or time. */
static void step(World *w, const uint8_t *p)
{
    uint16_t at = (uint16_t)(p[1] | p[2] << 8);

    switch (p[0] % 7) {
    case 0:
        fake_isa_out(&w->isa, at % 0x4d2, p[3]);
        break;
    case 1:
        fake_isa_in(&w->isa, at % 0x4d2);
        break;
    case 2:
        io_space_write(w->space, HPET_ADDRESS + at % 0x400 / 4 * 4, p[3], 4);
        break;
    case 3:
        io_space_write(w->space, IOAPIC_ADDRESS + (p[1] & 0x10), p[3], 4);
        break;
    case 4: {
        uint32_t value = (uint32_t)p[3] << (p[2] & 24);

        apic_mmio_write(APIC(w->dev[LAPIC]), at % 0x40 * 16, 4,
                        (const uint8_t *)&value);
        break;
    }
    case 5:
        apic_ack(APIC(w->dev[LAPIC]));
        i8259_ack(w->pair);
        break;
    default:
        qemu_clock_run_timers(QEMU_CLOCK_VIRTUAL);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static World *w;
    DeviceState *dev;
    const VMStateDescription *vmsd;
    size_t steps;
    Error *err = NULL;

    if (!w) {
        hw_register_types();
        qemu_init_main_loop(&error_abort);
        w = g_new0(World, 1);
        world_init(w);
    }
    if (size < 2) {
        return 0;
    }
    steps = MIN(data[1], (size - 2) / STEP_BYTES);
    dev = w->dev[data[0] % DEVICES];
    vmsd = DEVICE_GET_CLASS(dev)->vmsd;
    MACHINE_LOCK_GUARD();
    if (!vmstate_from_bytes(vmsd, dev, vmsd->version_id,
                            data + 2 + steps * STEP_BYTES,
                            size - 2 - steps * STEP_BYTES, &err)) {
        device_cold_reset(dev);
    }
    error_free(err);
    for (size_t i = 0; i < steps; i++) {
        step(w, data + 2 + i * STEP_BYTES);
    }
    for (unsigned i = 0; i < DEVICES; i++) {
        g_autoptr(GBytes) saved =
            vmstate_to_bytes(DEVICE_GET_CLASS(w->dev[i])->vmsd, w->dev[i]);

        g_assert_cmpuint(g_bytes_get_size(saved), >, 0);
    }
    return 0;
}
