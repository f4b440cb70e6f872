/*
 * The interpreter's arithmetic: add ... cmp, test, inc, dec, neg, not.
 *
 * One handler for each operation, operand size and operand form: these are most
 * of what a program executes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "interp-internal.h"

#define glue_(a, b)     a##b
#define glue(a, b)      glue_(a, b)
#define glue3_(a, b, c) a##b##c
#define glue3(a, b, c)  glue3_(a, b, c)

#define BITS 8
#include "interp-alu-template.h"
#define BITS 16
#include "interp-alu-template.h"
#define BITS 32
#include "interp-alu-template.h"
#define BITS 64
#include "interp-alu-template.h"

#define BY_SIZE(name)                                                          \
    {                                                                          \
        name##_8, name##_16, name##_32, name##_64                              \
    }
#define BY_FORM(name)                                                          \
    {                                                                          \
        [INTERP_RM_R] = BY_SIZE(name##_rm_r),                                  \
        [INTERP_R_RM] = BY_SIZE(name##_r_rm),                                  \
        [INTERP_R_M] = BY_SIZE(name##_r_m),                                    \
        [INTERP_M_R] = BY_SIZE(name##_m_r),                                    \
        [INTERP_R_I] = BY_SIZE(name##_r_i),                                    \
        [INTERP_M_I] = BY_SIZE(name##_m_i),                                    \
    }

static InterpHandler *const alu_handlers[][INTERP_FORMS][4] = {
    [SOFT_OP_ADD - SOFT_OP_ADD] = BY_FORM(add),
    [SOFT_OP_OR - SOFT_OP_ADD] = BY_FORM(or),
    [SOFT_OP_ADC - SOFT_OP_ADD] = BY_FORM(adc),
    [SOFT_OP_SBB - SOFT_OP_ADD] = BY_FORM(sbb),
    [SOFT_OP_AND - SOFT_OP_ADD] = BY_FORM(and),
    [SOFT_OP_SUB - SOFT_OP_ADD] = BY_FORM(sub),
    [SOFT_OP_XOR - SOFT_OP_ADD] = BY_FORM(xor),
    [SOFT_OP_CMP - SOFT_OP_ADD] = BY_FORM(cmp),
    [SOFT_OP_TEST - SOFT_OP_ADD] = BY_FORM(test),
};

static InterpHandler *const unary_handlers[][2][4] = {
    [SOFT_OP_INC - SOFT_OP_INC] = { BY_SIZE(inc_r), BY_SIZE(inc_mem) },
    [SOFT_OP_DEC - SOFT_OP_INC] = { BY_SIZE(dec_r), BY_SIZE(dec_mem) },
    [SOFT_OP_NEG - SOFT_OP_INC] = { BY_SIZE(neg_r), BY_SIZE(neg_mem) },
    [SOFT_OP_NOT - SOFT_OP_INC] = { BY_SIZE(not_r), BY_SIZE(not_mem) },
};

static InterpForm form_of(const SoftInsn *insn)
{
    bool mem = insn->mem != SOFT_MEM_NONE;

    if (insn->imm_bytes > 0) {
        return mem ? INTERP_M_I : INTERP_R_I;
    }
    if (insn->attrs & SOFT_A_TO_REG) {
        return mem ? INTERP_R_M : INTERP_R_RM;
    }
    return mem ? INTERP_M_R : INTERP_RM_R;
}

InterpHandler *interp_select_alu(const SoftInsn *insn)
{
    return alu_handlers[insn->op - SOFT_OP_ADD][form_of(insn)]
                       [__builtin_ctz(insn->op_bytes)];
}

InterpHandler *interp_select_unary(const SoftInsn *insn)
{
    return unary_handlers[insn->op - SOFT_OP_INC][insn->mem != SOFT_MEM_NONE]
                         [__builtin_ctz(insn->op_bytes)];
}
