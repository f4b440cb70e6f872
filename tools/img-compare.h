/*
 * Comparing buffers. Pure.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TOOLS_IMG_COMPARE_H
#define TOOLS_IMG_COMPARE_H

#include <stddef.h>
#include <stdint.h>

/** compare_first_difference: offset of the first sector that differs; @len if
 *  none does. */
size_t compare_first_difference(const uint8_t *a, const uint8_t *b, size_t len);

#endif
