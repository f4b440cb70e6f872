/*
 * The interpreter's shifts and rotates.
 *
 * The host does them, with the count as the architecture masks it; so results
 * that it leaves open (counts over the operand's width) are a CPU's. A count of
 * 0 leaves the flags alone; of rotates, only CF and OF are results.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "interp-internal.h"

#define ROTATE_FLAGS (SOFT_EFL_CF | SOFT_EFL_OF)

/* @a is 64 bits wide, so that a 32-bit shift clears the upper half. */
#define SHIFT_FUNCTION(name, bits, mod, sfx, pre, flags)                       \
    static inline uint64_t name##_##bits(SoftCPU *cpu, uint64_t a,             \
                                         uint8_t count)                        \
    {                                                                          \
        uint16_t fl;                                                           \
                                                                               \
        asm(pre #name sfx " %%cl, %" mod "[a]" INTERP_GET_FLAGS                \
            : [a] "+&q"(a), "=&a"(fl)                                          \
            : "c"(count), [efl] "m"(cpu->eflags)                               \
            : "cc");                                                           \
        if (count != 0) {                                                      \
            interp_set_some_flags(cpu, fl, flags);                             \
        }                                                                      \
        return a;                                                              \
    }                                                                          \
    static bool name##_r_##bits(SoftCPU *cpu, const SoftInsn *insn)            \
    {                                                                          \
        uint64_t a = interp_get_rm(cpu, insn, bits / 8);                       \
                                                                               \
        a = name##_##bits(cpu, a, shift_count(cpu, insn, bits));               \
        interp_set_rm(cpu, insn, bits / 8, a);                                 \
        return true;                                                           \
    }                                                                          \
    static bool name##_m_##bits(SoftCPU *cpu, const SoftInsn *insn)            \
    {                                                                          \
        SoftRMW rmw;                                                           \
        SoftU##bits *p = interp_rmw_begin(cpu, insn, bits / 8, &rmw);          \
                                                                               \
        if (p == NULL) {                                                       \
            return false;                                                      \
        }                                                                      \
        *p = name##_##bits(cpu, *p, shift_count(cpu, insn, bits));             \
        interp_rmw_end(cpu, &rmw);                                             \
        return true;                                                           \
    }

#define SHIFT_FUNCTIONS(name, pre, flags)                                      \
    SHIFT_FUNCTION(name, 8, "b", "b", pre, flags)                              \
    SHIFT_FUNCTION(name, 16, "w", "w", pre, flags)                             \
    SHIFT_FUNCTION(name, 32, "k", "l", pre, flags)                             \
    SHIFT_FUNCTION(name, 64, "q", "q", pre, flags)

/* imm_bytes is 0 also for a shift by 1, which has imm 1; by CL it has imm 0. */
static inline uint8_t shift_count(const SoftCPU *cpu, const SoftInsn *insn,
                                  unsigned bits)
{
    uint8_t count = insn->imm_bytes == 0 && insn->imm == 0 ? cpu->gpr[X86_RCX]
                                                           : (uint8_t)insn->imm;

    return count & (bits == 64 ? 63 : 31);
}

SHIFT_FUNCTIONS(rol, "", ROTATE_FLAGS)
SHIFT_FUNCTIONS(ror, "", ROTATE_FLAGS)
SHIFT_FUNCTIONS(rcl, INTERP_PUT_CARRY, ROTATE_FLAGS)
SHIFT_FUNCTIONS(rcr, INTERP_PUT_CARRY, ROTATE_FLAGS)
SHIFT_FUNCTIONS(shl, "", SOFT_EFL_ARITH)
SHIFT_FUNCTIONS(shr, "", SOFT_EFL_ARITH)
SHIFT_FUNCTIONS(sar, "", SOFT_EFL_ARITH)

#define BY_SIZE(name)                                                          \
    {                                                                          \
        name##_8, name##_16, name##_32, name##_64                              \
    }
#define BY_PLACE(name)                                                         \
    {                                                                          \
        BY_SIZE(name##_r), BY_SIZE(name##_m)                                   \
    }

static InterpHandler *const shift_handlers[][2][4] = {
    [SOFT_OP_ROL - SOFT_OP_ROL] = BY_PLACE(rol),
    [SOFT_OP_ROR - SOFT_OP_ROL] = BY_PLACE(ror),
    [SOFT_OP_RCL - SOFT_OP_ROL] = BY_PLACE(rcl),
    [SOFT_OP_RCR - SOFT_OP_ROL] = BY_PLACE(rcr),
    [SOFT_OP_SHL - SOFT_OP_ROL] = BY_PLACE(shl),
    [SOFT_OP_SHR - SOFT_OP_ROL] = BY_PLACE(shr),
    [SOFT_OP_SAR - SOFT_OP_ROL] = BY_PLACE(sar),
};

InterpHandler *interp_select_shift(const SoftInsn *insn)
{
    return shift_handlers[insn->op - SOFT_OP_ROL][insn->mem != SOFT_MEM_NONE]
                         [__builtin_ctz(insn->op_bytes)];
}

/* -- shld, shrd ------------------------------------------------------------ */

#define DOUBLE_SHIFT(name, mod, sfx)                                           \
    asm(name sfx " %%cl, %" mod "[b], %" mod "[a]" INTERP_GET_FLAGS            \
        : [a] "+&r"(a), "=&a"(fl)                                              \
        : [b] "r"(b), "c"(count)                                               \
        : "cc")

static uint64_t shld(SoftCPU *cpu, uint64_t a, uint64_t b, unsigned bytes,
                     uint8_t count)
{
    uint16_t fl;

    if (bytes == 2) {
        DOUBLE_SHIFT("shld", "w", "w");
    } else if (bytes == 4) {
        DOUBLE_SHIFT("shld", "k", "l");
    } else {
        DOUBLE_SHIFT("shld", "q", "q");
    }
    if (count != 0) {
        interp_set_flags(cpu, fl);
    }
    return a;
}

static uint64_t shrd(SoftCPU *cpu, uint64_t a, uint64_t b, unsigned bytes,
                     uint8_t count)
{
    uint16_t fl;

    if (bytes == 2) {
        DOUBLE_SHIFT("shrd", "w", "w");
    } else if (bytes == 4) {
        DOUBLE_SHIFT("shrd", "k", "l");
    } else {
        DOUBLE_SHIFT("shrd", "q", "q");
    }
    if (count != 0) {
        interp_set_flags(cpu, fl);
    }
    return a;
}

typedef uint64_t DoubleShift(SoftCPU *cpu, uint64_t a, uint64_t b,
                             unsigned bytes, uint8_t count);

static bool double_shift(SoftCPU *cpu, const SoftInsn *insn, DoubleShift *f)
{
    unsigned bytes = insn->op_bytes;
    uint8_t count =
        insn->imm_bytes > 0 ? (uint8_t)insn->imm : (uint8_t)cpu->gpr[X86_RCX];
    uint64_t b = interp_get(cpu, insn->reg, bytes);
    uint64_t a = 0;
    SoftRMW rmw;
    void *p;

    count &= bytes == 8 ? 63 : 31;
    if (insn->mem == SOFT_MEM_NONE) {
        a = interp_get(cpu, insn->rm, bytes);
        interp_set(cpu, insn->rm, bytes, f(cpu, a, b, bytes, count));
        return true;
    }
    p = interp_rmw_begin(cpu, insn, bytes, &rmw);
    if (p == NULL) {
        return false;
    }
    memcpy(&a, p, bytes);
    a = f(cpu, a, b, bytes, count);
    memcpy(p, &a, bytes);
    interp_rmw_end(cpu, &rmw);
    return true;
}

bool interp_shld(SoftCPU *cpu, const SoftInsn *insn)
{
    return double_shift(cpu, insn, shld);
}

bool interp_shrd(SoftCPU *cpu, const SoftInsn *insn)
{
    return double_shift(cpu, insn, shrd);
}

/* -- BMI2: no flags -------------------------------------------------------- */

bool interp_rorx(SoftCPU *cpu, const SoftInsn *insn)
{
    unsigned bits = 8 * insn->op_bytes;
    unsigned n = insn->imm & (bits - 1);
    uint64_t v;

    if (!interp_read_rm(cpu, insn, insn->op_bytes, &v)) {
        return false;
    }
    if (n != 0) {
        v = v >> n | v << (bits - n);
    }
    interp_set(cpu, insn->reg, insn->op_bytes, v);
    return true;
}

/* sarx, shlx, shrx */
bool interp_shiftx(SoftCPU *cpu, const SoftInsn *insn)
{
    unsigned bytes = insn->op_bytes;
    unsigned n = cpu->gpr[insn->vvvv] & (8 * bytes - 1);
    uint64_t v;

    if (!interp_read_rm(cpu, insn, bytes, &v)) {
        return false;
    }
    if (insn->op == SOFT_OP_SHLX) {
        v <<= n;
    } else if (insn->op == SOFT_OP_SHRX) {
        v >>= n;
    } else {
        v = bytes == 4 ? (uint64_t)((int32_t)v >> n)
                       : (uint64_t)((int64_t)v >> n);
    }
    interp_set(cpu, insn->reg, bytes, v);
    return true;
}
