/*
 * The decoder's second half: operand sizes, the memory operand, registers and
 * immediates.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "decode-internal.h"

/* -- sizes ----------------------------------------------------------------- */

void decode_sizes(Decoder *d, const SoftEncoding *e)
{
    SoftInsn *insn = d->insn;
    unsigned other = d->mode->code_bits == 16 ? 4 : 2;
    unsigned normal = d->mode->code_bits == 16 ? 2 : 4;
    unsigned v = insn->prefixes & SOFT_PFX_66 ? other : normal;
    bool w = insn->rex & SOFT_REX_W;

    if (d->long64) {
        insn->addr_bytes = insn->prefixes & SOFT_PFX_67 ? 4 : 8;
    } else {
        insn->addr_bytes = insn->prefixes & SOFT_PFX_67 ? other : normal;
        w = false;
    }
    switch (e->size) {
    case SIZE_B:
        insn->op_bytes = 1;
        break;
    case SIZE_W:
        insn->op_bytes = 2;
        break;
    case SIZE_D:
        insn->op_bytes = 4;
        break;
    case SIZE_Q:
        insn->op_bytes = 8;
        break;
    case SIZE_Y:
        insn->op_bytes = w ? 8 : 4;
        break;
    case SIZE_N:
        insn->op_bytes = d->long64 ? 8 : 4;
        break;
    case SIZE_X:
        insn->op_bytes = insn->vex_l ? 32 : 16;
        break;
    case SIZE_Z:
        insn->op_bytes = w ? 4 : v;
        break;
    case SIZE_D64:
        insn->op_bytes = d->long64 && (w || v == 4) ? 8 : v;
        break;
    case SIZE_F64:
        insn->op_bytes = d->long64 ? 8 : v;
        break;
    default:
        insn->op_bytes = w ? 8 : v;
        break;
    }
}

static unsigned operand_bytes(const Decoder *d, unsigned size, bool mem)
{
    const SoftInsn *insn = d->insn;
    unsigned x = insn->vex_l ? 32 : 16;
    unsigned op = insn->op_bytes;

    switch (size) {
    case SIZE_B:
        return 1;
    case SIZE_W:
        return 2;
    case SIZE_D:
        return 4;
    case SIZE_Q:
        return 8;
    case SIZE_DQ:
        return 16;
    case SIZE_QQ:
        return 32;
    case SIZE_V:
        return op;
    case SIZE_Z:
        return MIN(op, 4);
    case SIZE_Y:
        return insn->rex & SOFT_REX_W && d->long64 ? 8 : 4;
    case SIZE_X:
        return x;
    case SIZE_H:
        return x / 2;
    case SIZE_F:
        return x / 4;
    case SIZE_E:
        return x / 8;
    case SIZE_K:
        return insn->vex_l ? 32 : 8;
    case SIZE_P:
        return op + 2;
    case SIZE_S:
        return d->long64 ? 10 : 6;
    case SIZE_R:
        return mem ? 2 : op;
    case SIZE_N:
        return d->long64 ? 8 : 4;
    case SIZE_T:
        return 10;
    case SIZE_A:
        return 2 * op;
    case SIZE_ENV:
        return op == 2 ? 14 : 28;
    case SIZE_FST:
        return op == 2 ? 94 : 108;
    case SIZE_FX:
        return 512;
    default:
        return 0;
    }
}

/* -- the memory operand ---------------------------------------------------- */

static bool decode_mem16(Decoder *d)
{
    static const struct {
        uint8_t base, index;
    } pair[8] = {
        { X86_RBX, X86_RSI },     { X86_RBX, X86_RDI },
        { X86_RBP, X86_RSI },     { X86_RBP, X86_RDI },
        { X86_RSI, SOFT_NO_REG }, { X86_RDI, SOFT_NO_REG },
        { X86_RBP, SOFT_NO_REG }, { X86_RBX, SOFT_NO_REG },
    };
    SoftInsn *insn = d->insn;
    unsigned mod = insn->modrm >> 6;
    unsigned rm = insn->modrm & 7;

    if (mod == 0 && rm == 6) {
        return get_signed(d, 2, &insn->disp);
    }
    insn->base = pair[rm].base;
    insn->index = pair[rm].index;
    if (mod == 0) {
        return true;
    }
    return get_signed(d, mod, &insn->disp);
}

static bool decode_sib(Decoder *d, unsigned mod, bool vsib, unsigned *disp)
{
    SoftInsn *insn = d->insn;
    unsigned index, base;

    if (!get_u8(d, &insn->sib)) {
        return false;
    }
    insn->scale = insn->sib >> 6;
    index = (insn->sib >> 3 & 7) | (insn->rex & SOFT_REX_X ? 8 : 0);
    base = insn->sib & 7;
    if (index != 4 || vsib) {
        insn->index = index;
    }
    if (base == 5 && mod == 0) {
        *disp = 4;
    } else {
        insn->base = base | (insn->rex & SOFT_REX_B ? 8 : 0);
    }
    return true;
}

static bool decode_mem32(Decoder *d, const SoftEncoding *e)
{
    SoftInsn *insn = d->insn;
    unsigned mod = insn->modrm >> 6;
    unsigned rm = insn->modrm & 7;
    unsigned disp = mod == 1 ? 1 : mod == 2 ? 4 : 0;
    bool vsib = e->attrs & SOFT_A_VSIB;

    if (rm == 4) {
        if (!decode_sib(d, mod, vsib, &disp)) {
            return false;
        }
    } else if (vsib) {
        d->status = SOFT_DECODE_UD;
        return false;
    } else if (rm == 5 && mod == 0) {
        disp = 4;
        if (d->long64) {
            insn->attrs |= SOFT_A_RIP;
        }
    } else {
        insn->base = rm | (insn->rex & SOFT_REX_B ? 8 : 0);
    }
    return get_signed(d, disp, &insn->disp);
}

/* The segment of an operand at @base where no prefix says otherwise. */
uint8_t decode_effective_seg(const Decoder *d, uint8_t base)
{
    if (d->seg != SOFT_NO_REG) {
        return d->seg;
    }
    return base == X86_RSP || base == X86_RBP ? X86_SS : X86_DS;
}

bool decode_mem(Decoder *d, const SoftEncoding *e)
{
    SoftInsn *insn = d->insn;

    if (insn->addr_bytes == 2 && (e->attrs & SOFT_A_VSIB)) {
        d->status = SOFT_DECODE_UD;
        return false;
    }
    if (!(insn->addr_bytes == 2 ? decode_mem16(d) : decode_mem32(d, e))) {
        return false;
    }
    insn->seg = decode_effective_seg(d, insn->base);
    if (insn->base != SOFT_NO_REG) {
        insn->gpr_read |= 1u << insn->base;
    }
    if (insn->index != SOFT_NO_REG) {
        if (e->attrs & SOFT_A_VSIB) {
            insn->vec_read |= 1u << insn->index;
        } else {
            insn->gpr_read |= 1u << insn->index;
        }
    }
    return true;
}

static void use_mem(Decoder *d, const SoftEncoding *e, unsigned access,
                    unsigned bytes)
{
    SoftInsn *insn = d->insn;

    insn->mem = SOFT_MEM_ADDR + access;
    insn->mem_bytes = access == ACCESS_NONE ? 0 : bytes;
    if (bytes >= 16 && (insn->attrs & SOFT_A_VEC)) {
        bool vex = e->keys & ENC_VEX;

        if (e->keys & ENC_VALIGN || (!vex && !(e->keys & ENC_UNAL))) {
            insn->attrs |= SOFT_A_ALIGN;
        }
    }
}

/* -- operands -------------------------------------------------------------- */

static void use_gpr(Decoder *d, unsigned access, unsigned reg, unsigned bytes)
{
    SoftInsn *insn = d->insn;

    if (access & ACCESS_WRITE) {
        insn->gpr_write |= 1u << reg;
        if (bytes < 4) {
            access |= ACCESS_READ;
        }
    }
    if (access & ACCESS_READ) {
        insn->gpr_read |= 1u << reg;
    }
}

/* A byte register that may be AH..BH. */
static void use_gpr_field(Decoder *d, unsigned access, unsigned reg,
                          unsigned bytes, uint32_t high_attr)
{
    if (bytes == 1 && reg >= 4 && reg < 8 &&
        !(d->insn->prefixes & (SOFT_PFX_REX | SOFT_PFX_VEX))) {
        d->insn->attrs |= high_attr;
        reg -= 4;
    }
    use_gpr(d, access, reg, bytes);
}

static void use_vec(Decoder *d, unsigned access, unsigned reg)
{
    if (access & ACCESS_WRITE) {
        d->insn->vec_write |= 1u << reg;
    }
    if (access & ACCESS_READ) {
        d->insn->vec_read |= 1u << reg;
    }
}

static bool decode_imm(Decoder *d, unsigned kind, unsigned bytes)
{
    SoftInsn *insn = d->insn;
    int64_t v;

    if (!get_signed(d, bytes, &v)) {
        return false;
    }
    if (kind == KIND_IMM2) {
        insn->imm2 = v & 0xff;
        return true;
    }
    if (kind == KIND_IMM && bytes <= 2) {
        v &= bytes == 1 ? 0xff : 0xffff;
    }
    insn->imm = v;
    insn->imm_bytes = bytes;
    return true;
}

static bool decode_far_pointer(Decoder *d)
{
    SoftInsn *insn = d->insn;
    int64_t selector;

    if (!get_signed(d, insn->op_bytes, &insn->imm) ||
        !get_signed(d, 2, &selector)) {
        return false;
    }
    insn->imm &= insn->op_bytes == 2 ? 0xffff : 0xffffffff;
    insn->imm_bytes = insn->op_bytes;
    insn->imm2 = selector;
    return true;
}

static bool decode_moffs(Decoder *d, const SoftEncoding *e, unsigned access,
                         unsigned bytes)
{
    SoftInsn *insn = d->insn;

    if (!get_signed(d, insn->addr_bytes, &insn->disp)) {
        return false;
    }
    if (insn->addr_bytes == 4) {
        insn->disp = (uint32_t)insn->disp;
    }
    insn->seg = decode_effective_seg(d, SOFT_NO_REG);
    insn->modrm = 0x05; /* memory without a base */
    insn->attrs |= SOFT_A_MODRM;
    use_mem(d, e, access, bytes);
    return true;
}

/* modrm.rm as a register or memory of one of four kinds. */
static void decode_rm(Decoder *d, const SoftEncoding *e, unsigned kind,
                      unsigned access, unsigned size)
{
    SoftInsn *insn = d->insn;
    bool mem = insn->modrm < 0xc0 && !(e->keys & ENC_ANYMOD) &&
               (insn->attrs & SOFT_A_MODRM);
    unsigned bytes = operand_bytes(d, size, mem);

    if (mem) {
        use_mem(d, e, access, bytes);
    } else if (kind == KIND_E || kind == KIND_R) {
        insn->attrs |= SOFT_A_RM_GPR;
        use_gpr_field(d, access, insn->rm, bytes, SOFT_A_RM_H8);
    } else if (kind == KIND_W || kind == KIND_U) {
        insn->attrs |= SOFT_A_RM_VEC;
        use_vec(d, access, insn->rm);
    }
    if (kind != KIND_W && kind != KIND_Q && bytes != 0) {
        insn->src_bytes = bytes;
    }
}

static void decode_opcode_reg(Decoder *d, const SoftEncoding *e,
                              unsigned access, unsigned bytes)
{
    SoftInsn *insn = d->insn;

    insn->rm = (d->opcode & 7) | (insn->rex & SOFT_REX_B ? 8 : 0);
    if (e->keys & ENC_NORM) {
        insn->attrs |= SOFT_A_MODRM | SOFT_A_RM_GPR;
    } else {
        insn->attrs |= SOFT_A_OPC_GPR;
    }
    use_gpr_field(d, access, insn->rm, bytes, SOFT_A_RM_H8);
}

static void decode_vvvv(Decoder *d, unsigned access)
{
    SoftInsn *insn = d->insn;

    if (insn->prefixes & SOFT_PFX_VEX) {
        insn->attrs |= SOFT_A_V_VEC;
        use_vec(d, access, insn->vvvv);
    } else if (access & ACCESS_WRITE) {
        use_vec(d, ACCESS_RW, insn->rm); /* shifts by an immediate */
    } else {
        d->vec_dst = true;
    }
}

static bool decode_operand(Decoder *d, const SoftEncoding *e, uint16_t operand)
{
    SoftInsn *insn = d->insn;
    unsigned access = operand & 3;
    unsigned kind = operand >> 2 & 31;
    unsigned size = operand >> 8;
    unsigned bytes = operand_bytes(d, size, false);

    switch (kind) {
    case KIND_E:
    case KIND_M:
    case KIND_R:
    case KIND_W:
    case KIND_U:
    case KIND_Q:
    case KIND_N:
        decode_rm(d, e, kind, access, size);
        return true;
    case KIND_G:
        insn->attrs |= SOFT_A_REG_GPR;
        use_gpr_field(d, access, insn->reg, bytes, SOFT_A_REG_H8);
        return true;
    case KIND_V:
        insn->attrs |= SOFT_A_REG_VEC;
        use_vec(d, access, insn->reg);
        return true;
    case KIND_B:
        insn->attrs |= SOFT_A_V_GPR;
        use_gpr(d, access, insn->vvvv, bytes);
        return true;
    case KIND_H:
        decode_vvvv(d, access);
        return true;
    case KIND_Z:
        decode_opcode_reg(d, e, access, bytes);
        return true;
    case KIND_L:
        if (!decode_imm(d, KIND_IMM, 1)) {
            return false;
        }
        insn->imm &= d->long64 ? 0xff : 0x7f;
        use_vec(d, ACCESS_READ, insn->imm >> 4);
        return true;
    case KIND_IMM:
    case KIND_IMMS:
    case KIND_IMM2:
    case KIND_J:
        return decode_imm(d, kind, kind == KIND_IMM2 ? 1 : bytes);
    case KIND_A:
        return decode_far_pointer(d);
    case KIND_O:
        return decode_moffs(d, e, access, bytes);
    case KIND_T:
        use_mem(d, e, ACCESS_READ, insn->rex & SOFT_REX_W ? 8 : 4);
        return true;
    default: /* P: nothing is kept of MMX registers */
        return true;
    }
}

bool decode_operands(Decoder *d, const SoftEncoding *e)
{
    for (unsigned i = 0; i < OPERANDS_MAX && e->operands[i] != 0; i++) {
        if (!decode_operand(d, e, e->operands[i])) {
            return false;
        }
    }
    return true;
}
