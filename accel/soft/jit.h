/*
 * The translator: x86-64 code of the guest becomes x86-64 code of the host
 * that reaches memory through the software TLB.
 *
 * The run loop knows it by the functions of a SoftTranslator (soft-cpu.h).
 * docs/soft-cpu.md, "The translator", describes it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef ACCEL_SOFT_JIT_H
#define ACCEL_SOFT_JIT_H

#include "soft-cpu.h"

/**
 * soft_jit_translator:
 * @errp: (out) set when the return is NULL
 *
 * Returns: the translator's functions; constant.
 * Errors: the host lacks what generated code needs, or forbids to map
 *   executable memory.
 */
const SoftTranslator *soft_jit_translator(Error **errp);

#endif
