/*
 * Memory that was never touched, found without touching it.
 *
 * Anonymous private memory: the kernel's page tables know. PAGEMAP_SCAN (Linux
 * 6.7) returns ranges that are present or swapped out and not the shared zero
 * page; older kernels are read page by page through /proc/self/pagemap. Shared
 * memory with a descriptor: another mapping may have written it, so not the page
 * tables count but the file's holes, unless all of it is in the tables, which is
 * asked first. A private mapping of a file shows what is in the file or a page of
 * its own, so it takes both.
 *
 * Source: Linux Documentation/admin-guide/mm/pagemap.rst, lseek(2).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/ram/page-present.h"

#include <fcntl.h>
#include <sys/ioctl.h>

#include "util/bitmap.h"

/* As <linux/fs.h> of Linux 6.7 has them; older headers lack them. */
typedef struct ScanRegion {
    uint64_t start;
    uint64_t end;
    uint64_t categories;
} ScanRegion;

typedef struct ScanArg {
    uint64_t size;
    uint64_t flags;
    uint64_t start;
    uint64_t end;
    uint64_t walk_end;
    uint64_t vec;
    uint64_t vec_len;
    uint64_t max_pages;
    uint64_t category_inverted;
    uint64_t category_mask;
    uint64_t category_anyof_mask;
    uint64_t return_mask;
} ScanArg;
_Static_assert(sizeof(ScanArg) == 96, "struct pm_scan_arg");

#define SCAN_IOCTL    _IOWR('f', 16, ScanArg)
#define SCAN_PRESENT  (UINT64_C(1) << 3)
#define SCAN_SWAPPED  (UINT64_C(1) << 4)
#define SCAN_ZERO_PFN (UINT64_C(1) << 5)
#define SCAN_REGIONS  512

#define PAGEMAP_PRESENT (UINT64_C(1) << 63)
#define PAGEMAP_SWAPPED (UINT64_C(1) << 62)
#define PAGEMAP_CHUNK   4096 /* entries read at once */

/* What is asked for: bytes [start, end) of the block. */
typedef struct Window {
    const RAMBlock *rb;
    uint64_t start;
    uint64_t end;
    unsigned long *map;
    uint64_t *data_end; /* see page_present_map() */
} Window;

/* Set the bits of the pages that [start, end) of the block touches. */
static void mark(const Window *w, uint64_t start, uint64_t end)
{
    start = MAX(start, w->start);
    end = MIN(end, w->end);
    if (start < end) {
        uint64_t first = (start - w->start) >> RAM_PAGE_BITS;
        uint64_t last = (end - w->start + RAM_PAGE_SIZE - 1) >> RAM_PAGE_BITS;

        bitmap_set(w->map, (long)first, (long)(last - first));
    }
}

static bool present_by_scan(const Window *w, int pagemap)
{
    ScanRegion region[SCAN_REGIONS];
    size_t host_page = (size_t)getpagesize();
    uint64_t base = (uintptr_t)w->rb->host;
    ScanArg arg = {
        .size = sizeof(arg),
        .start = base + ROUND_DOWN(w->start, host_page),
        .end = base + ROUND_UP(w->end, host_page),
        .vec = (uintptr_t)region,
        .vec_len = SCAN_REGIONS,
        .category_inverted = SCAN_ZERO_PFN,
        .category_mask = SCAN_ZERO_PFN,
        .category_anyof_mask = SCAN_PRESENT | SCAN_SWAPPED,
        .return_mask = SCAN_PRESENT | SCAN_SWAPPED,
    };

    while (arg.start < arg.end) {
        int n = ioctl(pagemap, SCAN_IOCTL, &arg);

        if (n < 0) {
            if (errno == EINTR) {
                continue;
            }
            return false;
        }
        for (int i = 0; i < n; i++) {
            mark(w, region[i].start - base, region[i].end - base);
        }
        if (arg.walk_end <= arg.start) {
            return false;
        }
        arg.start = arg.walk_end;
    }
    return true;
}

static bool present_by_pagemap(const Window *w, int pagemap)
{
    size_t host_page = (size_t)getpagesize();
    uint64_t first = w->start / host_page;
    uint64_t n = DIV_ROUND_UP(w->end, host_page) - first;
    uint64_t base = (uintptr_t)w->rb->host / host_page;
    g_autofree uint64_t *entry = g_new(uint64_t, PAGEMAP_CHUNK);

    for (uint64_t done = 0; done < n;) {
        uint64_t want = MIN(n - done, PAGEMAP_CHUNK);
        ssize_t got = pread(pagemap, entry, want * sizeof(*entry),
                            (off_t)((base + first + done) * sizeof(*entry)));

        if (got < (ssize_t)sizeof(*entry)) {
            return false;
        }
        got /= (ssize_t)sizeof(*entry);
        for (ssize_t i = 0; i < got; i++) {
            if (entry[i] & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED)) {
                mark(w, (first + done + i) * host_page,
                     (first + done + i + 1) * host_page);
            }
        }
        done += got;
    }
    return true;
}

static bool present_by_holes(const Window *w)
{
    uint64_t base = w->rb->fd_offset;
    uint64_t at = w->start;

    if (*w->data_end > at) {
        at = MIN(*w->data_end, w->end);
        mark(w, w->start, at);
    }
    while (at < w->end) {
        off_t data = lseek(w->rb->fd, (off_t)(base + at), SEEK_DATA);
        off_t hole;

        if (data < 0) {
            return errno == ENXIO; /* nothing but a hole up to the end */
        }
        if ((uint64_t)data >= base + w->end) {
            return true;
        }
        hole = lseek(w->rb->fd, data, SEEK_HOLE);
        if (hole <= data) {
            return false;
        }
        at = (uint64_t)hole - base;
        mark(w, (uint64_t)data - base, at);
        *w->data_end = at;
    }
    return true;
}

static PagePresentWay present_in_tables(const Window *w, int pagemap,
                                        PagePresentWay best)
{
    if (pagemap < 0) {
        return PAGE_PRESENT_ALL;
    }
    if (best >= PAGE_PRESENT_SCAN && present_by_scan(w, pagemap)) {
        return PAGE_PRESENT_SCAN;
    }
    if (best >= PAGE_PRESENT_PAGEMAP && present_by_pagemap(w, pagemap)) {
        return PAGE_PRESENT_PAGEMAP;
    }
    return PAGE_PRESENT_ALL;
}

/*
 * Is all of it in our page tables? Then it is in the file, which would be looked
 * through from here to its next hole, page by page.
 */
static bool all_mapped(const Window *w, int pagemap, PagePresentWay best)
{
    uint64_t n = (w->end - w->start) >> RAM_PAGE_BITS;
    bool all = best >= PAGE_PRESENT_SCAN && pagemap >= 0 &&
               *w->data_end <= w->start && present_by_scan(w, pagemap) &&
               bitmap_full(w->map, (long)n);

    if (!all) {
        bitmap_zero(w->map, (long)n);
    }
    return all;
}

int page_present_open(void)
{
    return open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
}

PagePresentWay page_present_map(int pagemap, PagePresentWay best,
                                const RAMBlock *rb, uint64_t first, uint64_t n,
                                unsigned long *map, uint64_t *data_end)
{
    PagePresentWay way = PAGE_PRESENT_ALL;
    uint64_t no_data = 0;
    Window w = { .data_end = data_end ? data_end : &no_data,
                 .rb = rb,
                 .start = first << RAM_PAGE_BITS,
                 .end = (first + n) << RAM_PAGE_BITS,
                 .map = map };

    bitmap_zero(map, (long)n);
    if ((rb->flags & RAM_BLOCK_SHARED) && rb->fd >= 0 &&
        all_mapped(&w, pagemap, best)) {
        way = PAGE_PRESENT_SCAN;
    } else if (rb->fd >= 0) {
        if (best != PAGE_PRESENT_ALL && present_by_holes(&w)) {
            way = PAGE_PRESENT_HOLES;
        }
        /* In a private mapping, pages of our own cover the file's. */
        if (!(rb->flags & RAM_BLOCK_SHARED) && way != PAGE_PRESENT_ALL &&
            present_in_tables(&w, pagemap, best) == PAGE_PRESENT_ALL) {
            way = PAGE_PRESENT_ALL;
        }
    } else if (!(rb->flags & RAM_BLOCK_SHARED)) {
        way = present_in_tables(&w, pagemap, best);
    }
    if (way == PAGE_PRESENT_ALL) {
        bitmap_fill(map, (long)n);
    }
    return way;
}
