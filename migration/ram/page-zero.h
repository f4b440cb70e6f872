/*
 * Is a page zero?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_PAGE_ZERO_H
#define MIGRATION_PAGE_ZERO_H

#include "migration/ram-block.h"
#include "util/buffer-zero.h"

/** page_is_zero: of RAM_PAGE_SIZE bytes; see buffer_is_zero(). */
static inline bool page_is_zero(const void *page)
{
    return buffer_is_zero(page, RAM_PAGE_SIZE);
}

#endif
