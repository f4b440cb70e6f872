/*
 * The encoder proper, shared by emit.c and emit-renamed.c.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef ACCEL_SOFT_EMIT_INTERNAL_H
#define ACCEL_SOFT_EMIT_INTERNAL_H

#include "accel/soft/emit.h"

/* Opcode maps as VEX.mmmmm numbers them; 0 = one-byte opcodes. */
enum {
    ENC_MAP_1,
    ENC_MAP_0F,
    ENC_MAP_0F38,
    ENC_MAP_0F3A,
};

/* Mandatory prefixes as VEX.pp numbers them. */
enum {
    ENC_PP_NONE,
    ENC_PP_66,
    ENC_PP_F3,
    ENC_PP_F2,
};

/*
 * Everything of an instruction but its ModRM operands and immediate.
 * @rex: even if nothing asks for it (SPL, BPL, SIL, DIL)
 * @vex: encode with VEX; @vvvv and @l count then
 * @no_modrm: the register is in the low bits of @opcode
 */
typedef struct Enc {
    uint8_t map;
    uint8_t opcode;
    uint8_t pp;
    uint8_t vvvv;
    bool op16; /* operand size prefix, beside @pp */
    bool lock;
    bool w;
    bool rex;
    bool vex;
    bool l;
    bool no_modrm;
} Enc;

/* @reg goes to ModRM.reg, @rm to ModRM.rm or the opcode; 0..15. */
void enc_rr(SoftEmit *e, const Enc *enc, unsigned reg, unsigned rm);
void enc_rm(SoftEmit *e, const Enc *enc, unsigned reg, const EmitMem *m);

/* Would enc_rr / enc_rm emit a REX byte? */
bool enc_rr_has_rex(const Enc *enc, unsigned reg, unsigned rm);
bool enc_rm_has_rex(const Enc *enc, unsigned reg, const EmitMem *m);

/* @n bytes that do nothing, in as few instructions as possible. */
void enc_nops(SoftEmit *e, size_t n);

#endif
