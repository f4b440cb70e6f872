/*
 * Mapping guest memory into this process, and making it present.
 *
 * The mapping is aligned to the size of a huge page, so that the host can use
 * those, and is followed by a page that nobody can touch.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <setjmp.h>
#include <sys/mman.h>

#include "hw/mem/hostmem-internal.h"
#include "util/atomic.h"
#include "util/error.h"
#include "util/thread.h"

#define HUGE_ALIGN     ((size_t)2 << 20)
#define PREALLOC_CHUNK ((size_t)64 << 20)
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif

static size_t guard_bytes(const HostMemoryBackend *b)
{
    return MAX(b->page_size, (size_t)sysconf(_SC_PAGESIZE));
}

bool hostmem_remap(HostMemoryBackend *b, int fd, uint64_t offset, Error **errp)
{
    int prot = PROT_READ | (b->readonly ? 0 : PROT_WRITE);
    int flags = MAP_FIXED | (b->share ? MAP_SHARED : MAP_PRIVATE) |
                (fd < 0 ? MAP_ANONYMOUS : 0) | (b->reserve ? 0 : MAP_NORESERVE);

    if (mmap(b->ptr, b->size, prot, flags, fd, (off_t)offset) == MAP_FAILED) {
        error_setg_errno(errp, errno,
                         "could not map %" PRIu64 " bytes of memory", b->size);
        return false;
    }
    return true;
}

bool hostmem_map(HostMemoryBackend *b, Error **errp)
{
    size_t align = MAX(MAX(b->alignment, b->page_size), HUGE_ALIGN);
    size_t guard = guard_bytes(b);
    uint8_t *area;
    uint8_t *start;
    size_t total;

    if (b->size > SIZE_MAX - align - guard) {
        error_setg(errp, "size %" PRIu64 " is too large", b->size);
        return false;
    }
    total = b->size + align + guard;
    area = mmap(NULL, total, PROT_NONE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (area == MAP_FAILED) {
        error_setg_errno(errp, errno,
                         "could not reserve %zu bytes of address space", total);
        return false;
    }
    start = (uint8_t *)QEMU_ALIGN_UP((uintptr_t)area, align);
    b->ptr = start;
    if (!hostmem_remap(b, b->fd, 0, errp)) {
        b->ptr = NULL;
        munmap(area, total);
        return false;
    }
    if (start > area) {
        munmap(area, (size_t)(start - area));
    }
    munmap(start + b->size + guard,
           (size_t)(area + total - (start + b->size + guard)));
    return true;
}

void hostmem_unmap(HostMemoryBackend *b)
{
    if (b->ptr) {
        munmap(b->ptr, b->size + guard_bytes(b));
        b->ptr = NULL;
    }
}

/* -- making pages present ---------------------------------------------------- */

typedef struct Prealloc {
    uint8_t *ptr;
    size_t size;
    size_t page_size;
    bool writable;
    size_t next; /* atomic: offset of the next chunk */
    int error;   /* atomic: first errno */
} Prealloc;

/* Where a thread goes on when touching a page fails. */
static __thread sigjmp_buf *touch_env;

static void sigbus_handler(int signo)
{
    if (touch_env) {
        siglongjmp(*touch_env, 1);
    }
    /* Not ours: as without a handler, at the next fault. */
    signal(SIGBUS, SIG_DFL);
}

/* For kernels without MADV_POPULATE_*. Returns: 0 or errno. */
static int touch_pages(uint8_t *ptr, size_t size, size_t page_size,
                       bool writable)
{
    sigjmp_buf env;

    if (sigsetjmp(env, 1)) {
        touch_env = NULL;
        return ENOMEM;
    }
    touch_env = &env;
    for (size_t off = 0; off < size; off += page_size) {
        volatile uint8_t *p = ptr + off;
        uint8_t byte = *p;

        if (writable) {
            *p = byte;
        }
    }
    touch_env = NULL;
    return 0;
}

static int populate(const Prealloc *p, size_t off, size_t size)
{
    int advice = p->writable ? MADV_POPULATE_WRITE : MADV_POPULATE_READ;
    int ret;

    do {
        ret = madvise(p->ptr + off, size, advice) < 0 ? errno : 0;
    } while (ret == EINTR || ret == EAGAIN);
    return ret == EINVAL
               ? touch_pages(p->ptr + off, size, p->page_size, p->writable)
               : ret;
}

static void *prealloc_thread(void *opaque)
{
    Prealloc *p = opaque;
    size_t chunk = MAX(PREALLOC_CHUNK, p->page_size);

    while (!qatomic_read(&p->error)) {
        size_t off = qatomic_fetch_add(&p->next, chunk);
        int ret;

        if (off >= p->size) {
            break;
        }
        ret = populate(p, off, MIN(chunk, p->size - off));
        if (ret) {
            qatomic_set(&p->error, ret);
        }
    }
    return NULL;
}

bool hostmem_prealloc(void *ptr, size_t size, size_t page_size, bool writable,
                      unsigned threads, Error **errp)
{
    Prealloc p = {
        .ptr = ptr, .size = size, .page_size = page_size, .writable = writable
    };
    g_autofree QemuThread *thread = g_new0(QemuThread, threads);
    struct sigaction action = { .sa_handler = sigbus_handler };
    struct sigaction before;
    unsigned started = 0;

    sigaction(SIGBUS, &action, &before);
    while (started + 1 < threads &&
           qemu_thread_try_create(&thread[started], "prealloc", prealloc_thread,
                                  &p, QEMU_THREAD_JOINABLE) == 0) {
        started++;
    }
    prealloc_thread(&p);
    while (started > 0) {
        qemu_thread_join(&thread[--started]);
    }
    sigaction(SIGBUS, &before, NULL);
    if (p.error) {
        error_setg_errno(errp, p.error,
                         "could not allocate all of %zu bytes of guest memory",
                         size);
        return false;
    }
    return true;
}
