/*
 * Local APICs and what connects them: one APICBus for a machine, one APIC for
 * each CPU.
 *
 * Thread: any, without or with the machine lock, unless said otherwise. Each
 * APIC has its own lock, of which a thread holds at most one; below them are
 * only the timer list's lock and those inside AccelClass.vcpu_intr and
 * vcpu_signal. The bus is constant while CPUs run.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_INTC_APIC_H
#define HW_INTC_APIC_H

#include "accel/accel.h"
#include "hw/qdev-core.h"

#define TYPE_APIC "apic"
OBJECT_DECLARE_SIMPLE_TYPE(APICState, APIC)

typedef struct APICBus APICBus;

#define APIC_MSR_BASE         0x1bu
#define APIC_MSR_TSC_DEADLINE 0x6e0u
#define APIC_MSR_X2APIC       0x800u
#define APIC_MSR_X2APIC_LAST  0x8ffu
#define APIC_PAGE_BYTES       4096u

/* Delivery modes, of ICR, LVT, redirection entries and MSI data. */
typedef enum APICMode {
    APIC_MODE_FIXED,
    APIC_MODE_LOWEST,
    APIC_MODE_SMI,
    APIC_MODE_RESERVED,
    APIC_MODE_NMI,
    APIC_MODE_INIT,
    APIC_MODE_SIPI,
    APIC_MODE_EXTINT,
} APICMode;

/**
 * APICBusOps:
 * @eoi: the end of a level-triggered interrupt, for the IOAPICs; no lock held
 * @pic_ack: interrupt acknowledge cycle of the 8259; takes the machine lock
 * @intr, @signal: as AccelClass.vcpu_intr and vcpu_signal
 * @tsc_to_ns: (optional) as AccelClass.vcpu_tsc_to_ns
 */
typedef struct APICBusOps {
    void (*eoi)(void *opaque, uint8_t vector);
    uint8_t (*pic_ack)(void *opaque);
    void (*intr)(AccelVCPU *vcpu, bool level);
    void (*signal)(AccelVCPU *vcpu, AccelSignal signal, uint8_t vector);
    int64_t (*tsc_to_ns)(AccelVCPU *vcpu, uint64_t tsc);
} APICBusOps;

/** apic_bus_new: @ops lives as long as the bus. */
APICBus *apic_bus_new(const APICBusOps *ops, void *opaque);
void apic_bus_free(APICBus *bus);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(APICBus, apic_bus_free)

/** apic_new: (transfer full) not realized. @vcpu is borrowed; @allow_x2apic:
 *  its CPUID has the feature. Thread: main, no CPU runs. */
APICState *apic_new(APICBus *bus, AccelVCPU *vcpu, bool is_bsp,
                    bool allow_x2apic);
/** apic_of_cpu: by AccelVCPU.index; NULL if there is none. */
APICState *apic_of_cpu(const APICBus *bus, unsigned cpu);

/** apic_bus_msi: a write of @data to the interrupt address @addr; false if
 *  it is not one (then nothing happens). */
bool apic_bus_msi(APICBus *bus, uint64_t addr, uint32_t data);
/** apic_bus_pic_level: INT of the 8259, to LINT0 of every APIC. */
void apic_bus_pic_level(APICBus *bus, bool level);
/** apic_bus_nmi: an edge at LINT1 of every APIC. */
void apic_bus_nmi(APICBus *bus);

/* What AccelIrqHost asks of the APIC of a CPU; see there. */
int apic_ack(APICState *s);
void apic_mmio_read(APICState *s, unsigned offset, unsigned len, uint8_t *data);
void apic_mmio_write(APICState *s, unsigned offset, unsigned len,
                     const uint8_t *data);
bool apic_msr_read(APICState *s, uint32_t index, uint64_t *ret_value);
bool apic_msr_write(APICState *s, uint32_t index, uint64_t value);
uint8_t apic_get_tpr(APICState *s);
void apic_set_tpr(APICState *s, uint8_t tpr);
void apic_init_signal(APICState *s);
void apic_get_page(APICState *s, uint8_t *page);
bool apic_set_page(APICState *s, const uint8_t *page, uint64_t base,
                   Error **errp);

#endif
