/*
 * What the parts of the stress guest share. Freestanding: no C library.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef GUEST_GUEST_H
#define GUEST_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_BYTES      4096u
#define RAM_RANGES_MAX  32u
#define CMDLINE_MAX     1024u
#define MODULES_MAX     16u
#define DEBUGCON_PORT   0xe9
#define DEBUG_EXIT_PORT 0x501
#define LPT1_PORT       0x378

typedef struct RamRange {
    uint64_t start;
    uint64_t end; /* first byte behind it */
} RamRange;

typedef struct BootInfo {
    const char *protocol; /* "multiboot" or "pvh" */
    char cmdline[CMDLINE_MAX];
    RamRange ram[RAM_RANGES_MAX]; /* usable RAM, page aligned */
    unsigned n_ram;
    RamRange module[MODULES_MAX];
    unsigned n_modules;
} BootInfo;

/* -- cpu.h: one instruction each ------------------------------------------ */
static inline void outb(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void cpu_relax(void)
{
    __asm__ volatile("pause" : : : "memory");
}

static inline void barrier(void)
{
    __asm__ volatile("" : : : "memory");
}

static inline uint64_t rdtsc(void)
{
    uint32_t lo, hi;
    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return ((uint64_t)hi << 32) | lo;
}

static inline uint64_t rdmsr(uint32_t msr)
{
    uint32_t lo, hi;
    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return ((uint64_t)hi << 32) | lo;
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr"
                     :
                     : "c"(msr), "a"((uint32_t)value),
                       "d"((uint32_t)(value >> 32)));
}

typedef struct Cpuid {
    uint32_t eax, ebx, ecx, edx;
} Cpuid;

static inline Cpuid cpuid(uint32_t leaf)
{
    Cpuid r;
    __asm__ volatile("cpuid"
                     : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
                     : "a"(leaf), "c"(0));
    return r;
}

static inline void fill_qwords(void *dst, uint64_t value, uint64_t count)
{
    __asm__ volatile("rep stosq"
                     : "+D"(dst), "+c"(count)
                     : "a"(value)
                     : "memory");
}

static inline void copy_qwords(void *dst, const void *src, uint64_t count)
{
    __asm__ volatile("rep movsq"
                     : "+D"(dst), "+S"(src), "+c"(count)
                     :
                     : "memory");
}

typedef struct SpinLock {
    uint32_t locked;
} SpinLock;

static inline void spin_lock(SpinLock *lock)
{
    uint32_t one;
    do {
        one = 1;
        __asm__ volatile("xchgl %0, %1"
                         : "+r"(one), "+m"(lock->locked)
                         :
                         : "memory");
        if (one) {
            cpu_relax();
        }
    } while (one);
}

static inline void spin_unlock(SpinLock *lock)
{
    barrier();
    *(volatile uint32_t *)&lock->locked = 0;
}

/* start.S */
void cpu_wait_interrupt(void);
extern char exception_stubs[], timer_stub[], spurious_stub[];
extern char trampoline_start[], trampoline_end[];
extern volatile uint32_t ap_arrived;
extern uint64_t pml4[512], pdpt[512];
void guest_main(unsigned protocol, uint32_t info);
void guest_ap_main(unsigned cpu);
void guest_exception(const uint64_t *frame);

/* console.c: COM port, and copies to the debug console or the printer port */
typedef struct ConsoleOptions {
    uint16_t port;
    bool debugcon;
    bool lpt;
} ConsoleOptions;

void console_init(const ConsoleOptions *options);
/* console_print: %s, %u (uint64_t), %x (uint64_t), %03u; one line at a time
 * whatever the number of CPUs. */
void console_print(const char *fmt, ...);
/* console_getc: next received byte, or -1. */
int console_getc(void);
void console_write(const char *data, unsigned len);

/* bootinfo.c */
void boot_info_read(BootInfo *info, unsigned protocol, uint32_t paddr);
/* option_find: value of NAME=value or "" for NAME alone in the command line;
 * NULL if it is not there. The value ends at the next blank. */
const char *option_find(const BootInfo *info, const char *name);
uint64_t option_size(const BootInfo *info, const char *name, uint64_t def);
bool option_is(const char *value, const char *word);

/* paging.c */
void paging_map(uint64_t start, uint64_t end, uint64_t (*alloc_page)(void));

/* clock.c */
void clock_init(void);
void clock_init_cpu(unsigned cpu);
const char *clock_name(void);
uint64_t clock_ns(unsigned cpu);

/* slow.c: pages whose first touch takes long; CPU 0 only. */

/** slow_init: count touches of @threshold_ns and more; 0: none. */
void slow_init(uint64_t threshold_ns);
/** slow_is_on: are touches timed at all? */
bool slow_is_on(void);
/** slow_touch: read @page and time that. */
void slow_touch(uint64_t *page);
/** slow_print: a line with quantiles since the last one, if there were any. */
void slow_print(uint64_t pass);
/* clock_sleep_until: HLT by the local APIC's timer; may return early. */
void clock_sleep_until(unsigned cpu, uint64_t deadline_ns);
void clock_calibrate_timer(unsigned cpu);

/* smp.c */
void idt_init(void);
void idt_load(void);
void apic_init_cpu(void);
void apic_timer_start(uint32_t count);
void apic_timer_stop(void);
uint32_t apic_timer_left(void);
/* smp_start: wake the other CPUs; returns how many (with this) came. */
unsigned smp_start(unsigned wanted);

/* verify.c */
/* verify_dirty: @page has the stamp of @pass passes (none of 0); give it the
 * next one. */
void verify_dirty(uint64_t *page, uint64_t number, uint64_t pass);
/* verify_keep: write what verify_kept looks for; @whole: verify_whole, too. */
void verify_keep(uint64_t *page, uint64_t number, bool whole);
void verify_whole(const uint64_t *page, uint64_t number);
void verify_kept(const uint64_t *page, uint64_t number, uint64_t round);
uint64_t verify_errors(void);

/* state.c: devices, and registers of CPUs */
/* state_begin: give them values, and remember all. */
void state_begin(unsigned cpu);
/* state_check: say WRONG of each that is another. */
void state_check(unsigned cpu);

/* rtc.c */
void rtc_print(void);

#endif
