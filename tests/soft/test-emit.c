/*
 * The emitter: what it writes is read back by the decoder (which has been
 * compared with objdump), and a few functions are run.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "accel/soft/emit.h"
#include "accel/soft/insn.h"
#include "qapi/error.h"

#include "diff.h"

static const SoftDecodeMode mode64 = { .features = SOFT_FEATURES_ALL,
                                       .code_bits = 64,
                                       .prot = true };

typedef struct Fixture {
    SoftEmit e;
    uint8_t bytes[4096];
    DiffRng rng;
} Fixture;

static void set_up(Fixture *f)
{
    emit_init(&f->e, f->bytes, f->bytes, sizeof(f->bytes));
    f->rng.s = 0x1234567;
}

/* The one instruction that was emitted. */
static SoftInsn read_back(Fixture *f)
{
    SoftInsn insn = { 0 };

    g_assert_false(f->e.overflow);
    g_assert_cmpint(soft_decode(f->bytes, f->e.pos, &mode64, &insn), ==,
                    SOFT_DECODE_OK);
    g_assert_cmpuint(insn.length, ==, f->e.pos);
    f->e.pos = 0;
    return insn;
}

static EmitMem any_mem(DiffRng *r)
{
    static const int32_t disp[] = { 0, 1, -128, 127, 128, 0x12345678 };
    EmitMem m = { .base = (uint8_t)diff_below(r, 16),
                  .index = HOST_NO_REG,
                  .disp = disp[diff_below(r, 6)] };

    if (diff_one_in(r, 3)) {
        m.index = (uint8_t)diff_below(r, 16);
        m.index = m.index == HOST_RSP ? HOST_RAX : m.index;
        m.scale = (uint8_t)diff_below(r, 4);
    }
    if (diff_one_in(r, 4)) {
        m.base = HOST_NO_REG;
    }
    m.gs = diff_one_in(r, 4);
    return m;
}

static void check_mem(const SoftInsn *insn, const EmitMem *m)
{
    g_assert_true(soft_insn_has_mem(insn));
    g_assert_cmpuint(insn->base, ==, m->base);
    g_assert_cmpuint(insn->index, ==, m->index);
    g_assert_cmpint(insn->disp, ==, m->disp);
    if (m->index != HOST_NO_REG) {
        g_assert_cmpuint(insn->scale, ==, m->scale);
    }
    g_assert_cmpint(insn->seg == 5, ==, m->gs);
}

static void test_alu(void)
{
    static const SoftOp ops[] = { SOFT_OP_ADD, SOFT_OP_OR,  SOFT_OP_ADC,
                                  SOFT_OP_SBB, SOFT_OP_AND, SOFT_OP_SUB,
                                  SOFT_OP_XOR, SOFT_OP_CMP };
    Fixture f;

    set_up(&f);
    for (unsigned i = 0; i < 4000; i++) {
        unsigned op = diff_below(&f.rng, 8);
        unsigned size = 1u << diff_below(&f.rng, 4);
        unsigned a = diff_below(&f.rng, 16), b = diff_below(&f.rng, 16);
        EmitMem m = any_mem(&f.rng);
        SoftInsn insn;

        emit_alu_rr(&f.e, (EmitAlu)op, size, a, b);
        insn = read_back(&f);
        g_assert_cmpint(insn.op, ==, ops[op]);
        g_assert_cmpuint(insn.op_bytes, ==, size);
        g_assert_cmpuint(insn.rm, ==, a);
        g_assert_cmpuint(insn.reg, ==, b);
        g_assert_false(insn.attrs & (SOFT_A_REG_H8 | SOFT_A_RM_H8));

        emit_alu_mr(&f.e, (EmitAlu)op, size, m, a);
        insn = read_back(&f);
        g_assert_cmpint(insn.op, ==, ops[op]);
        g_assert_cmpuint(insn.reg, ==, a);
        check_mem(&insn, &m);

        emit_alu_ri(&f.e, (EmitAlu)op, size, a, -2);
        insn = read_back(&f);
        g_assert_cmpint(insn.op, ==, ops[op]);
        g_assert_cmpuint(insn.rm, ==, a);
        g_assert_cmpint((int8_t)insn.imm, ==, -2);

        emit_alu_mi(&f.e, (EmitAlu)op, size, m, 0x7b);
        insn = read_back(&f);
        g_assert_cmpuint(insn.mem_bytes, ==, size);
        check_mem(&insn, &m);
    }
}

static void test_mov(void)
{
    Fixture f;

    set_up(&f);
    for (unsigned i = 0; i < 4000; i++) {
        unsigned size = 1u << diff_below(&f.rng, 4);
        unsigned a = diff_below(&f.rng, 16);
        uint64_t imm = diff_rand(&f.rng) >> diff_below(&f.rng, 64);
        uint64_t mask = size == 8 ? UINT64_MAX : (1ull << size * 8) - 1;
        EmitMem m = any_mem(&f.rng);
        SoftInsn insn;

        imm = diff_one_in(&f.rng, 2) ? imm : -imm;
        emit_mov_ri(&f.e, size, a, imm);
        insn = read_back(&f);
        g_assert_cmpint(insn.op, ==, SOFT_OP_MOV);
        g_assert_cmpuint(insn.rm, ==, a);
        if (insn.op_bytes == 4) {
            g_assert_cmphex((uint32_t)insn.imm, ==, imm & mask);
        } else {
            g_assert_cmphex((uint64_t)insn.imm & mask, ==, imm & mask);
        }

        emit_load(&f.e, size, a, m);
        insn = read_back(&f);
        g_assert_cmpint(insn.op, ==, SOFT_OP_MOV);
        g_assert_cmpuint(insn.mem, ==, SOFT_MEM_READ);
        g_assert_cmpuint(insn.mem_bytes, ==, size);
        g_assert_cmpuint(insn.reg, ==, a);
        check_mem(&insn, &m);

        emit_store(&f.e, size, m, a);
        insn = read_back(&f);
        g_assert_cmpuint(insn.mem, ==, SOFT_MEM_WRITE);
        check_mem(&insn, &m);

        emit_lea(&f.e, 8, a, m);
        insn = read_back(&f);
        g_assert_cmpint(insn.op, ==, SOFT_OP_LEA);

        emit_vec_load(&f.e, EMIT_VEC_V256, a, m);
        insn = read_back(&f);
        g_assert_cmpuint(insn.mem_bytes, ==, 32);
        g_assert_cmpuint(insn.reg, ==, a);
        check_mem(&insn, &m);
    }
}

/* if (a < b) return b; else return a; twice, with both directions of jumps */
static void test_labels(void)
{
    EmitLabel smaller = EMIT_LABEL, out = EMIT_LABEL, back = EMIT_LABEL;
    SoftEmit e = { 0 };
    uint64_t (*max)(uint64_t a, uint64_t b);

    g_assert_true(emit_area_new(&e, 4096, &error_abort));
    emit_jmp(&e, &back);
    emit_bind(&e, &smaller);
    emit_mov_rr(&e, 8, HOST_RAX, HOST_RSI);
    emit_jmp(&e, &out);
    emit_align(&e, 16);
    emit_bind(&e, &back);
    emit_mov_rr(&e, 8, HOST_RAX, HOST_RDI);
    emit_alu_rr(&e, EMIT_CMP, 8, HOST_RDI, HOST_RSI);
    emit_jcc(&e, EMIT_CC_B, &smaller);
    emit_jmp(&e, &out);
    emit_bind(&e, &out);
    emit_ret(&e);
    g_assert_false(e.overflow);
    max = (uint64_t(*)(uint64_t, uint64_t))(uintptr_t)e.rx;
    g_assert_cmpuint(max(1, 2), ==, 2);
    g_assert_cmpuint(max(7, 2), ==, 7);
    g_assert_cmpuint(max(UINT64_MAX, 0), ==, UINT64_MAX);
    emit_area_free(&e);
}

static void test_overflow(void)
{
    uint8_t small[16 + 8];
    SoftEmit e;

    memset(small, 0xa5, sizeof(small));
    emit_init(&e, small, small, 16);
    for (unsigned i = 0; i < 100; i++) {
        EmitLabel l = EMIT_LABEL;

        emit_mov_ri(&e, 8, HOST_RAX, 0x123456789abcdef0);
        emit_jcc(&e, EMIT_CC_E, &l);
        emit_bind(&e, &l);
    }
    g_assert_true(e.overflow);
    g_assert_cmpuint(e.pos, <=, 16);
    for (unsigned i = 16; i < sizeof(small); i++) {
        g_assert_cmphex(small[i], ==, 0xa5);
    }
}

/* -- the guest's own instructions ------------------------------------------ */

static void any_map(DiffRng *r, const EmitRegs *regs, uint8_t map[16])
{
    uint16_t taken = 1u << HOST_RSP | 1u << HOST_R15;

    for (unsigned i = 0; i < 16; i++) {
        map[i] = HOST_NO_REG;
        if ((regs->fixed >> i & 1) ||
            (regs->high_byte && (regs->gprs >> i & 1) && i < 4)) {
            map[i] = (uint8_t)i;
            taken |= (uint16_t)(1u << i);
        }
    }
    for (unsigned i = 0; i < 16; i++) {
        unsigned host;

        if (map[i] != HOST_NO_REG || !(regs->gprs >> i & 1)) {
            continue;
        }
        do {
            host = diff_below(r, 16);
        } while (taken >> host & 1);
        taken |= (uint16_t)(1u << host);
        map[i] = (uint8_t)host;
    }
}

static unsigned whole(unsigned reg, bool high)
{
    return high ? reg & 3u : reg;
}

/* @b must be @a with its registers renamed by @map. */
static void check_same(const SoftInsn *a, const SoftInsn *b,
                       const uint8_t map[16], const EmitMem *m)
{
    unsigned opcode_mask = a->attrs & SOFT_A_OPC_GPR ? 0xf8 : 0xff;

    g_assert_cmpint(a->op, ==, b->op);
    g_assert_cmpuint(a->opcode & opcode_mask, ==, b->opcode & opcode_mask);
    g_assert_cmpuint(a->map, ==, b->map);
    if (!(a->attrs & (SOFT_A_VEC | SOFT_A_X87 | SOFT_A_MMX))) {
        g_assert_cmpuint(a->op_bytes, ==, b->op_bytes);
        g_assert_cmpuint(a->src_bytes, ==, b->src_bytes);
    }
    g_assert_cmpuint(a->mem_bytes, ==, b->mem_bytes);
    g_assert_cmpuint(a->vec_read, ==, b->vec_read);
    g_assert_cmpuint(a->vec_write, ==, b->vec_write);
    g_assert_cmphex(a->attrs & ~SOFT_A_RIP, ==, b->attrs & ~SOFT_A_RIP);
    g_assert_cmpuint(a->prefixes & SOFT_PFX_LOCK, ==,
                     b->prefixes & SOFT_PFX_LOCK);
    if (a->imm_bytes) {
        g_assert_cmphex((uint64_t)a->imm, ==, (uint64_t)b->imm);
    }
    if (a->attrs & SOFT_A_REG_GPR) {
        bool high = a->attrs & SOFT_A_REG_H8;

        g_assert_cmpuint(map[whole(a->reg, high)], ==, whole(b->reg, high));
    }
    if (soft_insn_has_mem(a)) {
        check_mem(b, m);
    } else if (a->attrs & (SOFT_A_RM_GPR | SOFT_A_OPC_GPR)) {
        bool high = a->attrs & SOFT_A_RM_H8;

        g_assert_cmpuint(map[whole(a->rm, high)], ==, whole(b->rm, high));
    }
    if (a->attrs & SOFT_A_V_GPR) {
        g_assert_cmpuint(map[a->vvvv], ==, b->vvvv);
    }
}

static void test_renamed(void)
{
    Fixture f;
    unsigned done = 0, refused = 0;

    set_up(&f);
    while (done < 30000) {
        DiffSeq seq;
        const SoftInsn *insn = &seq.insn[0].insn;
        uint8_t map[16];
        EmitMem m = any_mem(&f.rng);
        EmitRegs regs;
        SoftInsn back;

        diff_gen_seq(&f.rng, SOFT_FEATURES_ALL, 1, DIFF_CODE, &seq);
        if (insn->cls != SOFT_CLASS_NATIVE || !emit_insn_regs(insn, &regs)) {
            continue;
        }
        any_map(&f.rng, &regs, map);
        if (!emit_renamed(&f.e, insn, map, &m)) {
            /* Only what is documented: AH..BH beside a REX prefix. */
            g_assert_true(regs.high_byte);
            g_assert_cmpuint(f.e.pos, ==, 0);
            refused++;
            continue;
        }
        back = read_back(&f);
        check_same(insn, &back, map, &m);
        done++;
    }
    g_assert_cmpuint(refused, <, done / 10);
}

/* INC, DEC and BOUND-like encodings of 32-bit code become 64-bit ones. */
static void test_32bit(void)
{
    static const struct {
        uint8_t bytes[4];
        SoftOp op;
        uint8_t size;
    } cases[] = {
        { { 0x43 }, SOFT_OP_INC, 4 },
        { { 0x4f }, SOFT_OP_DEC, 4 },
        { { 0x66, 0x41 }, SOFT_OP_INC, 2 },
        { { 0x82, 0xc1, 0x05 }, SOFT_OP_ADD, 1 },
        { { 0x04, 0x07 }, SOFT_OP_ADD, 1 },
    };
    const SoftDecodeMode mode32 = { .features = SOFT_FEATURES_ALL,
                                    .code_bits = 32,
                                    .prot = true };
    uint8_t map[16];
    Fixture f;

    set_up(&f);
    for (unsigned i = 0; i < 16; i++) {
        map[i] = (uint8_t)i;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        SoftInsn insn, back;

        g_assert_cmpint(soft_decode(cases[i].bytes, 4, &mode32, &insn), ==,
                        SOFT_DECODE_OK);
        g_assert_true(emit_renamed(&f.e, &insn, map, NULL));
        back = read_back(&f);
        g_assert_cmpint(back.op, ==, cases[i].op);
        g_assert_cmpuint(back.op_bytes, ==, cases[i].size);
        check_same(&insn, &back, map, NULL);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/soft/emit/alu", test_alu);
    g_test_add_func("/soft/emit/mov", test_mov);
    g_test_add_func("/soft/emit/labels", test_labels);
    g_test_add_func("/soft/emit/overflow", test_overflow);
    g_test_add_func("/soft/emit/renamed", test_renamed);
    g_test_add_func("/soft/emit/32bit", test_32bit);
    return g_test_run();
}
