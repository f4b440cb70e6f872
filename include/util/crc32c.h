/*
 * CRC-32C (Castagnoli), polynomial 0x1edc6f41.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_CRC32C_H
#define UTIL_CRC32C_H

#include <stdint.h>

/**
 * crc32c:
 * @crc: 0xffffffff to begin with, or the complement of the last result
 *
 * Source: RFC 3720 B.4.
 * Returns: the checksum (complemented).
 */
uint32_t crc32c(uint32_t crc, const uint8_t *data, unsigned int length);

#endif
