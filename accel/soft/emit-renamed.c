/*
 * The guest's own instructions, encoded anew with other registers.
 *
 * The decoder has taken an instruction apart into (prefixes, map, opcode,
 * ModRM fields, immediate) and marked which fields name general registers;
 * here those are mapped, the memory operand is replaced and REX or VEX is
 * built again. AH, CH, DH and BH exist only without a REX byte, so that such
 * an instruction is refused where another operand wants one.
 *
 * Source: Intel SDM volume 2, chapter 2 and appendix A.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "accel/soft/insn.h"

#include "emit-internal.h"
#include "emit.h"

#define R(n) (1u << HOST_##n)

static bool is_memory_form(const SoftInsn *insn)
{
    return (insn->attrs & SOFT_A_MODRM) && (insn->modrm >> 6) != 3;
}

/* PCMPESTRx and PCMPISTRx: 66 0F3A 60..63, also with VEX. */
static uint16_t fixed_gprs_of_vector(const SoftInsn *insn)
{
    if (insn->map != ENC_MAP_0F3A) {
        return 0;
    }
    switch (insn->opcode) {
    case 0x60:
        return R(RAX) | R(RDX);
    case 0x61:
        return R(RAX) | R(RDX) | R(RCX);
    case 0x63:
        return R(RCX);
    default:
        return 0;
    }
}

/* General registers that the opcode implies. */
static uint16_t fixed_gprs(const SoftInsn *insn)
{
    switch ((SoftOp)insn->op) {
    case SOFT_OP_MUL:
    case SOFT_OP_IMUL:
    case SOFT_OP_DIV:
    case SOFT_OP_IDIV:
    case SOFT_OP_CWD:
        return R(RAX) | R(RDX);
    case SOFT_OP_MULX:
        return R(RDX);
    case SOFT_OP_CBW:
    case SOFT_OP_LAHF:
    case SOFT_OP_SAHF:
    case SOFT_OP_CMPXCHG:
        return R(RAX);
    case SOFT_OP_CMPXCHG8B:
    case SOFT_OP_CMPXCHG16B:
        return R(RAX) | R(RDX) | R(RCX) | R(RBX);
    case SOFT_OP_ROL:
    case SOFT_OP_ROR:
    case SOFT_OP_RCL:
    case SOFT_OP_RCR:
    case SOFT_OP_SHL:
    case SOFT_OP_SHR:
    case SOFT_OP_SAR:
        return (insn->opcode & 0xfe) == 0xd2 ? R(RCX) : 0;
    case SOFT_OP_SHLD:
    case SOFT_OP_SHRD:
        return insn->opcode & 1 ? R(RCX) : 0;
    case SOFT_OP_X87:
        /* FNSTSW AX */
        return insn->opcode == 0xdf && insn->modrm == 0xe0 ? R(RAX) : 0;
    case SOFT_OP_SSE:
    case SOFT_OP_AVX:
        return fixed_gprs_of_vector(insn);
    default:
        return 0;
    }
}

/* The register whose part AH..BH is, or the register itself. */
static unsigned whole(unsigned reg, bool high)
{
    return high ? reg & 3u : reg;
}

/* FLDENV, FNSTENV, FRSTOR, FNSAVE: their layout depends on the mode, and they
 * would show the host's instruction pointer. */
static bool is_x87_environment(const SoftInsn *insn)
{
    return insn->op == SOFT_OP_X87 && is_memory_form(insn) &&
           (insn->modrm >> 3 & 5u) == 4 &&
           (insn->opcode == 0xd9 || insn->opcode == 0xdd);
}

static bool can_encode(const SoftInsn *insn)
{
    if (insn->cls != SOFT_CLASS_NATIVE || (insn->attrs & SOFT_A_VSIB) ||
        is_x87_environment(insn)) {
        return false;
    }
    switch ((SoftOp)insn->op) {
    case SOFT_OP_LEA:
    case SOFT_OP_XLAT:
    case SOFT_OP_MASKMOVQ:
    case SOFT_OP_MASKMOVDQU:
        return false;
    default:
        return true;
    }
}

bool emit_insn_regs(const SoftInsn *insn, EmitRegs *ret)
{
    uint32_t a = insn->attrs;
    EmitRegs regs = { .fixed = fixed_gprs(insn),
                      .vecs = insn->vec_read | insn->vec_write,
                      .high_byte = a & (SOFT_A_REG_H8 | SOFT_A_RM_H8),
                      .mem = is_memory_form(insn),
                      .x87 = a & SOFT_A_X87,
                      .mmx = a & SOFT_A_MMX };

    if (!can_encode(insn)) {
        return false;
    }
    if (a & SOFT_A_REG_GPR) {
        regs.gprs |= 1u << whole(insn->reg, a & SOFT_A_REG_H8);
    }
    if ((a & SOFT_A_OPC_GPR) || ((a & SOFT_A_RM_GPR) && !regs.mem)) {
        regs.gprs |= 1u << whole(insn->rm, a & SOFT_A_RM_H8);
    }
    if (a & SOFT_A_V_GPR) {
        regs.gprs |= 1u << insn->vvvv;
    }
    *ret = regs;
    return true;
}

/*
 * Map a general register. @byte: it is 8 bits wide; @high: AH..BH;
 * @rex and @no_rex collect what the operands want.
 */
static bool map_gpr(const uint8_t map[16], unsigned reg, bool byte, bool high,
                    Enc *enc, bool *no_rex, unsigned *ret)
{
    unsigned host = map[whole(reg, high)];

    if (host == HOST_NO_REG || (high && host >= 4)) {
        return false;
    }
    if (high) {
        host += 4;
        *no_rex = true;
    } else if (byte && host >= 4) {
        enc->rex = true;
    }
    *ret = host;
    return true;
}

static bool fixed_are_themselves(const SoftInsn *insn, const uint8_t map[16])
{
    for (unsigned m = fixed_gprs(insn); m; m &= m - 1) {
        unsigned reg = __builtin_ctz(m);

        if (map[reg] != reg) {
            return false;
        }
    }
    return true;
}

/* An operand size prefix beside a mandatory one: 66 F2 0F38 F1, 66 F3 0F B8. */
static bool wants_op16(const SoftInsn *insn)
{
    if (insn->attrs & (SOFT_A_VEC | SOFT_A_X87 | SOFT_A_MMX)) {
        return false;
    }
    if (insn->op == SOFT_OP_CRC32) {
        return insn->src_bytes == 2;
    }
    return !(insn->prefixes & SOFT_PFX_VEX) && insn->op_bytes == 2;
}

/*
 * Between a vector and a general register or memory of its size: outside of
 * 64-bit code W does not count (CVTSI2SS, CVTTSS2SI, MOVD, PEXTRD, PINSRD).
 */
static bool is_gpr_transfer(const SoftInsn *insn)
{
    if (!(insn->attrs & (SOFT_A_VEC | SOFT_A_MMX))) {
        return false;
    }
    switch (insn->map << 8 | insn->opcode) {
    case 0x12a:
    case 0x12c:
    case 0x12d:
        return insn->pp == SOFT_PP_F3 || insn->pp == SOFT_PP_F2;
    case 0x16e:
        return true;
    case 0x17e:
        return insn->pp != SOFT_PP_F3;
    case 0x316:
    case 0x322:
        return true;
    default:
        return false;
    }
}

static bool wants_w(const SoftInsn *insn)
{
    if (is_gpr_transfer(insn)) {
        return insn->op_bytes == 8;
    }
    if (insn->attrs & SOFT_A_X87) {
        return false;
    }
    if (insn->attrs & (SOFT_A_VEC | SOFT_A_MMX)) {
        return insn->rex & SOFT_REX_W;
    }
    if (insn->op == SOFT_OP_CRC32) {
        return insn->src_bytes == 8 || (insn->rex & SOFT_REX_W);
    }
    if (insn->op == SOFT_OP_CMPXCHG16B) {
        return true;
    }
    return insn->op_bytes == 8 && insn->op != SOFT_OP_CMPXCHG8B;
}

static Enc insn_enc(const SoftInsn *insn)
{
    return (Enc){
        .map = insn->map,
        .opcode = insn->opcode,
        .pp = insn->pp,
        .vvvv = insn->vvvv,
        .op16 = wants_op16(insn),
        .lock = insn->prefixes & SOFT_PFX_LOCK,
        .w = wants_w(insn),
        .vex = insn->prefixes & SOFT_PFX_VEX,
        .l = insn->vex_l,
    };
}

/* What goes into ModRM.reg and ModRM.rm (or the opcode). */
static bool map_operands(const SoftInsn *insn, const uint8_t map[16], Enc *enc,
                         bool *no_rex, unsigned *ret_reg, unsigned *ret_rm)
{
    uint32_t a = insn->attrs;

    *ret_reg = a & SOFT_A_REG_VEC ? insn->reg : (insn->modrm >> 3) & 7u;
    *ret_rm = a & SOFT_A_RM_VEC ? insn->rm : insn->modrm & 7u;
    if ((a & SOFT_A_REG_GPR) &&
        !map_gpr(map, insn->reg, insn->op_bytes == 1, a & SOFT_A_REG_H8, enc,
                 no_rex, ret_reg)) {
        return false;
    }
    if (((a & SOFT_A_OPC_GPR) ||
         ((a & SOFT_A_RM_GPR) && !is_memory_form(insn))) &&
        !map_gpr(map, insn->rm, insn->src_bytes == 1 || insn->op_bytes == 1,
                 a & SOFT_A_RM_H8, enc, no_rex, ret_rm)) {
        return false;
    }
    if (a & SOFT_A_V_GPR) {
        unsigned v;

        if (!map_gpr(map, insn->vvvv, false, false, enc, no_rex, &v)) {
            return false;
        }
        enc->vvvv = v;
    }
    return true;
}

/* EXTRQ and INSERTQ of SSE4A are the only ones with two. */
static void emit_immediates(SoftEmit *e, const SoftInsn *insn)
{
    uint64_t imm = (uint64_t)insn->imm;

    emit_bytes(e, &imm, insn->imm_bytes);
    if (insn->feature == SOFT_F_SSE4A && insn->imm_bytes) {
        emit_u8(e, (uint8_t)insn->imm2);
    }
}

/* CBW, LAHF, FWAIT...: nothing but an opcode. */
static void emit_plain(SoftEmit *e, const Enc *enc)
{
    Enc bare = *enc;

    bare.no_modrm = true;
    bare.opcode = enc->opcode & ~7u;
    enc_rr(e, &bare, 0, enc->opcode & 7u);
}

bool emit_renamed(SoftEmit *e, const SoftInsn *insn, const uint8_t map[16],
                  const EmitMem *mem)
{
    Enc enc = insn_enc(insn);
    bool no_rex = false;
    unsigned reg, rm;

    if (!can_encode(insn) || !fixed_are_themselves(insn, map) ||
        !map_operands(insn, map, &enc, &no_rex, &reg, &rm)) {
        return false;
    }
    if (insn->attrs & SOFT_A_OPC_GPR) {
        enc.no_modrm = true;
        enc.opcode &= ~7u;
    }
    if (is_memory_form(insn)) {
        if (!mem || (no_rex && enc_rm_has_rex(&enc, reg, mem))) {
            return false;
        }
        enc_rm(e, &enc, reg, mem);
    } else if (insn->attrs & (SOFT_A_MODRM | SOFT_A_OPC_GPR)) {
        if (no_rex && enc_rr_has_rex(&enc, reg, rm)) {
            return false;
        }
        enc_rr(e, &enc, enc.no_modrm ? 0 : reg, rm);
    } else {
        emit_plain(e, &enc);
    }
    emit_immediates(e, insn);
    return true;
}
