/*
 * Identity map. start.S maps the first GiB; this adds GiB by GiB what the
 * memory map asks for, with 1 GiB pages where the CPU has them, up to the
 * 512 GiB that one top-level entry reaches.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "guest.h"

#define PTE_PRESENT_RW 0x3
#define PTE_LARGE      0x80
#define GIB_SHIFT      30
#define LARGE_SHIFT    21

void paging_map(uint64_t start, uint64_t end, uint64_t (*alloc_page)(void))
{
    bool gib_pages = cpuid(0x80000000).eax >= 0x80000001 &&
                     (cpuid(0x80000001).edx & (1u << 26));

    for (uint64_t gib = start >> GIB_SHIFT; gib << GIB_SHIFT < end; gib++) {
        uint64_t base = gib << GIB_SHIFT;

        if (gib >= 512) {
            return;
        }
        if (pdpt[gib] & 1) {
            continue;
        }
        if (gib_pages) {
            pdpt[gib] = base | PTE_LARGE | PTE_PRESENT_RW;
            continue;
        }
        uint64_t *pd = (uint64_t *)(uintptr_t)alloc_page();
        if (!pd) {
            return;
        }
        for (unsigned i = 0; i < 512; i++) {
            pd[i] = base + ((uint64_t)i << LARGE_SHIFT) + PTE_LARGE +
                    PTE_PRESENT_RW;
        }
        pdpt[gib] = (uint64_t)(uintptr_t)pd | PTE_PRESENT_RW;
    }
    barrier();
}
