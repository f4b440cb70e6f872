/*
 * File, command, memory and null channels: what they do beyond the
 * conformance suite.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <glib/gstdio.h>

#include "io/channel-buffer.h"
#include "io/channel-command.h"
#include "io/channel-file.h"
#include "io/channel-null.h"
#include "util/error.h"

/* -- file ------------------------------------------------------------------ */

static void test_file(void)
{
    g_autofree char *dir = g_dir_make_tmp("file-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "f", NULL);
    QIOChannelFile *file = qio_channel_file_new_path(
        path, O_RDWR | O_CREAT | O_TRUNC, 0600, &error_abort);
    QIOChannel *ioc = QIO_CHANNEL(file);
    struct iovec iov[2] = { { (char *)"ab", 2 }, { (char *)"cd", 2 } };
    char buf[8] = { 0 };
    Error *err = NULL;

    g_assert_true(qio_channel_has_feature(ioc, QIO_CHANNEL_FEATURE_SEEKABLE));
    g_assert_cmpint(fcntl(file->fd, F_GETFD) & FD_CLOEXEC, !=, 0);
    qio_channel_write_all(ioc, "0123456789", 10, &error_abort);
    g_assert_cmpint(qio_channel_io_seek(ioc, 4, SEEK_SET, &error_abort), ==, 4);
    g_assert_cmpint(qio_channel_read(ioc, buf, 2, &error_abort), ==, 2);
    g_assert_cmpstr(buf, ==, "45");

    /* Positioned I/O leaves the position alone. */
    g_assert_cmpint(qio_channel_pwritev(ioc, iov, 2, 2, &error_abort), ==, 4);
    g_assert_cmpint(qio_channel_pread(ioc, buf, 6, 1, &error_abort), ==, 6);
    g_assert_cmpmem(buf, 6, "1abcd6", 6);
    g_assert_cmpint(qio_channel_pwrite(ioc, "X", 1, 0, &error_abort), ==, 1);
    g_assert_cmpint(qio_channel_pread(ioc, buf, 8, 10, &error_abort), ==, 0);
    g_assert_cmpint(qio_channel_pread(ioc, buf, 1, -1, &err), ==, -1);
    error_free_or_abort(&err);
    g_assert_cmpint(qio_channel_io_seek(ioc, 0, SEEK_CUR, &error_abort), ==, 6);
    g_assert_cmpint(qio_channel_io_seek(ioc, -1, SEEK_SET, &err), ==, -1);
    error_free_or_abort(&err);

    object_unref(OBJECT(ioc));
    g_unlink(path);
    g_assert_null(qio_channel_file_new_path(path, O_RDONLY, 0, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), path));
    error_free_or_abort(&err);
    g_rmdir(dir);
}

static void test_pipe_has_no_position(void)
{
    g_autoptr(QIOChannelFile) rd = NULL;
    g_autoptr(QIOChannelFile) wr = NULL;
    Error *err = NULL;
    int fds[2];
    char c;

    g_assert_cmpint(pipe2(fds, O_CLOEXEC), ==, 0);
    rd = qio_channel_file_new_fd(fds[0]);
    wr = qio_channel_file_new_dupfd(fds[1], &error_abort);
    fd_close(fds[1]);
    g_assert_cmpint(qio_channel_pread(QIO_CHANNEL(rd), &c, 1, 0, &err), ==, -1);
    error_free_or_abort(&err);
    /* The reader goes: an error, not a signal. */
    qio_channel_close(QIO_CHANNEL(rd), &error_abort);
    g_assert_cmpint(qio_channel_write(QIO_CHANNEL(wr), "x", 1, &err), ==, -1);
    g_assert_nonnull(strstr(error_get_pretty(err), "Broken pipe"));
    error_free_or_abort(&err);
}

/* -- command --------------------------------------------------------------- */

static QIOChannel *spawn(const char *script, int flags)
{
    const char *const argv[] = { "/bin/sh", "-c", script, NULL };

    return QIO_CHANNEL(
        qio_channel_command_new_spawn(argv, flags, &error_abort));
}

static char *read_to_end(QIOChannel *ioc)
{
    GString *s = g_string_new(NULL);
    char buf[64];
    ssize_t n;

    while ((n = qio_channel_read(ioc, buf, sizeof(buf), &error_abort)) > 0) {
        g_string_append_len(s, buf, n);
    }
    return g_string_free(s, FALSE);
}

static void test_command_read(void)
{
    g_autoptr(QIOChannel) ioc = spawn("echo hello; cat", O_RDONLY);
    g_autofree char *out = read_to_end(ioc);
    Error *err = NULL;

    /* Its input is /dev/null, so cat ended. */
    g_assert_cmpstr(out, ==, "hello\n");
    g_assert_cmpint(qio_channel_write(ioc, "x", 1, &err), ==, -1);
    error_free_or_abort(&err);
}

static void test_command_write(void)
{
    g_autofree char *dir = g_dir_make_tmp("cmd-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "out", NULL);
    g_autofree char *script = g_strdup_printf("cat > '%s'", path);
    g_autofree char *data = NULL;
    g_autoptr(QIOChannel) ioc = spawn(script, O_WRONLY);

    qio_channel_write_all(ioc, "to the child", 12, &error_abort);
    /* Closing waits for the child, so its work is done. */
    qio_channel_close(ioc, &error_abort);
    g_assert_true(g_file_get_contents(path, &data, NULL, NULL));
    g_assert_cmpstr(data, ==, "to the child");
    g_unlink(path);
    g_rmdir(dir);
}

/* Mask of signals that "NAME:\tHEX" in @text gives. */
static uint64_t signal_mask(const char *text, const char *name)
{
    const char *at = strstr(text, name);

    g_assert_nonnull(at);
    return g_ascii_strtoull(at + strlen(name) + 1, NULL, 16);
}

/* No other descriptor, default SIGPIPE, nothing blocked. */
static void test_command_environment(void)
{
    AUTO_FD leak = open("/dev/null", O_RDONLY);
    sigset_t all, old;
    g_autoptr(QIOChannel) ioc = NULL;
    g_autofree char *out = NULL;

    signal(SIGPIPE, SIG_IGN);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    ioc = spawn("ls /proc/self/fd | wc -l; grep SigBlk /proc/self/status;"
                "grep SigIgn /proc/self/status",
                O_RDONLY);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    out = read_to_end(ioc);
    /* 0, 1, 2 and the directory that ls has open. */
    g_assert_true(g_str_has_prefix(out, "4\n"));
    g_assert_cmphex(signal_mask(out, "SigBlk:"), ==, 0);
    /* Signals that the C library keeps for itself are inherited as they are. */
    g_assert_cmphex(signal_mask(out, "SigIgn:") & (1u << (SIGPIPE - 1)), ==, 0);
}

/* A child that ignores the end of its input is made to end. */
static void test_command_stubborn(void)
{
    g_autoptr(QIOChannel) ioc =
        spawn("trap '' TERM; echo up; while :; do sleep 0.1; done", O_RDWR);
    GPid pid = QIO_CHANNEL_COMMAND(ioc)->pid;
    gint64 start;
    char buf[3];

    qio_channel_read_all(ioc, buf, 3, &error_abort);
    start = g_get_monotonic_time();
    qio_channel_close(ioc, &error_abort);
    g_assert_cmpint(g_get_monotonic_time() - start, <, 5000000);
    g_assert_cmpint(kill(pid, 0), ==, -1);
    g_assert_cmpint(errno, ==, ESRCH);
}

static void test_command_missing(void)
{
    const char *const argv[] = { "/no/such/program", NULL };
    Error *err = NULL;

    g_assert_null(qio_channel_command_new_spawn(argv, O_RDWR, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "/no/such/program"));
    error_free_or_abort(&err);
}

/* -- memory and null ------------------------------------------------------- */

static void test_buffer(void)
{
    g_autoptr(QIOChannelBuffer) b = qio_channel_buffer_new(4);
    QIOChannel *ioc = QIO_CHANNEL(b);
    g_autofree char *big = g_strnfill(100000, 'z');
    char buf[16] = { 0 };
    Error *err = NULL;

    qio_channel_write_all(ioc, "hello world", 11, &error_abort);
    g_assert_cmpuint(b->usage, ==, 11);
    g_assert_cmpint(qio_channel_read(ioc, buf, 16, &error_abort), ==, 0);
    g_assert_cmpint(qio_channel_io_seek(ioc, 6, SEEK_SET, &error_abort), ==, 6);
    g_assert_cmpint(qio_channel_read(ioc, buf, 16, &error_abort), ==, 5);
    g_assert_cmpstr(buf, ==, "world");
    g_assert_cmpint(qio_channel_io_seek(ioc, -5, SEEK_END, &error_abort), ==,
                    6);
    qio_channel_write_all(ioc, "W", 1, &error_abort);
    g_assert_cmpmem(b->data, b->usage, "hello World", 11);
    g_assert_cmpint(qio_channel_io_seek(ioc, 12, SEEK_SET, &err), ==, -1);
    error_free_or_abort(&err);
    g_assert_cmpint(qio_channel_io_seek(ioc, -20, SEEK_CUR, &err), ==, -1);
    error_free_or_abort(&err);
    qio_channel_io_seek(ioc, 0, SEEK_END, &error_abort);
    qio_channel_write_all(ioc, big, 100000, &error_abort);
    g_assert_cmpuint(b->usage, ==, 100011);
    qio_channel_wait(ioc, G_IO_IN);
    qio_channel_wait(ioc, G_IO_OUT);
}

static void test_null(void)
{
    g_autoptr(QIOChannelNull) n = qio_channel_null_new();
    QIOChannel *ioc = QIO_CHANNEL(n);
    Error *err = NULL;
    char c;

    g_assert_cmpint(qio_channel_write(ioc, "gone", 4, &error_abort), ==, 4);
    g_assert_cmpint(qio_channel_read(ioc, &c, 1, &error_abort), ==, 0);
    g_assert_cmpint(qio_channel_io_seek(ioc, 7, SEEK_SET, &error_abort), ==, 0);
    qio_channel_wait(ioc, G_IO_OUT);
    qio_channel_close(ioc, &error_abort);
    g_assert_cmpint(qio_channel_write(ioc, "x", 1, &err), ==, -1);
    error_free_or_abort(&err);
    g_assert_cmpint(qio_channel_read(ioc, &c, 1, &err), ==, -1);
    error_free_or_abort(&err);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/file", test_file);
    g_test_add_func("/pipe", test_pipe_has_no_position);
    g_test_add_func("/command/read", test_command_read);
    g_test_add_func("/command/write", test_command_write);
    g_test_add_func("/command/environment", test_command_environment);
    g_test_add_func("/command/stubborn", test_command_stubborn);
    g_test_add_func("/command/missing", test_command_missing);
    g_test_add_func("/buffer", test_buffer);
    g_test_add_func("/null", test_null);
    return g_test_run();
}
