/*
 * Page tables of a guest, read from outside.
 *
 * Source: Intel SDM volume 3A, chapter 4.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_X86_TRANSLATE_H
#define HW_X86_TRANSLATE_H

#include "accel/x86-state.h"
#include "hw/core/guest-memory.h"

/* One mapping. */
typedef struct X86Mapping {
    uint64_t va;
    uint64_t pa;
    uint64_t size;  /* 4 KiB, 2 MiB, 4 MiB or 1 GiB; 2^64 wraps to 0 without
                      paging */
    uint64_t entry; /* the last level's entry as it stands in memory */
    bool writable;  /* at every level */
    bool user;      /* at every level */
} X86Mapping;

/**
 * x86_translate:
 * @state: (in) cr0, cr3, cr4 and efer are used
 * @va: linear address
 *
 * Thread: any; the tables may change meanwhile.
 * Returns: false if nothing is mapped there or a table is not in RAM.
 */
bool x86_translate(const X86CPUState *state, GuestMemory *gm, uint64_t va,
                   X86Mapping *ret);

/* Most entries of tables that x86_for_each_mapping() reads. */
#define X86_WALK_ENTRIES_MAX (1u << 25)

/**
 * x86_for_each_mapping:
 * @func: called for every mapping in ascending order; false ends the walk
 *
 * Limit: X86_WALK_ENTRIES_MAX, because tables that point to themselves
 * describe 2^36 pages or more.
 * Returns: false if the walk ended before all was seen.
 */
bool x86_for_each_mapping(const X86CPUState *state, GuestMemory *gm,
                          bool (*func)(const X86Mapping *m, void *opaque),
                          void *opaque);

#endif
