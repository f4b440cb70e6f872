/*
 * Segment registers: loading, checks of accesses, far transfers, call gates,
 * and LAR, LSL, VERR, VERW.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "soft-machine.h"

#define DATA   (SOFT_SEG_P | SOFT_SEG_S)
#define CODE   (SOFT_SEG_P | SOFT_SEG_S | SOFT_SEG_CODE)
#define DPL(n) ((uint32_t)(n) << SOFT_SEG_DPL_SHIFT)
#define FREE   SM_SEL_FREE
#define SYS(t) (SOFT_SEG_P | (uint32_t)(t) << SOFT_SEG_TYPE_SHIFT)

static void set_cpl(SoftCPU *cpu, unsigned cpl)
{
    cpu->cpl = (uint8_t)cpl;
    soft_update_mode(cpu);
}

typedef struct LoadCase {
    unsigned seg;
    uint32_t access;
    uint16_t selector;
    unsigned cpl;
    int vector; /* -1: loads */
    uint32_t error;
} LoadCase;

static void test_load(void)
{
    static const LoadCase cases[] = {
        { X86_DS, DATA | SOFT_SEG_W, FREE, 0, -1, 0 },
        { X86_DS, DATA, FREE, 0, -1, 0 },
        { X86_DS, CODE | SOFT_SEG_R, FREE, 0, -1, 0 },
        { X86_DS, CODE, FREE, 0, SOFT_EXC_GP, FREE },
        { X86_DS, DATA & ~SOFT_SEG_P, FREE, 0, SOFT_EXC_NP, FREE },
        { X86_DS, DATA, FREE | 3, 0, SOFT_EXC_GP, FREE },
        { X86_DS, DATA | DPL(3), FREE | 3, 0, -1, 0 },
        { X86_DS, DATA, FREE, 3, SOFT_EXC_GP, FREE },
        { X86_DS, CODE | SOFT_SEG_R | SOFT_SEG_C, FREE | 3, 3, -1, 0 },
        { X86_DS, SYS(SOFT_SYS_LDT), FREE, 0, SOFT_EXC_GP, FREE },
        { X86_DS, 0, 0, 0, -1, 0 },
        { X86_DS, 0, 0x103, 0, SOFT_EXC_GP, 0x100 },
        { X86_DS, DATA, 4, 0, SOFT_EXC_GP, 4 },
        { X86_SS, DATA | SOFT_SEG_W, FREE, 0, -1, 0 },
        { X86_SS, DATA, FREE, 0, SOFT_EXC_GP, FREE },
        { X86_SS, DATA | SOFT_SEG_W, FREE | 3, 0, SOFT_EXC_GP, FREE },
        { X86_SS, DATA | SOFT_SEG_W | DPL(3), FREE, 0, SOFT_EXC_GP, FREE },
        { X86_SS, (DATA | SOFT_SEG_W) & ~SOFT_SEG_P, FREE, 0, SOFT_EXC_SS,
          FREE },
        { X86_SS, DATA | SOFT_SEG_W | DPL(3), FREE | 3, 3, -1, 0 },
        { X86_SS, 0, 0, 0, SOFT_EXC_GP, 0 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const LoadCase *c = &cases[i];
        g_autoptr(SoftMachine) sm = sm_new(SM_PROT32, 1, false);
        SoftCPU *cpu = sm->cpu[0];

        g_test_message("case %zu", i);
        sm_descriptor(sm, FREE, 0x12345678, 0x9abcd,
                      c->access | SOFT_SEG_G | SOFT_SEG_DB);
        set_cpl(cpu, c->cpl);
        if (c->vector >= 0) {
            g_assert_false(soft_load_seg(cpu, c->seg, c->selector));
            sm_assert_fault(cpu, (unsigned)c->vector, c->error);
            continue;
        }
        g_assert_true(soft_load_seg(cpu, c->seg, c->selector));
        g_assert_cmphex(cpu->seg[c->seg].selector, ==, c->selector);
        if (c->selector & ~3) {
            g_assert_cmphex(cpu->seg[c->seg].base, ==, 0x12345678);
            g_assert_cmphex(cpu->seg[c->seg].limit, ==, 0x9abcdfff);
            g_assert_true(sm->ram[SM_GDT + FREE + 5] & 1);
        } else {
            g_assert_false(cpu->seg[c->seg].attr & SOFT_SEG_P);
        }
    }
}

static void test_limits(void)
{
    g_autoptr(SoftMachine) sm = sm_new(SM_PROT32, 1, false);
    SoftCPU *cpu = sm->cpu[0];
    uint64_t linear;

    sm_descriptor(sm, FREE, 0x1000, 0xfff, DATA | SOFT_SEG_W | SOFT_SEG_DB);
    g_assert_true(soft_load_seg(cpu, X86_ES, FREE));
    g_assert_true(
        soft_seg_linear(cpu, X86_ES, 0xffc, 4, SOFT_ACCESS_WRITE, &linear));
    g_assert_cmphex(linear, ==, 0x1ffc);
    g_assert_false(
        soft_seg_linear(cpu, X86_ES, 0xffd, 4, SOFT_ACCESS_READ, &linear));
    sm_assert_fault(cpu, SOFT_EXC_GP, 0u);
    /* Expand-down: everything over the limit. */
    sm_descriptor(sm, FREE, 0, 0xfff,
                  DATA | SOFT_SEG_W | SOFT_SEG_E | SOFT_SEG_DB);
    g_assert_true(soft_load_seg(cpu, X86_SS, FREE));
    g_assert_false(
        soft_seg_linear(cpu, X86_SS, 0xfff, 1, SOFT_ACCESS_READ, &linear));
    sm_assert_fault(cpu, SOFT_EXC_SS, 0u);
    g_assert_true(
        soft_seg_linear(cpu, X86_SS, 0x1000, 4, SOFT_ACCESS_READ, &linear));
    g_assert_false(
        soft_seg_linear(cpu, X86_SS, 0xfffffffe, 4, SOFT_ACCESS_READ, &linear));
    sm_assert_fault(cpu, SOFT_EXC_SS, 0u);
    /* Types: read-only data, code that is not readable, a null selector. */
    sm_descriptor(sm, FREE, 0, 0xfffff, DATA | SOFT_SEG_G);
    g_assert_true(soft_load_seg(cpu, X86_FS, FREE));
    g_assert_false(
        soft_seg_linear(cpu, X86_FS, 0, 1, SOFT_ACCESS_WRITE, &linear));
    sm_assert_fault(cpu, SOFT_EXC_GP, 0u);
    g_assert_true(soft_load_seg(cpu, X86_GS, 0));
    g_assert_false(
        soft_seg_linear(cpu, X86_GS, 0, 1, SOFT_ACCESS_READ, &linear));
    sm_assert_fault(cpu, SOFT_EXC_GP, 0u);
    g_assert_false(
        soft_seg_linear(cpu, X86_CS, 0, 1, SOFT_ACCESS_WRITE, &linear));
    sm_assert_fault(cpu, SOFT_EXC_GP, 0u);
}

/* Real mode keeps the limit that protected mode loaded. */
static void test_unreal(void)
{
    g_autoptr(SoftMachine) sm = sm_new(SM_PROT32, 1, false);
    SoftCPU *cpu = sm->cpu[0];
    uint64_t linear;

    g_assert_true(soft_load_seg(cpu, X86_ES, SM_SEL_DATA));
    g_assert_true(soft_load_seg(cpu, X86_GS, 0));
    g_assert_true(soft_write_cr(cpu, 0, cpu->cr0 & ~X86_CR0_PE));
    g_assert_true(soft_load_seg(cpu, X86_ES, 0x10));
    g_assert_true(soft_load_seg(cpu, X86_GS, 0x20));
    g_assert_true(
        soft_seg_linear(cpu, X86_ES, 0x200000, 4, SOFT_ACCESS_WRITE, &linear));
    g_assert_cmphex(linear, ==, 0x200100);
    g_assert_true(
        soft_seg_linear(cpu, X86_GS, 0xffff, 1, SOFT_ACCESS_WRITE, &linear));
    g_assert_false(
        soft_seg_linear(cpu, X86_GS, 0x10000, 1, SOFT_ACCESS_WRITE, &linear));
    sm_assert_fault(cpu, SOFT_EXC_GP, 0u);
}

static void test_flat_flag(void)
{
    g_autoptr(SoftMachine) sm = sm_new(SM_PROT32, 1, false);
    SoftCPU *cpu = sm->cpu[0];

    g_assert_true(cpu->mode_flags & SOFT_MODE_FLAT);
    sm_descriptor(sm, FREE, 0x1000, 0xfffff,
                  DATA | SOFT_SEG_W | SOFT_SEG_G | SOFT_SEG_DB);
    g_assert_true(soft_load_seg(cpu, X86_ES, FREE));
    g_assert_false(cpu->mode_flags & SOFT_MODE_FLAT);
    g_assert_true(soft_load_seg(cpu, X86_ES, SM_SEL_DATA));
    g_assert_true(cpu->mode_flags & SOFT_MODE_FLAT);
}

/* -- far transfers ------------------------------------------------------------------ */

static void test_far_modes(void)
{
    g_autoptr(SoftMachine) sm = sm_new(SM_LONG, 1, false);
    SoftCPU *cpu = sm->cpu[0];

    /* To compatibility mode and back. */
    g_assert_true(soft_far_jmp(cpu, SM_SEL_CODE32, 0x1000, 4));
    g_assert_false(soft_long64(cpu));
    g_assert_true(cpu->mode_flags & SOFT_MODE_CS32);
    g_assert_true(cpu->mode_flags & SOFT_MODE_LMA);
    cpu->next_rip = 0x1005;
    g_assert_true(soft_far_call(cpu, SM_SEL_CODE64, 0x2000, 4));
    g_assert_true(soft_long64(cpu));
    g_assert_cmphex(cpu->gpr[X86_RSP], ==, SM_STACK0 - 8);
    g_assert_true(soft_far_ret(cpu, 4, 0));
    g_assert_cmphex(cpu->next_rip, ==, 0x1005);
    g_assert_true(cpu->mode_flags & SOFT_MODE_CS32);
    g_assert_false(soft_far_jmp(cpu, SM_SEL_UCODE64 & ~3, 0, 4));
    sm_assert_fault(cpu, SOFT_EXC_GP, SM_SEL_UCODE64 & ~3u);
    g_assert_false(soft_far_jmp(cpu, 0, 0, 4));
    sm_assert_fault(cpu, SOFT_EXC_GP, 0u);
    g_assert_false(soft_far_jmp(cpu, SM_SEL_DATA, 0, 4));
    sm_assert_fault(cpu, SOFT_EXC_GP, SM_SEL_DATA);
}

/* A call gate to CPL 0 with two parameters, and the return. */
static void test_call_gate(void)
{
    g_autoptr(SoftMachine) sm = sm_new(SM_PROT32, 1, false);
    SoftCPU *cpu = sm->cpu[0];
    uint64_t gate = (0x4321 & 0xffff) | (uint64_t)SM_SEL_CODE32 << 16 |
                    2ull << 32 | 0xecull << 40 | 0x15ull << 48;

    sm_put64(sm, SM_GDT + FREE, gate);
    set_cpl(cpu, 3);
    g_assert_true(soft_load_seg(cpu, X86_SS, SM_SEL_UDATA));
    g_assert_true(soft_load_seg(cpu, X86_DS, SM_SEL_UDATA));
    cpu->seg[X86_CS].selector = SM_SEL_UCODE32;
    cpu->gpr[X86_RSP] = SM_STACK3 - 8;
    sm_put64(sm, SM_STACK3 - 8, 0x1111 | 0x2222ull << 32);
    cpu->next_rip = SM_CODE + 7;
    g_assert_true(soft_far_call(cpu, FREE | 3, 0, 4));
    g_assert_cmpuint(soft_cpl(cpu), ==, 0);
    g_assert_cmphex(cpu->next_rip, ==, 0x154321);
    g_assert_cmphex(cpu->gpr[X86_RSP], ==, SM_STACK0 - 24);
    g_assert_cmphex(sm_get32(sm, SM_STACK0 - 24), ==, SM_CODE + 7);
    g_assert_cmphex(sm_get32(sm, SM_STACK0 - 20), ==, SM_SEL_UCODE32);
    g_assert_cmphex(sm_get32(sm, SM_STACK0 - 16), ==, 0x1111);
    g_assert_cmphex(sm_get32(sm, SM_STACK0 - 12), ==, 0x2222);
    g_assert_cmphex(sm_get32(sm, SM_STACK0 - 8), ==, SM_STACK3 - 8);
    /* A segment of CPL 0 does not survive the return. */
    g_assert_true(soft_load_seg(cpu, X86_ES, SM_SEL_DATA));
    g_assert_true(soft_far_ret(cpu, 4, 8));
    g_assert_cmpuint(soft_cpl(cpu), ==, 3);
    g_assert_cmphex(cpu->next_rip, ==, SM_CODE + 7);
    g_assert_cmphex(cpu->gpr[X86_RSP], ==, SM_STACK3);
    g_assert_false(cpu->seg[X86_ES].attr & SOFT_SEG_P);
    g_assert_true(cpu->seg[X86_DS].attr & SOFT_SEG_P);
    /* The gate's own privilege. */
    sm_put64(sm, SM_GDT + FREE, gate & ~(0x60ull << 40));
    g_assert_false(soft_far_call(cpu, FREE | 3, 0, 4));
    sm_assert_fault(cpu, SOFT_EXC_GP, FREE);
}

/* -- SYSCALL and SYSENTER ---------------------------------------------------------------- */

static void test_syscall(void)
{
    g_autoptr(SoftMachine) sm = sm_new(SM_LONG, 1, false);
    SoftCPU *cpu = sm->cpu[0];

    g_assert_true(
        soft_msr_write(cpu, 0xc0000081, 0x0023ull << 48 | 0x0008ull << 32));
    g_assert_true(soft_msr_write(cpu, 0xc0000082, 0xffffffff81000000ull));
    g_assert_true(soft_msr_write(cpu, 0xc0000084, SOFT_EFL_IF | SOFT_EFL_DF));
    cpu->gpr[X86_RCX] = 0x401000;
    cpu->gpr[11] = 0x602;
    g_assert_true(soft_sysret(cpu, 8));
    g_assert_cmpuint(soft_cpl(cpu), ==, 3);
    g_assert_cmphex(cpu->next_rip, ==, 0x401000);
    g_assert_cmphex(cpu->seg[X86_CS].selector, ==, 0x33);
    g_assert_cmphex(cpu->seg[X86_SS].selector, ==, 0x2b);
    g_assert_cmphex(cpu->eflags, ==, 0x602);
    cpu->next_rip = 0x401002;
    g_assert_true(soft_syscall(cpu));
    g_assert_cmpuint(soft_cpl(cpu), ==, 0);
    g_assert_cmphex(cpu->next_rip, ==, 0xffffffff81000000ull);
    g_assert_cmphex(cpu->gpr[X86_RCX], ==, 0x401002);
    g_assert_cmphex(cpu->gpr[11], ==, 0x602);
    g_assert_cmphex(cpu->eflags, ==, 2);
    cpu->gpr[X86_RCX] = 1ull << 47;
    g_assert_false(soft_sysret(cpu, 8));
    sm_assert_fault(cpu, SOFT_EXC_GP, 0u);
    g_assert_false(soft_sysenter(cpu));
    sm_assert_fault(cpu, SOFT_EXC_GP, 0u);
    g_assert_true(soft_msr_write(cpu, 0x174, 8));
    g_assert_true(soft_msr_write(cpu, 0x176, 0x1000));
    g_assert_true(soft_sysenter(cpu));
    g_assert_cmphex(cpu->next_rip, ==, 0x1000);
    g_assert_false(soft_msr_write(cpu, 0xc0000082, 1ull << 47));
    sm_assert_fault(cpu, SOFT_EXC_GP, 0u);
}

/* -- LAR and the like ---------------------------------------------------------------------- */

static void test_rights_of(void)
{
    g_autoptr(SoftMachine) sm = sm_new(SM_PROT32, 1, false);
    SoftCPU *cpu = sm->cpu[0];
    uint32_t value = 0;

    g_assert_true(soft_lar(cpu, SM_SEL_DATA, &value));
    g_assert_true(cpu->eflags & SOFT_EFL_ZF);
    g_assert_cmphex(value & 0xff00, ==, 0x9200);
    g_assert_true(soft_lsl(cpu, SM_SEL_DATA, &value));
    g_assert_cmphex(value, ==, 0xffffffff);
    g_assert_true(soft_lsl(cpu, SM_SEL_TSS, &value));
    g_assert_cmphex(value, ==, 0x2067);
    g_assert_true(soft_verw(cpu, SM_SEL_DATA));
    g_assert_true(cpu->eflags & SOFT_EFL_ZF);
    g_assert_true(soft_verw(cpu, SM_SEL_CODE32));
    g_assert_false(cpu->eflags & SOFT_EFL_ZF);
    g_assert_true(soft_verr(cpu, SM_SEL_CODE32));
    g_assert_true(cpu->eflags & SOFT_EFL_ZF);
    g_assert_true(soft_verr(cpu, 0x1008));
    g_assert_false(cpu->eflags & SOFT_EFL_ZF);
    set_cpl(cpu, 3);
    g_assert_true(soft_lar(cpu, SM_SEL_DATA, &value));
    g_assert_false(cpu->eflags & SOFT_EFL_ZF);
    g_assert_true(soft_lar(cpu, SM_SEL_UDATA, &value));
    g_assert_true(cpu->eflags & SOFT_EFL_ZF);
    set_cpl(cpu, 0);
    sm_mode(sm, cpu, SM_REAL);
    g_assert_false(soft_lar(cpu, 0, &value));
    sm_assert_fault(cpu, SOFT_EXC_UD, 0u);
}

static void test_io_bitmap(void)
{
    g_autoptr(SoftMachine) sm = sm_new(SM_PROT32, 1, false);
    SoftCPU *cpu = sm->cpu[0];
    uint32_t value;

    memset(sm->ram + SM_TSS + 104, 0xff, 0x2000);
    set_cpl(cpu, 3);
    g_assert_false(soft_in(cpu, 0x60, 1, &value));
    sm_assert_fault(cpu, SOFT_EXC_GP, 0u);
    sm->ram[SM_TSS + 104 + 0x60 / 8] = 0xfc;
    g_assert_true(soft_in(cpu, 0x60, 2, &value));
    g_assert_cmphex(value, ==, 0x5a5a);
    g_assert_false(soft_in(cpu, 0x60, 4, &value));
    sm_assert_fault(cpu, SOFT_EXC_GP, 0u);
    /* Beyond the TSS's limit. */
    cpu->seg[X86_TR].limit = 104 + 0x60 / 8;
    g_assert_false(soft_in(cpu, 0x60, 1, &value));
    sm_assert_fault(cpu, SOFT_EXC_GP, 0u);
    soft_set_eflags(cpu, cpu->eflags | SOFT_EFL_IOPL);
    g_assert_true(soft_in(cpu, 0x3f8, 1, &value));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/soft/segment/load", test_load);
    g_test_add_func("/soft/segment/limits", test_limits);
    g_test_add_func("/soft/segment/unreal", test_unreal);
    g_test_add_func("/soft/segment/flat", test_flat_flag);
    g_test_add_func("/soft/segment/far", test_far_modes);
    g_test_add_func("/soft/segment/call-gate", test_call_gate);
    g_test_add_func("/soft/segment/syscall", test_syscall);
    g_test_add_func("/soft/segment/rights", test_rights_of);
    g_test_add_func("/soft/segment/io-bitmap", test_io_bitmap);
    return g_test_run();
}
