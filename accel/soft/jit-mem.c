/*
 * Memory operands: from the effective address to a host address.
 *
 *     lea  r14, [operand]
 *     mov  r15, r14
 *     shr  r15, 7
 *     and  r15d, (entries - 1) * 32
 *     sub  r14, gs:[r15 + tag]          the tag is the page's address
 *     cmp  r14, 4096 - size
 *     ja   slow
 *     mov  r15, gs:[r15 + host]
 *     op   [r14 + r15]
 *
 * An address that is known now needs only the compare with the tag and the
 * load of the host address. And after a lookup, r14 and r15 are good for
 * everything else on that page: the next access with the same base register,
 * or a push after a push, adds the difference of displacements to r14 and
 * checks the bound again.
 *
 * The slow side calls jit_slow_access(). It fills the TLB and goes on with the
 * access, or has the interpreter do the whole instruction and goes on behind
 * it, or leaves the block because of an exception.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "jit-internal.h"

/* An access as near as this to the last is looked for on the same page. */
#define REUSE_REACH 2048

#define TLB_STRIDE ((int32_t)sizeof(((SoftCPU *)0)->tlb[0]))

JitSite jit_site(const JitTrans *t)
{
    return t->block | (JitSite)(jit_rip(t) & 0xfff) << 32;
}

JitSite jit_site_interp(JitTrans *t)
{
    SoftJIT *jit = t->jit;

    if (jit->n_insns == jit->max_insns) {
        jit->max_insns = jit->max_insns ? jit->max_insns * 2 : 256;
        jit->insn = g_renew(SoftInsn, jit->insn, jit->max_insns);
    }
    jit->insn[jit->n_insns] = *jit_insn(t);
    return jit_site(t) | (JitSite)jit->n_insns++ << 44;
}

/* Of entry 0 of the bank that the access looks at. */
static int32_t tlb_field(const JitTrans *t, const JitAccess *a, size_t field)
{
    unsigned bank = t->mmu;

#ifdef SOFT_TLB_WRITE_BANK
    bank += a->flags & JIT_SITE_WRITE ? SOFT_TLB_WRITE_BANK : 0;
#endif
    return GS_OFF(tlb) + (int32_t)bank * TLB_STRIDE + (int32_t)field;
}

static int32_t tag_of(const JitTrans *t, const JitAccess *a)
{
    return tlb_field(t, a,
                     a->flags & JIT_SITE_WRITE ? offsetof(SoftTLBEntry, tag_w)
                                               : offsetof(SoftTLBEntry, tag_r));
}

/* Is the effective address known now? */
static bool known_address(const JitTrans *t, const SoftInsn *in,
                          uint64_t *ret_ea)
{
    uint64_t ea = (uint64_t)in->disp;

    if (in->base != SOFT_NO_REG || in->index != SOFT_NO_REG) {
        return false;
    }
    if (in->attrs & SOFT_A_RIP) {
        ea += jit_next_rip(t);
    }
    *ret_ea = in->addr_bytes == 8 ? ea : (uint32_t)ea;
    return true;
}

/* A register of an address: where it is, or loaded into @scratch. Cold code
 * runs when nothing is held. */
static unsigned address_reg(JitTrans *t, SoftEmit *e, unsigned n,
                            unsigned scratch)
{
    unsigned host = e == &t->hot ? jit_held(t, n) : HOST_NO_REG;

    return host != HOST_NO_REG ? host : jit_reg(e, n, scratch);
}

void jit_ea(JitTrans *t, SoftEmit *e)
{
    const SoftInsn *in = jit_insn(t);
    EmitMem m = { .base = HOST_NO_REG, .index = HOST_NO_REG };
    bool swap = e == &t->hot && (jit_held(t, in->index) == HOST_R14 ||
                                 jit_held(t, in->base) == HOST_R15);
    uint64_t ea;

    if (known_address(t, in, &ea)) {
        emit_mov_ri(e, 8, HOST_R14, ea);
        return;
    }
    if (in->base != SOFT_NO_REG) {
        m.base = address_reg(t, e, in->base, swap ? HOST_R15 : HOST_R14);
    }
    if (in->index != SOFT_NO_REG) {
        m.index = address_reg(t, e, in->index, swap ? HOST_R14 : HOST_R15);
        m.scale = in->scale;
    }
    m.disp = (int32_t)in->disp;
    emit_lea(e, in->addr_bytes, HOST_R14, m);
}

/* To the linear address. Costs flags. */
static void add_segment(JitTrans *t, SoftEmit *e)
{
    const SoftInsn *in = jit_insn(t);

    if (in->seg >= X86_FS) {
        emit_alu_rm(
            e, EMIT_ADD, t->code64 ? 8 : 4, HOST_R14,
            emit_gs(GS_OFF(seg) + in->seg * (int32_t)sizeof(SoftSegment)));
    }
}

bool jit_can_address(const JitTrans *t)
{
    const SoftInsn *in = jit_insn(t);
    uint64_t ea;

    if (in->addr_bytes == 2 || (in->attrs & SOFT_A_VSIB) ||
        (in->seg == X86_CS && !t->code64)) { /* not writable, perhaps not
                                                readable */
        return false;
    }
    if (in->seg >= X86_FS && !t->code64 &&
        !(t->key & (in->seg == X86_FS ? JIT_KEY_FS_FLAT : JIT_KEY_GS_FLAT))) {
        return false;
    }
    /* What is known to need the slow side is not worth a fast one. */
    return !known_address(t, in, &ea) || in->seg >= X86_FS ||
           ((ea & 0xfff) + in->mem_bytes <= SOFT_PAGE_BYTES &&
            !((in->attrs & SOFT_A_ALIGN) && (ea & (in->mem_bytes - 1u))));
}

static void miss_if(JitTrans *t, JitAccess *a, EmitCond cc)
{
    emit_jcc_to(&t->hot, cc, emit_here(&t->cold));
    a->miss[a->n_miss++] = emit_rel32_pos(&t->hot);
}

static void check_offset(JitTrans *t, JitAccess *a)
{
    SoftEmit *e = &t->hot;

    emit_alu_ri(e, EMIT_CMP, 8, HOST_R14, (int32_t)(SOFT_PAGE_BYTES - a->size));
    miss_if(t, a, EMIT_CC_A);
    if (a->flags & JIT_SITE_ALIGN) {
        emit_test_ri(e, 1, HOST_R14, (int32_t)(a->size - 1));
        miss_if(t, a, EMIT_CC_NE);
    }
}

/* r14 = linear address; afterwards [r14 + r15] is the operand. */
static void look_up(JitTrans *t, JitAccess *a)
{
    SoftEmit *e = &t->hot;
    EmitMem entry = { .base = HOST_R15, .index = HOST_NO_REG, .gs = true };
    int32_t mask =
        (int32_t)((1u << t->cpu->tlb_bits) - 1) * (int32_t)sizeof(SoftTLBEntry);

    emit_mov_rr(e, 8, HOST_R15, HOST_R14);
    emit_shift_ri(e, EMIT_SHR, 8, HOST_R15, 7);
    emit_alu_ri(e, EMIT_AND, 4, HOST_R15, mask);
    entry.disp = tag_of(t, a);
    emit_alu_rm(e, EMIT_SUB, 8, HOST_R14, entry);
    check_offset(t, a);
    entry.disp = tlb_field(t, a, offsetof(SoftTLBEntry, host));
    emit_load(e, 8, HOST_R15, entry);
    a->hit = e->pos;
    a->mem = emit_at2(HOST_R14, HOST_R15);
    t->reuse.valid = false;
}

static void look_up_known(JitTrans *t, JitAccess *a, uint64_t linear)
{
    SoftEmit *e = &t->hot;
    uint64_t page = linear & SOFT_PAGE_MASK;
    int32_t entry =
        (int32_t)((linear >> SOFT_PAGE_BITS & ((1u << t->cpu->tlb_bits) - 1)) *
                  sizeof(SoftTLBEntry));
    EmitMem tag = emit_gs(entry + tag_of(t, a));

    a->addr = JIT_ADDR_CONST;
    a->linear = linear;
    if (page == (uint64_t)(int64_t)(int32_t)page) {
        emit_alu_mi(e, EMIT_CMP, 8, tag, (int32_t)page);
    } else {
        emit_mov_ri(e, 8, HOST_R14, page);
        emit_alu_rm(e, EMIT_CMP, 8, HOST_R14, tag);
    }
    miss_if(t, a, EMIT_CC_NE);
    emit_load(e, 8, HOST_R15,
              emit_gs(entry + tlb_field(t, a, offsetof(SoftTLBEntry, host))));
    a->hit = e->pos;
    a->mem = emit_at(HOST_R15, (int32_t)(linear & 0xfff));
    t->reuse.valid = false;
}

/*
 * An access to guest register @base + @disp: near the last one, or by a lookup
 * that is remembered. r14 is set only if it has to be looked up.
 */
static bool reuse(JitTrans *t, JitAccess *a, unsigned base, unsigned addr_bytes,
                  int64_t disp)
{
    JitReuse *r = &t->reuse;
    bool write = a->flags & JIT_SITE_WRITE;
    int64_t delta = disp - r->disp;

    if (!r->valid || r->base != base || r->addr_bytes != addr_bytes ||
        (write && !r->write) || delta <= -REUSE_REACH || delta >= REUSE_REACH) {
        return false;
    }
    if (delta) {
        emit_lea(&t->hot, 8, HOST_R14, emit_at(HOST_R14, (int32_t)delta));
    }
    if (r->write && !write) {
        a->flags |= JIT_SITE_REUSE_W;
    }
    check_offset(t, a);
    a->hit = t->hot.pos;
    a->mem = emit_at2(HOST_R14, HOST_R15);
    r->disp = disp;
    return true;
}

static void remember(JitTrans *t, const JitAccess *a, unsigned base,
                     unsigned addr_bytes, int64_t disp)
{
    t->reuse = (JitReuse){ .valid = true,
                           .write = a->flags & JIT_SITE_WRITE,
                           .base = (uint8_t)base,
                           .addr_bytes = (uint8_t)addr_bytes,
                           .disp = disp };
}

void jit_access(JitTrans *t, unsigned size, bool write, JitAccess *a)
{
    const SoftInsn *in = jit_insn(t);
    bool plain =
        in->base != SOFT_NO_REG && in->index == SOFT_NO_REG && in->seg < X86_FS;
    uint64_t ea;

    *a = (JitAccess){ .addr = JIT_ADDR_INSN, .size = size };
    a->flags = write ? JIT_SITE_WRITE : 0;
    if (in->attrs & SOFT_A_ALIGN) {
        a->flags |= JIT_SITE_ALIGN;
    }
    jit_flags_spare(t);
    jit_held_flush(t);
    if (known_address(t, in, &ea) && in->seg < X86_FS) {
        jit_held_forget(t);
        look_up_known(t, a, t->code64 ? ea : (uint32_t)ea);
        return;
    }
    if (plain && reuse(t, a, in->base, in->addr_bytes, in->disp)) {
        return;
    }
    jit_ea(t, &t->hot);
    jit_held_forget(t);
    add_segment(t, &t->hot);
    look_up(t, a);
    if (plain) {
        remember(t, a, in->base, in->addr_bytes, in->disp);
    }
}

void jit_access_stack(JitTrans *t, int32_t disp, unsigned size, bool write,
                      JitAccess *a)
{
    unsigned addr_bytes = t->code64 ? 8 : 4;

    *a = (JitAccess){ .addr = JIT_ADDR_STACK, .size = size, .disp = disp };
    a->flags = write ? JIT_SITE_WRITE : 0;
    jit_flags_spare(t);
    if (reuse(t, a, X86_RSP, addr_bytes, disp)) {
        return;
    }
    emit_lea(&t->hot, addr_bytes, HOST_R14, emit_at(HOST_R13, disp));
    look_up(t, a);
    remember(t, a, X86_RSP, addr_bytes, disp);
}

void jit_access_temp(JitTrans *t, unsigned size, bool write, JitAccess *a)
{
    *a = (JitAccess){ .addr = JIT_ADDR_TEMP, .size = size };
    a->flags = write ? JIT_SITE_WRITE : 0;
    jit_flags_spare(t);
    emit_store(&t->hot, 8, emit_gs(GS_WORD(JIT_W_TEMP)), HOST_R14);
    look_up(t, a);
}

/* The linear address once more, from what the guest's registers still are. */
static void address_again(JitTrans *t, const JitAccess *a)
{
    SoftEmit *e = &t->cold;

    switch (a->addr) {
    case JIT_ADDR_INSN:
        jit_ea(t, e);
        add_segment(t, e);
        break;
    case JIT_ADDR_STACK:
        emit_lea(e, t->code64 ? 8 : 4, HOST_R14, emit_at(HOST_R13, a->disp));
        break;
    case JIT_ADDR_CONST:
        emit_mov_ri(e, 8, HOST_R14, a->linear);
        break;
    case JIT_ADDR_TEMP:
        emit_load(e, 8, HOST_R14, emit_gs(GS_WORD(JIT_W_TEMP)));
        break;
    }
}

void jit_access_end(JitTrans *t, const JitAccess *a)
{
    SoftEmit *e = &t->cold;
    JitSite site = jit_site(t) | a->flags | (JitSite)a->size << 44;

    if (t->hot.overflow) {
        return;
    }
    for (unsigned i = 0; i < a->n_miss; i++) {
        emit_patch_rel32(&t->hot, a->miss[i], emit_here(e));
    }
    address_again(t, a);
    if (jit_insn(t)->cls == SOFT_CLASS_CONTROL) {
        site |= JIT_SITE_LEAVE;
    }
    emit_mov_ri(e, 8, HOST_R15, site);
    emit_call_to(e, t->jit->thunk.slow_access, HOST_NO_REG);
    emit_jmp_to(e, t->hot.rx + a->hit, HOST_NO_REG);
    /* Behind the jump, for jit_slow_access(): how far the next instruction is,
     * or that code follows which leads there. */
    if (!t->held[0].guest && !t->held[1].guest) {
        emit_u16(e, (uint16_t)(t->hot.pos - a->hit));
        return;
    }
    emit_u16(e, JIT_NEXT_HERE);
    jit_held_reload(t, e);
    emit_jmp_to(e, emit_here(&t->hot), HOST_NO_REG);
}

void jit_base_changed(JitTrans *t, unsigned n, int64_t delta)
{
    if (t->reuse.valid && t->reuse.base == n) {
        t->reuse.disp -= delta;
    }
}

void jit_regs_changed(JitTrans *t, uint16_t mask)
{
    if (t->reuse.valid && (mask >> t->reuse.base & 1)) {
        t->reuse.valid = false;
    }
}
