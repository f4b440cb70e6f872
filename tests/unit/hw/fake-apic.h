/*
 * Four local APICs on a bus without CPUs, for tests of interrupt controllers.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TESTS_HW_FAKE_APIC_H
#define TESTS_HW_FAKE_APIC_H

#include "hw/intc/apic.h"
#include "hw/intc/ioapic.h"
#include "hw/intc/irqchip.h"
#include "util/error.h"

#define CPUS 4u

#define ID       0x020
#define VERSION  0x030
#define TPR      0x080
#define PPR      0x0a0
#define EOI      0x0b0
#define LDR      0x0d0
#define DFR      0x0e0
#define SVR      0x0f0
#define ISR      0x100
#define TMR      0x180
#define IRR      0x200
#define ESR      0x280
#define ICR      0x300
#define ICR_HIGH 0x310
#define LVTT     0x320
#define LVT0     0x350
#define LVT1     0x360
#define LVTERR   0x370
#define INITIAL  0x380
#define CURRENT  0x390
#define DIVIDE   0x3e0

#define ICR_LOGICAL 0x800
#define ICR_LOWEST  0x100
#define ICR_NMI     0x400
#define ICR_INIT    0x4500
#define ICR_SIPI    0x600
#define TO_SELF     0x40000
#define TO_ALL      0x80000
#define TO_OTHERS   0xc0000
#define MASKED      0x10000
#define PERIODIC    0x20000
#define DEADLINE    0x40000

#define BASE_X2APIC (X86_APICBASE_DEFAULT | X86_APICBASE_ENABLE | 0x400)

typedef struct FakeCPU {
    AccelVCPU vcpu;
    int intr; /* atomic */
    unsigned signals[4];
    uint8_t sipi_vector;
} FakeCPU;

typedef struct Fixture {
    APICBus *bus;
    FakeCPU cpu[CPUS];
    APICState *apic[CPUS];
    uint8_t eoi[16];
    unsigned n_eoi;
    uint8_t pic_vector;
    IOSpace *space;
    IOAPICState *ioapic;
} Fixture;

static inline void fake_eoi(void *opaque, uint8_t vector)
{
    Fixture *f = opaque;

    if (f->n_eoi < sizeof(f->eoi)) {
        f->eoi[f->n_eoi++] = vector;
    }
    if (f->ioapic) {
        ioapic_eoi(f->ioapic, vector);
    }
}

static inline uint8_t fake_pic_ack(void *opaque)
{
    Fixture *f = opaque;

    apic_bus_pic_level(f->bus, false);
    return f->pic_vector;
}

static inline void fake_intr(AccelVCPU *vcpu, bool level)
{
    qatomic_mb_set(&container_of(vcpu, FakeCPU, vcpu)->intr, level);
}

static inline void fake_signal(AccelVCPU *vcpu, AccelSignal signal,
                               uint8_t vector)
{
    FakeCPU *cpu = container_of(vcpu, FakeCPU, vcpu);

    cpu->signals[signal]++;
    cpu->sipi_vector = vector;
}

/* The TSC counts two a nanosecond. */
static inline int64_t fake_tsc_to_ns(AccelVCPU *vcpu, uint64_t tsc)
{
    return tsc / 2 > INT64_MAX ? INT64_MAX : (int64_t)(tsc / 2);
}

static const APICBusOps fake_ops = {
    .eoi = fake_eoi,
    .pic_ack = fake_pic_ack,
    .intr = fake_intr,
    .signal = fake_signal,
    .tsc_to_ns = fake_tsc_to_ns,
};

static inline uint32_t rd(Fixture *f, unsigned cpu, unsigned offset)
{
    uint32_t v;

    apic_mmio_read(f->apic[cpu], offset, 4, (uint8_t *)&v);
    return GUINT32_FROM_LE(v);
}

static inline void wr(Fixture *f, unsigned cpu, unsigned offset, uint32_t value)
{
    value = GUINT32_TO_LE(value);
    apic_mmio_write(f->apic[cpu], offset, 4, (const uint8_t *)&value);
}

static inline void set_up(Fixture *f, gconstpointer data)
{
    f->bus = apic_bus_new(&fake_ops, f);
    for (unsigned i = 0; i < CPUS; i++) {
        f->cpu[i].vcpu = (AccelVCPU){ .index = i, .apic_id = i };
        f->apic[i] = apic_new(f->bus, &f->cpu[i].vcpu, i == 0, true);
        g_assert_true(qdev_realize(DEVICE(f->apic[i]), NULL, &error_abort));
        wr(f, i, SVR, 0x1ff);
    }
}

static inline void tear_down(Fixture *f, gconstpointer data)
{
    for (unsigned i = 0; i < CPUS; i++) {
        qdev_unrealize(DEVICE(f->apic[i]));
        object_unref(OBJECT(f->apic[i]));
    }
    apic_bus_free(f->bus);
}

/* Bit n: CPU n has the vector in IRR. It is taken away again. */
static inline unsigned who_has(Fixture *f, unsigned vector)
{
    unsigned mask = 0;

    for (unsigned i = 0; i < CPUS; i++) {
        uint32_t word = rd(f, i, IRR + vector / 32 * 16);

        if (word >> (vector % 32) & 1) {
            g_assert_cmpint(f->cpu[i].intr, ==, 1);
            g_assert_cmpint(apic_ack(f->apic[i]), ==, (int)vector);
            wr(f, i, EOI, 0);
            mask |= 1u << i;
        }
    }
    return mask;
}

static inline void ipi(Fixture *f, unsigned from, uint32_t command,
                       uint32_t dest)
{
    wr(f, from, ICR_HIGH, dest << 24);
    wr(f, from, ICR, command);
}

#endif
