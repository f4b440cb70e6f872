/*
 * Leaving a block: for another block, or for C.
 *
 * To a known address on the same page leads a link: a direct jump, which goes
 * to the translator until the target is known. Any other address is looked for
 * in the jump cache, by its low bits; a hit is an indirect jump to the head of
 * a block, a miss goes to the translator, which fills the entry.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "jit-internal.h"

#define JC_STRIDE ((int32_t)sizeof(((SoftCPU *)0)->jump_cache[0]))

static int32_t jump_cache_field(SoftMMU mmu, uint64_t rip, size_t field)
{
    return GS_OFF(jump_cache) + (int32_t)mmu * JC_STRIDE +
           (int32_t)(rip % SOFT_JUMP_CACHE_SIZE * sizeof(SoftJumpCacheEntry)) +
           (int32_t)field;
}

static bool same_page(const JitTrans *t, uint64_t rip)
{
    return (rip ^ t->rip) >> SOFT_PAGE_BITS == 0;
}

/* The rel32 just emitted into @e is a link to @rip; emit where it leads now. */
static void link_stub(JitTrans *t, SoftEmit *e, uint64_t rip)
{
    uint32_t window = e == &t->hot ? t->hot_pos : t->cold_pos;
    TBLink link = { .field = window + (uint32_t)emit_rel32_pos(e),
                    .block = t->block,
                    .target = rip & ~SOFT_PAGE_MASK,
                    .checked = rip <= jit_rip(t) };
    size_t field = emit_rel32_pos(e);

    if (e->overflow) {
        return;
    }
    emit_patch_rel32(e, field, emit_here(&t->cold));
    emit_mov_ri(&t->cold, 4, HOST_R15, tb_link_new(&t->jit->tb, &link));
    emit_jmp_to(&t->cold, t->jit->thunk.exit_link, HOST_NO_REG);
}

/* To @rip by the jump cache of @mmu. */
static void probe_known(JitTrans *t, SoftEmit *e, SoftMMU mmu, uint64_t rip)
{
    EmitMem key =
        emit_gs(jump_cache_field(mmu, rip, offsetof(SoftJumpCacheEntry, rip)));
    EmitMem code =
        emit_gs(jump_cache_field(mmu, rip, offsetof(SoftJumpCacheEntry, code)));
    bool narrow = rip == (uint64_t)(int64_t)(int32_t)rip;

    if (narrow) {
        emit_alu_mi(e, EMIT_CMP, 8, key, (int32_t)rip);
    } else {
        emit_mov_ri(e, 8, HOST_R14, rip);
        emit_alu_rm(e, EMIT_CMP, 8, HOST_R14, key);
    }
    if (e == &t->cold) {
        EmitLabel miss = EMIT_LABEL;

        emit_jcc(e, EMIT_CC_NE, &miss);
        emit_jmp_m(e, code);
        emit_bind(e, &miss);
    } else {
        emit_jcc_to(e, EMIT_CC_NE, emit_here(&t->cold));
        emit_jmp_m(e, code);
    }
    if (narrow) {
        emit_mov_ri(&t->cold, 8, HOST_R14, rip);
    }
    emit_jmp_to(&t->cold, t->jit->thunk.exit_rip, HOST_NO_REG);
}

void jit_exit_mode(JitTrans *t, uint32_t key)
{
    SoftMMU mmu = soft_mmu_mode(key);
    SoftEmit *e = &t->hot;

    emit_store_i(e, 4, emit_gs(GS_OFF(mode_flags)),
                 (int32_t)(key & JIT_KEY_MODE));
    emit_alu_mi(e, EMIT_CMP, 4, emit_gs(GS_WORD(JIT_W_SLOT_KEY + mmu)),
                (int32_t)key);
    emit_jcc_to(e, EMIT_CC_NE, emit_here(&t->cold));
    emit_mov_ri(&t->cold, 8, HOST_R14, jit_next_rip(t));
    emit_jmp_to(&t->cold, t->jit->thunk.exit_rip, HOST_NO_REG);
    probe_known(t, e, mmu, jit_next_rip(t));
}

void jit_exit_to(JitTrans *t, uint64_t rip)
{
    SoftEmit *e = &t->hot;

    jit_held_drop(t);
    if (t->live[t->cur]) {
        jit_flags_save(t, e);
    }
    if (same_page(t, rip)) {
        emit_jmp_to(e, emit_here(&t->cold), HOST_NO_REG);
        link_stub(t, e, rip);
    } else {
        probe_known(t, e, t->mmu, rip);
    }
}

void jit_exit_cond(JitTrans *t, EmitCond cc, uint64_t rip, uint8_t live)
{
    bool save = live && t->flags == JIT_FLAGS_HOST;
    JitFlags flags = t->flags;

    jit_held_flush(t);
    emit_jcc_to(&t->hot, cc, emit_here(&t->cold));
    if (!save && same_page(t, rip)) {
        link_stub(t, &t->hot, rip);
        return;
    }
    if (save) {
        jit_flags_save(t, &t->cold);
        t->flags = flags;
    }
    if (same_page(t, rip)) {
        emit_jmp_to(&t->cold, emit_here(&t->cold), HOST_NO_REG);
        link_stub(t, &t->cold, rip);
    } else {
        probe_known(t, &t->cold, t->mmu, rip);
    }
}

/* Entry of the jump cache: r15 is twice its number. */
static EmitMem entry_by_r15(const JitTrans *t, size_t field)
{
    return (EmitMem){ .base = HOST_NO_REG,
                      .index = HOST_R15,
                      .scale = 3,
                      .gs = true,
                      .disp = GS_OFF(jump_cache) + (int32_t)t->mmu * JC_STRIDE +
                              (int32_t)field };
}

static void number_into_r15(SoftEmit *e)
{
    emit_lea(e, 4, HOST_R15, emit_at2(HOST_R14, HOST_R14));
    emit_alu_ri(e, EMIT_AND, 4, HOST_R15, (SOFT_JUMP_CACHE_SIZE - 1) * 2);
}

void jit_find_reg(JitTrans *t)
{
    SoftEmit *e = &t->hot, *cold = &t->cold;

    jit_flags_spare(t);
    if (t->live[t->cur]) {
        jit_flags_save(t, e);
    }
    number_into_r15(e);
    emit_alu_rm(e, EMIT_CMP, 8, HOST_R14,
                entry_by_r15(t, offsetof(SoftJumpCacheEntry, rip)));
    emit_jcc_to(e, EMIT_CC_NE, emit_here(cold));
    emit_mov_ri(cold, 8, HOST_R15, jit_site_interp(t));
    emit_jmp_to(cold, t->jit->thunk.exit_interp, HOST_NO_REG);
    jit_scratch_lost(t);
}

void jit_exit_reg(JitTrans *t, bool again)
{
    if (again) {
        number_into_r15(&t->hot);
    }
    emit_jmp_m(&t->hot, entry_by_r15(t, offsetof(SoftJumpCacheEntry, code)));
}
