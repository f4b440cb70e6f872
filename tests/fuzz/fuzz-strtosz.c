/*
 * Fuzz: sizes and numbers from text. What one function says must agree with
 * what the others say.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/cutils.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_size(const char *text)
{
    const char *end = NULL;
    uint64_t size = 0, mib, metric, whole;
    int ret = qemu_strtosz(text, &end, &size);

    g_assert(end >= text && end <= text + strlen(text));
    g_assert(ret == 0 || ret == -EINVAL || ret == -ERANGE);
    g_assert(ret != -EINVAL || end == text);
    g_assert(qemu_strtosz(text, NULL, &whole) ==
             (ret == 0 && *end ? -EINVAL : ret));

    /* Powers of 1000 are never more, MiB never less. */
    if (ret == 0 && qemu_strtosz_metric(text, NULL, &metric) == 0) {
        g_assert(metric <= size);
    }
    if (ret == 0 && qemu_strtosz_MiB(text, NULL, &mib) == 0) {
        g_assert(mib >= size);
    }
    if (ret == 0) {
        g_autofree char *shown = size_to_str(size);
        g_autofree char *digits = g_strdup_printf("%" PRIu64, size);
        uint64_t again;

        g_assert(strlen(shown) < 16);
        g_assert(qemu_strtosz(digits, NULL, &again) == 0 && again == size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup(size ? (const char *)data : "", size);
    const char *end;
    uint64_t u64;
    int64_t i64;
    double d;
    int i;

    check_size(text);
    int wide = qemu_strtoi64(text, &end, 0, &i64);
    int narrow = qemu_strtoi(text, &end, 0, &i);
    if (narrow == 0) {
        g_assert(wide == 0 && i64 == i);
    }
    if (qemu_strtou64(text, &end, 0, &u64) == 0 && wide == 0 && i64 >= 0) {
        g_assert(u64 == (uint64_t)i64);
    }
    qemu_strtod_finite(text, &end, &d);
    qemu_parse_fd(text);
    qemu_parse_fdset(text);
    return 0;
}
