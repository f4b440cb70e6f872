/*
 * The native thunk: one vector, MMX or x87 instruction on the host's CPU.
 *
 * Order of things: checks of control registers; address, limits, alignment;
 * page faults (a read is fetched, a write is probed); execution; store. So an
 * exception of whatever kind leaves the guest's state alone. RAM on the fast
 * path of the TLB is read and written in place, everything else by a bounce
 * buffer.
 *
 * SIMD exceptions: the host always runs with all of them masked. Where the
 * guest has masked all, which is nearly always, MXCSR is simply handed through.
 * If not, the flags are cleared first and what the instruction set is compared
 * with the guest's masks; then old register contents come back and #XM is
 * raised (SDM volume 1, 11.5.2 and 11.5.3).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "accel/soft/native.h"

#include <cpuid.h>

#include "trace/trace-accel.h"

#include "native-internal.h"
#include "sysinsn.h"

#define STUB_AREA_BYTES (512u * 1024)

/* SDM volume 1, 11.5.2.2: these are found before there is a result. */
#define MXCSR_PRE 0x07u
#define MXCSR_UE  0x10u

SoftNative *soft_native_new(Error **errp)
{
    g_autofree SoftNative *n = g_new0(SoftNative, 1);
    uint32_t eax, ebx = 0, ecx, edx;

    if (!emit_area_new(&n->code, STUB_AREA_BYTES, errp)) {
        return NULL;
    }
    n->host_features = soft_native_features();
    n->avx = n->host_features >> SOFT_F_AVX & 1;
    __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx);
    n->fdp_lazy = ebx >> 6 & 1;
    return g_steal_pointer(&n);
}

void soft_native_free(SoftNative *native)
{
    if (native) {
        emit_area_free(&native->code);
        g_free(native);
    }
}

uint64_t native_offset(const SoftCPU *cpu, const SoftInsn *insn)
{
    uint64_t offset = (uint64_t)insn->disp;

    if (insn->attrs & SOFT_A_RIP) {
        offset += cpu->rip + insn->length;
    }
    if (insn->base != SOFT_NO_REG) {
        offset += cpu->gpr[insn->base];
    }
    if (insn->index != SOFT_NO_REG) {
        offset += cpu->gpr[insn->index] << insn->scale;
    }
    if (insn->addr_bytes == 8) {
        return offset;
    }
    return insn->addr_bytes == 4 ? (uint32_t)offset : (uint16_t)offset;
}

/* -- the memory operand --------------------------------------------------- */

typedef struct Operand {
    void *ptr;
    uint64_t offset;
    uint64_t linear;
    bool store; /* the bounce buffer is to be written when all went well */
    uint8_t bounce[64] QEMU_ALIGNED(64);
} Operand;

static uint64_t segment_base(const SoftCPU *cpu, unsigned seg)
{
    return soft_long64(cpu) && seg < X86_FS ? 0 : cpu->seg[seg].base;
}

/* @in_place: may a store go straight to RAM? */
static bool operand_prepare(SoftCPU *cpu, const SoftInsn *insn, bool in_place,
                            Operand *m)
{
    bool write = insn->mem == SOFT_MEM_WRITE || insn->mem == SOFT_MEM_RW;
    SoftAccess access = write ? SOFT_ACCESS_WRITE : SOFT_ACCESS_READ;
    unsigned size = insn->mem_bytes;

    m->ptr = m->bounce;
    m->store = false;
    m->offset = 0;
    if (insn->mem == SOFT_MEM_NONE || insn->mem == SOFT_MEM_ADDR) {
        return true;
    }
    if (unlikely(size > sizeof(m->bounce))) {
        return soft_raise(cpu, SOFT_EXC_UD);
    }
    m->offset = native_offset(cpu, insn);
    if ((insn->attrs & SOFT_A_ALIGN) &&
        ((m->offset + segment_base(cpu, insn->seg)) & (size - 1))) {
        return soft_raise_gp(cpu); /* before #SS of a bad address */
    }
    if (!soft_seg_linear(cpu, insn->seg, m->offset, size, access, &m->linear)) {
        return false;
    }
    if (!write) {
        void *p = soft_tlb_read_ptr(cpu, m->linear, size);

        if (likely(p != NULL)) {
            m->ptr = p;
            return true;
        }
        return soft_mem_read(cpu, m->linear, m->bounce, size);
    }
    if (in_place) {
        void *p = soft_tlb_write_ptr(cpu, m->linear, size);

        if (likely(p != NULL)) {
            m->ptr = p;
            return true;
        }
    }
    m->store = true;
    return soft_mem_probe(cpu, m->linear, size, SOFT_ACCESS_WRITE);
}

static bool operand_finish(SoftCPU *cpu, const SoftInsn *insn, Operand *m)
{
    return !m->store ||
           soft_mem_write(cpu, m->linear, m->bounce, insn->mem_bytes);
}

/* -- checks --------------------------------------------------------------- */

static bool x87_exception_waits(const SoftCPU *cpu)
{
    return (cpu->x87_live ? native_x87_fsw() : cpu->fx[FX_FSW]) & FSW_ES;
}

/* What waits for x87 exceptions, and MMX: bring in the registers. */
static bool x87_ready(SoftCPU *cpu, SoftUnit unit, uint32_t absent)
{
    if (unlikely(cpu->mode_flags & absent) ||
        (unit != SOFT_UNIT_X87_CTRL && unlikely(x87_exception_waits(cpu)))) {
        soft_x87_sync(cpu);
        if (!soft_unit_check(cpu, unit)) {
            return false;
        }
    }
    soft_x87_load(cpu);
    return true;
}

/* CVTPI2PS and CVTPI2PD of a memory operand leave the x87 state alone. */
static bool uses_mmx(const SoftInsn *insn)
{
    return (insn->attrs & SOFT_A_MMX) &&
           !(insn->map == 1 && insn->opcode == 0x2a && insn->modrm >> 6 != 3);
}

static bool vec_ready(SoftCPU *cpu, const SoftInsn *insn)
{
    if (insn->prefixes & SOFT_PFX_VEX) {
        return likely(!(cpu->mode_flags & (SOFT_MODE_AVX_UD | SOFT_MODE_TS))) ||
               soft_unit_check(cpu, SOFT_UNIT_AVX);
    }
    if (insn->op != SOFT_OP_MMX) {
        if (unlikely(cpu->mode_flags & (SOFT_MODE_SSE_UD | SOFT_MODE_TS)) &&
            !soft_unit_check(cpu, SOFT_UNIT_SSE)) {
            return false;
        }
    }
    if (uses_mmx(insn)) {
        return x87_ready(cpu, SOFT_UNIT_MMX,
                         SOFT_MODE_MMX_UD | SOFT_MODE_X87_NM);
    }
    return true;
}

/* The host or this thunk cannot: a model that offers it is wrong. */
static bool not_here(SoftCPU *cpu, const SoftInsn *insn)
{
    trace_soft_native_refused(cpu->base.index, insn->map, insn->opcode,
                              insn->modrm);
    return soft_raise(cpu, SOFT_EXC_UD);
}

/* -- SIMD exceptions that the guest wants to see --------------------------- */

/* Flags that @insn raises, its results being stored. */
static uint32_t run_for_flags(SoftCPU *cpu, SoftStub stub, void *mem,
                              uint32_t control)
{
    return stub(cpu, mem, control | MXCSR_MASKS) & MXCSR_FLAGS;
}

/* What an instruction that obeys MXCSR can change beside memory. */
typedef struct Undo {
    uint8_t vec[SOFT_VECS][SOFT_VEC_BYTES];
    uint64_t gpr[X86_GPR_COUNT];
    uint8_t fx[SOFT_FX_BYTES];
    uint32_t eflags;
} Undo;

/* CVTTPS2PI and the like. */
static bool writes_mmx(const SoftInsn *insn)
{
    return uses_mmx(insn) && insn->opcode != 0x2a;
}

static void undo_save(SoftCPU *cpu, const SoftInsn *insn, Undo *u)
{
    memcpy(u->vec, cpu->vec, sizeof(u->vec));
    memcpy(u->gpr, cpu->gpr, sizeof(u->gpr));
    u->eflags = cpu->eflags;
    if (writes_mmx(insn)) {
        soft_x87_sync(cpu);
        memcpy(u->fx, cpu->fx, sizeof(u->fx));
        soft_x87_load(cpu);
    }
}

static void undo(SoftCPU *cpu, const SoftInsn *insn, const Undo *u)
{
    memcpy(cpu->vec, u->vec, sizeof(u->vec));
    memcpy(cpu->gpr, u->gpr, sizeof(u->gpr));
    cpu->eflags = u->eflags;
    if (writes_mmx(insn)) {
        /* TOP and tags stay as MMX sets them; the register gets its old
         * value, which is elsewhere in an image with another TOP. */
        unsigned reg = insn->modrm >> 3 & 7u;
        unsigned top = u->fx[FX_FSW + 1] >> 3 & 7u;

        soft_x87_sync(cpu);
        memcpy(cpu->fx + FX_ST + reg * (size_t)16,
               u->fx + FX_ST + ((reg - top) & 7u) * 16, 10);
        soft_x87_load(cpu);
    }
}

static bool run_unmasked(SoftCPU *cpu, const SoftInsn *insn, SoftStub stub,
                         void *mem)
{
    uint32_t control = cpu->mxcsr & ~(MXCSR_MASKS | MXCSR_FLAGS);
    uint32_t unmasked = ~(cpu->mxcsr >> MXCSR_MASK_SHIFT) & MXCSR_FLAGS;
    uint32_t flags = 0;
    Undo u;

    undo_save(cpu, insn, &u);
    if (unmasked & MXCSR_UE) {
        /* Unmasked, an underflow counts even if the tiny result is exact, and
         * FTZ has no effect. With FTZ a masked one shows. */
        flags = run_for_flags(cpu, stub, mem, control | MXCSR_FTZ) & MXCSR_UE;
        undo(cpu, insn, &u);
        control &= ~MXCSR_FTZ;
    }
    flags |= run_for_flags(cpu, stub, mem, control);
    if (!(flags & unmasked)) {
        cpu->mxcsr |= flags;
        return true;
    }
    if (flags & unmasked & MXCSR_PRE) {
        flags &= MXCSR_PRE;
    }
    undo(cpu, insn, &u);
    cpu->mxcsr |= flags;
    return soft_raise(cpu, cpu->cr4 & SOFT_CR4_OSXMMEXCPT ? SOFT_EXC_XM
                                                          : SOFT_EXC_UD);
}

/* -- execution ------------------------------------------------------------ */

static bool exec_mxcsr_obeying(SoftCPU *cpu, const SoftInsn *insn,
                               SoftStub stub, void *mem)
{
    if (unlikely((cpu->mxcsr & MXCSR_MASKS) != MXCSR_MASKS)) {
        return run_unmasked(cpu, insn, stub, mem);
    }
    cpu->mxcsr = stub(cpu, mem, cpu->mxcsr);
    return true;
}

static bool exec_plain(SoftCPU *cpu, const SoftInsn *insn)
{
    SoftStub stub = native_stub(cpu->native, insn);
    bool mxcsr = insn->attrs & SOFT_A_MXCSR;
    Operand m;

    if (unlikely(!stub)) {
        return not_here(cpu, insn);
    }
    if (mxcsr && insn->mem == SOFT_MEM_WRITE) {
        /* VCVTPS2PH: #XM comes before the faults of its store. */
        return exec_mxcsr_obeying(cpu, insn, stub, m.bounce) &&
               operand_prepare(cpu, insn, false, &m) &&
               operand_finish(cpu, insn, &m);
    }
    if (!operand_prepare(cpu, insn, true, &m)) {
        return false;
    }
    if (uses_mmx(insn)) {
        soft_x87_load(cpu); /* a device may have been asked */
    }
    if (mxcsr) {
        return exec_mxcsr_obeying(cpu, insn, stub, m.ptr);
    }
    stub(cpu, m.ptr, 0);
    return operand_finish(cpu, insn, &m);
}

/* With an unmasked exception other than "inexact" nothing is stored. */
static bool x87_stored(const SoftInsn *insn)
{
    return !native_x87_waits(insn) ||
           !(native_x87_fsw() & ~native_x87_fcw() & (X87_FLAGS & ~X87_PE));
}

/*
 * A store to where it cannot go: if it raises an unmasked exception, that comes
 * first and the memory is not looked at. Returns: true if so.
 */
static bool x87_store_is_dropped(SoftCPU *cpu, const SoftInsn *insn,
                                 SoftStub stub, Operand *m)
{
    uint8_t fx[SOFT_FX_BYTES];

    if (insn->mem != SOFT_MEM_WRITE || !native_x87_waits(insn)) {
        return false;
    }
    soft_x87_sync(cpu);
    memcpy(fx, cpu->fx, sizeof(fx));
    soft_x87_load(cpu);
    stub(cpu, m->bounce, 0);
    if (x87_stored(insn)) {
        soft_x87_sync(cpu);
        memcpy(cpu->fx, fx, sizeof(fx));
        return false;
    }
    cpu->exception.pending = false;
    soft_x87_note(cpu, insn, m->offset);
    return true;
}

static bool exec_x87(SoftCPU *cpu, const SoftInsn *insn)
{
    bool waits = native_x87_waits(insn);
    SoftStub stub;
    Operand m;

    if (!x87_ready(cpu, waits ? SOFT_UNIT_X87 : SOFT_UNIT_X87_CTRL,
                   SOFT_MODE_X87_NM)) {
        return false;
    }
    if (native_x87_is_env(insn)) {
        return native_x87_env(cpu, insn);
    }
    stub = native_stub(cpu->native, insn);
    if (!stub) {
        return not_here(cpu, insn);
    }
    if (!operand_prepare(cpu, insn, true, &m)) {
        return x87_store_is_dropped(cpu, insn, stub, &m);
    }
    /* Faults may have led through code that saves the registers. */
    soft_x87_load(cpu);
    stub(cpu, m.ptr, 0);
    soft_x87_note(cpu, insn, m.offset);
    if (m.store && !x87_stored(insn)) {
        return true;
    }
    return operand_finish(cpu, insn, &m);
}

static bool exec_fwait(SoftCPU *cpu)
{
    if ((cpu->mode_flags & SOFT_MODE_WAIT_NM) || x87_exception_waits(cpu)) {
        soft_x87_sync(cpu);
        return soft_unit_check(cpu, SOFT_UNIT_FWAIT);
    }
    return true;
}

/* VZEROUPPER (L = 0) and VZEROALL; outside of 64-bit code XMM0..7 only. */
static bool exec_vzero(SoftCPU *cpu, const SoftInsn *insn)
{
    unsigned count = soft_long64(cpu) ? SOFT_VECS : SOFT_VECS / 2;
    unsigned keep = insn->vex_l ? 0 : 16;

    for (unsigned i = 0; i < count; i++) {
        memset(cpu->vec[i] + keep, 0, SOFT_VEC_BYTES - keep);
    }
    return true;
}

static bool exec_mxcsr(SoftCPU *cpu, const SoftInsn *insn)
{
    Operand m;
    uint32_t value;

    if (!operand_prepare(cpu, insn, true, &m)) {
        return false;
    }
    if (insn->op == SOFT_OP_STMXCSR) {
        memcpy(m.ptr, &cpu->mxcsr, sizeof(value));
        return operand_finish(cpu, insn, &m);
    }
    memcpy(&value, m.ptr, sizeof(value));
    return soft_ldmxcsr(cpu, value);
}

bool soft_native_exec(SoftCPU *cpu, const SoftInsn *insn)
{
    if (insn->op == SOFT_OP_X87) {
        return exec_x87(cpu, insn);
    }
    if (insn->op == SOFT_OP_FWAIT) {
        return exec_fwait(cpu);
    }
    if (!vec_ready(cpu, insn)) {
        return false;
    }
    switch ((SoftOp)insn->op) {
    case SOFT_OP_MASKMOVQ:
    case SOFT_OP_MASKMOVDQU:
        return native_maskmov(cpu, insn);
    case SOFT_OP_VMASKMOV:
        return native_vmaskmov(cpu, insn);
    case SOFT_OP_VGATHER:
        return native_gather(cpu, insn);
    case SOFT_OP_LDMXCSR:
    case SOFT_OP_STMXCSR:
        return exec_mxcsr(cpu, insn);
    case SOFT_OP_AVX:
        if (insn->map == 1 && insn->opcode == 0x77) {
            return exec_vzero(cpu, insn);
        }
        return exec_plain(cpu, insn);
    case SOFT_OP_MMX:
    case SOFT_OP_SSE:
        return exec_plain(cpu, insn);
    default:
        return not_here(cpu, insn);
    }
}
