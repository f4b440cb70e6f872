/*
 * Several processors: LOCK, and code that another one changes.
 *
 * Source: Intel SDM volume 3A, chapter 8.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cputest64.h"

#define APIC       0xfee00000u
#define ICR_INIT   0xc4500 /* all but self, assert */
#define ICR_SIPI   0xc4608 /* page 8 */
#define TRAMPOLINE 0x8000u
#define CPUS       4
#define ROUNDS     100000u
/* For all of them to come, on a busy host. */
#define START_WAIT_CYCLES 6000000000ull

extern const uint8_t trampoline_start[], trampoline_end[];
extern volatile uint32_t ap_arrived;
void ap_main(void);

typedef void Work(unsigned cpu);

static Work *volatile work;
static volatile unsigned generation, done, joined;

static void pause_cpu(void)
{
    __asm__ volatile("pause" : : : "memory");
}

static void add(volatile unsigned *p, unsigned v)
{
    __asm__ volatile("lock addl %1, %0" : "+m"(*p) : "r"(v) : "cc");
}

void ap_main(void)
{
    unsigned cpu = 1, seen = 0;

    __asm__ volatile("lock xaddl %0, %1" : "+r"(cpu), "+m"(joined) : : "cc");
    cpu++;
    for (;;) {
        while (generation == seen) {
            pause_cpu();
        }
        seen = generation;
        work(cpu);
        add(&done, 1);
    }
}

static volatile uint32_t *apic(uint32_t reg)
{
    return (volatile uint32_t *)(uintptr_t)(APIC + reg);
}

static void wait(unsigned loops)
{
    /* A port takes about a microsecond. */
    while (loops--) {
        (void)inb(0x61);
    }
}

static unsigned start_cpus(void)
{
    uint64_t end;
    volatile uint8_t *to = (volatile uint8_t *)(uintptr_t)TRAMPOLINE;

    for (const uint8_t *p = trampoline_start; p < trampoline_end; p++) {
        *to++ = *p;
    }
    *apic(0xf0) = 0x1ff;
    *apic(0x300) = ICR_INIT;
    wait(10000);
    *apic(0x300) = ICR_SIPI;
    wait(1000);
    *apic(0x300) = ICR_SIPI;
    end = rdtsc() + START_WAIT_CYCLES;
    while (joined < CPUS - 1 && rdtsc() < end) {
        pause_cpu();
    }
    return joined + 1;
}

static void run_all(Work *fn, unsigned cpus)
{
    done = 0;
    work = fn;
    generation++;
    fn(0);
    while (done != cpus - 1) {
        pause_cpu();
    }
}

/* -- LOCK ---------------------------------------------------------------------- */

static volatile uint32_t counter __attribute__((aligned(64)));
static volatile __uint128_t wide;
static volatile uint32_t spin, guarded;
static uint8_t line[128] __attribute__((aligned(64)));

static void work_inc(unsigned cpu)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        __asm__ volatile("lock incl %0" : "+m"(counter) : : "cc");
    }
}

static void work_xadd(unsigned cpu)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint32_t one = 1;

        __asm__ volatile("lock xaddl %0, %1"
                         : "+r"(one), "+m"(counter)
                         :
                         : "cc");
    }
}

static void work_cmpxchg(unsigned cpu)
{
    for (unsigned i = 0; i < ROUNDS / 4; i++) {
        uint32_t old = counter;
        uint8_t good;

        do {
            __asm__ volatile("lock cmpxchgl %3, %1; setz %2"
                             : "+a"(old), "+m"(counter), "=q"(good)
                             : "r"(old + 1)
                             : "cc", "memory");
        } while (!good);
    }
}

static void work_cmpxchg16b(unsigned cpu)
{
    for (unsigned i = 0; i < ROUNDS / 4; i++) {
        uint64_t lo = 0, hi = 0;
        uint8_t good;

        do {
            __asm__ volatile("lock cmpxchg16b %0; setz %3"
                             : "+m"(wide), "+a"(lo), "+d"(hi), "=q"(good)
                             : "b"(lo + 1), "c"(hi - 1)
                             : "cc", "memory");
        } while (!good);
    }
}

static void work_spin(unsigned cpu)
{
    for (unsigned i = 0; i < ROUNDS / 4; i++) {
        uint32_t one;

        do {
            one = 1;
            __asm__ volatile("xchgl %0, %1"
                             : "+r"(one), "+m"(spin)
                             :
                             : "memory");
        } while (one);
        guarded++;
        __asm__ volatile("" : : : "memory");
        spin = 0;
    }
}

static void work_split(unsigned cpu)
{
    uint32_t *p = (uint32_t *)(line + 62);

    for (unsigned i = 0; i < ROUNDS / 40; i++) {
        __asm__ volatile("lock incl %0" : "+m"(*p) : : "cc");
    }
}

static void work_page_split(unsigned cpu)
{
    uint32_t *p = (uint32_t *)(window(51) - 2);

    for (unsigned i = 0; i < ROUNDS / 40; i++) {
        __asm__ volatile("lock incl %0" : "+m"(*p) : : "cc");
    }
}

static void work_bts(unsigned cpu)
{
    for (unsigned i = 0; i < ROUNDS / 4; i++) {
        uint8_t was;

        do {
            __asm__ volatile("lock btsl $5, %0; setc %1"
                             : "+m"(spin), "=q"(was)
                             :
                             : "cc", "memory");
        } while (was);
        guarded++;
        __asm__ volatile("lock btrl $5, %0" : "+m"(spin) : : "cc", "memory");
    }
}

static void test_lock(unsigned cpus)
{
    counter = 0;
    run_all(work_inc, cpus);
    ok_eq(counter, cpus * ROUNDS, "LOCK INC");
    counter = 0;
    run_all(work_xadd, cpus);
    ok_eq(counter, cpus * ROUNDS, "LOCK XADD");
    counter = 0;
    run_all(work_cmpxchg, cpus);
    ok_eq(counter, cpus * (ROUNDS / 4), "LOCK CMPXCHG");
    run_all(work_cmpxchg16b, cpus);
    ok_eq((uint64_t)wide, cpus * (ROUNDS / 4), "LOCK CMPXCHG16B, low");
    ok_eq((uint64_t)(wide >> 64), -(uint64_t)(cpus * (ROUNDS / 4)),
          "LOCK CMPXCHG16B, high");
    run_all(work_spin, cpus);
    ok_eq(guarded, cpus * (ROUNDS / 4), "XCHG as a lock");
    guarded = 0;
    run_all(work_bts, cpus);
    ok_eq(guarded, cpus * (ROUNDS / 4), "LOCK BTS as a lock");
    run_all(work_split, cpus);
    ok_eq(*(uint32_t *)(line + 62), cpus * (ROUNDS / 40),
          "LOCK INC across cache lines");
    map(50, 10, PTE_P | PTE_W);
    map(51, 11, PTE_P | PTE_W);
    run_all(work_page_split, cpus);
    ok_eq(*(uint16_t *)(pool[10] + PAGE - 2) | (uint32_t) * (uint16_t *)pool[11]
                                                   << 16,
          cpus * (ROUNDS / 40), "LOCK INC across pages");
}

/* -- code that another CPU writes ----------------------------------------------- */

#define CODE_ROUNDS 100u

static volatile unsigned turn;
static uint8_t shared_code[16];
static volatile unsigned wrong;

static void work_code(unsigned cpu)
{
    uint32_t (*fn)(void);

    if (cpu > 1) {
        return;
    }
    *(const void **)&fn = shared_code;
    for (unsigned i = 0; i < CODE_ROUNDS; i++) {
        while (turn != 2 * i + cpu) {
            pause_cpu();
        }
        if (cpu == 0) {
            shared_code[0] = 0xb8;
            *(uint32_t *)(shared_code + 1) = i;
            shared_code[5] = 0xc3;
        } else {
            uint32_t r[4];

            cpuid(0, 0, r); /* serialises */
            wrong += fn() != i;
        }
        __asm__ volatile("" : : : "memory");
        turn++;
    }
}

/* -- memory order: a store may pass a load, and nothing else ---------------------- */

static volatile uint32_t message, ready;

static void work_message(unsigned cpu)
{
    if (cpu > 1) {
        return;
    }
    for (uint32_t i = 1; i < ROUNDS / 4; i++) {
        if (cpu == 0) {
            message = i;
            ready = i;
        } else {
            uint32_t r = ready;

            __asm__ volatile("" : : : "memory");
            wrong += message < r;
        }
    }
}

void test_smp(void)
{
    unsigned cpus;

    group("processors");
    cpus = start_cpus();
    if (cpus < 2) {
        skip("several processors", "only one");
        return;
    }
    ok(true, "the others have started");
    test_lock(cpus);
    run_all(work_code, cpus);
    ok_eq(wrong, 0, "code written by another processor");
    wrong = 0;
    run_all(work_message, cpus);
    ok_eq(wrong, 0, "stores are seen in their order");
}
