/*
 * Bytes as text: offset, up to 16 bytes in groups of 4, characters.
 *
 *   0000:  48 65 6c 6c  6f 2c 20 77  6f 72 6c 64  21 0a 00 00  Hello, world!...
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/hexdump.h"

void qemu_hexdump_line(char *line, unsigned int b, const void *bufptr,
                       unsigned int len, bool ascii)
{
    const unsigned char *buf = (const unsigned char *)bufptr + b;
    char *end = line + QEMU_HEXDUMP_LINE_LEN;

    len = MIN(len, QEMU_HEXDUMP_LINE_BYTES);
    line += g_snprintf(line, end - line, "%04x:", b);
    for (unsigned int i = 0; i < QEMU_HEXDUMP_LINE_BYTES; i++) {
        if (i % 4 == 0) {
            *line++ = ' ';
        }
        if (i < len) {
            line += g_snprintf(line, end - line, " %02x", buf[i]);
        } else if (ascii) {
            line += g_snprintf(line, end - line, "   ");
        }
    }
    if (ascii) {
        *line++ = ' ';
        for (unsigned int i = 0; i < len; i++) {
            *line++ = g_ascii_isprint(buf[i]) ? (char)buf[i] : '.';
        }
    }
    *line = '\0';
}

void qemu_hexdump(FILE *fp, const char *prefix, const void *bufptr, size_t size)
{
    char line[QEMU_HEXDUMP_LINE_LEN];

    for (size_t b = 0; b < size; b += QEMU_HEXDUMP_LINE_BYTES) {
        unsigned int len = MIN(size - b, QEMU_HEXDUMP_LINE_BYTES);

        qemu_hexdump_line(line, (unsigned int)b, bufptr, len, true);
        fprintf(fp, "%s: %s\n", prefix, line);
    }
}
