/*
 * Random instructions and states for the differential test.
 *
 * An instruction is made of random parts (prefixes, map, opcode, ModRM...) and
 * kept if the decoder accepts it and it is one that a user program may execute
 * without the kernel's or the clock's doing. Memory operands mostly lead into
 * the data area, for those registers that are used as bases begin as pointers;
 * those that do not are a test of precise faults.
 *
 * Results that the architecture leaves open are kept apart by not letting
 * anybody read them: undefined flags are tracked along the sequence.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "accel/x86-state.h"

#include "diff.h"

/* Registers that begin as pointers; the others as numbers. */
#define POINTERS                                                               \
    (1u << 3 | 1u << 4 | 1u << 5 | 1u << 6 | 1u << 7 | 1u << 8 | 1u << 10 |    \
     1u << 12 | 1u << 13)

static unsigned pick_reg(DiffRng *r, unsigned mask)
{
    unsigned reg;

    do {
        reg = diff_below(r, 16);
    } while (!(mask >> reg & 1));
    return reg;
}

/* -- one instruction ------------------------------------------------------ */

typedef struct Gen {
    DiffRng *rng;
    uint8_t *p;
    uint8_t *opcode;
    uint8_t bytes[48];
    unsigned rex; /* W R X B */
    unsigned map;
    bool vex;
    bool rex_done;
    uint64_t address; /* of the instruction */
} Gen;

static void put(Gen *g, unsigned byte)
{
    *g->p++ = (uint8_t)byte;
}

static void put_random(Gen *g, unsigned n)
{
    while (n--) {
        put(g, (unsigned)diff_rand(g->rng));
    }
}

static void put_disp32(Gen *g, uint32_t disp)
{
    memcpy(g->p, &disp, sizeof(disp));
    g->p += sizeof(disp);
}

static void gen_prefixes(Gen *g)
{
    if (diff_one_in(g->rng, 4)) {
        put(g, 0x66);
    }
    if (diff_one_in(g->rng, 24)) {
        put(g, 0x67);
    }
    if (diff_one_in(g->rng, 5)) {
        put(g, diff_one_in(g->rng, 2) ? 0xf2 : 0xf3);
    }
    if (diff_one_in(g->rng, 40)) {
        put(g, 0x65);
    } else if (diff_one_in(g->rng, 60)) {
        put(g, 0x26 | (diff_below(g->rng, 4) << 3));
    }
    if (diff_one_in(g->rng, 30)) {
        put(g, 0xf0);
    }
}

static void gen_vex(Gen *g)
{
    unsigned vvvv = diff_one_in(g->rng, 4) ? 0 : diff_below(g->rng, 16);
    unsigned last = (~vvvv & 15u) << 3 | (diff_below(g->rng, 2) << 2) |
                    diff_below(g->rng, 4);

    if (g->map == 1 && diff_one_in(g->rng, 2)) {
        g->rex &= 4;
        put(g, 0xc5);
        put(g, (g->rex & 4 ? 0 : 0x80) | last);
        return;
    }
    put(g, 0xc4);
    put(g, (~g->rex & 7u) << 5 | g->map);
    put(g, (g->rex & 8 ? 0x80 : 0) | last);
}

static void gen_opcode(Gen *g)
{
    static const uint8_t maps[] = { 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3 };
    unsigned opcode = (unsigned)diff_rand(g->rng) & 0xff;
    bool rex = diff_one_in(g->rng, 2);

    g->map = maps[diff_below(g->rng, sizeof(maps))];
    g->rex = diff_below(g->rng, 16);
    g->vex = g->map && diff_one_in(g->rng, 3);
    if (g->vex) {
        gen_vex(g);
        g->opcode = g->p;
        put(g, opcode);
        return;
    }
    if (g->map == 0) {
        unsigned kind = diff_below(g->rng, 12);

        if (kind < 2) {
            opcode = 0xd8 | (opcode & 7);
        } else if (kind == 2) {
            opcode =
                (opcode & 1) | (diff_one_in(g->rng, 2)   ? 0xa4u + (opcode & 2)
                                : diff_one_in(g->rng, 2) ? 0xaau + (opcode & 4)
                                                         : 0xacu);
        }
    }
    if (rex) {
        put(g, 0x40 | g->rex);
    } else {
        g->rex = 0;
    }
    if (g->map) {
        put(g, 0x0f);
    }
    if (g->map > 1) {
        put(g, g->map == 2 ? 0x38 : 0x3a);
    }
    g->opcode = g->p;
    put(g, opcode);
}

static uint32_t gen_disp(Gen *g)
{
    int32_t disp = (int32_t)diff_below(g->rng, 2048) - 1024;

    return (uint32_t)(diff_one_in(g->rng, 3) ? disp : disp & ~31);
}

static void gen_modrm(Gen *g)
{
    unsigned modrm = (unsigned)diff_rand(g->rng) & 0xff;
    unsigned mod = modrm >> 6;
    unsigned base;

    if (mod == 3) {
        put(g, modrm);
        return;
    }
    if (!diff_one_in(g->rng, 16)) {
        base = pick_reg(g->rng, POINTERS);
        if (!(g->rex & 1)) {
            base &= 7;
            base = base == 0 ? 3 : base == 2 ? 6 : base;
        }
        modrm = (modrm & 0xf8) | (base & 7);
    }
    put(g, modrm);
    if ((modrm & 7) == 4) {
        unsigned sib = (unsigned)diff_rand(g->rng) & 0xff;

        /* Mostly no index, or a number. */
        if (diff_one_in(g->rng, 2)) {
            sib = (sib & 0xc7) | 4 << 3;
        }
        sib = (sib & 0xf8) | (pick_reg(g->rng, POINTERS) & 7);
        put(g, sib);
        if (mod == 0 && (sib & 7) == 5) {
            put_disp32(g, DIFF_DATA + gen_disp(g) + DIFF_DATA_BYTES / 2);
        }
    } else if (mod == 0 && (modrm & 7) == 5) {
        uint32_t target = DIFF_DATA + DIFF_DATA_BYTES / 2 + gen_disp(g);

        put_disp32(g, target - (uint32_t)g->address - 8);
    }
    if (mod == 1) {
        put(g, gen_disp(g) & 0xff);
    } else if (mod == 2) {
        put_disp32(g, gen_disp(g));
    }
}

/* What neither the kernel lets happen nor two CPUs do alike. */
static bool is_allowed(const SoftInsn *insn)
{
    switch ((SoftClass)insn->cls) {
    case SOFT_CLASS_UD:
    case SOFT_CLASS_SYSTEM:
        return false;
    default:
        break;
    }
    switch ((SoftOp)insn->op) {
    case SOFT_OP_JMPF:
    case SOFT_OP_CALLF:
    case SOFT_OP_RETF:
    case SOFT_OP_IRET:
    case SOFT_OP_INT:
    case SOFT_OP_INT3:
    case SOFT_OP_INT1:
    case SOFT_OP_INTO:
    case SOFT_OP_SYSCALL:
    case SOFT_OP_SYSRET:
    case SOFT_OP_SYSENTER:
    case SOFT_OP_SYSEXIT:
    case SOFT_OP_POPF:
    case SOFT_OP_POPS:
    case SOFT_OP_PUSHS:
    case SOFT_OP_LSEG:
    case SOFT_OP_MOVSEG_READ:
    case SOFT_OP_MOVSEG_WRITE:
    case SOFT_OP_INS:
    case SOFT_OP_OUTS:
    case SOFT_OP_RDRAND:
    case SOFT_OP_RDSEED:
    case SOFT_OP_PAUSE:
    case SOFT_OP_CLFLUSH:
    case SOFT_OP_FXSAVE:
    case SOFT_OP_FXRSTOR:
    case SOFT_OP_XSAVE:
    case SOFT_OP_XRSTOR:
    case SOFT_OP_XSAVEOPT:
    case SOFT_OP_XSAVEC:
        return false;
    case SOFT_OP_BSWAP:
        return insn->op_bytes != 2;
    case SOFT_OP_SHLD:
    case SOFT_OP_SHRD:
        /* 16 bits by more than 16 is undefined. */
        return insn->op_bytes != 2 ||
               (!(insn->opcode & 1) && (insn->imm & 31) <= 16);
    default:
        return true;
    }
}

/* Locked accesses that straddle a cache line are very slow on some hosts. */
static bool is_slow(const SoftInsn *insn)
{
    return insn->mem == SOFT_MEM_RW && insn->mem_bytes > 1 &&
           ((insn->prefixes & SOFT_PFX_LOCK) || insn->op == SOFT_OP_XCHG) &&
           insn->index != SOFT_NO_REG;
}

static bool uses_segment(const SoftInsn *insn, unsigned seg)
{
    return insn->seg == seg &&
           (soft_insn_has_mem(insn) || insn->cls == SOFT_CLASS_STRING ||
            insn->op == SOFT_OP_XLAT || insn->op == SOFT_OP_MASKMOVQ ||
            insn->op == SOFT_OP_MASKMOVDQU);
}

/* Undefined by the architecture, but every CPU agrees and software knows:
 * BSF and BSR of 0 leave the destination. Flags of these are undefined. */
static unsigned flags_read(const SoftInsn *insn)
{
    if (insn->op == SOFT_OP_PUSHF) {
        return SOFT_FLAGS_ALU;
    }
    return insn->flags_read;
}

static void gen_one(DiffRng *rng, uint64_t features, uint64_t address,
                    DiffInsn *out)
{
    const SoftDecodeMode mode = { .features = features,
                                  .code_bits = 64,
                                  .prot = true };

    for (;;) {
        Gen g = { .rng = rng, .address = address };

        g.p = g.bytes;
        gen_prefixes(&g);
        gen_opcode(&g);
        gen_modrm(&g);
        if (!g.vex && g.map == 0 && (*g.opcode & 0xfc) == 0xa0) {
            uint64_t moffs = DIFF_DATA + DIFF_DATA_BYTES / 2 + gen_disp(&g);

            memcpy(g.opcode + 1, &moffs, sizeof(moffs));
            g.p = g.opcode + 1 + sizeof(moffs);
        }
        put_random(&g, 8);
        if (soft_decode(g.bytes, SOFT_INSN_BYTES_MAX, &mode, &out->insn) !=
            SOFT_DECODE_OK) {
            continue;
        }
        if (!is_allowed(&out->insn) || is_slow(&out->insn) ||
            uses_segment(&out->insn, X86_FS)) {
            continue;
        }
        memset(out->bytes, 0, sizeof(out->bytes));
        memcpy(out->bytes, g.bytes, out->insn.length);
        return;
    }
}

/* -- sequences ------------------------------------------------------------ */

static bool is_relative(const SoftInsn *insn)
{
    switch ((SoftOp)insn->op) {
    case SOFT_OP_JCC:
    case SOFT_OP_JMP:
    case SOFT_OP_CALL:
    case SOFT_OP_LOOP:
    case SOFT_OP_LOOPE:
    case SOFT_OP_LOOPNE:
    case SOFT_OP_JCXZ:
        return true;
    default:
        return false;
    }
}

static unsigned rel_bytes(const SoftInsn *insn)
{
    return insn->imm_bytes;
}

/*
 * After a branch what is skipped has not defined its flags, so that from there
 * on nothing that was undefined is taken back.
 */
static unsigned undefined_after(const SoftInsn *insn, unsigned undefined,
                                bool branched)
{
    if (!branched) {
        undefined &= ~(unsigned)(insn->flags_written & ~insn->flags_read);
    }
    return undefined | insn->flags_undef;
}

static void track_flags(DiffSeq *seq)
{
    bool branched = false;

    seq->undefined = 0;
    seq->ever_undefined = 0;
    for (unsigned i = 0; i < seq->count; i++) {
        DiffInsn *d = &seq->insn[i];

        d->undefined = seq->undefined;
        branched |= d->insn.cls == SOFT_CLASS_CONTROL;
        seq->undefined = undefined_after(&d->insn, seq->undefined, branched);
        seq->ever_undefined |= seq->undefined;
    }
}

void diff_seq_layout(DiffSeq *seq)
{
    unsigned pos = 0;

    for (unsigned i = 0; i < seq->count; i++) {
        seq->insn[i].offset = (uint16_t)pos;
        pos += seq->insn[i].insn.length;
    }
    for (unsigned i = 0; i < seq->count; i++) {
        DiffInsn *d = &seq->insn[i];
        unsigned next = d->offset + d->insn.length;

        if (is_relative(&d->insn)) {
            /* Forwards only, so that everything ends. */
            unsigned ahead =
                (d->insn.gpr_read ^ d->insn.length ^ i) % 4 + i + 1;
            uint32_t rel =
                (ahead < seq->count ? seq->insn[ahead].offset : pos) - next;

            memcpy(d->bytes + d->insn.length - rel_bytes(&d->insn), &rel,
                   rel_bytes(&d->insn));
        }
        memcpy(seq->code + d->offset, d->bytes, d->insn.length);
    }
    seq->code[pos] = 0x0f;
    seq->code[pos + 1] = 0x0b;
    seq->code_bytes = pos + 2;
    track_flags(seq);
}

static bool is_return(const SoftInsn *insn)
{
    return insn->op == SOFT_OP_RET || insn->op == SOFT_OP_JMPI ||
           insn->op == SOFT_OP_CALLI;
}

void diff_gen_seq(DiffRng *rng, uint64_t features, unsigned count,
                  uint64_t address, DiffSeq *seq)
{
    uint64_t at = address;
    bool called = false;

    *seq = (DiffSeq){ .address = address };
    while (seq->count < count) {
        DiffInsn *d = &seq->insn[seq->count];

        gen_one(rng, features, at, d);
        if ((flags_read(&d->insn) & seq->undefined) ||
            (called && is_return(&d->insn)) ||
            (is_return(&d->insn) && !diff_one_in(rng, 8))) {
            continue;
        }
        called |= d->insn.op == SOFT_OP_CALL || d->insn.op == SOFT_OP_CALLI;
        at += d->insn.length;
        seq->count++;
        track_flags(seq);
    }
    diff_seq_layout(seq);
}

/* -- states --------------------------------------------------------------- */

static uint64_t gen_number(DiffRng *r)
{
    static const uint64_t special[] = {
        0,           1,          UINT64_MAX, 0x7f,       0x80,
        0xff,        0x7fff,     0x8000,     0xffff,     INT32_MAX,
        0x80000000u, UINT32_MAX, INT64_MAX,  1ull << 63,
    };

    switch (diff_below(r, 5)) {
    case 0:
        return special[diff_below(r, G_N_ELEMENTS(special))];
    case 1:
        return diff_rand(r);
    case 2:
        return diff_rand(r) & UINT32_MAX;
    default:
        return diff_below(r, 64);
    }
}

static uint64_t gen_pointer(DiffRng *r)
{
    uint64_t at = DIFF_DATA + 1024 + diff_below(r, DIFF_DATA_BYTES - 2048);

    if (diff_one_in(r, 40)) { /* near an end */
        at = DIFF_DATA + (diff_one_in(r, 2) ? 0 : DIFF_DATA_BYTES) +
             diff_below(r, 64) - 32;
    }
    return diff_one_in(r, 3) ? at : at & ~(uint64_t)63;
}

static void gen_vectors(DiffRng *r, bool avx, DiffState *state)
{
    for (unsigned i = 0; i < 16; i++) {
        unsigned kind = diff_below(r, 4);

        for (unsigned j = 0; j < 32; j += 4) {
            uint32_t v = (uint32_t)diff_rand(r);
            float f = (float)(int32_t)v / 65536.0f;

            if (kind == 0) {
                v &= 255;
            } else if (kind == 1) {
                memcpy(&v, &f, sizeof(v));
            } else if (kind == 2 && (v & 3) == 0) {
                v = v & 0x80000000u ? 0x7f800000u | (v & 0x400001u) : v & 0xff;
            }
            memcpy(&state->vec[i][j], &v, sizeof(v));
        }
        if (!avx) {
            memset(state->vec[i] + 16, 0, 16);
        }
    }
}

static void gen_x87_register(DiffRng *r, uint8_t *st)
{
    static const uint16_t exponents[] = { 0,      1,      0x3fff, 0x4000,
                                          0x3ffe, 0x403e, 0x7ffe, 0x7fff };
    uint64_t m = diff_rand(r) | 1ull << 63;
    uint16_t e = 0x3fff + (uint16_t)diff_below(r, 128) - 64;

    if (diff_one_in(r, 4)) {
        e = exponents[diff_below(r, G_N_ELEMENTS(exponents))];
        if (diff_one_in(r, 3)) {
            m = diff_one_in(r, 2) ? 1ull << 63 : 0;
        } else if (diff_one_in(r, 4)) {
            m &= INT64_MAX;
        }
    } else if (diff_one_in(r, 2)) {
        m &= ~0ull << 44;
    }
    e |= (uint16_t)(diff_below(r, 2) << 15);
    memcpy(st, &m, sizeof(m));
    memcpy(st + 8, &e, sizeof(e));
}

static void gen_x87(DiffRng *r, DiffState *state)
{
    uint16_t fcw = 0x037f;
    uint16_t fsw = (uint16_t)(diff_below(r, 8) << 11);

    memset(state->fx, 0, sizeof(state->fx));
    if (diff_one_in(r, 2)) {
        static const uint16_t pc[] = { 0, 0x200, 0x300 };

        fcw = (uint16_t)(0x7f | pc[diff_below(r, 3)] | diff_below(r, 4) << 10);
        fsw |= (uint16_t)(diff_rand(r) & 0x4700);
    }
    if (diff_one_in(r, 8)) {
        fcw &= (uint16_t) ~(diff_rand(r) & 0x3f);
    }
    fsw |= (uint16_t)(diff_rand(r) & 0x3f & fcw);
    memcpy(state->fx, &fcw, sizeof(fcw));
    memcpy(state->fx + 2, &fsw, sizeof(fsw));
    state->fx[4] = (uint8_t)(diff_rand(r) | diff_rand(r));
    for (unsigned i = 0; i < 8; i++) {
        gen_x87_register(r, state->fx + 32 + 16 * (size_t)i);
    }
}

void diff_gen_state(DiffRng *rng, bool avx, DiffState *state)
{
    memset(state, 0, sizeof(*state));
    for (unsigned i = 0; i < 16; i++) {
        state->gpr[i] = POINTERS >> i & 1 && !diff_one_in(rng, 30)
                            ? gen_pointer(rng)
                            : gen_number(rng);
    }
    state->gpr[X86_RSP] = gen_pointer(rng) & ~(uint64_t)7;
    /* IF and bit 1 are always set. */
    state->eflags = 0x202 | ((uint32_t)diff_rand(rng) & 0x8d5);
    if (diff_one_in(rng, 4)) {
        state->eflags |= 1u << 10; /* DF */
    }
    state->mxcsr = 0x1f80;
    if (diff_one_in(rng, 2)) {
        state->mxcsr |= (uint32_t)diff_rand(rng) & 0xe07f;
    }
    if (diff_one_in(rng, 8)) {
        state->mxcsr &= ~((uint32_t)diff_rand(rng) & 0x1f80);
    }
    gen_vectors(rng, avx, state);
    gen_x87(rng, state);
}

void diff_gen_memory(DiffRng *rng, uint8_t *data, size_t size)
{
    for (size_t i = 0; i + 8 <= size; i += 8) {
        uint64_t v = gen_number(rng);

        memcpy(data + i, &v, sizeof(v));
    }
}
