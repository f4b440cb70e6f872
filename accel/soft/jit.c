/*
 * The translator's run loop: which block is next, what to do when a block
 * returns, and what other parts of the CPU have to tell.
 *
 * A block is looked for in the jump cache, then in the table of blocks by its
 * physical address, then it is made. Most blocks go on to the next by
 * themselves; they return here for a link that is not made yet, a miss of the
 * jump cache, exit_request, or an instruction of the interpreter.
 *
 * While generated code may run, the host's GS base is the SoftCPU. Nothing
 * else in the process uses GS; what it was is put back.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "jit.h"

#include <asm/prctl.h>
#include <sys/auxv.h>
#include <sys/syscall.h>

#include "trace/trace-accel.h"
#include "util/error.h"

#include "interp.h"
#include "jit-internal.h"
#include "native.h"
#include "soft-accel.h"

#define HWCAP2_FSGSBASE_BIT (1ul << 1)

/* Code memory of a CPU, if -accel soft,tb-size= does not say. */
#define JIT_CODE_BYTES (64u << 20)

/* -- the host's GS --------------------------------------------------------- */

static uint64_t gs_base(const SoftJIT *jit)
{
    unsigned long base = 0;

    if (jit->fsgsbase) {
        __asm__ volatile("rdgsbase %0" : "=r"(base));
    } else {
        syscall(SYS_arch_prctl, ARCH_GET_GS, &base);
    }
    return base;
}

static void set_gs_base(const SoftJIT *jit, uint64_t base)
{
    if (jit->fsgsbase) {
        __asm__ volatile("wrgsbase %0" : : "r"(base));
    } else {
        syscall(SYS_arch_prctl, ARCH_SET_GS, base);
    }
}

/* -- modes ------------------------------------------------------------------ */

static bool is_flat_data(const SoftSegment *s)
{
    uint32_t want = SOFT_SEG_P | SOFT_SEG_S | SOFT_SEG_W;

    return (s->attr & (want | SOFT_SEG_CODE | SOFT_SEG_E)) == want &&
           s->limit == UINT32_MAX;
}

uint32_t jit_mode_key(const SoftCPU *cpu)
{
    uint32_t key = cpu->mode_flags;

    if (!(key & SOFT_MODE_CS64)) {
        key |= is_flat_data(&cpu->seg[X86_FS]) ? JIT_KEY_FS_FLAT : 0;
        key |= is_flat_data(&cpu->seg[X86_GS]) ? JIT_KEY_GS_FLAT : 0;
    }
    if (~cpu->mxcsr & 0x1f80) {
        key |= JIT_KEY_XM;
    }
    if ((cpu->cr4 & SOFT_CR4_TSD) && (key & SOFT_MODE_CPL)) {
        key |= JIT_KEY_TSD;
    }
    if (cpu->cr4 & SOFT_CR4_SMAP) {
        key |= JIT_KEY_SMAP;
    }
    return key;
}

static bool mode_usable(uint32_t mode)
{
    if ((mode & SOFT_MODE_STEP) || (mode & SOFT_MODE_AC)) {
        return false;
    }
    if (mode & SOFT_MODE_CS64) {
        return true;
    }
    return (mode & SOFT_MODE_PE) && (mode & SOFT_MODE_CS32) &&
           (mode & SOFT_MODE_SS32) && (mode & SOFT_MODE_FLAT);
}

static bool jit_usable(const SoftCPU *cpu)
{
    return mode_usable(cpu->mode_flags);
}

/* -- the jump cache ---------------------------------------------------------- */

/* An empty entry has an address that is looked for elsewhere. */
static void clear_entry(SoftJumpCacheEntry *slot, uint64_t i)
{
    slot[i].rip = ~i;
}

static void clear_slot(SoftCPU *cpu, SoftMMU mmu)
{
    SoftJumpCacheEntry *e = cpu->jump_cache[mmu];
    JitSlot *slot = &cpu->jit->slot[mmu];

    if (slot->n_filled <= JIT_SLOT_LOG) {
        for (unsigned i = 0; i < slot->n_filled; i++) {
            clear_entry(e, slot->filled[i]);
        }
    } else {
        for (uint64_t i = 0; i < SOFT_JUMP_CACHE_SIZE; i++) {
            clear_entry(e, i);
        }
    }
    slot->n_filled = 0;
    slot->local = false;
}

/* @global: also what stands on global pages. */
static void clear_jump_cache(SoftCPU *cpu, bool global)
{
    for (unsigned mmu = 0; mmu < SOFT_MMU_COUNT; mmu++) {
        if (global || cpu->jit->slot[mmu].local) {
            clear_slot(cpu, (SoftMMU)mmu);
        }
    }
}

static SoftJumpCacheEntry *jump_cache_entry(SoftCPU *cpu, SoftMMU mmu,
                                            uint64_t rip)
{
    return &cpu->jump_cache[mmu][rip % SOFT_JUMP_CACHE_SIZE];
}

static void forget_page(SoftCPU *cpu, uint64_t linear)
{
    for (unsigned mmu = 0; mmu < SOFT_MMU_COUNT; mmu++) {
        SoftJumpCacheEntry *e = cpu->jump_cache[mmu];

        for (uint64_t i = 0;
             cpu->jit->slot[mmu].n_filled && i < SOFT_JUMP_CACHE_SIZE; i++) {
            if ((e[i].rip ^ linear) >> SOFT_PAGE_BITS == 0) {
                clear_entry(e, i);
            }
        }
    }
}

static void fill_entry(SoftCPU *cpu, SoftMMU mmu, SoftJumpCacheEntry *e,
                       const uint8_t *code, bool local)
{
    JitSlot *slot = &cpu->jit->slot[mmu];

    if (slot->n_filled < JIT_SLOT_LOG) {
        slot->filled[slot->n_filled] =
            (uint16_t)(cpu->rip % SOFT_JUMP_CACHE_SIZE);
    }
    slot->n_filled = MIN(slot->n_filled + 1, JIT_SLOT_LOG + 1);
    slot->local |= local;
    e->rip = cpu->rip;
    e->code = (void *)(uintptr_t)code;
}

/* -- blocks ------------------------------------------------------------------ */

static void patch_jump(CodeCache *cc, uint32_t field, uint32_t target)
{
    int32_t rel = (int32_t)(target - (field + 4));

    memcpy(cc->rw + field, &rel, sizeof(rel));
}

/* Whoever still knows the block comes back here instead. */
static void make_stale(const TBlock *b, void *opaque)
{
    CodeCache *cc = opaque;

    cc->rw[b->head] = 0xe9;
    patch_jump(cc, b->head + 1, b->stale);
    cc->rw[b->body] = 0xe9;
    patch_jump(cc, b->body + 1, b->stale);
}

static void jit_flush(SoftCPU *cpu)
{
    SoftJIT *jit = cpu->jit;

    trace_soft_jit_flush(cpu->base.index, jit->tb.n_blocks,
                         code_cache_used(&jit->cache));
    clear_jump_cache(cpu, true);
    tb_reset(&jit->tb);
    g_clear_pointer(&jit->insn, g_free);
    jit->n_insns = jit->max_insns = 0;
    code_cache_reset(&jit->cache);
    jit->flush_wanted = false;
    jit->n_flushes++;
}

/* The block at rip, made if there is none. TB_NONE: an exception is pending,
 * or the interpreter's turn. */
static uint32_t find_block(SoftCPU *cpu, uint32_t key)
{
    SoftJIT *jit = cpu->jit;
    const uint8_t *host;
    uint64_t gpa;
    uint32_t i;

    if (!soft_code_ptr(cpu, cpu->rip, &gpa, &host) || gpa == SOFT_NO_GPA) {
        return TB_NONE;
    }
    i = tb_find(&jit->tb, gpa, cpu->rip, key);
    if (i == TB_NONE) {
        i = jit_translate(cpu, key, gpa, host);
        if (i == TB_NONE && jit->flush_wanted) {
            jit_flush(cpu);
            i = jit_translate(cpu, key, gpa, host);
        }
    }
    return i;
}

/* Does the page of rip survive a load of CR3? */
static bool on_global_page(const SoftCPU *cpu, SoftMMU mmu)
{
    uint64_t index = cpu->rip >> SOFT_PAGE_BITS & ((1u << cpu->tlb_bits) - 1);

    return cpu->tlb[mmu][index].tag_x == (cpu->rip & SOFT_PAGE_MASK) &&
           (cpu->tlb_info[mmu][index].gpa & SOFT_TLBI_GLOBAL);
}

/* Code to enter at rip, or NULL as find_block(). */
static const uint8_t *find_code(SoftCPU *cpu, uint32_t key)
{
    SoftJIT *jit = cpu->jit;
    SoftMMU mmu = soft_mmu_mode(key);
    SoftJumpCacheEntry *e = jump_cache_entry(cpu, mmu, cpu->rip);
    uint32_t i;

    if (cpu->jit_words[JIT_W_SLOT_KEY + mmu] != key) {
        clear_slot(cpu, mmu);
        cpu->jit_words[JIT_W_SLOT_KEY + mmu] = key;
    } else if (e->rip == cpu->rip) {
        return e->code;
    }
    i = find_block(cpu, key);
    if (i == TB_NONE) {
        return NULL;
    }
    fill_entry(cpu, mmu, e, jit->cache.rx + jit->tb.block[i].head,
               !on_global_page(cpu, mmu));
    return e->code;
}

/* -- returns from generated code ---------------------------------------------- */

static void set_page_rip(SoftCPU *cpu, uint32_t block, unsigned offset)
{
    cpu->rip = (cpu->jit->tb.block[block].rip & SOFT_PAGE_MASK) | offset;
}

/* The target of a link is wanted: find it and let the jump lead there. */
static void make_link(SoftCPU *cpu, uint32_t n)
{
    SoftJIT *jit = cpu->jit;
    TBLink link = jit->tb.link[n];
    uint32_t key = jit->tb.block[link.block].key;
    uint64_t flushes = jit->n_flushes;
    uint32_t i;

    set_page_rip(cpu, link.block, link.target);
    i = find_block(cpu, key);
    if (i != TB_NONE && flushes == jit->n_flushes &&
        jit->tb.block[link.block].valid) {
        const TBlock *b = &jit->tb.block[i];

        patch_jump(&jit->cache, link.field,
                   link.checked || b->vec ? b->head : b->body);
    }
}

static void block_refused(SoftCPU *cpu, uint32_t n)
{
    const TBlock *b = &cpu->jit->tb.block[n];

    cpu->rip = b->rip;
    if (!b->valid) {
        SoftJumpCacheEntry *e =
            jump_cache_entry(cpu, soft_mmu_mode(b->key), b->rip);

        if (e->rip == b->rip) {
            e->rip = ~(b->rip % SOFT_JUMP_CACHE_SIZE);
        }
    }
}

/* The interpreter executes the instruction at rip. */
static bool interpret(SoftCPU *cpu)
{
    cpu->jit->n_interp++;
    cpu->jit_words[JIT_W_X87_OK] = 0;
    return soft_interp_one(cpu);
}

/* Returns: false if an exception is pending. */
static bool handle_exit(SoftCPU *cpu)
{
    SoftJIT *jit = cpu->jit;
    uint64_t arg = cpu->jit_words[JIT_W_EXIT_ARG];
    JitExit reason = (JitExit)cpu->jit_words[JIT_W_EXIT];

    jit_x87_hand_over(cpu);
    if (reason != JIT_EXIT_C) {
        jit_flags_to_cpu(cpu);
    }
    switch (reason) {
    case JIT_EXIT_LINK:
        make_link(cpu, (uint32_t)arg);
        break;
    case JIT_EXIT_HEAD:
        block_refused(cpu, (uint32_t)arg);
        break;
    case JIT_EXIT_RIP:
        break;
    case JIT_EXIT_INTERP:
        set_page_rip(cpu, jit_site_block(arg), jit_site_offset(arg));
        cpu->jit_words[JIT_W_X87_OK] = 0;
        return jit_interpret(cpu, arg);
    case JIT_EXIT_FETCH:
        cpu->rip = jit->tb.block[arg].rip;
        return interpret(cpu);
    case JIT_EXIT_C:
        for (; jit->interp_count; jit->interp_count--) {
            if (!interpret(cpu)) {
                jit->interp_count = 0;
                return false;
            }
        }
        break;
    }
    return !cpu->exception.pending;
}

/* Returns: false if an exception is to be delivered. */
static bool run_blocks(SoftCPU *cpu)
{
    SoftJIT *jit = cpu->jit;

    cpu->jit_words[JIT_W_X87_OK] = 0;
    while (!qatomic_read(&cpu->exit_request)) {
        uint32_t key = jit_mode_key(cpu);
        const uint8_t *code;

        if (!mode_usable(key)) {
            return true;
        }
        if (jit->flush_wanted) {
            jit_flush(cpu);
        }
        code = find_code(cpu, key);
        if (code) {
            jit_flags_from_cpu(cpu);
            jit->thunk.enter(cpu, code);
            if (!handle_exit(cpu)) {
                return false;
            }
        } else if (cpu->exception.pending || !interpret(cpu)) {
            return false;
        }
    }
    return true;
}

static bool jit_run(SoftCPU *cpu)
{
    SoftJIT *jit = cpu->jit;
    uint64_t old = gs_base(jit);
    bool ok;

    set_gs_base(jit, (uintptr_t)cpu);
    ok = run_blocks(cpu);
    set_gs_base(jit, old);
    return ok;
}

/* -- perf(1) --------------------------------------------------------------------- */

static void perf_map_open(SoftJIT *jit)
{
    g_autofree char *path = g_strdup_printf("/tmp/perf-%d.map", (int)getpid());
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC,
                  0600);

    jit->perf_map = fd < 0 ? NULL : fdopen(fd, "a");
}

void jit_perf_map(SoftJIT *jit, const void *code, size_t bytes, uint64_t rip,
                  const char *what)
{
    if (jit->perf_map) {
        fprintf(jit->perf_map, "%" PRIxPTR " %zx %s%" PRIx64 "\n",
                (uintptr_t)code, bytes, what, rip);
        fflush(jit->perf_map);
    }
}

/* -- life ---------------------------------------------------------------------- */

static void jit_vcpu_free(SoftCPU *cpu)
{
    SoftJIT *jit = cpu->jit;

    if (jit) {
        if (jit->perf_map) {
            fclose(jit->perf_map);
        }
        tb_deinit(&jit->tb);
        g_free(jit->insn);
        code_cache_deinit(&jit->cache);
        g_free(jit->trans);
        g_clear_pointer(&cpu->jit, g_free);
    }
}

static bool jit_vcpu_new(SoftCPU *cpu, Error **errp)
{
    uint64_t bytes = soft_accel_of(cpu)->tb_size_mib << 20;
    SoftJIT *jit = g_new0(SoftJIT, 1);

    cpu->jit = jit;
    jit->fsgsbase = getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE_BIT;
    jit->trans = g_new0(JitTrans, 1);
    if (soft_accel_of(cpu)->perf_map) {
        perf_map_open(jit);
    }
    tb_init(&jit->tb);
    if (!code_cache_init(&jit->cache, bytes ? bytes : JIT_CODE_BYTES, errp)) {
        jit_vcpu_free(cpu);
        return false;
    }
    for (unsigned mmu = 0; mmu < SOFT_MMU_COUNT; mmu++) {
        jit->slot[mmu].n_filled = JIT_SLOT_LOG + 1;
        clear_slot(cpu, (SoftMMU)mmu);
    }
    return true;
}

/* Later than vcpu_new, as the CPU model is known now. */
static bool jit_thread_init(SoftCPU *cpu, Error **errp)
{
    cpu->jit->avx = soft_has(cpu, SOFT_F_AVX);
    return jit_thunks_init(cpu->jit, cpu, errp);
}

static void jit_invalidate_page(SoftCPU *cpu, uint64_t page)
{
    tb_invalidate_page(&cpu->jit->tb, page, make_stale, &cpu->jit->cache);
}

static void jit_invalidate_all(SoftCPU *cpu)
{
    cpu->jit->flush_wanted = true;
}

static void jit_tlb_flushed(SoftCPU *cpu, uint64_t linear)
{
    if (linear == SOFT_NO_LINEAR || linear == SOFT_LOCAL_LINEAR) {
        clear_jump_cache(cpu, linear == SOFT_NO_LINEAR);
    } else {
        forget_page(cpu, linear);
    }
}

const SoftTranslator *soft_jit_translator(Error **errp)
{
    static const SoftTranslator translator = {
        .vcpu_new = jit_vcpu_new,
        .vcpu_free = jit_vcpu_free,
        .thread_init = jit_thread_init,
        .usable = jit_usable,
        .run = jit_run,
        .invalidate_page = jit_invalidate_page,
        .invalidate_all = jit_invalidate_all,
        .tlb_flushed = jit_tlb_flushed,
    };
    CodeCache probe;

    /* May memory be mapped for execution here? */
    if (!code_cache_init(&probe, CODE_CACHE_BYTES_MIN, errp)) {
        return NULL;
    }
    code_cache_deinit(&probe);
    return &translator;
}
