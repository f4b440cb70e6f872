/*
 * The interpreter's system instructions: operands here, the work in the
 * functions of sysinsn.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "interp-internal.h"

/* -- ports ----------------------------------------------------------------- */

static uint16_t port_of(const SoftCPU *cpu, const SoftInsn *insn)
{
    return insn->imm_bytes > 0 ? (uint16_t)insn->imm : cpu->gpr[X86_RDX];
}

static bool port_in(SoftCPU *cpu, const SoftInsn *insn)
{
    uint32_t v;

    if (!soft_in(cpu, port_of(cpu, insn), insn->op_bytes, &v)) {
        return false;
    }
    interp_set(cpu, X86_RAX, insn->op_bytes, v);
    return true;
}

static bool port_out(SoftCPU *cpu, const SoftInsn *insn)
{
    return soft_out(cpu, port_of(cpu, insn), insn->op_bytes,
                    interp_get(cpu, X86_RAX, insn->op_bytes));
}

/* -- segments and tables --------------------------------------------------- */

/* A register gets all of its operand size, memory 16 bits. */
static bool store_word(SoftCPU *cpu, const SoftInsn *insn, uint64_t v)
{
    if (insn->mem != SOFT_MEM_NONE) {
        return interp_store(cpu, insn, 2, v);
    }
    interp_set(cpu, insn->rm, insn->op_bytes, v);
    return true;
}

static bool write_segment(SoftCPU *cpu, const SoftInsn *insn)
{
    uint64_t v;

    if (!interp_read_rm(cpu, insn, 2, &v) ||
        !soft_load_seg(cpu, insn->reg, v)) {
        return false;
    }
    if (insn->reg == X86_SS) {
        soft_set_shadow(cpu, SOFT_SHADOW_MOV_SS);
    }
    return true;
}

/* les, lds, lss, lfs, lgs; the segment is in imm2 */
static bool load_far(SoftCPU *cpu, const SoftInsn *insn)
{
    unsigned bytes = insn->op_bytes;
    uint64_t linear, offset, selector;

    if (!interp_linear(cpu, insn, bytes + 2, SOFT_ACCESS_READ, &linear) ||
        !interp_load_linear(cpu, linear, bytes, &offset) ||
        !interp_load_linear(cpu, linear + bytes, 2, &selector) ||
        !soft_load_seg(cpu, insn->imm2, selector)) {
        return false;
    }
    interp_set(cpu, insn->reg, bytes, offset);
    if (insn->imm2 == X86_SS) {
        soft_set_shadow(cpu, SOFT_SHADOW_MOV_SS);
    }
    return true;
}

static bool table_register(SoftCPU *cpu, const SoftInsn *insn)
{
    bool store = insn->op == SOFT_OP_SGDT || insn->op == SOFT_OP_SIDT;
    uint64_t linear;

    if (!interp_linear(cpu, insn, insn->mem_bytes,
                       store ? SOFT_ACCESS_WRITE : SOFT_ACCESS_READ, &linear)) {
        return false;
    }
    switch (insn->op) {
    case SOFT_OP_SGDT:
        return soft_sgdt(cpu, linear, insn->op_bytes);
    case SOFT_OP_SIDT:
        return soft_sidt(cpu, linear, insn->op_bytes);
    case SOFT_OP_LGDT:
        return soft_lgdt(cpu, linear, insn->op_bytes);
    default:
        return soft_lidt(cpu, linear, insn->op_bytes);
    }
}

static bool selector_insn(SoftCPU *cpu, const SoftInsn *insn)
{
    uint64_t v;

    if (!interp_read_rm(cpu, insn, 2, &v)) {
        return false;
    }
    switch (insn->op) {
    case SOFT_OP_LLDT:
        return soft_lldt(cpu, v);
    case SOFT_OP_LTR:
        return soft_ltr(cpu, v);
    case SOFT_OP_VERR:
        return soft_verr(cpu, v);
    case SOFT_OP_VERW:
        return soft_verw(cpu, v);
    default:
        return soft_lmsw(cpu, v);
    }
}

static bool rights(SoftCPU *cpu, const SoftInsn *insn)
{
    uint64_t selector;
    uint32_t v;

    if (!interp_read_rm(cpu, insn, 2, &selector)) {
        return false;
    }
    if (!(insn->op == SOFT_OP_LAR ? soft_lar(cpu, selector, &v)
                                  : soft_lsl(cpu, selector, &v))) {
        return false;
    }
    if (cpu->eflags & SOFT_EFL_ZF) {
        interp_set(cpu, insn->reg, insn->op_bytes, v);
    }
    return true;
}

/* -- control and debug registers ------------------------------------------- */

static bool control_register(SoftCPU *cpu, const SoftInsn *insn)
{
    unsigned bytes = insn->op_bytes;
    uint64_t v = interp_get(cpu, insn->rm, bytes);

    switch (insn->op) {
    case SOFT_OP_MOVCR_WRITE:
        return soft_write_cr(cpu, insn->reg, v);
    case SOFT_OP_MOVDR_WRITE:
        return soft_write_dr(cpu, insn->reg, v);
    case SOFT_OP_MOVCR_READ:
        if (!soft_read_cr(cpu, insn->reg, &v)) {
            return false;
        }
        break;
    default:
        if (!soft_read_dr(cpu, insn->reg, &v)) {
            return false;
        }
        break;
    }
    interp_set(cpu, insn->rm, bytes, v);
    return true;
}

static bool fs_gs_base(SoftCPU *cpu, const SoftInsn *insn)
{
    bool fs = insn->op == SOFT_OP_RDFSBASE || insn->op == SOFT_OP_WRFSBASE;
    bool write = insn->op == SOFT_OP_WRFSBASE || insn->op == SOFT_OP_WRGSBASE;
    unsigned seg = fs ? X86_FS : X86_GS;
    uint64_t v;

    if (write) {
        return soft_wr_segbase(cpu, seg,
                               interp_get(cpu, insn->rm, insn->op_bytes));
    }
    if (!soft_rd_segbase(cpu, seg, &v)) {
        return false;
    }
    interp_set(cpu, insn->rm, insn->op_bytes, v);
    return true;
}

static bool read_pid(SoftCPU *cpu, const SoftInsn *insn)
{
    uint64_t v;

    if (!soft_rdpid(cpu, &v)) {
        return false;
    }
    interp_set(cpu, insn->rm, insn->op_bytes, v);
    return true;
}

/* -- memory management and processor state --------------------------------- */

static bool invalidate_page(SoftCPU *cpu, const SoftInsn *insn)
{
    uint64_t linear = interp_ea(cpu, insn);

    if (!(cpu->mode_flags & SOFT_MODE_CS64)) {
        linear = (uint32_t)(linear + cpu->seg[insn->seg].base);
    } else if (insn->seg >= X86_FS) {
        linear += cpu->seg[insn->seg].base;
    }
    return soft_invlpg(cpu, linear);
}

static bool invalidate_pcid(SoftCPU *cpu, const SoftInsn *insn)
{
    uint64_t linear;

    return interp_linear(cpu, insn, 16, SOFT_ACCESS_READ, &linear) &&
           soft_invpcid(cpu, interp_get(cpu, insn->reg, insn->op_bytes),
                        linear);
}

/* Sizes of the parts that are always there; the rest is checked by page. */
static bool processor_state(SoftCPU *cpu, const SoftInsn *insn)
{
    bool load = insn->op == SOFT_OP_FXRSTOR || insn->op == SOFT_OP_XRSTOR;
    bool wide = insn->op_bytes == 8;
    uint64_t linear;

    if (!soft_seg_linear(cpu, insn->seg, interp_ea(cpu, insn), 512,
                         load ? SOFT_ACCESS_READ : SOFT_ACCESS_WRITE,
                         &linear)) {
        return false;
    }
    switch (insn->op) {
    case SOFT_OP_FXSAVE:
        return soft_fxsave(cpu, linear, wide);
    case SOFT_OP_FXRSTOR:
        return soft_fxrstor(cpu, linear, wide);
    case SOFT_OP_XSAVE:
        return soft_xsave(cpu, linear, wide, SOFT_XSAVE);
    case SOFT_OP_XSAVEOPT:
        return soft_xsave(cpu, linear, wide, SOFT_XSAVEOPT);
    case SOFT_OP_XSAVEC:
        return soft_xsave(cpu, linear, wide, SOFT_XSAVEC);
    default:
        return soft_xrstor(cpu, linear, wide);
    }
}

static bool monitor(SoftCPU *cpu, const SoftInsn *insn)
{
    uint64_t linear;

    return soft_seg_linear(cpu, insn->seg,
                           interp_get(cpu, X86_RAX, insn->addr_bytes), 1,
                           SOFT_ACCESS_READ, &linear) &&
           soft_monitor(cpu, linear);
}

/* -- dispatch -------------------------------------------------------------- */

static bool system_plain(SoftCPU *cpu, const SoftInsn *insn)
{
    switch (insn->op) {
    case SOFT_OP_CLI:
        return soft_cli(cpu);
    case SOFT_OP_STI:
        return soft_sti(cpu);
    case SOFT_OP_HLT:
        return soft_hlt(cpu);
    case SOFT_OP_CPUID:
        return soft_cpuid(cpu);
    case SOFT_OP_RDTSC:
        return soft_rdtsc(cpu);
    case SOFT_OP_RDTSCP:
        return soft_rdtscp(cpu);
    case SOFT_OP_RDPMC:
        return soft_rdpmc(cpu);
    case SOFT_OP_RDMSR:
        return soft_rdmsr(cpu);
    case SOFT_OP_WRMSR:
        return soft_wrmsr(cpu);
    case SOFT_OP_SWAPGS:
        return soft_swapgs(cpu);
    case SOFT_OP_STAC:
        return soft_stac(cpu);
    case SOFT_OP_CLAC:
        return soft_clac(cpu);
    case SOFT_OP_CLTS:
        return soft_clts(cpu);
    case SOFT_OP_INVD:
    case SOFT_OP_WBINVD:
        return soft_wbinvd(cpu);
    case SOFT_OP_XGETBV:
        return soft_xgetbv(cpu);
    case SOFT_OP_XSETBV:
        return soft_xsetbv(cpu);
    case SOFT_OP_MWAIT:
        return soft_mwait(cpu);
    default:
        return soft_raise(cpu, SOFT_EXC_UD);
    }
}

static bool system_segment(SoftCPU *cpu, const SoftInsn *insn)
{
    switch (insn->op) {
    case SOFT_OP_MOVSEG_READ:
        return store_word(cpu, insn, cpu->seg[insn->reg].selector);
    case SOFT_OP_MOVSEG_WRITE:
        return write_segment(cpu, insn);
    case SOFT_OP_LSEG:
        return load_far(cpu, insn);
    case SOFT_OP_SLDT:
        return soft_umip(cpu) &&
               store_word(cpu, insn, cpu->seg[X86_LDTR].selector);
    case SOFT_OP_STR:
        return soft_umip(cpu) &&
               store_word(cpu, insn, cpu->seg[X86_TR].selector);
    case SOFT_OP_SMSW:
        return soft_umip(cpu) && store_word(cpu, insn, cpu->cr0);
    case SOFT_OP_SGDT:
    case SOFT_OP_SIDT:
    case SOFT_OP_LGDT:
    case SOFT_OP_LIDT:
        return table_register(cpu, insn);
    case SOFT_OP_LAR:
    case SOFT_OP_LSL:
        return rights(cpu, insn);
    default: /* lldt, ltr, verr, verw, lmsw */
        return selector_insn(cpu, insn);
    }
}

bool interp_system(SoftCPU *cpu, const SoftInsn *insn)
{
    if ((insn->attrs & SOFT_A_CPL0) && !soft_need_cpl0(cpu)) {
        return false;
    }
    switch (insn->op) {
    case SOFT_OP_IN:
        return port_in(cpu, insn);
    case SOFT_OP_OUT:
        return port_out(cpu, insn);
    case SOFT_OP_MOVCR_READ:
    case SOFT_OP_MOVCR_WRITE:
    case SOFT_OP_MOVDR_READ:
    case SOFT_OP_MOVDR_WRITE:
        return control_register(cpu, insn);
    case SOFT_OP_RDFSBASE:
    case SOFT_OP_RDGSBASE:
    case SOFT_OP_WRFSBASE:
    case SOFT_OP_WRGSBASE:
        return fs_gs_base(cpu, insn);
    case SOFT_OP_RDPID:
        return read_pid(cpu, insn);
    case SOFT_OP_INVLPG:
        return invalidate_page(cpu, insn);
    case SOFT_OP_INVPCID:
        return invalidate_pcid(cpu, insn);
    case SOFT_OP_FXSAVE:
    case SOFT_OP_FXRSTOR:
    case SOFT_OP_XSAVE:
    case SOFT_OP_XRSTOR:
    case SOFT_OP_XSAVEOPT:
    case SOFT_OP_XSAVEC:
        return processor_state(cpu, insn);
    case SOFT_OP_MONITOR:
        return monitor(cpu, insn);
    default:
        break;
    }
    if (insn->op >= SOFT_OP_MOVSEG_READ && insn->op <= SOFT_OP_LMSW) {
        return system_segment(cpu, insn);
    }
    if (insn->op >= SOFT_OP_LAR && insn->op <= SOFT_OP_VERW) {
        return system_segment(cpu, insn);
    }
    return system_plain(cpu, insn);
}
