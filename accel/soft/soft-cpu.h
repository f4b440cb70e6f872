/*
 * One software CPU: its whole state in a fixed layout, the same for the
 * interpreter, the native thunk and the translator.
 *
 * Rules that hold whenever C code of accel/soft/ runs:
 * - every member is valid: a translator that keeps registers or flags in the
 *   host's has written them back (gpr, eflags, vec, fx) before it calls C;
 * - @rip is that of the instruction under execution until it is complete;
 *   @next_rip is where execution goes on. Whoever executes an instruction sets
 *   next_rip = rip + length (cut to the code size), calls what does the work
 *   (which may change next_rip), and on success sets rip = next_rip;
 * - a function that can raise an exception returns bool: false means that
 *   cpu->exception is filled and nothing else was changed; the caller unwinds,
 *   the run loop (soft-accel.c) delivers it.
 *
 * State is written by the CPU's own thread, or by any thread while the CPU is
 * stopped. What other threads touch of a running one is marked "atomic".
 *
 * Sources: Intel SDM volume 3A, AMD APM volume 2.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef ACCEL_SOFT_CPU_H
#define ACCEL_SOFT_CPU_H

#include "accel/accel.h"
#include "util/atomic.h"
#include "util/compiler.h"
#include "util/thread.h"

typedef struct SoftCPU SoftCPU;
typedef struct SoftAccel SoftAccel;
typedef struct SoftMemMap SoftMemMap;

/* -- flags and control registers ------------------------------------------ */

#define SOFT_EFL_CF   (1u << 0)
#define SOFT_EFL_ONE  (1u << 1) /* always set */
#define SOFT_EFL_PF   (1u << 2)
#define SOFT_EFL_AF   (1u << 4)
#define SOFT_EFL_ZF   (1u << 6)
#define SOFT_EFL_SF   (1u << 7)
#define SOFT_EFL_TF   (1u << 8)
#define SOFT_EFL_IF   (1u << 9)
#define SOFT_EFL_DF   (1u << 10)
#define SOFT_EFL_OF   (1u << 11)
#define SOFT_EFL_IOPL (3u << 12)
#define SOFT_EFL_NT   (1u << 14)
#define SOFT_EFL_RF   (1u << 16)
#define SOFT_EFL_VM   (1u << 17)
#define SOFT_EFL_AC   (1u << 18)
#define SOFT_EFL_VIF  (1u << 19)
#define SOFT_EFL_VIP  (1u << 20)
#define SOFT_EFL_ID   (1u << 21)
#define SOFT_EFL_ARITH                                                         \
    (SOFT_EFL_CF | SOFT_EFL_PF | SOFT_EFL_AF | SOFT_EFL_ZF | SOFT_EFL_SF |     \
     SOFT_EFL_OF)
/* Every bit that exists. */
#define SOFT_EFL_MASK       0x003f7fd7u
#define SOFT_EFL_IOPL_SHIFT 12

#define SOFT_CR0_EM (1u << 2)
#define SOFT_CR0_TS (1u << 3)
#define SOFT_CR0_WP (1u << 16)
#define SOFT_CR0_AM (1u << 18)

#define SOFT_CR4_VME        (1u << 0)
#define SOFT_CR4_PVI        (1u << 1)
#define SOFT_CR4_TSD        (1u << 2)
#define SOFT_CR4_DE         (1u << 3)
#define SOFT_CR4_PSE        (1u << 4)
#define SOFT_CR4_PAE        (1u << 5)
#define SOFT_CR4_MCE        (1u << 6)
#define SOFT_CR4_PGE        (1u << 7)
#define SOFT_CR4_PCE        (1u << 8)
#define SOFT_CR4_OSFXSR     (1u << 9)
#define SOFT_CR4_OSXMMEXCPT (1u << 10)
#define SOFT_CR4_UMIP       (1u << 11)
#define SOFT_CR4_FSGSBASE   (1u << 16)
#define SOFT_CR4_PCIDE      (1u << 17)
#define SOFT_CR4_OSXSAVE    (1u << 18)
#define SOFT_CR4_SMEP       (1u << 20)
#define SOFT_CR4_SMAP       (1u << 21)

#define SOFT_EFER_SCE (1u << 0)
#define SOFT_EFER_LME (1u << 8)
#define SOFT_EFER_LMA (1u << 10)
#define SOFT_EFER_NXE (1u << 11)

#define SOFT_XCR0_X87 (1u << 0)
#define SOFT_XCR0_SSE (1u << 1)
#define SOFT_XCR0_AVX (1u << 2)

/* -- exceptions ----------------------------------------------------------- */

enum {
    SOFT_EXC_DE = 0,
    SOFT_EXC_DB = 1,
    SOFT_EXC_NMI = 2,
    SOFT_EXC_BP = 3,
    SOFT_EXC_OF = 4,
    SOFT_EXC_BR = 5,
    SOFT_EXC_UD = 6,
    SOFT_EXC_NM = 7,
    SOFT_EXC_DF = 8,
    SOFT_EXC_TS = 10,
    SOFT_EXC_NP = 11,
    SOFT_EXC_SS = 12,
    SOFT_EXC_GP = 13,
    SOFT_EXC_PF = 14,
    SOFT_EXC_MF = 16,
    SOFT_EXC_AC = 17,
    SOFT_EXC_MC = 18,
    SOFT_EXC_XM = 19,
};

/* Bits of a page fault's error code. */
#define SOFT_PF_PRESENT (1u << 0)
#define SOFT_PF_WRITE   (1u << 1)
#define SOFT_PF_USER    (1u << 2)
#define SOFT_PF_RSVD    (1u << 3)
#define SOFT_PF_FETCH   (1u << 4)

/* An exception that was raised and not delivered yet. */
typedef struct SoftException {
    bool pending;
    uint8_t vector;
    bool has_error;
    bool trap;      /* rip is that of the next instruction already */
    uint32_t error; /* error code */
    uint64_t value; /* #PF: goes to CR2; #DB: bits for DR6 */
} SoftException;

/* -- segments ------------------------------------------------------------- */

/*
 * @attr has the bits of a descriptor's second dword (SDM 3A 3.4.5) where they
 * are there; base and limit are separate.
 */
#define SOFT_SEG_TYPE_SHIFT 8
#define SOFT_SEG_TYPE       (15u << 8)
#define SOFT_SEG_ACCESSED   (1u << 8)
#define SOFT_SEG_W          (1u << 9)  /* data: writable */
#define SOFT_SEG_R          (1u << 9)  /* code: readable */
#define SOFT_SEG_E          (1u << 10) /* data: expands down */
#define SOFT_SEG_C          (1u << 10) /* code: conforming */
#define SOFT_SEG_CODE       (1u << 11)
#define SOFT_SEG_S          (1u << 12) /* code or data, not system */
#define SOFT_SEG_DPL_SHIFT  13
#define SOFT_SEG_DPL        (3u << 13)
#define SOFT_SEG_P          (1u << 15)
#define SOFT_SEG_AVL        (1u << 20)
#define SOFT_SEG_L          (1u << 21)
#define SOFT_SEG_DB         (1u << 22)
#define SOFT_SEG_G          (1u << 23)

typedef struct SoftSegment {
    uint64_t base;
    uint32_t limit; /* in bytes, after granularity */
    uint32_t attr;  /* without SOFT_SEG_P: not usable (null selector) */
    uint16_t selector;
} SoftSegment;

/* -- mode_flags: all that changes how bytes are translated ----------------- */

#define SOFT_MODE_CPL  3u        /* the two bits */
#define SOFT_MODE_PE   (1u << 2) /* CR0.PE and not virtual-8086 */
#define SOFT_MODE_VM86 (1u << 3) /* virtual-8086 */
#define SOFT_MODE_LMA  (1u << 4) /* EFER.LMA: long or compatibility mode */
#define SOFT_MODE_CS64 (1u << 5) /* 64-bit code */
#define SOFT_MODE_CS32 (1u << 6) /* 32-bit code; neither: 16-bit */
#define SOFT_MODE_SS32 (1u << 7) /* SS.B: 32-bit stack pointer */
#define SOFT_MODE_PG   (1u << 8) /* paging */
#define SOFT_MODE_FLAT (1u << 9) /* ES, CS, SS, DS: base 0, limit 4 GiB, */
                                 /* ES, SS, DS writable; always in 64-bit */
#define SOFT_MODE_MMU_SHIFT 10   /* two bits: index into cpu->tlb[] */
#define SOFT_MODE_MMU       (3u << SOFT_MODE_MMU_SHIFT)
#define SOFT_MODE_STEP      (1u << 12) /* TF, or breakpoints are armed: */
                                       /* one instruction at a time */
#define SOFT_MODE_X87_NM (1u << 13)    /* x87/MMX: #NM (TS or EM); see */
                                       /* soft_unit_check() for which of them */
#define SOFT_MODE_WAIT_NM (1u << 14)   /* fwait: #NM (MP and TS) */
#define SOFT_MODE_MMX_UD  (1u << 15)   /* MMX: #UD (CR0.EM) */
#define SOFT_MODE_SSE_UD  (1u << 16)   /* SSE: #UD (EM, or not CR4.OSFXSR) */
#define SOFT_MODE_AVX_UD  (1u << 17)   /* AVX: #UD (OSXSAVE, XCR0) */
#define SOFT_MODE_TS      (1u << 18)   /* CR0.TS: SSE and AVX raise #NM */
#define SOFT_MODE_IO_CPL  (1u << 19)   /* CPL > IOPL: cli, sti are not plain */
#define SOFT_MODE_AC      (1u << 20) /* alignment is checked (CPL 3, AM, AC) */
#define SOFT_MODE_UMIP    (1u << 21) /* CR4.UMIP and CPL > 0 */

/* -- software TLB --------------------------------------------------------- */

/*
 * Direct-mapped arrays inside of SoftCPU, two for each way to access memory
 * (SoftMMU, from mode_flags): bank mmu for reads and fetches, bank mmu +
 * SOFT_TLB_WRITE_BANK for writes, so that the two ends of a copy do not throw
 * each other out. The fast path of an access of @size bytes at linear address
 * a:
 *
 *     e = &cpu->tlb[bank][(a >> 12) & (n - 1)]     n = 1 << cpu->tlb_bits
 *     off = a - e->tag_r                           tag_w: write, also rmw
 *     if (off <= 4096 - size)  (unsigned)
 *         host = e->host + off
 *
 * A tag is the linear address of the page where the fast path is allowed; the
 * page + 4096 + SOFT_TLB_* (nonzero) where an access has to be told of; or the
 * empty tag, a page of another index. Neither of the latter can be hit, nor
 * can an access that leaves the page: all these go the slow way, soft_mem_*().
 * The slow way may have filled the entry when it returns; translated code then
 * may look again.
 *
 * A tag_x that hits means: code may be fetched from host memory there.
 * Another thread may make tag_w slow at any time, by compare-and-swap;
 * everything else is written by the CPU's own thread.
 *
 * tlb_bits changes rarely (many misses), always with invalidate_all of the
 * translator, and never while a block runs.
 */
typedef enum SoftMMU {
    SOFT_MMU_USER,        /* CPL 3 */
    SOFT_MMU_KERNEL,      /* CPL 0..2, user pages allowed */
    SOFT_MMU_KERNEL_SMAP, /* CPL 0..2, CR4.SMAP, EFLAGS.AC clear */
    SOFT_MMU_COUNT
} SoftMMU;

#define SOFT_PAGE_BITS  12
#define SOFT_PAGE_BYTES 4096u
#define SOFT_PAGE_MASK  (~(uint64_t)0xfff)

/* Writes (tag_w) have banks of their own; the first ones hold tag_r, tag_x. */
#define SOFT_TLB_WRITE_BANK SOFT_MMU_COUNT
#define SOFT_TLB_BANKS      (2 * SOFT_MMU_COUNT)

#define SOFT_TLB_BITS_MIN 10
#define SOFT_TLB_BITS_MAX 12

/* What a slow tag asks for. */
#define SOFT_TLB_MMIO     (1u << 0) /* no RAM (tag_w: or read-only) */
#define SOFT_TLB_NOTDIRTY (1u << 1) /* a write has to be told of */
#define SOFT_TLB_WATCH    (1u << 2) /* a data breakpoint is on the page */

typedef struct SoftTLBEntry {
    uint64_t tag_r;
    uint64_t tag_w;
    uint64_t tag_x;
    uint8_t *host; /* of the page's first byte */
} SoftTLBEntry;

_Static_assert(sizeof(SoftTLBEntry) == 32, "translated code scales by shifts");

/* What the slow way needs besides; same index as the entry. */
typedef struct SoftTLBInfo {
    uint64_t gpa;        /* guest-physical page; low bits: SOFT_TLBI_* */
    uint8_t *page_flags; /* SOFT_PAGE_*; NULL: not RAM */
} SoftTLBInfo;

#define SOFT_TLBI_GLOBAL (1u << 0) /* survives a load of CR3 */

/* The translator's: linear address of a block -> its code. */
typedef struct SoftJumpCacheEntry {
    uint64_t rip;
    void *code;
} SoftJumpCacheEntry;

#define SOFT_JUMP_CACHE_SIZE 4096
#define SOFT_JIT_WORDS       64

/* -- pending events ------------------------------------------------------- */

/*
 * cpu->exit_request: nonzero = return to the run loop at the next block
 * boundary. Set by any thread with qatomic_or, cleared by the run loop.
 */
#define SOFT_EXIT_KICK (1u << 0) /* vcpu_run() returns */
#define SOFT_EXIT_WORK (1u << 1) /* cpu->work is not empty */
#define SOFT_EXIT_INTR (1u << 2) /* look at the INTR line */
#define SOFT_EXIT_NMI  (1u << 3)
#define SOFT_EXIT_INIT (1u << 4)
#define SOFT_EXIT_SIPI (1u << 5)
#define SOFT_EXIT_MODE (1u << 6) /* halted, single-step, triple fault, ...: */
                                 /* the CPU itself wants the run loop */

/* Why the next instruction is not to be interrupted (SDM 3A 6.8.3). */
#define SOFT_SHADOW_STI    1u
#define SOFT_SHADOW_MOV_SS 2u

#define SOFT_VECS      16
#define SOFT_VEC_BYTES 32
#define SOFT_FX_BYTES  512

/* Variable and fixed range MTRRs: kept, they change nothing. */
#define SOFT_MTRR_VARIABLE 8
#define SOFT_MTRR_FIXED    11
#define SOFT_MC_BANKS      10

typedef struct SoftMSRs {
    uint64_t star;
    uint64_t lstar;
    uint64_t cstar;
    uint64_t fmask;
    uint64_t kernel_gs_base;
    uint64_t sysenter_cs;
    uint64_t sysenter_esp;
    uint64_t sysenter_eip;
    uint64_t pat;
    uint64_t misc_enable;
    uint64_t tsc_aux;
    uint64_t tsc_adjust;
    uint64_t feature_control;
    uint64_t debugctl;
    uint64_t spec_ctrl;
    uint64_t ucode_rev;
    uint64_t mcg_status;
    uint64_t mcg_ctl;
    uint64_t mc_bank[SOFT_MC_BANKS][4]; /* ctl, status, addr, misc */
    uint64_t mtrr_def_type;
    uint64_t mtrr_fixed[SOFT_MTRR_FIXED];
    uint64_t mtrr_base[SOFT_MTRR_VARIABLE];
    uint64_t mtrr_mask[SOFT_MTRR_VARIABLE];
} SoftMSRs;

/**
 * SoftCPU:
 * @gpr: by X86GPR
 * @eflags: full and canonical: reserved bits as the architecture has them
 * @next_rip: see the top of the file
 * @seg: by X86Seg, LDTR and TR included; in 64-bit mode the bases of ES, CS,
 *       SS and DS are not used (and may be other than 0)
 * @mode_flags: SOFT_MODE_*; derived, see soft_update_mode()
 * @exit_request: atomic; SOFT_EXIT_*
 * @tlb: by bank; the first 1 << tlb_bits entries of each
 * @x87_live: the x87/MMX registers are in the host's FPU, @fx is stale:
 *       soft_x87_sync() first
 * @code_epoch: grows with each invalidation of code in this CPU, so that a
 *       block that overwrites itself notices after a store
 * @tsc_offset: guest TSC = host TSC + tsc_offset
 * @vec: xmm/ymm registers; bytes 16..31 are the upper half of ymm
 * @fx: x87 and MMX state as FXSAVE64 stores it (bytes 0..23 and 32..159); the
 *       rest is not used: vectors are in @vec, MXCSR in @mxcsr
 * @features: SOFT_FEATURE_BIT() (insn.h) of the CPU model
 * @shadow, @shadow_rip: SOFT_SHADOW_*; counts only while rip == shadow_rip
 * @exception: raised, not delivered
 * @dr6_pending: traps that wait for the instruction's end
 */
struct SoftCPU {
    AccelVCPU base;

    uint64_t gpr[X86_GPR_COUNT];
    uint64_t rip;
    uint64_t next_rip;
    uint32_t eflags;
    uint32_t mode_flags;
    /* One 64-bit compare tests both of these. */
    uint32_t exit_request QEMU_ALIGNED(8); /* atomic */
    uint32_t vec_absent;                   /* the translator's */
    uint32_t code_epoch;
    uint32_t tlb_bits;
    bool x87_live;
    uint64_t tsc_offset;
    uint64_t features;
    uint32_t mxcsr;
    uint32_t mxcsr_mask;
    uint64_t xcr0;
    uint64_t xcr0_allowed; /* of the CPU model; 0: no XSAVE */

    SoftSegment seg[X86_SEG_COUNT];
    X86Table gdt;
    X86Table idt;
    uint64_t cr0;
    uint64_t cr2;
    uint64_t cr3;
    uint64_t cr4;
    uint64_t efer;
    uint64_t dr[4];
    uint64_t dr6;
    uint64_t dr7;

    SoftException exception;
    uint64_t dr6_pending;
    uint64_t shadow_rip;
    uint32_t shadow;
    uint8_t cpl;
    bool nmi_blocked;
    bool halted;
    bool triple_fault;

    uint8_t vec[SOFT_VECS][SOFT_VEC_BYTES] QEMU_ALIGNED(64);
    uint8_t fx[SOFT_FX_BYTES] QEMU_ALIGNED(64);

    SoftMSRs msr;

    /* Owned by the part of accel/soft/ that is named so; NULL without. */
    struct SoftInterp *interp;
    struct SoftNative *native;
    struct SoftJIT *jit;

    struct SoftCPUPrivate *priv; /* of soft-accel.c and its helpers */

    uint64_t jit_words[SOFT_JIT_WORDS] QEMU_ALIGNED(64);
    SoftTLBEntry tlb[SOFT_TLB_BANKS][1u << SOFT_TLB_BITS_MAX] QEMU_ALIGNED(64);
    SoftTLBInfo tlb_info[SOFT_TLB_BANKS][1u << SOFT_TLB_BITS_MAX];
    SoftJumpCacheEntry jump_cache[SOFT_MMU_COUNT][SOFT_JUMP_CACHE_SIZE];
};

static inline SoftCPU *soft_cpu(AccelVCPU *vcpu)
{
    return (SoftCPU *)vcpu;
}

static inline SoftAccel *soft_accel_of(const SoftCPU *cpu)
{
    return (SoftAccel *)cpu->base.accel;
}

static inline unsigned soft_cpl(const SoftCPU *cpu)
{
    return cpu->mode_flags & SOFT_MODE_CPL;
}

static inline SoftMMU soft_mmu_mode(uint32_t mode_flags)
{
    return (SoftMMU)((mode_flags & SOFT_MODE_MMU) >> SOFT_MODE_MMU_SHIFT);
}

static inline SoftMMU soft_mmu(const SoftCPU *cpu)
{
    return soft_mmu_mode(cpu->mode_flags);
}

static inline bool soft_long64(const SoftCPU *cpu)
{
    return cpu->mode_flags & SOFT_MODE_CS64;
}

static inline bool soft_has(const SoftCPU *cpu, unsigned feature)
{
    return cpu->features >> feature & 1;
}

/** soft_update_mode: recompute mode_flags; after any change of CS, SS, DS, ES,
 *  CR0, CR4, EFER, XCR0, DR7 or eflags.VM/TF/AC/IOPL by other means than the
 *  functions of sysinsn.h, which call it themselves. */
void soft_update_mode(SoftCPU *cpu);

/** soft_exit_request: any thread. */
static inline void soft_exit_request(SoftCPU *cpu, uint32_t bits)
{
    qatomic_or(&cpu->exit_request, bits);
}

/*
 * Raise an exception: each fills cpu->exception and returns false, so that
 * "return soft_raise(cpu, SOFT_EXC_UD);" reads well. @error: the error code,
 * for #TS, #NP, #SS, #GP a selector without its RPL bits.
 */
bool soft_raise(SoftCPU *cpu, unsigned vector);
bool soft_raise_error(SoftCPU *cpu, unsigned vector, uint32_t error);
bool soft_raise_page_fault(SoftCPU *cpu, uint64_t linear, uint32_t error);
/** soft_post_db: a #DB at the next boundary as a trap, with DR6 bits. */
void soft_post_db(SoftCPU *cpu, uint64_t dr6_bits);

static inline bool soft_raise_gp(SoftCPU *cpu)
{
    return soft_raise_error(cpu, SOFT_EXC_GP, 0);
}

/**
 * soft_deliver_exception:
 *
 * Deliver cpu->exception: handlers are entered through the IDT in whatever
 * mode the CPU is; a fault on the way becomes a double fault, then a triple
 * fault (cpu->triple_fault). cpu->exception is free afterwards.
 */
void soft_deliver_exception(SoftCPU *cpu);

/** soft_deliver_interrupt: an external interrupt or NMI at an instruction
 *  boundary. */
void soft_deliver_interrupt(SoftCPU *cpu, uint8_t vector);

/* What an instruction needs of the floating-point and vector units. */
typedef enum SoftUnit {
    SOFT_UNIT_X87,      /* #NM; #MF if an unmasked exception waits */
    SOFT_UNIT_X87_CTRL, /* fninit and others that do not wait: #NM only */
    SOFT_UNIT_FWAIT,
    SOFT_UNIT_MMX,
    SOFT_UNIT_SSE,
    SOFT_UNIT_AVX,
} SoftUnit;

/** soft_x87_sync: bring @fx up to date if x87_live, and clear that (native). */
void soft_x87_sync(SoftCPU *cpu);

/** soft_unit_check: false with #UD, #NM or #MF raised. */
bool soft_unit_check(SoftCPU *cpu, SoftUnit unit);

/**
 * SoftTranslator: the translator's side, taken by soft-accel.c when the
 * property jit is on. All in the vCPU's own thread, but @vcpu_new and
 * @vcpu_free (main thread).
 * @vcpu_new: fill cpu->jit
 * @thread_init: the thread that will call @run
 * @usable: does it translate the present mode? Else the interpreter runs.
 * @run: as soft_interp_run(): until exit_request, exception (false) or a mode
 *       that is not @usable
 * @invalidate_page: code of the guest-physical page was written; may be called
 *       from within soft_mem_*() of the block that is running
 * @invalidate_all: the guest's memory map changed
 * @tlb_flushed: linear addresses may lead elsewhere now; @linear: that page
 *       only, or SOFT_NO_LINEAR, or SOFT_LOCAL_LINEAR
 */
typedef struct SoftTranslator {
    bool (*vcpu_new)(SoftCPU *cpu, Error **errp);
    void (*vcpu_free)(SoftCPU *cpu);
    bool (*thread_init)(SoftCPU *cpu, Error **errp);
    bool (*usable)(const SoftCPU *cpu);
    bool (*run)(SoftCPU *cpu);
    void (*invalidate_page)(SoftCPU *cpu, uint64_t page);
    void (*invalidate_all)(SoftCPU *cpu);
    void (*tlb_flushed)(SoftCPU *cpu, uint64_t linear);
} SoftTranslator;

/* All linear addresses; all but those of global pages (a load of CR3). */
#define SOFT_NO_LINEAR    (~(uint64_t)0)
#define SOFT_LOCAL_LINEAR (~(uint64_t)1)

/** soft_tsc: the guest's time stamp counter now. */
uint64_t soft_tsc(const SoftCPU *cpu);

#endif
