/*
 * The registers of an x86-64 CPU as GDB numbers them.
 *
 * Source: GDB manual, appendix G.5.9 "i386 Features"; the order within a
 * feature is ours, said by the description that GDB reads.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef GDBSTUB_GDB_X86_H
#define GDBSTUB_GDB_X86_H

#include <glib.h>

#include "accel/x86-state.h"

/* Parts of the state that registers live in. */
#define GDB_X86_STATE (X86_STATE_REGS | X86_STATE_SREGS | X86_STATE_FPU)

/** gdb_x86_target_xml: (transfer full) description of the target. */
char *gdb_x86_target_xml(void);

/** gdb_x86_count: number of registers. */
unsigned gdb_x86_count(void);
/** gdb_x86_bytes: size of register @n; 0: there is none. */
unsigned gdb_x86_bytes(unsigned n);
/** gdb_x86_read: value of register @n, little-endian, at most 16 bytes. */
void gdb_x86_read(const X86CPUState *state, unsigned n, uint8_t *value);
/** gdb_x86_write: false if the register can only be read. */
bool gdb_x86_write(X86CPUState *state, unsigned n, const uint8_t *value);

#endif
