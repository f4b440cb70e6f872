/*
 * The interpreter's string instructions.
 *
 * Each element is an instruction of its own as far as registers and exceptions
 * go: rSI, rDI and rCX are those after the last complete element when a fault
 * or an interrupt comes between. A repeated one gives way to pending events,
 * with rip still on it; the next call goes on.
 *
 * Forward copies and fills within two pages of plain RAM are done at once.
 *
 * Source: Intel SDM volume 1, 7.3.9; volume 2, REP.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "interp-internal.h"

/* One element; *@ret_more is false if a REPE/REPNE ends. */
typedef bool StringStep(SoftCPU *cpu, const SoftInsn *insn, bool *ret_more);
/* As many of @count elements as are easy; 0: one at a time. */
typedef uint64_t StringBulk(SoftCPU *cpu, const SoftInsn *insn, uint64_t count);

static uint64_t string_reg(const SoftCPU *cpu, const SoftInsn *insn, X86GPR reg)
{
    return interp_get(cpu, reg, insn->addr_bytes);
}

static void advance(SoftCPU *cpu, const SoftInsn *insn, X86GPR reg,
                    int64_t elements)
{
    int64_t n = elements * insn->op_bytes;

    if (cpu->eflags & SOFT_EFL_DF) {
        n = -n;
    }
    interp_set(cpu, reg, insn->addr_bytes, cpu->gpr[reg] + (uint64_t)n);
}

/*
 * With 32-bit addresses in 64-bit mode CPUs clear the upper halves of the
 * registers that they count in even if the first element faults: rCX always,
 * rSI and rDI of copies and fills.
 */
static void narrow(SoftCPU *cpu, const SoftInsn *insn)
{
    if (insn->addr_bytes != 4) {
        return;
    }
    cpu->gpr[X86_RCX] = (uint32_t)cpu->gpr[X86_RCX];
    if (insn->op == SOFT_OP_MOVS) {
        cpu->gpr[X86_RSI] = (uint32_t)cpu->gpr[X86_RSI];
    }
    if (insn->op == SOFT_OP_MOVS || insn->op == SOFT_OP_STOS) {
        cpu->gpr[X86_RDI] = (uint32_t)cpu->gpr[X86_RDI];
    }
}

static bool repeat(SoftCPU *cpu, const SoftInsn *insn, StringStep *step,
                   StringBulk *bulk)
{
    uint64_t left = string_reg(cpu, insn, X86_RCX);
    bool single = cpu->mode_flags & SOFT_MODE_STEP;
    uint32_t eflags = cpu->eflags;
    bool more = true;

    narrow(cpu, insn);
    while (left > 0) {
        uint64_t n = 0;

        if (bulk != NULL && !single && left > 1 &&
            !(cpu->eflags & SOFT_EFL_DF)) {
            n = bulk(cpu, insn, left);
        }
        if (n == 0) {
            if (!step(cpu, insn, &more)) {
                /* SDM volume 2, REP: flags as before the instruction. */
                cpu->eflags = eflags;
                return false;
            }
            n = 1;
        }
        left -= n;
        interp_set(cpu, X86_RCX, insn->addr_bytes, left);
        if (left == 0 || !more) {
            break;
        }
        if (single || qatomic_read(&cpu->exit_request) != 0) {
            cpu->next_rip = cpu->rip;
            break;
        }
    }
    return true;
}

static bool string(SoftCPU *cpu, const SoftInsn *insn, StringStep *step,
                   StringBulk *bulk)
{
    bool more;

    if (insn->attrs & SOFT_A_REP) {
        return repeat(cpu, insn, step, bulk);
    }
    return step(cpu, insn, &more);
}

/* Elements of @count that stay on the page of @offset and in the segment;
 * their linear and host address. 0 if the first one needs a closer look. */
static uint64_t bulk_map(SoftCPU *cpu, const SoftInsn *insn, unsigned seg,
                         uint64_t offset, uint64_t count, SoftAccess access,
                         uint64_t *ret_linear, void **ret_host)
{
    unsigned bytes = insn->op_bytes;
    uint64_t room = interp_mask(insn->addr_bytes) - offset;

    count = MIN(count, room / bytes);
    count = MIN(count, SOFT_PAGE_BYTES / bytes);
    if (count == 0 || cpu->mode_flags & SOFT_MODE_AC) {
        return 0;
    }
    if (!soft_seg_linear(cpu, seg, offset, bytes, access, ret_linear)) {
        cpu->exception.pending = false; /* the single step raises it */
        return 0;
    }
    room = SOFT_PAGE_BYTES - (*ret_linear & ~SOFT_PAGE_MASK);
    count = MIN(count, room / bytes);
    if (count == 0 ||
        !soft_seg_linear(cpu, seg, offset, count * bytes, access, ret_linear)) {
        cpu->exception.pending = false;
        return 0;
    }
    *ret_host = access == SOFT_ACCESS_READ
                    ? soft_tlb_read_ptr(cpu, *ret_linear, count * bytes)
                    : soft_tlb_write_ptr(cpu, *ret_linear, count * bytes);
    return *ret_host == NULL ? 0 : count;
}

/* -- movs, stos, lods ------------------------------------------------------ */

static bool movs_step(SoftCPU *cpu, const SoftInsn *insn, bool *ret_more)
{
    unsigned bytes = insn->op_bytes;
    uint64_t from, to, v;

    if (!interp_linear_at(cpu, insn->seg, string_reg(cpu, insn, X86_RSI), bytes,
                          SOFT_ACCESS_READ, &from) ||
        !interp_load_linear(cpu, from, bytes, &v) ||
        !interp_linear_at(cpu, X86_ES, string_reg(cpu, insn, X86_RDI), bytes,
                          SOFT_ACCESS_WRITE, &to) ||
        !interp_store_linear(cpu, to, bytes, v)) {
        return false;
    }
    advance(cpu, insn, X86_RSI, 1);
    advance(cpu, insn, X86_RDI, 1);
    *ret_more = true;
    return true;
}

static uint64_t movs_bulk(SoftCPU *cpu, const SoftInsn *insn, uint64_t count)
{
    unsigned bytes = insn->op_bytes;
    uint64_t linear;
    void *from, *to;

    count = bulk_map(cpu, insn, insn->seg, string_reg(cpu, insn, X86_RSI),
                     count, SOFT_ACCESS_READ, &linear, &from);
    if (count == 0) {
        return 0;
    }
    count = bulk_map(cpu, insn, X86_ES, string_reg(cpu, insn, X86_RDI), count,
                     SOFT_ACCESS_WRITE, &linear, &to);
    /* A copy to just behind its source repeats it: element by element. */
    if (count == 0 ||
        (uintptr_t)to - (uintptr_t)from < count * (uint64_t)bytes) {
        return 0;
    }
    memmove(to, from, count * bytes);
    advance(cpu, insn, X86_RSI, count);
    advance(cpu, insn, X86_RDI, count);
    return count;
}

bool interp_movs(SoftCPU *cpu, const SoftInsn *insn)
{
    return string(cpu, insn, movs_step, movs_bulk);
}

static bool stos_step(SoftCPU *cpu, const SoftInsn *insn, bool *ret_more)
{
    unsigned bytes = insn->op_bytes;
    uint64_t to;

    if (!interp_linear_at(cpu, X86_ES, string_reg(cpu, insn, X86_RDI), bytes,
                          SOFT_ACCESS_WRITE, &to) ||
        !interp_store_linear(cpu, to, bytes, cpu->gpr[X86_RAX])) {
        return false;
    }
    advance(cpu, insn, X86_RDI, 1);
    *ret_more = true;
    return true;
}

static uint64_t stos_bulk(SoftCPU *cpu, const SoftInsn *insn, uint64_t count)
{
    uint64_t v = cpu->gpr[X86_RAX];
    uint64_t linear;
    void *to;

    count = bulk_map(cpu, insn, X86_ES, string_reg(cpu, insn, X86_RDI), count,
                     SOFT_ACCESS_WRITE, &linear, &to);
    if (count == 0) {
        return 0;
    }
    switch (insn->op_bytes) {
    case 1:
        memset(to, (uint8_t)v, count);
        break;
    case 2:
        for (uint64_t i = 0; i < count; i++) {
            ((SoftU16 *)to)[i] = v;
        }
        break;
    case 4:
        for (uint64_t i = 0; i < count; i++) {
            ((SoftU32 *)to)[i] = v;
        }
        break;
    default:
        for (uint64_t i = 0; i < count; i++) {
            ((SoftU64 *)to)[i] = v;
        }
        break;
    }
    advance(cpu, insn, X86_RDI, count);
    return count;
}

bool interp_stos(SoftCPU *cpu, const SoftInsn *insn)
{
    return string(cpu, insn, stos_step, stos_bulk);
}

static bool lods_step(SoftCPU *cpu, const SoftInsn *insn, bool *ret_more)
{
    unsigned bytes = insn->op_bytes;
    uint64_t from, v;

    if (!interp_linear_at(cpu, insn->seg, string_reg(cpu, insn, X86_RSI), bytes,
                          SOFT_ACCESS_READ, &from) ||
        !interp_load_linear(cpu, from, bytes, &v)) {
        return false;
    }
    interp_set(cpu, X86_RAX, bytes, v);
    advance(cpu, insn, X86_RSI, 1);
    *ret_more = true;
    return true;
}

bool interp_lods(SoftCPU *cpu, const SoftInsn *insn)
{
    return string(cpu, insn, lods_step, NULL);
}

/* -- cmps, scas ------------------------------------------------------------ */

static void compare(SoftCPU *cpu, uint64_t a, uint64_t b, unsigned bytes)
{
    unsigned shift = 64 - 8 * bytes;
    uint16_t fl;

    /* Shifted up, all but AF are those of the narrow operation. */
    asm("cmpq %[b], %[a]" INTERP_GET_FLAGS
        : "=&a"(fl)
        : [a] "r"(a << shift), [b] "r"(b << shift)
        : "cc");
    interp_set_flags(cpu, fl);
    interp_put_flag(cpu, SOFT_EFL_AF, (a & 15) < (b & 15));
    interp_put_flag(cpu, SOFT_EFL_PF, !__builtin_parity((uint8_t)(a - b)));
}

/* Does a repeated comparison go on? */
static bool goes_on(const SoftCPU *cpu, const SoftInsn *insn)
{
    bool same = cpu->eflags & SOFT_EFL_ZF;

    return insn->prefixes & SOFT_PFX_REPNE ? !same : same;
}

static bool cmps_step(SoftCPU *cpu, const SoftInsn *insn, bool *ret_more)
{
    unsigned bytes = insn->op_bytes;
    uint64_t from, to, a, b;

    /* CPUs read the second operand first. */
    if (!interp_linear_at(cpu, X86_ES, string_reg(cpu, insn, X86_RDI), bytes,
                          SOFT_ACCESS_READ, &to) ||
        !interp_load_linear(cpu, to, bytes, &b) ||
        !interp_linear_at(cpu, insn->seg, string_reg(cpu, insn, X86_RSI), bytes,
                          SOFT_ACCESS_READ, &from) ||
        !interp_load_linear(cpu, from, bytes, &a)) {
        return false;
    }
    compare(cpu, a, b, bytes);
    advance(cpu, insn, X86_RSI, 1);
    advance(cpu, insn, X86_RDI, 1);
    *ret_more = goes_on(cpu, insn);
    return true;
}

bool interp_cmps(SoftCPU *cpu, const SoftInsn *insn)
{
    return string(cpu, insn, cmps_step, NULL);
}

static bool scas_step(SoftCPU *cpu, const SoftInsn *insn, bool *ret_more)
{
    unsigned bytes = insn->op_bytes;
    uint64_t to, b;

    if (!interp_linear_at(cpu, X86_ES, string_reg(cpu, insn, X86_RDI), bytes,
                          SOFT_ACCESS_READ, &to) ||
        !interp_load_linear(cpu, to, bytes, &b)) {
        return false;
    }
    compare(cpu, interp_get(cpu, X86_RAX, bytes), b, bytes);
    advance(cpu, insn, X86_RDI, 1);
    *ret_more = goes_on(cpu, insn);
    return true;
}

bool interp_scas(SoftCPU *cpu, const SoftInsn *insn)
{
    return string(cpu, insn, scas_step, NULL);
}

/* -- ins, outs ------------------------------------------------------------- */

/*
 * The port is asked only when the memory side cannot fault any more: what it
 * gave once, it does not give again.
 */
static bool ins_step(SoftCPU *cpu, const SoftInsn *insn, bool *ret_more)
{
    unsigned bytes = insn->op_bytes;
    uint16_t port = cpu->gpr[X86_RDX];
    uint64_t to;
    uint32_t v;

    if (!soft_io_check(cpu, port, bytes) ||
        !interp_linear_at(cpu, X86_ES, string_reg(cpu, insn, X86_RDI), bytes,
                          SOFT_ACCESS_WRITE, &to) ||
        !soft_mem_probe(cpu, to, bytes, SOFT_ACCESS_WRITE) ||
        !soft_in(cpu, port, bytes, &v) ||
        !interp_store_linear(cpu, to, bytes, v)) {
        return false;
    }
    advance(cpu, insn, X86_RDI, 1);
    *ret_more = true;
    return true;
}

static bool outs_step(SoftCPU *cpu, const SoftInsn *insn, bool *ret_more)
{
    unsigned bytes = insn->op_bytes;
    uint16_t port = cpu->gpr[X86_RDX];
    uint64_t from, v;

    if (!soft_io_check(cpu, port, bytes) ||
        !interp_linear_at(cpu, insn->seg, string_reg(cpu, insn, X86_RSI), bytes,
                          SOFT_ACCESS_READ, &from) ||
        !interp_load_linear(cpu, from, bytes, &v) ||
        !soft_out(cpu, port, bytes, v)) {
        return false;
    }
    advance(cpu, insn, X86_RSI, 1);
    *ret_more = true;
    return true;
}

/* Sectors by PIO: through a copy, as a device may change the memory map. */
static uint64_t ins_bulk(SoftCPU *cpu, const SoftInsn *insn, uint64_t count)
{
    uint8_t buf[SOFT_PAGE_BYTES];
    uint16_t port = cpu->gpr[X86_RDX];
    uint64_t offset = string_reg(cpu, insn, X86_RDI);
    uint64_t linear, done;
    unsigned n;
    void *to;

    count = bulk_map(cpu, insn, X86_ES, offset, count, SOFT_ACCESS_WRITE,
                     &linear, &to);
    if (count == 0 || cpu->mode_flags & (SOFT_MODE_IO_CPL | SOFT_MODE_VM86)) {
        return 0;
    }
    soft_io_string(cpu, port, insn->op_bytes, false, count, buf);
    for (done = 0; done < count * insn->op_bytes; done += n) {
        n = MIN(64, count * insn->op_bytes - done);
        /* Was possible a moment ago; a fault has nobody to go to. */
        if (!soft_mem_write(cpu, linear + done, buf + done, n)) {
            cpu->exception.pending = false;
        }
    }
    advance(cpu, insn, X86_RDI, count);
    return count;
}

static uint64_t outs_bulk(SoftCPU *cpu, const SoftInsn *insn, uint64_t count)
{
    uint8_t buf[SOFT_PAGE_BYTES];
    uint16_t port = cpu->gpr[X86_RDX];
    uint64_t linear;
    void *from;

    count = bulk_map(cpu, insn, insn->seg, string_reg(cpu, insn, X86_RSI),
                     count, SOFT_ACCESS_READ, &linear, &from);
    if (count == 0 || cpu->mode_flags & (SOFT_MODE_IO_CPL | SOFT_MODE_VM86)) {
        return 0;
    }
    memcpy(buf, from, count * insn->op_bytes);
    soft_io_string(cpu, port, insn->op_bytes, true, count, buf);
    advance(cpu, insn, X86_RSI, count);
    return count;
}

bool interp_ins(SoftCPU *cpu, const SoftInsn *insn)
{
    return string(cpu, insn, ins_step, ins_bulk);
}

bool interp_outs(SoftCPU *cpu, const SoftInsn *insn)
{
    return string(cpu, insn, outs_step, outs_bulk);
}
