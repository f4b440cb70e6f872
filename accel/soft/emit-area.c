/*
 * Memory for machine code: one anonymous file mapped twice, once writable and
 * once executable, so that no page is ever both.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sys/mman.h>

#include "util/error.h"
#include "util/fd.h"

#include "emit.h"

static void *map_code(int fd, size_t size, int prot, Error **errp)
{
    void *p = mmap(NULL, size, prot, MAP_SHARED, fd, 0);

    if (p == MAP_FAILED) {
        error_setg_errno(errp, errno, "cannot map %zu bytes for code%s", size,
                         prot & PROT_EXEC ? " as executable" : "");
        return NULL;
    }
    return p;
}

bool emit_area_new(SoftEmit *e, size_t size, Error **errp)
{
    AUTO_FD fd = memfd_create("soft-code", MFD_CLOEXEC);
    uint8_t *rw, *rx;

    if (fd < 0 || ftruncate(fd, (off_t)size) < 0) {
        error_setg_errno(errp, errno, "cannot make %zu bytes for code", size);
        return false;
    }
    rw = map_code(fd, size, PROT_READ | PROT_WRITE, errp);
    if (!rw) {
        return false;
    }
    rx = map_code(fd, size, PROT_READ | PROT_EXEC, errp);
    if (!rx) {
        munmap(rw, size);
        return false;
    }
    emit_init(e, rw, rx, size);
    return true;
}

void emit_area_free(SoftEmit *e)
{
    if (e->rw) {
        munmap(e->rw, e->size);
        munmap((void *)(uintptr_t)e->rx, e->size);
        *e = (SoftEmit){ 0 };
    }
}
