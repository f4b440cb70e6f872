/*
 * Between fetch (interp.c) and the cache of decoded blocks (interp-block.c).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef ACCEL_SOFT_INTERP_BLOCK_H
#define ACCEL_SOFT_INTERP_BLOCK_H

#include "insn.h"
#include "soft-cpu.h"

/** interp_decode_mode: what the present mode makes of code bytes. */
SoftDecodeMode interp_decode_mode(const SoftCPU *cpu);

/* The linear address of cs:rip. */
static inline uint64_t interp_code_linear(const SoftCPU *cpu)
{
    if (likely(cpu->mode_flags & SOFT_MODE_CS64)) {
        return cpu->rip;
    }
    return (uint32_t)(cpu->seg[X86_CS].base + cpu->rip);
}

#endif
