/*
 * The guest's arithmetic flags: moving them between the host's flags and the
 * word that holds them elsewhere, only where somebody needs them.
 *
 * LAHF and SAHF go through AH, so that rax waits in a word of its own
 * meanwhile; r14 and r15 are not touched. OF is 0 or 1 in AL: adding 7Fh sets
 * the host's OF accordingly before SAHF sets the others.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "jit-internal.h"

void jit_flags_save(JitTrans *t, SoftEmit *e)
{
    if (t->flags != JIT_FLAGS_HOST) {
        return;
    }
    emit_store(e, 8, emit_gs(GS_WORD(JIT_W_RAX)), HOST_RAX);
    emit_lahf(e);
    emit_setcc_r(e, EMIT_CC_O, HOST_RAX);
    emit_store(e, 2, emit_gs(GS_WORD(JIT_W_FLAGS)), HOST_RAX);
    emit_load(e, 8, HOST_RAX, emit_gs(GS_WORD(JIT_W_RAX)));
    t->flags = JIT_FLAGS_BOTH;
}

void jit_flags_load(JitTrans *t, SoftEmit *e)
{
    if (t->flags != JIT_FLAGS_MEM) {
        return;
    }
    emit_store(e, 8, emit_gs(GS_WORD(JIT_W_RAX)), HOST_RAX);
    emit_movzx_rm(e, 2, HOST_RAX, emit_gs(GS_WORD(JIT_W_FLAGS)));
    emit_alu_ri(e, EMIT_ADD, 1, HOST_RAX, 0x7f);
    emit_sahf(e);
    emit_load(e, 8, HOST_RAX, emit_gs(GS_WORD(JIT_W_RAX)));
    t->flags = JIT_FLAGS_BOTH;
}

/* Flags that must reach this instruction: its own, and what it lets through. */
static uint8_t flags_needed(const JitTrans *t)
{
    const SoftInsn *in = jit_insn(t);

    return (in->flags_read | (t->live[t->cur] & ~in->flags_written)) &
           SOFT_FLAGS_ALU;
}

void jit_flags_spare(JitTrans *t)
{
    if (flags_needed(t)) {
        jit_flags_save(t, &t->hot);
    }
    t->flags = JIT_FLAGS_MEM;
}

void jit_flags_before(JitTrans *t)
{
    const SoftInsn *in = jit_insn(t);

    if ((in->flags_read & SOFT_FLAGS_ALU) ||
        ((in->flags_written & SOFT_FLAGS_ALU) && flags_needed(t))) {
        jit_flags_load(t, &t->hot);
    }
}

void jit_flags_after(JitTrans *t)
{
    if (jit_insn(t)->flags_written & SOFT_FLAGS_ALU) {
        t->flags = JIT_FLAGS_HOST;
    }
}
