/*
 * The 32-bit program: traps, tasks, user code.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TESTS_SOFT_CPUTEST32_H
#define TESTS_SOFT_CPUTEST32_H

#include "cputest.h"

enum {
    SEL_CODE = 0x08,
    SEL_DATA = 0x10,
    SEL_USER_CODE = 0x1b,
    SEL_USER_DATA = 0x23,
    SEL_TSS = 0x28,
    SEL_TSS2 = 0x30,
    SEL_GATE_PARAMS = 0x38, /* call gate, DPL 3, two parameters */
    SEL_GATE_DPL0 = 0x40,
    SEL_LIMITED = 0x48, /* 4 KiB of data */
    SEL_DOWN = 0x50,    /* expand-down above 4 KiB */
    SEL_READ_ONLY = 0x58,
    SEL_EXEC_ONLY = 0x60,
    SEL_ABSENT = 0x68,
    SEL_CONFORMING = 0x70,
    SEL_CODE16 = 0x78,
    SEL_DATA16 = 0x80,
    SEL_TASK_GATE = 0x88,
    SEL_TSS_ABSENT = 0x90,
    SEL_LIMITED3 = 0x98, /* the same for users */
    GDT_ENTRIES = 32,
};

typedef struct Frame {
    uint32_t edi, esi, ebp, esp_unused, ebx, edx, ecx, eax;
    uint32_t vector, error;
    uint32_t eip, cs, eflags;
    uint32_t esp, ss;        /* from another privilege only */
    uint32_t es, ds, fs, gs; /* from virtual-8086 mode only */
} Frame;

typedef struct Trap {
    Frame f;
    uint32_t vector;
    uint32_t error;
    uint32_t cr2;
    uint32_t handler_esp;
} Trap;

typedef struct Tss {
    uint16_t link, pad0;
    uint32_t esp0;
    uint16_t ss0, pad1;
    uint32_t esp1;
    uint16_t ss1, pad2;
    uint32_t esp2;
    uint16_t ss2, pad3;
    uint32_t cr3, eip, eflags;
    uint32_t eax, ecx, edx, ebx, esp, ebp, esi, edi;
    uint32_t es, cs, ss, ds, fs, gs, ldt;
    uint16_t trap, iomap;
    uint8_t bitmap[128 + 1];
} Tss;

extern Trap trap;
extern Tss tss, tss2;
extern uint64_t gdt[GDT_ENTRIES];
extern uint8_t stack0[PAGE], stack2[PAGE];

bool trapped(void (*fn)(void *), void *arg);
/** run_user: @code at CPL 3, ECX = @arg; VECTOR_BACK if all went well. */
void run_user(const void *code, uint32_t arg);
extern uint32_t user_flags;
void expect(uint32_t vector, uint32_t error, const char *name);
void set_desc(unsigned sel, uint32_t base, uint32_t limit, unsigned access,
              unsigned flags);
void set_call_gate(unsigned sel, const void *to, unsigned dpl, unsigned params);
void set_int_gate(unsigned vector, const void *to, unsigned dpl);
void set_task_gate(unsigned vector, unsigned sel);
void reset_gate(unsigned vector);

/* start32.S */
void enter_user(uint32_t eip, uint32_t esp, uint32_t eflags, uint32_t arg);
void enter_vm86(uint32_t ip, uint32_t cs, uint32_t eflags, uint32_t sp);
/** real_call: run the 16-bit code at REAL_CODE in real mode, come back. */
void real_call(void);
#define REAL_CODE 0x7000u

void test_segments(void);
void test_privilege(void);
void test_tasks(void);
void test_vm86(void);
void test_real(void);
void test_paging(void);

#endif
