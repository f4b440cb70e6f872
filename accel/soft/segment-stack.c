/*
 * Stacks: of the present mode, and new ones that become the present one when
 * everything on them was written.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "soft-accel.h"

static uint64_t stack_mask(const SoftSegment *ss, bool long64)
{
    if (long64) {
        return ~(uint64_t)0;
    }
    return ss->attr & SOFT_SEG_DB ? 0xffffffffu : 0xffffu;
}

void soft_stack_current(const SoftCPU *cpu, SoftStack *st)
{
    st->long64 = soft_long64(cpu);
    st->ss = cpu->seg[X86_SS];
    st->mask = stack_mask(&st->ss, st->long64);
    st->sp = cpu->gpr[X86_RSP];
    st->mmu = soft_mmu(cpu);
}

void soft_stack_new(const SoftCPU *cpu, SoftStack *st, const SoftSegment *ss,
                    uint64_t sp, unsigned cpl, bool long64)
{
    st->long64 = long64;
    st->ss = *ss;
    st->mask = stack_mask(ss, long64);
    st->sp = sp;
    st->mmu = cpl == 3 ? SOFT_MMU_USER : soft_mmu_system(cpu);
}

static bool stack_linear(SoftCPU *cpu, const SoftStack *st, uint64_t sp,
                         unsigned bytes, uint64_t *ret)
{
    uint64_t at = sp & st->mask;
    uint64_t last = at + bytes - 1;

    if (st->long64) {
        if (!soft_canonical(at) || !soft_canonical(last)) {
            return soft_raise_error(cpu, SOFT_EXC_SS, 0);
        }
        *ret = at;
        return true;
    }
    if ((st->ss.attr & (SOFT_SEG_CODE | SOFT_SEG_E)) == SOFT_SEG_E
            ? at <= st->ss.limit || last > st->mask
            : last > st->ss.limit) {
        return soft_raise_error(cpu, SOFT_EXC_SS, 0);
    }
    *ret = (uint32_t)(st->ss.base + at);
    return true;
}

bool soft_stack_push(SoftCPU *cpu, SoftStack *st, unsigned bytes,
                     uint64_t value)
{
    uint64_t sp = st->sp - bytes;
    uint64_t linear;

    if (!stack_linear(cpu, st, sp, bytes, &linear) ||
        !soft_mem_write_as(cpu, st->mmu, linear, &value, bytes)) {
        return false;
    }
    st->sp = (st->sp & ~st->mask) | (sp & st->mask);
    return true;
}

bool soft_stack_pop(SoftCPU *cpu, SoftStack *st, unsigned bytes, uint64_t *ret)
{
    uint64_t value = 0;
    uint64_t linear;

    if (!stack_linear(cpu, st, st->sp, bytes, &linear) ||
        !soft_mem_read_as(cpu, st->mmu, linear, &value, bytes)) {
        return false;
    }
    st->sp = (st->sp & ~st->mask) | ((st->sp + bytes) & st->mask);
    *ret = value;
    return true;
}

void soft_stack_commit(SoftCPU *cpu, const SoftStack *st)
{
    uint64_t *rsp = &cpu->gpr[X86_RSP];

    if (st->mask == 0xffff) {
        *rsp = (*rsp & ~st->mask) | (st->sp & st->mask);
    } else {
        *rsp = st->sp & st->mask;
    }
}
