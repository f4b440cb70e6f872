/*
 * The guest's time stamp counter: the host's, minus the time that the machine
 * stood still. It runs at the host's rate.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <cpuid.h>
#include <x86intrin.h>

#include "util/lockable.h"
#include "util/timer.h"

#include "soft-accel.h"

#define NS_PER_S     1000000000ull
#define MEASURE_NS   4000000ll
#define SAMPLE_TRIES 8
#define PPM          1000000ull
#define ROUND_PPM    50ull
#define HZ_PER_KHZ   1000ull
#define HZ_PER_MHZ   1000000ull

/* The hypervisor or the CPU may say it (SDM 3B 18.7.3). */
static uint64_t hz_from_cpuid(void)
{
    uint32_t eax, ebx, ecx, edx;

    if (__get_cpuid_count(0x15, 0, &eax, &ebx, &ecx, &edx) && eax && ebx &&
        ecx) {
        return (uint64_t)ecx * ebx / eax;
    }
    __cpuid(1, eax, ebx, ecx, edx);
    if (ecx >> 31) {
        __cpuid(0x40000000, eax, ebx, ecx, edx);
        if (eax >= 0x40000010u) {
            __cpuid(0x40000010, eax, ebx, ecx, edx);
            return eax * HZ_PER_KHZ;
        }
    }
    return 0;
}

typedef struct Moment {
    uint64_t tsc;
    int64_t ns;
} Moment;

/* Both clocks at one moment: the tightest of a few tries. */
static Moment sample(void)
{
    Moment m = { 0 };
    uint64_t best = UINT64_MAX;

    for (int i = 0; i < SAMPLE_TRIES; i++) {
        uint64_t before = __rdtsc();
        int64_t ns = get_clock();
        uint64_t after = __rdtsc();

        if (after - before < best) {
            best = after - before;
            m = (Moment){ before + best / 2, ns };
        }
    }
    return m;
}

static uint64_t measure_hz(void)
{
    Moment start = sample();
    Moment end;

    do {
        end = sample();
    } while (end.ns - start.ns < MEASURE_NS);
    return (uint64_t)((__uint128_t)(end.tsc - start.tsc) * NS_PER_S /
                      (uint64_t)(end.ns - start.ns));
}

/* Most hosts have a whole number of MHz, and what was measured is good to
 * some 10 ppm. */
static uint64_t round_hz(uint64_t hz)
{
    uint64_t whole = (hz + HZ_PER_MHZ / 2) / HZ_PER_MHZ * HZ_PER_MHZ;
    uint64_t off = hz > whole ? hz - whole : whole - hz;

    return off < hz / PPM * ROUND_PPM ? whole : hz;
}

uint64_t soft_host_tsc_hz(void)
{
    uint64_t hz = hz_from_cpuid();

    if (!hz) {
        hz = round_hz(measure_hz());
    }
    return MAX(hz, HZ_PER_MHZ);
}

/* The host's TSC, standing still with the machine. */
static uint64_t host_tsc(SoftAccel *s)
{
    QEMU_LOCK_GUARD(&s->time_lock);
    return s->stopped ? s->stopped_tsc : __rdtsc();
}

uint64_t soft_tsc(const SoftCPU *cpu)
{
    SoftAccel *s = soft_accel_of(cpu);

    /* A CPU that runs is in a machine that runs. */
    return (qatomic_read(&s->stopped) ? host_tsc(s) : __rdtsc()) +
           cpu->tsc_offset;
}

void soft_tsc_set(SoftCPU *cpu, uint64_t value)
{
    cpu->tsc_offset = value - host_tsc(soft_accel_of(cpu));
}

void soft_vm_state_changed(AccelState *accel, bool running)
{
    SoftAccel *s = SOFT_ACCEL(accel);
    uint64_t now = __rdtsc();

    QEMU_LOCK_GUARD(&s->time_lock);
    if (running != s->stopped) {
        return;
    }
    if (!running) {
        s->stopped_tsc = now;
        qatomic_set(&s->stopped, true);
        return;
    }
    WITH_QEMU_LOCK_GUARD(&s->cpus_lock)
    {
        for (guint i = 0; i < s->cpus->len; i++) {
            SoftCPU *cpu = g_ptr_array_index(s->cpus, i);

            cpu->tsc_offset -= now - s->stopped_tsc;
        }
    }
    qatomic_set(&s->stopped, false);
}

int64_t soft_vcpu_tsc_to_ns(AccelVCPU *base, uint64_t tsc)
{
    SoftCPU *cpu = soft_cpu(base);
    uint64_t hz = soft_accel_of(cpu)->tsc_hz;
    int64_t now_ns = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
    uint64_t now = soft_tsc(cpu);
    __uint128_t ns;

    if (tsc <= now) {
        ns = (__uint128_t)(now - tsc) * NS_PER_S / hz;
        return ns > (uint64_t)now_ns ? 0 : now_ns - (int64_t)ns;
    }
    ns = ((__uint128_t)(tsc - now) * NS_PER_S + hz - 1) / hz;
    return ns > (uint64_t)(INT64_MAX - now_ns) ? INT64_MAX
                                               : now_ns + (int64_t)ns;
}
