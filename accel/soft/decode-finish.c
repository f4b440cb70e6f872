/*
 * The decoder's last step: normal forms for what has several encodings, and
 * what depends on the values of operands.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "decode-internal.h"

/* The accumulator and opcode forms as those with ModRM say it. */
static void normalise(Decoder *d, const SoftEncoding *e)
{
    SoftInsn *insn = d->insn;

    insn->opcode = e->norm;
    if (e->attrs & SOFT_A_MODRM || insn->mem != SOFT_MEM_NONE) {
        return; /* has its own, or moffs made one */
    }
    insn->attrs |= SOFT_A_MODRM;
    insn->modrm = 0xc0 | e->norm_digit << 3 | (insn->rm & 7);
    if (e->op == SOFT_OP_XCHG) {
        insn->attrs |= SOFT_A_REG_GPR;
    }
    insn->reg = e->norm_digit;
}

/* -- what depends on values ------------------------------------------------ */

static uint8_t condition_flags(unsigned cond)
{
    static const uint8_t flags[8] = {
        SOFT_FLAG_OF,
        SOFT_FLAG_CF,
        SOFT_FLAG_ZF,
        SOFT_FLAG_CF | SOFT_FLAG_ZF,
        SOFT_FLAG_SF,
        SOFT_FLAG_PF,
        SOFT_FLAG_SF | SOFT_FLAG_OF,
        SOFT_FLAG_SF | SOFT_FLAG_OF | SOFT_FLAG_ZF,
    };

    return flags[cond >> 1 & 7];
}

/* A shift by a constant that is not 0 surely writes the flags. */
static void finish_shift(SoftInsn *insn, const SoftEncoding *e)
{
    bool carry = insn->op == SOFT_OP_RCL || insn->op == SOFT_OP_RCR;
    unsigned count;

    if (e->keys & ENC_ONE) {
        insn->imm = 1;
    } else if (insn->imm_bytes == 0) {
        if (carry) {
            insn->flags_read |= SOFT_FLAG_CF;
        }
        return;
    }
    count = insn->imm & (insn->op_bytes == 8 ? 63 : 31);
    if (count != 0) {
        insn->flags_read = carry ? SOFT_FLAG_CF : 0;
        if (count == 1) {
            insn->flags_undef &= ~SOFT_FLAG_OF;
        }
    } else if (carry) {
        insn->flags_read |= SOFT_FLAG_CF;
    }
}

static void finish_string(SoftInsn *insn, const Decoder *d)
{
    insn->seg = d->seg != SOFT_NO_REG ? d->seg : X86_DS;
    if (insn->prefixes & (SOFT_PFX_REP | SOFT_PFX_REPNE)) {
        insn->attrs |= SOFT_A_REP;
        insn->gpr_read |= 1u << X86_RCX;
        insn->gpr_write |= 1u << X86_RCX;
        insn->flags_read |= insn->flags_written;
    }
}

/* Implied segment registers: push es ... pop gs, les ... lgs. */
static void finish_segment(SoftInsn *insn)
{
    if (insn->op == SOFT_OP_LSEG) {
        static const uint8_t lxs[] = { X86_SS, 0, X86_FS, X86_GS };

        insn->imm2 = insn->map == 1         ? lxs[insn->opcode - 0xb2]
                     : insn->opcode == 0xc4 ? X86_ES
                                            : X86_DS;
    } else {
        insn->reg = insn->opcode >> 3 & 7;
    }
}

static void finish_op(Decoder *d, const SoftEncoding *e)
{
    SoftInsn *insn = d->insn;

    switch (insn->op) {
    case SOFT_OP_ROL:
    case SOFT_OP_ROR:
    case SOFT_OP_RCL:
    case SOFT_OP_RCR:
    case SOFT_OP_SHL:
    case SOFT_OP_SHR:
    case SOFT_OP_SAR:
    case SOFT_OP_SHLD:
    case SOFT_OP_SHRD:
        finish_shift(insn, e);
        break;
    case SOFT_OP_BT:
    case SOFT_OP_BTS:
    case SOFT_OP_BTR:
    case SOFT_OP_BTC:
        /* The bit may be in any word from the operand's on. */
        if (insn->mem != SOFT_MEM_NONE && insn->imm_bytes == 0) {
            insn->cls = SOFT_CLASS_MICRO;
        }
        break;
    case SOFT_OP_CMOV:
    case SOFT_OP_SETCC:
    case SOFT_OP_JCC:
        insn->flags_read |= condition_flags(insn->opcode);
        break;
    case SOFT_OP_XCHG:
        if (insn->mem != SOFT_MEM_NONE) {
            insn->attrs |= SOFT_A_LOCKED;
        }
        break;
    case SOFT_OP_PUSHS:
    case SOFT_OP_POPS:
    case SOFT_OP_LSEG:
        finish_segment(insn);
        break;
    case SOFT_OP_CMPXCHG16B:
        insn->attrs |= SOFT_A_ALIGN;
        break;
    case SOFT_OP_XLAT:
        insn->seg = decode_effective_seg(d, X86_RBX);
        break;
    case SOFT_OP_MASKMOVQ:
    case SOFT_OP_MASKMOVDQU:
        insn->seg = decode_effective_seg(d, X86_RDI);
        break;
    default:
        break;
    }
    if (insn->cls == SOFT_CLASS_STRING) {
        finish_string(insn, d);
    }
}

bool decode_finish(Decoder *d, const SoftEncoding *e)
{
    SoftInsn *insn = d->insn;

    if (e->keys & ENC_NORM) {
        normalise(d, e);
    }
    if (d->vec_dst) {
        insn->vec_read |= insn->vec_write;
    }
    if (e->keys & ENC_XMM0) {
        insn->vec_read |= 1;
    }
    if (e->keys & ENC_WXMM0) {
        insn->vec_write |= 1;
        if (!(insn->prefixes & SOFT_PFX_VEX)) {
            insn->vec_read |= 1; /* its upper half stays */
        }
    }
    if (e->keys & ENC_ALLVEC) {
        insn->vec_write = d->long64 ? 0xffff : 0xff;
        insn->vec_read = insn->vec_write;
    }
    if ((insn->prefixes & SOFT_PFX_VEX) && insn->vvvv != 0 &&
        !(insn->attrs & (SOFT_A_V_GPR | SOFT_A_V_VEC))) {
        return false;
    }
    if (insn->prefixes & SOFT_PFX_LOCK) {
        if (!(e->keys & ENC_LOCK) || insn->mem < SOFT_MEM_READ) {
            return false;
        }
        insn->attrs |= SOFT_A_LOCKED;
    }
    if (e->pp != PP_ANY && !(d->pp == SOFT_PP_66 && e->size == SIZE_V)) {
        insn->pp = d->pp;
    }
    if (!d->long64 &&
        (insn->attrs & (SOFT_A_REG_GPR | SOFT_A_RM_GPR | SOFT_A_V_GPR))) {
        insn->rex &= ~SOFT_REX_W; /* VEX.W is ignored there */
    }
    finish_op(d, e);
    return true;
}
