/*
 * Exceptions as results, descriptor tables, tasks: the 32-bit program's base.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cputest32.h"

extern const uint8_t trap_stubs[], trap_stub_back[];
int set_jump(uint32_t *buf) __attribute__((returns_twice));
void do_jump(uint32_t *buf) __attribute__((noreturn));
void trap_enter(Frame *f) __attribute__((noreturn));
void load_idt(void);
void main32(void);

uint64_t gdt[GDT_ENTRIES] __attribute__((aligned(16)));
static uint64_t idt[256] __attribute__((aligned(16)));
Tss tss __attribute__((aligned(128))), tss2 __attribute__((aligned(128)));
uint8_t stack0[PAGE] __attribute__((aligned(16)));
uint8_t stack2[PAGE] __attribute__((aligned(16)));
static uint8_t user_stack[PAGE] __attribute__((aligned(16)));
static uint32_t jump[6];
Trap trap;
uint32_t user_flags = FL_ONE;

/* @access: the whole byte; @flags: G, D/B, L, AVL. */
void set_desc(unsigned sel, uint32_t base, uint32_t limit, unsigned access,
              unsigned flags)
{
    gdt[sel / 8] = (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 |
                   (uint64_t)access << 40 | (uint64_t)(limit >> 16 & 15) << 48 |
                   (uint64_t)flags << 52 | (uint64_t)(base >> 24) << 56;
}

void set_call_gate(unsigned sel, const void *to, unsigned dpl, unsigned params)
{
    uint32_t offset = (uint32_t)to;

    gdt[sel / 8] = (offset & 0xffff) | (uint64_t)SEL_CODE << 16 |
                   (uint64_t)params << 32 | (uint64_t)(0x8c | dpl << 5) << 40 |
                   (uint64_t)(offset >> 16) << 48;
}

void set_int_gate(unsigned vector, const void *to, unsigned dpl)
{
    uint32_t offset = (uint32_t)to;

    idt[vector] = (offset & 0xffff) | (uint64_t)SEL_CODE << 16 |
                  (uint64_t)(0x8e | dpl << 5) << 40 |
                  (uint64_t)(offset >> 16) << 48;
}

void set_task_gate(unsigned vector, unsigned sel)
{
    idt[vector] = (uint64_t)sel << 16 | 0xe5ull << 40;
}

void reset_gate(unsigned vector)
{
    if (vector == VECTOR_BACK) {
        set_int_gate(vector, trap_stub_back, 3);
    } else {
        set_int_gate(vector, trap_stubs + vector * 16, 0);
    }
}

static void load(bool is_idt, const void *base, unsigned size)
{
    struct {
        uint16_t limit;
        uint32_t base;
    } __attribute__((packed)) p = { (uint16_t)(size - 1), (uint32_t)base };

    if (is_idt) {
        __asm__ volatile("lidt %0" : : "m"(p));
    } else {
        __asm__ volatile("lgdt %0" : : "m"(p));
    }
}

void load_idt(void)
{
    load(true, idt, sizeof(idt));
}

static void init(void)
{
    set_desc(SEL_CODE, 0, 0xfffff, 0x9b, 0xc);
    set_desc(SEL_DATA, 0, 0xfffff, 0x93, 0xc);
    set_desc(SEL_USER_CODE, 0, 0xfffff, 0xfb, 0xc);
    set_desc(SEL_USER_DATA, 0, 0xfffff, 0xf3, 0xc);
    set_desc(SEL_CODE16, 0, 0xffff, 0x9b, 0);
    set_desc(SEL_DATA16, 0, 0xffff, 0x93, 0);
    set_desc(SEL_TSS, (uint32_t)&tss, sizeof(tss) - 1, 0x89, 0);
    set_desc(SEL_TSS2, (uint32_t)&tss2, sizeof(tss2) - 1, 0x89, 0);
    load(false, gdt, sizeof(gdt));
    tss.ss0 = SEL_DATA;
    tss.esp0 = (uint32_t)stack0 + sizeof(stack0);
    tss.iomap = offsetof(Tss, bitmap);
    for (unsigned i = 0; i < sizeof(tss.bitmap); i++) {
        tss.bitmap[i] = 0xff;
    }
    for (unsigned i = 0; i < 32; i++) {
        reset_gate(i);
    }
    reset_gate(VECTOR_BACK);
    load_idt();
    __asm__ volatile("ltr %w0; lldt %w1" : : "r"(SEL_TSS), "r"(0));
    outb(0x21, 0xff);
    outb(0xa1, 0xff);
}

void trap_enter(Frame *f)
{
    trap.f = *f;
    trap.vector = f->vector;
    trap.error = f->error;
    trap.cr2 = read_cr2();
    trap.handler_esp = (uint32_t)f;
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

typedef struct UserCall {
    const void *code;
    uint32_t arg;
} UserCall;

static void call_user(void *p)
{
    UserCall *c = p;

    enter_user((uint32_t)c->code,
               (uint32_t)user_stack + sizeof(user_stack) - 64, user_flags,
               c->arg);
}

void run_user(const void *code, uint32_t arg)
{
    UserCall c = { code, arg };

    trapped(call_user, &c);
}

void expect(uint32_t vector, uint32_t error, const char *name)
{
    if (trap.vector == vector && trap.error != error) {
        ok_eq(trap.error, error, name);
    } else {
        ok_eq(trap.vector, vector, name);
    }
}

void main32(void)
{
    init();
    test_segments();
    test_privilege();
    test_tasks();
    test_vm86();
    test_real();
    test_paging();
    finish();
}
