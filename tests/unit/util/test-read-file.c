/*
 * Bounded reading of files.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <glib/gstdio.h>

#include "util/error.h"
#include "util/read-file.h"

static void test_regular(void)
{
    static const size_t sizes[] = { 0, 1, 4095, 4096, 4097, 100000 };
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("ferry-read-XXXXXX", &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autofree char *want = g_strnfill(sizes[i], 'a' + i);
        g_autofree char *got = NULL;
        size_t len = 12345;
        Error *err = NULL;

        g_assert_true(g_file_set_contents(path, want, sizes[i], NULL));
        got = read_file_bounded(path, sizes[i], &len, &error_abort);
        g_assert_cmpmem(got, len + 1, want, sizes[i] + 1);
        if (sizes[i]) {
            g_assert_null(read_file_bounded(path, sizes[i] - 1, &len, &err));
            error_free_or_abort(&err);
        }
    }
    fd_close(fd);
    g_unlink(path);
}

/* What has no size: a pipe, and a device without end. */
static void test_unsized(void)
{
    g_autofree char *path = NULL;
    g_autofree char *got = NULL;
    char text[30000];
    size_t len;
    Error *err = NULL;
    int fds[2];

    memset(text, 'p', sizeof(text));
    g_assert_cmpint(pipe(fds), ==, 0);
    g_assert_cmpint(write(fds[1], text, sizeof(text)), ==, sizeof(text));
    fd_close(fds[1]);
    path = g_strdup_printf("/proc/self/fd/%d", fds[0]);
    got = read_file_bounded(path, sizeof(text), &len, &error_abort);
    g_assert_cmpmem(got, len, text, sizeof(text));
    fd_close(fds[0]);
    g_assert_null(read_file_bounded("/dev/zero", 100000, &len, &err));
    error_free_or_abort(&err);
}

static void test_errors(void)
{
    size_t len = 77;
    Error *err = NULL;

    g_assert_null(read_file_bounded("/nonexistent", 10, &len, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "/nonexistent"));
    error_free_or_abort(&err);
    g_assert_null(read_file_bounded("/", 10, &len, &err));
    error_free_or_abort(&err);
    g_assert_cmpint(len, ==, 77);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/util/read-file/regular", test_regular);
    g_test_add_func("/util/read-file/unsized", test_unsized);
    g_test_add_func("/util/read-file/errors", test_errors);
    return g_test_run();
}
