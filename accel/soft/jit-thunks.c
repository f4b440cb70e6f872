/*
 * The fixed pieces of generated code: into translated blocks, out of them, and
 * from a block to a C function and back.
 *
 * enter() keeps the callee-saved registers of the System V ABI on the stack,
 * remembers the stack pointer in JIT_W_HOST_RSP and loads the guest's
 * registers. Every exit stores them, takes the stack pointer back from there
 * and returns, so that an exit may be made from any depth.
 *
 * A call to C from the middle of a block stores all of the guest's state, as C
 * code may look at all of it, and loads all of it again. Vector registers are
 * stored only if they are loaded (vec_absent is 0).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "jit-internal.h"

/* rbp holds vec_absent across a call to C. */
#define VEC_WAS HOST_RBP
/* A displacement no page has: the next access near by looks up again. */
#define NO_OFFSET (1ull << 62)

static const uint8_t callee_saved[] = { HOST_RBP, HOST_RBX, HOST_R12,
                                        HOST_R13, HOST_R14, HOST_R15 };

static void emit_guest_regs(SoftEmit *e, bool load)
{
    for (unsigned n = 0; n <= HOST_R12; n++) {
        unsigned host = n == HOST_RSP ? HOST_R13 : n;

        if (load) {
            emit_load(e, 8, host, emit_gs(GS_GPR(n)));
        } else {
            emit_store(e, 8, emit_gs(GS_GPR(n)), host);
        }
    }
}

static EmitVec vec_kind(const SoftJIT *jit)
{
    return jit->avx ? EMIT_VEC_V256 : EMIT_VEC_SSE;
}

/* Vector registers and MXCSR of the guest into the host's. Costs r15. */
static void emit_vec_in(const SoftJIT *jit, SoftEmit *e)
{
    for (unsigned n = 0; n < SOFT_VECS; n++) {
        emit_vec_load(e, vec_kind(jit), n,
                      emit_gs(GS_OFF(vec) + (int32_t)n * SOFT_VEC_BYTES));
    }
    emit_load(e, 4, HOST_R15, emit_gs(GS_OFF(mxcsr)));
    emit_alu_ri(e, EMIT_OR, 4, HOST_R15, 0x1f80);
    emit_store(e, 4, emit_gs(GS_WORD(JIT_W_MXCSR)), HOST_R15);
    emit_ldmxcsr(e, emit_gs(GS_WORD(JIT_W_MXCSR)));
    emit_store_i(e, 4, emit_gs(GS_OFF(vec_absent)), 0);
}

/* And back; of MXCSR only the sticky flags have changed. Costs rax. */
static void emit_vec_out(const SoftJIT *jit, SoftEmit *e)
{
    for (unsigned n = 0; n < SOFT_VECS; n++) {
        emit_vec_store(e, vec_kind(jit),
                       emit_gs(GS_OFF(vec) + (int32_t)n * SOFT_VEC_BYTES), n);
    }
    emit_stmxcsr(e, emit_gs(GS_WORD(JIT_W_MXCSR)));
    emit_ldmxcsr(e, emit_gs(GS_WORD(JIT_W_HOST_MXCSR)));
    emit_load(e, 4, HOST_RAX, emit_gs(GS_WORD(JIT_W_MXCSR)));
    emit_alu_ri(e, EMIT_AND, 4, HOST_RAX, 0x3f);
    emit_alu_mr(e, EMIT_OR, 4, emit_gs(GS_OFF(mxcsr)), HOST_RAX);
    emit_store_i(e, 4, emit_gs(GS_OFF(vec_absent)), 1);
    if (jit->avx) {
        emit_vzeroupper(e);
    }
}

typedef struct ThunkMaker {
    SoftJIT *jit;
    SoftEmit e;
    EmitLabel vec_out; /* subroutine: store vectors if they are loaded */
    EmitLabel vec_in;  /* subroutine: load them */
    EmitLabel leave;   /* return to C; the guest's state is stored */
    EmitLabel exit;    /* store it, eax = JitExit, r15 = argument */
} ThunkMaker;

static const uint8_t *thunk_start(ThunkMaker *m)
{
    emit_align(&m->e, 16);
    return emit_here(&m->e);
}

static void make_subroutines(ThunkMaker *m)
{
    EmitLabel none = EMIT_LABEL;

    emit_bind(&m->e, &m->vec_out);
    emit_load(&m->e, 4, VEC_WAS, emit_gs(GS_OFF(vec_absent)));
    emit_test_rr(&m->e, 4, VEC_WAS, VEC_WAS);
    emit_jcc(&m->e, EMIT_CC_NE, &none);
    emit_vec_out(m->jit, &m->e);
    emit_bind(&m->e, &none);
    emit_ret(&m->e);

    emit_align(&m->e, 16);
    emit_bind(&m->e, &m->vec_in);
    emit_vec_in(m->jit, &m->e);
    emit_ret(&m->e);
}

static void make_enter(ThunkMaker *m)
{
    union {
        const uint8_t *code;
        void (*func)(SoftCPU *cpu, const void *code);
    } u = { .code = thunk_start(m) };

    for (unsigned i = 0; i < G_N_ELEMENTS(callee_saved); i++) {
        emit_push(&m->e, callee_saved[i]);
    }
    emit_lea(&m->e, 8, HOST_RSP, emit_at(HOST_RSP, -8));
    emit_store(&m->e, 8, emit_gs(GS_WORD(JIT_W_HOST_RSP)), HOST_RSP);
    emit_mov_rr(&m->e, 8, HOST_R14, HOST_RSI);
    emit_guest_regs(&m->e, true);
    emit_jmp_r(&m->e, HOST_R14);
    m->jit->thunk.enter = u.func;
}

static void make_exit(ThunkMaker *m)
{
    /* The reason is in r14 here, its argument in r15. */
    emit_align(&m->e, 16);
    emit_bind(&m->e, &m->exit);
    emit_store(&m->e, 8, emit_gs(GS_WORD(JIT_W_EXIT)), HOST_R14);
    emit_store(&m->e, 8, emit_gs(GS_WORD(JIT_W_EXIT_ARG)), HOST_R15);
    emit_guest_regs(&m->e, false);
    emit_load(&m->e, 8, HOST_RSP, emit_gs(GS_WORD(JIT_W_HOST_RSP)));
    emit_call(&m->e, &m->vec_out);
    emit_bind(&m->e, &m->leave);
    emit_load(&m->e, 8, HOST_RSP, emit_gs(GS_WORD(JIT_W_HOST_RSP)));
    emit_lea(&m->e, 8, HOST_RSP, emit_at(HOST_RSP, 8));
    for (unsigned i = G_N_ELEMENTS(callee_saved); i-- > 0;) {
        emit_pop(&m->e, callee_saved[i]);
    }
    emit_ret(&m->e);
}

static const uint8_t *make_exit_for(ThunkMaker *m, JitExit reason)
{
    const uint8_t *code = thunk_start(m);

    if (reason == JIT_EXIT_RIP) {
        emit_store(&m->e, 8, emit_gs(GS_OFF(rip)), HOST_R14);
    }
    emit_mov_ri(&m->e, 4, HOST_R14, reason);
    emit_jmp(&m->e, &m->exit);
    return code;
}

static void call_c(ThunkMaker *m, const void *func)
{
    emit_load(&m->e, 8, HOST_RDI, emit_gs(GS_WORD(JIT_W_SELF)));
    emit_lea(&m->e, 8, HOST_RSP, emit_at(HOST_RSP, -8));
    emit_mov_ri(&m->e, 8, HOST_RAX, (uintptr_t)func);
    emit_call_r(&m->e, HOST_RAX);
    emit_lea(&m->e, 8, HOST_RSP, emit_at(HOST_RSP, 8));
}

/* Vectors are loaded again if they were. */
static void reload_vec(ThunkMaker *m)
{
    EmitLabel none = EMIT_LABEL;

    emit_test_rr(&m->e, 4, VEC_WAS, VEC_WAS);
    emit_jcc(&m->e, EMIT_CC_NE, &none);
    emit_call(&m->e, &m->vec_in);
    emit_bind(&m->e, &none);
}

static void make_slow_access(ThunkMaker *m)
{
    EmitLabel next = EMIT_LABEL;
    SoftEmit *e = &m->e;

    m->jit->thunk.slow_access = thunk_start(m);
    emit_guest_regs(e, false);
    emit_call(e, &m->vec_out);
    emit_mov_rr(e, 8, HOST_RSI, HOST_R14);
    emit_mov_rr(e, 8, HOST_RDX, HOST_R15);
    emit_load(e, 8, HOST_RCX, emit_at(HOST_RSP, 0));
    call_c(m, (const void *)jit_slow_access);
    emit_test_rr(e, 8, HOST_RAX, HOST_RAX);
    emit_jcc(e, EMIT_CC_E, &m->leave);
    emit_alu_ri(e, EMIT_CMP, 8, HOST_RAX, JIT_SLOW_NEXT);
    emit_jcc(e, EMIT_CC_E, &next);
    emit_mov_rr(e, 8, HOST_R12, HOST_RAX);
    emit_mov_rr(e, 8, HOST_R14, HOST_RDX);
    reload_vec(m);
    emit_mov_rr(e, 8, HOST_R15, HOST_R12);
    emit_guest_regs(e, true);
    emit_ret(e);

    emit_bind(e, &next);
    emit_store(e, 8, emit_at(HOST_RSP, 0), HOST_RDX);
    reload_vec(m);
    emit_mov_ri(e, 8, HOST_R14, NO_OFFSET);
    emit_guest_regs(e, true);
    emit_push_m(e, emit_gs(GS_WORD(JIT_W_RFLAGS)));
    emit_popf(e);
    emit_ret(e);
}

/* A C function of (cpu, site) that says whether the block goes on. */
static const uint8_t *make_call(ThunkMaker *m,
                                bool (*func)(SoftCPU *cpu, JitSite site))
{
    const uint8_t *code = thunk_start(m);
    SoftEmit *e = &m->e;

    emit_guest_regs(e, false);
    emit_call(e, &m->vec_out);
    emit_mov_rr(e, 8, HOST_RSI, HOST_R15);
    call_c(m, (const void *)func);
    emit_test_rr(e, 1, HOST_RAX, HOST_RAX);
    emit_jcc(e, EMIT_CC_E, &m->leave);
    reload_vec(m);
    emit_guest_regs(e, true);
    emit_ret(e);
    return code;
}

/*
 * The head of a block that needs vectors found exit_request or vec_absent set.
 */
static void make_vec_head(ThunkMaker *m)
{
    SoftEmit *e = &m->e;

    m->jit->thunk.vec_head = thunk_start(m);
    emit_alu_mi(e, EMIT_CMP, 4, emit_gs(GS_OFF(exit_request)), 0);
    emit_jcc_to(e, EMIT_CC_NE, m->jit->thunk.exit_head);
    emit_jmp(e, &m->vec_in);
}

bool jit_thunks_init(SoftJIT *jit, SoftCPU *cpu, Error **errp)
{
    ThunkMaker m = { .jit = jit,
                     .vec_out = EMIT_LABEL,
                     .vec_in = EMIT_LABEL,
                     .leave = EMIT_LABEL,
                     .exit = EMIT_LABEL };
    CodeCache *cc = &jit->cache;
    size_t pos;

    if (!code_cache_reserve(cc, CODE_HOT, &pos)) {
        error_setg(errp, "no room for the translator's trampolines");
        return false;
    }
    emit_init(&m.e, cc->rw + pos, cc->rx + pos, CODE_BLOCK_BYTES_MAX);
    make_enter(&m);
    make_exit(&m);
    make_subroutines(&m);
    jit->thunk.exit_link = make_exit_for(&m, JIT_EXIT_LINK);
    jit->thunk.exit_head = make_exit_for(&m, JIT_EXIT_HEAD);
    jit->thunk.exit_rip = make_exit_for(&m, JIT_EXIT_RIP);
    jit->thunk.exit_interp = make_exit_for(&m, JIT_EXIT_INTERP);
    jit->thunk.exit_fetch = make_exit_for(&m, JIT_EXIT_FETCH);
    make_slow_access(&m);
    jit->thunk.interp = make_call(&m, jit_interp_site);
    jit->thunk.string = make_call(&m, jit_string);
    jit->thunk.x87_head = make_call(&m, jit_x87_enter);
    make_vec_head(&m);
    assert(!m.e.overflow);
    code_cache_commit(cc, CODE_HOT, m.e.pos);
    code_cache_seal(cc);
    jit_perf_map(jit, m.e.rx, m.e.pos, 0, "trampolines:");

    cpu->jit_words[JIT_W_SELF] = (uintptr_t)cpu;
    cpu->jit_words[JIT_W_HOST_MXCSR] = 0x1f80;
    cpu->vec_absent = 1;
    return true;
}
