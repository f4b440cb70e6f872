/*
 * Numbers and sizes from text, with every error told apart.
 *
 * Sizes are exact: the integer part is read as an integer, and the fraction
 * as up to 18 decimal digits over a power of ten, so "1.5G" is 3 * 2^29 and
 * no value is rounded through a double.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <math.h>

#include "util/cutils.h"

/* Set *@endptr, and turn what strto*() left behind into a return value. */
static int finish(const char *nptr, const char *ep, const char **endptr,
                  int os_errno)
{
    if (endptr) {
        *endptr = ep;
    }
    if (ep == nptr || (os_errno && os_errno != ERANGE)) {
        return -EINVAL;
    }
    if (!endptr && *ep) {
        return -EINVAL;
    }
    return -os_errno;
}

static int no_text(const char **endptr)
{
    if (endptr) {
        *endptr = NULL;
    }
    return -EINVAL;
}

/* strtol() takes "0x" as the number 0 before the 'x'; so does this. */
static int parse_signed(const char *nptr, const char **endptr, int base,
                        int64_t min, int64_t max, int64_t *result)
{
    char *ep;

    *result = 0;
    if (!nptr) {
        return no_text(endptr);
    }
    errno = 0;
    long long value = strtoll(nptr, &ep, base);
    int err = errno;

    if (value < min || value > max) {
        value = value < min ? min : max;
        err = ERANGE;
    }
    *result = value;
    return finish(nptr, ep, endptr, err);
}

static bool is_negative(const char *s)
{
    while (g_ascii_isspace(*s)) {
        s++;
    }
    return *s == '-';
}

static int parse_unsigned(const char *nptr, const char **endptr, int base,
                          uint64_t max, uint64_t *result)
{
    char *ep;

    *result = 0;
    if (!nptr) {
        return no_text(endptr);
    }
    errno = 0;
    uint64_t value = strtoull(nptr, &ep, base);
    int err = errno;

    /* "-1" is the largest value, as in C, if -1 fits the signed twin. */
    if (value > max && is_negative(nptr) && -value <= max) {
        value &= max;
    } else if (value > max) {
        value = max;
        err = ERANGE;
    }
    *result = value;
    return finish(nptr, ep, endptr, err);
}

int qemu_strtoi(const char *nptr, const char **endptr, int base, int *result)
{
    int64_t value;
    int ret = parse_signed(nptr, endptr, base, INT_MIN, INT_MAX, &value);

    *result = (int)value;
    return ret;
}

int qemu_strtoui(const char *nptr, const char **endptr, int base,
                 unsigned int *result)
{
    uint64_t value;
    int ret = parse_unsigned(nptr, endptr, base, UINT_MAX, &value);

    *result = (unsigned int)value;
    return ret;
}

int qemu_strtol(const char *nptr, const char **endptr, int base, long *result)
{
    int64_t value;
    int ret = parse_signed(nptr, endptr, base, LONG_MIN, LONG_MAX, &value);

    *result = (long)value;
    return ret;
}

int qemu_strtoul(const char *nptr, const char **endptr, int base,
                 unsigned long *result)
{
    uint64_t value;
    int ret = parse_unsigned(nptr, endptr, base, ULONG_MAX, &value);

    *result = (unsigned long)value;
    return ret;
}

int qemu_strtoi64(const char *nptr, const char **endptr, int base,
                  int64_t *result)
{
    return parse_signed(nptr, endptr, base, INT64_MIN, INT64_MAX, result);
}

int qemu_strtou64(const char *nptr, const char **endptr, int base,
                  uint64_t *result)
{
    return parse_unsigned(nptr, endptr, base, UINT64_MAX, result);
}

int qemu_strtod(const char *nptr, const char **endptr, double *result)
{
    char *ep;

    *result = 0.0;
    if (!nptr) {
        return no_text(endptr);
    }
    errno = 0;
    *result = g_ascii_strtod(nptr, &ep);
    return finish(nptr, ep, endptr, errno);
}

int qemu_strtod_finite(const char *nptr, const char **endptr, double *result)
{
    const char *ep;
    double value;
    int ret = qemu_strtod(nptr, &ep, &value);

    if (ret == 0 && !isfinite(value)) {
        ep = nptr;
        ret = -EINVAL;
    }
    if (endptr) {
        *endptr = ep;
    } else if (ep && *ep && ret == 0) {
        ret = -EINVAL;
    }
    *result = ret == -EINVAL ? 0.0 : value;
    return ret;
}

int parse_uint(const char *s, unsigned long long *value, char **endptr,
               int base)
{
    const char *ep = s;
    uint64_t u = 0;
    int ret = -EINVAL;

    if (s && !is_negative(s)) {
        ret = qemu_strtou64(s, &ep, base, &u);
    }
    *value = u;
    *endptr = (char *)ep;
    return ret;
}

int parse_uint_full(const char *s, unsigned long long *value, int base)
{
    char *endp;
    int ret = parse_uint(s, value, &endp, base);

    if (ret == 0 && *endp) {
        *value = 0;
        ret = -EINVAL;
    }
    return ret;
}

/* -- sizes ---------------------------------------------------------------- */

#define FRACTION_DIGITS 18 /* 10^18 < 2^63 */

typedef struct SizeText {
    uint64_t whole;
    uint64_t fraction; /* over @scale */
    uint64_t scale;    /* power of ten */
    bool hex;
    const char *end;
} SizeText;

/* The multiplier of a suffix letter, 0 for another character. */
static uint64_t suffix_mul(char suffix, uint64_t unit)
{
    static const char letters[] = "BKMGTPE";
    const char *at = suffix ? strchr(letters, g_ascii_toupper(suffix)) : NULL;
    uint64_t mul = 1;

    if (!at) {
        return 0;
    }
    for (const char *p = letters; p < at; p++) {
        mul *= unit;
    }
    return mul;
}

/* Digits after the point; those past FRACTION_DIGITS count for nothing. */
static void parse_fraction(SizeText *t)
{
    t->scale = 1;
    if (*t->end != '.') {
        return;
    }
    t->end++;
    for (int digits = 0; g_ascii_isdigit(*t->end); t->end++, digits++) {
        if (digits < FRACTION_DIGITS) {
            t->fraction = t->fraction * 10 + (uint64_t)(*t->end - '0');
            t->scale *= 10;
        }
    }
}

static int parse_size_text(const char *nptr, SizeText *t)
{
    const char *s = nptr;
    int ret;

    while (g_ascii_isspace(*s)) {
        s++;
    }
    if (*s == '-') {
        /* A negative number is out of range; anything else is no number. */
        return g_ascii_isdigit(s[1]) ? -ERANGE : -EINVAL;
    }
    if (*s == '+') {
        s++;
    }
    t->hex =
        s[0] == '0' && (s[1] == 'x' || s[1] == 'X') && g_ascii_isxdigit(s[2]);
    if (!g_ascii_isdigit(*s) && !(*s == '.' && g_ascii_isdigit(s[1]))) {
        return -EINVAL;
    }
    if (*s == '.') {
        t->end = s;
        ret = 0;
    } else {
        ret = qemu_strtou64(s, &t->end, t->hex ? 16 : 10, &t->whole);
    }
    t->scale = 1;
    if (!t->hex) {
        parse_fraction(t);
    }
    return ret;
}

/* (whole + fraction / scale) * mul, without loss. */
static int scale_size(const SizeText *t, uint64_t mul, uint64_t *result)
{
    unsigned __int128 total = (unsigned __int128)t->whole * mul;

    total += (unsigned __int128)t->fraction * mul / t->scale;
    if (total > UINT64_MAX) {
        return -ERANGE;
    }
    *result = (uint64_t)total;
    return 0;
}

static int parse_size(const char *nptr, const char **end, uint64_t unit,
                      char default_suffix, uint64_t *result)
{
    SizeText t = { .end = nptr };
    int ret = nptr ? parse_size_text(nptr, &t) : -EINVAL;
    uint64_t mul = 0, value = 0;

    if (ret == 0) {
        /* In hexadecimal, B and E are digits. */
        mul = t.hex && strchr("bBeE", *t.end) ? 0 : suffix_mul(*t.end, unit);
        if (mul) {
            t.end++;
        } else {
            mul = suffix_mul(default_suffix, unit);
        }
        if (mul == 1 && t.fraction) {
            ret = -EINVAL; /* part of a byte */
        } else {
            ret = scale_size(&t, mul, &value);
        }
    }
    if (ret == -EINVAL) {
        t.end = nptr;
    }
    if (end) {
        *end = t.end;
    } else if (ret == 0 && *t.end) {
        ret = -EINVAL;
    }
    if (ret == 0) {
        *result = value;
    }
    return ret;
}

int qemu_strtosz(const char *nptr, const char **end, uint64_t *result)
{
    return parse_size(nptr, end, 1024, 'B', result);
}

int qemu_strtosz_MiB(const char *nptr, const char **end, uint64_t *result)
{
    return parse_size(nptr, end, 1024, 'M', result);
}

int qemu_strtosz_metric(const char *nptr, const char **end, uint64_t *result)
{
    return parse_size(nptr, end, 1000, 'B', result);
}
