/*
 * What a guest was shown of its CPU, and whether another one has it too.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_X86_X86_CPU_COMPAT_H
#define HW_X86_X86_CPU_COMPAT_H

#include "hw/x86/x86-cpu.h"
#include "migration/constants.h"

/** x86_cpu_constants: the same, as it is compared before the first page; hook
 *  of a VMStateDescription. */
void x86_cpu_constants(void *opaque, VMStateConstants *c);

/** x86_cpu_describe: fill that part of cpu->saved. */
void x86_cpu_describe(X86CPU *cpu);

/**
 * x86_cpu_check_compatible: cpu->saved was loaded.
 *
 * Errors: another vendor; features (named), physical address bits, components
 *   of the XSAVE area that this CPU has not or elsewhere.
 */
bool x86_cpu_check_compatible(const X86CPU *cpu, Error **errp);

#endif
