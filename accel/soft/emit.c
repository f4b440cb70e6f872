/*
 * Machine code for 64-bit hosts: see emit.h.
 *
 * One pair of functions (enc_rr, enc_rm) writes prefixes, REX or VEX, opcode,
 * ModRM, SIB and displacement; everything else is a line that names an opcode.
 *
 * Source: Intel SDM volume 2, chapter 2 (instruction format), 3 to 5.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "emit.h"

#include "emit-internal.h"

#define REX   0x40
#define REX_W 0x08
#define REX_R 0x04
#define REX_X 0x02
#define REX_B 0x01

void emit_bytes(SoftEmit *e, const void *bytes, size_t n)
{
    if (unlikely(n > e->size - e->pos)) {
        e->overflow = true;
        return;
    }
    memcpy(e->rw + e->pos, bytes, n);
    e->pos += n;
}

void emit_u16(SoftEmit *e, uint16_t v)
{
    emit_bytes(e, &v, sizeof(v));
}

void emit_u32(SoftEmit *e, uint32_t v)
{
    emit_bytes(e, &v, sizeof(v));
}

void emit_u64(SoftEmit *e, uint64_t v)
{
    emit_bytes(e, &v, sizeof(v));
}

void enc_nops(SoftEmit *e, size_t n)
{
    static const uint8_t nops[8][8] = {
        { 0x90 },
        { 0x66, 0x90 },
        { 0x0f, 0x1f, 0x00 },
        { 0x0f, 0x1f, 0x40, 0x00 },
        { 0x0f, 0x1f, 0x44, 0x00, 0x00 },
        { 0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00 },
        { 0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00 },
        { 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00 },
    };

    while (n) {
        size_t now = MIN(n, sizeof(nops[0]));

        emit_bytes(e, nops[now - 1], now);
        n -= now;
    }
}

void emit_align(SoftEmit *e, size_t align)
{
    enc_nops(e, -e->pos & (align - 1));
}

/* -- the encoder ---------------------------------------------------------- */

static unsigned rex_of(const Enc *enc, unsigned reg, unsigned index,
                       unsigned rm)
{
    return (enc->w ? REX_W : 0) | (reg & 8 ? REX_R : 0) |
           (index & 8 ? REX_X : 0) | (rm & 8 ? REX_B : 0);
}

static unsigned mem_base(const EmitMem *m)
{
    return m->base == HOST_NO_REG ? 5 : m->base;
}

static unsigned mem_index(const EmitMem *m)
{
    return m->index == HOST_NO_REG ? 4 : m->index;
}

bool enc_rr_has_rex(const Enc *enc, unsigned reg, unsigned rm)
{
    return !enc->vex && (enc->rex || rex_of(enc, reg, 0, rm));
}

bool enc_rm_has_rex(const Enc *enc, unsigned reg, const EmitMem *m)
{
    return !enc->vex &&
           (enc->rex || rex_of(enc, reg, mem_index(m), mem_base(m)));
}

static void enc_vex(SoftEmit *e, const Enc *enc, unsigned rex)
{
    unsigned last = (~enc->vvvv & 15u) << 3 | enc->l << 2 | enc->pp;

    if (enc->map == ENC_MAP_0F && !(rex & (REX_W | REX_X | REX_B))) {
        emit_u8(e, 0xc5);
        emit_u8(e, (rex & REX_R ? 0 : 0x80) | last);
        return;
    }
    emit_u8(e, 0xc4);
    emit_u8(e, (~rex & (REX_R | REX_X | REX_B)) << 5 | enc->map);
    emit_u8(e, (rex & REX_W ? 0x80 : 0) | last);
}

static void enc_legacy(SoftEmit *e, const Enc *enc, unsigned rex)
{
    static const uint8_t pp[] = { 0, 0x66, 0xf3, 0xf2 };

    if (enc->lock) {
        emit_u8(e, 0xf0);
    }
    if (enc->op16) {
        emit_u8(e, 0x66);
    }
    if (enc->pp) {
        emit_u8(e, pp[enc->pp]);
    }
    if (rex || enc->rex) {
        emit_u8(e, REX | rex);
    }
    if (enc->map != ENC_MAP_1) {
        emit_u8(e, 0x0f);
    }
    if (enc->map == ENC_MAP_0F38) {
        emit_u8(e, 0x38);
    } else if (enc->map == ENC_MAP_0F3A) {
        emit_u8(e, 0x3a);
    }
}

static void enc_head(SoftEmit *e, const Enc *enc, unsigned rex)
{
    if (enc->vex) {
        enc_vex(e, enc, rex);
    } else {
        enc_legacy(e, enc, rex);
    }
}

static unsigned modrm(unsigned mod, unsigned reg, unsigned rm)
{
    return mod << 6 | (reg & 7) << 3 | (rm & 7);
}

void enc_rr(SoftEmit *e, const Enc *enc, unsigned reg, unsigned rm)
{
    enc_head(e, enc, rex_of(enc, reg, 0, rm));
    if (enc->no_modrm) {
        emit_u8(e, enc->opcode | (rm & 7));
        return;
    }
    emit_u8(e, enc->opcode);
    emit_u8(e, modrm(3, reg, rm));
}

void enc_rm(SoftEmit *e, const Enc *enc, unsigned reg, const EmitMem *m)
{
    unsigned base = mem_base(m);
    unsigned index = mem_index(m);
    bool no_base = m->base == HOST_NO_REG;
    bool has_sib = no_base || m->index != HOST_NO_REG || (base & 7) == 4;
    unsigned mod;

    if (no_base || (m->disp == 0 && (base & 7) != 5)) {
        mod = 0;
    } else {
        mod = m->disp == (int8_t)m->disp ? 1 : 2;
    }
    if (m->gs) {
        emit_u8(e, 0x65);
    }
    enc_head(e, enc, rex_of(enc, reg, index, no_base ? 0 : base));
    emit_u8(e, enc->opcode);
    emit_u8(e, modrm(mod, reg, has_sib ? 4 : base));
    if (has_sib) {
        emit_u8(e, modrm(m->scale, index, base));
    }
    if (mod == 1) {
        emit_u8(e, (uint8_t)m->disp);
    } else if (mod == 2 || no_base) {
        emit_u32(e, (uint32_t)m->disp);
    }
}

/* -- shorthand for integer instructions ----------------------------------- */

/*
 * An integer opcode at @size bytes: as almost everywhere in the opcode maps
 * the form for bytes is the even one before that for words and up.
 */
static Enc int_enc(unsigned map, unsigned opcode, unsigned size)
{
    return (Enc){ .map = map,
                  .opcode = size == 1 ? opcode & ~1u : opcode,
                  .op16 = size == 2,
                  .w = size == 8 };
}

/* The same opcode for all sizes. */
static Enc wide_enc(unsigned map, unsigned opcode, unsigned size)
{
    return (
        Enc){ .map = map, .opcode = opcode, .op16 = size == 2, .w = size == 8 };
}

/* SPL, BPL, SIL and DIL exist only with REX. */
static bool byte_needs_rex(unsigned size, unsigned reg)
{
    return size == 1 && reg >= 4;
}

static void int_rr(SoftEmit *e, unsigned map, unsigned opcode, unsigned size,
                   unsigned reg, unsigned rm)
{
    Enc enc = int_enc(map, opcode, size);

    enc.rex = byte_needs_rex(size, reg) || byte_needs_rex(size, rm);
    enc_rr(e, &enc, reg, rm);
}

/* @reg is an opcode extension. */
static void int_xr(SoftEmit *e, unsigned opcode, unsigned size, unsigned ext,
                   unsigned rm)
{
    Enc enc = int_enc(ENC_MAP_1, opcode, size);

    enc.rex = byte_needs_rex(size, rm);
    enc_rr(e, &enc, ext, rm);
}

static void int_rm(SoftEmit *e, unsigned map, unsigned opcode, unsigned size,
                   unsigned reg, EmitMem m)
{
    Enc enc = int_enc(map, opcode, size);

    enc.rex = byte_needs_rex(size, reg);
    enc_rm(e, &enc, reg, &m);
}

static void int_xm(SoftEmit *e, unsigned opcode, unsigned size, unsigned ext,
                   EmitMem m)
{
    Enc enc = int_enc(ENC_MAP_1, opcode, size);

    enc_rm(e, &enc, ext, &m);
}

static void emit_imm(SoftEmit *e, unsigned size, int32_t imm)
{
    if (size == 1) {
        emit_u8(e, (uint8_t)imm);
    } else if (size == 2) {
        emit_u16(e, (uint16_t)imm);
    } else {
        emit_u32(e, (uint32_t)imm);
    }
}

/* -- moves ---------------------------------------------------------------- */

void emit_mov_rr(SoftEmit *e, unsigned size, unsigned dst, unsigned src)
{
    int_rr(e, ENC_MAP_1, 0x89, size, src, dst);
}

void emit_mov_ri(SoftEmit *e, unsigned size, unsigned dst, uint64_t imm)
{
    Enc enc = { .opcode = 0xb8, .no_modrm = true };

    switch (size) {
    case 1:
        enc.opcode = 0xb0;
        enc.rex = dst >= 4;
        enc_rr(e, &enc, 0, dst);
        emit_u8(e, (uint8_t)imm);
        return;
    case 2:
        enc.op16 = true;
        enc_rr(e, &enc, 0, dst);
        emit_u16(e, (uint16_t)imm);
        return;
    case 4:
        imm = (uint32_t)imm;
        break;
    default:
        break;
    }
    if (imm <= UINT32_MAX) {
        enc_rr(e, &enc, 0, dst);
        emit_u32(e, (uint32_t)imm);
    } else if ((uint64_t)(int32_t)imm == imm) {
        int_xr(e, 0xc7, 8, 0, dst);
        emit_u32(e, (uint32_t)imm);
    } else {
        enc.w = true;
        enc_rr(e, &enc, 0, dst);
        emit_u64(e, imm);
    }
}

void emit_load(SoftEmit *e, unsigned size, unsigned dst, EmitMem m)
{
    int_rm(e, ENC_MAP_1, 0x8b, size, dst, m);
}

void emit_store(SoftEmit *e, unsigned size, EmitMem m, unsigned src)
{
    int_rm(e, ENC_MAP_1, 0x89, size, src, m);
}

void emit_store_i(SoftEmit *e, unsigned size, EmitMem m, int32_t imm)
{
    int_xm(e, 0xc7, size, 0, m);
    emit_imm(e, size, imm);
}

/* Opcode of MOVZX (sign = false) or MOVSX from @size bytes. */
static Enc extend_enc(bool sign, unsigned size)
{
    if (size == 4) {
        return (Enc){ .opcode = sign ? 0x63 : 0x8b, .w = sign };
    }
    return (Enc){ .map = ENC_MAP_0F,
                  .opcode = (sign ? 0xbe : 0xb6) | (size == 2),
                  .w = sign };
}

static void extend_rr(SoftEmit *e, bool sign, unsigned size, unsigned dst,
                      unsigned src)
{
    Enc enc = extend_enc(sign, size);

    enc.rex = byte_needs_rex(size, src);
    enc_rr(e, &enc, dst, src);
}

void emit_movzx_rr(SoftEmit *e, unsigned size, unsigned dst, unsigned src)
{
    extend_rr(e, false, size, dst, src);
}

void emit_movsx_rr(SoftEmit *e, unsigned size, unsigned dst, unsigned src)
{
    extend_rr(e, true, size, dst, src);
}

void emit_movzx_rm(SoftEmit *e, unsigned size, unsigned dst, EmitMem m)
{
    Enc enc = extend_enc(false, size);

    enc_rm(e, &enc, dst, &m);
}

void emit_movsx_rm(SoftEmit *e, unsigned size, unsigned dst, EmitMem m)
{
    Enc enc = extend_enc(true, size);

    enc_rm(e, &enc, dst, &m);
}

void emit_lea(SoftEmit *e, unsigned size, unsigned dst, EmitMem m)
{
    Enc enc = wide_enc(ENC_MAP_1, 0x8d, size);

    enc_rm(e, &enc, dst, &m);
}

void emit_xchg_rr(SoftEmit *e, unsigned size, unsigned a, unsigned b)
{
    int_rr(e, ENC_MAP_1, 0x87, size, a, b);
}

void emit_xchg_mr(SoftEmit *e, unsigned size, EmitMem m, unsigned reg)
{
    int_rm(e, ENC_MAP_1, 0x87, size, reg, m);
}

void emit_bswap(SoftEmit *e, unsigned size, unsigned reg)
{
    Enc enc = {
        .map = ENC_MAP_0F, .opcode = 0xc8, .w = size == 8, .no_modrm = true
    };

    enc_rr(e, &enc, 0, reg);
}

void emit_cmov_rr(SoftEmit *e, EmitCond cc, unsigned size, unsigned dst,
                  unsigned src)
{
    Enc enc = wide_enc(ENC_MAP_0F, 0x40 | cc, size);

    enc_rr(e, &enc, dst, src);
}

void emit_cmov_rm(SoftEmit *e, EmitCond cc, unsigned size, unsigned dst,
                  EmitMem m)
{
    Enc enc = wide_enc(ENC_MAP_0F, 0x40 | cc, size);

    enc_rm(e, &enc, dst, &m);
}

void emit_push(SoftEmit *e, unsigned reg)
{
    enc_rr(e, &(Enc){ .opcode = 0x50, .no_modrm = true }, 0, reg);
}

void emit_pop(SoftEmit *e, unsigned reg)
{
    enc_rr(e, &(Enc){ .opcode = 0x58, .no_modrm = true }, 0, reg);
}

void emit_push_m(SoftEmit *e, EmitMem m)
{
    enc_rm(e, &(Enc){ .opcode = 0xff }, 6, &m);
}

void emit_pop_m(SoftEmit *e, EmitMem m)
{
    enc_rm(e, &(Enc){ .opcode = 0x8f }, 0, &m);
}

/* -- arithmetic ----------------------------------------------------------- */

void emit_alu_rr(SoftEmit *e, EmitAlu op, unsigned size, unsigned dst,
                 unsigned src)
{
    int_rr(e, ENC_MAP_1, op << 3 | 1, size, src, dst);
}

void emit_alu_rm(SoftEmit *e, EmitAlu op, unsigned size, unsigned dst,
                 EmitMem m)
{
    int_rm(e, ENC_MAP_1, op << 3 | 3, size, dst, m);
}

void emit_alu_mr(SoftEmit *e, EmitAlu op, unsigned size, EmitMem m,
                 unsigned src)
{
    int_rm(e, ENC_MAP_1, op << 3 | 1, size, src, m);
}

static bool imm8_is_enough(unsigned size, int32_t imm)
{
    return size != 1 && imm == (int8_t)imm;
}

void emit_alu_ri(SoftEmit *e, EmitAlu op, unsigned size, unsigned dst,
                 int32_t imm)
{
    if (imm8_is_enough(size, imm)) {
        Enc enc = wide_enc(ENC_MAP_1, 0x83, size);

        enc_rr(e, &enc, op, dst);
        emit_u8(e, (uint8_t)imm);
        return;
    }
    int_xr(e, 0x81, size, op, dst);
    emit_imm(e, size, imm);
}

void emit_alu_mi(SoftEmit *e, EmitAlu op, unsigned size, EmitMem m, int32_t imm)
{
    if (imm8_is_enough(size, imm)) {
        Enc enc = wide_enc(ENC_MAP_1, 0x83, size);

        enc_rm(e, &enc, op, &m);
        emit_u8(e, (uint8_t)imm);
        return;
    }
    int_xm(e, 0x81, size, op, m);
    emit_imm(e, size, imm);
}

void emit_test_rr(SoftEmit *e, unsigned size, unsigned a, unsigned b)
{
    int_rr(e, ENC_MAP_1, 0x85, size, b, a);
}

void emit_test_ri(SoftEmit *e, unsigned size, unsigned reg, int32_t imm)
{
    int_xr(e, 0xf7, size, 0, reg);
    emit_imm(e, size, imm);
}

void emit_test_mi(SoftEmit *e, unsigned size, EmitMem m, int32_t imm)
{
    int_xm(e, 0xf7, size, 0, m);
    emit_imm(e, size, imm);
}

void emit_inc(SoftEmit *e, unsigned size, unsigned reg)
{
    int_xr(e, 0xff, size, 0, reg);
}

void emit_dec(SoftEmit *e, unsigned size, unsigned reg)
{
    int_xr(e, 0xff, size, 1, reg);
}

void emit_unary_r(SoftEmit *e, EmitUnary op, unsigned size, unsigned reg)
{
    int_xr(e, 0xf7, size, op, reg);
}

void emit_unary_m(SoftEmit *e, EmitUnary op, unsigned size, EmitMem m)
{
    int_xm(e, 0xf7, size, op, m);
}

void emit_imul_rr(SoftEmit *e, unsigned size, unsigned dst, unsigned src)
{
    Enc enc = wide_enc(ENC_MAP_0F, 0xaf, size);

    enc_rr(e, &enc, dst, src);
}

void emit_shift_ri(SoftEmit *e, EmitShift op, unsigned size, unsigned reg,
                   unsigned count)
{
    int_xr(e, 0xc1, size, op, reg);
    emit_u8(e, (uint8_t)count);
}

void emit_shift_cl(SoftEmit *e, EmitShift op, unsigned size, unsigned reg)
{
    int_xr(e, 0xd3, size, op, reg);
}

void emit_bit_ri(SoftEmit *e, EmitBit op, unsigned size, unsigned reg,
                 unsigned bit)
{
    Enc enc = wide_enc(ENC_MAP_0F, 0xba, size);

    enc_rr(e, &enc, op, reg);
    emit_u8(e, (uint8_t)bit);
}

void emit_bit_mi(SoftEmit *e, EmitBit op, unsigned size, EmitMem m,
                 unsigned bit)
{
    Enc enc = wide_enc(ENC_MAP_0F, 0xba, size);

    enc_rm(e, &enc, op, &m);
    emit_u8(e, (uint8_t)bit);
}

void emit_setcc_r(SoftEmit *e, EmitCond cc, unsigned reg)
{
    Enc enc = { .map = ENC_MAP_0F, .opcode = 0x90 | cc, .rex = reg >= 4 };

    enc_rr(e, &enc, 0, reg);
}

void emit_setcc_m(SoftEmit *e, EmitCond cc, EmitMem m)
{
    enc_rm(e, &(Enc){ .map = ENC_MAP_0F, .opcode = 0x90 | cc }, 0, &m);
}

void emit_shiftx(SoftEmit *e, EmitShift op, unsigned size, unsigned dst,
                 unsigned src, unsigned count)
{
    Enc enc = { .map = ENC_MAP_0F38,
                .opcode = 0xf7,
                .vex = true,
                .vvvv = count,
                .w = size == 8 };

    enc.pp = op == EMIT_SHL   ? ENC_PP_66
             : op == EMIT_SHR ? ENC_PP_F2
                              : ENC_PP_F3;
    enc_rr(e, &enc, dst, src);
}

void emit_rorx(SoftEmit *e, unsigned size, unsigned dst, unsigned src,
               unsigned count)
{
    Enc enc = { .map = ENC_MAP_0F3A,
                .opcode = 0xf0,
                .vex = true,
                .pp = ENC_PP_F2,
                .w = size == 8 };

    enc_rr(e, &enc, dst, src);
    emit_u8(e, (uint8_t)count);
}

/* -- flags ---------------------------------------------------------------- */

void emit_lahf(SoftEmit *e)
{
    emit_u8(e, 0x9f);
}

void emit_sahf(SoftEmit *e)
{
    emit_u8(e, 0x9e);
}

void emit_pushf(SoftEmit *e)
{
    emit_u8(e, 0x9c);
}

void emit_popf(SoftEmit *e)
{
    emit_u8(e, 0x9d);
}

void emit_cld(SoftEmit *e)
{
    emit_u8(e, 0xfc);
}

void emit_cmc(SoftEmit *e)
{
    emit_u8(e, 0xf5);
}

void emit_clc(SoftEmit *e)
{
    emit_u8(e, 0xf8);
}

void emit_stc(SoftEmit *e)
{
    emit_u8(e, 0xf9);
}
