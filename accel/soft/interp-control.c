/*
 * The interpreter's control transfers.
 *
 * A target is checked before anything is changed; rip itself is set by the loop,
 * from next_rip.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "interp-internal.h"

static inline bool jump_to(SoftCPU *cpu, uint64_t target)
{
    if (likely(cpu->mode_flags & SOFT_MODE_CS64)
            ? likely((int64_t)(target << 16) >> 16 == (int64_t)target)
            : target <= cpu->seg[X86_CS].limit) {
        cpu->next_rip = target;
        return true;
    }
    return soft_near_target(cpu, target);
}

/* next_rip is that of the following instruction: relative to it. */
static inline uint64_t relative(const SoftCPU *cpu, const SoftInsn *insn)
{
    uint64_t target = cpu->next_rip + (uint64_t)insn->imm;

    if (likely(insn->op_bytes == 8)) {
        return target;
    }
    return insn->op_bytes == 4 ? (uint32_t)target : (uint16_t)target;
}

bool interp_jcc(SoftCPU *cpu, const SoftInsn *insn)
{
    return !interp_cond(cpu, soft_insn_cond(insn)) ||
           jump_to(cpu, relative(cpu, insn));
}

bool interp_jmp(SoftCPU *cpu, const SoftInsn *insn)
{
    return jump_to(cpu, relative(cpu, insn));
}

bool interp_jmpi(SoftCPU *cpu, const SoftInsn *insn)
{
    uint64_t target;

    return interp_read_rm(cpu, insn, insn->op_bytes, &target) &&
           jump_to(cpu, target);
}

/* CPUs check the stack before the target. */
static bool call_to(SoftCPU *cpu, const SoftInsn *insn, uint64_t target)
{
    uint64_t rsp = cpu->gpr[X86_RSP];

    if (!interp_do_push(cpu, insn->op_bytes, cpu->next_rip)) {
        return false;
    }
    if (!jump_to(cpu, target)) {
        cpu->gpr[X86_RSP] = rsp;
        return false;
    }
    return true;
}

bool interp_call(SoftCPU *cpu, const SoftInsn *insn)
{
    return call_to(cpu, insn, relative(cpu, insn));
}

bool interp_calli(SoftCPU *cpu, const SoftInsn *insn)
{
    uint64_t target;

    return interp_read_rm(cpu, insn, insn->op_bytes, &target) &&
           call_to(cpu, insn, target);
}

bool interp_ret(SoftCPU *cpu, const SoftInsn *insn)
{
    unsigned bytes = insn->op_bytes;
    uint64_t target;

    if (!interp_stack_load(cpu, cpu->gpr[X86_RSP], bytes, &target) ||
        !jump_to(cpu, target)) {
        return false;
    }
    cpu->gpr[X86_RSP] =
        interp_stack_add(cpu, cpu->gpr[X86_RSP], bytes + (uint16_t)insn->imm);
    return true;
}

/* selector:offset, from the instruction or from memory */
static bool far_pointer(SoftCPU *cpu, const SoftInsn *insn,
                        uint16_t *ret_selector, uint64_t *ret_offset)
{
    unsigned bytes = insn->op_bytes;
    uint64_t linear, selector;

    if (insn->mem == SOFT_MEM_NONE) {
        *ret_selector = insn->imm2;
        *ret_offset = insn->imm;
        return true;
    }
    if (!interp_linear(cpu, insn, bytes + 2, SOFT_ACCESS_READ, &linear) ||
        !interp_load_linear(cpu, linear, bytes, ret_offset) ||
        !interp_load_linear(cpu, linear + bytes, 2, &selector)) {
        return false;
    }
    *ret_selector = selector;
    return true;
}

bool interp_jmpf(SoftCPU *cpu, const SoftInsn *insn)
{
    uint16_t selector;
    uint64_t offset;

    return far_pointer(cpu, insn, &selector, &offset) &&
           soft_far_jmp(cpu, selector, offset, insn->op_bytes);
}

bool interp_callf(SoftCPU *cpu, const SoftInsn *insn)
{
    uint16_t selector;
    uint64_t offset;

    return far_pointer(cpu, insn, &selector, &offset) &&
           soft_far_call(cpu, selector, offset, insn->op_bytes);
}

bool interp_retf(SoftCPU *cpu, const SoftInsn *insn)
{
    return soft_far_ret(cpu, insn->op_bytes, insn->imm);
}

bool interp_iret(SoftCPU *cpu, const SoftInsn *insn)
{
    return soft_iret(cpu, insn->op_bytes);
}

/* loop, loope, loopne */
bool interp_loop(SoftCPU *cpu, const SoftInsn *insn)
{
    uint64_t count = interp_get(cpu, X86_RCX, insn->addr_bytes) - 1;
    bool taken = (count & interp_mask(insn->addr_bytes)) != 0;

    if (insn->op != SOFT_OP_LOOP) {
        bool zero = cpu->eflags & SOFT_EFL_ZF;

        taken = taken && (insn->op == SOFT_OP_LOOPE ? zero : !zero);
    }
    if (taken && !jump_to(cpu, relative(cpu, insn))) {
        return false;
    }
    interp_set(cpu, X86_RCX, insn->addr_bytes, count);
    return true;
}

bool interp_jcxz(SoftCPU *cpu, const SoftInsn *insn)
{
    return interp_get(cpu, X86_RCX, insn->addr_bytes) != 0 ||
           jump_to(cpu, relative(cpu, insn));
}

bool interp_int(SoftCPU *cpu, const SoftInsn *insn)
{
    return soft_int(cpu, insn->imm);
}

bool interp_into(SoftCPU *cpu, const SoftInsn *insn)
{
    return soft_into(cpu);
}

bool interp_int3(SoftCPU *cpu, const SoftInsn *insn)
{
    return soft_int3(cpu);
}

bool interp_int1(SoftCPU *cpu, const SoftInsn *insn)
{
    return soft_int1(cpu);
}

bool interp_syscall(SoftCPU *cpu, const SoftInsn *insn)
{
    return soft_syscall(cpu);
}

bool interp_sysret(SoftCPU *cpu, const SoftInsn *insn)
{
    return soft_sysret(cpu, insn->op_bytes);
}

bool interp_sysenter(SoftCPU *cpu, const SoftInsn *insn)
{
    return soft_sysenter(cpu);
}

bool interp_sysexit(SoftCPU *cpu, const SoftInsn *insn)
{
    return soft_sysexit(cpu, insn->op_bytes);
}

/* -- checks that may interrupt --------------------------------------------- */

bool interp_bound(SoftCPU *cpu, const SoftInsn *insn)
{
    unsigned bytes = insn->op_bytes;
    unsigned shift = 64 - 8 * bytes;
    uint64_t linear, low, high;
    int64_t index;

    if (!interp_linear(cpu, insn, 2 * bytes, SOFT_ACCESS_READ, &linear) ||
        !interp_load_linear(cpu, linear, bytes, &low) ||
        !interp_load_linear(cpu, linear + bytes, bytes, &high)) {
        return false;
    }
    index = (int64_t)(cpu->gpr[insn->reg] << shift) >> shift;
    if (index < (int64_t)(low << shift) >> shift ||
        index > (int64_t)(high << shift) >> shift) {
        return soft_raise(cpu, SOFT_EXC_BR);
    }
    return true;
}

bool interp_arpl(SoftCPU *cpu, const SoftInsn *insn)
{
    uint16_t rpl = cpu->gpr[insn->reg] & 3;
    uint64_t v;
    bool adjust;

    if (!interp_read_rm(cpu, insn, 2, &v)) {
        return false;
    }
    adjust = (v & 3) < rpl;
    if (adjust && !interp_write_rm(cpu, insn, 2, (v & ~3ull) | rpl)) {
        return false;
    }
    interp_put_flag(cpu, SOFT_EFL_ZF, adjust);
    return true;
}
