/*
 * What the files of the translator share.
 *
 * Registers inside of generated code:
 *
 *     rax rcx rdx rbx rbp rsi rdi r8-r12   the guest's of the same name
 *     r13                                  the guest's rsp
 *     r14, r15                             scratch; after a lookup: offset in
 *                                          the page, host address of the page
 *     rsp                                  the host's stack, 16-byte aligned
 *     gs                                   the SoftCPU: its members are
 *                                          gs:[offset]
 *     CF PF AF ZF SF OF                    the guest's, or nothing (see below)
 *     xmm/ymm 0-15, MXCSR                  the guest's if vec_absent is 0, with
 *                                          all exceptions masked
 *     x87/MMX                              the guest's if x87_live
 *
 * The guest's r13, r14 and r15 stay in SoftCPU.gpr[].
 *
 * Flags. Between blocks the guest's arithmetic flags stand in a word of the
 * SoftCPU, JIT_W_FLAGS, in the form of LAHF and SETO: AL = OF, AH = SF ZF 0 AF
 * 0 PF 1 CF. Inside of a block they are in the host's flags, in that word, or
 * in both, which the translator knows (JitFlags). A memory access costs the
 * host's flags, so they are saved before one if, and only if, somebody later
 * reads them before they are written again. Where flags are dead in that sense
 * an exception frame may hold older ones.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef ACCEL_SOFT_JIT_INTERNAL_H
#define ACCEL_SOFT_JIT_INTERNAL_H

#include "code-cache.h"
#include "emit.h"
#include "insn.h"
#include "mem.h"
#include "soft-cpu.h"
#include "tb.h"

/* Instructions in one block, and of guest code looked at for one. */
#define JIT_INSNS_MAX 48
#define JIT_BYTES_MAX 512
/* How far a successor is read to learn which flags it needs. */
#define JIT_PEEK_MAX 8

/* Words of SoftCPU.jit_words. */
enum {
    JIT_W_FLAGS,      /* see above; 16 bits */
    JIT_W_TEMP,       /* a value across a second lookup */
    JIT_W_RAX,        /* rax while flags are moved */
    JIT_W_HOST_RSP,   /* the stack of generated code */
    JIT_W_SELF,       /* the SoftCPU's address */
    JIT_W_HOST_MXCSR, /* 32 bits */
    JIT_W_MXCSR,      /* 32 bits: scratch for LDMXCSR and STMXCSR */
    JIT_W_RFLAGS,     /* flags after an interpreted instruction, for POPF */
    JIT_W_EXIT,       /* JitExit */
    JIT_W_EXIT_ARG,   /* its argument */
    JIT_W_X87_OK,     /* x87_live, and its exceptions are all masked */
    JIT_W_X87_RIP,    /* of the last x87 instruction; 0: none since the last */
    JIT_W_SLOT_KEY,   /* what jump_cache[] is for: one word for each SoftMMU */
};

#define GS_OFF(member) ((int32_t)offsetof(SoftCPU, member))
#define GS_GPR(n)      (GS_OFF(gpr) + 8 * (int32_t)(n))
#define GS_WORD(n)     (GS_OFF(jit_words) + 8 * (int32_t)(n))

/* Why generated code returned to C, and what JIT_W_EXIT_ARG is then. */
typedef enum JitExit {
    JIT_EXIT_LINK,   /* number of the TBLink whose target is wanted */
    JIT_EXIT_HEAD,   /* number of the block; it was not entered */
    JIT_EXIT_RIP,    /* go on at rip, which was stored */
    JIT_EXIT_INTERP, /* JitSite: the instruction there is for the interpreter */
    JIT_EXIT_FETCH,  /* number of the block: its code is to be fetched anew */
    JIT_EXIT_C,      /* a C function called by the code has set everything */
} JitExit;

/*
 * A place in the guest's code, as generated code hands it to C: the block in
 * bits 0..31, the offset in the page in bits 32..43. Of an access, its size is
 * in bits 44..50, JIT_SITE_* above; of an instruction for the interpreter, the
 * number of its decoded form (SoftJIT.insn) is in bits 44..63.
 */
typedef uint64_t JitSite;

#define JIT_SITE_WRITE ((JitSite)1 << 51)   /* or read-modify-write */
#define JIT_SITE_ALIGN ((JitSite)1 << 52)   /* must be aligned to its size */
#define JIT_SITE_LEAVE ((JitSite)1 << 53)   /* a branch: not followed by the */
                                            /* next instruction */
#define JIT_SITE_REUSE_W ((JitSite)1 << 54) /* a read whose page later writes */
                                            /* take for one they may use */

static inline uint32_t jit_site_block(JitSite s)
{
    return (uint32_t)s;
}

static inline unsigned jit_site_offset(JitSite s)
{
    return s >> 32 & 0xfff;
}

static inline uint32_t jit_site_insn(JitSite s)
{
    return (uint32_t)(s >> 44);
}

static inline unsigned jit_site_size(JitSite s)
{
    return s >> 44 & 0x7f;
}

#define JIT_SITE_INSNS_MAX (1u << 20)

/* Bits of a block's key beside those of mode_flags. */
#define JIT_KEY_MODE    ((1u << 22) - 1)
#define JIT_KEY_SMAP    (1u << 27)
#define JIT_KEY_FS_FLAT (1u << 28) /* outside of 64-bit code: no limit, */
#define JIT_KEY_GS_FLAT (1u << 29) /* writable */
#define JIT_KEY_XM      (1u << 30) /* MXCSR unmasks an exception */
#define JIT_KEY_TSD     (1u << 31) /* RDTSC is not plain */

typedef struct JitThunks {
    void (*enter)(SoftCPU *cpu, const void *code);
    const uint8_t *exit_link;   /* r15 = link */
    const uint8_t *exit_head;   /* r15 = block */
    const uint8_t *exit_rip;    /* r14 = rip */
    const uint8_t *exit_interp; /* r15 = site */
    const uint8_t *exit_fetch;  /* r15 = block */
    const uint8_t *slow_access; /* call; r14 = linear address, r15 = site */
    const uint8_t *interp;      /* call; r15 = site */
    const uint8_t *string;      /* call; r15 = site */
    const uint8_t *vec_head;    /* call; r15 = block */
    const uint8_t *x87_head;    /* call; r15 = site */
} JitThunks;

/* What is known of jump_cache[mmu], so that clearing it costs little. */
#define JIT_SLOT_LOG 255
typedef struct JitSlot {
    unsigned n_filled; /* entries since it was clear; JIT_SLOT_LOG + 1: more */
    bool local;        /* some stand on a page that is not global */
    uint16_t filled[JIT_SLOT_LOG];
} JitSlot;

typedef struct SoftJIT {
    CodeCache cache;
    TBTable tb;
    JitThunks thunk;
    bool fsgsbase;  /* RDGSBASE and WRGSBASE may be used */
    SoftInsn *insn; /* for the interpreter; dropped with the blocks */
    uint32_t n_insns;
    uint32_t max_insns;
    bool avx;              /* the guest's vectors are 32 bytes wide */
    FILE *perf_map;        /* (nullable) tell perf(1) of the code */
    bool flush_wanted;     /* drop everything before the next block */
    unsigned interp_count; /* instructions to interpret after leaving */
    JitSlot slot[SOFT_MMU_COUNT];
    bool
        slot_local[SOFT_MMU_COUNT]; /* anything on a page that is not global? */
    SoftDecodeMode mode;            /* of the block under translation */
    struct JitTrans *trans;         /* room for it */

    /* Counters for `info jit` and the bench. */
    uint64_t n_translated; /* blocks */
    uint64_t n_interp;     /* instructions left to the interpreter */
    uint64_t n_flushes;
} SoftJIT;

/* -- while a block is translated ------------------------------------------- */

/* How an instruction is done. */
typedef enum JitKind {
    JIT_KIND_INLINE, /* by generated code, or else as INTERP */
    JIT_KIND_INTERP, /* by the interpreter, then the block goes on */
    JIT_KIND_LEAVE,  /* by the interpreter, which ends the block */
    JIT_KIND_BRANCH, /* by generated code that leaves the block */
} JitKind;

typedef enum JitFlags {
    JIT_FLAGS_MEM,  /* in JIT_W_FLAGS only */
    JIT_FLAGS_HOST, /* in the host's flags only */
    JIT_FLAGS_BOTH,
} JitFlags;

/*
 * What r14 and r15 hold since the last lookup: r14 = the guest register @base
 * + @disp - address of the page, r15 = host address of the page, so that an
 * access near by needs no second lookup.
 */
typedef struct JitReuse {
    bool valid;
    bool write; /* looked up for writing */
    uint8_t base;
    uint8_t addr_bytes;
    int64_t disp;
} JitReuse;

/* A guest register that r14 or r15 holds: r13, r14 or r15; 0: nothing. While
 * one is held, JitReuse is not valid. */
typedef struct JitHeld {
    uint8_t guest;
    bool dirty; /* SoftCPU.gpr[] is older */
} JitHeld;

typedef struct JitTrans {
    SoftCPU *cpu;
    SoftJIT *jit;
    SoftEmit hot;
    SoftEmit cold;
    uint32_t hot_pos; /* offsets of the windows in the cache */
    uint32_t cold_pos;
    uint32_t block;
    uint32_t key;
    SoftMMU mmu;
    bool code64;

    uint64_t rip;        /* of the block */
    uint64_t gpa;        /* same */
    const uint8_t *page; /* the guest's memory; for looking ahead only */
    uint64_t gpa2;       /* second page of its only instruction, or 0 */
    const uint8_t *page2;
    uint8_t bytes[JIT_BYTES_MAX + SOFT_INSN_BYTES_MAX]; /* snapshot of code */
    unsigned n_bytes;

    SoftInsn insn[JIT_INSNS_MAX];
    uint16_t offset[JIT_INSNS_MAX]; /* of each, from the block's start */
    uint8_t kind[JIT_INSNS_MAX];    /* JitKind */
    uint8_t live[JIT_INSNS_MAX];    /* flags that are needed after it */
    uint8_t taken[JIT_INSNS_MAX];   /* flags needed where a branch leads */
    unsigned n;
    uint8_t flags_in;
    bool vec;
    bool x87;
    bool open; /* the last instruction does not end it */

    /* While code is emitted. */
    unsigned cur; /* instruction */
    JitFlags flags;
    JitReuse reuse;
    JitHeld held[2]; /* by r14, by r15 */
} JitTrans;

static inline const SoftInsn *jit_insn(const JitTrans *t)
{
    return &t->insn[t->cur];
}

/* Linear address of the present instruction, and of the one behind it. */
static inline uint64_t jit_rip(const JitTrans *t)
{
    return t->rip + t->offset[t->cur];
}

static inline uint64_t jit_next_rip(const JitTrans *t)
{
    uint64_t next = jit_rip(t) + jit_insn(t)->length;

    return t->code64 ? next : (uint32_t)next;
}

/* jit-front.c: decode a block, find out which flags are needed where. */
/** jit_kind: how the instruction is done. */
JitKind jit_kind(const JitTrans *t, const SoftInsn *in);
/** jit_scan: decode t->bytes; cuts t->n_bytes to what was understood.
 *  Returns: false if the first instruction is for the interpreter. */
bool jit_scan(JitTrans *t);
/** jit_find_flags: fill t->live, t->taken and t->flags_in. */
void jit_find_flags(JitTrans *t);

/* jit-block.c */
/**
 * jit_translate:
 *
 * Returns: number of the block at the CPU's rip; TB_NONE if the instruction
 *   there is for the interpreter, or the cache is full (jit->flush_wanted).
 */
uint32_t jit_translate(SoftCPU *cpu, uint32_t key, uint64_t gpa,
                       const uint8_t *host);

/* jit-flags.c */
/** jit_flags_save: into JIT_W_FLAGS, if the host's are all there is. */
void jit_flags_save(JitTrans *t, SoftEmit *e);
/** jit_flags_load: into the host's flags. */
void jit_flags_load(JitTrans *t, SoftEmit *e);
/** jit_flags_spare: the host's flags are about to be lost; keep what is
 *  needed by this instruction or after it. */
void jit_flags_spare(JitTrans *t);
/** jit_flags_before: have the host's flags as this instruction needs them. */
void jit_flags_before(JitTrans *t);
/** jit_flags_after: note what this instruction did to the host's flags. */
void jit_flags_after(JitTrans *t);

/* jit-regs.c */
/** jit_reg: host register that holds guest register @n; r13..r15 are loaded
 *  into @scratch. Nothing is held. */
unsigned jit_reg(SoftEmit *e, unsigned n, unsigned scratch);
/** jit_held: the host register that holds @n, or HOST_NO_REG. */
unsigned jit_held(const JitTrans *t, unsigned n);
/** jit_hold: let @n be held, and its value be there if @load; @keep: guest
 *  registers that the present instruction uses. */
unsigned jit_hold(JitTrans *t, unsigned n, bool load, uint16_t keep);
/** jit_held_written: the copy of @n that is held is the newest now. */
void jit_held_written(JitTrans *t, unsigned n);
/** jit_held_set: @host, r14 or r15, has the value of @n. */
void jit_held_set(JitTrans *t, unsigned host, unsigned n, bool dirty);
/** jit_held_flush: write back what is dirty; forget: hold nothing any more;
 *  drop: both. No flags are changed. */
void jit_held_flush(JitTrans *t);
void jit_held_forget(JitTrans *t);
void jit_held_drop(JitTrans *t);
/** jit_held_reload: load what is held, in other code. */
void jit_held_reload(JitTrans *t, SoftEmit *e);
/** jit_worth_holding: is @n held, or better held than what is? */
bool jit_worth_holding(const JitTrans *t, unsigned n);
/** jit_used_soon: is @n used again before the scratch registers are? */
bool jit_used_soon(const JitTrans *t, unsigned n);

/* jit-mem.c */
/* Where the address of an access comes from, for the slow side too. */
typedef enum JitAddr {
    JIT_ADDR_INSN,  /* the instruction's memory operand */
    JIT_ADDR_STACK, /* rsp + @disp */
    JIT_ADDR_CONST, /* @linear */
    JIT_ADDR_TEMP,  /* JIT_W_TEMP, which has to be stored before */
} JitAddr;

/* Instead of a distance: see jit_access_end(). */
#define JIT_NEXT_HERE UINT16_MAX

/* A lookup; its slow side is emitted when the whole instruction has been. */
typedef struct JitAccess {
    EmitMem mem; /* the operand, while r14 and r15 last */
    JitAddr addr;
    int32_t disp;
    uint64_t linear;
    JitSite flags;
    unsigned size;
    size_t miss[2]; /* rel32 fields in hot code that lead to cold code */
    unsigned n_miss;
    size_t hit; /* hot position of the access */
} JitAccess;

/** jit_ea: the memory operand's effective address, without segment, into
 *  r14. Costs r15; no flags. */
void jit_ea(JitTrans *t, SoftEmit *e);
/** jit_can_address: is the memory operand one that jit_access() can do? */
bool jit_can_address(const JitTrans *t);
/** jit_access: look up the memory operand of the present instruction for
 *  @size bytes. Costs r14, r15; flags that are needed are saved. */
void jit_access(JitTrans *t, unsigned size, bool write, JitAccess *a);
/** jit_access_stack: the same of [rsp + disp]. */
void jit_access_stack(JitTrans *t, int32_t disp, unsigned size, bool write,
                      JitAccess *a);
/** jit_access_temp: the same of the linear address in r14, kept in
 *  JIT_W_TEMP. */
void jit_access_temp(JitTrans *t, unsigned size, bool write, JitAccess *a);
/** jit_access_end: the whole instruction was emitted; the slow side leads here
 *  when the interpreter has executed it. */
void jit_access_end(JitTrans *t, const JitAccess *a);
/** jit_base_changed: guest register @n grew by @delta. */
void jit_base_changed(JitTrans *t, unsigned n, int64_t delta);
/** jit_regs_changed: guest registers of @mask got other values. */
void jit_regs_changed(JitTrans *t, uint16_t mask);
static inline void jit_scratch_lost(JitTrans *t)
{
    t->reuse.valid = false;
}

/** jit_site: the present instruction. */
JitSite jit_site(const JitTrans *t);
/** jit_site_interp: the same, with its decoded form. */
JitSite jit_site_interp(JitTrans *t);

/* jit-native.c, jit-stack.c, jit-control.c, jit-misc.c: emit one instruction;
 * false: not done, nothing was emitted. */
bool jit_emit_native(JitTrans *t);
bool jit_emit_stack(JitTrans *t);
bool jit_emit_control(JitTrans *t);
bool jit_emit_misc(JitTrans *t);
bool jit_emit_string(JitTrans *t);
/** jit_emit_interp: by the interpreter, then go on in the block. */
void jit_emit_interp(JitTrans *t);
/** jit_emit_leave: by the interpreter, which ends the block. */
void jit_emit_leave(JitTrans *t);

/** jit_move_sp: the guest's rsp grows by @delta. */
void jit_move_sp(JitTrans *t, int32_t delta);

/* jit-exit.c */
/** jit_exit_to: go on at a known address. */
void jit_exit_to(JitTrans *t, uint64_t rip);
/** jit_exit_cond: to a known address, where flags @live are needed, if @cc;
 *  else go on. */
void jit_exit_cond(JitTrans *t, EmitCond cc, uint64_t rip, uint8_t live);
/** jit_exit_mode: go on behind the instruction in the sibling mode @key. */
void jit_exit_mode(JitTrans *t, uint32_t key);
/** jit_find_reg: have the address in r14 found in the jump cache; else the
 *  interpreter executes the present instruction, which is not begun. */
void jit_find_reg(JitTrans *t);
/** jit_exit_reg: go on at the address in r14, which was found; @again: r15 was
 *  lost since. */
void jit_exit_reg(JitTrans *t, bool again);

/* jit-thunks.c */
bool jit_thunks_init(SoftJIT *jit, SoftCPU *cpu, Error **errp);

/* jit-helper.c: called by generated code. */
typedef struct JitResult {
    uint64_t a;
    uint64_t b;
} JitResult;

enum {
    JIT_SLOW_LEAVE, /* a: return to the dispatcher */
    JIT_SLOW_NEXT,  /* a: the instruction is done; b: where code goes on */
};
/* else: a = host address of the page, b = offset in it */

JitResult jit_slow_access(SoftCPU *cpu, uint64_t linear, JitSite site,
                          const uint8_t *return_to);
bool jit_interp_site(SoftCPU *cpu, JitSite site);
/** jit_interpret: the instruction of @site, at rip. Returns: false if an
 *  exception is pending. */
bool jit_interpret(SoftCPU *cpu, JitSite site);
/** jit_string: rep movs and rep stos of 64-bit code. */
bool jit_string(SoftCPU *cpu, JitSite site);
bool jit_x87_enter(SoftCPU *cpu, JitSite site);

/** jit_flags_to_cpu, jit_flags_from_cpu: between JIT_W_FLAGS and eflags. */
static inline void jit_flags_to_cpu(SoftCPU *cpu)
{
    uint32_t w = (uint32_t)cpu->jit_words[JIT_W_FLAGS];

    cpu->eflags = (cpu->eflags & ~SOFT_EFL_ARITH) |
                  ((w >> 8 & SOFT_EFL_ARITH & 0xff) | (w & 1) << 11);
}

static inline void jit_flags_from_cpu(SoftCPU *cpu)
{
    cpu->jit_words[JIT_W_FLAGS] =
        (cpu->eflags & 0xd5) << 8 | (cpu->eflags >> 11 & 1);
}

/** jit_perf_map: a line of the map, if there is one. */
void jit_perf_map(SoftJIT *jit, const void *code, size_t bytes, uint64_t rip,
                  const char *what);

/** jit_x87_hand_over: FIP to those who keep it. */
void jit_x87_hand_over(SoftCPU *cpu);

/** jit_mode_key: of the CPU's present mode. */
uint32_t jit_mode_key(const SoftCPU *cpu);

#endif
