/*
 * Which pages of a block has anybody ever touched?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_PAGE_PRESENT_H
#define MIGRATION_PAGE_PRESENT_H

#include "migration/ram-block.h"

/* How it was found out; for tests. */
typedef enum PagePresentWay {
    PAGE_PRESENT_ALL,     /* nobody can tell: all may hold something */
    PAGE_PRESENT_PAGEMAP, /* by reading /proc/self/pagemap */
    PAGE_PRESENT_SCAN,    /* by ioctl PAGEMAP_SCAN */
    PAGE_PRESENT_HOLES,   /* by holes in the file behind the block */
} PagePresentWay;

/** page_present_open: descriptor for page_present_map(), for fd_close(); -1 if
 *  there is none, which page_present_map() takes too. */
int page_present_open(void);

/**
 * page_present_map:
 * @pagemap: from page_present_open()
 * @best: PAGE_PRESENT_SCAN, or less to pass over what is better (tests)
 * @rb: (in) block
 * @first, @n: pages of it; within used_length
 * @map: (out) @n bits, bit 0 is page @first's; set for each page that may be
 *       other than zero. A clear bit is a promise: the page is zero, and
 *       reading it would only make the kernel allocate
 * @data_end: (inout) 0 before the first call for @rb, or NULL; windows that follow one
 *       another need not look through the same data of a file again
 *
 * Pages that are touched while this runs may be missed: have their writes
 * logged beforehand. Thread: any.
 */
PagePresentWay page_present_map(int pagemap, PagePresentWay best,
                                const RAMBlock *rb, uint64_t first, uint64_t n,
                                unsigned long *map, uint64_t *data_end);

#endif
