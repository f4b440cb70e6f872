/*
 * A software CPU for tests: 1 MiB of RAM, one CPU at CPL 0 in real, flat 32-bit
 * or 64-bit mode, no devices. Code is put at SOFT_GUEST_CODE and interpreted
 * until HLT or an exception, which comes back here and is not delivered.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TESTS_SOFT_GUEST_H
#define TESTS_SOFT_GUEST_H

#include "accel/accel.h"
#include "accel/soft/soft-cpu.h"

#define SOFT_GUEST_RAM   0x100000u
#define SOFT_GUEST_CODE  0x8000u
#define SOFT_GUEST_STACK 0x7000u

typedef struct SoftGuest {
    AccelState *accel;
    AccelClass *class;
    SoftCPU *cpu;
    uint8_t *ram;
} SoftGuest;

SoftGuest *soft_guest_new(void);
void soft_guest_free(SoftGuest *g);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SoftGuest, soft_guest_free)

/** soft_guest_mode: @bits 16 (real), 32 or 64; registers 0, rsp at the stack,
 *  rip at the code. */
void soft_guest_mode(SoftGuest *g, unsigned bits);

/** soft_guest_put: bytes in hexadecimal at @gpa; the CPU forgets old code. */
void soft_guest_put(SoftGuest *g, uint64_t gpa, const char *hex);

/** soft_guest_run: by blocks; @one: instruction by instruction.
 *  Returns: true if it came to HLT, false: cpu->exception. */
bool soft_guest_run(SoftGuest *g, bool one);

#endif
