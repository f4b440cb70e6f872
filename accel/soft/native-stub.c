/*
 * Stubs of the native thunk: made on demand, kept by what matters of the
 * instruction (opcode, registers, an 8-bit immediate; not its address).
 *
 *     push rbx                     if the instruction needs it
 *     load GPRs, flags, vectors    only those it names
 *     ldmxcsr [rsp-4]              guest's rounding, all masked
 *     <the instruction>            memory operand: [rsi]
 *     stmxcsr -> eax; ldmxcsr host
 *     store GPRs, flags, vectors
 *     ret
 *
 * RDI is the SoftCPU, RSI the memory operand, R11 scratch. Guest RAX, RCX, RDX
 * and RBX keep their places (implied operands, AH..BH); all others sit in
 * R8..R10: no instruction names more than three.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <cpuid.h>

#include "native-internal.h"

#define STUB_BYTES_MAX 512

#define FLAGS_ALL SOFT_EFL_ARITH

static uint64_t stub_key(const SoftInsn *insn)
{
    unsigned modrm = insn->modrm;
    unsigned sizes = (unsigned)__builtin_ctz(insn->op_bytes | 16) << 3 |
                     (unsigned)__builtin_ctz(insn->src_bytes | 16);

    if ((insn->attrs & SOFT_A_MODRM) && modrm >> 6 != 3) {
        modrm &= 0x38;
    }
    return (uint64_t)insn->opcode | (uint64_t)modrm << 8 |
           (uint64_t)(uint8_t)insn->imm << 16 | (uint64_t)insn->rex << 24 |
           (uint64_t)insn->vvvv << 28 | (uint64_t)insn->map << 32 |
           (uint64_t)insn->pp << 36 | (uint64_t)insn->vex_l << 38 |
           (uint64_t)(insn->prefixes &
                      (SOFT_PFX_LOCK | SOFT_PFX_REX | SOFT_PFX_VEX))
               << 40 |
           (uint64_t)sizes << 48 | (uint64_t)(uint8_t)insn->imm2 << 54 |
           (uint64_t)1 << 63;
}

/* -- one stub ------------------------------------------------------------- */

typedef struct Stub {
    SoftEmit *e;
    const SoftInsn *insn;
    EmitRegs regs;
    uint8_t map[16];
    bool rbx;
} Stub;

static bool choose_registers(Stub *s)
{
    unsigned next = HOST_R8;

    memset(s->map, HOST_NO_REG, sizeof(s->map));
    for (unsigned m = s->regs.gprs | s->regs.fixed; m; m &= m - 1) {
        unsigned reg = __builtin_ctz(m);

        if (reg <= HOST_RBX) {
            s->map[reg] = reg;
            s->rbx |= reg == HOST_RBX;
        } else if (next > HOST_R10) {
            return false;
        } else {
            s->map[reg] = next++;
        }
    }
    return true;
}

static EmitMem cpu_field(size_t offset)
{
    return emit_at(HOST_RDI, (int32_t)offset);
}

static EmitMem cpu_gpr(unsigned reg)
{
    return cpu_field(offsetof(SoftCPU, gpr) + reg * sizeof(uint64_t));
}

static EmitMem cpu_vec(unsigned reg)
{
    return cpu_field(offsetof(SoftCPU, vec) + reg * (size_t)SOFT_VEC_BYTES);
}

/* A word below the stack pointer: nothing else uses the red zone of a leaf. */
static EmitMem red_zone(void)
{
    return emit_at(HOST_RSP, -8);
}

static EmitVec vec_kind(const SoftInsn *insn)
{
    return insn->prefixes & SOFT_PFX_VEX ? EMIT_VEC_V256 : EMIT_VEC_SSE;
}

static void stub_load(Stub *s)
{
    const SoftInsn *insn = s->insn;

    for (unsigned m = s->regs.vecs; m; m &= m - 1) {
        unsigned reg = __builtin_ctz(m);

        emit_vec_load(s->e, vec_kind(insn), reg, cpu_vec(reg));
    }
    if (insn->attrs & SOFT_A_MXCSR) {
        emit_store(s->e, 4, red_zone(), HOST_RDX);
        emit_ldmxcsr(s->e, red_zone());
    }
    if (insn->flags_read || insn->flags_written) {
        emit_load(s->e, 4, HOST_R11, cpu_field(offsetof(SoftCPU, eflags)));
        emit_alu_ri(s->e, EMIT_AND, 4, HOST_R11, FLAGS_ALL);
        emit_push(s->e, HOST_R11);
        emit_popf(s->e);
    }
    for (unsigned reg = 0; reg < 16; reg++) {
        if (s->map[reg] != HOST_NO_REG) {
            emit_load(s->e, 8, s->map[reg], cpu_gpr(reg));
        }
    }
}

static void stub_store_flags(Stub *s)
{
    EmitMem eflags = cpu_field(offsetof(SoftCPU, eflags));

    emit_pushf(s->e);
    emit_pop(s->e, HOST_R11);
    emit_alu_ri(s->e, EMIT_AND, 4, HOST_R11, FLAGS_ALL);
    emit_alu_mi(s->e, EMIT_AND, 4, eflags, (int32_t)~FLAGS_ALL);
    emit_alu_mr(s->e, EMIT_OR, 4, eflags, HOST_R11);
}

static void stub_store(Stub *s)
{
    const SoftInsn *insn = s->insn;

    for (unsigned reg = 0; reg < 16; reg++) {
        if (s->map[reg] != HOST_NO_REG && (insn->gpr_write >> reg & 1)) {
            emit_store(s->e, 8, cpu_gpr(reg), s->map[reg]);
        }
    }
    if (insn->flags_written) {
        stub_store_flags(s);
    }
    for (unsigned m = insn->vec_write; m; m &= m - 1) {
        unsigned reg = __builtin_ctz(m);

        emit_vec_store(s->e, vec_kind(insn), cpu_vec(reg), reg);
    }
    if (insn->attrs & SOFT_A_MXCSR) {
        emit_stmxcsr(s->e, red_zone());
        emit_load(s->e, 4, HOST_RAX, red_zone());
        emit_store_i(s->e, 4, red_zone(), MXCSR_HOST);
        emit_ldmxcsr(s->e, red_zone());
    }
    if (insn->prefixes & SOFT_PFX_VEX) {
        emit_vzeroupper(s->e);
    }
}

static bool stub_emit(Stub *s)
{
    EmitMem mem = emit_at(HOST_RSI, 0);

    if (s->rbx) {
        emit_push(s->e, HOST_RBX);
    }
    stub_load(s);
    if (!emit_renamed(s->e, s->insn, s->map, &mem)) {
        return false;
    }
    stub_store(s);
    if (s->rbx) {
        emit_pop(s->e, HOST_RBX);
    }
    emit_ret(s->e);
    return !s->e->overflow;
}

/* -- the cache ------------------------------------------------------------ */

static void flush_stubs(SoftNative *n)
{
    memset(n->table, 0, sizeof(n->table));
    n->stubs = 0;
    n->code.pos = 0;
    n->code.overflow = false;
}

static SoftStub make_stub(SoftNative *n, const SoftInsn *insn)
{
    Stub s = { .e = &n->code, .insn = insn };
    const uint8_t *start;

    if (!(n->host_features >> insn->feature & 1) ||
        ((insn->prefixes & SOFT_PFX_VEX) && !n->avx) ||
        !emit_insn_regs(insn, &s.regs) || !choose_registers(&s)) {
        return NULL;
    }
    emit_align(&n->code, 16);
    start = emit_here(&n->code);
    return stub_emit(&s) ? (SoftStub)(uintptr_t)start : NULL;
}

static SoftStubEntry *find_entry(SoftNative *n, uint64_t key)
{
    uint64_t i = key * 0x9e3779b97f4a7c15ull >> (64 - STUB_TABLE_BITS);

    while (n->table[i].key && n->table[i].key != key) {
        i = (i + 1) % STUB_TABLE_SIZE;
    }
    return &n->table[i];
}

SoftStub native_stub(SoftNative *n, const SoftInsn *insn)
{
    uint64_t key = stub_key(insn);
    SoftStubEntry *entry = find_entry(n, key);

    if (likely(entry->key)) {
        return entry->code;
    }
    if (insn->imm_bytes > 1) {
        return NULL;
    }
    if (n->stubs >= STUB_TABLE_FULL ||
        n->code.size - n->code.pos < STUB_BYTES_MAX) {
        flush_stubs(n);
        entry = find_entry(n, key);
    }
    /* One that cannot be made is remembered as such. */
    entry->code = make_stub(n, insn);
    entry->key = key;
    n->stubs++;
    return entry->code;
}
