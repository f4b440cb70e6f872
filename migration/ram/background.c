/*
 * Guest memory at one moment: see ram/background.h. Here: protecting it, and
 * copies for those who are about to write.
 *
 * The threads: the fault thread reads who wants to write where; the migration
 * thread sends (ram/background-send.c). Both claim pages in RAMSource's dirty
 * bitmaps, so each is copied once. Copies of the fault thread stand in a ring,
 * in the order of their making.
 *
 * No fault can be missed: a page is unprotected only after it was copied, and
 * the kernel wakes everybody who waits for it then. A fault that is read later
 * finds the page claimed and needs nothing.
 *
 * Nobody who holds a lock of the machine may be needed by the fault thread: it
 * allocates, takes the leaf locks below, and waits for the migration thread
 * only where the ring is full.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <poll.h>
#include <sys/mman.h>

#include "migration/postcopy/thread.h"
#include "migration/postcopy/uffd.h"
#include "migration/ram/background-internal.h"
#include "migration/ram/page-present.h"
#include "util/fd.h"
#include "util/lockable.h"

static uint64_t block_span(const RAMSourceBlock *sb)
{
    return ROUND_UP(sb->pages, sb->host_pages) << RAM_PAGE_BITS;
}

static uint64_t host_page_bytes(const RAMSourceBlock *sb)
{
    return sb->host_pages << RAM_PAGE_BITS;
}

/* -- can it be done here? -------------------------------------------------------- */

static bool is_plain(const RAMBlock *rb)
{
    return rb->fd < 0 && rb->page_size <= (size_t)getpagesize();
}

static bool try_block(int fd, const RAMBlock *rb, Error **errp)
{
    uint64_t page = MAX(rb->page_size, RAM_PAGE_SIZE);
    size_t len = ROUND_UP(rb->used_length, page);

    if (page > RAM_CHUNK_PAGES << RAM_PAGE_BITS) {
        error_setg(errp, "RAM block '%s' has pages of %zu bytes", rb->idstr,
                   rb->page_size);
        return false;
    }
    if (!uffd_register_wp(fd, rb->host, len, errp) ||
        !uffd_unregister(fd, rb->host, len, errp)) {
        error_prepend(errp, "RAM block '%s': ", rb->idstr);
        return false;
    }
    return true;
}

static int open_for(const RAMBlockList *blocks, Error **errp)
{
    bool shared = false;

    for (unsigned i = 0; i < blocks->n; i++) {
        shared |= blocks->block[i]->used_length && !is_plain(blocks->block[i]);
    }
    return uffd_open_wp(shared, errp);
}

bool ram_background_supported(const RAMBlockList *blocks, Error **errp)
{
    AUTO_FD fd = open_for(blocks, errp);

    for (unsigned i = 0; fd >= 0 && i < blocks->n; i++) {
        if (blocks->block[i]->used_length &&
            !try_block(fd, blocks->block[i], errp)) {
            return false;
        }
    }
    return fd >= 0;
}

/* -- the ring ----------------------------------------------------------------------- */

/*
 * Room for @len bytes in one piece; waits for it. With the lock, which may be
 * let go meanwhile. Returns: NULL: nothing is wanted any more.
 */
static uint8_t *ring_alloc(RAMBackground *b, uint64_t len)
{
    uint64_t at = b->put % b->ring_bytes;
    uint64_t skip = at + len > b->ring_bytes ? b->ring_bytes - at : 0;

    while (!b->stop && b->put + skip + len - b->taken > b->ring_bytes) {
        qemu_cond_wait(&b->room, &b->lock);
    }
    if (b->stop) {
        return NULL;
    }
    b->put += skip + len;
    return b->ring + (skip ? 0 : at);
}

/* -- the fault thread ------------------------------------------------------------------ */

static void give_up(RAMBackground *b, Error *err)
{
    bool first;

    WITH_QEMU_LOCK_GUARD(&b->lock)
    {
        first = !b->stop;
        b->stop = true;
        qemu_cond_broadcast(&b->room);
    }
    if (first) {
        b->ops->failed(b->opaque, err);
    } else {
        error_free(err);
    }
}

static RAMSourceBlock *block_at(RAMBackground *b, uintptr_t addr)
{
    for (unsigned i = 0; i < b->registered; i++) {
        RAMSourceBlock *sb = &b->rs->block[i];

        if (addr - (uintptr_t)sb->rb->host < block_span(sb)) {
            return sb;
        }
    }
    return NULL;
}

/* Copies of @n pages from @first on go into the ring. */
static void keep_copy(RAMBackground *b, RAMSourceBlock *sb, uint64_t first,
                      uint64_t n)
{
    uint64_t len = n << RAM_PAGE_BITS;
    Copy *c = g_new(Copy, 1);
    uint8_t *data;

    *c = (Copy){ .sb = sb, .first = first, .n = n };
    QEMU_LOCK_GUARD(&b->lock);
    data = ring_alloc(b, len);
    if (!data) {
        g_free(c);
        return;
    }
    c->data = data;
    c->end = b->put;
    memcpy(data, sb->rb->host + (first << RAM_PAGE_BITS), len);
    g_queue_push_tail(&b->copies, c);
}

static void set_busy(RAMBackground *b, bool busy)
{
    QEMU_LOCK_GUARD(&b->lock);
    b->busy = busy;
    if (!busy) {
        qemu_cond_broadcast(&b->idle);
    }
}

static void handle_fault(RAMBackground *b, uintptr_t addr)
{
    RAMSourceBlock *sb = block_at(b, addr);
    DECLARE_BITMAP(claimed, RAM_CHUNK_PAGES);
    Error *err = NULL;
    uint64_t page, n;

    if (!sb) {
        return; /* the kernel reports only what was registered */
    }
    page = (addr - (uintptr_t)sb->rb->host) >> RAM_PAGE_BITS;
    page -= page % sb->host_pages;
    set_busy(b, true);
    /* Host pages are claimed whole or not at all. */
    n = ram_dirty_claim_host(b->rs, sb, page, claimed);
    if (n) {
        keep_copy(b, sb, page, n);
    }
    set_busy(b, false);
    if (n && !uffd_protect(b->uffd, sb->rb->host + (page << RAM_PAGE_BITS),
                           host_page_bytes(sb), false, &err)) {
        give_up(b, err);
    }
}

static void *fault_thread(void *opaque)
{
    RAMBackground *b = opaque;
    struct pollfd fds[] = {
        { b->uffd, POLLIN, 0 },
        { event_notifier_get_fd(&b->quit), POLLIN, 0 },
    };
    UffdFault faults[UFFD_READ_MAX];
    Error *err = NULL;
    int n = 0;

    postcopy_thread_urgent();
    while (n >= 0) {
        poll(fds, G_N_ELEMENTS(fds), -1);
        if (fds[1].revents) {
            return NULL;
        }
        n = uffd_read(b->uffd, faults, &err);
        for (int i = 0; i < n; i++) {
            handle_fault(b, faults[i].addr);
        }
    }
    give_up(b, err);
    return NULL;
}

/* -- the moment ------------------------------------------------------------------------- */

static bool register_blocks(RAMBackground *b, Error **errp)
{
    RAMSource *rs = b->rs;

    b->batch_pages = RAM_BACKGROUND_BATCH;
    b->ring_bytes = RAM_BACKGROUND_POOL;
    for (unsigned i = 0; i < rs->n; i++) {
        RAMSourceBlock *sb = &rs->block[i];

        b->batch_pages = MAX(b->batch_pages, sb->host_pages);
        b->ring_bytes = MAX(b->ring_bytes, 2 * host_page_bytes(sb));
        sb->touched = bitmap_try_new((long)sb->pages);
        if (!sb->touched) {
            error_setg(errp, "no memory for the bitmap of RAM block '%s'",
                       sb->rb->idstr);
            return false;
        }
        if (!uffd_register_wp(b->uffd, sb->rb->host, block_span(sb), errp)) {
            error_prepend(errp, "RAM block '%s': ", sb->rb->idstr);
            return false;
        }
        b->registered++;
    }
    return true;
}

static uint8_t *map_bytes(uint64_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

static bool alloc_buffers(RAMBackground *b, Error **errp)
{
    b->ring = map_bytes(b->ring_bytes);
    b->batch = map_bytes(b->batch_pages << RAM_PAGE_BITS);
    if (!b->ring || !b->batch) {
        error_setg(errp, "no memory for copies of pages");
        return false;
    }
    return true;
}

RAMBackground *ram_background_new(RAMSource *rs, const RAMBackgroundOps *ops,
                                  void *opaque, Error **errp)
{
    RAMBackground *b = g_new0(RAMBackground, 1);
    const MigrationHost *host = rs->config.host;

    b->rs = rs;
    b->ops = ops;
    b->opaque = opaque;
    qemu_mutex_init(&b->lock);
    qemu_cond_init(&b->room);
    qemu_cond_init(&b->idle);
    g_queue_init(&b->copies);
    b->uffd = open_for(host->ram_blocks(rs->config.host_opaque), errp);
    if (b->uffd < 0 || !register_blocks(b, errp) || !alloc_buffers(b, errp)) {
        ram_background_free(b);
        return NULL;
    }
    if (event_notifier_init(&b->quit, 0) < 0) {
        error_setg(errp, "no event descriptor");
        ram_background_free(b);
        return NULL;
    }
    b->has_quit = true;
    qemu_thread_create(&b->thread, "mig/snapshot", fault_thread, b,
                       QEMU_THREAD_JOINABLE);
    b->has_thread = true;
    return b;
}

/* From the first to the last page of each chunk that holds something: more
 * would cost time, fewer at once as well. */
static bool protect_block(RAMBackground *b, RAMSourceBlock *sb, Error **errp)
{
    for (uint64_t page = 0; page < sb->pages; page += RAM_CHUNK_PAGES) {
        uint64_t end = MIN(page + RAM_CHUNK_PAGES, sb->pages);
        uint64_t first = find_next_bit(sb->touched, end, page);
        uint64_t last;

        if (first >= end) {
            continue;
        }
        for (last = end; !test_bit((long)(last - 1), sb->touched); last--) {
        }
        first -= first % sb->host_pages;
        last = ROUND_UP(last, sb->host_pages);
        if (!uffd_protect(b->uffd, sb->rb->host + (first << RAM_PAGE_BITS),
                          (last - first) << RAM_PAGE_BITS, true, errp)) {
            error_prepend(errp, "RAM block '%s': ", sb->rb->idstr);
            return false;
        }
    }
    return true;
}

/* A host page that holds something does so in all its pages. */
static void widen_touched(RAMSourceBlock *sb)
{
    for (uint64_t page = 0; sb->host_pages > 1 && page < sb->pages;
         page += sb->host_pages) {
        uint64_t end = MIN(page + sb->host_pages, sb->pages);

        if (find_next_bit(sb->touched, end, page) < end) {
            bitmap_set(sb->touched, (long)page, (long)(end - page));
        }
    }
}

bool ram_background_protect(RAMBackground *b, Error **errp)
{
    RAMSource *rs = b->rs;

    for (unsigned i = 0; i < rs->n; i++) {
        RAMSourceBlock *sb = &rs->block[i];

        sb->data_end = 0;
        page_present_map(rs->pagemap, PAGE_PRESENT_SCAN, sb->rb, 0, sb->pages,
                         sb->touched, &sb->data_end);
        widen_touched(sb);
        if (!protect_block(b, sb, errp)) {
            return false;
        }
    }
    return true;
}

/* -- the end ---------------------------------------------------------------------------------- */

void ram_background_free(RAMBackground *b)
{
    if (!b) {
        return;
    }
    WITH_QEMU_LOCK_GUARD(&b->lock)
    {
        b->stop = true;
        qemu_cond_broadcast(&b->room);
    }
    /* That frees all of it, and wakes who waits. */
    for (unsigned i = 0; i < b->registered; i++) {
        RAMSourceBlock *sb = &b->rs->block[i];

        uffd_unregister(b->uffd, sb->rb->host, block_span(sb), NULL);
    }
    if (b->has_thread) {
        event_notifier_set(&b->quit);
        qemu_thread_join(&b->thread);
    }
    if (b->has_quit) {
        event_notifier_cleanup(&b->quit);
    }
    g_queue_clear_full(&b->copies, g_free);
    if (b->uffd >= 0) {
        close(b->uffd);
    }
    if (b->ring) {
        munmap(b->ring, b->ring_bytes);
    }
    if (b->batch) {
        munmap(b->batch, b->batch_pages << RAM_PAGE_BITS);
    }
    qemu_cond_destroy(&b->idle);
    qemu_cond_destroy(&b->room);
    qemu_mutex_destroy(&b->lock);
    g_free(b);
}
