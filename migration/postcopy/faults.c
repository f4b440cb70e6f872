/*
 * Missing pages on the destination; see postcopy/faults.h.
 *
 * Two bits for each host page, never cleared: it was asked for; it was placed.
 * Whether it counts as received is the owner's matter, who notes it after the
 * page was placed. Every order of the threads is safe:
 *
 *   fault, then placed: the kernel wakes the waiter, who finds the page
 *   placed, then its fault is read: the waiter is awake; nothing is asked
 *   received, fault read: the page was never written here, or was given up
 *       since: zeros are placed; if it is there after all, waiters are woken
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/postcopy/faults.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "migration/postcopy/thread.h"
#include "migration/postcopy/uffd.h"
#include "util/bitmap.h"
#include "util/event_notifier.h"
#include "util/fd.h"
#include "util/thread.h"
#include "util/timer.h"

typedef struct FaultBlock {
    RAMBlock *rb;
    size_t page_size;
    uint64_t pages;       /* of page_size; the last may be beyond used_length */
    unsigned long *asked; /* atomic; a bit for each page */
    unsigned long *placed; /* atomic; the same */
    void *zeros;           /* a page of them where the kernel has none */
} FaultBlock;

struct PostcopyFaults {
    const PostcopyFaultsOps *ops;
    void *opaque;
    PostcopyTimes *times; /* or NULL */

    int uffd;
    FaultBlock *block; /* constant */
    unsigned n;
    unsigned registered; /* the first so many are */

    EventNotifier quit;
    bool has_quit;
    QemuThread thread;
    bool has_thread;
};

/* -- blocks ------------------------------------------------------------------ */

static size_t host_page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

size_t postcopy_page_size(const RAMBlock *rb)
{
    return MAX(rb->page_size, host_page_size());
}

static bool block_is_huge(const RAMBlock *rb)
{
    return rb->page_size > host_page_size();
}

/* Bytes of the mapping that are watched: whole pages. */
static uint64_t block_span(const RAMBlock *rb)
{
    return ROUND_UP(rb->used_length, postcopy_page_size(rb));
}

bool postcopy_block_supported(const RAMBlock *rb, Error **errp)
{
    size_t page = postcopy_page_size(rb);

    if ((uintptr_t)rb->host % page || rb->max_length % page) {
        error_setg(errp,
                   "RAM block '%s' is not made of whole pages of %zu bytes",
                   rb->idstr, page);
        return false;
    }
    if (rb->fd >= 0 && !(rb->flags & RAM_BLOCK_SHARED)) {
        error_setg(errp,
                   "RAM block '%s' is a private mapping of a file: its missing "
                   "pages are the file's, so post-copy is not possible",
                   rb->idstr);
        return false;
    }
    return true;
}

/* Huge pages made by the kernel would fill what is missing with zeros. */
static bool block_has_thp(const RAMBlock *rb)
{
    return rb->fd < 0 && !block_is_huge(rb);
}

bool postcopy_block_prepare(RAMBlock *rb, Error **errp)
{
    /* EINVAL: a kernel that does not make them. */
    if (block_has_thp(rb) &&
        madvise(rb->host, block_span(rb), MADV_NOHUGEPAGE) < 0 &&
        errno != EINVAL) {
        error_setg_errno(errp, errno, "RAM block '%s': no MADV_NOHUGEPAGE",
                         rb->idstr);
        return false;
    }
    return true;
}

void postcopy_block_restore(RAMBlock *rb)
{
    if (block_has_thp(rb)) {
        madvise(rb->host, block_span(rb), MADV_HUGEPAGE);
    }
}

bool postcopy_block_discard(RAMBlock *rb, uint64_t offset, uint64_t len,
                            Error **errp)
{
    int ret;

    if (rb->fd >= 0) {
        ret = fallocate(rb->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                        (off_t)(rb->fd_offset + offset), (off_t)len);
    } else {
        ret = madvise(rb->host + offset, len, MADV_DONTNEED);
    }
    if (ret < 0) {
        error_setg_errno(errp, errno,
                         "RAM block '%s': could not give up %" PRIu64
                         " bytes at 0x%" PRIx64,
                         rb->idstr, len, offset);
        return false;
    }
    return true;
}

/* -- the fault thread ----------------------------------------------------------- */

static FaultBlock *faults_find(PostcopyFaults *pf, uintptr_t addr)
{
    for (unsigned i = 0; i < pf->n; i++) {
        FaultBlock *b = &pf->block[i];

        if (addr - (uintptr_t)b->rb->host < b->pages * b->page_size) {
            return b;
        }
    }
    return NULL;
}

static bool faults_test_and_set(unsigned long *bitmap, uint64_t page)
{
    unsigned long bit = BIT_MASK(page);

    return qatomic_fetch_or(&bitmap[BIT_WORD(page)], bit) & bit;
}

static bool faults_test(const unsigned long *bitmap, uint64_t page)
{
    return qatomic_mb_read(&bitmap[BIT_WORD(page)]) & BIT_MASK(page);
}

static UffdResult faults_put(PostcopyFaults *pf, FaultBlock *b, uint64_t offset,
                             const void *page, Error **errp)
{
    void *dst = b->rb->host + offset;

    if (page) {
        return uffd_copy(pf->uffd, dst, page, b->page_size, errp);
    }
    if (b->zeros) {
        return uffd_copy(pf->uffd, dst, b->zeros, b->page_size, errp);
    }
    return uffd_zero(pf->uffd, dst, b->page_size, errp);
}

/*
 * Some thread @tid waits for @page. The page may be placed at any moment by
 * another thread: it sets "placed", then looks at "asked"; here it is the other
 * way round, so one of the two sees the other and ends the wait's time.
 */
static void faults_wait(PostcopyFaults *pf, FaultBlock *b, uint64_t page,
                        int tid)
{
    uint64_t offset = page * b->page_size;
    uintptr_t addr = (uintptr_t)b->rb->host + offset;
    bool asked = faults_test_and_set(b->asked, page);

    if (pf->times) {
        postcopy_times_begin(pf->times, addr, tid, get_clock());
    }
    if (faults_test(b->placed, page)) {
        if (pf->times) {
            postcopy_times_end(pf->times, addr, get_clock());
        }
    } else if (!asked) {
        pf->ops->request(pf->opaque, b->rb, offset, (uint32_t)b->page_size);
    }
}

static void faults_handle(PostcopyFaults *pf, const UffdFault *fault)
{
    FaultBlock *b = faults_find(pf, fault->addr);
    Error *err = NULL;
    uint64_t page, offset;

    if (!b) {
        return; /* the kernel reports only what was registered */
    }
    page = (fault->addr - (uintptr_t)b->rb->host) / b->page_size;
    offset = page * b->page_size;
    if (offset >= b->rb->used_length ||
        pf->ops->received(pf->opaque, b->rb, offset)) {
        if (faults_put(pf, b, offset, NULL, &err) == UFFD_ERROR) {
            pf->ops->failed(pf->opaque, err);
        }
        return;
    }
    faults_wait(pf, b, page, fault->tid);
}

static void *faults_thread(void *opaque)
{
    PostcopyFaults *pf = (PostcopyFaults *)opaque;
    struct pollfd fds[2] = {
        { .fd = pf->uffd, .events = POLLIN },
        { .fd = event_notifier_get_fd(&pf->quit), .events = POLLIN },
    };
    UffdFault fault[UFFD_READ_MAX];
    Error *err = NULL;

    postcopy_thread_urgent();
    if (pf->ops->begins) {
        pf->ops->begins(pf->opaque, qemu_get_thread_id());
    }
    for (;;) {
        int n;

        if (poll(fds, 2, -1) < 0) {
            continue; /* EINTR; signals are blocked but for the debugger's */
        }
        if (fds[1].revents) {
            break;
        }
        n = uffd_read(pf->uffd, fault, &err);
        if (n < 0) {
            pf->ops->failed(pf->opaque, err);
            break;
        }
        for (int i = 0; i < n; i++) {
            faults_handle(pf, &fault[i]);
        }
    }
    return NULL;
}

/* -- life ------------------------------------------------------------------------- */

static bool faults_add(PostcopyFaults *pf, RAMBlock *rb, Error **errp)
{
    FaultBlock *b = &pf->block[pf->registered];
    size_t page = postcopy_page_size(rb);

    b->rb = rb;
    b->page_size = page;
    b->pages = block_span(rb) / page;
    b->asked = bitmap_try_new((long)b->pages);
    b->placed = bitmap_try_new((long)b->pages);
    if (!b->asked || !b->placed) {
        error_setg(errp, "no memory for the pages of RAM block '%s'",
                   rb->idstr);
        return false;
    }
    if (block_is_huge(rb)) {
        b->zeros = mmap(NULL, page, PROT_READ,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (b->zeros == MAP_FAILED) {
            b->zeros = NULL;
            error_setg_errno(errp, errno, "no memory for a page of zeros");
            return false;
        }
    }
    if (!uffd_register(pf->uffd, rb->host, b->pages * page, errp)) {
        error_prepend(errp, "RAM block '%s': ", rb->idstr);
        return false;
    }
    rb->priv_postcopy = b;
    pf->registered++;
    return true;
}

static bool faults_open(PostcopyFaults *pf, const RAMBlockList *blocks,
                        Error **errp)
{
    bool shmem = false, huge = false, tids;

    for (unsigned i = 0; i < blocks->n; i++) {
        huge |= block_is_huge(blocks->block[i]);
        shmem |= blocks->block[i]->fd >= 0;
    }
    pf->uffd = uffd_open(shmem, huge, &tids, errp);
    return pf->uffd >= 0;
}

PostcopyFaults *postcopy_faults_new(const RAMBlockList *blocks,
                                    const PostcopyFaultsOps *ops, void *opaque,
                                    PostcopyTimes *times, Error **errp)
{
    g_autoptr(PostcopyFaults) pf = g_new0(PostcopyFaults, 1);
    int ret;

    pf->ops = ops;
    pf->opaque = opaque;
    pf->times = times;
    pf->uffd = -1;
    pf->block = g_new0(FaultBlock, blocks->n);
    pf->n = blocks->n;
    ret = event_notifier_init(&pf->quit, false);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "could not create an eventfd");
        return NULL;
    }
    pf->has_quit = true;
    if (!faults_open(pf, blocks, errp)) {
        return NULL;
    }
    for (unsigned i = 0; i < blocks->n; i++) {
        if (blocks->block[i]->used_length > 0 &&
            !faults_add(pf, blocks->block[i], errp)) {
            return NULL;
        }
    }
    pf->n = pf->registered;
    qemu_thread_create(&pf->thread, "postcopy/fault", faults_thread, pf,
                       QEMU_THREAD_JOINABLE);
    pf->has_thread = true;
    return g_steal_pointer(&pf);
}

void postcopy_faults_stop(PostcopyFaults *pf)
{
    if (pf->has_thread) {
        event_notifier_set(&pf->quit);
        qemu_thread_join(&pf->thread);
        pf->has_thread = false;
    }
}

void postcopy_faults_free(PostcopyFaults *pf)
{
    if (!pf) {
        return;
    }
    for (unsigned i = 0; i < pf->registered; i++) {
        FaultBlock *b = &pf->block[i];

        uffd_unregister(pf->uffd, b->rb->host, b->pages * b->page_size, NULL);
        b->rb->priv_postcopy = NULL;
    }
    postcopy_faults_stop(pf);
    for (unsigned i = 0; i < pf->n; i++) {
        g_free(pf->block[i].asked);
        g_free(pf->block[i].placed);
        if (pf->block[i].zeros) {
            munmap(pf->block[i].zeros, pf->block[i].page_size);
        }
    }
    g_free(pf->block);
    fd_close(pf->uffd);
    if (pf->has_quit) {
        event_notifier_cleanup(&pf->quit);
    }
    g_free(pf);
}

/* -- pages -------------------------------------------------------------------------- */

static void faults_prepend(Error **errp, const RAMBlock *rb, uint64_t offset)
{
    error_prepend(errp, "RAM block '%s', page at 0x%" PRIx64 ": ", rb->idstr,
                  offset);
}

/* See faults_wait(). */
static void faults_placed(PostcopyFaults *pf, FaultBlock *b, uint64_t page)
{
    faults_test_and_set(b->placed, page);
    if (pf->times && faults_test(b->asked, page)) {
        postcopy_times_end(pf->times,
                           (uintptr_t)b->rb->host + page * b->page_size,
                           get_clock());
    }
}

bool postcopy_faults_place(PostcopyFaults *pf, RAMBlock *rb, uint64_t offset,
                           const void *page, Error **errp)
{
    FaultBlock *b = (FaultBlock *)rb->priv_postcopy;

    if (faults_put(pf, b, offset, page, errp) == UFFD_ERROR) {
        faults_prepend(errp, rb, offset);
        return false;
    }
    faults_placed(pf, b, offset / b->page_size);
    return true;
}

bool postcopy_faults_place_zeros(PostcopyFaults *pf, RAMBlock *rb,
                                 uint64_t offset, uint64_t n, Error **errp)
{
    FaultBlock *b = (FaultBlock *)rb->priv_postcopy;
    uint64_t page = offset / b->page_size;

    if (uffd_zero(pf->uffd, rb->host + offset, n * b->page_size, errp) ==
        UFFD_ERROR) {
        faults_prepend(errp, rb, offset);
        return false;
    }
    for (uint64_t i = 0; i < n; i++) {
        faults_placed(pf, b, page + i);
    }
    return true;
}

static uint64_t faults_block_ask_again(PostcopyFaults *pf, FaultBlock *b)
{
    uint64_t n = 0;

    for (uint64_t page = 0; page < b->pages; page++) {
        uint64_t offset = page * b->page_size;

        /* Most words are empty. */
        if (page % BITS_PER_LONG == 0 &&
            qatomic_load_acquire(&b->asked[BIT_WORD(page)]) == 0) {
            page += BITS_PER_LONG - 1;
            continue;
        }
        if (faults_test(b->asked, page) &&
            !pf->ops->received(pf->opaque, b->rb, offset)) {
            pf->ops->request(pf->opaque, b->rb, offset, (uint32_t)b->page_size);
            n++;
        }
    }
    return n;
}

uint64_t postcopy_faults_ask_again(PostcopyFaults *pf)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < pf->n; i++) {
        n += faults_block_ask_again(pf, &pf->block[i]);
    }
    return n;
}
