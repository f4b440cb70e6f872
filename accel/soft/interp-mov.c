/*
 * The interpreter's moves: mov, movzx, lea, xchg, cmpxchg and other transfers
 * between registers and memory.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sched.h>

#include "interp-atomic.h"
#include "interp-internal.h"

/* -- mov, by size and form ------------------------------------------------- */

#define MOV_HANDLERS(bits, bytes)                                              \
    static bool mov_rm_r_##bits(SoftCPU *cpu, const SoftInsn *insn)            \
    {                                                                          \
        interp_set_rm(cpu, insn, bytes, interp_get_reg(cpu, insn, bytes));     \
        return true;                                                           \
    }                                                                          \
    static bool mov_r_rm_##bits(SoftCPU *cpu, const SoftInsn *insn)            \
    {                                                                          \
        interp_set_reg(cpu, insn, bytes, interp_get_rm(cpu, insn, bytes));     \
        return true;                                                           \
    }                                                                          \
    static bool mov_r_m_##bits(SoftCPU *cpu, const SoftInsn *insn)             \
    {                                                                          \
        uint64_t v;                                                            \
                                                                               \
        if (!interp_load(cpu, insn, bytes, &v)) {                              \
            return false;                                                      \
        }                                                                      \
        interp_set_reg(cpu, insn, bytes, v);                                   \
        return true;                                                           \
    }                                                                          \
    static bool mov_m_r_##bits(SoftCPU *cpu, const SoftInsn *insn)             \
    {                                                                          \
        return interp_store(cpu, insn, bytes,                                  \
                            interp_get_reg(cpu, insn, bytes));                 \
    }                                                                          \
    static bool mov_r_i_##bits(SoftCPU *cpu, const SoftInsn *insn)             \
    {                                                                          \
        interp_set_rm(cpu, insn, bytes, insn->imm);                            \
        return true;                                                           \
    }                                                                          \
    static bool mov_m_i_##bits(SoftCPU *cpu, const SoftInsn *insn)             \
    {                                                                          \
        return interp_store(cpu, insn, bytes, insn->imm);                      \
    }

MOV_HANDLERS(8, 1)
MOV_HANDLERS(16, 2)
MOV_HANDLERS(32, 4)
MOV_HANDLERS(64, 8)

#define BY_SIZE(name)                                                          \
    {                                                                          \
        name##_8, name##_16, name##_32, name##_64                              \
    }

static InterpHandler *const mov_handlers[INTERP_FORMS][4] = {
    [INTERP_RM_R] = BY_SIZE(mov_rm_r), [INTERP_R_RM] = BY_SIZE(mov_r_rm),
    [INTERP_R_M] = BY_SIZE(mov_r_m),   [INTERP_M_R] = BY_SIZE(mov_m_r),
    [INTERP_R_I] = BY_SIZE(mov_r_i),   [INTERP_M_I] = BY_SIZE(mov_m_i),
};

InterpHandler *interp_select_mov(const SoftInsn *insn)
{
    bool mem = insn->mem != SOFT_MEM_NONE;
    InterpForm form;

    if (insn->imm_bytes > 0) {
        form = mem ? INTERP_M_I : INTERP_R_I;
    } else if (insn->attrs & SOFT_A_TO_REG) {
        form = mem ? INTERP_R_M : INTERP_R_RM;
    } else {
        form = mem ? INTERP_M_R : INTERP_RM_R;
    }
    return mov_handlers[form][__builtin_ctz(insn->op_bytes)];
}

/* -- other moves ----------------------------------------------------------- */

bool interp_movzx(SoftCPU *cpu, const SoftInsn *insn)
{
    uint64_t v;

    if (!interp_read_rm(cpu, insn, insn->src_bytes, &v)) {
        return false;
    }
    interp_set(cpu, insn->reg, insn->op_bytes, v);
    return true;
}

bool interp_movsx(SoftCPU *cpu, const SoftInsn *insn)
{
    unsigned shift = 64 - 8 * insn->src_bytes;
    uint64_t v;

    if (!interp_read_rm(cpu, insn, insn->src_bytes, &v)) {
        return false;
    }
    interp_set(cpu, insn->reg, insn->op_bytes,
               (uint64_t)((int64_t)(v << shift) >> shift));
    return true;
}

bool interp_lea(SoftCPU *cpu, const SoftInsn *insn)
{
    interp_set(cpu, insn->reg, insn->op_bytes, interp_ea(cpu, insn));
    return true;
}

static uint64_t exchange(void *p, unsigned bytes, uint64_t v)
{
    switch (bytes) {
    case 1:
        return interp_xchg_8(p, v);
    case 2:
        return interp_xchg_16(p, v);
    case 4:
        return interp_xchg_32(p, v);
    default:
        return interp_xchg_64(p, v);
    }
}

bool interp_xchg(SoftCPU *cpu, const SoftInsn *insn)
{
    unsigned bytes = insn->op_bytes;
    uint64_t reg = interp_get_reg(cpu, insn, bytes);
    SoftRMW rmw;
    void *p;

    if (insn->mem == SOFT_MEM_NONE) {
        uint64_t rm = interp_get_rm(cpu, insn, bytes);

        interp_set_rm(cpu, insn, bytes, reg);
        interp_set_reg(cpu, insn, bytes, rm);
        return true;
    }
    p = interp_rmw_begin(cpu, insn, bytes, &rmw);
    if (p == NULL) {
        return false;
    }
    interp_set_reg(cpu, insn, bytes, exchange(p, bytes, reg));
    interp_rmw_end(cpu, &rmw);
    return true;
}

/* xadd %reg, (p): with the host's flags; returns the old value. */
#define XADD_CASE(type, sfx)                                                   \
    {                                                                          \
        type r = v;                                                            \
                                                                               \
        asm volatile("lock; xadd" sfx " %[r], %[m]" INTERP_GET_FLAGS           \
                     : [r] "+q"(r), [m] "+m"(*(type *)p), "=&a"(fl)            \
                     :                                                         \
                     : "cc", "memory");                                        \
        interp_set_flags(cpu, fl);                                             \
        return r;                                                              \
    }

static uint64_t exchange_add(SoftCPU *cpu, void *p, unsigned bytes, uint64_t v)
{
    uint16_t fl;

    /* Always locked: it does no harm, and few programs do without. */
    switch (bytes) {
    case 1:
        XADD_CASE(uint8_t, "b")
    case 2:
        XADD_CASE(uint16_t, "w")
    case 4:
        XADD_CASE(uint32_t, "l")
    default:
        XADD_CASE(uint64_t, "q")
    }
}

bool interp_xadd(SoftCPU *cpu, const SoftInsn *insn)
{
    unsigned bytes = insn->op_bytes;
    uint64_t v = interp_get_reg(cpu, insn, bytes);
    uint64_t rm, old;
    SoftRMW rmw;
    void *p;

    if (insn->mem == SOFT_MEM_NONE) {
        rm = interp_get_rm(cpu, insn, bytes);
        old = exchange_add(cpu, &rm, bytes, v);
        interp_set_reg(cpu, insn, bytes, old);
        interp_set_rm(cpu, insn, bytes, rm);
        return true;
    }
    p = interp_rmw_begin(cpu, insn, bytes, &rmw);
    if (p == NULL) {
        return false;
    }
    old = exchange_add(cpu, p, bytes, v);
    interp_rmw_end(cpu, &rmw);
    interp_set_reg(cpu, insn, bytes, old);
    return true;
}

/* CMP of the accumulator and what was there: the flags of cmpxchg. */
#define CMPXCHG_CASE(bits, sfx)                                                \
    {                                                                          \
        uint##bits##_t e = interp_cmpxchg_##bits(p, wanted, v);                \
                                                                               \
        asm("cmp" sfx " %[b], %[a]" INTERP_GET_FLAGS                           \
            : "=&a"(fl)                                                        \
            : [a] "q"((uint##bits##_t)wanted), [b] "q"(e)                      \
            : "cc");                                                           \
        old = e;                                                               \
        break;                                                                 \
    }

/* Whether they were equal; the accumulator's new value goes to *@acc. */
static bool compare_exchange(SoftCPU *cpu, void *p, unsigned bytes, uint64_t v,
                             uint64_t *acc)
{
    uint64_t wanted = *acc;
    uint64_t old;
    uint16_t fl;

    switch (bytes) {
    case 1:
        CMPXCHG_CASE(8, "b")
    case 2:
        CMPXCHG_CASE(16, "w")
    case 4:
        CMPXCHG_CASE(32, "l")
    default:
        CMPXCHG_CASE(64, "q")
    }
    interp_set_flags(cpu, fl);
    *acc = old;
    return old == (wanted & interp_mask(bytes));
}

bool interp_cmpxchg(SoftCPU *cpu, const SoftInsn *insn)
{
    unsigned bytes = insn->op_bytes;
    uint64_t v = interp_get_reg(cpu, insn, bytes);
    uint64_t acc = interp_get(cpu, X86_RAX, bytes);
    SoftRMW rmw;
    bool same;

    if (insn->mem == SOFT_MEM_NONE) {
        uint64_t rm = interp_get_rm(cpu, insn, bytes);

        same = compare_exchange(cpu, &rm, bytes, v, &acc);
        if (same) {
            interp_set_rm(cpu, insn, bytes, rm);
        }
    } else {
        void *p = interp_rmw_begin(cpu, insn, bytes, &rmw);

        if (p == NULL) {
            return false;
        }
        same = compare_exchange(cpu, p, bytes, v, &acc);
        interp_rmw_end(cpu, &rmw);
    }
    if (!same) {
        interp_set(cpu, X86_RAX, bytes, acc);
    }
    return true;
}

bool interp_cmpxchg8b(SoftCPU *cpu, const SoftInsn *insn)
{
    uint64_t wanted = (uint32_t)cpu->gpr[X86_RAX] | cpu->gpr[X86_RDX] << 32;
    uint64_t v = (uint32_t)cpu->gpr[X86_RBX] | cpu->gpr[X86_RCX] << 32;
    SoftRMW rmw;
    void *p = interp_rmw_begin(cpu, insn, 8, &rmw);
    uint64_t old;
    bool same;

    if (p == NULL) {
        return false;
    }
    old = interp_cmpxchg_64(p, wanted, v);
    same = old == wanted;
    interp_rmw_end(cpu, &rmw);
    if (!same) {
        cpu->gpr[X86_RAX] = (uint32_t)old;
        cpu->gpr[X86_RDX] = old >> 32;
    }
    interp_put_flag(cpu, SOFT_EFL_ZF, same);
    return true;
}

bool interp_cmpxchg16b(SoftCPU *cpu, const SoftInsn *insn)
{
    uint64_t offset = interp_ea(cpu, insn);
    uint64_t linear;
    SoftRMW rmw;
    bool same;
    void *p;

    /* Comes before the checks of the segment. */
    linear =
        offset +
        (soft_long64(cpu) && insn->seg < X86_FS ? 0 : cpu->seg[insn->seg].base);
    if (linear & 15) {
        return soft_raise_gp(cpu);
    }
    if (!interp_linear_at(cpu, insn->seg, offset, 16, SOFT_ACCESS_RMW,
                          &linear)) {
        return false;
    }
    p = interp_rmw_begin_at(cpu, insn, linear, 16, &rmw);
    if (p == NULL) {
        return false;
    }
    asm volatile("lock; cmpxchg16b %[m]\n\tsete %[same]"
                 : [m] "+m"(*(unsigned __int128 *)p), [same] "=q"(same),
                   "+a"(cpu->gpr[X86_RAX]), "+d"(cpu->gpr[X86_RDX])
                 : "b"(cpu->gpr[X86_RBX]), "c"(cpu->gpr[X86_RCX])
                 : "cc", "memory");
    interp_rmw_end(cpu, &rmw);
    interp_put_flag(cpu, SOFT_EFL_ZF, same);
    return true;
}

static uint64_t byte_swap(uint64_t v, unsigned bytes)
{
    switch (bytes) {
    case 2:
        return __builtin_bswap16(v);
    case 4:
        return __builtin_bswap32(v);
    default:
        return __builtin_bswap64(v);
    }
}

bool interp_movbe(SoftCPU *cpu, const SoftInsn *insn)
{
    unsigned bytes = insn->op_bytes;
    uint64_t v;

    if (!(insn->attrs & SOFT_A_TO_REG)) {
        v = byte_swap(interp_get(cpu, insn->reg, bytes), bytes);
        return interp_store(cpu, insn, bytes, v);
    }
    if (!interp_load(cpu, insn, bytes, &v)) {
        return false;
    }
    interp_set(cpu, insn->reg, bytes, byte_swap(v, bytes));
    return true;
}

bool interp_bswap(SoftCPU *cpu, const SoftInsn *insn)
{
    uint64_t v = interp_get(cpu, insn->rm, insn->op_bytes);

    /* With 16 bits the architecture leaves it open; CPUs clear them. */
    interp_set(cpu, insn->rm, insn->op_bytes,
               insn->op_bytes == 2 ? 0 : byte_swap(v, insn->op_bytes));
    return true;
}

bool interp_cmov(SoftCPU *cpu, const SoftInsn *insn)
{
    unsigned bytes = insn->op_bytes;
    uint64_t v;

    if (!interp_read_rm(cpu, insn, bytes, &v)) {
        return false;
    }
    if (!interp_cond(cpu, soft_insn_cond(insn))) {
        v = interp_get(cpu, insn->reg, bytes); /* clears bits 63:32 */
    }
    interp_set(cpu, insn->reg, bytes, v);
    return true;
}

bool interp_setcc(SoftCPU *cpu, const SoftInsn *insn)
{
    return interp_write_rm(cpu, insn, 1,
                           interp_cond(cpu, soft_insn_cond(insn)));
}

bool interp_cbw(SoftCPU *cpu, const SoftInsn *insn)
{
    uint64_t a = cpu->gpr[X86_RAX];
    uint64_t v = insn->op_bytes == 2   ? (uint64_t)(int8_t)a
                 : insn->op_bytes == 4 ? (uint64_t)(int16_t)a
                                       : (uint64_t)(int32_t)a;

    interp_set(cpu, X86_RAX, insn->op_bytes, v);
    return true;
}

bool interp_cwd(SoftCPU *cpu, const SoftInsn *insn)
{
    uint64_t a = cpu->gpr[X86_RAX];
    bool negative = a >> (8 * insn->op_bytes - 1) & 1;

    interp_set(cpu, X86_RDX, insn->op_bytes, negative ? ~(uint64_t)0 : 0);
    return true;
}

bool interp_xlat(SoftCPU *cpu, const SoftInsn *insn)
{
    uint64_t offset = cpu->gpr[X86_RBX] + (uint8_t)cpu->gpr[X86_RAX];
    uint64_t linear, v;

    if (!interp_linear_at(cpu, insn->seg,
                          offset & interp_mask(insn->addr_bytes), 1,
                          SOFT_ACCESS_READ, &linear) ||
        !interp_load_linear(cpu, linear, 1, &v)) {
        return false;
    }
    *interp_r8(cpu, X86_RAX, false) = v;
    return true;
}

/* -- flags and hints ------------------------------------------------------- */

bool interp_lahf(SoftCPU *cpu, const SoftInsn *insn)
{
    *interp_r8(cpu, X86_RAX + 4, true) = (cpu->eflags & 0xd5) | SOFT_EFL_ONE;
    return true;
}

bool interp_sahf(SoftCPU *cpu, const SoftInsn *insn)
{
    cpu->eflags =
        (cpu->eflags & ~0xd5u) | (*interp_r8(cpu, X86_RAX + 4, true) & 0xd5);
    return true;
}

/* clc, stc, cmc, cld, std */
bool interp_flag(SoftCPU *cpu, const SoftInsn *insn)
{
    switch (insn->op) {
    case SOFT_OP_CLC:
        cpu->eflags &= ~SOFT_EFL_CF;
        break;
    case SOFT_OP_STC:
        cpu->eflags |= SOFT_EFL_CF;
        break;
    case SOFT_OP_CMC:
        cpu->eflags ^= SOFT_EFL_CF;
        break;
    case SOFT_OP_CLD:
        cpu->eflags &= ~SOFT_EFL_DF;
        break;
    default:
        cpu->eflags |= SOFT_EFL_DF;
        break;
    }
    return true;
}

bool interp_nop(SoftCPU *cpu, const SoftInsn *insn)
{
    return true;
}

/* Whom it waits for may be a CPU whose thread has no host CPU just now. */
bool interp_pause(SoftCPU *cpu, const SoftInsn *insn)
{
    sched_yield();
    return true;
}

bool interp_fence(SoftCPU *cpu, const SoftInsn *insn)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return true;
}

/* Caches are coherent: only the checks of a load of one byte are left. */
bool interp_clflush(SoftCPU *cpu, const SoftInsn *insn)
{
    uint64_t linear;

    return interp_linear(cpu, insn, 1, SOFT_ACCESS_READ, &linear) &&
           soft_mem_probe(cpu, linear, 1, SOFT_ACCESS_READ);
}
