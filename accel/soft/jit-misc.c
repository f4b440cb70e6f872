/*
 * Instructions with code of their own, and those that the interpreter does.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "jit-internal.h"

/* EDX:EAX = host's counter + offset. */
static void emit_rdtsc(JitTrans *t)
{
    static const uint8_t rdtsc[] = { 0x0f, 0x31 };
    SoftEmit *e = &t->hot;

    jit_flags_spare(t);
    emit_bytes(e, rdtsc, sizeof(rdtsc));
    emit_shift_ri(e, EMIT_SHL, 8, HOST_RDX, 32);
    emit_alu_rr(e, EMIT_OR, 8, HOST_RAX, HOST_RDX);
    emit_alu_rm(e, EMIT_ADD, 8, HOST_RAX, emit_gs(GS_OFF(tsc_offset)));
    emit_mov_rr(e, 8, HOST_RDX, HOST_RAX);
    emit_shift_ri(e, EMIT_SHR, 8, HOST_RDX, 32);
    emit_mov_rr(e, 4, HOST_RAX, HOST_RAX);
    jit_regs_changed(t, 1u << HOST_RAX | 1u << HOST_RDX);
}

/* STAC and CLAC at CPL 0: the block goes on in the mode beside this one. */
static void emit_access_flag(JitTrans *t, bool set)
{
    uint32_t key = t->key & ~SOFT_MODE_MMU;
    SoftMMU mmu =
        set || !(key & JIT_KEY_SMAP) ? SOFT_MMU_KERNEL : SOFT_MMU_KERNEL_SMAP;

    jit_flags_spare(t);
    if (set) {
        emit_alu_mi(&t->hot, EMIT_OR, 4, emit_gs(GS_OFF(eflags)), SOFT_EFL_AC);
    } else {
        emit_alu_mi(&t->hot, EMIT_AND, 4, emit_gs(GS_OFF(eflags)),
                    ~(int32_t)SOFT_EFL_AC);
    }
    jit_exit_mode(t, key | mmu << SOFT_MODE_MMU_SHIFT);
}

bool jit_emit_misc(JitTrans *t)
{
    switch ((SoftOp)jit_insn(t)->op) {
    case SOFT_OP_RDTSC:
        emit_rdtsc(t);
        return true;
    case SOFT_OP_CLI:
        jit_flags_spare(t);
        emit_alu_mi(&t->hot, EMIT_AND, 4, emit_gs(GS_OFF(eflags)),
                    ~(int32_t)SOFT_EFL_IF);
        return true;
    case SOFT_OP_STAC:
    case SOFT_OP_CLAC:
        emit_access_flag(t, jit_insn(t)->op == SOFT_OP_STAC);
        return true;
    default:
        return false;
    }
}

bool jit_emit_string(JitTrans *t)
{
    const SoftInsn *in = jit_insn(t);

    if ((in->op != SOFT_OP_MOVS && in->op != SOFT_OP_STOS) ||
        !(in->attrs & SOFT_A_REP) || in->addr_bytes != 8 || in->seg >= X86_FS) {
        return false;
    }
    jit_flags_spare(t);
    emit_mov_ri(&t->hot, 8, HOST_R15, jit_site_interp(t));
    emit_call_to(&t->hot, t->jit->thunk.string, HOST_NO_REG);
    jit_scratch_lost(t);
    return true;
}

void jit_emit_interp(JitTrans *t)
{
    jit_flags_spare(t);
    emit_mov_ri(&t->hot, 8, HOST_R15, jit_site_interp(t));
    emit_call_to(&t->hot, t->jit->thunk.interp, HOST_NO_REG);
    jit_scratch_lost(t);
}

void jit_emit_leave(JitTrans *t)
{
    jit_flags_spare(t);
    emit_mov_ri(&t->hot, 8, HOST_R15, jit_site_interp(t));
    emit_jmp_to(&t->hot, t->jit->thunk.exit_interp, HOST_NO_REG);
}
