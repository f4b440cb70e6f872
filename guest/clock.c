/*
 * Guest time in nanoseconds: the hypervisor's clock page if KVM offers one
 * (it survives a migration), else the TSC measured against the PIT.
 *
 * Source: Linux Documentation/virt/kvm/x86/msr.rst (pvclock); Intel 8254
 * data sheet.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "guest.h"

#define KVM_SIGNATURE_LEAF   0x40000000
#define KVM_FEATURES_LEAF    0x40000001
#define KVM_HAS_CLOCKSOURCE2 (1u << 3)
#define MSR_KVM_SYSTEM_TIME  0x4b564d01
#define PIT_HZ               1193182u
#define PIT_CALIBRATE_TICKS  11932u /* 10 ms */
#define PIT_CHANNEL2         0x42
#define PIT_COMMAND          0x43
#define PIT_CH2_MODE0_LOHI   0xb0
#define SPEAKER_PORT         0x61
#define SPEAKER_GATE2        0x01
#define SPEAKER_OUT2         0x20
#define TIMER_CALIBRATE_NS   1000000u
#define SLEEP_MIN_NS         100000u
#define SLEEP_MAX_NS         50000000u

typedef struct PvClock {
    volatile uint32_t version;
    uint32_t pad;
    uint64_t tsc_timestamp;
    uint64_t system_time;
    uint32_t tsc_to_system_mul;
    int8_t tsc_shift;
    uint8_t flags;
    uint8_t pad2[2];
} __attribute__((aligned(64))) PvClock;

static PvClock pvclock[GUEST_CPUS_MAX];
static bool use_pvclock;
static uint64_t tsc_start;
static uint64_t tsc_hz;
static uint64_t timer_hz; /* of the local APIC's counter */

/* a * b / 2^32 in 64-bit registers. */
static uint64_t mul_shift32(uint64_t a, uint32_t b)
{
    return ((a >> 32) * b) + (((a & 0xffffffffu) * b) >> 32);
}

/* a * b / c without 128-bit division; c is at least 1 MHz. */
static uint64_t mul_div(uint64_t a, uint64_t b, uint64_t c)
{
    return (a / c) * b + (a % c) * b / c;
}

static uint64_t tsc_calibrate(void)
{
    uint8_t speaker = inb(SPEAKER_PORT);
    uint64_t start;

    outb(SPEAKER_PORT, (uint8_t)((speaker & ~0x03) | SPEAKER_GATE2));
    outb(PIT_COMMAND, PIT_CH2_MODE0_LOHI);
    outb(PIT_CHANNEL2, PIT_CALIBRATE_TICKS & 0xff);
    start = rdtsc();
    outb(PIT_CHANNEL2, PIT_CALIBRATE_TICKS >> 8);
    while (!(inb(SPEAKER_PORT) & SPEAKER_OUT2)) {
        cpu_relax();
    }
    start = rdtsc() - start;
    outb(SPEAKER_PORT, speaker);
    return mul_div(start, PIT_HZ, PIT_CALIBRATE_TICKS);
}

static bool kvm_has_pvclock(void)
{
    Cpuid sig = cpuid(KVM_SIGNATURE_LEAF);

    return (cpuid(1).ecx & (1u << 31)) && sig.ebx == 0x4b4d564b &&
           sig.ecx == 0x564b4d56 && sig.edx == 0x4d &&
           (cpuid(KVM_FEATURES_LEAF).eax & KVM_HAS_CLOCKSOURCE2);
}

void clock_init_cpu(unsigned cpu)
{
    if (use_pvclock) {
        wrmsr(MSR_KVM_SYSTEM_TIME, (uintptr_t)&pvclock[cpu] | 1);
    }
}

void clock_init(void)
{
    use_pvclock = kvm_has_pvclock();
    if (use_pvclock) {
        clock_init_cpu(0);
        use_pvclock = pvclock[0].tsc_to_system_mul != 0;
    }
    if (!use_pvclock) {
        tsc_hz = tsc_calibrate();
        tsc_start = rdtsc();
    }
}

const char *clock_name(void)
{
    return use_pvclock ? "kvm" : "tsc";
}

static uint64_t pvclock_read(const PvClock *pv)
{
    uint32_t version;
    uint64_t delta, ns;

    do {
        version = pv->version & ~1u;
        barrier();
        delta = rdtsc() - pv->tsc_timestamp;
        if ((int64_t)delta < 0) {
            delta = 0;
        }
        if (pv->tsc_shift >= 0) {
            delta <<= pv->tsc_shift;
        } else {
            delta >>= -pv->tsc_shift;
        }
        ns = pv->system_time + mul_shift32(delta, pv->tsc_to_system_mul);
        barrier();
    } while (pv->version != version);
    return ns;
}

uint64_t clock_ns(unsigned cpu)
{
    if (use_pvclock) {
        return pvclock_read(&pvclock[cpu]);
    }
    return mul_div(rdtsc() - tsc_start, 1000000000u, tsc_hz);
}

void clock_calibrate_timer(unsigned cpu)
{
    uint64_t start = clock_ns(cpu);
    uint64_t now;

    apic_timer_start(UINT32_MAX);
    do {
        cpu_relax();
        now = clock_ns(cpu);
    } while (now - start < TIMER_CALIBRATE_NS);
    timer_hz = (uint64_t)(UINT32_MAX - apic_timer_left()) * 1000000000u /
               (now - start);
    apic_timer_stop();
    if (timer_hz == 0) {
        timer_hz = 1;
    }
}

void clock_sleep_until(unsigned cpu, uint64_t deadline_ns)
{
    uint64_t now = clock_ns(cpu);

    if (now >= deadline_ns || deadline_ns - now < SLEEP_MIN_NS) {
        cpu_relax();
        return;
    }
    uint64_t ns = deadline_ns - now;
    if (ns > SLEEP_MAX_NS) {
        ns = SLEEP_MAX_NS;
    }
    apic_timer_start((uint32_t)(ns * timer_hz / 1000000000u) + 1);
    cpu_wait_interrupt();
}
