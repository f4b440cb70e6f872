/*
 * Fuzz target: the instruction decoder. The first byte selects the mode, the
 * rest is code.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "accel/soft/insn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What every user relies on. */
static void check_insn(const SoftInsn *insn, size_t len)
{
    char text[96];

    g_assert(insn->length >= 1 && insn->length <= SOFT_INSN_BYTES_MAX);
    g_assert(insn->length <= len);
    g_assert(insn->op < SOFT_OP_COUNT && insn->op != SOFT_OP_UD);
    g_assert(insn->reg < 16 && insn->rm < 16 && insn->vvvv < 16);
    g_assert(insn->base < 16 || insn->base == SOFT_NO_REG);
    g_assert(insn->index < 16 || insn->index == SOFT_NO_REG);
    g_assert(insn->scale < 4 && insn->seg < 6);
    g_assert((insn->flags_undef & ~insn->flags_written) == 0);
    g_assert(insn->mem >= SOFT_MEM_READ || insn->mem_bytes == 0);
    g_assert(insn->mem < SOFT_MEM_READ || insn->mem_bytes > 0);
    g_assert(insn->op_bytes >= 1 && insn->op_bytes <= 32);
    soft_insn_format(insn, text, sizeof(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t bits[4] = { 16, 32, 64, 64 };
    SoftDecodeMode mode = { .features = SOFT_FEATURES_ALL, .prot = true };
    SoftInsn insn;

    if (size < 2) {
        return 0;
    }
    mode.code_bits = bits[data[0] & 3];
    mode.prot = mode.code_bits == 64 || !(data[0] & 4);
    mode.features =
        data[0] & 8 ? SOFT_FEATURE_BIT(SOFT_F_BASE) : SOFT_FEATURES_ALL;
    for (size_t pos = 1; pos < size;) {
        SoftDecodeStatus status =
            soft_decode(data + pos, size - pos, &mode, &insn);

        if (status == SOFT_DECODE_OK) {
            check_insn(&insn, size - pos);
        } else if (status == SOFT_DECODE_MORE) {
            g_assert(size - pos < SOFT_INSN_BYTES_MAX);
            break;
        }
        pos += insn.length;
    }
    return 0;
}
