/*
 * The interpreter: fetch, and the way from an instruction to its handler.
 *
 * Executing from the cache of decoded blocks is in interp-block.c.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "trace/trace-accel.h"

#include "interp-block.h"
#include "interp-internal.h"
#include "native.h"

/* -- selection ------------------------------------------------------------- */

static InterpHandler *const handlers[SOFT_OP_COUNT] = {
    [SOFT_OP_UD] = interp_ud,
    [SOFT_OP_MOVZX] = interp_movzx,
    [SOFT_OP_MOVSX] = interp_movsx,
    [SOFT_OP_LEA] = interp_lea,
    [SOFT_OP_XCHG] = interp_xchg,
    [SOFT_OP_XADD] = interp_xadd,
    [SOFT_OP_CMPXCHG] = interp_cmpxchg,
    [SOFT_OP_CMPXCHG8B] = interp_cmpxchg8b,
    [SOFT_OP_CMPXCHG16B] = interp_cmpxchg16b,
    [SOFT_OP_MOVBE] = interp_movbe,
    [SOFT_OP_BSWAP] = interp_bswap,
    [SOFT_OP_MUL] = interp_mul,
    [SOFT_OP_IMUL] = interp_imul,
    [SOFT_OP_IMUL2] = interp_imul2,
    [SOFT_OP_IMUL3] = interp_imul3,
    [SOFT_OP_DIV] = interp_div,
    [SOFT_OP_IDIV] = interp_idiv,
    [SOFT_OP_SHLD] = interp_shld,
    [SOFT_OP_SHRD] = interp_shrd,
    [SOFT_OP_BT] = interp_bt,
    [SOFT_OP_BTS] = interp_bt,
    [SOFT_OP_BTR] = interp_bt,
    [SOFT_OP_BTC] = interp_bt,
    [SOFT_OP_BSF] = interp_bsf,
    [SOFT_OP_BSR] = interp_bsr,
    [SOFT_OP_TZCNT] = interp_tzcnt,
    [SOFT_OP_LZCNT] = interp_lzcnt,
    [SOFT_OP_POPCNT] = interp_popcnt,
    [SOFT_OP_CMOV] = interp_cmov,
    [SOFT_OP_SETCC] = interp_setcc,
    [SOFT_OP_CBW] = interp_cbw,
    [SOFT_OP_CWD] = interp_cwd,
    [SOFT_OP_CRC32] = interp_crc32,
    [SOFT_OP_ANDN] = interp_andn,
    [SOFT_OP_BEXTR] = interp_bextr,
    [SOFT_OP_BLSI] = interp_bls,
    [SOFT_OP_BLSMSK] = interp_bls,
    [SOFT_OP_BLSR] = interp_bls,
    [SOFT_OP_BZHI] = interp_bzhi,
    [SOFT_OP_MULX] = interp_mulx,
    [SOFT_OP_PDEP] = interp_pdep,
    [SOFT_OP_PEXT] = interp_pext,
    [SOFT_OP_RORX] = interp_rorx,
    [SOFT_OP_SARX] = interp_shiftx,
    [SOFT_OP_SHLX] = interp_shiftx,
    [SOFT_OP_SHRX] = interp_shiftx,
    [SOFT_OP_ADCX] = interp_adcx,
    [SOFT_OP_ADOX] = interp_adcx,
    [SOFT_OP_LAHF] = interp_lahf,
    [SOFT_OP_SAHF] = interp_sahf,
    [SOFT_OP_CLC] = interp_flag,
    [SOFT_OP_STC] = interp_flag,
    [SOFT_OP_CMC] = interp_flag,
    [SOFT_OP_CLD] = interp_flag,
    [SOFT_OP_STD] = interp_flag,
    [SOFT_OP_NOP] = interp_nop,
    [SOFT_OP_PAUSE] = interp_pause,
    [SOFT_OP_LFENCE] = interp_fence,
    [SOFT_OP_MFENCE] = interp_fence,
    [SOFT_OP_SFENCE] = interp_fence,
    [SOFT_OP_CLFLUSH] = interp_clflush,
    [SOFT_OP_RDRAND] = interp_rdrand,
    [SOFT_OP_RDSEED] = interp_rdrand,
    [SOFT_OP_X87] = interp_native,
    [SOFT_OP_FWAIT] = interp_native,
    [SOFT_OP_MMX] = interp_native,
    [SOFT_OP_SSE] = interp_native,
    [SOFT_OP_AVX] = interp_native,
    [SOFT_OP_MASKMOVQ] = interp_native,
    [SOFT_OP_MASKMOVDQU] = interp_native,
    [SOFT_OP_VMASKMOV] = interp_native,
    [SOFT_OP_VGATHER] = interp_native,
    [SOFT_OP_LDMXCSR] = interp_native,
    [SOFT_OP_STMXCSR] = interp_native,
    [SOFT_OP_DAA] = interp_daa,
    [SOFT_OP_DAS] = interp_das,
    [SOFT_OP_AAA] = interp_aaa,
    [SOFT_OP_AAS] = interp_aas,
    [SOFT_OP_AAM] = interp_aam,
    [SOFT_OP_AAD] = interp_aad,
    [SOFT_OP_SALC] = interp_salc,
    [SOFT_OP_XLAT] = interp_xlat,
    [SOFT_OP_BOUND] = interp_bound,
    [SOFT_OP_INTO] = interp_into,
    [SOFT_OP_ARPL] = interp_arpl,
    [SOFT_OP_MOVS] = interp_movs,
    [SOFT_OP_CMPS] = interp_cmps,
    [SOFT_OP_STOS] = interp_stos,
    [SOFT_OP_LODS] = interp_lods,
    [SOFT_OP_SCAS] = interp_scas,
    [SOFT_OP_INS] = interp_ins,
    [SOFT_OP_OUTS] = interp_outs,
    [SOFT_OP_PUSH] = interp_push,
    [SOFT_OP_PUSHI] = interp_pushi,
    [SOFT_OP_PUSHS] = interp_pushs,
    [SOFT_OP_POP] = interp_pop,
    [SOFT_OP_POPS] = interp_pops,
    [SOFT_OP_PUSHA] = interp_pusha,
    [SOFT_OP_POPA] = interp_popa,
    [SOFT_OP_PUSHF] = interp_pushf,
    [SOFT_OP_POPF] = interp_popf,
    [SOFT_OP_ENTER] = interp_enter,
    [SOFT_OP_LEAVE] = interp_leave,
    [SOFT_OP_JCC] = interp_jcc,
    [SOFT_OP_JMP] = interp_jmp,
    [SOFT_OP_JMPI] = interp_jmpi,
    [SOFT_OP_JMPF] = interp_jmpf,
    [SOFT_OP_CALL] = interp_call,
    [SOFT_OP_CALLI] = interp_calli,
    [SOFT_OP_CALLF] = interp_callf,
    [SOFT_OP_RET] = interp_ret,
    [SOFT_OP_RETF] = interp_retf,
    [SOFT_OP_IRET] = interp_iret,
    [SOFT_OP_LOOP] = interp_loop,
    [SOFT_OP_LOOPE] = interp_loop,
    [SOFT_OP_LOOPNE] = interp_loop,
    [SOFT_OP_JCXZ] = interp_jcxz,
    [SOFT_OP_INT] = interp_int,
    [SOFT_OP_INT3] = interp_int3,
    [SOFT_OP_INT1] = interp_int1,
    [SOFT_OP_SYSCALL] = interp_syscall,
    [SOFT_OP_SYSRET] = interp_sysret,
    [SOFT_OP_SYSENTER] = interp_sysenter,
    [SOFT_OP_SYSEXIT] = interp_sysexit,
};

InterpHandler *interp_select(const SoftInsn *insn)
{
    InterpHandler *handler;

    if (insn->op >= SOFT_OP_ADD && insn->op <= SOFT_OP_TEST) {
        return interp_select_alu(insn);
    }
    if (insn->op == SOFT_OP_MOV || insn->op == SOFT_OP_MOVNTI) {
        return interp_select_mov(insn);
    }
    if (insn->op >= SOFT_OP_INC && insn->op <= SOFT_OP_NOT) {
        return interp_select_unary(insn);
    }
    if (insn->op >= SOFT_OP_ROL && insn->op <= SOFT_OP_SAR) {
        return interp_select_shift(insn);
    }
    handler = handlers[insn->op];
    return handler != NULL ? handler : interp_system;
}

/* -- handlers without a family --------------------------------------------- */

bool interp_ud(SoftCPU *cpu, const SoftInsn *insn)
{
    return soft_raise(cpu, SOFT_EXC_UD);
}

bool interp_native(SoftCPU *cpu, const SoftInsn *insn)
{
    return soft_native_exec(cpu, insn);
}

bool interp_check_align(SoftCPU *cpu, uint64_t linear, unsigned size)
{
    /* Far pointers and the like: by their largest part, a power of two. */
    unsigned align = 1u << (31 - __builtin_clz(MAX(size, 1)));

    if (linear & (MIN(align, 8) - 1)) {
        return soft_raise_error(cpu, SOFT_EXC_AC, 0);
    }
    return true;
}

/* -- fetch ----------------------------------------------------------------- */

SoftDecodeMode interp_decode_mode(const SoftCPU *cpu)
{
    uint32_t mode = cpu->mode_flags;

    return (SoftDecodeMode){
        .features = cpu->features,
        .code_bits = mode & SOFT_MODE_CS64   ? 64
                     : mode & SOFT_MODE_CS32 ? 32
                                             : 16,
        .prot = mode & SOFT_MODE_PE,
    };
}

static bool undefined(SoftCPU *cpu, const uint8_t *bytes, unsigned len)
{
    char text[3 * SOFT_INSN_BYTES_MAX + 1] = "";

    for (unsigned i = 0; i < MIN(len, SOFT_INSN_BYTES_MAX); i++) {
        snprintf(text + 3 * i, 4, "%02x ", bytes[i]);
    }
    trace_soft_undefined(cpu->base.index, cpu->rip, cpu->mode_flags, text);
    return soft_raise(cpu, SOFT_EXC_UD);
}

/* The bytes at cs:rip that are on the page of the first one, up to @room. */
static bool fetch_page(SoftCPU *cpu, uint64_t linear, uint64_t room,
                       uint8_t *buf, unsigned *ret_len)
{
    unsigned len = MIN(room, SOFT_PAGE_BYTES - (linear & ~SOFT_PAGE_MASK));
    const uint8_t *host;
    uint64_t gpa;

    if (!soft_code_ptr(cpu, linear, &gpa, &host)) {
        return false;
    }
    if (gpa != SOFT_NO_GPA) {
        memcpy(buf, host, len);
    } else if (!soft_mem_fetch(cpu, linear, buf, len)) {
        return false;
    }
    *ret_len = len;
    return true;
}

bool soft_interp_fetch(SoftCPU *cpu, SoftInsn *insn)
{
    SoftDecodeMode mode = interp_decode_mode(cpu);
    uint64_t linear = interp_code_linear(cpu);
    uint64_t room = SOFT_INSN_BYTES_MAX;
    uint8_t buf[SOFT_INSN_BYTES_MAX];
    SoftDecodeStatus status;
    unsigned len, more;

    if (mode.code_bits != 64) {
        if (cpu->rip > cpu->seg[X86_CS].limit) {
            return soft_raise_gp(cpu);
        }
        room = MIN(room, cpu->seg[X86_CS].limit - cpu->rip + 1);
    }
    if (!fetch_page(cpu, linear, room, buf, &len)) {
        return false;
    }
    status = soft_decode(buf, len, &mode, insn);
    if (status == SOFT_DECODE_MORE && len < room) {
        linear += len;
        if (mode.code_bits != 64) {
            linear = (uint32_t)linear;
        }
        if (!fetch_page(cpu, linear, room - len, buf + len, &more)) {
            return false;
        }
        len += more;
        status = soft_decode(buf, len, &mode, insn);
    }
    switch (status) {
    case SOFT_DECODE_OK:
        return true;
    case SOFT_DECODE_UD:
        return undefined(cpu, buf, len);
    default: /* too long, or over the segment's limit */
        return soft_raise_gp(cpu);
    }
}

/* -- one instruction ------------------------------------------------------- */

bool soft_interp_insn(SoftCPU *cpu, const SoftInsn *insn)
{
    cpu->next_rip = cpu->rip + insn->length;
    if (!(cpu->mode_flags & SOFT_MODE_CS64)) {
        cpu->next_rip = (uint32_t)cpu->next_rip;
    }
    if (!interp_select(insn)(cpu, insn)) {
        return false;
    }
    cpu->rip = cpu->next_rip;
    return true;
}

bool soft_interp_one(SoftCPU *cpu)
{
    SoftInsn insn;

    return soft_interp_fetch(cpu, &insn) && soft_interp_insn(cpu, &insn);
}
