/*
 * Code memory, mapped twice (see code-cache.h).
 *
 * A memfd gives both mappings the same pages. MAP_NORESERVE and never touching
 * what is not used keep an idle CPU's cache at a few pages. On reset a hole is
 * punched over all of it, which takes the pages away from both mappings.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "code-cache.h"

#include <sys/mman.h>

static bool code_cache_map(CodeCache *cc, Error **errp)
{
    void *p;

    p = mmap(NULL, cc->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
             cc->fd, 0);
    if (p == MAP_FAILED) {
        error_setg_errno(errp, errno, "cannot map %zu bytes of code memory",
                         cc->size);
        return false;
    }
    cc->rw = p;
    p = mmap(NULL, cc->size, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_NORESERVE,
             cc->fd, 0);
    if (p == MAP_FAILED) {
        error_setg_errno(errp, errno,
                         "cannot map %zu bytes of code memory for execution",
                         cc->size);
        return false;
    }
    cc->rx = p;
    return true;
}

bool code_cache_init(CodeCache *cc, size_t size, Error **errp)
{
    size = MIN(MAX(size, CODE_CACHE_BYTES_MIN), CODE_CACHE_BYTES_MAX);
    *cc = (CodeCache){ .fd = -1 };
    cc->size = ROUND_UP(size, CODE_CHUNK_BYTES);
    cc->fd = memfd_create("soft-code", MFD_CLOEXEC);
    if (cc->fd < 0) {
        error_setg_errno(errp, errno, "cannot create code memory");
        return false;
    }
    if (ftruncate(cc->fd, (off_t)cc->size) < 0) {
        error_setg_errno(errp, errno, "cannot size code memory to %zu bytes",
                         cc->size);
        code_cache_deinit(cc);
        return false;
    }
    if (!code_cache_map(cc, errp)) {
        code_cache_deinit(cc);
        return false;
    }
    return true;
}

void code_cache_deinit(CodeCache *cc)
{
    if (cc->size == 0) {
        return;
    }
    if (cc->rw) {
        munmap(cc->rw, cc->size);
    }
    if (cc->rx) {
        munmap((void *)cc->rx, cc->size);
    }
    if (cc->fd >= 0) {
        close(cc->fd);
    }
    *cc = (CodeCache){ .fd = -1 };
}

void code_cache_seal(CodeCache *cc)
{
    cc->base = cc->next;
    memset(cc->pos, 0, sizeof(cc->pos));
    memset(cc->end, 0, sizeof(cc->end));
}

bool code_cache_reserve(CodeCache *cc, CodeHeat heat, size_t *ret_pos)
{
    if (cc->end[heat] - cc->pos[heat] < CODE_BLOCK_BYTES_MAX) {
        if (cc->size - cc->next < CODE_CHUNK_BYTES) {
            return false;
        }
        cc->pos[heat] = cc->next;
        cc->next += CODE_CHUNK_BYTES;
        cc->end[heat] = cc->next;
    }
    *ret_pos = cc->pos[heat];
    return true;
}

void code_cache_commit(CodeCache *cc, CodeHeat heat, size_t used)
{
    assert(used <= cc->end[heat] - cc->pos[heat]);
    cc->pos[heat] += used;
}

void code_cache_reset(CodeCache *cc)
{
    if (cc->next > cc->base) {
        /* Where holes are not known the memory just stays in use. */
        (void)fallocate(cc->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                        (off_t)cc->base, (off_t)(cc->next - cc->base));
    }
    cc->next = cc->base;
    memset(cc->pos, 0, sizeof(cc->pos));
    memset(cc->end, 0, sizeof(cc->end));
}

size_t code_cache_used(const CodeCache *cc)
{
    return cc->next;
}
