/*
 * Interrupt table, local APIC, and the start of the other processors by the
 * INIT-SIPI-SIPI sequence, sent to all at once: nothing is assumed about
 * APIC ids.
 *
 * Source: Intel SDM volume 3A, 8.4 and chapter 10.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "guest.h"

#define APIC_BASE       0xfee00000u
#define APIC_EOI        0x0b0
#define APIC_SPURIOUS   0x0f0
#define APIC_ICR_LOW    0x300
#define APIC_LVT_TIMER  0x320
#define APIC_LVT_LINT0  0x350
#define APIC_TIMER_INIT 0x380
#define APIC_TIMER_LEFT 0x390
#define APIC_TIMER_DIV  0x3e0
#define APIC_ENABLE     0x100
#define APIC_MASKED     0x10000
#define APIC_DIV_1      0xb
#define ICR_INIT        0xc4500 /* all but self, assert, INIT */
#define ICR_SIPI        0xc4600
#define ICR_PENDING     0x1000
#define VECTOR_TIMER    0x40
#define VECTOR_SPURIOUS 0xff
#define EXCEPTIONS      32
#define STUB_BYTES      16
#define TRAMPOLINE      0x8000u
#define INIT_WAIT_NS    1000000u
#define SIPI_WAIT_NS    200000u
#define ARRIVE_WAIT_NS  2000000000u
#define SEL_CODE64      8
#define GATE_INTERRUPT  0x8e00

typedef struct Gate {
    uint16_t offset_low, selector, flags, offset_mid;
    uint32_t offset_high, reserved;
} Gate;

static Gate idt[256] __attribute__((aligned(16)));

static void set_gate(unsigned vector, uintptr_t handler)
{
    idt[vector] = (Gate){
        .offset_low = (uint16_t)handler,
        .selector = SEL_CODE64,
        .flags = GATE_INTERRUPT,
        .offset_mid = (uint16_t)(handler >> 16),
        .offset_high = (uint32_t)((uint64_t)handler >> 32),
    };
}

void idt_load(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) pointer = { sizeof(idt) - 1, (uintptr_t)idt };

    __asm__ volatile("lidt %0" : : "m"(pointer));
}

void idt_init(void)
{
    for (unsigned i = 0; i < EXCEPTIONS; i++) {
        set_gate(i, (uintptr_t)exception_stubs + (uintptr_t)i * STUB_BYTES);
    }
    set_gate(VECTOR_TIMER, (uintptr_t)timer_stub);
    set_gate(VECTOR_SPURIOUS, (uintptr_t)spurious_stub);
    idt_load();
    /* The old controllers stay silent. */
    outb(0x21, 0xff);
    outb(0xa1, 0xff);
}

static void apic_write(uint32_t reg, uint32_t value)
{
    *(volatile uint32_t *)(uintptr_t)(APIC_BASE + reg) = value;
}

static uint32_t apic_read(uint32_t reg)
{
    return *(volatile uint32_t *)(uintptr_t)(APIC_BASE + reg);
}

void apic_init_cpu(void)
{
    apic_write(APIC_SPURIOUS, APIC_ENABLE | VECTOR_SPURIOUS);
    apic_write(APIC_LVT_LINT0, APIC_MASKED);
    apic_write(APIC_TIMER_DIV, APIC_DIV_1);
}

void apic_timer_start(uint32_t count)
{
    apic_write(APIC_LVT_TIMER, VECTOR_TIMER);
    apic_write(APIC_TIMER_INIT, count);
}

void apic_timer_stop(void)
{
    apic_write(APIC_LVT_TIMER, APIC_MASKED | VECTOR_TIMER);
    apic_write(APIC_TIMER_INIT, 0);
}

uint32_t apic_timer_left(void)
{
    return apic_read(APIC_TIMER_LEFT);
}

static void wait_ns(uint64_t ns)
{
    uint64_t end = clock_ns(0) + ns;

    while (clock_ns(0) < end) {
        cpu_relax();
    }
}

static void send_ipi(uint32_t command)
{
    apic_write(APIC_ICR_LOW, command);
    while (apic_read(APIC_ICR_LOW) & ICR_PENDING) {
        cpu_relax();
    }
}

unsigned smp_start(unsigned wanted)
{
    const char *src = trampoline_start;
    volatile char *dst = (volatile char *)(uintptr_t)TRAMPOLINE;
    uint64_t end;

    for (; src < trampoline_end; src++, dst++) {
        *dst = *src;
    }
    send_ipi(ICR_INIT);
    wait_ns(INIT_WAIT_NS);
    send_ipi(ICR_SIPI | (TRAMPOLINE >> 12));
    wait_ns(SIPI_WAIT_NS);
    if (ap_arrived + 1 < wanted) {
        send_ipi(ICR_SIPI | (TRAMPOLINE >> 12));
    }
    end = clock_ns(0) + ARRIVE_WAIT_NS;
    while (ap_arrived + 1 < wanted && clock_ns(0) < end) {
        cpu_relax();
    }
    return ap_arrived + 1 < wanted ? ap_arrived + 1 : wanted;
}
