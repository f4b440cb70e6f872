/*
 * The interpreter's multiplications, divisions and BCD instructions.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "interp-internal.h"

/* -- mul, imul ------------------------------------------------------------- */

/* rDX:rAX = rAX * v by the host, with its flags. */
#define WIDE_MUL(name, mod, sfx)                                               \
    asm(name sfx " %" mod "[v]\n\tmov %%rax, %[lo]" INTERP_GET_FLAGS           \
        : "+&a"(a), "+&d"(hi), [lo] "=&r"(lo)                                  \
        : [v] "r"(v)                                                           \
        : "cc")

static bool wide_mul(SoftCPU *cpu, const SoftInsn *insn, bool is_signed)
{
    unsigned bytes = insn->op_bytes;
    uint64_t a = cpu->gpr[X86_RAX];
    uint64_t hi = 0;
    uint64_t v, lo;

    if (!interp_read_rm(cpu, insn, bytes, &v)) {
        return false;
    }
    switch (bytes) {
    case 1:
        if (is_signed) {
            WIDE_MUL("imul", "b", "b");
        } else {
            WIDE_MUL("mul", "b", "b");
        }
        interp_set_r16(cpu, X86_RAX, lo);
        break;
    case 2:
        if (is_signed) {
            WIDE_MUL("imul", "w", "w");
        } else {
            WIDE_MUL("mul", "w", "w");
        }
        break;
    case 4:
        if (is_signed) {
            WIDE_MUL("imul", "k", "l");
        } else {
            WIDE_MUL("mul", "k", "l");
        }
        break;
    default:
        if (is_signed) {
            WIDE_MUL("imul", "q", "q");
        } else {
            WIDE_MUL("mul", "q", "q");
        }
        break;
    }
    if (bytes > 1) {
        interp_set(cpu, X86_RAX, bytes, lo);
        interp_set(cpu, X86_RDX, bytes, hi);
    }
    interp_set_flags(cpu, a);
    return true;
}

bool interp_mul(SoftCPU *cpu, const SoftInsn *insn)
{
    return wide_mul(cpu, insn, false);
}

bool interp_imul(SoftCPU *cpu, const SoftInsn *insn)
{
    return wide_mul(cpu, insn, true);
}

static uint64_t imul(SoftCPU *cpu, uint64_t a, uint64_t b, unsigned bytes)
{
    uint16_t fl;

    if (bytes == 2) {
        asm("imulw %w[b], %w[a]" INTERP_GET_FLAGS
            : [a] "+&r"(a), "=&a"(fl)
            : [b] "r"(b)
            : "cc");
    } else if (bytes == 4) {
        asm("imull %k[b], %k[a]" INTERP_GET_FLAGS
            : [a] "+&r"(a), "=&a"(fl)
            : [b] "r"(b)
            : "cc");
    } else {
        asm("imulq %[b], %[a]" INTERP_GET_FLAGS
            : [a] "+&r"(a), "=&a"(fl)
            : [b] "r"(b)
            : "cc");
    }
    interp_set_flags(cpu, fl);
    return a;
}

bool interp_imul2(SoftCPU *cpu, const SoftInsn *insn)
{
    unsigned bytes = insn->op_bytes;
    uint64_t v;

    if (!interp_read_rm(cpu, insn, bytes, &v)) {
        return false;
    }
    v = imul(cpu, interp_get(cpu, insn->reg, bytes), v, bytes);
    interp_set(cpu, insn->reg, bytes, v);
    return true;
}

bool interp_imul3(SoftCPU *cpu, const SoftInsn *insn)
{
    unsigned bytes = insn->op_bytes;
    uint64_t v;

    if (!interp_read_rm(cpu, insn, bytes, &v)) {
        return false;
    }
    interp_set(cpu, insn->reg, bytes, imul(cpu, v, insn->imm, bytes));
    return true;
}

bool interp_mulx(SoftCPU *cpu, const SoftInsn *insn)
{
    unsigned bytes = insn->op_bytes;
    unsigned __int128 product;
    uint64_t v;

    if (!interp_read_rm(cpu, insn, bytes, &v)) {
        return false;
    }
    product = (unsigned __int128)v * interp_get(cpu, X86_RDX, bytes);
    interp_set(cpu, insn->vvvv, bytes, product);
    interp_set(cpu, insn->reg, bytes, product >> (8 * bytes));
    return true;
}

/* -- div, idiv: flags stay, the architecture leaves them open -------------- */

/* AX as dividend of the byte form. */
static void set_byte_quotient(SoftCPU *cpu, uint8_t quotient, uint8_t remainder)
{
    interp_set_r16(cpu, X86_RAX, (uint16_t)(remainder << 8 | quotient));
}

bool interp_div(SoftCPU *cpu, const SoftInsn *insn)
{
    unsigned bytes = insn->op_bytes;
    unsigned bits = 8 * bytes;
    unsigned __int128 dividend, quotient;
    uint64_t v;

    if (!interp_read_rm(cpu, insn, bytes, &v)) {
        return false;
    }
    if (v == 0) {
        return soft_raise(cpu, SOFT_EXC_DE);
    }
    if (bytes == 1) {
        dividend = (uint16_t)cpu->gpr[X86_RAX];
    } else {
        dividend = (unsigned __int128)interp_get(cpu, X86_RDX, bytes) << bits |
                   interp_get(cpu, X86_RAX, bytes);
    }
    if (dividend >> 64 == 0) {
        quotient = (uint64_t)dividend / v;
    } else {
        quotient = dividend / v;
    }
    if (quotient > interp_mask(bytes)) {
        return soft_raise(cpu, SOFT_EXC_DE);
    }
    if (bytes == 1) {
        set_byte_quotient(cpu, quotient, (uint64_t)dividend % v);
    } else {
        interp_set(cpu, X86_RAX, bytes, quotient);
        interp_set(cpu, X86_RDX, bytes, dividend - quotient * v);
    }
    return true;
}

static int64_t sign_extend(uint64_t v, unsigned bytes)
{
    unsigned shift = 64 - 8 * bytes;

    return (int64_t)(v << shift) >> shift;
}

bool interp_idiv(SoftCPU *cpu, const SoftInsn *insn)
{
    unsigned bytes = insn->op_bytes;
    unsigned bits = 8 * bytes;
    __int128 dividend, quotient, divisor;
    uint64_t v;

    if (!interp_read_rm(cpu, insn, bytes, &v)) {
        return false;
    }
    divisor = sign_extend(v, bytes);
    if (divisor == 0) {
        return soft_raise(cpu, SOFT_EXC_DE);
    }
    if (bytes == 1) {
        dividend = (int16_t)cpu->gpr[X86_RAX];
    } else {
        unsigned __int128 high =
            (unsigned __int128)sign_extend(cpu->gpr[X86_RDX], bytes) << bits;

        dividend = (__int128)(high | interp_get(cpu, X86_RAX, bytes));
    }
    /* The one quotient that is too large for the host as well. */
    if (divisor == -1 && dividend != 0 &&
        (unsigned __int128)dividend << 1 == 0) {
        return soft_raise(cpu, SOFT_EXC_DE);
    }
    quotient = dividend / divisor;
    if (quotient != sign_extend(quotient, bytes)) {
        return soft_raise(cpu, SOFT_EXC_DE);
    }
    if (bytes == 1) {
        set_byte_quotient(cpu, quotient, dividend % divisor);
    } else {
        interp_set(cpu, X86_RAX, bytes, quotient);
        interp_set(cpu, X86_RDX, bytes, dividend - quotient * divisor);
    }
    return true;
}

/* -- binary coded decimals ------------------------------------------------- */

/* SF, ZF and PF of a byte. */
static void set_szp(SoftCPU *cpu, uint8_t v)
{
    interp_put_flag(cpu, SOFT_EFL_SF, v & 0x80);
    interp_put_flag(cpu, SOFT_EFL_ZF, v == 0);
    interp_put_flag(cpu, SOFT_EFL_PF, !__builtin_parity(v));
}

static bool decimal_adjust(SoftCPU *cpu, int sign)
{
    uint8_t *al = interp_r8(cpu, X86_RAX, false);
    uint8_t old = *al;
    bool carry = cpu->eflags & SOFT_EFL_CF;
    bool low = (old & 15) > 9 || (cpu->eflags & SOFT_EFL_AF);
    bool high = old > 0x99 || carry;

    if (low) {
        carry |= sign > 0 ? old > 0xf9 : old < 6;
        *al += sign * 6;
    }
    if (high) {
        *al += sign * 0x60;
        carry = true;
    } else if (sign > 0) {
        carry = false;
    }
    interp_put_flag(cpu, SOFT_EFL_AF, low);
    interp_put_flag(cpu, SOFT_EFL_CF, carry);
    interp_put_flag(cpu, SOFT_EFL_OF, false);
    set_szp(cpu, *al);
    return true;
}

bool interp_daa(SoftCPU *cpu, const SoftInsn *insn)
{
    return decimal_adjust(cpu, 1);
}

bool interp_das(SoftCPU *cpu, const SoftInsn *insn)
{
    return decimal_adjust(cpu, -1);
}

static bool ascii_adjust(SoftCPU *cpu, int sign)
{
    uint16_t ax = cpu->gpr[X86_RAX];
    bool adjust = (ax & 15) > 9 || (cpu->eflags & SOFT_EFL_AF);

    if (adjust) {
        ax += sign * 0x106;
    }
    interp_put_flag(cpu, SOFT_EFL_AF, adjust);
    interp_put_flag(cpu, SOFT_EFL_CF, adjust);
    ax &= 0xff0f;
    set_szp(cpu, ax);
    interp_put_flag(cpu, SOFT_EFL_OF, false);
    interp_set_r16(cpu, X86_RAX, ax);
    return true;
}

bool interp_aaa(SoftCPU *cpu, const SoftInsn *insn)
{
    return ascii_adjust(cpu, 1);
}

bool interp_aas(SoftCPU *cpu, const SoftInsn *insn)
{
    return ascii_adjust(cpu, -1);
}

bool interp_aam(SoftCPU *cpu, const SoftInsn *insn)
{
    uint8_t al = cpu->gpr[X86_RAX];
    uint8_t base = insn->imm;

    if (base == 0) {
        return soft_raise(cpu, SOFT_EXC_DE);
    }
    interp_set_r16(cpu, X86_RAX, (uint16_t)(al / base << 8 | al % base));
    cpu->eflags &= ~(SOFT_EFL_CF | SOFT_EFL_OF | SOFT_EFL_AF);
    set_szp(cpu, al % base);
    return true;
}

bool interp_aad(SoftCPU *cpu, const SoftInsn *insn)
{
    uint16_t ax = cpu->gpr[X86_RAX];
    uint8_t al = ax + (ax >> 8) * (uint8_t)insn->imm;

    interp_set_r16(cpu, X86_RAX, al);
    cpu->eflags &= ~(SOFT_EFL_CF | SOFT_EFL_OF | SOFT_EFL_AF);
    set_szp(cpu, al);
    return true;
}

/* Not documented, and used by old programs: AL = CF ? FF : 0. */
bool interp_salc(SoftCPU *cpu, const SoftInsn *insn)
{
    *interp_r8(cpu, X86_RAX, false) = cpu->eflags & SOFT_EFL_CF ? 0xff : 0;
    return true;
}
