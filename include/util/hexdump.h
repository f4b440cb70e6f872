/*
 * Bytes as text for people.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_HEXDUMP_H
#define UTIL_HEXDUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define QEMU_HEXDUMP_LINE_BYTES 16
#define QEMU_HEXDUMP_LINE_LEN   80 /* with the NUL */

/**
 * qemu_hexdump_line:
 * @line: (out) QEMU_HEXDUMP_LINE_LEN characters: offset, hex, ASCII
 * @b: offset in @bufptr
 * @len: bytes, at most QEMU_HEXDUMP_LINE_BYTES
 * @ascii: with the characters at the right
 */
void qemu_hexdump_line(char *line, unsigned int b, const void *bufptr,
                       unsigned int len, bool ascii);
/** qemu_hexdump: all of @bufptr, each line begins "@prefix: ". */
void qemu_hexdump(FILE *fp, const char *prefix, const void *bufptr,
                  size_t size);

#endif
