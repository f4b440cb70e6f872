/*
 * Text helpers: bounded copies, prefixes, descriptor numbers.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/cutils.h"

#define FDSET_PREFIX "/dev/fdset/"

void pstrcpy(char *buf, int buf_size, const char *str)
{
    if (buf_size > 0) {
        g_strlcpy(buf, str, (gsize)buf_size);
    }
}

void strpadcpy(char *buf, int buf_size, const char *str, char pad)
{
    if (buf_size <= 0) {
        return;
    }
    size_t len = strnlen(str, (size_t)buf_size);

    memcpy(buf, str, len);
    memset(buf + len, pad, (size_t)buf_size - len);
}

char *pstrcat(char *buf, int buf_size, const char *s)
{
    if (buf_size > 0) {
        g_strlcat(buf, s, (gsize)buf_size);
    }
    return buf;
}

int strstart(const char *str, const char *val, const char **ptr)
{
    size_t len = strlen(val);

    if (strncmp(str, val, len) != 0) {
        return 0;
    }
    if (ptr) {
        *ptr = str + len;
    }
    return 1;
}

int stristart(const char *str, const char *val, const char **ptr)
{
    size_t len = strlen(val);

    if (g_ascii_strncasecmp(str, val, len) != 0) {
        return 0;
    }
    if (ptr) {
        *ptr = str + len;
    }
    return 1;
}

int qemu_strnlen(const char *s, int max_len)
{
    return max_len > 0 ? (int)strnlen(s, (size_t)max_len) : 0;
}

char *qemu_strsep(char **input, const char *delim)
{
    return strsep(input, delim);
}

time_t mktimegm(struct tm *tm)
{
    return timegm(tm);
}

int qemu_parse_fd(const char *param)
{
    int fd;

    if (!g_ascii_isdigit(param[0]) || qemu_strtoi(param, NULL, 10, &fd) < 0) {
        return -1;
    }
    return fd;
}

int64_t qemu_parse_fdset(const char *param)
{
    const char *number;
    int64_t id;
    int ret;

    if (!strstart(param, FDSET_PREFIX, &number) ||
        !g_ascii_isdigit(number[0])) {
        return -EINVAL;
    }
    ret = qemu_strtoi64(number, NULL, 10, &id);
    return ret < 0 ? ret : id;
}

/* @val in the largest unit that leaves at most three digits before the point:
 * divided by @step for each prefix. */
static char *scaled_to_str(uint64_t val, unsigned step,
                           const char *const *prefixes, size_t n,
                           const char *unit)
{
    double scaled = (double)val;
    size_t i = 0;

    while (scaled >= 1000 && i + 1 < n) {
        scaled /= step;
        i++;
    }
    return g_strdup_printf("%0.3g %s%s", scaled, prefixes[i], unit);
}

char *size_to_str(uint64_t val)
{
    static const char *const prefixes[] = { "",   "Ki", "Mi", "Gi",
                                            "Ti", "Pi", "Ei" };

    return scaled_to_str(val, 1024, prefixes, G_N_ELEMENTS(prefixes), "B");
}

char *freq_to_str(uint64_t freq_hz)
{
    static const char *const prefixes[] = { "", "K", "M", "G", "T", "P", "E" };

    return scaled_to_str(freq_hz, 1000, prefixes, G_N_ELEMENTS(prefixes), "Hz");
}
