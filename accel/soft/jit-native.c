/*
 * Data instructions: the guest's own, with other registers and with the memory
 * operand replaced by the host address that a lookup found.
 *
 * Guest registers without a host register (r13, r14, r15) are operands in
 * memory where the instruction has a form for that, else they are held in r14
 * and r15 (jit-regs.c).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "jit-internal.h"
#include "native.h"

#define IN_MEMORY 0xe000u /* guest r13, r14, r15 */

static const uint8_t identity[16] = {
    HOST_RAX, HOST_RCX,    HOST_RDX,    HOST_RBX,    HOST_R13, HOST_RBP,
    HOST_RSI, HOST_RDI,    HOST_R8,     HOST_R9,     HOST_R10, HOST_R11,
    HOST_R12, HOST_NO_REG, HOST_NO_REG, HOST_NO_REG,
};

typedef struct Native {
    SoftInsn in; /* as it is going to be emitted */
    EmitRegs regs;
    uint8_t map[16];
    bool has_access;
    JitAccess access;
    EmitMem mem;
    unsigned clear_high; /* register whose upper half becomes 0, or 0 */
    unsigned swapped;    /* low register that stands in for r14 */
} Native;

static bool is_alu_pair(const SoftInsn *in)
{
    return in->map == 0 && in->opcode < 0x40 && (in->opcode & 7) < 4;
}

static bool is_mov_pair(const SoftInsn *in)
{
    return in->map == 0 && in->opcode >= 0x88 && in->opcode <= 0x8b;
}

/* "op rm, reg" to "op reg, rm", so that the register in memory is rm. */
static void turn_round(SoftInsn *in)
{
    uint8_t reg = in->reg;

    if (is_alu_pair(in) || is_mov_pair(in)) {
        in->opcode ^= 2;
        in->attrs ^= SOFT_A_TO_REG;
    } else if (in->op != SOFT_OP_TEST) {
        return;
    }
    in->reg = in->rm;
    in->rm = reg;
    in->modrm = 0xc0 | (in->reg & 7) << 3 | (in->rm & 7);
}

/* May modrm.rm be memory as well as a register, with the same effect? */
static bool rm_may_be_memory(const SoftInsn *in)
{
    if (in->attrs & (SOFT_A_REG_H8 | SOFT_A_RM_H8)) {
        return false;
    }
    switch ((SoftOp)in->op) {
    case SOFT_OP_XCHG: /* would be locked */
    case SOFT_OP_XADD:
    case SOFT_OP_CMPXCHG: /* writes 32 bits or not */
        return false;
    case SOFT_OP_BT:
    case SOFT_OP_BTS:
    case SOFT_OP_BTR:
    case SOFT_OP_BTC: /* a bit string with a register */
        return in->map == 1 && in->opcode == 0xba;
    case SOFT_OP_MOV:
    case SOFT_OP_MOVZX:
    case SOFT_OP_MOVSX:
    case SOFT_OP_TEST:
    case SOFT_OP_INC:
    case SOFT_OP_DEC:
    case SOFT_OP_NEG:
    case SOFT_OP_NOT:
    case SOFT_OP_MUL:
    case SOFT_OP_IMUL:
    case SOFT_OP_IMUL2:
    case SOFT_OP_IMUL3:
    case SOFT_OP_ROL:
    case SOFT_OP_ROR:
    case SOFT_OP_SHL:
    case SOFT_OP_SHR:
    case SOFT_OP_SAR:
    case SOFT_OP_CMOV:
    case SOFT_OP_SETCC:
    case SOFT_OP_POPCNT:
    case SOFT_OP_TZCNT:
    case SOFT_OP_LZCNT:
        return true;
    default:
        return is_alu_pair(in) ||
               (in->map == 0 && in->opcode >= 0x80 && in->opcode <= 0x83);
    }
}

/* A register operand that is in memory: let the instruction say so. */
static void use_memory_form(Native *n)
{
    SoftInsn *in = &n->in;

    if (n->regs.mem || !(in->attrs & SOFT_A_RM_GPR) || !rm_may_be_memory(in) ||
        ((in->attrs & SOFT_A_REG_GPR) && in->reg == in->rm)) {
        return;
    }
    if (in->rm < 13 && (in->attrs & SOFT_A_REG_GPR) && in->reg >= 13) {
        turn_round(in);
    }
    if (in->rm < 13) {
        return;
    }
    if ((in->gpr_write >> in->rm & 1) && in->op_bytes == 4) {
        n->clear_high = in->rm;
    }
    n->mem = emit_gs(GS_GPR(in->rm));
    in->modrm = (in->modrm & 0x38) | 4;
    in->attrs &= ~SOFT_A_RM_GPR;
    emit_insn_regs(in, &n->regs);
    n->regs.mem = false;
}

/* A register below R8 that the instruction does not use. */
static unsigned spare_low_register(const EmitRegs *regs)
{
    static const uint8_t candidate[] = { HOST_RSI, HOST_RDI, HOST_RBX, HOST_RDX,
                                         HOST_RCX };
    unsigned i = 0;

    while ((regs->gprs | regs->fixed) >> candidate[i] & 1) {
        i++;
    }
    return candidate[i];
}

/* Look up the memory operand; leave a scratch register for @needed ones. */
static void native_access(JitTrans *t, Native *n, unsigned needed)
{
    const SoftInsn *in = &n->in;
    SoftEmit *e = &t->hot;

    jit_access(t, in->mem_bytes, in->mem != SOFT_MEM_READ, &n->access);
    n->has_access = true;
    n->mem = n->access.mem;
    if (!needed && !n->regs.high_byte) {
        return;
    }
    if (n->mem.index != HOST_NO_REG || n->mem.base != HOST_R14) {
        emit_lea(e, 8, HOST_R14, n->mem);
    }
    n->mem = emit_at(HOST_R14, 0);
    jit_scratch_lost(t);
    if (n->regs.high_byte) {
        /* AH..BH exclude a REX prefix, so also r14. */
        n->swapped = spare_low_register(&n->regs);
        emit_xchg_rr(e, 8, n->swapped, HOST_R14);
        n->mem.base = (uint8_t)n->swapped;
    }
}

/* Give the registers in @in_memory host registers. */
static void map_scratch(JitTrans *t, Native *n, uint16_t in_memory)
{
    memcpy(n->map, identity, sizeof(n->map));
    for (unsigned m = in_memory; m; m &= m - 1) {
        unsigned reg = __builtin_ctz(m);
        bool load = n->in.gpr_read >> reg & 1;

        if (!n->has_access) {
            n->map[reg] = (uint8_t)jit_hold(t, reg, load, in_memory);
            continue;
        }
        /* r14 is the operand's address. */
        n->map[reg] = HOST_R15;
        jit_held_set(t, HOST_R15, reg, false);
        if (load) {
            emit_load(&t->hot, 8, HOST_R15, emit_gs(GS_GPR(reg)));
        }
    }
}

static void note_written(JitTrans *t, Native *n, uint16_t in_memory)
{
    for (unsigned m = in_memory & n->in.gpr_write; m; m &= m - 1) {
        jit_held_written(t, (unsigned)__builtin_ctz(m));
    }
}

/* Is it worth while to hold these registers? */
static bool worth_holding(const JitTrans *t, uint16_t in_memory)
{
    for (unsigned m = in_memory; m; m &= m - 1) {
        if (jit_worth_holding(t, (unsigned)__builtin_ctz(m))) {
            return true;
        }
    }
    return false;
}

/* mov to or from memory of all of a register that is in memory itself. */
static bool native_mov_whole(JitTrans *t, Native *n)
{
    const SoftInsn *in = &n->in;
    EmitMem slot = emit_gs(GS_GPR(in->reg));

    if (in->op != SOFT_OP_MOV || !is_mov_pair(in) || in->op_bytes != 8 ||
        !n->regs.mem || in->reg < 13 ||
        (in->mem == SOFT_MEM_READ && jit_used_soon(t, in->reg))) {
        return false;
    }
    jit_access(t, 8, in->mem != SOFT_MEM_READ, &n->access);
    if (in->mem == SOFT_MEM_READ) {
        emit_push_m(&t->hot, n->access.mem);
        emit_pop_m(&t->hot, slot);
    } else {
        emit_push_m(&t->hot, slot);
        emit_pop_m(&t->hot, n->access.mem);
    }
    jit_regs_changed(t, in->gpr_write);
    jit_access_end(t, &n->access);
    return true;
}

/* Registers that grow by a constant, as a stack pointer does. */
static void note_registers(JitTrans *t)
{
    const SoftInsn *in = jit_insn(t);
    bool imm = in->opcode == 0x81 || in->opcode == 0x83;

    if (in->mem == SOFT_MEM_NONE && in->map == 0 &&
        (imm || in->opcode == 0xff) && in->op_bytes == (t->code64 ? 8 : 4)) {
        switch ((SoftOp)in->op) {
        case SOFT_OP_ADD:
            jit_base_changed(t, in->rm, in->imm);
            return;
        case SOFT_OP_SUB:
            jit_base_changed(t, in->rm, -in->imm);
            return;
        case SOFT_OP_INC:
            jit_base_changed(t, in->rm, 1);
            return;
        case SOFT_OP_DEC:
            jit_base_changed(t, in->rm, -1);
            return;
        default:
            break;
        }
    }
    jit_regs_changed(t, in->gpr_write);
}

/* FIP, which the host would set to an address of ours. */
static void note_x87(JitTrans *t)
{
    const SoftInsn *in = jit_insn(t);
    EmitMem word = emit_gs(GS_WORD(JIT_W_X87_RIP));
    uint64_t rip = jit_rip(t);

    if (in->op != SOFT_OP_X87 || soft_x87_leaves_pointers(in)) {
        return;
    }
    /* Without a scratch register. */
    emit_store_i(&t->hot, 4, word, (int32_t)rip);
    word.disp += 4;
    emit_store_i(&t->hot, 4, word, (int32_t)(rip >> 32));
}

static void native_done(JitTrans *t, Native *n)
{
    note_x87(t);
    jit_flags_after(t);
    note_registers(t);
    if (n->has_access) {
        jit_access_end(t, &n->access);
    }
}

static bool native_plain(JitTrans *t)
{
    Native n = { .in = *jit_insn(t) };
    unsigned needed;
    uint16_t in_memory;

    if (!emit_insn_regs(&n.in, &n.regs)) {
        return false;
    }
    if (n.regs.mem && (n.in.mem == SOFT_MEM_ADDR || !jit_can_address(t))) {
        return false;
    }
    if (native_mov_whole(t, &n)) {
        return true;
    }
    if (!worth_holding(t, n.regs.gprs & IN_MEMORY)) {
        use_memory_form(&n);
    }
    in_memory = n.regs.gprs & IN_MEMORY;
    needed = (unsigned)__builtin_popcount(in_memory);
    if (needed > 2 || (n.regs.mem && needed > 1) ||
        (n.regs.high_byte && (needed || (n.regs.gprs >> HOST_RSP & 1)))) {
        return false;
    }
    if (n.regs.mem) {
        native_access(t, &n, needed);
    }
    jit_flags_before(t);
    map_scratch(t, &n, in_memory);
    if (!emit_renamed(&t->hot, &n.in, n.map, &n.mem)) {
        return false;
    }
    if (n.clear_high) {
        emit_store_i(&t->hot, 4, emit_gs(GS_GPR(n.clear_high) + 4), 0);
    }
    if (n.swapped) {
        emit_xchg_rr(&t->hot, 8, n.swapped, HOST_R14);
    }
    note_written(t, &n, in_memory);
    native_done(t, &n);
    return true;
}

/* A register that LEA reads. */
static unsigned lea_source(JitTrans *t, unsigned n, uint16_t keep)
{
    return n >= 13 ? jit_hold(t, n, true, keep) : jit_reg(&t->hot, n, 0);
}

static void emit_lea_to(JitTrans *t, unsigned size, unsigned dst, uint16_t keep)
{
    const SoftInsn *in = jit_insn(t);
    EmitMem m = { .base = HOST_NO_REG,
                  .index = HOST_NO_REG,
                  .scale = in->scale,
                  .disp = (int32_t)in->disp };

    if (in->base != SOFT_NO_REG) {
        m.base = (uint8_t)lea_source(t, in->base, keep);
    }
    if (in->index != SOFT_NO_REG) {
        m.index = (uint8_t)lea_source(t, in->index, keep);
    }
    if (dst >= 13) {
        dst = jit_hold(t, dst, size == 2, keep);
    } else {
        dst = jit_reg(&t->hot, dst, 0);
    }
    if (in->base == SOFT_NO_REG && in->index == SOFT_NO_REG) {
        emit_mov_ri(&t->hot, size, dst,
                    (uint64_t)in->disp +
                        (in->attrs & SOFT_A_RIP ? jit_next_rip(t) : 0));
    } else {
        emit_lea(&t->hot, size, dst, m);
    }
}

static bool native_lea(JitTrans *t)
{
    const SoftInsn *in = jit_insn(t);
    unsigned size = in->op_bytes == 2 ? 2 : MIN(in->op_bytes, in->addr_bytes);
    uint16_t keep = (in->gpr_read | in->gpr_write) & IN_MEMORY;

    /* All three of them: there are two scratch registers. */
    if (in->addr_bytes == 2 || __builtin_popcount(keep) > 2) {
        return false;
    }
    emit_lea_to(t, size, in->reg, keep);
    if (in->reg >= 13) {
        jit_held_written(t, in->reg);
    }
    if (in->base == in->reg && in->index == SOFT_NO_REG &&
        size == (t->code64 ? 8 : 4)) {
        jit_base_changed(t, in->reg, in->disp);
    } else {
        jit_regs_changed(t, in->gpr_write);
    }
    return true;
}

/*
 * Division, where it cannot fault: unsigned if the high half is below the
 * divisor; signed if rdx:rax is the extension of rax and the divisor neither 0
 * nor -1. All else is the interpreter's. The flags become undefined.
 */
static bool native_div(JitTrans *t)
{
    const SoftInsn *in = jit_insn(t);
    SoftEmit *e = &t->hot;
    unsigned size = in->op_bytes, divisor = HOST_R14;
    size_t miss[2], n = 0;
    JitAccess a = { 0 };

    if (size < 4 || (in->mem != SOFT_MEM_NONE && !jit_can_address(t))) {
        return false;
    }
    jit_held_drop(t);
    if (in->mem != SOFT_MEM_NONE) {
        jit_access(t, size, false, &a);
        emit_load(e, size, HOST_R14, a.mem);
    } else {
        jit_flags_spare(t);
        divisor = jit_reg(e, in->rm, HOST_R14);
    }
    jit_scratch_lost(t);
    if (in->op == SOFT_OP_DIV) {
        emit_alu_rr(e, EMIT_CMP, size, HOST_RDX, divisor);
        emit_jcc_to(e, EMIT_CC_AE, emit_here(&t->cold));
        miss[n++] = emit_rel32_pos(e);
    } else {
        emit_lea(e, size, HOST_R15, emit_at(divisor, 1));
        emit_alu_ri(e, EMIT_CMP, size, HOST_R15, 1);
        emit_jcc_to(e, EMIT_CC_BE, emit_here(&t->cold));
        miss[n++] = emit_rel32_pos(e);
        emit_mov_rr(e, size, HOST_R15, HOST_RAX);
        emit_shift_ri(e, EMIT_SAR, size, HOST_R15, size * 8 - 1);
        emit_alu_rr(e, EMIT_CMP, size, HOST_R15, HOST_RDX);
        emit_jcc_to(e, EMIT_CC_NE, emit_here(&t->cold));
        miss[n++] = emit_rel32_pos(e);
    }
    emit_unary_r(e, in->op == SOFT_OP_DIV ? EMIT_DIV : EMIT_IDIV, size,
                 divisor);
    t->flags = JIT_FLAGS_MEM;
    jit_regs_changed(t, in->gpr_write);
    if (in->mem != SOFT_MEM_NONE) {
        jit_access_end(t, &a);
    }
    if (e->overflow) {
        return true;
    }
    for (size_t i = 0; i < n; i++) {
        emit_patch_rel32(e, miss[i], emit_here(&t->cold));
    }
    emit_mov_ri(&t->cold, 8, HOST_R15, jit_site_interp(t));
    emit_call_to(&t->cold, t->jit->thunk.interp, HOST_NO_REG);
    emit_jmp_to(&t->cold, emit_here(e), HOST_NO_REG);
    return true;
}

static bool is_bit_string(const SoftInsn *in)
{
    return in->mem != SOFT_MEM_NONE && in->opcode != 0xba;
}

/* bt, bts, btr, btc of a bit anywhere in memory: the register's upper bits
 * move the address. */
static bool native_bit_string(JitTrans *t)
{
    Native n = { .in = *jit_insn(t) };
    const SoftInsn *in = &n.in;
    SoftEmit *e = &t->hot;
    unsigned size = in->op_bytes, shift = size == 8 ? 6 : 5;

    n.in.cls = SOFT_CLASS_NATIVE; /* with an address that is right already */
    if (size < 4 || in->addr_bytes != (t->code64 ? 8 : 4) ||
        in->seg >= X86_FS || !jit_can_address(t) ||
        !emit_insn_regs(in, &n.regs)) {
        return false;
    }
    jit_held_drop(t);
    jit_flags_spare(t);
    jit_ea(t, e);
    if (size == 8) {
        emit_mov_rr(e, 8, HOST_R15, jit_reg(e, in->reg, HOST_R15));
    } else {
        emit_movsx_rr(e, 4, HOST_R15, jit_reg(e, in->reg, HOST_R15));
    }
    emit_shift_ri(e, EMIT_SAR, 8, HOST_R15, shift);
    emit_lea(e, in->addr_bytes, HOST_R14,
             (EmitMem){ .base = HOST_R14,
                        .index = HOST_R15,
                        .scale = size == 8 ? 3 : 2 });
    jit_access_temp(t, size, in->mem != SOFT_MEM_READ, &n.access);
    emit_lea(e, 8, HOST_R14, n.access.mem);
    emit_mov_rr(e, 4, HOST_R15, jit_reg(e, in->reg, HOST_R15));
    emit_alu_ri(e, EMIT_AND, 4, HOST_R15, (int32_t)(size * 8 - 1));
    jit_scratch_lost(t);
    jit_flags_before(t);
    memcpy(n.map, identity, sizeof(n.map));
    n.map[in->reg] = HOST_R15;
    n.mem = emit_at(HOST_R14, 0);
    if (!emit_renamed(e, in, n.map, &n.mem)) {
        return false;
    }
    n.has_access = true;
    native_done(t, &n);
    return true;
}

/* DF is not among the flags that live in the host's. */
static bool native_direction(JitTrans *t)
{
    jit_flags_spare(t);
    if (jit_insn(t)->op == SOFT_OP_STD) {
        emit_alu_mi(&t->hot, EMIT_OR, 4, emit_gs(GS_OFF(eflags)), SOFT_EFL_DF);
    } else {
        emit_alu_mi(&t->hot, EMIT_AND, 4, emit_gs(GS_OFF(eflags)),
                    ~(int32_t)SOFT_EFL_DF);
    }
    return true;
}

bool jit_emit_native(JitTrans *t)
{
    const SoftInsn *in = jit_insn(t);

    switch ((SoftOp)in->op) {
    case SOFT_OP_NOP:
        return true;
    case SOFT_OP_LEA:
        return native_lea(t);
    case SOFT_OP_DIV:
    case SOFT_OP_IDIV:
        return native_div(t);
    case SOFT_OP_CLD:
    case SOFT_OP_STD:
        return native_direction(t);
    case SOFT_OP_BT:
    case SOFT_OP_BTS:
    case SOFT_OP_BTR:
    case SOFT_OP_BTC:
        return is_bit_string(in) ? native_bit_string(t) : native_plain(t);
    default:
        return native_plain(t);
    }
}
