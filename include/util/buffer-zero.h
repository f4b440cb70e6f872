/*
 * Is there anything in this memory?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_BUFFER_ZERO_H
#define UTIL_BUFFER_ZERO_H

#include <stdbool.h>
#include <stddef.h>

/** buffer_is_zero: true when all @len bytes at @buf, of any alignment, are
 *  zero. At the speed of memory if they are, a few instructions if the
 *  first, middle or last ones are not. Thread: any. */
bool buffer_is_zero(const void *buf, size_t len);

#endif
