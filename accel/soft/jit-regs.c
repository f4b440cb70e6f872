/*
 * Guest registers that have no host register of their own: r13, r14, r15.
 *
 * They stand in SoftCPU.gpr[]. Between memory accesses, which need the scratch
 * registers r14 and r15 themselves, one or two of them may be held there: a run
 * of instructions on such a register then works on a register and not on
 * memory, which would cost a store and a load each time. What is held is
 * written back before a lookup, a branch or anything else that needs the
 * scratch registers.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "jit-internal.h"

/* How far ahead to look for another use of a register. */
#define SOON 4
#define FAR  16

unsigned jit_reg(SoftEmit *e, unsigned n, unsigned scratch)
{
    if (n == HOST_RSP) {
        return HOST_R13;
    }
    if (n <= HOST_R12) {
        return n;
    }
    emit_load(e, 8, scratch, emit_gs(GS_GPR(n)));
    return scratch;
}

unsigned jit_held(const JitTrans *t, unsigned n)
{
    for (unsigned i = 0; i < 2; i++) {
        if (n && t->held[i].guest == n) {
            return HOST_R14 + i;
        }
    }
    return HOST_NO_REG;
}

static void write_back(JitTrans *t, JitHeld *h)
{
    if (h->guest && h->dirty) {
        emit_store(&t->hot, 8, emit_gs(GS_GPR(h->guest)),
                   HOST_R14 + (unsigned)(h - t->held));
        h->dirty = false;
    }
}

void jit_held_flush(JitTrans *t)
{
    write_back(t, &t->held[0]);
    write_back(t, &t->held[1]);
}

void jit_held_forget(JitTrans *t)
{
    t->held[0].guest = 0;
    t->held[1].guest = 0;
}

void jit_held_drop(JitTrans *t)
{
    jit_held_flush(t);
    jit_held_forget(t);
}

/* Instructions until @n is used again, up to FAR. */
static unsigned next_use(const JitTrans *t, unsigned n)
{
    unsigned i;

    for (i = 1; i < FAR && t->cur + i < t->n; i++) {
        const SoftInsn *in = &t->insn[t->cur + i];

        if ((in->gpr_read | in->gpr_write) >> n & 1) {
            break;
        }
    }
    return i;
}

/* A free one, or one that this instruction does not use, and the next ones
 * least. */
static unsigned victim(const JitTrans *t, uint16_t keep)
{
    if (!t->held[0].guest || keep >> t->held[1].guest & 1) {
        return 0;
    }
    if (!t->held[1].guest || keep >> t->held[0].guest & 1) {
        return 1;
    }
    return next_use(t, t->held[1].guest) > next_use(t, t->held[0].guest);
}

unsigned jit_hold(JitTrans *t, unsigned n, bool load, uint16_t keep)
{
    unsigned host = jit_held(t, n);
    unsigned i;

    if (host != HOST_NO_REG) {
        return host;
    }
    i = victim(t, keep);
    write_back(t, &t->held[i]);
    t->held[i] = (JitHeld){ .guest = (uint8_t)n };
    t->reuse.valid = false;
    if (load) {
        emit_load(&t->hot, 8, HOST_R14 + i, emit_gs(GS_GPR(n)));
    }
    return HOST_R14 + i;
}

void jit_held_written(JitTrans *t, unsigned n)
{
    for (unsigned i = 0; i < 2; i++) {
        if (t->held[i].guest == n) {
            t->held[i].dirty = true;
        }
    }
}

void jit_held_set(JitTrans *t, unsigned host, unsigned n, bool dirty)
{
    t->held[host - HOST_R14] = (JitHeld){ .guest = (uint8_t)n, .dirty = dirty };
    t->reuse.valid = false;
}

void jit_held_reload(JitTrans *t, SoftEmit *e)
{
    for (unsigned i = 0; i < 2; i++) {
        if (t->held[i].guest) {
            emit_load(e, 8, HOST_R14 + i, emit_gs(GS_GPR(t->held[i].guest)));
        }
    }
}

bool jit_worth_holding(const JitTrans *t, unsigned n)
{
    if (jit_held(t, n) != HOST_NO_REG) {
        return true;
    }
    if (!jit_used_soon(t, n)) {
        return false;
    }
    return !t->held[0].guest || !t->held[1].guest ||
           next_use(t, n) < MAX(next_use(t, t->held[0].guest),
                                next_use(t, t->held[1].guest));
}

bool jit_used_soon(const JitTrans *t, unsigned n)
{
    for (unsigned i = t->cur + 1; i < t->n && i <= t->cur + SOON; i++) {
        const SoftInsn *in = &t->insn[i];

        if (t->kind[i] != JIT_KIND_INLINE ||
            (in->cls != SOFT_CLASS_NATIVE && in->op != SOFT_OP_JCC) ||
            (in->mem != SOFT_MEM_NONE && in->mem != SOFT_MEM_ADDR)) {
            return false;
        }
        if ((in->gpr_read | in->gpr_write) >> n & 1) {
            return true;
        }
    }
    return false;
}
