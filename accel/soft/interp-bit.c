/*
 * The interpreter's bit instructions: bt and its kin, scans and counts, BMI,
 * ADX, crc32, random numbers.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sys/random.h>

#include "interp-atomic.h"
#include "interp-internal.h"

/* -- bt, bts, btr, btc ----------------------------------------------------- */

static uint64_t bit_result(unsigned op, uint64_t v, uint64_t mask)
{
    switch (op) {
    case SOFT_OP_BTS:
        return v | mask;
    case SOFT_OP_BTR:
        return v & ~mask;
    case SOFT_OP_BTC:
        return v ^ mask;
    default:
        return v;
    }
}

/* The new value is stored; returns the old one. */
#define BIT_RMW(bits)                                                          \
    {                                                                          \
        uint##bits##_t old = *(volatile SoftU##bits *)p, seen;                 \
                                                                               \
        if (!locked) {                                                         \
            *(volatile SoftU##bits *)p = bit_result(op, old, mask);            \
            return old;                                                        \
        }                                                                      \
        while ((seen = interp_cmpxchg_##bits(                                  \
                    p, old, bit_result(op, old, mask))) != old) {              \
            old = seen;                                                        \
        }                                                                      \
        return old;                                                            \
    }

static uint64_t bit_rmw(void *p, unsigned bytes, unsigned op, uint64_t mask,
                        bool locked)
{
    if (bytes == 2) {
        BIT_RMW(16)
    } else if (bytes == 4) {
        BIT_RMW(32)
    } else {
        BIT_RMW(64)
    }
}

/* The address of the operand that has bit @index, of any distance. */
static uint64_t bit_ea(const SoftCPU *cpu, const SoftInsn *insn, int64_t index)
{
    uint64_t ea = interp_ea(cpu, insn);

    if (insn->imm_bytes == 0) {
        unsigned bits = 8 * insn->op_bytes;

        ea += (uint64_t)((index >> __builtin_ctz(bits)) * insn->op_bytes);
        ea &= interp_mask(insn->addr_bytes);
    }
    return ea;
}

static bool bit_test_mem(SoftCPU *cpu, const SoftInsn *insn, int64_t index)
{
    unsigned bytes = insn->op_bytes;
    unsigned bit = index & (8 * bytes - 1);
    bool write = insn->op != SOFT_OP_BT;
    uint64_t linear, old;
    SoftRMW rmw;
    void *p;

    if (!interp_linear_at(cpu, insn->seg, bit_ea(cpu, insn, index), bytes,
                          write ? SOFT_ACCESS_RMW : SOFT_ACCESS_READ,
                          &linear)) {
        return false;
    }
    if (!write) {
        if (!interp_load_linear(cpu, linear, bytes, &old)) {
            return false;
        }
    } else {
        p = interp_rmw_begin_at(cpu, insn, linear, bytes, &rmw);
        if (p == NULL) {
            return false;
        }
        old = bit_rmw(p, bytes, insn->op, (uint64_t)1 << bit,
                      insn->attrs & SOFT_A_LOCKED);
        interp_rmw_end(cpu, &rmw);
    }
    interp_put_flag(cpu, SOFT_EFL_CF, old >> bit & 1);
    return true;
}

bool interp_bt(SoftCPU *cpu, const SoftInsn *insn)
{
    unsigned bytes = insn->op_bytes;
    unsigned shift = 64 - 8 * bytes;
    int64_t index = insn->imm;
    uint64_t v;
    unsigned bit;

    if (insn->imm_bytes == 0) {
        index = (int64_t)(cpu->gpr[insn->reg] << shift) >> shift;
    }
    if (insn->mem != SOFT_MEM_NONE) {
        return bit_test_mem(cpu, insn, index);
    }
    bit = index & (8 * bytes - 1);
    v = interp_get(cpu, insn->rm, bytes);
    interp_put_flag(cpu, SOFT_EFL_CF, v >> bit & 1);
    if (insn->op != SOFT_OP_BT) {
        interp_set(cpu, insn->rm, bytes,
                   bit_result(insn->op, v, (uint64_t)1 << bit));
    }
    return true;
}

/* -- scans and counts ------------------------------------------------------ */

/* The host's own instruction, for its flags; @d keeps its value where the
 * instruction leaves it. */
#define SCAN(name)                                                             \
    static uint64_t name(SoftCPU *cpu, uint64_t d, uint64_t v, unsigned bytes) \
    {                                                                          \
        uint16_t fl;                                                           \
                                                                               \
        if (bytes == 2) {                                                      \
            asm(#name "w %w[v], %w[d]" INTERP_GET_FLAGS                        \
                : [d] "+&r"(d), "=&a"(fl)                                      \
                : [v] "r"(v)                                                   \
                : "cc");                                                       \
        } else if (bytes == 4) {                                               \
            asm(#name "l %k[v], %k[d]" INTERP_GET_FLAGS                        \
                : [d] "+&r"(d), "=&a"(fl)                                      \
                : [v] "r"(v)                                                   \
                : "cc");                                                       \
        } else {                                                               \
            asm(#name "q %[v], %[d]" INTERP_GET_FLAGS                          \
                : [d] "+&r"(d), "=&a"(fl)                                      \
                : [v] "r"(v)                                                   \
                : "cc");                                                       \
        }                                                                      \
        interp_set_flags(cpu, fl);                                             \
        return d;                                                              \
    }

SCAN(bsf)
SCAN(bsr)
SCAN(popcnt)

bool interp_bsf(SoftCPU *cpu, const SoftInsn *insn)
{
    uint64_t v;

    if (!interp_read_rm(cpu, insn, insn->op_bytes, &v)) {
        return false;
    }
    v = bsf(cpu, cpu->gpr[insn->reg], v, insn->op_bytes);
    if (insn->op_bytes == 2) {
        interp_set_r16(cpu, insn->reg, v);
    } else {
        cpu->gpr[insn->reg] = v; /* as the host left it */
    }
    return true;
}

bool interp_bsr(SoftCPU *cpu, const SoftInsn *insn)
{
    uint64_t v;

    if (!interp_read_rm(cpu, insn, insn->op_bytes, &v)) {
        return false;
    }
    v = bsr(cpu, cpu->gpr[insn->reg], v, insn->op_bytes);
    if (insn->op_bytes == 2) {
        interp_set_r16(cpu, insn->reg, v);
    } else {
        cpu->gpr[insn->reg] = v;
    }
    return true;
}

bool interp_popcnt(SoftCPU *cpu, const SoftInsn *insn)
{
    uint64_t v;

    if (!interp_read_rm(cpu, insn, insn->op_bytes, &v)) {
        return false;
    }
    v = popcnt(cpu, 0, v, insn->op_bytes);
    interp_set(cpu, insn->reg, insn->op_bytes, v);
    return true;
}

/* CF: the source is 0; ZF: the result is. */
static bool set_count(SoftCPU *cpu, const SoftInsn *insn, uint64_t v,
                      unsigned count)
{
    cpu->eflags &= ~SOFT_EFL_ARITH;
    interp_put_flag(cpu, SOFT_EFL_CF, v == 0);
    interp_put_flag(cpu, SOFT_EFL_ZF, count == 0);
    interp_set(cpu, insn->reg, insn->op_bytes, count);
    return true;
}

bool interp_tzcnt(SoftCPU *cpu, const SoftInsn *insn)
{
    unsigned bits = 8 * insn->op_bytes;
    uint64_t v;

    if (!interp_read_rm(cpu, insn, insn->op_bytes, &v)) {
        return false;
    }
    return set_count(cpu, insn, v, v == 0 ? bits : __builtin_ctzll(v));
}

bool interp_lzcnt(SoftCPU *cpu, const SoftInsn *insn)
{
    unsigned bits = 8 * insn->op_bytes;
    uint64_t v;

    if (!interp_read_rm(cpu, insn, insn->op_bytes, &v)) {
        return false;
    }
    return set_count(cpu, insn, v,
                     v == 0 ? bits : __builtin_clzll(v) - (64 - bits));
}

/* -- BMI1, BMI2 ------------------------------------------------------------ */

/* SF and ZF of a result, the rest as given. */
static void bmi_flags(SoftCPU *cpu, uint64_t v, unsigned bytes, bool carry)
{
    cpu->eflags &= ~(SOFT_EFL_OF | SOFT_EFL_SF | SOFT_EFL_ZF | SOFT_EFL_CF);
    interp_put_flag(cpu, SOFT_EFL_SF, v >> (8 * bytes - 1) & 1);
    interp_put_flag(cpu, SOFT_EFL_ZF, v == 0);
    interp_put_flag(cpu, SOFT_EFL_CF, carry);
}

bool interp_andn(SoftCPU *cpu, const SoftInsn *insn)
{
    unsigned bytes = insn->op_bytes;
    uint64_t v;

    if (!interp_read_rm(cpu, insn, bytes, &v)) {
        return false;
    }
    v &= ~interp_get(cpu, insn->vvvv, bytes);
    bmi_flags(cpu, v, bytes, false);
    interp_set(cpu, insn->reg, bytes, v);
    return true;
}

/* blsr, blsmsk, blsi */
bool interp_bls(SoftCPU *cpu, const SoftInsn *insn)
{
    unsigned bytes = insn->op_bytes;
    uint64_t v, r;
    bool carry;

    if (!interp_read_rm(cpu, insn, bytes, &v)) {
        return false;
    }
    carry = v == 0;
    if (insn->op == SOFT_OP_BLSR) {
        r = v & (v - 1);
    } else if (insn->op == SOFT_OP_BLSMSK) {
        r = v ^ (v - 1);
    } else {
        r = v & (0 - v);
        carry = v != 0;
    }
    r &= interp_mask(bytes);
    bmi_flags(cpu, r, bytes, carry);
    interp_set(cpu, insn->vvvv, bytes, r);
    return true;
}

bool interp_bextr(SoftCPU *cpu, const SoftInsn *insn)
{
    unsigned bytes = insn->op_bytes;
    unsigned start = cpu->gpr[insn->vvvv] & 0xff;
    unsigned len = cpu->gpr[insn->vvvv] >> 8 & 0xff;
    uint64_t v;

    if (!interp_read_rm(cpu, insn, bytes, &v)) {
        return false;
    }
    v = start < 64 ? v >> start : 0;
    if (len < 64) {
        v &= ((uint64_t)1 << len) - 1;
    }
    cpu->eflags &= ~(SOFT_EFL_OF | SOFT_EFL_CF);
    interp_put_flag(cpu, SOFT_EFL_ZF, v == 0);
    interp_set(cpu, insn->reg, bytes, v);
    return true;
}

bool interp_bzhi(SoftCPU *cpu, const SoftInsn *insn)
{
    unsigned bytes = insn->op_bytes;
    unsigned n = cpu->gpr[insn->vvvv] & 0xff;
    uint64_t v;

    if (!interp_read_rm(cpu, insn, bytes, &v)) {
        return false;
    }
    if (n < 8 * bytes) {
        v &= ((uint64_t)1 << n) - 1;
    }
    bmi_flags(cpu, v, bytes, n >= 8 * bytes);
    interp_set(cpu, insn->reg, bytes, v);
    return true;
}

bool interp_pdep(SoftCPU *cpu, const SoftInsn *insn)
{
    unsigned bytes = insn->op_bytes;
    uint64_t source = cpu->gpr[insn->vvvv];
    uint64_t mask, r = 0;

    if (!interp_read_rm(cpu, insn, bytes, &mask)) {
        return false;
    }
    for (; mask != 0; mask &= mask - 1, source >>= 1) {
        if (source & 1) {
            r |= mask & (0 - mask);
        }
    }
    interp_set(cpu, insn->reg, bytes, r);
    return true;
}

bool interp_pext(SoftCPU *cpu, const SoftInsn *insn)
{
    unsigned bytes = insn->op_bytes;
    uint64_t source = cpu->gpr[insn->vvvv];
    uint64_t mask, r = 0;

    if (!interp_read_rm(cpu, insn, bytes, &mask)) {
        return false;
    }
    for (uint64_t bit = 1; mask != 0; mask &= mask - 1, bit <<= 1) {
        if (source & mask & (0 - mask)) {
            r |= bit;
        }
    }
    interp_set(cpu, insn->reg, bytes, r);
    return true;
}

/* -- others ---------------------------------------------------------------- */

/* adcx by CF, adox by OF */
bool interp_adcx(SoftCPU *cpu, const SoftInsn *insn)
{
    uint32_t flag = insn->op == SOFT_OP_ADCX ? SOFT_EFL_CF : SOFT_EFL_OF;
    unsigned bytes = insn->op_bytes;
    unsigned __int128 sum;
    uint64_t v;

    if (!interp_read_rm(cpu, insn, bytes, &v)) {
        return false;
    }
    sum = (unsigned __int128)v + interp_get(cpu, insn->reg, bytes) +
          !!(cpu->eflags & flag);
    interp_put_flag(cpu, flag, sum >> (8 * bytes) & 1);
    interp_set(cpu, insn->reg, bytes, sum);
    return true;
}

bool interp_crc32(SoftCPU *cpu, const SoftInsn *insn)
{
    uint64_t crc = (uint32_t)cpu->gpr[insn->reg];
    uint64_t v;

    if (!interp_read_rm(cpu, insn, insn->src_bytes, &v)) {
        return false;
    }
    switch (insn->src_bytes) {
    case 1:
        asm("crc32b %b[v], %k[crc]" : [crc] "+r"(crc) : [v] "q"(v));
        break;
    case 2:
        asm("crc32w %w[v], %k[crc]" : [crc] "+r"(crc) : [v] "r"(v));
        break;
    case 4:
        asm("crc32l %k[v], %k[crc]" : [crc] "+r"(crc) : [v] "r"(v));
        break;
    default:
        asm("crc32q %[v], %[crc]" : [crc] "+r"(crc) : [v] "r"(v));
        break;
    }
    cpu->gpr[insn->reg] = (uint32_t)crc;
    return true;
}

/* rdrand, rdseed: from the host kernel; CF tells of success. */
bool interp_rdrand(SoftCPU *cpu, const SoftInsn *insn)
{
    uint64_t v = 0;
    bool good = getrandom(&v, sizeof(v), GRND_NONBLOCK) == sizeof(v);

    cpu->eflags &= ~SOFT_EFL_ARITH;
    interp_put_flag(cpu, SOFT_EFL_CF, good);
    interp_set(cpu, insn->rm, insn->op_bytes, good ? v : 0);
    return true;
}
