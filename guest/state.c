/*
 * State that is not memory: what processors and devices hold and a program can
 * read. It is given values that no reset leaves there; then each of them must
 * stay, wherever the guest goes. The time stamp counter must never go back.
 *
 * Left out is what changes by itself (counts, times, status bits) and what a
 * hypervisor that emulates each instruction cannot do (XSAVE areas).
 *
 * Source: Intel SDM vol. 2 (FXSAVE), 3 (MSRs, local APIC); Intel 82371AB, 8254,
 * 8259A, 82093AA; MC146818; PCI 2.1.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "guest.h"

#define BOARD_WORDS   4096u
#define CPU_WORDS     128u
#define ERRORS_MAX    8u /* printed */
#define PIC1_MASK     0x21
#define PIC2_MASK     0xa1
#define ELCR1         0x4d0
#define PIT_COUNTER   0x40
#define PIT_COMMAND   0x43
#define PIT_STATUS    0xe0 /* read back: status, not count; | 2 << counter */
#define PIT_MODE      0x3f /* without output and null count */
#define PIT_CH2_MODE3 0xb6
#define SPEAKER       0x61
#define CMOS_INDEX    0x70
#define CMOS_DATA     0x71
#define CMOS_B        0x0b
#define CMOS_NVRAM    0x0e
#define CMOS_FREE     0x60 /* nobody's from here on */
#define CMOS_BYTES    0x80
#define CMOS_CENTURY  0x32
#define COM1_SCRATCH  0x3ff
#define COM2_SCRATCH  0x2ff
#define IOAPIC        0xfec00000u
#define IOAPIC_PINS   24u
#define IOAPIC_ENTRY  0x10u
#define IOAPIC_MASKED 0x10000u
#define IOAPIC_STATUS 0x5000u /* delivery status, remote IRR */
#define PCI_ADDRESS   0xcf8
#define PCI_DATA      0xcfc
#define PCI_ENABLE    0x80000000u
#define APIC          0xfee00000u
#define APIC_TPR      0x080
#define APIC_LDR      0x0d0
#define APIC_LVT_PERF 0x340
#define APIC_LVT_ERR  0x370
#define LVT_MASKED    0x10000u
#define CR0_EM_TS     0xcu
#define CR0_MP        0x2u
#define CR4_FXSR      0x600u /* OSFXSR, OSXMMEXCPT */
#define MTRR_CAP      0xfe
#define MTRR_DEFAULT  0x2ff
#define MTRR_PHYS0    0x200
#define MSR_TSC_AUX   0xc0000103u
#define FX_BYTES      512u

/* One walk over all of it: to keep what is there, or to compare. */
typedef struct Walk {
    uint64_t *kept;
    unsigned n, max;
    bool compare;
    unsigned cpu;
} Walk;

static uint64_t board[BOARD_WORDS];
static uint64_t cpus[GUEST_CPUS_MAX][CPU_WORDS];
static uint64_t last_tsc[GUEST_CPUS_MAX];
static uint8_t fx[GUEST_CPUS_MAX][FX_BYTES] __attribute__((aligned(16)));
static uint32_t errors;

static void outl(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static uint32_t inl(uint16_t port)
{
    uint32_t value;

    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static volatile uint32_t *mmio(uint32_t address)
{
    return (volatile uint32_t *)(uintptr_t)address;
}

static void item(Walk *w, const char *what, uint64_t number, uint64_t value)
{
    uint64_t *kept = &w->kept[w->n];

    if (w->n == w->max) {
        return;
    }
    w->n++;
    if (!w->compare) {
        *kept = value;
    } else if (*kept != value) {
        uint32_t n = 1;

        __asm__ volatile("lock xaddl %0, %1"
                         : "+r"(n), "+m"(errors)
                         :
                         : "memory");
        if (n < ERRORS_MAX) {
            console_print("WRONG state of cpu %u: %s %x is %x should be %x\n",
                          (uint64_t)w->cpu, what, number, value, *kept);
        }
    }
}

/* -- the board ----------------------------------------------------------------- */

static uint8_t cmos_read(uint8_t reg)
{
    outb(CMOS_INDEX, reg);
    return inb(CMOS_DATA);
}

static void cmos_write(uint8_t reg, uint8_t value)
{
    outb(CMOS_INDEX, reg);
    outb(CMOS_DATA, value);
}

static uint32_t ioapic_read(uint32_t reg)
{
    mmio(IOAPIC)[0] = reg;
    return mmio(IOAPIC)[4];
}

static void ioapic_write(uint32_t reg, uint32_t value)
{
    mmio(IOAPIC)[0] = reg;
    mmio(IOAPIC)[4] = value;
}

/* Registers of the pages of DMA channels. */
static const uint16_t dma_pages[] = {
    0x81, 0x82, 0x83, 0x87, 0x89, 0x8a, 0x8b
};

static void board_set(void)
{
    outb(PIC1_MASK, 0xb7);
    outb(PIC2_MASK, 0xda);
    outb(ELCR1, 0x20);
    outb(ELCR1 + 1, 0x0c);
    outb(SPEAKER, inb(SPEAKER) & 0xfc);
    outb(PIT_COMMAND, PIT_CH2_MODE3);
    outb(PIT_COUNTER + 2, 0x34);
    outb(PIT_COUNTER + 2, 0x52);
    for (uint8_t reg = 1; reg <= 5; reg += 2) {
        cmos_write(reg, 0xc0 | reg); /* an alarm that does not come */
    }
    for (unsigned reg = CMOS_FREE; reg < CMOS_BYTES; reg++) {
        cmos_write((uint8_t)reg, (uint8_t)(reg * 37 + 11));
    }
    for (unsigned pin = IOAPIC_PINS - 3; pin < IOAPIC_PINS; pin++) {
        ioapic_write(IOAPIC_ENTRY + 2 * pin, IOAPIC_MASKED | (0xa0 + pin));
        ioapic_write(IOAPIC_ENTRY + 2 * pin + 1, (0x50 + pin) << 24);
    }
    for (unsigned i = 0; i < sizeof(dma_pages) / sizeof(*dma_pages); i++) {
        outb(dma_pages[i], (uint8_t)(0x91 + i));
    }
    outb(COM1_SCRATCH, 0x5c);
    outb(COM2_SCRATCH, 0xc5);
}

static void walk_timer(Walk *w)
{
    for (unsigned i = 0; i < 3; i++) {
        outb(PIT_COMMAND, (uint8_t)(PIT_STATUS | 2u << i));
        item(w, "pit mode", i, inb((uint16_t)(PIT_COUNTER + i)) & PIT_MODE);
    }
    item(w, "speaker", 0, inb(SPEAKER) & 0x0f);
}

static void walk_pci(Walk *w)
{
    for (uint32_t function = 0; function < 256; function++) {
        uint32_t at = PCI_ENABLE | function << 8;

        outl(PCI_ADDRESS, at);
        if ((uint16_t)inl(PCI_DATA) == 0xffff) {
            function |= function % 8 ? 0 : 7; /* no others either */
            continue;
        }
        for (uint32_t reg = 0; reg < 256; reg += 4) {
            outl(PCI_ADDRESS, at | reg);
            item(w, "pci", at | reg, inl(PCI_DATA));
        }
    }
}

static void walk_board(Walk *w)
{
    item(w, "pic", 1, inb(PIC1_MASK));
    item(w, "pic", 2, inb(PIC2_MASK));
    item(w, "elcr", 1, inb(ELCR1));
    item(w, "elcr", 2, inb(ELCR1 + 1));
    walk_timer(w);
    for (uint8_t reg = 1; reg <= 5; reg += 2) {
        item(w, "cmos", reg, cmos_read(reg));
    }
    item(w, "cmos", CMOS_B, cmos_read(CMOS_B));
    for (unsigned reg = CMOS_NVRAM; reg < CMOS_BYTES; reg++) {
        if (reg != CMOS_CENTURY) {
            item(w, "cmos", reg, cmos_read((uint8_t)reg));
        }
    }
    for (unsigned i = 0; i < 2 * IOAPIC_PINS; i++) {
        item(w, "ioapic", i,
             ioapic_read(IOAPIC_ENTRY + i) & ~(i & 1 ? 0 : IOAPIC_STATUS));
    }
    for (unsigned i = 0; i < sizeof(dma_pages) / sizeof(*dma_pages); i++) {
        item(w, "dma page", dma_pages[i], inb(dma_pages[i]));
    }
    item(w, "uart scratch", 1, inb(COM1_SCRATCH));
    item(w, "uart scratch", 2, inb(COM2_SCRATCH));
    walk_pci(w);
}

/* -- a CPU --------------------------------------------------------------------- */

/* Bits of CPUID leaf 1, EDX; 0: every 64-bit processor. */
typedef struct Msr {
    uint32_t msr;
    uint32_t needs;
    uint64_t set; /* plus the CPU's number; 0 = as it is */
} Msr;

#define HAS_SEP  (1u << 11)
#define HAS_MTRR (1u << 12)
#define HAS_PAT  (1u << 16)
#define HAS_APIC (1u << 9)

static const Msr msrs[] = {
    { 0x01b, HAS_APIC, 0 },
    { 0x174, HAS_SEP, 0x1230 },
    { 0x175, HAS_SEP, 0xffff800011223300 },
    { 0x176, HAS_SEP, 0xffff800044556600 },
    { 0x277, HAS_PAT, 0 },
    { 0xc0000080, 0, 0 },
    { 0xc0000081, 0, 0x0023001000000000 },
    { 0xc0000082, 0, 0xffff800077889900 },
    { 0xc0000083, 0, 0xffff8000aabbcc00 },
    { 0xc0000084, 0, 0x47700 },
    { 0xc0000100, 0, 0x00007000deadbe00 },
    { 0xc0000101, 0, 0x00007100deadbe00 },
    { 0xc0000102, 0, 0xffff8100deadbe00 },
};

static bool has_tsc_aux(void)
{
    return cpuid(0x80000001).edx & (1u << 27);
}

static void fx_set(unsigned cpu)
{
    uint8_t *image = fx[cpu];
    uint64_t reg;

    __asm__ volatile("mov %%cr0, %0" : "=r"(reg));
    reg = (reg & ~(uint64_t)CR0_EM_TS) | CR0_MP;
    __asm__ volatile("mov %0, %%cr0" : : "r"(reg));
    __asm__ volatile("mov %%cr4, %0" : "=r"(reg));
    __asm__ volatile("mov %0, %%cr4" : : "r"(reg | CR4_FXSR));
    for (unsigned i = 0; i < FX_BYTES; i++) {
        image[i] = 0;
    }
    *(uint16_t *)(image + 0) = 0x0b7f;  /* rounds up */
    image[4] = 0xff;                    /* all registers hold a number */
    *(uint32_t *)(image + 24) = 0x3f80; /* rounds down */
    for (unsigned i = 0; i < 8; i++) {
        uint8_t *st = image + 32 + (size_t)16 * i;

        *(uint64_t *)st = 0x8000000000000001u + cpu * 16u + i;
        *(uint16_t *)(st + 8) = (uint16_t)(0x3fff + i);
    }
    for (unsigned i = 160; i < 416; i++) {
        image[i] = (uint8_t)(i * 7 + cpu * 3 + 1);
    }
    __asm__ volatile("fxrstor64 %0" : : "m"(*(char(*)[FX_BYTES])image));
}

static void walk_fx(Walk *w)
{
    uint8_t *image = fx[w->cpu];
    const uint64_t *word = (const uint64_t *)image;

    __asm__ volatile("fxsave64 %0" : "=m"(*(char(*)[FX_BYTES])image));
    item(w, "fpu", 0, word[0] & 0xffffffffffu); /* not the last operation's */
    item(w, "fpu", 3, (uint32_t)word[3]);
    for (unsigned i = 4; i < 52; i++) {
        item(w, "fpu", i, i < 20 && i % 2 ? word[i] & 0xffff : word[i]);
    }
}

static void cpu_set(unsigned cpu)
{
    uint32_t features = cpuid(1).edx;

    for (unsigned i = 0; i < sizeof(msrs) / sizeof(*msrs); i++) {
        const Msr *m = &msrs[i];

        if (m->set && (features & m->needs) == m->needs) {
            wrmsr(m->msr, m->set + cpu);
        }
    }
    if (has_tsc_aux()) {
        wrmsr(MSR_TSC_AUX, 0x770000 + cpu);
    }
    __asm__ volatile("mov %0, %%dr0" : : "r"((uint64_t)0x11110000 + cpu));
    __asm__ volatile("mov %0, %%dr1" : : "r"((uint64_t)0x22220000 + cpu));
    __asm__ volatile("mov %0, %%dr2" : : "r"((uint64_t)0x33330000 + cpu));
    __asm__ volatile("mov %0, %%dr3" : : "r"((uint64_t)0x44440000 + cpu));
    *mmio(APIC + APIC_TPR) = 0x20;
    *mmio(APIC + APIC_LDR) = (cpu % 8 + 1) << 24;
    *mmio(APIC + APIC_LVT_PERF) = LVT_MASKED | 0xf1;
    *mmio(APIC + APIC_LVT_ERR) = LVT_MASKED | 0xf2;
    fx_set(cpu);
}

static void walk_registers(Walk *w)
{
    uint64_t v;

#define REGISTER(name)                                                         \
    do {                                                                       \
        __asm__ volatile("mov %%" name ", %0" : "=r"(v));                      \
        item(w, name, 0, v);                                                   \
    } while (0)
    REGISTER("cr0");
    REGISTER("cr3");
    REGISTER("cr4");
    REGISTER("cr8");
    REGISTER("dr0");
    REGISTER("dr1");
    REGISTER("dr2");
    REGISTER("dr3");
    REGISTER("dr7");
#undef REGISTER
}

static void walk_cpu(Walk *w)
{
    static const uint16_t apic[] = { 0x020, 0x030, 0x080, 0x0d0, 0x0e0, 0x0f0,
                                     0x330, 0x340, 0x350, 0x360, 0x370, 0x3e0 };
    uint32_t features = cpuid(1).edx;

    walk_registers(w);
    for (unsigned i = 0; i < sizeof(msrs) / sizeof(*msrs); i++) {
        if ((features & msrs[i].needs) == msrs[i].needs) {
            item(w, "msr", msrs[i].msr, rdmsr(msrs[i].msr));
        }
    }
    if (has_tsc_aux()) {
        item(w, "msr", MSR_TSC_AUX, rdmsr(MSR_TSC_AUX));
    }
    if (features & HAS_MTRR) {
        uint32_t end = MTRR_PHYS0 + 2 * (uint32_t)(rdmsr(MTRR_CAP) & 0xff);

        item(w, "msr", MTRR_DEFAULT, rdmsr(MTRR_DEFAULT));
        for (uint32_t msr = MTRR_PHYS0; msr < end; msr++) {
            item(w, "msr", msr, rdmsr(msr));
        }
    }
    for (unsigned i = 0; i < sizeof(apic) / sizeof(*apic); i++) {
        item(w, "apic", apic[i], *mmio(APIC + apic[i]));
    }
    walk_fx(w);
}

/* -- for stress.c -------------------------------------------------------------- */

void state_begin(unsigned cpu)
{
    Walk c = { .kept = cpus[cpu], .max = CPU_WORDS, .cpu = cpu };
    Walk b = { .kept = board, .max = BOARD_WORDS };

    cpu_set(cpu);
    walk_cpu(&c);
    last_tsc[cpu] = rdtsc();
    if (cpu == 0) {
        board_set();
        walk_board(&b);
    }
}

void state_check(unsigned cpu)
{
    static uint64_t round;
    Walk c = {
        .kept = cpus[cpu], .max = CPU_WORDS, .compare = true, .cpu = cpu
    };
    Walk b = { .kept = board, .max = BOARD_WORDS, .compare = true };
    uint64_t tsc = rdtsc();

    walk_cpu(&c);
    if (tsc < last_tsc[cpu]) {
        console_print("WRONG state of cpu %u: TSC went from %x to %x\n",
                      (uint64_t)cpu, last_tsc[cpu], tsc);
    }
    last_tsc[cpu] = tsc;
    if (cpu == 0) {
        walk_board(&b);
        console_print("state round %u words %u errors %u\n", ++round,
                      (uint64_t)(b.n + c.n),
                      (uint64_t) * (volatile uint32_t *)&errors);
    }
}
