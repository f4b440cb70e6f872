/*
 * Text helpers, numbers and sizes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/cutils.h"

static void test_copy(void)
{
    char buf[8];

    pstrcpy(buf, sizeof(buf), "0123456789");
    g_assert_cmpstr(buf, ==, "0123456");
    pstrcpy(buf, sizeof(buf), "ab");
    g_assert_cmpstr(pstrcat(buf, sizeof(buf), "cdefghij"), ==, "abcdefg");
    strpadcpy(buf, 4, "xy", '.');
    g_assert_cmpint(memcmp(buf, "xy..", 4), ==, 0);
    strpadcpy(buf, 4, "123456", '.');
    g_assert_cmpint(memcmp(buf, "1234e", 5), ==, 0);
    memcpy(buf, "keep", 5);
    pstrcpy(buf, 0, "x");
    strpadcpy(buf, 0, "x", ' ');
    g_assert_cmpstr(buf, ==, "keep");
    g_assert_cmpint(qemu_strnlen("abc", 2), ==, 2);
    g_assert_cmpint(qemu_strnlen("abc", 5), ==, 3);
}

static void test_prefix(void)
{
    const char *rest = NULL;

    g_assert_cmpint(strstart("tcp:host", "tcp:", &rest), ==, 1);
    g_assert_cmpstr(rest, ==, "host");
    g_assert_cmpint(strstart("tc", "tcp:", &rest), ==, 0);
    g_assert_cmpstr(rest, ==, "host");
    g_assert_cmpint(strstart("TCP:", "tcp:", NULL), ==, 0);
    g_assert_cmpint(stristart("TCP:x", "tcp:", &rest), ==, 1);
    g_assert_cmpstr(rest, ==, "x");

    char text[] = "a,b,,c";
    char *p = text;
    g_assert_cmpstr(qemu_strsep(&p, ","), ==, "a");
    g_assert_cmpstr(qemu_strsep(&p, ","), ==, "b");
    g_assert_cmpstr(qemu_strsep(&p, ","), ==, "");
    g_assert_cmpstr(qemu_strsep(&p, ","), ==, "c");
    g_assert_null(qemu_strsep(&p, ","));
}

/* One table for signed and unsigned, 32 and 64 bits. */
static const struct NumberCase {
    const char *text;
    int base;
    size_t used; /* bytes that are the number */
    int ret_i, ret_ui, ret_i64, ret_u64;
    int i;
    unsigned ui;
    int64_t i64;
    uint64_t u64;
} number_cases[] = {
    { "0", 0, 1, 0, 0, 0, 0, 0, 0, 0, 0 },
    { " \t12345", 0, 7, 0, 0, 0, 0, 12345, 12345, 12345, 12345 },
    { "0x10", 0, 4, 0, 0, 0, 0, 16, 16, 16, 16 },
    { "010", 0, 3, 0, 0, 0, 0, 8, 8, 8, 8 },
    { "+5", 10, 2, 0, 0, 0, 0, 5, 5, 5, 5 },
    { "7f", 16, 2, 0, 0, 0, 0, 127, 127, 127, 127 },
    { "-1", 0, 2, 0, 0, 0, 0, -1, UINT_MAX, -1, UINT64_MAX },
    { "2147483647", 0, 10, 0, 0, 0, 0, INT_MAX, INT_MAX, INT_MAX, INT_MAX },
    { "2147483648", 0, 10, -ERANGE, 0, 0, 0, INT_MAX, 2147483648u, 2147483648,
      2147483648 },
    { "4294967296", 0, 10, -ERANGE, -ERANGE, 0, 0, INT_MAX, UINT_MAX,
      4294967296, 4294967296 },
    { "9223372036854775808", 0, 19, -ERANGE, -ERANGE, -ERANGE, 0, INT_MAX,
      UINT_MAX, INT64_MAX, UINT64_C(9223372036854775808) },
    { "18446744073709551616", 0, 20, -ERANGE, -ERANGE, -ERANGE, -ERANGE,
      INT_MAX, UINT_MAX, INT64_MAX, UINT64_MAX },
    { "-2147483649", 0, 11, -ERANGE, 0, 0, 0, INT_MIN, 2147483647,
      INT64_C(-2147483649), UINT64_C(18446744071562067967) },
    { "", 0, 0, -EINVAL, -EINVAL, -EINVAL, -EINVAL, 0, 0, 0, 0 },
    { "  ", 0, 0, -EINVAL, -EINVAL, -EINVAL, -EINVAL, 0, 0, 0, 0 },
    { "abc", 0, 0, -EINVAL, -EINVAL, -EINVAL, -EINVAL, 0, 0, 0, 0 },
    { "-", 0, 0, -EINVAL, -EINVAL, -EINVAL, -EINVAL, 0, 0, 0, 0 },
};

static void check_number(const struct NumberCase *c, const char *text,
                         bool trailing)
{
    const char *end = NULL;
    int i;
    unsigned ui;
    int64_t i64;
    uint64_t u64;

    g_assert_cmpint(qemu_strtoi(text, &end, c->base, &i), ==, c->ret_i);
    g_assert_cmpuint((size_t)(end - text), ==, c->used);
    g_assert_cmpint(i, ==, c->i);
    g_assert_cmpint(qemu_strtoui(text, &end, c->base, &ui), ==, c->ret_ui);
    g_assert_cmpuint((size_t)(end - text), ==, c->used);
    g_assert_cmpuint(ui, ==, c->ui);
    g_assert_cmpint(qemu_strtoi64(text, &end, c->base, &i64), ==, c->ret_i64);
    g_assert_cmpint(i64, ==, c->i64);
    g_assert_cmpint(qemu_strtou64(text, &end, c->base, &u64), ==, c->ret_u64);
    g_assert_cmpuint(u64, ==, c->u64);
    g_assert_cmpuint((size_t)(end - text), ==, c->used);

    /* Without an end pointer the whole text must be the number. */
    g_assert_cmpint(qemu_strtoi(text, NULL, c->base, &i), ==,
                    trailing ? -EINVAL : c->ret_i);
    g_assert_cmpint(qemu_strtou64(text, NULL, c->base, &u64), ==,
                    trailing ? -EINVAL : c->ret_u64);
}

static void test_numbers(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(number_cases); i++) {
        const struct NumberCase *c = &number_cases[i];
        g_autofree char *longer = g_strconcat(c->text, "zz", NULL);

        check_number(c, c->text, false);
        check_number(c, longer, true);
    }
    int i = 5;
    long l;
    unsigned long ul;
    const char *end = "x";
    g_assert_cmpint(qemu_strtoi(NULL, &end, 0, &i), ==, -EINVAL);
    g_assert_null(end);
    g_assert_cmpint(i, ==, 0);
    g_assert_cmpint(qemu_strtol("-3", NULL, 0, &l), ==, 0);
    g_assert_cmpint(l, ==, -3);
    g_assert_cmpint(qemu_strtoul("3", NULL, 0, &ul), ==, 0);
    g_assert_cmpuint(ul, ==, 3);
}

static void test_parse_uint(void)
{
    unsigned long long value;
    char *end;

    g_assert_cmpint(parse_uint("12k", &value, &end, 0), ==, 0);
    g_assert_cmpuint(value, ==, 12);
    g_assert_cmpstr(end, ==, "k");
    g_assert_cmpint(parse_uint(" -1", &value, &end, 0), ==, -EINVAL);
    g_assert_cmpint(parse_uint("18446744073709551616", &value, &end, 0), ==,
                    -ERANGE);
    g_assert_cmpuint(value, ==, UINT64_MAX);
    g_assert_cmpint(parse_uint(NULL, &value, &end, 0), ==, -EINVAL);
    g_assert_cmpint(parse_uint_full("12", &value, 0), ==, 0);
    g_assert_cmpint(parse_uint_full("12k", &value, 0), ==, -EINVAL);
}

static void test_double(void)
{
    double d;
    const char *end;

    g_assert_cmpint(qemu_strtod("1.5e3x", &end, &d), ==, 0);
    g_assert_cmpfloat(d, ==, 1500);
    g_assert_cmpstr(end, ==, "x");
    g_assert_cmpint(qemu_strtod("inf", NULL, &d), ==, 0);
    g_assert_cmpint(qemu_strtod_finite("inf", NULL, &d), ==, -EINVAL);
    g_assert_cmpint(qemu_strtod_finite("nan", &end, &d), ==, -EINVAL);
    g_assert_cmpstr(end, ==, "nan");
    g_assert_cmpint(qemu_strtod_finite("0.25", NULL, &d), ==, 0);
    g_assert_cmpfloat(d, ==, 0.25);
    g_assert_cmpint(qemu_strtod_finite("0.25s", NULL, &d), ==, -EINVAL);
    g_assert_cmpint(qemu_strtod(NULL, NULL, &d), ==, -EINVAL);
}

static void test_sizes(void)
{
    static const struct {
        const char *text;
        int ret;
        uint64_t value;
        const char *rest;
    } cases[] = {
        { "0", 0, 0, "" },
        { "4096", 0, 4096, "" },
        { " 1k", 0, 1024, "" },
        { "1K", 0, 1024, "" },
        { "12345B", 0, 12345, "" },
        { "1M", 0, 1 << 20, "" },
        { "1g", 0, 1 << 30, "" },
        { "1T", 0, UINT64_C(1) << 40, "" },
        { "1P", 0, UINT64_C(1) << 50, "" },
        { "15E", 0, UINT64_C(15) << 60, "" },
        { "1.5k", 0, 1536, "" },
        { ".5G", 0, 1 << 29, "" },
        { "1.0", 0, 1, "" },
        { "0.000000000931322574615478515625G", 0, 0, "" },
        { "12.345M", 0, 12944670, "" },
        { "0x1000", 0, 4096, "" },
        { "0x1b", 0, 27, "" },
        { "0x1000k", 0, 4194304, "" },
        { "+8", 0, 8, "" },
        { "18446744073709551615", 0, UINT64_MAX, "" },
        { "9007199254740993", 0, UINT64_C(9007199254740993), "" },
        { "18446744073709551616", -ERANGE, 0, "" },
        { "16E", -ERANGE, 0, "" },
        { "-1", -ERANGE, 0, NULL },
        { "1.5", -EINVAL, 0, NULL },
        { "1.5B", -EINVAL, 0, NULL },
        { "", -EINVAL, 0, NULL },
        { " ", -EINVAL, 0, NULL },
        { ".", -EINVAL, 0, NULL },
        { "k", -EINVAL, 0, NULL },
        { "-x", -EINVAL, 0, NULL },
        { "1kilo", 0, 1024, "ilo" },
        { "1 k", 0, 1, " k" },
        { "0x", 0, 0, "x" },
        { "1e3", 0, UINT64_C(1) << 60, "3" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        uint64_t value = 77;
        const char *end = "?";

        g_test_message("'%s'", cases[i].text);
        g_assert_cmpint(qemu_strtosz(cases[i].text, &end, &value), ==,
                        cases[i].ret);
        g_assert_cmpuint(value, ==, cases[i].ret ? 77 : cases[i].value);
        if (cases[i].ret == 0) {
            g_assert_cmpstr(end, ==, cases[i].rest);
        }
        if (cases[i].ret == -EINVAL) {
            g_assert_true(end == cases[i].text);
        }
        /* Without an end pointer, nothing may follow. */
        if (cases[i].ret == 0 && cases[i].rest[0]) {
            g_assert_cmpint(qemu_strtosz(cases[i].text, NULL, &value), ==,
                            -EINVAL);
        }
    }
    uint64_t value;
    g_assert_cmpint(qemu_strtosz(NULL, NULL, &value), ==, -EINVAL);
    g_assert_cmpint(qemu_strtosz_MiB("2", NULL, &value), ==, 0);
    g_assert_cmpuint(value, ==, 2 << 20);
    g_assert_cmpint(qemu_strtosz_MiB("0.5", NULL, &value), ==, 0);
    g_assert_cmpuint(value, ==, 1 << 19);
    g_assert_cmpint(qemu_strtosz_MiB("2k", NULL, &value), ==, 0);
    g_assert_cmpuint(value, ==, 2048);
    g_assert_cmpint(qemu_strtosz_metric("12.5k", NULL, &value), ==, 0);
    g_assert_cmpuint(value, ==, 12500);
}

static void test_size_to_str(void)
{
    static const struct {
        uint64_t value;
        const char *text;
    } cases[] = {
        { 0, "0 B" },         { 999, "999 B" },         { 1023, "0.999 KiB" },
        { 1024, "1 KiB" },    { 1536, "1.5 KiB" },      { 65536, "64 KiB" },
        { 1 << 30, "1 GiB" }, { UINT64_MAX, "16 EiB" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = size_to_str(cases[i].value);

        g_assert_cmpstr(text, ==, cases[i].text);
    }
    g_autofree char *freq = freq_to_str(100000000);
    g_assert_cmpstr(freq, ==, "100 MHz");
}

static void test_fd(void)
{
    g_assert_cmpint(qemu_parse_fd("0"), ==, 0);
    g_assert_cmpint(qemu_parse_fd("42"), ==, 42);
    g_assert_cmpint(qemu_parse_fd("-1"), ==, -1);
    g_assert_cmpint(qemu_parse_fd("+1"), ==, -1);
    g_assert_cmpint(qemu_parse_fd(""), ==, -1);
    g_assert_cmpint(qemu_parse_fd("4x"), ==, -1);
    g_assert_cmpint(qemu_parse_fd("99999999999"), ==, -1);
    g_assert_cmpint(qemu_parse_fdset("/dev/fdset/7"), ==, 7);
    g_assert_cmpint(qemu_parse_fdset("/dev/fdset/"), ==, -EINVAL);
    g_assert_cmpint(qemu_parse_fdset("/dev/fdset/-1"), ==, -EINVAL);
    g_assert_cmpint(qemu_parse_fdset("/dev/null"), ==, -EINVAL);
}

static void test_time(void)
{
    struct tm tm = { .tm_year = 100, .tm_mon = 1, .tm_mday = 29 };

    g_assert_cmpint(mktimegm(&tm), ==, 951782400); /* 2000-02-29 */
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/util/cutils/copy", test_copy);
    g_test_add_func("/util/cutils/prefix", test_prefix);
    g_test_add_func("/util/cutils/numbers", test_numbers);
    g_test_add_func("/util/cutils/parse-uint", test_parse_uint);
    g_test_add_func("/util/cutils/double", test_double);
    g_test_add_func("/util/cutils/sizes", test_sizes);
    g_test_add_func("/util/cutils/size-to-str", test_size_to_str);
    g_test_add_func("/util/cutils/fd", test_fd);
    g_test_add_func("/util/cutils/time", test_time);
    return g_test_run();
}
