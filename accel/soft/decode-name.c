/*
 * Decoded instructions as text, for messages and traces.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "insn.h"

static const char *const op_names[SOFT_OP_COUNT] = {
#define OP_NAME(name) #name,
    SOFT_OPS(OP_NAME)
#undef OP_NAME
};

static const char *const feature_names[SOFT_F_COUNT] = {
    [SOFT_F_BASE] = "base",
    [SOFT_F_FPU] = "fpu",
    [SOFT_F_CX8] = "cx8",
    [SOFT_F_CMOV] = "cmov",
    [SOFT_F_MMX] = "mmx",
    [SOFT_F_FXSR] = "fxsr",
    [SOFT_F_SSE] = "sse",
    [SOFT_F_SSE2] = "sse2",
    [SOFT_F_SSE3] = "sse3",
    [SOFT_F_SSSE3] = "ssse3",
    [SOFT_F_SSE41] = "sse4.1",
    [SOFT_F_SSE42] = "sse4.2",
    [SOFT_F_SSE4A] = "sse4a",
    [SOFT_F_POPCNT] = "popcnt",
    [SOFT_F_ABM] = "abm",
    [SOFT_F_BMI1] = "bmi1",
    [SOFT_F_BMI2] = "bmi2",
    [SOFT_F_ADX] = "adx",
    [SOFT_F_MOVBE] = "movbe",
    [SOFT_F_AES] = "aes",
    [SOFT_F_PCLMUL] = "pclmulqdq",
    [SOFT_F_SHA] = "sha-ni",
    [SOFT_F_AVX] = "avx",
    [SOFT_F_AVX2] = "avx2",
    [SOFT_F_FMA] = "fma",
    [SOFT_F_F16C] = "f16c",
    [SOFT_F_VAES] = "vaes",
    [SOFT_F_VPCLMUL] = "vpclmulqdq",
    [SOFT_F_GFNI] = "gfni",
    [SOFT_F_RDRAND] = "rdrand",
    [SOFT_F_RDSEED] = "rdseed",
    [SOFT_F_XSAVE] = "xsave",
    [SOFT_F_XSAVEOPT] = "xsaveopt",
    [SOFT_F_XSAVEC] = "xsavec",
    [SOFT_F_XSAVES] = "xsaves",
    [SOFT_F_FSGSBASE] = "fsgsbase",
    [SOFT_F_RDTSCP] = "rdtscp",
    [SOFT_F_RDPID] = "rdpid",
    [SOFT_F_CX16] = "cx16",
    [SOFT_F_LM] = "lm",
    [SOFT_F_SYSCALL] = "syscall",
    [SOFT_F_SEP] = "sep",
    [SOFT_F_LAHF64] = "lahf-lm",
    [SOFT_F_CLFLUSH] = "clflush",
    [SOFT_F_CLFLUSHOPT] = "clflushopt",
    [SOFT_F_CLWB] = "clwb",
    [SOFT_F_PREFETCHW] = "3dnowprefetch",
    [SOFT_F_INVPCID] = "invpcid",
    [SOFT_F_SMAP] = "smap",
    [SOFT_F_MONITOR] = "monitor",
    [SOFT_F_MOVDIRI] = "movdiri",
};

const char *soft_op_name(SoftOp op)
{
    return op < SOFT_OP_COUNT ? op_names[op] : "BAD";
}

const char *soft_feature_name(SoftFeature feature)
{
    return feature < SOFT_F_COUNT ? feature_names[feature] : "unknown";
}

static void append_gpr(GString *s, unsigned reg, unsigned bytes, bool high)
{
    static const char *const names[8] = { "ax", "cx", "dx", "bx",
                                          "sp", "bp", "si", "di" };

    if (high) {
        g_string_append_printf(s, "%ch", "acdb"[reg & 3]);
    } else if (reg >= 8) {
        g_string_append_printf(s, "r%u%s", reg,
                               bytes == 1   ? "b"
                               : bytes == 2 ? "w"
                               : bytes == 4 ? "d"
                                            : "");
    } else if (bytes == 1) {
        g_string_append_printf(s, reg < 4 ? "%.1sl" : "%sl", names[reg]);
    } else {
        g_string_append_printf(s, "%s%s",
                               bytes == 8   ? "r"
                               : bytes == 4 ? "e"
                                            : "",
                               names[reg]);
    }
}

static void append_mem(GString *s, const SoftInsn *insn)
{
    static const char *const segs[8] = { "es", "cs", "ss", "ds",
                                         "fs", "gs", "?",  "?" };

    g_string_append_printf(s, " %u[%s:", insn->mem_bytes, segs[insn->seg & 7]);
    if (insn->attrs & SOFT_A_RIP) {
        g_string_append(s, "rip");
    }
    if (insn->base != SOFT_NO_REG) {
        append_gpr(s, insn->base, insn->addr_bytes, false);
    }
    if (insn->index != SOFT_NO_REG) {
        g_string_append_c(s, '+');
        if (insn->attrs & SOFT_A_VSIB) {
            g_string_append_printf(s, "v%u", insn->index);
        } else {
            append_gpr(s, insn->index, insn->addr_bytes, false);
        }
        g_string_append_printf(s, "*%u", 1u << insn->scale);
    }
    g_string_append_printf(s, "%s0x%" PRIx64 "]", insn->disp < 0 ? "-" : "+",
                           (uint64_t)(insn->disp < 0 ? -(uint64_t)insn->disp
                                                     : insn->disp));
}

static void append_regs(GString *s, const SoftInsn *insn)
{
    if (insn->attrs & (SOFT_A_RM_GPR | SOFT_A_OPC_GPR)) {
        g_string_append(s, " ");
        append_gpr(s, insn->rm, insn->src_bytes, insn->attrs & SOFT_A_RM_H8);
    }
    if (insn->attrs & SOFT_A_RM_VEC) {
        g_string_append_printf(s, " v%u", insn->rm);
    }
    if (insn->attrs & SOFT_A_REG_GPR) {
        g_string_append(s, " ");
        append_gpr(s, insn->reg, insn->op_bytes, insn->attrs & SOFT_A_REG_H8);
    }
    if (insn->attrs & SOFT_A_REG_VEC) {
        g_string_append_printf(s, " v%u", insn->reg);
    }
    if (insn->attrs & (SOFT_A_V_GPR | SOFT_A_V_VEC)) {
        g_string_append_printf(s, " vvvv=%u", insn->vvvv);
    }
}

void soft_insn_format(const SoftInsn *insn, char *buf, size_t size)
{
    g_autoptr(GString) s = g_string_new(NULL);

    if (insn->attrs & SOFT_A_LOCKED) {
        g_string_append(s, "lock ");
    }
    if (insn->attrs & SOFT_A_REP) {
        g_string_append(s, insn->prefixes & SOFT_PFX_REP ? "rep " : "repne ");
    }
    g_string_append(s, soft_op_name(insn->op));
    g_string_append_printf(s, ".%u (%u:%02x", insn->op_bytes, insn->map,
                           insn->opcode);
    if (insn->attrs & SOFT_A_MODRM) {
        g_string_append_printf(s, "/%02x", insn->modrm);
    }
    g_string_append_c(s, ')');
    append_regs(s, insn);
    if (insn->mem != SOFT_MEM_NONE) {
        append_mem(s, insn);
    }
    if (insn->imm_bytes > 0) {
        g_string_append_printf(s, " 0x%" PRIx64, (uint64_t)insn->imm);
    }
    g_strlcpy(buf, s->str, size);
}
