/*
 * Kernel files: any bytes. What is accepted must lie inside the file and must
 * not wrap.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/x86/boot-image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    BootImage img;
    bool entry_found = false;

    if (!boot_image_parse(data, size, &img, NULL)) {
        return 0;
    }
    if (img.n_segments == 0 || img.n_segments > BOOT_SEGMENTS_MAX) {
        abort();
    }
    for (unsigned i = 0; i < img.n_segments; i++) {
        const BootSegment *s = &img.segment[i];

        if (s->offset > size || s->file_bytes > size - s->offset ||
            s->mem_bytes < s->file_bytes ||
            s->paddr + s->mem_bytes < s->paddr) {
            abort();
        }
        entry_found |=
            img.entry >= s->paddr && img.entry - s->paddr < s->mem_bytes;
    }
    if (!entry_found) {
        abort();
    }
    return 0;
}
