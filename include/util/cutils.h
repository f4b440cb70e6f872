/*
 * Text helpers: bounded copies, prefixes, numbers and sizes.
 *
 * The qemu_strto*() functions differ from the C library's in three ways: the
 * error is the return value, a minus sign before an unsigned number is
 * handled as documented here, and @endptr == NULL demands that the whole text
 * is the number.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_CUTILS_H
#define UTIL_CUTILS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/** pstrcpy: copy @str, cut to @buf_size - 1 bytes, always NUL terminated. */
void pstrcpy(char *buf, int buf_size, const char *str);
/** strpadcpy: copy up to @buf_size bytes, fill with @pad; no NUL is added. */
void strpadcpy(char *buf, int buf_size, const char *str, char pad);
/** pstrcat: append @s within @buf_size bytes; returns @buf. */
char *pstrcat(char *buf, int buf_size, const char *s);

/**
 * strstart:
 * @str: text
 * @val: prefix
 * @ptr: (out) optional: rest of @str, set when the return is 1
 *
 * Returns: 1 if @str begins with @val, else 0.
 */
int strstart(const char *str, const char *val, const char **ptr);
/** stristart: the same without regard to ASCII case. */
int stristart(const char *str, const char *val, const char **ptr);
/** qemu_strnlen: length of @s, at most @max_len. */
int qemu_strnlen(const char *s, int max_len);
/** qemu_strsep: next field of *@input up to a byte of @delim, as strsep(). */
char *qemu_strsep(char **input, const char *delim);
/** mktimegm: seconds since 1970 of a UTC time. */
time_t mktimegm(struct tm *tm);

/**
 * qemu_strtoi, ..., qemu_strtou64:
 * @nptr: text, or NULL
 * @endptr: (out) optional: first byte after the number; when NULL, bytes
 *          after the number are an error
 * @base: 0 (0x, 0), or 2 to 36
 * @result: (out) always set: the value, the nearest limit when out of range,
 *          0 when there is no number
 *
 * White space before the number is skipped. An unsigned one may have a minus
 * sign, and then wraps as in C as long as its size fits.
 *
 * Returns: 0; -EINVAL (no number, or bytes after it without @endptr);
 * -ERANGE.
 */
int qemu_strtoi(const char *nptr, const char **endptr, int base, int *result);
int qemu_strtoui(const char *nptr, const char **endptr, int base,
                 unsigned int *result);
int qemu_strtol(const char *nptr, const char **endptr, int base, long *result);
int qemu_strtoul(const char *nptr, const char **endptr, int base,
                 unsigned long *result);
int qemu_strtoi64(const char *nptr, const char **endptr, int base,
                  int64_t *result);
int qemu_strtou64(const char *nptr, const char **endptr, int base,
                  uint64_t *result);
/** qemu_strtod: any double; qemu_strtod_finite: no infinity, no NaN. */
int qemu_strtod(const char *nptr, const char **endptr, double *result);
int qemu_strtod_finite(const char *nptr, const char **endptr, double *result);

/**
 * parse_uint:
 * @s: text, or NULL
 * @value: (out) always set
 * @endptr: (out) first byte after the number; not NULL
 * @base: as for qemu_strtou64()
 *
 * Returns: 0; -EINVAL (no number, or a minus sign); -ERANGE.
 */
int parse_uint(const char *s, unsigned long long *value, char **endptr,
               int base);
/** parse_uint_full: the whole of @s must be the number. */
int parse_uint_full(const char *s, unsigned long long *value, int base);

/**
 * qemu_strtosz:
 * @nptr: "4096", "4k", "1.5G", "0x1000"; suffixes B K M G T P E, powers of
 *        1024, either case; no suffix: bytes
 * @end: (out) optional, as for qemu_strtoi()
 * @result: (out) bytes; set when the return is 0
 *
 * A fraction needs a suffix other than B. Hexadecimal takes no fraction and
 * no suffix but K M G T P. Exact for all 64-bit values.
 *
 * Returns: 0; -EINVAL; -ERANGE (from 2^64 on, or negative).
 */
int qemu_strtosz(const char *nptr, const char **end, uint64_t *result);
/** qemu_strtosz_MiB: no suffix means MiB. */
int qemu_strtosz_MiB(const char *nptr, const char **end, uint64_t *result);
/** qemu_strtosz_metric: powers of 1000. */
int qemu_strtosz_metric(const char *nptr, const char **end, uint64_t *result);

/** size_to_str: "1.5 KiB", three digits or so; g_free(). */
char *size_to_str(uint64_t val);
/** freq_to_str: "100 MHz"; g_free(). */
char *freq_to_str(uint64_t freq_hz);

/**
 * qemu_parse_fd:
 *
 * Returns: the descriptor number that @param is, or -1.
 */
int qemu_parse_fd(const char *param);
/** qemu_parse_fdset: number of "/dev/fdset/N" after the prefix, or -errno. */
int64_t qemu_parse_fdset(const char *param);

#define STR_OR_NULL(str) ((str) ? (str) : "null")

#endif
