/*
 * Exceptions as results: a piece of code is called, and what it ended by is
 * looked at.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cputest64.h"

#define STUB_BYTES 16
#define USER_ALIAS 0x80000000ull

typedef struct Gate {
    uint16_t offset_low, selector;
    uint8_t ist, flags;
    uint16_t offset_mid;
    uint32_t offset_high, reserved;
} Gate;

typedef struct Tss {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3, iomap;
} __attribute__((packed)) Tss;

extern const uint8_t trap_stubs[], trap_stub_back[];
int set_jump(uint64_t *buf) __attribute__((returns_twice));
void do_jump(uint64_t *buf) __attribute__((noreturn));
void enter_user(uint64_t rip, uint64_t rsp, uint64_t rflags, uint64_t arg);
void trap_enter(Frame *f, uint64_t rflags);

uint64_t gdt[GDT_ENTRIES] __attribute__((aligned(16)));
uint8_t ist_stack[2 * PAGE] __attribute__((aligned(16)));
uint8_t rsp0_stack[2 * PAGE] __attribute__((aligned(16)));
static uint8_t user_stack[PAGE] __attribute__((aligned(16)));
static Gate idt[256] __attribute__((aligned(16)));
static Tss tss __attribute__((aligned(16)));
static uint64_t jump[8];

Trap trap;
bool (*volatile trap_hook)(Frame *f);
uint64_t user_flags = FL_ONE;

void set_gate(unsigned vector, uint64_t handler, unsigned type, unsigned dpl,
              unsigned ist, bool present)
{
    idt[vector] = (Gate){
        .offset_low = (uint16_t)handler,
        .selector = SEL_CODE64,
        .ist = (uint8_t)ist,
        .flags = (uint8_t)(type | dpl << 5 | (present ? 0x80 : 0)),
        .offset_mid = (uint16_t)(handler >> 16),
        .offset_high = (uint32_t)(handler >> 32),
    };
}

void reset_gate(unsigned vector)
{
    if (vector == VECTOR_BACK) {
        set_gate(vector, (uint64_t)trap_stub_back, GATE_INTERRUPT, 3, 0, true);
    } else {
        set_gate(vector, (uint64_t)trap_stubs + vector * STUB_BYTES,
                 GATE_INTERRUPT, 0, vector == DF ? 1 : 0, true);
    }
}

void load_tables(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) p = { sizeof(gdt) - 1, (uint64_t)gdt };

    __asm__ volatile("lgdt %0" : : "m"(p));
    p.limit = sizeof(idt) - 1;
    p.base = (uint64_t)idt;
    __asm__ volatile("lidt %0" : : "m"(p));
}

void traps_init(void)
{
    uint64_t base = (uint64_t)&tss;

    gdt[SEL_CODE64 / 8] = 0x00af9b000000ffff;
    gdt[SEL_DATA / 8] = 0x00cf93000000ffff;
    gdt[SEL_CODE32 / 8] = 0x00cf9b000000ffff;
    gdt[SEL_USER32 / 8] = 0x00cffb000000ffff;
    gdt[SEL_USER_DATA / 8] = 0x00cff3000000ffff;
    gdt[SEL_USER64 / 8] = 0x00affb000000ffff;
    gdt[SEL_TSS / 8] = (sizeof(tss) - 1) | (base & 0xffffff) << 16 |
                       0x89ull << 40 | (base >> 24 & 0xff) << 56;
    gdt[SEL_TSS / 8 + 1] = base >> 32;
    tss.rsp[0] = (uint64_t)rsp0_stack + sizeof(rsp0_stack);
    tss.ist[0] = (uint64_t)ist_stack + sizeof(ist_stack);
    tss.iomap = sizeof(tss);
    for (unsigned i = 0; i < 32; i++) {
        reset_gate(i);
    }
    reset_gate(VECTOR_BACK);
    load_tables();
    __asm__ volatile("ltr %w0; lldt %w1" : : "r"(SEL_TSS), "r"(0));
    __asm__ volatile("mov %0, %%ss; mov %0, %%ds; mov %0, %%es"
                     :
                     : "r"(SEL_DATA));
    outb(0x21, 0xff);
    outb(0xa1, 0xff);
}

void trap_enter(Frame *f, uint64_t rflags)
{
    if (trap_hook && trap_hook(f)) {
        return;
    }
    trap.f = *f;
    trap.vector = f->vector;
    trap.error = f->error;
    trap.cr2 = read_cr2();
    trap.handler_rsp = (uint64_t)f;
    trap.handler_rflags = rflags;
    do_jump(jump);
}

bool trapped(void (*fn)(void *), void *arg)
{
    trap.vector = NONE;
    trap.error = 0;
    if (set_jump(jump) == 0) {
        fn(arg);
        return false;
    }
    return true;
}

uint64_t user_alias(const void *p)
{
    return (uint64_t)p + USER_ALIAS;
}

typedef struct UserCall {
    const void *code;
    uint64_t arg;
} UserCall;

static void call_user(void *p)
{
    UserCall *c = p;

    enter_user(user_alias(c->code),
               user_alias(user_stack + sizeof(user_stack) - 64), user_flags,
               c->arg);
}

void run_user(const void *code, uint64_t arg)
{
    UserCall c = { code, arg };

    trapped(call_user, &c);
}

void expect(uint64_t vector, uint64_t error, const char *name)
{
    if (trap.vector == vector && trap.error != error) {
        ok_eq(trap.error, error, name);
    } else {
        ok_eq(trap.vector, vector, name);
    }
}

static uint32_t leaf7_ebx(void)
{
    uint32_t r[4];

    cpuid(0, 0, r);
    if (r[0] < 7) {
        return 0;
    }
    cpuid(7, 0, r);
    return r[1];
}

bool has_smep(void)
{
    return leaf7_ebx() >> 7 & 1;
}

bool has_smap(void)
{
    return leaf7_ebx() >> 20 & 1;
}

void map(unsigned i, unsigned n, uint64_t flags)
{
    window_pt[i] = (uint64_t)pool[n] | flags;
    invlpg(window(i));
}

void main64(void);
void main64(void)
{
    window_pd[0] = (uint64_t)window_pt | PTE_P | PTE_W | PTE_U;
    traps_init();
    test_paging();
    test_segments();
    test_exceptions();
    test_debug();
    test_fast_calls();
    test_strings();
    test_code();
    test_smp();
    finish();
}
