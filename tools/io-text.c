/*
 * Numbers and reports of ferry-io, as scripts know them from qemu-io.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <stdio.h>

#include "util/cutils.h"

#include "io.h"

#define LINE_BYTES 16

char *io_size_text(double value)
{
    static const char *const units[] = { " bytes", " KiB", " MiB", " GiB",
                                         " TiB",   " PiB", " EiB" };
    size_t i = 0;
    g_autofree char *number = NULL;
    char *point;

    while (value >= 1024.0 && i + 1 < G_N_ELEMENTS(units)) {
        value /= 1024.0;
        i++;
    }
    number = g_strdup_printf("%.3f", value);
    point = strstr(number, ".000");
    if (point) {
        *point = '\0';
    }
    return g_strconcat(number, units[i], NULL);
}

bool io_parse_bytes(const char *text, const char *what, int64_t *ret)
{
    uint64_t value;
    int err = qemu_strtosz(text, NULL, &value);

    if (err == -ERANGE || (err == 0 && value > INT64_MAX)) {
        printf("argument '%s' exceeds maximum size %" PRId64 "\n", text,
               INT64_MAX);
        return false;
    }
    if (err) {
        printf("non-numeric %s argument -- %s\n", what, text);
        return false;
    }
    *ret = (int64_t)value;
    return true;
}

char *io_dump(const uint8_t *buf, int64_t offset, size_t len)
{
    GString *out = g_string_new(NULL);

    for (size_t i = 0; i < len; i += LINE_BYTES) {
        size_t n = MIN(len - i, (size_t)LINE_BYTES);

        g_string_append_printf(out, "%08" PRIx64 ":  ",
                               (uint64_t)offset + (uint64_t)i);
        for (size_t k = 0; k < n; k++) {
            g_string_append_printf(out, "%02x ", buf[i + k]);
        }
        g_string_append_c(out, ' ');
        for (size_t k = 0; k < n; k++) {
            char c = (char)buf[i + k];

            g_string_append_c(out, g_ascii_isalnum(c) ? c : '.');
        }
        g_string_append_c(out, '\n');
    }
    return g_string_free(out, FALSE);
}

/* "01.50 sec", or "0:01:30.25" when it is long or a machine reads it. */
static char *time_text(int64_t ns, bool machine)
{
    int64_t hundredths = ns / 10000000;
    unsigned frac = (unsigned)(hundredths % 100);
    unsigned seconds = (unsigned)(hundredths / 100 % 60);
    unsigned minutes = (unsigned)(hundredths / 6000 % 60);
    uint64_t hours = (uint64_t)hundredths / 360000;

    if (machine || hours || minutes) {
        return g_strdup_printf("%" PRIu64 ":%02u:%02u.%02u", hours, minutes,
                               seconds, frac);
    }
    return g_strdup_printf("%02u.%02u sec", seconds, frac);
}

char *io_report(const char *op, int64_t ns, int64_t offset, int64_t count,
                int64_t total, int ops, bool machine)
{
    double seconds = (double)MAX(ns, 1) / 1000000000.0;
    double byte_rate = (double)total / seconds;
    double op_rate = (double)ops / seconds;
    g_autofree char *time = time_text(ns, machine);
    g_autofree char *size = NULL;
    g_autofree char *rate = NULL;

    if (machine) {
        return g_strdup_printf("%" PRId64 ",%d,%s,%.3f,%.3f\n", total, ops,
                               time, byte_rate, op_rate);
    }
    size = io_size_text((double)total);
    rate = io_size_text(byte_rate);
    return g_strdup_printf("%s %" PRId64 "/%" PRId64 " bytes at offset %" PRId64
                           "\n"
                           "%s, %d ops; %s (%s/sec and %.4f ops/sec)\n",
                           op, total, count, offset, size, ops, time, rate,
                           op_rate);
}

bool io_has_pattern(const uint8_t *buf, uint8_t pattern, size_t len)
{
    return len == 0 ||
           (buf[0] == pattern && memcmp(buf, buf + 1, len - 1) == 0);
}
