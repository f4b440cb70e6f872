/*
 * Making a block: decode, find live flags, emit, publish.
 *
 * A block begins with a look at exit_request, so that a virtual CPU notices an
 * interrupt within one block; together with it, by the same compare, a block
 * that uses vectors finds out that they are not loaded. Then follows the code
 * of each instruction; what it needs rarely stands in cold memory.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "trace/trace-accel.h"

#include "jit-internal.h"

/* The compare at the head; code of @stale leads back to the translator. */
static void emit_head(JitTrans *t, TBlock *b)
{
    SoftEmit *e = &t->hot, *cold = &t->cold;

    b->head = t->hot_pos + (uint32_t)e->pos;
    b->stale = t->cold_pos + (uint32_t)cold->pos;
    emit_mov_ri(cold, 4, HOST_R15, t->block);
    emit_jmp_to(cold, t->jit->thunk.exit_head, HOST_NO_REG);

    emit_alu_mi(e, EMIT_CMP, t->vec ? 8 : 4, emit_gs(GS_OFF(exit_request)), 0);
    if (!t->vec) {
        emit_jcc_to(e, EMIT_CC_NE, t->jit->cache.rx + b->stale);
    } else {
        emit_jcc_to(e, EMIT_CC_NE, emit_here(cold));
        emit_mov_ri(cold, 4, HOST_R15, t->block);
        emit_call_to(cold, t->jit->thunk.vec_head, HOST_NO_REG);
        emit_jmp_to(cold, emit_here(e), HOST_NO_REG);
    }
    if (t->x87) {
        emit_alu_mi(e, EMIT_CMP, 4, emit_gs(GS_WORD(JIT_W_X87_OK)), 0);
        emit_jcc_to(e, EMIT_CC_E, emit_here(cold));
        emit_mov_ri(cold, 8, HOST_R15, jit_site(t));
        emit_call_to(cold, t->jit->thunk.x87_head, HOST_NO_REG);
        emit_jmp_to(cold, emit_here(e), HOST_NO_REG);
    }
    b->body = t->hot_pos + (uint32_t)e->pos;
}

/*
 * The only instruction goes on into a second page: has the TLB still that page
 * there, for execution?
 */
static void check_second_page(JitTrans *t)
{
    SoftEmit *e = &t->hot, *cold = &t->cold;
    uint64_t page = (t->rip & SOFT_PAGE_MASK) + SOFT_PAGE_BYTES;
    uint64_t index = page >> SOFT_PAGE_BITS & ((1u << t->cpu->tlb_bits) - 1);
    int32_t entry = GS_OFF(tlb) +
                    (int32_t)(((uint64_t)t->mmu << SOFT_TLB_BITS_MAX | index) *
                              sizeof(SoftTLBEntry));

    emit_mov_ri(e, 8, HOST_R14, page);
    emit_alu_rm(e, EMIT_CMP, 8, HOST_R14,
                emit_gs(entry + (int32_t)offsetof(SoftTLBEntry, tag_x)));
    emit_jcc_to(e, EMIT_CC_NE, emit_here(cold));
    emit_mov_ri(e, 8, HOST_R14, (uintptr_t)t->page2);
    emit_alu_rm(e, EMIT_CMP, 8, HOST_R14,
                emit_gs(entry + (int32_t)offsetof(SoftTLBEntry, host)));
    emit_jcc_to(e, EMIT_CC_NE, emit_here(cold));
    emit_mov_ri(cold, 8, HOST_R15, t->block);
    emit_jmp_to(cold, t->jit->thunk.exit_fetch, HOST_NO_REG);
}

static bool emit_inline(JitTrans *t)
{
    switch ((SoftClass)jit_insn(t)->cls) {
    case SOFT_CLASS_NATIVE:
    case SOFT_CLASS_MICRO:
        return jit_emit_native(t);
    case SOFT_CLASS_STACK:
        return jit_emit_stack(t);
    case SOFT_CLASS_CONTROL:
        return jit_emit_control(t);
    case SOFT_CLASS_STRING:
        return jit_emit_string(t);
    case SOFT_CLASS_SYSTEM:
        return jit_emit_misc(t);
    default:
        return false;
    }
}

/* As emit_inline(), but nothing is left behind where it fails. */
static bool try_inline(JitTrans *t)
{
    size_t hot = t->hot.pos, cold = t->cold.pos;
    uint32_t n_links = t->jit->tb.n_links;
    JitFlags flags = t->flags;
    JitReuse reuse = t->reuse;
    JitHeld held[2] = { t->held[0], t->held[1] };

    if (emit_inline(t)) {
        return true;
    }
    t->hot.pos = hot;
    t->cold.pos = cold;
    t->jit->tb.n_links = n_links;
    t->flags = flags;
    t->reuse = reuse;
    memcpy(t->held, held, sizeof(held));
    return false;
}

/* Does its code leave alone, or know of, what r14 and r15 hold? */
static bool minds_held(const JitTrans *t)
{
    const SoftInsn *in = jit_insn(t);

    return t->kind[t->cur] == JIT_KIND_INLINE &&
           (in->cls == SOFT_CLASS_NATIVE || in->op == SOFT_OP_JCC);
}

static void emit_insns(JitTrans *t)
{
    for (t->cur = 0; t->cur < t->n; t->cur++) {
        JitKind kind = t->kind[t->cur];

        if (!minds_held(t)) {
            jit_held_drop(t);
        }
        if ((kind == JIT_KIND_INLINE || kind == JIT_KIND_BRANCH) &&
            try_inline(t)) {
            continue;
        }
        jit_held_drop(t);
        if (kind == JIT_KIND_LEAVE || kind == JIT_KIND_BRANCH) {
            jit_emit_leave(t);
        } else {
            jit_emit_interp(t);
        }
    }
    t->cur = t->n - 1;
    if (t->open) {
        jit_exit_to(t, jit_next_rip(t));
    }
}

/* Decode what stands at the CPU's rip. The bytes are looked at again after
 * writes to them have begun to be noticed. */
static bool read_block(JitTrans *t)
{
    unsigned offset = t->gpa & ~SOFT_PAGE_MASK;
    unsigned n = MIN(SOFT_PAGE_BYTES - offset, JIT_BYTES_MAX);

    t->gpa2 = 0;
    do {
        memcpy(t->bytes, t->page + offset, n);
        t->n_bytes = n;
        if (!jit_scan(t)) {
            return false;
        }
        soft_code_add(t->cpu, t->gpa, t->n_bytes);
    } while (memcmp(t->bytes, t->page + offset, t->n_bytes) != 0);
    return true;
}

/* One instruction that goes on into the next page. */
static bool read_crossing(JitTrans *t)
{
    unsigned offset = t->gpa & ~SOFT_PAGE_MASK;
    unsigned n = SOFT_PAGE_BYTES - offset, n2 = SOFT_INSN_BYTES_MAX - n;
    const uint8_t *first = t->page + offset;

    if (n >= SOFT_INSN_BYTES_MAX ||
        (!t->code64 && t->rip + n > UINT32_MAX)) { /* over the limit */
        return false;
    }
    if (!soft_code_ptr(t->cpu, t->rip + n, &t->gpa2, &t->page2)) {
        /* The interpreter raises it, if it is due at all. */
        t->cpu->exception.pending = false;
        return false;
    }
    if (t->gpa2 == SOFT_NO_GPA || t->gpa2 == 0) {
        return false;
    }
    do {
        memcpy(t->bytes, first, n);
        memcpy(t->bytes + n, t->page2, n2);
        t->n_bytes = SOFT_INSN_BYTES_MAX;
        if (!jit_scan(t) || t->insn[0].length <= n) {
            return false;
        }
        t->n = 1;
        t->n_bytes = t->insn[0].length;
        t->open =
            t->kind[0] == JIT_KIND_INLINE || t->kind[0] == JIT_KIND_INTERP;
        soft_code_add(t->cpu, t->gpa, n);
        soft_code_add(t->cpu, t->gpa2, t->n_bytes - n);
    } while (memcmp(t->bytes, first, n) != 0 ||
             memcmp(t->bytes + n, t->page2, t->n_bytes - n) != 0);
    return true;
}

static bool open_windows(JitTrans *t)
{
    CodeCache *cc = &t->jit->cache;
    size_t hot, cold;

    if (!code_cache_reserve(cc, CODE_HOT, &hot) ||
        !code_cache_reserve(cc, CODE_COLD, &cold) ||
        t->jit->n_insns > JIT_SITE_INSNS_MAX - JIT_INSNS_MAX) {
        t->jit->flush_wanted = true;
        return false;
    }
    t->hot_pos = (uint32_t)hot;
    t->cold_pos = (uint32_t)cold;
    emit_init(&t->hot, cc->rw + hot, cc->rx + hot, CODE_BLOCK_BYTES_MAX);
    emit_init(&t->cold, cc->rw + cold, cc->rx + cold, CODE_BLOCK_BYTES_MAX);
    return true;
}

static bool emit_block(JitTrans *t)
{
    TBTable *tb = &t->jit->tb;
    uint32_t n_links = tb->n_links;
    TBlock b = { .gpa = t->gpa, .gpa2 = t->gpa2, .rip = t->rip, .key = t->key };

    t->block = tb_new(tb);
    t->cur = 0;
    t->flags = JIT_FLAGS_MEM;
    t->reuse.valid = false;
    jit_held_forget(t);
    emit_head(t, &b);
    if (t->gpa2) {
        check_second_page(t);
    }
    emit_insns(t);
    if (t->hot.overflow || t->cold.overflow) {
        tb_drop(tb, t->block, n_links);
        return false;
    }
    b.bytes = (uint16_t)t->n_bytes;
    b.insns = (uint8_t)t->n;
    b.flags_in = t->flags_in;
    b.vec = t->vec || t->x87;
    tb->block[t->block] = b;
    return true;
}

uint32_t jit_translate(SoftCPU *cpu, uint32_t key, uint64_t gpa,
                       const uint8_t *host)
{
    SoftJIT *jit = cpu->jit;
    JitTrans *t = jit->trans;

    t->cpu = cpu;
    t->jit = jit;
    t->key = key;
    t->mmu = soft_mmu_mode(key);
    t->code64 = key & SOFT_MODE_CS64;
    t->rip = cpu->rip;
    t->gpa = gpa;
    t->page = host - (gpa & ~SOFT_PAGE_MASK);
    jit->mode = (SoftDecodeMode){ .features = cpu->features,
                                  .code_bits = t->code64 ? 64 : 32,
                                  .prot = true };
    if ((!read_block(t) && !read_crossing(t)) || !open_windows(t)) {
        return TB_NONE;
    }
    jit_find_flags(t);
    while (!emit_block(t)) {
        /* Cannot be, by the sizes: but a shorter block is always possible. */
        if (t->n == 1) {
            return TB_NONE;
        }
        t->n = (t->n + 1) / 2;
        t->open = true;
        t->n_bytes = t->offset[t->n - 1] + t->insn[t->n - 1].length;
        jit_find_flags(t);
        open_windows(t);
    }
    code_cache_commit(&jit->cache, CODE_HOT, t->hot.pos);
    code_cache_commit(&jit->cache, CODE_COLD, t->cold.pos);
    tb_publish(&jit->tb, t->block);
    jit->n_translated++;
    jit_perf_map(jit, t->hot.rx, t->hot.pos, t->rip, "g:");
    jit_perf_map(jit, t->cold.rx, t->cold.pos, t->rip, "cold:");
    trace_soft_jit_block(cpu->base.index, t->rip, t->n_bytes, t->n,
                         (unsigned)t->hot.pos, (unsigned)t->cold.pos);
    return t->block;
}
