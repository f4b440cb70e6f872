/*
 * The stack: push, pop, leave and pushf.
 *
 * The stack pointer changes only after the access was made, so that a fault
 * finds it as it was. In 64-bit code operands are 8 (or 2) bytes, in flat
 * 32-bit code 4 (or 2).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "jit-internal.h"

static unsigned sp_bytes(const JitTrans *t)
{
    return t->code64 ? 8 : 4;
}

void jit_move_sp(JitTrans *t, int32_t delta)
{
    emit_lea(&t->hot, sp_bytes(t), HOST_R13, emit_at(HOST_R13, delta));
    jit_base_changed(t, X86_RSP, delta);
}

static bool emit_push_reg(JitTrans *t)
{
    const SoftInsn *in = jit_insn(t);
    unsigned size = in->op_bytes;
    SoftEmit *e = &t->hot;
    JitAccess a;

    if (in->rm >= 13 && size != 8) {
        return false;
    }
    jit_access_stack(t, -(int32_t)size, size, true, &a);
    if (in->rm >= 13) {
        emit_push_m(e, emit_gs(GS_GPR(in->rm)));
        emit_pop_m(e, a.mem);
    } else {
        emit_store(e, size, a.mem, jit_reg(e, in->rm, 0));
    }
    jit_move_sp(t, -(int32_t)size);
    jit_access_end(t, &a);
    return true;
}

static bool emit_pop_reg(JitTrans *t)
{
    const SoftInsn *in = jit_insn(t);
    unsigned size = in->op_bytes;
    SoftEmit *e = &t->hot;
    JitAccess a;

    if (in->rm >= 13 && size != 8) {
        return false;
    }
    jit_access_stack(t, 0, size, false, &a);
    if (in->rm == X86_RSP) {
        emit_load(e, size, HOST_R13, a.mem);
        jit_regs_changed(t, 1u << X86_RSP);
    } else {
        if (in->rm >= 13) {
            emit_push_m(e, a.mem);
            emit_pop_m(e, emit_gs(GS_GPR(in->rm)));
        } else {
            emit_load(e, size, jit_reg(e, in->rm, 0), a.mem);
        }
        jit_move_sp(t, (int32_t)size);
        jit_regs_changed(t, 1u << in->rm);
    }
    jit_access_end(t, &a);
    return true;
}

static bool emit_push_imm(JitTrans *t)
{
    const SoftInsn *in = jit_insn(t);
    unsigned size = in->op_bytes;
    JitAccess a;

    jit_access_stack(t, -(int32_t)size, size, true, &a);
    emit_store_i(&t->hot, size, a.mem, (int32_t)in->imm);
    jit_move_sp(t, -(int32_t)size);
    jit_access_end(t, &a);
    return true;
}

/* The value waits in JIT_W_TEMP while the stack is looked up. */
static bool emit_push_mem(JitTrans *t)
{
    const SoftInsn *in = jit_insn(t);
    unsigned size = in->op_bytes;
    SoftEmit *e = &t->hot;
    JitAccess from, to;

    if (in->mem == SOFT_MEM_NONE) {
        return emit_push_reg(t);
    }
    if (!jit_can_address(t)) {
        return false;
    }
    jit_access(t, size, false, &from);
    emit_load(e, size, HOST_R14, from.mem);
    emit_store(e, 8, emit_gs(GS_WORD(JIT_W_TEMP)), HOST_R14);
    jit_scratch_lost(t);
    jit_access_stack(t, -(int32_t)size, size, true, &to);
    emit_lea(e, 8, HOST_R14, to.mem);
    emit_load(e, 8, HOST_R15, emit_gs(GS_WORD(JIT_W_TEMP)));
    emit_store(e, size, emit_at(HOST_R14, 0), HOST_R15);
    jit_scratch_lost(t);
    jit_move_sp(t, -(int32_t)size);
    jit_access_end(t, &from);
    jit_access_end(t, &to);
    return true;
}

static bool emit_leave(JitTrans *t)
{
    const SoftInsn *in = jit_insn(t);
    unsigned size = in->op_bytes;
    SoftEmit *e = &t->hot;
    JitAccess a;

    if (size != sp_bytes(t)) {
        return false;
    }
    /* The operand is at rBP; rSP changes only when it was read. */
    jit_flags_spare(t);
    emit_mov_rr(e, size, HOST_R14, HOST_RBP);
    jit_access_temp(t, size, false, &a);
    emit_load(e, size, HOST_R14, a.mem);
    emit_lea(e, size, HOST_R13, emit_at(HOST_RBP, (int32_t)size));
    emit_mov_rr(e, size, HOST_RBP, HOST_R14);
    jit_scratch_lost(t);
    jit_access_end(t, &a);
    return true;
}

/* What pushf pushes: eflags without RF and VM, with the arithmetic flags from
 * their word. Into JIT_W_TEMP. */
static void collect_flags(JitTrans *t)
{
    SoftEmit *e = &t->hot;
    int32_t keep = (int32_t)(SOFT_EFL_MASK &
                             ~(SOFT_EFL_ARITH | SOFT_EFL_RF | SOFT_EFL_VM));

    emit_movzx_rm(e, 1, HOST_R14, emit_gs(GS_WORD(JIT_W_FLAGS)));
    emit_shift_ri(e, EMIT_SHL, 4, HOST_R14, 11);
    emit_movzx_rm(e, 1, HOST_R15, emit_gs(GS_WORD(JIT_W_FLAGS) + 1));
    emit_alu_rr(e, EMIT_OR, 4, HOST_R14, HOST_R15);
    emit_load(e, 4, HOST_R15, emit_gs(GS_OFF(eflags)));
    emit_alu_ri(e, EMIT_AND, 4, HOST_R15, keep);
    emit_alu_rr(e, EMIT_OR, 4, HOST_R14, HOST_R15);
    emit_store(e, 8, emit_gs(GS_WORD(JIT_W_TEMP)), HOST_R14);
    jit_scratch_lost(t);
}

static bool emit_pushf_insn(JitTrans *t)
{
    const SoftInsn *in = jit_insn(t);
    unsigned size = in->op_bytes;
    SoftEmit *e = &t->hot;
    JitAccess a;

    jit_flags_spare(t);
    collect_flags(t);
    jit_access_stack(t, -(int32_t)size, size, true, &a);
    emit_lea(e, 8, HOST_R14, a.mem);
    emit_load(e, 8, HOST_R15, emit_gs(GS_WORD(JIT_W_TEMP)));
    emit_store(e, size, emit_at(HOST_R14, 0), HOST_R15);
    jit_scratch_lost(t);
    jit_move_sp(t, -(int32_t)size);
    jit_access_end(t, &a);
    return true;
}

static bool stack_size_ok(const JitTrans *t, const SoftInsn *in)
{
    return t->code64 ? in->op_bytes == 8 || in->op_bytes == 2
                     : in->op_bytes == 4 || in->op_bytes == 2;
}

bool jit_emit_stack(JitTrans *t)
{
    const SoftInsn *in = jit_insn(t);

    if (!stack_size_ok(t, in)) {
        return false;
    }
    switch ((SoftOp)in->op) {
    case SOFT_OP_PUSH:
        return emit_push_mem(t);
    case SOFT_OP_PUSHI:
        return emit_push_imm(t);
    case SOFT_OP_POP:
        return in->mem == SOFT_MEM_NONE && emit_pop_reg(t);
    case SOFT_OP_LEAVE:
        return emit_leave(t);
    case SOFT_OP_PUSHF:
        return emit_pushf_insn(t);
    default:
        return false;
    }
}
