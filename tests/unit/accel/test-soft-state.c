/*
 * Reset values, state in and out, MSRs, control registers and CPUID.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "accel/soft/insn.h"
#include "qapi/error.h"
#include "util/error.h"

#include "soft-machine.h"

static void test_reset(void)
{
    g_autoptr(SoftMachine) sm = sm_new(SM_REAL, 2, false);
    SoftCPU *cpu = sm->cpu[1];
    g_autoptr(X86CPUState) st = x86_state_new();

    g_assert_true(
        sm->ac->vcpu_get_state(&cpu->base, X86_STATE_ALL, st, &error_abort));
    g_assert_cmphex(st->rip, ==, 0xfff0);
    g_assert_cmphex(st->rflags, ==, 2);
    g_assert_cmphex(st->seg[X86_CS].base, ==, 0xffff0000u);
    g_assert_cmphex(st->seg[X86_CS].selector, ==, 0xf000);
    g_assert_cmphex(st->cr0, ==, 0x60000010);
    g_assert_cmphex(st->dr6, ==, 0xffff0ff0u);
    g_assert_cmphex(st->dr7, ==, 0x400);
    g_assert_cmphex(st->xsave[0] | st->xsave[1] << 8, ==, 0x40);
    g_assert_cmphex(st->xsave[24] | st->xsave[25] << 8, ==, 0x1f80);
    g_assert_cmpint(st->mp_state, ==, X86_MP_UNINITIALIZED);
    g_assert_cmpuint(st->lapic[0], ==, 2);
    g_assert_cmphex(st->gpr[X86_RDX], ==, 0x806f8);
}

static void fill_state(X86CPUState *st)
{
    for (unsigned i = 0; i < X86_GPR_COUNT; i++) {
        st->gpr[i] = 0x1111111111111111ull * (i + 1);
    }
    st->rip = 0xffffffff81001234ull;
    st->rflags = 0x246;
    st->cr2 = 0x12345;
    st->seg[X86_FS].base = 0x7fff12345678ull;
    st->seg[X86_LDTR] = (X86Segment){ .unusable = true };
    for (unsigned i = 0; i < 4; i++) {
        st->dr[i] = 0x1000 * i;
    }
    st->dr6 = 0xffff0ff1;
    st->dr7 = 0x400;
    st->xcr0 = 7;
    for (unsigned i = 0; i < 256; i++) {
        st->xsave[160 + i] = (uint8_t)i;       /* xmm */
        st->xsave[576 + i] = (uint8_t)(i ^ 1); /* upper halves */
    }
    st->xsave[512] = 7;
    st->xsave[24] = 0x80;
    st->xsave[25] = 0x9f;
    st->mp_state = X86_MP_HALTED;
    st->events.interrupt_shadow = SOFT_SHADOW_STI;
    st->events.nmi_masked = true;
    st->events.nmi_pending = true;
    st->events.exception_pending = true;
    st->events.exception_vector = SOFT_EXC_PF;
    st->events.exception_has_error = true;
    st->events.exception_error = 6;
    st->events.exception_has_payload = true;
    st->events.exception_payload = 0xabcd;
}

static uint64_t msr_in(const X86CPUState *st, uint32_t index)
{
    for (size_t i = 0; i < st->n_msrs; i++) {
        if (st->msrs[i].index == index) {
            return st->msrs[i].value;
        }
    }
    g_assert_not_reached();
}

static void test_round_trip(void)
{
    g_autoptr(SoftMachine) sm = sm_new(SM_LONG, 1, false);
    SoftCPU *cpu = sm->cpu[0];
    g_autoptr(X86CPUState) a = x86_state_new();
    g_autoptr(X86CPUState) b = x86_state_new();

    sm->ac->vm_state_changed(sm->accel, false);
    sm->ac->vcpu_get_state(&cpu->base, X86_STATE_ALL, a, &error_abort);
    fill_state(a);
    for (size_t i = 0; i < a->n_msrs; i++) {
        if (a->msrs[i].index == 0xc0000082) {
            a->msrs[i].value = 0xffffffff82000000ull;
        } else if (a->msrs[i].index == 0x10) {
            a->msrs[i].value = 123456789;
        }
    }
    g_assert_true(
        sm->ac->vcpu_set_state(&cpu->base, X86_STATE_ALL, a, &error_abort));
    g_assert_true(
        sm->ac->vcpu_get_state(&cpu->base, X86_STATE_ALL, b, &error_abort));
    g_assert_cmpmem(a->gpr, sizeof(a->gpr), b->gpr, sizeof(b->gpr));
    g_assert_cmphex(a->rip, ==, b->rip);
    g_assert_cmphex(a->rflags, ==, b->rflags);
    for (unsigned i = 0; i < X86_SEG_COUNT; i++) {
        g_assert_cmphex(a->seg[i].base, ==, b->seg[i].base);
        g_assert_cmphex(a->seg[i].limit, ==, b->seg[i].limit);
        g_assert_cmphex(a->seg[i].type, ==, b->seg[i].type);
        g_assert_cmpint(a->seg[i].unusable, ==, b->seg[i].unusable);
        g_assert_cmpint(a->seg[i].l, ==, b->seg[i].l);
    }
    g_assert_cmphex(a->efer, ==, b->efer);
    g_assert_cmphex(a->cr4, ==, b->cr4);
    g_assert_cmpmem(a->dr, sizeof(a->dr), b->dr, sizeof(b->dr));
    g_assert_cmphex(a->dr6, ==, b->dr6);
    g_assert_cmphex(a->xcr0, ==, b->xcr0);
    g_assert_cmpmem(a->xsave, 416, b->xsave, 416);
    g_assert_cmpmem(a->xsave + 512, 320, b->xsave + 512, 320);
    g_assert_cmpint(b->mp_state, ==, X86_MP_HALTED);
    g_assert_cmpuint(b->events.interrupt_shadow, ==, SOFT_SHADOW_STI);
    g_assert_true(b->events.nmi_masked && b->events.nmi_pending);
    g_assert_true(b->events.exception_pending);
    g_assert_cmphex(b->events.exception_payload, ==, 0xabcd);
    g_assert_cmphex(msr_in(b, 0xc0000082), ==, 0xffffffff82000000ull);
    /* The TSC stands still with the machine, and goes on with it. */
    g_assert_cmpuint(msr_in(b, 0x10), ==, 123456789);
    sm->ac->vm_state_changed(sm->accel, true);
    g_assert_cmpuint(soft_tsc(cpu), >=, 123456789);
    g_assert_cmpuint(soft_tsc(cpu), <, 123456789 + soft_host_tsc_hz());
}

static void test_bad_state(void)
{
    g_autoptr(SoftMachine) sm = sm_new(SM_LONG, 1, false);
    SoftCPU *cpu = sm->cpu[0];
    g_autoptr(X86CPUState) st = x86_state_new();
    Error *err = NULL;

    sm->ac->vcpu_get_state(&cpu->base, X86_STATE_ALL, st, &error_abort);
    st->cr0 &= ~(uint64_t)X86_CR0_PE;
    g_assert_false(
        sm->ac->vcpu_set_state(&cpu->base, X86_STATE_SREGS, st, &err));
    error_free(err);
    err = NULL;
    st->xcr0 = 0xe7;
    g_assert_false(sm->ac->vcpu_set_state(&cpu->base, X86_STATE_FPU, st, &err));
    error_free(err);
    err = NULL;
    st->xcr0 = 7;
    st->xsave_bytes = 100;
    g_assert_false(sm->ac->vcpu_set_state(&cpu->base, X86_STATE_FPU, st, &err));
    error_free(err);
}

/* -- control registers ------------------------------------------------------------- */

static void test_control_registers(void)
{
    g_autoptr(SoftMachine) sm = sm_new(SM_LONG, 1, false);
    SoftCPU *cpu = sm->cpu[0];

    static const struct {
        unsigned n;
        uint64_t value;
    } bad[] = {
        { 0, 0x80000010 }, /* PG without PE */
        { 0, 0xa0000031 }, /* NW without CD */
        { 0, 1ull << 32 | 0x80000031 },
        { 0, 0x31 }, /* paging off in 64-bit mode */
        { 3, 1ull << 45 },
        { 4, 0 },                       /* no PAE in long mode */
        { 4, SOFT_CR4_PAE | 1u << 13 }, /* VMXE */
        { 4, SOFT_CR4_PAE | SOFT_CR4_PCIDE },
        { 8, 16 },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_test_message("case %zu", i);
        g_assert_false(soft_write_cr(cpu, bad[i].n, bad[i].value));
        sm_assert_fault(cpu, SOFT_EXC_GP, 0u);
    }
    g_assert_false(soft_write_cr(cpu, 1, 0));
    sm_assert_fault(cpu, SOFT_EXC_UD, 0u);
    g_assert_false(soft_write_dr(cpu, 4, 0)); /* CR4.DE */
    sm_assert_fault(cpu, SOFT_EXC_UD, 0u);
    g_assert_false(soft_write_dr(cpu, 7, 1ull << 32));
    sm_assert_fault(cpu, SOFT_EXC_GP, 0u);
    g_assert_true(soft_write_dr(cpu, 7, 1u << 13)); /* GD */
    g_assert_false(soft_write_dr(cpu, 0, 1));
    g_assert_cmphex(cpu->exception.value, ==, 1u << 13);
    sm_assert_fault(cpu, SOFT_EXC_DB, 0u);
    cpu->cpl = 3;
    soft_update_mode(cpu);
    g_assert_false(soft_write_cr(cpu, 3, 0));
    sm_assert_fault(cpu, SOFT_EXC_GP, 0u);
}

/* Real mode -> protected -> long mode, as a loader does it. */
static void test_enter_long(void)
{
    g_autoptr(SoftMachine) sm = sm_new(SM_PROT32, 1, false);
    SoftCPU *cpu = sm->cpu[0];

    g_assert_true(soft_msr_write(cpu, 0xc0000080, SOFT_EFER_LME));
    g_assert_true(soft_write_cr(cpu, 3, SM_PML4));
    g_assert_false(soft_write_cr(cpu, 0, cpu->cr0 | X86_CR0_PG));
    sm_assert_fault(cpu, SOFT_EXC_GP, 0u); /* no PAE */
    g_assert_true(soft_write_cr(cpu, 4, SOFT_CR4_PAE));
    g_assert_true(soft_write_cr(cpu, 0, cpu->cr0 | X86_CR0_PG));
    g_assert_cmphex(cpu->efer, ==, SOFT_EFER_LME | SOFT_EFER_LMA);
    g_assert_false(soft_long64(cpu));
    g_assert_true(soft_far_jmp(cpu, SM_SEL_CODE64, SM_CODE, 4));
    g_assert_true(soft_long64(cpu));
    g_assert_false(soft_msr_write(cpu, 0xc0000080, 0)); /* LME with PG */
    sm_assert_fault(cpu, SOFT_EXC_GP, 0u);
    g_assert_true(soft_far_jmp(cpu, SM_SEL_CODE32, SM_CODE, 4));
    g_assert_true(soft_write_cr(cpu, 0, cpu->cr0 & ~X86_CR0_PG));
    g_assert_cmphex(cpu->efer, ==, SOFT_EFER_LME);
}

static void test_msrs(void)
{
    g_autoptr(SoftMachine) sm = sm_new(SM_LONG, 1, false);
    SoftCPU *cpu = sm->cpu[0];
    uint64_t v = 0;
    uint64_t before;

    g_assert_false(soft_msr_read(cpu, 0x12345678, &v));
    sm_assert_fault(cpu, SOFT_EXC_GP, 0u);
    g_assert_false(soft_msr_write(cpu, 0x277, 2)); /* PAT type 2 */
    sm_assert_fault(cpu, SOFT_EXC_GP, 0u);
    g_assert_true(soft_msr_read(cpu, 0x277, &v));
    g_assert_cmphex(v, ==, 0x0007040600070406ull);
    g_assert_false(soft_msr_write(cpu, 0xc0000080, 1u << 12)); /* SVME */
    sm_assert_fault(cpu, SOFT_EXC_GP, 0u);
    before = soft_tsc(cpu);
    g_assert_true(soft_msr_write(cpu, 0x3b, 1ull << 40));
    g_assert_cmpuint(soft_tsc(cpu), >=, before + (1ull << 40));
    g_assert_true(soft_msr_write(cpu, 0x10, 0));
    g_assert_cmpuint(soft_tsc(cpu), <, 1ull << 40);
    g_assert_true(soft_msr_read(cpu, 0x3b, &v));
    g_assert_cmpuint(v, >, 1ull << 63); /* went back by the same amount */
    g_assert_true(soft_msr_write(cpu, 0x200 + 5, 0x800));
    g_assert_true(soft_msr_read(cpu, 0x205, &v));
    g_assert_cmphex(v, ==, 0x800);
    g_assert_true(soft_msr_write(cpu, 0xc0000101, 0xffff888000000000ull));
    g_assert_true(soft_msr_write(cpu, 0xc0000102, 0x1234));
    g_assert_true(soft_swapgs(cpu));
    g_assert_cmphex(cpu->seg[X86_GS].base, ==, 0x1234);
    g_assert_true(soft_msr_read(cpu, 0xc0000102, &v));
    g_assert_cmphex(v, ==, 0xffff888000000000ull);
}

static void test_tsc_to_ns(void)
{
    g_autoptr(SoftMachine) sm = sm_new(SM_LONG, 1, false);
    AccelVCPU *vcpu = &sm->cpu[0]->base;
    uint64_t hz = soft_host_tsc_hz();
    uint64_t now = soft_tsc(sm->cpu[0]);
    int64_t a = sm->ac->vcpu_tsc_to_ns(vcpu, now);
    int64_t b = sm->ac->vcpu_tsc_to_ns(vcpu, now + hz);

    g_assert_cmpint(b - a, >, 990000000);
    g_assert_cmpint(b - a, <, 1010000000);
    g_assert_cmpint(sm->ac->vcpu_tsc_to_ns(vcpu, UINT64_MAX), >, b);
}

/* -- CPUID ---------------------------------------------------------------------------- */

static void cpuid(SoftCPU *cpu, uint32_t eax, uint32_t ecx)
{
    cpu->gpr[X86_RAX] = eax | 0xdeadull << 32;
    cpu->gpr[X86_RCX] = ecx;
    g_assert_true(soft_cpuid(cpu));
}

static void test_cpuid(void)
{
    g_autoptr(SoftMachine) sm = sm_new(SM_LONG, 1, false);
    SoftCPU *cpu = sm->cpu[0];
    uint64_t hz = soft_host_tsc_hz();
    uint64_t said;

    cpuid(cpu, 1, 0);
    g_assert_false(cpu->gpr[X86_RCX] >> 27 & 1); /* OSXSAVE */
    g_assert_true(cpu->gpr[X86_RCX] >> 26 & 1);
    g_assert_true(soft_write_cr(cpu, 4, cpu->cr4 | SOFT_CR4_OSXSAVE));
    cpuid(cpu, 1, 0);
    g_assert_true(cpu->gpr[X86_RCX] >> 27 & 1);
    cpuid(cpu, 0xd, 0);
    g_assert_cmpuint(cpu->gpr[X86_RBX], ==, 576);
    if (cpu->xcr0_allowed & SOFT_XCR0_AVX) {
        cpu->gpr[X86_RAX] = 7;
        cpu->gpr[X86_RDX] = 0;
        cpu->gpr[X86_RCX] = 0;
        g_assert_true(soft_xsetbv(cpu));
        cpuid(cpu, 0xd, 0);
        g_assert_cmpuint(cpu->gpr[X86_RBX], ==, 832);
        g_assert_false(cpu->mode_flags & SOFT_MODE_AVX_UD);
    }
    cpu->gpr[X86_RAX] = 4;
    g_assert_false(soft_xsetbv(cpu));
    sm_assert_fault(cpu, SOFT_EXC_GP, 0u);
    /* The rates, as a guest computes them in 32 bits. */
    cpuid(cpu, 0x15, 0);
    g_assert_cmpuint(cpu->gpr[X86_RBX] * (cpu->gpr[X86_RCX] / 1000), <=,
                     UINT32_MAX);
    said = cpu->gpr[X86_RCX] * cpu->gpr[X86_RBX] / cpu->gpr[X86_RAX];
    g_assert_cmpuint(said, >, hz - hz / 1000);
    g_assert_cmpuint(said, <, hz + hz / 1000);
    /* What the decoder needs follows the table. */
    g_assert_true(soft_has(cpu, SOFT_F_LM));
    g_assert_true(soft_has(cpu, SOFT_F_SSE2));
    g_assert_false(soft_has(cpu, SOFT_F_MONITOR));
    cpuid(cpu, 0x12345, 0);
    g_assert_cmpuint(cpu->gpr[X86_RAX], ==, 0);
}

/* -- FXSAVE and XSAVE --------------------------------------------------------------------- */

static void test_xsave(void)
{
    g_autoptr(SoftMachine) sm = sm_new(SM_LONG, 1, false);
    SoftCPU *cpu = sm->cpu[0];
    const uint64_t at = SM_DATA;

    for (unsigned i = 0; i < SOFT_VECS; i++) {
        memset(cpu->vec[i], (int)i + 1, SOFT_VEC_BYTES);
    }
    g_assert_false(soft_fxsave(cpu, at + 8, true));
    sm_assert_fault(cpu, SOFT_EXC_GP, 0u);
    g_assert_true(soft_fxsave(cpu, at, true));
    g_assert_cmpuint(sm->ram[at + 160 + 16 * 15], ==, 16);
    memset(cpu->vec, 0, sizeof(cpu->vec));
    g_assert_true(soft_fxrstor(cpu, at, true));
    g_assert_cmpuint(cpu->vec[15][15], ==, 16);
    g_assert_cmpuint(cpu->vec[15][16], ==, 0);
    sm->ram[at + 27] = 0xff; /* reserved bits of MXCSR */
    g_assert_false(soft_fxrstor(cpu, at, true));
    sm_assert_fault(cpu, SOFT_EXC_GP, 0u);
    g_assert_false(soft_xsave(cpu, at, true, SOFT_XSAVE));
    sm_assert_fault(cpu, SOFT_EXC_UD, 0u);
    g_assert_true(soft_write_cr(cpu, 4, cpu->cr4 | SOFT_CR4_OSXSAVE));
    if (!(cpu->xcr0_allowed & SOFT_XCR0_AVX)) {
        return;
    }
    cpu->xcr0 = 7;
    memset(cpu->vec[3] + 16, 0x77, 16);
    cpu->gpr[X86_RAX] = 7;
    cpu->gpr[X86_RDX] = 0;
    memset(sm->ram + at, 0, 1024);
    g_assert_true(soft_xsave(cpu, at, true, SOFT_XSAVEC));
    g_assert_cmphex(sm_get64(sm, at + 512), ==, 7);
    g_assert_cmphex(sm_get64(sm, at + 520), ==, 1ull << 63 | 7);
    memset(cpu->vec, 0x11, sizeof(cpu->vec));
    g_assert_true(soft_xrstor(cpu, at, true));
    g_assert_cmpuint(cpu->vec[3][20], ==, 0x77);
    g_assert_cmpuint(cpu->vec[4][20], ==, 0);
    /* A component that is not in XSTATE_BV comes back as initialised. */
    sm_put64(sm, at + 512, 1);
    g_assert_true(soft_xrstor(cpu, at, true));
    g_assert_cmpuint(cpu->vec[3][0], ==, 0);
    sm_put64(sm, at + 512, 8);
    g_assert_false(soft_xrstor(cpu, at, true));
    sm_assert_fault(cpu, SOFT_EXC_GP, 0u);
    g_assert_false(soft_xsave(cpu, at + 32, true, SOFT_XSAVE));
    sm_assert_fault(cpu, SOFT_EXC_GP, 0u);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/soft/state/reset", test_reset);
    g_test_add_func("/soft/state/round-trip", test_round_trip);
    g_test_add_func("/soft/state/bad", test_bad_state);
    g_test_add_func("/soft/state/control-registers", test_control_registers);
    g_test_add_func("/soft/state/enter-long", test_enter_long);
    g_test_add_func("/soft/state/msrs", test_msrs);
    g_test_add_func("/soft/state/tsc-to-ns", test_tsc_to_ns);
    g_test_add_func("/soft/state/cpuid", test_cpuid);
    g_test_add_func("/soft/state/xsave", test_xsave);
    return g_test_run();
}
