/*
 * C functions that generated code calls from the middle of a block. All of the
 * guest's state is in the SoftCPU when they run.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "interp.h"
#include "jit-internal.h"
#include "native.h"

#define X87_MASKS 0x3fu
#define X87_ES    0x80u

static void set_rip(SoftCPU *cpu, JitSite site)
{
    const TBlock *b = &cpu->jit->tb.block[jit_site_block(site)];

    cpu->rip = (b->rip & SOFT_PAGE_MASK) | jit_site_offset(site);
}

static bool leave(SoftCPU *cpu)
{
    cpu->jit_words[JIT_W_EXIT] = JIT_EXIT_C;
    cpu->jit_words[JIT_W_X87_OK] = 0;
    return false;
}

/* What must not change if a block is to go on behind an instruction. */
typedef struct Before {
    uint64_t rip;
    uint32_t epoch;
    uint32_t mode;
} Before;

static Before before(const SoftCPU *cpu)
{
    return (Before){ cpu->rip, cpu->code_epoch, cpu->mode_flags };
}

static bool may_go_on(SoftCPU *cpu, bool ok, const Before *b)
{
    if (!ok || cpu->rip == b->rip || cpu->code_epoch != b->epoch ||
        cpu->mode_flags != b->mode || cpu->jit->flush_wanted ||
        qatomic_read(&cpu->exit_request)) {
        return leave(cpu);
    }
    if (cpu->jit_words[JIT_W_X87_OK]) {
        soft_x87_load(cpu);
    }
    jit_flags_from_cpu(cpu);
    cpu->jit_words[JIT_W_RFLAGS] =
        (cpu->eflags & SOFT_EFL_ARITH) | SOFT_EFL_ONE;
    return true;
}

bool jit_interpret(SoftCPU *cpu, JitSite site)
{
    /* A copy, as the array may move: executing may lead to a new block. */
    SoftInsn insn = cpu->jit->insn[jit_site_insn(site)];

    cpu->jit->n_interp++;
    return soft_interp_insn(cpu, &insn);
}

void jit_x87_hand_over(SoftCPU *cpu)
{
    uint64_t rip = cpu->jit_words[JIT_W_X87_RIP];

    if (rip) {
        soft_x87_note_rip(cpu, rip);
        cpu->jit_words[JIT_W_X87_RIP] = 0;
    }
}

bool jit_interp_site(SoftCPU *cpu, JitSite site)
{
    Before b;

    jit_flags_to_cpu(cpu);
    jit_x87_hand_over(cpu);
    set_rip(cpu, site);
    b = before(cpu);
    return may_go_on(cpu, jit_interpret(cpu, site), &b);
}

static uint8_t *fast_pointer(SoftCPU *cpu, uint64_t linear, unsigned size,
                             bool write)
{
    return write ? soft_tlb_write_ptr(cpu, linear, size)
                 : soft_tlb_read_ptr(cpu, linear, size);
}

/* -- rep movs, rep stos ------------------------------------------------------ */

static uint8_t *map_bytes(SoftCPU *cpu, uint64_t linear, unsigned size,
                          bool write)
{
    uint8_t *p = fast_pointer(cpu, linear, size, write);
    void *mapped;

    if (p) {
        return p;
    }
    switch (soft_mem_map(cpu, linear, size,
                         write ? SOFT_ACCESS_WRITE : SOFT_ACCESS_READ,
                         &mapped)) {
    case SOFT_MAP_OK:
        return fast_pointer(cpu, linear, size, write);
    case SOFT_MAP_FAULT:
        cpu->exception.pending = false; /* the interpreter raises it */
        return NULL;
    case SOFT_MAP_SLOW:
        break;
    }
    return NULL;
}

static unsigned page_room(uint64_t linear)
{
    return SOFT_PAGE_BYTES - (unsigned)(linear & ~SOFT_PAGE_MASK);
}

static void host_movs(uint8_t *to, const uint8_t *from, uint64_t n,
                      unsigned size)
{
    switch (size) {
    case 1:
        __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n)::"memory");
        break;
    case 2:
        __asm__ volatile("rep movsw" : "+D"(to), "+S"(from), "+c"(n)::"memory");
        break;
    case 4:
        __asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(n)::"memory");
        break;
    default:
        __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(n)::"memory");
        break;
    }
}

static void host_stos(uint8_t *to, uint64_t value, uint64_t n, unsigned size)
{
    switch (size) {
    case 1:
        __asm__ volatile("rep stosb"
                         : "+D"(to), "+c"(n)
                         : "a"(value)
                         : "memory");
        break;
    case 2:
        __asm__ volatile("rep stosw"
                         : "+D"(to), "+c"(n)
                         : "a"(value)
                         : "memory");
        break;
    case 4:
        __asm__ volatile("rep stosl"
                         : "+D"(to), "+c"(n)
                         : "a"(value)
                         : "memory");
        break;
    default:
        __asm__ volatile("rep stosq"
                         : "+D"(to), "+c"(n)
                         : "a"(value)
                         : "memory");
        break;
    }
}

/* Elements of @insn that stay on the present pages, at once; 0: none. The host's
 * own instruction has the guest's order of bytes, overlap included. */
static uint64_t string_part(SoftCPU *cpu, const SoftInsn *insn)
{
    uint64_t *gpr = cpu->gpr;
    unsigned size = insn->op_bytes;
    bool movs = insn->op == SOFT_OP_MOVS;
    uint64_t n = MIN(gpr[X86_RCX], page_room(gpr[X86_RDI]) / size);
    uint64_t bytes;
    uint8_t *from = NULL, *to;

    if (movs) {
        n = MIN(n, page_room(gpr[X86_RSI]) / size);
    }
    bytes = n * size;
    if (n == 0 || (movs && !(from = map_bytes(cpu, gpr[X86_RSI],
                                              (unsigned)bytes, false)))) {
        return 0;
    }
    to = map_bytes(cpu, gpr[X86_RDI], (unsigned)bytes, true);
    if (!to) {
        return 0;
    }
    if (movs) {
        host_movs(to, from, n, size);
        gpr[X86_RSI] += bytes;
    } else {
        host_stos(to, gpr[X86_RAX], n, size);
    }
    gpr[X86_RDI] += bytes;
    gpr[X86_RCX] -= n;
    return n;
}

bool jit_string(SoftCPU *cpu, JitSite site)
{
    SoftInsn insn = cpu->jit->insn[jit_site_insn(site)];

    set_rip(cpu, site);
    if (!(cpu->eflags & SOFT_EFL_DF)) {
        while (cpu->gpr[X86_RCX] && string_part(cpu, &insn)) {
            if (cpu->gpr[X86_RCX] && qatomic_read(&cpu->exit_request)) {
                jit_flags_to_cpu(cpu);
                return leave(cpu);
            }
        }
    }
    /* Elements across pages, device memory, faults. */
    return cpu->gpr[X86_RCX] == 0 || jit_interp_site(cpu, site);
}

/* The whole instruction, of which only an access is known. */
static bool interpret_access(SoftCPU *cpu, JitSite site)
{
    Before b = before(cpu);
    bool ok = soft_interp_one(cpu);

    cpu->jit->n_interp++;
    if (site & JIT_SITE_LEAVE) {
        return leave(cpu);
    }
    return may_go_on(cpu, ok, &b);
}

/* Host address if generated code may use it. NULL: the interpreter has to
 * look; or *@ret_fault: cpu->exception is what the access raises. A read that
 * went over from a page looked up for writing gets an address only if the new
 * page may be written as well, for the accesses behind it count on that. */
static uint8_t *fill(SoftCPU *cpu, uint64_t linear, JitSite site,
                     bool *ret_fault)
{
    unsigned size = jit_site_size(site);
    bool write = site & JIT_SITE_WRITE;
    uint8_t *p;
    void *unused;

    /* Beyond the page limits come before page faults, too. */
    if (((site & JIT_SITE_ALIGN) && (linear & (size - 1))) ||
        page_room(linear) < size) {
        return NULL;
    }
    if (site & JIT_SITE_REUSE_W) {
        return fast_pointer(cpu, linear, size, true);
    }
    p = fast_pointer(cpu, linear, size, write);
    if (p) {
        return p;
    }
    switch (soft_mem_map(cpu, linear, size,
                         write ? SOFT_ACCESS_WRITE : SOFT_ACCESS_READ,
                         &unused)) {
    case SOFT_MAP_FAULT:
        /* Of others than a page fault the instruction decides which. */
        *ret_fault = cpu->exception.vector == SOFT_EXC_PF;
        cpu->exception.pending = *ret_fault;
        return NULL;
    case SOFT_MAP_OK:
        return fast_pointer(cpu, linear, size, write);
    case SOFT_MAP_SLOW:
        break;
    }
    return NULL;
}

JitResult jit_slow_access(SoftCPU *cpu, uint64_t linear, JitSite site,
                          const uint8_t *return_to)
{
    bool fault = false;
    uint8_t *p;
    int32_t rel;
    uint16_t length;

    jit_flags_to_cpu(cpu);
    jit_x87_hand_over(cpu);
    set_rip(cpu, site);
    p = fill(cpu, linear, site, &fault);
    if (p) {
        unsigned offset = linear & ~SOFT_PAGE_MASK;

        return (JitResult){ (uintptr_t)(p - offset), offset };
    }
    if (fault || !interpret_access(cpu, site)) {
        leave(cpu);
        return (JitResult){ JIT_SLOW_LEAVE, 0 };
    }
    /* "jmp hit" follows the call, then comes how far the next one is. */
    memcpy(&rel, return_to + 1, sizeof(rel));
    memcpy(&length, return_to + 5, sizeof(length));
    return_to += length == JIT_NEXT_HERE ? 7 : 5 + rel + length;
    return (JitResult){ JIT_SLOW_NEXT, (uintptr_t)return_to };
}

static bool x87_is_masked(SoftCPU *cpu)
{
    uint16_t fcw, fsw;

    if (cpu->x87_live) {
        __asm__ volatile("fnstcw %0" : "=m"(fcw));
        __asm__ volatile("fnstsw %0" : "=m"(fsw));
    } else {
        memcpy(&fcw, cpu->fx, sizeof(fcw));
        memcpy(&fsw, cpu->fx + 2, sizeof(fsw));
    }
    return (fcw & X87_MASKS) == X87_MASKS && !(fsw & X87_ES);
}

bool jit_x87_enter(SoftCPU *cpu, JitSite site)
{
    if (!x87_is_masked(cpu)) {
        jit_flags_to_cpu(cpu);
        set_rip(cpu, site);
        cpu->jit->interp_count = cpu->jit->tb.block[jit_site_block(site)].insns;
        return leave(cpu);
    }
    soft_x87_load(cpu);
    cpu->jit_words[JIT_W_X87_OK] = 1;
    return true;
}
