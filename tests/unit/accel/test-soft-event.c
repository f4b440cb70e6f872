/*
 * Exceptions, interrupts and returns: what is pushed where, which fault comes
 * instead, in real, protected and long mode; tasks and virtual-8086 mode.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "soft-machine.h"

#define TYPE_INT   14u
#define TYPE_TRAP  15u
#define TYPE_TASK  5u
#define HANDLER    0x5555000ull
#define RETURN_RIP (SM_CODE + 7)

static bool deliver(SoftCPU *cpu, uint8_t vector, SoftEventKind kind)
{
    return soft_event_deliver(cpu, vector, kind, NULL, RETURN_RIP);
}

static void enter_user(SoftMachine *sm)
{
    SoftCPU *cpu = sm->cpu[0];
    bool long_mode = cpu->efer & SOFT_EFER_LMA;
    SoftStack st;

    soft_stack_current(cpu, &st);
    st.sp = SM_STACK0 - 0x100;
    g_assert_true(soft_stack_push(cpu, &st, long_mode ? 8 : 4, SM_SEL_UDATA));
    g_assert_true(soft_stack_push(cpu, &st, long_mode ? 8 : 4, SM_STACK3));
    g_assert_true(soft_stack_push(cpu, &st, long_mode ? 8 : 4, 0x202));
    g_assert_true(soft_stack_push(cpu, &st, long_mode ? 8 : 4,
                                  long_mode ? SM_SEL_UCODE64 : SM_SEL_UCODE32));
    g_assert_true(soft_stack_push(cpu, &st, long_mode ? 8 : 4, SM_CODE));
    soft_stack_commit(cpu, &st);
    g_assert_true(soft_iret(cpu, long_mode ? 8 : 4));
    cpu->rip = cpu->next_rip;
}

/* -- real mode -------------------------------------------------------------------- */

static void test_real(void)
{
    g_autoptr(SoftMachine) sm = sm_new(SM_REAL, 1, false);
    SoftCPU *cpu = sm->cpu[0];

    sm_put64(sm, 0x21 * 4, 0x12345678);
    cpu->eflags = 0x0302;
    cpu->next_rip = 0x1002;
    g_assert_true(soft_int(cpu, 0x21));
    g_assert_cmphex(cpu->next_rip, ==, 0x5678);
    g_assert_cmphex(cpu->seg[X86_CS].selector, ==, 0x1234);
    g_assert_cmphex(cpu->seg[X86_CS].base, ==, 0x12340);
    g_assert_cmphex(cpu->gpr[X86_RSP], ==, 0x7ffa);
    g_assert_cmphex(sm_get16(sm, 0x7ffa), ==, 0x1002);
    g_assert_cmphex(sm_get16(sm, 0x7ffe), ==, 0x0302);
    g_assert_cmphex(cpu->eflags, ==, 2);
    g_assert_true(soft_iret(cpu, 2));
    g_assert_cmphex(cpu->next_rip, ==, 0x1002);
    g_assert_cmphex(cpu->eflags, ==, 0x0302);
    g_assert_cmphex(cpu->seg[X86_CS].base, ==, 0);
    /* Beyond the table: #GP, then #DF, then shutdown. */
    cpu->idt.limit = 10;
    soft_raise(cpu, SOFT_EXC_UD);
    soft_deliver_exception(cpu);
    g_assert_true(cpu->triple_fault);
}

/* -- long mode --------------------------------------------------------------------- */

static void test_long_same(void)
{
    g_autoptr(SoftMachine) sm = sm_new(SM_LONG, 1, false);
    SoftCPU *cpu = sm->cpu[0];

    sm_gate(sm, 0x40, SM_SEL_CODE64, HANDLER, TYPE_INT, 0, 0);
    cpu->gpr[X86_RSP] = SM_STACK0 - 0x33;
    cpu->eflags = 0x10302 | SOFT_EFL_NT;
    g_assert_true(deliver(cpu, 0x40, SOFT_EVENT_EXTERNAL));
    g_assert_cmphex(cpu->next_rip, ==, HANDLER);
    /* The stack is aligned first. */
    g_assert_cmphex(cpu->gpr[X86_RSP], ==, SM_STACK0 - 0x40 - 40);
    g_assert_cmphex(sm_get64(sm, cpu->gpr[X86_RSP]), ==, RETURN_RIP);
    g_assert_cmphex(sm_get64(sm, cpu->gpr[X86_RSP] + 8), ==, SM_SEL_CODE64);
    g_assert_cmphex(sm_get64(sm, cpu->gpr[X86_RSP] + 16), ==,
                    0x10302 | SOFT_EFL_NT);
    g_assert_cmphex(sm_get64(sm, cpu->gpr[X86_RSP] + 24), ==, SM_STACK0 - 0x33);
    g_assert_cmphex(sm_get64(sm, cpu->gpr[X86_RSP] + 32), ==, SM_SEL_DATA);
    g_assert_cmphex(cpu->eflags, ==, 2);
    g_assert_true(soft_iret(cpu, 8));
    g_assert_cmphex(cpu->next_rip, ==, RETURN_RIP);
    g_assert_cmphex(cpu->gpr[X86_RSP], ==, SM_STACK0 - 0x33);
    g_assert_true(cpu->eflags & SOFT_EFL_IF);
}

static void test_long_user(void)
{
    g_autoptr(SoftMachine) sm = sm_new(SM_LONG, 1, false);
    SoftCPU *cpu = sm->cpu[0];

    sm_gate(sm, SOFT_EXC_PF, SM_SEL_CODE64, HANDLER, TYPE_TRAP, 0, 0);
    sm_gate(sm, 0x80, SM_SEL_CODE64, HANDLER + 16, TYPE_TRAP, 3, 0);
    sm_gate(sm, 2, SM_SEL_CODE64, HANDLER + 32, TYPE_INT, 0, 1);
    enter_user(sm);
    g_assert_cmpuint(soft_cpl(cpu), ==, 3);
    g_assert_cmphex(cpu->gpr[X86_RSP], ==, SM_STACK3);
    soft_raise_page_fault(cpu, 0xdead000, 6);
    soft_deliver_exception(cpu);
    g_assert_cmpuint(soft_cpl(cpu), ==, 0);
    g_assert_cmphex(cpu->cr2, ==, 0xdead000);
    g_assert_cmphex(cpu->rip, ==, HANDLER);
    g_assert_cmphex(cpu->gpr[X86_RSP], ==, SM_STACK0 - 48);
    g_assert_cmphex(sm_get64(sm, SM_STACK0 - 48), ==, 6);
    g_assert_cmphex(sm_get64(sm, SM_STACK0 - 40), ==, SM_CODE);
    g_assert_cmphex(sm_get64(sm, SM_STACK0 - 24), ==, 0x202 | SOFT_EFL_RF);
    g_assert_cmphex(sm_get64(sm, SM_STACK0 - 8), ==, SM_SEL_UDATA);
    g_assert_cmphex(cpu->seg[X86_SS].selector, ==, 0);
    g_assert_true(cpu->eflags & SOFT_EFL_IF); /* a trap gate */
    /* Back, then a system call by INT, then an NMI on its own stack. */
    cpu->gpr[X86_RSP] += 8;
    g_assert_true(soft_iret(cpu, 8));
    cpu->next_rip = SM_CODE + 2;
    g_assert_true(soft_int(cpu, 0x80));
    g_assert_cmphex(sm_get64(sm, SM_STACK0 - 40), ==, SM_CODE + 2);
    g_assert_true(deliver(cpu, 2, SOFT_EVENT_EXTERNAL));
    g_assert_cmphex(cpu->gpr[X86_RSP], ==, SM_IST - 40);
}

typedef struct GateCase {
    unsigned type;
    unsigned dpl;
    uint16_t selector;
    uint64_t offset;
    bool absent;
    unsigned vector;
    uint32_t error;
} GateCase;

/* What is wrong with a gate, for INT n from user mode (EXT is 0). */
static void test_long_gates(void)
{
    static const GateCase cases[] = {
        { TYPE_INT, 0, SM_SEL_CODE64, HANDLER, false, SOFT_EXC_GP,
          0x30 * 8 | 2 },
        { 6, 3, SM_SEL_CODE64, HANDLER, false, SOFT_EXC_GP, 0x30 * 8 | 2 },
        { TYPE_TASK, 3, SM_SEL_CODE64, HANDLER, false, SOFT_EXC_GP,
          0x30 * 8 | 2 },
        { TYPE_INT, 3, SM_SEL_CODE64, HANDLER, true, SOFT_EXC_NP,
          0x30 * 8 | 2 },
        { TYPE_INT, 3, 0, HANDLER, false, SOFT_EXC_GP, 0 },
        { TYPE_INT, 3, SM_SEL_CODE32, HANDLER, false, SOFT_EXC_GP,
          SM_SEL_CODE32 },
        { TYPE_INT, 3, SM_SEL_DATA, HANDLER, false, SOFT_EXC_GP, SM_SEL_DATA },
        { TYPE_INT, 3, 0xf8, HANDLER, false, SOFT_EXC_GP, 0xf8 },
        { TYPE_INT, 3, 0x108, HANDLER, false, SOFT_EXC_GP, 0x108 },
        { TYPE_INT, 3, SM_SEL_CODE64, 0x800000000000, false, SOFT_EXC_GP, 0 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const GateCase *c = &cases[i];
        g_autoptr(SoftMachine) sm = sm_new(SM_LONG, 1, false);
        SoftCPU *cpu = sm->cpu[0];

        g_test_message("case %zu", i);
        enter_user(sm);
        sm_gate(sm, 0x30, c->selector, c->offset, c->type, c->dpl, 0);
        if (c->absent) {
            sm->ram[SM_IDT + 0x300 + 5] &= 0x7f;
        }
        g_assert_false(soft_int(cpu, 0x30));
        sm_assert_fault(cpu, c->vector, c->error);
        g_assert_cmpuint(soft_cpl(cpu), ==, 3);
        g_assert_cmphex(cpu->gpr[X86_RSP], ==, SM_STACK3);
    }
}

static void test_double_fault(void)
{
    g_autoptr(SoftMachine) sm = sm_new(SM_LONG, 1, false);
    SoftCPU *cpu = sm->cpu[0];

    sm_gate(sm, SOFT_EXC_DF, SM_SEL_CODE64, HANDLER, TYPE_INT, 0, 1);
    /* #PF whose handler is not there: #GP while delivering, so #DF. */
    soft_raise_page_fault(cpu, 0x1234, 0);
    soft_deliver_exception(cpu);
    g_assert_false(cpu->triple_fault);
    g_assert_cmphex(cpu->rip, ==, HANDLER);
    g_assert_cmphex(sm_get64(sm, SM_IST - 48), ==, 0);
    g_assert_cmphex(sm_get64(sm, SM_IST - 40), ==, SM_CODE);
    /* #UD is benign: what comes of it is delivered by itself. */
    sm_gate(sm, SOFT_EXC_GP, SM_SEL_CODE64, HANDLER + 16, TYPE_INT, 0, 1);
    soft_raise(cpu, SOFT_EXC_UD);
    soft_deliver_exception(cpu);
    g_assert_cmphex(cpu->rip, ==, HANDLER + 16);
    g_assert_cmphex(sm_get64(sm, SM_IST - 48), ==, SOFT_EXC_UD * 8 | 3);
    /* And a fault while delivering #DF ends it all. */
    sm_gate(sm, SOFT_EXC_DF, SM_SEL_DATA, HANDLER, TYPE_INT, 0, 1);
    soft_raise_page_fault(cpu, 0x1234, 0);
    soft_deliver_exception(cpu);
    g_assert_true(cpu->triple_fault);
    g_assert_cmpint(sm_run(sm, 0), ==, ACCEL_EXIT_RESET);
}

/* -- 32-bit protected mode ------------------------------------------------------------ */

static void test_prot_user(void)
{
    g_autoptr(SoftMachine) sm = sm_new(SM_PROT32, 1, false);
    SoftCPU *cpu = sm->cpu[0];

    sm_gate(sm, SOFT_EXC_GP, SM_SEL_CODE32, 0x155500, TYPE_INT, 0, 0);
    sm_gate(sm, 0x60, SM_SEL_CODE32, 0x1234, 6, 3, 0); /* 16-bit gate */
    enter_user(sm);
    g_assert_cmpuint(soft_cpl(cpu), ==, 3);
    soft_raise_error(cpu, SOFT_EXC_GP, 0x1230);
    soft_deliver_exception(cpu);
    g_assert_cmphex(cpu->rip, ==, 0x155500);
    g_assert_cmphex(cpu->gpr[X86_RSP], ==, SM_STACK0 - 24);
    g_assert_cmphex(sm_get32(sm, SM_STACK0 - 24), ==, 0x1230);
    g_assert_cmphex(sm_get32(sm, SM_STACK0 - 20), ==, SM_CODE);
    g_assert_cmphex(sm_get32(sm, SM_STACK0 - 16), ==, SM_SEL_UCODE32);
    g_assert_cmphex(sm_get32(sm, SM_STACK0 - 8), ==, SM_STACK3);
    g_assert_cmphex(sm_get32(sm, SM_STACK0 - 4), ==, SM_SEL_UDATA);
    cpu->gpr[X86_RSP] += 4;
    g_assert_true(soft_iret(cpu, 4));
    cpu->next_rip = SM_CODE + 2;
    g_assert_true(soft_int(cpu, 0x60));
    g_assert_cmphex(cpu->next_rip, ==, 0x1234);
    g_assert_cmphex(cpu->gpr[X86_RSP], ==, SM_STACK0 - 10);
    g_assert_cmphex(sm_get16(sm, SM_STACK0 - 10), ==, (SM_CODE + 2) & 0xffff);
}

static void test_iret_faults(void)
{
    static const struct {
        uint16_t cs;
        uint16_t ss;
        uint64_t ip;
        unsigned vector;
        uint32_t error;
    } cases[] = {
        { 0, SM_SEL_UDATA, SM_CODE, SOFT_EXC_GP, 0 },
        { SM_SEL_DATA, SM_SEL_UDATA, SM_CODE, SOFT_EXC_GP, SM_SEL_DATA },
        { SM_SEL_UCODE64, 0, SM_CODE, SOFT_EXC_GP, 0 },
        { SM_SEL_UCODE64, SM_SEL_DATA, SM_CODE, SOFT_EXC_GP, SM_SEL_DATA },
        { SM_SEL_UCODE64, SM_SEL_UDATA, 1ull << 47, SOFT_EXC_GP, 0 },
        { SM_SEL_UCODE64 & ~3, SM_SEL_UDATA, SM_CODE, SOFT_EXC_GP,
          SM_SEL_UCODE64 & ~3 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(SoftMachine) sm = sm_new(SM_LONG, 1, false);
        SoftCPU *cpu = sm->cpu[0];
        uint64_t sp = SM_STACK0 - 0x100;

        g_test_message("case %zu", i);
        cpu->gpr[X86_RSP] = sp;
        sm_put64(sm, sp, cases[i].ip);
        sm_put64(sm, sp + 8, cases[i].cs);
        sm_put64(sm, sp + 16, 2);
        sm_put64(sm, sp + 24, SM_STACK3);
        sm_put64(sm, sp + 32, cases[i].ss);
        g_assert_false(soft_iret(cpu, 8));
        sm_assert_fault(cpu, cases[i].vector, cases[i].error);
        g_assert_cmphex(cpu->gpr[X86_RSP], ==, sp);
    }
}

/* -- tasks ------------------------------------------------------------------------------- */

#define TSS2 0x6000u

static void make_task(SoftMachine *sm)
{
    uint32_t tss[26] = { 0 };

    tss[7] = 0;              /* CR3 */
    tss[8] = 0x123456;       /* EIP */
    tss[9] = 2;              /* EFLAGS */
    tss[14] = SM_STACK3;     /* ESP */
    tss[10] = 0xaaaa;        /* EAX */
    tss[18] = SM_SEL_DATA;   /* ES */
    tss[19] = SM_SEL_CODE32; /* CS */
    tss[20] = SM_SEL_DATA;   /* SS */
    tss[21] = SM_SEL_DATA;   /* DS */
    sm_put(sm, TSS2, tss, sizeof(tss));
    sm_descriptor(sm, SM_SEL_FREE, TSS2, 103,
                  SOFT_SEG_P | SOFT_SYS_TSS << SOFT_SEG_TYPE_SHIFT);
}

static void test_task(void)
{
    g_autoptr(SoftMachine) sm = sm_new(SM_PROT32, 1, false);
    SoftCPU *cpu = sm->cpu[0];

    make_task(sm);
    sm_gate(sm, SOFT_EXC_DF, SM_SEL_FREE, 0, TYPE_TASK, 0, 0);
    cpu->gpr[X86_RBX] = 0xbbbb;
    soft_raise_error(cpu, SOFT_EXC_DF, 0);
    soft_deliver_exception(cpu);
    g_assert_cmphex(cpu->rip, ==, 0x123456);
    g_assert_cmphex(cpu->gpr[X86_RAX], ==, 0xaaaa);
    g_assert_cmphex(cpu->seg[X86_TR].selector, ==, SM_SEL_FREE);
    g_assert_true(cpu->eflags & SOFT_EFL_NT);
    g_assert_true(cpu->cr0 & SOFT_CR0_TS);
    /* The error code is on the new task's stack; the old task is saved. */
    g_assert_cmphex(cpu->gpr[X86_RSP], ==, SM_STACK3 - 4);
    g_assert_cmphex(sm_get16(sm, TSS2), ==, SM_SEL_TSS);
    g_assert_cmphex(sm_get32(sm, SM_TSS + 32), ==, SM_CODE);
    g_assert_cmphex(sm_get32(sm, SM_TSS + 52), ==, 0xbbbb);
    g_assert_cmphex(sm->ram[SM_GDT + SM_SEL_FREE + 5] & 15, ==,
                    SOFT_SYS_TSS_BUSY);
    /* IRET with NT set goes back. */
    sm_put64(sm, SM_TSS + 0x48, SM_SEL_DATA | (uint64_t)SM_SEL_CODE32 << 32);
    sm_put64(sm, SM_TSS + 0x50, SM_SEL_DATA | (uint64_t)SM_SEL_DATA << 32);
    g_assert_true(soft_iret(cpu, 4));
    g_assert_cmphex(cpu->next_rip, ==, SM_CODE);
    g_assert_cmphex(cpu->gpr[X86_RBX], ==, 0xbbbb);
    g_assert_cmphex(sm->ram[SM_GDT + SM_SEL_FREE + 5] & 15, ==, SOFT_SYS_TSS);
    g_assert_cmphex(cpu->seg[X86_TR].selector, ==, SM_SEL_TSS);
}

/* With PAE a new CR3 brings four entries that are kept in the CPU. */
static void test_task_pae(void)
{
    g_autoptr(SoftMachine) sm = sm_new(SM_PROT32, 1, false);
    SoftCPU *cpu = sm->cpu[0];
    uint32_t cr3 = SM_FREE + 0x20;
    uint64_t gpa;

    make_task(sm);
    sm_put(sm, TSS2 + 28, &cr3, 4);
    for (uint64_t i = 0; i < 2; i++) {
        uint64_t table = SM_FREE + 0x1000 * (i + 1);

        sm_put64(sm, SM_FREE + 0x20 * i, table | 1);
        sm_put64(sm, table, 0x83);
        sm_put64(sm, table + 8, (i + 1) << 22 | 0x83);
    }
    g_assert_true(soft_write_cr(cpu, 3, SM_FREE));
    g_assert_true(soft_write_cr(cpu, 4, SOFT_CR4_PAE));
    g_assert_true(soft_write_cr(cpu, 0, cpu->cr0 | X86_CR0_PG));
    g_assert_true(soft_translate(cpu, 0x200000, &gpa));
    g_assert_cmphex(gpa, ==, 0x400000);
    g_assert_true(
        soft_task_switch(cpu, SM_SEL_FREE, SOFT_TASK_JMP, SM_CODE, 0));
    g_assert_cmphex(cpu->cr3, ==, cr3);
    g_assert_true(soft_translate(cpu, 0x200000, &gpa));
    g_assert_cmphex(gpa, ==, 0x800000);
}

/* -- virtual-8086 mode --------------------------------------------------------------------- */

static void enter_vm86(SoftMachine *sm, uint32_t iopl)
{
    static const uint32_t segs[4] = { 0x100, 0x200, 0x300, 0x400 };
    SoftCPU *cpu = sm->cpu[0];
    uint32_t frame[9] = { 0x1234, 0x5000, 2 | SOFT_EFL_VM | iopl << 12 | 0x200,
                          0xfff0, 0x6000 };

    memcpy(frame + 5, segs, sizeof(segs));
    cpu->gpr[X86_RSP] = SM_STACK0 - 0x200;
    sm_put(sm, SM_STACK0 - 0x200, frame, sizeof(frame));
    g_assert_true(soft_iret(cpu, 4));
    cpu->rip = cpu->next_rip;
    g_assert_true(cpu->mode_flags & SOFT_MODE_VM86);
}

static void test_vm86(void)
{
    g_autoptr(SoftMachine) sm = sm_new(SM_PROT32, 1, false);
    SoftCPU *cpu = sm->cpu[0];

    enter_vm86(sm, 0);
    g_assert_cmphex(cpu->rip, ==, 0x1234);
    g_assert_cmphex(cpu->seg[X86_CS].base, ==, 0x50000);
    g_assert_cmphex(cpu->seg[X86_DS].base, ==, 0x2000);
    g_assert_cmpuint(soft_cpl(cpu), ==, 3);
    /* IOPL 0: sensitive instructions fault. */
    g_assert_false(soft_cli(cpu));
    sm_assert_fault(cpu, SOFT_EXC_GP, 0u);
    g_assert_false(soft_pushf(cpu, 2));
    sm_assert_fault(cpu, SOFT_EXC_GP, 0u);
    g_assert_false(soft_int(cpu, 0x21));
    sm_assert_fault(cpu, SOFT_EXC_GP, 0u);
    /* An interrupt leaves with all segments on the stack. */
    sm_gate(sm, 0x21, SM_SEL_CODE32, 0x155500, TYPE_INT, 0, 0);
    g_assert_true(deliver(cpu, 0x21, SOFT_EVENT_EXTERNAL));
    g_assert_cmpuint(soft_cpl(cpu), ==, 0);
    g_assert_cmphex(cpu->gpr[X86_RSP], ==, SM_STACK0 - 36);
    g_assert_cmphex(sm_get32(sm, SM_STACK0 - 4), ==, 0x400);
    g_assert_cmphex(sm_get32(sm, SM_STACK0 - 16), ==, 0x100);
    g_assert_cmphex(sm_get32(sm, SM_STACK0 - 20), ==, 0x6000);
    g_assert_true(sm_get32(sm, SM_STACK0 - 28) & SOFT_EFL_VM);
    g_assert_cmphex(cpu->seg[X86_DS].attr & SOFT_SEG_P, ==, 0);
    g_assert_false(cpu->eflags & SOFT_EFL_VM);
    g_assert_true(soft_iret(cpu, 4));
    g_assert_true(cpu->mode_flags & SOFT_MODE_VM86);
    g_assert_cmphex(cpu->seg[X86_GS].base, ==, 0x4000);
}

static void test_vme(void)
{
    g_autoptr(SoftMachine) sm = sm_new(SM_PROT32, 1, false);
    SoftCPU *cpu = sm->cpu[0];

    g_assert_true(soft_write_cr(cpu, 4, SOFT_CR4_VME));
    sm_put64(sm, SM_TSS + 102, 104 + 32);
    sm_put64(sm, 0x21 * 4, 0x70000042); /* the task's vector table, at 0 */
    enter_vm86(sm, 0);
    cpu->eflags |= SOFT_EFL_VIF;
    g_assert_true(soft_cli(cpu));
    g_assert_false(cpu->eflags & SOFT_EFL_VIF);
    g_assert_true(soft_sti(cpu));
    g_assert_true(cpu->eflags & SOFT_EFL_VIF);
    cpu->next_rip = 0x1236;
    g_assert_true(soft_int(cpu, 0x21)); /* its redirection bit is 0 */
    g_assert_cmphex(cpu->next_rip, ==, 0x42);
    g_assert_cmphex(cpu->seg[X86_CS].base, ==, 0x70000);
    g_assert_cmphex(sm_get16(sm, 0x60000 + 0xffee) & 0x3200, ==, 0x3200);
    g_assert_false(cpu->eflags & SOFT_EFL_VIF);
    g_assert_true(soft_iret(cpu, 2));
    g_assert_cmphex(cpu->next_rip, ==, 0x1236);
    g_assert_true(cpu->eflags & SOFT_EFL_VIF);
    /* With the bit set it goes to the monitor. */
    sm->ram[SM_TSS + 104 + 0x21 / 8] = 1 << (0x21 & 7);
    g_assert_false(soft_int(cpu, 0x21));
    sm_assert_fault(cpu, SOFT_EXC_GP, 0u);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/soft/event/real", test_real);
    g_test_add_func("/soft/event/long-same", test_long_same);
    g_test_add_func("/soft/event/long-user", test_long_user);
    g_test_add_func("/soft/event/long-gates", test_long_gates);
    g_test_add_func("/soft/event/double-fault", test_double_fault);
    g_test_add_func("/soft/event/prot-user", test_prot_user);
    g_test_add_func("/soft/event/iret-faults", test_iret_faults);
    g_test_add_func("/soft/event/task", test_task);
    g_test_add_func("/soft/event/task-pae", test_task_pae);
    g_test_add_func("/soft/event/vm86", test_vm86);
    g_test_add_func("/soft/event/vme", test_vme);
    return g_test_run();
}
