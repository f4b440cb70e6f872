/*
 * x87 state between the guest's image and the host's FPU.
 *
 * While x87_live is set the guest's x87 and MMX registers, control and status
 * word are the host's own: C code does not touch them, and an unmasked
 * exception of the guest only sets ES there, for nothing that waits is executed
 * before ES has been looked at. What the host cannot know are the pointers to
 * the last instruction and operand: they are kept aside (SoftNative.fip, fdp,
 * fop) and put into every image.
 *
 * Environments (FLDENV, FNSTENV, FNSAVE, FRSTOR) exist in four layouts, by
 * operand size and by protection; the host is asked for the 32-bit protected
 * one, which is then converted.
 *
 * Source: Intel SDM volume 1, 8.1.8 to 8.1.10, 10.5.1 (FXSAVE).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "native-internal.h"

/* clang-format off */
#define ALL_XMM "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",        \
                "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",    \
                "xmm14", "xmm15"
/* clang-format on */

#define MODRM_REG(m) ((m) >> 3 & 7u)

static bool is_mem(const SoftInsn *insn)
{
    return insn->modrm >> 6 != 3;
}

/* -- there and back ------------------------------------------------------- */

void soft_x87_load(SoftCPU *cpu)
{
    SoftNative *n = cpu->native;
    uint32_t mxcsr = MXCSR_HOST;

    if (cpu->x87_live) {
        return;
    }
    memcpy(cpu->fx + FX_MXCSR, &mxcsr, sizeof(mxcsr));
    __asm__ volatile("fxrstor64 %0"
                     :
                     : "m"(*(uint8_t(*)[SOFT_FX_BYTES])cpu->fx)
                     : ALL_XMM);
    if (n) {
        memcpy(&n->fop, cpu->fx + FX_FOP, sizeof(n->fop));
        memcpy(&n->fip, cpu->fx + FX_FIP, sizeof(n->fip));
        memcpy(&n->fdp, cpu->fx + FX_FDP, sizeof(n->fdp));
    }
    cpu->x87_live = true;
}

void soft_x87_sync(SoftCPU *cpu)
{
    const SoftNative *n = cpu->native;

    if (!cpu->x87_live) {
        return;
    }
    __asm__ volatile("fxsave64 %0\n\tfninit"
                     : "=m"(*(uint8_t(*)[SOFT_FX_BYTES])cpu->fx));
    if (n) {
        memcpy(cpu->fx + FX_FOP, &n->fop, sizeof(n->fop));
        memcpy(cpu->fx + FX_FIP, &n->fip, sizeof(n->fip));
        memcpy(cpu->fx + FX_FDP, &n->fdp, sizeof(n->fdp));
    }
    cpu->x87_live = false;
}

void native_enter_mmx(SoftCPU *cpu)
{
    soft_x87_load(cpu);
    __asm__ volatile("movd %%mm0, %%eax" : : : "eax");
}

uint16_t native_x87_fsw(void)
{
    uint16_t fsw;

    __asm__ volatile("fnstsw %0" : "=a"(fsw));
    return fsw;
}

uint16_t native_x87_fcw(void)
{
    uint16_t fcw;

    __asm__ volatile("fnstcw %0" : "=m"(fcw));
    return fcw;
}

/* -- kinds of instructions ------------------------------------------------ */

bool native_x87_is_env(const SoftInsn *insn)
{
    unsigned reg = MODRM_REG(insn->modrm);

    return is_mem(insn) && (reg == 4 || reg == 6) &&
           (insn->opcode == 0xd9 || insn->opcode == 0xdd);
}

/* FNSTCW, FNSTENV, FNSTSW, FNSAVE, FNCLEX, FNINIT and their dead neighbours. */
bool native_x87_waits(const SoftInsn *insn)
{
    unsigned reg = MODRM_REG(insn->modrm);

    if (is_mem(insn)) {
        return !((insn->opcode == 0xd9 || insn->opcode == 0xdd) &&
                 (reg == 6 || reg == 7));
    }
    return !(insn->opcode == 0xdb && reg == 4) &&
           !(insn->opcode == 0xdf && insn->modrm == 0xe0);
}

/* Instructions after which the pointers are those of the one before. */
bool soft_x87_leaves_pointers(const SoftInsn *insn)
{
    unsigned reg = MODRM_REG(insn->modrm);

    if (!native_x87_waits(insn)) {
        return true;
    }
    return is_mem(insn) && (insn->opcode == 0xd9 || insn->opcode == 0xdd) &&
           (reg == 4 || (reg == 5 && insn->opcode == 0xd9));
}

void soft_x87_note(SoftCPU *cpu, const SoftInsn *insn, uint64_t offset)
{
    SoftNative *n = cpu->native;

    if (insn->opcode == 0xdb && insn->modrm == 0xe3) { /* FNINIT */
        n->fip = 0;
        n->fdp = 0;
        n->fop = 0;
        return;
    }
    if (soft_x87_leaves_pointers(insn)) {
        return;
    }
    n->fip = cpu->rip;
    if (!n->fdp_lazy || (native_x87_fsw() & FSW_ES)) {
        n->fop = (uint16_t)((insn->opcode & 7u) << 8 | insn->modrm);
        if (is_mem(insn)) {
            n->fdp = offset;
        }
    }
}

void soft_x87_note_rip(SoftCPU *cpu, uint64_t rip)
{
    cpu->native->fip = rip;
}

/* -- environments --------------------------------------------------------- */

/* The 32-bit protected-mode layout, which is what a 64-bit host has. */
typedef struct X87Env {
    uint16_t fcw, pad_fcw;
    uint16_t fsw, pad_fsw;
    uint16_t ftw, pad_ftw;
    uint32_t fip;
    uint16_t fcs;
    uint16_t fop;
    uint32_t fdp;
    uint16_t fds, pad_fds;
} X87Env;

#define ENV_BYTES    28
#define ENV16_BYTES  14
#define STACK_BYTES  80 /* eight registers after FNSAVE's environment */
#define SAVE_BYTES   (ENV_BYTES + STACK_BYTES)
#define SAVE16_BYTES (ENV16_BYTES + STACK_BYTES)
#define FOP_MASK     0x7ffu

_Static_assert(sizeof(X87Env) == ENV_BYTES, "SDM volume 1, figure 8-9");

static bool env_is_protected(const SoftCPU *cpu)
{
    return cpu->mode_flags & SOFT_MODE_PE;
}

static void put16(uint8_t *p, uint32_t v)
{
    uint16_t v16 = (uint16_t)v;

    memcpy(p, &v16, sizeof(v16));
}

static void put32(uint8_t *p, uint32_t v)
{
    memcpy(p, &v, sizeof(v));
}

static uint16_t get16(const uint8_t *p)
{
    uint16_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static uint32_t get32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

/* Figures 8-9 to 8-12. The selectors are always 0 (CPUID.7.0:EBX bit 13). */
static void env_store(const SoftCPU *cpu, const X87Env *env, bool wide,
                      uint8_t *out)
{
    const SoftNative *n = cpu->native;
    uint32_t fip = (uint32_t)n->fip;
    uint32_t fdp = (uint32_t)n->fdp;
    uint32_t fop = n->fop & FOP_MASK;
    bool prot = env_is_protected(cpu);

    if (!wide) {
        put16(out, env->fcw);
        put16(out + 2, env->fsw);
        put16(out + 4, env->ftw);
        put16(out + 6, fip);
        put16(out + 8, prot ? 0 : (fip >> 4 & 0xf000) | fop);
        put16(out + 10, fdp);
        put16(out + 12, prot ? 0 : fdp >> 4 & 0xf000);
        return;
    }
    put32(out, env->fcw | 0xffff0000);
    put32(out + 4, env->fsw | 0xffff0000);
    put32(out + 8, env->ftw | 0xffff0000);
    if (prot) {
        put32(out + 12, fip);
        put32(out + 16, fop << 16);
        put32(out + 20, fdp);
        put32(out + 24, 0xffff0000);
    } else {
        put32(out + 12, (fip & 0xffff) | 0xffff0000);
        put32(out + 16, (fip >> 16) << 12 | fop);
        put32(out + 20, (fdp & 0xffff) | 0xffff0000);
        put32(out + 24, (fdp >> 16) << 12);
    }
}

static void env_load(SoftCPU *cpu, const uint8_t *in, bool wide, X87Env *env)
{
    SoftNative *n = cpu->native;
    unsigned step = wide ? 4 : 2;
    bool prot = env_is_protected(cpu);

    *env = (X87Env){ .fcw = get16(in),
                     .fsw = get16(in + step),
                     .ftw = get16(in + 2 * (size_t)step) };
    if (wide && prot) {
        n->fip = get32(in + 12);
        n->fop = get16(in + 18) & FOP_MASK;
        n->fdp = get32(in + 20);
    } else if (wide) {
        n->fip = get16(in + 12) | (get32(in + 16) >> 12 & 0xffff) << 16;
        n->fop = get16(in + 16) & FOP_MASK;
        n->fdp = get16(in + 20) | (get32(in + 24) >> 12 & 0xffff) << 16;
    } else {
        uint32_t high_ip = prot ? 0 : get16(in + 8) & 0xf000u;
        uint32_t high_dp = prot ? 0 : get16(in + 12) & 0xf000u;

        n->fip = get16(in + 6) | high_ip << 4;
        n->fop = prot ? 0 : get16(in + 8) & FOP_MASK;
        n->fdp = get16(in + 10) | high_dp << 4;
    }
}

/* Up to SAVE_BYTES in pieces which soft_mem_*() take. */
static bool read_long(SoftCPU *cpu, uint64_t linear, uint8_t *buf, size_t size)
{
    for (size_t done = 0; done < size; done += 64) {
        if (!soft_mem_read(cpu, linear + done, buf + done,
                           (unsigned)MIN(size - done, 64))) {
            return false;
        }
    }
    return true;
}

static bool write_long(SoftCPU *cpu, uint64_t linear, const uint8_t *buf,
                       size_t size)
{
    for (size_t done = 0; done < size; done += 64) {
        if (!soft_mem_write(cpu, linear + done, buf + done,
                            (unsigned)MIN(size - done, 64))) {
            return false;
        }
    }
    return true;
}

static bool env_write_insn(SoftCPU *cpu, const SoftInsn *insn, uint64_t linear)
{
    bool save = insn->opcode == 0xdd;
    bool wide = insn->mem_bytes == ENV_BYTES || insn->mem_bytes == SAVE_BYTES;
    size_t env_bytes = wide ? ENV_BYTES : ENV16_BYTES;
    uint8_t host[SAVE_BYTES], out[SAVE_BYTES];
    X87Env env;

    if (!soft_mem_probe(cpu, linear, insn->mem_bytes, SOFT_ACCESS_WRITE)) {
        return false;
    }
    soft_x87_load(cpu);
    if (save) {
        __asm__ volatile("fnsave %0" : "=m"(host));
    } else {
        __asm__ volatile("fnstenv %0" : "=m"(*(X87Env *)(void *)host));
    }
    memcpy(&env, host, sizeof(env));
    env_store(cpu, &env, wide, out);
    if (save) {
        SoftNative *n = cpu->native;

        memcpy(out + env_bytes, host + ENV_BYTES, STACK_BYTES);
        n->fip = 0;
        n->fdp = 0;
        n->fop = 0;
    }
    return write_long(cpu, linear, out, insn->mem_bytes);
}

static bool env_read_insn(SoftCPU *cpu, const SoftInsn *insn, uint64_t linear)
{
    bool restore = insn->opcode == 0xdd;
    bool wide = insn->mem_bytes == ENV_BYTES || insn->mem_bytes == SAVE_BYTES;
    size_t env_bytes = wide ? ENV_BYTES : ENV16_BYTES;
    uint8_t in[SAVE_BYTES], host[SAVE_BYTES];
    X87Env env;

    if (!read_long(cpu, linear, in, insn->mem_bytes)) {
        return false;
    }
    soft_x87_load(cpu);
    env_load(cpu, in, wide, &env);
    memcpy(host, &env, sizeof(env));
    if (restore) {
        memcpy(host + ENV_BYTES, in + env_bytes, STACK_BYTES);
        __asm__ volatile("frstor %0" : : "m"(host));
    } else {
        __asm__ volatile("fldenv %0" : : "m"(*(X87Env *)(void *)host));
    }
    return true;
}

bool native_x87_env(SoftCPU *cpu, const SoftInsn *insn)
{
    bool write = MODRM_REG(insn->modrm) == 6;
    uint64_t linear;

    if (insn->mem_bytes > SAVE_BYTES || insn->mem_bytes < ENV16_BYTES) {
        return soft_raise(cpu, SOFT_EXC_UD);
    }
    if (!soft_seg_linear(
            cpu, insn->seg, native_offset(cpu, insn), insn->mem_bytes,
            write ? SOFT_ACCESS_WRITE : SOFT_ACCESS_READ, &linear)) {
        return false;
    }
    return write ? env_write_insn(cpu, insn, linear)
                 : env_read_insn(cpu, insn, linear);
}
