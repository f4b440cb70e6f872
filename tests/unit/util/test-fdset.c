/*
 * Descriptor sets and qemu_open().
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <glib/gstdio.h>

#include "util/error.h"
#include "util/fdset.h"

static int open_tmp(char **ret_path, int flags)
{
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("fdset-XXXXXX", &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(write(fd, "hello", 5), ==, 5);
    close(fd);
    fd = open(path, flags | O_CLOEXEC);
    g_assert_cmpint(fd, >=, 0);
    *ret_path = g_steal_pointer(&path);
    return fd;
}

static bool fd_is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

typedef struct Count {
    int sets;
    int fds;
    int64_t last_id;
    char *opaque;
} Count;

static void count_fd(int64_t id, int fd, const char *opaque, void *data)
{
    Count *c = data;

    g_assert_cmpint(id, >=, c->last_id);
    c->sets += id != c->last_id;
    c->fds += fd >= 0;
    c->last_id = id;
    if (opaque) {
        g_free(c->opaque);
        c->opaque = g_strdup(opaque);
    }
}

static Count count_all(void)
{
    Count c = { .last_id = -1 };

    fdset_foreach(count_fd, &c);
    return c;
}

static void test_parse(void)
{
    static const char *const bad[] = {
        "/dev/fdset/",   "/dev/fdset/x",  "/dev/fdset/-1",
        "/dev/fdset/1 ", "/dev/fdset/+1", "/dev/fdset/1/2",
        "/dev/fdset",    "dev/fdset/1",   "/dev/fdset/99999999999999999999"
    };
    int64_t id = -7;

    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_false(fdset_parse_path(bad[i], &id));
        g_assert_cmpint(id, ==, -7);
    }
    g_assert_true(fdset_parse_path("/dev/fdset/42", &id));
    g_assert_cmpint(id, ==, 42);
}

static void test_add_remove(void)
{
    g_autofree char *path = NULL;
    Error *err = NULL;
    int64_t id = -1;
    int fd = open_tmp(&path, O_RDONLY);
    Count c;

    fdset_monitor_ref();
    g_assert_false(fdset_add(fd, true, -1, NULL, &id, &err));
    error_free_or_abort(&err);
    g_assert_true(fdset_add(fd, false, 0, "r:disk", &id, &error_abort));
    g_assert_cmpint(id, ==, 0);
    c = count_all();
    g_assert_cmpint(c.sets, ==, 1);
    g_assert_cmpint(c.fds, ==, 1);
    g_assert_cmpstr(c.opaque, ==, "r:disk");
    g_free(c.opaque);

    /* The lowest free number, also when a later one is taken. */
    g_assert_true(fdset_add(dup(fd), true, 2, NULL, NULL, &error_abort));
    g_assert_true(fdset_add(dup(fd), false, 0, NULL, &id, &error_abort));
    g_assert_cmpint(id, ==, 1);

    g_assert_false(fdset_remove(7, false, 0, &err));
    error_free_or_abort(&err);
    g_assert_false(fdset_remove(0, true, 9999, &err));
    error_free_or_abort(&err);
    g_assert_true(fdset_remove(0, true, fd, &error_abort));
    g_assert_false(fd_is_open(fd));
    g_assert_true(fdset_remove(1, false, 0, &error_abort));
    g_assert_true(fdset_remove(2, false, 0, &error_abort));
    c = count_all();
    g_assert_cmpint(c.sets, ==, 0);
    fdset_monitor_unref();

    g_assert_false(fdset_add(9999, false, 0, NULL, NULL, &err));
    error_free_or_abort(&err);
    g_unlink(path);
}

static void test_open_modes(void)
{
    g_autofree char *path = NULL, *path2 = NULL;
    Error *err = NULL;
    int rd = open_tmp(&path, O_RDONLY);
    int rw = open_tmp(&path2, O_RDWR);
    char buf[8];
    int fd;

    g_assert_true(fdset_add(rd, true, 5, NULL, NULL, &error_abort));
    fd = qemu_open("/dev/fdset/5", O_RDONLY, &error_abort);
    g_assert_cmpint(fd, !=, rd);
    g_assert_cmpint(fcntl(fd, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
    g_assert_cmpint(read(fd, buf, sizeof(buf)), ==, 5);

    g_assert_cmpint(qemu_open("/dev/fdset/5", O_RDWR, &err), ==, -1);
    g_assert_cmpint(errno, ==, EACCES);
    g_assert_nonnull(strstr(error_get_pretty(err), "read-write"));
    error_free_or_abort(&err);
    g_assert_cmpint(qemu_open("/dev/fdset/6", O_RDONLY, &err), ==, -1);
    g_assert_cmpint(errno, ==, ENOENT);
    error_free_or_abort(&err);

    g_assert_true(fdset_add(rw, true, 5, NULL, NULL, &error_abort));
    qemu_close(fd);
    /* No monitor and no duplicate: that close took the set away. */
    g_assert_false(fd_is_open(rd));
    g_assert_false(fd_is_open(rw));
    g_assert_cmpint(fdset_open("/dev/fdset/5", O_RDONLY, &err), ==, -1);
    error_free_or_abort(&err);
    g_assert_cmpint(fdset_open("/dev/null", O_RDONLY, &err), ==, -1);
    g_assert_cmpint(errno, ==, EINVAL);
    error_free_or_abort(&err);
    g_unlink(path);
    g_unlink(path2);
}

static void test_create_truncates(void)
{
    g_autofree char *path = NULL;
    struct stat st;
    int rw = open_tmp(&path, O_WRONLY);
    int fd;

    fdset_monitor_ref();
    g_assert_true(fdset_add(rw, true, 1, NULL, NULL, &error_abort));
    fd = qemu_create("/dev/fdset/1", O_WRONLY | O_APPEND, 0666, &error_abort);
    g_assert_cmpint(fcntl(fd, F_GETFL) & O_APPEND, ==, O_APPEND);
    g_assert_cmpint(fstat(fd, &st), ==, 0);
    g_assert_cmpint(st.st_size, ==, 5);
    qemu_close(fd);
    fd = qemu_create("/dev/fdset/1", O_WRONLY | O_TRUNC, 0666, &error_abort);
    g_assert_cmpint(fstat(fd, &st), ==, 0);
    g_assert_cmpint(st.st_size, ==, 0);
    g_assert_cmpint(fcntl(fd, F_GETFL) & O_APPEND, ==, 0);

    /* Removed while a duplicate is open: stays until that is closed. */
    g_assert_true(fdset_remove(1, false, 0, &error_abort));
    g_assert_true(fd_is_open(rw));
    g_assert_cmpint(qemu_open_old("/dev/fdset/1", O_WRONLY), ==, -1);
    qemu_close(fd);
    g_assert_false(fd_is_open(rw));
    fdset_monitor_unref();
    g_assert_cmpint(qemu_unlink("/dev/fdset/1"), ==, 0);
    g_assert_cmpint(qemu_unlink(path), ==, 0);
}

/* A duplicate closed by plain close() must not keep the set for ever. */
static void test_plain_close(void)
{
    g_autofree char *path = NULL;
    int rd = open_tmp(&path, O_RDONLY);
    int fd;

    fdset_monitor_ref();
    g_assert_true(fdset_add(rd, true, 1, NULL, NULL, &error_abort));
    fd = qemu_open("/dev/fdset/1", O_RDONLY, &error_abort);
    close(fd);
    fdset_monitor_unref();
    g_assert_false(fd_is_open(rd));
    g_unlink(path);
}

static void test_plain_path(void)
{
    Error *err = NULL;
    g_autofree char *path = NULL;
    int fd = open_tmp(&path, O_RDONLY);

    close(fd);
    g_unlink(path);
    g_assert_cmpint(qemu_open(path, O_RDONLY, &err), ==, -1);
    g_assert_cmpint(errno, ==, ENOENT);
    g_assert_nonnull(strstr(error_get_pretty(err), path));
    error_free_or_abort(&err);
    fd = qemu_create(path, O_RDWR | O_EXCL, 0600, &error_abort);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(qemu_close(fd), ==, 0);
    g_assert_cmpint(qemu_create(path, O_RDWR | O_EXCL, 0600, &err), ==, -1);
    error_free_or_abort(&err);
    fd = qemu_open_old(path, O_RDONLY);
    g_assert_cmpint(fd, >=, 0);
    qemu_close(fd);
    g_unlink(path);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/fdset/parse", test_parse);
    g_test_add_func("/fdset/add-remove", test_add_remove);
    g_test_add_func("/fdset/open-modes", test_open_modes);
    g_test_add_func("/fdset/create-truncates", test_create_truncates);
    g_test_add_func("/fdset/plain-close", test_plain_close);
    g_test_add_func("/fdset/plain-path", test_plain_path);
    return g_test_run();
}
