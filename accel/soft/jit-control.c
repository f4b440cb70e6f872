/*
 * Near branches, calls and returns.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "jit-internal.h"

static unsigned sp_bytes(const JitTrans *t)
{
    return t->code64 ? 8 : 4;
}

static uint64_t target_of(const JitTrans *t)
{
    return soft_insn_target(jit_insn(t), jit_rip(t));
}

static bool is_direct(const SoftInsn *in)
{
    return in->op != SOFT_OP_RET && in->op != SOFT_OP_JMPI &&
           in->op != SOFT_OP_CALLI;
}

/* To others a branch faults. */
static bool is_canonical(uint64_t rip)
{
    return (uint64_t)((int64_t)(rip << 16) >> 16) == rip;
}

/* Only what a block runs on in its own mode. */
static bool operand_size_ok(const JitTrans *t)
{
    return jit_insn(t)->op_bytes == sp_bytes(t);
}

static void push_return(JitTrans *t, JitAccess *a)
{
    SoftEmit *e = &t->hot;
    uint64_t next = jit_next_rip(t);
    unsigned size = sp_bytes(t);

    jit_access_stack(t, -(int32_t)size, size, true, a);
    if (size == 4 || next == (uint64_t)(int64_t)(int32_t)next) {
        emit_store_i(e, size, a->mem, (int32_t)next);
    } else {
        emit_lea(e, 8, HOST_R14, a->mem);
        emit_mov_ri(e, 8, HOST_R15, next);
        emit_store(e, 8, emit_at(HOST_R14, 0), HOST_R15);
        jit_scratch_lost(t);
    }
    jit_move_sp(t, -(int32_t)size);
}

static bool emit_call_direct(JitTrans *t)
{
    JitAccess a;

    push_return(t, &a);
    jit_access_end(t, &a);
    jit_exit_to(t, target_of(t));
    return true;
}

/* The target of jmp and call through a register or memory, into r14. */
static bool load_target(JitTrans *t, JitAccess *a, bool *ret_mem)
{
    const SoftInsn *in = jit_insn(t);
    unsigned size = sp_bytes(t);

    *ret_mem = in->mem != SOFT_MEM_NONE;
    if (*ret_mem) {
        if (!jit_can_address(t)) {
            return false;
        }
        jit_access(t, size, false, a);
        emit_load(&t->hot, size, HOST_R14, a->mem);
    } else {
        emit_mov_rr(&t->hot, size, HOST_R14,
                    jit_reg(&t->hot, in->rm, HOST_R14));
    }
    jit_scratch_lost(t);
    return true;
}

static bool emit_jmp_indirect(JitTrans *t)
{
    JitAccess a;
    bool mem;

    if (!load_target(t, &a, &mem)) {
        return false;
    }
    if (mem) {
        jit_access_end(t, &a);
    }
    jit_find_reg(t);
    jit_exit_reg(t, false);
    return true;
}

static bool emit_call_indirect(JitTrans *t)
{
    JitAccess from, to;
    bool mem;

    if (!load_target(t, &from, &mem)) {
        return false;
    }
    emit_store(&t->hot, 8, emit_gs(GS_WORD(JIT_W_TEMP)), HOST_R14);
    jit_find_reg(t);
    push_return(t, &to);
    emit_load(&t->hot, 8, HOST_R14, emit_gs(GS_WORD(JIT_W_TEMP)));
    if (mem) {
        jit_access_end(t, &from);
    }
    jit_access_end(t, &to);
    jit_exit_reg(t, true);
    return true;
}

static bool emit_ret_near(JitTrans *t)
{
    const SoftInsn *in = jit_insn(t);
    unsigned size = sp_bytes(t);
    JitAccess a;

    jit_access_stack(t, 0, size, false, &a);
    emit_load(&t->hot, size, HOST_R14, a.mem);
    jit_find_reg(t);
    jit_move_sp(t, (int32_t)size + (int32_t)(uint16_t)in->imm);
    jit_access_end(t, &a);
    jit_exit_reg(t, false);
    return true;
}

/* loop: rCX - 1, without flags; jump unless 0. jcxz: jump if 0. */
static bool emit_count(JitTrans *t)
{
    const SoftInsn *in = jit_insn(t);
    SoftEmit *e = &t->hot;
    bool is_loop = in->op == SOFT_OP_LOOP;
    size_t at;

    if (in->addr_bytes == 2) {
        return false;
    }
    if (is_loop) {
        emit_lea(e, in->addr_bytes, HOST_RCX, emit_at(HOST_RCX, -1));
        jit_regs_changed(t, 1u << HOST_RCX);
    }
    jit_flags_save(t, e);
    /* JRCXZ and JECXZ look at no flags and change none. */
    if (in->addr_bytes == 4) {
        emit_u8(e, 0x67);
    }
    emit_u8(e, 0xe3);
    emit_u8(e, 0);
    at = e->pos;
    jit_exit_to(t, is_loop ? target_of(t) : jit_next_rip(t));
    if (e->overflow) {
        return true;
    }
    e->rw[at - 1] = (uint8_t)(e->pos - at);
    jit_exit_to(t, is_loop ? jit_next_rip(t) : target_of(t));
    return true;
}

bool jit_emit_control(JitTrans *t)
{
    const SoftInsn *in = jit_insn(t);

    if ((!operand_size_ok(t) && in->op != SOFT_OP_JCC) ||
        (is_direct(in) && !is_canonical(target_of(t)))) {
        return false;
    }
    switch ((SoftOp)in->op) {
    case SOFT_OP_JCC:
        jit_flags_load(t, &t->hot);
        jit_exit_cond(t, (EmitCond)soft_insn_cond(in), target_of(t),
                      t->taken[t->cur]);
        return true;
    case SOFT_OP_JMP:
        jit_exit_to(t, target_of(t));
        return true;
    case SOFT_OP_CALL:
        return emit_call_direct(t);
    case SOFT_OP_JMPI:
        return emit_jmp_indirect(t);
    case SOFT_OP_CALLI:
        return emit_call_indirect(t);
    case SOFT_OP_RET:
        return emit_ret_near(t);
    case SOFT_OP_LOOP:
    case SOFT_OP_JCXZ:
        return emit_count(t);
    default:
        return false;
    }
}
