/*
 * Vector instructions that touch memory element by element: masked moves and
 * gathers. Only elements whose mask says so are accessed, and only these can
 * fault, so that they are done here and not on the host.
 *
 * Source: Intel SDM volume 2: MASKMOVQ, MASKMOVDQU, VMASKMOV, VPMASKMOV,
 * VPGATHERxx.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "native-internal.h"

static uint64_t cut_offset(const SoftInsn *insn, uint64_t offset)
{
    if (insn->addr_bytes == 8) {
        return offset;
    }
    return insn->addr_bytes == 4 ? (uint32_t)offset : (uint16_t)offset;
}

static bool top_bit(const uint8_t *element, unsigned bytes)
{
    return element[bytes - 1] & 0x80;
}

/* Up to 16 bytes of @data whose mask byte says so go to DS:rDI. */
static bool store_bytes(SoftCPU *cpu, const SoftInsn *insn, const uint8_t *data,
                        const uint8_t *mask, unsigned size)
{
    uint64_t offset = cut_offset(insn, cpu->gpr[X86_RDI]);
    uint64_t linear[16];

    for (unsigned i = 0; i < size; i++) {
        if (top_bit(mask + i, 1) &&
            (!soft_seg_linear(cpu, insn->seg, cut_offset(insn, offset + i), 1,
                              SOFT_ACCESS_WRITE, &linear[i]) ||
             !soft_mem_probe(cpu, linear[i], 1, SOFT_ACCESS_WRITE))) {
            return false;
        }
    }
    for (unsigned i = 0; i < size; i++) {
        if (top_bit(mask + i, 1) && !soft_st8(cpu, linear[i], data[i])) {
            return false;
        }
    }
    return true;
}

/* MMX register @n, wherever TOP is: an image counts from ST(0). */
static const uint8_t *mmx_of_image(const SoftCPU *cpu, unsigned n)
{
    unsigned top = cpu->fx[FX_FSW + 1] >> 3 & 7u;

    return cpu->fx + FX_ST + ((n - top) & 7u) * 16;
}

bool native_maskmov(SoftCPU *cpu, const SoftInsn *insn)
{
    if (insn->op == SOFT_OP_MASKMOVDQU) {
        return store_bytes(cpu, insn, cpu->vec[insn->reg], cpu->vec[insn->rm],
                           16);
    }
    soft_x87_sync(cpu);
    if (!store_bytes(cpu, insn, mmx_of_image(cpu, insn->modrm >> 3 & 7u),
                     mmx_of_image(cpu, insn->modrm & 7u), 8)) {
        return false;
    }
    native_enter_mmx(cpu);
    return true;
}

/* -- VMASKMOV, VPMASKMOV -------------------------------------------------- */

static unsigned vmaskmov_bytes(const SoftInsn *insn)
{
    if (insn->opcode == 0x8c || insn->opcode == 0x8e) {
        return insn->rex & SOFT_REX_W ? 8 : 4;
    }
    return insn->opcode & 1 ? 8 : 4;
}

static bool vmaskmov_is_store(const SoftInsn *insn)
{
    return insn->opcode == 0x8e || insn->opcode == 0x2e || insn->opcode == 0x2f;
}

static bool vmaskmov_load(SoftCPU *cpu, const SoftInsn *insn, unsigned bytes,
                          unsigned size)
{
    const uint8_t *mask = cpu->vec[insn->vvvv];
    uint64_t offset = native_offset(cpu, insn);
    uint8_t value[SOFT_VEC_BYTES] = { 0 };

    for (unsigned i = 0; i < size; i += bytes) {
        uint64_t linear;

        if (top_bit(mask + i, bytes) &&
            (!soft_seg_linear(cpu, insn->seg, cut_offset(insn, offset + i),
                              bytes, SOFT_ACCESS_READ, &linear) ||
             !soft_mem_read(cpu, linear, value + i, bytes))) {
            return false;
        }
    }
    memcpy(cpu->vec[insn->reg], value, sizeof(value));
    return true;
}

static bool vmaskmov_store(SoftCPU *cpu, const SoftInsn *insn, unsigned bytes,
                           unsigned size)
{
    const uint8_t *mask = cpu->vec[insn->vvvv];
    const uint8_t *value = cpu->vec[insn->reg];
    uint64_t offset = native_offset(cpu, insn);
    uint64_t linear[SOFT_VEC_BYTES / 4];

    for (unsigned i = 0; i < size / bytes; i++) {
        if (top_bit(mask + (size_t)i * bytes, bytes) &&
            (!soft_seg_linear(cpu, insn->seg,
                              cut_offset(insn, offset + i * bytes), bytes,
                              SOFT_ACCESS_WRITE, &linear[i]) ||
             !soft_mem_probe(cpu, linear[i], bytes, SOFT_ACCESS_WRITE))) {
            return false;
        }
    }
    for (unsigned i = 0; i < size / bytes; i++) {
        if (top_bit(mask + (size_t)i * bytes, bytes) &&
            !soft_mem_write(cpu, linear[i], value + (size_t)i * bytes, bytes)) {
            return false;
        }
    }
    return true;
}

bool native_vmaskmov(SoftCPU *cpu, const SoftInsn *insn)
{
    unsigned bytes = vmaskmov_bytes(insn);
    unsigned size = insn->vex_l ? 32 : 16;

    return vmaskmov_is_store(insn) ? vmaskmov_store(cpu, insn, bytes, size)
                                   : vmaskmov_load(cpu, insn, bytes, size);
}

/* -- gathers -------------------------------------------------------------- */

static int64_t gather_index(const uint8_t *index, unsigned bytes)
{
    int32_t i32;
    int64_t i64;

    if (bytes == 4) {
        memcpy(&i32, index, sizeof(i32));
        return i32;
    }
    memcpy(&i64, index, sizeof(i64));
    return i64;
}

/* As the first step every element of the mask becomes all ones or zeros. */
static void gather_expand_mask(uint8_t *mask, unsigned bytes, unsigned size)
{
    for (unsigned i = 0; i < size; i += bytes) {
        memset(mask + i, top_bit(mask + i, bytes) ? 0xff : 0, bytes);
    }
    memset(mask + size, 0, SOFT_VEC_BYTES - size);
}

static void gather_clear_rest(uint8_t *dst, unsigned size)
{
    memset(dst + size, 0, SOFT_VEC_BYTES - size);
}

/*
 * Elements are fetched in order; one that faults leaves those before it in the
 * destination and their masks clear, so that the instruction can go on.
 */
bool native_gather(SoftCPU *cpu, const SoftInsn *insn)
{
    unsigned bytes = insn->rex & SOFT_REX_W ? 8 : 4;
    unsigned index_bytes = insn->opcode & 1 ? 8 : 4;
    unsigned count = (insn->vex_l ? 32u : 16u) / MAX(bytes, index_bytes);
    uint8_t *dst = cpu->vec[insn->reg];
    uint8_t *mask = cpu->vec[insn->vvvv];
    const uint8_t *index = cpu->vec[insn->index];
    uint64_t base = (uint64_t)insn->disp;

    if (insn->reg == insn->vvvv || insn->reg == insn->index ||
        insn->vvvv == insn->index) {
        return soft_raise(cpu, SOFT_EXC_UD);
    }
    if (insn->base != SOFT_NO_REG) {
        base += cpu->gpr[insn->base];
    }
    gather_expand_mask(mask, bytes, insn->vex_l ? 32 : 16);
    for (unsigned i = 0; i < count; i++) {
        uint64_t offset, linear;

        if (!top_bit(mask + (size_t)i * bytes, bytes)) {
            continue;
        }
        offset = base + ((uint64_t)gather_index(index + (size_t)i * index_bytes,
                                                index_bytes)
                         << insn->scale);
        if (!soft_seg_linear(cpu, insn->seg, cut_offset(insn, offset), bytes,
                             SOFT_ACCESS_READ, &linear) ||
            !soft_mem_read(cpu, linear, dst + (size_t)i * bytes, bytes)) {
            return false;
        }
        memset(mask + (size_t)i * bytes, 0, bytes);
        gather_clear_rest(dst, count * bytes);
    }
    gather_clear_rest(dst, count * bytes);
    memset(mask, 0, SOFT_VEC_BYTES);
    return true;
}
