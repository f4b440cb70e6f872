/*
 * The instruction decoder: bytes to SoftInsn.
 *
 * Prefixes, then REX or VEX, then the opcode lead to a group of encodings in
 * tables made of decode-table.txt; within it ModRM and the mandatory prefix
 * select one. Its operands say where registers, memory and immediates are; a
 * last step adds what depends on operand values: flags of conditions, REP,
 * partial writes.
 *
 * Every byte is asked for in order, so that too few of them end in
 * SOFT_DECODE_MORE exactly where a CPU would fetch on.
 *
 * Source: Intel SDM volume 2, chapter 2 and appendix A.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "decode-internal.h"

/* -- prefixes and opcode --------------------------------------------------- */

static bool legacy_prefix(Decoder *d, uint8_t b)
{
    SoftInsn *insn = d->insn;

    switch (b) {
    case 0x66:
        insn->prefixes |= SOFT_PFX_66;
        return true;
    case 0x67:
        insn->prefixes |= SOFT_PFX_67;
        return true;
    case 0xf0:
        insn->prefixes |= SOFT_PFX_LOCK;
        return true;
    case 0xf2:
        insn->prefixes |= SOFT_PFX_REPNE;
        insn->prefixes &= ~SOFT_PFX_REP;
        return true;
    case 0xf3:
        insn->prefixes |= SOFT_PFX_REP;
        insn->prefixes &= ~SOFT_PFX_REPNE;
        return true;
    case 0x26:
    case 0x2e:
    case 0x36:
    case 0x3e:
        insn->prefixes |= SOFT_PFX_SEG;
        if (!d->long64) {
            d->seg = b >> 3 & 3;
        }
        return true;
    case 0x64:
    case 0x65:
        insn->prefixes |= SOFT_PFX_SEG;
        d->seg = b == 0x64 ? X86_FS : X86_GS;
        return true;
    default:
        return false;
    }
}

static bool decode_prefixes(Decoder *d, uint8_t *ret_byte)
{
    SoftInsn *insn = d->insn;
    uint8_t b;

    do {
        if (!get_u8(d, &b)) {
            return false;
        }
    } while (legacy_prefix(d, b));
    /* A REX counts only right before the opcode. */
    while (d->long64 && (b & 0xf0) == 0x40) {
        insn->rex = b & 15;
        insn->prefixes |= SOFT_PFX_REX;
        if (!get_u8(d, &b)) {
            return false;
        }
        while (legacy_prefix(d, b)) {
            insn->rex = 0;
            insn->prefixes &= ~SOFT_PFX_REX;
            if (!get_u8(d, &b)) {
                return false;
            }
        }
        if ((b & 0xf0) == 0x40) {
            insn->rex = 0;
        }
    }
    if (insn->prefixes & SOFT_PFX_REP) {
        d->pp = SOFT_PP_F3;
    } else if (insn->prefixes & SOFT_PFX_REPNE) {
        d->pp = SOFT_PP_F2;
    } else if (insn->prefixes & SOFT_PFX_66) {
        d->pp = SOFT_PP_66;
    }
    *ret_byte = b;
    return true;
}

/* C4 and C5 are LES and LDS outside of 64-bit mode if a memory operand could
 * follow. */
static bool is_vex(Decoder *d, uint8_t b, bool *ret)
{
    *ret = false;
    if (b != 0xc4 && b != 0xc5) {
        return true;
    }
    if (!have(d, 1)) {
        return false;
    }
    *ret = d->long64 || (d->bytes[d->pos] & 0xc0) == 0xc0;
    return true;
}

static bool decode_vex(Decoder *d, bool three)
{
    static const uint8_t vex_pp[4] = { SOFT_PP_NONE, SOFT_PP_66, SOFT_PP_F3,
                                       SOFT_PP_F2 };
    SoftInsn *insn = d->insn;
    uint8_t b1, b2;
    bool bad = insn->prefixes & (SOFT_PFX_LOCK | SOFT_PFX_REP | SOFT_PFX_REPNE |
                                 SOFT_PFX_66 | SOFT_PFX_REX);

    if (!get_u8(d, &b1)) {
        return false;
    }
    insn->map = 1;
    b2 = b1 & 0x7f;
    insn->rex = b1 & 0x80 ? 0 : SOFT_REX_R;
    if (three) {
        insn->map = b1 & 31;
        insn->rex = ~b1 >> 5 & 7;
        if (!get_u8(d, &b2)) {
            return false;
        }
        insn->rex |= b2 & 0x80 ? SOFT_REX_W : 0;
    }
    insn->prefixes |= SOFT_PFX_VEX;
    insn->vvvv = ~b2 >> 3 & 15;
    insn->vex_l = b2 >> 2 & 1;
    d->pp = vex_pp[b2 & 3];
    if (!d->long64) {
        insn->rex &= SOFT_REX_W;
        insn->vvvv &= 7;
    }
    if (!get_u8(d, &d->opcode)) {
        return false;
    }
    if (bad || !d->mode->prot || insn->map < 1 || insn->map > 3) {
        d->status = SOFT_DECODE_UD;
        return false;
    }
    return true;
}

static bool decode_opcode(Decoder *d)
{
    SoftInsn *insn = d->insn;
    uint8_t b;
    bool vex;

    if (!decode_prefixes(d, &b) || !is_vex(d, b, &vex)) {
        return false;
    }
    if (vex) {
        return decode_vex(d, b == 0xc4);
    }
    if (b == 0x0f) {
        insn->map = 1;
        if (!get_u8(d, &b)) {
            return false;
        }
        if (b == 0x38 || b == 0x3a) {
            insn->map = b == 0x38 ? 2 : 3;
            if (!get_u8(d, &b)) {
                return false;
            }
        }
    }
    d->opcode = b;
    return true;
}

/* soft_encodings[], soft_opcodes[][]. */
#include "decode-tables.inc"

/* -- choosing the encoding ------------------------------------------------- */

static bool mode_fits(const Decoder *d, const SoftEncoding *e)
{
    const SoftInsn *insn = d->insn;
    unsigned feature = insn->vex_l ? e->feature_l1 : e->feature;
    bool w = insn->rex & SOFT_REX_W;

    if (!(d->mode->features >> feature & 1) && feature != SOFT_F_BASE) {
        return false;
    }
    if (e->keys & (d->long64 ? ENC_I64 : ENC_O64)) {
        return false;
    }
    if ((e->keys & ENC_PROT) && !d->mode->prot) {
        return false;
    }
    if ((e->keys & ENC_W0 && w) || (e->keys & ENC_W1 && !w)) {
        return false;
    }
    return !((e->keys & ENC_L0 && insn->vex_l) ||
             (e->keys & ENC_L1 && !insn->vex_l));
}

static bool encoding_fits(const Decoder *d, const SoftEncoding *e)
{
    const SoftInsn *insn = d->insn;
    bool vex = insn->prefixes & SOFT_PFX_VEX;

    if (vex != !!(e->keys & ENC_VEX) || !(e->pp >> d->pp & 1)) {
        return false;
    }
    if ((e->digit != 255 && e->digit != (insn->modrm >> 3 & 7)) ||
        (e->modrm != 0 && e->modrm != insn->modrm)) {
        return false;
    }
    if ((e->keys & ENC_MOD_M && insn->modrm >= 0xc0) ||
        (e->keys & ENC_MOD_R && insn->modrm < 0xc0 &&
         !(e->keys & ENC_ANYMOD))) {
        return false;
    }
    if (e->keys & ENC_NB && insn->rex & SOFT_REX_B) {
        return false;
    }
    return mode_fits(d, e);
}

static const SoftEncoding *find_encoding(Decoder *d)
{
    const SoftOpcodeGroup *group = &soft_opcodes[d->insn->map][d->opcode];

    if (group->has_modrm) {
        if (!get_u8(d, &d->insn->modrm)) {
            return NULL;
        }
    }
    for (unsigned i = 0; i < group->count; i++) {
        const SoftEncoding *e = &soft_encodings[group->first + i];

        if (encoding_fits(d, e)) {
            return e;
        }
    }
    d->status = SOFT_DECODE_UD;
    return NULL;
}

/* -- the whole ------------------------------------------------------------- */

static bool decode_fields(Decoder *d)
{
    SoftInsn *insn = d->insn;
    const SoftEncoding *e;

    if (!decode_opcode(d)) {
        return false;
    }
    e = find_encoding(d);
    if (e == NULL) {
        return false;
    }
    insn->op = e->op;
    insn->cls = e->cls;
    insn->opcode = d->opcode;
    insn->attrs = e->attrs;
    insn->feature = insn->vex_l ? e->feature_l1 : e->feature;
    insn->gpr_read = e->gpr_read;
    insn->gpr_write = e->gpr_write;
    insn->flags_read = e->flags_read;
    insn->flags_written = e->flags_written;
    insn->flags_undef = e->flags_undef;
    decode_sizes(d, e);
    insn->src_bytes = insn->op_bytes;
    if (e->attrs & SOFT_A_MODRM) {
        insn->reg = (insn->modrm >> 3 & 7) | (insn->rex & SOFT_REX_R ? 8 : 0);
        insn->rm = (insn->modrm & 7) | (insn->rex & SOFT_REX_B ? 8 : 0);
        if (insn->modrm < 0xc0 && !(e->keys & ENC_ANYMOD) &&
            !decode_mem(d, e)) {
            return false;
        }
    }
    if (!decode_operands(d, e)) {
        return false;
    }
    if (!decode_finish(d, e) || e->cls == SOFT_CLASS_UD) {
        d->status = SOFT_DECODE_UD;
        return false;
    }
    return true;
}

SoftDecodeStatus soft_decode(const uint8_t *bytes, size_t len,
                             const SoftDecodeMode *mode, SoftInsn *insn)
{
    Decoder d = {
        .bytes = bytes,
        .len = MIN(len, SOFT_INSN_BYTES_MAX),
        .status = SOFT_DECODE_OK,
        .mode = mode,
        .insn = insn,
        .long64 = mode->code_bits == 64,
        .seg = SOFT_NO_REG,
    };

    *insn =
        (SoftInsn){ .base = SOFT_NO_REG, .index = SOFT_NO_REG, .seg = X86_DS };
    if (!decode_fields(&d)) {
        insn->op = SOFT_OP_UD;
        insn->cls = SOFT_CLASS_UD;
        insn->attrs |= SOFT_A_ENDS;
    }
    insn->length = MAX(d.pos, 1);
    return d.status;
}
