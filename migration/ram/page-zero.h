/*
 * Is a page zero?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_PAGE_ZERO_H
#define MIGRATION_PAGE_ZERO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "migration/ram-block.h"

/* What the CPU can do; for tests and benches, which ask for one of them. */
typedef enum PageZeroWay {
    PAGE_ZERO_PORTABLE,
    PAGE_ZERO_SSE2,
    PAGE_ZERO_AVX2,
    PAGE_ZERO_AVX512,
    PAGE_ZERO_WAY__MAX,
} PageZeroWay;

/**
 * page_is_zero:
 * @page: RAM_PAGE_SIZE bytes, aligned to 64; the guest may write them now: the
 *        answer is about what was read
 *
 * Thread: any.
 */
bool page_is_zero(const void *page);

/** page_zero_best: the way that page_is_zero() goes on this CPU. */
PageZeroWay page_zero_best(void);

/** page_is_zero_by: by @way, which must not be better than page_zero_best(). */
bool page_is_zero_by(PageZeroWay way, const void *page);

#endif
