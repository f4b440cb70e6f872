/*
 * Memory of a graphics card: pages that the host gives when they are used.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/display/vram.h"

#include <sys/mman.h>

#include "util/error.h"
#include "util/host-utils.h"

#define VRAM_MB_MAX 512u

bool vram_alloc(VRAM *v, uint32_t mb, Error **errp)
{
    void *p;

    if (mb < 1 || mb > VRAM_MB_MAX || (mb & (mb - 1))) {
        error_setg(errp,
                   "vgamem_mb must be a power of two from 1 to %u, "
                   "not %u",
                   VRAM_MB_MAX, mb);
        return false;
    }
    p = mmap(NULL, (size_t)mb << 20, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        error_setg_errno(errp, errno, "no memory for %u MiB of video memory",
                         mb);
        return false;
    }
    v->host = p;
    v->bytes = (uint64_t)mb << 20;
    return true;
}

void vram_free(VRAM *v)
{
    if (v->host) {
        munmap(v->host, (size_t)v->bytes);
        v->host = NULL;
    }
}
