/*
 * Two-operand and one-operand arithmetic of one operand size; included once for
 * each of BITS 8, 16, 32, 64 by interp-alu.c.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#define T       glue3(uint, BITS, _t)
#define N_      (BITS / 8)
#define F(name) glue3(name, _, BITS)

#if BITS == 8
#define SFX "b"
#elif BITS == 16
#define SFX "w"
#elif BITS == 32
#define SFX "l"
#else
#define SFX "q"
#endif

#define REG_GET(insn) ((T)interp_get_reg(cpu, insn, N_))
#define RM_GET(insn)  ((T)interp_get_rm(cpu, insn, N_))

/* The result in a register, in memory, in memory with LOCK. */
#define ALU_FUNCTIONS(name, pre)                                               \
    static inline T F(name)(SoftCPU * cpu, T a, T b)                           \
    {                                                                          \
        uint16_t fl;                                                           \
                                                                               \
        asm(pre #name SFX " %[b], %[a]" INTERP_GET_FLAGS                       \
            : [a] "+q"(a), "=&a"(fl)                                           \
            : [b] "q"(b), [efl] "m"(cpu->eflags)                               \
            : "cc");                                                           \
        interp_set_flags(cpu, fl);                                             \
        return a;                                                              \
    }                                                                          \
    static inline void F(glue(name, _m))(SoftCPU * cpu, void *p, T b,          \
                                         bool locked)                          \
    {                                                                          \
        uint16_t fl;                                                           \
                                                                               \
        if (locked) {                                                          \
            asm volatile(pre "lock; " #name SFX " %[b], %[m]" INTERP_GET_FLAGS \
                         : [m] "+m"(*(T *)p), "=&a"(fl)                        \
                         : [b] "q"(b), [efl] "m"(cpu->eflags)                  \
                         : "cc", "memory");                                    \
        } else {                                                               \
            asm volatile(pre #name SFX " %[b], %[m]" INTERP_GET_FLAGS          \
                         : [m] "+m"(*(T *)p), "=&a"(fl)                        \
                         : [b] "q"(b), [efl] "m"(cpu->eflags)                  \
                         : "cc", "memory");                                    \
        }                                                                      \
        interp_set_flags(cpu, fl);                                             \
    }                                                                          \
    static bool F(glue(name, _rm_r))(SoftCPU * cpu, const SoftInsn *insn)      \
    {                                                                          \
        interp_set_rm(cpu, insn, N_,                                           \
                      F(name)(cpu, RM_GET(insn), REG_GET(insn)));              \
        return true;                                                           \
    }                                                                          \
    static bool F(glue(name, _r_rm))(SoftCPU * cpu, const SoftInsn *insn)      \
    {                                                                          \
        interp_set_reg(cpu, insn, N_,                                          \
                       F(name)(cpu, REG_GET(insn), RM_GET(insn)));             \
        return true;                                                           \
    }                                                                          \
    static bool F(glue(name, _r_m))(SoftCPU * cpu, const SoftInsn *insn)       \
    {                                                                          \
        uint64_t b;                                                            \
                                                                               \
        if (!interp_load(cpu, insn, N_, &b)) {                                 \
            return false;                                                      \
        }                                                                      \
        interp_set_reg(cpu, insn, N_, F(name)(cpu, REG_GET(insn), b));         \
        return true;                                                           \
    }                                                                          \
    static bool F(glue(name, _m_r))(SoftCPU * cpu, const SoftInsn *insn)       \
    {                                                                          \
        SoftRMW rmw;                                                           \
        void *p = interp_rmw_begin(cpu, insn, N_, &rmw);                       \
                                                                               \
        if (p == NULL) {                                                       \
            return false;                                                      \
        }                                                                      \
        F(glue(name, _m))(cpu, p, REG_GET(insn), insn->attrs & SOFT_A_LOCKED); \
        interp_rmw_end(cpu, &rmw);                                             \
        return true;                                                           \
    }                                                                          \
    static bool F(glue(name, _r_i))(SoftCPU * cpu, const SoftInsn *insn)       \
    {                                                                          \
        interp_set_rm(cpu, insn, N_, F(name)(cpu, RM_GET(insn), insn->imm));   \
        return true;                                                           \
    }                                                                          \
    static bool F(glue(name, _m_i))(SoftCPU * cpu, const SoftInsn *insn)       \
    {                                                                          \
        SoftRMW rmw;                                                           \
        void *p = interp_rmw_begin(cpu, insn, N_, &rmw);                       \
                                                                               \
        if (p == NULL) {                                                       \
            return false;                                                      \
        }                                                                      \
        F(glue(name, _m))(cpu, p, insn->imm, insn->attrs & SOFT_A_LOCKED);     \
        interp_rmw_end(cpu, &rmw);                                             \
        return true;                                                           \
    }

ALU_FUNCTIONS(add, "")
ALU_FUNCTIONS(or, "")
ALU_FUNCTIONS(adc, INTERP_PUT_CARRY)
ALU_FUNCTIONS(sbb, INTERP_PUT_CARRY)
ALU_FUNCTIONS(and, "")
ALU_FUNCTIONS(sub, "")
ALU_FUNCTIONS(xor, "")

/* Only the flags are a result. */
#define COMPARE_FUNCTIONS(name)                                                \
    static inline void F(name)(SoftCPU * cpu, T a, T b)                        \
    {                                                                          \
        uint16_t fl;                                                           \
                                                                               \
        asm(#name SFX " %[b], %[a]" INTERP_GET_FLAGS                           \
            : "=&a"(fl)                                                        \
            : [a] "q"(a), [b] "q"(b)                                           \
            : "cc");                                                           \
        interp_set_flags(cpu, fl);                                             \
    }                                                                          \
    static bool F(glue(name, _rm_r))(SoftCPU * cpu, const SoftInsn *insn)      \
    {                                                                          \
        F(name)(cpu, RM_GET(insn), REG_GET(insn));                             \
        return true;                                                           \
    }                                                                          \
    static bool F(glue(name, _r_rm))(SoftCPU * cpu, const SoftInsn *insn)      \
    {                                                                          \
        F(name)(cpu, REG_GET(insn), RM_GET(insn));                             \
        return true;                                                           \
    }                                                                          \
    static bool F(glue(name, _r_m))(SoftCPU * cpu, const SoftInsn *insn)       \
    {                                                                          \
        uint64_t b;                                                            \
                                                                               \
        if (!interp_load(cpu, insn, N_, &b)) {                                 \
            return false;                                                      \
        }                                                                      \
        F(name)(cpu, REG_GET(insn), b);                                        \
        return true;                                                           \
    }                                                                          \
    static bool F(glue(name, _m_r))(SoftCPU * cpu, const SoftInsn *insn)       \
    {                                                                          \
        uint64_t a;                                                            \
                                                                               \
        if (!interp_load(cpu, insn, N_, &a)) {                                 \
            return false;                                                      \
        }                                                                      \
        F(name)(cpu, a, REG_GET(insn));                                        \
        return true;                                                           \
    }                                                                          \
    static bool F(glue(name, _r_i))(SoftCPU * cpu, const SoftInsn *insn)       \
    {                                                                          \
        F(name)(cpu, RM_GET(insn), insn->imm);                                 \
        return true;                                                           \
    }                                                                          \
    static bool F(glue(name, _m_i))(SoftCPU * cpu, const SoftInsn *insn)       \
    {                                                                          \
        uint64_t a;                                                            \
                                                                               \
        if (!interp_load(cpu, insn, N_, &a)) {                                 \
            return false;                                                      \
        }                                                                      \
        F(name)(cpu, a, insn->imm);                                            \
        return true;                                                           \
    }

COMPARE_FUNCTIONS(cmp)
COMPARE_FUNCTIONS(test)

/* INC and DEC keep CF; NOT keeps all. */
#define UNARY_FUNCTIONS(name, pre)                                             \
    static bool F(glue(name, _r))(SoftCPU * cpu, const SoftInsn *insn)         \
    {                                                                          \
        T a = RM_GET(insn);                                                    \
        uint16_t fl;                                                           \
                                                                               \
        asm(pre #name SFX " %[a]" INTERP_GET_FLAGS                             \
            : [a] "+q"(a), "=&a"(fl)                                           \
            : [efl] "m"(cpu->eflags)                                           \
            : "cc");                                                           \
        interp_set_rm(cpu, insn, N_, a);                                       \
        interp_set_flags(cpu, fl);                                             \
        return true;                                                           \
    }                                                                          \
    static bool F(glue(name, _mem))(SoftCPU * cpu, const SoftInsn *insn)       \
    {                                                                          \
        SoftRMW rmw;                                                           \
        T *p = interp_rmw_begin(cpu, insn, N_, &rmw);                          \
        uint16_t fl;                                                           \
                                                                               \
        if (p == NULL) {                                                       \
            return false;                                                      \
        }                                                                      \
        if (insn->attrs & SOFT_A_LOCKED) {                                     \
            asm volatile(pre "lock; " #name SFX " %[m]" INTERP_GET_FLAGS       \
                         : [m] "+m"(*p), "=&a"(fl)                             \
                         : [efl] "m"(cpu->eflags)                              \
                         : "cc", "memory");                                    \
        } else {                                                               \
            asm volatile(pre #name SFX " %[m]" INTERP_GET_FLAGS                \
                         : [m] "+m"(*p), "=&a"(fl)                             \
                         : [efl] "m"(cpu->eflags)                              \
                         : "cc", "memory");                                    \
        }                                                                      \
        interp_set_flags(cpu, fl);                                             \
        interp_rmw_end(cpu, &rmw);                                             \
        return true;                                                           \
    }

UNARY_FUNCTIONS(inc, INTERP_PUT_CARRY)
UNARY_FUNCTIONS(dec, INTERP_PUT_CARRY)
UNARY_FUNCTIONS(neg, "")

static bool F(not_r)(SoftCPU *cpu, const SoftInsn *insn)
{
    interp_set_rm(cpu, insn, N_, (T)~RM_GET(insn));
    return true;
}

static bool F(not_mem)(SoftCPU *cpu, const SoftInsn *insn)
{
    SoftRMW rmw;
    T *p = interp_rmw_begin(cpu, insn, N_, &rmw);

    if (p == NULL) {
        return false;
    }
    if (insn->attrs & SOFT_A_LOCKED) {
        asm volatile("lock; not" SFX " %0" : "+m"(*p) : : "memory");
    } else {
        asm volatile("not" SFX " %0" : "+m"(*p) : : "memory");
    }
    interp_rmw_end(cpu, &rmw);
    return true;
}

#undef ALU_FUNCTIONS
#undef COMPARE_FUNCTIONS
#undef UNARY_FUNCTIONS
#undef REG_GET
#undef RM_GET
#undef SFX
#undef F
#undef N_
#undef T
#undef BITS
