/*
 * The front of the translator: decode a block and find out which flags are
 * needed after each of its instructions.
 *
 * A block is a straight run of instructions on one page. A conditional branch
 * does not end it: the branch leaves it, and the run goes on behind it. So the
 * flags of one compare serve several branches without being saved.
 *
 * Liveness of flags goes backwards over the block. What is needed where a
 * branch leads is found by reading a few instructions there; if they stand on
 * another page, everything is. The bytes read for that belong to the block: it
 * becomes invalid when they are written.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "jit-internal.h"

/* Attributes that make an instruction depend on a unit. */
static JitKind unit_kind(const JitTrans *t, const SoftInsn *in)
{
    uint32_t key = t->key;

    if ((in->attrs & SOFT_A_VEC) &&
        (key &
         ((in->prefixes & SOFT_PFX_VEX ? SOFT_MODE_AVX_UD : SOFT_MODE_SSE_UD) |
          SOFT_MODE_TS))) {
        return JIT_KIND_LEAVE;
    }
    if ((in->attrs & SOFT_A_X87) && (key & SOFT_MODE_X87_NM)) {
        return JIT_KIND_LEAVE;
    }
    if ((in->attrs & SOFT_A_MMX) &&
        (key & (SOFT_MODE_X87_NM | SOFT_MODE_MMX_UD))) {
        return JIT_KIND_LEAVE;
    }
    if ((in->attrs & SOFT_A_MXCSR) && (key & JIT_KEY_XM)) {
        return JIT_KIND_INTERP;
    }
    return JIT_KIND_INLINE;
}

/* Control words and environments: the interpreter's, and afterwards a block
 * looks again whether exceptions are masked. */
static bool is_x87_control(const SoftInsn *in)
{
    unsigned reg = in->modrm >> 3 & 7;

    if (in->modrm >> 6 == 3) {
        return in->opcode == 0xdb && in->modrm == 0xe3; /* FNINIT */
    }
    return (in->opcode == 0xd9 && reg >= 4 && reg <= 6) ||
           (in->opcode == 0xdd && (reg == 4 || reg == 6));
}

static JitKind data_kind(const JitTrans *t, const SoftInsn *in)
{
    JitKind unit = unit_kind(t, in);

    if (unit != JIT_KIND_INLINE) {
        return unit;
    }
    switch ((SoftOp)in->op) {
    case SOFT_OP_X87:
        return is_x87_control(in) ? JIT_KIND_LEAVE : JIT_KIND_INLINE;
    case SOFT_OP_FWAIT:
    case SOFT_OP_LDMXCSR:
        return JIT_KIND_LEAVE;
    case SOFT_OP_STMXCSR:
    case SOFT_OP_PAUSE: /* lets another CPU's thread run */
        return JIT_KIND_INTERP;
    default:
        return JIT_KIND_INLINE;
    }
}

static JitKind control_kind(const SoftInsn *in)
{
    switch ((SoftOp)in->op) {
    case SOFT_OP_JCC:
        return JIT_KIND_INLINE;
    case SOFT_OP_JMP:
    case SOFT_OP_JMPI:
    case SOFT_OP_CALL:
    case SOFT_OP_CALLI:
    case SOFT_OP_RET:
    case SOFT_OP_LOOP:
    case SOFT_OP_JCXZ:
        return in->op_bytes >= 4 ? JIT_KIND_BRANCH : JIT_KIND_LEAVE;
    default:
        return JIT_KIND_LEAVE;
    }
}

/* What changes the mode or what addresses mean ends a block. */
static JitKind system_kind(const JitTrans *t, const SoftInsn *in)
{
    switch ((SoftOp)in->op) {
    case SOFT_OP_CLI:
        return t->key & SOFT_MODE_IO_CPL ? JIT_KIND_LEAVE : JIT_KIND_INLINE;
    case SOFT_OP_RDTSC:
        return t->key & JIT_KEY_TSD ? JIT_KIND_LEAVE : JIT_KIND_INLINE;
    case SOFT_OP_STAC:
    case SOFT_OP_CLAC:
        return t->key & SOFT_MODE_CPL ? JIT_KIND_LEAVE : JIT_KIND_BRANCH;
    case SOFT_OP_STI:
    case SOFT_OP_IN:
    case SOFT_OP_OUT:
    case SOFT_OP_CPUID:
    case SOFT_OP_RDTSCP:
    case SOFT_OP_RDPMC:
    case SOFT_OP_RDMSR:
    case SOFT_OP_RDPID:
    case SOFT_OP_SWAPGS:
    case SOFT_OP_RDFSBASE:
    case SOFT_OP_RDGSBASE:
    case SOFT_OP_WRFSBASE:
    case SOFT_OP_WRGSBASE:
    case SOFT_OP_MOVCR_READ:
    case SOFT_OP_MOVSEG_READ:
    case SOFT_OP_SGDT:
    case SOFT_OP_SIDT:
    case SOFT_OP_STR:
    case SOFT_OP_SLDT:
    case SOFT_OP_SMSW:
    case SOFT_OP_LAR:
    case SOFT_OP_LSL:
    case SOFT_OP_VERR:
    case SOFT_OP_VERW:
    case SOFT_OP_XGETBV:
    case SOFT_OP_FXSAVE:
    case SOFT_OP_XSAVE:
    case SOFT_OP_XSAVEOPT:
    case SOFT_OP_XSAVEC:
        return JIT_KIND_INTERP;
    default:
        return JIT_KIND_LEAVE;
    }
}

JitKind jit_kind(const JitTrans *t, const SoftInsn *in)
{
    switch ((SoftClass)in->cls) {
    case SOFT_CLASS_NATIVE:
    case SOFT_CLASS_MICRO:
        return in->attrs & SOFT_A_ENDS ? JIT_KIND_LEAVE : data_kind(t, in);
    case SOFT_CLASS_STACK:
        if (in->op == SOFT_OP_POPF) {
            return JIT_KIND_INTERP;
        }
        return in->attrs & SOFT_A_ENDS ? JIT_KIND_LEAVE : JIT_KIND_INLINE;
    case SOFT_CLASS_STRING:
        return in->op == SOFT_OP_INS || in->op == SOFT_OP_OUTS
                   ? JIT_KIND_LEAVE
                   : JIT_KIND_INLINE;
    case SOFT_CLASS_CONTROL:
        return control_kind(in);
    case SOFT_CLASS_SYSTEM:
        return system_kind(t, in);
    case SOFT_CLASS_UD:
        break;
    }
    return JIT_KIND_LEAVE;
}

/* Flags needed by what stands at @offset of the page. */
static uint8_t peek(JitTrans *t, unsigned offset)
{
    uint8_t bytes[JIT_PEEK_MAX * SOFT_INSN_BYTES_MAX];
    unsigned n = MIN(sizeof(bytes), SOFT_PAGE_BYTES - offset), pos = 0;
    uint8_t open = SOFT_FLAGS_ALU, need = 0;

    /* Another CPU may write them meanwhile. */
    memcpy(bytes, t->page + offset, n);
    for (unsigned i = 0; i < JIT_PEEK_MAX && open; i++) {
        SoftInsn in;
        JitKind kind;

        if (soft_decode(bytes + pos, n - pos, &t->jit->mode, &in) !=
            SOFT_DECODE_OK) {
            break;
        }
        kind = jit_kind(t, &in);
        if (kind == JIT_KIND_LEAVE) {
            break;
        }
        need |= in.flags_read & open;
        open &= ~in.flags_written;
        pos += in.length;
        if (kind == JIT_KIND_BRANCH || in.op == SOFT_OP_JCC) {
            break;
        }
    }
    if (pos) {
        soft_code_add(t->cpu, (t->gpa & SOFT_PAGE_MASK) + offset, pos);
        if (memcmp(bytes, t->page + offset, pos) != 0) {
            return SOFT_FLAGS_ALU;
        }
    }
    return (need | open) & SOFT_FLAGS_ALU;
}

static uint8_t flags_at(JitTrans *t, uint64_t rip)
{
    if ((rip ^ t->rip) >> SOFT_PAGE_BITS) {
        return SOFT_FLAGS_ALU;
    }
    return peek(t, rip & ~SOFT_PAGE_MASK);
}

/* Flags needed behind a branch: where it leads, or also behind it. */
static uint8_t flags_taken(JitTrans *t, unsigned i)
{
    const SoftInsn *in = &t->insn[i];

    switch ((SoftOp)in->op) {
    case SOFT_OP_JCC:
    case SOFT_OP_JMP:
    case SOFT_OP_CALL:
        return flags_at(t, soft_insn_target(in, t->rip + t->offset[i]));
    default:
        return SOFT_FLAGS_ALU;
    }
}

void jit_find_flags(JitTrans *t)
{
    const SoftInsn *last = &t->insn[t->n - 1];
    uint8_t live = SOFT_FLAGS_ALU;

    if (t->open) {
        live = flags_at(t, t->rip + t->offset[t->n - 1] + last->length);
    }
    for (unsigned i = t->n; i-- > 0;) {
        SoftInsn *in = &t->insn[i];

        if (t->kind[i] == JIT_KIND_LEAVE) {
            in->flags_read |= SOFT_FLAGS_ALU;
        } else if (in->cls == SOFT_CLASS_CONTROL) {
            t->taken[i] = flags_taken(t, i);
            live = in->op == SOFT_OP_JCC ? live | t->taken[i] : t->taken[i];
        }
        t->live[i] = live;
        live = ((live & ~in->flags_written) | in->flags_read) & SOFT_FLAGS_ALU;
    }
    t->flags_in = live;
}

static void note_units(JitTrans *t, const SoftInsn *in, JitKind kind)
{
    if (kind == JIT_KIND_INLINE) {
        t->vec |= (in->attrs & SOFT_A_VEC) != 0;
        t->x87 |= (in->attrs & (SOFT_A_X87 | SOFT_A_MMX)) != 0;
    }
}

/* Is there a block already that goes on at @offset? */
static bool known_block(const JitTrans *t, unsigned offset)
{
    return tb_find(&t->jit->tb, t->gpa + offset, t->rip + offset, t->key) !=
           TB_NONE;
}

bool jit_scan(JitTrans *t)
{
    unsigned offset = 0;

    t->n = 0;
    t->vec = t->x87 = false;
    t->open = true;
    while (t->n < JIT_INSNS_MAX && offset < t->n_bytes) {
        SoftInsn *in = &t->insn[t->n];
        JitKind kind;

        if (soft_decode(t->bytes + offset, t->n_bytes - offset, &t->jit->mode,
                        in) != SOFT_DECODE_OK) {
            break;
        }
        kind = jit_kind(t, in);
        t->offset[t->n] = (uint16_t)offset;
        t->kind[t->n] = kind;
        t->n++;
        offset += in->length;
        note_units(t, in, kind);
        if (kind == JIT_KIND_LEAVE || kind == JIT_KIND_BRANCH) {
            t->open = false;
            break;
        }
        if (in->op == SOFT_OP_JCC && known_block(t, offset)) {
            break;
        }
    }
    t->n_bytes = offset;
    return t->n > 0;
}
