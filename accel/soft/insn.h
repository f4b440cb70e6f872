/*
 * One decoded x86 instruction, and the decoder that makes it: the common
 * language of the interpreter, the native thunk and the translator.
 *
 * The decoder is a pure function: bytes and the mode they are executed in give
 * a SoftInsn. It knows every encoding; what the CPU model lacks, what the mode
 * forbids and what does not exist comes back as SOFT_DECODE_UD. So whoever
 * gets a SoftInsn need not check for #UD again, but for what depends on
 * registers: CPL, IOPL, CR0.TS/EM, CR4.OSFXSR, XCR0.
 *
 * Fields are normalised, so that a NATIVE instruction can be encoded again for
 * a 64-bit host from (map, opcode, vex/mandatory prefix, rex, modrm, imm)
 * alone: the 32-bit forms INC/DEC r (40..4F) come back as FF /0 and FF /1,
 * moffs (A0..A3) as 8A/8B/88/89 with an absolute address, 82 as 80, "xchg
 * rAX, r" (90+r) as 87 /r, "op rAX, imm" (04, 05, ... A8, A9) as 80/81 and
 * F6/F7. What keeps a register in the opcode's low bits (B0+r, B8+r, bswap,
 * push, pop) has SOFT_A_OPC_GPR.
 *
 * Source: Intel SDM volume 2 (instruction format, opcode maps), AMD APM volume
 * 3 appendix A.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef ACCEL_SOFT_INSN_H
#define ACCEL_SOFT_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The architecture's limit; longer ones raise #GP(0). */
#define SOFT_INSN_BYTES_MAX 15

/*
 * What an instruction does. Integer and system instructions have one value
 * each, whatever their operands; vector, MMX and x87 ones share a few, for
 * they are executed by the host: the encoding says which one it is.
 */
/* clang-format off */
#define SOFT_OPS(X)                                                           \
    X(UD)                                                                     \
    /* two operands: rm,reg / reg,rm / rm,imm (opcode says which) */          \
    X(ADD) X(OR) X(ADC) X(SBB) X(AND) X(SUB) X(XOR) X(CMP) X(TEST)            \
    X(MOV) X(MOVZX) X(MOVSX) X(LEA) X(XCHG) X(XADD) X(CMPXCHG)                \
    X(CMPXCHG8B) X(CMPXCHG16B) X(MOVBE) X(MOVNTI) X(BSWAP)                    \
    X(INC) X(DEC) X(NEG) X(NOT)                                               \
    X(MUL) X(IMUL) X(IMUL2) X(IMUL3) X(DIV) X(IDIV)                           \
    X(ROL) X(ROR) X(RCL) X(RCR) X(SHL) X(SHR) X(SAR) X(SHLD) X(SHRD)          \
    X(BT) X(BTS) X(BTR) X(BTC) X(BSF) X(BSR) X(TZCNT) X(LZCNT) X(POPCNT)      \
    X(CMOV) X(SETCC) X(CBW) X(CWD) X(CRC32)                                   \
    X(ANDN) X(BEXTR) X(BLSI) X(BLSMSK) X(BLSR) X(BZHI) X(MULX) X(PDEP)        \
    X(PEXT) X(RORX) X(SARX) X(SHLX) X(SHRX) X(ADCX) X(ADOX)                   \
    X(LAHF) X(SAHF) X(CLC) X(STC) X(CMC) X(CLD) X(STD)                        \
    X(NOP) X(PAUSE) X(LFENCE) X(MFENCE) X(SFENCE) X(CLFLUSH)                  \
    X(RDRAND) X(RDSEED)                                                       \
    /* executed by the host: all forms */                                     \
    X(X87) X(FWAIT) X(MMX) X(SSE) X(AVX)                                      \
    /* memory by masks, or at an implied address */                           \
    X(MASKMOVQ) X(MASKMOVDQU) X(VMASKMOV) X(VGATHER)                          \
    X(LDMXCSR) X(STMXCSR)                                                     \
    /* no form of these on a 64-bit host */                                   \
    X(DAA) X(DAS) X(AAA) X(AAS) X(AAM) X(AAD) X(SALC) X(XLAT)                 \
    X(BOUND) X(INTO) X(ARPL)                                                  \
    /* strings */                                                             \
    X(MOVS) X(CMPS) X(STOS) X(LODS) X(SCAS) X(INS) X(OUTS)                    \
    /* stack */                                                               \
    X(PUSH) X(PUSHI) X(PUSHS) X(POP) X(POPS) X(PUSHA) X(POPA)                 \
    X(PUSHF) X(POPF) X(ENTER) X(LEAVE)                                        \
    /* control */                                                             \
    X(JCC) X(JMP) X(JMPI) X(JMPF) X(CALL) X(CALLI) X(CALLF)                   \
    X(RET) X(RETF) X(IRET) X(LOOP) X(LOOPE) X(LOOPNE) X(JCXZ)                 \
    X(INT) X(INT3) X(INT1) X(SYSCALL) X(SYSRET) X(SYSENTER) X(SYSEXIT)        \
    /* system */                                                              \
    X(IN) X(OUT) X(CLI) X(STI) X(HLT) X(CPUID) X(RDTSC) X(RDTSCP) X(RDPMC)    \
    X(RDMSR) X(WRMSR) X(RDPID) X(SWAPGS) X(STAC) X(CLAC)                      \
    X(RDFSBASE) X(RDGSBASE) X(WRFSBASE) X(WRGSBASE)                           \
    X(MOVCR_READ) X(MOVCR_WRITE) X(MOVDR_READ) X(MOVDR_WRITE)                 \
    X(MOVSEG_READ) X(MOVSEG_WRITE) X(LSEG)                                    \
    X(LGDT) X(LIDT) X(SGDT) X(SIDT) X(LLDT) X(LTR) X(SLDT) X(STR)             \
    X(SMSW) X(LMSW) X(CLTS) X(INVLPG) X(INVPCID) X(INVD) X(WBINVD)            \
    X(LAR) X(LSL) X(VERR) X(VERW) X(XGETBV) X(XSETBV)                         \
    X(FXSAVE) X(FXRSTOR) X(XSAVE) X(XRSTOR) X(XSAVEOPT) X(XSAVEC)             \
    X(XSAVES) X(XRSTORS) X(MONITOR) X(MWAIT) X(VMCALL)
/* clang-format on */

typedef enum SoftOp {
#define SOFT_OP_ENUM(name) SOFT_OP_##name,
    SOFT_OPS(SOFT_OP_ENUM)
#undef SOFT_OP_ENUM
    SOFT_OP_COUNT
} SoftOp;

/* How an instruction can be carried out. */
typedef enum SoftClass {
    SOFT_CLASS_UD,
    /*
     * Touches nothing but GPRs, arithmetic flags (and DF), vectors, x87/MMX
     * state and its one memory operand. May be executed on a 64-bit host as it
     * is, with registers renamed and the memory operand replaced. May raise
     * #DE (SOFT_A_DIV) or floating-point exceptions.
     */
    SOFT_CLASS_NATIVE,
    SOFT_CLASS_CONTROL, /* sets rip: always ends a block */
    SOFT_CLASS_STACK,   /* push, pop, enter, leave */
    SOFT_CLASS_STRING,
    SOFT_CLASS_SYSTEM, /* privileged or about system state, I/O */
    SOFT_CLASS_MICRO,  /* needs code of its own */
} SoftClass;

/* Use of the explicit memory operand (base, index, disp, seg). */
typedef enum SoftMem {
    SOFT_MEM_NONE,
    SOFT_MEM_ADDR, /* address only: lea, nop, prefetch, invlpg */
    SOFT_MEM_READ,
    SOFT_MEM_WRITE,
    SOFT_MEM_RW,
} SoftMem;

/* Arithmetic flags as small masks. */
#define SOFT_FLAG_CF (1u << 0)
#define SOFT_FLAG_PF (1u << 1)
#define SOFT_FLAG_AF (1u << 2)
#define SOFT_FLAG_ZF (1u << 3)
#define SOFT_FLAG_SF (1u << 4)
#define SOFT_FLAG_OF (1u << 5)
#define SOFT_FLAG_DF (1u << 6)
#define SOFT_FLAGS_ALU                                                         \
    (SOFT_FLAG_CF | SOFT_FLAG_PF | SOFT_FLAG_AF | SOFT_FLAG_ZF |               \
     SOFT_FLAG_SF | SOFT_FLAG_OF)

/* SoftInsn.prefixes: as written, also where they have no effect. */
#define SOFT_PFX_LOCK  (1u << 0) /* only there where LOCK is valid */
#define SOFT_PFX_REP   (1u << 1) /* F3; of F2 and F3 the last one wins */
#define SOFT_PFX_REPNE (1u << 2) /* F2 */
#define SOFT_PFX_66    (1u << 3)
#define SOFT_PFX_67    (1u << 4)
#define SOFT_PFX_SEG   (1u << 5)
#define SOFT_PFX_REX   (1u << 6) /* a REX byte: SPL..DIL, not AH..BH */
#define SOFT_PFX_VEX   (1u << 7) /* C4/C5: vvvv, vex_l, vex_w count */

/* SoftInsn.rex: from REX, or from VEX in the same places. */
#define SOFT_REX_B (1u << 0)
#define SOFT_REX_X (1u << 1)
#define SOFT_REX_R (1u << 2)
#define SOFT_REX_W (1u << 3)

/* SoftInsn.pp: the mandatory prefix that selects the instruction. */
enum {
    SOFT_PP_NONE,
    SOFT_PP_66,
    SOFT_PP_F3,
    SOFT_PP_F2
};

/* SoftInsn.attrs */
#define SOFT_A_MODRM   (1u << 0)  /* has a ModRM byte */
#define SOFT_A_ENDS    (1u << 1)  /* ends a block */
#define SOFT_A_REG_GPR (1u << 2)  /* modrm.reg is GPR @reg */
#define SOFT_A_RM_GPR  (1u << 3)  /* modrm.rm is GPR @rm (mod == 3) */
#define SOFT_A_V_GPR   (1u << 4)  /* vvvv is GPR @vvvv */
#define SOFT_A_OPC_GPR (1u << 5)  /* GPR @rm in the opcode's low three bits */
#define SOFT_A_REG_H8  (1u << 6)  /* @reg is AH, CH, DH, BH: @reg 4..7 */
#define SOFT_A_RM_H8   (1u << 7)  /* @rm is AH, CH, DH, BH: @rm 4..7 */
#define SOFT_A_REG_VEC (1u << 8)  /* modrm.reg is xmm/ymm @reg */
#define SOFT_A_RM_VEC  (1u << 9)  /* modrm.rm is xmm/ymm @rm (mod == 3) */
#define SOFT_A_V_VEC   (1u << 10) /* vvvv is xmm/ymm @vvvv */
#define SOFT_A_VEC     (1u << 11) /* uses vector state: #NM, #UD checks */
#define SOFT_A_X87     (1u << 12) /* uses x87 state */
#define SOFT_A_MMX     (1u << 13) /* uses MMX registers */
#define SOFT_A_MXCSR   (1u << 14) /* obeys MXCSR, may set its flags, #XM */
#define SOFT_A_ALIGN   (1u << 15) /* memory must be aligned: #GP(0) */
#define SOFT_A_CPL0    (1u << 16) /* #GP(0) unless CPL is 0 */
#define SOFT_A_DIV     (1u << 17) /* may raise #DE */
#define SOFT_A_RIP     (1u << 18) /* memory operand relative to the next rip */
#define SOFT_A_SHADOW  (1u << 19) /* interrupts wait one instruction more */
#define SOFT_A_REP     (1u << 20) /* string instruction with REP/REPE/REPNE */
#define SOFT_A_LOCKED  (1u << 21) /* atomic: LOCK prefix, or xchg with memory */
#define SOFT_A_IMM_VEC (1u << 22) /* fourth register in imm bits 7:4 (is4) */
#define SOFT_A_VSIB    (1u << 23) /* the index is xmm/ymm @index */
#define SOFT_A_TO_REG  (1u << 24) /* reg is the destination, rm the source */

/* SoftInsn.base and .index without a register. */
#define SOFT_NO_REG 0xff

/**
 * SoftInsn:
 * @imm: immediate, sign-extended to 64 bits (zero-extended where the
 *       architecture says so: ports, imm8 of shifts and vectors); displacement
 *       of relative branches; offset of far pointers
 * @disp: displacement, sign-extended; the whole address of moffs
 * @op: what it does
 * @handler: private to the interpreter
 * @imm2: selector of a far pointer; second immediate of enter, extrq, insertq
 * @gpr_read, @gpr_write: bit n for GPR n, explicit, implied and address
 *       registers alike. A write of 8 or 16 bits and a write that may not
 *       happen (cmov, bsf) leave the rest of the register: for keeping values
 *       such a register counts as read as well. rsp of push and pop included.
 * @vec_read, @vec_write: the same of xmm/ymm registers; legacy SSE writes keep
 *       bits 128 and up of the ymm register, VEX writes clear what is over
 *       their length
 * @mem_bytes: size of the explicit memory operand; 0 if SOFT_MEM_NONE/ADDR
 * @attrs: SOFT_A_*
 * @length: bytes in all, 1..15
 * @map: 0 = one byte, 1 = 0F, 2 = 0F38, 3 = 0F3A
 * @opcode: normalised; of x87 D8..DF
 * @modrm, @sib: as they were (modrm of normalised forms: made); mod != 3 means
 *       that there is a memory operand
 * @rex: SOFT_REX_*
 * @prefixes: SOFT_PFX_*
 * @pp: SOFT_PP_*: mandatory prefix, or that of VEX; never set for an operand
 *       size prefix of an integer instruction (see op_bytes)
 * @vvvv: register from VEX, not inverted; 0 without
 * @vex_l: VEX.L
 * @op_bytes: operand size of integer instructions: 1, 2, 4, 8; the pointer size
 *       for near branches and stack
 * @src_bytes: movzx, movsx, crc32: size of the source; else op_bytes
 * @addr_bytes: address size: 2, 4, 8
 * @seg: segment of the memory operand (X86Seg), prefixes and defaults resolved;
 *       for strings that of rSI
 * @base, @index: registers of the memory operand, or SOFT_NO_REG
 * @scale: shift of the index, 0..3
 * @mem: use of the explicit memory operand
 * @reg, @rm: registers with REX/VEX extension: modrm.reg and modrm.rm (or the
 *       opcode's low bits); of AH..BH see SOFT_A_REG_H8
 * @cls: SoftClass
 * @feature: SoftFeature it belongs to
 * @flags_read: also the flags that may pass through unchanged though
 *       they are in @flags_written (shift by cl = 0, rep with count 0)
 * @flags_written: everything that may change, with the undefined
 * @flags_undef: subset of @flags_written which the architecture leaves open
 * @imm_bytes: size of @imm in the (normalised) encoding, 0 = no immediate
 */
typedef struct SoftInsn {
    int64_t imm;
    int64_t disp;
    uint32_t attrs;
    uint16_t op;
    uint16_t handler;
    uint16_t imm2;
    uint16_t gpr_read;
    uint16_t gpr_write;
    uint16_t vec_read;
    uint16_t vec_write;
    uint16_t mem_bytes;

    uint8_t length;
    uint8_t map;
    uint8_t opcode;
    uint8_t modrm;
    uint8_t sib;
    uint8_t rex;
    uint8_t prefixes;
    uint8_t pp;
    uint8_t vvvv;
    uint8_t vex_l;

    uint8_t op_bytes;
    uint8_t src_bytes;
    uint8_t addr_bytes;
    uint8_t seg;
    uint8_t base;
    uint8_t index;
    uint8_t scale;
    uint8_t mem;
    uint8_t reg;
    uint8_t rm;

    uint8_t cls;
    uint8_t feature;
    uint8_t flags_read;
    uint8_t flags_written;
    uint8_t flags_undef;
    uint8_t imm_bytes;
} SoftInsn;

_Static_assert(sizeof(SoftInsn) == 64, "SoftInsn is copied into every block");

/*
 * Parts of the instruction set which a CPU model may lack; bit numbers of
 * SoftDecodeMode.features. BASE is always there.
 */
typedef enum SoftFeature {
    SOFT_F_BASE,
    SOFT_F_FPU,
    SOFT_F_CX8,
    SOFT_F_CMOV,
    SOFT_F_MMX,
    SOFT_F_FXSR,
    SOFT_F_SSE,
    SOFT_F_SSE2,
    SOFT_F_SSE3,
    SOFT_F_SSSE3,
    SOFT_F_SSE41,
    SOFT_F_SSE42,
    SOFT_F_SSE4A,
    SOFT_F_POPCNT,
    SOFT_F_ABM,  /* LZCNT; without it F3 0F BD is BSR */
    SOFT_F_BMI1, /* TZCNT; without it F3 0F BC is BSF */
    SOFT_F_BMI2,
    SOFT_F_ADX,
    SOFT_F_MOVBE,
    SOFT_F_AES,
    SOFT_F_PCLMUL,
    SOFT_F_SHA,
    SOFT_F_AVX,
    SOFT_F_AVX2,
    SOFT_F_FMA,
    SOFT_F_F16C,
    SOFT_F_VAES,
    SOFT_F_VPCLMUL,
    SOFT_F_GFNI,
    SOFT_F_RDRAND,
    SOFT_F_RDSEED,
    SOFT_F_XSAVE,
    SOFT_F_XSAVEOPT,
    SOFT_F_XSAVEC,
    SOFT_F_XSAVES,
    SOFT_F_FSGSBASE,
    SOFT_F_RDTSCP,
    SOFT_F_RDPID,
    SOFT_F_CX16,
    SOFT_F_LM, /* long mode: also SYSCALL there, SWAPGS */
    SOFT_F_SYSCALL,
    SOFT_F_SEP,
    SOFT_F_LAHF64,
    SOFT_F_CLFLUSH,
    SOFT_F_CLFLUSHOPT,
    SOFT_F_CLWB,
    SOFT_F_PREFETCHW,
    SOFT_F_INVPCID,
    SOFT_F_SMAP,
    SOFT_F_MONITOR,
    SOFT_F_MOVDIRI,
    SOFT_F_COUNT
} SoftFeature;

#define SOFT_FEATURE_BIT(f) (1ull << (f))
#define SOFT_FEATURES_ALL   (SOFT_FEATURE_BIT(SOFT_F_COUNT) - 1)

/**
 * SoftDecodeMode: what the meaning of the bytes depends on.
 * @features: SOFT_FEATURE_BIT()s of the CPU model
 * @code_bits: 16, 32 (CS.D) or 64 (EFER.LMA and CS.L)
 * @prot: protected mode and not virtual-8086
 */
typedef struct SoftDecodeMode {
    uint64_t features;
    uint8_t code_bits;
    bool prot;
} SoftDecodeMode;

typedef enum SoftDecodeStatus {
    SOFT_DECODE_OK,
    SOFT_DECODE_UD,   /* #UD; @insn has what was understood, length >= 1 */
    SOFT_DECODE_LONG, /* more than 15 bytes: #GP(0) */
    SOFT_DECODE_MORE, /* @len bytes are not enough */
} SoftDecodeStatus;

/**
 * soft_decode:
 * @bytes: (in) at cs:rip, @len of them; more than 15 are not looked at
 * @len: 0 and up
 * @mode: (in) borrowed for the call
 * @insn: (out) valid if OK
 *
 * Pure: touches nothing but its arguments. Reads no further than the
 * instruction, so that MORE means a fetch is architecturally due.
 *
 * Thread: any.
 * Returns: see SoftDecodeStatus.
 */
SoftDecodeStatus soft_decode(const uint8_t *bytes, size_t len,
                             const SoftDecodeMode *mode, SoftInsn *insn);

/** soft_op_name: as in SOFT_OPS, for messages and traces; "BAD" if unknown. */
const char *soft_op_name(SoftOp op);

/** soft_feature_name: as CPUID flags are called ("sse4.2"). */
const char *soft_feature_name(SoftFeature feature);

/**
 * soft_insn_format:
 * @insn: (in) from soft_decode()
 * @buf: (out) @size bytes, always terminated
 *
 * One line for messages: operation, sizes, operands ("add 4 [ds:rbx+0x10],
 * rcx"); no assembler's syntax is followed.
 */
void soft_insn_format(const SoftInsn *insn, char *buf, size_t size);

static inline bool soft_insn_has_mem(const SoftInsn *insn)
{
    return insn->mem != SOFT_MEM_NONE;
}

/* The condition code of jcc, setcc, cmov: low four bits of the opcode. */
static inline unsigned soft_insn_cond(const SoftInsn *insn)
{
    return insn->opcode & 15u;
}

/* Target of a relative branch at @rip, cut to the operand size. */
static inline uint64_t soft_insn_target(const SoftInsn *insn, uint64_t rip)
{
    uint64_t target = rip + insn->length + (uint64_t)insn->imm;

    if (insn->op_bytes == 8) {
        return target;
    }
    return insn->op_bytes == 4 ? (uint32_t)target : (uint16_t)target;
}

#endif
