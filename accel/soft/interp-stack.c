/*
 * The interpreter's stack instructions.
 *
 * rsp changes when everything else has worked, so that a fault leaves it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "interp-internal.h"

bool interp_push(SoftCPU *cpu, const SoftInsn *insn)
{
    uint64_t v;

    return interp_read_rm(cpu, insn, insn->op_bytes, &v) &&
           interp_do_push(cpu, insn->op_bytes, v);
}

bool interp_pushi(SoftCPU *cpu, const SoftInsn *insn)
{
    return interp_do_push(cpu, insn->op_bytes, insn->imm);
}

bool interp_pushs(SoftCPU *cpu, const SoftInsn *insn)
{
    return interp_do_push(cpu, insn->op_bytes, cpu->seg[insn->reg].selector);
}

bool interp_pop(SoftCPU *cpu, const SoftInsn *insn)
{
    unsigned bytes = insn->op_bytes;
    uint64_t rsp = cpu->gpr[X86_RSP];
    uint64_t v;

    if (!interp_stack_load(cpu, rsp, bytes, &v)) {
        return false;
    }
    /* An address made with rsp counts with the new one; pop rsp gets @v. */
    cpu->gpr[X86_RSP] = interp_stack_add(cpu, rsp, bytes);
    if (!interp_write_rm(cpu, insn, bytes, v)) {
        cpu->gpr[X86_RSP] = rsp;
        return false;
    }
    return true;
}

bool interp_pops(SoftCPU *cpu, const SoftInsn *insn)
{
    unsigned bytes = insn->op_bytes;
    uint64_t rsp = interp_stack_add(cpu, cpu->gpr[X86_RSP], bytes);
    uint64_t v;

    if (!interp_stack_load(cpu, cpu->gpr[X86_RSP], bytes, &v) ||
        !soft_load_seg(cpu, insn->reg, v)) {
        return false;
    }
    cpu->gpr[X86_RSP] = rsp;
    if (insn->reg == X86_SS) {
        soft_set_shadow(cpu, SOFT_SHADOW_MOV_SS);
    }
    return true;
}

bool interp_pusha(SoftCPU *cpu, const SoftInsn *insn)
{
    unsigned bytes = insn->op_bytes;
    uint64_t rsp = cpu->gpr[X86_RSP];

    /* Lowest first: if that and the highest are there, all are. */
    for (int i = X86_RDI; i >= X86_RAX; i--) {
        uint64_t at = interp_stack_add(cpu, rsp, -(int64_t)bytes * (i + 1));

        if (!interp_stack_store(cpu, at, bytes, cpu->gpr[i])) {
            return false;
        }
    }
    cpu->gpr[X86_RSP] = interp_stack_add(cpu, rsp, -(int64_t)bytes * 8);
    return true;
}

bool interp_popa(SoftCPU *cpu, const SoftInsn *insn)
{
    unsigned bytes = insn->op_bytes;
    uint64_t rsp = cpu->gpr[X86_RSP];
    uint64_t v[8];

    for (unsigned i = 0; i < 8; i++) {
        if (!interp_stack_load(cpu, interp_stack_add(cpu, rsp, bytes * i),
                               bytes, &v[7 - i])) {
            return false;
        }
    }
    for (unsigned i = 0; i < 8; i++) {
        if (i != X86_RSP) {
            interp_set(cpu, i, bytes, v[i]);
        }
    }
    cpu->gpr[X86_RSP] = interp_stack_add(cpu, rsp, bytes * 8);
    return true;
}

bool interp_pushf(SoftCPU *cpu, const SoftInsn *insn)
{
    return soft_pushf(cpu, insn->op_bytes);
}

bool interp_popf(SoftCPU *cpu, const SoftInsn *insn)
{
    return soft_popf(cpu, insn->op_bytes);
}

bool interp_enter(SoftCPU *cpu, const SoftInsn *insn)
{
    unsigned bytes = insn->op_bytes;
    unsigned level = insn->imm2 & 31;
    uint64_t rbp = cpu->gpr[X86_RBP];
    uint64_t rsp = interp_stack_add(cpu, cpu->gpr[X86_RSP], -(int64_t)bytes);
    uint64_t frame = rsp;
    uint64_t linear, v;

    if (!interp_stack_store(cpu, rsp, bytes, rbp)) {
        return false;
    }
    for (unsigned i = 1; i < level; i++) {
        rbp = interp_stack_add(cpu, rbp, -(int64_t)bytes);
        rsp = interp_stack_add(cpu, rsp, -(int64_t)bytes);
        if (!interp_stack_load(cpu, rbp, bytes, &v) ||
            !interp_stack_store(cpu, rsp, bytes, v)) {
            return false;
        }
    }
    if (level > 0) {
        rsp = interp_stack_add(cpu, rsp, -(int64_t)bytes);
        if (!interp_stack_store(cpu, rsp, bytes, frame)) {
            return false;
        }
    }
    rsp = interp_stack_add(cpu, rsp, -(int64_t)(uint16_t)insn->imm);
    /* The new top must be writable (SDM: ENTER, exceptions). */
    if (!interp_linear_at(cpu, X86_SS,
                          rsp & interp_mask(interp_stack_bytes(cpu)), bytes,
                          SOFT_ACCESS_WRITE, &linear) ||
        !soft_mem_probe(cpu, linear, bytes, SOFT_ACCESS_WRITE)) {
        return false;
    }
    interp_set(cpu, X86_RBP, bytes, frame);
    cpu->gpr[X86_RSP] = rsp;
    return true;
}

bool interp_leave(SoftCPU *cpu, const SoftInsn *insn)
{
    unsigned bytes = insn->op_bytes;
    uint64_t mask = interp_mask(interp_stack_bytes(cpu));
    uint64_t rsp = (cpu->gpr[X86_RSP] & ~mask) | (cpu->gpr[X86_RBP] & mask);
    uint64_t v;

    if (!interp_stack_load(cpu, rsp, bytes, &v)) {
        return false;
    }
    cpu->gpr[X86_RSP] = interp_stack_add(cpu, rsp, bytes);
    interp_set(cpu, X86_RBP, bytes, v);
    return true;
}
