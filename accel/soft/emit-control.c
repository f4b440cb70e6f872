/*
 * Machine code for 64-bit hosts: vectors, x87, jumps and labels.
 *
 * Source: Intel SDM volume 2, chapters 3 to 5.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "emit-internal.h"
#include "emit.h"

/* -- vectors and x87 ------------------------------------------------------ */

static Enc vec_enc(EmitVec kind, unsigned opcode)
{
    return (Enc){ .map = ENC_MAP_0F,
                  .opcode = opcode,
                  .vex = kind != EMIT_VEC_SSE,
                  .l = kind == EMIT_VEC_V256 };
}

void emit_vec_load(SoftEmit *e, EmitVec kind, unsigned vreg, EmitMem m)
{
    Enc enc = vec_enc(kind, 0x10); /* [V]MOVUPS */

    enc_rm(e, &enc, vreg, &m);
}

void emit_vec_store(SoftEmit *e, EmitVec kind, EmitMem m, unsigned vreg)
{
    Enc enc = vec_enc(kind, 0x11);

    enc_rm(e, &enc, vreg, &m);
}

void emit_movq_xr(SoftEmit *e, unsigned size, unsigned vreg, unsigned reg)
{
    Enc enc = {
        .map = ENC_MAP_0F, .opcode = 0x6e, .pp = ENC_PP_66, .w = size == 8
    };

    enc_rr(e, &enc, vreg, reg);
}

void emit_movq_rx(SoftEmit *e, unsigned size, unsigned reg, unsigned vreg)
{
    Enc enc = {
        .map = ENC_MAP_0F, .opcode = 0x7e, .pp = ENC_PP_66, .w = size == 8
    };

    enc_rr(e, &enc, vreg, reg);
}

void emit_vzeroupper(SoftEmit *e)
{
    emit_bytes(e, "\xc5\xf8\x77", 3);
}

void emit_ldmxcsr(SoftEmit *e, EmitMem m)
{
    enc_rm(e, &(Enc){ .map = ENC_MAP_0F, .opcode = 0xae }, 2, &m);
}

void emit_stmxcsr(SoftEmit *e, EmitMem m)
{
    enc_rm(e, &(Enc){ .map = ENC_MAP_0F, .opcode = 0xae }, 3, &m);
}

void emit_fxsave64(SoftEmit *e, EmitMem m)
{
    enc_rm(e, &(Enc){ .map = ENC_MAP_0F, .opcode = 0xae, .w = true }, 0, &m);
}

void emit_fxrstor64(SoftEmit *e, EmitMem m)
{
    enc_rm(e, &(Enc){ .map = ENC_MAP_0F, .opcode = 0xae, .w = true }, 1, &m);
}

/* -- control -------------------------------------------------------------- */

static uint32_t rel32_get(const SoftEmit *e, size_t field)
{
    uint32_t v;

    memcpy(&v, e->rw + field, sizeof(v));
    return v;
}

static void rel32_put(SoftEmit *e, size_t field, uint32_t v)
{
    uint8_t *at = e->rw + field;

    if ((uintptr_t)at % sizeof(v) == 0) {
        __atomic_store_n((uint32_t *)(void *)at, v, __ATOMIC_RELAXED);
    } else {
        memcpy(at, &v, sizeof(v));
    }
}

/* A field not known yet holds the field before it in the chain, + 1. */
static void emit_ref(SoftEmit *e, EmitLabel *to)
{
    size_t field = e->pos;

    if (to->pos != SIZE_MAX) {
        emit_u32(e, (uint32_t)(to->pos - (field + 4)));
        return;
    }
    emit_u32(e, (uint32_t)(to->last + 1));
    if (!e->overflow) {
        to->last = field;
    }
}

void emit_jcc(SoftEmit *e, EmitCond cc, EmitLabel *to)
{
    emit_u8(e, 0x0f);
    emit_u8(e, 0x80 | cc);
    emit_ref(e, to);
}

void emit_jmp(SoftEmit *e, EmitLabel *to)
{
    emit_u8(e, 0xe9);
    emit_ref(e, to);
}

void emit_call(SoftEmit *e, EmitLabel *to)
{
    emit_u8(e, 0xe8);
    emit_ref(e, to);
}

void emit_bind(SoftEmit *e, EmitLabel *l)
{
    size_t field = l->last;

    l->pos = e->pos;
    l->last = SIZE_MAX;
    while (field != SIZE_MAX) {
        size_t before = (size_t)rel32_get(e, field) - 1;

        rel32_put(e, field, (uint32_t)(l->pos - (field + 4)));
        field = before;
    }
}

/* Distance from after a field at @field, which may not exist yet. */
static bool rel32_to(const SoftEmit *e, size_t field, const void *target,
                     int32_t *ret)
{
    int64_t d = (int64_t)((uintptr_t)target - ((uintptr_t)e->rx + field + 4));

    *ret = (int32_t)d;
    return d == (int32_t)d;
}

/* E8 or E9 to anywhere; @ext is that of FF for the same thing. */
static void emit_branch_to(SoftEmit *e, unsigned opcode, unsigned ext,
                           const void *target, unsigned scratch)
{
    int32_t rel;

    if (rel32_to(e, e->pos + 1, target, &rel)) {
        emit_u8(e, opcode);
        emit_u32(e, (uint32_t)rel);
    } else if (scratch == HOST_NO_REG) {
        e->overflow = true;
    } else {
        emit_mov_ri(e, 8, scratch, (uintptr_t)target);
        enc_rr(e, &(Enc){ .opcode = 0xff }, ext, scratch);
    }
}

void emit_jmp_to(SoftEmit *e, const void *target, unsigned scratch)
{
    emit_branch_to(e, 0xe9, 4, target, scratch);
}

void emit_call_to(SoftEmit *e, const void *target, unsigned scratch)
{
    emit_branch_to(e, 0xe8, 2, target, scratch);
}

void emit_jcc_to(SoftEmit *e, EmitCond cc, const void *target)
{
    int32_t rel;

    if (!rel32_to(e, e->pos + 2, target, &rel)) {
        e->overflow = true;
        return;
    }
    emit_u8(e, 0x0f);
    emit_u8(e, 0x80 | cc);
    emit_u32(e, (uint32_t)rel);
}

void emit_jmp_r(SoftEmit *e, unsigned reg)
{
    enc_rr(e, &(Enc){ .opcode = 0xff }, 4, reg);
}

void emit_jmp_m(SoftEmit *e, EmitMem m)
{
    enc_rm(e, &(Enc){ .opcode = 0xff }, 4, &m);
}

void emit_call_r(SoftEmit *e, unsigned reg)
{
    enc_rr(e, &(Enc){ .opcode = 0xff }, 2, reg);
}

void emit_call_m(SoftEmit *e, EmitMem m)
{
    enc_rm(e, &(Enc){ .opcode = 0xff }, 2, &m);
}

void emit_ret(SoftEmit *e)
{
    emit_u8(e, 0xc3);
}

void emit_int3(SoftEmit *e)
{
    emit_u8(e, 0xcc);
}

void emit_ud2(SoftEmit *e)
{
    emit_u8(e, 0x0f);
    emit_u8(e, 0x0b);
}

void emit_patch_rel32(SoftEmit *e, size_t field, const void *target)
{
    int32_t rel;

    if (field + 4 > e->size || !rel32_to(e, field, target, &rel)) {
        e->overflow = true;
        return;
    }
    rel32_put(e, field, (uint32_t)rel);
}

void emit_align_rel32(SoftEmit *e, unsigned opcode_bytes)
{
    uintptr_t at = (uintptr_t)e->rw + e->pos + opcode_bytes;

    enc_nops(e, -at & 3);
}
