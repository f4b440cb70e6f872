/*
 * Memory of a graphics card.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_DISPLAY_VRAM_H
#define HW_DISPLAY_VRAM_H

#include "qom/property.h"

typedef struct VRAM {
    uint8_t *host; /* page-aligned, zeroed */
    uint64_t bytes;
} VRAM;

/** vram_alloc: @mb MiB. Errors: not a power of two from 1 to 512; no memory. */
bool vram_alloc(VRAM *v, uint32_t mb, Error **errp);
void vram_free(VRAM *v);

/* The property that says how much. */
#define VRAM_PROP(T, field)                                                    \
    {                                                                          \
        "vgamem_mb", PROP_UINT32, offsetof(T, field),                          \
            .def = "16", .min = 1, .max = 512, .unit = "MiB",                  \
            .help = "video memory, a power of two", .since = "0.1"             \
    }

#endif
